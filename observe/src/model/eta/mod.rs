//! How long jobs still take, as a range.
//!
//! Every figure of this kind is made here. The rest of a job is its stages one after the other on the
//! slots that it has. What the tasks of a stage take is a distribution ([`shape`]): of those that
//! ended, of those that run and are not over yet, and of what stages of that name, or the bytes that
//! are read, cost before ([`costs`]). Workers have a pace ([`pace`]). The range is where the end of
//! all tasks is likely to be. One that is too wide to be of use is not shown.

mod costs;
mod job;
mod pace;
mod shape;

use super::{JobRecord, Model, StageRecord};
use crate::view::{JOBS_LEFT_MAX, Left, is_under_way};
pub(crate) use costs::Costs;
pub(crate) use job::Estimates;
pub(crate) use pace::Pace;
use partita_shared::ids::{JobId, StageId, WorkerId};
use partita_shared::model::{JobState, WorkerState};
use shape::{Running, Told};
use std::collections::{BTreeMap, HashMap};

/// Running tasks whose times differ by less than this factor's logarithm are estimated as one.
const ELAPSED_STEP: f64 = 0.06;
/// A task that has read less than this says nothing by it, in thousandths.
const READ_MILLI_MIN: u16 = 30;
/// One that has read all, in thousandths.
const READ_MILLI_ALL: f64 = 1_000.0;
/// Running tasks are estimated as one whose times by what they have read differ by less, as a logarithm, and that have
/// read about the same part, in this number of steps.
const READ_STEP: f64 = 0.08;
const READ_STEPS: f64 = 16.0;
/// Workers whose paces differ by less are estimated as one, as a logarithm.
const PACE_STEP: f64 = 0.1;

/// A range wider than this, as the logarithm of its ends' distance from the middle, is unknown.
const WIDTH_MAX: f64 = 1.0;

