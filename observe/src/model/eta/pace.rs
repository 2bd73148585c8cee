//! How fast workers are, by the times of like tasks.

use super::super::StageRecord;

/// Tasks of a stage that must have ended before its times say something of a worker.
const TASKS_MIN: u64 = 3;
/// A task tells no more than this of its worker, as a logarithm: it may be an outlier.
const STEP_MAX: f64 = 0.7;
/// Tasks that count.
const WEIGHT_MAX: f64 = 20.0;
/// Tasks that the assumption of an ordinary pace counts as.
const WEIGHT_PRIOR: f64 = 1.0;
/// The bounds of a pace, as a logarithm.
const PACE_MAX: f64 = 2.0;

/// A worker's time for a task by that of an ordinary worker, as a logarithm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    ln: f64,
    weight: f64,
}

/// The logarithm of a time by the median of the stage's tasks at an ordinary pace.
fn by_median(stage: &StageRecord, us: f64) -> Option<f64> {
    (stage.paced_us.count() >= TASKS_MIN)
        .then(|| (us.max(1.0) / stage.paced_us.quantile(1, 2).max(1) as f64).ln())
}

impl Pace {
    fn step(&mut self, by_median: f64) {
        self.weight = (self.weight + 1.0).min(WEIGHT_MAX);
        let step = (by_median - self.ln).clamp(-STEP_MAX, STEP_MAX);
        self.ln = (self.ln + step / (self.weight + WEIGHT_PRIOR)).clamp(-PACE_MAX, PACE_MAX);
    }

    /// Takes the time of a task that ended, before it counts in its stage.
    pub(crate) fn take(&mut self, stage: &StageRecord, busy_us: u64) {
        if let Some(by_median) = by_median(stage, busy_us as f64) {
            self.step(by_median);
        }
    }

    /// The pace as a running task suggests it too: one that is late tells how slow it is at least.
    pub(super) fn with_running(mut self, stage: &StageRecord, elapsed_us: u64) -> Self {
        if let Some(by_median) = by_median(stage, elapsed_us as f64)
            && by_median > self.ln
        {
            self.step(by_median);
        }
        self
    }

    /// The time that a task takes by that on an ordinary worker.
    pub(crate) fn slowness(self) -> f64 {
        self.ln.exp()
    }
}
