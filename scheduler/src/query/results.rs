//! A job's result, from the workers that hold its partitions to the client, in order.
//!
//! The messages pass through as they are: nothing is decoded. A partition up to
//! [`BUFFER_BYTES_MAX`] is taken whole before any of it is passed on, so that it can be recomputed
//! unnoticed if its holder dies meanwhile. Rows of a larger one may have been passed on already,
//! and a second attempt could return them in another order: then the client gets an error, never a
//! wrong answer.

use crate::hub::JobNotice;
use crate::query::direct::{self, Ack, DIRECT_BYTES_MIN};
use crate::query::partitions::MemoryMode;
use crate::query::prepare::{self, Kind, Prepared};
use crate::query::sessions::Session;
use crate::query::{
    Catalog, CurrentJob, JobRunner, QueryError, RequestContext, Running, Statement, Text,
    create_table, explain,
};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, SchemaAsIpc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc;
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use partita_core::{Event, JobSpec};
use partita_net::peer::{FetchTicket, Part};
use partita_observe::event::Observation;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::{FailureKind, Holder};
use partita_shared::model::JobState;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages that may wait for the client.
const RESULT_MESSAGES_MAX: usize = 4;
/// The largest partition that is taken whole before it is passed on, in bytes.
const BUFFER_BYTES_MAX: usize = 8 << 20;

type Message = Result<FlightData, QueryError>;

/// Answers a statement that was prepared. One that has no number yet gets it here. One over files whose types
/// come from a sample may fail for that ([`QueryError::Sampled`]).
pub(super) async fn begin(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    prepared: Prepared,
) -> Result<Running, QueryError> {
    let Prepared { text, schema, kind, statement, .. } = prepared;
    let numbered = async {
        match statement {
            Some(statement) => Ok(statement),
            None => runner.planner.begin(request_context, text.shown()).await,
        }
    };
    match kind {
        Kind::Rows(rows) => {
            let messages = encode(Arc::clone(&schema), rows);
            Ok(Running { job: None, schema, messages })
        }
        Kind::CreateTable(create) => {
            let statement = numbered.await?;
            create_table::run(runner, catalog, request_context, statement, &text, create).await
        }
        Kind::Job { logical, session } => {
            let statement = numbered.await?;
            begin_job(runner, request_context, statement, text, logical, session).await
        }
    }
}

/// Runs the job of a statement. `text` is the statement, `logical` its plan before the optimiser.
async fn begin_job(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    mut statement: Statement,
    text: Text,
    logical: LogicalPlan,
    session: Arc<Session>,
) -> Result<Running, QueryError> {
    // The rows are announced as the workers make them, which the plan knows best.
    let (planner, mode) = (&runner.planner, MemoryMode::Normal);
    let planned =
        prepare::job(planner, request_context, &mut statement, &text, &logical, &session, mode)
            .await;
    let (spec, schema) = match planned {
        Ok(planned) => planned,
        Err(error) => return Err(statement.failed(error).await),
    };
    let (analyzed, current) = (spec.analyze, statement.current());
    let (job, delivery) = submit(statement, spec).await?;
    let (client, messages) = mpsc::channel(RESULT_MESSAGES_MAX);
    let query = Query {
        runner: Arc::clone(runner),
        request_context: request_context.clone(),
        text,
        logical,
        session,
        schema: Arc::clone(&schema),
        analyzed,
        current,
        client,
    };
    tokio::spawn(query.drive(delivery));
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages).boxed();
    Ok(Running { job: Some(job), schema, messages })
}

/// The rows of a job that finds something out for a client's statement. `text` says what it is.
pub(super) async fn rows(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    text: String,
    logical: LogicalPlan,
    session: &Arc<Session>,
) -> Result<impl Stream<Item = Result<RecordBatch, QueryError>> + Unpin + use<>, QueryError> {
    let request_context =
        RequestContext { analyze: false, direct: false, ..request_context.clone() };
    let statement = runner.planner.begin(&request_context, &text).await?;
    let (text, session) = (Text::Frame(text), Arc::clone(session));
    let running = begin_job(runner, &request_context, statement, text, logical, session).await?;
    Ok(batches(running.messages))
}

