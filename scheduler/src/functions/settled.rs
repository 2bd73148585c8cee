//! What a client that calls functions is told: how its tasks ended, and those of others whose results it needs.

use crate::functions::message::answer;
use arrow_flight::FlightData;
use partita_core::{SettledTask, TaskError};
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::{ErrorKind, FailureKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// Tasks in one message.
const MESSAGE_TASKS_MAX: usize = 50_000;
/// Bytes of values in one message, about.
const MESSAGE_BYTES: usize = 4 << 20;

/// Tasks that ended, until their client is told. It holds at most what the jobs have: each task once, or again after it
/// was computed again.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks of the client's own job.
    own: Vec<SettledTask>,
    /// Tasks of other jobs, whose results the client needs.
    foreign: Vec<(JobId, SettledTask)>,
    /// Other clients that need results of this job, by the place of the task.
    followers: HashMap<(u32, u32), Vec<Weak<Mailbox>>>,
    /// Nobody takes what is added, since the client has gone.
    is_closed: bool,
}

/// Tasks for one message.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    Own(Vec<SettledTask>),
    Foreign(JobId, Vec<SettledTask>),
}

impl Mailbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds tasks of the client's own job.
    pub(crate) fn add(&self, job: JobId, tasks: Vec<SettledTask>) {
        let mut told = Vec::new();
        {
            let mut state = self.state();
            if !state.followers.is_empty() {
                for task in &tasks {
                    let followers = state.followers.get(&(task.stage, task.index));
                    let alive = followers.into_iter().flatten().filter_map(Weak::upgrade);
                    told.extend(alive.map(|follower| (follower, task.clone())));
                }
            }
            if !state.is_closed {
                state.own.extend(tasks);
            }
        }
        self.changed.notify_one();
        told.into_iter().for_each(|(follower, task)| follower.add_foreign(job, task));
    }

    /// Adds a task of another job, whose result the client needs.
    pub(super) fn add_foreign(&self, job: JobId, task: SettledTask) {
        let mut state = self.state();
        if !state.is_closed {
            state.foreign.push((job, task));
            self.changed.notify_one();
        }
    }

    /// Another client is told of a task too.
    pub(super) fn follow(&self, place: (u32, u32), follower: &Arc<Mailbox>) {
        let mut state = self.state();
        let followers = state.followers.entry(place).or_default();
        followers.retain(|known| known.strong_count() > 0);
        followers.push(Arc::downgrade(follower));
    }

    /// Nobody needs the result of a task any more but the client itself.
    pub(super) fn unfollow(&self, place: (u32, u32)) {
        self.state().followers.remove(&place);
    }

    /// The client has gone.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        (state.own, state.foreign) = (Vec::new(), Vec::new());
    }

    /// The job ended: those who need results of it are told that these are gone.
    pub(crate) fn end(&self, job: JobId, error: &str) {
        let followers = std::mem::take(&mut self.state().followers);
        for (place, mailboxes) in followers {
            for follower in mailboxes.iter().filter_map(Weak::upgrade) {
                follower.add_foreign(job, gone(job, place, error));
            }
        }
    }

    /// Waits for tasks, and takes as many as one message holds.
    pub(super) async fn take(&self) -> Settled {
        loop {
            if let Some(tasks) = self.take_now() {
                return tasks;
            }
            self.changed.notified().await;
        }
    }

    fn take_now(&self) -> Option<Settled> {
        let mut state = self.state();
        if !state.own.is_empty() {
            let count = fitting(state.own.iter());
            return Some(Settled::Own(split(&mut state.own, count)));
        }
        let job = state.foreign.first()?.0;
        let of_job = state.foreign.iter().take_while(|(other, _)| *other == job);
        let count = fitting(of_job.map(|(_, task)| task));
        let tasks = split(&mut state.foreign, count).into_iter().map(|(_, task)| task);
        Some(Settled::Foreign(job, tasks.collect()))
    }
}

/// How many of these tasks one message holds: at least one.
fn fitting<'a>(tasks: impl Iterator<Item = &'a SettledTask>) -> usize {
    let mut bytes = 0;
    let fits = |task: &&SettledTask| {
        let value = task.value.as_ref().map_or(0, |value| value.len());
        let exception = task.error.as_ref().and_then(|error| error.exception.as_ref());
        bytes += 16 + value + exception.map_or(0, |exception| exception.len());
        bytes <= MESSAGE_BYTES
    };
    tasks.take(MESSAGE_TASKS_MAX).take_while(fits).count().max(1)
}

/// Takes the first ones.
fn split<T>(tasks: &mut Vec<T>, count: usize) -> Vec<T> {
    if count >= tasks.len() {
        return std::mem::take(tasks);
    }
    let rest = tasks.split_off(count);
    std::mem::replace(tasks, rest)
}

