//! The core's own thread: it takes commands, performs effects, and tells the observer.

use crate::functions::Mailbox;
use crate::hub::telling::Telling;
use crate::hub::{Command, JobNotice};
use crate::now_us;
use partita_core::{Core, Effect, Event};
use partita_observe::session::Watched;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits::WORKER_QUEUE_MESSAGES_MAX;
use partita_shared::message::ToWorker;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands taken before ready tasks are given out.
const BATCH_COMMANDS_MAX: usize = 512;

/// A submission, or a statement whose planning begins, that the core has not answered yet. A statement's
/// queue is its job's too.
type Submission = (Option<mpsc::Sender<JobNotice>>, oneshot::Sender<Result<JobId, String>>);

/// The thread's own state: the core, and where its effects go.
pub(super) struct Shell {
    core: Core,
    /// What the observer is told, if there is one.
    telling: Option<Telling>,
    watched: Watched,
    outboxes: HashMap<WorkerId, mpsc::Sender<ToWorker>>,
    notices: HashMap<JobId, mpsc::Sender<JobNotice>>,
    joins: HashMap<u64, (mpsc::Sender<ToWorker>, oneshot::Sender<WorkerId>)>,
    submissions: HashMap<u64, Submission>,
    /// Other requests that the core has not answered yet.
    asked: HashMap<u64, oneshot::Sender<Result<(), String>>>,
    /// The mailboxes of open jobs that the core has not answered yet, and of those that there are.
    opening: HashMap<u64, Arc<Mailbox>>,
    mailboxes: HashMap<JobId, Arc<Mailbox>>,
    requests: u64,
    changed: watch::Sender<u64>,
}

impl Shell {
    pub(super) fn new(core: Core, telling: Option<Telling>, changed: watch::Sender<u64>) -> Self {
        Shell {
            core,
            telling,
            watched: Watched::default(),
            outboxes: HashMap::new(),
            notices: HashMap::new(),
            joins: HashMap::new(),
            submissions: HashMap::new(),
            asked: HashMap::new(),
            opening: HashMap::new(),
            mailboxes: HashMap::new(),
            requests: 0,
            changed,
        }
    }

    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut effects = Vec::new();
        while let Some(command) = commands.blocking_recv() {
            let begun = Instant::now();
            self.take(command, &mut effects);
            let mut taken = 1;
            while taken < BATCH_COMMANDS_MAX {
                let Ok(command) = commands.try_recv() else { break };
                self.take(command, &mut effects);
                taken += 1;
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
            if let Some(telling) = &mut self.telling {
                let longest = || self.outboxes.values().map(queued).max().unwrap_or(0) as u32;
                telling.batch(&mut self.core, taken, begun.elapsed(), commands.len(), longest);
            }
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
            Command::Plan { spec, notices, reply } => {
                self.submissions.insert(request, (Some(notices), reply));
                Event::PlanningBegun { request, spec }
            }
            Command::Submit { spec, notices, reply } => {
                self.submissions.insert(request, (Some(notices), reply));
                Event::JobSubmitted { request, planned: None, spec }
            }
            Command::SubmitPlanned { job, spec, reply } => {
                self.submissions.insert(request, (None, reply));
                Event::JobSubmitted { request, planned: Some(job), spec }
            }
            Command::Open { spec, mailbox, notices, reply } => {
                self.submissions.insert(request, (Some(notices), reply));
                self.opening.insert(request, mailbox);
                Event::JobSubmitted { request, planned: None, spec }
            }
            Command::Grow { job, growth, reply } => {
                self.submissions.insert(request, (None, reply));
                Event::JobGrown { request, job, growth }
            }
            Command::Ask { event, reply } => {
                self.asked.insert(request, reply);
                event(request)
            }
            Command::Query(query) => {
                query(&self.core);
                return;
            }
            Command::Dismiss(reason) => return self.dismiss(&reason, effects),
            Command::Watch(watched) => return self.watch(watched, effects),
            Command::Restart(worker) => return self.send(worker, ToWorker::Restart, effects),
            Command::TellDetail(worker) => return self.send(worker, ToWorker::TellDetail, effects),
        };
        if let Some(telling) = &mut self.telling {
            telling.messages_in +=
                u64::from(matches!(event, Event::Heartbeat { .. } | Event::Reports { .. }));
        }
        match &event {
            Event::WorkerLost { worker, cause } => {
                let known = self.outboxes.remove(worker).is_some();
                if self.core.is_leaving(*worker) {
                    tracing::info!(%worker, "a worker left");
                } else if known {
                    tracing::warn!(%worker, cause, "lost a worker");
                }
            }
            Event::ProcessDied { host, pid, cause } => {
                tracing::warn!(host, pid, cause, "a worker process died");
            }
            _ => {}
        }
        self.core.handle(now_us(), event, effects);
    }

