//! A virtual worker process: it keeps what it is told and does as a worker must.

use super::settings::{HEARTBEAT_MS, MS};
use partita_core::Time;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{
    Fragment, Holder, Migration, Registration, RunTask, TaskReport, ToWorker, WorkerMetrics,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A task on a slot.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) run: RunTask,
    /// What it will store, once its inputs are read.
    pub(crate) value: Option<u64>,
    /// Bytes that it read from others.
    pub(crate) fetched_bytes: u64,
    pub(crate) started: Time,
    /// Whether it gave its slot back.
    pub(crate) seceded: bool,
}

/// Everything that belongs to one registration, and is forgotten with it.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Once welcomed.
    pub(crate) id: Option<WorkerId>,
    pub(crate) store: BTreeMap<TaskId, (Attempt, u64)>,
    /// Partitions that a client has uploaded: the scheduler may not know of them yet.
    pub(crate) uploaded: BTreeSet<TaskId>,
    /// Partitions that a fault has taken away.
    pub(crate) spoiled: BTreeSet<TaskId>,
    pub(crate) fragments: BTreeMap<StageId, Arc<Fragment>>,
    pub(crate) locations: BTreeMap<(StageId, u32), Arc<Vec<Holder>>>,
    /// Addresses of other workers; those of lost ones are gone.
    pub(crate) peers: BTreeMap<WorkerId, String>,
    pub(crate) lost: BTreeSet<WorkerId>,
    pub(crate) queue: VecDeque<RunTask>,
    pub(crate) running: BTreeMap<TaskId, Running>,
    /// The latest attempt of each task that came: they only grow.
    latest: BTreeMap<TaskId, Attempt>,
    pub(crate) outbox: Vec<TaskReport>,
    /// Partitions that migrate here and have not come yet, and those whose coming is planned.
    pub(crate) orders: Vec<Migration>,
    pub(crate) coming: Vec<Migration>,
    pub(crate) told_to_go: bool,
    /// What it gives back, once it was asked.
    pub(crate) recalled: Option<Vec<(TaskId, Attempt)>>,
}

/// A process, alive or not.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) slots: u32,
    /// How much of the resource `GPU` it has, in thousandths.
    pub(crate) gpu: u64,
    /// Its time for a task, in hundredths of the usual.
    pub(crate) slowness: u64,
    /// Partitions above which it says that its memory is above the mark.
    pub(crate) mark: Option<usize>,
    /// When it must end.
    pub(crate) ends: Option<Time>,
    /// No fault befalls it.
    pub(crate) anchor: bool,
    pub(crate) alive: bool,
    pub(crate) leaving: bool,
    /// The link of the present registration.
    pub(crate) link: Option<usize>,
    /// Counts registrations: what was planned in an earlier one does not happen.
    pub(crate) epoch: u32,
    pub(crate) session: Session,
}

impl Process {
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.name, self.pid)
    }

    pub(crate) fn registration(&self, now: Time) -> Registration {
        Registration {
            name: self.name.clone(),
            host: format!("host of {}", self.name),
            pid: self.pid,
            slots: self.slots,
            memory_limit_bytes: 1 << 30,
            data_address: self.address().into(),
            lifetime_left_s: self.ends.map(|ends| ends.saturating_sub(now) / (1000 * MS)),
            resources: [("GPU".to_string(), self.gpu)].into(),
            ..Registration::default()
        }
    }

    pub(crate) fn metrics(&self) -> WorkerMetrics {
        let session = &self.session;
        WorkerMetrics {
            partitions: session.store.len() as u32,
            running: session.running.len() as u32,
            queued: session.queue.len() as u32,
            above_mark: self.mark.is_some_and(|mark| session.store.len() > mark),
            ..WorkerMetrics::default()
        }
    }

    /// Ends the registration: everything that belonged to it is forgotten.
    pub(crate) fn forget(&mut self) {
        self.epoch += 1;
        self.link = None;
        self.session = Session::default();
    }
}

