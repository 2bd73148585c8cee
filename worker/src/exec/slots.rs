//! The slots of a worker, what runs on them and what waits for them.

use crate::exec::waits::Waits;
use crate::memory::TaskMemory;
use partita_shared::ids::{Attempt, JobId, TaskId};
use partita_shared::limits::SLOT_TASKS_MAX;
use partita_shared::message::{RunTask, SlotTask, Spent};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// An attempt on a slot.
#[derive(Debug)]
pub(crate) struct OnSlot {
    pub(crate) handle: tokio::task::AbortHandle,
    pub(crate) slot: u16,
    pub(crate) since: Instant,
    pub(crate) queued: Duration,
    pub(crate) waits: Waits,
    pub(crate) memory: TaskMemory,
}

impl OnSlot {
    /// Where it was, and for how long until now.
    pub(crate) fn spent(&self) -> Spent {
        let busy_us = self.since.elapsed().as_micros() as u64;
        let (transfer_us, disk_us) = self.waits.within(busy_us);
        let queued_us = self.queued.as_micros() as u64;
        Spent { slot: self.slot, queued_us, busy_us, transfer_us, disk_us }
    }
}

/// Attempts that may have given their slot back at once. Each has a process.
const SECEDED_MAX: usize = 256;

/// The slots and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Tasks, and when they came.
    pub(crate) queue: VecDeque<(RunTask, Instant)>,
    pub(crate) running: HashMap<(TaskId, Attempt), OnSlot>,
    /// Attempts that gave their slot back, since they wait for other tasks.
    seceded: HashMap<(TaskId, Attempt), OnSlot>,
    /// Those of them that want a slot again, in this order.
    rejoining: VecDeque<((TaskId, Attempt), oneshot::Sender<()>)>,
    /// Slots that nothing runs on; those beyond the highest that was ever taken are not listed.
    free: BTreeSet<u16>,
    /// Slots that were taken at least once.
    taken: u16,
    /// Attempts that were stopped, and when. They end where they would have waited next.
    stopped: Vec<Stopped>,
}

/// An attempt that was stopped, and may still run.
#[derive(Debug)]
struct Stopped {
    job: JobId,
    handle: tokio::task::AbortHandle,
    at: Instant,
}

/// For how long a stopped attempt that has not ended counts as one that has its memory.
const STOPPED_WAIT_MAX: Duration = Duration::from_secs(5);

impl Slots {
    pub(crate) fn stop(&mut self, key: &(TaskId, Attempt)) {
        if let Some(on_slot) = self.leave(key) {
            on_slot.handle.abort();
            self.stopped.retain(|stopped| !stopped.handle.is_finished());
            let (job, handle) = (key.0.stage.job, on_slot.handle);
            self.stopped.push(Stopped { job, handle, at: Instant::now() });
        }
    }

    /// The jobs of attempts that were stopped and have not ended.
    pub(crate) fn stopping(&self) -> impl Iterator<Item = JobId> {
        self.stopped
            .iter()
            .filter(|stopped| !stopped.handle.is_finished())
            .map(|stopped| stopped.job)
    }

    /// Whether some attempt has memory: one that runs, or one that was stopped a moment ago and has not ended.
    pub(crate) fn is_any_alive(&self) -> bool {
        let is_alive = |stopped: &Stopped| {
            !stopped.handle.is_finished() && stopped.at.elapsed() < STOPPED_WAIT_MAX
        };
        !self.running.is_empty() || self.stopped.iter().any(is_alive)
    }

    /// Divides what the process grew or shrank by among the tasks that run.
    pub(crate) fn spread_growth(&self, bytes: i64) {
        let part = bytes / self.running.len().max(1) as i64;
        self.running.values().for_each(|on_slot| on_slot.memory.grow(part));
    }

    /// Stops the attempt with the most memory, if that is at least `bytes_min`. Gives it, its bytes, and
    /// where it was for how long.
    pub(crate) fn stop_largest(
        &mut self,
        bytes_min: usize,
    ) -> Option<(TaskId, Attempt, usize, Spent)> {
        let sizes = self.running.iter().map(|(key, on_slot)| (on_slot.memory.bytes(), *key));
        let (bytes, key) = sizes.max().filter(|(bytes, _)| *bytes >= bytes_min)?;
        let spent = self.running.get(&key)?.spent();
        self.stop(&key);
        Some((key.0, key.1, bytes, spent))
    }

    /// The lowest slot that is free.
    pub(crate) fn take_slot(&mut self) -> u16 {
        self.free.pop_first().unwrap_or_else(|| {
            self.taken = self.taken.saturating_add(1);
            self.taken - 1
        })
    }

    /// An attempt gives its slot back. False if it has none, or too many did so.
    pub(crate) fn secede(&mut self, key: (TaskId, Attempt)) -> bool {
        if self.seceded.len() >= SECEDED_MAX {
            return false;
        }
        let Some(on_slot) = self.running.remove(&key) else { return false };
        self.free.insert(on_slot.slot);
        self.seceded.insert(key, on_slot);
        true
    }

    /// An attempt that gave its slot back wants one again. It is told when it has it.
    pub(crate) fn rejoin(&mut self, key: (TaskId, Attempt)) -> oneshot::Receiver<()> {
        let (told, waits) = oneshot::channel();
        self.rejoining.push_back((key, told));
        waits
    }

    /// Gives free slots, of `slots` in all, to attempts that want one again: they go before those that have not begun.
    pub(crate) fn take_back(&mut self, slots: usize) {
        while self.running.len() < slots
            && let Some((key, told)) = self.rejoining.pop_front()
        {
            let Some(mut on_slot) = self.seceded.remove(&key) else { continue };
            on_slot.slot = self.take_slot();
            self.running.insert(key, on_slot);
            let _ = told.send(());
        }
    }

    /// The attempts of a job that have begun.
    pub(crate) fn of_job(&self, job: JobId) -> Vec<(TaskId, Attempt)> {
        let begun = self.running.keys().chain(self.seceded.keys());
        begun.filter(|(task, _)| task.stage.job == job).copied().collect()
    }

    /// Stops and forgets everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.rejoining.clear();
        let begun = self.running.drain().chain(self.seceded.drain());
        begun.for_each(|(_, on_slot)| on_slot.handle.abort());
        (self.taken, self.free) = (0, BTreeSet::new());
    }

    pub(crate) fn leave(&mut self, key: &(TaskId, Attempt)) -> Option<OnSlot> {
        if let Some(seceded) = self.seceded.remove(key) {
            return Some(seceded);
        }
        let on_slot = self.running.remove(key)?;
        self.free.insert(on_slot.slot);
        Some(on_slot)
    }

    /// The tasks on slots, at most [`SLOT_TASKS_MAX`], those on the lowest slots.
    pub(crate) fn list(&self) -> Vec<SlotTask> {
        let listed = |((task, attempt), on_slot): (&(TaskId, Attempt), &OnSlot)| SlotTask {
            slot: on_slot.slot,
            task: *task,
            attempt: *attempt,
            since_us: on_slot.since.elapsed().as_micros() as u64,
        };
        let mut tasks: Vec<SlotTask> = self.running.iter().map(listed).collect();
        tasks.sort_unstable_by_key(|task| task.slot);
        tasks.truncate(SLOT_TASKS_MAX);
        tasks
    }
}
