//! Events about tasks: reports on their attempts, and outputs that cannot be read.

use crate::delivery::deliver_next;
use crate::eligibility::reads_from;
use crate::erred::{Failure, fail_with_inputs, give_up_task, tell_settled};
use crate::event::Effect;
use crate::handlers::persisted::on_partition_persisted;
use crate::partition::recompute;
use crate::release::release_inputs;
use crate::state::{Core, NOBODY, task_id};
use crate::telemetry;
use crate::transfers::check_copy;
use partita_observe::event::Ending;
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{FailureKind, Outcome, TaskFigures, TaskReport};
use partita_shared::model::{OperatorRow, TaskState};

/// What the history of a task says of an attempt that its worker gave back.
const RECALLED: &str = "given to another worker before it started";

/// Number of consecutive failures to read from a worker after which it is considered lost.
const UNREADABLE_MAX: u32 = 3;

pub(crate) fn on_reports(
    core: &mut Core,
    worker: WorkerId,
    reports: Vec<TaskReport>,
    effects: &mut Vec<Effect>,
) {
    let now = core.now;
    if let Some(worker) = core.workers.get_mut(&worker) {
        worker.last_heartbeat = now;
        worker.last_change = now;
        worker.is_stalled = false;
    }
    for report in reports {
        let job = report.task.stage.job;
        if !is_current(core, worker, report.task, report.attempt) {
            continue;
        }
        telemetry::reported(core, worker, &report);
        let (stage, index) = (report.task.stage.index as usize, report.task.index);
        match report.outcome {
            Outcome::Finished(figures) => {
                let busy_us = report.spent.busy_us;
                on_finished(core, job, stage, index, worker, busy_us, figures, effects);
            }
            Outcome::Failed { kind, error, exception } => {
                let failure = Failure { error, kind: Some(kind), exception };
                on_failed(core, (job, stage, index), worker, kind, failure, effects);
            }
        }
    }
}

/// Whether an attempt is the one of its task that runs now, on the worker that has it.
fn is_current(core: &Core, worker: WorkerId, task: TaskId, attempt: Attempt) -> bool {
    core.jobs
        .get(&task.stage.job)
        .and_then(|job| job.stages.get(task.stage.index as usize))
        .and_then(|stage| stage.tasks.get(task.index as usize))
        .is_some_and(|task| match task.state {
            TaskState::Running => task.worker == worker.0 && task.attempt == attempt,
            TaskState::Waiting | TaskState::Ready | TaskState::Done | TaskState::Failed => false,
        })
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one report, taken apart by its only caller"
)]
fn on_finished(
    core: &mut Core,
    id: JobId,
    stage: usize,
    index: u32,
    worker: WorkerId,
    busy_us: u64,
    figures: TaskFigures,
    effects: &mut Vec<Effect>,
) {
    core.tasks_finished += 1;
    core.end_attempt(worker, task_id(id, stage as u32, index));

    if figures.fetched_bytes > 0 {
        trust(core, id, stage, index, worker);
    }
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let kept = job.is_kept(stage, index);
    let is_persisted_result = job.is_persisted_result(stage);
    if let Some(worker) = core.workers.get_mut(&worker) {
        worker.finished += 1;
        worker.held += u32::from(kept);
    }
    job.running -= 1;
    job.suspects.remove(&(stage as u32, index));
    job.unreadable.remove(&(stage as u32, index));
    job.set_state(stage, index, TaskState::Done);
    let at = &mut job.stages[stage];
    at.rows += figures.rows;
    at.bytes += figures.bytes;
    at.busy_us += busy_us;
    at.finished += 1;
    OperatorRow::add_all(&mut at.operators, figures.operators);
    let task = &mut at.tasks[index as usize];
    task.rows = figures.rows;
    task.bytes = figures.bytes;
    task.busy_us = u32::try_from(busy_us).unwrap_or(u32::MAX);
    if kept {
        job.became_held(stage, index);
        if let Some(value) = figures.value {
            core.keep_value(id, (stage as u32, index), value);
        }
    } else {
        task.worker = NOBODY;
        core.drop_soon(worker, task_id(id, stage as u32, index));
    }
    release_inputs(core, id, vec![(stage, index)], effects);
    tell_settled(core, id, stage, index);
    core.replicas_changed(task_id(id, stage as u32, index));
    if is_persisted_result && kept {
        on_partition_persisted(core, id, index, effects);
    }
    deliver_next(core, id, effects);
}

fn on_failed(
    core: &mut Core,
    (id, stage, index): (JobId, usize, u32),
    worker: WorkerId,
    kind: FailureKind,
    mut failure: Failure,
    effects: &mut Vec<Effect>,
) {
    let error: String = failure.error.chars().take(limits::ERROR_TEXT_CHARS_MAX).collect();
    failure.exception.take_if(|exception| exception.len() > limits::EXCEPTION_BYTES_MAX);
    let name = core.workers.get(&worker).map_or(String::new(), |w| w.registration.name.clone());
    let at = (stage as u32, index);
    let task = task_id(id, at.0, index);
    core.end_attempt(worker, task);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.running -= 1;
    let (retries, failing) =
        (job.stages[stage].retries, &mut job.stages[stage].tasks[index as usize]);
    match kind {
        FailureKind::Fatal | FailureKind::Memory | FailureKind::Sampled | FailureKind::Known(_) => {
            if failing.failures < retries {
                failing.failures += 1;
                put_back(core, id, stage, index, effects);
                return;
            }
            failure.error = format!("{error} (task {task} on {name})");
            fail_for_good(core, id, (stage, index), failure, effects);
        }
        FailureKind::Retry => {
            failing.failures = failing.failures.saturating_add(1);
            let failures = failing.failures;
            let cause = format!("on {name}: {error}");
            job.causes.entry(at).or_default().push((None, cause));
            job.avoid.entry(at).or_default().insert(worker);
            if failures >= limits::TASK_FAILURES_MAX.saturating_add(retries) {
                failure.error =
                    format!("task {task} failed {failures} times: {}", job.causes_of(at.0, at.1));
                fail_for_good(core, id, (stage, index), failure, effects);
            } else {
                put_back(core, id, stage, index, effects);
            }
        }
        FailureKind::Input(from) => {
            // The path between the two may be broken: another reader may succeed.
            if from != worker && core.workers.contains_key(&from) {
                job.avoid.entry(at).or_default().insert(worker);
            }
            if !suspect(core, from) {
                put_back(core, id, stage, index, effects);
            } else if let Some(error) = blame(core, task, &error) {
                failure.error = error;
                fail_for_good(core, id, (stage, index), failure, effects);
            } else {
                put_back(core, id, stage, index, effects);
                let cause =
                    format!("{worker} failed to read from it {UNREADABLE_MAX} times: {error}");
                core.give_up_worker(from, cause);
            }
        }
    }
}

