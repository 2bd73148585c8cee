//! What pages show, as it travels to them. Rows of workers, jobs and tasks are those of
//! [`partita_shared::model`].
//!
//! Times are milliseconds since the epoch on the scheduler's clock, durations are in the unit that
//! the field names.

use crate::event::{ArrayFacts, CoreFigures, Ending, InputFacts, Level, SchedulerFacts};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::SlotTask;
use partita_shared::model::{
    CallText, ClusterRow, JobState, OperatorRow, StackFrame, TaskCounts, TaskRow,
};
use serde::{Deserialize, Serialize};

/// A summary of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The figures that `partita status` shows.
    pub row: ClusterRow,
    /// Partitions that are on disk, over all workers.
    pub spilled_partitions: u64,
    /// Tasks that finished in the last second, over the last few seconds.
    pub tasks_per_s: f32,
    /// Processor time of all workers, in thousandths of a core.
    pub cpu_milli: u64,
    /// Resident set of all workers, in bytes.
    pub resident_bytes: u64,
    /// Failed attempts since the start.
    pub attempts_failed: u64,
    /// Failed jobs since the start, statements that could not be planned among them.
    pub jobs_failed: u64,
    /// Where the journal is written, if it is: it can be replayed when the scheduler has ended.
    pub journal: Option<String>,
    /// Time until the last running job is done; unknown if that of one of them is.
    pub left: Option<Left>,
    /// The time that each job that runs still takes, where that is known: the latest jobs first, at
    /// most [`JOBS_LEFT_MAX`].
    pub jobs_left: Vec<(JobId, Left)>,
    /// Browsers that follow.
    pub browsers: u32,
    /// Observations that were dropped.
    pub dropped: u64,
    /// 99 of 100 events took the core less than this, in nanoseconds.
    pub event_p99_ns: u64,
}

/// Jobs whose time left is told.
pub const JOBS_LEFT_MAX: usize = 100;

/// How long something still takes: a range in which the truth is likely to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The lower end, in milliseconds.
    pub low_ms: u64,
    /// The upper end, in milliseconds.
    pub high_ms: u64,
}

/// Whether a job in this state is planned, waits or runs. A persisted result is complete: it stays
/// until it is dropped, and nothing of it moves.
pub fn is_under_way(state: JobState) -> bool {
    matches!(state, JobState::Planning | JobState::Queued | JobState::Running)
}

/// One second of a cluster's or a worker's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Processor time, in thousandths of a core.
    pub cpu_milli: u32,
    /// Tasks that finished in that second.
    pub finished: u32,
    /// Tasks on slots.
    pub running: u32,
    /// Resident set, in bytes.
    pub resident_bytes: u64,
    /// Reserved in the budget, in bytes.
    pub reserved_bytes: u64,
    /// Partitions in memory, in bytes.
    pub stored_bytes: u64,
    /// Partitions on disk, in bytes.
    pub spilled_bytes: u64,
    /// Bytes read from other workers in that second.
    pub fetched_bytes: u64,
    /// Bytes sent to others in that second.
    pub served_bytes: u64,
    /// Bytes read from disk in that second.
    pub disk_read_bytes: u64,
    /// Bytes written to disk in that second.
    pub disk_written_bytes: u64,
}

/// Smallest, quartiles and largest of a figure over the finished tasks of a stage. The quartiles are
/// taken from a histogram with bins an eighth of a doubling wide, so they are right within 9 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quartiles {
    /// The smallest.
    pub min: u64,
    /// A quarter is not above it.
    pub q1: u64,
    /// Half is not above it.
    pub median: u64,
    /// Three quarters are not above it.
    pub q3: u64,
    /// The largest.
    pub max: u64,
}

