//! The slots of a worker, what runs on them and what waits for them.

use crate::exec::waits::Waits;
use crate::memory::TaskMemory;
use partita_operators::progress::Progress;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId};
use partita_shared::limits::SLOT_TASKS_MAX;
use partita_shared::message::{RunTask, SlotTask, Spent};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Bytes of the arguments and inputs of calls that are sent to a process together. They fit into the buffer of its
/// socket, so that neither side waits for the other one while both write.
const BATCH_BYTES_MAX: usize = 32 << 10;

/// What is known of an attempt while it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    pub(crate) waits: Waits,
    pub(crate) memory: TaskMemory,
    pub(crate) progress: Arc<Progress>,
}

/// An attempt on a slot.
#[derive(Debug)]
pub(crate) struct OnSlot {
    slot: u16,
    came: Instant,
    /// When it began, or those before it on the slot ended.
    since: Instant,
    /// The task, if others may make it run again that run on the same slot.
    run: Option<RunTask>,
    pub(crate) waits: Waits,
    pub(crate) memory: TaskMemory,
    pub(crate) progress: Arc<Progress>,
}

impl OnSlot {
    /// One that begins now.
    pub(crate) fn new(came: Instant, own: Watched) -> Self {
        let Watched { waits, memory, progress } = own;
        OnSlot { slot: 0, came, since: Instant::now(), run: None, waits, memory, progress }
    }

    /// One of several that run on a slot, one after the other.
    pub(crate) fn among_others(self, run: &RunTask) -> Self {
        OnSlot { run: Some(run.clone()), ..self }
    }

    /// Where it was, and for how long until now.
    pub(crate) fn spent(&self) -> Spent {
        let busy_us = self.since.elapsed().as_micros() as u64;
        let (transfer_us, disk_us) = self.waits.within(busy_us);
        let queued_us = self.since.duration_since(self.came).as_micros() as u64;
        Spent { slot: self.slot, queued_us, busy_us, transfer_us, disk_us }
    }
}

/// What runs on a slot: one attempt, or short calls of one function, one after the other.
#[derive(Debug)]
struct Lane {
    handle: AbortHandle,
    /// Attempts that have not ended.
    left: Vec<Key>,
    /// Those of them that nobody wants any more.
    unwanted: Vec<Key>,
}

/// An attempt of a task.
pub(crate) type Key = (TaskId, Attempt);

/// Attempts that may have given their slot back at once. Each has a process.
const SECEDED_MAX: usize = 256;

/// The slots and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Tasks, and when they came.
    pub(crate) queue: VecDeque<(RunTask, Instant)>,
    pub(crate) running: HashMap<Key, OnSlot>,
    /// What runs on each slot that is not free.
    lanes: HashMap<u16, Lane>,
    /// Calls that ran out of memory beside others: each runs once more when nothing else does.
    alone: VecDeque<(RunTask, Instant)>,
    /// The one of them that has the worker to itself now.
    is_alone: Option<Key>,
    /// Attempts that gave their slot back, since they wait for other tasks.
    seceded: HashMap<Key, (OnSlot, AbortHandle)>,
    /// Those of them that want a slot again, in this order.
    rejoining: VecDeque<(Key, oneshot::Sender<()>)>,
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
    handle: AbortHandle,
    at: Instant,
}

/// For how long a stopped attempt that has not ended counts as one that has its memory.
const STOPPED_WAIT_MAX: Duration = Duration::from_secs(5);

/// Whether all that a call reads came with it.
fn is_small(run: &RunTask) -> bool {
    run.own.iter().all(|own| own.values.len() == own.partitions.len())
}

impl Slots {
    /// Slots that something runs on.
    pub(crate) fn used(&self) -> usize {
        self.lanes.len()
    }

    /// Takes tasks after the first one out of the queue that are calls of the same stage as short as it, which may run
    /// one after the other: fewer than `max`, and not more than an equal part for each of `slots`.
    pub(crate) fn take_alike(
        &mut self,
        first: &RunTask,
        max: usize,
        slots: usize,
    ) -> Vec<(RunTask, Instant)> {
        let max = max.min(self.queue.len() / slots + 1);
        let mut bytes = first.value_bytes();
        if max < 2 || !is_small(first) {
            return Vec::new();
        }
        let mut alike = Vec::new();
        while alike.len() + 1 < max {
            let fits = |(run, _): &(RunTask, Instant)| {
                run.task.stage == first.task.stage
                    && is_small(run)
                    && bytes + run.value_bytes() <= BATCH_BYTES_MAX
            };
            let Some(next) = self.queue.pop_front_if(|next| fits(next)) else { break };
            bytes += next.0.value_bytes();
            alike.push(next);
        }
        alike
    }

