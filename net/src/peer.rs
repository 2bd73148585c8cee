//! Partitions of other workers: Arrow Flight between processes, the same stream of messages inside one.

use crate::dial::{Dial, DialError, Trust};
use crate::payload::BoxAxis;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{FlightData, Ticket};
use async_trait::async_trait;
use futures::stream::{BoxStream, Stream, StreamExt};
use partita_shared::access::authorization;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{Attempt, StageId, TaskId};
use partita_shared::{limits, wire};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::transport::Channel;

/// How long a connection to a peer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are kept. Where there are more peers, the others are dialed again.
const CONNECTIONS_MAX: usize = 4096;

/// Which part of each partition is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// All of it.
    All,
    /// The rows of this bucket.
    Bucket(u32),
    /// The items of this box, of partitions that are blocks of an array.
    Box(Vec<BoxAxis>),
    /// All of it, for a process of this node that can open the memory of another one: the answer may say where it lies.
    Shared {
        /// What names the node, and the namespace of its processes.
        node: String,
    },
}

/// Asks a worker for partitions that it holds: all of the same stage, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchTicket {
    /// The stage.
    pub stage: StageId,
    /// The part of each partition.
    pub part: Part,
    /// The tasks whose outputs are wanted, and the attempts that made them.
    pub tasks: Vec<(u32, Attempt)>,
}

impl FetchTicket {
    /// Asks for all of what one attempt of a task made.
    pub fn whole(task: TaskId, attempt: Attempt) -> Self {
        FetchTicket { stage: task.stage, part: Part::All, tasks: vec![(task.index, attempt)] }
    }
}

/// Why partitions did not come.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The holder is not there, or the way to it is cut.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Its `host:port`.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// The holder has not what it should have.
    #[error("{address} does not hold {what}")]
    NotHeld {
        /// Its `host:port`.
        address: String,
        /// What was asked for.
        what: String,
    },
}

/// Messages of a Flight stream: the schema first, then record batches.
pub type FlightStream = BoxStream<'static, Result<FlightData, FetchError>>;

/// The way to the data of workers.
#[async_trait]
pub trait DataPlane: Send + Sync + std::fmt::Debug {
    /// Asks a worker.
    ///
    /// # Errors
    /// If it cannot be reached or refuses; later trouble comes in the stream.
    async fn fetch(
        &self,
        worker: &Endpoint,
        ticket: &FetchTicket,
    ) -> Result<FlightStream, FetchError>;

    /// Uploads a partition to a worker: a [`crate::upload::UploadCommand`] in the descriptor
    /// of the first message, the rows in all.
    ///
    /// # Errors
    /// If it cannot be reached or does not keep them.
    async fn upload(
        &self,
        worker: &Endpoint,
        messages: BoxStream<'static, FlightData>,
    ) -> Result<(), FetchError>;

    /// Forgets the connection to a peer that is gone, if there is one.
    fn forget(&self, worker: &Endpoint);
}

/// The way over the network: one connection for each peer, kept.
#[derive(Debug)]
pub struct FlightPlane {
    token: String,
    stream_window_bytes: u32,
    channels: Mutex<HashMap<Endpoint, Channel>>,
}

impl FlightPlane {
    /// A way to workers that know this token.
    pub fn new(token: String) -> Self {
        let channels = Mutex::new(HashMap::new());
        FlightPlane { token, stream_window_bytes: limits::FLIGHT_STREAM_WINDOW_BYTES, channels }
    }

    /// The same way with at most this number of bytes in flight on one stream, where memory is short.
    pub fn with_stream_window(mut self, bytes: u32) -> Self {
        self.stream_window_bytes = bytes.min(limits::FLIGHT_STREAM_WINDOW_BYTES);
        self
    }

    async fn channel(&self, worker: &Endpoint) -> Result<Channel, FetchError> {
        let known =
            self.channels.lock().unwrap_or_else(PoisonError::into_inner).get(worker).cloned();
        if let Some(channel) = known {
            return Ok(channel);
        }
        let unreachable = |error: DialError| FetchError::Unreachable {
            address: worker.address.clone(),
            cause: error.to_string(),
        };
        let stream_window_bytes = self.stream_window_bytes;
        let trust = Trust::in_worker(&self.token);
        let dial = Dial { stream_window_bytes, trust, ..Dial::within(CONNECT_TIMEOUT) };
        let channel = dial.open(worker).await.map_err(unreachable)?;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.len() >= CONNECTIONS_MAX {
            channels.clear();
        }
        channels.insert(worker.clone(), channel.clone());
        Ok(channel)
    }
}

/// Messages on their way to a worker: a type of its own, whose lifetime the compiler can see through
/// a call.
struct Sent(BoxStream<'static, FlightData>);

impl Stream for Sent {
    type Item = FlightData;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FlightData>> {
        self.0.as_mut().poll_next(context)
    }
}

impl FlightPlane {
    fn authorized<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(Ok(value)) = authorization(&self.token).map(|text| text.parse()) {
            request.metadata_mut().insert("authorization", value);
        }
        request
    }
}

#[async_trait]
impl DataPlane for FlightPlane {
    fn forget(&self, worker: &Endpoint) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(worker);
    }

    async fn upload(
        &self,
        worker: &Endpoint,
        messages: BoxStream<'static, FlightData>,
    ) -> Result<(), FetchError> {
        let mut client = FlightServiceClient::new(self.channel(worker).await?)
            .max_encoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX);
        let mut answers = match client.do_put(self.authorized(Sent(messages))).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => {
                self.forget(worker);
                return Err(unreachable(worker, &status));
            }
        };
        loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(status) => return Err(unreachable(worker, &status)),
            }
        }
    }

    async fn fetch(
        &self,
        worker: &Endpoint,
        ticket: &FetchTicket,
    ) -> Result<FlightStream, FetchError> {
        let failed = |status: tonic::Status| -> FetchError {
            let address = worker.address.clone();
            match status.code() {
                tonic::Code::NotFound => {
                    FetchError::NotHeld { address, what: status.message().to_string() }
                }
                _ => FetchError::Unreachable { address, cause: describe(&status) },
            }
        };
        let channel = self.channel(worker).await?;
        let bytes = wire::encode(ticket).map_err(|error| FetchError::Unreachable {
            address: worker.address.clone(),
            cause: error.to_string(),
        })?;
        let request = self.authorized(Ticket { ticket: bytes.into() });
        let mut client = FlightServiceClient::new(channel)
            .max_decoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX);
        let stream = client.do_get(request).await.map_err(|status| {
            self.forget(worker);
            failed(status)
        })?;
        let address = worker.address.clone();
        let stream = stream.into_inner().map(move |item| {
            item.map_err(|status| FetchError::Unreachable {
                address: address.clone(),
                cause: describe(&status),
            })
        });
        Ok(stream.boxed())
    }
}

fn unreachable(worker: &Endpoint, status: &tonic::Status) -> FetchError {
    FetchError::Unreachable { address: worker.address.clone(), cause: describe(status) }
}

fn describe(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{} ({source})", status.message()),
        None => status.message().to_string(),
    }
}
