//! Replicas: partitions on other workers than their holders.
//!
//! A partition has one holder, from which readers fetch it, and may have replicas. A call that runs
//! on a worker with a replica reads that. When the holder is lost or retires, a replica takes its
//! place and nothing is recomputed or moved.
//!
//! How many workers shall have a partition is its goal: that of all partitions of a persisted
//! result, or what the client of an open job asked for an output. Partitions that may miss their
//! goal are due. [`keep_up`] compares these with their goals, and creates missing replicas a few at
//! a time, by the code that migrates partitions. Where no worker can take a replica, the partition
//! is due again when one can.

use crate::event::Effect;
use crate::state::{Core, Job, ReplicaGoal, task_id};
use crate::transfers::{begin, is_given_up, is_moving, keep_for_readers, moves_of, target};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::Holder;
use std::collections::BTreeSet;

/// Partitions that are being copied between workers that do not retire, at most: for each worker, and in a small cluster.
const COPIES_PER_WORKER_MAX: usize = 2;
const COPIES_UNDER_WAY_MAX: usize = 16;

/// Partitions that are compared with their goals in one placement, at most: others wait for the next.
const EXAMINED_MAX: usize = 10_000;

/// How many workers may copy a partition of a persisted result from the same worker at a time.
const PERSISTED_READERS_MAX: u32 = 2;

/// Compares the partitions that are due with their goals: drops replicas that are too many, and
/// starts to copy what is missing and what shall have another holder.
pub(crate) fn keep_up(core: &mut Core, effects: &mut Vec<Effect>) {
    if core.due.is_empty() {
        return;
    }
    let retires = |id: WorkerId| core.workers.get(&id).is_some_and(|from| from.leaving.is_some());
    let under_way = core.moves.values().filter(|found| !retires(found.from)).count();
    let most = COPIES_UNDER_WAY_MAX.max(COPIES_PER_WORKER_MAX * core.by_load.len());
    let mut room = most.saturating_sub(under_way);
    for _ in 0..EXAMINED_MAX {
        if room == 0 {
            break;
        }
        let Some((task, to)) = core.due.pop_first() else { break };
        room = keep_up_partition(core, task, to, room, effects);
    }
}

/// The same for one partition, which shall have the holder `to` if that is set. Starts at most
/// `room` copies. Returns how many more may start.
fn keep_up_partition(
    core: &mut Core,
    task: TaskId,
    to: Option<WorkerId>,
    mut room: usize,
    effects: &mut Vec<Effect>,
) -> usize {
    // One that is recomputed is due when it is held.
    let Some(holder) = core.holder(task) else { return room };
    if let Some(to) = to.filter(|to| can_move(core, task, holder, *to)) {
        begin(core, task, holder, to, false, effects);
        return room - 1;
    }
    let Some(goal) = core.replica_goal(task) else { return room };
    drop_surplus(core, task, holder, &goal);
    while let Some((from, to)) = missing(core, task, holder, &goal) {
        if room == 0 {
            core.due.insert(task, None);
            break;
        }
        begin(core, task, from, to, true, effects);
        room -= 1;
    }
    room
}

/// Whether a worker can become the holder of a partition.
fn can_move(core: &Core, task: TaskId, holder: Holder, to: WorkerId) -> bool {
    let job = core.jobs.get(&task.stage.job);
    let (stage, index) = (task.stage.index, task.index);
    core.stays(holder.worker)
        && to != holder.worker
        && !job.is_some_and(|job| job.has_replica((stage, index), to))
        && !is_moving(core, task)
        && target(core, |worker| worker == to).is_some()
}

/// The next replica that a partition lacks and a worker can take: from which worker it is copied, and to which.
fn missing(
    core: &Core,
    task: TaskId,
    holder: Holder,
    goal: &ReplicaGoal,
) -> Option<(Holder, WorkerId)> {
    let under_way: Vec<_> = moves_of(core, task).collect();
    // One that migrates is due again when it has a holder that stays.
    if under_way.iter().any(|(_, found)| !found.copy) {
        return None;
    }
    let holders = core.holders(task);
    let of_attempt = under_way.iter().filter(|(_, found)| found.attempt == holder.attempt);
    let coming = of_attempt.clone().map(|(to, _)| *to);
    let counted = holders.iter().copied().chain(coming).filter(|id| counts(core, goal, *id));
    if counted.count() >= wanted(core, goal) || is_given_up(core, task, holder, true) {
        return None;
    }
    let reads = |id: WorkerId| of_attempt.clone().filter(|(_, found)| found.from == id).count();
    let sources = holders.iter().copied().filter(|id| reads(*id) < goal.readers_max as usize);
    let from = sources.min_by_key(|id| (!core.stays(*id), reads(*id)))?;
    let to = target(core, |worker| {
        goal.includes(worker)
            && !holders.contains(&worker)
            && under_way.iter().all(|(to, _)| *to != worker)
    })?;
    Some((Holder { worker: from, attempt: holder.attempt }, to))
}