impl Session {
    /// Takes a message. Panics where the scheduler breaks its promises.
    pub(crate) fn take(&mut self, message: ToWorker, slots: u32, gpu: u64) {
        match message {
            ToWorker::Welcome { worker, heartbeat_ms, .. } => {
                assert_eq!((self.id, heartbeat_ms), (None, HEARTBEAT_MS), "welcomed twice");
                self.id = Some(worker);
            }
            ToWorker::Peer { worker, address } => {
                assert!(!self.lost.contains(&worker), "{worker} is a peer after it was lost");
                assert_eq!(
                    self.peers.insert(worker, address.address),
                    None,
                    "{worker} is told twice"
                );
            }
            ToWorker::PeerLost(worker) => {
                assert!(self.peers.remove(&worker).is_some(), "{worker} was no peer");
                self.lost.insert(worker);
            }
            ToWorker::Fragment(fragment) => {
                let new = fragment.inputs.clone();
                if let Some(old) = self.fragments.insert(fragment.stage, fragment) {
                    let more = new.len() > old.inputs.len() && new.starts_with(&old.inputs);
                    assert!(more, "a fragment came twice: {old:?} {new:?}");
                }
            }
            ToWorker::Locations(told) => {
                assert!(self.fragments.contains_key(&told.stage), "places of an unknown stage");
                self.locations.insert((told.stage, told.input), told.holders);
            }
            ToWorker::Arguments { task, .. } => panic!("the arguments of {task} are short"),
            ToWorker::Run(tasks) => {
                tasks.into_iter().for_each(|run| self.take_task(run, slots));
                assert!(self.gpu_taken() <= gpu, "more of a resource than it has");
            }
            ToWorker::Recall => {
                let queue = std::mem::take(&mut self.queue);
                let given = queue.into_iter().map(|run| (run.task, run.attempt));
                self.recalled.get_or_insert_default().extend(given);
            }
            ToWorker::Cancel(attempts) => {
                for (task, attempt) in attempts {
                    self.queue.retain(|run| (run.task, run.attempt) != (task, attempt));
                    if self.running.get(&task).is_some_and(|r| r.run.attempt == attempt) {
                        self.running.remove(&task);
                    }
                }
            }
            ToWorker::DropStages(stages) => {
                self.store.retain(|task, _| !stages.contains(&task.stage));
            }
            ToWorker::DropPartitions(tasks) => {
                for task in tasks {
                    self.store.remove(&task);
                }
            }
            ToWorker::DropJob { job, .. } => self.drop_job(job),
            ToWorker::Migrate(order) => {
                assert!(Some(order.from) != self.id, "a partition migrates from where it is");
                self.orders.push(order);
            }
            ToWorker::Refused { reason } => panic!("the core refuses nobody: {reason}"),
            ToWorker::Watch(_) | ToWorker::TellDetail | ToWorker::Restart => {
                panic!("the core does not do this by itself")
            }
            ToWorker::Shutdown { .. } => {
                assert!(self.running.is_empty() && self.queue.is_empty(), "told to go at work");
                self.told_to_go = true;
            }
        }
    }

    fn take_task(&mut self, run: RunTask, slots: u32) {
        assert!(self.fragments.contains_key(&run.task.stage), "{} has no fragment", run.task);
        let before = self.latest.insert(run.task, run.attempt).unwrap_or(0);
        assert!(before < run.attempt, "{}#{} comes after #{before}", run.task, run.attempt);
        assert!(!self.running.contains_key(&run.task), "{} runs twice", run.task);
        self.queue.push_back(run);
        let waiting = self.queue.len() + self.running.len();
        assert!(waiting <= slots as usize + 1024, "{waiting} tasks at once");
    }

    /// Tasks that have a slot.
    pub(crate) fn on_slots(&self) -> usize {
        self.running.values().filter(|running| !running.seceded).count()
    }

    /// How much of the resource the tasks that it has need at once.
    fn gpu_taken(&self) -> u64 {
        let tasks = self.queue.iter().chain(self.running.values().map(|running| &running.run));
        let needed = tasks.map(|run| self.fragments[&run.task.stage].resources.get("GPU"));
        needed.map(|needed| needed.copied().unwrap_or(0)).sum()
    }

    fn drop_job(&mut self, job: JobId) {
        let stays = |task: &TaskId| task.stage.job != job;
        self.store.retain(|task, _| stays(task));
        self.spoiled.retain(stays);
        self.uploaded.retain(stays);
        self.latest.retain(|task, _| stays(task));
        self.running.retain(|task, _| stays(task));
        self.queue.retain(|run| stays(&run.task));
        self.outbox.retain(|report| stays(&report.task));
        self.orders.retain(|order| stays(&order.task));
        self.coming.retain(|order| stays(&order.task));
        self.fragments.retain(|stage, _| stage.job != job);
        self.locations.retain(|(stage, _), _| stage.job != job);
    }

    /// Whether nothing is left of any job.
    pub(crate) fn is_clean(&self) -> bool {
        self.store.is_empty()
            && self.running.is_empty()
            && self.queue.is_empty()
            && self.fragments.is_empty()
            && self.locations.is_empty()
            && self.outbox.is_empty()
    }
}