/// A stage's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageView {
    /// Its identifier.
    pub id: StageId,
    /// What it does, in a few words.
    pub name: String,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// Rows that its finished tasks made.
    pub rows: u64,
    /// Bytes that its finished tasks made.
    pub bytes: u64,
    /// The time that its finished tasks spent on slots.
    pub busy_us: u64,
    /// The part of it that they waited for other workers' partitions.
    pub transfer_us: u64,
    /// The part of it that they waited for the disk.
    pub disk_us: u64,
    /// Partitions of it that workers hold.
    pub held: u32,
    /// Bytes of them.
    pub held_bytes: u64,
    /// Attempts that failed or were lost.
    pub failures: u64,
    /// When its first task ended less its time on the slot: about its start.
    pub started_ms: Option<u64>,
    /// When the last of its tasks so far ended.
    pub ended_ms: Option<u64>,
    /// How long it still takes, if it has begun and that is known.
    pub left: Option<Left>,
    /// Time on the slot, in microseconds.
    pub time_us: Quartiles,
    /// Rows of the output.
    pub task_rows: Quartiles,
    /// Bytes of the output.
    pub task_bytes: Quartiles,
}

/// What does not belong in a list of jobs: the long texts of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// What was asked, whole.
    pub text: String,
    /// Why it failed or was cancelled.
    pub error: String,
    /// Its stages: what does not change of them.
    pub stages: Vec<StageText>,
    /// Figures of each operator of each stage, if it was run with them.
    pub operators: Vec<Vec<OperatorRow>>,
    /// Attempts that failed or were lost, the latest first, at most [`FAILURES_MAX`].
    pub failures: Vec<AttemptView>,
    /// Arrays that its client persisted, the latest first.
    pub arrays: Vec<ArrayFacts>,
    /// The job whose statement it runs again, in low-memory mode.
    pub again_for: Option<JobId>,
    /// The job that runs its statement again, in low-memory mode.
    pub again_as: Option<JobId>,
}

/// Failed attempts that a job's page lists.
pub const FAILURES_MAX: usize = 100;

/// What does not change of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageText {
    /// What it does, in a few words.
    pub name: String,
    /// The plan that its tasks run, one operator a line.
    pub plan: String,
    /// What it reads.
    pub inputs: Vec<InputFacts>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The task.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// The worker that had it.
    pub worker: WorkerId,
    /// The slot on which it ran, counted from 0.
    pub slot: u16,
    /// How it ended; `None` while it runs.
    pub ending: Option<Ending>,
    /// When it had a slot.
    pub started_ms: u64,
    /// Time in the worker's queue before that, in microseconds.
    pub queued_us: u64,
    /// Time on its slot, in microseconds.
    pub busy_us: u64,
    /// The part of it that it waited for other workers' partitions.
    pub transfer_us: u64,
    /// The part of it that it waited for the disk.
    pub disk_us: u64,
    /// Rows of its output.
    pub rows: u64,
    /// Bytes of its output.
    pub bytes: u64,
    /// Bytes read from other workers.
    pub fetched_bytes: u64,
    /// Why it did not finish.
    pub error: String,
}

/// One worker's page, beside its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// The worker.
    pub id: WorkerId,
    /// The tasks on its slots, when it last said so.
    pub on_slots: Vec<SlotTask>,
    /// Attempts that ended there, the latest first, at most [`RECENT_MAX`].
    pub recent: Vec<AttemptView>,
    /// Whether it has told what follows: it does so soon after someone begins to look at it.
    pub is_told: bool,
    /// Its largest partitions, while someone looks at it.
    pub partitions: Vec<PartitionView>,
    /// The last lines of its log, while someone looks at it.
    pub log: Vec<String>,
    /// Earlier registrations of the same name, the latest first: identifier, when it ended, why.
    pub before: Vec<(WorkerId, u64, String)>,
}

/// Attempts that a worker's page lists.
pub const RECENT_MAX: usize = 50;

/// A partition that a worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionView {
    /// The task whose output it is.
    pub task: TaskId,
    /// The worker that holds it.
    pub worker: WorkerId,
    /// Its bytes in memory.
    pub memory_bytes: u64,
    /// Its bytes on disk.
    pub disk_bytes: u64,
}

/// Where the memory goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataView {
    /// Stages that hold something, the largest first, at most [`DATA_STAGES_MAX`].
    pub stages: Vec<StageData>,
    /// Whether a worker has told of its partitions: they do so soon after someone begins to look.
    pub is_told: bool,
    /// The largest partitions, the largest first.
    pub largest: Vec<PartitionView>,
    /// Hosts, in the order of `transfers`' rows and columns, at most [`HOSTS_MAX`].
    pub hosts: Vec<String>,
    /// Bytes that the host of the column read from the host of the row, row by row.
    pub transfers: Vec<u64>,
}

