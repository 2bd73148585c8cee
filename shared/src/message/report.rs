//! What a worker reports of the attempts of tasks.

use crate::ids::{Attempt, StageId, TaskId, WorkerId};
use crate::model::OperatorRow;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What went wrong with a computation, for programs: a client raises the exception that its
/// language has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// A file or a folder does not exist.
    FileNotFound,
    /// A file may not be read or written.
    PermissionDenied,
    /// What would be written exists.
    FileExists,
    /// A column does not exist.
    ColumnNotFound,
    /// A value cannot be read or converted.
    Value,
    /// An integer is divided by zero.
    DivideByZero,
    /// A result does not fit into its type.
    Overflow,
    /// More memory is needed than there is.
    Memory,
    /// It is not supported.
    Unsupported,
    /// It was cancelled.
    Cancelled,
}

impl ErrorKind {
    /// The code that clients are sent.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::FileNotFound => "file-not-found",
            ErrorKind::PermissionDenied => "permission-denied",
            ErrorKind::FileExists => "file-exists",
            ErrorKind::ColumnNotFound => "column-not-found",
            ErrorKind::Value => "value",
            ErrorKind::DivideByZero => "divide-by-zero",
            ErrorKind::Overflow => "overflow",
            ErrorKind::Memory => "memory",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Cancelled => "cancelled",
        }
    }
}

/// What kind of failure a task met: what the scheduler does depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The computation is wrong and would be wrong anywhere: the job fails.
    Fatal,
    /// This worker cannot do it now (a full disk, say): tried elsewhere a few times.
    Retry,
    /// An input could not be read from this worker: not the task's fault.
    Input(WorkerId),
    /// It needs more memory than there is.
    Memory,
    /// As [`FailureKind::Fatal`], for a reason that clients know by its code.
    Known(ErrorKind),
    /// A file does not fit the types that a sample of it has: the job fails, and with types from all of the file
    /// another one may not.
    Sampled,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its output is in the store.
    Finished(TaskFigures),
    /// It failed.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// What failed, on which file, and what to do.
        error: String,
        /// The exception that a function raised, pickled, if it can be; at most
        /// [`crate::limits::EXCEPTION_BYTES_MAX`].
        #[serde(with = "crate::bytes::optional")]
        exception: Option<Arc<[u8]>>,
    },
}

impl Outcome {
    /// A failure that is not an exception of a function.
    pub fn failed(kind: FailureKind, error: impl Into<String>) -> Self {
        Outcome::Failed { kind, error: error.into(), exception: None }
    }
}

/// What a finished attempt did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskFigures {
    /// Rows of its output.
    pub rows: u64,
    /// Bytes of its output, as they lie in memory.
    pub bytes: u64,
    /// Bytes read from other workers.
    pub fetched_bytes: u64,
    /// Figures of each operator, in the plan's order, if they were asked for.
    pub operators: Vec<OperatorRow>,
    /// Its output, as it is stored, if it is a small one of an open job: at most
    /// [`crate::limits::INLINE_VALUE_BYTES_MAX`].
    #[serde(with = "crate::bytes::optional")]
    pub value: Option<Arc<[u8]>>,
}

/// What the operators of a stage did on a worker since it told that last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageOperators {
    /// The stage.
    pub stage: StageId,
    /// The operators in the plan's order, at most [`crate::limits::STAGE_OPERATORS_MAX`]. Lines are sent the first
    /// time only.
    pub operators: Vec<OperatorRow>,
}

/// Where an attempt was, and what time it took there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The slot, counted from 0.
    pub slot: u16,
    /// Time in the worker's queue before it had the slot, in microseconds.
    pub queued_us: u64,
    /// Time on the slot, in microseconds.
    pub busy_us: u64,
    /// The part of `busy_us` that it waited for other workers' partitions.
    pub transfer_us: u64,
    /// The part of `busy_us` that it waited for partitions on disk.
    pub disk_us: u64,
}

impl TaskReport {
    /// What its value or its exception takes in a message, in bytes.
    pub fn value_bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Finished(figures) => figures.value.as_ref().map_or(0, |value| value.len()),
            Outcome::Failed { exception, .. } => exception.as_ref().map_or(0, |bytes| bytes.len()),
        }
    }
}

/// A report on one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Where it was, and for how long.
    pub spent: Spent,
    /// How it went.
    pub outcome: Outcome,
}
