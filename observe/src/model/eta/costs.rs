//! What stages cost, by name: what is known of a stage of which no task has ended.

use super::shape::{OUTLIER, OUTLIER_PRIOR, OUTLIERS_PRIOR, SPREAD_PRIOR};
use crate::events::without_numbers;
use crate::spread::Spread;
use std::collections::BTreeMap;

/// Kinds of stages, by name, whose cost is remembered.
const NAMES_MAX: usize = 500;

/// What is kept of earlier costs when a stage ends: later stages count more than earlier ones.
const KEPT: f64 = 0.7;

/// Work of a kind of stage: time on ordinary slots, bytes that were read, tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) work_us: f64,
    pub(super) bytes: f64,
    pub(super) tasks: f64,
    /// Outliers among the tasks, and the sum of the logarithms of their times by the median.
    outliers: f64,
    outliers_ln: f64,
    /// The sum of the logistic spreads, by task.
    spreads: f64,
}

impl Cost {
    /// The cost of tasks that ended and read these bytes.
    pub(super) fn new(times: &Spread, tasks: f64, bytes: f64) -> Self {
        let quartiles = times.quartiles();
        let (median, count) = (quartiles.median.max(1) as f64, times.count() as f64);
        let mut cost = Cost { bytes, tasks, ..Cost::default() };
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
        self.tasks += other.tasks;
        self.outliers += other.outliers;
        self.outliers_ln += other.outliers_ln;
        self.spreads += other.spreads;
    }

    fn fade(&mut self) {
        self.work_us *= KEPT;
        self.bytes *= KEPT;
        self.tasks *= KEPT;
        self.outliers *= KEPT;
        self.outliers_ln *= KEPT;
        self.spreads *= KEPT;
    }

    /// The work of this many tasks that read these bytes.
    pub(super) fn work_us(&self, bytes: f64, tasks: f64) -> Option<f64> {
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
    pub(super) fn learn(&mut self, name: &str, cost: &Cost) {
        if cost.bytes > 0.0 {
            self.readers.fade();
            self.readers.add(cost);
        }
        self.all.fade();
        self.all.add(cost);
        let key = without_numbers(name);
        if self.by_name.len() < NAMES_MAX || self.by_name.contains_key(&key) {
            let known = self.by_name.entry(key).or_default();
            known.fade();
            known.add(cost);
        }
    }

    pub(super) fn of(&self, name: &str) -> Option<&Cost> {
        self.by_name.get(&without_numbers(name))
    }

    /// How times differ in stages of this name, or in all while none has ended.
    pub(super) fn variety(&self, name: &str) -> Variety {
        const WEIGHT: f64 = 10.0;
        let mut variety =
            Variety { spread: SPREAD_PRIOR, outliers: OUTLIERS_PRIOR.0, ratio: OUTLIER_PRIOR };
        for cost in [Some(&self.all), self.of(name)].into_iter().flatten() {
            let mix = |sum: f64, before: f64| (sum + WEIGHT * before) / (cost.tasks + WEIGHT);
            variety.spread = mix(cost.spreads, variety.spread);
            variety.outliers = mix(cost.outliers, variety.outliers);
            let ratio = (cost.outliers_ln + variety.ratio.ln()) / (cost.outliers + 1.0);
            variety.ratio = ratio.exp();
        }
        variety
    }
}
