//! Partitions that are copied between workers: those that a retiring worker holds and that are still
//! wanted migrate, so that they need not be recomputed, and [replicas](crate::replicas) are created.
//!
//! A few partitions of each retiring worker migrate at a time. A partition counts as held by its
//! old holder until the new holder reports it; then readers learn the new location. A failed
//! migration costs no more than recomputing the partition.

use crate::dispatch::introduce;
use crate::event::Effect;
use crate::mirror;
use crate::state::{Copies, Core, FailedMoves, Job, Move, Moves, task_id};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Exchange, Holder, Migration, ToWorker};
use partita_shared::model::TaskState;
use std::collections::BTreeMap;

/// Partitions of one retiring worker that migrate at a time.
const MOVES_PER_WORKER_MAX: usize = 4;

/// Attempts to migrate a partition, and to copy it.
const MOVE_TRIES_MAX: u8 = 2;

/// Starts migrations that retiring workers have room for.
pub(crate) fn migrate(core: &mut Core, effects: &mut Vec<Effect>) {
    if !core.is_one_leaving() {
        return;
    }
    let leaving = |core: &Core, id: &WorkerId| {
        core.workers.get(id).is_some_and(|w| w.leaving.is_some() && w.held > 0 && !w.dismissed)
    };
    let ids: Vec<WorkerId> = core.workers.keys().copied().filter(|id| leaving(core, id)).collect();
    for from in ids {
        let mut under_way = core.moves.values().filter(|m| m.from == from && !m.copy).count();
        while under_way < MOVES_PER_WORKER_MAX {
            let Some((task, holder)) = next(core, from) else { break };
            if let Some(other) = other_holder(core, task) {
                switch(core, task, holder, other);
                core.replicas_changed(task);
                continue;
            }
            let Some(to) = target(core, |_| true) else { break };
            begin(core, task, holder, to, false, effects);
            under_way += 1;
        }
    }
}

/// The next partition that should migrate from a worker: one that is wanted and not being copied yet.
fn next(core: &Core, from: WorkerId) -> Option<(TaskId, Holder)> {
    let touched = core.jobs.iter().filter(|(_, job)| job.touched.contains(&from));
    for (id, job) in touched {
        for (number, stage) in job.stages.iter().enumerate().filter(|(_, g)| !g.is_mirror()) {
            for (index, task) in stage.tasks.iter().enumerate() {
                let Some(holder) = task.holder().filter(|holder| holder.worker == from) else {
                    continue;
                };
                let index = index as u32;
                let read = job.is_delivering(number, index, holder);
                let id = task_id(*id, number as u32, index);
                let wanted = match job.is_persisted_result(number) {
                    true => job.is_kept(number, index),
                    false => job.is_wanted(number, index),
                };
                let waits = is_moving(core, id) || is_given_up(core, id, holder, false);
                if !read && !waits && wanted {
                    return Some((id, holder));
                }
            }
        }
    }
    None
}

/// The workers that a partition is being copied to.
pub(crate) fn moves_of(core: &Core, task: TaskId) -> impl Iterator<Item = (WorkerId, Move)> + '_ {
    let all = core.moves.range((task, WorkerId(0))..=(task, WorkerId(u32::MAX)));
    all.map(|((_, to), found)| (*to, *found))
}

/// Whether a partition is being copied to some worker.
pub(crate) fn is_moving(core: &Core, task: TaskId) -> bool {
    moves_of(core, task).next().is_some()
}

/// Whether a partition could not be migrated, or copied, often enough.
pub(crate) fn is_given_up(core: &Core, task: TaskId, holder: Holder, copy: bool) -> bool {
    core.failed_moves
        .get(&(task, copy))
        .is_some_and(|found| found.attempt == holder.attempt && found.count >= MOVE_TRIES_MAX)
}

/// The worker that gets the next partition: the one with the fewest partitions among those that do
/// not retire and have memory.
pub(crate) fn target(core: &Core, fits: impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
    let mut coming: BTreeMap<WorkerId, u64> = BTreeMap::new();
    core.moves.keys().for_each(|(_, to)| *coming.entry(*to).or_default() += 1);
    let coming = |id: &WorkerId| coming.get(id).copied().unwrap_or(0);
    core.workers
        .iter()
        .filter(|(id, _)| fits(**id))
        .filter(|(_, worker)| worker.leaving.is_none() && !worker.metrics.above_mark)
        .min_by_key(|(id, worker)| (u64::from(worker.held) + coming(id), **id))
        .map(|(id, _)| *id)
}

