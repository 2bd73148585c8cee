//! The estimate of a job: what its stages still take, one after the other.

use super::costs::{Cost, Costs};
use super::shape::{Prior, Remaining, Shape};
use super::{JobRecord, Slots, StageRecord, range};
use crate::view::Left;
use partita_shared::model::JobState;

/// A job in which nothing started or ended for this long is not estimated, in microseconds.
const PAUSE_US_MIN: u64 = 60_000_000;

/// Times the longest task's time, after which a job of which nothing ended is not estimated.
const PAUSE_TASKS: u64 = 3;

/// The cost of a byte that a stage reads while nothing is known of any, in microseconds: 80 MB/s.
const PRIOR_US_PER_BYTE: f64 = 0.012;

/// The least time of a task, in microseconds.
const TASK_US_MIN: f64 = 2_000.0;

/// The bytes that a stage makes of those that it reads, while none of its tasks has ended.
const OUTPUT_SHARE: f64 = 0.5;

/// How far the time of a stage of which no task has ended may be off, as a logarithm, by what is
/// known: stages of its name, of this job, of other jobs, none.
const DOUBT_NAME: f64 = 0.6;
const DOUBT_JOB: f64 = 0.5;
const DOUBT_OTHERS: f64 = 0.7;
const DOUBT_NONE: f64 = 1.0;

/// The chances of the ends of a range and of its middle, before the doubts are added.
const CHANCES: [f64; 3] = [0.159, 0.5, 0.841];

/// Standard deviations between the middle and the ends of a range.
const WIDE: f64 = 1.28;

/// The least width of a range, as a logarithm.
const WIDTH_MIN: f64 = 0.18;

/// The share of the stages' doubts that goes together: a job that is slower than it looked is so in all
/// its stages. The rest of the doubts partly cancel out.
const COMMON: f64 = 0.5;

/// The share of what earlier estimates were wrong by that is added to a range's width.
const DRIFT_SHARE: f64 = 0.5;

/// Earlier estimates of a job that are compared with the present one.
const ESTIMATES_KEPT: usize = 12;

/// An estimate is remembered when the time since the job's start has grown by this factor.
const ESTIMATES_APART: f64 = 1.15;

/// What the stages of a job have made and cost so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The bytes that each stage will have made.
    made: Vec<f64>,
    /// The cost of stages that read no other stage.
    sources: Cost,
    /// The cost of stages that read others.
    readers: Cost,
}

/// What a stage still takes.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Time until its end, once its inputs are complete.
    end_us: f64,
    /// Time until its slots are free, on the mean.
    busy_us: f64,
    work_us: f64,
    /// How far it may be off, as a standard deviation of the logarithm.
    doubt: f64,
    has_begun: bool,
}

/// An estimate of the time that a job still takes, when it was made.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    at_us: u64,
    left_us: f64,
}

/// What a job's earlier estimates were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimates {
    kept: Vec<Estimate>,
    pub(crate) left: Option<Left>,
    /// The work on slots that is left, by the latest estimate.
    pub(super) work_us: Option<f64>,
}

impl Estimates {
    /// How far earlier estimates were from what this one says of the same moment, as a logarithm:
    /// above zero if they were too low.
    fn drift(&self, now_us: u64, left_us: f64) -> f64 {
        let off = self.kept.iter().map(|earlier| {
            let passed_us = now_us.saturating_sub(earlier.at_us) as f64;
            ((passed_us + left_us) / earlier.left_us).ln()
        });
        let (sum, count) = off.fold((0.0, 0.0), |(sum, count), off| (sum + off, count + 1.0));
        if count == 0.0 { 0.0 } else { sum / count }
    }

    fn keep(&mut self, began_us: u64, now_us: u64, left_us: f64) {
        let since = |at_us: u64| at_us.saturating_sub(began_us) as f64;
        let is_new = self
            .kept
            .last()
            .is_none_or(|last| since(now_us) >= since(last.at_us) * ESTIMATES_APART);
        if is_new && left_us > 0.0 {
            if self.kept.len() >= ESTIMATES_KEPT {
                self.kept.remove(0);
            }
            self.kept.push(Estimate { at_us: now_us, left_us });
        }
    }
}

impl StageRecord {
    /// Tasks that have not ended.
    fn left(&self) -> u64 {
        let tasks = &self.counters.tasks;
        tasks.waiting + tasks.ready + tasks.running
    }

    /// Tasks that have told their time and are still counted as running: counters come later.
    fn just_ended(&self, on_slots: f64) -> f64 {
        let tasks = &self.counters.tasks;
        let told = self.paced_us.count().saturating_sub(tasks.done) as f64;
        told.min((tasks.running as f64 - on_slots).max(0.0))
    }

