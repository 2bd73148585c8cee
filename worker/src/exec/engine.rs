//! The engine of a worker: its runtimes, its store, its fragments, its slots.

use crate::config::WorkerConfig;
use crate::error::WorkerError;
use crate::exec::peers::{Peer, Peers};
use crate::exec::slots::{OnSlot, Slots};
use crate::exec::task;
use crate::exec::waits::Waits;
use crate::memory::{
    Budget, MemoryPolicy, ProcessMemory, RowGroupGate, TaskMemory, give_back_of_thread,
};
use crate::serve;
use crate::store::{Store, StoreFigures};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use partita_net::peer::{DataPlane, FlightPlane};
use partita_plan::depth::RUNNING_STACK_BYTES;
use partita_plan::session;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{
    FailureKind, Fragment, FromWorker, Holder, Locations, Outcome, RunTask, SlotTask, TaskReport,
};
use partita_shared::units::format_bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Threads of the data runtime.
const DATA_THREADS: usize = 2;
/// Threads beside the slots that read and write the disk for them. Few: the allocator keeps for each
/// thread what it had, and what they read is freed by others.
const DISK_THREADS: usize = 3;
/// Partitions that are received from clients and other workers at once. Each takes a thread for as long as
/// the network takes; reads of the disk have threads of their own, or two workers could wait for each other.
const TRANSFERS_MAX: usize = 3;

/// Bytes of a file that are gathered before they are written.
const FILE_BUFFER_BYTES: usize = 1 << 20;
/// The share of the limit, divided among the slots, that a task must have, or be taken to have, to be ended
/// for its memory.
const ENDED_SHARE_MIN: f64 = 0.25;
/// The least that such a task must have, in bytes: to end a smaller one frees too little.
const ENDED_BYTES_MIN: usize = 16 << 20;

/// A finished attempt, as the control loop gets it.
pub(crate) type Done = TaskReport;
/// Finished attempts that may wait for the control loop.
const DONE_MAX: usize = partita_shared::limits::REPORT_QUEUE_MESSAGES_MAX;

/// Everything a task needs, and what the control loop changes.
#[derive(Debug)]
pub struct Engine {
    worker: AtomicU32,
    slots: u32,
    budget: Arc<Budget>,
    row_groups: Arc<RowGroupGate>,
    store: Arc<Store>,
    peers: Peers,
    key: Mutex<Key>,
    runtime: Arc<RuntimeEnv>,
    context: Arc<TaskContext>,
    compute: OwnedRuntime,
    data: OwnedRuntime,
    transfers: Arc<Semaphore>,
    stages: Mutex<HashMap<StageId, Arc<Stage>>>,
    slots_state: Mutex<Slots>,
    /// Whether the process uses so much that no task is started beside another.
    waiting: AtomicBool,
    /// Whether the store is being spilled because the process is too large. In a worker so small that what it frees is a
    /// large part of the limit no task starts meanwhile.
    spilling: AtomicBool,
    done: mpsc::Sender<Done>,
    done_receiver: Mutex<Option<mpsc::Receiver<Done>>>,
    /// What the data service has to tell the scheduler, while there is one.
    link: Mutex<Option<mpsc::WeakSender<FromWorker>>>,
    fetched_bytes: AtomicU64,
    served_bytes: AtomicU64,
    address: String,
}

/// The token, and the way to other workers that it opens. Both change with the scheduler.
#[derive(Debug)]
struct Key {
    token: String,
    plane: Arc<FlightPlane>,
}

impl Key {
    fn new(token: String, policy: MemoryPolicy) -> Self {
        let plane = FlightPlane::new(token.clone());
        let plane = Arc::new(plane.with_stream_window(policy.stream_window_bytes()));
        Key { token, plane }
    }
}

/// A runtime that may be dropped anywhere: it does not wait for what still runs.
#[derive(Debug)]
struct OwnedRuntime(Option<Runtime>, Handle);

impl OwnedRuntime {
    fn new(builder: &mut Builder, what: &str) -> Result<Self, WorkerError> {
        let runtime = builder.enable_all().build().map_err(|source| WorkerError::System {
            what: format!("cannot start threads for {what}"),
            source,
        })?;
        let handle = runtime.handle().clone();
        Ok(OwnedRuntime(Some(runtime), handle))
    }
}

