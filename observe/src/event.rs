//! What the core tells an observer. These are also the entries of a journal.
//!
//! Counters are absolute: one that was dropped is healed by the next. Only attempts and events can
//! have holes, and a hole is told as [`Observation::Gap`].

use crate::spread::Spread;
use crate::view::{AttemptView, EventRow};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, StageOperators, WorkerDetail, WorkerMetrics};
use partita_shared::model::{
    CallText, JobRow, JobState, OperatorRow, Samples, TaskCounts, WorkerRow, WorkerState,
};
use serde::{Deserialize, Serialize};

/// Something that was seen, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Microseconds since the epoch, on the scheduler's clock. Never less than the one before.
    pub at_us: u64,
    /// What it was.
    pub what: Observation,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// The scheduler started: the first of every journal file.
    Started(Box<SchedulerFacts>),
    /// A worker joined, or (at the start of a journal file) is there, or is gone and remembered.
    Worker(Box<WorkerRow>),
    /// What a worker measured.
    Measured {
        /// The worker.
        worker: WorkerId,
        /// What it measured.
        metrics: WorkerMetrics,
        /// The tasks on its slots, at most [`partita_shared::limits::SLOT_TASKS_MAX`].
        on_slots: Vec<SlotTask>,
    },
    /// What a worker read from others since its start, by worker, where that changed.
    Traffic {
        /// The worker that read.
        worker: WorkerId,
        /// From whom, and how many bytes.
        fetched_from: Vec<(WorkerId, u64)>,
    },
    /// Details that a worker sent while it was watched.
    Detail {
        /// The worker.
        worker: WorkerId,
        /// What it told.
        detail: WorkerDetail,
    },
    /// What calls of functions printed, and tracebacks of those that failed.
    CallTexts(Vec<CallText>),
    /// Where calls of functions were when a worker sampled them.
    Samples {
        /// The worker.
        worker: WorkerId,
        /// What it saw since the last time. It is many small numbers: in a journal they are one text.
        #[serde(with = "crate::packed")]
        samples: Samples,
    },
    /// What the operators of a stage did on a worker since it told that last.
    Operators(StageOperators),
    /// New lines of the log of a worker.
    LogLines {
        /// The worker.
        worker: WorkerId,
        /// The lines, the oldest first.
        lines: Vec<String>,
    },
    /// A worker is leaving, left or was lost; or the cause of that was learnt later.
    WorkerEnded {
        /// The worker.
        worker: WorkerId,
        /// What it is now.
        state: WorkerState,
        /// Why.
        cause: String,
    },
    /// The planning of a statement began, or a job came, which has the number of its statement; or (at the
    /// start of a journal file) it is there.
    Job(Box<JobFacts>),
    /// Figures that changed since they were last told. Absolute.
    Counters(Box<Counters>),
    /// An attempt ended.
    Attempt(Box<AttemptEnd>),
    /// A job ended, or the planning of a statement that does not become one.
    JobEnded {
        /// The job, with its last figures.
        row: Box<JobRow>,
        /// Figures of each operator of each stage, if they were asked for: those of other jobs are told before.
        operators: Vec<Vec<OperatorRow>>,
    },
    /// Something that people should read: a sentence.
    Note(Box<Note>),
    /// What the core itself costs.
    Core(Box<CoreFigures>),
    /// Attempts that were seen by nobody, since the observer was behind.
    Gap {
        /// How many observations.
        dropped: u64,
    },
    /// At the start of a journal file: what rows and counters do not tell of what came before.
    Carried(Box<Carried>),
    /// The names of all persisted tables, as they are from now on.
    Tables(Vec<TableName>),
    /// The client of a job of functions persisted an array.
    Array(Box<ArrayFacts>),
    /// The statement of a job that ran out of memory runs again, in low-memory mode.
    RunsAgain {
        /// The job that failed.
        job: JobId,
        /// The job that runs instead.
        again: JobId,
    },
}

/// A persisted array: a grid of blocks, each of which is the output of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayFacts {
    /// The job of the tasks.
    pub job: JobId,
    /// What computed it, in a word.
    pub name: String,
    /// Blocks along each axis.
    pub grid: Vec<u32>,
    /// The tasks of the blocks in row-major order, as runs: stage, first task, how many.
    pub blocks: Vec<(u32, u32, u32)>,
}

