//! The observations that an observer receives. Nothing is gathered unless
//! [`crate::Options::observed`] is set.
//!
//! The cost of an event does not depend on the size of the cluster: attempts are recorded one by
//! one; figures of jobs, stages and workers are marked as changed, and [`Core::note_counters`]
//! records them when the caller asks for them.

use crate::event::Origin;
use crate::state::{Core, Job, task_id};
use partita_observe::event::{
    AttemptEnd, Counters, Ending, InputFacts, JobCounters, JobFacts, Observation, PersistedFacts,
    Seen, StageCounters, StageFacts, TABLE_WORKERS_MAX,
};
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Exchange, Outcome, TaskFigures, TaskReport};
use partita_shared::model::{JobRow, JobState, TaskState, WorkerState};
use std::collections::BTreeMap;

/// Records an observation at the present time, if the core is observed.
pub(crate) fn note(core: &mut Core, what: impl FnOnce() -> Observation) {
    if core.options.observed {
        core.seen.push(Seen { at_us: core.now, what: what() });
    }
}

pub(crate) fn worker(core: &mut Core, id: WorkerId) {
    if !core.options.observed {
        return;
    }
    let Some(row) = core.workers.get(&id).map(|worker| worker.row(id)) else { return };
    note(core, || Observation::Worker(Box::new(row)));
}

pub(crate) fn worker_ended(core: &mut Core, worker: WorkerId, state: WorkerState, cause: &str) {
    note(core, || Observation::WorkerEnded { worker, state, cause: cause.to_string() });
}

pub(crate) fn job(core: &mut Core, id: JobId) {
    if !core.options.observed {
        return;
    }
    let Some(facts) = core.jobs.get(&id).map(|job| facts(id, job)) else { return };
    note(core, || Observation::Job(Box::new(facts)));
}

/// The planning of a statement begins.
pub(crate) fn planning(core: &mut Core, id: JobId) {
    if !core.options.observed {
        return;
    }
    let Some(row) = core.planning.get(&id).map(|planning| planning.row(id)) else { return };
    note(core, || Observation::Job(Box::new(JobFacts { row, stages: Vec::new() })));
}

/// The planning of a statement ended, and no job follows.
pub(crate) fn planning_ended(core: &mut Core, row: &JobRow) {
    note(core, || Observation::JobEnded { row: Box::new(row.clone()), operators: Vec::new() });
}

fn facts(id: JobId, job: &Job) -> JobFacts {
    let stages = job.stages.iter().map(|stage| StageFacts {
        name: stage.name.clone(),
        plan: stage.plan.clone(),
        tasks: stage.tasks.len() as u32,
        inputs: stage
            .inputs()
            .iter()
            .map(|input| InputFacts {
                stage: input.stage,
                exchange: exchange_name(&input.exchange).to_string(),
            })
            .collect(),
        source: match stage.origin {
            Origin::Persisted(source) => Some(source),
            Origin::Tasks | Origin::Upload => None,
        },
    });
    JobFacts { row: job.row(id, String::new(), None), stages: stages.collect() }
}

/// The name of an exchange, for display.
pub(crate) fn exchange_name(exchange: &Exchange) -> &'static str {
    match exchange {
        Exchange::OneToOne => "OneToOne",
        Exchange::Shuffle => "Shuffle",
        Exchange::Gather => "Gather",
        Exchange::Broadcast => "Broadcast",
        Exchange::Explicit(_) => "Explicit",
        Exchange::Blocks(_) => "Blocks",
    }
}

/// An attempt ended, as its worker reports.
pub(crate) fn reported(core: &mut Core, worker: WorkerId, report: &TaskReport) {
    let nothing = TaskFigures::default();
    let (ending, figures, error) = match &report.outcome {
        Outcome::Finished(figures) => (Ending::Finished, figures, ""),
        Outcome::Failed { kind, error, .. } => (Ending::Failed(*kind), &nothing, error.as_str()),
    };
    note(core, || {
        Observation::Attempt(Box::new(AttemptEnd {
            task: report.task,
            attempt: report.attempt,
            worker,
            slot: report.spent.slot,
            ending,
            queued_us: report.spent.queued_us,
            busy_us: report.spent.busy_us,
            transfer_us: report.spent.transfer_us,
            disk_us: report.spent.disk_us,
            rows: figures.rows,
            bytes: figures.bytes,
            fetched_bytes: figures.fetched_bytes,
            error: error.chars().take(limits::ERROR_TEXT_CHARS_MAX).collect(),
        }))
    });
}

/// An attempt ended without a report: it was lost or stopped.
pub(crate) fn unreported(
    core: &mut Core,
    task: TaskId,
    attempt: Attempt,
    worker: WorkerId,
    ending: Ending,
    error: &str,
) {
    note(core, || {
        Observation::Attempt(Box::new(AttemptEnd {
            task,
            attempt,
            worker,
            slot: 0,
            ending,
            queued_us: 0,
            busy_us: 0,
            transfer_us: 0,
            disk_us: 0,
            rows: 0,
            bytes: 0,
            fetched_bytes: 0,
            error: error.to_string(),
        }))
    });
}

