//! What follows a batch of events: wanted partitions are recomputed, ready tasks are placed,
//! partitions migrate.

use crate::dispatch::{Runs, run_messages};
use crate::erred::{Failure, give_up_task};
use crate::event::Effect;
use crate::placement::Choice;
use crate::state::{Core, Pending, task_id};
use crate::{ending, loss, persisted, replicas, retirement, transfers};
use partita_shared::limits;
use std::ops::Bound;

impl Core {
    /// Performs the pending consequences, and those that follow from them.
    pub(crate) fn drain_pending(&mut self, effects: &mut Vec<Effect>) {
        while let Some(next) = self.pending.pop_front() {
            match next {
                Pending::End { job, state, error, .. } if self.planning.contains_key(&job) => {
                    ending::end_planning(self, job, state, error, 0, effects);
                }
                Pending::End { job, state, error, kind } => {
                    ending::end_job(self, job, state, error, kind, effects);
                }
                Pending::Release(job) => persisted::release_if_unread(self, job),
                Pending::Lose { worker, cause, has_link } => {
                    // No message may be sent to it after this one.
                    if has_link && self.workers.contains_key(&worker) {
                        effects.push(Effect::Disconnect { worker, cause: cause.clone() });
                    }
                    loss::lose_worker(self, worker, cause, effects);
                }
            }
        }
    }

    /// Has the partitions recomputed that readers of persisted results wait for.
    fn meet_demand(&mut self, effects: &mut Vec<Effect>) {
        while std::mem::take(&mut self.demand_changed) {
            persisted::demand(self, effects);
            self.drain_pending(effects);
        }
    }

    /// Tells workers which partitions to forget. Must come before a task is assigned, which may be
    /// the one that makes such a partition again.
    fn send_drops(&mut self, effects: &mut Vec<Effect>) {
        for (worker, mut tasks) in std::mem::take(&mut self.drops) {
            // Of a job that has ended, a worker is told to forget everything.
            tasks.retain(|task| self.jobs.contains_key(&task.stage.job));
            effects.extend(transfers::drop_messages(worker, &tasks));
        }
    }

    /// Assigns ready tasks to workers. To be called after every batch of events.
    pub fn place(&mut self, effects: &mut Vec<Effect>) {
        self.meet_demand(effects);
        self.send_drops(effects);
        for (job, tasks) in std::mem::take(&mut self.settled) {
            effects.push(Effect::TasksSettled { job, tasks });
        }
        let mut runs = Runs::new();
        let mut exhausted = Vec::new();
        self.sync_shares();
        let (slots, window) = (self.slots(), self.result_window());
        let full = self.full_load();
        // Workers that were skipped come before this bound. A worker that got a task moves up, so
        // that all those behind it were not examined yet.
        let mut passed = Bound::Unbounded;
        while let Some(place) = self.by_load.range((passed, Bound::Unbounded)).next().copied() {
            let (load, id) = place;
            if full.is_none_or(|full| load >= full) {
                break;
            }
            let Some(choice) = self.pick(id, slots, window) else {
                if self.by_share.is_empty() {
                    break;
                }
                passed = Bound::Excluded(place);
                continue;
            };
            if !self.assign(id, &choice, slots, &mut runs, effects) {
                exhausted.push(choice);
                break;
            }
        }
        for (worker, tasks) in runs {
            let messages = run_messages(tasks).into_iter();
            effects.extend(messages.map(|message| Effect::Send { worker, message }));
        }
        for Choice { job, stage, index, .. } in exhausted {
            let task = task_id(job, stage as u32, index);
            let tries = limits::TASK_ATTEMPTS_MAX;
            let error =
                format!("task {task} was started {tries} times without finishing; giving up");
            give_up_task(self, job, (stage, index), Failure::outside(error), effects);
        }
        self.drain_pending(effects);
        transfers::migrate(self, effects);
        replicas::keep_up(self, effects);
        transfers::drop_copies(self, effects);
        retirement::dismiss(self, effects);
    }
}
