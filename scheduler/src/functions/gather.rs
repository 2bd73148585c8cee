//! Results of functions, from the workers that hold them to the client.

use crate::flight::DataStream;
use crate::hub::Hub;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, SchemaAsIpc};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::stream::{self, StreamExt, TryStreamExt};
use partita_core::Event;
use partita_net::payload::{Header, Payload, parts_prefix};
use partita_net::peer::{DataPlane, FetchTicket, Part};
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::Holder;
use partita_shared::model::TaskState;
use partita_shared::wire;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Response, Status};

/// What a ticket begins with that asks for results of functions. JSON follows.
pub(crate) const GATHER_PREFIX: &[u8] = b"partita.gather:";

/// Messages that may wait for the client.
const MESSAGES_MAX: usize = 4;
/// Results that one ticket may name.
const RESULTS_MAX: usize = 100_000;
/// How often a result that cannot be read is looked for at another worker.
const ATTEMPTS_MAX: usize = 20;

/// The smallest result that a client fetches from its worker, in bytes in memory. A smaller one is there sooner through
/// the scheduler.
const DIRECT_BYTES_MIN: u64 = 1 << 20;

/// An object begins: which one, and how many bytes it has.
const HEAD: u8 = 1;
/// The next bytes of the object.
const PIECE: u8 = 2;
/// The object has no value any more, or the task failed.
const GONE: u8 = 3;

/// Where a large result is, for a client that fetches it itself.
#[derive(Serialize)]
struct Located {
    /// The worker.
    address: Endpoint,
    /// What to ask there by `DoGet`, in base64.
    ticket: String,
    /// The same for a client that can open the worker's memory, if it told its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<String>,
    /// Its size in memory.
    bytes: u64,
}

/// Where results are, as JSON: null for those that are small, or not there.
///
/// # Errors
/// If the question cannot be read.
pub(crate) async fn locate_results(hub: &Hub, text: &[u8]) -> Result<Vec<u8>, Status> {
    let Wanted { job, tasks, node } = read_wanted(text)?;
    let found = hub.query(move |core| {
        let place = |(stage, index)| {
            let task = TaskId { stage: StageId { job: JobId(job), index: stage }, index };
            let (holder, bytes) = core.large_result(task, DIRECT_BYTES_MIN)?;
            let address = core.data_address(holder.worker)?.clone();
            Some((task, holder, address, bytes))
        };
        tasks.into_iter().map(place).collect::<Vec<_>>()
    });
    let mut located = Vec::new();
    for place in found.await.unwrap_or_default() {
        let Some((task, holder, address, bytes)) = place else {
            located.push(None);
            continue;
        };
        let whole = FetchTicket::whole(task, holder.attempt);
        let shared = node
            .clone()
            .map(|node| encode(&FetchTicket { part: Part::Shared { node }, ..whole.clone() }));
        let ticket = encode(&whole)?;
        located.push(Some(Located { address, ticket, shared: shared.transpose()?, bytes }));
    }
    serde_json::to_vec(&located).map_err(|error| Status::internal(error.to_string()))
}

