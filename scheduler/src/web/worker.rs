//! The control link of a worker.

use crate::hub::Hub;
use crate::parts::Parts;
use crate::telemetry::Telemetry;
use crate::web::Auth;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRef, State};
use axum::response::Response;
use futures::{SinkExt, StreamExt};
use partita_core::Event;
use partita_net::connections::Caller;
use partita_net::dial::{self, Protocol};
use partita_net::peer::DataPlane;
use partita_shared::limits::{
    BEAT_LOG_LINES_MAX, CALL_TEXT_BYTES_MAX, CALL_TEXTS_BYTES_MAX, CONTROL_FRAME_BYTES_MAX,
    DETAIL_LOG_LINES_MAX, DETAIL_PARTITIONS_MAX, HANDSHAKE_TIMEOUT, INLINE_VALUE_BYTES_MAX,
    REACH_TIMEOUT, RESOURCES_MAX, SLOT_TASKS_MAX, STAGE_OPERATORS_MAX, TASKS_PER_MESSAGE_MAX,
    TRAFFIC_PEERS_MAX,
};
use partita_shared::message::{FromWorker, Outcome, Registration, StageOperators, ToWorker};
use partita_shared::model::OperatorRow;
use partita_shared::wire;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The most slots that one worker may have.
const SLOTS_MAX: u32 = 1 << 16;
/// The largest number of bytes, rows or microseconds that a worker may report at once. Sums over
/// everything that a scheduler ever hears of stay below what they can hold.
const FIGURE_MAX: u64 = 1 << 50;
/// The longest name, address or path of a worker, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// What the link of a worker reaches.
#[derive(Clone)]
pub(crate) struct WorkerLink {
    hub: Hub,
    plane: Arc<dyn DataPlane>,
    auth: Arc<Auth>,
    telemetry: Arc<Telemetry>,
}

impl FromRef<Parts> for WorkerLink {
    fn from_ref(parts: &Parts) -> Self {
        WorkerLink {
            hub: parts.hub.clone(),
            plane: Arc::clone(&parts.plane),
            auth: Arc::clone(&parts.auth),
            telemetry: Arc::clone(&parts.telemetry),
        }
    }
}

pub(crate) async fn upgrade(
    State(link): State<WorkerLink>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_message_size(CONTROL_FRAME_BYTES_MAX)
        .max_frame_size(CONTROL_FRAME_BYTES_MAX)
        .on_upgrade(move |socket| serve(link, caller.address, socket))
}

async fn serve(link: WorkerLink, peer: SocketAddr, socket: WebSocket) {
    let WorkerLink { hub, plane, auth, telemetry } = link;
    let (mut sink, mut stream) = socket.split();
    let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, stream.next()).await;
    let registration = match first {
        Ok(Some(Ok(Message::Binary(bytes)))) => match wire::decode::<FromWorker>(&bytes) {
            Ok(message) if !is_possible(&message) => {
                tracing::warn!(%peer, "refused a worker: its registration has invalid values");
                return;
            }
            Ok(FromWorker::Register(registration)) => reachable(registration, peer),
            // A supervisor has no slots: it only says how its children ended.
            Ok(message @ FromWorker::Died { .. }) => {
                hub.take(partita_shared::ids::WorkerId(0), message).await;
                return supervise(hub, stream).await;
            }
            Ok(_) | Err(_) => return,
        },
        _ => return,
    };
    if let Err(reason) = reach(&auth, telemetry.address(), &registration).await {
        tracing::warn!(%peer, name = registration.name, reason, "refused a worker");
        if let Ok(bytes) = wire::encode(&ToWorker::Refused { reason }) {
            let _ = sink.send(Message::Binary(bytes.into())).await;
        }
        let _ = sink.close().await;
        return;
    }
    let address = registration.data_address.clone();
    let Some((worker, mut outbox)) = hub.join(registration).await else { return };
    let sending = hub.clone();
    let writing = tokio::spawn(async move {
        while let Some(message) = outbox.recv().await {
            let Ok(bytes) = wire::encode(&message) else {
                tracing::error!("a message to a worker is too large");
                break;
            };
            sending.bytes().sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if sink.send(Message::Binary(bytes.into())).await.is_err() {
                break;
            }
        }
        let _ = sink.close().await;
    });
    let cause = loop {
        match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                hub.bytes().received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                match wire::decode::<FromWorker>(&bytes) {
                    Ok(message) if is_possible(&message) => hub.take(worker, message).await,
                    Ok(_) => break "received invalid metrics".to_string(),
                    Err(error) => break format!("received an invalid message: {error}"),
                }
            }
            Some(Ok(Message::Close(_))) | None => break "its connection was closed".to_string(),
            Some(Ok(_)) => {}
            Some(Err(error)) => break cause_of(&error),
        }
    };
    hub.tell(Event::WorkerLost { worker, cause }).await;
    plane.forget(&address);
    writing.abort();
}

/// Why the connection to a worker broke. What ends a process from outside gives it no time to close it.
fn cause_of(error: &axum::Error) -> String {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = next {
        let broken = found.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            )
        });
        if broken {
            return "its connection broke: its process was killed, ran out of memory, or its node failed"
                .to_string();
        }
        next = found.source();
    }
    format!("its connection failed: {error}")
}