/// A range around a middle; nothing if it is too wide to be of use.
fn range(middle_us: f64, width: f64) -> Option<Left> {
    (width <= WIDTH_MAX).then(|| Left {
        low_ms: round_ms(middle_us * (-width).exp() / 1000.0),
        high_ms: round_ms(middle_us * width.exp() / 1000.0),
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

/// What running tasks have in common that are estimated as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    /// The logarithm of the time for which they have run, at the pace of an ordinary worker, in steps.
    elapsed: i32,
    /// The logarithm of their worker's slowness, in steps.
    pace: i32,
    /// The logarithm of the time in which they read all, and the part that they have read, in steps.
    read: Option<(i32, i32)>,
}

/// What runs, by stage, and the slots of the cluster, by the slowness of their workers.
struct Slots {
    running: HashMap<StageId, Vec<Running>>,
    by_slowness: Vec<(f64, f64)>,
    count: f64,
}

impl Slots {
    /// Whether some running task of a stage says how much it has read.
    fn are_told(&self, stage: &StageRecord) -> bool {
        let running = self.running.get(&stage.counters.stage);
        running.is_some_and(|tasks| tasks.iter().any(|task| task.told.is_some()))
    }
}

impl Model {
    /// What runs now, and how fast.
    fn slots(&self) -> Slots {
        let mut running: HashMap<StageId, BTreeMap<Alike, f64>> = HashMap::new();
        let mut paces: BTreeMap<WorkerId, i32> = BTreeMap::new();
        for (id, record) in &self.worker_records {
            let passed_us = self.now_us.saturating_sub(record.measured_us);
            let elapsed = |since_us: u64| since_us.saturating_add(passed_us);
            let mut pace = record.pace;
            for on in &record.on_slots {
                let stage = self.job_records.get(&on.task.stage.job);
                let stage = stage.and_then(|job| job.stages.get(on.task.stage.index as usize));
                if let Some(stage) = stage {
                    pace = pace.with_running(stage, elapsed(on.since_us));
                }
            }
            let step = (pace.slowness().ln() / PACE_STEP).round();
            paces.insert(*id, step as i32);
            for on in &record.on_slots {
                let paced = (elapsed(on.since_us) as f64 / (step * PACE_STEP).exp()).max(1.0);
                let read = on.read_milli.filter(|milli| *milli >= READ_MILLI_MIN);
                let alike = Alike {
                    elapsed: (paced.ln() / ELAPSED_STEP).round() as i32,
                    pace: step as i32,
                    read: read.map(|milli| {
                        // What it had read is known of the moment in which the worker told it.
                        let part = f64::from(milli) / READ_MILLI_ALL;
                        let told_us = (on.since_us as f64 / (step * PACE_STEP).exp()).max(1.0);
                        let whole = ((told_us / part).ln() / READ_STEP).round() as i32;
                        (whole, (part * READ_STEPS).round() as i32)
                    }),
                };
                *running.entry(on.task.stage).or_default().entry(alike).or_default() += 1.0;
            }
        }
        let mut by_slowness: BTreeMap<i32, f64> = BTreeMap::new();
        for (id, row) in self.workers.iter().filter(|(_, row)| row.state == WorkerState::Up) {
            let step = paces.get(&id).copied().unwrap_or(0);
            *by_slowness.entry(step).or_default() += f64::from(row.slots);
        }
        let slowness = |step: i32| (f64::from(step) * PACE_STEP).exp();
        let running = running.into_iter().map(|(stage, tasks)| {
            let task = |(alike, count): (Alike, f64)| Running {
                elapsed_us: (f64::from(alike.elapsed) * ELAPSED_STEP).exp(),
                slowness: slowness(alike.pace),
                count,
                told: alike.read.map(|(whole, part)| {
                    let part = (f64::from(part) / READ_STEPS).max(1.0 / READ_STEPS);
                    Told::by_reading((f64::from(whole) * READ_STEP).exp() * part, part)
                }),
            };
            (stage, tasks.into_iter().map(task).collect())
        });
        Slots {
            running: running.collect(),
            count: by_slowness.values().sum(),
            by_slowness: by_slowness
                .into_iter()
                .map(|(step, slots)| (slowness(step), slots))
                .collect(),
        }
    }

    /// Estimates again how long jobs take.
    pub(super) fn estimate(&mut self) {
        let (now_us, slots) = (self.now_us, self.slots());
        let wants = |record: &JobRecord| {
            let tasks = &record.row.tasks;
            let is_live = is_under_way(record.row.state);
            if is_live { (tasks.ready + tasks.running) as f64 } else { 0.0 }
        };
        let wanted: Vec<(JobId, f64)> =
            self.job_records.iter().map(|(id, record)| (*id, wants(record))).collect();
        let work = |(id, _): &(JobId, f64)| {
            Some((*id, self.job_records.get(id)?.estimates.work_us.filter(|us| *us > 0.0)?))
        };
        // The work of the second before: what it is divided by changes slowly.
        let works: Option<Vec<_>> =
            wanted.iter().filter(|(_, wanted)| *wanted > 0.0).map(work).collect();
        let shares = match works {
            Some(works) => mean_shares(works, slots.count),
            None => shares(&wanted, slots.count),
        };
        let mut changed: Vec<(JobId, Vec<u32>)> = Vec::new();
        for (id, record) in &mut self.job_records {
            if record.row.state.is_final() {
                continue;
            }
            record.learn(&mut self.costs);
            let share = shares.get(id).copied().unwrap_or(slots.count).max(1.0);
            let stages = record.estimate(now_us, share, &self.costs, &slots);
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

/// The slots that each job has on the mean until it ends, when jobs of this work share them evenly.
fn mean_shares(mut works: Vec<(JobId, f64)>, slots: f64) -> HashMap<JobId, f64> {
    works.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (mut jobs, mut before, mut time) = (works.len() as f64, 0.0, 0.0);
    let mut shares = HashMap::new();
    for (id, work) in works {
        time += (work - before) * jobs / slots;
        shares.insert(id, if time > 0.0 { work / time } else { slots / jobs });
        (before, jobs) = (work, jobs - 1.0);
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

    /// Jobs that share evenly have more slots on the mean the more of their work is done when others
    /// have ended.
    #[test]
    fn the_last_job_has_all_slots_in_the_end() {
        let shares = mean_shares(vec![(JobId(1), 300.0), (JobId(2), 100.0)], 10.0);
        // Both until 20, then the first has all ten until 40.
        assert_eq!((shares[&JobId(2)], shares[&JobId(1)]), (5.0, 7.5));
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