/// Whether a worker counts among those that shall have a partition.
fn counts(core: &Core, goal: &ReplicaGoal, worker: WorkerId) -> bool {
    goal.includes(worker) && core.stays(worker)
}

/// How many workers shall have a partition now.
fn wanted(core: &Core, goal: &ReplicaGoal) -> usize {
    let workers = match &goal.workers {
        None => core.by_load.len(),
        Some(workers) => workers.iter().filter(|id| core.stays(**id)).count(),
    };
    workers.min(goal.count as usize)
}

/// Drops the replicas that are too many, first those of the workers that hold the most partitions.
fn drop_surplus(core: &mut Core, task: TaskId, holder: Holder, goal: &ReplicaGoal) {
    let mut workers = core.holders(task);
    workers.retain(|id| counts(core, goal, *id));
    let surplus = workers.len().saturating_sub(wanted(core, goal));
    // A replica can take the place of the holder, but nothing would be gained.
    workers.retain(|id| *id != holder.worker);
    workers.sort_by_key(|id| {
        std::cmp::Reverse((core.workers.get(id).map_or(0, |worker| worker.held), *id))
    });
    workers.into_iter().take(surplus).for_each(|worker| drop_replica(core, task, worker));
}

/// A replica is not wanted any more.
fn drop_replica(core: &mut Core, task: TaskId, worker: WorkerId) {
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    let key = (task.stage.index, task.index);
    let Some(workers) = job.replicas.get_mut(&key) else { return };
    if !workers.remove(&worker) {
        return;
    }
    if workers.is_empty() {
        job.replicas.remove(&key);
    }
    core.add_held(worker.0, -1);
    keep_for_readers(core, task, worker);
}

/// A worker has copied a partition.
pub(crate) fn on_copied(core: &mut Core, task: TaskId, worker: WorkerId) {
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    if job.replicas.entry((task.stage.index, task.index)).or_default().insert(worker) {
        core.add_held(worker.0, 1);
    }
}

/// A worker begins to retire: its replicas are dropped, and others are created elsewhere.
pub(crate) fn leave_worker(core: &mut Core, id: WorkerId) {
    let (mut replicas, mut due) = (Vec::new(), Vec::new());
    for (number, job) in core.jobs.iter().filter(|(_, job)| job.touched.contains(&id)) {
        let task = |(stage, index): (u32, u32)| task_id(*number, stage, index);
        let found = job.replicas.iter().filter(|(_, workers)| workers.contains(&id));
        replicas.extend(found.map(|(key, _)| task(*key)));
        let holds = |key: &(u32, u32)| job.holder(*key).is_some_and(|found| found.worker == id);
        due.extend(job.with_goals().filter(holds).map(task));
    }
    for task in replicas {
        drop_replica(core, task, id);
        due.push(task);
    }
    due.into_iter().for_each(|task| core.replicas_changed(task));
}

/// A worker is gone, with its replicas. Returns the tasks whose outputs these were.
pub(crate) fn forget_worker(job: &mut Job, lost: WorkerId) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    job.replicas.retain(|key, workers| {
        if workers.remove(&lost) {
            found.push(*key);
        }
        !workers.is_empty()
    });
    found
}

impl Job {
    /// The holder of the output of a task, if one has it.
    pub(crate) fn holder(&self, (stage, index): (u32, u32)) -> Option<Holder> {
        self.stages.get(stage as usize)?.tasks.get(index as usize)?.holder()
    }

    /// Workers that hold the output of a task, besides its holder.
    pub(crate) fn others(&self, task: (u32, u32)) -> impl Iterator<Item = WorkerId> + '_ {
        self.replicas.get(&task).into_iter().flatten().copied()
    }

    /// Whether a worker holds the output of a task, besides its holder.
    pub(crate) fn has_replica(&self, task: (u32, u32), worker: WorkerId) -> bool {
        // Most jobs have none, and are asked for every input of a task.
        !self.replicas.is_empty() && self.others(task).any(|other| other == worker)
    }

    /// Removes a replica from those that are known, if one fits: its worker becomes the holder.
    pub(crate) fn take_other(
        &mut self,
        task: (u32, u32),
        fits: impl Fn(WorkerId) -> bool,
    ) -> Option<WorkerId> {
        let others = self.replicas.get_mut(&task)?;
        let found = others.iter().copied().find(|worker| fits(*worker))?;
        others.remove(&found);
        if others.is_empty() {
            self.replicas.remove(&task);
        }
        Some(found)
    }

    /// Removes all replicas of the output of a task, which is dropped.
    pub(crate) fn take_replicas(&mut self, task: (u32, u32)) -> BTreeSet<WorkerId> {
        self.replicas.remove(&task).unwrap_or_default()
    }

    /// Whether the partitions of its result have a goal.
    fn has_result_goal(&self) -> bool {
        self.spec.persist && self.spec.replicas > 1 && !self.persisted.released
    }

    /// Whether some outputs have goals.
    pub(crate) fn has_goals(&self) -> bool {
        self.has_result_goal() || !self.replica_goals.is_empty()
    }

    /// How many workers shall have the output of a task, if more than its holder.
    fn replica_goal(&self, task: (u32, u32)) -> Option<ReplicaGoal> {
        if self.has_result_goal() && self.is_persisted_result(task.0 as usize) {
            let (count, readers_max) = (self.spec.replicas, PERSISTED_READERS_MAX);
            return Some(ReplicaGoal { count, workers: None, readers_max });
        }
        self.replica_goals.get(&task).cloned()
    }

    /// The tasks whose outputs have goals.
    fn with_goals(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let result = self.result();
        let of_result = match self.has_result_goal() {
            true => self.stages[result].tasks.len() as u32,
            false => 0,
        };
        let of_result = (0..of_result).map(move |index| (result as u32, index));
        of_result.chain(self.replica_goals.keys().copied())
    }
}

