//! Placement: which worker gets which ready task.
//!
//! A batch step after the events at hand. The least loaded worker chooses first: among the jobs,
//! the one with the fewest attempts running for its priority; in the job, the latest group that
//! has a ready task, so that what is begun is finished and its memory freed; in the group, a task
//! whose input lies on that worker, then any, then one that lies where there is no free slot.
//! No worker gets more than its slots and a small read-ahead, measured in expected time.

use crate::data::{Core, Group, Job, Options, Worker, task_id};
use crate::event::Effect;
use crate::lineage::{own_partitions, twin};
use crate::{handover, held, jobs, replicas, workers};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Holder, Locations, RunTask, ToWorker};
use partita_shared::model::{JobState, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Result partitions, for each slot of the cluster, that may be made before the client has taken
/// those before them: a client that reads slowly holds back the workers.
const RESULTS_AHEAD_PER_SLOT: u32 = 2;

/// Tasks that may wait on a worker beyond its slots, however short they are.
const READ_AHEAD_TASKS_MAX: u64 = 1024;

/// Ready tasks looked at for one that may run on a given worker, where some may not.
const AVOIDED_TASKS_MAX: usize = 16;

/// How far one start moves on the turn of a job of priority 1.
const TURN_STEP: u64 = 1 << 20;

/// What goes to the workers in one placement.
type Runs = BTreeMap<WorkerId, Vec<RunTask>>;

impl Core {
    /// Gives ready tasks to workers. To be called after every batch of events.
    pub fn place(&mut self, effects: &mut Vec<Effect>) {
        held::demand(self, effects);
        let mut runs = Runs::new();
        let mut exhausted = Vec::new();
        let (slots, window) = (self.slots(), self.result_window());
        let full = self.full_load();
        // Who was passed over stands before this. A worker that got a task moves up, so that all
        // those behind were not asked yet.
        let mut passed = Bound::Unbounded;
        while let Some(place) = self.by_load.range((passed, Bound::Unbounded)).next().copied() {
            let (load, id) = place;
            if full.is_none_or(|full| load >= full) {
                break;
            }
            let Some((job, group, index)) = self.pick(id, slots, window) else {
                if !self.jobs.values().any(|job| job.groups.iter().any(|g| g.counts.ready > 0)) {
                    break;
                }
                passed = Bound::Excluded(place);
                continue;
            };
            if !self.assign(id, job, group, index, &mut runs, effects) {
                exhausted.push((job, group, index));
                break;
            }
        }
        for (worker, tasks) in runs {
            for part in tasks.chunks(limits::TASKS_PER_MESSAGE_MAX) {
                let message = ToWorker::Run(part.to_vec());
                effects.push(Effect::Send { worker, message });
            }
        }
        for (job, group, index) in exhausted {
            let task = task_id(job, group as u32, index);
            let tries = limits::TASK_ATTEMPTS_MAX;
            let error =
                format!("task {task} was started {tries} times without an end: it is given up");
            jobs::fail(self, job, error, None, effects);
        }
        handover::hand_over(self, effects);
        replicas::keep_up(self, effects);
        workers::dismiss(self, effects);
    }

    /// The load from which on no worker has room for a task of any group that has one ready, by
    /// [`has_room`]; none if no group has. Of a cluster that is busy the others need not be asked.
    fn full_load(&self) -> Option<u64> {
        let jobs = self.jobs.values();
        let ready = jobs.flat_map(|job| job.groups.iter().map(move |group| (job, group)));
        let ready = ready.filter(|(_, group)| group.counts.ready > 0);
        let full = |slots: u32| {
            let room = ready.clone().map(|(job, group)| room(slots, job, group, &self.options));
            room.max().map(|room| (room.max(1) - 1) * 1000 / u64::from(slots) + 1)
        };
        self.sizes.keys().filter_map(|slots| full(*slots)).max()
    }

    fn slots(&self) -> u32 {
        self.sizes.iter().map(|(slots, alike)| slots * alike).sum()
    }

    /// Result partitions that may be made before the client has taken those before them.
    pub(crate) fn result_window(&self) -> u32 {
        self.slots().saturating_mul(RESULTS_AHEAD_PER_SLOT).max(4)
    }

    /// Chooses a task for a worker and takes it out of its queue.
    fn pick(&mut self, id: WorkerId, slots: u32, window: u32) -> Option<(JobId, usize, u32)> {
        let now = self.now;
        let worker = self.workers.get(&id)?;
        // Above its mark, a worker only goes on with what it has; one that has nothing must be
        // let on, or nothing would ever be freed.
        if worker.metrics.above_mark && worker.assigned > 0 {
            return None;
        }
        let order = self.by_share();
        let priorities: u64 = order.iter().map(|(_, job)| u64::from(job.spec.priority)).sum();
        let owed = |job: &Job| {
            let fair = u64::from(slots) * u64::from(job.spec.priority);
            u64::from(job.running) * priorities < fair
        };
        let find = |job: &Job, group| find(job, group, id, window, &self.workers, now);
        // What comes first and waits for a slot of this worker: nothing goes ahead of it, or short
        // tasks would fill the worker again and again before it has a slot free.
        let mut waiting: Vec<(JobId, &Job, usize)> = Vec::new();
        let mut found = None;
        'search: for (job_id, job) in order {
            for group in (0..job.groups.len()).rev() {
                let at = &job.groups[group];
                if at.counts.ready == 0 || !has_time(worker, at, now) {
                    continue;
                }
                if !has_room(worker, job, at, &self.options) {
                    waiting.push((job_id, job, group));
                    continue;
                }
                let Some((queue, index)) = find(job, group) else { continue };
                let after = waiting.iter().any(|(other_id, other, group)| {
                    (*other_id == job_id || owed(other)) && find(other, *group).is_some()
                });
                if !after {
                    found = Some((job_id, group, queue, index));
                    break 'search;
                }
            }
        }
        let (job, group, queue, index) = found?;
        self.take(job, group, queue, index);
        Some((job, group, index))
    }

    /// The jobs with ready tasks: the one with the fewest attempts running for its priority first,
    /// among equals the one whose turn it is.
    pub(crate) fn by_share(&self) -> Vec<(JobId, &Job)> {
        let mut order: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.groups.iter().any(|group| group.counts.ready > 0))
            .map(|(id, job)| {
                let share = u64::from(job.running) * 1000 / u64::from(job.spec.priority);
                ((share, job.turn.max(self.turn), *id), job)
            })
            .collect();
        order.sort_unstable_by_key(|(key, _)| *key);
        order.into_iter().map(|((_, _, id), job)| (id, job)).collect()
    }

    /// Takes a task out of the queue where it was found.
    fn take(&mut self, job: JobId, group: usize, queue: Option<WorkerId>, index: u32) {
        let Some(job) = self.jobs.get_mut(&job) else { return };
        let group = &mut job.groups[group];
        let found = match queue {
            Some(worker) => group.ready_at.get_mut(&worker),
            None => Some(&mut group.ready),
        };
        let Some(found) = found else { return };
        // It is at the front, or behind a few that are stale or may not run there.
        let states = &group.tasks;
        while found.front().is_some_and(|i| states[*i as usize].state != TaskState::Ready) {
            found.pop_front();
        }
        if let Ok(at) = found.binary_search(&index) {
            found.remove(at);
        }
        if let Some(worker) = queue
            && group.ready_at.get(&worker).is_some_and(|queue| queue.is_empty())
        {
            group.ready_at.remove(&worker);
        }
    }

    /// Gives a task to a worker, with whatever the worker must know before. False if the task was
    /// started too often.
    fn assign(
        &mut self,
        id: WorkerId,
        job_id: JobId,
        group: usize,
        index: u32,
        runs: &mut Runs,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&job_id) else { return true };
        let task = &mut job.groups[group].tasks[index as usize];
        if task.attempt >= limits::TASK_ATTEMPTS_MAX {
            return false;
        }
        task.attempt += 1;
        task.worker = id.0;
        let attempt = task.attempt;
        job.set_state(group, index, TaskState::Running);
        job.running += 1;
        if job.state == JobState::Queued {
            job.state = JobState::Running;
            job.started = Some(now);
        }
        self.turn = self.turn.max(job.turn);
        job.turn = self.turn + TURN_STEP / u64::from(job.spec.priority);
        job.touched.insert(id);
        job.changed = true;
        let holders = own_holders(job, group, index);
        tell(job, group, id, &holders, &mut self.workers, effects);
        let task = task_id(job_id, group as u32, index);
        runs.entry(id).or_default().push(RunTask { task, attempt, holders });
        self.add_assigned(id, 1);
        true
    }
}

