//! A statement from the beginning of its planning to its job.
//!
//! It is numbered and listed when its planning begins, and its job has the same number. What becomes no
//! job is told to the core: that it was answered, that it failed, or that nobody wants it any more.

use crate::hub::{Hub, JobNotice};
use crate::query::{QueryError, RequestContext};
use partita_core::{Event, JobSpec, PlanningEnd, StatementSpec};
use partita_shared::ids::JobId;
use partita_shared::limits::ERROR_TEXT_CHARS_MAX;
use partita_shared::model::JobState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Why a statement ends that is dropped before it is anything.
pub(crate) const CLIENT_GONE: &str = "its client disconnected";

/// The job that answers a statement now: another one once it was planned again for little memory.
#[derive(Clone, Debug)]
pub(crate) struct CurrentJob(Arc<AtomicU32>);

impl CurrentJob {
    fn new(job: JobId) -> Self {
        CurrentJob(Arc::new(AtomicU32::new(job.0)))
    }

    pub(crate) fn get(&self) -> JobId {
        JobId(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, job: JobId) {
        self.0.store(job.0, Ordering::Relaxed);
    }
}

/// A statement that is being planned, or that was planned and has no job yet. If it is dropped, it is
/// cancelled.
#[derive(Debug)]
pub(crate) struct Statement {
    hub: Hub,
    job: JobId,
    current: CurrentJob,
    /// What happens to it, and then to its job; none once it has ended or is a job.
    notices: Option<mpsc::Receiver<JobNotice>>,
    /// Why it ends if it is dropped.
    if_dropped: &'static str,
}

impl Statement {
    /// Numbers and lists a statement whose planning begins. `text` says what it is.
    ///
    /// # Errors
    /// If too many are being planned.
    pub(crate) async fn begin(
        hub: &Hub,
        request_context: &RequestContext,
        text: &str,
    ) -> Result<Self, QueryError> {
        let spec = StatementSpec {
            text: text.trim().to_string(),
            client: request_context.client.clone(),
            owner: request_context.owner.clone(),
            priority: request_context.priority,
        };
        let begun = hub.plan(spec).await.ok_or(QueryError::Ending)?;
        let (job, notices) = begun.map_err(QueryError::Failed)?;
        let (hub, notices) = (hub.clone(), Some(notices));
        let current = CurrentJob::new(job);
        Ok(Statement { hub, job, current, notices, if_dropped: CLIENT_GONE })
    }

    /// The same for a statement that is planned again, whose answer comes of this from now on.
    pub(crate) async fn begin_again(
        hub: &Hub,
        request_context: &RequestContext,
        text: &str,
        current: &CurrentJob,
    ) -> Result<Self, QueryError> {
        let mut statement = Statement::begin(hub, request_context, text).await?;
        current.set(statement.job);
        statement.current = current.clone();
        Ok(statement)
    }

    /// Its number, which its job keeps, and that of what takes its place.
    pub(crate) fn current(&self) -> CurrentJob {
        self.current.clone()
    }

    /// Says why it ends if it is dropped from here on.
    pub(crate) fn ends_if_dropped(&mut self, reason: &'static str) {
        self.if_dropped = reason;
    }

    /// Resolves when someone has ended it.
    pub(crate) async fn ended(&mut self) -> QueryError {
        let Some(notices) = &mut self.notices else { return QueryError::Ending };
        while let Some(notice) = notices.recv().await {
            match notice {
                JobNotice::Ended { state: JobState::Cancelled, error, .. } => {
                    return QueryError::Cancelled(error);
                }
                JobNotice::Ended { error, .. } => return QueryError::Failed(error),
                // It has no result yet.
                JobNotice::Deliver { .. } | JobNotice::Persisted => {}
            }
        }
        QueryError::Ending
    }

    /// Ends with an answer of `rows` rows that the scheduler gave without a job.
    pub(crate) async fn answered(mut self, rows: u64) {
        self.end(PlanningEnd::Answered { rows }).await;
    }

    /// It could not be planned. Gives the error back.
    pub(crate) async fn failed(mut self, error: QueryError) -> QueryError {
        let text = format!("planning: {error}").chars().take(ERROR_TEXT_CHARS_MAX).collect();
        self.end(PlanningEnd::Failed { error: text }).await;
        error
    }

    async fn end(&mut self, end: PlanningEnd) {
        let job = self.job;
        self.hub.tell(Event::PlanningEnded { job, end }).await;
        self.notices = None;
    }

    /// Nobody wants it any more, for this reason.
    pub(crate) async fn cancel(mut self, reason: &str) {
        let (job, reason) = (self.job, reason.to_string());
        self.hub.tell(Event::JobCancelled { job, reason }).await;
        self.notices = None;
    }

    /// It becomes a job. What happens to that comes out of the returned queue.
    ///
    /// # Errors
    /// If it was cancelled, or the core refuses the job.
    pub(crate) async fn submit(
        mut self,
        spec: JobSpec,
    ) -> Result<(JobId, mpsc::Receiver<JobNotice>), QueryError> {
        match self.hub.submit_planned(self.job, spec).await {
            Some(Ok(job)) => Ok((job, self.notices.take().ok_or(QueryError::Ending)?)),
            Some(Err(refusal)) => match self.notices.as_mut().map(mpsc::Receiver::try_recv) {
                // It was refused because someone has ended it.
                Some(Ok(JobNotice::Ended { state: JobState::Cancelled, error, .. })) => {
                    Err(QueryError::Cancelled(error))
                }
                _ => Err(self.failed(QueryError::Failed(refusal)).await),
            },
            None => Err(QueryError::Ending),
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if self.notices.take().is_some() {
            let (job, reason) = (self.job, self.if_dropped.to_string());
            self.hub.tell_later(Event::JobCancelled { job, reason });
        }
    }
}
