//! Which partitions are held, what waits for them, and what must be recomputed when they are lost.
//!
//! Two counters carry the readiness of every task: its stage's `blocked` (inputs read whole that
//! are not all held) and its own `pending` (partitions that only it reads and that are not held). A
//! task may run when both are zero. [`Job::became_held`] and [`Job::no_longer_held`] are the only
//! places that change them, so they always agree with the set of held partitions.

use crate::event::{Order, Origin};
use crate::exchange::{is_whole, visit_needed, visit_own};
use crate::state::task::is_settled;
use crate::state::{Job, NOBODY, Task, task_id};
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Holder, OwnInput};
use partita_shared::model::{TaskCounts, TaskState};
use std::sync::Arc;

/// Tasks of a graph that are kept for a worker because it runs the one before them.
const NEIGHBOURS_MAX: usize = 32;

/// The counter of a state.
pub(crate) fn count_of(counts: &mut TaskCounts, state: TaskState) -> &mut u64 {
    match state {
        TaskState::Waiting => &mut counts.waiting,
        TaskState::Ready => &mut counts.ready,
        TaskState::Running => &mut counts.running,
        TaskState::Done => &mut counts.done,
        TaskState::Failed => &mut counts.failed,
    }
}

impl Job {
    pub(crate) fn set_state(&mut self, stage: usize, index: u32, state: TaskState) {
        self.changed = true;
        let at = &mut self.stages[stage];
        at.changed = true;
        let task = &mut at.tasks[index as usize];
        let before = std::mem::replace(&mut task.state, state);
        let was_done = at.is_done();
        *count_of(&mut at.counts, before) -= 1;
        *count_of(&mut at.counts, state) += 1;
        if before == TaskState::Ready || state == TaskState::Ready {
            self.sync_ready(stage);
        }
        match (is_settled(before), is_settled(state)) {
            (false, true) => self.count_reads(stage, index, -1, self.stages[stage].is_done()),
            (true, false) => self.count_reads(stage, index, 1, was_done),
            (true, true) | (false, false) => {}
        }
    }

    /// A task has read its inputs, or has to read them again; `whole` says that this is so for the
    /// inputs that the stage reads whole, too.
    fn count_reads(&mut self, stage: usize, index: u32, change: i32, whole: bool) {
        let inputs = Arc::clone(&self.stages[stage].inputs);
        for input in inputs.iter() {
            let from = &mut self.stages[input.stage as usize];
            match is_whole(&input.exchange) {
                true if whole => {
                    from.open_readers = from.open_readers.saturating_add_signed(change)
                }
                true => {}
                false => visit_own(input, index, |partition| from.add_unread(partition, change)),
            }
        }
    }

    /// A partition became held. Tasks that waited only for it become ready.
    pub(crate) fn became_held(&mut self, stage: usize, index: u32) {
        let bytes = self.stages[stage].tasks[index as usize].bytes;
        self.stages[stage].held_bytes += bytes;
        self.stages[stage].available += 1;
        let full = self.stages[stage].is_held();
        for at in 0..self.stages[stage].consumers.len() {
            let consumer = self.stages[stage].consumers[at];
            let (reader, input) = (consumer.stage as usize, consumer.input as usize);
            if is_whole(&self.stages[reader].inputs()[input].exchange) {
                if full {
                    self.stages[reader].blocked -= 1;
                    if self.stages[reader].blocked == 0 {
                        self.unblock(reader);
                    }
                }
                continue;
            }
            let readers = Arc::clone(&self.stages[reader].readers[input]);
            readers.visit(index, |task| {
                self.stages[reader].tasks[task as usize].pending -= 1;
                self.make_ready_if_it_can(reader, task);
            });
        }
    }

