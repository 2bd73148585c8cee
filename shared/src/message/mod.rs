//! The control messages between scheduler, workers and clients.
//!
//! They travel as postcard in binary WebSocket frames (see [`crate::wire`]), or as they are between
//! the parts of an embedded cluster. Data never travels here: record batches go by Arrow Flight.

mod report;

pub use report::{ErrorKind, FailureKind, Outcome, Spent, StageOperators, TaskFigures, TaskReport};

use crate::blocks::BlockExchange;
use crate::edges::EdgeList;
use crate::endpoint::Endpoint;
use crate::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use crate::model::{
    CallText, ClusterRow, JobRow, Samples, StageProfile, StageRow, TableRow, TaskDetail, WorkerLog,
    WorkerRow,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a stage reads the partitions of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exchange {
    /// Task `i` reads partition `i`.
    OneToOne,
    /// Task `i` reads bucket `i` of every partition.
    Shuffle,
    /// The one task reads every partition.
    Gather,
    /// Every task reads every partition.
    Broadcast,
    /// Task `i` reads the partitions of row `i`. The list is empty in a [`Fragment`]: a worker learns
    /// from [`RunTask::own`] what each of its tasks reads.
    Explicit(Arc<EdgeList>),
    /// Task `i` reads the blocks that the exchange says of index `i`.
    Blocks(Arc<BlockExchange>),
}

/// One input of a stage. Tasks outside `first .. first + count` do not read it; task `first + i`
/// reads what [`Exchange`] says of index `i`. So a union of several inputs costs one entry each,
/// however many tasks there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// The stage that is read: its index in the same job.
    pub stage: u32,
    /// The pattern.
    pub exchange: Exchange,
    /// The first task that reads it.
    pub first: u32,
    /// How many tasks read it.
    pub count: u32,
}

/// What the tasks of a stage do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Nothing: what the machinery itself costs.
    #[default]
    Empty,
    /// Run one partition of a physical plan. Its root says what becomes of the rows: a repartition
    /// splits them into buckets, a sink writes them to a file, anything else is kept whole.
    Plan(Arc<Vec<u8>>),
    /// Run a whole statement in one task, planned on the worker: for the plans that have no wire
    /// form. The statements before it make the session's tables and views.
    Statement {
        /// Statements that make the session.
        session: Vec<String>,
        /// The directory against which relative paths are resolved.
        directory: String,
        /// The query.
        sql: String,
    },
    /// Put the files that the write tasks before it left in a staging folder in their places.
    Commit(CommitSpec),
    /// Call a Python function, each task with arguments of its own ([`RunTask::arguments`]).
    Function(Arc<FunctionSpec>),
}

/// A Python function, and where it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// Its name, for display.
    pub name: String,
    /// The function, pickled.
    #[serde(with = "crate::bytes")]
    pub pickle: Arc<[u8]>,
    /// The Python that its client runs, in JSON: a worker looks for one that fits.
    pub environment: Arc<str>,
}

/// Where a written result goes. Write tasks write below `staging`; the commit task moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSpec {
    /// The folder below which attempts write, each in a folder `<task>-<attempt>`.
    pub staging: String,
    /// The folder, or the one file, that the user named.
    pub target: String,
    /// Whether `target` is one file.
    pub single_file: bool,
}

/// A stage's work and inputs, as a worker gets it: once, before its first task there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// The stage.
    pub stage: StageId,
    /// What its tasks do.
    pub work: Work,
    /// What its tasks read, in the order in which the plan numbers its exchanges.
    pub inputs: Vec<InputSpec>,
    /// The inputs that are persisted results of other jobs: their number, and the stage whose
    /// partitions they are.
    pub persisted: Vec<(u32, StageId)>,
    /// Whether figures of each operator are wanted.
    pub analyze: bool,
    /// Resources that each of its tasks has for itself while it runs, by name, in thousandths: the worker was
    /// registered with at least as much ([`Registration::resources`]), and the scheduler sends it no more tasks at
    /// once than that allows.
    pub resources: BTreeMap<String, u64>,
}

