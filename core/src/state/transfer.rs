//! Partitions that are being copied from one worker to another.

use partita_shared::ids::{Attempt, TaskId, WorkerId};
use std::collections::BTreeMap;

/// A partition that is being copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) attempt: Attempt,
    pub(crate) from: WorkerId,
    /// `None` between two attempts, and when no attempt follows.
    pub(crate) to: Option<WorkerId>,
    pub(crate) tries: u8,
    /// Whether the old holder keeps it, too.
    pub(crate) copy: bool,
}

impl Move {
    /// Whether the old holder keeps the partition, too.
    pub(crate) fn is_copy(&self) -> bool {
        self.copy && self.to.is_some()
    }
}

/// The partitions that are being copied, by task.
pub(crate) type Moves = BTreeMap<TaskId, Move>;

/// A migrated partition that a retiring worker keeps, because tasks that learned its location
/// before are reading it there.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) readers: Vec<(TaskId, Attempt)>,
}

/// Migrated partitions that retiring workers keep, by worker and task.
pub(crate) type Copies = BTreeMap<(WorkerId, TaskId), Copy>;
