//! Tasks.

use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::Holder;
use partita_shared::model::TaskState;

/// Stands for "no worker".
pub(crate) const NOBODY: u32 = u32::MAX;

/// One task. Kept small: there may be millions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) busy_us: u32,
    /// The worker that runs it or holds its output, or [`NOBODY`].
    pub(crate) worker: u32,
    /// Input partitions that only this task reads and that are not held.
    pub(crate) pending: u32,
    /// Reads of its output that are still to come, by tasks that read it as their own.
    pub(crate) unread: u32,
    /// Its place in the order in which the tasks of a graph should run; 0 in a query.
    pub(crate) rank: u32,
    pub(crate) attempt: Attempt,
    pub(crate) state: TaskState,
    pub(crate) failures: u8,
    pub(crate) kills: u8,
    /// Whether the client of an open job wants its output.
    pub(crate) wanted: bool,
}

const _: () =
    assert!(size_of::<Task>() <= 48, "a task with its place in a queue takes 64 bytes at most");

impl Task {
    pub(crate) fn new() -> Self {
        Task {
            rows: 0,
            bytes: 0,
            busy_us: 0,
            worker: NOBODY,
            pending: 0,
            unread: 0,
            rank: 0,
            attempt: 0,
            state: TaskState::Waiting,
            failures: 0,
            kills: 0,
            wanted: false,
        }
    }

    /// Whether it will not run unless something happens: it finished or cannot.
    pub(crate) fn is_settled(&self) -> bool {
        is_settled(self.state)
    }

    /// Whether it finished, or need not run, and no worker holds its output.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == TaskState::Done && self.worker == NOBODY
    }

    /// The worker that runs it or holds its output.
    pub(crate) fn worker(&self) -> Option<WorkerId> {
        (self.worker != NOBODY).then_some(WorkerId(self.worker))
    }

    /// The worker that holds its output, if one does.
    pub(crate) fn holder(&self) -> Option<Holder> {
        match self.state {
            TaskState::Done => self.worker().map(|worker| Holder { worker, attempt: self.attempt }),
            TaskState::Waiting | TaskState::Ready | TaskState::Running | TaskState::Failed => None,
        }
    }
}

/// Whether a task in this state has no reads to come.
pub(crate) fn is_settled(state: TaskState) -> bool {
    matches!(state, TaskState::Done | TaskState::Failed)
}

/// The identifier of a task of a job.
pub(crate) fn task_id(job: JobId, stage: u32, index: u32) -> TaskId {
    TaskId { stage: StageId { job, index: stage }, index }
}
