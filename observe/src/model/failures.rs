//! Attempts and jobs that failed: what is kept of them, and the events that tell of them.

use super::Model;
use super::jobs::{JobRecord, cut};
use crate::event::{AttemptEnd, Level};
use crate::events::Happening;
use crate::view::{AttemptView, EventKind, FAILURES_MAX};
use partita_shared::ids::JobId;
use partita_shared::message::FailureKind;
use partita_shared::model::JobRow;

/// Characters of an error in a job's list of failures.
const FAILURE_CHARS_MAX: usize = 1_000;
/// Tasks of one job of which it is remembered that workers were lost under them.
const KILLS_MAX: usize = 1_000;
/// Jobs that failed of late which are remembered apart: a burst of others must not hide them.
const FAILED_JOBS_MAX: usize = 200;

/// A job that failed, or a statement that could not be planned.
#[derive(Clone, Debug)]
pub(crate) struct FailedJob {
    pub(crate) id: JobId,
    pub(crate) at_ms: u64,
    pub(crate) error: String,
    /// Whether it had tasks.
    pub(crate) was_planned: bool,
}

impl JobRecord {
    fn fail(&mut self, failure: AttemptView) {
        self.failures.push_front(failure);
        self.failures.truncate(FAILURES_MAX);
        self.text_revision += 1;
    }
}

impl Model {
    pub(super) fn keep_failure(&mut self, end: &AttemptEnd) {
        let failure = AttemptView {
            task: end.task,
            attempt: end.attempt,
            worker: end.worker,
            slot: end.slot,
            ending: Some(end.ending),
            started_ms: self.now_us.saturating_sub(end.busy_us) / 1000,
            queued_us: end.queued_us,
            busy_us: end.busy_us,
            transfer_us: end.transfer_us,
            disk_us: end.disk_us,
            rows: end.rows,
            bytes: end.bytes,
            fetched_bytes: end.fetched_bytes,
            error: cut(&end.error, FAILURE_CHARS_MAX),
        };
        if let Some(record) = self.job_records.get_mut(&end.task.stage.job)
            && (!record.row.state.is_final() || record.text_bytes > 0)
        {
            record.fail(failure);
        }
    }

    /// A worker that said that it would go is not counted against the tasks that it ran.
    pub(super) fn keep_kill(&mut self, end: &AttemptEnd) {
        let is_blameless =
            self.worker_records.get(&end.worker).is_some_and(|worker| worker.was_leaving);
        let Some(record) = self.job_records.get_mut(&end.task.stage.job) else { return };
        if is_blameless || record.kills.len() >= KILLS_MAX {
            return;
        }
        let workers = record.kills.entry((end.task.stage.index, end.task.index)).or_default();
        if !workers.contains(&end.worker) {
            workers.push(end.worker);
        }
    }

    pub(super) fn note_failure(&mut self, end: &AttemptEnd, kind: FailureKind) {
        let stage = self
            .job_records
            .get(&end.task.stage.job)
            .and_then(|record| record.stages.get(end.task.stage.index as usize));
        let name = stage.map_or("", |stage| stage.name.as_str());
        let level = match kind {
            FailureKind::Fatal
            | FailureKind::Memory
            | FailureKind::Sampled
            | FailureKind::Known(_) => Level::Error,
            FailureKind::Retry | FailureKind::Input(_) => Level::Warning,
        };
        let text =
            if name.is_empty() { end.error.clone() } else { format!("{name}: {}", end.error) };
        self.note(Happening {
            kind: EventKind::AttemptFailed,
            level,
            text,
            reason: end.error.clone(),
            worker: Some(end.worker),
            job: Some(end.task.stage.job),
            task: Some(end.task),
        });
    }

    pub(super) fn keep_failed(&mut self, row: &JobRow) {
        if self.failed_jobs.len() >= FAILED_JOBS_MAX {
            self.failed_jobs.pop_front();
        }
        let error = cut(&row.error, FAILURE_CHARS_MAX);
        let at_ms = row.ended_ms.unwrap_or(self.now_us / 1000);
        let was_planned = row.stages > 0;
        self.failed_jobs.push_back(FailedJob { id: row.id, at_ms, error, was_planned });
        if !self.is_restoring {
            self.jobs_failed += 1;
        }
    }

    pub(super) fn carry_failure(&mut self, failure: AttemptView) {
        let Some(record) = self.job_records.get_mut(&failure.task.stage.job) else { return };
        let is_it =
            |known: &AttemptView| (known.task, known.attempt) == (failure.task, failure.attempt);
        if !record.failures.iter().any(is_it) {
            record.fail(failure);
        }
    }
}
