//! How long jobs still take, as a range.
//!
//! Every figure of this kind is made here. The rest of a job is its stages one after the other on the
//! slots that it has: a stage that has begun by the time of its finished tasks, one that has not by
//! the bytes that it will read and what stages of that name cost before. Each stage adds its
//! uncertainty by its share of the time, and so does what earlier estimates of the job were wrong by.
//! A range that is too wide to be of use is not shown.

use super::{JobRecord, Model, StageRecord};
use crate::events::without_numbers;
use crate::view::{JOBS_LEFT_MAX, Left, is_under_way};
use partita_shared::ids::{JobId, StageId};
use partita_shared::model::JobState;
use std::collections::{BTreeMap, HashMap};

/// Kinds of stages, by name, whose cost is remembered.
const NAMES_MAX: usize = 500;

/// A job in which nothing started or ended for this long is not estimated, in microseconds.
const PAUSE_US_MIN: u64 = 60_000_000;

/// Times the longest task's time, after which a job of which nothing ended is not estimated.
const PAUSE_TASKS: u64 = 3;

/// The cost of a byte that a stage reads while nothing is known of any, in microseconds: 80 MB/s.
const PRIOR_US_PER_BYTE: f64 = 0.012;

/// The least time of a task, in microseconds.
const TASK_US_MIN: f64 = 2_000.0;

/// A task that already took longer than the mean still takes a share of its time so far: of those
/// that last, the longest last longest. The share grows with the time, between these bounds.
const LATE_SHARES: (f64, f64) = (0.15, 0.8);

/// How much the share grows with each mean time above the mean.
const LATE_GROWTH: f64 = 0.5;

/// The share of its time so far that a task of a stage of which none has ended still takes.
const UNSEEN_SHARE: f64 = 0.8;

/// The share of a task's time between the first and the last end of those that run at last.
const TAIL_SHARE: f64 = 0.3;

/// A task is slow when it takes this many times the mean.
const SLOW: f64 = 1.5;

/// A stage whose slowest task takes this many times the mean is skewed.
const SKEWED: f64 = 2.0;

/// What skew adds to the width of a range.
const SKEWED_WIDTH: f64 = 0.3;

/// The bytes that a stage makes of those that it reads, while none of its tasks has ended.
const OUTPUT_SHARE: f64 = 0.5;

/// A range wider than this, as the logarithm of its ends' distance from the middle, is unknown.
const WIDTH_MAX: f64 = 1.1;

/// The least width of a range, as a logarithm.
const WIDTH_MIN: f64 = 0.18;

/// The parts of the width below and above the estimate: what comes in between takes time, and
/// nothing gives time back.
const BELOW: f64 = 0.75;
const ABOVE: f64 = 1.1;

/// Earlier estimates of a job that are compared with the present one.
const ESTIMATES_KEPT: usize = 12;

/// An estimate is remembered when the time since the job's start has grown by this factor.
const ESTIMATES_APART: f64 = 1.15;

/// Work of a kind of stage: time on slots, bytes that were read, tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    work_us: f64,
    bytes: f64,
    tasks: f64,
    /// The time of the slowest task by the mean.
    skew: f64,
}

impl Cost {
    fn add(&mut self, other: &Cost) {
        self.work_us += other.work_us;
        self.bytes += other.bytes;
        self.tasks += other.tasks;
        self.skew = if self.skew > 0.0 { (self.skew + other.skew) / 2.0 } else { other.skew };
    }

    /// Later stages count more than earlier ones.
    fn fade(&mut self) {
        const KEPT: f64 = 0.7;
        (self.work_us, self.bytes, self.tasks) =
            (self.work_us * KEPT, self.bytes * KEPT, self.tasks * KEPT);
    }

    /// The work of this many tasks that read these bytes.
    fn work_us(&self, bytes: f64, tasks: f64) -> Option<f64> {
        if bytes > 0.0 && self.bytes > 0.0 {
            return Some(self.work_us / self.bytes * bytes);
        }
        (self.tasks > 0.0).then(|| self.work_us / self.tasks * tasks)
    }
}

/// What stages cost, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    by_name: BTreeMap<String, Cost>,
    readers: Cost,
}

