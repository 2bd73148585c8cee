//! The attempts that ended, as many as are remembered: a ring, and for each slot a list into it.

use crate::event::{AttemptEnd, Ending};
use crate::view::AttemptView;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Errors of attempts that are remembered with them.
pub const SPAN_ERRORS_MAX: usize = 4_000;

/// Characters of an error that are remembered with an attempt.
pub const SPAN_ERROR_CHARS_MAX: usize = 1_000;

/// Attempts on one slot that are moved when one that was told together with them ends later than
/// they do: see [`Spans::push`].
const MOVED_MAX: usize = 64;

/// An attempt that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub worker: WorkerId,
    /// The slot.
    pub slot: u16,
    /// Which start of the task.
    pub attempt: Attempt,
    /// How it ended.
    pub ending: Ending,
    /// When it ended, in microseconds since the epoch.
    pub end_us: u64,
    /// Time on the slot.
    pub busy_us: u64,
    /// The part of it that it waited for other workers.
    pub transfer_us: u64,
    /// The part of it that it waited for the disk.
    pub disk_us: u64,
    /// Time in the queue before, at most 71 minutes.
    pub queued_us: u32,
    /// Rows of the output.
    pub rows: u64,
    /// Bytes of the output.
    pub bytes: u64,
    /// Bytes read from other workers.
    pub fetched_bytes: u64,
}

impl Span {
    /// When it had its slot, in microseconds since the epoch.
    pub fn start_us(&self) -> u64 {
        self.end_us.saturating_sub(self.busy_us)
    }
}

/// Attempts that ended, in the order in which that was seen.
#[derive(Clone, Debug)]
pub struct Spans {
    ring: VecDeque<Span>,
    /// The number of the ring's first span.
    first: u64,
    max: usize,
    /// Numbers of the spans of each slot, in order.
    lanes: HashMap<(WorkerId, u16), VecDeque<u64>>,
    errors: BTreeMap<u64, Box<str>>,
    /// Whether one was forgotten, and when the latest of those ended.
    forgotten_us: Option<u64>,
}