    /// A call ran out of memory: if others ran beside it, it leaves its slot, to run once more when nothing else does.
    /// False if it ran beside no other, or nobody wants it any more.
    pub(crate) fn retry_alone(&mut self, run: RunTask) -> bool {
        let key = (run.task, run.attempt);
        if self.used() < 2 || self.is_alone == Some(key) || !self.running.contains_key(&key) {
            return false;
        }
        self.leave(&key);
        self.alone.push_back((run, Instant::now()));
        true
    }

    /// Whether a call waits for the worker to be free, or has it to itself: nothing else begins.
    pub(crate) fn is_reserved(&self) -> bool {
        self.is_alone.is_some() || !self.alone.is_empty()
    }

    /// The next call that runs with the worker to itself, if nothing runs.
    pub(crate) fn take_alone(&mut self) -> Option<(RunTask, Instant)> {
        if self.used() > 0 || self.is_alone.is_some() {
            return None;
        }
        let next = self.alone.pop_front()?;
        self.is_alone = Some((next.0.task, next.0.attempt));
        Some(next)
    }

    /// Whether a call has the worker to itself.
    pub(crate) fn runs_alone(&self, key: &Key) -> bool {
        self.is_alone.as_ref() == Some(key)
    }

    /// Forgets calls that wait to run with the worker to themselves.
    pub(crate) fn forget_alone(&mut self, is_unwanted: impl Fn(&RunTask) -> bool) {
        self.alone.retain(|(run, _)| !is_unwanted(run));
    }

    /// Puts attempts on a free slot, one after the other.
    pub(crate) fn start(&mut self, handle: AbortHandle, attempts: Vec<(Key, OnSlot)>) {
        let slot = self.take_slot();
        let left = attempts.iter().map(|(key, _)| *key).collect();
        self.lanes.insert(slot, Lane { handle, left, unwanted: Vec::new() });
        for (key, on_slot) in attempts {
            self.running.insert(key, OnSlot { slot, ..on_slot });
        }
    }

    /// Stops an attempt. Gives its slot if others run there too: it is only told to end if it does not soon.
    pub(crate) fn stop(&mut self, key: &Key) -> Option<u16> {
        if let Some((_, handle)) = self.seceded.remove(key) {
            self.abort(key.0.stage.job, handle);
            return None;
        }
        let slot = self.running.get(key)?.slot;
        let lane = self.lanes.get_mut(&slot)?;
        if lane.left.len() > 1 {
            self.running.remove(key);
            lane.unwanted.push(*key);
            return Some(slot);
        }
        let handle = lane.handle.clone();
        self.leave(key);
        self.abort(key.0.stage.job, handle);
        None
    }

    /// Ends what runs on a slot if an attempt there still has not ended that nobody wants. The others go back into the
    /// queue.
    pub(crate) fn stop_lane(&mut self, slot: u16, key: &Key) {
        let is_late = |lane: &&Lane| lane.unwanted.contains(key);
        let Some(lane) = self.lanes.get(&slot).filter(is_late) else { return };
        let (handle, left) = (lane.handle.clone(), lane.left.clone());
        self.give_back(&left);
        self.abort(key.0.stage.job, handle);
    }

    /// Attempts that have not begun go from their slot back into the queue.
    pub(crate) fn give_back(&mut self, keys: &[Key]) {
        for key in keys.iter().rev() {
            if let Some(OnSlot { run: Some(run), came, .. }) = self.leave(key) {
                self.queue.push_front((run, came));
            }
        }
    }

    fn abort(&mut self, job: JobId, handle: AbortHandle) {
        handle.abort();
        self.stopped.retain(|stopped| !stopped.handle.is_finished());
        self.stopped.push(Stopped { job, handle, at: Instant::now() });
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
        if let Some(slot) = self.stop(&key) {
            self.stop_lane(slot, &key);
        }
        Some((key.0, key.1, bytes, spent))
    }

    /// The lowest slot that is free.
    fn take_slot(&mut self) -> u16 {
        self.free.pop_first().unwrap_or_else(|| {
            self.taken = self.taken.saturating_add(1);
            self.taken - 1
        })
    }

    /// An attempt gives its slot back. False if it has none, others run there too, or too many did so.
    pub(crate) fn secede(&mut self, key: Key) -> bool {
        if self.seceded.len() >= SECEDED_MAX {
            return false;
        }
        let Some(slot) = self.running.get(&key).map(|on_slot| on_slot.slot) else { return false };
        let Some(lane) = self.lanes.get(&slot).filter(|lane| lane.left.len() == 1) else {
            return false;
        };
        let handle = lane.handle.clone();
        if let Some(on_slot) = self.leave(&key) {
            self.seceded.insert(key, (on_slot, handle));
        }
        true
    }