async fn supervise(
    hub: Hub,
    mut stream: impl futures::Stream<Item = Result<Message, axum::Error>> + Unpin,
) {
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Binary(bytes) = message
            && let Ok(message @ FromWorker::Died { .. }) = wire::decode::<FromWorker>(&bytes)
        {
            hub.take(partita_shared::ids::WorkerId(0), message).await;
        }
    }
}

/// Whether a message's figures are such as a worker can have.
fn is_possible(message: &FromWorker) -> bool {
    let small = |figures: &[u64]| figures.iter().all(|figure| *figure <= FIGURE_MAX);
    let short = |texts: &[&str]| texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX);
    let is_operator = |o: &OperatorRow| small(&[o.rows, o.elapsed_ns, o.spilled_bytes]);
    match message {
        FromWorker::Register(r) => {
            (1..=SLOTS_MAX).contains(&r.slots)
                && small(&[r.memory_limit_bytes, r.lifetime_left_s.unwrap_or(0)])
                && short(&[&r.name, &r.host, &r.data_address.address, &r.local_directory])
                && short(&[r.slurm_job.as_deref().unwrap_or_default()])
                && r.resources.len() <= RESOURCES_MAX
                && r.resources.keys().all(|name| short(&[name]))
        }
        FromWorker::Heartbeat { metrics: m, on_slots } => {
            on_slots.len() <= SLOT_TASKS_MAX
                && on_slots.iter().all(|task| small(&[task.since_us]))
                && small(&[
                    m.resident_bytes,
                    m.reserved_bytes,
                    m.stored_bytes,
                    m.spilled_bytes,
                    m.fetched_bytes,
                    m.served_bytes,
                    m.disk_read_bytes,
                    m.disk_written_bytes,
                ])
        }
        FromWorker::Traffic(traffic) => {
            traffic.len() <= TRAFFIC_PEERS_MAX && traffic.iter().all(|(_, bytes)| small(&[*bytes]))
        }
        FromWorker::Detail(detail) => {
            let lines = detail.log.iter().map(String::as_str).collect::<Vec<_>>();
            detail.log.len() <= DETAIL_LOG_LINES_MAX
                && detail.partitions.len() <= DETAIL_PARTITIONS_MAX
                && detail.partitions.iter().all(|(_, memory, disk)| small(&[*memory, *disk]))
                && short(&lines)
        }
        FromWorker::Reports(reports) => reports.iter().all(|report| {
            let s = &report.spent;
            small(&[s.queued_us, s.busy_us, s.transfer_us, s.disk_us])
                && match &report.outcome {
                    Outcome::Finished(f) => {
                        small(&[f.rows, f.bytes, f.fetched_bytes])
                            && f.operators.iter().all(is_operator)
                            && f.value
                                .as_ref()
                                .is_none_or(|value| value.len() <= INLINE_VALUE_BYTES_MAX)
                    }
                    Outcome::Failed { .. } => true,
                }
        }),
        FromWorker::SlotChanged { .. } => true,
        FromWorker::CallTexts(texts) => {
            texts.iter().all(|text| text.text.len() <= CALL_TEXT_BYTES_MAX)
                && texts.iter().map(|text| text.text.len()).sum::<usize>() <= CALL_TEXTS_BYTES_MAX
        }
        FromWorker::Samples(samples) => samples.is_valid(),
        FromWorker::Operators(StageOperators { operators, .. }) => {
            operators.len() <= STAGE_OPERATORS_MAX
                && operators.iter().all(|row| is_operator(row) && short(&[&row.line]))
        }
        FromWorker::LogLines(lines) => {
            lines.len() <= BEAT_LOG_LINES_MAX && lines.iter().all(|line| short(&[line]))
        }
        FromWorker::Recalled(attempts) => attempts.len() <= TASKS_PER_MESSAGE_MAX,
        FromWorker::Stored { rows, bytes, .. } => small(&[*rows, *bytes]),
        FromWorker::Leaving { reason } => short(&[reason]),
        FromWorker::Migrated { error, .. } => short(&[error.as_deref().unwrap_or_default()]),
        FromWorker::Died { host, cause, .. } => short(&[host, cause]),
    }
}

/// Whether the data port of a worker can be reached from here, and is the worker's. What is found out now does not
/// hang a query later; workers reach each other as the scheduler reaches them. `own` is the scheduler's address.
async fn reach(auth: &Auth, own: &str, registration: &Registration) -> Result<(), String> {
    let worker = &registration.data_address;
    let (address, trust) = (&worker.address, auth.trust_in_workers());
    let reached = dial::connect(worker, &trust, Protocol::Http2, REACH_TIMEOUT).await;
    let cause = match reached {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(format!(
        "the scheduler at {own} cannot reach the data port of worker {} on {} at {address} ({cause}); choose an address of the worker that others can reach, with --host, --interface or --contact-address",
        registration.name, registration.host
    ))
}

/// A worker that listens everywhere is told to others under the address that it came from.
fn reachable(mut registration: Registration, peer: SocketAddr) -> Registration {
    if let Some((host, port)) = registration.data_address.address.rsplit_once(':')
        && matches!(host, "0.0.0.0" | "[::]")
    {
        let address = match peer.ip() {
            std::net::IpAddr::V4(ip) => format!("{ip}:{port}"),
            std::net::IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => format!("{ip}:{port}"),
                None => format!("[{ip}]:{port}"),
            },
        };
        registration.data_address.address = address;
    }
    registration
}