/// A job is about to end: its running attempts are stopped.
pub(crate) fn stopped(core: &mut Core, id: JobId) {
    if !core.options.observed {
        return;
    }
    let Some(job) = core.jobs.get(&id) else { return };
    let mut running = Vec::new();
    for (number, stage) in job.stages.iter().enumerate().filter(|(_, g)| g.counts.running > 0) {
        for (index, task) in stage.tasks.iter().enumerate() {
            if let (TaskState::Running, Some(worker)) = (task.state, task.worker()) {
                running.push((task_id(id, number as u32, index as u32), task.attempt, worker));
            }
        }
    }
    for (task, attempt, worker) in running {
        unreported(core, task, attempt, worker, Ending::Stopped, "");
    }
}

/// A job has ended: records its last figures, and those of the workers that it leaves, then the
/// end.
pub(crate) fn job_ended(core: &mut Core, id: JobId, job: &mut Job, row: &JobRow) {
    if !core.options.observed {
        return;
    }
    for stage in &mut job.stages {
        // All its partitions were released.
        (stage.available, stage.held_bytes, stage.changed) = (0, 0, true);
    }
    let mut counters = Counters { tasks_finished: core.tasks_finished, ..Counters::default() };
    add_job(&mut counters, id, job);
    add_workers(&mut counters, core);
    let operators = job.stages.iter().map(|stage| stage.operators.clone()).collect();
    let row = Box::new(row.clone());
    note(core, || Observation::Counters(Box::new(counters)));
    note(core, || Observation::JobEnded { row, operators });
}

fn add_job(counters: &mut Counters, id: JobId, job: &mut Job) {
    job.changed = false;
    counters.jobs.push(JobCounters {
        job: id,
        state: job.state,
        started_ms: job.started.map(|at| at / 1000),
        delivered_rows: job.delivered_rows,
        retries: job.retries,
        persisted: (job.state == JobState::Persisted).then(|| persisted(job)),
    });
    for (number, stage) in job.stages.iter_mut().enumerate().filter(|(_, stage)| stage.changed) {
        stage.changed = false;
        counters.stages.push(StageCounters {
            stage: task_id(id, number as u32, 0).stage,
            tasks: stage.counts,
            rows: stage.rows,
            bytes: stage.bytes,
            busy_us: stage.busy_us,
            held: stage.available,
            held_bytes: stage.held_bytes,
        });
    }
}

/// Where the partitions of a persisted result are.
fn persisted(job: &Job) -> PersistedFacts {
    let mut holders: BTreeMap<WorkerId, (u32, u64)> = BTreeMap::new();
    let mut lost = 0;
    for task in &job.stages[job.result()].tasks {
        let Some(holder) = task.holder() else {
            lost += 1;
            continue;
        };
        let (partitions, bytes) = holders.entry(holder.worker).or_default();
        (*partitions, *bytes) = (*partitions + 1, bytes.saturating_add(task.bytes));
    }
    let mut holders: Vec<(WorkerId, u32, u64)> =
        holders.into_iter().map(|(worker, (count, bytes))| (worker, count, bytes)).collect();
    holders.sort_by_key(|(worker, _, bytes)| (std::cmp::Reverse(*bytes), *worker));
    holders.truncate(TABLE_WORKERS_MAX);
    PersistedFacts { holders, lost, can_recompute: true }
}

fn add_workers(counters: &mut Counters, core: &mut Core) {
    for (id, worker) in core.workers.iter_mut().filter(|(_, worker)| worker.changed) {
        worker.changed = false;
        counters.workers.push((*id, worker.assigned, worker.finished));
    }
}

impl Core {
    /// The observations since the last call, in order. Empty unless the core is observed.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Records the figures that changed since the last call. Examines each live job and worker, and
    /// the stages of those that changed: call it only a few times a second.
    pub fn note_counters(&mut self) {
        if !self.options.observed {
            return;
        }
        let mut counters = Counters { tasks_finished: self.tasks_finished, ..Counters::default() };
        for (id, job) in self.jobs.iter_mut().filter(|(_, job)| job.changed) {
            add_job(&mut counters, *id, job);
        }
        for job in &mut counters.jobs {
            if let Some(persisted) = job.persisted.as_mut().filter(|persisted| persisted.lost > 0) {
                persisted.can_recompute = self.lost_partitions(job.job).1;
            }
        }
        add_workers(&mut counters, self);
        let is_empty = counters.jobs.is_empty() && counters.workers.is_empty();
        if !is_empty {
            note(self, || Observation::Counters(Box::new(counters)));
        }
    }
}