/// What workers hold of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageData {
    /// The stage.
    pub id: StageId,
    /// Its name.
    pub name: String,
    /// Its partitions that are held.
    pub partitions: u32,
    /// Bytes of them, as they are or were in memory.
    pub bytes: u64,
    /// Bytes of them in memory and on disk, as workers tell while they are watched; `None` as long as
    /// they have not told of each partition.
    pub split: Option<(u64, u64)>,
}

/// Stages that the data page lists.
pub const DATA_STAGES_MAX: usize = 200;
/// Hosts of the transfer matrix: those with the most traffic.
pub const HOSTS_MAX: usize = 64;

/// A persisted table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableView {
    /// The job that made it.
    pub job: JobId,
    /// Its names, each with the client session that it belongs to, if it is not everyone's.
    pub names: Vec<(String, Option<String>)>,
    /// Rows.
    pub rows: u64,
    /// Bytes of the partitions that workers hold, as they are in memory.
    pub bytes: u64,
    /// Its partitions.
    pub partitions: u32,
    /// Partitions that no worker holds.
    pub lost: u32,
    /// Whether these can be recomputed.
    pub can_recompute: bool,
    /// Workers, the partitions that each holds, and their bytes.
    pub holders: Vec<(WorkerId, u32, u64)>,
    /// The persisted results that it was made from.
    pub made_from: Vec<JobId>,
    /// Jobs under way or persisted that read it.
    pub readers: Vec<JobId>,
    /// When it was complete.
    pub since_ms: u64,
}

/// Tables that are listed, the latest.
pub const TABLES_MAX: usize = 500;

/// Jobs that are listed for one table, each way.
pub const TABLE_JOBS_MAX: usize = 50;

/// Something that happened once or more often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its number: later events have larger ones.
    pub id: u32,
    /// How much it matters.
    pub level: Level,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// What happened, in a sentence; for grouped ones, the latest.
    pub text: String,
    /// The worker that it is about; the latest one.
    pub worker: Option<WorkerId>,
    /// The job that it is about.
    pub job: Option<JobId>,
    /// The task that it is about; the latest one.
    pub task: Option<TaskId>,
    /// How often.
    pub count: u32,
    /// When it happened first.
    pub first_ms: u64,
    /// When it happened last.
    pub last_ms: u64,
    /// The workers on which it happened, at most [`EVENT_WORKERS_MAX`].
    pub workers: Vec<WorkerId>,
}

/// Workers named in one event.
pub const EVENT_WORKERS_MAX: usize = 16;

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A worker joined.
    WorkerJoined,
    /// A worker left as it had said.
    WorkerLeft,
    /// A worker was lost.
    WorkerLost,
    /// A job failed.
    JobFailed,
    /// A job was cancelled.
    JobCancelled,
    /// An attempt failed: all of a stage with the same error are one event.
    AttemptFailed,
    /// The scheduler says something.
    Note,
}

/// Something that needs someone's attention now: what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Where to look.
    pub place: Place,
    /// Since when.
    pub since_ms: u64,
}

/// A place in the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Nowhere in particular.
    None,
    /// A worker's page.
    Worker(WorkerId),
    /// The workers.
    Workers,
    /// A job's page.
    Job(JobId),
    /// The events.
    Events,
    /// The scheduler's page.
    Scheduler,
}

/// The scheduler's page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulerView {
    /// What does not change of it.
    pub facts: SchedulerFacts,
    /// What the core costs.
    pub core: CoreFigures,
    /// The share of a processor that the core takes, over the last seconds, in thousandths.
    pub core_milli: u32,
    /// Events that it takes in a second, over the last seconds.
    pub events_per_s: f32,
    /// Messages to and from workers in a second.
    pub messages_per_s: f32,
    /// Bytes of them in a second.
    pub bytes_per_s: f32,
    /// Browsers that follow.
    pub browsers: u32,
    /// Where the journal is written, if it is.
    pub journal: Option<String>,
    /// Bytes of the journal so far.
    pub journal_bytes: u64,
}

