//! The rows that listings, the REST API and the dashboard show.
//!
//! Times are milliseconds since the epoch (of the scheduler's clock); durations are in the unit
//! that the field names.

use crate::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use crate::message::WorkerMetrics;
use serde::{Deserialize, Serialize};

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Some input is not there yet.
    Waiting,
    /// It could run, and waits for a slot.
    Ready,
    /// It was given to a worker.
    Running,
    /// Its output is held, or was and is not wanted any more.
    Done,
    /// It will not be tried again.
    Failed,
}

impl TaskState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Ready => "ready",
            TaskState::Running => "running",
            TaskState::Done => "done",
            TaskState::Failed => "failed",
        }
    }

    /// All states, in the order of [`TaskCounts`].
    pub const ALL: [TaskState; 5] = [
        TaskState::Waiting,
        TaskState::Ready,
        TaskState::Running,
        TaskState::Done,
        TaskState::Failed,
    ];
}

/// How many tasks are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// [`TaskState::Waiting`].
    pub waiting: u64,
    /// [`TaskState::Ready`].
    pub ready: u64,
    /// [`TaskState::Running`].
    pub running: u64,
    /// [`TaskState::Done`].
    pub done: u64,
    /// [`TaskState::Failed`].
    pub failed: u64,
}

impl TaskCounts {
    /// All tasks.
    pub fn total(&self) -> u64 {
        self.waiting + self.ready + self.running + self.done + self.failed
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &TaskCounts) {
        self.waiting += other.waiting;
        self.ready += other.ready;
        self.running += other.running;
        self.done += other.done;
        self.failed += other.failed;
    }
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// No task of it has started.
    Queued,
    /// Some task of it has started.
    Running,
    /// Every row was delivered.
    Done,
    /// It ended with an error.
    Failed,
    /// Someone stopped it, or its client went away.
    Cancelled,
    /// Its result is complete and persisted on the workers, until someone lets it go.
    Persisted,
    /// Its statement is being planned, or was planned and its client has not fetched the result yet.
    Planning,
}

impl JobState {
    /// All of them.
    pub const ALL: [JobState; 7] = [
        JobState::Planning,
        JobState::Queued,
        JobState::Running,
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Persisted,
    ];

    /// Whether it will not change any more.
    pub fn is_final(self) -> bool {
        match self {
            JobState::Planning | JobState::Queued | JobState::Running | JobState::Persisted => {
                false
            }
            JobState::Done | JobState::Failed | JobState::Cancelled => true,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Planning => "planning",
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Persisted => "persisted",
        }
    }
}

/// A table that workers hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// Its name.
    pub name: String,
    /// The session that alone sees it; none if everyone does.
    pub session: Option<String>,
    /// The job that holds it.
    pub job: JobId,
    /// The name and the Arrow type of each column.
    pub columns: Vec<(String, String)>,
    /// Its partitions.
    pub partitions: u32,
    /// Its rows.
    pub rows: u64,
    /// Its bytes, as they lie in memory.
    pub bytes: u64,
    /// Partitions that no worker holds any more.
    #[serde(default)]
    pub lost: u32,
    /// Whether those are recomputed when a query reads them. What a client uploaded is not.
    #[serde(default)]
    pub can_recompute: bool,
    /// The values of the first column of its order that lie between its partitions, as texts. Empty
    /// if its partitions are no ranges, or there is one.
    pub splits: Vec<String>,
}

/// A summary of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Its name.
    pub name: String,
    /// The version of the scheduler.
    pub version: String,
    /// `host:port` of the scheduler.
    pub address: String,
    /// When the scheduler started.
    pub started_ms: u64,
    /// Connected workers.
    pub workers: u32,
    /// Workers that were lost since the start.
    pub workers_lost: u32,
    /// Slots of the connected workers.
    pub slots: u32,
    /// The sum of the workers' memory limits.
    pub memory_limit_bytes: u64,
    /// The sum of what they reserved.
    pub reserved_bytes: u64,
    /// The sum of what they store in memory.
    pub stored_bytes: u64,
    /// The sum of what they spilled.
    pub spilled_bytes: u64,
    /// Jobs that have not ended.
    pub jobs_live: u32,
    /// Tasks of all live jobs.
    pub tasks: TaskCounts,
    /// Tasks that finished since the start.
    pub tasks_finished: u64,
}

