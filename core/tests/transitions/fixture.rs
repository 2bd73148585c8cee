//! A core with named workers, and its effects as lines of text.
//!
//! Tasks are written `job.stage.index`, attempts `job.stage.index#attempt`, holders
//! `worker#attempt`, workers by the names that they registered with.

use partita_core::{
    Core, Effect, Event, JobSpec, Options, Origin, PlanningEnd, SettledTask, StageSpec,
    StatementSpec, Time,
};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{
    Exchange, FailureKind, Holder, InputSpec, Outcome, Registration, RunTask, Spent, TaskFigures,
    TaskReport, ToWorker, Work, WorkerMetrics,
};
use partita_shared::model::TaskState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Microseconds of a second.
pub(crate) const SECOND: Time = 1_000_000;

/// A core, the workers by name, and the effects that no test has taken yet.
pub(crate) struct Cluster {
    pub(crate) core: Core,
    pub(crate) now: Time,
    /// Whether the invariants are walked after each step: with thousands of jobs that takes its time.
    pub(crate) walks: bool,
    names: BTreeMap<WorkerId, String>,
    ids: BTreeMap<String, WorkerId>,
    /// The latest attempt that a worker was told to run, by task.
    runs: BTreeMap<TaskId, (WorkerId, Attempt)>,
    pending: Vec<Effect>,
    requests: u64,
}

impl Cluster {
    /// A core without read-ahead, so that tests see plainly who gets what.
    pub(crate) fn new() -> Self {
        Self::with(Options { read_ahead_us: 0, ..Options::new("test") })
    }

    pub(crate) fn with(options: Options) -> Self {
        Cluster {
            core: Core::new(options),
            now: SECOND,
            walks: true,
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
            runs: BTreeMap::new(),
            pending: Vec::new(),
            requests: 0,
        }
    }

    /// Workers of these names and one slot each, joined and welcomed.
    pub(crate) fn with_workers(names: &[&str]) -> Self {
        let mut cluster = Self::new();
        names.iter().for_each(|name| cluster.join(name, 1));
        cluster
    }

    /// One event, and the placement that follows.
    #[track_caller]
    pub(crate) fn tell(&mut self, event: Event) {
        self.tell_without_placement(event);
        self.place();
    }

    #[track_caller]
    pub(crate) fn tell_without_placement(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.core.handle(self.now, event, &mut effects);
        self.note(effects);
    }

    #[track_caller]
    pub(crate) fn place(&mut self) {
        let mut effects = Vec::new();
        self.core.place(&mut effects);
        self.note(effects);
    }

    #[track_caller]
    fn note(&mut self, effects: Vec<Effect>) {
        if self.walks {
            self.core.check_invariants().unwrap();
        }
        for effect in effects {
            if let Effect::Send { worker, message: ToWorker::Run(tasks) } = &effect {
                for run in tasks {
                    self.runs.insert(run.task, (*worker, run.attempt));
                }
            }
            if let Effect::WorkerAccepted { worker, .. } = &effect {
                let row = self.core.workers(false).into_iter().find(|row| row.id == *worker);
                let name = row.unwrap().name;
                self.ids.insert(name.clone(), *worker);
                self.names.insert(*worker, name);
            }
            self.pending.push(effect);
        }
    }

    /// Takes all effects and compares them with what is expected, line by line.
    #[track_caller]
    pub(crate) fn check(&mut self, expected: &[&str]) {
        assert_eq!(self.take(), expected);
    }

