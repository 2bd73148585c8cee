//! Receiving a partition that migrates from another worker.

use crate::engine::Engine;
use crate::store::Output;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::StreamExt;
use partita_net::peer::{FetchTicket, Part};
use partita_shared::message::{FromWorker, Migration};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Gets the partition in the background, keeps it, and says so.
pub(crate) fn start(engine: &Arc<Engine>, order: Migration, reports: &mpsc::Sender<FromWorker>) {
    let engine = Arc::clone(engine);
    // The link must be able to end while this goes on.
    let reports = reports.downgrade();
    let runtime = engine.runtimes().data().clone();
    let transfers = engine.runtimes().transfers();
    let waiting = runtime.clone();
    waiting.spawn(async move {
        let Ok(permit) = transfers.acquire_owned().await else { return };
        receive(engine, order, reports, runtime, permit);
    });
}

fn receive(
    engine: Arc<Engine>,
    order: Migration,
    reports: mpsc::WeakSender<FromWorker>,
    runtime: Handle,
    permit: OwnedSemaphorePermit,
) {
    // What does not fit in memory is written to disk, which other reads must not wait for.
    let disk = runtime.clone();
    disk.spawn_blocking(move || {
        let _permit = permit;
        runtime.block_on(async {
            let lost = engine.peers().lost(order.from);
            let taken = tokio::select! {
                taken = take(&engine, order) => taken,
                () = lost.cancelled() => Err(format!("{} was lost", order.from)),
            };
            if let Err(error) = &taken {
                tracing::info!(task = %order.task, from = %order.from, cause = error, "cannot migrate a partition");
            }
            let (task, attempt, error) = (order.task, order.attempt, taken.err());
            if let Some(reports) = reports.upgrade() {
                let _ = reports.send(FromWorker::Migrated { task, attempt, error }).await;
            }
        });
    });
}

async fn take(engine: &Arc<Engine>, order: Migration) -> Result<(), String> {
    let address = engine
        .peers()
        .address(order.from)
        .ok_or_else(|| format!("the address of {} is not known", order.from))?;
    let plane = engine.peers().plane();
    let mut output: Option<Output> = None;
    for bucket in 0..order.buckets.max(1) {
        let ticket = FetchTicket {
            stage: order.task.stage,
            part: if order.buckets > 0 { Part::Bucket(bucket) } else { Part::All },
            tasks: vec![(order.task.index, order.attempt)],
        };
        let messages = plane.fetch(&address, &ticket).await.map_err(|error| error.to_string())?;
        let peers = Arc::clone(engine.peers());
        let messages = messages.map(move |message| {
            if let Ok(data) = &message {
                peers.count_fetched(order.from, data.data_body.len() as u64);
            }
            message.map_err(|error| FlightError::ExternalError(Box::new(error)))
        });
        let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| error.to_string())?;
            let made = output.get_or_insert_with(|| new_output(engine, batch.schema(), order));
            made.push(bucket as usize, batch).map_err(|error| error.to_string())?;
        }
        if output.is_none()
            && let Some(schema) = batches.schema()
        {
            output = Some(new_output(engine, Arc::clone(schema), order));
        }
    }
    let mut output = output.ok_or("the partition has no schema")?;
    output.finish().map_err(|error| error.to_string())?;
    let kept = engine.store().put(order.task, order.attempt, output);
    kept.map(|_| ()).map_err(|error| error.to_string())
}

fn new_output(
    engine: &Arc<Engine>,
    schema: datafusion::arrow::datatypes::SchemaRef,
    order: Migration,
) -> Output {
    Output::new(engine.store(), schema, order.buckets.max(1) as usize)
}
