//! The core on its thread, and the way to it.
//!
//! Everything that happens comes through one bounded queue; the effects of a batch are performed
//! before the next is taken. Messages to workers go into a bounded queue for each: a worker that
//! does not read is given up, so that it cannot fill the scheduler's memory.

mod logs;
mod shell;
mod telling;

use crate::error::SchedulerError;
use crate::functions::Mailbox;
use crate::now_us;
use crate::observer::Observer;
use partita_core::{Core, Event, Growth, JobSpec, Options, StatementSpec};
use partita_observe::event::{Observation, Seen};
use partita_observe::session::Watched;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits::{
    CORE_QUEUE_EVENTS_MAX, REPORT_QUEUE_MESSAGES_MAX, WORKER_QUEUE_MESSAGES_MAX,
};
use partita_shared::message::{FailureKind, FromWorker, Holder, Registration, ToWorker};
use partita_shared::model::{JobRow, JobState};
use shell::Shell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use telling::Telling;
use tokio::sync::{mpsc, oneshot, watch};

/// Notices that may wait for the one who streams a job's result.
const JOB_NOTICES_MAX: usize = 64;
/// How long a worker may take to tell the end of its log.
const DETAIL_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the core looks for silent workers.
const TICK_INTERVAL: Duration = Duration::from_millis(500);

/// What happens to a job, for the one who streams its result.
#[derive(Clone, Debug)]
pub enum JobNotice {
    /// A result partition is there.
    Deliver {
        /// The partition.
        index: u32,
        /// Who holds it.
        holder: Holder,
        /// Where the holder listens.
        address: Endpoint,
        /// Its bytes, as they lie in memory.
        bytes: u64,
    },
    /// All of the job's result is persisted.
    Persisted,
    /// The job ended.
    Ended {
        /// How.
        state: JobState,
        /// Why, if not well.
        error: String,
        /// The kind of failure, if a task's failure was the reason.
        kind: Option<FailureKind>,
    },
}

/// Why a request of a client is not answered.
fn gone() -> String {
    "the scheduler is shutting down".to_string()
}

type Query = Box<dyn FnOnce(&Core) + Send>;

/// Makes the event of a request, which has its number.
type Request = Box<dyn FnOnce(u64) -> Event + Send>;

/// Bytes of the messages between scheduler and workers, since the start.
#[derive(Debug, Default)]
pub(crate) struct LinkBytes {
    /// From workers.
    pub(crate) received: AtomicU64,
    /// To workers.
    pub(crate) sent: AtomicU64,
}