    /// Takes all effects.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let effects = std::mem::take(&mut self.pending);
        effects.iter().map(|effect| self.line(effect)).collect()
    }

    /// Takes all effects as they are.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.pending)
    }

    /// Registers a worker with one slot, has it get what there is, and drops the effects.
    #[track_caller]
    pub(crate) fn join_quietly(&mut self, name: &str) {
        self.register(registration(name, 1));
        self.place();
        self.take();
    }

    pub(crate) fn id(&self, name: &str) -> WorkerId {
        self.ids[name]
    }

    /// Registers a worker and takes its welcome.
    #[track_caller]
    pub(crate) fn join(&mut self, name: &str, slots: u32) {
        self.register(registration(name, slots));
        self.check(&[&format!("{name}: accepted"), &format!("{name}: welcome")]);
    }

    #[track_caller]
    pub(crate) fn register(&mut self, registration: Registration) {
        self.requests += 1;
        let request = self.requests;
        self.tell_without_placement(Event::WorkerJoined {
            request,
            registration: Box::new(registration),
        });
    }

    #[track_caller]
    pub(crate) fn lose(&mut self, name: &str, cause: &str) {
        self.tell(Event::WorkerLost { worker: self.id(name), cause: cause.into() });
    }

    #[track_caller]
    pub(crate) fn leave(&mut self, name: &str) {
        self.tell(Event::WorkerLeaving { worker: self.id(name), reason: "asked".into() });
    }

    #[track_caller]
    pub(crate) fn heartbeat(&mut self, name: &str, metrics: WorkerMetrics) {
        self.tell(Event::Heartbeat { worker: self.id(name), metrics, on_slots: Vec::new() });
    }

    /// A worker says that it holds the partition that was to migrate to it, or why not.
    #[track_caller]
    pub(crate) fn migrated(
        &mut self,
        name: &str,
        task: &str,
        attempt: Attempt,
        error: Option<&str>,
    ) {
        let (worker, error) = (self.id(name), error.map(str::to_string));
        self.tell(Event::Migrated { worker, task: parse(task), attempt, error });
    }

    #[track_caller]
    pub(crate) fn tick_after(&mut self, time: Time) {
        self.now += time;
        self.tell(Event::Tick);
    }

    #[track_caller]
    pub(crate) fn submit(&mut self, job: JobBuilder) {
        self.requests += 1;
        let request = self.requests;
        self.tell(Event::JobSubmitted { request, planned: None, spec: Box::new(job.spec) });
    }

    /// The planning of a client's statement begins.
    #[track_caller]
    pub(crate) fn plan(&mut self, owner: &str) {
        self.requests += 1;
        let request = self.requests;
        let spec = Box::new(StatementSpec {
            text: "a statement".into(),
            client: "tester".into(),
            owner: owner.into(),
            priority: 2,
        });
        self.tell(Event::PlanningBegun { request, spec });
    }

    /// The planning of a statement ends, and no job follows.
    #[track_caller]
    pub(crate) fn planned(&mut self, job: u32, end: PlanningEnd) {
        self.tell(Event::PlanningEnded { job: JobId(job), end });
    }

    /// Submits the job of a statement that was planned.
    #[track_caller]
    pub(crate) fn submit_planned(&mut self, number: u32, job: JobBuilder) {
        self.requests += 1;
        let (request, planned) = (self.requests, Some(JobId(number)));
        self.tell(Event::JobSubmitted { request, planned, spec: Box::new(job.spec) });
    }

    /// Submits a job and drops the effects: the test does not check the first assignments.
    #[track_caller]
    pub(crate) fn submit_quietly(&mut self, job: JobBuilder) {
        self.submit(job);
        self.take();
    }

    #[track_caller]
    pub(crate) fn cancel(&mut self, job: u32) {
        self.tell(Event::JobCancelled { job: JobId(job), reason: "asked".into() });
    }

    #[track_caller]
    pub(crate) fn release(&mut self, job: u32) {
        self.tell(Event::JobReleased { job: JobId(job) });
    }

    #[track_caller]
    pub(crate) fn delivered(&mut self, job: u32, index: u32) {
        self.tell(Event::Delivered { job: JobId(job), index, rows: 1 });
    }

    /// The latest attempt of a task finishes, after a millisecond, with one row of eight bytes,
    /// and eight bytes read from others.
    #[track_caller]
    pub(crate) fn finish(&mut self, task: &str) {
        self.finish_in(task, 1000);
    }

    #[track_caller]
    pub(crate) fn finish_in(&mut self, task: &str, busy_us: u64) {
        let (worker, attempt) = self.attempt(task);
        self.finished(worker, task, attempt, busy_us);
    }

    /// Any attempt of a task finishes, as any worker tells it.
    #[track_caller]
    pub(crate) fn finished(&mut self, worker: WorkerId, task: &str, attempt: Attempt, us: u64) {
        let figures = TaskFigures { rows: 1, bytes: 8, fetched_bytes: 8, ..TaskFigures::default() };
        self.report_after(worker, task, attempt, us, Outcome::Finished(figures));
    }

    /// The latest attempt of a task fails.
    #[track_caller]
    pub(crate) fn fail(&mut self, task: &str, kind: FailureKind, error: &str) {
        let (worker, attempt) = self.attempt(task);
        self.report(worker, task, attempt, Outcome::failed(kind, error));
    }

    /// Finishes these tasks, and drops the effects.
    #[track_caller]
    pub(crate) fn finish_quietly(&mut self, tasks: &[&str]) {
        tasks.iter().for_each(|task| self.finish(task));
        self.take();
    }

    #[track_caller]
    pub(crate) fn report(
        &mut self,
        worker: WorkerId,
        task: &str,
        attempt: Attempt,
        outcome: Outcome,
    ) {
        self.report_after(worker, task, attempt, 0, outcome);
    }

    #[track_caller]
    fn report_after(
        &mut self,
        worker: WorkerId,
        task: &str,
        attempt: Attempt,
        busy_us: u64,
        outcome: Outcome,
    ) {
        let spent = Spent { busy_us, ..Spent::default() };
        let reports = vec![TaskReport { task: parse(task), attempt, spent, outcome }];
        self.tell(Event::Reports { worker, reports });
    }

    /// The worker and the number of a task's latest attempt.
    #[track_caller]
    pub(crate) fn attempt(&self, task: &str) -> (WorkerId, Attempt) {
        *self.runs.get(&parse(task)).unwrap_or_else(|| panic!("{task} was never started"))
    }

    /// Attempts that a worker has now.
    pub(crate) fn assigned(&self, name: &str) -> u32 {
        let id = self.id(name);
        self.core.workers(false).iter().find(|row| row.id == id).map_or(0, |row| row.assigned)
    }

    /// Tasks of a job that were given out and have not ended.
    pub(crate) fn running(&self, job: u32) -> Vec<String> {
        let rows = self.core.tasks(JobId(job), Some(TaskState::Running), None, usize::MAX);
        rows.unwrap_or_default().iter().map(|row| short(row.id)).collect()
    }

    fn name(&self, worker: WorkerId) -> &str {
        self.names.get(&worker).map_or("?", String::as_str)
    }

    fn holder(&self, holder: &Holder) -> String {
        format!("{}#{}", self.name(holder.worker), holder.attempt)
    }

    fn holders(&self, holders: &[Holder]) -> String {
        holders.iter().map(|holder| self.holder(holder)).collect::<Vec<_>>().join(" ")
    }

    fn run(&self, run: &RunTask) -> String {
        let task = format!("{}#{}", short(run.task), run.attempt);
        let own: Vec<Holder> =
            run.own.iter().flat_map(|input| &input.partitions).map(|(_, holder)| *holder).collect();
        match own.is_empty() {
            true => task,
            false => format!("{task}({})", self.holders(&own)),
        }
    }

    fn line(&self, effect: &Effect) -> String {
        match effect {
            Effect::WorkerAccepted { worker, .. } => format!("{}: accepted", self.name(*worker)),
            Effect::Send { worker, message } => {
                format!("{}: {}", self.name(*worker), self.message(message))
            }
            Effect::Disconnect { worker, cause } => {
                format!("{}: disconnect ({cause})", self.name(*worker))
            }
            Effect::PlanningAccepted { job, .. } => format!("{job} in planning"),
            Effect::JobAccepted { job, .. } => format!("{job} accepted"),
            Effect::TasksSettled { job, tasks } => {
                let tasks: Vec<_> = tasks.iter().map(|task| settled(*job, task)).collect();
                format!("settled {}", tasks.join(" "))
            }
            Effect::JobPersisted { job } => format!("{job} persisted"),
            Effect::JobRefused { error, .. } | Effect::RequestRefused { error, .. } => {
                format!("refused: {error}")
            }
            Effect::RequestAccepted { request } => format!("request {request} accepted"),
            Effect::Deliver { job, index, holder } => {
                format!("deliver {}[{index}] from {}", job.0, self.holder(holder))
            }
            Effect::JobEnded { job, state, error, kind } => {
                let kind = kind.map_or(String::new(), |kind| format!(" ({kind:?})"));
                let error = if error.is_empty() { String::new() } else { format!(": {error}") };
                format!("{job} {}{kind}{error}", state.as_str())
            }
        }
    }

    fn message(&self, message: &ToWorker) -> String {
        match message {
            ToWorker::Welcome { .. } => "welcome".into(),
            ToWorker::Peer { worker, .. } => format!("peer {}", self.name(*worker)),
            ToWorker::PeerLost(worker) => format!("lost {}", self.name(*worker)),
            ToWorker::Fragment(fragment) => format!("fragment {}", short_stage(fragment.stage)),
            ToWorker::Locations(l) => {
                let holders = self.holders(&l.holders);
                format!("locations {}/{} = {holders}", short_stage(l.stage), l.input)
            }
            ToWorker::Arguments { task, attempt, bytes } => {
                format!("{} bytes for {}#{attempt}", bytes.len(), short(*task))
            }
            ToWorker::Run(tasks) => {
                let tasks: Vec<_> = tasks.iter().map(|run| self.run(run)).collect();
                format!("run {}", tasks.join(" "))
            }
            ToWorker::Cancel(attempts) => {
                let attempts: Vec<_> = attempts
                    .iter()
                    .map(|(task, attempt)| format!("{}#{attempt}", short(*task)))
                    .collect();
                format!("cancel {}", attempts.join(" "))
            }
            ToWorker::Recall => "recall".into(),
            ToWorker::DropStages(stages) => {
                let stages: Vec<_> = stages.iter().map(|stage| short_stage(*stage)).collect();
                format!("drop {}", stages.join(" "))
            }
            ToWorker::DropPartitions(tasks) => {
                let tasks: Vec<_> = tasks.iter().map(|task| short(*task)).collect();
                format!("drop {}", tasks.join(" "))
            }
            ToWorker::DropJob { job, staging: None } => format!("drop {job}"),
            ToWorker::DropJob { job, staging: Some(folder) } => format!("drop {job} and {folder}"),
            ToWorker::Watch(_) | ToWorker::TellDetail => panic!("the core watches nobody"),
            ToWorker::Migrate(order) => {
                let from = self.name(order.from);
                format!(
                    "take {}#{} from {from}, {} buckets",
                    short(order.task),
                    order.attempt,
                    order.buckets
                )
            }
            ToWorker::Refused { reason } => format!("refused ({reason})"),
            ToWorker::Shutdown { reason } => format!("shutdown ({reason})"),
            ToWorker::Restart => "restart".into(),
        }
    }
}