impl Costs {
    fn learn(&mut self, name: &str, cost: &Cost) {
        if cost.bytes > 0.0 {
            self.readers.fade();
            self.readers.add(cost);
        }
        let key = without_numbers(name);
        if self.by_name.len() < NAMES_MAX || self.by_name.contains_key(&key) {
            let known = self.by_name.entry(key).or_default();
            known.fade();
            known.add(cost);
        }
    }
}

/// What is still to be done of a stage.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    /// Time on slots.
    work_us: f64,
    /// Tasks that have not ended.
    tasks: f64,
    /// The time of one task.
    task_us: f64,
    /// Tasks that have not started.
    fresh: f64,
    /// The longest that a running task still takes.
    longest_us: f64,
    /// The time that the slowest of the tasks that have not started takes.
    slowest_us: f64,
    /// How far it may be off, as a logarithm.
    width: f64,
    has_begun: bool,
}

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

    fn mean_us(&self) -> Option<f64> {
        let done = self.seen.time_us.count();
        let busy_us = self.counters.busy_us as f64;
        (done > 0 && self.counters.tasks.done > 0)
            .then(|| (busy_us / done.max(self.counters.tasks.done) as f64).max(TASK_US_MIN))
    }
}

impl JobRecord {
    /// The bytes that a stage reads in all, once its inputs are complete.
    fn read_bytes(&self, index: usize, made: &[f64]) -> f64 {
        self.stages[index].inputs.iter().filter_map(|input| made.get(input.stage as usize)).sum()
    }

    /// The bytes that each stage will have made.
    fn made_bytes(&self) -> Vec<f64> {
        let mut made = Vec::with_capacity(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let (done, all) = (stage.counters.tasks.done as f64, f64::from(stage.size));
            made.push(if done > 0.0 {
                (stage.counters.bytes.max(stage.counters.held_bytes)) as f64 * all / done
            } else {
                self.read_bytes(index, &made) * OUTPUT_SHARE
            });
        }
        made
    }

    /// What its stages have made and cost so far.
    fn seen(&self) -> Seen {
        let mut seen = Seen { made: self.made_bytes(), ..Seen::default() };
        for (index, stage) in self.stages.iter().enumerate() {
            if stage.mean_us().is_none() {
                continue;
            }
            let (tasks, work_us) =
                (stage.counters.tasks.done as f64, stage.counters.busy_us as f64);
            let bytes = self.read_bytes(index, &seen.made) * tasks / f64::from(stage.size.max(1));
            if stage.inputs.is_empty() {
                seen.sources.add(&Cost { work_us, bytes: 0.0, tasks, skew: 0.0 });
            } else if bytes > 0.0 {
                seen.readers.add(&Cost { work_us, bytes, tasks, skew: 0.0 });
            }
        }
        seen
    }

    /// The work of a stage of which no task has finished, and how far that may be off.
    fn unseen(&self, index: usize, seen: &Seen, costs: &Costs) -> Option<(f64, f64)> {
        let stage = &self.stages[index];
        let (bytes, tasks) = (self.read_bytes(index, &seen.made), f64::from(stage.size));
        let by_name = costs.by_name.get(&without_numbers(&stage.name));
        if let Some(work_us) = by_name.and_then(|cost| cost.work_us(bytes, tasks)) {
            return Some((work_us, 0.5));
        }
        if stage.inputs.is_empty() {
            return seen.sources.work_us(0.0, tasks).map(|work_us| (work_us, 1.0));
        }
        let per_byte = |cost: &Cost| (cost.bytes > 0.0).then(|| cost.work_us / cost.bytes);
        let (us_per_byte, width) = per_byte(&seen.readers)
            .map(|cost| (cost, 0.8))
            .or_else(|| per_byte(&costs.readers).map(|cost| (cost, 0.9)))
            .unwrap_or((PRIOR_US_PER_BYTE, 1.2));
        Some((bytes * us_per_byte, width))
    }