    fn has_times(&self) -> bool {
        self.paced_us.count() > 0 && self.counters.tasks.done > 0
    }
}

impl JobRecord {
    /// The bytes that a stage reads in all, once its inputs are complete.
    fn read_bytes(&self, index: usize, made: &[f64]) -> f64 {
        self.stages[index].inputs.iter().filter_map(|input| made.get(input.stage as usize)).sum()
    }

    /// The bytes that each stage will have made.
    fn made_bytes(&self, costs: &Costs) -> Vec<f64> {
        let mut made = Vec::with_capacity(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let (done, all) = (stage.counters.tasks.done as f64, f64::from(stage.size));
            made.push(if done > 0.0 {
                (stage.counters.bytes.max(stage.counters.held_bytes)) as f64 * all / done
            } else {
                let (read, tasks) = (self.read_bytes(index, &made), f64::from(stage.size));
                let known = costs.of(&stage.name, stage.size);
                known.and_then(|cost| cost.made_bytes(read, tasks)).unwrap_or(read * OUTPUT_SHARE)
            });
        }
        made
    }

    /// What its stages have made and cost so far.
    fn seen(&self, costs: &Costs) -> Seen {
        let mut seen = Seen { made: self.made_bytes(costs), ..Seen::default() };
        for (index, stage) in self.stages.iter().enumerate().filter(|(_, stage)| stage.has_times())
        {
            let tasks = stage.counters.tasks.done as f64;
            let bytes = self.read_bytes(index, &seen.made) * tasks / f64::from(stage.size.max(1));
            let made = seen.made[index] * tasks / f64::from(stage.size.max(1));
            let cost = Cost::new(&stage.paced_us, tasks, bytes, made);
            if stage.inputs.is_empty() {
                seen.sources.add(&cost);
            } else if bytes > 0.0 {
                seen.readers.add(&cost);
            }
        }
        seen
    }

    /// The work of a stage by what others cost, and how far that may be off.
    fn unseen(&self, index: usize, seen: &Seen, costs: &Costs) -> Option<(f64, f64)> {
        let stage = &self.stages[index];
        let (bytes, tasks) = (self.read_bytes(index, &seen.made), f64::from(stage.size));
        if let Some(work_us) =
            costs.of(&stage.name, stage.size).and_then(|cost| cost.work_us(bytes, tasks))
        {
            return Some((work_us, DOUBT_NAME));
        }
        if stage.inputs.is_empty() {
            return seen.sources.work_us(0.0, tasks).map(|work_us| (work_us, DOUBT_NONE));
        }
        let known = seen.readers.work_us(bytes, tasks).filter(|_| seen.readers.bytes > 0.0);
        let others = || costs.readers.work_us(bytes, tasks).filter(|_| costs.readers.bytes > 0.0);
        let prior = (bytes * PRIOR_US_PER_BYTE, DOUBT_NONE);
        let known = known.map(|work_us| (work_us, DOUBT_JOB));
        Some(known.or_else(|| others().map(|work_us| (work_us, DOUBT_OTHERS))).unwrap_or(prior))
    }

    /// What a stage still takes, on slots of these speeds.
    fn rest(
        &self,
        index: usize,
        seen: &Seen,
        costs: &Costs,
        slots: &Slots,
        by_slowness: &[(f64, f64)],
    ) -> Option<Rest> {
        let stage = &self.stages[index];
        let running = slots.running.get(&stage.counters.stage).cloned().unwrap_or_default();
        let variety = costs.variety(&stage.name, stage.size);
        let median = self.unseen(index, seen, costs).map(|(work_us, doubt)| {
            ((work_us / f64::from(stage.size.max(1))).max(TASK_US_MIN).ln(), doubt)
        });
        let prior = Prior {
            median,
            spread: variety.spread,
            outliers: variety.outliers,
            ratio: variety.ratio,
        };
        let shape = Shape::fit(&stage.paced_us, &running, &prior)?;
        let on_slots: f64 = running.iter().map(|task| task.count).sum();
        let fresh = (stage.left() as f64 - on_slots - stage.just_ended(on_slots)).max(0.0);
        let has_begun = stage.counters.tasks.done > 0 || on_slots > 0.0;
        let remaining = Remaining { running, fresh, slots: by_slowness.to_vec() };
        let (work_us, speed) = remaining.work(&shape);
        let [low_us, end_us, high_us] = remaining.quantiles(&shape, CHANCES);
        let wide = (high_us / low_us).ln() / 2.0;
        Some(Rest {
            end_us,
            work_us,
            busy_us: work_us / speed.max(f64::MIN_POSITIVE),
            doubt: (wide * wide + shape.doubt * shape.doubt).sqrt(),
            has_begun,
        })
    }

