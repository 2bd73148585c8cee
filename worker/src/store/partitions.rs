//! The partitions of a store, with the sums over them and their order of use.

use crate::store::{Partition, StoreFigures};
use partita_shared::ids::{StageId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Partitions by task. A function of them costs no more because there are many.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    all: BTreeMap<TaskId, Partition>,
    figures: StoreFigures,
    /// Those that are in memory, by when they were last used.
    in_memory: BTreeSet<(u64, TaskId)>,
}

impl Partitions {
    pub(super) fn figures(&self) -> StoreFigures {
        self.figures
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TaskId, &Partition)> {
        self.all.iter()
    }

    pub(super) fn get(&self, task: &TaskId) -> Option<&Partition> {
        self.all.get(task)
    }

    /// Keeps a partition, in the place of an older one of its task.
    pub(super) fn insert(&mut self, task: TaskId, partition: Partition) -> Option<Partition> {
        let old = self.remove(&task);
        self.count(task, &partition);
        self.all.insert(task, partition);
        old
    }

    pub(super) fn remove(&mut self, task: &TaskId) -> Option<Partition> {
        let partition = self.all.remove(task)?;
        self.forget(*task, &partition);
        Some(partition)
    }

    /// Changes a partition, if it is there.
    pub(super) fn change<T>(
        &mut self,
        task: TaskId,
        change: impl FnOnce(&mut Partition) -> T,
    ) -> Option<T> {
        let mut partition = self.remove(&task)?;
        let changed = change(&mut partition);
        self.insert(task, partition);
        Some(changed)
    }

    /// The task whose partition in memory was not used for longest, among those that are not being written to disk.
    pub(super) fn oldest(&self) -> Option<TaskId> {
        let is_idle = |task: &TaskId| self.all.get(task).is_some_and(|found| !found.spilling);
        self.in_memory.iter().map(|(_, task)| *task).find(is_idle)
    }

    /// Takes those in a range out.
    pub(super) fn take(&mut self, range: RangeInclusive<TaskId>) -> Vec<Partition> {
        let found: Vec<TaskId> = self.all.range(range).map(|(task, _)| *task).collect();
        found.iter().filter_map(|task| self.remove(task)).collect()
    }

    /// All of them.
    pub(super) fn into_all(self) -> Vec<Partition> {
        self.all.into_values().collect()
    }

    fn count(&mut self, task: TaskId, partition: &Partition) {
        let bytes = partition.reservation.size() as u64;
        self.figures.partitions += 1;
        self.figures.stored_bytes += bytes;
        self.figures.spilled_bytes += partition.spilled_bytes;
        self.figures.spilled_partitions += u32::from(partition.spilled_bytes > 0);
        if bytes > 0 {
            self.in_memory.insert((partition.used, task));
        }
    }

    fn forget(&mut self, task: TaskId, partition: &Partition) {
        self.figures.partitions -= 1;
        self.figures.stored_bytes -= partition.reservation.size() as u64;
        self.figures.spilled_bytes -= partition.spilled_bytes;
        self.figures.spilled_partitions -= u32::from(partition.spilled_bytes > 0);
        self.in_memory.remove(&(partition.used, task));
    }
}

/// All tasks of these stages.
pub(super) fn tasks_of(stages: RangeInclusive<StageId>) -> RangeInclusive<TaskId> {
    let (first, last) = stages.into_inner();
    TaskId { stage: first, index: 0 }..=TaskId { stage: last, index: u32::MAX }
}