    fn rest(
        &self,
        index: usize,
        seen: &Seen,
        costs: &Costs,
        on_slots: &HashMap<StageId, Vec<u64>>,
    ) -> Option<Rest> {
        let stage = &self.stages[index];
        let tasks = stage.left() as f64;
        if tasks == 0.0 {
            return Some(Rest::default());
        }
        let running = on_slots.get(&stage.counters.stage).map_or(&[][..], Vec::as_slice);
        let elapsed = || running.iter().map(|us| *us as f64);
        let (task_us, width) = match stage.mean_us() {
            Some(mean_us) => {
                let done = stage.counters.tasks.done.max(1) as f64;
                (mean_us, 0.1 + 0.35 / done.sqrt())
            }
            None => {
                let (work_us, width) = self.unseen(index, seen, costs)?;
                let mean = (work_us / f64::from(stage.size.max(1))).max(TASK_US_MIN);
                let longest = elapsed().fold(0.0, f64::max);
                (mean.max(longest * (1.0 + UNSEEN_SHARE)), width)
            }
        };
        // Tasks that are late have not ended yet, and so are missing in the mean.
        let late = || elapsed().filter(|us| *us > task_us);
        let mean_us = task_us;
        let late_rest =
            |us: f64| us * ((us / mean_us - 1.0) * LATE_GROWTH).clamp(LATE_SHARES.0, LATE_SHARES.1);
        let (late_count, late_us) =
            (late().count() as f64, late().map(|us| us + late_rest(us)).sum::<f64>());
        let done = (stage.counters.tasks.done as f64).max(1.0);
        let task_us = (mean_us * done + late_us) / (done + late_count);
        let rest_of = |us: f64| if us > mean_us { late_rest(us) } else { mean_us - us };
        let rests = || elapsed().map(rest_of);
        let fresh = (tasks - running.len() as f64).max(0.0);
        let known = costs.by_name.get(&without_numbers(&stage.name)).map_or(0.0, |cost| cost.skew);
        let skew = known.max(stage.seen.time_us.quartiles().max as f64 / mean_us);
        // Where tasks were slow before, one that is late is likely to be as slow.
        let as_slow = |us: f64| {
            let is_slow = skew > SKEWED && us > mean_us * SLOW;
            if is_slow { skew * mean_us - us } else { 0.0 }
        };
        let longest_us = elapsed().map(|us| rest_of(us).max(as_slow(us))).fold(0.0, f64::max);
        // Of N tasks, one is likely to take as long as the longest of N that ended.
        let slowest_us = match stage.mean_us() {
            Some(_) if fresh > 0.0 => stage.seen.time_us.quantile(fresh as u64, fresh as u64 + 1),
            _ => 0,
        };
        Some(Rest {
            work_us: rests().sum::<f64>() + fresh * task_us,
            tasks,
            task_us: task_us.min(mean_us * 2.0),
            fresh,
            longest_us,
            slowest_us: match stage.mean_us() {
                None if skew > SKEWED => mean_us * skew,
                _ => slowest_us as f64,
            },
            width: if skew > SKEWED { width + SKEWED_WIDTH } else { width },
            has_begun: stage.counters.tasks.done > 0 || !running.is_empty(),
        })
    }

