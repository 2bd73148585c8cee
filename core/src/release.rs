//! Partitions that no task will read any more are dropped, one by one as their last reader finishes.

use crate::event::{Effect, Origin};
use crate::exchange::{is_whole, visit_own};
use crate::state::{Core, Job, NOBODY, task_id};
use crate::telemetry;
use crate::transfers::forget_failures;
use partita_observe::event::Ending;
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::ToWorker;
use partita_shared::model::TaskState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What became superfluous in a job.
#[derive(Default)]
struct Released {
    /// Holders of partitions, once for each.
    holders: Vec<WorkerId>,
    /// Partitions of stages that are still read, and where they are held or made.
    partitions: Vec<(WorkerId, TaskId)>,
    /// Stages of which nothing is wanted any more, with the workers that hold or make a part of it.
    stages: BTreeMap<u32, BTreeSet<WorkerId>>,
    /// Attempts that make such partitions again.
    attempts: BTreeMap<WorkerId, Vec<(TaskId, Attempt)>>,
    /// Jobs whose persisted results were read.
    sources: BTreeSet<JobId>,
}

/// These tasks became done: what they were the last to read is dropped, and the tasks that make it again
/// are stopped, which may have been the last to read something else.
pub(crate) fn release_inputs(
    core: &mut Core,
    id: JobId,
    done: Vec<(usize, u32)>,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    if done.iter().all(|(stage, _)| job.stages[*stage].inputs.is_empty()) {
        return;
    }
    let mut released = Released::default();
    release_read(job, id, done, &mut released);
    perform(core, id, released, effects);
}

/// Releases these partitions of an open job, as far as nobody wants them, and what only they needed.
pub(crate) fn release_partitions(
    core: &mut Core,
    id: JobId,
    partitions: Vec<(usize, u32)>,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let (mut released, mut done) = (Released::default(), Vec::new());
    for (stage, index) in partitions {
        job.release(id, stage, index, &mut released, &mut done);
    }
    release_read(job, id, done, &mut released);
    perform(core, id, released, effects);
}

/// Releases what tasks that became done have read, and so on.
fn release_read(job: &mut Job, id: JobId, mut done: Vec<(usize, u32)>, released: &mut Released) {
    while let Some((stage, index)) = done.pop() {
        let inputs = Arc::clone(&job.stages[stage].inputs);
        for input in inputs.iter() {
            let from = input.stage as usize;
            if !is_whole(&input.exchange) {
                visit_own(input, index, |partition| {
                    job.release(id, from, partition, released, &mut done);
                });
            } else if job.stages[stage].is_done() && job.stages[from].open_readers == 0 {
                for partition in 0..job.stages[from].tasks.len() as u32 {
                    job.release(id, from, partition, released, &mut done);
                }
            }
        }
    }
}

impl Job {
    /// Releases a partition if no task has still to read it.
    fn release(
        &mut self,
        id: JobId,
        stage: usize,
        index: u32,
        released: &mut Released,
        done: &mut Vec<(usize, u32)>,
    ) {
        if self.is_wanted(stage, index) {
            return;
        }
        let at = &mut self.stages[stage];
        if let Origin::Persisted(source) = at.origin {
            released.sources.insert(source);
            return;
        }
        // The client of an open job may want other outputs of the stage.
        let is_over = !at.has_unread() && !self.spec.open;
        let (task_id, task) = (task_id(id, stage as u32, index), &mut at.tasks[index as usize]);
        let (attempt, worker) = (task.attempt, task.worker());
        match task.state {
            TaskState::Done => {
                for other in self.take_replicas((stage as u32, index)) {
                    released.holders.push(other);
                    released.partitions.push((other, task_id));
                }
                released.holders.extend(self.drop_partition(stage, index));
            }
            TaskState::Running => {
                task.worker = NOBODY;
                if let Some(worker) = worker {
                    released.attempts.entry(worker).or_default().push((task_id, attempt));
                }
                self.running -= 1;
                self.set_state(stage, index, TaskState::Done);
                done.push((stage, index));
            }
            // It was to be recomputed for the reader that has finished without it, or nobody wants it.
            TaskState::Waiting | TaskState::Ready if attempt > 0 || self.spec.open => {
                self.set_state(stage, index, TaskState::Done);
                done.push((stage, index));
            }
            TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
        }
        let Some(worker) = worker else { return };
        // A stopped attempt may end before it is told; then its output is dropped with the rest.
        if is_over {
            released.stages.entry(stage as u32).or_default().insert(worker);
        } else {
            released.partitions.push((worker, task_id));
        }
    }
}

/// Counts and sends what was released.
fn perform(core: &mut Core, id: JobId, released: Released, effects: &mut Vec<Effect>) {
    for source in released.sources {
        core.demand_changed = true;
        core.release_job(source);
    }
    for worker in released.holders {
        core.add_held(worker.0, -1);
    }
    for (worker, attempts) in released.attempts {
        for (task, attempt) in &attempts {
            core.end_attempt(worker, *task);
            telemetry::unreported(core, *task, *attempt, worker, Ending::Stopped, "");
        }
        effects.push(Effect::Send { worker, message: ToWorker::Cancel(attempts) });
    }
    for (worker, task) in released.partitions {
        forget_failures(core, task);
        core.drop_soon(worker, task);
    }
    for (stage, workers) in released.stages {
        let gone = task_id(id, stage, 0).stage;
        effects.extend(
            workers
                .into_iter()
                .map(|worker| Effect::Send { worker, message: ToWorker::DropStages(vec![gone]) }),
        );
    }
}
