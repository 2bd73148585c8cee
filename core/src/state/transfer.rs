//! Partitions that are being copied from one worker to another.

use partita_shared::ids::{Attempt, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A partition that is being copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) attempt: Attempt,
    pub(crate) from: WorkerId,
    /// Whether it becomes a replica: the holder stays the holder.
    pub(crate) copy: bool,
}

/// The partitions that are being copied, by task and the worker that gets it.
pub(crate) type Moves = BTreeMap<(TaskId, WorkerId), Move>;

/// Failures to copy the output of an attempt since one succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedMoves {
    pub(crate) attempt: Attempt,
    pub(crate) count: u8,
}

/// How many workers shall hold a partition.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaGoal {
    /// Replicas, with the partition of the holder. Fewer if fewer of the workers are connected.
    pub(crate) count: u32,
    /// The workers that count; all if it is not set.
    pub(crate) workers: Option<Arc<BTreeSet<WorkerId>>>,
    /// How many workers may copy it from the same worker at a time.
    pub(crate) readers_max: u32,
}

impl ReplicaGoal {
    /// Whether a worker counts.
    pub(crate) fn includes(&self, worker: WorkerId) -> bool {
        self.workers.as_ref().is_none_or(|workers| workers.contains(&worker))
    }
}

/// Partitions whose replicas are to be compared with their goals. Some shall have another holder before: the worker
/// that is named.
pub(crate) type DuePartitions = BTreeMap<TaskId, Option<WorkerId>>;

/// A partition that a worker keeps though it does not count as one that holds it, because tasks that learned its
/// location before are reading it there. It is dropped when they have ended.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    pub(crate) readers: Vec<(TaskId, Attempt)>,
}

/// Partitions that workers keep for their readers, by worker and task.
pub(crate) type Copies = BTreeMap<(WorkerId, TaskId), Copy>;