/// What a timeline is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimelineWindow {
    /// The end, in milliseconds since the epoch; `None` follows the present.
    pub end_ms: Option<u64>,
    /// How much time.
    pub span_ms: u64,
    /// How many pixels wide: bars narrower than a pixel are drawn together.
    pub width_px: u32,
    /// The first lane.
    pub first_lane: u32,
    /// How many lanes.
    pub lanes: u32,
    /// Only this job.
    pub job: Option<JobId>,
}

/// Bars of slots over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineView {
    /// The left edge, in milliseconds since the epoch.
    pub from_ms: u64,
    /// The right edge.
    pub to_ms: u64,
    /// Lanes that there are in all.
    pub lanes_total: u32,
    /// The first of the lanes below.
    pub first_lane: u32,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// Whether each bar is one attempt. Otherwise each is a run of pixels with the stage that took
    /// most of it.
    pub exact: bool,
    /// Workers that came and went, at most [`MARKS_MAX`].
    pub marks: Vec<Mark>,
    /// Times in which attempts were not seen: from, to (milliseconds since the epoch), how many
    /// observations.
    pub gaps: Vec<(u64, u64, u64)>,
    /// The oldest attempt that is remembered, in milliseconds since the epoch.
    pub oldest_ms: u64,
}

/// Marks of one timeline.
pub const MARKS_MAX: usize = 200;
/// Bars of one timeline.
pub const BARS_MAX: usize = 4_000;

/// One slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// The slot, counted from 0.
    pub slot: u16,
    /// Whether the worker is there.
    pub is_there: bool,
    /// What it did, by time.
    pub bars: Vec<Bar>,
}

/// A stretch of time on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// The beginning, in microseconds from the timeline's left edge; 0 if it began before.
    pub start_us: u64,
    /// The length, in microseconds.
    pub length_us: u64,
    /// The task; in a summary, a task of the stage that took most of it.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// How it ended; `None` while it runs.
    pub ending: Option<Ending>,
    /// The share of it that was spent on slots, of 255: 255 for one attempt.
    pub busy: u8,
    /// The share of it that waited for other workers' partitions, of 255.
    pub transfer: u8,
    /// The share of it that waited for the disk, of 255.
    pub disk: u8,
}

/// A worker that came or went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at_ms: u64,
    /// What happened.
    pub kind: EventKind,
    /// The worker.
    pub worker: WorkerId,
}

/// One task's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task as lists show it.
    pub row: TaskRow,
    /// The name of its stage.
    pub stage_name: String,
    /// Its attempts, the first first, as far as they are remembered; the running one is the last.
    pub attempts: Vec<AttemptView>,
    /// What it reads, input by input.
    pub inputs: Vec<InputView>,
    /// Why it is not running, if it is not and is not done: sentences about the whole task first,
    /// then about workers, at most [`REASONS_MAX`].
    pub why: Vec<Reason>,
    /// What became of it, the first first: when, and what.
    pub story: Vec<(u64, String)>,
    /// What its calls printed and how they failed, if it is a call of a function: by attempt, as far as it is remembered.
    pub texts: Vec<CallText>,
    /// Where its call is that runs now, the outermost frame first; empty if that is not known.
    pub stack: Vec<StackFrame>,
}

/// Reasons that a task's page lists.
pub const REASONS_MAX: usize = 50;

/// What a task reads of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputView {
    /// The stage that is read: its index in the same job.
    pub stage: u32,
    /// Its name.
    pub name: String,
    /// The name of the exchange.
    pub exchange: String,
    /// Partitions that it reads, in whole or in part.
    pub partitions: u32,
    /// Those of them that are held.
    pub held: u32,
    /// Where they lie: the worker, partitions, bytes of them as a whole; at most [`REASONS_MAX`].
    pub places: Vec<(WorkerId, u32, u64)>,
}

/// Why a task is not running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The worker that it is about; `None` for the task as a whole.
    pub worker: Option<WorkerId>,
    /// The sentence.
    pub text: String,
}
