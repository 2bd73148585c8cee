//! Delivery of result partitions to the client.

use crate::event::Effect;
use crate::state::{Core, Job};
use partita_shared::ids::JobId;

/// Requests delivery of the next result partition to the client, once it is held.
pub(crate) fn deliver_next(core: &mut Core, id: JobId, effects: &mut Vec<Effect>) {
    let delivers = |job: &&mut Job| job.is_delivered_result(job.result());
    let Some(job) = core.jobs.get_mut(&id).filter(delivers) else { return };
    let result = job.result();
    let index = job.delivered;
    let Some(task) = job.stages[result].tasks.get(index as usize) else { return };
    if let Some(holder) = task.holder()
        && job.delivering != Some(holder)
    {
        job.delivering = Some(holder);
        effects.push(Effect::Deliver { job: id, index, holder });
    }
}