    /// An attempt that gave its slot back wants one again. It is told when it has it.
    pub(crate) fn rejoin(&mut self, key: Key) -> oneshot::Receiver<()> {
        let (told, waits) = oneshot::channel();
        self.rejoining.push_back((key, told));
        waits
    }

    /// Gives free slots, of `slots` in all, to attempts that want one again: they go before those that have not begun.
    pub(crate) fn take_back(&mut self, slots: usize) {
        while self.used() < slots
            && let Some((key, told)) = self.rejoining.pop_front()
        {
            let Some((on_slot, handle)) = self.seceded.remove(&key) else { continue };
            self.start(handle, vec![(key, on_slot)]);
            let _ = told.send(());
        }
    }

    /// The attempts of a job that have begun.
    pub(crate) fn of_job(&self, job: JobId) -> Vec<Key> {
        let begun = self.running.keys().chain(self.seceded.keys());
        begun.filter(|(task, _)| task.stage.job == job).copied().collect()
    }

    /// Stops and forgets everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.alone.clear();
        self.is_alone = None;
        self.rejoining.clear();
        self.running.clear();
        let lanes = self.lanes.drain().map(|(_, lane)| lane.handle);
        let seceded = self.seceded.drain().map(|(_, (_, handle))| handle);
        lanes.chain(seceded).for_each(|handle| handle.abort());
        (self.taken, self.free) = (0, BTreeSet::new());
    }

    /// An attempt is over, and the next one on its slot begins. None if nobody wants it any more.
    pub(crate) fn leave(&mut self, key: &Key) -> Option<OnSlot> {
        self.is_alone.take_if(|alone| alone == key);
        if let Some((seceded, _)) = self.seceded.remove(key) {
            return Some(seceded);
        }
        let left = self.running.remove(key);
        let slot = match &left {
            Some(on_slot) => Some(on_slot.slot),
            None => self.lanes.iter().find(|(_, lane)| lane.unwanted.contains(key)).map(|at| *at.0),
        };
        if let Some(slot) = slot
            && let Some(lane) = self.lanes.get_mut(&slot)
        {
            lane.left.retain(|other| other != key);
            lane.unwanted.retain(|other| other != key);
            match lane.left.first().and_then(|next| self.running.get_mut(next)) {
                Some(next) => next.since = Instant::now(),
                None if lane.left.is_empty() => {
                    self.lanes.remove(&slot);
                    self.free.insert(slot);
                }
                None => {}
            }
        }
        left
    }

    /// The tasks on slots, at most [`SLOT_TASKS_MAX`], those on the lowest slots: of those that run one after the other, the
    /// one that runs now.
    pub(crate) fn list(&self) -> Vec<SlotTask> {
        let first =
            |lane: &Lane| lane.left.iter().find(|key| self.running.contains_key(key)).copied();
        let listed = |(slot, lane): (&u16, &Lane)| {
            let (task, attempt) = first(lane)?;
            let on_slot = self.running.get(&(task, attempt))?;
            let since_us = on_slot.since.elapsed().as_micros() as u64;
            let read_milli = on_slot.progress.milli();
            Some(SlotTask { slot: *slot, task, attempt, since_us, read_milli })
        };
        let mut tasks: Vec<SlotTask> = self.lanes.iter().filter_map(listed).collect();
        tasks.sort_unstable_by_key(|task| task.slot);
        tasks.truncate(SLOT_TASKS_MAX);
        tasks
    }

    /// Whether some task of a stage runs or waits here.
    pub(crate) fn has_stage(&self, stage: StageId) -> bool {
        self.running.keys().any(|(task, _)| task.stage == stage)
            || self.queue.iter().any(|(run, _)| run.task.stage == stage)
    }

    /// Attempts that run, and tasks that wait for a slot.
    pub(crate) fn load(&self) -> (u32, u32) {
        let behind = self.running.len().saturating_sub(self.lanes.len());
        (self.lanes.len() as u32, (self.queue.len() + behind) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::{StageId, WorkerId};
    use partita_shared::message::{Holder, OwnInput};

    fn run(stage: u32, index: u32) -> RunTask {
        let stage = StageId { job: JobId(1), index: stage };
        let arguments = vec![0; 10].into();
        RunTask { task: TaskId { stage, index }, attempt: 1, own: Vec::new(), arguments }
    }

    fn key(run: &RunTask) -> Key {
        (run.task, run.attempt)
    }

    fn indices(slots: &Slots) -> Vec<u32> {
        slots.queue.iter().map(|(run, _)| run.task.index).collect()
    }

    /// Slots on one of which these run, one after the other.
    fn with_batch(runs: &[RunTask]) -> (tokio::task::JoinHandle<()>, Slots) {
        let mut slots = Slots::default();
        let handle = tokio::spawn(std::future::pending());
        let on_slot = |run: &RunTask| {
            let on_slot = OnSlot::new(Instant::now(), Watched::default());
            (key(run), on_slot.among_others(run))
        };
        slots.start(handle.abort_handle(), runs.iter().map(on_slot).collect());
        (handle, slots)
    }

    /// Calls of one stage run together, up to an equal part for each slot; those that read what is not with them do not.
    #[test]
    fn alike_calls_are_taken_together() {
        let now = Instant::now();
        let mut slots = Slots::default();
        slots.queue.extend((1..8).map(|index| (run(0, index), now)));
        let taken = |slots: &mut Slots, max| slots.take_alike(&run(0, 0), max, 2).len();
        assert_eq!((taken(&mut slots, 1), taken(&mut slots, 3)), (0, 2));
        assert_eq!((taken(&mut slots, 100), indices(&slots)), (2, vec![5, 6, 7]));
        let mut other = run(0, 9);
        let holder = Holder { worker: WorkerId(1), attempt: 1 };
        other.own = vec![OwnInput { input: 0, partitions: vec![(0, holder)], values: Vec::new() }];
        slots.queue.push_front((other, now));
        assert_eq!(taken(&mut slots, 100), 0);
        slots.queue.pop_front();
        slots.queue.push_front((run(1, 0), now));
        assert_eq!(taken(&mut slots, 100), 0);
    }

    /// A slot is free when the last of those that run there has ended.
    #[tokio::test]
    async fn a_slot_is_free_after_the_last() {
        let runs = [run(0, 0), run(0, 1), run(0, 2)];
        let (_handle, mut slots) = with_batch(&runs);
        assert_eq!((slots.list().len(), slots.list()[0].task), (1, runs[0].task));
        assert_eq!(slots.load(), (1, 2));
        assert!(slots.leave(&key(&runs[0])).is_some());
        assert_eq!(slots.list()[0].task, runs[1].task);
        assert_eq!(slots.stop(&key(&runs[2])), Some(0));
        assert!(slots.leave(&key(&runs[1])).is_some());
        assert_eq!(slots.used(), 1);
        assert!(slots.leave(&key(&runs[2])).is_none());
        assert_eq!((slots.used(), slots.running.len()), (0, 0));
    }

    /// One that nobody wants and that does not end is stopped; those after it run elsewhere.
    #[tokio::test]
    async fn a_late_one_is_stopped() {
        let runs = [run(0, 0), run(0, 1), run(0, 2)];
        let (handle, mut slots) = with_batch(&runs);
        let slot = slots.stop(&key(&runs[0])).unwrap();
        slots.stop_lane(slot, &key(&runs[1]));
        assert_eq!(slots.used(), 1);
        slots.stop_lane(slot, &key(&runs[0]));
        assert_eq!((slots.used(), indices(&slots)), (0, vec![1, 2]));
        assert!(handle.await.unwrap_err().is_cancelled());
    }

    /// A call that ran out of memory beside another runs once more when that has ended, and nothing begins before.
    #[tokio::test]
    async fn a_call_runs_alone_after_it_ran_out_of_memory() {
        let (large, other) = (run(0, 0), run(1, 0));
        let (_handle, mut slots) = with_batch(std::slice::from_ref(&other));
        let handle = tokio::spawn(std::future::pending::<()>());
        let on_slot = || OnSlot::new(Instant::now(), Watched::default());
        slots.start(handle.abort_handle(), vec![(key(&large), on_slot())]);
        assert!(slots.retry_alone(large.clone()));
        assert!(slots.is_reserved() && slots.take_alone().is_none());
        slots.leave(&key(&other));
        let (again, _) = slots.take_alone().unwrap();
        slots.start(handle.abort_handle(), vec![(key(&again), on_slot())]);
        assert!(slots.is_reserved() && slots.runs_alone(&key(&large)));
        // Once is enough.
        assert!(!slots.retry_alone(again));
        slots.leave(&key(&large));
        assert!(!slots.is_reserved());
    }

    /// One that waits for others gives those after it back, and then its slot.
    #[tokio::test]
    async fn one_that_waits_gives_its_slot_back() {
        let runs = [run(0, 0), run(0, 1)];
        let (_handle, mut slots) = with_batch(&runs);
        assert!(!slots.secede(key(&runs[0])));
        slots.give_back(&[key(&runs[1])]);
        assert!(slots.secede(key(&runs[0])));
        assert_eq!((slots.used(), indices(&slots)), (0, vec![1]));
        let mut told = slots.rejoin(key(&runs[0]));
        slots.take_back(1);
        assert!(told.try_recv().is_ok());
        assert_eq!(slots.used(), 1);
        assert!(slots.leave(&key(&runs[0])).is_some());
        assert_eq!(slots.used(), 0);
    }
}
