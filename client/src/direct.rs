//! Result partitions that are read straight from the workers that hold them.

use crate::{Client, ClientError, Control};
use arrow::array::RecordBatch;
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder, FlightRecordBatchStream};
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, Ticket};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use partita_net::peer::FetchTicket;
use partita_shared::message::{Direct, Request};
use partita_shared::wire;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;

/// Batches that may wait to be taken.
const BATCHES_MAX: usize = 2;
/// How long the scheduler's stream has to say what is wrong when the scheduler cannot be told what became of a
/// partition.
const STREAM_ERROR_WAIT: Duration = Duration::from_secs(5);

type Batches = mpsc::Sender<Result<RecordBatch, ClientError>>;

/// The rows of a job: those that the scheduler's stream carries, and those that it only points to.
pub(crate) fn rows(
    client: &Client,
    messages: Streaming<FlightData>,
) -> BoxStream<'static, Result<RecordBatch, ClientError>> {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    let reader = Reader { client: client.clone(), control: None };
    let messages = FlightDataDecoder::new(messages.map_err(FlightError::from));
    tokio::spawn(reader.run(messages, sender));
    tokio_stream::wrappers::ReceiverStream::new(receiver).boxed()
}

struct Reader {
    client: Client,
    /// Opened when the first partition is elsewhere.
    control: Option<Control>,
}

/// How reading a partition from its holder went.
enum Taken {
    All { rows: u64 },
    NotAll { passed_on: bool, cause: String },
    NobodyWaits,
}

impl Reader {
    /// Ends when the stream does, or nobody takes its rows any more: then the scheduler's stream is
    /// dropped, which stops the job.
    async fn run(mut self, mut messages: FlightDataDecoder, batches: Batches) {
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = batches.closed() => return,
            };
            let Some(message) = message else { return };
            let sent = match message {
                Err(error) => {
                    let error = ClientError::query(&self.client.access, error);
                    let _ = batches.send(Err(error)).await;
                    return;
                }
                Ok(message) => match message.payload {
                    DecodedPayload::RecordBatch(batch) => batches.send(Ok(batch)).await.is_ok(),
                    DecodedPayload::Schema(_) => true,
                    DecodedPayload::None => match self.take(&message.inner, &batches).await {
                        Ok(is_wanted) => is_wanted,
                        Err(error) => {
                            // The scheduler would wait for word of the partition, and this for its next message.
                            let said = timeout(STREAM_ERROR_WAIT, messages.next()).await;
                            let error = match said {
                                Ok(Some(Err(error))) => {
                                    ClientError::query(&self.client.access, error)
                                }
                                Ok(_) | Err(_) => error,
                            };
                            let _ = batches.send(Err(error)).await;
                            false
                        }
                    },
                },
            };
            if !sent {
                return;
            }
        }
    }

    /// Reads a partition from where a message says it is. False if nobody takes rows any more.
    ///
    /// # Errors
    /// If the scheduler cannot be told what became of it.
    async fn take(&mut self, message: &FlightData, batches: &Batches) -> Result<bool, ClientError> {
        let Ok(direct) = wire::decode::<Direct>(&message.app_metadata) else { return Ok(true) };
        // The job of the partition, which is another one than that of the answer's header if the query was
        // planned again for little memory.
        let ticket = wire::decode::<FetchTicket>(&direct.ticket);
        let job = ticket.map_err(|error| ClientError::Query(error.to_string()))?.stage.job;
        let index = direct.index;
        let request = match self.read(&direct, batches).await {
            Taken::All { rows } => Request::Taken { job, index, rows },
            Taken::NotAll { passed_on, cause } => {
                Request::NotTaken { job, index, passed_on, cause }
            }
            Taken::NobodyWaits => return Ok(false),
        };
        match self.tell(request).await {
            // It does not wait for word of the partition any more: its stream says why next.
            Ok(()) | Err(ClientError::Query(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn tell(&mut self, request: Request) -> Result<(), ClientError> {
        let control = match &mut self.control {
            Some(control) => control,
            None => self.control.insert(self.client.control().await?),
        };
        control.ask(request).await.map(drop)
    }

    async fn read(&mut self, direct: &Direct, batches: &Batches) -> Taken {
        let not_all = |passed_on, cause: String| Taken::NotAll { passed_on, cause };
        let mut stream = match self.open(direct).await {
            Ok(stream) => stream,
            Err(cause) => return not_all(false, cause),
        };
        let mut rows = 0;
        loop {
            let batch = tokio::select! {
                batch = stream.next() => batch,
                () = batches.closed() => return Taken::NobodyWaits,
            };
            match batch {
                None => return Taken::All { rows },
                Some(Err(error)) => return not_all(rows > 0, error.to_string()),
                Some(Ok(batch)) => {
                    rows += batch.num_rows() as u64;
                    if batches.send(Ok(batch)).await.is_err() {
                        return Taken::NobodyWaits;
                    }
                }
            }
        }
    }

    async fn open(&mut self, direct: &Direct) -> Result<FlightRecordBatchStream, String> {
        let mut flight = self.client.worker(&direct.address).await?;
        let request = self.client.request(Ticket { ticket: direct.ticket.clone().into() });
        let stream = flight.do_get(request).await.map_err(|status| status.to_string())?;
        let messages = stream.into_inner().map(|item| item.map_err(FlightError::from));
        Ok(FlightRecordBatchStream::new_from_flight_data(messages))
    }
}
