//! The control link of a command-line client: questions and answers.

use crate::hub::Hub;
use crate::parts::Parts;
use crate::query::{Ack, Acks, Catalog};
use crate::telemetry::Telemetry;
use crate::web::details;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRef, State};
use axum::response::Response;
use partita_core::{Core, Event, JobSpec, StageSpec};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits::{
    CONTROL_FRAME_BYTES_MAX, FINISHED_JOBS_MAX, LIVE_JOBS_MAX, PERSISTED_JOBS_MAX,
    PLANNING_STATEMENTS_MAX, STAGE_TASKS_MAX,
};
use partita_shared::message::{Reply, Request, Work};
use partita_shared::model::{JobState, WorkerState};
use partita_shared::wire;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Jobs that are listed at most, in whatever state.
pub(crate) const JOBS_MAX: usize =
    PLANNING_STATEMENTS_MAX + FINISHED_JOBS_MAX + LIVE_JOBS_MAX + PERSISTED_JOBS_MAX;
/// The shortest time between two messages about a job that is watched.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// How long restarted workers may take to be back.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);
/// The most rows that a client may say it took: sums over all of them stay below what they can hold.
const ROWS_MAX: u64 = 1 << 50;

/// What the link of a client reaches.
#[derive(Clone)]
pub(crate) struct ClientLink {
    hub: Hub,
    catalog: Arc<Catalog>,
    acks: Arc<Acks>,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
}

impl FromRef<Parts> for ClientLink {
    fn from_ref(parts: &Parts) -> Self {
        ClientLink {
            hub: parts.hub.clone(),
            catalog: Arc::clone(&parts.catalog),
            acks: Arc::clone(&parts.acks),
            telemetry: Arc::clone(&parts.telemetry),
            shutdown: parts.shutdown.clone(),
        }
    }
}

pub(crate) async fn upgrade(State(link): State<ClientLink>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(CONTROL_FRAME_BYTES_MAX)
        .max_frame_size(CONTROL_FRAME_BYTES_MAX)
        .on_upgrade(move |socket| serve(link, socket))
}

async fn serve(link: ClientLink, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => continue,
        };
        let answered = match wire::decode::<Request>(&bytes) {
            Ok(Request::Watch(job)) => watch(&link.hub, &mut socket, job).await,
            Ok(request) => {
                let reply = answer(&link, request).await;
                send(&mut socket, reply).await
            }
            Err(error) => send(&mut socket, Reply::Error(error.to_string())).await,
        };
        if answered.is_none() {
            return;
        }
    }
}

async fn send(socket: &mut WebSocket, reply: Reply) -> Option<()> {
    let bytes = wire::encode(&reply).ok()?;
    socket.send(Message::Binary(bytes.into())).await.ok()
}

async fn answer(link: &ClientLink, request: Request) -> Reply {
    let ClientLink { hub, catalog, acks, telemetry, shutdown } = link;
    let found = match request {
        Request::Cluster => telemetry.cluster(hub).await.map(Reply::Cluster),
        Request::Workers => hub.query(|core| core.workers(true)).await.map(Reply::Workers),
        Request::Jobs => hub.query(|core| core.jobs(None, JOBS_MAX)).await.map(Reply::Jobs),
        Request::Job(id) => hub.query(move |core| core.job(id)).await.map(Reply::Job),
        Request::Stages(job) => {
            let stages = hub.query(move |core| core.stages(job)).await;
            stages.map(|stages| Reply::Stages(stages.unwrap_or_default()))
        }
        Request::WaitWorkers(count) => wait_workers(hub, count).await,
        Request::Cancel(job) => cancel(hub, job).await,
        Request::Retire(workers) => retire(hub, workers).await,
        Request::Restart(workers) => restart(hub, workers).await,
        Request::Shutdown => {
            tracing::info!("a client requested the shutdown");
            shutdown.cancel();
            Some(Reply::Done)
        }
        Request::Taken { job, index, rows } => {
            Some(acknowledge(acks, job, index, Ack::Taken { rows: rows.min(ROWS_MAX) }))
        }
        Request::NotTaken { job, index, passed_on, cause } => {
            let ack = if passed_on { Ack::Broken(cause) } else { Ack::Unreachable(cause) };
            Some(acknowledge(acks, job, index, ack))
        }
        Request::EmptyTasks(count) => Some(empty_tasks(hub, count).await),
        Request::Tables => {
            catalog.refresh().await;
            Some(Reply::Tables(catalog.rows().await))
        }
        Request::Task(task) => {
            let detail = details::task_detail(hub, telemetry, task).await;
            detail.map(|detail| match detail {
                Ok(detail) => Reply::Task(Box::new(detail)),
                Err(reason) => Reply::Error(reason),
            })
        }
        Request::Logs(workers) => {
            let logs = details::logs(hub, telemetry, workers).await;
            logs.map(|logs| logs.map_or_else(Reply::Error, Reply::Logs))
        }
        Request::Profiles { job, stage } => {
            let found = details::profiles(telemetry, job, stage).await;
            Some(found.map_or_else(Reply::Error, Reply::Profiles))
        }
        Request::Watch(_) => None,
    };
    found.unwrap_or_else(|| Reply::Error("the scheduler is shutting down".to_string()))
}

