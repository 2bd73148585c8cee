//! The core's state. Plain data: the transitions are functions in the other modules.

pub(crate) mod job;
pub(crate) mod planning;
pub(crate) mod ready;
pub(crate) mod ready_stages;
pub(crate) mod requirements;
pub(crate) mod stage;
pub(crate) mod task;
pub(crate) mod transfer;
pub(crate) mod values;
pub(crate) mod worker;

pub(crate) use job::{EndedJob, Job, Persistence};
pub(crate) use planning::Planning;
pub(crate) use ready::ReadyQueues;
pub(crate) use ready_stages::{Precedence, ReadyStages};
pub(crate) use requirements::{RequirementId, Requirements};
pub(crate) use stage::{Consumer, Stage};
pub(crate) use task::{NOBODY, Task, task_id};
pub(crate) use transfer::{Copies, DuePartitions, FailedMoves, Move, Moves, ReplicaGoal};
pub(crate) use values::Values;
pub(crate) use worker::Worker;

use crate::event::{SettledTask, Time};
use partita_observe::event::Seen;
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::FailureKind;
use partita_shared::model::{JobState, WorkerRow};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The settings of the core.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name.
    pub cluster: String,
    /// A worker without a heartbeat for this long is lost, in microseconds.
    pub silence_us_max: u64,
    /// How often workers send heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Work, in microseconds of expected time for each slot, that a worker may have as read-ahead,
    /// so that short tasks do not wait for a message each.
    pub read_ahead_us: u64,
    /// Whether the caller uses [`Core::take_seen`]: nothing is gathered otherwise.
    pub observed: bool,
}

impl Options {
    /// The usual settings for a cluster of that name.
    pub fn new(cluster: impl Into<String>) -> Self {
        Options {
            cluster: cluster.into(),
            silence_us_max: limits::WORKER_SILENCE_MAX.as_micros() as u64,
            heartbeat_ms: limits::HEARTBEAT_INTERVAL.as_millis() as u64,
            read_ahead_us: 10_000,
            observed: false,
        }
    }
}

/// The scheduler's state: workers, jobs, stages, tasks.
#[derive(Debug)]
pub struct Core {
    pub(crate) options: Options,
    /// The latest time that any event carried.
    pub(crate) now: Time,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Workers that take tasks, by load in thousandths of their slots.
    pub(crate) by_load: BTreeSet<(u64, WorkerId)>,
    /// Number of workers by their number of slots.
    pub(crate) sizes: BTreeMap<u32, u32>,
    /// Statements that are being planned, by the numbers that their jobs will have; at most
    /// [`limits::PLANNING_STATEMENTS_MAX`].
    pub(crate) planning: BTreeMap<JobId, Planning>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// Jobs with ready tasks, by fair share: attempts that run for its priority, virtual time. Up to
    /// date during placement.
    pub(crate) by_share: BTreeSet<(u64, u64, JobId)>,
    /// The sum of their priorities.
    pub(crate) ready_priorities: u64,
    /// What the stages of live jobs need of workers.
    pub(crate) requirements: Requirements,
    /// Bytes of small outputs that are kept, or more: see [`crate::values`].
    pub(crate) value_bytes: usize,
    /// Whether what readers want of persisted results may have changed; see `persisted::demand`.
    pub(crate) demand_changed: bool,
    pub(crate) next_worker: u32,
    pub(crate) next_job: u32,
    /// How many jobs were submitted; see [`Job::order`].
    pub(crate) submissions: u64,
    pub(crate) workers_lost: u32,
    /// The Slurm job around the scheduler, and its end, if it is known to have one.
    pub(crate) allocation: Option<(String, Time)>,
    pub(crate) tasks_finished: u64,
    /// Partitions that are being copied to other workers.
    pub(crate) moves: Moves,
    /// Failures to copy partitions: to create replicas if the flag is set, else to migrate.
    pub(crate) failed_moves: BTreeMap<(TaskId, bool), FailedMoves>,
    /// Partitions that workers still keep while someone reads them there.
    pub(crate) copies: Copies,
    /// Partitions that may have too few replicas or too many, or shall have another holder.
    pub(crate) due: DuePartitions,
    /// The replicas that clients asked for, at most [`limits::REPLICAS_MAX`].
    pub(crate) wanted_replicas: usize,
    /// Workers from which reads failed and have not succeeded since.
    pub(crate) suspects: BTreeSet<WorkerId>,
    /// Where the jobs' turns have got to; see [`Job::turn`].
    pub(crate) turn: u64,
    /// Workers that are gone, the latest last; at most [`GONE_WORKERS_MAX`].
    pub(crate) gone: VecDeque<WorkerRow>,
    /// Jobs that ended, the latest last; at most [`limits::FINISHED_JOBS_MAX`].
    pub(crate) ended: VecDeque<EndedJob>,
    /// Consequences of the current event that are still to be performed, in this order; see
    /// [`Pending`]. Empty between events.
    pub(crate) pending: VecDeque<Pending>,
    /// Tasks of open jobs that settled: told at the next placement.
    pub(crate) settled: BTreeMap<JobId, Vec<SettledTask>>,
    /// Partitions that workers shall forget: told before the next task is placed, many at once.
    pub(crate) drops: BTreeMap<WorkerId, Vec<TaskId>>,
    /// Observations that the observer has not received yet; the caller takes them after each batch
    /// of events.
    pub(crate) seen: Vec<Seen>,
}

