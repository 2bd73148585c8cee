//! Events about partitions that are copied between workers.

use crate::replicas::on_copied;
use crate::state::{Core, Move};
use crate::transfers::{check_copy, fail, forget_failures, switch};
use partita_shared::ids::{Attempt, TaskId, WorkerId};
use partita_shared::message::Holder;

/// A worker has a partition that it was to copy, or could not fetch it.
pub(crate) fn on_migrated(
    core: &mut Core,
    worker: WorkerId,
    task: TaskId,
    attempt: Attempt,
    error: Option<String>,
) {
    let asked = core.moves.get(&(task, worker)).copied();
    let Some(found) = asked.filter(|found| found.attempt == attempt) else {
        check_copy(core, task, worker);
        return;
    };
    core.moves.remove(&(task, worker));
    if error.is_some() {
        fail(core, task, found);
    } else if let Some(holder) = core.holder(task).filter(|holder| holder.attempt == attempt) {
        forget_failures(core, task);
        take(core, task, holder, found, worker);
    } else {
        check_copy(core, task, worker);
    }
    core.replicas_changed(task);
}

/// A worker has copied a partition that is still held: it becomes the holder, or has a replica.
fn take(core: &mut Core, task: TaskId, holder: Holder, found: Move, worker: WorkerId) {
    let (stage, index) = (task.stage.index as usize, task.index);
    let job = core.jobs.get(&task.stage.job);
    let is_read = job.is_some_and(|job| job.is_delivering(stage, index, holder));
    if found.copy && core.stays(worker) {
        on_copied(core, task, worker);
    } else if !found.copy && holder.worker == found.from && !is_read {
        switch(core, task, holder, worker);
        core.add_held(worker.0, 1);
    } else {
        check_copy(core, task, worker);
    }
}
