//! What follows from the reports on attempts.

use crate::eligibility::reads_from;
use crate::event::{Effect, Origin};
use crate::handlers::{jobs, persisted as on_persisted, workers};
use crate::state::{Core, NOBODY, task_id};
use crate::{persisted, telemetry};
use partita_observe::event::Ending;
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{FailureKind, Outcome, TaskFigures, TaskReport, ToWorker};
use partita_shared::model::{OperatorRow, TaskState};
use std::collections::{BTreeMap, BTreeSet};

/// Times in a row that others could not read from a worker, after which it is given up.
const UNREADABLE_MAX: u32 = 3;

pub(crate) fn on_reports(
    core: &mut Core,
    worker: WorkerId,
    reports: Vec<TaskReport>,
    effects: &mut Vec<Effect>,
) {
    let now = core.now;
    if let Some(worker) = core.workers.get_mut(&worker) {
        worker.heard = now;
    }
    for report in reports {
        let job = report.task.group.job;
        if !is_current(core, worker, &report) {
            continue;
        }
        telemetry::reported(core, worker, &report);
        let (group, index) = (report.task.group.index as usize, report.task.index);
        match report.outcome {
            Outcome::Finished(figures) => {
                let busy_us = report.spent.busy_us;
                on_finished(core, job, group, index, worker, busy_us, figures, effects);
            }
            Outcome::Failed { kind, error } => {
                on_failed(core, job, group, index, worker, kind, error, effects);
            }
        }
    }
}

