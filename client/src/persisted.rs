//! Persisted tables: uploaded, fetched, named, released.

use crate::{Client, ClientError, Frame, quoted, session};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, FlightDescriptor, Ticket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use partita_net::upload::{UploadCommand, unbroken};
use partita_shared::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// Partitions that are uploaded or fetched at once.
const STREAMS_MAX: usize = 8;
/// Bytes of one message of a partition that is uploaded, about.
const MESSAGE_BYTES: usize = 2 << 20;

/// A persisted table.
#[derive(Clone, Debug)]
pub struct Persisted {
    client: Client,
    name: String,
    rows: u64,
}

/// How a table is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name; one that nobody else has if none is given.
    pub name: Option<String>,
    /// Whether everyone sees it; else it goes with the client's session.
    pub public: bool,
    /// By how many workers each partition is held: what was uploaded cannot be recomputed.
    pub replicas: u32,
}

impl Default for Upload {
    fn default() -> Self {
        Upload { name: None, public: false, replicas: 1 }
    }
}

/// A table of that name, which is known to be there.
pub(crate) fn over(client: &Client, name: String, rows: u64) -> Persisted {
    Persisted { client: client.clone(), name, rows }
}

impl Persisted {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A frame that reads it.
    ///
    /// # Errors
    /// If it is not there any more, or the scheduler cannot be reached.
    pub async fn frame(&self) -> Result<Frame, ClientError> {
        self.client.table(&self.name).await
    }

    /// All its rows, as [`Client::get`] takes them.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get(&self) -> Result<Vec<RecordBatch>, ClientError> {
        self.client.get(&self.name).await
    }

    /// Gives it another name.
    ///
    /// # Errors
    /// If the name is taken, or the table is not there any more.
    pub async fn rename(self, to: &str) -> Result<Persisted, ClientError> {
        self.client.rename(&self.name, to).await?;
        Ok(Persisted { name: to.to_string(), ..self })
    }

    /// Makes it everyone's, under a name: it stays when this client is gone, until someone drops it.
    ///
    /// # Errors
    /// If the name is taken and `replace` is not set, or the table is not there any more.
    pub async fn publish(&self, name: &str, replace: bool) -> Result<Persisted, ClientError> {
        self.client.publish(&self.name, name, replace).await?;
        Ok(Persisted { name: name.to_string(), ..self.clone() })
    }

    /// Lets it go.
    ///
    /// # Errors
    /// If it is not there any more, or the scheduler cannot be reached.
    pub async fn release(self) -> Result<(), ClientError> {
        self.client.drop_table(&self.name).await
    }
}

#[derive(Deserialize)]
struct Places {
    job: u32,
    addresses: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Uploaded {
    rows: u64,
}

/// An upload. The scheduler is told if it is dropped before its end.
struct Begun<'a> {
    client: &'a Client,
    name: Option<&'a str>,
}

impl Begun<'_> {
    fn end(mut self) {
        self.name = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let Some(name) = self.name else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (client, names) = (self.client.clone(), json!({ "names": [name] }));
        runtime.spawn(async move {
            // What does not get there goes with the session.
            let _ = client.action::<serde_json::Value>("partita.release", &names).await;
        });
    }
}

/// Where a partition is, as the scheduler says it and takes it.
#[derive(Clone, Deserialize, Serialize)]
struct Located {
    address: Endpoint,
    ticket: String,
}

impl Client {
    /// Uploads a table, each batch a partition, straight to the workers where they can be reached,
    /// several at a time.
    ///
    /// # Errors
    /// If there is no partition, they have not all the same columns, a worker is lost meanwhile, or the
    /// scheduler cannot be reached.
    pub async fn upload(
        &self,
        partitions: Vec<RecordBatch>,
        how: Upload,
    ) -> Result<Persisted, ClientError> {
        let Some(schema) = partitions.first().map(RecordBatch::schema) else {
            return Err(ClientError::Query(
                "a table needs at least one partition; upload an empty batch with its columns"
                    .into(),
            ));
        };
        if let Some(at) = partitions.iter().position(|batch| batch.schema() != schema) {
            return Err(ClientError::Query(format!(
                "partition {at} has different columns than partition 0: {}, not {schema}",
                partitions[at].schema()
            )));
        }
        if self.session.is_empty() && !how.public {
            return Err(ClientError::Query(
                "a table that is not public needs a session; connect with Client::in_own_session, or upload it with public".into(),
            ));
        }
        let name = how.name.unwrap_or_else(|| format!("upload-{}", session::unique()));
        let begin =
            json!({ "name": name, "partitions": partitions.len(), "replicas": how.replicas });
        let begun = Begun { client: self, name: Some(&name) };
        let Places { job, addresses } = self.action("partita.upload_begin", &begin).await?;
        let work = addresses.into_iter().zip(partitions).zip(0..);
        stream::iter(work.map(Ok::<_, ClientError>))
            .try_for_each_concurrent(STREAMS_MAX, |((address, rows), index)| {
                self.upload_partition(UploadCommand { job, stage: 0, index, address }, rows)
            })
            .await?;
        let schema = STANDARD.encode(schema_bytes(&schema)?);
        let end = json!({ "job": job, "name": name, "public": how.public, "schema": schema });
        let Uploaded { rows } = self.action("partita.upload_end", &end).await?;
        begun.end();
        Ok(over(self, name, rows))
    }