impl Drop for OwnedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The settings under which fragments run here: those of the memory that a slot has.
fn running_config(policy: MemoryPolicy, slots: u32) -> SessionConfig {
    let mut config = session::running_config();
    let execution = &mut config.options_mut().execution;
    let bytes = policy.sort_bytes(slots);
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(bytes);
    execution.sort_in_place_threshold_bytes = execution.sort_in_place_threshold_bytes.min(bytes);
    // Written data of a file is gathered in a buffer, which no reservation counts.
    execution.objectstore_writer_buffer_size = FILE_BUFFER_BYTES;
    config
}

/// A stage as this worker knows it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) fragment: Arc<Fragment>,
    locations: Mutex<BTreeMap<u32, Arc<Vec<Holder>>>>,
    /// The decoded plan, shared by the tasks of the stage here, so that the collected side of a
    /// join is read once for all of them.
    plan: Mutex<Option<Arc<dyn ExecutionPlan>>>,
}

impl Stage {
    pub(crate) fn locations(&self) -> BTreeMap<u32, Arc<Vec<Holder>>> {
        self.locations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plan for a task: the shared one, unless it must be the task's own.
    pub(crate) fn plan<E>(
        &self,
        own: bool,
        decode: impl FnOnce() -> Result<Arc<dyn ExecutionPlan>, E>,
    ) -> Result<Arc<dyn ExecutionPlan>, E> {
        if own {
            return decode();
        }
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = &*plan {
            return Ok(Arc::clone(plan));
        }
        let fresh = decode()?;
        *plan = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Forgets the shared plan: a task failed in it, and what it shares may be broken.
    pub(crate) fn forget_plan(&self) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Engine {
    pub(crate) async fn new(config: &WorkerConfig) -> Result<Arc<Self>, WorkerError> {
        let policy = MemoryPolicy::new(config.memory_limit_bytes);
        let process = config.give_back.and_then(ProcessMemory::new);
        let budget = Arc::new(Budget::new(policy, process));
        let pool: Arc<dyn MemoryPool> = Arc::clone(&budget) as Arc<dyn MemoryPool>;
        let folder = config.local_directory.clone();
        let system = |what: &str, error: datafusion::error::DataFusionError| WorkerError::System {
            what: what.to_string(),
            source: std::io::Error::other(error.to_string()),
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| system("cannot set up the scratch folder", error))?;
        let store = Arc::new(Store::new(pool, policy.stored_bytes_max(), folder));
        budget.set_store(&store);
        let compute = OwnedRuntime::new(
            Builder::new_multi_thread()
                .worker_threads(config.slots.max(1) as usize)
                .max_blocking_threads(config.slots.max(1) as usize + DISK_THREADS)
                .thread_stack_size(RUNNING_STACK_BYTES)
                .on_thread_park(give_back_of_thread)
                .thread_name("slot"),
            "the slots",
        )?;
        let data = OwnedRuntime::new(
            Builder::new_multi_thread()
                .worker_threads(DATA_THREADS)
                .max_blocking_threads(DISK_THREADS + TRANSFERS_MAX)
                .on_thread_park(give_back_of_thread)
                .thread_name("data"),
            "the data service",
        )?;
        let (done, done_receiver) = mpsc::channel(DONE_MAX);
        let listener = match &config.host {
            Some(host) => Some(serve::listen(host, config.port).await?),
            None => None,
        };
        let address = listener.as_ref().map_or(String::new(), |(_, address)| address.clone());
        let engine = Arc::new(Engine {
            worker: AtomicU32::new(0),
            slots: config.slots.max(1),
            row_groups: RowGroupGate::new(Arc::clone(&budget)),
            budget,
            store,
            peers: Peers::default(),
            key: Mutex::new(Key::new(config.token.clone(), policy)),
            context: session::task_context(
                Arc::clone(&runtime),
                running_config(policy, config.slots),
            ),
            runtime,
            compute,
            data,
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            stages: Mutex::default(),
            slots_state: Mutex::default(),
            waiting: AtomicBool::new(false),
            spilling: AtomicBool::new(false),
            done,
            done_receiver: Mutex::new(Some(done_receiver)),
            link: Mutex::default(),
            fetched_bytes: AtomicU64::new(0),
            served_bytes: AtomicU64::new(0),
            address,
        });
        if let Some((listener, _)) = listener {
            serve::start(&engine, listener);
        }
        Ok(engine)
    }

    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Relaxed))
    }