async fn submit(statement: Statement, spec: JobSpec) -> Result<(JobId, Delivery), QueryError> {
    let result = (spec.stages.len() as u32).saturating_sub(1);
    let (job, notices) = statement.submit(spec).await?;
    let stage = StageId { job, index: result };
    Ok((job, Delivery { stage, notices, passed_on: false, reachable: true }))
}

/// The messages of a few batches that are here.
pub(crate) fn encode(
    schema: SchemaRef,
    rows: Vec<RecordBatch>,
) -> futures::stream::BoxStream<'static, Message> {
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(stream::iter(rows.into_iter().map(Ok::<_, FlightError>)))
        .map(|message| message.map_err(|error| QueryError::Failed(error.to_string())))
        .boxed()
}

/// The batches of messages.
fn batches(
    messages: stream::BoxStream<'static, Message>,
) -> impl Stream<Item = Result<RecordBatch, QueryError>> + Unpin {
    let messages = messages.map_err(|error| FlightError::ExternalError(Box::new(error)));
    FlightRecordBatchStream::new_from_flight_data(messages).map_err(|error| match error {
        FlightError::ExternalError(error) => match error.downcast::<QueryError>() {
            Ok(error) => *error,
            Err(error) => QueryError::Failed(error.to_string()),
        },
        other => QueryError::Failed(other.to_string()),
    })
}

/// The message that announces a schema.
pub(crate) fn announce(schema: &SchemaRef) -> FlightData {
    SchemaAsIpc::new(schema, &IpcWriteOptions::default()).into()
}

/// A query whose result someone waits for.
struct Query {
    runner: Arc<JobRunner>,
    request_context: RequestContext,
    text: Text,
    logical: LogicalPlan,
    session: Arc<Session>,
    schema: SchemaRef,
    analyzed: bool,
    current: CurrentJob,
    client: mpsc::Sender<Message>,
}

/// One job's result partitions.
struct Delivery {
    stage: StageId,
    notices: mpsc::Receiver<JobNotice>,
    /// Whether the client has rows of this job.
    passed_on: bool,
    /// Whether the client could reach all workers so far.
    reachable: bool,
}

/// How a job ended, as the client hears it.
enum Ending {
    Done,
    /// It ran out of memory before the client had any row: it may be tried another way.
    OutOfMemory(String),
    Error(QueryError),
    /// The client is gone.
    Nobody,
}

/// How reading one partition went.
enum Read {
    /// All of it is with the client.
    Passed {
        rows: u64,
    },
    /// Its holder failed, and nothing of it was passed on.
    Unreadable,
    /// Its holder failed when rows had been passed on.
    Broken(String),
    /// Something happened to the job meanwhile.
    Notice(JobNotice, bool),
    Nobody,
}

impl Query {
    async fn drive(self, mut delivery: Delivery) {
        if self.client.send(Ok(announce(&self.schema))).await.is_err() {
            self.cancel(delivery.stage.job).await;
            return;
        }
        let mut ending = self.deliver(&mut delivery).await;
        if let Ending::OutOfMemory(error) = ending {
            ending = self.retry_with_low_memory(&mut delivery, error).await;
        }
        match ending {
            Ending::Done if self.analyzed => self.send_figures(delivery.stage.job).await,
            Ending::Done | Ending::Nobody => {}
            Ending::OutOfMemory(error) => {
                let _ = self.client.send(Err(QueryError::Failed(error))).await;
            }
            Ending::Error(error) => {
                let _ = self.client.send(Err(error)).await;
            }
        }
    }

    /// Plans the query again for little memory, as another job.
    async fn submit_with_low_memory(&self) -> Result<(JobId, Delivery), QueryError> {
        let Query { runner, request_context, text, logical, session, current, .. } = self;
        let planner = &runner.planner;
        let mut statement = planner.begin_again(request_context, text.shown(), current).await?;
        let mode = MemoryMode::Low;
        match prepare::job(planner, request_context, &mut statement, text, logical, session, mode)
            .await
        {
            Ok((spec, _)) => submit(statement, spec).await,
            Err(error) => Err(statement.failed(error).await),
        }
    }