/// Another remaining worker that holds the partition. It becomes the holder, and is removed from
/// the replicas.
fn other_holder(core: &mut Core, task: TaskId) -> Option<WorkerId> {
    let workers = &core.workers;
    let job = core.jobs.get_mut(&task.stage.job)?;
    let stays = |id| workers.get(&id).is_some_and(|worker| worker.leaving.is_none());
    job.take_other((task.stage.index, task.index), stays)
}

/// Copies a partition to a worker, which becomes its holder, or one of its replicas if `copy` is set.
pub(crate) fn begin(
    core: &mut Core,
    task: TaskId,
    from: Holder,
    to: WorkerId,
    copy: bool,
    effects: &mut Vec<Effect>,
) {
    let attempt = from.attempt;
    core.moves.insert((task, to), Move { attempt, from: from.worker, copy });
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    job.touched.insert(to);
    let buckets = buckets(job, task.stage.index as usize);
    introduce(&mut core.workers, to, from.worker, effects);
    let order = Migration { task, attempt, from: from.worker, buckets };
    effects.push(Effect::Send { worker: to, message: ToWorker::Migrate(order) });
}

/// A worker could not copy a partition.
pub(crate) fn fail(core: &mut Core, task: TaskId, found: Move) {
    let fresh = FailedMoves { attempt: found.attempt, count: 0 };
    let failed = core.failed_moves.entry((task, found.copy)).or_insert(fresh);
    if failed.attempt != found.attempt {
        *failed = fresh;
    }
    failed.count = failed.count.saturating_add(1);
}

/// A partition was copied, or is dropped: earlier failures do not count any more.
pub(crate) fn forget_failures(core: &mut Core, task: TaskId) {
    if !core.failed_moves.is_empty() {
        core.failed_moves.remove(&(task, true));
        core.failed_moves.remove(&(task, false));
    }
}

/// The number of buckets of a stage's partitions, 0 if they are whole.
fn buckets(job: &Job, stage: usize) -> u32 {
    let shuffles = job.stages[stage].consumers.iter().filter_map(|consumer| {
        let input = &job.stages[consumer.stage as usize].inputs()[consumer.input as usize];
        (input.exchange == Exchange::Shuffle).then_some(input.count)
    });
    shuffles.max().unwrap_or(0)
}

/// Makes another worker the holder of a partition that it has. Tasks that read it from the old
/// holder continue.
pub(crate) fn switch(core: &mut Core, task: TaskId, from: Holder, worker: WorkerId) {
    let (stage, index, attempt) = (task.stage.index as usize, task.index, from.attempt);
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    job.stages[stage].tasks[index as usize].worker = worker.0;
    job.moved(stage, index, Holder { worker, attempt });
    if job.is_persisted_result(stage) {
        mirror::moved(core, task.stage.job, index);
    }
    keep_for_readers(core, task, from.worker);
    core.add_held(from.worker.0, -1);
}

/// A worker does not hold a partition any more. It keeps it while tasks read it there.
pub(crate) fn keep_for_readers(core: &mut Core, task: TaskId, worker: WorkerId) {
    let (stage, index) = (task.stage.index as usize, task.index);
    let Some(job) = core.jobs.get(&task.stage.job) else { return };
    let mut readers = job.reading(task.stage.job, stage, index);
    if job.is_persisted_result(stage) {
        readers.extend(mirror::reading(core, task.stage.job, index));
    }
    core.copies.entry((worker, task)).or_default().readers.extend(readers);
}

/// A worker may have a partition for which there is no reason any more: [`drop_copies`] finds out.
pub(crate) fn check_copy(core: &mut Core, task: TaskId, worker: WorkerId) {
    let job = core.jobs.get(&task.stage.job);
    let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
    let exists = stage.is_some_and(|stage| (task.index as usize) < stage.tasks.len());
    if exists && core.workers.contains_key(&worker) {
        core.copies.entry((worker, task)).or_default();
    }
}

