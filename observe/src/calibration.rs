//! How good the estimates of the time left are, measured on what was seen of jobs that ended.

use crate::event::{Observation, Seen};
use crate::model::Model;
use crate::view::{Left, is_under_way};
use partita_shared::ids::JobId;
use partita_shared::model::JobState;
use std::collections::BTreeMap;
use std::fmt;

/// Time between two samples of a journal, in microseconds.
const STEP_US: u64 = 500_000;

/// A pause in a journal that is longer than this is skipped, in microseconds.
const PAUSE_US_MAX: u64 = 3_600_000_000;

/// Samples of one job that count, evenly over its time: a long job counts no more than a short one.
const JOB_SAMPLES_MAX: usize = 40;

/// Jobs that ran for less than this are left out, in microseconds: an estimate of them is never read.
const JOB_US_MIN: u64 = 5_000_000;

/// Estimates are judged by this factor from this share of a job's time on.
const FACTOR: f64 = 1.5;
const LATE_SHARE: f64 = 1.0 / 3.0;

/// An end within this of the estimate is right, in milliseconds: times are shown in whole seconds.
const SLACK_MS: f64 = 1_000.0;

/// How good estimates were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// Jobs that ended well and ran long enough.
    pub jobs: u64,
    /// Moments of them.
    pub samples: u64,
    /// Moments with an estimate.
    pub known: u64,
    /// Moments at which the range contained what came.
    pub inside: u64,
    /// Moments at which the job ended before the range did begin, that is earlier than estimated.
    pub early: u64,
    /// Moments with an estimate in the last two thirds of the jobs.
    pub late_known: u64,
    /// Moments in the last two thirds.
    pub late_samples: u64,
    /// Moments in the last two thirds at which the middle of the range was right within a factor of
    /// 1.5.
    pub late_close: u64,
    /// The sum of the logarithms of the middle by the truth in the last two thirds, in thousandths.
    pub late_bias_milli: i64,
}

impl Calibration {
    /// Adds another measurement.
    pub fn add(&mut self, other: &Calibration) {
        self.jobs += other.jobs;
        self.samples += other.samples;
        self.known += other.known;
        self.inside += other.inside;
        self.early += other.early;
        self.late_known += other.late_known;
        self.late_samples += other.late_samples;
        self.late_close += other.late_close;
        self.late_bias_milli += other.late_bias_milli;
    }

    /// The share of estimates whose range contained the truth, in percent.
    pub fn inside_percent(&self) -> u64 {
        percent(self.inside, self.known)
    }

    /// The share of estimates in the last two thirds that were right within a factor of 1.5.
    pub fn close_percent(&self) -> u64 {
        percent(self.late_close, self.late_known)
    }

    /// The share of moments in the last two thirds at which there was an estimate, in percent.
    pub fn late_known_percent(&self) -> u64 {
        percent(self.late_known, self.late_samples)
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100).checked_div(whole).unwrap_or(0)
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs, {} samples: known {} %, in the range {} % (ended earlier {} %); last two \
             thirds: known {} %, within a factor of {FACTOR} {} %, estimate by truth {:.2}",
            self.jobs,
            self.samples,
            percent(self.known, self.samples),
            self.inside_percent(),
            percent(self.early, self.known),
            self.late_known_percent(),
            self.close_percent(),
            (self.late_bias_milli as f64 / 1000.0 / self.late_known.max(1) as f64).exp()
        )
    }
}

/// A job that is under way.
#[derive(Default)]
struct Trial {
    began_us: Option<u64>,
    estimates: Vec<(u64, Option<Left>)>,
}

/// Measures the estimates of all jobs in a journal that became done or persisted.
pub fn measure(entries: impl IntoIterator<Item = Seen>) -> Calibration {
    let (mut model, mut trials) = (Model::new(), BTreeMap::<JobId, Trial>::new());
    let (mut sum, mut next_us) = (Calibration::default(), 0_u64);
    for seen in entries {
        // Nothing happens for long only while nothing runs.
        if seen.at_us > next_us.saturating_add(PAUSE_US_MAX) {
            next_us = seen.at_us;
        }
        while next_us < seen.at_us {
            model.tick(next_us);
            sample(&model, next_us, &mut trials);
            next_us += STEP_US;
        }
        let at_us = seen.at_us;
        let ended: Vec<(JobId, JobState)> = match &seen.what {
            Observation::JobEnded { row, .. } => vec![(row.id, row.state)],
            Observation::Counters(counters) => {
                counters.jobs.iter().map(|job| (job.job, job.state)).collect()
            }
            _ => Vec::new(),
        };
        model.apply(seen);
        for (job, state) in ended.into_iter().filter(|(_, state)| !is_under_way(*state)) {
            let Some(trial) = trials.remove(&job) else { continue };
            if matches!(state, JobState::Done | JobState::Persisted) {
                sum.add(&judge(&trial, at_us));
            }
        }
    }
    sum
}

fn sample(model: &Model, at_us: u64, trials: &mut BTreeMap<JobId, Trial>) {
    let lefts: BTreeMap<JobId, Left> = model.cluster().jobs_left.into_iter().collect();
    for (id, job) in model.jobs().iter().filter(|(_, job)| job.state == JobState::Running) {
        let trial = trials.entry(id).or_default();
        trial.began_us = trial.began_us.or(job.started_ms.map(|ms| ms * 1000));
        trial.estimates.push((at_us, lefts.get(&id).copied()));
    }
}

fn judge(trial: &Trial, end_us: u64) -> Calibration {
    let mut sum = Calibration::default();
    let Some(began_us) = trial.began_us else { return sum };
    let length_us = end_us.saturating_sub(began_us);
    if length_us < JOB_US_MIN {
        return sum;
    }
    sum.jobs = 1;
    let step = trial.estimates.len().div_ceil(JOB_SAMPLES_MAX).max(1);
    for (at_us, left) in trial.estimates.iter().step_by(step) {
        let truth_ms = end_us.saturating_sub(*at_us) as f64 / 1000.0;
        let is_late = at_us.saturating_sub(began_us) as f64 >= length_us as f64 * LATE_SHARE;
        sum.samples += 1;
        sum.late_samples += u64::from(is_late);
        let Some(left) = left else { continue };
        sum.known += 1;
        let (low, high) = (left.low_ms as f64 - SLACK_MS, left.high_ms as f64 + SLACK_MS);
        sum.inside += u64::from((low..=high).contains(&truth_ms));
        sum.early += u64::from(truth_ms < low);
        if is_late {
            sum.late_known += 1;
            let middle = (left.low_ms.max(1) as f64 * left.high_ms.max(1) as f64).sqrt();
            let off = (middle - truth_ms).abs();
            sum.late_bias_milli += ((middle / truth_ms.max(500.0)).ln() * 1000.0) as i64;
            let is_close = middle <= truth_ms * FACTOR && truth_ms <= middle * FACTOR;
            sum.late_close += u64::from(is_close || off <= SLACK_MS);
        }
    }
    sum
}