/// Workers that are gone and still listed.
pub(crate) const GONE_WORKERS_MAX: usize = 200;

/// A large consequence of an event. Functions queue it and do not perform it: so no job and no
/// worker disappears while a function works on it, and a chain of any length needs no recursion.
#[derive(Debug)]
pub(crate) enum Pending {
    /// A job ends, or the planning of a statement.
    End { job: JobId, state: JobState, error: String, kind: Option<FailureKind> },
    /// A persisted result may be released: it lost a reader, or a reader has read all of it.
    Release(JobId),
    /// A worker is lost. Its link is closed if `has_link` is set.
    Lose { worker: WorkerId, cause: String, has_link: bool },
}

impl Core {
    /// A core without workers and jobs.
    pub fn new(options: Options) -> Self {
        Core {
            options,
            now: 0,
            workers: BTreeMap::new(),
            by_load: BTreeSet::new(),
            sizes: BTreeMap::new(),
            planning: BTreeMap::new(),
            jobs: BTreeMap::new(),
            by_share: BTreeSet::new(),
            ready_priorities: 0,
            requirements: Requirements::default(),
            value_bytes: 0,
            demand_changed: false,
            next_worker: 1,
            next_job: 1,
            submissions: 0,
            workers_lost: 0,
            allocation: None,
            tasks_finished: 0,
            moves: Moves::new(),
            failed_moves: BTreeMap::new(),
            copies: Copies::new(),
            due: DuePartitions::new(),
            wanted_replicas: 0,
            suspects: BTreeSet::new(),
            pending: VecDeque::new(),
            settled: BTreeMap::new(),
            drops: BTreeMap::new(),
            turn: 0,
            gone: VecDeque::new(),
            ended: VecDeque::new(),
            seen: Vec::new(),
        }
    }

    /// The number of the next job. Each is given once.
    pub(crate) fn number_job(&mut self) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        id
    }

    /// The jobs in the order in which they were submitted: each after those whose results it reads.
    /// Their numbers do not give this order.
    pub(crate) fn in_order(&self) -> Vec<JobId> {
        let mut ids: Vec<(u64, JobId)> =
            self.jobs.iter().map(|(id, job)| (job.order, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Queues the end of a job, or of the planning of a statement. The first end that is queued is the one that counts.
    pub(crate) fn end_job(&mut self, job: JobId, state: JobState, error: String) {
        self.pending.push_back(Pending::End { job, state, error, kind: None });
    }

    /// Queues the failure of a job, with the kind of the task's failure that is the cause, if it is one.
    pub(crate) fn fail_job(&mut self, job: JobId, error: String, kind: Option<FailureKind>) {
        self.pending.push_back(Pending::End { job, state: JobState::Failed, error, kind });
    }

    /// Queues the release of a persisted result, which happens if nobody wants it any more.
    pub(crate) fn release_job(&mut self, job: JobId) {
        self.pending.push_back(Pending::Release(job));
    }

    /// Queues the loss of a worker whose link is broken.
    pub(crate) fn lose_worker(&mut self, worker: WorkerId, cause: String) {
        self.pending.push_back(Pending::Lose { worker, cause, has_link: false });
    }

    /// Queues the loss of a worker whose link is open and has to be closed.
    pub(crate) fn give_up_worker(&mut self, worker: WorkerId, cause: String) {
        self.pending.push_back(Pending::Lose { worker, cause, has_link: true });
    }

    /// Has a worker forget a partition that it holds, or is computing, before the next task is placed.
    pub(crate) fn drop_soon(&mut self, worker: WorkerId, task: TaskId) {
        self.drops.entry(worker).or_default().push(task);
    }

    /// Whether a worker is retiring: only such workers are not listed by load.
    pub(crate) fn is_one_leaving(&self) -> bool {
        self.by_load.len() < self.workers.len()
    }

    /// Changes the attempts that a worker has, and its position among the others.
    pub(crate) fn change_attempts(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker)) {
        if let Some(worker) = self.workers.get_mut(&id) {
            let listed = self.by_load.remove(&(worker.load(), id));
            change(worker);
            worker.changed = true;
            if listed {
                self.by_load.insert((worker.load(), id));
            }
        }
    }

    pub(crate) fn add_held(&mut self, id: u32, change: i64) {
        if let Some(worker) = self.workers.get_mut(&WorkerId(id)) {
            worker.held = u32::try_from(i64::from(worker.held) + change).unwrap_or(0);
            worker.changed = true;
        }
    }
}