/// Tells a worker to forget partitions, many at once: its queue of messages has a limit.
pub(crate) fn drop_messages(
    worker: WorkerId,
    tasks: &[TaskId],
) -> impl Iterator<Item = Effect> + '_ {
    tasks.chunks(limits::TASKS_PER_MESSAGE_MAX).map(move |part| {
        let message = ToWorker::DropPartitions(part.to_vec());
        Effect::Send { worker, message }
    })
}

/// Drops the partitions that workers kept for readers which have ended. One that the worker holds
/// again, or makes again, stays.
pub(crate) fn drop_copies(core: &mut Core, effects: &mut Vec<Effect>) {
    let (jobs, moves) = (&core.jobs, &core.moves);
    let mut dropped: BTreeMap<WorkerId, Vec<TaskId>> = BTreeMap::new();
    core.copies.retain(|(worker, task), copy| {
        let Some(job) = jobs.get(&task.stage.job) else { return false };
        copy.readers.retain(|(reader, attempt)| {
            let Some(job) = jobs.get(&reader.stage.job) else { return false };
            let found = &job.stages[reader.stage.index as usize].tasks[reader.index as usize];
            found.state == TaskState::Running && found.attempt == *attempt
        });
        // It would be dropped as soon as it is there.
        if !copy.readers.is_empty() || moves.contains_key(&(*task, *worker)) {
            return true;
        }
        let found = &job.stages[task.stage.index as usize].tasks[task.index as usize];
        let key = (task.stage.index, task.index);
        if found.worker() != Some(*worker) && !job.has_replica(key, *worker) {
            dropped.entry(*worker).or_default().push(*task);
        }
        false
    });
    for (worker, tasks) in dropped {
        effects.extend(drop_messages(worker, &tasks));
    }
}

/// Whether a worker keeps something that a task reads, or receives a partition.
pub(crate) fn is_taking_part(moves: &Moves, copies: &Copies, id: WorkerId) -> bool {
    let first = task_id(JobId(0), 0, 0);
    copies.range((id, first)..).next().is_some_and(|((worker, _), _)| *worker == id)
        || moves.keys().any(|(_, to)| *to == id)
}

/// Forgets the partitions that are being copied from or to a worker that is gone.
pub(crate) fn forget_worker(core: &mut Core, id: WorkerId) {
    core.copies.retain(|(worker, _), _| *worker != id);
    let mut ended = Vec::new();
    core.moves.retain(|(task, to), found| {
        let stays = *to != id && found.from != id;
        if !stays {
            ended.push(*task);
        }
        stays
    });
    ended.into_iter().for_each(|task| core.replicas_changed(task));
}

/// Forgets what is copied of a job that ended.
pub(crate) fn forget_job(core: &mut Core, id: JobId) {
    core.moves.retain(|(task, _), _| task.stage.job != id);
    core.failed_moves.retain(|(task, _), _| task.stage.job != id);
    core.copies.retain(|(_, task), _| task.stage.job != id);
    core.due.retain(|task, _| task.stage.job != id);
}

impl Core {
    /// Checks what is being copied.
    pub(crate) fn check_moves(&self) -> Result<(), String> {
        for (worker, task) in self.copies.keys() {
            if !self.workers.contains_key(worker) || !self.jobs.contains_key(&task.stage.job) {
                return Err(format!("{worker} keeps {task}, but one of them does not exist"));
            }
        }
        for ((task, to), found) in &self.moves {
            if let Some(id) = [*to, found.from].iter().find(|id| !self.workers.contains_key(id)) {
                return Err(format!(
                    "{task} is copied from {} to {to}, but {id} is lost",
                    found.from
                ));
            }
        }
        let due = self.due.keys().chain(self.failed_moves.keys().map(|(task, _)| task));
        for task in due.chain(self.moves.keys().map(|(task, _)| task)) {
            let job = self.jobs.get(&task.stage.job);
            let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
            if stage.and_then(|stage| stage.tasks.get(task.index as usize)).is_none() {
                return Err(format!("{task} is copied, but its job has ended"));
            }
        }
        Ok(())
    }
}
