//! The core's state. Plain data: the transitions are functions in the other modules.

use crate::event::{JobSpec, Origin, Time};
use crate::handover::{Copies, Moves};
use partita_observe::event::Seen;
use partita_shared::ids::{Attempt, GroupId, JobId, TaskId, WorkerId};
use partita_shared::limits;
use partita_shared::message::{Fragment, Holder, InputSpec, Registration, WorkerMetrics};
use partita_shared::model::{
    GroupRow, JobRow, JobState, OperatorRow, TaskCounts, TaskState, WorkerRow,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What may be set about the core.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name.
    pub cluster: String,
    /// A worker that was not heard of for this long is lost, in microseconds.
    pub silence_us_max: u64,
    /// How often workers send heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Work, in microseconds of expected time for each slot, that a worker may have waiting beyond
    /// its slots, so that short tasks do not wait for a message each.
    pub read_ahead_us: u64,
    /// Whether someone takes what [`Core::take_seen`] gives: nothing is gathered otherwise.
    pub observed: bool,
}

impl Options {
    /// The usual settings for a cluster of that name.
    pub fn new(cluster: impl Into<String>) -> Self {
        Options {
            cluster: cluster.into(),
            silence_us_max: limits::WORKER_SILENCE_MAX.as_micros() as u64,
            heartbeat_ms: limits::HEARTBEAT_INTERVAL.as_millis() as u64,
            read_ahead_us: 4_000,
            observed: false,
        }
    }
}

/// The scheduler's state: workers, jobs, groups, tasks.
#[derive(Debug)]
pub struct Core {
    pub(crate) options: Options,
    /// The latest time that any event carried.
    pub(crate) now: Time,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Workers that take tasks, by load in thousandths of their slots.
    pub(crate) by_load: BTreeSet<(u64, WorkerId)>,
    /// How many workers have so many slots.
    pub(crate) sizes: BTreeMap<u32, u32>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// Whether what readers want of held results may have changed; see [`crate::held::demand`].
    pub(crate) demand_changed: bool,
    /// Whether held results may have too few copies, or copies where they cannot stay.
    pub(crate) copies_changed: bool,
    pub(crate) next_worker: u32,
    pub(crate) next_job: u32,
    pub(crate) workers_lost: u32,
    /// The Slurm job around the scheduler, and its end, if it is known to have one.
    pub(crate) allocation: Option<(String, Time)>,
    pub(crate) tasks_finished: u64,
    /// Partitions of leaving workers on their way to others.
    pub(crate) moves: Moves,
    /// What leaving workers keep of those that have arrived, while someone reads it.
    pub(crate) copies: Copies,
    /// Workers that others could not read from since someone last could.
    pub(crate) suspects: BTreeSet<WorkerId>,
    /// Where the jobs' turns have got to; see [`Job::turn`].
    pub(crate) turn: u64,
    /// Workers that are gone, the latest last; at most [`GONE_WORKERS_MAX`].
    pub(crate) gone: VecDeque<WorkerRow>,
    /// Jobs that ended, the latest last; at most [`limits::FINISHED_JOBS_MAX`].
    pub(crate) ended: VecDeque<EndedJob>,
    /// Jobs that have to end or may be let go because another one has ended. None while no event is
    /// handled.
    pub(crate) after_end: VecDeque<AfterEnd>,
    /// What an observer has not been told yet; the shell takes it after each batch of events.
    pub(crate) seen: Vec<Seen>,
}

/// Workers that are gone and still listed.
pub(crate) const GONE_WORKERS_MAX: usize = 200;

/// What the end of a job means for another one.
#[derive(Debug)]
pub(crate) enum AfterEnd {
    /// It cannot go on, for this reason.
    Fails(JobId, String),
    /// Its result lost a reader.
    MayGo(JobId),
}

/// What is kept of a job that ended.
#[derive(Debug)]
pub(crate) struct EndedJob {
    pub(crate) row: JobRow,
    pub(crate) groups: Vec<GroupRow>,
    pub(crate) operators: Vec<Vec<OperatorRow>>,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) registration: Registration,
    pub(crate) joined: Time,
    pub(crate) heard: Time,
    pub(crate) ends: Option<Time>,
    pub(crate) leaving: Option<String>,
    pub(crate) metrics: WorkerMetrics,
    /// Attempts given to it that have not ended.
    pub(crate) assigned: u32,
    /// Partitions that it holds and someone may want.
    pub(crate) held: u32,
    pub(crate) finished: u64,
    /// Times in a row that others could not read from it.
    pub(crate) unreadable: u32,
    /// Workers whose address it was told.
    pub(crate) knows: BTreeSet<WorkerId>,
    /// Whether it was told to go.
    pub(crate) dismissed: bool,
    /// Whether its figures changed since an observer was told them.
    pub(crate) changed: bool,
}