    /// Estimates the time that the job and each of its stages still take on this many slots. The
    /// stages that have begun get a range of their own.
    fn estimate(
        &mut self,
        now_us: u64,
        slots: f64,
        costs: &Costs,
        on_slots: &HashMap<StageId, Vec<u64>>,
    ) -> Vec<u32> {
        let times = self.stages.iter().map(|stage| stage.seen.time_us.quartiles().max).max();
        let patience_us = PAUSE_US_MIN.max(times.unwrap_or(0).saturating_mul(PAUSE_TASKS));
        let moves = self.row.state == JobState::Running
            && now_us.saturating_sub(self.moved_us) <= patience_us
            && self.stages.iter().any(|stage| stage.counters.tasks.running > 0)
            && self.stages.iter().any(|stage| stage.mean_us().is_some());
        let rests = || {
            let seen = self.seen();
            let rest = |index| self.rest(index, &seen, costs, on_slots);
            (0..self.stages.len()).map(rest).collect::<Option<Vec<Rest>>>()
        };
        let Some(rests) = moves.then(rests).flatten() else {
            self.estimates.left = None;
            return self.set_lefts(|_| None);
        };
        let (mut ends, mut clock_us, mut weighed, mut sum) = (Vec::new(), 0.0_f64, 0.0, 0.0);
        let mut lefts = Vec::with_capacity(rests.len());
        for (stage, rest) in self.stages.iter().zip(&rests) {
            let inputs = stage.inputs.iter().filter_map(|input| ends.get(input.stage as usize));
            let ready_us: f64 = inputs.copied().fold(0.0, f64::max);
            if rest.tasks == 0.0 {
                ends.push(ready_us.min(0.0));
                lefts.push(None);
                continue;
            }
            let begin_us = ready_us.max(clock_us);
            let wide = slots.min(rest.tasks).max(1.0);
            // The last tasks do not end together.
            let alone_us = if rest.fresh == 0.0 {
                rest.longest_us
            } else {
                let tail_us = rest.task_us * TAIL_SHARE * (wide - 1.0) / wide;
                // A slow task starts somewhere in the middle of the others.
                let slowest_us = rest.work_us / wide * 0.5 + rest.slowest_us;
                (rest.work_us / wide + tail_us).max(rest.longest_us).max(slowest_us)
            };
            clock_us = begin_us + rest.work_us / slots;
            ends.push(begin_us + alone_us);
            weighed += alone_us * rest.width;
            sum += alone_us;
            lefts
                .push(rest.has_begun.then(|| range(alone_us, rest.width.max(WIDTH_MIN))).flatten());
        }
        let left_us = ends.iter().copied().fold(0.0, f64::max);
        let drift = self.estimates.drift(now_us, left_us);
        let width = (WIDTH_MIN + drift.abs() * 0.5 + if sum > 0.0 { weighed / sum } else { 0.0 })
            .max(WIDTH_MIN);
        self.estimates.left = range(left_us, width);
        let began_us = self.row.started_ms.unwrap_or(self.row.submitted_ms) * 1000;
        self.estimates.keep(began_us, now_us, left_us);
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
    fn learn(&mut self, costs: &mut Costs) {
        let made = self.made_bytes();
        for index in 0..self.stages.len() {
            let bytes = self.read_bytes(index, &made);
            let stage = &mut self.stages[index];
            let tasks = stage.counters.tasks.done;
            let Some(mean_us) = stage.mean_us().filter(|_| !stage.is_learnt && stage.left() == 0)
            else {
                continue;
            };
            stage.is_learnt = true;
            let work_us = stage.counters.busy_us as f64;
            let skew = stage.seen.time_us.quartiles().max as f64 / mean_us;
            costs.learn(&stage.name, &Cost { work_us, bytes, tasks: tasks as f64, skew });
        }
    }
}

/// A range around a middle; nothing if it is too wide to be of use.
fn range(middle_us: f64, width: f64) -> Option<Left> {
    (width <= WIDTH_MAX).then(|| Left {
        low_ms: round_ms(middle_us * (-width * BELOW).exp() / 1000.0),
        high_ms: round_ms(middle_us * (width * ABOVE).exp() / 1000.0),
    })
}

/// A time as it is read: two digits of it.
fn round_ms(ms: f64) -> u64 {
    const STEPS: [u64; 10] =
        [1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000];
    let ms = ms.max(0.0) as u64;
    // The coarsest step of which there are ten or more.
    let step = STEPS.iter().rev().find(|step| ms >= 10 * **step).copied().unwrap_or(1_000);
    (ms + step / 2) / step * step
}

impl Model {
    /// Estimates again how long jobs take.
    pub(super) fn estimate(&mut self) {
        let now_us = self.now_us;
        let mut on_slots: HashMap<StageId, Vec<u64>> = HashMap::new();
        for record in self.worker_records.values() {
            let passed_us = now_us.saturating_sub(record.measured_us);
            for on in &record.on_slots {
                let elapsed_us = on.since_us.saturating_add(passed_us);
                on_slots.entry(on.task.stage).or_default().push(elapsed_us);
            }
        }
        let is_up = |state| state == partita_shared::model::WorkerState::Up;
        let up = self.workers.iter().filter(|(_, row)| is_up(row.state));
        let slots: f64 = up.map(|(_, row)| f64::from(row.slots)).sum();
        let wants = |record: &JobRecord| {
            let tasks = &record.row.tasks;
            let is_live = is_under_way(record.row.state);
            if is_live { (tasks.ready + tasks.running) as f64 } else { 0.0 }
        };
        let wanted: Vec<(JobId, f64)> =
            self.job_records.iter().map(|(id, record)| (*id, wants(record))).collect();
        let shares = shares(&wanted, slots);
        let mut changed: Vec<(JobId, Vec<u32>)> = Vec::new();
        for (id, record) in &mut self.job_records {
            if record.row.state.is_final() {
                continue;
            }
            record.learn(&mut self.costs);
            let share = shares.get(id).copied().unwrap_or(slots).max(1.0);
            let stages = record.estimate(now_us, share, &self.costs, &on_slots);
            if !stages.is_empty() {
                changed.push((*id, stages));
            }
        }
        for (id, stages) in changed {
            if let Some(record) = self.job_records.get_mut(&id) {
                stages.into_iter().for_each(|stage| record.touch(stage));
            }
            self.touch_job(id);
        }
    }