fn acknowledge(acks: &Acks, job: JobId, index: u32, ack: Ack) -> Reply {
    match acks.tell(job, index, ack) {
        true => Reply::Done,
        false => Reply::Error(format!("no query waits for partition {index} of {job}")),
    }
}

async fn wait_workers(hub: &Hub, count: u32) -> Option<Reply> {
    wait_until(hub, move |core| core.workers_up() >= count).await
}

/// Stops a job or the planning of a statement, if it is there and has not ended.
pub(crate) async fn cancel(hub: &Hub, job: JobId) -> Option<Reply> {
    let row = hub.query(move |core| core.job(job)).await?;
    Some(match row {
        None => Reply::Error(format!("{job} does not exist; see `partita jobs`")),
        Some(row) if row.state == JobState::Persisted => Reply::Error(format!(
            "cannot cancel {job}: it is complete, and its result is a persisted table; drop it with DROP TABLE (`partita tables` lists the tables)"
        )),
        Some(row) if row.state.is_final() => {
            Reply::Error(format!("{job} has already ended: {}", row.state.as_str()))
        }
        Some(_) => {
            let reason = "requested by a user".to_string();
            hub.tell(Event::JobCancelled { job, reason }).await;
            Reply::Done
        }
    })
}

/// The states of workers that a client named; a reply if one of them is not there or has left.
async fn named(
    hub: &Hub,
    workers: &[WorkerId],
) -> Option<Result<Vec<(WorkerId, WorkerState)>, Reply>> {
    let asked = workers.to_vec();
    let states = move |core: &Core| -> Vec<_> {
        asked.into_iter().map(|id| (id, core.worker_state(id))).collect()
    };
    let mut found = Vec::new();
    for (id, state) in hub.query(states).await? {
        match state {
            Some(state @ (WorkerState::Up | WorkerState::Leaving)) => found.push((id, state)),
            Some(WorkerState::Left | WorkerState::Lost) => {
                return Some(Err(Reply::Error(format!("{id} has already left"))));
            }
            None => {
                let reason = format!("{id} does not exist; see `partita workers`");
                return Some(Err(Reply::Error(reason)));
            }
        }
    }
    Some(Ok(found))
}

/// Waits until something is true of the core.
async fn wait_until(
    hub: &Hub,
    is_so: impl Fn(&Core) -> bool + Clone + Send + 'static,
) -> Option<Reply> {
    let mut changes = hub.changes();
    while !hub.query(is_so.clone()).await? {
        changes.changed().await.ok()?;
    }
    Some(Reply::Done)
}

