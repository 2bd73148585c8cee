//! The ready tasks of a stage.

use partita_shared::ids::WorkerId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A task in a queue: its rank, and its index in the stage. Queues are in this order: the next result
/// must never be behind later ones that the client's window excludes, and retries, for which others may
/// wait, come before tasks that were not attempted yet.
pub(crate) type Entry = (u32, u32);

/// The ready tasks of a stage, in one queue for each worker that holds their input and a common one. An
/// entry whose task is not ready any more stays until it is at the front and another one is taken.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueues {
    common: VecDeque<Entry>,
    near: BTreeMap<WorkerId, VecDeque<Entry>>,
    /// The first entry of each queue, with the queue, where the tasks have ranks.
    fronts: BTreeSet<(Entry, Option<WorkerId>)>,
    has_ranks: bool,
}

impl ReadyQueues {
    /// Empty queues, of tasks with ranks or without.
    pub(crate) fn new(has_ranks: bool) -> Self {
        ReadyQueues { has_ranks, ..ReadyQueues::default() }
    }

    fn queue(&self, queue: Option<WorkerId>) -> Option<&VecDeque<Entry>> {
        match queue {
            Some(worker) => self.near.get(&worker),
            None => Some(&self.common),
        }
    }

    /// Changes a queue, and what is known of its front.
    fn change(&mut self, queue: Option<WorkerId>, change: impl FnOnce(&mut VecDeque<Entry>)) {
        let found = match queue {
            Some(worker) => self.near.entry(worker).or_default(),
            None => &mut self.common,
        };
        let before = found.front().copied();
        change(found);
        let after = found.front().copied();
        if let (Some(worker), None) = (queue, after) {
            self.near.remove(&worker);
        }
        if self.has_ranks && before != after {
            before.map(|entry| self.fronts.remove(&(entry, queue)));
            after.map(|entry| self.fronts.insert((entry, queue)));
        }
    }

    /// Adds a task, if the queue does not have it yet.
    pub(crate) fn push(&mut self, queue: Option<WorkerId>, entry: Entry) {
        self.change(queue, |queue| {
            if queue.back().is_none_or(|last| *last < entry) {
                queue.push_back(entry);
            } else if let Err(at) = queue.binary_search(&entry) {
                queue.insert(at, entry);
            }
        });
    }

    /// Removes a task, and the entries before it that `is_ready` does not confirm.
    pub(crate) fn take(
        &mut self,
        queue: Option<WorkerId>,
        entry: Entry,
        is_ready: impl Fn(u32) -> bool,
    ) {
        self.change(queue, |queue| {
            while queue.front().is_some_and(|(_, index)| !is_ready(*index)) {
                queue.pop_front();
            }
            // It is at the front, or behind a few that may not run there.
            if queue.front() == Some(&entry) {
                queue.pop_front();
            } else if let Ok(at) = queue.binary_search(&entry) {
                queue.remove(at);
            }
        });
    }

    /// Moves the first tasks that are near no worker to the queue of this one.
    pub(crate) fn claim(&mut self, worker: WorkerId, count: usize) {
        let mut claimed = VecDeque::new();
        self.change(None, |common| {
            claimed = common.drain(..count.min(common.len())).collect();
        });
        self.change(Some(worker), |queue| {
            queue.append(&mut claimed);
            queue.make_contiguous().sort_unstable();
        });
    }

    /// The number of tasks that are near no worker, with those that are not ready any more.
    pub(crate) fn common_len(&self) -> usize {
        self.common.len()
    }

    /// The tasks near a worker that is gone may run anywhere.
    pub(crate) fn forget_worker(&mut self, worker: WorkerId) {
        let Some(queue) = self.near.get(&worker).cloned() else { return };
        self.change(Some(worker), VecDeque::clear);
        self.change(None, |common| {
            common.extend(queue);
            common.make_contiguous().sort_unstable();
        });
    }

    /// Removes all tasks.
    pub(crate) fn clear(&mut self) {
        *self = ReadyQueues::new(self.has_ranks);
    }

    /// The lowest rank in the queues of tasks with ranks, which may be that of a task that is not ready any more.
    pub(crate) fn lowest_rank(&self) -> Option<u32> {
        self.fronts.first().map(|((rank, _), _)| *rank)
    }

    /// The lowest rank near a worker, which may be that of a task that is not ready any more.
    pub(crate) fn lowest_rank_near(&self, worker: WorkerId) -> Option<u32> {
        self.near.get(&worker)?.front().map(|(rank, _)| *rank)
    }

    /// The tasks near a worker, in order.
    pub(crate) fn near(&self, worker: WorkerId) -> impl Iterator<Item = Entry> + '_ {
        self.near.get(&worker).into_iter().flatten().copied()
    }

    /// The tasks that are near no worker, in order.
    pub(crate) fn common(&self) -> impl Iterator<Item = Entry> + '_ {
        self.common.iter().copied()
    }

    /// The queues of other workers, from those behind this one, so that workers do not all look at the
    /// same ones first.
    pub(crate) fn others(
        &self,
        worker: WorkerId,
    ) -> impl Iterator<Item = (WorkerId, &VecDeque<Entry>)> + '_ {
        let behind =
            self.near.range((std::ops::Bound::Excluded(worker), std::ops::Bound::Unbounded));
        behind.chain(self.near.range(..worker)).map(|(worker, queue)| (*worker, queue))
    }

    /// All entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.common.iter().chain(self.near.values().flatten()).copied()
    }

    /// Whether the queues are in order, none is empty without need, and the fronts are those of the
    /// queues.
    pub(crate) fn is_sound(&self) -> bool {
        let queues = self.near.keys().map(|worker| Some(*worker)).chain([None]);
        let mut fronts = BTreeSet::new();
        for queue in queues {
            let Some(entries) = self.queue(queue) else { return false };
            if !entries.iter().is_sorted() || queue.is_some() && entries.is_empty() {
                return false;
            }
            if self.has_ranks {
                fronts.extend(entries.front().map(|entry| (*entry, queue)));
            }
        }
        fronts == self.fronts
    }
}