/// Who holds the partitions of an input that every task of a stage reads in part or whole.
/// Sent before the first task that needs it and again when a holder changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locations {
    /// The stage that reads.
    pub stage: StageId,
    /// Which of its inputs.
    pub input: u32,
    /// The holder and the attempt that made it, for each partition of the input.
    pub holders: Arc<Vec<Holder>>,
}

/// The worker that holds a partition, and the attempt that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The worker.
    pub worker: WorkerId,
    /// The attempt whose output it is.
    pub attempt: Attempt,
}

/// One task to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTask {
    /// The task.
    pub task: TaskId,
    /// Which start of it this is.
    pub attempt: Attempt,
    /// What it reads of inputs that are not read whole (`OneToOne`, `Explicit`, `Blocks`).
    pub own: Vec<OwnInput>,
    /// The arguments of a function, as its client encoded them; empty for other work.
    #[serde(with = "crate::bytes")]
    pub arguments: Arc<[u8]>,
}

impl RunTask {
    /// What its arguments and the values of its inputs take in a message, in bytes.
    pub fn value_bytes(&self) -> usize {
        let values = self.own.iter().flat_map(|own| &own.values);
        self.arguments.len() + values.map(|(_, value)| value.len()).sum::<usize>()
    }
}

/// The partitions of an input that one task reads, with their holders, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnInput {
    /// The number of the input.
    pub input: u32,
    /// The partitions.
    pub partitions: Vec<(u32, Holder)>,
    /// The small ones among them, as they are: these need not be fetched.
    #[serde(with = "crate::bytes::numbered")]
    pub values: Vec<(u32, Arc<[u8]>)>,
}

/// A partition that a worker gets from another, which retires or keeps it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The task whose output it is.
    pub task: TaskId,
    /// The attempt that made it.
    pub attempt: Attempt,
    /// Who holds it.
    pub from: WorkerId,
    /// Its buckets; 0 if it is whole.
    pub buckets: u32,
}

/// From the scheduler to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// The registration was accepted.
    Welcome {
        /// The identifier of this registration.
        worker: WorkerId,
        /// The cluster's name.
        cluster: String,
        /// How often to send a heartbeat, in milliseconds.
        heartbeat_ms: u64,
    },
    /// The registration was not accepted, and will not be if it is tried again as it is.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// Another worker: where its data port is.
    Peer {
        /// The worker.
        worker: WorkerId,
        /// Where its Flight service listens.
        address: Endpoint,
    },
    /// A worker is gone. Reads from it must end at once.
    PeerLost(WorkerId),
    /// A stage whose tasks will follow.
    Fragment(Arc<Fragment>),
    /// Holders of an input.
    Locations(Locations),
    /// The next part of the arguments of a task that follows, if they are long.
    Arguments {
        /// The task.
        task: TaskId,
        /// Its attempt.
        attempt: Attempt,
        /// The part.
        #[serde(with = "crate::bytes")]
        bytes: Arc<[u8]>,
    },
    /// Tasks to run, in this order.
    Run(Vec<RunTask>),
    /// Get this partition and keep it; [`FromWorker::Migrated`] follows.
    Migrate(Migration),
    /// Stop these attempts, or never start them. No report follows.
    Cancel(Vec<(TaskId, Attempt)>),
    /// Give back the tasks that have no slot yet; [`FromWorker::Recalled`] follows if there are any.
    Recall,
    /// Forget the partitions of these stages.
    DropStages(Vec<StageId>),
    /// Forget these partitions, which nobody will read any more.
    DropPartitions(Vec<TaskId>),
    /// Forget everything about a job, and remove what its attempts left in this staging folder.
    DropJob {
        /// The job.
        job: JobId,
        /// The staging folder to remove, if the job wrote and did not commit.
        staging: Option<String>,
    },
    /// Someone looks at it: send [`FromWorker::Detail`] every second, or no more.
    Watch(bool),
    /// Send [`FromWorker::Detail`] once.
    TellDetail,
    /// Leave. The process ends with 0.
    Shutdown {
        /// Why, for the log.
        reason: String,
    },
    /// Leave at once, and come back as a new process. What it holds and runs is lost.
    Restart,
}

