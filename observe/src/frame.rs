//! The protocol between a page and what it follows: a scheduler, a replay, or the page itself.
//!
//! A page opens `ws/dashboard` and sends the token as its first text frame; from then on both sides
//! send postcard in binary frames: [`FromPage`] and [`ToPage`]. The page answers each
//! [`ToPage::Frame`] with [`FromPage::Taken`] when it has applied it; at most
//! [`FRAMES_UNTAKEN_MAX`] are on their way.

use crate::view::{
    ClusterView, DataView, EventRow, JobView, Notice, Point, SchedulerView, StageView, TableView,
    TaskView, TimelineView, TimelineWindow, WorkerView,
};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::model::{JobRow, StageProfile, TaskRow, TaskState, WorkerRow};
use serde::{Deserialize, Serialize};

/// The version of this protocol. A page of another one asks to be loaded again.
pub const PAGE_PROTOCOL: u32 = 7;

/// Frames that were sent and not taken.
pub const FRAMES_UNTAKEN_MAX: u64 = 2;

/// Topics that a page may follow at once.
pub const TOPICS_MAX: usize = 16;

/// Bytes of one message from a page.
pub const PAGE_MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Rows in one update: a larger change comes in several frames.
pub const UPDATE_ROWS_MAX: usize = 500;

/// Tasks in one answer.
pub const TASKS_PAGE_MAX: u32 = 200;

/// Something that a page can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// A summary of the cluster.
    Cluster,
    /// The cluster's last ten minutes, a point a second.
    History,
    /// What needs attention.
    Notices,
    /// All workers.
    Workers,
    /// All jobs that are remembered.
    Jobs,
    /// The stages of a job.
    Stages(JobId),
    /// The long texts of a job.
    Job(JobId),
    /// A worker's page.
    Worker(WorkerId),
    /// A worker's last ten minutes.
    WorkerHistory(WorkerId),
    /// Bars of slots over time.
    Timeline(TimelineWindow),
    /// Where the memory goes.
    Data,
    /// What happened.
    Events,
    /// The scheduler's own figures.
    Scheduler,
    /// Persisted tables.
    Tables,
}

/// From a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromPage {
    /// What the page follows from now on, in the order in which it is most wanted. Topics that it
    /// followed before go on where they were; new ones begin anew.
    Follow(Vec<Topic>),
    /// All frames up to this number were applied.
    Taken(u64),
    /// Nobody looks at the page: send nothing.
    Pause,
    /// Somebody does again.
    Resume,
    /// A question, answered once under the same number.
    Ask(u32, Question),
    /// Go to this moment of a replay, in milliseconds since the epoch.
    Seek(u64),
    /// Let a replay run at this many times its speed; 0 stops it.
    Play(f32),
}

/// A question of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Tasks of a job, in order.
    Tasks {
        /// The job.
        job: JobId,
        /// Only this stage.
        stage: Option<u32>,
        /// Only in this state.
        state: Option<TaskState>,
        /// Those behind this one (stage, index).
        after: Option<(u32, u32)>,
        /// How many at most; [`TASKS_PAGE_MAX`] at most.
        limit: u32,
    },
    /// One task.
    Task(TaskId),
    /// Where the calls of a job spend their time.
    Profiles {
        /// The job.
        job: JobId,
        /// Only this stage.
        stage: Option<u32>,
    },
    /// The last lines that a worker logged, also one that is gone.
    WorkerLog(WorkerId),
}

/// An answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Tasks.
    Tasks {
        /// The tasks.
        rows: Vec<TaskRow>,
        /// Whether there are more behind them.
        more: bool,
    },
    /// A task.
    Task(Box<TaskView>),
    /// The profiles of stages, the one with the most samples first.
    Profiles(Vec<StageProfile>),
    /// The last lines that a worker logged, the oldest first.
    WorkerLog(Vec<String>),
    /// The answer does not exist: why.
    None(String),
}

/// What is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A cluster that runs.
    #[default]
    Live,
    /// A journal from this moment to that, in milliseconds since the epoch.
    Replay {
        /// The first moment.
        from_ms: u64,
        /// The last moment.
        to_ms: u64,
    },
}

/// To a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPage {
    /// The first message.
    Hello {
        /// [`PAGE_PROTOCOL`].
        protocol: u32,
        /// The version of the build.
        version: String,
        /// The cluster's name.
        cluster: String,
        /// What is served.
        source: Source,
        /// Whether the page may cancel jobs and retire workers.
        may_act: bool,
    },
    /// What changed.
    Frame {
        /// Its number, from 1.
        number: u64,
        /// The moment that it shows, in milliseconds since the epoch on the scheduler's clock.
        now_ms: u64,
        /// How fast a replay runs; 1 for what is live.
        speed: f32,
        /// What changed of each topic.
        updates: Vec<Update>,
    },
    /// The answer to a question.
    Answer(u32, Answer),
}

/// Rows that changed, and those that went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta<K, R> {
    /// Whether all rows that the page has go first.
    pub reset: bool,
    /// Rows that are new or other than before.
    pub rows: Vec<R>,
    /// Keys of rows that went.
    pub gone: Vec<K>,
    /// Whether more follows at once.
    pub more: bool,
}

/// What changed of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Update {
    /// [`Topic::Cluster`].
    Cluster(Box<ClusterView>),
    /// [`Topic::History`]: seconds since the epoch and their points. Points are added; the page keeps
    /// the last ten minutes.
    History(Delta<u64, (u64, Point)>),
    /// [`Topic::Notices`]: all of them.
    Notices(Vec<Notice>),
    /// [`Topic::Workers`].
    Workers(Delta<WorkerId, WorkerRow>),
    /// [`Topic::Jobs`]. Texts are cut to [`JOB_TEXT_CHARS_MAX`].
    Jobs(Delta<JobId, JobRow>),
    /// [`Topic::Stages`].
    Stages(JobId, Delta<u32, StageView>),
    /// [`Topic::Job`]; `None` if it is not known.
    Job(JobId, Option<Box<JobView>>),
    /// [`Topic::Worker`]; `None` if it is not known.
    Worker(WorkerId, Option<Box<WorkerView>>),
    /// [`Topic::WorkerHistory`].
    WorkerHistory(WorkerId, Delta<u64, (u64, Point)>),
    /// [`Topic::Timeline`]: the whole of it, for this window.
    Timeline(TimelineWindow, Box<TimelineView>),
    /// [`Topic::Data`].
    Data(Box<DataView>),
    /// [`Topic::Events`].
    Events(Delta<u32, EventRow>),
    /// [`Topic::Scheduler`].
    Scheduler(Box<SchedulerView>),
    /// [`Topic::Tables`]: all of them.
    Tables(Vec<TableView>),
}

/// Characters of a job's text in a list of jobs.
pub const JOB_TEXT_CHARS_MAX: usize = 300;