/// Has workers leave, and waits until they have: what they hold migrates to others before. They leave at
/// once, so that nothing migrates to another of them; if one cannot, all stay.
async fn retire(hub: &Hub, workers: Vec<WorkerId>) -> Option<Reply> {
    let found = match named(hub, &workers).await? {
        Ok(found) => found,
        Err(reply) => return Some(reply),
    };
    for (worker, _) in found.into_iter().filter(|(_, state)| *state == WorkerState::Up) {
        let reason = "retired by a user".to_string();
        hub.tell(Event::WorkerLeaving { worker, reason }).await;
    }
    wait_until(hub, move |core| workers.iter().all(|id| core.data_address(*id).is_none())).await
}

/// Has workers start anew, and waits until workers with their names are connected instead.
async fn restart(hub: &Hub, workers: Vec<WorkerId>) -> Option<Reply> {
    if let Err(reply) = named(hub, &workers).await? {
        return Some(reply);
    }
    let asked = workers.clone();
    let rows = hub.query(|core| core.workers(true)).await?;
    let rows = rows.into_iter().filter(|row| asked.contains(&row.id));
    let names: Vec<String> = rows.map(|row| row.name).collect();
    for worker in &workers {
        hub.restart(*worker).await;
    }
    let are_back = wait_until(hub, move |core| {
        let is_gone = workers.iter().all(|id| core.data_address(*id).is_none());
        let up = core.workers(false);
        let is_up = |name: &String| up.iter().any(|row| row.name == *name);
        is_gone && names.iter().all(is_up)
    });
    match tokio::time::timeout(RESTART_TIMEOUT, are_back).await {
        Ok(reply) => reply,
        Err(_) => Some(Reply::Error(format!(
            "not all workers were back {} s after their restart; see `partita workers` and their logs",
            RESTART_TIMEOUT.as_secs()
        ))),
    }
}

async fn watch(hub: &Hub, socket: &mut WebSocket, job: JobId) -> Option<()> {
    let mut changes = hub.changes();
    let mut last = None;
    loop {
        changes.mark_unchanged();
        let (row, stages) = hub.query(move |core| (core.job(job), core.stages(job))).await?;
        let state = row.as_ref().map(|row| row.state);
        if last.as_ref() != Some(&row) {
            send(socket, Reply::Stages(stages.unwrap_or_default())).await?;
            send(socket, Reply::Job(row.clone())).await?;
            last = Some(row);
        }
        if state.is_none_or(|state| state.is_final() || state == JobState::Persisted) {
            return Some(());
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
        changes.changed().await.ok()?;
    }
}

/// Runs tasks that do nothing: what the machinery itself costs.
async fn empty_tasks(hub: &Hub, count: u32) -> Reply {
    if count == 0 || count > STAGE_TASKS_MAX {
        return Reply::Error(format!("invalid number of tasks: expected 1 to {STAGE_TASKS_MAX}"));
    }
    let stage = |name: &str, tasks, inputs| StageSpec {
        name: name.to_string(),
        plan: String::new(),
        tasks,
        work: Work::Empty,
        inputs,
        origin: partita_core::Origin::Tasks,
        ..StageSpec::default()
    };
    let gather = partita_shared::message::InputSpec {
        stage: 0,
        exchange: partita_shared::message::Exchange::Gather,
        first: 0,
        count: 1,
    };
    let spec = JobSpec {
        text: format!("{count} empty tasks"),
        client: "bench".to_string(),
        owner: "bench".to_string(),
        stages: vec![stage("empty", count, Vec::new()), stage("end", 1, vec![gather])],
        ..JobSpec::default()
    };
    let (job, mut notices) = match hub.submit(spec).await {
        Ok(submitted) => submitted,
        Err(error) => return Reply::Error(error),
    };
    while let Some(notice) = notices.recv().await {
        match notice {
            crate::JobNotice::Deliver { index, .. } => {
                hub.tell(Event::Delivered { job, index, rows: 0 }).await;
            }
            crate::JobNotice::Persisted => {}
            crate::JobNotice::Ended { state: JobState::Done, .. } => return Reply::Done,
            crate::JobNotice::Ended { error, .. } => return Reply::Error(error),
        }
    }
    Reply::Error("the scheduler is shutting down".to_string())
}
