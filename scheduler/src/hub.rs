//! The core on its thread, and the way to it.
//!
//! Everything that happens comes through one bounded queue; the effects of a batch are performed
//! before the next is taken. Messages to workers go into a bounded queue for each: a worker that
//! does not read is given up, so that it cannot fill the scheduler's memory.

use crate::error::SchedulerError;
use partita_core::{Core, Effect, Event, JobSpec, Options};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits::{
    CORE_QUEUE_EVENTS_MAX, REPORT_QUEUE_MESSAGES_MAX, WORKER_QUEUE_MESSAGES_MAX,
};
use partita_shared::message::{FailureKind, FromWorker, Holder, Registration, ToWorker};
use partita_shared::model::JobState;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

/// Commands taken before ready tasks are given out.
const BATCH_COMMANDS_MAX: usize = 512;
/// Notices that may wait for the one who streams a job's result.
const JOB_NOTICES_MAX: usize = 64;
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
        /// `host:port` of the holder.
        address: String,
    },
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

type Query = Box<dyn FnOnce(&Core) + Send>;

enum Command {
    Event(Event),
    Join {
        registration: Box<Registration>,
        outbox: mpsc::Sender<ToWorker>,
        reply: oneshot::Sender<WorkerId>,
    },
    Submit {
        spec: Box<JobSpec>,
        notices: mpsc::Sender<JobNotice>,
        reply: oneshot::Sender<Result<JobId, String>>,
    },
    Query(Query),
    Dismiss(String),
}

/// The way to the core.
#[derive(Clone, Debug)]
pub struct Hub {
    commands: mpsc::Sender<Command>,
    changes: watch::Receiver<u64>,
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
    pub(crate) fn start(options: Options) -> Result<Self, SchedulerError> {
        let (commands, receiver) = mpsc::channel(CORE_QUEUE_EVENTS_MAX);
        let (changed, changes) = watch::channel(0);
        let shell = Shell {
            core: Core::new(options),
            outboxes: HashMap::new(),
            notices: HashMap::new(),
            joins: HashMap::new(),
            submissions: HashMap::new(),
            requests: 0,
            changed,
        };
        std::thread::Builder::new()
            .name("core".to_string())
            .spawn(move || shell.run(receiver))
            .map_err(|source| SchedulerError::System {
                what: "a thread for the core".into(),
                source,
            })?;
        Ok(Hub { commands, changes })
    }