/// Axes of an array that is told.
const ARRAY_AXES_MAX: usize = 32;
/// Characters of an array's name.
const ARRAY_NAME_CHARS_MAX: usize = 200;
/// Runs of tasks of one array.
const ARRAY_RUNS_MAX: usize = 4_096;

impl ArrayFacts {
    /// Whether each block has a task, and it is small enough to be remembered.
    pub fn is_valid(&self) -> bool {
        let blocks =
            self.grid.iter().try_fold(1_u64, |all, axis| all.checked_mul(u64::from(*axis)));
        let tasks: u64 = self.blocks.iter().map(|(_, _, count)| u64::from(*count)).sum();
        self.grid.len() <= ARRAY_AXES_MAX
            && self.blocks.len() <= ARRAY_RUNS_MAX
            && self.name.chars().nth(ARRAY_NAME_CHARS_MAX).is_none()
            && blocks == Some(tasks)
    }
}

/// A name of a persisted table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableName {
    /// The job whose result it names.
    pub job: JobId,
    /// The name.
    pub name: String,
    /// The client session that it belongs to; `None` if everyone sees it.
    pub session: Option<String>,
}

/// Where the partitions of a persisted result are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedFacts {
    /// Workers, partitions that each holds, bytes of them in memory; the most first, at most
    /// [`TABLE_WORKERS_MAX`].
    pub holders: Vec<(WorkerId, u32, u64)>,
    /// Partitions without a holder.
    pub lost: u32,
    /// Whether these can be recomputed.
    pub can_recompute: bool,
}

/// Workers that are named for one persisted table.
pub const TABLE_WORKERS_MAX: usize = 64;

/// What a journal file takes over from what came before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Carried {
    /// From here to [`Carried::End`], nothing that is told is new.
    Begin {
        /// Workers that were lost since the start.
        workers_lost: u32,
        /// Attempts that failed since the start.
        attempts_failed: u64,
        /// Observations that were dropped since the start.
        dropped: u64,
    },
    /// When a worker that is gone ended.
    WorkerEnded {
        /// The worker.
        worker: WorkerId,
        /// When, in milliseconds since the epoch.
        at_ms: u64,
    },
    /// What a stage's attempts told of it.
    Stage {
        /// The stage.
        stage: StageId,
        /// The figures.
        figures: StageCarried,
    },
    /// An attempt that failed or was lost, as its job's page lists it.
    Failure(AttemptView),
    /// An event.
    Event {
        /// The event.
        row: EventRow,
        /// What later events have in common with it.
        reason: String,
    },
    /// What follows is new.
    End,
}

/// Figures of a stage that were made from its attempts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageCarried {
    /// Time that its finished tasks waited for other workers' partitions.
    #[serde(default)]
    pub transfer_us: u64,
    /// Time that they waited for the disk.
    #[serde(default)]
    pub disk_us: u64,
    /// Attempts that failed or were lost.
    pub failures: u64,
    /// About when its first task started.
    pub started_ms: Option<u64>,
    /// When the last of its tasks so far ended.
    pub ended_ms: Option<u64>,
    /// Time on the slot, in microseconds.
    pub time_us: Spread,
    /// Rows of the output.
    pub task_rows: Spread,
    /// Bytes of the output.
    pub task_bytes: Spread,
}

/// What does not change of a scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulerFacts {
    /// The cluster's name.
    pub cluster: String,
    /// The version of the scheduler.
    pub version: String,
    /// `host:port` of the scheduler.
    pub address: String,
    /// When it started, in milliseconds since the epoch.
    pub started_ms: u64,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its settings, by name, as it uses them.
    pub settings: Vec<(String, String)>,
}

/// A job as it came: what does not change of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobFacts {
    /// Its row at that moment.
    pub row: JobRow,
    /// Its stages.
    pub stages: Vec<StageFacts>,
}

