//! Partitions on their way from one worker to another.

use partita_shared::ids::{Attempt, TaskId, WorkerId};
use std::collections::BTreeMap;

/// A partition on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) attempt: Attempt,
    pub(crate) from: WorkerId,
    /// None between two tries, and when it is not tried again.
    pub(crate) to: Option<WorkerId>,
    pub(crate) tries: u8,
    /// Whether it stays where it is, too.
    pub(crate) copy: bool,
}

impl Move {
    /// Whether the partition stays where it is, too.
    pub(crate) fn is_copy(&self) -> bool {
        self.copy && self.to.is_some()
    }
}

/// What is on its way, by task.
pub(crate) type Moves = BTreeMap<TaskId, Move>;

/// What a leaving worker still keeps of a partition that migrated: tasks that were told of
/// it before are reading it there.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) readers: Vec<(TaskId, Attempt)>,
}

/// What leaving workers keep, by worker and task.
pub(crate) type Copies = BTreeMap<(WorkerId, TaskId), Copy>;