impl Core {
    /// Whether a worker is connected and does not retire.
    pub(crate) fn stays(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|found| found.leaving.is_none())
    }

    /// The holder of the output of a task, if one has it.
    pub(crate) fn holder(&self, task: TaskId) -> Option<Holder> {
        self.jobs.get(&task.stage.job)?.holder((task.stage.index, task.index))
    }

    fn replica_goal(&self, task: TaskId) -> Option<ReplicaGoal> {
        self.jobs.get(&task.stage.job)?.replica_goal((task.stage.index, task.index))
    }

    /// A partition may have too few replicas, or too many.
    pub(crate) fn replicas_changed(&mut self, task: TaskId) {
        if self.replica_goal(task).is_some() {
            self.due.entry(task).or_default();
        }
    }

    /// A worker can take replicas that could not before.
    pub(crate) fn room_for_replicas(&mut self) {
        for (id, job) in &self.jobs {
            for (stage, index) in job.with_goals() {
                let task = task_id(*id, stage, index);
                let lacks = |goal: ReplicaGoal| {
                    let holders = self.holders(task).into_iter();
                    holders.filter(|id| counts(self, &goal, *id)).count() < goal.count as usize
                };
                if job.replica_goal((stage, index)).is_some_and(lacks) {
                    self.due.entry(task).or_default();
                }
            }
        }
    }

    /// Sets how many workers shall have an output, or that nobody asks for that any more.
    pub(crate) fn set_replica_goal(&mut self, task: TaskId, goal: Option<ReplicaGoal>) {
        let Some(job) = self.jobs.get_mut(&task.stage.job) else { return };
        let key = (task.stage.index, task.index);
        self.wanted_replicas += goal.as_ref().map_or(0, |goal| goal.count as usize);
        let before = match goal {
            Some(goal) => job.replica_goals.insert(key, goal),
            None => job.replica_goals.remove(&key),
        };
        self.wanted_replicas -= before.map_or(0, |goal| goal.count as usize);
    }

    /// Checks the replicas, and counts them by worker.
    pub(crate) fn check_replicas(&self) -> Result<Vec<WorkerId>, String> {
        let (mut found, mut wanted) = (Vec::new(), 0);
        for (id, job) in &self.jobs {
            for (key, workers) in &job.replicas {
                let holder = job.holder(*key);
                let wrong = workers.iter().find(|worker| {
                    !self.workers.contains_key(worker)
                        || holder.is_none_or(|holder| holder.worker == **worker)
                });
                if let Some(worker) = wrong {
                    return Err(format!(
                        "{worker} has a replica of {key:?} of {id}, held by {holder:?}"
                    ));
                }
                found.extend(workers);
            }
            for ((stage, index), goal) in &job.replica_goals {
                wanted += goal.count as usize;
                if !job.spec.open || !job.stages[*stage as usize].tasks[*index as usize].wanted {
                    return Err(format!(
                        "{id}.{stage}.{index} has a goal, but its client does not want it"
                    ));
                }
            }
            self.check_goals(*id, job)?;
        }
        match wanted == self.wanted_replicas {
            true => Ok(found),
            false => Err(format!("{wanted} replicas are wanted, not {}", self.wanted_replicas)),
        }
    }

    /// Whether every partition whose goal could be met is due, or is being copied.
    fn check_goals(&self, id: JobId, job: &Job) -> Result<(), String> {
        for (stage, index) in job.with_goals() {
            let task = task_id(id, stage, index);
            let (Some(holder), Some(goal)) = (self.holder(task), self.replica_goal(task)) else {
                continue;
            };
            let is_idle = !self.due.contains_key(&task) && !is_moving(self, task);
            if is_idle && let Some(missing) = missing(self, task, holder, &goal) {
                return Err(format!("{task} lacks {missing:?} for {goal:?}, and is not due"));
            }
        }
        Ok(())
    }
}
