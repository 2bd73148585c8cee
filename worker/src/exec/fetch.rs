//! Reading from other workers, by Flight.

use crate::exec::failure::InputLost;
use crate::exec::inputs::InputSource;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use bytes::Bytes;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{BoxStream, StreamExt};
use partita_net::peer::{FetchError, FetchTicket};
use partita_operators::progress::Source;
use partita_shared::ids::WorkerId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the first message of an answer says of the rows that follow.
pub(crate) fn told_rows(rows: u64) -> Bytes {
    Bytes::copy_from_slice(&rows.to_le_bytes())
}

/// The rows that follow a message, if it is the first one of an answer.
fn rows_told(message: &FlightData) -> Option<u64> {
    message.app_metadata.as_ref().try_into().ok().map(u64::from_le_bytes)
}

/// The rows that another worker holds, decoded where they are used.
pub(super) fn remote(
    source: &InputSource,
    worker: WorkerId,
    ticket: FetchTicket,
    (fetched_bytes, progress): (Arc<AtomicU64>, Arc<Source>),
    messages_max: usize,
) -> BoxStream<'static, Result<RecordBatch>> {
    let partitions = ticket.tasks.len() as u64;
    let messages = remote_messages(source, worker, ticket, fetched_bytes, messages_max);
    let messages = messages.inspect(move |message| {
        if let Some(rows) = message.as_ref().ok().and_then(rows_told) {
            progress.know(rows, partitions);
        }
    });
    let batches = FlightRecordBatchStream::new_from_flight_data(messages);
    batches.map(move |batch| batch.map_err(|error| unreadable(worker, error))).boxed()
}

/// What an error of a fetch means for the task.
pub(super) fn unreadable(worker: WorkerId, error: FlightError) -> DataFusionError {
    match error {
        FlightError::Tonic(status) => InputLost::error(worker, status.message().to_string()),
        FlightError::Arrow(error) => DataFusionError::ArrowError(Box::new(error), None),
        other => InputLost::error(worker, other.to_string()),
    }
}

/// What another worker answers. It is received on the data runtime; a few messages may wait there.
pub(super) fn remote_messages(
    source: &InputSource,
    worker: WorkerId,
    ticket: FetchTicket,
    fetched_bytes: Arc<AtomicU64>,
    messages_max: usize,
) -> BoxStream<'static, Result<FlightData, FlightError>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(messages_max);
    let lost = source.peers.lost(worker);
    let peers = Arc::clone(&source.peers);
    let fetch = source.runtimes.data().spawn(async move {
        let work = async {
            let Some(address) = peers.address(worker) else {
                let cause = format!("the address of {worker} is not known");
                let _ = sender.send(Err(cause)).await;
                return;
            };
            let mut stream = match peers.plane().fetch(&address, &ticket).await {
                Ok(stream) => stream,
                Err(error) => {
                    let _ = sender.send(Err(error.to_string())).await;
                    return;
                }
            };
            while let Some(message) = stream.next().await {
                if let Ok(data) = &message {
                    let bytes = data.data_body.len() as u64;
                    fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
                    peers.count_fetched(worker, bytes);
                }
                let message = message.map_err(|error: FetchError| error.to_string());
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = lost.cancelled() => {
                let _ = sender.send(Err(format!("{worker} was lost"))).await;
            }
        }
    });
    let guard = AbortOnDrop(fetch.abort_handle());
    let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
    messages
        .map(move |message| {
            let _keep = &guard;
            message.map_err(|cause| FlightError::Tonic(Box::new(tonic::Status::unavailable(cause))))
        })
        .boxed()
}

/// Ends a fetch that nobody waits for any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
