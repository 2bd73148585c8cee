//! Events about workers: they join, leave, send heartbeats, die.

use crate::event::{Effect, Time};
use crate::replicas::leave_worker;
use crate::requirements::limit_resources;
use crate::state::{Core, Worker};
use crate::telemetry;
use partita_observe::event::Observation;
use partita_shared::ids::WorkerId;
use partita_shared::limits;
use partita_shared::message::{Registration, SlotTask, ToWorker, WorkerMetrics};
use partita_shared::model::WorkerState;
use std::collections::BTreeSet;

pub(crate) fn on_joined(
    core: &mut Core,
    request: u64,
    mut registration: Registration,
    effects: &mut Vec<Effect>,
) {
    // The worker's own figures are summed over all workers: none may make the sums overflow.
    registration.slots = registration.slots.clamp(1, limits::WORKER_SLOTS_MAX);
    registration.memory_limit_bytes =
        registration.memory_limit_bytes.min(limits::WORKER_MEMORY_BYTES_MAX);
    limit_resources(&mut registration.resources);
    let free = registration.resources.clone();
    let id = WorkerId(core.next_worker);
    core.next_worker += 1;
    let own_end = registration
        .lifetime_left_s
        .map(|left| core.now.saturating_add(left.saturating_mul(1_000_000)));
    let common_end = core.allocation.as_ref().filter(|(job, _)| is_of(&registration, job));
    let ends = own_end.or(common_end.map(|(_, at)| *at));
    let worker = Worker {
        registration,
        joined: core.now,
        last_heartbeat: core.now,
        ends,
        leaving: None,
        metrics: WorkerMetrics::default(),
        assigned: 0,
        seceded: BTreeSet::new(),
        held: 0,
        finished: 0,
        unreadable: 0,
        knows: BTreeSet::new(),
        free,
        meets: BTreeSet::new(),
        last_change: core.now,
        is_stalled: false,
        dismissed: false,
        changed: false,
    };
    core.by_load.insert((worker.load(), id));
    *core.sizes.entry(worker.slots()).or_default() += 1;
    core.workers.insert(id, worker);
    core.meet_requirements(id);
    core.room_for_replicas();
    telemetry::worker(core, id);
    effects.push(Effect::WorkerAccepted { request, worker: id });
    let message = ToWorker::Welcome {
        worker: id,
        cluster: core.options.cluster.clone(),
        heartbeat_ms: core.options.heartbeat_ms,
    };
    effects.push(Effect::Send { worker: id, message });
}

fn is_of(registration: &Registration, slurm_job: &str) -> bool {
    registration.slurm_job.as_deref() == Some(slurm_job)
}

/// The end of the scheduler's allocation became known, maybe after workers had joined.
pub(crate) fn on_allocation_ends(core: &mut Core, slurm_job: String, at: Time) {
    for worker in core.workers.values_mut() {
        if worker.ends.is_none() && is_of(&worker.registration, &slurm_job) {
            worker.ends = Some(at);
            worker.changed = true;
        }
    }
    core.allocation = Some((slurm_job, at));
}

pub(crate) fn on_leaving(core: &mut Core, id: WorkerId, reason: String, effects: &mut Vec<Effect>) {
    if let Some(worker) = core.workers.get_mut(&id) {
        core.by_load.remove(&(worker.load(), id));
        let waits = worker.on_slots() > worker.slots() && !core.by_load.is_empty();
        let left = worker.leaving.replace(reason.clone()).is_some();
        if waits && !left {
            effects.push(Effect::Send { worker: id, message: ToWorker::Recall });
        }
        let meets = if left { BTreeSet::new() } else { worker.meets.clone() };
        core.leave_requirements(&meets);
        leave_worker(core, id);
        telemetry::worker_ended(core, id, WorkerState::Leaving, &reason);
    }
}

pub(crate) fn on_heartbeat(
    core: &mut Core,
    id: WorkerId,
    metrics: WorkerMetrics,
    on_slots: Vec<SlotTask>,
) {
    let now = core.now;
    if let Some(worker) = core.workers.get_mut(&id) {
        worker.last_heartbeat = now;
        let was_paused = std::mem::replace(&mut worker.metrics, metrics).above_mark;
        if was_paused && !metrics.above_mark {
            core.room_for_replicas();
        }
        telemetry::note(core, || Observation::Measured { worker: id, metrics, on_slots });
    }
}

/// A supervisor knows why one of its workers died; a broken link does not show it. The cause is
/// recorded with the worker and in the errors of the affected jobs.
pub(crate) fn on_process_died(core: &mut Core, host: &str, pid: u32, cause: String) {
    let live = core
        .workers
        .iter()
        .find(|(_, w)| w.registration.host == host && w.registration.pid == pid)
        .map(|(id, _)| *id);
    if let Some(id) = live {
        core.give_up_worker(id, cause);
        return;
    }
    let Some(row) = core.gone.iter_mut().rev().find(|row| row.host == host && row.pid == pid)
    else {
        return;
    };
    row.cause.clone_from(&cause);
    let (id, state, text) = (row.id, row.state, format!("{} on {host}: {cause}", row.name));
    telemetry::worker_ended(core, id, state, &cause);
    for job in core.jobs.values_mut() {
        for (worker, found) in job.causes.values_mut().flatten() {
            if *worker == Some(id) {
                found.clone_from(&text);
            }
        }
    }
}
