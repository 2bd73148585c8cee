//! Replicas of persisted results: as many as requested, on workers that do not retire.
//!
//! A partition has one holder from which readers fetch it, and replicas. When the holder is lost or
//! retires, a replica takes its place and nothing is recomputed or moved. Missing replicas are
//! created a few at a time, by the code that migrates partitions.

use crate::event::Effect;
use crate::state::{Core, Job, task_id};
use crate::transfers;
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::{Holder, ToWorker};
use std::collections::BTreeSet;

/// Maximum number of replicas that are being copied at once.
const COPIES_UNDER_WAY_MAX: usize = 16;

/// Creates missing replicas, and removes those on workers that retire. Examines only results that
/// changed: there may be many partitions.
pub(crate) fn keep_up(core: &mut Core, effects: &mut Vec<Effect>) {
    if !std::mem::take(&mut core.copies_changed) {
        return;
    }
    let wants = |job: &Job| job.spec.replicas > 1 && !job.persisted.released;
    let ids: Vec<JobId> =
        core.jobs.iter().filter(|(_, job)| wants(job)).map(|(id, _)| *id).collect();
    for id in ids {
        if core.is_one_leaving() {
            leave(core, id, effects);
        }
        let mut under_way = core.moves.values().filter(|found| found.is_copy()).count();
        while under_way < COPIES_UNDER_WAY_MAX {
            match missing(core, id) {
                Missing::Nothing => break,
                Missing::NoPlace => {
                    // A worker may have memory again by the next time.
                    core.copies_changed = true;
                    break;
                }
                Missing::Copy(task, from, to) => {
                    transfers::begin(core, task, from, to, true, effects);
                    under_way += 1;
                }
            }
        }
    }
}

/// What a persisted result lacks.
enum Missing {
    /// It has its replicas, or they are being copied.
    Nothing,
    /// Some partition has too few replicas, and no worker can take one.
    NoPlace,
    /// A partition that has too few replicas, its holder, and a worker for one more.
    Copy(TaskId, Holder, WorkerId),
}

fn missing(core: &Core, id: JobId) -> Missing {
    let Some(job) = core.jobs.get(&id) else { return Missing::Nothing };
    let result = job.result();
    let wanted = (job.spec.replicas as usize).min(core.by_load.len());
    let mut found = Missing::Nothing;
    for (index, task) in (0..).zip(&job.stages[result].tasks) {
        let Some(from) = task.holder() else { continue };
        let stays = |id: &WorkerId| core.workers.get(id).is_some_and(|w| w.leaving.is_none());
        let copies = job.others(index).chain([from.worker]).filter(stays).count();
        let id = task_id(id, result as u32, index);
        if copies >= wanted || transfers::is_tried(core, id, from) {
            continue;
        }
        let to = transfers::target(core, |worker| {
            worker != from.worker && !job.others(index).any(|other| other == worker)
        });
        if let Some(to) = to {
            return Missing::Copy(id, from, to);
        }
        found = Missing::NoPlace;
    }
    found
}

/// A worker has copied a partition.
pub(crate) fn on_copied(core: &mut Core, id: JobId, index: u32, worker: WorkerId) {
    if let Some(job) = core.jobs.get_mut(&id) {
        job.persisted.replicas.entry(index).or_default().insert(worker);
        core.add_held(worker.0, 1);
    }
}

/// Replicas on retiring workers are dropped: others are created elsewhere.
fn leave(core: &mut Core, id: JobId, effects: &mut Vec<Effect>) {
    let leaving: BTreeSet<WorkerId> =
        core.workers.iter().filter(|(_, w)| w.leaving.is_some()).map(|(id, _)| *id).collect();
    drop_where(core, id, |worker| leaving.contains(&worker), effects);
}

/// Drops the replicas of a result.
pub(crate) fn drop_all(core: &mut Core, id: JobId, effects: &mut Vec<Effect>) {
    drop_where(core, id, |_| true, effects);
}

fn drop_where(
    core: &mut Core,
    id: JobId,
    goes: impl Fn(WorkerId) -> bool,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let result = job.result() as u32;
    let mut dropped = Vec::new();
    job.persisted.replicas.retain(|index, workers| {
        dropped.extend(workers.iter().filter(|w| goes(**w)).map(|worker| (*index, *worker)));
        workers.retain(|worker| !goes(*worker));
        !workers.is_empty()
    });
    for (index, worker) in dropped {
        core.add_held(worker.0, -1);
        let message = ToWorker::DropPartitions(vec![task_id(id, result, index)]);
        effects.push(Effect::Send { worker, message });
    }
}

/// A worker is gone, with its replicas.
pub(crate) fn forget_worker(job: &mut Job, lost: WorkerId) {
    job.persisted.replicas.retain(|_, workers| {
        workers.remove(&lost);
        !workers.is_empty()
    });
}

impl Core {
    /// Checks the replicas, and counts them by worker.
    pub(crate) fn check_replicas(&self) -> Result<Vec<WorkerId>, String> {
        let mut found = Vec::new();
        for (id, job) in &self.jobs {
            for (index, workers) in &job.persisted.replicas {
                let holder = job.stages[job.result()].tasks[*index as usize].holder();
                let wrong = workers.iter().find(|worker| {
                    !self.workers.contains_key(worker)
                        || holder.is_none_or(|holder| holder.worker == **worker)
                });
                if let Some(worker) = wrong {
                    return Err(format!(
                        "{worker} has a copy of partition {index} of {id}, held by {holder:?}"
                    ));
                }
                found.extend(workers);
            }
        }
        Ok(found)
    }
}