impl Worker {
    pub(crate) fn slots(&self) -> u32 {
        self.registration.slots.max(1)
    }

    pub(crate) fn load(&self) -> u64 {
        u64::from(self.assigned) * 1000 / u64::from(self.slots())
    }
}

/// Why an attempt failed or was lost. With the worker whose loss it was, if it was one, so that a
/// cause that is learnt later takes its place.
pub(crate) type Cause = (Option<WorkerId>, String);

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) state: JobState,
    pub(crate) submitted: Time,
    pub(crate) started: Option<Time>,
    pub(crate) groups: Vec<Group>,
    /// Attempts that workers have.
    pub(crate) running: u32,
    /// Its next turn among jobs with an equal share: each start moves it on by a step that is the
    /// smaller the higher its priority. A job that had nothing to start saves up no turns.
    pub(crate) turn: u64,
    /// Result partitions that the client has: the first so many.
    pub(crate) delivered: u32,
    pub(crate) delivered_rows: u64,
    /// The attempt of the partition at `delivered` that the shell was told to bring, if it was.
    pub(crate) delivering: Option<Holder>,
    pub(crate) retries: u64,
    /// Workers that were told something of the job.
    pub(crate) touched: BTreeSet<WorkerId>,
    /// Why attempts of a task failed or were lost, for tasks where that happened.
    pub(crate) causes: BTreeMap<(u32, u32), Vec<Cause>>,
    /// Workers on which a task failed that is worth another try elsewhere.
    pub(crate) avoid: BTreeMap<(u32, u32), BTreeSet<WorkerId>>,
    /// Tasks that a worker had when it died, and that have not finished since. While there are any,
    /// no task of the job waits on a worker behind others: what dies with them is not to blame.
    pub(crate) suspects: BTreeSet<(u32, u32)>,
    /// What there is beside that of a job whose result is held.
    pub(crate) held: Held,
    /// Whether its figures, or those of a group of it, changed since an observer was told them.
    pub(crate) changed: bool,
}

/// A job whose result is held, and its readers.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Whether all of its result was there once: from then on what is lost of it is made again
    /// only for those who want it.
    pub(crate) complete: bool,
    /// Whether nobody but its readers wants it any more.
    pub(crate) released: bool,
    /// Whether it has no lineage any more: what is lost of it cannot be made again.
    pub(crate) cut: bool,
    /// The jobs that read it, and the group that stands for it there.
    pub(crate) readers: BTreeSet<(JobId, u32)>,
    /// Partitions of it that are not held and that a reader waits for.
    pub(crate) wanted: BTreeSet<u32>,
    /// Workers that hold a partition beside the one that readers are told.
    pub(crate) replicas: BTreeMap<u32, BTreeSet<WorkerId>>,
}

impl Job {
    pub(crate) fn result(&self) -> usize {
        self.groups.len() - 1
    }

    /// Whether a group is the result and is held for other jobs.
    pub(crate) fn is_held_result(&self, group: usize) -> bool {
        self.spec.keep && group == self.result()
    }

    /// The jobs whose held results it reads, and the groups that stand for them.
    pub(crate) fn sources(&self) -> Vec<(u32, JobId)> {
        let groups = self.groups.iter().enumerate().filter(|_| !self.held.cut);
        let held = groups.filter_map(|(number, group)| match group.origin {
            Origin::Held(source) => Some((number as u32, source)),
            Origin::Tasks | Origin::Put => None,
        });
        held.collect()
    }
}

