//! The events that the core handles, and the effects that it requests.

use partita_shared::edges::{EdgeList, covers, row};
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::{
    FailureKind, Holder, InputSpec, Registration, SlotTask, TaskReport, ToWorker, Work,
    WorkerMetrics,
};
use partita_shared::model::JobState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Microseconds since the epoch, on the scheduler's clock.
pub type Time = u64;

/// Where the partitions of a stage come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Its tasks make them.
    #[default]
    Tasks,
    /// They are the result of another job, which persists it. The stage has one task for each
    /// partition, which never runs: it is done while the partition is held.
    Persisted(JobId),
    /// A client uploads them; see [`Event::Stored`]. They cannot be recomputed.
    Upload,
}

/// One stage of a job that is submitted.
#[derive(Clone, Debug, Default)]
pub struct StageSpec {
    /// What it does, in a few words.
    pub name: String,
    /// The plan that its tasks run, for display.
    pub plan: String,
    /// How many tasks it has: at least one, but in an open job, where it can grow.
    pub tasks: u32,
    /// What they do.
    pub work: Work,
    /// What they read. Stages read only earlier stages; the tasks of an open job also earlier tasks
    /// of their own stage.
    pub inputs: Vec<InputSpec>,
    /// Where its partitions come from.
    pub origin: Origin,
    /// How often a task of an open job that fails with an error of its own is tried again.
    pub retries: u8,
    /// Tasks of stages of a higher priority come first among those of their job.
    pub priority: i32,
    /// What its tasks need of the worker that runs them.
    pub requirement: Requirement,
}

/// What the tasks of a stage need of the worker that runs them. They wait while no worker has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Resources that each task has for itself while it runs (`GPU`), by name, in thousandths.
    pub resources: BTreeMap<String, u64>,
    /// The workers that may run them: names, identifiers (`worker-3`), addresses of their data ports, or hosts. Any
    /// worker if there are none.
    pub workers: BTreeSet<String>,
    /// Whether others may run them while none of these workers is connected.
    pub or_others: bool,
}

/// Tasks of one stage, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRange {
    /// The stage.
    pub stage: u32,
    /// The first task.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// Tasks that are appended to a stage of an open job. All its inputs must be lists
/// ([`Exchange::Explicit`]) that reach to its last task, and no stage may read it whole.
///
/// [`Exchange::Explicit`]: partita_shared::message::Exchange::Explicit
#[derive(Clone, Debug, Default)]
pub struct StageGrowth {
    /// The stage.
    pub stage: u32,
    /// How many tasks are appended.
    pub count: u32,
    /// Stages that it reads from now on, each a new input behind those that it has. They may be any stages of the
    /// job, also later ones.
    pub inputs: Vec<u32>,
    /// For each input of the stage, the rows of the new tasks. They name tasks that existed before this growth, or
    /// that come before in it: so no tasks wait for each other.
    pub edges: Vec<EdgeList>,
    /// The arguments of the calls, if the tasks are such.
    pub arguments: Option<Arguments>,
}

/// The arguments of calls, one after the other, as their client encoded them.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    offsets: Vec<u32>,
    bytes: Arc<[u8]>,
}

impl Arguments {
    /// Those of call `i` are the bytes from `offsets[i]` to `offsets[i + 1]`. None if the offsets do not fit the bytes.
    pub fn new(offsets: Vec<u32>, bytes: Arc<[u8]>) -> Option<Self> {
        covers(&offsets, bytes.len()).then_some(Arguments { offsets, bytes })
    }

    /// The number of calls.
    pub fn calls(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The bytes of all calls.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The arguments of one call; none if there is no such call.
    pub fn of(&self, call: u32) -> &[u8] {
        row(&self.offsets, &self.bytes, call)
    }
}

/// What is appended to an open job: the stages first, then the tasks, in the order of the entries.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    /// Tasks of stages that exist, and of the new ones. A stage may have several entries.
    pub tasks: Vec<StageGrowth>,
    /// New stages.
    pub stages: Vec<StageSpec>,
    /// Outputs that the client wants, of the new tasks and of others.
    pub wanted: Vec<TaskRange>,
}