    /// Tells the core of something. Waits if the queue is full.
    pub async fn tell(&self, event: Event) {
        let _ = self.commands.send(Command::Event(event)).await;
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

    /// Submits a job. What happens to it comes out of the returned queue.
    ///
    /// # Errors
    /// If the core refuses it.
    pub async fn submit(
        &self,
        spec: JobSpec,
    ) -> Result<(JobId, mpsc::Receiver<JobNotice>), String> {
        let gone = || "the scheduler is ending".to_string();
        let (notices, inbox) = mpsc::channel(JOB_NOTICES_MAX);
        let (reply, answer) = oneshot::channel();
        let command = Command::Submit { spec: Box::new(spec), notices, reply };
        self.commands.send(command).await.map_err(|_| gone())?;
        let job = answer.await.map_err(|_| gone())??;
        Ok((job, inbox))
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
            let cause = "it ended".to_string();
            hub.tell(Event::WorkerLost { worker, cause }).await;
        });
        LocalLink { sender, receiver }
    }

    /// Passes on what a worker sent.
    pub(crate) async fn take(&self, worker: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Register(_) => {
                tracing::warn!(%worker, "registered twice on one link");
            }
            FromWorker::Heartbeat { metrics, on_slots } => {
                self.tell(Event::Heartbeat { worker, metrics, on_slots }).await;
            }
            FromWorker::Reports(reports) => self.tell(Event::Reports { worker, reports }).await,
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

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A submission that the core has not answered yet.
type Submission = (mpsc::Sender<JobNotice>, oneshot::Sender<Result<JobId, String>>);

/// The thread's own state: the core, and where its effects go.
struct Shell {
    core: Core,
    outboxes: HashMap<WorkerId, mpsc::Sender<ToWorker>>,
    notices: HashMap<JobId, mpsc::Sender<JobNotice>>,
    joins: HashMap<u64, (mpsc::Sender<ToWorker>, oneshot::Sender<WorkerId>)>,
    submissions: HashMap<u64, Submission>,
    requests: u64,
    changed: watch::Sender<u64>,
}

impl Shell {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut effects = Vec::new();
        while let Some(command) = commands.blocking_recv() {
            self.take(command, &mut effects);
            for _ in 1..BATCH_COMMANDS_MAX {
                let Ok(command) = commands.try_recv() else { break };
                self.take(command, &mut effects);
            }
            // Performing may find out that a worker does not read, which has effects of its own.
            loop {
                self.core.place(&mut effects);
                if effects.is_empty() {
                    break;
                }
                for effect in std::mem::take(&mut effects) {
                    self.perform(effect, &mut effects);
                }
            }
            self.changed.send_modify(|number| *number += 1);
        }
    }

    fn take(&mut self, command: Command, effects: &mut Vec<Effect>) {
        self.requests += 1;
        let request = self.requests;
        let event = match command {
            Command::Event(event) => event,
            Command::Join { registration, outbox, reply } => {
                self.joins.insert(request, (outbox, reply));
                Event::WorkerJoined { request, registration }
            }
            Command::Submit { spec, notices, reply } => {
                self.submissions.insert(request, (notices, reply));
                Event::JobSubmitted { request, spec }
            }
            Command::Query(query) => {
                query(&self.core);
                return;
            }
            Command::Dismiss(reason) => return self.dismiss(&reason, effects),
        };
        match &event {
            Event::WorkerLost { worker, cause } => {
                let known = self.outboxes.remove(worker).is_some();
                if self.core.is_leaving(*worker) {
                    tracing::info!(%worker, "a worker left");
                } else if known {
                    tracing::warn!(%worker, cause, "a worker is gone");
                }
            }
            Event::ProcessDied { host, pid, cause } => {
                tracing::warn!(host, pid, cause, "a worker process died");
            }
            _ => {}
        }
        self.core.handle(now_us(), event, effects);
    }

    fn dismiss(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        let workers: Vec<WorkerId> = self.outboxes.keys().copied().collect();
        for worker in workers {
            let reason = reason.to_string();
            let leaving = Event::WorkerLeaving { worker, reason: reason.clone() };
            self.core.handle(now_us(), leaving, effects);
            self.send(worker, ToWorker::Shutdown { reason }, effects);
        }
    }

    fn perform(&mut self, effect: Effect, effects: &mut Vec<Effect>) {
        match effect {
            Effect::WorkerAccepted { request, worker } => {
                if let Some((outbox, reply)) = self.joins.remove(&request) {
                    self.outboxes.insert(worker, outbox);
                    let _ = reply.send(worker);
                    tracing::info!(%worker, "a worker joined");
                }
            }
            Effect::Send { worker, message } => self.send(worker, message, effects),
            Effect::Disconnect { worker, cause } => {
                self.outboxes.remove(&worker);
                tracing::warn!(%worker, cause, "a worker was given up");
            }
            Effect::JobAccepted { request, job } => {
                if let Some((notices, reply)) = self.submissions.remove(&request) {
                    self.notices.insert(job, notices);
                    let _ = reply.send(Ok(job));
                }
            }
            Effect::JobRefused { request, error } => {
                if let Some((_, reply)) = self.submissions.remove(&request) {
                    let _ = reply.send(Err(error));
                }
            }
            Effect::Deliver { job, index, holder } => {
                let address = self.core.data_address(holder.worker).unwrap_or_default().to_string();
                self.notify(job, JobNotice::Deliver { index, holder, address }, effects);
            }
            Effect::JobEnded { job, state, error, kind } => {
                tracing::info!(%job, state = state.as_str(), cause = error, "a job ended");
                self.notify(job, JobNotice::Ended { state, error, kind }, effects);
                self.notices.remove(&job);
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: ToWorker, effects: &mut Vec<Effect>) {
        let Some(outbox) = self.outboxes.get(&worker) else { return };
        match outbox.try_send(message) {
            Ok(()) => {}
            Err(error) => {
                let cause = match error {
                    mpsc::error::TrySendError::Full(_) => {
                        format!("it left {WORKER_QUEUE_MESSAGES_MAX} messages unread")
                    }
                    mpsc::error::TrySendError::Closed(_) => "its connection was closed".to_string(),
                };
                self.outboxes.remove(&worker);
                tracing::warn!(%worker, cause, "a worker is gone");
                self.core.handle(now_us(), Event::WorkerLost { worker, cause }, effects);
            }
        }
    }

    fn notify(&mut self, job: JobId, notice: JobNotice, effects: &mut Vec<Effect>) {
        let Some(notices) = self.notices.get(&job) else { return };
        if notices.try_send(notice).is_err() {
            self.notices.remove(&job);
            let reason = "its client does not take its result any more".to_string();
            self.core.handle(now_us(), Event::JobCancelled { job, reason }, effects);
        }
    }
}