/// A task whose result nobody can have any more.
pub(super) fn gone(job: JobId, (stage, index): (u32, u32), why: &str) -> SettledTask {
    let task = TaskId { stage: StageId { job, index: stage }, index };
    let error = format!("the result is not kept any more: {why}");
    let error = TaskError { task, error, kind: None, exception: None };
    SettledTask { stage, index, error: Some(Arc::new(error)), value: None }
}

/// What a task is, in a message.
const DONE: u8 = 0;
const DONE_WITH_VALUE: u8 = 1;
const FAILED: u8 = 2;

/// The kind of an error, for the exception that the client raises.
fn kind_of(error: &TaskError) -> &'static str {
    match error.kind {
        _ if error.exception.is_some() => "raised",
        None => "cancelled",
        Some(FailureKind::Known(ErrorKind::Cancelled)) => "cancelled",
        Some(FailureKind::Memory) => "memory",
        Some(FailureKind::Retry) => "lost",
        Some(FailureKind::Fatal) => "raised",
        Some(FailureKind::Known(kind)) => kind.code(),
        Some(FailureKind::Input(_) | FailureKind::Sampled) => "failed",
    }
}

/// The message about tasks that ended: the errors once each in the header, then the tasks.
pub(super) fn message(settled: &Settled) -> FlightData {
    let (kind, job, tasks) = match settled {
        Settled::Own(tasks) => (answer::SETTLED, None, tasks),
        Settled::Foreign(job, tasks) => (answer::FOREIGN, Some(job.0), tasks),
    };
    let (mut errors, mut numbers) = (Vec::new(), HashMap::new());
    let (mut exceptions, mut body) = (Vec::new(), Vec::new());
    for task in tasks {
        body.extend(task.stage.to_le_bytes());
        body.extend(task.index.to_le_bytes());
        match (&task.error, &task.value) {
            (Some(error), _) => {
                let number = *numbers.entry(Arc::as_ptr(error)).or_insert_with(|| {
                    let exception = error.exception.as_deref().unwrap_or_default();
                    errors.push(serde_json::json!({
                        "stage": error.task.stage.index,
                        "index": error.task.index,
                        "text": error.error,
                        "kind": kind_of(error),
                        "exception": exception.len(),
                    }));
                    exceptions.extend_from_slice(exception);
                    errors.len() as u32 - 1
                });
                body.push(FAILED);
                body.extend(number.to_le_bytes());
            }
            (None, Some(value)) => {
                body.push(DONE_WITH_VALUE);
                body.extend((value.len() as u32).to_le_bytes());
                body.extend_from_slice(value);
            }
            (None, None) => body.push(DONE),
        }
    }
    exceptions.extend(body);
    let header = serde_json::json!({"job": job, "tasks": tasks.len(), "errors": errors});
    crate::flight::exchange::message(kind, &header, &exceptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(index: u32, bytes: usize) -> SettledTask {
        SettledTask { stage: 0, index, error: None, value: Some(vec![7; bytes].into()) }
    }

    fn indices(settled: &Settled) -> (Option<JobId>, Vec<u32>) {
        let (job, tasks) = match settled {
            Settled::Own(tasks) => (None, tasks),
            Settled::Foreign(job, tasks) => (Some(*job), tasks),
        };
        (job, tasks.iter().map(|task| task.index).collect())
    }

    /// What does not fit into one message stays for the next, in order, and a large one has its own message.
    #[tokio::test]
    async fn messages_are_bounded() {
        let mailbox = Mailbox::default();
        let tasks = vec![task(0, 10), task(1, 3 << 20), task(2, 3 << 20), task(3, 9 << 20)];
        mailbox.add(JobId(1), tasks);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(indices(&mailbox.take().await).1);
        }
        assert_eq!(taken, [vec![0, 1], vec![2], vec![3]]);
        assert!(mailbox.take_now().is_none());
    }

    /// Others who need a result are told of only that task, and that it is gone when its job ends. After the client has
    /// gone, nothing is kept for it.
    #[tokio::test]
    async fn others_are_told_too() {
        let (owner, other) = (Arc::<Mailbox>::default(), Arc::<Mailbox>::default());
        owner.follow((0, 1), &other);
        owner.close();
        owner.add(JobId(4), vec![task(0, 1), task(1, 1)]);
        assert!(owner.take_now().is_none());
        assert_eq!(indices(&other.take().await), (Some(JobId(4)), vec![1]));
        owner.end(JobId(4), "cancelled");
        let Settled::Foreign(_, tasks) = other.take().await else { panic!() };
        assert!(tasks[0].error.as_ref().unwrap().error.contains("cancelled"));
        owner.unfollow((0, 1));
        owner.add(JobId(4), vec![task(1, 1)]);
        assert!(other.take_now().is_none());
    }
}
