//! Workers: they join, leave, fall silent, are lost.

use crate::event::{Effect, Origin, Time};
use crate::handlers::{jobs, tasks};
use crate::state::{Core, GONE_WORKERS_MAX, Job, NOBODY, Worker, task_id};
use crate::{persisted, replicas, telemetry, transfers};
use partita_observe::event::{Ending, Observation};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Registration, SlotTask, ToWorker, WorkerMetrics};
use partita_shared::model::{TaskState, WorkerState};
use std::collections::BTreeSet;

pub(crate) fn on_joined(
    core: &mut Core,
    request: u64,
    mut registration: Registration,
    effects: &mut Vec<Effect>,
) {
    // What a peer says of itself is added up over all workers: no figure may break the sums.
    registration.slots = registration.slots.clamp(1, limits::WORKER_SLOTS_MAX);
    registration.memory_limit_bytes =
        registration.memory_limit_bytes.min(limits::WORKER_MEMORY_BYTES_MAX);
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
        heard: core.now,
        ends,
        leaving: None,
        metrics: WorkerMetrics::default(),
        assigned: 0,
        held: 0,
        finished: 0,
        unreadable: 0,
        knows: BTreeSet::new(),
        dismissed: false,
        changed: false,
    };
    core.copies_changed = true;
    core.by_load.insert((worker.load(), id));
    *core.sizes.entry(worker.slots()).or_default() += 1;
    core.workers.insert(id, worker);
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

pub(crate) fn on_leaving(core: &mut Core, id: WorkerId, reason: String) {
    if let Some(worker) = core.workers.get_mut(&id) {
        core.by_load.remove(&(worker.load(), id));
        worker.leaving = Some(reason.clone());
        core.copies_changed = true;
        telemetry::worker_ended(core, id, WorkerState::Leaving, &reason);
    }
}