/// A ticket, in base64.
fn encode(ticket: &FetchTicket) -> Result<String, Status> {
    let bytes = wire::encode(ticket).map_err(|error| Status::internal(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

fn read_wanted(text: &[u8]) -> Result<Wanted, Status> {
    let wanted: Wanted = serde_json::from_slice(text)
        .map_err(|error| Status::invalid_argument(format!("invalid ticket: {error}")))?;
    if wanted.tasks.len() > RESULTS_MAX {
        let error = format!("a ticket may name {RESULTS_MAX} results");
        return Err(Status::invalid_argument(error));
    }
    Ok(wanted)
}

#[derive(Deserialize)]
struct Wanted {
    job: u32,
    tasks: Vec<(u32, u32)>,
    /// What names the node of the client, and the namespace of its processes, where it can open the memory of others.
    #[serde(default)]
    node: Option<String>,
}

/// Where a result is.
enum Place {
    At(Holder, Endpoint),
    /// It will be somewhere.
    NotYet,
    /// It is not computed, and will not be.
    Nowhere,
}

/// Sends results, one after the other. One that is lost meanwhile begins again.
///
/// # Errors
/// If the ticket cannot be read.
pub(crate) fn gather(
    hub: &Hub,
    plane: &Arc<dyn DataPlane>,
    text: &[u8],
) -> Result<Response<DataStream>, Status> {
    let wanted = read_wanted(text)?;
    let (client, messages) = mpsc::channel(MESSAGES_MAX);
    let (hub, plane) = (hub.clone(), Arc::clone(plane));
    tokio::spawn(async move {
        for (stage, index) in wanted.tasks {
            let stage = StageId { job: JobId(wanted.job), index: stage };
            let sent = send((&hub, &plane), TaskId { stage, index }, &client).await;
            if sent.is_none() {
                return;
            }
        }
    });
    // Clients of Arrow expect a schema first.
    let options = IpcWriteOptions::default();
    let schema = FlightData::from(SchemaAsIpc::new(&Schema::empty(), &options));
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    Ok(Response::new(stream::iter([Ok(schema)]).chain(messages).boxed()))
}

type Client = mpsc::Sender<Result<FlightData, Status>>;

fn data(bytes: Bytes) -> FlightData {
    FlightData { app_metadata: bytes, ..FlightData::default() }
}

/// Sends one result. None if the client has gone.
async fn send(
    (hub, plane): (&Hub, &Arc<dyn DataPlane>),
    task: TaskId,
    client: &Client,
) -> Option<()> {
    let mut changes = hub.changes();
    let mut cause = "it was not computed".to_string();
    for _ in 0..ATTEMPTS_MAX {
        let (holder, address) = loop {
            changes.borrow_and_update();
            match find(hub, task).await {
                Place::At(holder, address) => break (holder, address),
                Place::Nowhere => return gone(task, &cause, client).await,
                Place::NotYet => tokio::select! {
                    changed = changes.changed() => changed.ok()?,
                    () = client.closed() => return None,
                },
            }
        };
        match pass_on(plane, task, holder, &address, client).await {
            Ok(sent) => return sent,
            Err(error) => cause = error,
        }
        hub.tell(Event::Unreadable { task, worker: holder.worker }).await;
    }
    gone(task, &cause, client).await
}

async fn gone(task: TaskId, cause: &str, client: &Client) -> Option<()> {
    let mut bytes = vec![GONE];
    bytes.extend(task.stage.index.to_le_bytes());
    bytes.extend(task.index.to_le_bytes());
    bytes.extend_from_slice(cause.as_bytes());
    client.send(Ok(data(bytes.into()))).await.ok()
}

async fn find(hub: &Hub, task: TaskId) -> Place {
    let found = hub.query(move |core| {
        let row = core.task_view(task)?.row;
        let place = match (row.state, row.worker) {
            (TaskState::Done, Some(worker)) => match core.data_address(worker) {
                Some(address) => {
                    Place::At(Holder { worker, attempt: row.attempts }, address.clone())
                }
                None => Place::NotYet,
            },
            (TaskState::Done, None) | (TaskState::Failed, _) => Place::Nowhere,
            (TaskState::Waiting | TaskState::Ready | TaskState::Running, _) => Place::NotYet,
        };
        Some(place)
    });
    found.await.flatten().unwrap_or(Place::Nowhere)
}

/// Passes a result on from its holder. None within if the client has gone.
async fn pass_on(
    plane: &Arc<dyn DataPlane>,
    task: TaskId,
    holder: Holder,
    address: &Endpoint,
    client: &Client,
) -> Result<Option<()>, String> {
    let ticket = FetchTicket::whole(task, holder.attempt);
    let messages = plane.fetch(address, &ticket).await.map_err(|error| error.to_string())?;
    let messages = messages.map_err(|error| FlightError::ExternalError(Box::new(error)));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut is_begun = false;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| error.to_string())?;
        if !is_begun {
            let header = Header::of(&batch.schema()).map_err(|error| error.to_string())?;
            let Some(Header::Pickle { parts }) = header else {
                return Err("it is not an object".to_string());
            };
            if client.send(Ok(data(head(task, &parts)))).await.is_err() {
                return Ok(None);
            }
            is_begun = true;
        }
        let mut piece = vec![PIECE];
        piece.extend_from_slice(Payload::bytes_of(&batch).map_err(|error| error.to_string())?);
        if client.send(Ok(data(piece.into()))).await.is_err() {
            return Ok(None);
        }
    }
    match is_begun {
        true => Ok(Some(())),
        false => Err("its holder sent nothing".to_string()),
    }
}

/// The first message of an object: the task, the bytes of all pieces, and the lengths of its parts.
fn head(task: TaskId, parts: &[u64]) -> Bytes {
    let mut bytes = vec![HEAD];
    bytes.extend(task.stage.index.to_le_bytes());
    bytes.extend(task.index.to_le_bytes());
    bytes.extend(parts.iter().sum::<u64>().to_le_bytes());
    bytes.extend(parts_prefix(parts));
    bytes.into()
}