    /// A job is over: what its stages cost is of use for others.
    pub(super) fn learn_from(&mut self, id: JobId) {
        if let Some(record) = self.job_records.get_mut(&id) {
            record.learn(&mut self.costs);
        }
    }

    /// The time that each job that runs still takes, the latest first.
    pub(super) fn jobs_left(&self) -> Vec<(JobId, Left)> {
        let live =
            self.job_records.iter().rev().filter(|(_, record)| is_under_way(record.row.state));
        let known = live.filter_map(|(id, record)| Some((*id, record.estimates.left?)));
        known.take(JOBS_LEFT_MAX).collect()
    }

    /// Time until the last of the jobs is done. Unknown as long as that of one that runs is.
    pub(super) fn left(&self) -> Option<Left> {
        let mut all: Option<Left> = None;
        for record in self.job_records.values() {
            if record.row.state != JobState::Running {
                continue;
            }
            let left = record.estimates.left?;
            let sum = all.get_or_insert(left);
            sum.low_ms = sum.low_ms.max(left.low_ms);
            sum.high_ms = sum.high_ms.max(left.high_ms);
        }
        all
    }
}

/// The slots of each job that can use some: equal shares, and what one cannot use is the others'.
fn shares(wanted: &[(JobId, f64)], slots: f64) -> HashMap<JobId, f64> {
    let mut order: Vec<(JobId, f64)> =
        wanted.iter().copied().filter(|(_, wanted)| *wanted > 0.0).collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (mut free, mut jobs, mut shares) = (slots, order.len() as f64, HashMap::new());
    for (id, wanted) in order {
        let fair = free / jobs;
        let share = wanted.min(fair);
        // Its later stages may be wider than what it can use at this moment.
        shares.insert(id, fair);
        (free, jobs) = (free - share, jobs - 1.0);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job that can use fewer slots than its share leaves the rest to the others.
    #[test]
    fn shares_are_fair() {
        let shares = shares(&[(JobId(1), 2.0), (JobId(2), 100.0), (JobId(3), 100.0)], 12.0);
        assert_eq!((shares[&JobId(2)], shares[&JobId(3)]), (5.0, 5.0));
    }

    /// Times are rounded to what is read of them: no finer than a second, and to about a tenth.
    #[test]
    fn times_are_rounded() {
        let rounded = [0.0, 1_400.0, 61_000.0, 754_321.0, 4_000_000.0].map(round_ms);
        assert_eq!(rounded, [0, 1_000, 60_000, 780_000, 3_900_000]);
    }

    /// A range that is too wide to be of use is unknown.
    #[test]
    fn wide_ranges_are_unknown() {
        assert_eq!(range(10_000_000.0, WIDTH_MAX + 0.1), None);
        let left = range(100_000_000.0, 0.5).expect("known");
        assert!(left.low_ms < 100_000 && left.high_ms > 100_000);
    }
}
