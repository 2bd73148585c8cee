//! Events about results that are persisted.

use crate::erred::tell_settled;
use crate::event::{Effect, Origin};
use crate::mirror::mirror;
use crate::state::{Core, Job};
use crate::transfers::check_copy;
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::ToWorker;
use partita_shared::model::{JobState, TaskState};

/// A partition of a result that is to be persisted became available.
pub(crate) fn on_partition_persisted(
    core: &mut Core,
    id: JobId,
    index: u32,
    effects: &mut Vec<Effect>,
) {
    mirror(core, id, index);
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.persisted.wanted.remove(&index);
    if !job.persisted.complete && job.stages[job.result()].is_held() {
        job.persisted.complete = true;
        job.state = JobState::Persisted;
        job.changed = true;
        effects.push(Effect::JobPersisted { job: id });
        if job.persisted.released {
            core.release_job(id);
        }
    }
}

/// A client has uploaded a partition to a worker.
pub(crate) fn on_stored(
    core: &mut Core,
    worker: WorkerId,
    task: TaskId,
    rows: u64,
    bytes: u64,
    effects: &mut Vec<Effect>,
) {
    let id = task.stage.job;
    let expected = |job: &&mut Job| {
        let stage = job.stages.get(task.stage.index as usize);
        let stage = stage.filter(|stage| stage.origin == Origin::Upload);
        let found = stage.and_then(|stage| stage.tasks.get(task.index as usize));
        found.is_some_and(|found| found.state == TaskState::Waiting)
    };
    let known = core.workers.contains_key(&worker);
    let Some(job) = core.jobs.get_mut(&id).filter(expected).filter(|_| known) else {
        // The partition is stored already, or the job is gone.
        if core.jobs.contains_key(&id) {
            check_copy(core, task, worker);
        } else if known {
            let message = ToWorker::DropPartitions(vec![task]);
            effects.push(Effect::Send { worker, message });
        }
        return;
    };
    if job.state == JobState::Queued {
        job.state = JobState::Running;
        job.started = Some(core.now);
    }
    job.touched.insert(worker);
    let stage = task.stage.index as usize;
    let at = &mut job.stages[stage];
    at.rows += rows;
    at.bytes += bytes;
    let found = &mut at.tasks[task.index as usize];
    (found.rows, found.bytes) = (rows, bytes);
    (found.worker, found.attempt) = (worker.0, 1);
    job.set_state(stage, task.index, TaskState::Done);
    job.became_held(stage, task.index);
    let is_persisted_result = job.is_persisted_result(stage);
    core.add_held(worker.0, 1);
    core.replicas_changed(task);
    match is_persisted_result {
        true => on_partition_persisted(core, id, task.index, effects),
        // A value that a client of an open job has sent.
        false => tell_settled(core, id, stage, task.index),
    }
}

/// The creator of a persisted result does not want it any more.
pub(crate) fn on_released(core: &mut Core, id: JobId) {
    let Some(job) = core.jobs.get_mut(&id).filter(|job| job.spec.persist) else { return };
    job.persisted.released = true;
    job.changed = true;
    if !job.persisted.readers.is_empty() {
        core.release_job(id);
    } else if job.persisted.complete {
        core.end_job(id, JobState::Done, String::new());
    } else {
        let reason = "it was released before it was complete".to_string();
        core.end_job(id, JobState::Cancelled, reason);
    }
}