/// Whether a task of a group can be expected to end before the worker must.
pub(crate) fn has_time(worker: &Worker, group: &Group, now: u64) -> bool {
    worker.ends.is_none_or(|ends| now.saturating_add(group.mean_us().unwrap_or(0)) <= ends)
}

/// Attempts that a worker with so many slots may have, tasks of a group included.
fn room(slots: u32, job: &Job, group: &Group, options: &Options) -> u64 {
    let slots = u64::from(slots);
    let ahead = group
        .mean_us()
        .filter(|_| job.suspects.is_empty())
        .map_or(0, |mean| (options.read_ahead_us * slots / mean.max(1)).min(READ_AHEAD_TASKS_MAX));
    slots + ahead
}

/// Whether a worker may have one more task of a group.
fn has_room(worker: &Worker, job: &Job, group: &Group, options: &Options) -> bool {
    u64::from(worker.assigned) < room(worker.slots(), job, group, options)
}

/// Whether a worker could take a task of a group now, so that those whose input lies on it are
/// left to it.
fn is_open(worker: &Worker, group: &Group, now: u64) -> bool {
    worker.leaving.is_none()
        && worker.assigned < worker.slots()
        && !(worker.metrics.above_mark && worker.assigned > 0)
        && has_time(worker, group, now)
}

