//! What stages cost, by name: what is known of a stage of which no task has ended.

use super::shape::{OUTLIER, OUTLIER_PRIOR, OUTLIERS_PRIOR, SPREAD_PRIOR};
use crate::events::without_numbers;
use crate::spread::Spread;
use std::collections::BTreeMap;

/// Kinds of stages, by name, whose cost is remembered.
const NAMES_MAX: usize = 500;

/// What is kept of earlier costs when a stage ends: later stages count more than earlier ones.
const KEPT: f64 = 0.7;

/// Bytes that a task counts as beside those that it reads: what a task costs that reads almost nothing is its own.
const TASK_BYTES: f64 = (1 << 20) as f64;

/// Work of a kind of stage: time on ordinary slots, bytes that were read and made, tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) work_us: f64,
    pub(super) bytes: f64,
    made: f64,
    pub(super) tasks: f64,
    /// Outliers among the tasks, and the sum of the logarithms of their times by the median.
    outliers: f64,
    outliers_ln: f64,
    /// The sum of the logistic spreads, by task.
    spreads: f64,
}

impl Cost {
    /// The cost of tasks that ended, read these bytes, and made those.
    pub(super) fn new(times: &Spread, tasks: f64, bytes: f64, made: f64) -> Self {
        let quartiles = times.quartiles();
        let (median, count) = (quartiles.median.max(1) as f64, times.count() as f64);
        let mut cost = Cost { bytes, made, tasks, ..Cost::default() };
        for (us, times) in times.bins() {
            let (us, times) = (us as f64, times as f64);
            cost.work_us += us * times;
            if us > median * OUTLIER {
                cost.outliers += times;
                cost.outliers_ln += times * (us / median).ln();
            }
        }
        // A task that was recomputed ended more than once.
        cost.work_us *= tasks / count.max(1.0);
        let ratio = quartiles.q3.max(1) as f64 / quartiles.q1.max(1) as f64;
        cost.spreads = tasks * ratio.ln() / (2.0 * 3.0_f64.ln());
        cost
    }

    pub(super) fn add(&mut self, other: &Cost) {
        self.work_us += other.work_us;
        self.bytes += other.bytes;
        self.made += other.made;
        self.tasks += other.tasks;
        self.outliers += other.outliers;
        self.outliers_ln += other.outliers_ln;
        self.spreads += other.spreads;
    }

    fn fade(&mut self) {
        self.work_us *= KEPT;
        self.bytes *= KEPT;
        self.made *= KEPT;
        self.tasks *= KEPT;
        self.outliers *= KEPT;
        self.outliers_ln *= KEPT;
        self.spreads *= KEPT;
    }

    /// The work of this many tasks that read these bytes.
    pub(super) fn work_us(&self, bytes: f64, tasks: f64) -> Option<f64> {
        if bytes > 0.0 && self.bytes > 0.0 {
            return Some(self.us_per_byte()? * (bytes + tasks * TASK_BYTES));
        }
        (self.tasks > 0.0).then(|| self.work_us / self.tasks * tasks)
    }

    /// The cost of a byte, of those that tasks read or count as.
    fn us_per_byte(&self) -> Option<f64> {
        let bytes = self.bytes + self.tasks * TASK_BYTES;
        (self.bytes > 0.0 && bytes > 0.0).then(|| self.work_us / bytes)
    }

    /// The bytes that this many tasks make of these.
    pub(super) fn made_bytes(&self, bytes: f64, tasks: f64) -> Option<f64> {
        if bytes > 0.0 && self.bytes > 0.0 {
            return Some(self.made / self.bytes * bytes);
        }
        (self.tasks > 0.0).then(|| self.made / self.tasks * tasks)
    }
}

/// What stages cost, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    by_name: BTreeMap<String, Cost>,
    pub(super) readers: Cost,
    all: Cost,
}

/// How the times of a stage's tasks are likely to differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variety {
    pub(super) spread: f64,
    pub(super) outliers: f64,
    pub(super) ratio: f64,
}

impl Costs {
    /// A stage of one task ends what others began: it is another kind than those of its name with more.
    fn key(name: &str, size: u32) -> String {
        let mut key = without_numbers(name);
        if size == 1 {
            key.push_str(" (one task)");
        }
        key
    }

    pub(super) fn learn(&mut self, name: &str, size: u32, cost: &Cost) {
        if cost.bytes > 0.0 {
            self.readers.fade();
            self.readers.add(cost);
        }
        self.all.fade();
        self.all.add(cost);
        let key = Self::key(name, size);
        if self.by_name.len() < NAMES_MAX || self.by_name.contains_key(&key) {
            let known = self.by_name.entry(key).or_default();
            known.fade();
            known.add(cost);
        }
    }

    pub(super) fn of(&self, name: &str, size: u32) -> Option<&Cost> {
        self.by_name.get(&Self::key(name, size))
    }

    /// How times differ in stages of this name, or in all while none has ended.
    pub(super) fn variety(&self, name: &str, size: u32) -> Variety {
        const WEIGHT: f64 = 10.0;
        let mut variety =
            Variety { spread: SPREAD_PRIOR, outliers: OUTLIERS_PRIOR.0, ratio: OUTLIER_PRIOR };
        for cost in [Some(&self.all), self.of(name, size)].into_iter().flatten() {
            let mix = |sum: f64, before: f64| (sum + WEIGHT * before) / (cost.tasks + WEIGHT);
            variety.spread = mix(cost.spreads, variety.spread);
            variety.outliers = mix(cost.outliers, variety.outliers);
            let ratio = (cost.outliers_ln + variety.ratio.ln()) / (cost.outliers + 1.0);
            variety.ratio = ratio.exp();
        }
        variety
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(us: u64, tasks: u64, bytes: f64, made: f64) -> Cost {
        let mut times = Spread::default();
        (0..tasks).for_each(|_| times.add(us));
        Cost::new(&times, tasks as f64, bytes, made)
    }

    /// A stage that reads almost nothing does not make bytes dear.
    #[test]
    fn a_task_has_a_cost_of_its_own() {
        let mut costs = Costs::default();
        costs.learn("aggregate", 1, &cost(10_000, 1, 500.0, 100.0));
        let work = costs.of("aggregate", 1).and_then(|known| known.work_us(100e6, 1.0)).unwrap();
        assert!(work < 2e6, "{work}");
    }

    /// Stages of one name with one task, and with more, are apart.
    #[test]
    fn single_tasks_are_a_kind() {
        let mut costs = Costs::default();
        costs.learn("aggregate", 8, &cost(1_000_000, 8, 1e9, 1e6));
        assert!(costs.of("aggregate", 1).is_none());
        let known = costs.of("aggregate", 4).unwrap();
        assert_eq!(known.made_bytes(1e8, 4.0), Some(1e5));
    }
}