/// Whether a report is about the attempt that runs now, on the worker that has it.
fn is_current(core: &Core, worker: WorkerId, report: &TaskReport) -> bool {
    core.jobs
        .get(&report.task.group.job)
        .and_then(|job| job.groups.get(report.task.group.index as usize))
        .and_then(|group| group.tasks.get(report.task.index as usize))
        .is_some_and(|task| match task.state {
            TaskState::Running => task.worker == worker.0 && task.attempt == report.attempt,
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
    group: usize,
    index: u32,
    worker: WorkerId,
    busy_us: u64,
    figures: TaskFigures,
    effects: &mut Vec<Effect>,
) {
    core.tasks_finished += 1;
    core.add_assigned(worker, -1);

    if figures.fetched_bytes > 0 {
        trust(core, id, group, index, worker);
    }
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let kept = job.is_kept(group, index);
    if let Some(worker) = core.workers.get_mut(&worker) {
        worker.finished += 1;
        worker.held += u32::from(kept);
    }
    job.running -= 1;
    job.suspects.remove(&(group as u32, index));
    job.set_state(group, index, TaskState::Done);
    let at = &mut job.groups[group];
    at.rows += figures.rows;
    at.bytes += figures.bytes;
    at.busy_us += busy_us;
    at.finished += 1;
    add_operators(&mut at.operators, figures.operators);
    let task = &mut at.tasks[index as usize];
    task.rows = figures.rows;
    task.bytes = figures.bytes;
    task.busy_us = u32::try_from(busy_us).unwrap_or(u32::MAX);
    if kept {
        job.became_held(group, index);
    } else {
        task.worker = NOBODY;
        let message = ToWorker::DropPartition(task_id(id, group as u32, index));
        effects.push(Effect::Send { worker, message });
    }
    let is_held_result = job.is_held_result(group);
    if job.groups[group].is_done() {
        release_inputs(core, id, group, effects);
    }
    if is_held_result && kept {
        on_persisted::on_held(core, id, index, effects);
    }
    jobs::deliver_next(core, id, effects);
}

/// Sums figures over the tasks of a group, operator by operator.
fn add_operators(sums: &mut Vec<OperatorRow>, figures: Vec<OperatorRow>) {
    if sums.len() < figures.len() {
        sums.resize_with(figures.len(), OperatorRow::default);
    }
    for (sum, figure) in sums.iter_mut().zip(figures) {
        sum.rows += figure.rows;
        sum.elapsed_ns += figure.elapsed_ns;
        sum.spilled_bytes += figure.spilled_bytes;
        sum.line = figure.line;
    }
}

/// A group is done: what its inputs hold is dropped where no other group needs it.
pub(crate) fn release_inputs(core: &mut Core, id: JobId, group: usize, effects: &mut Vec<Effect>) {
    let mut done = vec![group];
    while let Some(group) = done.pop() {
        let Some(job) = core.jobs.get(&id) else { return };
        let inputs: BTreeSet<usize> =
            job.groups[group].inputs().iter().map(|input| input.group as usize).collect();
        let mut left = false;
        for input in inputs {
            let Some(job) = core.jobs.get(&id) else { return };
            let consumers = &job.groups[input].consumers;
            if !consumers.iter().all(|c| job.groups[c.group as usize].is_done()) {
                continue;
            }
            if let Origin::Held(source) = job.groups[input].origin {
                core.demand_changed = true;
                persisted::let_go(core, source, effects);
            } else {
                // Parts of it may have been lost while the last task that read them ran.
                left |= !job.groups[input].is_done();
                release(core, id, input, effects);
            }
        }
        if left && let Some(job) = core.jobs.get_mut(&id) {
            done.extend(job.settle());
        }
    }
}

/// Drops everything that a group holds, and stops what makes it again.
fn release(core: &mut Core, id: JobId, group: usize, effects: &mut Vec<Effect>) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let mut held = Vec::new();
    let mut stopped: BTreeMap<WorkerId, Vec<(TaskId, Attempt)>> = BTreeMap::new();
    for index in 0..job.groups[group].tasks.len() as u32 {
        let task = &mut job.groups[group].tasks[index as usize];
        let (state, attempt) = (task.state, task.attempt);
        let Some(worker) = task.worker() else { continue };
        task.worker = NOBODY;
        match state {
            TaskState::Done => {
                held.push(worker);
                job.no_longer_held(group, index);
            }
            TaskState::Running => {
                let task = task_id(id, group as u32, index);
                stopped.entry(worker).or_default().push((task, attempt));
                job.running -= 1;
                job.set_state(group, index, TaskState::Done);
            }
            TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
        }
    }
    for worker in &held {
        core.add_held(worker.0, -1);
    }
    let mut holders = BTreeSet::from_iter(held);
    for (worker, attempts) in stopped {
        core.add_assigned(worker, -(attempts.len() as i64));
        for (task, attempt) in &attempts {
            telemetry::unreported(core, *task, *attempt, worker, Ending::Stopped, "");
        }
        effects.push(Effect::Send { worker, message: ToWorker::Cancel(attempts) });
        // It may have ended before that arrives, and then its output is dropped with the rest.
        holders.insert(worker);
    }
    let gone = task_id(id, group as u32, 0).group;
    effects.extend(
        holders
            .into_iter()
            .map(|worker| Effect::Send { worker, message: ToWorker::DropGroups(vec![gone]) }),
    );
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one report, taken apart by its only caller"
)]
fn on_failed(
    core: &mut Core,
    id: JobId,
    group: usize,
    index: u32,
    worker: WorkerId,
    kind: FailureKind,
    error: String,
    effects: &mut Vec<Effect>,
) {
    let error: String = error.chars().take(limits::ERROR_TEXT_CHARS_MAX).collect();
    let name = core.workers.get(&worker).map_or(String::new(), |w| w.registration.name.clone());
    core.add_assigned(worker, -1);
    let at = (group as u32, index);
    let task = task_id(id, at.0, index);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.running -= 1;
    match kind {
        FailureKind::Fatal | FailureKind::Memory | FailureKind::Known(_) => {
            job.set_state(group, index, TaskState::Failed);
            let error = format!("{error} (task {task} on {name})");
            jobs::fail(core, id, error, Some(kind), effects);
        }
        FailureKind::Retry => {
            let cause = format!("on {name}: {error}");
            job.causes.entry(at).or_default().push((None, cause));
            job.avoid.entry(at).or_default().insert(worker);
            let failures = &mut job.groups[group].tasks[index as usize].failures;
            *failures += 1;
            let failures = *failures;
            if failures >= limits::TASK_FAILURES_MAX {
                job.set_state(group, index, TaskState::Failed);
                let error =
                    format!("task {task} failed {failures} times: {}", causes(core, id, at));
                jobs::fail(core, id, error, Some(kind), effects);
            } else {
                put_back(core, id, group, index);
            }
        }
        FailureKind::Input(from) => {
            // It may be the way between the two: another reader may have more luck.
            if from != worker && core.workers.contains_key(&from) {
                job.avoid.entry(at).or_default().insert(worker);
            }
            put_back(core, id, group, index);
            suspect(core, from, worker, &error, effects);
        }
    }
}