    /// A partition is not held any more. Tasks that need it wait again.
    pub(crate) fn no_longer_held(&mut self, stage: usize, index: u32) {
        let was_full = self.stages[stage].is_held();
        let bytes = self.stages[stage].tasks[index as usize].bytes;
        self.stages[stage].held_bytes -= bytes;
        self.stages[stage].available -= 1;
        (self.changed, self.stages[stage].changed) = (true, true);
        for at in 0..self.stages[stage].consumers.len() {
            let consumer = self.stages[stage].consumers[at];
            let (reader, input) = (consumer.stage as usize, consumer.input as usize);
            if is_whole(&self.stages[reader].inputs()[input].exchange) {
                if was_full {
                    self.stages[reader].blocked += 1;
                    if self.stages[reader].blocked == 1 {
                        self.block(reader);
                    }
                }
                continue;
            }
            let readers = Arc::clone(&self.stages[reader].readers[input]);
            readers.visit(index, |task| {
                self.stages[reader].tasks[task as usize].pending += 1;
                if self.stages[reader].tasks[task as usize].state == TaskState::Ready {
                    self.set_state(reader, task, TaskState::Waiting);
                }
            });
        }
    }

    fn block(&mut self, stage: usize) {
        for index in 0..self.stages[stage].tasks.len() as u32 {
            if self.stages[stage].tasks[index as usize].state == TaskState::Ready {
                self.set_state(stage, index, TaskState::Waiting);
            }
        }
        self.stages[stage].ready.clear();
        let near: Vec<WorkerId> = self.stages[stage].near_keys.keys().copied().collect();
        near.into_iter().for_each(|worker| self.sync_near(stage, Some(worker)));
        self.sync_ready(stage);
    }

    /// All inputs that are read whole are held: records their locations, and makes the tasks ready.
    pub(crate) fn unblock(&mut self, stage: usize) {
        let mut locations = Vec::new();
        for (number, input) in self.stages[stage].inputs().iter().enumerate() {
            if is_whole(&input.exchange) {
                let upstream = &self.stages[input.stage as usize];
                let holders: Vec<Holder> =
                    upstream.tasks.iter().filter_map(|t| t.holder()).collect();
                locations.push((number as u32, Arc::new(holders)));
            }
        }
        self.stages[stage].locations = locations;
        self.stages[stage].version += 1;
        for index in 0..self.stages[stage].tasks.len() as u32 {
            self.make_ready_if_it_can(stage, index);
        }
    }

    pub(crate) fn make_ready_if_it_can(&mut self, stage: usize, index: u32) {
        let task = &self.stages[stage].tasks[index as usize];
        let waits = task.state == TaskState::Waiting;
        let makes = self.stages[stage].origin == Origin::Tasks;
        if !waits || !makes || task.pending > 0 || self.stages[stage].blocked > 0 {
            return;
        }
        // A queue of a worker that must not run it would only delay it.
        let avoid = self.avoid.get(&(stage as u32, index));
        let near = self
            .nearest(stage, index)
            .filter(|worker| avoid.is_none_or(|avoid| !avoid.contains(worker)));
        let rank = task.rank;
        self.stages[stage].ready.push(near, (rank, index));
        self.sync_near(stage, near);
        self.set_state(stage, index, TaskState::Ready);
    }

    /// An attempt of a task ended without an output: the task waits for another.
    pub(crate) fn requeue(&mut self, stage: usize, index: u32) {
        self.stages[stage].tasks[index as usize].worker = NOBODY;
        self.set_state(stage, index, TaskState::Waiting);
        self.make_ready_if_it_can(stage, index);
    }

    /// Removes a ready task from the queue in which it was found.
    pub(crate) fn take_ready(&mut self, stage: usize, queue: Option<WorkerId>, index: u32) {
        let at = &mut self.stages[stage];
        let tasks = &at.tasks;
        let entry = (tasks[index as usize].rank, index);
        at.ready.take(queue, entry, |index| tasks[index as usize].state == TaskState::Ready);
        self.sync_near(stage, queue);
        self.sync_ready(stage);
    }

    /// A worker has taken a task of a graph that reads nothing of any worker: the next ones in the order, which are
    /// likely to be read by the same tasks, shall run there too. Each worker gets an equal part, as long as the others
    /// have enough; one without tasks takes those of others.
    pub(crate) fn claim_neighbours(&mut self, stage: usize, worker: WorkerId, slots: u32) {
        // A task in the queue of a worker that must not run it would wait for ever.
        if self.spec.order != Order::DepthFirst || !self.avoid.is_empty() {
            return;
        }
        let ready = &mut self.stages[stage].ready;
        let part = (ready.common_len() + 1) / slots.max(1) as usize;
        ready.claim(worker, part.saturating_sub(1).min(NEIGHBOURS_MAX));
        self.sync_near(stage, Some(worker));
        self.sync_ready(stage);
    }