    async fn upload_partition(
        &self,
        command: UploadCommand,
        rows: RecordBatch,
    ) -> Result<(), ClientError> {
        let bytes = command.to_bytes().map_err(|error| ClientError::Query(error.to_string()))?;
        let messages = FlightDataEncoderBuilder::new()
            .with_schema(rows.schema())
            .with_flight_descriptor(Some(FlightDescriptor::new_cmd(bytes)))
            .with_max_flight_data_size(MESSAGE_BYTES)
            .with_dictionary_handling(DictionaryHandling::Resend)
            .build(stream::iter([Ok(rows)]));
        let (messages, broken) = unbroken(messages.boxed());
        let messages = Messages(messages);
        let mut flight = match self.worker(&command.address).await {
            Ok(worker) => worker,
            Err(_) => self.flight(),
        };
        let sending = async {
            let answers = flight.do_put(self.request(messages)).await?;
            let mut answers = answers.into_inner();
            while answers.message().await?.is_some() {}
            Ok(())
        };
        tokio::select! {
            sent = sending => sent.map_err(|status: tonic::Status| {
                ClientError::Query(format!(
                    "cannot upload partition {} to {}: {}; upload the table again",
                    command.index, command.address.address, status.message()
                ))
            }),
            Ok(error) = broken => Err(ClientError::from(error)),
        }
    }

    /// All rows of a table that the workers hold, its partitions one after the other, each from where it
    /// lies, several at a time.
    ///
    /// # Errors
    /// If there is no such table, a lost partition of it cannot be recomputed, or the scheduler
    /// cannot be reached.
    pub async fn get(&self, name: &str) -> Result<Vec<RecordBatch>, ClientError> {
        let places: Vec<Located> = self.action("partita.locate", &json!({ "name": name })).await?;
        if places.iter().all(|place| !place.address.is_empty()) {
            let parts: Result<Vec<_>, ClientError> = stream::iter(places)
                .map(|place| self.get_one(place))
                .buffered(STREAMS_MAX)
                .try_collect()
                .await;
            if let Ok(parts) = parts {
                return Ok(parts.into_iter().flatten().collect());
            }
        }
        // Lost partitions are recomputed for readers that go through the scheduler.
        let query = self.run(&format!("SELECT * FROM {}", quoted(name))).await?;
        query.batches.try_collect().await
    }

    async fn get_one(&self, place: Located) -> Result<Vec<RecordBatch>, ClientError> {
        let wrong = |error: String| ClientError::Query(format!("invalid ticket: {error}"));
        let (mut flight, ticket) = match self.worker(&place.address).await {
            Ok(worker) => {
                let ticket = STANDARD.decode(&place.ticket);
                (worker, ticket.map_err(|error| wrong(error.to_string()))?)
            }
            Err(_) => {
                let text = serde_json::to_string(&place);
                let text = text.map_err(|error| wrong(error.to_string()))?;
                (self.flight(), format!("partita.fetch:{text}").into_bytes())
            }
        };
        let failed = |error| ClientError::query(&self.access, error);
        let request = self.request(Ticket::new(ticket));
        let answer = flight.do_get(request).await.map_err(|status| failed(status.into()))?;
        let messages = answer.into_inner().map_err(FlightError::from);
        let rows = FlightRecordBatchStream::new_from_flight_data(messages);
        rows.map_err(failed).try_collect().await
    }

    /// Lets a persisted table go, or takes another table or name away.
    ///
    /// # Errors
    /// If there is no such table, or the scheduler cannot be reached.
    pub async fn drop_table(&self, name: &str) -> Result<(), ClientError> {
        self.done(&format!("DROP TABLE {}", quoted(name))).await
    }

    /// Gives a persisted table another name.
    ///
    /// # Errors
    /// If there is no such table, or the name is taken.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), ClientError> {
        self.done(&format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to))).await
    }

    /// Makes a persisted table of this client's session everyone's, under a name.
    ///
    /// # Errors
    /// If there is no such table, or the name is taken and `replace` is not set.
    pub async fn publish(&self, name: &str, to: &str, replace: bool) -> Result<(), ClientError> {
        let body = json!({ "name": name, "as": to, "replace": replace });
        self.action::<serde_json::Value>("partita.publish", &body).await.map(drop)
    }

    /// Runs a statement that gives no rows.
    async fn done(&self, statement: &str) -> Result<(), ClientError> {
        let query = self.run(statement).await?;
        query.batches.try_for_each(|_| std::future::ready(Ok(()))).await
    }
}

fn schema_bytes(schema: &SchemaRef) -> Result<Vec<u8>, ClientError> {
    let failed = |error: arrow::error::ArrowError| ClientError::from(FlightError::from(error));
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(failed)?;
    writer.finish().map_err(failed)?;
    writer.into_inner().map_err(failed)
}

/// Messages on their way: a type of its own, whose lifetime the compiler can see through a call.
struct Messages(BoxStream<'static, FlightData>);

impl stream::Stream for Messages {
    type Item = FlightData;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FlightData>> {
        self.0.as_mut().poll_next(context)
    }
}
