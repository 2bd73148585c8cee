//! How long it takes yet, as far as that can be known.

use super::{JobRecord, Model, StageRecord};

/// The shortest time over which a rate is believed, in microseconds.
const RATE_TIME_US_MIN: u64 = 2_000_000;

/// A stage in which no task has ended for this long moves only if its tasks take that long, in
/// milliseconds.
const PAUSE_MS_MIN: u64 = 60_000;

/// Times a long task's time, after which a stage of which none has ended does not move.
const PAUSE_TASKS: u64 = 3;

impl StageRecord {
    /// Tasks that have not ended.
    fn left(&self) -> u64 {
        let tasks = &self.counters.tasks;
        tasks.waiting + tasks.ready + tasks.running
    }

    /// Looks again how long it takes yet: from the rate at which its tasks finished in the last
    /// minute; where none did, from how long they take on the slots that it has. Says whether that
    /// is other than before.
    fn estimate(&mut self, now_us: u64) -> bool {
        let tasks = self.counters.tasks;
        let left = self.left();
        if left == 0 || (tasks.done == 0 && tasks.running == 0) {
            return self.left_ms.take().is_some();
        }
        self.rate.sample(now_us, tasks.done);
        let (grown, time_us) = self.rate.growth();
        let estimate_ms = if grown > 0 && time_us >= RATE_TIME_US_MIN {
            Some(left as f64 * time_us as f64 / grown as f64 / 1000.0)
        } else {
            self.by_waves(now_us)
        };
        let left_ms = estimate_ms.map(round_ms);
        std::mem::replace(&mut self.left_ms, left_ms) != left_ms
    }

    fn by_waves(&self, now_us: u64) -> Option<f64> {
        let running = self.counters.tasks.running;
        let times = self.seen.time_us.quartiles();
        let pause_ms = (now_us / 1000).saturating_sub(self.seen.ended_ms?);
        let patience_ms = PAUSE_MS_MIN.max(times.q3.saturating_mul(PAUSE_TASKS) / 1000);
        if running == 0 || pause_ms > patience_ms {
            return None;
        }
        Some(self.left() as f64 * times.median as f64 / running as f64 / 1000.0)
    }
}

/// A time as people want it: nobody reads milliseconds of a minute.
fn round_ms(ms: f64) -> u64 {
    let step = if ms < 10_000.0 { 100.0 } else { 1_000.0 };
    ((ms / step).ceil() * step) as u64
}

impl JobRecord {
    /// How long it takes yet: as long as the slowest of its stages that move, and then what those
    /// that have not begun take on the slots that it has now, if their tasks are like the others.
    /// `None` if nothing moves, or nothing is known yet.
    pub(crate) fn left_ms(&self) -> Option<u64> {
        let moving = self.stages.iter().filter_map(|stage| stage.left_ms).max()?;
        let (mut busy_us, mut finished, mut running, mut to_come) = (0_u64, 0_u64, 0_u64, 0_u64);
        for stage in &self.stages {
            let tasks = &stage.counters.tasks;
            busy_us = busy_us.saturating_add(stage.counters.busy_us);
            finished += tasks.done;
            running += tasks.running;
            if stage.left_ms.is_none() {
                to_come += stage.left();
            }
        }
        if to_come == 0 {
            return Some(moving);
        }
        if finished == 0 {
            return None;
        }
        let mean_ms = busy_us as f64 / finished as f64 / 1000.0;
        Some(moving + round_ms(to_come as f64 * mean_ms / running.max(1) as f64))
    }
}

impl Model {
    /// Looks again how long jobs take yet.
    pub(super) fn estimate(&mut self) {
        let now_us = self.now_us;
        let mut changed = Vec::new();
        for (id, record) in &mut self.job_records {
            if record.row.state.is_final() {
                continue;
            }
            for index in 0..record.stages.len() {
                if record.stages[index].estimate(now_us) {
                    record.touch(index as u32);
                    changed.push(*id);
                }
            }
        }
        changed.dedup();
        changed.into_iter().for_each(|id| self.touch_job(id));
    }

    /// Time until the last of the jobs that move is likely done, in milliseconds.
    pub(super) fn left_ms(&self) -> Option<u64> {
        let live = self.job_records.values().filter(|record| !record.row.state.is_final());
        live.filter_map(JobRecord::left_ms).max()
    }
}
