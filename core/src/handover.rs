//! Handing over: what a leaving worker holds and someone still wants goes to others before it is
//! gone, so that it need not be made again.
//!
//! A few partitions of each leaving worker are on their way at a time. A partition counts as held
//! where it was until its new holder says that it has it; then readers are told the new place.
//! Whatever goes wrong costs no more than the partition's being made again.

use crate::data::{Core, Job, task_id};
use crate::event::Effect;
use crate::lineage::is_whole;
use crate::place::introduce;
use crate::{held, replicas};
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::{Exchange, Holder, TakeOver, ToWorker};
use partita_shared::model::TaskState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Partitions of one leaving worker that are on their way at a time.
const MOVES_PER_WORKER_MAX: usize = 4;
/// Times that a partition is tried to be handed over.
const MOVE_TRIES_MAX: u8 = 2;

/// A partition on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    attempt: Attempt,
    from: WorkerId,
    /// None between two tries, and when it is not tried again.
    to: Option<WorkerId>,
    tries: u8,
    /// Whether it stays where it is, too.
    copy: bool,
}

impl Move {
    /// Whether the partition stays where it is, too.
    pub(crate) fn is_copy(&self) -> bool {
        self.copy && self.to.is_some()
    }
}

/// What is on its way, by task.
pub(crate) type Moves = BTreeMap<TaskId, Move>;

/// What a leaving worker still keeps of a partition that it handed over: tasks that were told of
/// it before are reading it there.
#[derive(Debug)]
pub(crate) struct Copy {
    readers: Vec<(TaskId, Attempt)>,
}

/// What leaving workers keep, by worker and task.
pub(crate) type Copies = BTreeMap<(WorkerId, TaskId), Copy>;

/// Starts what leaving workers have room for, and ends what nobody reads any more.
pub(crate) fn hand_over(core: &mut Core, effects: &mut Vec<Effect>) {
    drop_copies(core, effects);
    if !core.is_one_leaving() {
        return;
    }
    let leaving = |core: &Core, id: &WorkerId| {
        core.workers.get(id).is_some_and(|w| w.leaving.is_some() && w.held > 0 && !w.dismissed)
    };
    let ids: Vec<WorkerId> = core.workers.keys().copied().filter(|id| leaving(core, id)).collect();
    for from in ids {
        let mut under_way =
            core.moves.values().filter(|m| m.from == from && m.to.is_some()).count();
        while under_way < MOVES_PER_WORKER_MAX {
            let Some((task, holder)) = next(core, from) else { break };
            if let Some(other) = other_holder(core, task) {
                core.moves.remove(&task);
                switch(core, task, holder, other);
                continue;
            }
            let Some(to) = target(core, |_| true) else { break };
            begin(core, task, holder, to, false, effects);
            under_way += 1;
        }
    }
}

/// The next partition that a worker should hand over: one that is wanted and not on its way.
fn next(core: &Core, from: WorkerId) -> Option<(TaskId, Holder)> {
    let touched = core.jobs.iter().filter(|(_, job)| job.touched.contains(&from));
    for (id, job) in touched {
        for (number, group) in job.groups.iter().enumerate().filter(|(_, g)| !g.is_mirror()) {
            for (index, task) in group.tasks.iter().enumerate() {
                let Some(holder) = task.holder().filter(|holder| holder.worker == from) else {
                    continue;
                };
                let index = index as u32;
                let read = job.is_delivering(number, index, holder);
                let id = task_id(*id, number as u32, index);
                let wanted = match job.is_held_result(number) {
                    true => job.is_kept(number, index),
                    false => job.is_wanted(number, index),
                };
                if !read && !is_tried(core, id, holder) && wanted {
                    return Some((id, holder));
                }
            }
        }
    }
    None
}

/// Whether a partition is on its way from its holder, or was tried often enough.
pub(crate) fn is_tried(core: &Core, task: TaskId, holder: Holder) -> bool {
    core.moves.get(&task).is_some_and(|found| {
        found.attempt == holder.attempt && (found.to.is_some() || found.tries >= MOVE_TRIES_MAX)
    })
}

/// The worker that gets the next partition: the one that holds the least of those that stay and
/// have memory.
pub(crate) fn target(core: &Core, fits: impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
    let coming = |id: &WorkerId| core.moves.values().filter(|m| m.to == Some(*id)).count() as u64;
    core.workers
        .iter()
        .filter(|(id, _)| fits(**id))
        .filter(|(_, worker)| worker.leaving.is_none() && !worker.metrics.above_mark)
        .min_by_key(|(id, worker)| (u64::from(worker.held) + coming(id), **id))
        .map(|(id, _)| *id)
}