fn settled(job: JobId, task: &SettledTask) -> String {
    let name = format!("{}.{}.{}", job.0, task.stage, task.index);
    match &task.error {
        Some(error) => format!("{name}: {}: {}", short(error.task), error.error),
        None => name,
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.take(), Vec::<String>::new(), "effects that no check has taken");
        }
    }
}

pub(crate) fn registration(name: &str, slots: u32) -> Registration {
    Registration {
        name: name.into(),
        host: format!("host-{name}"),
        pid: 1,
        slots,
        memory_limit_bytes: 1 << 30,
        data_address: format!("host-{name}:1").into(),
        ..Registration::default()
    }
}

fn short_stage(stage: StageId) -> String {
    format!("{}.{}", stage.job.0, stage.index)
}

fn short(task: TaskId) -> String {
    format!("{}.{}", short_stage(task.stage), task.index)
}

/// Reads `job.stage.index`.
#[track_caller]
pub(crate) fn parse(task: &str) -> TaskId {
    let numbers: Vec<u32> = task.split('.').map(|part| part.parse().unwrap()).collect();
    TaskId { stage: StageId { job: JobId(numbers[0]), index: numbers[1] }, index: numbers[2] }
}

/// A job, stage by stage.
pub(crate) struct JobBuilder {
    pub(crate) spec: JobSpec,
}