/// Whether a worker is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It takes tasks.
    #[default]
    Up,
    /// It takes no new tasks and will go.
    Leaving,
    /// It said good-bye.
    Left,
    /// It went without a word.
    Lost,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its identifier.
    pub id: WorkerId,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// `host:port` of its data service.
    pub address: String,
    /// Whether it is there.
    pub state: WorkerState,
    /// Why it is not, or why it is leaving.
    pub cause: String,
    /// Tasks it runs at once.
    pub slots: u32,
    /// Bytes it may use.
    pub memory_limit_bytes: u64,
    /// Its scratch folder.
    pub local_directory: String,
    /// The Slurm job it runs in.
    pub slurm_job: Option<String>,
    /// When it must end.
    pub ends_ms: Option<u64>,
    /// When it joined.
    pub joined_ms: u64,
    /// When its last heartbeat came.
    pub last_seen_ms: u64,
    /// What it measured last.
    pub metrics: WorkerMetrics,
    /// Tasks given to it that have not ended.
    pub assigned: u32,
    /// Tasks it finished.
    pub finished: u64,
    /// Partitions that it holds and someone may want.
    #[serde(default)]
    pub held: u32,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its identifier.
    pub id: JobId,
    /// What was asked: the SQL, or a name.
    pub text: String,
    /// Its state.
    pub state: JobState,
    /// Why it failed or was cancelled.
    pub error: String,
    /// Who sent it.
    pub client: String,
    /// Its priority: a job with twice another's gets twice its slots.
    pub priority: u32,
    /// When it was submitted.
    pub submitted_ms: u64,
    /// When its first task started.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// How many stages it has.
    pub stages: u32,
    /// Rows that its finished tasks made, over all stages.
    pub rows: u64,
    /// Bytes that its finished tasks made, over all stages.
    pub bytes: u64,
    /// Rows that the client got.
    pub delivered_rows: u64,
    /// Tasks that were started again.
    pub retries: u64,
}

/// A stage of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// Its identifier.
    pub id: StageId,
    /// What it does, in a few words.
    pub name: String,
    /// The stages that it reads.
    pub inputs: Vec<u32>,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// Rows that its finished tasks made.
    pub rows: u64,
    /// Bytes that its finished tasks made.
    pub bytes: u64,
    /// The time that its finished tasks spent on slots.
    pub busy_us: u64,
    /// The plan that its tasks run, one operator a line.
    pub plan: String,
}

/// A task, as the REST API lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Its identifier.
    pub id: TaskId,
    /// Its state.
    pub state: TaskState,
    /// Times it was started.
    pub attempts: u16,
    /// The worker that runs it, or holds its output.
    pub worker: Option<WorkerId>,
    /// Rows of its output.
    pub rows: u64,
    /// Bytes of its output.
    pub bytes: u64,
    /// Time on its slot.
    pub busy_us: u64,
}

/// What a text about a call of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallTextKind {
    /// The arguments of a call that failed, in short.
    Arguments,
    /// Lines that the function printed, each with its line feed.
    Printed,
    /// The traceback of the exception that it raised.
    Traceback,
}

/// A text about an attempt of a task that is a call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallText {
    /// The task.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// What the text is.
    pub kind: CallTextKind,
    /// The text, at most [`crate::limits::CALL_TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

/// A line of Python code at which a call was, or from which it had called another function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StackFrame {
    /// The function.
    pub function: String,
    /// The file of its code.
    pub file: String,
    /// The line there; 0 if it is not known.
    pub line: u32,
}