impl Spans {
    /// Remembers none, and never more than `max`.
    pub fn new(max: usize) -> Self {
        Spans {
            ring: VecDeque::new(),
            first: 0,
            max: max.max(1),
            lanes: HashMap::new(),
            errors: BTreeMap::new(),
            forgotten_us: None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// How many there ever were: changes with each.
    pub fn pushed(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// Attempts that ended up to this moment (microseconds since the epoch) may be forgotten; `None`
    /// if none is.
    pub fn forgotten_us(&self) -> Option<u64> {
        self.forgotten_us
    }

    /// Takes an attempt that ended.
    ///
    /// Reports come several in a message, and an attempt is taken to have ended when its report was
    /// seen. So those before it on the same slot are moved back by as much as they would overlap.
    pub fn push(&mut self, at_us: u64, end: &AttemptEnd) {
        if self.ring.len() == self.max {
            self.forget_first();
        }
        let span = Span {
            task: end.task,
            worker: end.worker,
            slot: end.slot,
            attempt: end.attempt,
            ending: end.ending,
            end_us: at_us,
            busy_us: end.busy_us.min(at_us),
            transfer_us: end.transfer_us,
            disk_us: end.disk_us,
            queued_us: u32::try_from(end.queued_us).unwrap_or(u32::MAX),
            rows: end.rows,
            bytes: end.bytes,
            fetched_bytes: end.fetched_bytes,
        };
        let number = self.pushed();
        if !end.error.is_empty() {
            let error: String = end.error.chars().take(SPAN_ERROR_CHARS_MAX).collect();
            self.errors.insert(number, error.into());
            if self.errors.len() > SPAN_ERRORS_MAX {
                self.errors.pop_first();
            }
        }
        self.ring.push_back(span);
        let lane = self.lanes.entry((end.worker, end.slot)).or_default();
        let mut limit_us = span.start_us();
        for earlier in lane.iter().rev().take(MOVED_MAX) {
            let earlier = &mut self.ring[(earlier - self.first) as usize];
            if earlier.end_us <= limit_us {
                break;
            }
            earlier.end_us = limit_us;
            limit_us = earlier.start_us();
        }
        lane.push_back(number);
    }

    fn forget_first(&mut self) {
        let Some(span) = self.ring.pop_front() else { return };
        let key = (span.worker, span.slot);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.pop_front();
            if lane.is_empty() {
                self.lanes.remove(&key);
            }
        }
        self.errors.remove(&self.first);
        self.first += 1;
        self.forgotten_us = Some(self.forgotten_us.unwrap_or(0).max(span.end_us));
    }

    /// What came before this moment is not known, for another reason than that the ring is full.
    pub fn forget_before(&mut self, at_us: u64) {
        self.forgotten_us = Some(self.forgotten_us.unwrap_or(0).max(at_us));
    }

    /// The spans of a slot that overlap a time: those that end after `from_us` and start before
    /// `to_us`, in order.
    pub fn lane(
        &self,
        worker: WorkerId,
        slot: u16,
        from_us: u64,
        to_us: u64,
    ) -> impl ExactSizeIterator<Item = &Span> + Clone {
        static NONE: VecDeque<u64> = VecDeque::new();
        let lane = self.lanes.get(&(worker, slot)).unwrap_or(&NONE);
        let span = |number: &u64| &self.ring[(number - self.first) as usize];
        let first = lane.partition_point(|number| span(number).end_us <= from_us);
        let last = lane.partition_point(|number| span(number).start_us() < to_us);
        lane.range(first..last.max(first)).map(span)
    }

    /// The latest attempts of a worker, the latest first.
    pub fn recent(&self, worker: WorkerId, slots: u32, max: usize) -> Vec<AttemptView> {
        let mut numbers: Vec<u64> = (0..slots)
            .filter_map(|slot| self.lanes.get(&(worker, u16::try_from(slot).ok()?)))
            .flat_map(|lane| lane.iter().rev().take(max).copied())
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.truncate(max);
        numbers.into_iter().map(|number| self.view(number)).collect()
    }

    /// The attempts of a task, in the order in which they ended.
    pub fn of_task(&self, task: TaskId) -> Vec<AttemptView> {
        self.numbered().filter(|(_, span)| span.task == task).map(|(at, _)| self.view(at)).collect()
    }

    /// The attempts of a job that ended last, at most `max`, in the order in which they ended.
    pub fn latest(&self, job: JobId, max: usize) -> Vec<AttemptView> {
        let all = (self.first..self.pushed()).rev();
        let is_of = |number: &u64| {
            let span = self.ring.get((number - self.first) as usize);
            span.is_some_and(|span| span.task.stage.job == job)
        };
        let mut found: Vec<AttemptView> =
            all.filter(is_of).take(max).map(|number| self.view(number)).collect();
        found.reverse();
        found
    }

    /// All spans of a job, or of one stage of it.
    pub fn of_job(&self, job: JobId, stage: Option<u32>) -> impl Iterator<Item = &Span> {
        let is_of = move |id: StageId| id.job == job && stage.is_none_or(|stage| stage == id.index);
        self.ring.iter().filter(move |span| is_of(span.task.stage))
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &Span)> {
        (self.first..).zip(&self.ring)
    }

    fn view(&self, number: u64) -> AttemptView {
        let span = &self.ring[(number - self.first) as usize];
        AttemptView {
            task: span.task,
            attempt: span.attempt,
            worker: span.worker,
            slot: span.slot,
            ending: Some(span.ending),
            started_ms: span.start_us() / 1000,
            queued_us: u64::from(span.queued_us),
            busy_us: span.busy_us,
            transfer_us: span.transfer_us,
            disk_us: span.disk_us,
            rows: span.rows,
            bytes: span.bytes,
            fetched_bytes: span.fetched_bytes,
            error: self.errors.get(&number).map(|error| error.to_string()).unwrap_or_default(),
        }
    }
}
