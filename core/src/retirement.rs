//! Workers that retire.

use crate::event::Effect;
use crate::state::{Core, Job};
use crate::transfers;
use partita_shared::ids::WorkerId;
use partita_shared::message::ToWorker;

/// Lets retiring workers exit that hold nothing that is wanted.
pub(crate) fn dismiss(core: &mut Core, effects: &mut Vec<Effect>) {
    if !core.is_one_leaving() {
        return;
    }
    // If no worker remains, unread persisted partitions cannot migrate, and retirement does not
    // wait for them.
    let last = core.by_load.is_empty();
    let jobs = &core.jobs;
    for (id, worker) in &mut core.workers {
        if let Some(reason) = &worker.leaving
            && worker.assigned == 0
            && (worker.held == 0 || last && !jobs.values().any(|job| is_read_from(job, *id)))
            && !transfers::is_taking_part(&core.moves, &core.copies, *id)
            && !worker.dismissed
        {
            worker.dismissed = true;
            let message = ToWorker::Shutdown { reason: reason.clone() };
            effects.push(Effect::Send { worker: *id, message });
        }
    }
}

/// Whether a worker holds a partition of a job that a task or a client has still to read.
fn is_read_from(job: &Job, id: WorkerId) -> bool {
    job.touched.contains(&id)
        && (0..job.stages.len()).any(|stage| {
            let tasks = (0..).zip(&job.stages[stage].tasks);
            let mut held = tasks.filter(|(_, task)| task.holder().is_some_and(|h| h.worker == id));
            held.any(|(index, _)| job.is_wanted(stage, index))
        })
}
