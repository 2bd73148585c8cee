//! Stages of tasks.

use crate::event::{Arguments, Origin};
use crate::exchange::Readers;
use crate::state::{Precedence, ReadyQueues, RequirementId, Task};
use partita_shared::ids::WorkerId;
use partita_shared::message::{Fragment, Holder, InputSpec};
use partita_shared::model::{OperatorRow, TaskCounts};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A consumer's view of one input: which stage reads this one, as which of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) stage: u32,
    pub(crate) input: u32,
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) origin: Origin,
    pub(crate) retries: u8,
    /// Tasks of stages of a higher priority come first.
    pub(crate) priority: i32,
    /// What its tasks need of the worker that runs them.
    pub(crate) requirement: RequirementId,
    pub(crate) fragment: Arc<Fragment>,
    /// What its tasks read.
    pub(crate) inputs: Arc<Vec<InputSpec>>,
    /// The arguments of calls, from the task on that is named first.
    pub(crate) arguments: Vec<(u32, Arguments)>,
    /// For each input, which of its tasks read a partition.
    pub(crate) readers: Vec<Arc<Readers>>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) tasks: Vec<Task>,
    /// Inputs of stages that are not done and read this one whole.
    pub(crate) open_readers: u32,
    /// Tasks whose output some task has still to read as its own.
    pub(crate) unread_tasks: u32,
    pub(crate) counts: TaskCounts,
    /// Tasks whose output is held somewhere.
    pub(crate) available: u32,
    /// Bytes of these outputs, in memory.
    pub(crate) held_bytes: u64,
    /// Inputs that tasks read whole (`Shuffle`, `Gather`, `Broadcast`) and that are not all held.
    pub(crate) blocked: u32,
    /// The ready tasks.
    pub(crate) ready: ReadyQueues,
    /// Its key in [`Job::ready`](crate::state::Job), if it has ready tasks.
    pub(crate) ready_key: Option<Precedence>,
    /// Its keys in [`Job::ready_near`](crate::state::Job).
    pub(crate) near_keys: BTreeMap<WorkerId, Precedence>,
    /// Holders of the whole-read inputs, as last sent to workers; empty before.
    pub(crate) locations: Vec<(u32, Arc<Vec<Holder>>)>,
    /// Counts the changes of `locations`.
    pub(crate) version: u32,
    /// The version of the locations that each worker received, which implies the fragment.
    pub(crate) told: BTreeMap<WorkerId, u32>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) busy_us: u64,
    pub(crate) finished: u64,
    pub(crate) operators: Vec<OperatorRow>,
    /// Whether its figures changed since the observer last received them.
    pub(crate) changed: bool,
}

impl Stage {
    /// Its place in the order in which stages are served, with ready tasks from this rank on.
    pub(crate) fn precedence(&self, rank: u32) -> Precedence {
        Precedence { priority: Reverse(self.priority), rank }
    }

    /// Whether it mirrors the persisted result of another job.
    pub(crate) fn is_mirror(&self) -> bool {
        matches!(self.origin, Origin::Persisted(_))
    }

    pub(crate) fn inputs(&self) -> &[InputSpec] {
        &self.inputs
    }

    /// The arguments of a call; none of other tasks.
    pub(crate) fn arguments_of(&self, index: u32) -> &[u8] {
        let after = self.arguments.partition_point(|(first, _)| *first <= index);
        let block = after.checked_sub(1).and_then(|at| self.arguments.get(at));
        block.map_or(&[], |(first, arguments)| arguments.of(index - first))
    }

    /// Whether a task has still to read the output of a task.
    pub(crate) fn is_unread(&self, index: u32) -> bool {
        self.open_readers > 0 || self.tasks[index as usize].unread > 0
    }

    /// Whether a task has still to read some output.
    pub(crate) fn has_unread(&self) -> bool {
        self.open_readers > 0 || self.unread_tasks > 0
    }

    /// Counts reads of the output of a task that are still to come.
    pub(crate) fn add_unread(&mut self, index: u32, change: i32) {
        let unread = &mut self.tasks[index as usize].unread;
        let before = *unread;
        *unread = unread.saturating_add_signed(change);
        match (before, *unread) {
            (0, 1..) => self.unread_tasks += 1,
            (1.., 0) => self.unread_tasks -= 1,
            _ => {}
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.available as usize == self.tasks.len()
    }

    /// Whether none of its tasks is to run.
    pub(crate) fn is_done(&self) -> bool {
        (self.counts.done + self.counts.failed) as usize == self.tasks.len()
    }

    /// The mean time of a task, in microseconds, once one has finished.
    pub(crate) fn mean_us(&self) -> Option<u64> {
        (self.finished > 0).then(|| self.busy_us / self.finished)
    }
}