/// A task of an open job that finished, or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledTask {
    /// The stage.
    pub stage: u32,
    /// Its index in the stage.
    pub index: u32,
    /// Why it has no output, if it has none: its own error, or that of a task that it depends on.
    pub error: Option<Arc<TaskError>>,
    /// Its output, if it is a small one.
    pub value: Option<Arc<[u8]>>,
}

/// The error of a task of an open job, shared by all that depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// The task that failed.
    pub task: TaskId,
    /// What went wrong.
    pub error: String,
    /// The kind of failure; none if it was cancelled.
    pub kind: Option<FailureKind>,
    /// The exception that the function raised, pickled, if it was one that can be.
    pub exception: Option<Arc<[u8]>>,
}

/// In which order the ready tasks of a job run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those of the latest stage first, so that started work is finished: for queries, whose stages
    /// are many alike tasks.
    #[default]
    Stages,
    /// Depth first from the outputs, so that few partitions are held: for graphs of functions.
    DepthFirst,
}

/// A job that is submitted. The partitions of its last stage are delivered to the client in order,
/// or persisted for other jobs.
#[derive(Clone, Debug, Default)]
pub struct JobSpec {
    /// What was asked: the SQL, or a name.
    pub text: String,
    /// Who sent it.
    pub client: String,
    /// The session or connection that owns it, for limits per client.
    pub owner: String,
    /// Its share of the slots, relative to other jobs'; 0 means the same as 1.
    pub priority: u32,
    /// In which order its tasks run.
    pub order: Order,
    /// Whether it is open: it takes new tasks until [`Event::JobClosed`], has no one result, keeps
    /// those outputs that its client wants ([`Growth::wanted`], [`Event::WantChanged`]), and goes on when
    /// a task fails: the error belongs to the task and to those that depend on it.
    pub open: bool,
    /// Outputs that the client of an open job wants.
    pub wanted: Vec<TaskRange>,
    /// Whether metrics of each operator are requested.
    pub analyze: bool,
    /// The folder to remove if the job does not succeed.
    pub staging: Option<String>,
    /// Whether its result is persisted on the workers until [`Event::JobReleased`], for other jobs to
    /// read, and not delivered.
    pub persist: bool,
    /// Workers that shall hold each partition of a persisted result, at most as many as the cluster
    /// has; 0 means the same as 1.
    pub replicas: u32,
    /// Its stages; the last one's output is the result.
    pub stages: Vec<StageSpec>,
}

/// A statement whose planning begins. It has the number of the job that it becomes.
#[derive(Clone, Debug)]
pub struct StatementSpec {
    /// What was asked: the SQL, or a name.
    pub text: String,
    /// Who sent it.
    pub client: String,
    /// The session or connection that owns it, for limits per client.
    pub owner: String,
    /// The priority of its job.
    pub priority: u32,
}

/// How the planning of a statement that does not become a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanningEnd {
    /// The scheduler answered it without a worker.
    Answered {
        /// Rows of the answer.
        rows: u64,
    },
    /// It could not be planned.
    Failed {
        /// Why.
        error: String,
    },
}