    /// Lists a stage of a graph among those near a worker, if it has tasks there.
    pub(crate) fn sync_near(&mut self, stage: usize, worker: Option<WorkerId>) {
        let Some(worker) = worker.filter(|_| self.spec.order == Order::DepthFirst) else { return };
        let (at, number) = (&mut self.stages[stage], stage as u32);
        let key = at.ready.lowest_rank_near(worker).map(|rank| at.precedence(rank));
        let before = match key {
            Some(key) => at.near_keys.insert(worker, key),
            None => at.near_keys.remove(&worker),
        };
        if before != key {
            let stages = self.ready_near.entry(worker).or_default();
            if let Some(before) = before {
                stages.remove(at.requirement, (before, number));
            }
            if let Some(key) = key {
                stages.insert(at.requirement, (key, number));
            }
            if stages.is_empty() {
                self.ready_near.remove(&worker);
            }
        }
    }

    /// Lists a stage among those with ready tasks if it has any. Of a query the latest stage comes
    /// first, so that started work is finished and its memory freed.
    pub(crate) fn sync_ready(&mut self, stage: usize) {
        let at = &mut self.stages[stage];
        let number = stage as u32;
        let key = match (at.counts.ready, self.spec.order) {
            (0, _) => None,
            (_, Order::Stages) => Some(u32::MAX - number),
            (_, Order::DepthFirst) => at.ready.lowest_rank(),
        };
        let key = key.map(|rank| at.precedence(rank));
        if key == at.ready_key {
            return;
        }
        if let Some(before) = std::mem::replace(&mut at.ready_key, key) {
            self.ready.remove(at.requirement, (before, number));
        }
        if let Some(key) = key {
            self.ready.insert(at.requirement, (key, number));
        }
    }

    /// The worker that holds most of a task's input, if the input is distributed unevenly: the
    /// input that only this task reads, or everything that the only task of a stage reads. Buckets
    /// of a shuffle are on all workers.
    fn nearest(&self, stage: usize, index: u32) -> Option<WorkerId> {
        let alone = self.stages[stage].tasks.len() == 1;
        let mut bytes_at: Vec<(u32, u64)> = Vec::new();
        let mut add = |task: &Task| {
            if let Some(holder) = task.holder() {
                // One more byte, so that an empty partition still counts.
                match bytes_at.iter_mut().find(|(worker, _)| *worker == holder.worker.0) {
                    Some((_, bytes)) => *bytes += task.bytes + 1,
                    None => bytes_at.push((holder.worker.0, task.bytes + 1)),
                }
            }
        };
        for input in self.stages[stage].inputs() {
            let upstream = &self.stages[input.stage as usize];
            if alone && is_whole(&input.exchange) {
                upstream.tasks.iter().for_each(&mut add);
            } else {
                visit_own(input, index, |partition| add(&upstream.tasks[partition as usize]));
            }
        }
        let most =
            bytes_at.into_iter().max_by_key(|(worker, bytes)| (*bytes, u32::MAX - worker))?;
        Some(WorkerId(most.0))
    }

    /// What only this task reads, in the order of its inputs, with the workers from which a worker reads it: itself,
    /// if it has a replica.
    pub(crate) fn own_inputs(&self, stage: usize, index: u32, worker: WorkerId) -> Vec<OwnInput> {
        let (mut own, mut left) = (Vec::new(), limits::TASK_VALUES_BYTES_MAX);
        for (number, input) in (0..).zip(self.stages[stage].inputs()) {
            let tasks = &self.stages[input.stage as usize].tasks;
            let mut partitions = Vec::new();
            visit_own(input, index, |partition| {
                let Some(holder) = tasks[partition as usize].holder() else { return };
                let from = match self.has_replica((input.stage, partition), worker) {
                    true => Holder { worker, ..holder },
                    false => holder,
                };
                partitions.push((partition, from));
            });
            // Of the many inputs that a stage of calls may have, a task reads few.
            if !partitions.is_empty() {
                let known = |(partition, _): &(u32, Holder)| {
                    let value = self.values.get((input.stage, *partition))?;
                    left = left.checked_sub(value.len())?;
                    Some((*partition, value))
                };
                let values = partitions.iter().filter_map(known).collect();
                own.push(OwnInput { input: number, partitions, values });
            }
        }
        own
    }