/// Where a call was when it was sampled last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStack {
    /// The task.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// The frames, the outermost first, at most [`crate::limits::STACK_FRAMES_MAX`].
    pub frames: Vec<StackFrame>,
}

/// A node of a tree of call stacks: a frame below those of its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileNode {
    /// The index of the frame that called this one, which comes before it; none for the outermost.
    pub parent: Option<u32>,
    /// The index of the frame.
    pub frame: u32,
    /// Samples in which this was the innermost frame.
    pub samples: u64,
}

/// Sampled call stacks of the calls of one stage, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The frames, each once.
    pub frames: Vec<StackFrame>,
    /// The nodes, each behind its parent; at most [`crate::limits::PROFILE_NODES_MAX`].
    pub nodes: Vec<ProfileNode>,
}

/// What a worker saw of running calls since it told last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// The stacks that were sampled, by stage.
    pub profiles: Vec<(StageId, Profile)>,
    /// Where the calls are that run now, as far as they have run for a while.
    pub stacks: Vec<CallStack>,
}

/// The end of the log of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLog {
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// The last lines of its log, the oldest first, at most [`crate::limits::DETAIL_LOG_LINES_MAX`].
    pub lines: Vec<String>,
}

/// An attempt of a task, as `partita task` and the REST API show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Which start of the task.
    pub attempt: Attempt,
    /// The name of the worker.
    pub worker: String,
    /// The slot, counted from 0.
    pub slot: u16,
    /// How it ended: `running`, `finished`, `failed`, `lost`, `stopped`.
    pub state: String,
    /// When it began.
    pub started_ms: u64,
    /// Time in the queue of its worker.
    pub queued_us: u64,
    /// Time on its slot.
    pub busy_us: u64,
    /// Why it failed; empty otherwise.
    pub error: String,
}

/// An attempt with its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptOfTask {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: AttemptRow,
}

/// All that is known of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDetail {
    /// The task.
    pub task: TaskRow,
    /// The name of its stage: that of the function, if it calls one.
    pub stage_name: String,
    /// Its attempts that are remembered, the first first.
    pub attempts: Vec<AttemptRow>,
    /// Why it is not running, if it waits.
    pub why: Vec<String>,
    /// What calls printed and how they failed, by attempt.
    pub texts: Vec<CallText>,
    /// Where the call is that runs now, the outermost frame first; empty if that is not known.
    pub stack: Vec<StackFrame>,
    /// What became of it, the first first: when, in milliseconds since the epoch, and what.
    pub story: Vec<(u64, String)>,
}

/// Where the calls of a stage spend their time, as `partita profile` and the REST API show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageProfile {
    /// The stage.
    pub stage: StageId,
    /// Its name: that of the function.
    pub name: String,
    /// Time from one sample of a running call to the next, in milliseconds.
    pub interval_ms: u64,
    /// The stacks that were sampled, of all workers.
    pub profile: Profile,
}

/// Figures of one operator of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatorRow {
    /// Its line in the plan, indented by its depth.
    pub line: String,
    /// Rows it made.
    pub rows: u64,
    /// Its own processor time, in nanoseconds.
    pub elapsed_ns: u64,
    /// Bytes it spilled.
    pub spilled_bytes: u64,
}

impl OperatorRow {
    /// Adds figures to sums, operator by operator. Lines that are empty are those of the sums.
    pub fn add_all(sums: &mut Vec<OperatorRow>, figures: Vec<OperatorRow>) {
        if sums.len() < figures.len() {
            sums.resize_with(figures.len(), OperatorRow::default);
        }
        for (sum, figure) in sums.iter_mut().zip(figures) {
            sum.rows = sum.rows.saturating_add(figure.rows);
            sum.elapsed_ns = sum.elapsed_ns.saturating_add(figure.elapsed_ns);
            sum.spilled_bytes = sum.spilled_bytes.saturating_add(figure.spilled_bytes);
            if !figure.line.is_empty() {
                sum.line = figure.line;
            }
        }
    }
}