    /// Runs the query again with little memory.
    async fn retry_with_low_memory(&self, delivery: &mut Delivery, error: String) -> Ending {
        tracing::info!(job = %delivery.stage.job, cause = error, "retrying in low-memory mode");
        match self.submit_with_low_memory().await {
            Ok((again, new)) => {
                let job = delivery.stage.job;
                self.runner.hub.show(Observation::RunsAgain { job, again });
                *delivery = new;
                self.deliver(delivery).await
            }
            Err(error) => Ending::Error(error),
        }
    }

    async fn cancel(&self, job: JobId) {
        let reason = "its client disconnected".to_string();
        self.runner.hub.tell(Event::JobCancelled { job, reason }).await;
    }

    async fn send_figures(&self, job: JobId) {
        let found = self
            .runner
            .hub
            .query(move |core| core.stages(job).zip(core.operators(job)))
            .await
            .flatten();
        let Some((stages, operators)) = found else { return };
        let Ok(batch) = explain::figures(&stages, &operators) else { return };
        let mut messages = encode(Arc::clone(&self.schema), vec![batch]).skip(1);
        while let Some(message) = messages.next().await {
            if self.client.send(message).await.is_err() {
                return;
            }
        }
    }

    /// Brings partition after partition, until the job has ended.
    async fn deliver(&self, delivery: &mut Delivery) -> Ending {
        let job = delivery.stage.job;
        let mut next = None;
        loop {
            let notice = match next.take() {
                Some(notice) => notice,
                None => tokio::select! {
                    notice = delivery.notices.recv() => match notice {
                        Some(notice) => notice,
                        None => return Ending::Error(QueryError::Ending),
                    },
                    () = self.client.closed() => {
                        self.cancel(job).await;
                        return Ending::Nobody;
                    }
                },
            };
            let (index, holder, address, bytes) = match notice {
                JobNotice::Deliver { index, holder, address, bytes } => {
                    (index, holder, address, bytes)
                }
                // A job that delivers is not persisted.
                JobNotice::Persisted => continue,
                JobNotice::Ended { state, error, kind } => {
                    return ending(state, error, kind, delivery.passed_on);
                }
            };
            let direct = self.request_context.direct && !self.analyzed && delivery.reachable;
            let read = match direct && bytes >= DIRECT_BYTES_MIN && !address.is_empty() {
                true => self.send_there(delivery, index, holder, &address).await,
                false => self.read(delivery, index, holder, &address).await,
            };
            match read {
                Read::Passed { rows } => {
                    self.runner.hub.tell(Event::Delivered { job, index, rows }).await;
                }
                Read::Unreadable => {
                    let task = TaskId { stage: delivery.stage, index };
                    let worker = holder.worker;
                    self.runner.hub.tell(Event::Unreadable { task, worker }).await;
                }
                Read::Broken(error) => self.broken(job, error).await,
                Read::Notice(notice, rows_passed) => {
                    if rows_passed && matches!(notice, JobNotice::Deliver { .. }) {
                        let error = format!("{} was lost", holder.worker);
                        self.broken(job, error).await;
                    } else {
                        next = Some(notice);
                    }
                }
                Read::Nobody => {
                    self.cancel(job).await;
                    return Ending::Nobody;
                }
            }
        }
    }

    async fn broken(&self, job: JobId, cause: String) {
        let error = format!(
            "a part of the result was lost after some of its rows had been sent to the client: {cause}; run the query again"
        );
        self.runner.hub.tell(Event::DeliveryBroken { job, error }).await;
    }

