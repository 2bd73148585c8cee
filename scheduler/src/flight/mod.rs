//! Flight SQL: how SQL clients of any make ask the cluster.
//!
//! The messages of a result pass through as the workers made them. A statement is planned when a
//! client asks for its [`FlightInfo`] and runs when the client fetches the ticket; the job lives as
//! long as someone reads. What must never happen: a statement carried out because a client only
//! asked what it would answer.

mod actions;
mod catalog;
pub(crate) mod exchange;
mod handles;
mod info;
mod parameters;
mod prepared;
mod request_context;
mod rpc;
mod service;
mod statements;
mod status;

use crate::coordination::Coordination;
use crate::functions::Sharing;
use crate::hub::Hub;
use crate::parts::Parts;
use crate::planning::Planner;
use crate::query::{Catalog, JobRunner, Uploads};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightServiceServer;
use arrow_flight::{FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use axum::Router;
use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use partita_net::peer::DataPlane;
use partita_shared::limits::FLIGHT_MESSAGE_BYTES_MAX;
use prepared::PreparedStatements;
use statements::Statements;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Response, Status};

/// The messages that answer a `DoGet`.
pub(crate) type DataStream = BoxStream<'static, Result<FlightData, Status>>;

/// The Flight service of a scheduler, to be merged with its other routes.
pub(crate) fn routes(parts: &Parts) -> Router {
    let sql = FlightSql {
        hub: parts.hub.clone(),
        plane: Arc::clone(&parts.plane),
        catalog: Arc::clone(&parts.catalog),
        uploads: Arc::clone(&parts.uploads),
        planner: Arc::clone(&parts.planner),
        runner: Arc::clone(&parts.runner),
        sharing: Arc::clone(&parts.sharing),
        coordination: Arc::clone(&parts.coordination),
        shutdown: parts.shutdown.clone(),
        statements: Arc::new(Statements::new()),
        prepared: Arc::new(PreparedStatements::new()),
    };
    let (statements, ended) = (Arc::clone(&sql.statements), sql.shutdown.clone());
    tokio::spawn(async move { ended.run_until_cancelled(statements.forget_old()).await });
    let service = FlightServiceServer::new(rpc::Service(sql))
        .max_decoding_message_size(FLIGHT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(FLIGHT_MESSAGE_BYTES_MAX);
    // The dashboard's files are the fallback of the port, and one router has only one.
    Routes::new(service).into_axum_router().reset_fallback()
}

/// The service: what it reaches, and what Flight SQL clients hold here between their calls.
#[derive(Clone, Debug)]
pub(crate) struct FlightSql {
    hub: Hub,
    plane: Arc<dyn DataPlane>,
    catalog: Arc<Catalog>,
    uploads: Arc<Uploads>,
    planner: Arc<Planner>,
    runner: Arc<JobRunner>,
    sharing: Arc<Sharing>,
    coordination: Arc<Coordination>,
    shutdown: CancellationToken,
    statements: Arc<Statements>,
    prepared: Arc<PreparedStatements>,
}

impl FlightSql {
    /// Ends a session: all that it has here goes with it.
    async fn end_session(&self, session: &str) {
        self.statements.forget(session);
        self.prepared.forget(session);
        self.catalog.end_session(session).await;
        self.uploads.give_up(|owner, _| owner == session).await;
    }
}

/// What a client learns before it fetches: the schema, and the ticket to fetch with.
fn flight_info(
    schema: &Schema,
    ticket: impl Into<Bytes>,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket));
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| Status::internal(format!("cannot encode the schema: {error}")))?
        .with_endpoint(endpoint)
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

/// Answers with rows that are here.
fn rows(batch: RecordBatch) -> Response<DataStream> {
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(batch.schema())
        .build(stream::iter([Ok::<_, FlightError>(batch)]))
        .map(|message| message.map_err(Status::from));
    Response::new(messages.boxed())
}