/// A worker that stays and holds a partition as well as its holder, which then is no holder of it any
/// more but the only one.
fn other_holder(core: &mut Core, task: TaskId) -> Option<WorkerId> {
    let workers = &core.workers;
    let job = core.jobs.get_mut(&task.group.job)?;
    let stays = |id| workers.get(&id).is_some_and(|worker| worker.leaving.is_none());
    let is_result = job.is_held_result(task.group.index as usize);
    is_result.then(|| job.take_other(task.index, stays)).flatten()
}

/// Has a partition taken over, or copied if it stays where it is, too.
pub(crate) fn begin(
    core: &mut Core,
    task: TaskId,
    from: Holder,
    to: WorkerId,
    copy: bool,
    effects: &mut Vec<Effect>,
) {
    let tries = core.moves.get(&task).filter(|m| m.attempt == from.attempt).map_or(0, |m| m.tries);
    let (attempt, tries) = (from.attempt, tries + 1);
    core.moves.insert(task, Move { attempt, from: from.worker, to: Some(to), tries, copy });
    let Some(job) = core.jobs.get_mut(&task.group.job) else { return };
    job.touched.insert(to);
    let buckets = buckets(job, task.group.index as usize);
    introduce(&mut core.workers, to, from.worker, effects);
    let order = TakeOver { task, attempt, from: from.worker, buckets };
    effects.push(Effect::Send { worker: to, message: ToWorker::TakeOver(order) });
}

/// The number of buckets of a group's partitions, 0 if they are whole.
fn buckets(job: &Job, group: usize) -> u32 {
    let shuffles = job.groups[group].consumers.iter().filter_map(|consumer| {
        let input = &job.groups[consumer.group as usize].inputs()[consumer.input as usize];
        (input.exchange == Exchange::Shuffle).then_some(input.count)
    });
    shuffles.max().unwrap_or(0)
}

/// A worker has what it was to take over, or could not get it.
pub(crate) fn on_taken_over(
    core: &mut Core,
    worker: WorkerId,
    task: TaskId,
    attempt: Attempt,
    error: Option<String>,
    effects: &mut Vec<Effect>,
) {
    core.copies_changed = true;
    let under_way = core.moves.get(&task).copied();
    let asked = under_way.filter(|m| m.attempt == attempt && m.to == Some(worker));
    let Some(found) = asked else {
        forget_copy(core, worker, task, effects);
        return;
    };
    if error.is_some() {
        if let Some(found) = core.moves.get_mut(&task) {
            found.to = None;
        }
        return;
    }
    core.moves.remove(&task);
    let from = Holder { worker: found.from, attempt };
    let (group, index) = (task.group.index as usize, task.index);
    let may_move =
        |job: &Job| !job.is_delivering(group, index, from) && is_held_by(core, task, from);
    if !core.jobs.get(&task.group.job).is_some_and(may_move) {
        forget_copy(core, worker, task, effects);
        return;
    }
    if found.copy {
        replicas::on_copied(core, task.group.job, index, worker);
        return;
    }
    switch(core, task, from, worker);
    core.add_held(worker.0, 1);
}

/// Makes another worker the holder of a partition that it has. Who reads it where it was goes on.
fn switch(core: &mut Core, task: TaskId, from: Holder, worker: WorkerId) {
    let (group, index, attempt) = (task.group.index as usize, task.index, from.attempt);
    let Some(job) = core.jobs.get_mut(&task.group.job) else { return };
    job.groups[group].tasks[index as usize].worker = worker.0;
    job.moved(group, index, Holder { worker, attempt });
    let mut readers = job.reading(task.group.job, group, index);
    if job.is_held_result(group) {
        readers.extend(held::moved(core, task.group.job, index));
    }
    core.copies.insert((from.worker, task), Copy { readers });
    core.add_held(from.worker.0, -1);
}

/// Drops the copies that nobody reads any more.
fn drop_copies(core: &mut Core, effects: &mut Vec<Effect>) {
    let jobs = &core.jobs;
    core.copies.retain(|(worker, task), copy| {
        if !jobs.contains_key(&task.group.job) {
            return false;
        }
        copy.readers.retain(|(reader, attempt)| {
            let Some(job) = jobs.get(&reader.group.job) else { return false };
            let found = &job.groups[reader.group.index as usize].tasks[reader.index as usize];
            found.state == TaskState::Running && found.attempt == *attempt
        });
        if copy.readers.is_empty() {
            let message = ToWorker::DropPartition(*task);
            effects.push(Effect::Send { worker: *worker, message });
        }
        !copy.readers.is_empty()
    });
}

/// Whether a worker keeps something that a task reads, or something is on its way to it.
pub(crate) fn is_taking_part(moves: &Moves, copies: &Copies, id: WorkerId) -> bool {
    let first = task_id(JobId(0), 0, 0);
    copies.range((id, first)..).next().is_some_and(|((worker, _), _)| *worker == id)
        || moves.values().any(|found| found.to == Some(id))
}