    pub(crate) fn set_worker(&self, worker: WorkerId) {
        self.worker.store(worker.0, Ordering::Relaxed);
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The way by which row groups of Parquet files come into memory.
    pub(crate) fn row_groups(&self) -> &Arc<RowGroupGate> {
        &self.row_groups
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    fn key(&self) -> MutexGuard<'_, Key> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plane(&self) -> Arc<dyn DataPlane> {
        Arc::clone(&self.key().plane) as Arc<dyn DataPlane>
    }

    /// Takes the token of the scheduler that was found.
    pub(crate) fn set_token(&self, token: &str) {
        let mut key = self.key();
        if key.token != token {
            *key = Key::new(token.to_string(), self.budget.policy());
        }
    }

    /// Whether this is the token, compared in a time that does not say where the first
    /// difference is.
    pub(crate) fn is_token(&self, given: &[u8]) -> bool {
        let key = self.key();
        let expected = key.token.as_bytes();
        given.len() == expected.len()
            && given.iter().zip(expected).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }

    pub(crate) fn context(&self) -> &Arc<TaskContext> {
        &self.context
    }

    pub(crate) fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }

    /// Who receives a partition holds one of these.
    pub(crate) fn transfers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.transfers)
    }

    pub(crate) fn data_runtime(&self) -> &Handle {
        &self.data.1
    }

    /// `host:port` of the data service; empty without one.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn count_fetched(&self, from: WorkerId, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(peer) = self.peers.lock().get_mut(&from) {
            peer.fetched_bytes += bytes;
        }
    }

    /// Bytes read from other workers since they were first told of, by worker.
    pub(crate) fn fetched_from(&self) -> BTreeMap<WorkerId, u64> {
        let peers = self.peers.lock();
        let read = peers.iter().filter(|(_, peer)| peer.fetched_bytes > 0);
        read.map(|(id, peer)| (*id, peer.fetched_bytes)).collect()
    }

    pub(crate) fn count_served(&self, bytes: u64) {
        self.served_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The tasks on slots, as a heartbeat lists them.
    pub(crate) fn on_slots(&self) -> Vec<SlotTask> {
        self.slots().list()
    }

    /// Fetched and served bytes since the start.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.fetched_bytes.load(Ordering::Relaxed), self.served_bytes.load(Ordering::Relaxed))
    }

    /// Reserved bytes, whether the worker should get no further task, and what the store holds.
    pub(crate) fn memory(&self) -> (u64, bool, StoreFigures) {
        let reserved = self.budget.reserved();
        let above = self.budget.policy().is_above_second_mark(reserved);
        (reserved as u64, above || self.waiting.load(Ordering::Relaxed), self.store.figures())
    }

    /// What the heap of a limited sort may take in one task.
    pub(crate) fn heap_bytes_max(&self) -> usize {
        self.budget.policy().heap_bytes(self.slots)
    }

    /// The rows of a batch in one task whose rows are expected to have `row_bytes` bytes.
    pub(crate) fn batch_rows(&self, row_bytes: usize) -> usize {
        self.budget.policy().batch_rows(self.slots, row_bytes)
    }

    /// What one task may keep of a file that it writes.
    pub(crate) fn row_group_bytes(&self) -> usize {
        self.budget.policy().row_group_bytes(self.slots)
    }

    /// Sorted partitions that one task merges at once.
    pub(crate) fn merge_inputs(&self) -> usize {
        self.budget.policy().merge_inputs(self.slots)
    }

    /// Workers that one task reads an input from at once.
    pub(crate) fn fetches(&self) -> usize {
        self.budget.policy().fetches(self.slots)
    }

    /// Holds tasks back, or lets them start again.
    pub(crate) fn set_waiting(self: &Arc<Self>, waiting: bool) {
        // Also while tasks wait: the last attempt that had memory may have ended.
        if self.waiting.swap(waiting, Ordering::Relaxed) {
            self.fill_slots();
        }
    }

    /// Spills at least `bytes` of the store on a thread that may wait for the disk, unless a spill is under way.
    pub(crate) fn spill_store(self: &Arc<Self>, bytes: usize) {
        if self.spilling.swap(true, Ordering::Relaxed) {
            return;
        }
        let engine = Arc::clone(self);
        self.data.1.spawn_blocking(move || {
            engine.store.make_room(bytes);
            engine.spilling.store(false, Ordering::Relaxed);
            engine.fill_slots();
        });
    }

    /// Divides what the process grew or shrank by among the tasks that run: which of them it was is not
    /// known.
    pub(crate) fn spread_growth(&self, bytes: i64) {
        self.slots().spread_growth(bytes);
    }

    /// Ends the task that has, or is taken to have, the most memory, if that is enough to matter. The
    /// process would be ended otherwise. Whether there was one.
    pub(crate) fn end_largest_task(self: &Arc<Self>, resident_bytes: u64) -> bool {
        let limit_bytes = self.budget.policy().limit_bytes();
        let share = (limit_bytes as f64 * ENDED_SHARE_MIN) as usize;
        let bytes_min = (share / self.slots as usize).max(ENDED_BYTES_MIN);
        let Some((task, attempt, bytes, spent)) = self.slots().stop_largest(bytes_min) else {
            return false;
        };
        let (used, limit, own) =
            (format_bytes(resident_bytes), format_bytes(limit_bytes), format_bytes(bytes as u64));
        let error = format!(
            "not enough memory: {task} was stopped because its worker used {used} of its limit of {limit} (--memory-limit) and this task grew most, by about {own}; give the worker more memory or fewer slots"
        );
        tracing::warn!(%task, attempt, used, limit, "stopped a task because of its memory use");
        let outcome = Outcome::Failed { kind: FailureKind::Memory, error };
        let (done, report) = (self.done.clone(), TaskReport { task, attempt, spent, outcome });
        self.data.1.spawn(async move { done.send(report).await });
        self.fill_slots();
        true
    }

    /// Running and queued tasks.
    pub(crate) fn load(&self) -> (u32, u32) {
        let slots = self.slots();
        (slots.running.len() as u32, slots.queue.len() as u32)
    }

    pub(crate) fn take_done(&self) -> Option<mpsc::Receiver<Done>> {
        self.done_receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn give_back_done(&self, receiver: mpsc::Receiver<Done>) {
        *self.done_receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    }

    /// The link to the scheduler that the data service may use from now on. A weak one: the link
    /// must be able to end.
    pub(crate) fn set_link(&self, link: &mpsc::Sender<FromWorker>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.downgrade());
    }

    /// The link to the scheduler, if there is one.
    pub(crate) fn link(&self) -> Option<mpsc::Sender<FromWorker>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().and_then(mpsc::WeakSender::upgrade)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stages(&self) -> MutexGuard<'_, HashMap<StageId, Arc<Stage>>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_peer(&self, worker: WorkerId, address: String) {
        let peer = Peer { address, lost: CancellationToken::new(), fetched_bytes: 0 };
        self.peers.lock().insert(worker, peer);
    }

    pub(crate) fn lose_peer(&self, worker: WorkerId) {
        let peer = self.peers.lock().remove(&worker);
        if let Some(peer) = peer {
            peer.lost.cancel();
            self.key().plane.forget(&peer.address);
        }
    }

    pub(crate) fn add_fragment(&self, fragment: Arc<Fragment>) {
        let stage = Stage { fragment, locations: Mutex::default(), plan: Mutex::default() };
        self.stages().insert(stage.fragment.stage, Arc::new(stage));
    }

    pub(crate) fn set_locations(&self, locations: Locations) {
        if let Some(stage) = self.stages().get(&locations.stage) {
            let mut known = stage.locations.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(locations.input, locations.holders);
        }
    }

    /// Puts tasks in the queue and starts what slots are free for.
    pub(crate) fn run(self: &Arc<Self>, tasks: Vec<RunTask>) {
        let now = Instant::now();
        self.slots().queue.extend(tasks.into_iter().map(|task| (task, now)));
        self.fill_slots();
    }

    /// Starts tasks on free slots.
    pub(crate) fn fill_slots(self: &Arc<Self>) {
        let mut slots = self.slots();
        while slots.running.len() < self.slots as usize {
            let is_short = self.waiting.load(Ordering::Relaxed) && slots.is_any_alive();
            let is_freed = self.spilling.load(Ordering::Relaxed) && self.budget.policy().is_tight();
            if is_short || is_freed {
                return;
            }
            let Some((run, came)) = slots.queue.pop_front() else { return };
            let key = (run.task, run.attempt);
            let stage = self.stages().get(&run.task.stage).cloned();
            let engine = Arc::clone(self);
            let (waits, memory) = (Waits::default(), TaskMemory::default());
            let (since, counted, charged) = (Instant::now(), waits.clone(), memory.clone());
            // The slot is taken before the task can end: it waits for this lock to say that it has.
            let handle = self.compute.1.spawn(async move {
                let outcome = task::run(&engine, stage, &run, &counted, &charged).await;
                engine.finished(run.task, run.attempt, outcome).await;
            });
            let slot = slots.take_slot();
            let (handle, queued) = (handle.abort_handle(), since.duration_since(came));
            slots.running.insert(key, OnSlot { handle, slot, since, queued, waits, memory });
        }
    }

    /// An attempt is over: its slot goes to the next, and the control loop hears of it.
    async fn finished(self: &Arc<Self>, task: TaskId, attempt: Attempt, outcome: Outcome) {
        let Some(on_slot) = self.slots().leave(&(task, attempt)) else { return };
        self.fill_slots();
        let spent = on_slot.spent();
        let _ = self.done.send(TaskReport { task, attempt, spent, outcome }).await;
    }

    /// Stops attempts, or takes them out of the queue.
    pub(crate) fn cancel(self: &Arc<Self>, attempts: &[(TaskId, Attempt)]) {
        {
            let mut slots = self.slots();
            slots.queue.retain(|(run, _)| !attempts.contains(&(run.task, run.attempt)));
            attempts.iter().for_each(|key| slots.stop(key));
        }
        self.fill_slots();
    }

    pub(crate) fn drop_stages(&self, dropped: &[StageId]) {
        for stage in dropped {
            self.free(self.store.drop_stage(*stage));
        }
    }

    /// Forgets one partition.
    pub(crate) fn drop_partitions(&self, tasks: &[TaskId]) {
        self.free(tasks.iter().flat_map(|task| self.store.drop_partition(*task)).collect());
    }

    /// Frees memory and removes files on a thread that may take its time: that of the heartbeats may not.
    fn free<T: Send + 'static>(&self, forgotten: Vec<T>) {
        if !forgotten.is_empty() {
            self.data.1.spawn_blocking(move || drop(forgotten));
        }
    }

    /// Stops and forgets everything of a job.
    pub(crate) fn drop_job(self: &Arc<Self>, job: JobId) {
        {
            let mut slots = self.slots();
            slots.queue.retain(|(run, _)| run.task.stage.job != job);
            let keys: Vec<_> =
                slots.running.keys().filter(|(task, _)| task.stage.job == job).copied().collect();
            keys.iter().for_each(|key| slots.stop(key));
        }
        // A plan may keep the collected side of a join.
        let gone = self.stages().extract_if(|stage, _| stage.job == job).collect::<Vec<_>>();
        self.free(gone);
        let stopping = self.slots().stopping().collect();
        self.free(self.store.drop_job(job, &stopping));
        self.fill_slots();
    }

    /// Whether some attempt of a job was stopped and has not ended.
    pub(crate) fn is_stopping(&self, job: JobId) -> bool {
        self.slots().stopping().any(|of| of == job)
    }

    /// Stops and forgets everything: the scheduler that wanted it is gone.
    pub(crate) fn clear(&self) {
        let mut slots = self.slots();
        slots.queue.clear();
        slots.running.drain().for_each(|(_, on_slot)| on_slot.handle.abort());
        slots.free_all();
        drop(slots);
        self.stages().clear();
        let peers: Vec<WorkerId> = self.peers.lock().keys().copied().collect();
        peers.into_iter().for_each(|worker| self.lose_peer(worker));
        self.free(self.store.clear());
    }
}
