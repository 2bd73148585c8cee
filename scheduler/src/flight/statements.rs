//! Statements that are run once: planned, then fetched.

use crate::flight::handles::Handles;
use crate::flight::{DataStream, FlightSql, flight_info, status};
use crate::query::{self, CLIENT_GONE, CurrentJob, Kind, Prepared, QueryError, RequestContext};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{CancelStatus, FlightDescriptor, FlightInfo};
use bytes::Bytes;
use datafusion::arrow::array::UInt64Array;
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, TryStreamExt};
use partita_core::Event;
use partita_shared::JOB_HEADER;
use partita_shared::ids::JobId;
use prost::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tonic::{Response, Status};

/// Statements of all clients that may be planned and wait to be fetched.
const WAITING_STATEMENTS_MAX: usize = 1000;
/// How long a planned statement waits to be fetched.
const WAITING_TIME_MAX: Duration = Duration::from_mins(10);
/// How often statements are looked for that waited for too long.
const FORGET_INTERVAL: Duration = Duration::from_secs(30);
/// Why a statement ends that was planned and waited too long, or with its client or too many others.
const NOT_FETCHED: &str = "its client did not fetch the result";

/// A statement that was planned for someone.
#[derive(Debug)]
struct Waiting {
    request_context: RequestContext,
    prepared: Prepared,
}

type Jobs = Arc<Mutex<HashMap<Bytes, CurrentJob>>>;

/// The statements between their planning and the end of their streams.
#[derive(Debug)]
pub(crate) struct Statements {
    waiting: Handles<Waiting>,
    /// The jobs whose results are being read, by the handles that they were fetched with. The
    /// core limits how many there are.
    running: Jobs,
}

impl Statements {
    pub(crate) fn new() -> Self {
        Statements {
            waiting: Handles::new(WAITING_STATEMENTS_MAX, WAITING_TIME_MAX),
            running: Jobs::default(),
        }
    }

    /// Forgets, again and again, what nobody has fetched for too long.
    pub(crate) async fn forget_old(&self) {
        loop {
            tokio::time::sleep(FORGET_INTERVAL).await;
            self.waiting.forget_unused(Instant::now());
        }
    }

    /// Forgets what a client that is gone has not fetched.
    pub(crate) fn forget(&self, owner: &str) {
        self.waiting.forget(owner);
    }

    fn track(&self, handle: Bytes, job: CurrentJob) -> Tracked {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(handle.clone(), job);
        Tracked { running: Arc::clone(&self.running), handle }
    }

    fn job(&self, handle: &[u8]) -> Option<JobId> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(handle).map(CurrentJob::get)
    }
}

/// Keeps a job known under its handle as long as its stream lives.
#[derive(Debug)]
struct Tracked {
    running: Jobs,
    handle: Bytes,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.handle);
    }
}

impl FlightSql {
    /// Plans a statement.
    pub(crate) async fn prepare(
        &self,
        request_context: &RequestContext,
        sql: &str,
    ) -> Result<Prepared, Status> {
        query::prepare(&self.runner, &self.catalog, request_context, sql).await.map_err(status::of)
    }

    /// Keeps a planned statement until it is fetched, and says how to fetch it.
    pub(crate) fn offer(
        &self,
        request_context: RequestContext,
        mut prepared: Prepared,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        if let Some(statement) = &mut prepared.statement {
            statement.ends_if_dropped(NOT_FETCHED);
        }
        let schema = Arc::clone(&prepared.schema);
        let owner = request_context.owner.clone();
        let waiting = Waiting { request_context, prepared };
        let handle = self.statements.waiting.insert(Instant::now(), &owner, waiting);
        let ticket = TicketStatementQuery { statement_handle: handle };
        flight_info(&schema, ticket.as_any().encode_to_vec(), descriptor)
    }

    /// Runs the statement of a ticket.
    pub(crate) async fn fetch(&self, handle: Bytes) -> Result<Response<DataStream>, Status> {
        let waiting = self.statements.waiting.take(Instant::now(), &handle);
        let Waiting { request_context, prepared } = waiting.ok_or_else(|| {
            Status::not_found(
                "unknown ticket: it was already fetched, not fetched within ten minutes, or its client has requested too many others since; run the statement again",
            )
        })?;
        self.run(&request_context, prepared, Some(handle)).await
    }

