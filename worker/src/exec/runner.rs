//! The task runner: fragments, the queue of tasks, the slots they run on, and their reports.

use crate::exec::executor::{self, Batch, Executors, Made, TaskRun};
use crate::exec::inputs::InputSource;
use crate::exec::slots::{Key, OnSlot, Slots, Watched};
use crate::exec::stage::Stage;
use crate::memory::MemoryPolicy;
use crate::runtimes::Runtimes;
use crate::store::Store;
use async_trait::async_trait;
use datafusion::error::Result;
use futures::FutureExt;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId};
use partita_shared::message::{
    FailureKind, Fragment, Locations, Outcome, RunTask, SlotTask, StageOperators, TaskFigures,
    TaskReport, Work,
};
use partita_shared::units::format_bytes;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long an attempt that nobody wants may take to end where others run after it.
const BATCH_STOP_TIME: Duration = Duration::from_millis(200);

/// How long the report of a short call may wait for those of the calls after it.
const GATHER_TIME: Duration = Duration::from_millis(1);

/// What happened to attempts, as the control loop gets it.
#[derive(Debug)]
pub(crate) enum Told {
    /// They are over.
    Done(Vec<TaskReport>),
    /// What operators of a stage did.
    Operators(StageOperators),
    /// It gave its slot back, or took one again.
    SlotChanged { task: TaskId, attempt: Attempt, has_slot: bool },
}

/// What may wait for the control loop.
const TOLD_MAX: usize = partita_shared::limits::REPORT_QUEUE_MESSAGES_MAX;

/// Runs the tasks of a worker on its slots.
#[derive(Debug)]
pub(crate) struct TaskRunner {
    policy: MemoryPolicy,
    runtimes: Arc<Runtimes>,
    store: Arc<Store>,
    inputs: InputSource,
    executors: Executors,
    stages: Mutex<HashMap<StageId, Arc<Stage>>>,
    /// Parts of the arguments of tasks that follow.
    arguments: Mutex<HashMap<(TaskId, Attempt), Vec<u8>>>,
    slots: Mutex<Slots>,
    /// Whether the process uses so much that no task is started beside another.
    waiting: AtomicBool,
    /// Whether the store is being spilled because the process is too large. In a worker so small that what it frees is a
    /// large part of the limit no task starts meanwhile.
    spilling: AtomicBool,
    told: mpsc::Sender<Told>,
    told_receiver: Mutex<Option<mpsc::Receiver<Told>>>,
}

impl TaskRunner {
    pub(crate) fn new(
        policy: MemoryPolicy,
        runtimes: Arc<Runtimes>,
        store: Arc<Store>,
        inputs: InputSource,
        executors: Executors,
    ) -> Self {
        let (told, told_receiver) = mpsc::channel(TOLD_MAX);
        TaskRunner {
            policy,
            runtimes,
            store,
            inputs,
            executors,
            stages: Mutex::default(),
            arguments: Mutex::default(),
            slots: Mutex::default(),
            waiting: AtomicBool::new(false),
            spilling: AtomicBool::new(false),
            told,
            told_receiver: Mutex::new(Some(told_receiver)),
        }
    }

    /// The tasks on slots, as a heartbeat lists them.
    pub(crate) fn on_slots(&self) -> Vec<SlotTask> {
        self.slots().list()
    }

