//! Events about open jobs: they grow, and their client wants outputs, cancels and retries tasks.

use crate::erred::{Failure, fail_lost_uploads, fail_task, fail_with, tell_settled};
use crate::event::{Effect, Growth, Order, TaskRange};
use crate::exchange::is_whole;
use crate::growth::{append, check, is_inside, sizes};
use crate::release::release_partitions;
use crate::state::{Core, NOBODY, Stage, task_id};
use crate::{mirror, order, telemetry};
use partita_observe::event::Ending;
use partita_shared::ids::JobId;
use partita_shared::message::ToWorker;
use partita_shared::model::{JobState, TaskState};

pub(crate) fn on_grown(
    core: &mut Core,
    request: u64,
    id: JobId,
    mut growth: Growth,
    effects: &mut Vec<Effect>,
) {
    if let Err(error) = check(core, id, &growth) {
        effects.push(Effect::JobRefused { request, error });
        return;
    }
    let wanted = std::mem::take(&mut growth.wanted);
    let has_stages = !growth.stages.is_empty();
    let ranges = append(core, id, growth);
    if let Some(job) = core.jobs.get_mut(&id).filter(|job| job.spec.order == Order::DepthFirst) {
        order::rank(&mut job.stages, &ranges, &mut job.next_rank);
    }
    effects.push(Effect::JobAccepted { request, job: id });
    if has_stages {
        telemetry::job(core, id);
    }
    begin(core, id, &ranges, &wanted, effects);
}

/// Marks the new tasks that the client wants, lets them run that can, and forgets those that nobody
/// wants.
pub(crate) fn begin(
    core: &mut Core,
    id: JobId,
    ranges: &[TaskRange],
    wanted: &[TaskRange],
    effects: &mut Vec<Effect>,
) {
    let is_mirror = |range: &TaskRange| {
        let stage = core.jobs.get(&id).map(|job| &job.stages[range.stage as usize]);
        stage.is_some_and(Stage::is_mirror)
    };
    if ranges.iter().any(is_mirror) {
        mirror::attach(core, id);
    }
    on_want_changed(core, id, wanted, true, effects);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let (mut missing, mut erred) = (Vec::new(), Vec::new());
    for (stage, index) in ranges.iter().flat_map(tasks_of) {
        job.visit_inputs(stage, index, |(from, partition)| {
            match job.stages[from].tasks[partition as usize].state {
                TaskState::Failed => erred.push(((stage, index), (from as u32, partition))),
                TaskState::Done => missing.push((from, partition)),
                TaskState::Waiting | TaskState::Ready | TaskState::Running => {}
            }
        });
    }
    let lost = job.compute(missing);
    for range in ranges {
        let stage = &job.stages[range.stage as usize];
        let reads_whole = stage.inputs().iter().any(|input| is_whole(&input.exchange));
        if reads_whole && stage.blocked == 0 && stage.locations.is_empty() {
            job.unblock(range.stage as usize);
        }
    }
    for (stage, index) in ranges.iter().flat_map(tasks_of) {
        job.make_ready_if_it_can(stage, index);
    }
    fail_lost_uploads(core, id, lost, effects);
    for (task, input) in erred {
        let error = core.jobs.get(&id).and_then(|job| job.errors.get(&input).cloned());
        if let Some(error) = error {
            fail_with(core, id, task, &error, effects);
        }
    }
    release_partitions(core, id, ranges.iter().flat_map(tasks_of).collect(), effects);
}

fn tasks_of(range: &TaskRange) -> impl Iterator<Item = (usize, u32)> + use<> {
    let stage = range.stage as usize;
    (range.first..range.first + range.count).map(move |index| (stage, index))
}

/// The tasks of those ranges that exist in an open job.
fn known_tasks(core: &Core, id: JobId, ranges: &[TaskRange]) -> Vec<(usize, u32)> {
    let Some(job) = core.jobs.get(&id).filter(|job| job.spec.open) else { return Vec::new() };
    let sizes = sizes(job);
    ranges.iter().filter(|range| is_inside(&sizes, range)).flat_map(tasks_of).collect()
}

pub(crate) fn on_want_changed(
    core: &mut Core,
    id: JobId,
    ranges: &[TaskRange],
    wanted: bool,
    effects: &mut Vec<Effect>,
) {
    let mut tasks = known_tasks(core, id, ranges);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    tasks.retain(|(stage, index)| {
        let task = &mut job.stages[*stage].tasks[*index as usize];
        std::mem::replace(&mut task.wanted, wanted) != wanted
    });
    if !wanted {
        for (stage, index) in &tasks {
            core.set_replica_goal(task_id(id, *stage as u32, *index), None);
        }
        release_partitions(core, id, tasks, effects);
        return;
    }
    let is_gone =
        |(stage, index): &&(usize, u32)| job.stages[*stage].tasks[*index as usize].is_gone();
    let gone: Vec<(usize, u32)> = tasks.iter().filter(is_gone).copied().collect();
    let lost = job.compute(gone);
    fail_lost_uploads(core, id, lost, effects);
    tasks.into_iter().for_each(|(stage, index)| tell_settled(core, id, stage, index));
}

pub(crate) fn on_cancelled(
    core: &mut Core,
    id: JobId,
    ranges: &[TaskRange],
    reason: &str,
    effects: &mut Vec<Effect>,
) {
    for (stage, index) in known_tasks(core, id, ranges) {
        let Some(job) = core.jobs.get_mut(&id) else { return };
        let task = &mut job.stages[stage].tasks[index as usize];
        let (attempt, worker) = (task.attempt, task.worker());
        match (task.state, worker) {
            (TaskState::Done | TaskState::Failed, _) => continue,
            (TaskState::Running, Some(worker)) => {
                task.worker = NOBODY;
                job.running -= 1;
                let task = task_id(id, stage as u32, index);
                core.end_attempt(worker, task);
                telemetry::unreported(core, task, attempt, worker, Ending::Stopped, "");
                let message = ToWorker::Cancel(vec![(task, attempt)]);
                effects.push(Effect::Send { worker, message });
                // It may end before it is told.
                core.drop_soon(worker, task);
            }
            (TaskState::Running | TaskState::Waiting | TaskState::Ready, _) => {}
        }
        fail_task(core, id, (stage, index), Failure::outside(reason.to_string()), effects);
    }
}

pub(crate) fn on_retried(
    core: &mut Core,
    id: JobId,
    ranges: &[TaskRange],
    effects: &mut Vec<Effect>,
) {
    let mut tasks = known_tasks(core, id, ranges);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    tasks.retain(|(stage, index)| {
        job.stages[*stage].tasks[*index as usize].state == TaskState::Failed
    });
    let lost = job.compute(tasks);
    fail_lost_uploads(core, id, lost, effects);
}

pub(crate) fn on_closed(core: &mut Core, id: JobId) {
    if core.jobs.get(&id).is_some_and(|job| job.spec.open) {
        core.end_job(id, JobState::Done, String::new());
    }
}
