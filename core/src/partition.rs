//! The only place where a partition stops being held.

use crate::delivery::deliver_next;
use crate::erred::{fail_lost_uploads, fail_with_inputs};
use crate::event::Effect;
use crate::mirror::mirror;
use crate::state::{Core, Job, NOBODY};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::Holder;

impl Job {
    /// Removes a partition from its holder, which has lost it or is told to drop it. Returns the
    /// holder, if there was one.
    pub(crate) fn drop_partition(&mut self, stage: usize, index: u32) -> Option<WorkerId> {
        let holder = self.stages[stage].tasks[index as usize].holder()?;
        self.stages[stage].tasks[index as usize].worker = NOBODY;
        self.values.remove((stage as u32, index));
        self.no_longer_held(stage, index);
        Some(holder.worker)
    }

    /// A partition is lost with its holder, or cannot be read from it. A worker that has a replica
    /// becomes its holder. [`recompute`] must follow.
    pub(crate) fn lose_partition(&mut self, stage: usize, index: u32) {
        let Some(holder) = self.stages[stage].tasks[index as usize].holder() else { return };
        if self.is_delivered_result(stage) && index == self.delivered {
            self.delivering = None;
        }
        match self.take_other((stage as u32, index), |worker| worker != holder.worker) {
            Some(worker) => {
                self.stages[stage].tasks[index as usize].worker = worker.0;
                self.moved(stage, index, Holder { worker, ..holder });
            }
            None => {
                self.drop_partition(stage, index);
            }
        }
    }
}

/// Handles lost partitions of a job: the wanted ones are recomputed, readers of the result see
/// which partitions of it are lost, and the client gets the next one.
pub(crate) fn recompute(core: &mut Core, id: JobId, of_result: &[u32], effects: &mut Vec<Effect>) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let restored = job.restore();
    let lost = if job.spec.open { job.lost_uploads() } else { Vec::new() };
    fail_lost_uploads(core, id, lost, effects);
    fail_with_inputs(core, id, &restored, effects);
    core.demand_changed = true;
    for index in of_result {
        mirror(core, id, *index);
    }
    deliver_next(core, id, effects);
}
