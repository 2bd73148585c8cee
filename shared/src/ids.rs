//! Identifiers. Each is a newtype, so that one kind is never taken for another.
//!
//! `Display` is what people read (`job-3`), `Debug` is for logs.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            /// Reads `prefix-7` or plain `7`.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let number = text.strip_prefix(concat!($prefix, "-")).unwrap_or(text).parse();
                number.map(Self).map_err(|_| {
                    format!(concat!("invalid ", $prefix, " id '{}': expected a number or ", $prefix, "-N"), text)
                })
            }
        }
    };
}

define_id!(
    /// One registration of a worker process. A worker that was lost and comes back gets a new one.
    WorkerId,
    "worker"
);
define_id!(
    /// What a client submits: a query or a graph.
    JobId,
    "job"
);

/// The like tasks of one step of a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StageId {
    /// The job it belongs to.
    pub job: JobId,
    /// Its position in the job's list of stages.
    pub index: u32,
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.index)
    }
}

impl fmt::Debug for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StageId({}.{})", self.job.0, self.index)
    }
}

/// One task: an index into its stage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The stage it belongs to.
    pub stage: StageId,
    /// Its index in the stage.
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stage, self.index)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({}.{}.{})", self.stage.job.0, self.stage.index, self.index)
    }
}

impl std::str::FromStr for TaskId {
    type Err = String;
    /// Reads `job-7.0.19` or `7.0.19`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.splitn(3, '.');
            let job = parts.next()?.parse().ok()?;
            let (stage, index) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(TaskId { stage: StageId { job, index: stage }, index })
        };
        read().ok_or_else(|| {
            format!("invalid task id '{text}': expected JOB.STAGE.INDEX, such as job-7.0.19")
        })
    }
}

/// A task's number of starts, counted from 1. Every message about a task carries it, so that a
/// late or repeated message is recognised and harms nothing.
pub type Attempt = u16;

#[cfg(test)]
mod tests {
    use super::*;

    /// People type what they read: both forms name the same job.
    #[test]
    fn ids_are_read_as_they_are_shown() {
        assert_eq!("job-7".parse::<JobId>(), Ok(JobId(7)));
        assert_eq!("7".parse::<JobId>(), Ok(JobId(7)));
        assert!("worker-7".parse::<JobId>().is_err());
        assert_eq!(JobId(7).to_string(), "job-7");
        let task = TaskId { stage: StageId { job: JobId(7), index: 2 }, index: 19 };
        assert_eq!(task.to_string().parse(), Ok(task));
        assert_eq!("7.2.19".parse(), Ok(task));
        for wrong in ["7.2", "7.2.x", "7.2.19.1", ""] {
            assert!(wrong.parse::<TaskId>().is_err(), "{wrong}");
        }
    }
}