/// Why a task's attempts failed, in one line.
pub(crate) fn causes(core: &Core, id: JobId, at: (u32, u32)) -> String {
    let found = core.jobs.get(&id).and_then(|job| job.causes.get(&at));
    let texts: Vec<_> = found.into_iter().flatten().map(|(_, text)| text.as_str()).collect();
    texts.join("; ")
}

/// An attempt is over without an output: the task waits for another.
pub(crate) fn put_back(core: &mut Core, id: JobId, group: usize, index: u32) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.retries += 1;
    job.groups[group].tasks[index as usize].worker = NOBODY;
    job.set_state(group, index, TaskState::Waiting);
    job.make_ready_if_it_can(group, index);
}

/// A worker could not be read from. If that goes on while it says that it is alive, it is given
/// up: its data is as lost as if it were dead.
fn suspect(
    core: &mut Core,
    from: WorkerId,
    reader: WorkerId,
    error: &str,
    effects: &mut Vec<Effect>,
) {
    let Some(worker) = core.workers.get_mut(&from) else { return };
    worker.unreadable += 1;
    core.suspects.insert(from);
    if worker.unreadable >= UNREADABLE_MAX {
        let cause = format!("{reader} could not read from it {UNREADABLE_MAX} times: {error}");
        effects.push(Effect::Disconnect { worker: from, cause: cause.clone() });
        workers::on_lost(core, from, cause, effects);
    }
}

/// A task has read from other workers: those of them that were under suspicion are readable.
fn trust(core: &mut Core, id: JobId, group: usize, index: u32, reader: WorkerId) {
    let Some(job) = core.jobs.get(&id) else { return };
    let read = |from: &WorkerId| *from != reader && reads_from(job, group, index, *from);
    let cleared: Vec<WorkerId> = core.suspects.iter().copied().filter(read).collect();
    for from in cleared {
        core.suspects.remove(&from);
        if let Some(worker) = core.workers.get_mut(&from) {
            worker.unreadable = 0;
        }
    }
}

/// A worker that is there cannot give a partition: it is made again.
pub(crate) fn on_unreadable(
    core: &mut Core,
    task: TaskId,
    worker: WorkerId,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&task.group.job) else { return };
    let group = task.group.index as usize;
    let held = job.groups.get(group).and_then(|g| g.tasks.get(task.index as usize)).copied();
    let Some(found) = held.filter(|t| t.state == TaskState::Done && t.worker == worker.0) else {
        return;
    };
    let is_held_result = job.is_held_result(group);
    let other = is_held_result.then(|| job.take_other(task.index, |_| true)).flatten();
    match other {
        Some(other) => job.groups[group].tasks[task.index as usize].worker = other.0,
        None => {
            job.groups[group].tasks[task.index as usize].worker = NOBODY;
            job.no_longer_held(group, task.index);
        }
    }
    if group == job.result() && job.delivered == task.index {
        job.delivering = None;
    }
    job.restore();
    core.demand_changed = true;
    core.copies_changed = true;
    core.add_held(found.worker, -1);
    if is_held_result {
        persisted::mirror(core, task.group.job, task.index);
    }
    jobs::deliver_next(core, task.group.job, effects);
}
