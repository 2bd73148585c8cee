//! Which worker may run which task.

use crate::state::{Core, Job, Options, Stage, Worker};
use partita_shared::ids::WorkerId;

/// Tasks that may wait on a worker beyond its slots, however short they are.
const READ_AHEAD_TASKS_MAX: u64 = 1024;

/// The time that a task must have before a worker's end, for each 4 of the mean: half of all tasks take longer than the
/// mean, and one that is killed with its worker has wasted all that it took.
const NEEDED_QUARTERS: u64 = 5;

/// Whether a task of a stage is expected to finish before the worker's end.
pub(crate) fn has_time(worker: &Worker, stage: &Stage, now: u64) -> bool {
    let needed = stage.mean_us().unwrap_or(0).saturating_mul(NEEDED_QUARTERS) / 4;
    worker.ends.is_none_or(|ends| now.saturating_add(needed) <= ends)
}

/// The number of attempts that a worker with `slots` slots may have, including tasks of this stage.
pub(crate) fn room(slots: u32, job: &Job, stage: &Stage, options: &Options) -> u64 {
    let slots = u64::from(slots);
    let ahead = stage
        .mean_us()
        .filter(|_| job.suspects.is_empty())
        .map_or(0, |mean| (options.read_ahead_us * slots / mean.max(1)).min(READ_AHEAD_TASKS_MAX));
    slots + ahead
}

/// Whether a worker may have one more task of a stage.
pub(crate) fn has_room(worker: &Worker, job: &Job, stage: &Stage, options: &Options) -> bool {
    let room = match worker.is_stalled {
        true => u64::from(worker.slots()),
        false => room(worker.slots(), job, stage, options),
    };
    u64::from(worker.on_slots()) < room
}

/// Whether a worker could take a task of a stage now, so that tasks whose input it holds are
/// reserved for it.
pub(crate) fn is_open(core: &Core, worker: &Worker, stage: &Stage) -> bool {
    worker.leaving.is_none()
        && core.requirements.can_take(stage.requirement, worker)
        && worker.on_slots() < worker.slots()
        && !(worker.metrics.above_mark && worker.on_slots() > 0)
        && has_time(worker, stage, core.now)
}

/// Whether a task failed on this worker in a way that is worth a retry on another worker, and
/// another worker exists.
pub(crate) fn is_avoided(core: &Core, job: &Job, stage: usize, index: u32, id: WorkerId) -> bool {
    let Some(avoid) = job.avoid.get(&(stage as u32, index)) else { return false };
    let at = &job.stages[stage];
    avoid.contains(&id)
        && core.workers.iter().any(|(other, worker)| {
            !avoid.contains(other)
                && worker.leaving.is_none()
                && has_time(worker, at, core.now)
                && core.requirements.is_met(at.requirement, worker)
        })
}

/// Whether a task of a stage reads something that a worker holds.
pub(crate) fn reads_from(job: &Job, stage: usize, index: u32, worker: WorkerId) -> bool {
    let at = &job.stages[stage];
    let whole = at.locations.iter().filter(|(input, _)| {
        let spec = &at.inputs()[*input as usize];
        index >= spec.first && index - spec.first < spec.count
    });
    let mut holders = whole.flat_map(|(_, holders)| holders.iter());
    holders.any(|holder| holder.worker == worker) || job.reads_own_from(stage, index, worker)
}