    /// Tells workers that someone looks at them, or nobody any more.
    fn watch(&mut self, watched: Watched, effects: &mut Vec<Effect>) {
        let workers: Vec<WorkerId> = self.outboxes.keys().copied().collect();
        for worker in workers {
            let wanted = is_watched(&watched, worker);
            if wanted != is_watched(&self.watched, worker) {
                self.send(worker, ToWorker::Watch(wanted), effects);
            }
        }
        self.watched = watched;
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
                if is_watched(&self.watched, worker) {
                    self.send(worker, ToWorker::Watch(true), effects);
                }
            }
            Effect::Send { worker, message } => self.send(worker, message, effects),
            Effect::Disconnect { worker, cause } => {
                self.outboxes.remove(&worker);
                tracing::warn!(%worker, cause, "disconnected a worker");
            }
            Effect::PlanningAccepted { request, job } | Effect::JobAccepted { request, job } => {
                if let Some((notices, reply)) = self.submissions.remove(&request) {
                    if let Some(notices) = notices {
                        self.notices.insert(job, notices);
                    }
                    if let Some(mailbox) = self.opening.remove(&request) {
                        self.mailboxes.insert(job, mailbox);
                    }
                    let _ = reply.send(Ok(job));
                }
            }
            Effect::JobRefused { request, error } => {
                self.opening.remove(&request);
                if let Some((_, reply)) = self.submissions.remove(&request) {
                    let _ = reply.send(Err(error));
                }
            }
            Effect::RequestAccepted { request } => self.answer(request, Ok(())),
            Effect::RequestRefused { request, error } => self.answer(request, Err(error)),
            Effect::Deliver { job, index, holder } => {
                let address = self.core.data_address(holder.worker).cloned().unwrap_or_default();
                let bytes = self.core.result_bytes(job, index).unwrap_or(0);
                self.notify(job, JobNotice::Deliver { index, holder, address, bytes }, effects);
            }
            Effect::TasksSettled { job, tasks } => {
                if let Some(mailbox) = self.mailboxes.get(&job) {
                    mailbox.add(job, tasks);
                }
            }
            Effect::JobPersisted { job } => {
                tracing::info!(%job, "persisted a result");
                self.notify(job, JobNotice::Persisted, effects);
                // Nobody follows it from here on.
                self.notices.remove(&job);
            }
            Effect::JobEnded { job, state, error, kind } => {
                tracing::info!(%job, state = state.as_str(), cause = error, "a job ended");
                if let Some(mailbox) = self.mailboxes.remove(&job) {
                    mailbox.end(job, if error.is_empty() { state.as_str() } else { &error });
                }
                self.notify(job, JobNotice::Ended { state, error, kind }, effects);
                self.notices.remove(&job);
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: ToWorker, effects: &mut Vec<Effect>) {
        let Some(outbox) = self.outboxes.get(&worker) else { return };
        if let Some(telling) = &mut self.telling {
            telling.messages_out += 1;
        }
        match outbox.try_send(message) {
            Ok(()) => {}
            Err(error) => {
                let cause = match error {
                    mpsc::error::TrySendError::Full(_) => {
                        format!("it did not read {WORKER_QUEUE_MESSAGES_MAX} queued messages")
                    }
                    mpsc::error::TrySendError::Closed(_) => "its connection was closed".to_string(),
                };
                self.outboxes.remove(&worker);
                tracing::warn!(%worker, cause, "lost a worker");
                self.core.handle(now_us(), Event::WorkerLost { worker, cause }, effects);
            }
        }
    }

    fn answer(&mut self, request: u64, answer: Result<(), String>) {
        if let Some(reply) = self.asked.remove(&request) {
            let _ = reply.send(answer);
        }
    }

    fn notify(&mut self, job: JobId, notice: JobNotice, effects: &mut Vec<Effect>) {
        let Some(notices) = self.notices.get(&job) else { return };
        if notices.try_send(notice).is_err() {
            self.notices.remove(&job);
            let reason = "its client no longer reads the result".to_string();
            self.core.handle(now_us(), Event::JobCancelled { job, reason }, effects);
        }
    }
}

/// Messages that wait in a queue.
fn queued(outbox: &mpsc::Sender<ToWorker>) -> usize {
    outbox.max_capacity() - outbox.capacity()
}

fn is_watched(watched: &Watched, worker: WorkerId) -> bool {
    watched.all || watched.workers.binary_search(&worker).is_ok()
}
