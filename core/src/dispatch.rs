//! Sends tasks to workers, with the metadata that the worker needs before.

use crate::event::Effect;
use crate::placement::Choice;
use crate::state::{Core, Job, Worker, task_id};
use partita_shared::ids::WorkerId;
use partita_shared::limits;
use partita_shared::message::{Locations, OwnInput, RunTask, ToWorker};
use partita_shared::model::{JobState, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How far one start advances the virtual time of a job of priority 1.
const TURN_STEP: u64 = 1 << 20;

/// The tasks sent to each worker in one placement.
pub(crate) type Runs = BTreeMap<WorkerId, Vec<RunTask>>;

impl Core {
    /// Assigns a task to a worker of a cluster with this number of slots, with the metadata that the worker
    /// needs before. Returns false if the task was started too often.
    pub(crate) fn assign(
        &mut self,
        id: WorkerId,
        choice: &Choice,
        slots: u32,
        runs: &mut Runs,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let now = self.now;
        let Choice { job: job_id, stage, queue, index } = *choice;
        let Some(job) = self.jobs.get_mut(&job_id) else { return true };
        job.take_ready(stage, queue, index);
        if queue.is_none() {
            job.claim_neighbours(stage, id, slots);
        }
        let task = &mut job.stages[stage].tasks[index as usize];
        if task.attempt >= limits::TASK_ATTEMPTS_MAX {
            return false;
        }
        task.attempt += 1;
        task.worker = id.0;
        let attempt = task.attempt;
        job.set_state(stage, index, TaskState::Running);
        job.running += 1;
        if job.state == JobState::Queued {
            job.state = JobState::Running;
            job.started = Some(now);
        }
        self.turn = self.turn.max(job.turn);
        job.turn = self.turn + TURN_STEP / u64::from(job.spec.priority);
        job.touched.insert(id);
        job.changed = true;
        let own = job.own_inputs(stage, index, id);
        tell(job, stage, id, &own, &mut self.workers, effects);
        let task = task_id(job_id, stage as u32, index);
        let mut arguments = job.stages[stage].arguments_of(index);
        if arguments.len() > limits::ARGUMENTS_PART_BYTES {
            for part in arguments.chunks(limits::ARGUMENTS_PART_BYTES) {
                let message = ToWorker::Arguments { task, attempt, bytes: part.into() };
                effects.push(Effect::Send { worker: id, message });
            }
            arguments = &[];
        }
        let arguments = arguments.into();
        runs.entry(id).or_default().push(RunTask { task, attempt, own, arguments });
        let requirement = job.stages[stage].requirement;
        self.begin_attempt(id, requirement);
        self.sync_share(job_id);
        true
    }
}

/// The tasks for one worker in as few messages as their number and their values allow.
pub(crate) fn run_messages(tasks: Vec<RunTask>) -> Vec<ToWorker> {
    let (mut messages, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for task in tasks {
        let of_task = task.value_bytes();
        let is_full = part.len() == limits::TASKS_PER_MESSAGE_MAX
            || bytes + of_task > limits::MESSAGE_VALUES_BYTES && !part.is_empty();
        if is_full {
            messages.push(ToWorker::Run(std::mem::take(&mut part)));
            bytes = 0;
        }
        bytes += of_task;
        part.push(task);
    }
    messages.push(ToWorker::Run(part));
    messages
}

/// Sends a worker the address of another, if it does not know it.
pub(crate) fn introduce(
    workers: &mut BTreeMap<WorkerId, Worker>,
    id: WorkerId,
    other: WorkerId,
    effects: &mut Vec<Effect>,
) {
    let Some(address) = workers.get(&other).map(|w| w.registration.data_address.clone()) else {
        return;
    };
    let Some(worker) = workers.get_mut(&id).filter(|_| id != other) else { return };
    if worker.knows.insert(other) {
        let message = ToWorker::Peer { worker: other, address };
        effects.push(Effect::Send { worker: id, message });
    }
}

/// Sends a worker what it needs before a task of a stage: the fragment, the holders of the inputs,
/// and their addresses.
fn tell(
    job: &mut Job,
    stage: usize,
    id: WorkerId,
    own: &[OwnInput],
    workers: &mut BTreeMap<WorkerId, Worker>,
    effects: &mut Vec<Effect>,
) {
    let at = &mut job.stages[stage];
    let told = at.told.insert(id, at.version);
    let fresh = told != Some(at.version);
    let read = own.iter().flat_map(|input| &input.partitions);
    let mut unknown: BTreeSet<WorkerId> = read.map(|(_, holder)| holder.worker).collect();
    if fresh {
        unknown.extend(at.locations.iter().flat_map(|(_, all)| all.iter().map(|h| h.worker)));
    }
    for other in unknown {
        introduce(workers, id, other, effects);
    }
    if told.is_none() {
        let message = ToWorker::Fragment(Arc::clone(&at.fragment));
        effects.push(Effect::Send { worker: id, message });
    }
    if fresh {
        for (input, holders) in &at.locations {
            let stage = at.fragment.stage;
            let locations = Locations { stage, input: *input, holders: Arc::clone(holders) };
            effects.push(Effect::Send { worker: id, message: ToWorker::Locations(locations) });
        }
    }
}