/// A consumer's view of one input: which group reads this one, as which of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) group: u32,
    pub(crate) input: u32,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) origin: Origin,
    pub(crate) fragment: Arc<Fragment>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) counts: TaskCounts,
    /// Tasks whose output is held somewhere.
    pub(crate) available: u32,
    /// Bytes of that, as they lie in memory.
    pub(crate) held_bytes: u64,
    /// Inputs that tasks read whole (`Shuffle`, `Gather`, `Broadcast`) and that are not all held.
    pub(crate) blocked: u32,
    /// Ready tasks that any worker may take, in order.
    pub(crate) ready: VecDeque<u32>,
    /// Ready tasks whose input lies on one worker, by that worker.
    pub(crate) ready_at: BTreeMap<WorkerId, VecDeque<u32>>,
    /// Holders of the whole-read inputs, as workers were last told them; empty before.
    pub(crate) locations: Vec<(u32, Arc<Vec<Holder>>)>,
    /// Counts the changes of `locations`.
    pub(crate) version: u32,
    /// What each worker was told: the version of the locations, and so the fragment.
    pub(crate) told: BTreeMap<WorkerId, u32>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) busy_us: u64,
    pub(crate) finished: u64,
    pub(crate) operators: Vec<OperatorRow>,
    /// Whether its figures changed since an observer was told them.
    pub(crate) changed: bool,
}

impl Group {
    /// Whether it stands for the held result of another job.
    pub(crate) fn is_mirror(&self) -> bool {
        matches!(self.origin, Origin::Held(_))
    }

    pub(crate) fn inputs(&self) -> &[InputSpec] {
        &self.fragment.inputs
    }

    pub(crate) fn is_held(&self) -> bool {
        self.available as usize == self.tasks.len()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.counts.done as usize == self.tasks.len()
    }

    /// The mean time of a task, in microseconds, once one has finished.
    pub(crate) fn mean_us(&self) -> Option<u64> {
        (self.finished > 0).then(|| self.busy_us / self.finished)
    }
}

/// A worker that is none.
pub(crate) const NOBODY: u32 = u32::MAX;

/// One task. Kept small: there may be millions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) busy_us: u32,
    /// The worker that runs it or holds its output, or [`NOBODY`].
    pub(crate) worker: u32,
    /// Input partitions that this task alone reads and that are not held.
    pub(crate) pending: u32,
    pub(crate) attempt: Attempt,
    pub(crate) state: TaskState,
    pub(crate) failures: u8,
    pub(crate) kills: u8,
}

const _: () =
    assert!(size_of::<Task>() <= 48, "a task with its place in a queue takes 64 bytes at most");

impl Task {
    pub(crate) fn new() -> Self {
        Task {
            rows: 0,
            bytes: 0,
            busy_us: 0,
            worker: NOBODY,
            pending: 0,
            attempt: 0,
            state: TaskState::Waiting,
            failures: 0,
            kills: 0,
        }
    }

    /// The worker that runs it or holds its output.
    pub(crate) fn worker(&self) -> Option<WorkerId> {
        (self.worker != NOBODY).then_some(WorkerId(self.worker))
    }

    /// Who holds its output, if someone does.
    pub(crate) fn holder(&self) -> Option<Holder> {
        match self.state {
            TaskState::Done => self.worker().map(|worker| Holder { worker, attempt: self.attempt }),
            TaskState::Waiting | TaskState::Ready | TaskState::Running | TaskState::Failed => None,
        }
    }
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
            jobs: BTreeMap::new(),
            demand_changed: false,
            copies_changed: false,
            next_worker: 1,
            next_job: 1,
            workers_lost: 0,
            allocation: None,
            tasks_finished: 0,
            moves: Moves::new(),
            copies: Copies::new(),
            suspects: BTreeSet::new(),
            after_end: VecDeque::new(),
            turn: 0,
            gone: VecDeque::new(),
            ended: VecDeque::new(),
            seen: Vec::new(),
        }
    }

    /// Whether a worker is leaving: those alone are not listed by load.
    pub(crate) fn is_one_leaving(&self) -> bool {
        self.by_load.len() < self.workers.len()
    }

    /// Changes the number of attempts that a worker has, and its place among the others.
    pub(crate) fn add_assigned(&mut self, id: WorkerId, change: i64) {
        if let Some(worker) = self.workers.get_mut(&id) {
            let listed = self.by_load.remove(&(worker.load(), id));
            worker.assigned = u32::try_from(i64::from(worker.assigned) + change).unwrap_or(0);
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

/// The identifier of a task of a job.
pub(crate) fn task_id(job: JobId, group: u32, index: u32) -> TaskId {
    TaskId { group: GroupId { job, index: group }, index }
}
