//! The data service: other workers and the scheduler read partitions here, by Arrow Flight.

use crate::config::WorkerConfig;
use crate::engine::Engine;
use crate::error::WorkerError;
use crate::exec::told_rows;
use crate::memory::{MESSAGE_BYTES, SegmentPlace, own_node};
use crate::store::{BoxCut, Found, Store};
use crate::transfers::upload;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::stream::{self, BoxStream, StreamExt};
use partita_net::connections::Caller;
use partita_net::identity::Identity;
use partita_net::listen::{Encryption, Port};
use partita_net::peer::{DataPlane, FetchError, FetchTicket, FlightStream, Part};
use partita_net::upload::UploadCommand;
use partita_shared::access::{host_name, is_plaintext};
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{Attempt, TaskId};
use partita_shared::plaintext::random_identity;
use partita_shared::{limits, wire};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, Streaming};

/// How long a segment stays where an answer said that it lies.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The data port, taken, with the certificate by which peers recognize it.
pub(crate) struct DataService {
    listener: TcpListener,
    /// By TLS with its certificate; none if nothing is encrypted.
    encryption: Option<Encryption>,
    /// Where the port is, and the fingerprint of the certificate; a random one if nothing is encrypted.
    pub(crate) endpoint: Endpoint,
}

impl DataService {
    /// Takes the data port, and makes a certificate for it.
    pub(crate) async fn open(host: &str, config: &WorkerConfig) -> Result<Self, WorkerError> {
        let address = format!("{host}:{}", config.port);
        let failed = |source| WorkerError::Listen { address: address.clone(), source };
        let listener = TcpListener::bind(&address).await.map_err(failed)?;
        let taken = listener.local_addr().map_err(failed)?.to_string();
        let (encryption, fingerprint) = match is_plaintext(&config.token) {
            true => (None, random_identity()?),
            false => {
                let identity = Identity::generate(&[host_name()])?;
                let encryption = Encryption::Required(identity.server_config()?);
                (Some(encryption), identity.fingerprint())
            }
        };
        let endpoint = Endpoint::new(taken, Some(fingerprint));
        Ok(DataService { listener, encryption, endpoint })
    }

    /// Serves on the data runtime, until the engine goes.
    pub(crate) fn start(self, engine: &Arc<Engine>) {
        let members = || Encryption::Disabled(Arc::clone(engine.peers().members()));
        let encryption = self.encryption.unwrap_or_else(members);
        start(engine, self.listener, encryption);
    }
}

fn start(engine: &Arc<Engine>, listener: TcpListener, encryption: Encryption) {
    let weak = Arc::downgrade(engine);
    let knows = Arc::downgrade(engine);
    let check = move |request: Request<()>| {
        let header = request.metadata().get("authorization").map(|value| value.as_bytes());
        let caller = request.extensions().get::<Caller>();
        if knows.upgrade().is_some_and(|engine| engine.peers().admits(caller, header)) {
            if let Some(caller) = caller {
                caller.mark_known();
            }
            return Ok(request);
        }
        Err(Status::unauthenticated("the token of the cluster is required"))
    };
    let service = FlightServiceServer::new(Service { engine: weak })
        .max_decoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX);
    let service = tonic::service::interceptor::InterceptedService::new(service, check);
    engine.data_runtime().spawn(async move {
        // The listener was made on another runtime: it must be driven by this one.
        let listener = match listener.into_std().and_then(TcpListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(cause = %error, "cannot start the data service");
                return;
            }
        };
        let port = Port::open(listener, encryption);
        let connections = stream::unfold(port, |mut port| async move {
            let (connection, _) = port.accept().await;
            Some((Ok::<_, std::io::Error>(connection), port))
        });
        let served = tonic::transport::Server::builder()
            .initial_stream_window_size(limits::FLIGHT_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::FLIGHT_CONNECTION_WINDOW_BYTES)
            .max_frame_size(Some(1 << 20))
            .add_service(service)
            .serve_with_incoming(connections)
            .await;
        if let Err(error) = served {
            tracing::error!(cause = %error, "the data service failed");
        }
    });
}

/// The messages that answer a ticket.
///
/// # Errors
/// [`FetchError::NotHeld`] if a partition is not here, or not from that attempt.
fn answer(engine: &Arc<Engine>, ticket: &FetchTicket) -> Result<FlightStream, FetchError> {
    let bucket = match &ticket.part {
        Part::Bucket(bucket) => Some(*bucket),
        Part::All | Part::Box(_) | Part::Shared { .. } => None,
    };
    let mut found: Vec<Found> = Vec::new();
    for (index, attempt) in &ticket.tasks {
        let task = TaskId { stage: ticket.stage, index: *index };
        let partition = engine.store().get(task, *attempt, bucket);
        found.push(partition.ok_or_else(|| FetchError::NotHeld {
            address: engine.address().to_string(),
            what: format!("the output of {task}, attempt {attempt}"),
        })?);
    }
    let Some(mut schema) = found.first().map(|found| Arc::clone(&found.schema)) else {
        return Ok(stream::empty().boxed());
    };
    if let (Part::Shared { node }, [(index, attempt)], [found]) =
        (&ticket.part, &ticket.tasks[..], &found[..])
        && own_node() == Some(node)
    {
        let task = TaskId { stage: ticket.stage, index: *index };
        if let Some(place) = where_it_lies(engine.store(), task, *attempt, found) {
            return Ok(place);
        }
    }
    let mut known_rows = Bytes::new();
    let batches = match &ticket.part {
        Part::All | Part::Bucket(_) => {
            known_rows = told_rows(found.iter().map(Found::rows).sum());
            stream::iter(found).flat_map(crate::store::rows).boxed()
        }
        Part::Shared { .. } => stream::iter(found).flat_map(crate::store::rows).boxed(),
        Part::Box(wanted) => {
            let cut = BoxCut::new(schema, wanted.clone()).map_err(|error| FetchError::NotHeld {
                address: engine.address().to_string(),
                what: error.to_string(),
            })?;
            schema = cut.schema();
            let store = Arc::clone(engine.store());
            let cuts =
                stream::iter(found).then(move |found| cut.clone().of(found, Arc::clone(&store)));
            cuts.boxed()
        }
    };
    let counting = Arc::clone(engine);
    let messages =
        FlightDataEncoderBuilder::new()
            .with_schema(schema)
            .with_metadata(known_rows)
            .with_max_flight_data_size(MESSAGE_BYTES)
            .with_dictionary_handling(DictionaryHandling::Resend)
            .build(batches.map(|batch| {
                batch.map_err(|error| FlightError::from_external_error(Box::new(error)))
            }))
            .map(move |message| match message {
                Ok(data) => {
                    counting.count_served(data.data_body.len() as u64);
                    Ok(data)
                }
                Err(error) => Err(FetchError::Unreachable {
                    address: counting.address().to_string(),
                    cause: error.to_string(),
                }),
            });
    Ok(messages.boxed())
}