pub(crate) fn job() -> JobBuilder {
    let spec = JobSpec {
        text: "test".into(),
        client: "tester".into(),
        owner: "tester".into(),
        stages: Vec::new(),
        ..JobSpec::default()
    };
    JobBuilder { spec }
}

impl JobBuilder {
    /// Whose it is.
    pub(crate) fn of(mut self, owner: &str) -> Self {
        self.spec.owner = owner.into();
        self
    }

    /// Its result is persisted.
    pub(crate) fn persisted(mut self) -> Self {
        self.spec.persist = true;
        self
    }

    /// A stage that reads nothing.
    pub(crate) fn source(self, tasks: u32) -> Self {
        self.stage(tasks, [])
    }

    /// A stage with inputs. Those that name no tasks are read by all of them.
    pub(crate) fn stage<const N: usize>(mut self, tasks: u32, inputs: [InputSpec; N]) -> Self {
        let mut inputs = Vec::from(inputs);
        inputs.iter_mut().filter(|i| i.count == u32::MAX).for_each(|input| input.count = tasks);
        let name = format!("stage {}", self.spec.stages.len());
        let stage = StageSpec {
            name,
            plan: String::new(),
            tasks,
            work: Work::Empty,
            inputs,
            origin: Origin::Tasks,
            ..StageSpec::default()
        };
        self.spec.stages.push(stage);
        self
    }

