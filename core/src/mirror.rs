//! How readers of a persisted result see its partitions.
//!
//! A job that reads the result of another job has a stage with one task for each partition of that
//! result: a mirror. Such a task never runs; it is done while its partition is held, and has the
//! same holder.

use crate::state::{Core, Job, NOBODY, Task};
use partita_shared::ids::{Attempt, JobId, TaskId};
use partita_shared::model::TaskState;

/// Registers a new job as a reader of the results that it reads.
pub(crate) fn attach(core: &mut Core, id: JobId) {
    let sources = core.jobs.get(&id).map(Job::sources).unwrap_or_default();
    for (stage, source) in sources {
        let Some(found) = core.jobs.get_mut(&source) else { continue };
        found.persisted.readers.insert((id, stage));
        let tasks = found.stages[found.result()].tasks.clone();
        let Some(job) = core.jobs.get_mut(&id) else { return };
        for (index, task) in (0..).zip(&tasks) {
            show(job, stage as usize, index, task);
        }
        core.demand_changed = true;
    }
}

/// Copies the state of a partition to its mirror.
pub(crate) fn show(job: &mut Job, stage: usize, index: u32, task: &Task) {
    let mine = &mut job.stages[stage].tasks[index as usize];
    let (before, now) = (mine.holder(), task.holder());
    if before == now {
        return;
    }
    if before.is_some() {
        mine.worker = NOBODY;
        job.no_longer_held(stage, index);
    }
    let mine = &mut job.stages[stage].tasks[index as usize];
    (mine.rows, mine.bytes) = (task.rows, task.bytes);
    match now {
        Some(holder) => {
            (mine.worker, mine.attempt) = (holder.worker.0, holder.attempt);
            job.set_state(stage, index, TaskState::Done);
            job.became_held(stage, index);
        }
        None => job.set_state(stage, index, TaskState::Waiting),
    }
}

/// Propagates the state of a partition of a persisted result to its readers.
pub(crate) fn mirror(core: &mut Core, id: JobId, index: u32) {
    let Some(job) = core.jobs.get(&id).filter(|job| job.spec.persist) else { return };
    let task = job.stages[job.result()].tasks[index as usize];
    let readers: Vec<(JobId, u32)> = job.persisted.readers.iter().copied().collect();
    for (reader, stage) in readers {
        if let Some(job) = core.jobs.get_mut(&reader) {
            show(job, stage as usize, index, &task);
        }
    }
    core.demand_changed |= task.holder().is_none();
}

/// A partition of a persisted result has another holder: its readers learn the new one.
pub(crate) fn moved(core: &mut Core, id: JobId, index: u32) {
    let Some(job) = core.jobs.get(&id).filter(|job| job.spec.persist) else { return };
    let task = job.stages[job.result()].tasks[index as usize];
    let Some(holder) = task.holder() else { return };
    let readers: Vec<(JobId, u32)> = job.persisted.readers.iter().copied().collect();
    for (reader, stage) in readers {
        let Some(job) = core.jobs.get_mut(&reader) else { continue };
        job.stages[stage as usize].tasks[index as usize].worker = holder.worker.0;
        job.moved(stage as usize, index, holder);
    }
}

/// The attempts of other jobs that read a partition of a persisted result now.
pub(crate) fn reading(core: &Core, id: JobId, index: u32) -> Vec<(TaskId, Attempt)> {
    let readers = core.jobs.get(&id).map(|job| &job.persisted.readers);
    let readers = readers.into_iter().flatten().filter_map(|(reader, stage)| {
        Some(core.jobs.get(reader)?.reading(*reader, *stage as usize, index))
    });
    readers.flatten().collect()
}