/// An event that the core handles.
#[derive(Clone, Debug)]
pub enum Event {
    /// A worker registered.
    WorkerJoined {
        /// Names the registration in [`Effect::WorkerAccepted`].
        request: u64,
        /// The worker's description of itself.
        registration: Box<Registration>,
    },
    /// The Slurm job around the scheduler has a time limit: it ends the workers of that job too,
    /// and nothing can be computed here after it.
    AllocationEnds {
        /// The Slurm job's id.
        slurm_job: String,
        /// When.
        at: Time,
    },
    /// A worker takes no new tasks.
    WorkerLeaving {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: String,
    },
    /// A worker's link ended.
    WorkerLost {
        /// The worker.
        worker: WorkerId,
        /// Why.
        cause: String,
    },
    /// A supervisor says how a worker process ended.
    ProcessDied {
        /// Its host.
        host: String,
        /// Its process id there.
        pid: u32,
        /// Exit code, signal, or out of memory.
        cause: String,
    },
    /// A worker is alive.
    Heartbeat {
        /// The worker.
        worker: WorkerId,
        /// What it measured.
        metrics: WorkerMetrics,
        /// Tasks on its slots.
        on_slots: Vec<SlotTask>,
    },
    /// Reports on attempts.
    Reports {
        /// The worker that reports.
        worker: WorkerId,
        /// The attempts.
        reports: Vec<TaskReport>,
    },
    /// A worker gives back attempts that it has not started.
    Recalled {
        /// The worker.
        worker: WorkerId,
        /// The attempts.
        attempts: Vec<(TaskId, Attempt)>,
    },
    /// A running attempt gave its slot back, since it waits for other tasks, or took one again.
    SlotChanged {
        /// The worker.
        worker: WorkerId,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Whether it has a slot now.
        has_slot: bool,
    },
    /// A worker holds a partition that it was to copy from another, or could not fetch it.
    Migrated {
        /// The worker.
        worker: WorkerId,
        /// The task whose output it is.
        task: TaskId,
        /// The attempt that made it.
        attempt: Attempt,
        /// Why it could not fetch it.
        error: Option<String>,
    },
    /// The planning of a statement begins.
    PlanningBegun {
        /// Names the request in [`Effect::PlanningAccepted`] or [`Effect::JobRefused`].
        request: u64,
        /// The statement.
        spec: Box<StatementSpec>,
    },
    /// The planning of a statement ended, and no job follows.
    PlanningEnded {
        /// The statement's number.
        job: JobId,
        /// How it ended.
        end: PlanningEnd,
    },
    /// A client submitted a job.
    JobSubmitted {
        /// Names the submission in [`Effect::JobAccepted`] or [`Effect::JobRefused`].
        request: u64,
        /// The number of the statement that was planned, which the job keeps; none for a job that
        /// was not planned.
        planned: Option<JobId>,
        /// The job.
        spec: Box<JobSpec>,
    },
    /// Tasks and stages are appended to an open job.
    JobGrown {
        /// Names the request in [`Effect::JobAccepted`] or [`Effect::JobRefused`].
        request: u64,
        /// The job.
        job: JobId,
        /// What is appended.
        growth: Box<Growth>,
    },
    /// The client of an open job wants outputs, or does not want them any more. What nobody wants and
    /// no task reads is dropped, and not computed.
    WantChanged {
        /// The job.
        job: JobId,
        /// The tasks.
        tasks: Vec<TaskRange>,
        /// Whether it wants their outputs.
        wanted: bool,
    },
    /// Tasks of an open job shall not run, and what depends on them neither.
    TasksCancelled {
        /// The job.
        job: JobId,
        /// The tasks. Those that finished are left as they are.
        tasks: Vec<TaskRange>,
        /// Why.
        reason: String,
    },
    /// Tasks of an open job that failed are tried again, with those whose errors they have.
    TasksRetried {
        /// The job.
        job: JobId,
        /// The tasks. Those that did not fail are left as they are.
        tasks: Vec<TaskRange>,
    },
    /// The client of an open job is done with it.
    JobClosed {
        /// The job.
        job: JobId,
    },
    /// A client asks that several workers hold outputs of open jobs, as long as they are wanted. What is not wanted, or
    /// does not exist, is left out.
    ReplicasRequested {
        /// Names the request in [`Effect::RequestAccepted`] or [`Effect::RequestRefused`].
        request: u64,
        /// The tasks.
        tasks: Vec<(JobId, TaskRange)>,
        /// The workers that shall hold them: names as in a [`Requirement`]. Any if there are none.
        workers: BTreeSet<String>,
        /// How many of these workers, at most all; all if it is not set.
        count: Option<u32>,
        /// How many workers may copy an output from the same worker at a time.
        readers_max: u32,
    },
    /// A client asks that outputs of open jobs are moved from the workers that hold the most bytes to those that hold
    /// the least.
    RebalanceRequested {
        /// Names the request in [`Effect::RequestAccepted`] or [`Effect::RequestRefused`].
        request: u64,
        /// The tasks.
        tasks: Vec<(JobId, TaskRange)>,
        /// The workers between which they are moved: names as in a [`Requirement`]. All if there are none.
        workers: BTreeSet<String>,
    },
    /// Someone cancelled a job or the planning of a statement, or its client disconnected.
    JobCancelled {
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A persisted result is not wanted any more. Jobs that read it, or whose own persisted results
    /// are derived from it, can still read it.
    JobReleased {
        /// The job.
        job: JobId,
    },
    /// A worker holds a partition that a client uploaded.
    Stored {
        /// The worker.
        worker: WorkerId,
        /// The task that represents the partition.
        task: TaskId,
        /// Its rows.
        rows: u64,
        /// Its bytes, as they lie in memory.
        bytes: u64,
    },
    /// The client has received a result partition.
    Delivered {
        /// The job.
        job: JobId,
        /// The partition.
        index: u32,
        /// Its rows.
        rows: u64,
    },
    /// A result cannot be delivered correctly any more: the client has received some rows of a
    /// partition that is lost.
    DeliveryBroken {
        /// The job.
        job: JobId,
        /// What happened.
        error: String,
    },
    /// A connected worker cannot serve a partition that it should hold.
    Unreadable {
        /// The task whose output it is.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// Time passed.
    Tick,
}

/// An effect that the core requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A registration got its identifier. All other messages for the worker follow as `Send`.
    WorkerAccepted {
        /// Which registration.
        request: u64,
        /// The identifier.
        worker: WorkerId,
    },
    /// A message for a worker.
    Send {
        /// The worker.
        worker: WorkerId,
        /// The message.
        message: ToWorker,
    },
    /// The core considers a worker lost: close its link.
    Disconnect {
        /// The worker.
        worker: WorkerId,
        /// Why.
        cause: String,
    },
    /// A statement whose planning begins got its number.
    PlanningAccepted {
        /// Which request.
        request: u64,
        /// The number, which its job keeps.
        job: JobId,
    },
    /// A submission became a job.
    JobAccepted {
        /// Which submission.
        request: u64,
        /// The job.
        job: JobId,
    },
    /// A submission, or the planning of a statement, was refused.
    JobRefused {
        /// Which submission.
        request: u64,
        /// Why, and what to do.
        error: String,
    },
    /// Replicas are created, or outputs are moved, as a client asked. [`Core::is_arranged`] says when that is done.
    ///
    /// [`Core::is_arranged`]: crate::Core::is_arranged
    RequestAccepted {
        /// Which request.
        request: u64,
    },
    /// It is not done.
    RequestRefused {
        /// Which request.
        request: u64,
        /// Why, and what to do.
        error: String,
    },
    /// The next result partition is there: bring it to the client, then say `Delivered`. Sent
    /// again with another holder if the first one is lost before that.
    Deliver {
        /// The job.
        job: JobId,
        /// The partition.
        index: u32,
        /// Who holds it.
        holder: Holder,
    },
    /// Tasks of an open job whose outputs the client wants finished, or cannot. Told again of a task
    /// that is retried, and of one whose output was lost and computed again.
    TasksSettled {
        /// The job.
        job: JobId,
        /// The tasks, in the order in which they ended.
        tasks: Vec<SettledTask>,
    },
    /// The result of a job is complete and persisted.
    JobPersisted {
        /// The job.
        job: JobId,
    },
    /// A job ended, or the planning of a statement that does not become one.
    JobEnded {
        /// The job.
        job: JobId,
        /// The final state.
        state: JobState,
        /// The error, if it failed.
        error: String,
        /// The kind of failure, if a task's failure was the reason.
        kind: Option<FailureKind>,
    },
}
