//! The agent: keeps the link, obeys the scheduler, reports.

use crate::config::{Ended, Stop, WorkerConfig};
use crate::control::detail::{Detail, detail_of};
use crate::control::link::{Connector, ControlLink, LinkError};
use crate::control::measure::Meter;
use crate::engine::Engine;
use crate::error::WorkerError;
use crate::exec::{Told, remove_abandoned};
use crate::log_tail::LogReader;
use crate::transfers::migration;
use futures::FutureExt;
use partita_shared::access::{host_name, is_plaintext};
use partita_shared::endpoint::Endpoint;
use partita_shared::limits::{
    BEAT_LOG_LINES_MAX, HANDSHAKE_TIMEOUT, MESSAGE_VALUES_BYTES, TASKS_PER_MESSAGE_MAX,
};
use partita_shared::message::{FromWorker, Registration, ToWorker};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// The first pause before the scheduler is looked for again; each next one is longer.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest pause before the scheduler is looked for again.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often a worker tells of its traffic, and of its detail while someone looks at it.
const DETAIL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a good-bye may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// How a session with a scheduler ended.
enum End {
    /// It said to leave.
    Dismissed(String),
    /// It wants this worker to start anew.
    Restarted,
    /// It does not take this worker.
    Refused(String),
    /// The link is gone.
    Cut,
}

/// Serves schedulers one after the other, until one says to leave or to start anew, none is found for too long, or
/// `stop` resolves and what was begun is done.
pub(crate) async fn run(
    config: &WorkerConfig,
    engine: &Arc<Engine>,
    mut connector: impl Connector,
    stop: impl Future<Output = Stop>,
) -> Result<Ended, WorkerError> {
    let started = Instant::now();
    let mut stop = std::pin::pin!(stop.fuse());
    let Some(mut told) = engine.runner().take_told() else { return Ok(Ended::Left) };
    loop {
        let link = tokio::select! {
            link = find(config, &mut connector) => link?,
            end = &mut stop => {
                tracing::info!(reason = end.reason, "shutting down");
                return Ok(Ended::Left);
            }
        };
        let address = link.address.clone();
        let end = session(config, engine, link, &mut told, stop.as_mut(), started).await;
        engine.clear();
        match end {
            End::Dismissed(reason) => {
                tracing::info!(reason, "the scheduler requested the shutdown");
                engine.runner().give_back_told(told);
                return Ok(Ended::Left);
            }
            End::Restarted => {
                tracing::info!("the scheduler requested a restart");
                return Ok(Ended::Restarting);
            }
            End::Refused(reason) => return Err(WorkerError::Refused { address, reason }),
            End::Cut => {
                tracing::warn!(scheduler = address, "lost the connection to the scheduler");
                // Links that break at once must not be made without end in one turn: a runtime that
                // ends waits for this task to look up.
                sleep(RETRY_PAUSE_FIRST).await;
            }
        }
    }
}