/// What does not change of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    /// What it does, in a few words.
    pub name: String,
    /// The plan that its tasks run, one operator a line.
    pub plan: String,
    /// How many tasks it has.
    pub tasks: u32,
    /// What it reads.
    pub inputs: Vec<InputFacts>,
    /// The job whose persisted result it stands for.
    #[serde(default)]
    pub source: Option<JobId>,
}

/// How a stage reads another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFacts {
    /// The stage that is read: its index in the same job.
    pub stage: u32,
    /// The name of the exchange: `OneToOne`, `Shuffle`, `Gather`, `Broadcast` or `Explicit`.
    pub exchange: String,
}

/// Absolute figures of what changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Tasks that finished since the start.
    pub tasks_finished: u64,
    /// Jobs that changed.
    pub jobs: Vec<JobCounters>,
    /// Stages that changed.
    pub stages: Vec<StageCounters>,
    /// Workers whose tasks changed: the worker, tasks given to it that have not ended, tasks that it
    /// finished.
    pub workers: Vec<(WorkerId, u32, u64)>,
}

/// Figures of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobCounters {
    /// The job.
    pub job: JobId,
    /// Its state.
    pub state: JobState,
    /// When its first task started, in milliseconds since the epoch.
    pub started_ms: Option<u64>,
    /// Rows that the client got.
    pub delivered_rows: u64,
    /// Tasks that were started again.
    pub retries: u64,
    /// Where its result is, if it is persisted.
    #[serde(default)]
    pub persisted: Option<PersistedFacts>,
}

/// Figures of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageCounters {
    /// The stage.
    pub stage: StageId,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// Rows that its finished tasks made.
    pub rows: u64,
    /// Bytes that its finished tasks made.
    pub bytes: u64,
    /// The time that its finished tasks spent on slots.
    pub busy_us: u64,
    /// Partitions of it that workers hold.
    pub held: u32,
    /// Bytes of them, as they lie in memory.
    pub held_bytes: u64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It made its output.
    Finished,
    /// It failed.
    Failed(FailureKind),
    /// Its worker was lost.
    Lost,
    /// It was stopped.
    Stopped,
}

/// An attempt that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// The task.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// The worker that had it.
    pub worker: WorkerId,
    /// The slot on which it ran, counted from 0.
    pub slot: u16,
    /// How it ended.
    pub ending: Ending,
    /// Time in the worker's queue before it had a slot, in microseconds.
    #[serde(default)]
    pub queued_us: u64,
    /// Time on its slot, in microseconds. It ended when this was seen.
    pub busy_us: u64,
    /// The part of it that it waited for other workers' partitions.
    pub transfer_us: u64,
    /// The part of it that it waited for the disk: partitions and operators that spilled.
    pub disk_us: u64,
    /// Rows of its output.
    pub rows: u64,
    /// Bytes of its output, as they lie in memory.
    pub bytes: u64,
    /// Bytes read from other workers.
    pub fetched_bytes: u64,
    /// Why it did not finish, if it did not.
    pub error: String,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// For information.
    Info,
    /// Something may go wrong, or went wrong and was mended.
    Warning,
    /// Something went wrong.
    Error,
}

/// A sentence about something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// The sentence.
    pub text: String,
    /// The worker that it is about.
    pub worker: Option<WorkerId>,
    /// The job that it is about.
    pub job: Option<JobId>,
}

/// What the core costs, since the scheduler's start unless a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreFigures {
    /// Events that it took.
    pub events: u64,
    /// Time that it spent on them and on what followed, in microseconds.
    pub busy_us: u64,
    /// Half of the events of the last ten seconds took no more than this, in nanoseconds; right within
    /// 9 %, as is the next.
    pub event_p50_ns: u64,
    /// 99 of 100 events of the last ten seconds took no more than this, in nanoseconds.
    pub event_p99_ns: u64,
    /// Events that wait now.
    pub queued: u32,
    /// Messages that wait for the worker that has the most.
    pub worker_queue_max: u32,
    /// Messages from workers.
    pub messages_in: u64,
    /// Messages to workers.
    pub messages_out: u64,
    /// Bytes of messages from workers.
    pub bytes_in: u64,
    /// Bytes of messages to workers.
    pub bytes_out: u64,
    /// Observations that were dropped since the observer was behind.
    pub dropped: u64,
}