/// What a worker says of itself when it registers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// The name that people know it by.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id on that host.
    pub pid: u32,
    /// Tasks it runs at once.
    pub slots: u32,
    /// Bytes it may use.
    pub memory_limit_bytes: u64,
    /// Where its Flight service listens, with the fingerprint of its certificate. An unspecified host stands for the
    /// address that the scheduler sees it connect from.
    pub data_address: Endpoint,
    /// Its scratch folder.
    pub local_directory: String,
    /// The Slurm job it runs in.
    pub slurm_job: Option<String>,
    /// Seconds until it must end, if it knows.
    pub lifetime_left_s: Option<u64>,
    /// What else it has that tasks may need for themselves (`GPU`), by name, in thousandths.
    pub resources: BTreeMap<String, u64>,
}

/// What a worker measures of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerMetrics {
    /// Processor time used since the last heartbeat, in thousandths of one core.
    pub cpu_milli: u32,
    /// Resident set of the process.
    pub resident_bytes: u64,
    /// Reserved in the one budget: operators and stored partitions.
    pub reserved_bytes: u64,
    /// Partitions in memory.
    pub stored_bytes: u64,
    /// Partitions on disk.
    pub spilled_bytes: u64,
    /// Partitions held, in memory or on disk.
    pub partitions: u32,
    /// Tasks on slots.
    pub running: u32,
    /// Tasks waiting for a slot.
    pub queued: u32,
    /// Bytes read from other workers since the start.
    pub fetched_bytes: u64,
    /// Bytes sent to others since the start.
    pub served_bytes: u64,
    /// Whether it takes no task that only adds bytes, since its memory is above the second mark.
    pub above_mark: bool,
    /// Partitions of which a part is on disk.
    pub spilled_partitions: u32,
    /// Bytes that the process read from disks since its start.
    pub disk_read_bytes: u64,
    /// Bytes that the process wrote to disks since its start.
    pub disk_written_bytes: u64,
}

/// A task on a slot of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotTask {
    /// The slot, counted from 0.
    pub slot: u16,
    /// The task.
    pub task: TaskId,
    /// Which start of it.
    pub attempt: Attempt,
    /// For how long it has been on the slot.
    pub since_us: u64,
    /// How much of what it reads it has read, in thousandths; nothing if that is not known.
    #[serde(default)]
    pub read_milli: Option<u16>,
}

/// What a worker tells of itself while someone looks at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerDetail {
    /// Its largest partitions: the task, bytes in memory, bytes on disk; at most
    /// [`crate::limits::DETAIL_PARTITIONS_MAX`].
    pub partitions: Vec<(TaskId, u64, u64)>,
    /// The last lines of its log, at most [`crate::limits::DETAIL_LOG_LINES_MAX`].
    pub log: Vec<String>,
}