    /// Runs a statement. The job's number is in the metadata of the answer.
    pub(crate) async fn run(
        &self,
        request_context: &RequestContext,
        prepared: Prepared,
        handle: Option<Bytes>,
    ) -> Result<Response<DataStream>, Status> {
        let mut prepared = bound(prepared).await?;
        let statement = prepared.statement.as_mut();
        // While it is planned and while it runs, it can be cancelled by its handle.
        let tracked = statement.zip(handle).map(|(statement, handle)| {
            statement.ends_if_dropped(CLIENT_GONE);
            self.statements.track(handle, statement.current())
        });
        let running = query::run(&self.runner, &self.catalog, request_context, prepared)
            .await
            .map_err(status::of)?;
        let messages = running.messages.map(move |message| {
            let _until_the_stream_is_dropped = &tracked;
            message.map_err(status::of)
        });
        let mut response = Response::new(messages.boxed());
        if let Some(JobId(number)) = running.job {
            response.metadata_mut().insert(JOB_HEADER, number.into());
        }
        Ok(response)
    }

    /// Runs a statement that gives no rows to its client. Gives the number of rows it wrote.
    pub(crate) async fn update(
        &self,
        request_context: &RequestContext,
        prepared: Prepared,
    ) -> Result<i64, Status> {
        let prepared = bound(prepared).await?;
        let writes = match &prepared.kind {
            Kind::Rows(_) if prepared.schema.fields().is_empty() => return Ok(0),
            Kind::Rows(_) => false,
            Kind::CreateTable(_) => true,
            Kind::Job { logical, .. } => {
                matches!(logical, LogicalPlan::Copy(_) | LogicalPlan::Dml(_))
            }
        };
        if !writes {
            let text = "the statement returns rows; run it as a query, not as an update";
            return Err(refused(prepared, text.to_string()).await);
        }
        let request_context = RequestContext { analyze: false, ..request_context.clone() };
        let running = query::run(&self.runner, &self.catalog, &request_context, prepared)
            .await
            .map_err(status::of)?;
        let messages = running.messages.map_err(|error| FlightError::from(status::of(error)));
        let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
        let mut written: u64 = 0;
        while let Some(batch) = batches.try_next().await? {
            let counts = batch.columns().first().and_then(|c| c.as_any().downcast_ref());
            let counts: &UInt64Array = counts.ok_or_else(|| {
                Status::internal(
                    "internal error: a statement that writes did not return a row count",
                )
            })?;
            written = counts.iter().flatten().fold(written, u64::saturating_add);
        }
        Ok(i64::try_from(written).unwrap_or(i64::MAX))
    }

    /// Stops what a client was told to fetch, whether it fetches already or not.
    pub(crate) async fn cancel(&self, info: &FlightInfo) -> Result<CancelStatus, Status> {
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        for handle in tickets.filter_map(|ticket| statement_handle(&ticket.ticket)) {
            let reason = "requested by its client";
            if let Some(waiting) = self.statements.waiting.take(Instant::now(), &handle) {
                if let Some(statement) = waiting.prepared.statement {
                    statement.cancel(reason).await;
                }
                return Ok(CancelStatus::Cancelled);
            }
            if let Some(job) = self.statements.job(&handle) {
                let reason = reason.to_string();
                self.hub.tell(Event::JobCancelled { job, reason }).await;
                return Ok(CancelStatus::Cancelling);
            }
        }
        Err(Status::not_found("nothing to cancel: the statement has ended, or was never fetched"))
    }
}

/// The handle in a ticket that was given out for a statement.
fn statement_handle(ticket: &[u8]) -> Option<Bytes> {
    let ticket: TicketStatementQuery = Any::decode(ticket).ok()?.unpack().ok()??;
    Some(ticket.statement_handle)
}

/// Refuses a statement with parameters that nobody gave values to.
async fn bound(prepared: Prepared) -> Result<Prepared, Status> {
    let Some(first) = prepared.parameters.first() else { return Ok(prepared) };
    let text =
        format!("parameter {} has no value; prepare the statement and bind values", first.name());
    Err(refused(prepared, text).await)
}

/// A statement is not run, for this reason.
async fn refused(prepared: Prepared, text: String) -> Status {
    let error = QueryError::Statement(text);
    status::of(match prepared.statement {
        Some(statement) => statement.failed(error).await,
        None => error,
    })
}
