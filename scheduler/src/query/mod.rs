//! From a statement to a job, and from its result partitions to a stream.

mod catalog;
mod collections;
mod create_table;
mod dialect;
mod direct;
mod explain;
mod frame;
mod functions;
mod location;
mod partitions;
mod prepare;
mod results;
mod runner;
mod sessions;
mod sorted;
mod statement;
mod text;
mod types;
mod uploads;
mod write;

pub(crate) use catalog::Catalog;
pub(crate) use collections::unknown;
pub(crate) use direct::{Ack, Acks};
pub(crate) use frame::{describe_plan, prepare_frame, prepare_plan};
pub(crate) use partitions::Capacity;
pub(crate) use prepare::{Described, Kind, Prepared};
pub(crate) use runner::JobRunner;
pub(crate) use statement::{CLIENT_GONE, CurrentJob, Statement};
pub(crate) use text::{describe, prepare, prepare_with};
pub(crate) use types::run;
pub(crate) use uploads::{UploadedTable, Uploads, workers_for};

use arrow_flight::FlightData;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use futures::stream::BoxStream;
use partita_plan::PlanError;
use partita_shared::ids::JobId;
use partita_shared::message::{ErrorKind, FailureKind};

/// Who asks, in which session and with which limits.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// The session whose tables and views are seen; empty for the one that all share.
    pub(crate) session: String,
    /// The directory against which relative paths are resolved.
    pub(crate) directory: Option<String>,
    /// Who asks, as shown in listings.
    pub(crate) client: String,
    /// Who asks, where limits are for each client: the session, or the connection of those without one.
    pub(crate) owner: String,
    /// The job's priority.
    pub(crate) priority: u32,
    /// Whether the answer is the plan with figures of each operator instead of the rows.
    pub(crate) analyze: bool,
    /// Whether large result partitions are read straight from the workers.
    pub(crate) direct: bool,
    /// Whether who asks builds on the types of columns that it is told.
    pub(crate) has_fixed_types: bool,
}

/// What was asked for, in words.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// A statement in SQL, which another process can plan again.
    Sql(String),
    /// A plan that a client built, as people read it.
    Frame(String),
}

impl Text {
    /// As shown in listings.
    pub(crate) fn shown(&self) -> &str {
        let (Text::Sql(text) | Text::Frame(text)) = self;
        // A client may put blanks before a statement of a file, so that places in errors are those in the file.
        text.trim()
    }

    /// An error, with its place in the statement where it has one.
    pub(crate) fn located(&self, error: &DataFusionError) -> String {
        match self {
            Text::Sql(sql) => text::located(sql, error),
            Text::Frame(_) => partita_plan::error::plain(error),
        }
    }

    /// The same for whoever asked.
    pub(crate) fn wrong(&self, error: &DataFusionError) -> QueryError {
        QueryError::statement(error, self.located(error))
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The statement is wrong.
    #[error("{0}")]
    Statement(String),
    /// The job failed.
    #[error("{0}")]
    Failed(String),
    /// The job was stopped.
    #[error("the job was cancelled: {0}")]
    Cancelled(String),
    /// The statement is wrong or the job failed, for a reason that clients know by its code.
    #[error("{text}")]
    Known {
        /// The reason.
        kind: ErrorKind,
        /// What went wrong.
        text: String,
    },
    /// The job failed because a file does not fit the types that a sample of it has.
    #[error("{0}")]
    Sampled(String),
    /// The scheduler is ending.
    #[error("the scheduler is shutting down")]
    Ending,
}

impl QueryError {
    /// From a plan that could not be made.
    pub(crate) fn plan(error: &DataFusionError) -> Self {
        QueryError::statement(error, partita_plan::error::plain(error))
    }

    /// From a statement that is wrong, with what is said of it.
    fn statement(error: &DataFusionError, text: String) -> Self {
        match partita_plan::error::kind(error) {
            Some(kind) => QueryError::Known { kind, text },
            None => QueryError::Statement(text),
        }
    }

    /// From a job that failed.
    fn failed(kind: Option<FailureKind>, text: String) -> Self {
        match kind {
            Some(FailureKind::Known(kind)) => QueryError::Known { kind, text },
            Some(FailureKind::Sampled) => QueryError::Sampled(text),
            Some(FailureKind::Memory) => QueryError::Known { kind: ErrorKind::Memory, text },
            Some(FailureKind::Fatal | FailureKind::Retry | FailureKind::Input(_)) | None => {
                QueryError::Failed(text)
            }
        }
    }

    /// What it is for programs, where they know it.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        match self {
            QueryError::Known { kind, .. } => Some(*kind),
            QueryError::Cancelled(_) => Some(ErrorKind::Cancelled),
            QueryError::Sampled(_) => Some(ErrorKind::Value),
            QueryError::Statement(_) | QueryError::Failed(_) | QueryError::Ending => None,
        }
    }
}

impl From<PlanError> for QueryError {
    fn from(error: PlanError) -> Self {
        match &error {
            PlanError::Query(inner) => QueryError::plan(inner),
            PlanError::NotSendable(_) | PlanError::Malformed(_) | PlanError::TooDeep => {
                QueryError::Statement(error.to_string())
            }
        }
    }
}

/// A statement that was answered, or whose job has begun.
pub struct Running {
    /// The job; none if no worker was needed.
    pub job: Option<JobId>,
    /// The schema of the rows.
    pub schema: SchemaRef,
    /// The rows, as messages of a Flight stream: the schema first.
    pub messages: BoxStream<'static, Result<FlightData, QueryError>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("job", &self.job).field("schema", &self.schema).finish()
    }
}
