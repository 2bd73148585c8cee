//! What follows a batch of events: what is wanted is made again, ready tasks are placed, partitions migrate.

use crate::dispatch::Runs;
use crate::event::Effect;
use crate::handlers::{jobs, workers};
use crate::state::{Core, task_id};
use crate::{persisted, replicas, transfers};
use partita_shared::limits;
use partita_shared::message::ToWorker;
use std::ops::Bound;

impl Core {
    /// Gives ready tasks to workers. To be called after every batch of events.
    pub fn place(&mut self, effects: &mut Vec<Effect>) {
        persisted::demand(self, effects);
        let mut runs = Runs::new();
        let mut exhausted = Vec::new();
        let (slots, window) = (self.slots(), self.result_window());
        let full = self.full_load();
        // Who was passed over stands before this. A worker that got a task moves up, so that all
        // those behind were not asked yet.
        let mut passed = Bound::Unbounded;
        while let Some(place) = self.by_load.range((passed, Bound::Unbounded)).next().copied() {
            let (load, id) = place;
            if full.is_none_or(|full| load >= full) {
                break;
            }
            let Some((job, group, index)) = self.pick(id, slots, window) else {
                if !self.jobs.values().any(|job| job.groups.iter().any(|g| g.counts.ready > 0)) {
                    break;
                }
                passed = Bound::Excluded(place);
                continue;
            };
            if !self.assign(id, job, group, index, &mut runs, effects) {
                exhausted.push((job, group, index));
                break;
            }
        }
        for (worker, tasks) in runs {
            for part in tasks.chunks(limits::TASKS_PER_MESSAGE_MAX) {
                let message = ToWorker::Run(part.to_vec());
                effects.push(Effect::Send { worker, message });
            }
        }
        for (job, group, index) in exhausted {
            let task = task_id(job, group as u32, index);
            let tries = limits::TASK_ATTEMPTS_MAX;
            let error =
                format!("task {task} was started {tries} times without an end: it is given up");
            jobs::fail(self, job, error, None, effects);
        }
        transfers::hand_over(self, effects);
        replicas::keep_up(self, effects);
        workers::dismiss(self, effects);
    }
}