    /// Whether anything can be said of the time that it still takes.
    fn is_moving(&self, now_us: u64, slots: &Slots) -> bool {
        let times = self.stages.iter().map(|stage| stage.seen.time_us.quartiles().max).max();
        let patience_us = PAUSE_US_MIN.max(times.unwrap_or(0).saturating_mul(PAUSE_TASKS));
        self.row.state == JobState::Running
            && now_us.saturating_sub(self.moved_us) <= patience_us
            && self.stages.iter().any(|stage| stage.counters.tasks.running > 0)
            && self.stages.iter().any(|stage| stage.has_times() || slots.are_told(stage))
    }

    /// Estimates the time that the job and each of its stages still take on this many slots. The
    /// stages that have begun get a range of their own. Returns the stages whose range changed.
    pub(super) fn estimate(
        &mut self,
        now_us: u64,
        share: f64,
        costs: &Costs,
        slots: &Slots,
    ) -> Vec<u32> {
        let rests = || {
            let seen = self.seen(costs);
            let part = share / slots.count.max(1.0);
            let mine: Vec<(f64, f64)> =
                slots.by_slowness.iter().map(|(slow, slots)| (*slow, slots * part)).collect();
            let rest = |index: usize| match self.stages[index].left() {
                0 => Some(None),
                _ => self.rest(index, &seen, costs, slots, &mine).map(Some),
            };
            (0..self.stages.len()).map(rest).collect::<Option<Vec<Option<Rest>>>>()
        };
        let is_known = self.is_moving(now_us, slots) && !slots.by_slowness.is_empty();
        let Some(rests) = is_known.then(rests).flatten() else {
            self.estimates.left = None;
            self.estimates.work_us = None;
            return self.set_lefts(|_| None);
        };
        let (mut ends, mut clock_us) = (Vec::with_capacity(rests.len()), 0.0_f64);
        let (mut square, mut linear, mut sum, mut work_us) = (0.0, 0.0, 0.0, 0.0);
        let mut lefts = Vec::with_capacity(rests.len());
        for (stage, rest) in self.stages.iter().zip(&rests) {
            let Some(rest) = rest else {
                ends.push(0.0);
                lefts.push(None);
                continue;
            };
            let inputs = stage.inputs.iter().filter_map(|input| ends.get(input.stage as usize));
            let ready_us: f64 = inputs.copied().fold(0.0, f64::max);
            let begin_us = ready_us.max(clock_us);
            clock_us = begin_us + rest.busy_us;
            ends.push(begin_us + rest.end_us);
            square += (rest.end_us * rest.doubt) * (rest.end_us * rest.doubt);
            linear += rest.end_us * rest.doubt;
            sum += rest.end_us;
            work_us += rest.work_us;
            let width = (rest.doubt * WIDE).max(WIDTH_MIN);
            lefts.push(rest.has_begun.then(|| range(rest.end_us, width)).flatten());
        }
        let left_us = ends.iter().copied().fold(0.0, f64::max);
        let drift = self.estimates.drift(now_us, left_us);
        let parts = square.sqrt() * (1.0 - COMMON) + linear * COMMON;
        let width = if sum > 0.0 { parts / sum * WIDE } else { 0.0 };
        self.estimates.work_us = Some(work_us);
        self.estimates.left = range(left_us, WIDTH_MIN.max(width) + drift.abs() * DRIFT_SHARE);
        let began_us = self.row.started_ms.unwrap_or(self.row.submitted_ms) * 1000;
        self.estimates.keep(began_us, now_us, left_us);
        // The only stage that is left ends with the job: one range, not two.
        if rests.iter().flatten().count() == 1 {
            let job_left = self.estimates.left;
            lefts.iter_mut().filter(|left| left.is_some()).for_each(|left| *left = job_left);
        }
        self.set_lefts(|index| lefts.get(index).copied().flatten())
    }

    /// Sets the range of each stage, and returns those that have another than before.
    fn set_lefts(&mut self, of: impl Fn(usize) -> Option<Left>) -> Vec<u32> {
        let mut changed = Vec::new();
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let left = of(index);
            if std::mem::replace(&mut stage.left, left) != left {
                changed.push(index as u32);
            }
        }
        changed
    }

    /// What a complete stage cost, if its tasks ran.
    pub(super) fn learn(&mut self, costs: &mut Costs) {
        let made = self.made_bytes(costs);
        for index in 0..self.stages.len() {
            let bytes = self.read_bytes(index, &made);
            let stage = &mut self.stages[index];
            if stage.is_learnt || stage.left() > 0 || !stage.has_times() {
                continue;
            }
            stage.is_learnt = true;
            let done = stage.counters.tasks.done as f64;
            let cost = Cost::new(&stage.paced_us, done, bytes, made[index]);
            costs.learn(&stage.name, stage.size, &cost);
        }
    }
}
