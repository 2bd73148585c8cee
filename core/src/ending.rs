//! The end of a job.

use crate::event::Effect;
use crate::state::{Core, EndedJob, task_id};
use crate::{persisted, telemetry, transfers};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{FailureKind, ToWorker};
use partita_shared::model::{JobRow, JobState, TaskState};
use std::collections::BTreeSet;

/// Ends a job: frees its slots and its memory on every worker at once, and answers the client. Jobs
/// that read its persisted result end with it.
pub(crate) fn end_job(
    core: &mut Core,
    id: JobId,
    state: JobState,
    error: String,
    kind: Option<FailureKind>,
    effects: &mut Vec<Effect>,
) {
    telemetry::stopped(core, id);
    let Some(mut job) = core.jobs.remove(&id) else { return };
    transfers::forget_job(core, id);
    core.settled.remove(&id);
    core.forget_share(id, job.share, u64::from(job.spec.priority));
    for (number, stage) in (0..).zip(&job.stages).filter(|(_, stage)| !stage.is_mirror()) {
        for (index, task) in (0..).zip(&stage.tasks) {
            match task.state {
                TaskState::Running => {
                    let (worker, ended) = (WorkerId(task.worker), task_id(id, number, index));
                    core.end_attempt_of(worker, ended, stage.requirement);
                }
                TaskState::Done => core.add_held(task.worker, -1),
                TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
            }
        }
    }
    core.forget_requirements(job.stages.iter().map(|stage| stage.requirement));
    for worker in job.replicas.values().flatten() {
        core.add_held(worker.0, -1);
    }
    let goals = job.replica_goals.values();
    core.wanted_replicas -= goals.map(|goal| goal.count as usize).sum::<usize>();
    // Its tasks do not run any more, in whatever state they were.
    for stage in &mut job.stages {
        let counts = &mut stage.counts;
        counts.waiting += std::mem::take(&mut counts.running) + std::mem::take(&mut counts.ready);
    }
    let staging = if state == JobState::Done { None } else { job.spec.staging.clone() };
    // If no connected worker has received the job, any worker can remove its output from a shared
    // folder.
    let mut told: BTreeSet<_> =
        job.touched.iter().copied().filter(|w| core.workers.contains_key(w)).collect();
    if told.is_empty() && staging.is_some() {
        told.extend(core.workers.keys().next().copied());
    }
    effects.extend(told.into_iter().map(|worker| Effect::Send {
        worker,
        message: ToWorker::DropJob { job: id, staging: staging.clone() },
    }));
    job.state = state;
    effects.push(Effect::JobEnded { job: id, state, error: error.clone(), kind });
    let sources = job.sources();
    let row = job.row(id, error.clone(), Some(core.now));
    let stages = job.stage_rows(id);
    telemetry::job_ended(core, id, &mut job, &row);
    let operators = job.stages.into_iter().map(|stage| stage.operators).collect();
    remember(core, EndedJob { row, stages, operators });
    persisted::detach(core, (id, &job.spec.text, &error), job.persisted.readers, sources);
}

/// Ends a statement that does not become a job. Does nothing if it has ended or is a job.
pub(crate) fn end_planning(
    core: &mut Core,
    job: JobId,
    state: JobState,
    error: String,
    rows: u64,
    effects: &mut Vec<Effect>,
) {
    let Some(planning) = core.planning.remove(&job) else { return };
    let row = JobRow {
        state,
        error: error.clone(),
        ended_ms: Some(core.now / 1000),
        rows,
        delivered_rows: rows,
        ..planning.row(job)
    };
    effects.push(Effect::JobEnded { job, state, error, kind: None });
    telemetry::planning_ended(core, &row);
    remember(core, EndedJob { row, stages: Vec::new(), operators: Vec::new() });
}

/// Keeps the listed facts of a job that ended, and forgets the oldest such job if there are too
/// many.
fn remember(core: &mut Core, ended: EndedJob) {
    if core.ended.len() == limits::FINISHED_JOBS_MAX {
        core.ended.pop_front();
    }
    core.ended.push_back(ended);
}