/// The answer that says where an object lies: its schema with the place of its segment. None if it is not in memory that
/// another process can open.
fn where_it_lies(
    store: &Store,
    task: TaskId,
    attempt: Attempt,
    found: &Found,
) -> Option<FlightStream> {
    if !found.bucket.sections.is_empty() {
        return None;
    }
    let object = store.object(&found.bucket.batches).ok()?;
    let object = store.shareable(task, attempt, object);
    let segment = store.segments().find(object.bytes())?;
    let place = SegmentPlace::of(&segment).ok()?;
    let schema = place.write_to(&found.schema)?;
    let message: FlightData = SchemaAsIpc::new(&schema, &IpcWriteOptions::default()).into();
    // The reader ends the stream when it has opened the segment, which stays where it is so long.
    let held = stream::once(async move {
        tokio::time::sleep(OPEN_TIMEOUT).await;
        drop(segment);
    });
    Some(stream::iter([Ok(message)]).chain(held.filter_map(|()| async { None })).boxed())
}

/// The way to the data of a worker in this process.
#[derive(Debug)]
pub struct LocalPlane(pub Arc<Engine>);

#[async_trait]
impl DataPlane for LocalPlane {
    fn forget(&self, _: &Endpoint) {}

    async fn upload(
        &self,
        _: &Endpoint,
        messages: BoxStream<'static, FlightData>,
    ) -> Result<(), FetchError> {
        let address = self.0.address().to_string();
        let unreadable = |cause| FetchError::Unreachable { address: address.clone(), cause };
        let mut messages = messages;
        let first = messages.next().await.ok_or_else(|| unreadable("no rows".to_string()))?;
        let command = first.flight_descriptor.as_ref().map(|descriptor| &descriptor.cmd);
        let command = UploadCommand::read(command.map_or(&[], |cmd| cmd.as_ref()))
            .ok()
            .flatten()
            .ok_or_else(|| unreadable("it is not an upload".to_string()))?;
        let messages = stream::iter([first]).chain(messages).map(Ok).boxed();
        let taken = upload::take(&self.0, command.task(), messages).await;
        taken.map(|_| ()).map_err(|status| unreadable(status.message().to_string()))
    }

    async fn fetch(&self, _: &Endpoint, ticket: &FetchTicket) -> Result<FlightStream, FetchError> {
        answer(&self.0, ticket)
    }
}

struct Service {
    engine: std::sync::Weak<Engine>,
}

type Reply<T> = Result<Response<T>, Status>;

fn unsupported<T>() -> Reply<T> {
    Err(Status::unimplemented("workers serve only partitions; send queries to the scheduler"))
}

#[async_trait]
impl FlightService for Service {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        let ticket: FetchTicket = wire::decode(&request.into_inner().ticket)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let engine = self
            .engine
            .upgrade()
            .ok_or_else(|| Status::unavailable("the worker is shutting down"))?;
        let stream = answer(&engine, &ticket).map_err(|error| match error {
            FetchError::NotHeld { what, .. } => Status::not_found(what),
            FetchError::Unreachable { cause, .. } => Status::unavailable(cause),
        })?;
        Ok(Response::new(stream.map(|m| m.map_err(|e| Status::data_loss(e.to_string()))).boxed()))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Reply<Self::HandshakeStream> {
        unsupported()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        unsupported()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        unsupported()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<PollInfo> {
        unsupported()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        unsupported()
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        let engine = self
            .engine
            .upgrade()
            .ok_or_else(|| Status::unavailable("the worker is shutting down"))?;
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else {
            return Err(Status::invalid_argument("an upload must begin with a schema"));
        };
        let command = first.flight_descriptor.as_ref().map(|descriptor| &descriptor.cmd);
        let command = UploadCommand::read(command.map_or(&[], |cmd| cmd.as_ref()))
            .map_err(Status::invalid_argument)?
            .ok_or_else(|| Status::invalid_argument("workers accept only partitions of tables"))?;
        let messages = stream::iter([Ok(first)]).chain(messages).boxed();
        upload::take(&engine, command.task(), messages).await?;
        Ok(Response::new(stream::iter([Ok(PutResult::default())]).boxed()))
    }

    async fn do_action(&self, _: Request<Action>) -> Reply<Self::DoActionStream> {
        unsupported()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Reply<Self::ListActionsStream> {
        unsupported()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Reply<Self::DoExchangeStream> {
        unsupported()
    }
}