    /// A stage that stands for the persisted result of another job.
    pub(crate) fn reads(mut self, job: u32, tasks: u32) -> Self {
        self = self.source(tasks);
        if let Some(stage) = self.spec.stages.last_mut() {
            stage.origin = Origin::Persisted(JobId(job));
        }
        self
    }

    pub(crate) fn priority(mut self, priority: u32) -> Self {
        self.spec.priority = priority;
        self
    }

    pub(crate) fn staging(mut self, folder: &str) -> Self {
        self.spec.staging = Some(folder.into());
        self
    }
}

fn input(stage: u32, exchange: Exchange) -> InputSpec {
    InputSpec { stage, exchange, first: 0, count: u32::MAX }
}

pub(crate) fn one_to_one(stage: u32) -> InputSpec {
    input(stage, Exchange::OneToOne)
}

pub(crate) fn shuffle(stage: u32) -> InputSpec {
    input(stage, Exchange::Shuffle)
}

pub(crate) fn gather(stage: u32) -> InputSpec {
    input(stage, Exchange::Gather)
}

pub(crate) fn broadcast(stage: u32) -> InputSpec {
    input(stage, Exchange::Broadcast)
}

pub(crate) fn explicit(stage: u32, lists: &[&[u32]]) -> InputSpec {
    let edges = lists.iter().map(|list| list.iter().copied()).collect();
    let count = lists.len() as u32;
    InputSpec { count, ..input(stage, Exchange::Explicit(Arc::new(edges))) }
}

/// The tasks that read an input.
pub(crate) fn at(first: u32, count: u32, input: InputSpec) -> InputSpec {
    InputSpec { first, count, ..input }
}