    /// Whether a worker holds something that only this task reads.
    pub(crate) fn reads_own_from(&self, stage: usize, index: u32, worker: WorkerId) -> bool {
        let mut found = false;
        for input in self.stages[stage].inputs() {
            let tasks = &self.stages[input.stage as usize].tasks;
            visit_own(input, index, |partition| {
                found |= tasks[partition as usize].holder().is_some_and(|h| h.worker == worker);
            });
        }
        found
    }

    /// Whether some task without an output yet reads this partition of this stage, or the client
    /// still wants it.
    pub(crate) fn is_wanted(&self, stage: usize, index: u32) -> bool {
        if self.is_persisted_result(stage) {
            return !self.persisted.complete || self.persisted.wanted.contains(&index);
        }
        if self.is_delivered_result(stage) {
            return index >= self.delivered;
        }
        let at = &self.stages[stage];
        at.is_unread(index) || at.tasks[index as usize].wanted
    }

    /// Has partitions computed, again if they were dropped or their tasks failed, with all that they
    /// need. Returns those that were uploaded and are gone: they cannot be computed.
    #[must_use]
    pub(crate) fn compute(&mut self, mut tasks: Vec<(usize, u32)>) -> Vec<(usize, u32)> {
        let (mut waiting, mut lost) = (Vec::new(), Vec::new());
        while let Some((stage, index)) = tasks.pop() {
            let at = &mut self.stages[stage];
            let task = &mut at.tasks[index as usize];
            let has_failed = task.state == TaskState::Failed;
            if !task.is_gone() && !has_failed {
                continue;
            }
            match at.origin {
                Origin::Tasks => {}
                Origin::Persisted(_) => continue,
                Origin::Upload => {
                    lost.push((stage, index));
                    if has_failed {
                        // It fails again, with those that wait for it now.
                        self.errors.remove(&(stage as u32, index));
                        self.set_state(stage, index, TaskState::Done);
                    }
                    continue;
                }
            }
            if has_failed {
                (task.failures, task.kills) = (0, 0);
                self.errors.remove(&(stage as u32, index));
            }
            self.set_state(stage, index, TaskState::Waiting);
            self.retries += 1;
            waiting.push((stage, index));
            self.visit_inputs(stage, index, |input| tasks.push(input));
        }
        for (stage, index) in waiting {
            self.make_ready_if_it_can(stage, index);
        }
        lost
    }

    /// Uploaded partitions that are wanted and held nowhere.
    pub(crate) fn lost_uploads(&self) -> Vec<(usize, u32)> {
        let uploads = self.stages.iter().enumerate().filter(|(_, at)| at.origin == Origin::Upload);
        let tasks = uploads
            .flat_map(|(stage, at)| (0..at.tasks.len() as u32).map(move |index| (stage, index)));
        tasks
            .filter(|(stage, index)| {
                self.stages[*stage].tasks[*index as usize].is_gone()
                    && self.is_wanted(*stage, *index)
            })
            .collect()
    }