enum Command {
    Event(Event),
    Join {
        registration: Box<Registration>,
        outbox: mpsc::Sender<ToWorker>,
        reply: oneshot::Sender<WorkerId>,
    },
    /// The planning of a statement begins.
    Plan {
        spec: Box<StatementSpec>,
        notices: mpsc::Sender<JobNotice>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    /// A job that was not planned.
    Submit {
        spec: Box<JobSpec>,
        notices: mpsc::Sender<JobNotice>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    /// The job of a statement that was planned.
    SubmitPlanned {
        job: JobId,
        spec: Box<JobSpec>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    /// An open job, whose tasks are told of in a mailbox.
    Open {
        spec: Box<JobSpec>,
        mailbox: Arc<Mailbox>,
        notices: mpsc::Sender<JobNotice>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    /// An open job grows.
    Grow {
        job: JobId,
        growth: Box<Growth>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    /// A request that the core accepts or refuses.
    Ask {
        event: Request,
        reply: oneshot::Sender<Result<(), String>>,
    },
    Query(Query),
    /// Those whose detail someone looks at.
    Watch(Watched),
    /// A worker is to tell its detail once.
    TellDetail(WorkerId),
    /// A worker is to start anew.
    Restart(WorkerId),
    Dismiss(String),
}

/// The way to the core.
#[derive(Clone, Debug)]
pub struct Hub {
    commands: mpsc::Sender<Command>,
    changes: watch::Receiver<u64>,
    bytes: Arc<LinkBytes>,
    observer: Option<Observer>,
    waiting: Arc<logs::Waiting>,
}

/// A link to a worker in this process: the same queues that a WebSocket's ends have.
#[derive(Debug)]
pub struct LocalLink {
    /// What the worker sends.
    pub sender: mpsc::Sender<FromWorker>,
    /// What the worker gets.
    pub receiver: mpsc::Receiver<ToWorker>,
}

impl Hub {
    /// Starts the core on a thread of its own.
    pub(crate) fn start(
        mut options: Options,
        observer: Option<&Observer>,
    ) -> Result<Self, SchedulerError> {
        let (commands, receiver) = mpsc::channel(CORE_QUEUE_EVENTS_MAX);
        let (changed, changes) = watch::channel(0);
        options.observed = observer.is_some();
        let bytes = Arc::<LinkBytes>::default();
        let telling = observer.map(|observer| Telling::new(observer.outlet(), Arc::clone(&bytes)));
        let shell = Shell::new(Core::new(options), telling, changed);
        std::thread::Builder::new()
            .name("core".to_string())
            .spawn(move || shell.run(receiver))
            .map_err(|source| SchedulerError::System {
                what: "cannot start the core thread".into(),
                source,
            })?;
        let (observer, waiting) = (observer.cloned(), Arc::default());
        Ok(Hub { commands, changes, bytes, observer, waiting })
    }

    /// Tells the observer of something, if there is one.
    pub(crate) fn show(&self, what: Observation) {
        if let Some(observer) = &self.observer {
            observer.show(Seen { at_us: now_us(), what });
        }
    }

    /// Tells the core of something. Waits if the queue is full.
    pub async fn tell(&self, event: Event) {
        let _ = self.commands.send(Command::Event(event)).await;
    }

    /// Tells the core of something from where nobody can wait: where something is dropped.
    pub(crate) fn tell_later(&self, event: Event) {
        let sent = self.commands.try_send(Command::Event(event));
        if let Err(mpsc::error::TrySendError::Full(command)) = sent
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let commands = self.commands.clone();
            runtime.spawn(async move { commands.send(command).await });
        }
    }

    /// Lets go of persisted results that have no name any more.
    pub async fn release(&self, jobs: impl IntoIterator<Item = JobId>) {
        for job in jobs {
            self.tell(Event::JobReleased { job }).await;
        }
    }

    /// Cancels all jobs that are planned, wait or run.
    pub async fn cancel_all(&self, reason: &str) {
        let live = |row: &JobRow| {
            matches!(row.state, JobState::Planning | JobState::Queued | JobState::Running)
        };
        let jobs = self.query(|core| core.jobs(None, usize::MAX)).await.unwrap_or_default();
        for row in jobs.into_iter().filter(live) {
            let reason = reason.to_string();
            self.tell(Event::JobCancelled { job: row.id, reason }).await;
        }
    }

    /// Tells the core that the Slurm job around the scheduler ends after so long.
    pub async fn allocation_ends(&self, slurm_job: String, left: Duration) {
        let left = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
        let at = now_us().saturating_add(left);
        self.tell(Event::AllocationEnds { slurm_job, at }).await;
    }

    /// Asks the core. None if it is gone.
    pub async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |core| {
            let _ = reply.send(question(core));
        });
        self.commands.send(Command::Query(query)).await.ok()?;
        answer.await.ok()
    }

    /// Bytes of the messages between scheduler and workers.
    pub(crate) fn bytes(&self) -> &LinkBytes {
        &self.bytes
    }

    /// Sets which workers' details are watched from now on.
    pub(crate) async fn watch(&self, watched: Watched) {
        let _ = self.commands.send(Command::Watch(watched)).await;
    }

    /// The end of a worker's log. None if it does not tell in time.
    pub(crate) async fn log_of(&self, worker: WorkerId) -> Option<Vec<String>> {
        let answer = self.waiting.add(worker)?;
        self.commands.send(Command::TellDetail(worker)).await.ok()?;
        tokio::time::timeout(DETAIL_TIMEOUT, answer).await.ok()?.ok()
    }

    /// Tells a worker to start anew.
    pub(crate) async fn restart(&self, worker: WorkerId) {
        let _ = self.commands.send(Command::Restart(worker)).await;
    }

    /// Tells every worker to leave.
    pub(crate) async fn dismiss(&self, reason: &str) {
        let _ = self.commands.send(Command::Dismiss(reason.to_string())).await;
    }

    /// A number that changes when something happened.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Adds a worker. Its messages come out of the returned queue.
    pub(crate) async fn join(
        &self,
        registration: Registration,
    ) -> Option<(WorkerId, mpsc::Receiver<ToWorker>)> {
        let (outbox, inbox) = mpsc::channel(WORKER_QUEUE_MESSAGES_MAX);
        let (reply, answer) = oneshot::channel();
        let registration = Box::new(registration);
        self.commands.send(Command::Join { registration, outbox, reply }).await.ok()?;
        Some((answer.await.ok()?, inbox))
    }

    /// Submits a job that was not planned. What happens to it comes out of the returned queue.
    ///
    /// # Errors
    /// If the core refuses it.
    pub async fn submit(
        &self,
        spec: JobSpec,
    ) -> Result<(JobId, mpsc::Receiver<JobNotice>), String> {
        let (notices, inbox) = mpsc::channel(JOB_NOTICES_MAX);
        let (reply, answer) = oneshot::channel();
        let command = Command::Submit { spec: Box::new(spec), notices, reply };
        self.commands.send(command).await.map_err(|_| gone())?;
        let job = answer.await.map_err(|_| gone())??;
        Ok((job, inbox))
    }

    /// Numbers a statement whose planning begins. What happens to it comes out of the returned queue: its
    /// end while it is planned, and all that happens to its job.
    ///
    /// # Errors
    /// If the core refuses it, with the reason. None if the core is gone.
    pub(crate) async fn plan(
        &self,
        spec: StatementSpec,
    ) -> Option<Result<(JobId, mpsc::Receiver<JobNotice>), String>> {
        let (notices, inbox) = mpsc::channel(JOB_NOTICES_MAX);
        let (reply, answer) = oneshot::channel();
        let command = Command::Plan { spec: Box::new(spec), notices, reply };
        self.commands.send(command).await.ok()?;
        Some(answer.await.ok()?.map(|job| (job, inbox)))
    }

    /// Submits the job of a statement that was planned.
    ///
    /// # Errors
    /// If the core refuses it, with the reason. None if the core is gone.
    pub(crate) async fn submit_planned(
        &self,
        job: JobId,
        spec: JobSpec,
    ) -> Option<Result<JobId, String>> {
        let (reply, answer) = oneshot::channel();
        let command = Command::SubmitPlanned { job, spec: Box::new(spec), reply };
        self.commands.send(command).await.ok()?;
        answer.await.ok()
    }

    /// Opens a job that grows. Its tasks that end come into the mailbox, its own end out of the returned queue.
    ///
    /// # Errors
    /// If the core refuses it.
    pub(crate) async fn open(
        &self,
        spec: JobSpec,
        mailbox: Arc<Mailbox>,
    ) -> Result<(JobId, mpsc::Receiver<JobNotice>), String> {
        let (notices, inbox) = mpsc::channel(JOB_NOTICES_MAX);
        let (reply, answer) = oneshot::channel();
        let command = Command::Open { spec: Box::new(spec), mailbox, notices, reply };
        self.commands.send(command).await.map_err(|_| gone())?;
        let job = answer.await.map_err(|_| gone())??;
        Ok((job, inbox))
    }

    /// Appends to an open job.
    ///
    /// # Errors
    /// If the core refuses it.
    pub(crate) async fn grow(&self, job: JobId, growth: Growth) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Grow { job, growth: Box::new(growth), reply };
        self.commands.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map(|_| ())
    }

    /// Asks the core to do something. `event` has the number that it is given.
    ///
    /// # Errors
    /// If the core refuses it.
    pub(crate) async fn ask(
        &self,
        event: impl FnOnce(u64) -> Event + Send + 'static,
    ) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask { event: Box::new(event), reply };
        self.commands.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// A link for a worker in this process.
    pub fn local_link(&self) -> LocalLink {
        let (sender, mut from_worker) = mpsc::channel(REPORT_QUEUE_MESSAGES_MAX);
        let (outgoing, receiver) = mpsc::channel(WORKER_QUEUE_MESSAGES_MAX);
        let hub = self.clone();
        tokio::spawn(async move {
            let Some(FromWorker::Register(registration)) = from_worker.recv().await else { return };
            let Some((worker, mut inbox)) = hub.join(registration).await else { return };
            loop {
                tokio::select! {
                    message = inbox.recv() => match message {
                        Some(message) => if outgoing.send(message).await.is_err() { break },
                        None => break,
                    },
                    message = from_worker.recv() => match message {
                        Some(message) => hub.take(worker, message).await,
                        None => break,
                    },
                }
            }
            let cause = "it stopped".to_string();
            hub.tell(Event::WorkerLost { worker, cause }).await;
        });
        LocalLink { sender, receiver }
    }

    /// Passes on what a worker sent.
    pub(crate) async fn take(&self, worker: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Register(_) => {
                tracing::warn!(%worker, "a worker registered twice on one connection");
            }
            FromWorker::Heartbeat { metrics, on_slots } => {
                self.tell(Event::Heartbeat { worker, metrics, on_slots }).await;
            }
            FromWorker::Recalled(attempts) => self.tell(Event::Recalled { worker, attempts }).await,
            FromWorker::SlotChanged { task, attempt, has_slot } => {
                self.tell(Event::SlotChanged { worker, task, attempt, has_slot }).await;
            }
            FromWorker::Reports(reports) => self.tell(Event::Reports { worker, reports }).await,
            FromWorker::Stored { task, rows, bytes } => {
                self.tell(Event::Stored { worker, task, rows, bytes }).await;
            }
            FromWorker::Migrated { task, attempt, error } => {
                self.tell(Event::Migrated { worker, task, attempt, error }).await;
            }
            // The core knows nothing of these: they do not take its time.
            FromWorker::Traffic(fetched_from) => {
                self.show(Observation::Traffic { worker, fetched_from });
            }
            FromWorker::Detail(detail) => {
                self.waiting.told(worker, &detail);
                self.show(Observation::Detail { worker, detail });
            }
            FromWorker::CallTexts(texts) => self.show(Observation::CallTexts(texts)),
            FromWorker::Samples(samples) => self.show(Observation::Samples { worker, samples }),
            FromWorker::Operators(operators) => self.show(Observation::Operators(operators)),
            FromWorker::LogLines(lines) => self.show(Observation::LogLines { worker, lines }),
            FromWorker::Leaving { reason } => {
                self.tell(Event::WorkerLeaving { worker, reason }).await;
            }
            FromWorker::Died { pid, host, cause } => {
                self.tell(Event::ProcessDied { host, pid, cause }).await;
            }
        }
    }
}

/// Tells the core the time, again and again.
pub(crate) async fn tick(hub: Hub) {
    let mut interval = tokio::time::interval(TICK_INTERVAL);
    loop {
        interval.tick().await;
        hub.tell(Event::Tick).await;
    }
}
