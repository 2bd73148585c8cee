//! What clients ask for beside statements: to be remembered while they live, and what has to do with
//! the tables that they upload and persist. Bodies and answers are JSON.

use crate::flight::{DataStream, FlightSql, status};
use crate::functions;
use crate::hub::Hub;
use crate::query::{self, Catalog, RequestContext, UploadedTable, Uploads};
use arrow_flight::{FlightData, PutResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::Array;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::common::ScalarValue;
use futures::stream::{self, BoxStream, StreamExt};
use partita_net::peer::{DataPlane, FetchTicket};
use partita_net::upload::{UploadCommand, unbroken};
use partita_plan::persisted::Sorted;
use partita_plan::python::PythonFunction;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::JobId;
use partita_shared::limits::FUNCTION_BYTES_MAX;
use partita_shared::message::FunctionSpec;
use partita_shared::wire;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::io::Cursor;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Response, Status};

/// The actions, and what each does.
pub(crate) const ACTIONS: [(&str, &str); 11] = [
    (
        "partita.attend",
        "Keep the session while the answer is read; its tables are dropped when it ends",
    ),
    ("partita.leave", "End the session"),
    ("partita.release", "Drop those of the session's tables that have these names: names"),
    ("partita.tables", "List the persisted tables"),
    ("partita.publish", "Make a table of the session visible to everyone: name, as, replace"),
    (
        "partita.upload_begin",
        "Begin an upload and choose a worker for each partition: name, partitions, replicas",
    ),
    ("partita.upload_end", "Finish an upload and name the table: job, name, public, schema"),
    ("partita.locate", "List the workers that hold the partitions of a table: name"),
    ("partita.locate_results", "List the workers that hold large results of functions: job, tasks"),
    (
        "partita.register_function",
        "Let statements of the session call a Python function: name, pickle, environment, types",
    ),
    ("partita.unregister_function", "Take a Python function of the session away: name"),
];

/// Tables that are let go at once.
const RELEASE_NAMES_MAX: usize = 10_000;

/// How often a client that attends hears something, so that one that is gone is found out.
const ATTEND_INTERVAL: Duration = Duration::from_secs(5);

type Answers = BoxStream<'static, Result<arrow_flight::Result, Status>>;