/// A ready task for a worker, and the queue in which it is: `None` for the group's. Results are not
/// more than `window` ahead of the client.
fn find(
    job: &Job,
    group: usize,
    id: WorkerId,
    window: u32,
    workers: &BTreeMap<WorkerId, Worker>,
    now: u64,
) -> Option<(Option<WorkerId>, u32)> {
    let at = &job.groups[group];
    let delivered = group == job.result() && !job.spec.keep;
    let limit = if delivered { job.delivered.saturating_add(window) } else { u32::MAX };
    let may_run = |index: &&u32| {
        let ready = at.tasks[**index as usize].state == TaskState::Ready;
        ready && **index < limit && !is_avoided(job, group, **index, id, workers, now)
    };
    let own = at.ready_at.get(&id).and_then(|queue| first(queue.iter(), at, may_run));
    if let Some(index) = own {
        return Some((Some(id), index));
    }
    if let Some(index) = first(at.ready.iter(), at, may_run) {
        return Some((None, index));
    }
    at.ready_at.iter().find_map(|(near, queue)| {
        let open = workers.get(near).is_some_and(|worker| is_open(worker, at, now));
        let index = if open { None } else { first(queue.iter(), at, may_run) };
        index.map(|index| (Some(*near), index))
    })
}

/// The first entry that may run, among the stale ones and the first few others.
fn first<'a>(
    queue: impl Iterator<Item = &'a u32>,
    group: &Group,
    may_run: impl Fn(&&'a u32) -> bool,
) -> Option<u32> {
    queue
        .filter(|index| group.tasks[**index as usize].state == TaskState::Ready)
        .take(AVOIDED_TASKS_MAX)
        .find(may_run)
        .copied()
}

/// Whether a task failed on this worker in a way that is worth another try elsewhere, and there is
/// an elsewhere.
pub(crate) fn is_avoided(
    job: &Job,
    group: usize,
    index: u32,
    id: WorkerId,
    workers: &BTreeMap<WorkerId, Worker>,
    now: u64,
) -> bool {
    let Some(avoid) = job.avoid.get(&(group as u32, index)) else { return false };
    avoid.contains(&id)
        && workers.iter().any(|(other, w)| {
            !avoid.contains(other) && w.leaving.is_none() && has_time(w, &job.groups[group], now)
        })
}

/// Holders of what a task alone reads, in the order of its inputs.
fn own_holders(job: &Job, group: usize, index: u32) -> Vec<Holder> {
    let mut holders = Vec::new();
    for input in job.groups[group].inputs() {
        let tasks = &job.groups[input.group as usize].tasks;
        if let Some(partition) = twin(input, index) {
            holders.extend(tasks[partition as usize].holder());
        }
        let own = own_partitions(input, index);
        holders.extend(own.iter().filter_map(|partition| tasks[*partition as usize].holder()));
    }
    holders
}

/// Whether a task of a group reads something that a worker holds.
pub(crate) fn reads_from(job: &Job, group: usize, index: u32, worker: WorkerId) -> bool {
    let at = &job.groups[group];
    let whole = at.locations.iter().filter(|(input, _)| {
        let spec = &at.inputs()[*input as usize];
        index >= spec.first && index - spec.first < spec.count
    });
    let mut holders = whole.flat_map(|(_, holders)| holders.iter());
    holders.any(|holder| holder.worker == worker)
        || own_holders(job, group, index).iter().any(|holder| holder.worker == worker)
}

/// Tells a worker where another is, if it does not know.
pub(crate) fn introduce(
    workers: &mut BTreeMap<WorkerId, Worker>,
    id: WorkerId,
    other: WorkerId,
    effects: &mut Vec<Effect>,
) {
    let Some(address) = workers.get(&other).map(|w| w.registration.data_address.clone()) else {
        return;
    };
    let Some(worker) = workers.get_mut(&id).filter(|_| id != other) else { return };
    if worker.knows.insert(other) {
        let message = ToWorker::Peer { worker: other, address };
        effects.push(Effect::Send { worker: id, message });
    }
}

/// Tells a worker what it must know before a task of a group: the fragment, who holds the inputs,
/// and where those are.
fn tell(
    job: &mut Job,
    group: usize,
    id: WorkerId,
    holders: &[Holder],
    workers: &mut BTreeMap<WorkerId, Worker>,
    effects: &mut Vec<Effect>,
) {
    let at = &mut job.groups[group];
    let told = at.told.insert(id, at.version);
    let fresh = told != Some(at.version);
    let mut unknown: BTreeSet<WorkerId> = holders.iter().map(|holder| holder.worker).collect();
    if fresh {
        unknown.extend(at.locations.iter().flat_map(|(_, all)| all.iter().map(|h| h.worker)));
    }
    for other in unknown {
        introduce(workers, id, other, effects);
    }
    if told.is_none() {
        let message = ToWorker::Fragment(Arc::clone(&at.fragment));
        effects.push(Effect::Send { worker: id, message });
    }
    if fresh {
        for (input, holders) in &at.locations {
            let group = at.fragment.group;
            let locations = Locations { group, input: *input, holders: Arc::clone(holders) };
            effects.push(Effect::Send { worker: id, message: ToWorker::Locations(locations) });
        }
    }
}