    /// Whether tasks are held back because of the memory of the process.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
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
        let runner = Arc::clone(self);
        self.runtimes.data().spawn_blocking(move || {
            runner.store.make_room(bytes);
            runner.spilling.store(false, Ordering::Relaxed);
            runner.fill_slots();
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
        let limit_bytes = self.policy.limit_bytes();
        let bytes_min = self.policy.ended_bytes_min();
        let Some((task, attempt, bytes, spent)) = self.slots().stop_largest(bytes_min) else {
            return false;
        };
        let (used, limit, own) =
            (format_bytes(resident_bytes), format_bytes(limit_bytes), format_bytes(bytes as u64));
        let error = format!(
            "not enough memory: {task} was stopped because its worker used {used} of its limit of {limit} (--memory-limit) and this task grew most, by about {own}; give the worker more memory or fewer slots"
        );
        tracing::warn!(%task, attempt, used, limit, "stopped a task because of its memory use");
        let outcome = Outcome::failed(FailureKind::Memory, error);
        let (told, report) = (self.told.clone(), TaskReport { task, attempt, spent, outcome });
        self.runtimes.data().spawn(async move { told.send(Told::Done(vec![report])).await });
        self.fill_slots();
        true
    }

    /// Running and queued tasks.
    pub(crate) fn load(&self) -> (u32, u32) {
        self.slots().load()
    }

    pub(crate) fn take_told(&self) -> Option<mpsc::Receiver<Told>> {
        self.told_receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn give_back_told(&self, receiver: mpsc::Receiver<Told>) {
        *self.told_receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stages(&self) -> MutexGuard<'_, HashMap<StageId, Arc<Stage>>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_fragment(&self, fragment: Arc<Fragment>) {
        self.stages().insert(fragment.stage, Arc::new(Stage::new(fragment)));
    }

    pub(crate) fn set_locations(&self, locations: Locations) {
        if let Some(stage) = self.stages().get(&locations.stage) {
            stage.set_locations(locations);
        }
    }

    fn arguments(&self) -> MutexGuard<'_, HashMap<(TaskId, Attempt), Vec<u8>>> {
        self.arguments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a part of the arguments of a task that follows.
    pub(crate) fn add_arguments(&self, task: (TaskId, Attempt), bytes: &[u8]) {
        self.arguments().entry(task).or_default().extend_from_slice(bytes);
    }

    /// Puts tasks in the queue and starts what slots are free for.
    pub(crate) fn run(self: &Arc<Self>, mut tasks: Vec<RunTask>) {
        let now = Instant::now();
        {
            let mut long = self.arguments();
            // Few tasks have any.
            for task in &mut tasks {
                if long.is_empty() {
                    break;
                }
                if let Some(arguments) = long.remove(&(task.task, task.attempt)) {
                    task.arguments = arguments.into();
                }
            }
        }
        self.slots().queue.extend(tasks.into_iter().map(|task| (task, now)));
        self.fill_slots();
    }

    /// Starts tasks on free slots.
    pub(crate) fn fill_slots(self: &Arc<Self>) {
        let count = self.policy.slots() as usize;
        let mut slots = self.slots();
        if let Some(first) = slots.take_alone() {
            let stage = self.stages().get(&first.0.task.stage).cloned();
            self.start(&mut slots, stage, first, Vec::new());
        }
        if slots.is_reserved() {
            return;
        }
        slots.take_back(count);
        while slots.used() < count {
            let is_short = self.waiting.load(Ordering::Relaxed) && slots.is_any_alive();
            let is_freed = self.spilling.load(Ordering::Relaxed) && self.policy.is_tight();
            if is_short || is_freed {
                return;
            }
            let Some(first) = slots.queue.pop_front() else { return };
            let stage = self.stages().get(&first.0.task.stage).cloned();
            let max = stage.as_ref().map_or(1, |stage| stage.batch_calls_max());
            let others = slots.take_alike(&first.0, max, count);
            self.start(&mut slots, stage, first, others);
        }
    }

    /// Starts a task on a free slot, with others that run after it.
    fn start(
        self: &Arc<Self>,
        slots: &mut Slots,
        stage: Option<Arc<Stage>>,
        first: (RunTask, Instant),
        others: Vec<(RunTask, Instant)>,
    ) {
        let is_single = others.is_empty();
        let (mut attempts, mut runs) = (Vec::new(), Vec::new());
        for (run, came) in [first].into_iter().chain(others) {
            let watched = Watched::default();
            let on_slot = OnSlot::new(came, watched.clone());
            let on_slot = if is_single { on_slot } else { on_slot.among_others(&run) };
            attempts.push(((run.task, run.attempt), on_slot));
            runs.push((run, watched));
        }
        let runner = Arc::clone(self);
        // The slot is taken before a task can end: it waits for the lock of the slots to say that it has.
        let handle = self.runtimes.compute().spawn(async move {
            match stage {
                Some(stage) if !is_single => runner.attempts(stage, runs).await,
                stage => {
                    for (run, watched) in runs {
                        runner.attempt_and_tell(stage.clone(), run, watched).await;
                    }
                }
            }
        });
        slots.start(handle.abort_handle(), attempts);
    }

    /// One attempt, with all that it may use.
    fn run_of(
        self: &Arc<Self>,
        stage: &Arc<Stage>,
        (task, watched): (RunTask, Watched),
    ) -> TaskRun {
        let Watched { waits, memory, progress } = watched;
        let inputs = self.inputs.for_task(stage, &task, (waits, progress));
        let slot = OwnSlot { runner: Arc::downgrade(self), key: (task.task, task.attempt) };
        TaskRun { stage: Arc::clone(stage), task, inputs, memory, slot }
    }

    /// Runs an attempt, and tells how it went. A call that ran out of memory beside others runs once more with the worker to itself.
    async fn attempt_and_tell(
        self: &Arc<Self>,
        stage: Option<Arc<Stage>>,
        run: RunTask,
        watched: Watched,
    ) {
        let key = (run.task, run.attempt);
        let is_call = |stage: &Arc<Stage>| matches!(stage.fragment.work, Work::Function(_));
        let again = stage.as_ref().is_some_and(is_call).then(|| run.clone());
        let mut outcome = self.attempt(stage.clone(), run, watched).await;
        if let (Some(run), Outcome::Failed { kind: FailureKind::Memory, error, .. }) =
            (again, &mut outcome)
        {
            if self.slots().retry_alone(run) {
                return self.fill_slots();
            }
            if self.slots().runs_alone(&key) {
                error.push_str("; nothing else ran on the worker meanwhile");
            }
        }
        self.finished(key, outcome, stage.as_deref()).await;
    }

    /// Runs an attempt and says how it went.
    async fn attempt(
        self: &Arc<Self>,
        stage: Option<Arc<Stage>>,
        task: RunTask,
        watched: Watched,
    ) -> Outcome {
        let Some(stage) = stage else {
            let error = format!("unknown plan fragment of {}", task.task.stage);
            return Outcome::failed(FailureKind::Retry, error);
        };
        let Some(executor) = self.executors.executor_of(&stage.fragment.work) else {
            return Outcome::Finished(TaskFigures::default());
        };
        let run = self.run_of(&stage, (task, watched));
        executor::outcome(executor, &self.store, run).await
    }

    /// Runs attempts of one stage, one after the other.
    async fn attempts(self: &Arc<Self>, stage: Arc<Stage>, runs: Vec<(RunTask, Watched)>) {
        let keys: Vec<Key> = runs.iter().map(|(run, ..)| (run.task, run.attempt)).collect();
        let batch = StageBatch::new(self, &stage);
        let Some(executor) = self.executors.executor_of(&stage.fragment.work) else {
            for key in keys {
                let outcome = Outcome::Finished(TaskFigures::default());
                self.finished(key, outcome, Some(&stage)).await;
            }
            return;
        };
        let runs = runs.into_iter().map(|run| self.run_of(&stage, run)).collect();
        let run = AssertUnwindSafe(executor.run_batch(runs, &batch)).catch_unwind();
        if run.await.is_err() {
            // Each is tried with a process of its own, which tells which one it was.
            stage.call_singly();
            batch.give_back(&keys);
        }
        tell_all(&batch.ended, &self.told).await;
    }

    /// An attempt is over: its slot goes to the next, and the control loop hears of it.
    async fn finished(self: &Arc<Self>, key: Key, outcome: Outcome, stage: Option<&Stage>) {
        if let Some(report) = self.conclude(key, outcome, stage) {
            let _ = self.told.send(Told::Done(vec![report])).await;
        }
        if let Some(stage) = stage {
            self.tell(stage.operators(|| !self.slots().has_stage(stage.fragment.stage)));
        }
    }

    /// Tells what the operators of a stage did. Nobody waits for it.
    fn tell(&self, operators: Option<StageOperators>) {
        if let Some(operators) = operators {
            let _ = self.told.try_send(Told::Operators(operators));
        }
    }

    /// An attempt is over: its slot goes to the next. Gives what is to be told of it.
    fn conclude(
        self: &Arc<Self>,
        (task, attempt): Key,
        outcome: Outcome,
        stage: Option<&Stage>,
    ) -> Option<TaskReport> {
        let Some(on_slot) = self.slots().leave(&(task, attempt)) else {
            // It was stopped while it stored its output, which may have been after the scheduler had it dropped.
            self.runtimes.free(self.store.drop_attempt(task, attempt));
            self.fill_slots();
            return None;
        };
        let spent = on_slot.spent();
        if let Some(stage) = stage.filter(|stage| matches!(stage.fragment.work, Work::Function(_)))
        {
            stage.add_call(spent.busy_us);
        }
        self.fill_slots();
        Some(TaskReport { task, attempt, spent, outcome })
    }

    /// Stops attempts, or takes them out of the queue.
    pub(crate) fn cancel(self: &Arc<Self>, attempts: &[(TaskId, Attempt)]) {
        {
            let mut slots = self.slots();
            slots.queue.retain(|(run, _)| !attempts.contains(&(run.task, run.attempt)));
            slots.forget_alone(|run| attempts.contains(&(run.task, run.attempt)));
            for key in attempts {
                if let Some(slot) = slots.stop(key) {
                    self.stop_late(slot, *key);
                }
            }
        }
        self.fill_slots();
    }

    /// Stops what runs on a slot if an attempt that nobody wants has not ended there after a moment.
    fn stop_late(self: &Arc<Self>, slot: u16, key: Key) {
        let runner = Arc::clone(self);
        self.runtimes.data().spawn(async move {
            tokio::time::sleep(BATCH_STOP_TIME).await;
            runner.slots().stop_lane(slot, &key);
            runner.fill_slots();
        });
    }

    /// Takes all tasks out of the queue, and gives their attempts.
    pub(crate) fn recall(&self) -> Vec<(TaskId, Attempt)> {
        self.slots().queue.drain(..).map(|(run, _)| (run.task, run.attempt)).collect()
    }

    pub(crate) fn drop_stages(&self, dropped: &[StageId]) {
        for stage in dropped {
            self.runtimes.free(self.store.drop_stage(*stage));
        }
    }

    /// Forgets these partitions.
    pub(crate) fn drop_partitions(&self, tasks: &[TaskId]) {
        let dropped = tasks.iter().flat_map(|task| self.store.drop_partition(*task)).collect();
        self.runtimes.free(dropped);
    }

    /// Stops and forgets everything of a job.
    pub(crate) fn drop_job(self: &Arc<Self>, job: JobId) {
        {
            let mut slots = self.slots();
            slots.queue.retain(|(run, _)| run.task.stage.job != job);
            slots.forget_alone(|run| run.task.stage.job == job);
            for key in slots.of_job(job) {
                if let Some(slot) = slots.stop(&key) {
                    self.stop_late(slot, key);
                }
            }
        }
        self.arguments().retain(|(task, _), _| task.stage.job != job);
        // A plan may keep the collected side of a join.
        let gone = self.stages().extract_if(|stage, _| stage.job == job).collect::<Vec<_>>();
        if !gone.is_empty() {
            let runner = Arc::clone(self);
            self.runtimes.data().spawn_blocking(move || {
                gone.iter().for_each(|(_, stage)| runner.tell(stage.last_operators()));
            });
        }
        let stopping = self.slots().stopping().collect();
        self.runtimes.free(self.store.drop_job(job, &stopping));
        self.fill_slots();
    }

    /// Whether some attempt of a job was stopped and has not ended.
    pub(crate) fn is_stopping(&self, job: JobId) -> bool {
        self.slots().stopping().any(|of| of == job)
    }

    /// Stops and forgets everything: the scheduler that wanted it is gone.
    pub(crate) fn clear(&self) {
        self.slots().clear();
        self.arguments().clear();
        self.stages().clear();
        self.runtimes.free(self.store.clear());
    }
}

/// Attempts of one stage that run one after the other. Those that end shortly after each other are told of together.
struct StageBatch {
    runner: Arc<TaskRunner>,
    stage: Arc<Stage>,
    ended: Arc<Mutex<Vec<TaskReport>>>,
}

impl StageBatch {
    fn new(runner: &Arc<TaskRunner>, stage: &Arc<Stage>) -> Self {
        let (runner, stage) = (Arc::clone(runner), Arc::clone(stage));
        StageBatch { runner, stage, ended: Arc::default() }
    }

    /// Tells of an attempt that has ended after a moment, in which others may end too.
    fn tell_soon(&self, report: TaskReport) {
        let mut held = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(report);
        if held.len() > 1 {
            return;
        }
        // Not by whoever runs them: the next one may take long, or be stopped.
        let (ended, told) = (Arc::clone(&self.ended), self.runner.told.clone());
        self.runner.runtimes.data().spawn(async move {
            tokio::time::sleep(GATHER_TIME).await;
            tell_all(&ended, &told).await;
        });
    }
}

/// Tells of all attempts that have ended.
async fn tell_all(ended: &Mutex<Vec<TaskReport>>, told: &mpsc::Sender<Told>) {
    let ended = std::mem::take(&mut *ended.lock().unwrap_or_else(PoisonError::into_inner));
    if !ended.is_empty() {
        let _ = told.send(Told::Done(ended)).await;
    }
}

#[async_trait]
impl Batch for StageBatch {
    async fn ended(&self, key: Key, made: Result<Made>) {
        let outcome = executor::keep(made, (&self.runner.store, &self.stage), key, 0);
        if let Some(report) = self.runner.conclude(key, outcome, Some(&self.stage)) {
            self.tell_soon(report);
        }
    }

    fn give_back(&self, keys: &[Key]) {
        self.runner.slots().give_back(keys);
        self.runner.fill_slots();
    }
}

/// The slot of an attempt that runs.
#[derive(Debug)]
pub(crate) struct OwnSlot {
    runner: Weak<TaskRunner>,
    key: Key,
}

impl OwnSlot {
    /// Gives the slot back: the attempt waits for other tasks. False if it may not, since too many did.
    pub(crate) async fn give_back(&self) -> bool {
        let Some(runner) = self.runner.upgrade() else { return false };
        if !runner.slots().secede(self.key) {
            return false;
        }
        // Calls that wait for others must not keep others waiting behind them.
        if let Some(stage) = runner.stages().get(&self.key.0.stage) {
            stage.call_singly();
        }
        self.tell(&runner, false).await;
        runner.fill_slots();
        true
    }

    /// Waits for a slot, and takes it. False if it is not given back.
    pub(crate) async fn take_again(&self) -> bool {
        let Some(runner) = self.runner.upgrade() else { return false };
        let waits = runner.slots().rejoin(self.key);
        runner.fill_slots();
        if waits.await.is_err() {
            return false;
        }
        self.tell(&runner, true).await;
        true
    }

    async fn tell(&self, runner: &TaskRunner, has_slot: bool) {
        let (task, attempt) = self.key;
        let _ = runner.told.send(Told::SlotChanged { task, attempt, has_slot }).await;
    }
}