fn is_held_by(core: &Core, task: TaskId, holder: Holder) -> bool {
    let job = core.jobs.get(&task.group.job);
    let group = job.and_then(|job| job.groups.get(task.group.index as usize));
    let found = group.and_then(|group| group.tasks.get(task.index as usize));
    found.is_some_and(|found| found.holder() == Some(holder))
}

/// A copy that nobody asked for any more is dropped, unless the worker has made the partition
/// itself since, or is making it.
fn forget_copy(core: &Core, worker: WorkerId, task: TaskId, effects: &mut Vec<Effect>) {
    let job = core.jobs.get(&task.group.job);
    let group = job.and_then(|job| job.groups.get(task.group.index as usize));
    let found = group.and_then(|group| group.tasks.get(task.index as usize));
    let own = found.is_some_and(|found| found.worker == worker.0)
        || job.is_some_and(|job| job.has_copy(task, worker));
    if found.is_some() && !own && core.workers.contains_key(&worker) {
        effects.push(Effect::Send { worker, message: ToWorker::DropPartition(task) });
    }
}

/// What had to do with a worker that is gone is not on its way any more.
pub(crate) fn forget_worker(core: &mut Core, id: WorkerId) {
    core.moves.retain(|_, found| found.from != id);
    core.copies.retain(|(worker, _), _| *worker != id);
    for found in core.moves.values_mut().filter(|found| found.to == Some(id)) {
        found.to = None;
    }
}

/// What had to do with a job that ended is not on its way any more.
pub(crate) fn forget_job(core: &mut Core, id: JobId) {
    let first = task_id(id, 0, 0);
    let last = task_id(id, u32::MAX, u32::MAX);
    let found: Vec<TaskId> = core.moves.range(first..=last).map(|(task, _)| *task).collect();
    found.iter().for_each(|task| {
        core.moves.remove(task);
    });
    core.copies.retain(|(_, task), _| task.group.job != id);
}

impl Job {
    /// Whether the client is reading that partition from there.
    fn is_delivering(&self, group: usize, index: u32, holder: Holder) -> bool {
        group == self.result() && index == self.delivered && self.delivering == Some(holder)
    }

    /// The attempts that read a partition now.
    pub(crate) fn reading(&self, id: JobId, group: usize, index: u32) -> Vec<(TaskId, Attempt)> {
        let mut found = Vec::new();
        for consumer in &self.groups[group].consumers {
            let (reader, input) = (consumer.group as usize, consumer.input as usize);
            let tasks = &self.groups[reader].tasks;
            let all: Vec<u32> = match is_whole(&self.groups[reader].inputs()[input].exchange) {
                true => (0..tasks.len() as u32).collect(),
                false => self.own_readers(reader, input, index),
            };
            let running = all.into_iter().map(|at| (at, &tasks[at as usize]));
            let running = running.filter(|(_, task)| task.state == TaskState::Running);
            found.extend(running.map(|(at, task)| (task_id(id, consumer.group, at), task.attempt)));
        }
        found
    }

    /// A partition has another holder: those who read it are told before their next task.
    pub(crate) fn moved(&mut self, group: usize, index: u32, holder: Holder) {
        for at in 0..self.groups[group].consumers.len() {
            let consumer = self.groups[group].consumers[at];
            let reader = &mut self.groups[consumer.group as usize];
            let known = reader.locations.iter_mut().find(|(input, _)| *input == consumer.input);
            let Some((_, holders)) = known else { continue };
            if let Some(known) = Arc::make_mut(holders).get_mut(index as usize) {
                *known = holder;
                reader.version += 1;
            }
        }
    }
}

impl Core {
    /// Walks what is on its way.
    pub(crate) fn check_moves(&self) -> Result<(), String> {
        for (worker, task) in self.copies.keys() {
            if !self.workers.contains_key(worker) || !self.jobs.contains_key(&task.group.job) {
                return Err(format!("{worker} keeps a copy of {task}, and one of them is gone"));
            }
        }
        for (task, found) in &self.moves {
            if !self.workers.contains_key(&found.from) {
                return Err(format!("{task} is handed over by {}, which is gone", found.from));
            }
            if let Some(to) = found.to
                && !self.workers.contains_key(&to)
            {
                return Err(format!("{task} is handed over to {to}, which is gone"));
            }
            let job = self.jobs.get(&task.group.job);
            let group = job.and_then(|job| job.groups.get(task.group.index as usize));
            let state = group.and_then(|group| group.tasks.get(task.index as usize));
            if state.is_none() {
                return Err(format!("{task} is handed over, and its job is gone"));
            }
        }
        Ok(())
    }
}
