//! What time does.

use super::Model;
use super::workers::DETAIL_AGE_US_MAX;
use partita_shared::model::JobState;

impl Model {
    /// Time passed: rates, points, notices. To be called about ten times a second.
    pub fn tick(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        self.turn_second();
        self.task_rate.sample(self.now_us, self.tasks_finished);
        self.settle();
        let second = self.now_us / 1_000_000;
        if second != self.looked_s {
            self.looked_s = second;
            self.look();
        }
    }

    /// What is done once a second.
    fn look(&mut self) {
        self.estimate();
        self.settle();
        self.forget_details();
        self.show_operators();
        self.see_who_waits();
        let mut notices = std::mem::take(&mut self.notices);
        notices.look(self);
        self.notices = notices;
    }

    fn forget_details(&mut self) {
        let now_us = self.now_us;
        for record in self.worker_records.values_mut() {
            // The last words of a worker that is gone are all that there will be.
            if record.ended_ms.is_some() {
                continue;
            }
            let is_old =
                |(told_us, _): &(u64, _)| now_us.saturating_sub(*told_us) > DETAIL_AGE_US_MAX;
            if record.detail.as_ref().is_some_and(is_old) {
                record.detail = None;
            }
        }
    }

    /// A job waits while tasks of it could run and none does.
    fn see_who_waits(&mut self) {
        let now_us = self.now_us;
        for record in self.job_records.values_mut() {
            let row = &record.row;
            let could_run = row.tasks.ready > 0 || row.state == JobState::Queued;
            let waits = !row.state.is_final() && row.tasks.running == 0 && could_run;
            record.waits_since_us =
                waits.then(|| record.waits_since_us.unwrap_or(record.moved_us.min(now_us)));
        }
    }
}
