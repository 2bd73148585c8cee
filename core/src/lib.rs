//! The scheduler's state machine.
//!
//! [`Core::handle`] takes one event and appends the effects that follow from it; [`Core::place`]
//! assigns ready tasks to workers after a batch of events. Nothing here reads a clock, draws an
//! unseeded number, opens a socket, starts a thread or waits: time is an argument, effects are
//! data, and the same events give the same effects, byte for byte. That is what lets the simulation
//! in `tests/` drive it with hundreds of virtual workers.
//!
//! What must never happen: an event about an attempt that is not the current one changes
//! anything; a task runs while an input of it is missing; a partition is dropped while a task or
//! a client still wants it; a queue grows with anything but the tasks that exist.

mod delivery;
mod dispatch;
mod eligibility;
mod ending;
mod erred;
mod event;
mod exchange;
mod graph;
mod growth;
mod handlers;
mod invariants;
mod loss;
mod mirror;
mod order;
mod partition;
mod persisted;
mod placement;
mod rebalance;
mod release;
mod replicas;
mod requirements;
mod retirement;
mod rows;
mod state;
mod submission;
mod telemetry;
mod transfers;
mod turn;
mod values;
mod view;
mod why;

use handlers::{
    jobs, open, persisted as on_persisted, planning, replicas as on_replicas, tasks, tick,
    transfers as on_transfers, workers,
};
use partita_shared::model::JobState;

pub use event::{
    Arguments, Effect, Event, Growth, JobSpec, Order, Origin, PlanningEnd, Requirement,
    SettledTask, StageGrowth, StageSpec, StatementSpec, TaskError, TaskRange, Time,
};
pub use state::{Core, Options};

impl Core {
    /// Handles one event at the time `now` and appends the resulting effects to `effects`.
    ///
    /// Ready tasks are assigned by [`Core::place`], which the caller runs after a batch of events.
    pub fn handle(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        match event {
            Event::WorkerJoined { request, registration } => {
                workers::on_joined(self, request, *registration, effects);
            }
            Event::AllocationEnds { slurm_job, at } => {
                workers::on_allocation_ends(self, slurm_job, at);
            }
            Event::WorkerLeaving { worker, reason } => {
                workers::on_leaving(self, worker, reason, effects);
            }
            Event::WorkerLost { worker, cause } => {
                self.lose_worker(worker, cause);
            }
            Event::ProcessDied { host, pid, cause } => {
                workers::on_process_died(self, &host, pid, cause);
            }
            Event::Heartbeat { worker, metrics, on_slots } => {
                workers::on_heartbeat(self, worker, metrics, on_slots);
            }
            Event::Reports { worker, reports } => {
                tasks::on_reports(self, worker, reports, effects);
            }
            Event::Recalled { worker, attempts } => {
                tasks::on_recalled(self, worker, &attempts, effects);
            }
            Event::SlotChanged { worker, task, attempt, has_slot } => {
                tasks::on_slot_changed(self, worker, (task, attempt), has_slot);
            }
            Event::Migrated { worker, task, attempt, error } => {
                on_transfers::on_migrated(self, worker, task, attempt, error);
            }
            Event::PlanningBegun { request, spec } => {
                planning::on_begun(self, request, *spec, effects);
            }
            Event::PlanningEnded { job, end } => planning::on_ended(self, job, end, effects),
            Event::JobSubmitted { request, planned, spec } => {
                if submission::needs_room(self, &spec) {
                    persisted::cut_lineage(self, &spec.owner);
                    self.drain_pending(effects);
                }
                jobs::on_submitted(self, request, planned, *spec, effects);
            }
            Event::JobGrown { request, job, growth } => {
                open::on_grown(self, request, job, *growth, effects);
            }
            Event::WantChanged { job, tasks, wanted } => {
                open::on_want_changed(self, job, &tasks, wanted, effects);
            }
            Event::TasksCancelled { job, tasks, reason } => {
                open::on_cancelled(self, job, &tasks, &reason, effects);
            }
            Event::TasksRetried { job, tasks } => open::on_retried(self, job, &tasks, effects),
            Event::JobClosed { job } => open::on_closed(self, job),
            Event::ReplicasRequested { request, tasks, workers, count, readers_max } => {
                let asked =
                    on_replicas::ask_for_replicas(self, &tasks, &workers, count, readers_max);
                effects.push(on_replicas::answer(request, asked));
            }
            Event::RebalanceRequested { request, tasks, workers } => {
                let asked = on_replicas::ask_to_rebalance(self, &tasks, &workers);
                effects.push(on_replicas::answer(request, asked));
            }
            Event::JobCancelled { job, reason } => self.end_job(job, JobState::Cancelled, reason),
            Event::JobReleased { job } => on_persisted::on_released(self, job),
            Event::Stored { worker, task, rows, bytes } => {
                on_persisted::on_stored(self, worker, task, rows, bytes, effects);
            }
            Event::Delivered { job, index, rows } => {
                jobs::on_delivered(self, job, index, rows, effects);
            }
            Event::DeliveryBroken { job, error } => self.fail_job(job, error, None),
            Event::Unreadable { task, worker } => tasks::on_unreadable(self, task, worker, effects),
            Event::Tick => tick::on_tick(self, effects),
        }
        self.drain_pending(effects);
    }
}