/// An attempt of a task that is not tried again ended.
fn fail_for_good(
    core: &mut Core,
    id: JobId,
    (stage, index): (usize, u32),
    failure: Failure,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.stages[stage].tasks[index as usize].worker = NOBODY;
    if !job.spec.open {
        job.set_state(stage, index, TaskState::Failed);
    }
    give_up_task(core, id, (stage, index), failure, effects);
}

/// An attempt ended without an output: the task waits for another.
pub(crate) fn put_back(
    core: &mut Core,
    id: JobId,
    stage: usize,
    index: u32,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.retries += 1;
    job.requeue(stage, index);
    fail_with_inputs(core, id, &[(stage, index)], effects);
}

/// A worker gives back attempts that it has not started: others may run them.
pub(crate) fn on_recalled(
    core: &mut Core,
    worker: WorkerId,
    attempts: &[(TaskId, Attempt)],
    effects: &mut Vec<Effect>,
) {
    for (task, attempt) in attempts {
        if !is_current(core, worker, *task, *attempt) {
            continue;
        }
        telemetry::unreported(core, *task, *attempt, worker, Ending::Stopped, RECALLED);
        core.end_attempt(worker, *task);
        let Some(job) = core.jobs.get_mut(&task.stage.job) else { continue };
        job.running -= 1;
        let at = (task.stage.index as usize, task.index);
        job.requeue(at.0, at.1);
        fail_with_inputs(core, task.stage.job, &[at], effects);
    }
}

/// A running attempt gave its slot back, or took one again.
pub(crate) fn on_slot_changed(
    core: &mut Core,
    id: WorkerId,
    (task, attempt): (TaskId, Attempt),
    has_slot: bool,
) {
    if !is_current(core, id, task, attempt) {
        return;
    }
    core.change_attempts(id, |worker| {
        match has_slot {
            true => worker.seceded.remove(&task),
            false => worker.seceded.insert(task),
        };
    });
}

/// A worker could not be read from. Whether that has continued while it sends heartbeats: then its data is
/// unreachable, as if it were dead.
fn suspect(core: &mut Core, from: WorkerId) -> bool {
    let Some(worker) = core.workers.get_mut(&from) else { return false };
    worker.unreadable += 1;
    core.suspects.insert(from);
    worker.unreadable >= UNREADABLE_MAX
}

/// A task is why a worker is to be given up. If that happened with others before, it is the task that cannot read:
/// then this is its error, and the worker is not suspected any more.
fn blame(core: &mut Core, task: TaskId, error: &str) -> Option<String> {
    let job = core.jobs.get_mut(&task.stage.job)?;
    let given_up = job.unreadable.entry((task.stage.index, task.index)).or_default();
    *given_up += 1;
    if *given_up < limits::TASK_UNREADABLE_MAX {
        return None;
    }
    for from in std::mem::take(&mut core.suspects) {
        if let Some(worker) = core.workers.get_mut(&from) {
            worker.unreadable = 0;
        }
    }
    Some(format!(
        "task {task} could not read its inputs from {given_up} workers, one after the other: {error}"
    ))
}

/// A task has read from other workers: those of them that were suspected are readable.
fn trust(core: &mut Core, id: JobId, stage: usize, index: u32, reader: WorkerId) {
    let Some(job) = core.jobs.get(&id) else { return };
    let read = |from: &WorkerId| *from != reader && reads_from(job, stage, index, *from);
    let cleared: Vec<WorkerId> = core.suspects.iter().copied().filter(read).collect();
    for from in cleared {
        core.suspects.remove(&from);
        if let Some(worker) = core.workers.get_mut(&from) {
            worker.unreadable = 0;
        }
    }
}

/// A connected worker cannot serve a partition: the partition is recomputed.
pub(crate) fn on_unreadable(
    core: &mut Core,
    task: TaskId,
    worker: WorkerId,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    let stage = task.stage.index as usize;
    let held = job.stages.get(stage).and_then(|g| g.tasks.get(task.index as usize)).copied();
    let Some(found) = held.filter(|t| t.state == TaskState::Done && t.worker == worker.0) else {
        return;
    };
    job.lose_partition(stage, task.index);
    let of_result = if job.is_persisted_result(stage) { vec![task.index] } else { Vec::new() };
    core.replicas_changed(task);
    core.add_held(found.worker, -1);
    // It may have it nevertheless.
    check_copy(core, task, worker);
    recompute(core, task.stage.job, &of_result, effects);
}
