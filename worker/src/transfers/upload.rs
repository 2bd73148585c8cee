//! Partitions that clients upload: those of tables, and values for their calls.

use crate::engine::Engine;
use crate::memory::SEGMENT_BYTES_MIN;
use crate::store::{Output, Store};
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use datafusion::arrow::record_batch::RecordBatch;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use partita_net::payload::{Header, Payload, PayloadError};
use partita_shared::ids::TaskId;
use partita_shared::message::FromWorker;
use std::sync::Arc;
use tonic::Status;

/// Takes the rows of one partition, keeps them, and tells the scheduler. Gives the rows and bytes.
///
/// # Errors
/// If the rows cannot be read or kept, or the scheduler is unreachable.
pub(crate) async fn take(
    engine: &Arc<Engine>,
    task: TaskId,
    messages: BoxStream<'static, Result<FlightData, Status>>,
) -> Result<(u64, u64), Status> {
    let permit = engine.runtimes().transfers().acquire_owned().await.map_err(|_| gone())?;
    let taking = Arc::clone(engine);
    let runtime = engine.runtimes().data().clone();
    // What does not fit in memory is written to disk, which other reads must not wait for.
    let taken = engine.runtimes().data().spawn_blocking(move || {
        let _permit = permit;
        runtime.block_on(async move {
            let messages = messages.map(|message| message.map_err(FlightError::from));
            let rows = FlightRecordBatchStream::new_from_flight_data(messages);
            let mut output = read(taking.store(), rows).await?;
            output.finish().map_err(|error| failed(&error))?;
            let size = output.size();
            match taking.store().put(task, 1, output).map_err(|error| failed(&error))? {
                true => Ok(size),
                false => Err(gone()),
            }
        })
    });
    let (rows, bytes) = taken.await.map_err(|error| Status::internal(error.to_string()))??;
    let link = engine.link().ok_or_else(gone)?;
    link.send(FromWorker::Stored { task, rows, bytes }).await.map_err(|_| gone())?;
    Ok((rows, bytes))
}

/// Reads what a client sends.
async fn read(store: &Arc<Store>, mut rows: FlightRecordBatchStream) -> Result<Output, Status> {
    let first = rows.next().await.transpose().map_err(Status::from)?;
    let schema = rows.schema().cloned();
    let schema = schema.ok_or_else(|| Status::invalid_argument("the rows have no schema"))?;
    let mut output = Output::new(store, Arc::clone(&schema), 1);
    let header = Header::of(&schema).map_err(|error| invalid(&error))?;
    let pieces = stream::iter(first.map(Ok)).chain(rows);
    match header {
        Some(header) => read_object(store, header, pieces, &mut output).await?,
        None => push_all(pieces, &mut output).await?,
    }
    Ok(output)
}

type Pieces<'a> = BoxStream<'a, Result<RecordBatch, FlightError>>;

async fn push_all(
    pieces: impl Stream<Item = Result<RecordBatch, FlightError>> + Send,
    output: &mut Output,
) -> Result<(), Status> {
    let mut pieces: Pieces<'_> = pieces.boxed();
    while let Some(batch) = pieces.next().await {
        output.push(0, batch.map_err(Status::from)?).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Reads an object: in one piece that Python processes can map, if it is large and the budget has room for it.
async fn read_object(
    store: &Arc<Store>,
    header: Header,
    pieces: impl Stream<Item = Result<RecordBatch, FlightError>> + Send,
    output: &mut Output,
) -> Result<(), Status> {
    let expected = header.bytes().unwrap_or(u64::MAX);
    let is_large = expected >= SEGMENT_BYTES_MIN as u64;
    let room = is_large.then(|| store.segments().reserve(expected)).flatten();
    let segment = room.as_ref().and_then(|_| store.segments().create());
    let found = match segment {
        Some(mut segment) => {
            let mut pieces: Pieces<'_> = pieces.boxed();
            while let Some(batch) = pieces.next().await {
                let batch = batch.map_err(Status::from)?;
                let bytes = Payload::bytes_of(&batch).map_err(|error| invalid(&error))?;
                if segment.bytes() + bytes.len() as u64 > expected {
                    return Err(incomplete(expected));
                }
                segment
                    .write(bytes)
                    .map_err(|error| Status::resource_exhausted(error.to_string()))?;
            }
            let found = segment.bytes();
            let bytes = segment.finish();
            let bytes = bytes.map_err(|error| Status::resource_exhausted(error.to_string()))?;
            let object = Payload::new(header, bytes).map_err(|error| invalid(&error))?;
            let batch = object.to_batch().map_err(|error| invalid(&error))?;
            // The output reserves it from here on.
            drop(room);
            output.push(0, batch).map_err(|error| failed(&error))?;
            found
        }
        None => {
            push_all(pieces, output).await?;
            output.size().1
        }
    };
    match found >= expected {
        true => Ok(()),
        false => Err(incomplete(expected)),
    }
}

fn invalid(error: &PayloadError) -> Status {
    Status::invalid_argument(format!("the object cannot be read: {error}"))
}

fn incomplete(expected: u64) -> Status {
    Status::invalid_argument(format!("the object must have {expected} bytes"))
}

fn failed(error: &datafusion::error::DataFusionError) -> Status {
    Status::resource_exhausted(partita_plan::error::plain(error))
}

fn gone() -> Status {
    Status::unavailable("the worker has lost its scheduler; upload the partition again")
}