#[derive(Deserialize)]
struct Release {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Publish {
    name: String,
    r#as: String,
    #[serde(default)]
    replace: bool,
}

#[derive(Deserialize)]
struct UploadBegin {
    name: String,
    partitions: u32,
    #[serde(default = "one")]
    replicas: u32,
}

fn one() -> u32 {
    1
}

#[derive(Serialize)]
struct Places {
    job: u32,
    addresses: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct UploadEnd {
    job: u32,
    name: String,
    #[serde(default)]
    public: bool,
    /// The schema's message of an Arrow IPC stream, in base64.
    schema: String,
    /// Columns by which the rows are in order, rising, missing values last: in each partition and from
    /// one to the next. The client answers for it.
    #[serde(default)]
    order: Vec<String>,
    /// An Arrow IPC stream, in base64: the first of these columns, for the first row of each partition but
    /// the first one. No value of it is in two partitions.
    splits: Option<String>,
}

#[derive(Deserialize)]
struct RegisterFunction {
    name: String,
    /// The function, pickled, in base64.
    pickle: String,
    /// The Python that the client runs.
    environment: serde_json::Value,
    /// The schema's message of an Arrow IPC stream, in base64: the types of the arguments and, last, of the result.
    types: String,
}

#[derive(Deserialize)]
struct UnregisterFunction {
    name: String,
}

#[derive(Deserialize)]
struct Locate {
    name: String,
}

#[derive(Serialize)]
struct Located {
    /// `host:port` of the worker; empty if the partition must be recomputed first.
    address: Endpoint,
    /// What to ask there by `DoGet`, in base64.
    ticket: String,
    rows: u64,
    bytes: u64,
}

/// Does what an action asks for. None if there is no such action.
pub(crate) async fn answer(
    flight: &FlightSql,
    request_context: RequestContext,
    name: &str,
    body: &[u8],
) -> Option<Result<Answers, Status>> {
    let FlightSql { hub, catalog, uploads, .. } = flight;
    let answer = match name {
        "partita.attend" => return Some(attend(flight.clone(), request_context.session)),
        "partita.leave" => {
            flight.end_session(&request_context.session).await;
            json(&serde_json::json!({}))
        }
        "partita.release" => release(catalog, uploads, &request_context, body).await,
        "partita.tables" => {
            catalog.session(&request_context).await;
            json(&catalog.rows().await)
        }
        "partita.publish" => publish(catalog, &request_context, body).await,
        "partita.upload_begin" => upload_begin(uploads, &request_context, body).await,
        "partita.upload_end" => upload_end(uploads, catalog, &request_context, body).await,
        "partita.locate" => locate(hub, catalog, &request_context, body).await,
        "partita.locate_results" => functions::locate_results(hub, body).await,
        "partita.register_function" => register_function(catalog, &request_context, body).await,
        "partita.unregister_function" => unregister_function(catalog, &request_context, body).await,
        _ => return None,
    };
    let one = answer.map(|body| arrow_flight::Result { body: body.into() });
    Some(one.map(|one| stream::iter([Ok(one)]).boxed()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(body).map_err(|error| {
        Status::invalid_argument(format!("cannot read the body of the action: {error}"))
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Status> {
    serde_json::to_vec(value).map_err(|error| Status::internal(error.to_string()))
}

/// Keeps a session as long as someone reads the answer.
fn attend(flight: FlightSql, session: String) -> Result<Answers, Status> {
    let (sender, receiver) = mpsc::channel(1);
    flight.catalog.attend(&session).map_err(Status::resource_exhausted)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => break,
                () = flight.shutdown.cancelled() => return,
                // At once: processes that exit wait for the end of the stream.
                () = flight.catalog.session_ended(&session) => return,
                () = tokio::time::sleep(ATTEND_INTERVAL) => {
                    let nothing = arrow_flight::Result { body: Vec::new().into() };
                    if sender.send(Ok(nothing)).await.is_err() {
                        break;
                    }
                }
            }
        }
        flight.end_session(&session).await;
    });
    // The first answer says that it is kept.
    let first = arrow_flight::Result { body: Vec::new().into() };
    let more = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok(stream::iter([Ok(first)]).chain(more).boxed())
}

async fn release(
    catalog: &Catalog,
    uploads: &Uploads,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let Release { names } = read(body)?;
    if names.len() > RELEASE_NAMES_MAX {
        let text =
            format!("too many names: {}, at most {RELEASE_NAMES_MAX} are supported", names.len());
        return Err(Status::invalid_argument(text));
    }
    let session = &request_context.session;
    uploads.give_up(|owner, name| owner == session && names.iter().any(|one| one == name)).await;
    catalog.release(session, &names).await;
    json(&serde_json::json!({}))
}

async fn publish(
    catalog: &Catalog,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let Publish { name, r#as: public, replace } = read(body)?;
    catalog.session(request_context).await;
    let published = catalog.publish(&request_context.session, &name, &public, replace).await;
    published.map_err(status::of)?;
    json(&serde_json::json!({}))
}

async fn upload_begin(
    uploads: &Uploads,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let UploadBegin { name, partitions, replicas } = read(body)?;
    let (job, addresses) =
        uploads.begin(request_context, &name, partitions, replicas).await.map_err(status::of)?;
    json(&Places { job: job.0, addresses })
}

async fn upload_end(
    uploads: &Uploads,
    catalog: &Catalog,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let UploadEnd { job, name, public, schema, order, splits } = read(body)?;
    let schema = read_stream(&schema, "the schema")?.schema();
    let sorted = match splits {
        Some(splits) => Some(sorted(&schema, &order, &splits)?),
        None => None,
    };
    let uploaded = UploadedTable { name, public, schema, sorted };
    let rows = uploads.end(catalog, request_context, JobId(job), uploaded).await;
    json(&serde_json::json!({ "rows": rows.map_err(status::of)? }))
}

async fn register_function(
    catalog: &Catalog,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let RegisterFunction { name, pickle, environment, types } = read(body)?;
    let types = read_stream(&types, "the types")?.schema();
    let pickle = STANDARD
        .decode(pickle)
        .map_err(|error| Status::invalid_argument(format!("cannot read the function: {error}")))?;
    if pickle.len() > FUNCTION_BYTES_MAX {
        let text =
            format!("the function has {} bytes, more than {FUNCTION_BYTES_MAX}", pickle.len());
        return Err(Status::invalid_argument(text));
    }
    let environment = environment.to_string().into();
    let spec = FunctionSpec { name, pickle: pickle.into(), environment };
    let function = PythonFunction::of_types(spec, &types)
        .ok_or_else(|| Status::invalid_argument("a function must have a type of its result"))?;
    let session = catalog.session(request_context).await;
    session.register_function(function).map_err(status::of)?;
    json(&serde_json::json!({}))
}

async fn unregister_function(
    catalog: &Catalog,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let UnregisterFunction { name } = read(body)?;
    let found = catalog.session(request_context).await.unregister_function(&name);
    json(&serde_json::json!({ "found": found }))
}

fn read_stream(text: &str, what: &str) -> Result<StreamReader<Cursor<Vec<u8>>>, Status> {
    let wrong = |error: String| Status::invalid_argument(format!("cannot read {what}: {error}"));
    let bytes = STANDARD.decode(text).map_err(|error| wrong(error.to_string()))?;
    StreamReader::try_new(Cursor::new(bytes), None).map_err(|error| wrong(error.to_string()))
}

/// The order of a table that is uploaded.
fn sorted(schema: &SchemaRef, order: &[String], splits: &str) -> Result<Sorted, Status> {
    let wrong = |error: &dyn std::fmt::Display| {
        Status::invalid_argument(format!("invalid order of rows: {error}"))
    };
    let rising = SortOptions { descending: false, nulls_first: false };
    let column = |name: &String| Ok((schema.index_of(name).map_err(|e| wrong(&e))?, rising));
    let columns = order.iter().map(column).collect::<Result<Vec<_>, Status>>()?;
    let (key, _) = columns.first().ok_or_else(|| wrong(&"it has no columns"))?;
    let mut values = Vec::new();
    for batch in read_stream(splits, "the splits")? {
        let batch = batch.map_err(|error| wrong(&error))?;
        let [column] = batch.columns() else { return Err(wrong(&"splits must be one column")) };
        if column.data_type() != schema.field(*key).data_type() {
            return Err(wrong(&format!(
                "splits must have the type {}",
                schema.field(*key).data_type()
            )));
        }
        for row in 0..column.len() {
            let value = ScalarValue::try_from_array(column, row).map_err(|error| wrong(&error))?;
            values.push(value);
        }
    }
    let is_rising = |pair: &[ScalarValue]| pair[0].partial_cmp(&pair[1]) == Some(Ordering::Less);
    if values.iter().any(ScalarValue::is_null) || !values.windows(2).all(is_rising) {
        return Err(wrong(&"splits must be strictly increasing"));
    }
    Ok(Sorted { columns, splits: values })
}

async fn locate(
    hub: &Hub,
    catalog: &Catalog,
    request_context: &RequestContext,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let Locate { name } = read(body)?;
    catalog.session(request_context).await;
    let persisted = catalog.find(&request_context.session, &name);
    let job = persisted.ok_or_else(|| status::of(query::unknown(&name)))?.job;
    let found = hub
        .query(move |core| {
            let places = core.persisted_locations(job)?;
            let sizes = core.persisted_partitions(job)?;
            let address = |worker| core.data_address(worker).cloned().unwrap_or_default();
            let of = |holder: Option<partita_shared::message::Holder>| {
                holder.map_or((Endpoint::default(), 0), |h| (address(h.worker), h.attempt))
            };
            let places = places.into_iter().map(|(task, holder)| (task, of(holder)));
            Some(places.zip(sizes).collect::<Vec<_>>())
        })
        .await
        .flatten()
        .ok_or_else(|| status::of(query::unknown(&name)))?;
    let mut located = Vec::with_capacity(found.len());
    for ((task, (address, attempt)), (rows, bytes)) in found {
        let ticket = wire::encode(&FetchTicket::whole(task, attempt))
            .map_err(|error| Status::internal(error.to_string()))?;
        located.push(Located { address, ticket: STANDARD.encode(ticket), rows, bytes });
    }
    json(&located)
}

/// The worker at an address; refuses one that does not belong to a worker, since requests to it carry the cluster's
/// token. Its fingerprint is the one that it registered with, whatever the client says.
async fn worker_at(hub: &Hub, address: &Endpoint) -> Result<Endpoint, Status> {
    let wanted = address.address.clone();
    let found = hub.query(move |core| core.endpoint_of(&wanted).cloned()).await;
    let unknown = || format!("no worker is connected at {}", address.address);
    found.flatten().ok_or_else(|| Status::not_found(unknown()))
}

/// Hands a partition on to the worker that shall hold it, for a client that cannot get there.
pub(crate) async fn upload(
    hub: &Hub,
    plane: &dyn DataPlane,
    command: UploadCommand,
    messages: BoxStream<'static, Result<FlightData, Status>>,
) -> Result<Response<BoxStream<'static, Result<PutResult, Status>>>, Status> {
    let worker = worker_at(hub, &command.address).await?;
    // What the client breaks off must not end well at the worker, which would take a part for all:
    // there it does not end at all, until the call is dropped here.
    let (messages, breaks) = unbroken(messages);
    tokio::select! {
        sent = plane.upload(&worker, messages) => {
            sent.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        Ok(error) = breaks => return Err(error),
    }
    Ok(Response::new(stream::iter([Ok(PutResult::default())]).boxed()))
}

/// Hands a persisted partition on from the worker that has it, for a client that cannot get there.
pub(crate) async fn fetch(
    hub: &Hub,
    plane: &dyn DataPlane,
    text: &[u8],
) -> Result<Response<DataStream>, Status> {
    #[derive(Deserialize)]
    struct Fetch {
        address: Endpoint,
        ticket: String,
    }
    let Fetch { address, ticket } = read(text)?;
    let wrong = |error: String| Status::invalid_argument(format!("invalid ticket: {error}"));
    let ticket = STANDARD.decode(ticket).map_err(|error| wrong(error.to_string()))?;
    let ticket: FetchTicket = wire::decode(&ticket).map_err(|error| wrong(error.to_string()))?;
    let worker = worker_at(hub, &address).await?;
    let messages = plane.fetch(&worker, &ticket).await;
    let messages = messages.map_err(|error| Status::unavailable(error.to_string()))?;
    let messages = messages.map(|m| m.map_err(|error| Status::unavailable(error.to_string())));
    Ok(Response::new(messages.boxed()))
}