    /// Requeues the tasks of partitions that are wanted and held nowhere, through the lineage. Returns these tasks.
    pub(crate) fn restore(&mut self) -> Vec<(usize, u32)> {
        let (mut restored, mut open) = (Vec::new(), Vec::new());
        // Stages of a query read only earlier ones: most is found in one pass from the last to the first. The tasks
        // of an open job may read any stage.
        for stage in (0..self.stages.len()).rev() {
            for index in (0..self.stages[stage].tasks.len() as u32).rev() {
                open.push((stage, index));
                while let Some((stage, index)) = open.pop() {
                    let at = &self.stages[stage];
                    let is_gone = at.origin == Origin::Tasks && at.tasks[index as usize].is_gone();
                    if !is_gone || !self.is_wanted(stage, index) {
                        continue;
                    }
                    self.set_state(stage, index, TaskState::Waiting);
                    self.retries += 1;
                    restored.push((stage, index));
                    if self.spec.open {
                        self.visit_inputs(stage, index, |input| open.push(input));
                    }
                }
            }
        }
        for stage in 0..self.stages.len() {
            // From the last to the first, so that each goes to the front of its queue, which is
            // cheap.
            for index in (0..self.stages[stage].tasks.len() as u32).rev() {
                self.make_ready_if_it_can(stage, index);
            }
        }
        restored
    }

    /// The reverse of [`Job::restore`]: tasks that were to be recomputed and are not wanted any
    /// more are done. Returns these tasks.
    pub(crate) fn settle(&mut self) -> Vec<(usize, u32)> {
        let (mut done, mut open) = (Vec::new(), Vec::new());
        for stage in (0..self.stages.len()).rev() {
            for index in (0..self.stages[stage].tasks.len() as u32).rev() {
                open.push((stage, index));
                while let Some((stage, index)) = open.pop() {
                    let at = &self.stages[stage];
                    let task = &at.tasks[index as usize];
                    let waits = matches!(task.state, TaskState::Waiting | TaskState::Ready)
                        && at.origin == Origin::Tasks;
                    if waits && task.attempt > 0 && !self.is_wanted(stage, index) {
                        self.set_state(stage, index, TaskState::Done);
                        done.push((stage, index));
                        if self.spec.open {
                            self.visit_inputs(stage, index, |input| open.push(input));
                        }
                    }
                }
            }
        }
        done
    }

    /// Calls `visit` with each partition that a task reads, as (stage, index).
    pub(crate) fn visit_inputs(
        &self,
        stage: usize,
        index: u32,
        mut visit: impl FnMut((usize, u32)),
    ) {
        for input in self.stages[stage].inputs() {
            let from = input.stage as usize;
            let partitions = self.stages[from].tasks.len();
            visit_needed(input, index, partitions, |partition| visit((from, partition)));
        }
    }

    /// Whether a partition that becomes held now is kept: for a task that has still to read it, or for
    /// the client.
    pub(crate) fn is_kept(&self, stage: usize, index: u32) -> bool {
        self.is_persisted_result(stage) && !self.persisted.released || self.is_wanted(stage, index)
    }

    /// The attempts that read a partition now.
    pub(crate) fn reading(&self, id: JobId, stage: usize, index: u32) -> Vec<(TaskId, Attempt)> {
        let mut found = Vec::new();
        for consumer in &self.stages[stage].consumers {
            let (reader, input) = (consumer.stage as usize, consumer.input as usize);
            let tasks = &self.stages[reader].tasks;
            let mut all: Vec<u32> = match is_whole(&self.stages[reader].inputs()[input].exchange) {
                true => (0..tasks.len() as u32).collect(),
                false => Vec::new(),
            };
            self.stages[reader].readers[input].visit(index, |task| all.push(task));
            let running = all.into_iter().map(|at| (at, &tasks[at as usize]));
            let running = running.filter(|(_, task)| task.state == TaskState::Running);
            found.extend(running.map(|(at, task)| (task_id(id, consumer.stage, at), task.attempt)));
        }
        found
    }

    /// A partition has another holder: its readers are informed before their next task.
    pub(crate) fn moved(&mut self, stage: usize, index: u32, holder: Holder) {
        for at in 0..self.stages[stage].consumers.len() {
            let consumer = self.stages[stage].consumers[at];
            let reader = &mut self.stages[consumer.stage as usize];
            let known = reader.locations.iter_mut().find(|(input, _)| *input == consumer.input);
            let Some((_, holders)) = known else { continue };
            if let Some(known) = Arc::make_mut(holders).get_mut(index as usize) {
                *known = holder;
                reader.version += 1;
            }
        }
    }
}