    /// Sends the client to the holder of a partition, and waits for its word. If it cannot get there,
    /// the partition is brought to it.
    async fn send_there(
        &self,
        delivery: &mut Delivery,
        index: u32,
        holder: Holder,
        address: &Endpoint,
    ) -> Read {
        let tasks = vec![(index, holder.attempt)];
        let ticket = FetchTicket { stage: delivery.stage, part: Part::All, tasks };
        let mut expected = self.runner.acks.expect(delivery.stage.job, index);
        if self.client.send(direct::message(index, address, &ticket)).await.is_err() {
            return Read::Nobody;
        }
        let ack = tokio::select! {
            ack = &mut expected.receiver => ack,
            // Its holder is gone, and nobody knows how far the client was.
            Some(notice) = delivery.notices.recv() => return Read::Notice(notice, true),
            () = self.client.closed() => return Read::Nobody,
        };
        match ack {
            Ok(Ack::Taken { rows }) => {
                tracing::debug!(job = %delivery.stage.job, index, address = address.address, rows, "the client read a partition from its worker");
                delivery.passed_on = true;
                Read::Passed { rows }
            }
            Ok(Ack::Unreachable(cause)) => {
                tracing::info!(job = %delivery.stage.job, address = address.address, cause, "the client cannot read from a worker; the scheduler relays its rows");
                delivery.reachable = false;
                self.read(delivery, index, holder, address).await
            }
            Ok(Ack::Broken(cause)) => Read::Broken(cause),
            Err(_) => Read::Nobody,
        }
    }

    /// Brings one partition to the client.
    async fn read(
        &self,
        delivery: &mut Delivery,
        index: u32,
        holder: Holder,
        address: &Endpoint,
    ) -> Read {
        let tasks = vec![(index, holder.attempt)];
        let ticket = FetchTicket { stage: delivery.stage, part: Part::All, tasks };
        let mut buffer: Option<(Vec<FlightData>, usize)> = Some((Vec::new(), 0));
        let mut rows = 0;
        let fetching = self.runner.plane.fetch(address, &ticket);
        let mut stream = tokio::select! {
            fetched = fetching => match fetched {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%index, cause = %error, "cannot read a result partition");
                    return Read::Unreadable;
                }
            },
            Some(notice) = delivery.notices.recv() => return Read::Notice(notice, false),
        };
        loop {
            let message = tokio::select! {
                message = stream.next() => message,
                Some(notice) = delivery.notices.recv() => {
                    return Read::Notice(notice, buffer.is_none());
                }
                () = self.client.closed() => return Read::Nobody,
            };
            let data = match message {
                Some(Ok(data)) => data,
                Some(Err(error)) if buffer.is_some() => {
                    tracing::warn!(%index, cause = %error, "cannot read a result partition");
                    return Read::Unreadable;
                }
                Some(Err(error)) => return Read::Broken(error.to_string()),
                None => break,
            };
            let Some(found) = kind(&data) else { continue };
            rows += found;
            if self.analyzed {
                continue;
            }
            match &mut buffer {
                Some((held, bytes)) => {
                    *bytes += data.data_body.len();
                    held.push(data);
                    if *bytes > BUFFER_BYTES_MAX {
                        let held = std::mem::take(held);
                        buffer = None;
                        delivery.passed_on = true;
                        if !self.pass_on(held).await {
                            return Read::Nobody;
                        }
                    }
                }
                None => {
                    if !self.pass_on(vec![data]).await {
                        return Read::Nobody;
                    }
                }
            }
        }
        if let Some((held, _)) = buffer
            && !held.is_empty()
        {
            delivery.passed_on = true;
            if !self.pass_on(held).await {
                return Read::Nobody;
            }
        }
        Read::Passed { rows }
    }

    async fn pass_on(&self, messages: Vec<FlightData>) -> bool {
        for message in messages {
            if self.client.send(Ok(message)).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn ending(state: JobState, error: String, kind: Option<FailureKind>, passed_on: bool) -> Ending {
    match state {
        JobState::Done => Ending::Done,
        JobState::Cancelled => Ending::Error(QueryError::Cancelled(error)),
        JobState::Failed if kind == Some(FailureKind::Memory) && !passed_on => {
            Ending::OutOfMemory(error)
        }
        JobState::Failed
        | JobState::Planning
        | JobState::Queued
        | JobState::Running
        | JobState::Persisted => Ending::Error(QueryError::failed(kind, error)),
    }
}

/// The rows of a message; none for one that carries no data of its own, such as a schema.
fn kind(data: &FlightData) -> Option<u64> {
    let message = ipc::root_as_message(&data.data_header).ok()?;
    match message.header_type() {
        ipc::MessageHeader::RecordBatch => {
            Some(message.header_as_record_batch()?.length().max(0) as u64)
        }
        ipc::MessageHeader::DictionaryBatch => Some(0),
        _ => None,
    }
}
