//! Events about partitions that migrate.

use crate::event::Effect;
use crate::replicas;
use crate::state::{Core, Job};
use crate::transfers::switch;
use partita_shared::ids::{Attempt, TaskId, WorkerId};
use partita_shared::message::{Holder, ToWorker};

/// A worker holds a partition that was to migrate to it, or could not fetch it.
pub(crate) fn on_migrated(
    core: &mut Core,
    worker: WorkerId,
    task: TaskId,
    attempt: Attempt,
    error: Option<String>,
    effects: &mut Vec<Effect>,
) {
    core.copies_changed = true;
    let under_way = core.moves.get(&task).copied();
    let asked = under_way.filter(|m| m.attempt == attempt && m.to == Some(worker));
    let Some(found) = asked else {
        forget_copy(core, worker, task, effects);
        return;
    };
    if error.is_some() {
        if let Some(found) = core.moves.get_mut(&task) {
            found.to = None;
        }
        return;
    }
    core.moves.remove(&task);
    let from = Holder { worker: found.from, attempt };
    let (stage, index) = (task.stage.index as usize, task.index);
    let may_move =
        |job: &Job| !job.is_delivering(stage, index, from) && is_held_by(core, task, from);
    if !core.jobs.get(&task.stage.job).is_some_and(may_move) {
        forget_copy(core, worker, task, effects);
        return;
    }
    if found.copy {
        replicas::on_copied(core, task.stage.job, index, worker);
        return;
    }
    switch(core, task, from, worker);
    core.add_held(worker.0, 1);
}

fn is_held_by(core: &Core, task: TaskId, holder: Holder) -> bool {
    let job = core.jobs.get(&task.stage.job);
    let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
    let found = stage.and_then(|stage| stage.tasks.get(task.index as usize));
    found.is_some_and(|found| found.holder() == Some(holder))
}

/// A copy that is not wanted any more is dropped, unless the worker has computed the partition
/// itself since, or is computing it.
fn forget_copy(core: &Core, worker: WorkerId, task: TaskId, effects: &mut Vec<Effect>) {
    let job = core.jobs.get(&task.stage.job);
    let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
    let found = stage.and_then(|stage| stage.tasks.get(task.index as usize));
    let own = found.is_some_and(|found| found.worker == worker.0)
        || job.is_some_and(|job| job.has_copy(task, worker));
    if found.is_some() && !own && core.workers.contains_key(&worker) {
        effects.push(Effect::Send { worker, message: ToWorker::DropPartitions(vec![task]) });
    }
}