/// Looks for the scheduler until the death timeout is over.
async fn find(
    config: &WorkerConfig,
    connector: &mut impl Connector,
) -> Result<ControlLink, WorkerError> {
    let start = Instant::now();
    let mut pause = RETRY_PAUSE_FIRST;
    loop {
        let cause = match connector.connect().await {
            Ok(link) => return Ok(link),
            Err(
                LinkError::Refused { address, reason } | LinkError::WrongToken { address, reason },
            ) => {
                return Err(WorkerError::Refused { address, reason });
            }
            Err(LinkError::NotYet(cause)) => cause,
        };
        if start.elapsed() >= config.death_timeout {
            return Err(WorkerError::NoScheduler { waited: config.death_timeout, cause });
        }
        tracing::debug!(cause, "cannot reach a scheduler yet");
        sleep(pause.min(config.death_timeout.saturating_sub(start.elapsed()))).await;
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

fn registration(config: &WorkerConfig, engine: &Engine, started: Instant) -> Registration {
    let data_address = match &config.contact_address {
        Some(contact) => contact_address(contact, engine.address()),
        None => engine.address().to_string(),
    };
    Registration {
        name: config.name.clone(),
        host: host_name(),
        pid: std::process::id(),
        slots: config.slots,
        memory_limit_bytes: config.memory_limit_bytes,
        data_address: Endpoint::new(data_address, engine.fingerprint()),
        local_directory: config.local_directory.display().to_string(),
        slurm_job: config.slurm_job.clone(),
        lifetime_left_s: config.lifetime.map(|all| all.saturating_sub(started.elapsed()).as_secs()),
        resources: config.resources.clone(),
    }
}

/// What others are told: the contact address, with the port that was taken if it names none.
fn contact_address(contact: &str, taken: &str) -> String {
    // The colons of a bare IPv6 address stand before no port.
    let names_port = match contact.rsplit_once(':') {
        Some((host, port)) => {
            port.parse::<u16>().is_ok() && (host.ends_with(']') || !host.contains(':'))
        }
        None => false,
    };
    if names_port {
        return contact.to_string();
    }
    let port = taken.rsplit_once(':').map_or("", |(_, port)| port);
    let is_bare_v6 = contact.contains(':') && !contact.starts_with('[');
    if is_bare_v6 { format!("[{contact}]:{port}") } else { format!("{contact}:{port}") }
}

/// One registration, from the first message to the last.
async fn session<S: Future<Output = Stop>>(
    config: &WorkerConfig,
    engine: &Arc<Engine>,
    link: ControlLink,
    told: &mut mpsc::Receiver<Told>,
    mut stop: Pin<&mut S>,
    started: Instant,
) -> End {
    let ControlLink { sender, mut receiver, address, token } = link;
    if is_plaintext(&token) != is_plaintext(&config.token) {
        // The data port is open, and its peers would not be recognized.
        return End::Refused(
            "the cluster was restarted with or without --plaintext; restart its workers too"
                .to_string(),
        );
    }
    // A scheduler that took the place of another has a token of its own.
    engine.peers().set_token(&token);
    let hello = FromWorker::Register(registration(config, engine, started));
    if sender.send(hello).await.is_err() {
        return End::Cut;
    }
    let (worker, cluster, heartbeat_ms) = match timeout(HANDSHAKE_TIMEOUT, receiver.recv()).await {
        Ok(Some(ToWorker::Welcome { worker, cluster, heartbeat_ms })) => {
            (worker, cluster, heartbeat_ms)
        }
        Ok(Some(ToWorker::Refused { reason })) => return End::Refused(reason),
        Ok(_) | Err(_) => return End::Cut,
    };
    engine.peers().set_own(worker);
    engine.set_link(&sender);
    engine.set_contact(&address, &token, &config.name);
    tracing::info!(%worker, cluster, scheduler = address, "registered");
    let mut beat = interval(Duration::from_millis(heartbeat_ms.max(1)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut meter = Meter::new();
    let mut look = interval(DETAIL_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut detail = Detail::default();
    let mut log = LogReader::default();
    let mut leaving: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let end = 'session: loop {
        tokio::select! {
            message = receiver.recv() => match message {
                Some(ToWorker::Shutdown { reason }) => break End::Dismissed(reason),
                Some(ToWorker::Restart) => break End::Restarted,
                Some(ToWorker::Watch(watched)) => detail.watched = watched,
                Some(ToWorker::TellDetail) => {
                    // Whoever asked waits for so long at most; a full queue is one that the scheduler does not read.
                    if is_cut(&sender, Some(FromWorker::Detail(detail_of(engine)))) {
                        break End::Cut;
                    }
                }
                Some(ToWorker::Recall) => {
                    let given = engine.runner().recall();
                    for part in given.chunks(TASKS_PER_MESSAGE_MAX) {
                        if sender.send(FromWorker::Recalled(part.to_vec())).await.is_err() {
                            break 'session End::Cut;
                        }
                    }
                }
                Some(ToWorker::Migrate(order)) => migration::start(engine, order, &sender),
                Some(message) => obey(engine, message),
                None if leaving.is_some() => {
                    break End::Dismissed("the connection to the scheduler was lost".to_string());
                }
                None => break End::Cut,
            },
            Some(first) = told.recv() => {
                for message in gather(first, told) {
                    if sender.send(message).await.is_err() {
                        break 'session End::Cut;
                    }
                }
            }
            _ = beat.tick() => {
                let metrics = meter.measure(engine);
                let heartbeat = FromWorker::Heartbeat { metrics, on_slots: engine.runner().on_slots() };
                if is_cut(&sender, Some(heartbeat))
                    || is_cut(&sender, filled(engine.call_texts()).map(FromWorker::CallTexts))
                    || is_cut(&sender, filled(log.new_lines(BEAT_LOG_LINES_MAX)).map(FromWorker::LogLines))
                    || is_cut(&sender, engine.samples().map(FromWorker::Samples))
                {
                    break End::Cut;
                }
            }
            _ = look.tick() => {
                if is_cut(&sender, detail.traffic(engine).map(FromWorker::Traffic))
                    || is_cut(&sender, detail.measure(engine).map(FromWorker::Detail))
                {
                    break End::Cut;
                }
            }
            end = &mut stop, if leaving.is_none() => {
                let Stop { reason, grace } = end;
                tracing::info!(reason, ?grace, "retiring: finishing running tasks");
                leaving = Some(Box::pin(sleep(grace)));
                if sender.send(FromWorker::Leaving { reason }).await.is_err() {
                    break End::Cut;
                }
            }
            () = async { match &mut leaving { Some(over) => over.await, None => std::future::pending().await } } => {
                break End::Dismissed("the time to finish running tasks is over".to_string());
            }
        }
    };
    if let End::Dismissed(_) = end {
        // A good-bye, so that the scheduler does not take this for an accident.
        drop(sender);
        let _ = timeout(FAREWELL, async { while receiver.recv().await.is_some() {} }).await;
    }
    end
}

/// Tells the scheduler something, if there is something to tell. Whether the link is gone: a full queue is one that the scheduler
/// does not read, which the next heartbeat finds out.
fn is_cut(sender: &mpsc::Sender<FromWorker>, told: Option<FromWorker>) -> bool {
    told.is_some_and(|told| matches!(sender.try_send(told), Err(TrySendError::Closed(_))))
}

fn filled<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

/// What is to be told of attempts, in order: all reports that are pending as one message.
fn gather(first: Told, told: &mut mpsc::Receiver<Told>) -> Vec<FromWorker> {
    let (mut bytes, mut reports, mut messages) = (0, Vec::new(), Vec::new());
    let mut next = Some(first);
    while let Some(one) = next {
        match one {
            Told::Done(ended) => {
                for report in ended {
                    let is_full = reports.len() >= TASKS_PER_MESSAGE_MAX
                        || bytes + report.value_bytes() > MESSAGE_VALUES_BYTES;
                    if is_full && !reports.is_empty() {
                        messages.push(FromWorker::Reports(std::mem::take(&mut reports)));
                        bytes = 0;
                    }
                    bytes += report.value_bytes();
                    reports.push(report);
                }
            }
            Told::Operators(operators) => messages.push(FromWorker::Operators(operators)),
            Told::SlotChanged { task, attempt, has_slot } => {
                if !reports.is_empty() {
                    messages.push(FromWorker::Reports(std::mem::take(&mut reports)));
                }
                messages.push(FromWorker::SlotChanged { task, attempt, has_slot });
            }
        }
        let is_full = reports.len() >= TASKS_PER_MESSAGE_MAX || bytes >= MESSAGE_VALUES_BYTES;
        // What comes meanwhile waits for its turn.
        let has_many = messages.len() >= TASKS_PER_MESSAGE_MAX;
        next = if is_full || has_many { None } else { told.try_recv().ok() };
    }
    if !reports.is_empty() {
        messages.push(FromWorker::Reports(reports));
    }
    messages
}

fn obey(engine: &Arc<Engine>, message: ToWorker) {
    let runner = engine.runner();
    match message {
        ToWorker::Welcome { .. }
        | ToWorker::Refused { .. }
        | ToWorker::Migrate(_)
        | ToWorker::Recall
        | ToWorker::Shutdown { .. }
        | ToWorker::Restart
        | ToWorker::Watch(_)
        | ToWorker::TellDetail => {}
        ToWorker::Peer { worker, address } => engine.peers().add(worker, address),
        ToWorker::PeerLost(worker) => engine.peers().lose(worker),
        ToWorker::Fragment(fragment) => runner.add_fragment(fragment),
        ToWorker::Locations(locations) => runner.set_locations(locations),
        ToWorker::Arguments { task, attempt, bytes } => {
            runner.add_arguments((task, attempt), &bytes);
        }
        ToWorker::Run(tasks) => runner.run(tasks),
        ToWorker::Cancel(attempts) => runner.cancel(&attempts),
        ToWorker::DropStages(stages) => runner.drop_stages(&stages),
        ToWorker::DropPartitions(tasks) => runner.drop_partitions(&tasks),
        ToWorker::DropJob { job, staging } => {
            runner.drop_job(job);
            engine.end_python_job(job);
            if let Some(staging) = staging {
                let removal = remove_abandoned(Arc::clone(runner), job, staging);
                engine.data_runtime().spawn(removal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contact address may name a port, or leave it to what was taken, in all forms of a host.
    #[test]
    fn contact_addresses_have_a_port() {
        let told = |contact| contact_address(contact, "0.0.0.0:4000");
        assert_eq!(told("node-1"), "node-1:4000");
        assert_eq!(told("node-1:5000"), "node-1:5000");
        assert_eq!(told("fd00::1"), "[fd00::1]:4000");
        assert_eq!(told("[fd00::1]"), "[fd00::1]:4000");
        assert_eq!(told("[fd00::1]:5000"), "[fd00::1]:5000");
    }
}
