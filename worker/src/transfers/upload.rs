//! Partitions that clients upload.

use crate::engine::Engine;
use crate::store::Output;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::stream::{BoxStream, StreamExt};
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
            let mut rows = FlightRecordBatchStream::new_from_flight_data(messages);
            let mut output: Option<Output> = None;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(Status::from)?;
                let made =
                    output.get_or_insert_with(|| Output::new(taking.store(), batch.schema(), 1));
                made.push(0, batch).map_err(|error| failed(&error))?;
            }
            let output = output.or_else(|| {
                rows.schema().map(|schema| Output::new(taking.store(), Arc::clone(schema), 1))
            });
            let mut output =
                output.ok_or_else(|| Status::invalid_argument("the rows have no schema"))?;
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

fn failed(error: &datafusion::error::DataFusionError) -> Status {
    Status::resource_exhausted(partita_plan::error::plain(error))
}

fn gone() -> Status {
    Status::unavailable("the worker has lost its scheduler; upload the partition again")
}