/// Lets those go that are leaving and have nothing that anyone wants.
pub(crate) fn dismiss(core: &mut Core, effects: &mut Vec<Effect>) {
    if !core.is_one_leaving() {
        return;
    }
    // Where nobody stays, what is merely held cannot be handed over, and is not waited for.
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

/// Whether a worker holds something of a job that a task or a client has still to read.
fn is_read_from(job: &Job, id: WorkerId) -> bool {
    job.touched.contains(&id)
        && (0..job.groups.len()).any(|group| {
            let tasks = (0..).zip(&job.groups[group].tasks);
            let mut held = tasks.filter(|(_, task)| task.holder().is_some_and(|h| h.worker == id));
            held.any(|(index, _)| job.is_wanted(group, index))
        })
}

pub(crate) fn on_heartbeat(
    core: &mut Core,
    id: WorkerId,
    metrics: WorkerMetrics,
    on_slots: Vec<SlotTask>,
) {
    let now = core.now;
    if let Some(worker) = core.workers.get_mut(&id) {
        worker.heard = now;
        worker.metrics = metrics;
        telemetry::note(core, || Observation::Measured { worker: id, metrics, on_slots });
    }
}

pub(crate) fn on_tick(core: &mut Core, effects: &mut Vec<Effect>) {
    let now = core.now;
    let limit = core.options.silence_us_max;
    let silent: Vec<WorkerId> = core
        .workers
        .iter()
        .filter(|(_, worker)| now.saturating_sub(worker.heard) > limit)
        .map(|(id, _)| *id)
        .collect();
    for id in silent {
        let cause = format!("nothing was heard of it for {} s", limit / 1_000_000);
        effects.push(Effect::Disconnect { worker: id, cause: cause.clone() });
        on_lost(core, id, cause, effects);
    }
    jobs::end_hopeless(core, effects);
}

/// A worker is gone. What it ran goes back, what it held is made again where someone wants it, and
/// nothing else is touched.
pub(crate) fn on_lost(core: &mut Core, id: WorkerId, cause: String, effects: &mut Vec<Effect>) {
    let Some(worker) = core.workers.remove(&id) else { return };
    core.by_load.remove(&(worker.load(), id));
    if let Some(alike) = core.sizes.get_mut(&worker.slots()) {
        *alike -= 1;
        core.sizes.retain(|_, alike| *alike > 0);
    }
    core.suspects.remove(&id);
    core.copies_changed = true;
    transfers::forget_worker(core, id);
    // One that said that it would go has left, though it may have had no time for all that it had.
    let state = match worker.dismissed || worker.leaving.is_some() {
        true => WorkerState::Left,
        false => WorkerState::Lost,
    };
    let cause = match &worker.leaving {
        Some(reason) if !worker.dismissed && (worker.assigned > 0 || worker.held > 0) => {
            format!("{reason}; it had no time for all that it had begun")
        }
        Some(_) | None => cause,
    };
    if state == WorkerState::Lost {
        core.workers_lost += 1;
    }
    let blameless = worker.leaving.is_some();
    let mut row = worker.row(id);
    row.state = state;
    row.cause.clone_from(&cause);
    row.assigned = 0;
    if core.gone.len() == GONE_WORKERS_MAX {
        core.gone.pop_front();
    }
    core.gone.push_back(row);
    telemetry::worker_ended(core, id, state, &cause);
    for (other, peer) in &mut core.workers {
        if peer.knows.remove(&id) {
            effects.push(Effect::Send { worker: *other, message: ToWorker::PeerLost(id) });
        }
    }
    let name = worker.registration.name;
    let text = format!("{name} on {}: {cause}", worker.registration.host);
    let ids: Vec<JobId> = core.jobs.keys().copied().collect();
    for job in ids {
        take_back(core, job, id, &text, blameless, effects);
    }
}

/// Takes back from a lost worker what it had of one job.
fn take_back(
    core: &mut Core,
    id: JobId,
    lost: WorkerId,
    text: &str,
    blameless: bool,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    if !job.touched.remove(&lost) {
        return;
    }
    replicas::forget_worker(job, lost);
    let mut poison = None;
    let mut ended = Vec::new();
    let mut unheld = Vec::new();
    for group in 0..job.groups.len() {
        job.groups[group].told.remove(&lost);
        if job.groups[group].is_mirror() {
            continue;
        }
        if let Some(queue) = job.groups[group].ready_at.remove(&lost) {
            let ready = &mut job.groups[group].ready;
            ready.extend(queue);
            ready.make_contiguous().sort_unstable();
        }
        for index in 0..job.groups[group].tasks.len() as u32 {
            let task = &job.groups[group].tasks[index as usize];
            if task.worker != lost.0 {
                continue;
            }
            if task.state == TaskState::Done && job.is_held_result(group) {
                let other = job.take_other(index, |worker| worker != lost);
                if let Some(other) = other {
                    job.groups[group].tasks[index as usize].worker = other.0;
                    unheld.push(index);
                    continue;
                }
            }
            let task = &mut job.groups[group].tasks[index as usize];
            task.worker = NOBODY;
            match task.state {
                TaskState::Running => {
                    ended.push((task_id(id, group as u32, index), task.attempt));
                    if !blameless {
                        task.kills += 1;
                        let at = (group as u32, index);
                        job.suspects.insert(at);
                        if task.kills >= limits::TASK_KILLS_MAX {
                            poison = Some(at);
                        }
                        job.causes.entry(at).or_default().push((Some(lost), text.to_string()));
                    }
                    job.running -= 1;
                    job.retries += 1;
                    job.set_state(group, index, TaskState::Waiting);
                }
                TaskState::Done => {
                    if group == job.groups.len() - 1 && index == job.delivered {
                        job.delivering = None;
                    }
                    job.no_longer_held(group, index);
                    if job.is_held_result(group) {
                        unheld.push(index);
                        if job.groups[group].origin == Origin::Put {
                            let at = (group as u32, index);
                            job.causes.entry(at).or_default().push((Some(lost), text.to_string()));
                        }
                    }
                }
                TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
            }
        }
    }
    for (task, attempt) in ended {
        telemetry::unreported(core, task, attempt, lost, Ending::Lost, text);
    }
    if let Some(at) = poison {
        let task = task_id(id, at.0, at.1);
        let kills = limits::TASK_KILLS_MAX;
        let error = format!(
            "task {task} was running on {kills} workers when they died, so it is not tried again: {}",
            tasks::causes(core, id, at)
        );
        jobs::fail(core, id, error, None, effects);
        return;
    }
    let Some(job) = core.jobs.get_mut(&id) else { return };
    job.restore();
    core.demand_changed = true;
    unheld.into_iter().for_each(|index| persisted::mirror(core, id, index));
    jobs::deliver_next(core, id, effects);
}

/// A supervisor knows why a worker of it died, and the broken link does not: the cause is put
/// where people look for it.
pub(crate) fn on_process_died(
    core: &mut Core,
    host: &str,
    pid: u32,
    cause: String,
    effects: &mut Vec<Effect>,
) {
    let live = core
        .workers
        .iter()
        .find(|(_, w)| w.registration.host == host && w.registration.pid == pid)
        .map(|(id, _)| *id);
    if let Some(id) = live {
        effects.push(Effect::Disconnect { worker: id, cause: cause.clone() });
        on_lost(core, id, cause, effects);
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
