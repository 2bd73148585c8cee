//! Simulated workers: links to a scheduler behind which nothing is computed.

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use partita_net::websocket::{self, ControlSocket};
use partita_shared::access::Access;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{Attempt, TaskId, WorkerId};
use partita_shared::message::{
    FromWorker, Outcome, Registration, RunTask, SlotTask, Spent, TaskFigures, TaskReport, ToWorker,
    WorkerDetail, WorkerMetrics,
};
use partita_shared::wire;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_tungstenite::tungstenite::Message;

/// A link to the scheduler.
pub(super) type Socket = ControlSocket;

/// Workers on one simulated host.
const WORKERS_A_HOST: u32 = 8;
/// The memory that each says it may use, in bytes.
const MEMORY_BYTES: u64 = 16 << 30;
/// A watched worker sends details in every N-th heartbeat, and the workers it read from in every
/// N-th of these.
const BEATS_A_DETAIL: u64 = 2;
/// Lines of its log that each tells.
const TOLD: u32 = 20;
/// How long a worker without anything to do sleeps, at most.
const IDLE: Duration = Duration::from_secs(3600);

/// Opens a WebSocket of the scheduler.
pub(super) async fn connect(access: &Access, path: &str) -> Result<Socket> {
    Ok(websocket::open(access, &format!("/{path}")).await?)
}

