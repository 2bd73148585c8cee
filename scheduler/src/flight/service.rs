//! The calls of Flight SQL that are about statements.

use crate::flight::{DataStream, FlightSql, actions, parameters, request_context};
use crate::query::RequestContext;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, CommandStatementUpdate, DoPutPreparedStatementResult, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PutResult, Ticket,
};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use partita_net::upload::{self, UploadCommand};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

/// The action of plain Flight that stops what a `FlightInfo` describes.
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";

/// Refuses what would be part of a transaction.
fn no_transaction(transaction: Option<&Bytes>) -> Result<(), Status> {
    match transaction {
        Some(id) if !id.is_empty() => Err(Status::unimplemented("transactions are not supported")),
        _ => Ok(()),
    }
}

fn unreadable(error: &prost::DecodeError) -> Status {
    Status::invalid_argument(format!("cannot read the request: {error}"))
}

#[tonic::async_trait]
impl FlightSqlService for FlightSql {
    type FlightService = FlightSql;

    async fn do_handshake(
        &self,
        _request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<HandshakeResponse, Status>>>, Status> {
        Err(Status::unimplemented(
            "Handshake is not supported; send the token with every call, as `authorization: Bearer TOKEN`",
        ))
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        no_transaction(query.transaction_id.as_ref())?;
        let request_context = request_context::read(&request)?;
        let prepared = self.prepare(&request_context, &query.query).await?;
        self.offer(request_context, prepared, request.into_inner())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let request_context = request_context::read(&request)?;
        let handle = query.prepared_statement_handle;
        let (request_context, prepared) = self.plan_prepared(request_context, &handle).await?;
        self.offer(request_context, prepared, request.into_inner())
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        self.fetch(ticket.statement_handle).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let request_context = request_context::read(&request)?;
        let handle = query.prepared_statement_handle;
        let (request_context, prepared) = self.plan_prepared(request_context, &handle).await?;
        self.run(&request_context, prepared, None).await
    }

    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        no_transaction(command.transaction_id.as_ref())?;
        let request_context = request_context::read(&request)?;
        let prepared = self.prepare(&request_context, &command.query).await?;
        self.update(&request_context, prepared).await
    }

    async fn do_put_statement_ingest(
        &self,
        _command: CommandStatementIngest,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(Status::unimplemented(
            "ingesting rows is not supported; write them to files that the workers can read, and name these in the query",
        ))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let handle = query.prepared_statement_handle;
        let names = self.prepared_parameters(&handle)?;
        let values = parameters::read(request.into_inner(), &names).await?;
        self.bind(&handle, values)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_put_prepared_statement_update(
        &self,
        command: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let request_context = RequestContext { analyze: false, ..request_context::read(&request)? };
        let handle = command.prepared_statement_handle;
        let names = self.prepared_parameters(&handle)?;
        if let Some(values) = parameters::read(request.into_inner(), &names).await? {
            self.bind(&handle, Some(values))?;
        }
        let (request_context, prepared) = self.plan_prepared(request_context, &handle).await?;
        self.update(&request_context, prepared).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        no_transaction(query.transaction_id.as_ref())?;
        self.create_prepared(request_context::read(&request)?, &query.query).await
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        self.close_prepared(&query.prepared_statement_handle);
        Ok(())
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        _request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let info = FlightInfo::decode(query.info).map_err(|error| unreadable(&error))?;
        // The numbers of Flight SQL's own list of results are the same.
        let result = self.cancel(&info).await? as i32;
        Ok(ActionCancelQueryResult { result })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<BoxStream<'static, Result<arrow_flight::Result, Status>>>, Status> {
        let request_context = request_context::read(&request)?;
        let Action { r#type: name, body } = request.into_inner();
        if let Some(answer) = actions::answer(self, request_context, &name, &body).await {
            return answer.map(Response::new);
        }
        if name != CANCEL_FLIGHT_INFO {
            return Err(Status::unimplemented(format!("unknown action {name:?}")));
        }
        let request = CancelFlightInfoRequest::decode(body).map_err(|error| unreadable(&error))?;
        let status = self.cancel(&request.info.unwrap_or_default()).await? as i32;
        let body = CancelFlightInfoResult { status }.encode_to_vec().into();
        Ok(Response::new(Box::pin(stream::iter([Ok(arrow_flight::Result { body })]))))
    }

    async fn do_put_fallback(
        &self,
        request: Request<PeekableFlightDataStream>,
        message: Any,
    ) -> Result<Response<BoxStream<'static, Result<PutResult, Status>>>, Status> {
        if message.type_url != upload::TYPE_URL {
            let text = format!("DoPut does not support {}", message.type_url);
            return Err(Status::unimplemented(text));
        }
        let command = UploadCommand::from_json(&message.value).map_err(Status::invalid_argument)?;
        // Not the stream within: that one has lost its first message, which was read to find out that
        // this is an upload and carries the schema.
        let messages = request.into_inner().boxed();
        actions::upload(&self.hub, self.plane.as_ref(), command, messages).await
    }

    async fn register_sql_info(&self, _id: i32, _info: &SqlInfo) {}
}
