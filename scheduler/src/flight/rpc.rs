//! The Flight calls. What lists things is answered here; statements go the way of Flight SQL.

use crate::flight::{
    DataStream, FlightSql, actions, catalog, exchange, flight_info, request_context, rows, status,
};
use crate::query;
use crate::{coordination, functions};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{Any, Command};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, PollInfo, SchemaAsIpc, SchemaResult, Ticket,
};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::stream::{self, StreamExt};
use partita_plan::logical::FrameCommand;
use partita_plan::nodes::PlanCommand;
use prost::Message;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The actions that clients may ask for, and what each does.
const ACTIONS: [(&str, &str); 4] = [
    ("CreatePreparedStatement", "Prepare a statement"),
    ("ClosePreparedStatement", "Close a prepared statement"),
    ("CancelQuery", "Cancel a statement, given its FlightInfo"),
    ("CancelFlightInfo", "Cancel a statement, given its FlightInfo"),
];

/// What a ticket begins with that asks for a persisted partition through the scheduler. JSON follows.
const FETCH_PREFIX: &[u8] = b"partita.fetch:";

/// The service as gRPC sees it.
#[derive(Debug)]
pub(crate) struct Service(pub(crate) FlightSql);

/// Reads the command of a ticket or a descriptor.
fn command(bytes: &[u8]) -> Result<Command, Status> {
    let unreadable =
        |error: String| Status::invalid_argument(format!("not a Flight SQL command: {error}"));
    let any = Any::decode(bytes).map_err(|error| unreadable(error.to_string()))?;
    Command::try_from(any).map_err(|error| unreadable(error.to_string()))
}

/// Reads a plan that a client built, if it is one.
fn frame(bytes: &[u8]) -> Result<Option<FrameCommand>, Status> {
    FrameCommand::read(bytes)
        .map_err(|error| Status::invalid_argument(format!("cannot read the frame: {error}")))
}

/// Reads a plan of a data frame of the Python package, if it is one.
fn plan(bytes: &[u8]) -> Result<Option<PlanCommand>, Status> {
    PlanCommand::read(bytes)
        .map_err(|error| Status::invalid_argument(format!("cannot read the plan: {error}")))
}

fn schema_result(schema: &Schema) -> Result<Response<SchemaResult>, Status> {
    let options = IpcWriteOptions::default();
    let result = SchemaAsIpc::new(schema, &options).try_into();
    Ok(Response::new(result.map_err(status::unanswerable)?))
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = <FlightSql as FlightService>::HandshakeStream;
    type ListFlightsStream = <FlightSql as FlightService>::ListFlightsStream;
    type DoGetStream = DataStream;
    type DoPutStream = <FlightSql as FlightService>::DoPutStream;
    type DoExchangeStream = DataStream;
    type DoActionStream = <FlightSql as FlightService>::DoActionStream;
    type ListActionsStream = <FlightSql as FlightService>::ListActionsStream;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        self.0.handshake(request).await
    }

    async fn list_flights(
        &self,
        _request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(Status::unimplemented("ListFlights is not supported; use Flight SQL"))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        if let Some(frame) = frame(&request.get_ref().cmd)? {
            let request_context = request_context::read(&request)?;
            let FlightSql { planner, catalog, .. } = &self.0;
            let prepared = query::prepare_frame(planner, catalog, &request_context, frame).await;
            return self.0.offer(
                request_context,
                prepared.map_err(status::of)?,
                request.into_inner(),
            );
        }
        if let Some(plan) = plan(&request.get_ref().cmd)? {
            let request_context = request_context::read(&request)?;
            let FlightSql { runner, catalog, .. } = &self.0;
            let prepared = query::prepare_plan(runner, catalog, &request_context, plan).await;
            return self.0.offer(
                request_context,
                prepared.map_err(status::of)?,
                request.into_inner(),
            );
        }
        let command = command(&request.get_ref().cmd)?;
        match catalog::schema(&command)? {
            Some(schema) => {
                let ticket = command.into_any().encode_to_vec();
                flight_info(&schema, ticket, request.into_inner())
            }
            None => self.0.get_flight_info(request).await,
        }
    }

    async fn poll_flight_info(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented(
            "PollFlightInfo is not supported; use GetFlightInfo, and read the result while it is computed",
        ))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let request_context = request_context::read(&request)?;
        if let Some(plan) = plan(&request.get_ref().cmd)? {
            let FlightSql { runner, catalog, .. } = &self.0;
            let described = query::describe_plan(runner, catalog, &request_context, plan).await;
            return schema_result(&described.map_err(status::of)?.schema);
        }
        let command = command(&request.get_ref().cmd)?;
        let schema = match &command {
            Command::CommandStatementQuery(query) => {
                let FlightSql { runner, catalog, .. } = &self.0;
                let described =
                    query::describe(runner, catalog, &request_context, &query.query).await;
                described.map_err(status::of)?.schema
            }
            Command::CommandPreparedStatementQuery(query) => {
                self.0.prepared_schema(&query.prepared_statement_handle)?
            }
            other => catalog::schema(other)?.ok_or_else(|| {
                Status::unimplemented(format!("{} has no schema", other.type_url()))
            })?,
        };
        schema_result(&schema)
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        if let Some(fetch) = request.get_ref().ticket.strip_prefix(FETCH_PREFIX) {
            return actions::fetch(&self.0.hub, self.0.plane.as_ref(), fetch).await;
        }
        if let Some(wanted) = request.get_ref().ticket.strip_prefix(functions::GATHER_PREFIX) {
            return functions::gather(&self.0.hub, &self.0.plane, wanted);
        }
        let command = command(&request.get_ref().ticket)?;
        if catalog::schema(&command)?.is_none() {
            return self.0.do_get(request).await;
        }
        let request_context = request_context::read(&request)?;
        let session = self.0.catalog.session(&request_context).await;
        let context = session.context.clone();
        Ok(rows(catalog::answer(&context, command).await?))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.0.do_put(request).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let request_context = request_context::read(&request)?;
        let (first, messages) = exchange::begin(request.into_inner().boxed()).await?;
        if coordination::is_hello(&first) {
            let coordination = Arc::clone(&self.0.coordination);
            return Ok(Response::new(coordination::serve(coordination, messages)));
        }
        let parts = (self.0.hub.clone(), Arc::clone(&self.0.sharing));
        functions::serve(parts, request_context, first, messages).await.map(Response::new)
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        self.0.do_action(request).await
    }

    async fn list_actions(
        &self,
        _request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let actions = ACTIONS.into_iter().chain(actions::ACTIONS).map(|(name, does)| {
            Ok(ActionType { r#type: name.to_string(), description: does.to_string() })
        });
        Ok(Response::new(Box::pin(stream::iter(actions))))
    }
}