/// Numbers that look like chance and are the same in every run.
fn mixed(value: u64) -> u64 {
    let mixed = (value ^ (value >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 17
}

/// Simulated workers. They are gone when this is dropped.
pub(super) struct Fleet {
    runtime: Option<Runtime>,
    finished: Arc<AtomicU64>,
}

impl Fleet {
    /// Connects `workers` workers.
    pub(super) fn start(access: &Access, workers: u32, slots: u32, task_ms: u64) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let finished = Arc::<AtomicU64>::default();
        for id in 0..workers {
            // One after the other: simultaneous handshakes would overflow the accept queue.
            let socket = runtime.block_on(connect(access, "ws/worker"))?;
            let worker = Worker::new(id, slots, task_ms, Arc::clone(&finished));
            // Nobody reads from it, but the scheduler looks whether one could.
            let address = access.endpoint();
            runtime.spawn(async move {
                if let Err(error) = worker.serve(socket, address).await {
                    crate::measure::say(&format!("simulated worker {id}: {error:#}"));
                }
            });
        }
        Ok(Fleet { runtime: Some(runtime), finished })
    }

    /// Tasks that ended so far.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task on a slot.
struct OnSlot {
    run: RunTask,
    queued: Duration,
    begun: Instant,
    ends: Instant,
}

/// One worker.
struct Worker {
    id: u32,
    task_ms: u64,
    finished: Arc<AtomicU64>,
    slots: Vec<Option<OnSlot>>,
    queue: VecDeque<(RunTask, Instant)>,
    done: u64,
    beats: u64,
    watched: bool,
}

impl Worker {
    fn new(id: u32, slots: u32, task_ms: u64, finished: Arc<AtomicU64>) -> Self {
        let slots = (0..slots).map(|_| None).collect();
        let queue = VecDeque::new();
        Worker { id, task_ms, finished, slots, queue, done: 0, beats: 0, watched: false }
    }

    fn registration(&self, data_address: Endpoint) -> Registration {
        let host = format!("node{:04}", self.id / WORKERS_A_HOST);
        Registration {
            name: format!("{host}-{}", self.id % WORKERS_A_HOST),
            pid: 1_000 + self.id,
            slots: self.slots.len() as u32,
            memory_limit_bytes: MEMORY_BYTES,
            data_address,
            local_directory: "/scratch/partita".to_string(),
            slurm_job: Some(format!("{}", 8_800 + self.id / 64)),
            lifetime_left_s: Some(24 * 3600),
            resources: BTreeMap::new(),
            host,
        }
    }

    async fn serve(mut self, mut socket: Socket, address: Endpoint) -> Result<()> {
        send(&mut socket, &FromWorker::Register(self.registration(address))).await?;
        let beats = loop {
            if let ToWorker::Welcome { heartbeat_ms, .. } = receive(&mut socket).await? {
                break Duration::from_millis(heartbeat_ms);
            }
        };
        let offset = beats.mul_f64(f64::from(self.id % 100) / 100.0);
        let mut beat = interval_at(Instant::now() + offset, beats);
        loop {
            let next = self.slots.iter().flatten().map(|on| on.ends).min();
            let next = next.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                message = receive(&mut socket) => match message? {
                    ToWorker::Run(tasks) => {
                        let now = Instant::now();
                        self.queue.extend(tasks.into_iter().map(|run| (run, now)));
                    }
                    ToWorker::Cancel(stopped) => self.cancel(&stopped),
                    ToWorker::Watch(watched) => self.watched = watched,
                    ToWorker::Shutdown { .. } => return Ok(()),
                    _ => {}
                },
                () = sleep_until(next) => {
                    let reports = self.finish();
                    send(&mut socket, &FromWorker::Reports(reports)).await?;
                }
                _ = beat.tick() => {
                    send(&mut socket, &self.heartbeat()).await?;
                    self.beats += 1;
                    if let Some(more) = self.more() {
                        send(&mut socket, &more).await?;
                    }
                }
            }
            self.fill();
        }
    }

    fn cancel(&mut self, stopped: &[(TaskId, Attempt)]) {
        let is_kept = |run: &RunTask| !stopped.contains(&(run.task, run.attempt));
        self.queue.retain(|(run, _)| is_kept(run));
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|on| !is_kept(&on.run)) {
                *slot = None;
            }
        }
    }

    /// Puts tasks on free slots.
    fn fill(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_none()) {
            let Some((run, came)) = self.queue.pop_front() else { return };
            let begun = Instant::now();
            let chance = mixed(u64::from(run.task.index) << 32 | u64::from(self.id));
            let took = Duration::from_millis(self.task_ms / 2 + chance % self.task_ms);
            *slot = Some(OnSlot { run, queued: begun - came, begun, ends: begun + took });
        }
    }

    /// Takes what has ended off its slots.
    fn finish(&mut self) -> Vec<TaskReport> {
        let now = Instant::now();
        let mut reports = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(on) = slot.take_if(|on| on.ends <= now) else { continue };
            let busy_us = (now - on.begun).as_micros() as u64;
            let chance = mixed(u64::from(on.run.task.index));
            let figures = TaskFigures {
                rows: chance % 100_000,
                bytes: chance % (8 << 20),
                fetched_bytes: chance % (1 << 20),
                operators: Vec::new(),
                value: None,
            };
            reports.push(TaskReport {
                task: on.run.task,
                attempt: on.run.attempt,
                spent: Spent {
                    slot: number as u16,
                    queued_us: on.queued.as_micros() as u64,
                    busy_us,
                    transfer_us: busy_us / 100 * (chance % 40),
                    disk_us: busy_us / 100 * (chance % 10),
                },
                outcome: Outcome::Finished(figures),
            });
        }
        self.done += reports.len() as u64;
        self.finished.fetch_add(reports.len() as u64, Ordering::Relaxed);
        reports
    }

    /// What it says beside a heartbeat.
    fn more(&self) -> Option<FromWorker> {
        let chance = mixed(u64::from(self.id) << 32 | self.beats);
        if self.beats.is_multiple_of(2 * BEATS_A_DETAIL) {
            let peer = WorkerId(1 + (chance % 2_000) as u32);
            return Some(FromWorker::Traffic(vec![(peer, self.done << 19)]));
        }
        if !self.watched || !self.beats.is_multiple_of(BEATS_A_DETAIL) {
            return None;
        }
        let on_slots = self.slots.iter().flatten().map(|on| on.run.task);
        let partition = |task| (task, chance % (512 << 20), 0);
        let line = |number| format!("INFO task {number} of {}: done", self.done);
        Some(FromWorker::Detail(WorkerDetail {
            partitions: on_slots.map(partition).collect(),
            log: (0..TOLD).map(line).collect(),
        }))
    }

    fn heartbeat(&self) -> FromWorker {
        let chance = mixed(u64::from(self.id) << 32 | self.done);
        let now = Instant::now();
        let on_slots = self.slots.iter().enumerate().filter_map(|(slot, on)| {
            let on = on.as_ref()?;
            Some(SlotTask {
                slot: slot as u16,
                task: on.run.task,
                attempt: on.run.attempt,
                since_us: (now - on.begun).as_micros() as u64,
                read_milli: None,
            })
        });
        let on_slots: Vec<SlotTask> = on_slots.collect();
        let running = on_slots.len() as u32;
        let reserved_bytes = MEMORY_BYTES / 100 * (20 + chance % 70);
        let metrics = WorkerMetrics {
            cpu_milli: running * 600 + (chance % 400) as u32,
            resident_bytes: reserved_bytes + (256 << 20),
            reserved_bytes,
            stored_bytes: reserved_bytes / 2,
            spilled_bytes: if chance.is_multiple_of(10) { chance % (1 << 30) } else { 0 },
            partitions: (self.done % 1_000) as u32,
            running,
            queued: self.queue.len() as u32,
            fetched_bytes: self.done << 19,
            served_bytes: self.done << 19,
            above_mark: false,
            spilled_partitions: 0,
            disk_read_bytes: self.done << 16,
            disk_written_bytes: self.done << 15,
        };
        FromWorker::Heartbeat { metrics, on_slots }
    }
}

async fn send(socket: &mut Socket, message: &FromWorker) -> Result<()> {
    let bytes = wire::encode(message)?;
    socket.send(Message::Binary(bytes.into())).await.context("the scheduler takes nothing")
}

async fn receive(socket: &mut Socket) -> Result<ToWorker> {
    loop {
        match socket.next().await.context("the scheduler is gone")?? {
            Message::Binary(bytes) => return Ok(wire::decode(&bytes)?),
            Message::Close(_) => bail!("the scheduler closed the link"),
            _ => {}
        }
    }
}