/// From a worker to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message.
    Register(Registration),
    /// It is alive.
    Heartbeat {
        /// What it measured.
        metrics: WorkerMetrics,
        /// Tasks on its slots, at most [`crate::limits::SLOT_TASKS_MAX`].
        on_slots: Vec<SlotTask>,
    },
    /// What became of attempts.
    Reports(Vec<TaskReport>),
    /// It has not started these attempts, and will not: the answer to [`ToWorker::Recall`].
    Recalled(Vec<(TaskId, Attempt)>),
    /// A running attempt gave its slot back, since it waits for other tasks, or took one again.
    SlotChanged {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Whether it has a slot now.
        has_slot: bool,
    },
    /// A client has uploaded a partition to it, which it holds.
    Stored {
        /// The task that stands for the partition.
        task: TaskId,
        /// Its rows.
        rows: u64,
        /// Its bytes, as they lie in memory.
        bytes: u64,
    },
    /// It holds the partition of [`ToWorker::Migrate`], or could not get it.
    Migrated {
        /// The task whose output it is.
        task: TaskId,
        /// The attempt that made it.
        attempt: Attempt,
        /// Why it could not get it.
        error: Option<String>,
    },
    /// Bytes read from other workers since the start, by worker, where that changed; at most
    /// [`crate::limits::TRAFFIC_PEERS_MAX`].
    Traffic(Vec<(WorkerId, u64)>),
    /// What it was asked for by [`ToWorker::Watch`] or [`ToWorker::TellDetail`].
    Detail(WorkerDetail),
    /// Texts about calls of functions, at most [`crate::limits::CALL_TEXTS_BYTES_MAX`] bytes of them.
    CallTexts(Vec<CallText>),
    /// Where calls of functions were when they were sampled.
    Samples(Samples),
    /// What operators did since it told last.
    Operators(StageOperators),
    /// New lines of its log, at most [`crate::limits::BEAT_LOG_LINES_MAX`].
    LogLines(Vec<String>),
    /// It takes no new tasks and will leave when those it has are done and its partitions are not
    /// wanted any more, or when its time is over.
    Leaving {
        /// Why.
        reason: String,
    },
    /// The supervisor above the worker says how a child of it ended, since the child cannot.
    Died {
        /// The process id of the child that died.
        pid: u32,
        /// Its host.
        host: String,
        /// Exit code, signal, or out of memory.
        cause: String,
    },
}

/// Where a client finds a result partition; what became of it is told by [`Request::Taken`] or
/// [`Request::NotTaken`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    /// The partition.
    pub index: u32,
    /// Where the worker listens that holds it.
    pub address: Endpoint,
    /// What is asked for there, by Flight.
    pub ticket: Vec<u8>,
}

/// A question of a command-line client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A summary of the cluster's state.
    Cluster,
    /// All workers.
    Workers,
    /// All jobs that the scheduler remembers.
    Jobs,
    /// One job.
    Job(JobId),
    /// The stages of a job.
    Stages(JobId),
    /// Answered when that many workers are connected.
    WaitWorkers(u32),
    /// Stop a job.
    Cancel(JobId),
    /// End the cluster.
    Shutdown,
    /// Send [`Reply::Job`] and [`Reply::Stages`] of this job as they change, until it has ended.
    Watch(JobId),
    /// The client has read a result partition from its holder.
    Taken {
        /// The job.
        job: JobId,
        /// The partition.
        index: u32,
        /// Its rows.
        rows: u64,
    },
    /// The client could not read a result partition from its holder, or not to its end.
    NotTaken {
        /// The job.
        job: JobId,
        /// The partition.
        index: u32,
        /// Whether it has rows of it.
        passed_on: bool,
        /// Why.
        cause: String,
    },
    /// Run a stage whose tasks do nothing, answered when all are done.
    EmptyTasks(u32),
    /// All tables that workers hold.
    Tables,
    /// Have workers migrate what they hold and leave. Answered when all have gone.
    Retire(Vec<WorkerId>),
    /// Have workers start anew, without what they hold and run. Answered when workers with their names are up.
    Restart(Vec<WorkerId>),
    /// All that is known of a task.
    Task(TaskId),
    /// The ends of the logs of these workers; of all that are up if none is named.
    Logs(Vec<WorkerId>),
    /// Where the calls of a job spend their time.
    Profiles {
        /// The job.
        job: JobId,
        /// Only this stage.
        stage: Option<u32>,
    },
}

/// An answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The cluster.
    Cluster(ClusterRow),
    /// The workers.
    Workers(Vec<WorkerRow>),
    /// The jobs.
    Jobs(Vec<JobRow>),
    /// One job, if it is remembered.
    Job(Option<JobRow>),
    /// Its stages.
    Stages(Vec<StageRow>),
    /// It was done.
    Done,
    /// It was not done.
    Error(String),
    /// The tables.
    Tables(Vec<TableRow>),
    /// The task.
    Task(Box<TaskDetail>),
    /// The logs, by worker.
    Logs(Vec<WorkerLog>),
    /// The profiles of stages, the one with the most samples first.
    Profiles(Vec<StageProfile>),
}
