//! Partitions that no task will read any more are dropped.

use crate::event::{Effect, Origin};
use crate::state::{Core, NOBODY, task_id};
use crate::telemetry;
use partita_observe::event::Ending;
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::ToWorker;
use partita_shared::model::TaskState;
use std::collections::{BTreeMap, BTreeSet};

/// A stage is done: the partitions of its inputs are dropped unless another stage needs them.
pub(crate) fn release_inputs(core: &mut Core, id: JobId, stage: usize, effects: &mut Vec<Effect>) {
    let mut done = vec![stage];
    while let Some(stage) = done.pop() {
        let Some(job) = core.jobs.get(&id) else { return };
        let inputs: BTreeSet<usize> =
            job.stages[stage].inputs().iter().map(|input| input.stage as usize).collect();
        let mut left = false;
        for input in inputs {
            let Some(job) = core.jobs.get(&id) else { return };
            let consumers = &job.stages[input].consumers;
            if !consumers.iter().all(|c| job.stages[c.stage as usize].is_done()) {
                continue;
            }
            if let Origin::Persisted(source) = job.stages[input].origin {
                core.demand_changed = true;
                core.release_job(source);
            } else {
                // Partitions may have been lost while the last task that read them ran.
                left |= !job.stages[input].is_done();
                release(core, id, input, effects);
            }
        }
        if left && let Some(job) = core.jobs.get_mut(&id) {
            done.extend(job.settle());
        }
    }
}

/// Drops all partitions of a stage, and stops the tasks that recompute them.
fn release(core: &mut Core, id: JobId, stage: usize, effects: &mut Vec<Effect>) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let mut held = Vec::new();
    let mut stopped: BTreeMap<WorkerId, Vec<(TaskId, Attempt)>> = BTreeMap::new();
    for index in 0..job.stages[stage].tasks.len() as u32 {
        let task = &mut job.stages[stage].tasks[index as usize];
        let (state, attempt) = (task.state, task.attempt);
        let Some(worker) = task.worker() else { continue };
        match state {
            TaskState::Done => held.extend(job.drop_partition(stage, index)),
            TaskState::Running => {
                task.worker = NOBODY;
                let task = task_id(id, stage as u32, index);
                stopped.entry(worker).or_default().push((task, attempt));
                job.running -= 1;
                job.set_state(stage, index, TaskState::Done);
            }
            TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
        }
    }
    for worker in &held {
        core.add_held(worker.0, -1);
    }
    let mut holders = BTreeSet::from_iter(held);
    for (worker, attempts) in stopped {
        core.add_assigned(worker, -(attempts.len() as i64));
        for (task, attempt) in &attempts {
            telemetry::unreported(core, *task, *attempt, worker, Ending::Stopped, "");
        }
        effects.push(Effect::Send { worker, message: ToWorker::Cancel(attempts) });
        // A task may end before the message arrives; then its output is dropped with the rest.
        holders.insert(worker);
    }
    let gone = task_id(id, stage as u32, 0).stage;
    effects.extend(
        holders
            .into_iter()
            .map(|worker| Effect::Send { worker, message: ToWorker::DropStages(vec![gone]) }),
    );
}
