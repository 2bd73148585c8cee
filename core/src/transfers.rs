//! Migration: partitions that a retiring worker holds and that are still wanted are copied to other
//! workers before it exits, so that they need not be recomputed.
//!
//! A few partitions of each retiring worker migrate at a time. A partition counts as held by its
//! old holder until the new holder reports it; then readers learn the new location. A failed
//! migration costs no more than recomputing the partition.

use crate::dispatch::introduce;
use crate::event::Effect;
use crate::mirror;
use crate::state::{Copies, Copy, Core, Job, Move, Moves, task_id};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::{Exchange, Holder, Migration, ToWorker};
use partita_shared::model::TaskState;

/// Partitions of one retiring worker that migrate at a time.
const MOVES_PER_WORKER_MAX: usize = 4;

/// Attempts to migrate a partition.
const MOVE_TRIES_MAX: u8 = 2;

/// Starts migrations that retiring workers have room for, and ends those that are not needed any
/// more.
pub(crate) fn migrate(core: &mut Core, effects: &mut Vec<Effect>) {
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

/// The next partition that should migrate from a worker: one that is wanted and not migrating yet.
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
                if !read && !is_tried(core, id, holder) && wanted {
                    return Some((id, holder));
                }
            }
        }
    }
    None
}

/// Whether a partition is migrating from its holder, or was attempted often enough.
pub(crate) fn is_tried(core: &Core, task: TaskId, holder: Holder) -> bool {
    core.moves.get(&task).is_some_and(|found| {
        found.attempt == holder.attempt && (found.to.is_some() || found.tries >= MOVE_TRIES_MAX)
    })
}

/// The worker that gets the next partition: the one with the fewest partitions among those that do
/// not retire and have memory.
pub(crate) fn target(core: &Core, fits: impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
    let coming = |id: &WorkerId| core.moves.values().filter(|m| m.to == Some(*id)).count() as u64;
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
    let is_result = job.is_persisted_result(task.stage.index as usize);
    is_result.then(|| job.take_other(task.index, stays)).flatten()
}

/// Migrates a partition, or copies it if the old holder keeps it.
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
    let Some(job) = core.jobs.get_mut(&task.stage.job) else { return };
    job.touched.insert(to);
    let buckets = buckets(job, task.stage.index as usize);
    introduce(&mut core.workers, to, from.worker, effects);
    let order = Migration { task, attempt, from: from.worker, buckets };
    effects.push(Effect::Send { worker: to, message: ToWorker::Migrate(order) });
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
    let mut readers = job.reading(task.stage.job, stage, index);
    if job.is_persisted_result(stage) {
        readers.extend(mirror::moved(core, task.stage.job, index));
    }
    core.copies.insert((from.worker, task), Copy { readers });
    core.add_held(from.worker.0, -1);
}

/// Drops the copies that nobody reads any more.
fn drop_copies(core: &mut Core, effects: &mut Vec<Effect>) {
    let jobs = &core.jobs;
    core.copies.retain(|(worker, task), copy| {
        if !jobs.contains_key(&task.stage.job) {
            return false;
        }
        copy.readers.retain(|(reader, attempt)| {
            let Some(job) = jobs.get(&reader.stage.job) else { return false };
            let found = &job.stages[reader.stage.index as usize].tasks[reader.index as usize];
            found.state == TaskState::Running && found.attempt == *attempt
        });
        if copy.readers.is_empty() {
            let message = ToWorker::DropPartitions(vec![*task]);
            effects.push(Effect::Send { worker: *worker, message });
        }
        !copy.readers.is_empty()
    });
}

/// Whether a worker keeps something that a task reads, or receives a partition.
pub(crate) fn is_taking_part(moves: &Moves, copies: &Copies, id: WorkerId) -> bool {
    let first = task_id(JobId(0), 0, 0);
    copies.range((id, first)..).next().is_some_and(|((worker, _), _)| *worker == id)
        || moves.values().any(|found| found.to == Some(id))
}

/// Forgets the migrations that involve a worker that is gone.
pub(crate) fn forget_worker(core: &mut Core, id: WorkerId) {
    core.moves.retain(|_, found| found.from != id);
    core.copies.retain(|(worker, _), _| *worker != id);
    for found in core.moves.values_mut().filter(|found| found.to == Some(id)) {
        found.to = None;
    }
}

/// Forgets the migrations of a job that ended.
pub(crate) fn forget_job(core: &mut Core, id: JobId) {
    let first = task_id(id, 0, 0);
    let last = task_id(id, u32::MAX, u32::MAX);
    let found: Vec<TaskId> = core.moves.range(first..=last).map(|(task, _)| *task).collect();
    found.iter().for_each(|task| {
        core.moves.remove(task);
    });
    core.copies.retain(|(_, task), _| task.stage.job != id);
}

impl Core {
    /// Checks the migrations.
    pub(crate) fn check_moves(&self) -> Result<(), String> {
        for (worker, task) in self.copies.keys() {
            if !self.workers.contains_key(worker) || !self.jobs.contains_key(&task.stage.job) {
                return Err(format!(
                    "{worker} holds a replica of {task}, but one of them does not exist"
                ));
            }
        }
        for (task, found) in &self.moves {
            if !self.workers.contains_key(&found.from) {
                return Err(format!("{task} is migrated from {}, which is lost", found.from));
            }
            if let Some(to) = found.to
                && !self.workers.contains_key(&to)
            {
                return Err(format!("{task} is migrated to {to}, which is lost"));
            }
            let job = self.jobs.get(&task.stage.job);
            let stage = job.and_then(|job| job.stages.get(task.stage.index as usize));
            let state = stage.and_then(|stage| stage.tasks.get(task.index as usize));
            if state.is_none() {
                return Err(format!("{task} is migrated, but its job has ended"));
            }
        }
        Ok(())
    }
}
