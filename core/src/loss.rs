//! The loss of a worker.

use crate::erred::{Failure, fail_with_inputs, give_up_task};
use crate::event::{Effect, Origin};
use crate::partition::recompute;
use crate::state::{Core, GONE_WORKERS_MAX, Job, NOBODY, task_id};
use crate::{replicas, telemetry, transfers};
use partita_observe::event::Ending;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits;
use partita_shared::message::ToWorker;
use partita_shared::model::{TaskState, WorkerState};

/// Handles the loss of a worker: its tasks are requeued, and the partitions it held are recomputed
/// if anything wants them. Nothing else changes.
pub(crate) fn lose_worker(core: &mut Core, id: WorkerId, cause: String, effects: &mut Vec<Effect>) {
    let Some(worker) = core.workers.remove(&id) else { return };
    core.by_load.remove(&(worker.load(), id));
    if let Some(alike) = core.sizes.get_mut(&worker.slots()) {
        *alike -= 1;
        core.sizes.retain(|_, alike| *alike > 0);
    }
    if worker.leaving.is_none() {
        core.leave_requirements(&worker.meets);
    }
    core.suspects.remove(&id);
    core.drops.remove(&id);
    transfers::forget_worker(core, id);
    // A worker that announced its exit or was told to exit counts as retired, though it may have
    // had no time to migrate all partitions.
    let state = match worker.dismissed || worker.leaving.is_some() {
        true => WorkerState::Left,
        false => WorkerState::Lost,
    };
    let cause = match &worker.leaving {
        Some(reason) if !worker.dismissed && (worker.assigned > 0 || worker.held > 0) => {
            format!("{reason}; it could not finish its tasks or migrate its partitions in time")
        }
        // Its connection closes because it leaves.
        Some(reason) => reason.clone(),
        None => cause,
    };
    if state == WorkerState::Lost {
        core.workers_lost += 1;
    }
    let blameless = worker.leaving.is_some();
    let mut row = worker.row(id);
    row.state = state;
    row.cause.clone_from(&cause);
    row.assigned = 0;
    if core.gone.len() == GONE_WORKERS_MAX {
        core.gone.pop_front();
    }
    core.gone.push_back(row);
    telemetry::worker_ended(core, id, state, &cause);
    for (other, peer) in &mut core.workers {
        if peer.knows.remove(&id) {
            effects.push(Effect::Send { worker: *other, message: ToWorker::PeerLost(id) });
        }
    }
    let name = worker.registration.name;
    let text = format!("{name} on {}: {cause}", worker.registration.host);
    // The partitions of a job are taken back before those of its readers.
    for job in core.in_order() {
        take_back(core, job, id, &text, blameless, effects);
    }
}

/// Takes back the tasks and partitions of one job from a lost worker.
fn take_back(
    core: &mut Core,
    id: JobId,
    lost: WorkerId,
    text: &str,
    blameless: bool,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    if !job.touched.remove(&lost) {
        return;
    }
    let mut short = replicas::forget_worker(job, lost);
    let mut poison = Vec::new();
    let mut ended = Vec::new();
    let mut of_result = Vec::new();
    for stage in 0..job.stages.len() {
        job.stages[stage].told.remove(&lost);
        if job.stages[stage].is_mirror() {
            continue;
        }
        job.stages[stage].ready.forget_worker(lost);
        job.sync_near(stage, Some(lost));
        job.sync_ready(stage);
        for index in 0..job.stages[stage].tasks.len() as u32 {
            let task = &job.stages[stage].tasks[index as usize];
            if task.worker != lost.0 {
                continue;
            }
            let task = &mut job.stages[stage].tasks[index as usize];
            match task.state {
                TaskState::Running => {
                    task.worker = NOBODY;
                    ended.push((task_id(id, stage as u32, index), task.attempt));
                    if !blameless {
                        task.kills += 1;
                        let at = (stage as u32, index);
                        job.suspects.insert(at);
                        if task.kills >= limits::TASK_KILLS_MAX {
                            poison.push(at);
                        }
                        job.causes.entry(at).or_default().push((Some(lost), text.to_string()));
                    }
                    job.running -= 1;
                    job.retries += 1;
                    job.set_state(stage, index, TaskState::Waiting);
                }
                TaskState::Done => {
                    job.lose_partition(stage, index);
                    short.push((stage as u32, index));
                    if job.is_persisted_result(stage) {
                        of_result.push(index);
                    }
                    let is_gone = job.stages[stage].tasks[index as usize].holder().is_none();
                    if is_gone && job.stages[stage].origin == Origin::Upload {
                        let at = (stage as u32, index);
                        job.causes.entry(at).or_default().push((Some(lost), text.to_string()));
                    }
                }
                TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
            }
        }
    }
    if core.jobs.get(&id).is_some_and(Job::has_goals) {
        short.into_iter().for_each(|at| core.replicas_changed(task_id(id, at.0, at.1)));
    }
    for (task, attempt) in &ended {
        telemetry::unreported(core, *task, *attempt, lost, Ending::Lost, text);
    }
    let open = core.jobs.get(&id).is_some_and(|job| job.spec.open);
    for at in poison {
        let task = task_id(id, at.0, at.1);
        let kills = limits::TASK_KILLS_MAX;
        let causes = core.jobs.get(&id).map_or(String::new(), |job| job.causes_of(at.0, at.1));
        let error = format!(
            "task {task} was running on {kills} workers when they died, so it is not retried: {causes}"
        );
        give_up_task(core, id, (at.0 as usize, at.1), Failure::outside(error), effects);
        if !open {
            return;
        }
    }
    let ended: Vec<(usize, u32)> =
        ended.iter().map(|(task, _)| (task.stage.index as usize, task.index)).collect();
    fail_with_inputs(core, id, &ended, effects);
    recompute(core, id, &of_result, effects);
}
