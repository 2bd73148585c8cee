//! Tasks of open jobs that fail: the error belongs to the task and to all that depend on it, and the job
//! goes on.

use crate::event::{Effect, SettledTask, TaskError};
use crate::exchange::is_whole;
use crate::release::release_inputs;
use crate::state::{Core, task_id};
use partita_shared::ids::{JobId, TaskId};
use partita_shared::message::FailureKind;
use partita_shared::model::TaskState;
use std::sync::Arc;

/// A task cannot run any more; it is on no worker. Its job fails with it, unless it is open.
pub(crate) fn give_up_task(
    core: &mut Core,
    id: JobId,
    task: (usize, u32),
    failure: Failure,
    effects: &mut Vec<Effect>,
) {
    if core.jobs.get(&id).is_some_and(|job| job.spec.open) {
        let kind = failure.kind.or(Some(FailureKind::Retry));
        fail_task(core, id, task, Failure { kind, ..failure }, effects);
    } else {
        core.fail_job(id, failure.error, failure.kind);
    }
}

/// Why a task has no output.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) error: String,
    /// The kind of the task's own failure, if that is the reason.
    pub(crate) kind: Option<FailureKind>,
    /// The exception that its function raised, pickled.
    pub(crate) exception: Option<Arc<[u8]>>,
}

impl Failure {
    /// A failure that is not the task's own.
    pub(crate) fn outside(error: String) -> Self {
        Failure { error, ..Failure::default() }
    }
}

/// A task failed for good, or is cancelled; it is on no worker any more. The tasks that depend on it and
/// did not start yet fail with the same error.
pub(crate) fn fail_task(
    core: &mut Core,
    id: JobId,
    (stage, index): (usize, u32),
    failure: Failure,
    effects: &mut Vec<Effect>,
) {
    let task = task_id(id, stage as u32, index);
    let Failure { error, kind, exception } = failure;
    let error = Arc::new(TaskError { task, error, kind, exception });
    fail_with(core, id, (stage, index), &error, effects);
}

/// A task cannot run, since this error is its own or that of a task that it depends on.
pub(crate) fn fail_with(
    core: &mut Core,
    id: JobId,
    first: (usize, u32),
    error: &Arc<TaskError>,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let (mut open, mut failed) = (vec![first], Vec::new());
    while let Some((stage, index)) = open.pop() {
        let task = &job.stages[stage].tasks[index as usize];
        // What has been computed stays, and what runs has its inputs.
        let can_run = matches!(task.state, TaskState::Waiting | TaskState::Ready);
        if !can_run && (stage, index) != first || task.state == TaskState::Failed {
            continue;
        }
        job.set_state(stage, index, TaskState::Failed);
        job.errors.insert((stage as u32, index), Arc::clone(error));
        failed.push((stage, index));
        for consumer in job.stages[stage].consumers.clone() {
            let (reader, input) = (consumer.stage as usize, consumer.input as usize);
            let at = &job.stages[reader];
            // An input that is read whole blocks all tasks of the stage.
            if is_whole(&at.inputs()[input].exchange) {
                open.extend((0..at.tasks.len() as u32).map(|task| (reader, task)));
            }
            at.readers[input].visit(index, |task| open.push((reader, task)));
        }
    }
    for (stage, index) in &failed {
        tell_settled(core, id, *stage, *index);
    }
    release_inputs(core, id, failed, effects);
}

/// Fails uploaded partitions of an open job that nobody holds any more, and what depends on them.
pub(crate) fn fail_lost_uploads(
    core: &mut Core,
    id: JobId,
    lost: Vec<(usize, u32)>,
    effects: &mut Vec<Effect>,
) {
    for (stage, index) in lost {
        let Some(job) = core.jobs.get_mut(&id) else { return };
        let at = (stage as u32, index);
        let cause = match job.causes.contains_key(&at) {
            true => job.causes_of(at.0, at.1),
            false => "it was released or cancelled".to_string(),
        };
        let error = format!(
            "the value was sent to a worker, and no worker holds it any more ({cause}); scatter it again"
        );
        let failure = Failure { kind: Some(FailureKind::Retry), ..Failure::outside(error) };
        fail_task(core, id, (stage, index), failure, effects);
    }
}

/// Tasks of an open job that ran, or had an output, wait again. What they read may have failed meanwhile: then they
/// fail with it, since nothing else would end their wait.
pub(crate) fn fail_with_inputs(
    core: &mut Core,
    id: JobId,
    tasks: &[(usize, u32)],
    effects: &mut Vec<Effect>,
) {
    for (stage, index) in tasks {
        let Some(job) = core.jobs.get(&id).filter(|job| !job.errors.is_empty()) else { return };
        if job.stages[*stage].tasks[*index as usize].state != TaskState::Waiting {
            continue;
        }
        let mut error = None;
        job.visit_inputs(*stage, *index, |(from, partition)| {
            if error.is_none() {
                error = job.errors.get(&(from as u32, partition)).cloned();
            }
        });
        if let Some(error) = error {
            fail_with(core, id, (*stage, *index), &error, effects);
        }
    }
}

/// Tells the client of an open job what became of a task, if it wants its output.
pub(crate) fn tell_settled(core: &mut Core, id: JobId, stage: usize, index: u32) {
    if let Some(settled) = core.settled(task_id(id, stage as u32, index)) {
        core.settled.entry(id).or_default().push(settled);
    }
}

impl Core {
    /// What became of a task of an open job whose output is wanted, if it has finished or cannot.
    pub fn settled(&self, task: TaskId) -> Option<SettledTask> {
        let (stage, index) = (task.stage.index, task.index);
        let job = self.jobs.get(&task.stage.job).filter(|job| job.spec.open)?;
        let found = job.stages.get(stage as usize)?.tasks.get(index as usize)?;
        let is_settled = found.holder().is_some() || found.state == TaskState::Failed;
        (found.wanted && is_settled).then(|| SettledTask {
            stage,
            index,
            error: job.errors.get(&(stage, index)).cloned(),
            value: job.values.get((stage, index)),
        })
    }
}
