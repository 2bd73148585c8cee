//! The virtual world: one queue of happenings in the order of time, and the core in its middle.

use super::job::{Hazard, SimJob};
use super::link::{Link, State, Way};
use super::open::{GROWTH, OpenClient};
use super::process::Process;
use super::rng::{Rng, mix};
use super::settings::{HEARTBEAT_MS, MS, SILENCE_US_MAX, Settings, Size, TICK_US};
use partita_core::{Core, Effect, Event, Options, Requirement, Time};
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::{FromWorker, Holder, Migration, ToWorker};
use partita_shared::model::JobState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A message of a worker arrives.
    Up { link: usize, message: FromWorker },
    /// A report arrives once more, whatever became of the link.
    Repeat { worker: WorkerId, message: FromWorker },
    /// A message for a worker arrives.
    Down { link: usize, message: ToWorker },
    /// The scheduler notices that a link is gone.
    LinkLost { link: usize, cause: String },
    /// The worker notices that its link is gone.
    LinkMissed { process: usize, epoch: u32 },
    /// A process connects.
    Connect { process: usize },
    /// A worker shows that it is alive.
    Heartbeat { process: usize, epoch: u32 },
    /// A task on a slot has read its inputs.
    Fetched { process: usize, epoch: u32, task: TaskId, attempt: Attempt },
    /// A task on a slot ends.
    Ended { process: usize, epoch: u32, task: TaskId, attempt: Attempt },
    /// A worker has got a partition that migrates to it, or tried to.
    Migrated { process: usize, epoch: u32, order: Migration },
    /// A worker sends the reports that it has gathered.
    Flush { process: usize, epoch: u32 },
    /// The lifetime of a process is over.
    Expired { process: usize },
    /// A process starts.
    Spawn { anchor: bool },
    /// The planning of a client's statement begins.
    Begin { number: usize },
    /// A client submits a job.
    Submit { number: usize },
    /// A client uploads a partition to a worker.
    Upload { task: TaskId },
    /// The client of an open job does something.
    Act { job: JobId },
    /// A client gives up a result that is not complete yet.
    GiveUp { job: JobId },
    /// The client has taken a result partition, or tries to.
    Take { job: JobId, index: u32, holder: Holder },
    /// Something that the shell tells the core.
    Tell(Event),
    /// The shell places after a batch of events.
    Place,
    /// Time passes.
    Tick,
    /// Something breaks.
    Fault,
}

/// What a client has got of a job, and how the job ended.
#[derive(Debug)]
pub(crate) struct Client {
    /// Which of the world's jobs it is.
    pub(crate) number: usize,
    pub(crate) values: Vec<u64>,
    pub(crate) rows: u64,
    pub(crate) ended: Option<JobState>,
    /// Whether all of its result was persisted once.
    pub(crate) persisted: bool,
}

/// What happened that an error may be due to.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    /// Workers that were lost without a word.
    pub(crate) deaths: u32,
    /// Failures of each kind, by the number of the job.
    pub(crate) retries: BTreeMap<TaskId, u32>,
    pub(crate) fatal: BTreeSet<JobId>,
    pub(crate) memory: BTreeSet<JobId>,
    pub(crate) broken: BTreeSet<JobId>,
    pub(crate) cancelled: BTreeSet<JobId>,
    pub(crate) faults: BTreeMap<&'static str, u32>,
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) size: Size,
    pub(crate) rng: Rng,
    pub(crate) core: Core,
    pub(crate) now: Time,
    queue: BinaryHeap<Reverse<(Time, u64, usize)>>,
    happenings: BTreeMap<usize, Happening>,
    next_happening: usize,
    /// Happenings that do not come again and again by themselves.
    pub(crate) under_way: usize,
    pub(crate) processes: Vec<Process>,
    pub(crate) links: Vec<Link>,
    /// The process behind a registration.
    pub(crate) workers: BTreeMap<WorkerId, usize>,
    pub(crate) link_of: BTreeMap<WorkerId, usize>,
    pub(crate) jobs: Vec<SimJob>,
    pub(crate) hazards: Vec<BTreeMap<(u32, u32), Hazard>>,
    pub(crate) clients: BTreeMap<JobId, Client>,
    /// Clients of open jobs, by the number of the job.
    pub(crate) open: BTreeMap<usize, OpenClient>,
    /// The numbers of the jobs that are planned before they are submitted.
    pub(crate) planned: BTreeMap<usize, JobId>,
    /// Pairs of processes of which the first cannot read from the second.
    pub(crate) blocked: BTreeSet<(usize, usize)>,
    pub(crate) incidents: Incidents,
    place_planned: bool,
    /// Jobs that were never taken, since a result that they read was gone.
    pub(crate) skipped: usize,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
    /// A digest of all effects, if it is wanted.
    pub(crate) digest: Option<u64>,
}

impl World {
    pub(crate) fn new(size: Size, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut settings = Settings::draw(size, &mut rng);
        let options = Options {
            silence_us_max: SILENCE_US_MAX,
            heartbeat_ms: HEARTBEAT_MS,
            read_ahead_us: settings.read_ahead_us,
            ..Options::new("simulation")
        };
        let mut jobs: Vec<SimJob> = Vec::new();
        for number in 0..settings.jobs {
            jobs.push(SimJob::draw(mix(seed, number), &settings, &jobs, &mut rng));
        }
        settings.fit_horizon(&jobs, &mut rng);
        let mut world = World {
            hazards: jobs.iter().map(|job| job.hazards.clone()).collect(),
            jobs,
            settings,
            size,
            rng,
            core: Core::new(options),
            now: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next_happening: 0,
            under_way: 0,
            processes: Vec::new(),
            links: Vec::new(),
            workers: BTreeMap::new(),
            link_of: BTreeMap::new(),
            clients: BTreeMap::new(),
            open: BTreeMap::new(),
            planned: BTreeMap::new(),
            blocked: BTreeSet::new(),
            incidents: Incidents::default(),
            place_planned: false,
            skipped: 0,
            steps: 0,
            trace: false,
            digest: None,
        };
        world.begin();
        world
    }

    /// Plans what comes from outside: workers, jobs, faults.
    fn begin(&mut self) {
        let horizon = self.settings.horizon;
        for _ in 0..self.settings.processes {
            let late = self.rng.chance(200);
            let at = if late { self.rng.below(horizon) } else { self.rng.below(MS) };
            self.plan(at, Happening::Spawn { anchor: false });
        }
        for number in 0..self.jobs.len() {
            let at = self.rng.below(horizon / 3);
            if self.rng.chance(500) {
                let begins = self.rng.range(0, at);
                self.plan(begins, Happening::Begin { number });
            }
            self.plan(at, Happening::Submit { number });
        }
        for _ in 0..self.settings.faults {
            let at = self.rng.below(horizon);
            self.plan(at, Happening::Fault);
        }
        self.plan(horizon, Happening::Spawn { anchor: true });
        self.plan(TICK_US, Happening::Tick);
    }

    pub(crate) fn plan(&mut self, at: Time, happening: Happening) {
        self.under_way += usize::from(!is_periodic(&happening));
        let number = self.next_happening;
        self.next_happening += 1;
        self.queue.push(Reverse((at, number as u64, number)));
        self.happenings.insert(number, happening);
    }

    pub(crate) fn plan_in(&mut self, after: Time, happening: Happening) {
        self.plan(self.now + after, happening);
    }

    /// The next happening, with the time set to it.
    pub(crate) fn next(&mut self) -> Option<Happening> {
        let Reverse((at, _, number)) = self.queue.pop()?;
        let happening = self.happenings.remove(&number)?;
        self.under_way -= usize::from(!is_periodic(&happening));
        self.now = at;
        self.steps += 1;
        if self.trace {
            println!("{at:>9} {happening:?}");
        }
        Some(happening)
    }

    /// Tells the core, walks its invariants, does what it wants done, and sees to the placement.
    pub(crate) fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        let moved = match &event {
            Event::Migrated { task, .. } => Some((*task, self.core.holders(*task))),
            _ => None,
        };
        self.core.handle(self.now, event, &mut effects);
        if let Some((task, before)) = moved {
            self.count_moved(task, &before);
        }
        self.perform(effects);
        match self.settings.batch {
            None => self.place(),
            Some(_) if self.place_planned => {}
            Some(after) => {
                self.place_planned = true;
                self.plan_in(after, Happening::Place);
            }
        }
    }

    pub(crate) fn place(&mut self) {
        self.place_planned = false;
        let mut effects = Vec::new();
        self.core.place(&mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        self.core.check_invariants().unwrap();
        if let Some(digest) = &mut self.digest {
            for byte in format!("{effects:?}").bytes() {
                *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
            }
        }
        for effect in effects {
            if self.trace {
                println!("          -> {effect:?}");
            }
            self.perform_one(effect);
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::WorkerAccepted { request, worker } => {
                let link = request as usize;
                self.links[link].worker = Some(worker);
                self.workers.insert(worker, self.links[link].process);
                self.link_of.insert(worker, link);
            }
            Effect::Send { worker, message } => {
                self.check_message(worker, &message);
                let link = self.link_of[&worker];
                assert!(self.links[link].is_believed(), "{worker} is gone: {message:?}");
                self.send(link, Way::Down, |link| Happening::Down { link, message });
            }
            Effect::Disconnect { worker, .. } => {
                let link = self.link_of[&worker];
                assert!(self.links[link].is_believed(), "{worker} is gone already");
                self.incidents.deaths += 1;
                self.close(link);
            }
            Effect::PlanningAccepted { request, job } => self.planning_begun(request as usize, job),
            Effect::JobAccepted { request: GROWTH, .. } => {
                *self.incidents.faults.entry("open, grown").or_default() += 1;
            }
            Effect::TasksSettled { job, tasks } => self.settled(job, tasks),
            Effect::JobAccepted { request, job } => {
                let number = request as usize;
                let planned = self.planned.get(&number);
                assert!(planned.is_none_or(|planned| *planned == job), "{job} has a new number");
                let read = self.reads_later_numbers(number, job);
                *self.incidents.faults.entry("later numbers, read").or_default() += read;
                let client =
                    Client { number, values: Vec::new(), rows: 0, ended: None, persisted: false };
                assert!(self.clients.insert(job, client).is_none(), "{job} is there twice");
                self.plan_release(job, number);
                if self.jobs[number].spec.open {
                    self.plan_in(0, Happening::Act { job });
                }
                if self.rng.chance(self.settings.cancel) {
                    let after = self.rng.scaled(0, 300 * MS);
                    self.incidents.cancelled.insert(job);
                    let reason = "the client went away".into();
                    self.plan_in(after, Happening::Tell(Event::JobCancelled { job, reason }));
                }
            }
            Effect::JobRefused { request, error } => self.refused(request as usize, &error),
            Effect::RequestAccepted { .. } => {
                *self.incidents.faults.entry("replicas, asked").or_default() += 1;
            }
            Effect::RequestRefused { error, .. } => {
                assert!(error.contains("connected"), "refused: {error}");
                *self.incidents.faults.entry("replicas, refused").or_default() += 1;
            }
            Effect::JobPersisted { job } => {
                let Some(client) = self.clients.get_mut(&job) else { panic!("{job} is unknown") };
                assert!(!client.persisted && client.ended.is_none(), "{job} is persisted twice");
                client.persisted = true;
                *self.incidents.faults.entry("persisted").or_default() += 1;
                if let Some((time, _)) = self.jobs[client.number].persist {
                    let after = self.rng.range(0, time);
                    self.plan_in(after, Happening::Tell(Event::JobReleased { job }));
                }
            }
            Effect::Deliver { job, index, holder } => {
                let client = &self.clients[&job];
                assert_eq!(client.ended, None, "delivery of {job}, which has ended");
                let delay = self.jobs[client.number].client_delay;
                let after = self.rng.range(0, delay);
                self.plan_in(after, Happening::Take { job, index, holder });
            }
            Effect::JobEnded { job, state, error, kind } => {
                self.judge_end(job, state, &error, kind);
            }
        }
    }

    /// Nothing of a job that has ended is begun.
    fn check_message(&mut self, worker: WorkerId, message: &ToWorker) {
        if let ToWorker::Run(tasks) = message {
            tasks.iter().for_each(|run| self.check_restriction(worker, run.task));
            tasks.iter().for_each(|run| self.check_arguments(run));
            let values = tasks.iter().flat_map(|run| &run.own).map(|own| own.values.len() as u32);
            *self.incidents.faults.entry("values, sent").or_default() += values.sum::<u32>();
        }
        let begun = match message {
            ToWorker::Run(tasks) => tasks.iter().map(|run| run.task.stage.job).collect(),
            ToWorker::Fragment(fragment) => vec![fragment.stage.job],
            _ => Vec::new(),
        };
        for job in begun {
            let client = &self.clients[&job];
            assert_eq!(client.ended, None, "{job} has ended: {message:?}");
            let again = client.persisted && matches!(message, ToWorker::Run(_));
            *self.incidents.faults.entry("persisted, recomputed").or_default() += u32::from(again);
        }
    }

    /// A task is on a worker to which it is restricted.
    fn check_restriction(&mut self, worker: WorkerId, task: TaskId) {
        let number = self.clients[&task.stage.job].number;
        let stage = &self.jobs[number].spec.stages[task.stage.index as usize];
        let Requirement { workers, or_others, .. } = &stage.requirement;
        let name = &self.processes[self.workers[&worker]].name;
        let fits = workers.is_empty() || *or_others || workers.contains(name);
        assert!(fits, "{task} is on {name}, not on {workers:?}");
        let is_restricted = u32::from(!stage.requirement.is_none());
        *self.incidents.faults.entry("with requirements").or_default() += is_restricted;
    }

    /// Sends a message over a link, if it is not known to be gone.
    pub(crate) fn send(
        &mut self,
        link: usize,
        way: Way,
        happening: impl FnOnce(usize) -> Happening,
    ) {
        let jitter = self.rng.scaled(0, self.settings.latency_max);
        let at = self.links[link].arrival(way, self.now, jitter);
        self.plan(at, happening(link));
    }

    /// The scheduler closes a link: the worker finds out.
    fn close(&mut self, link: usize) {
        self.links[link].state = State::Closed;
        let process = self.links[link].process;
        if self.processes[process].link == Some(link) {
            let epoch = self.processes[process].epoch;
            let after = self.rng.scaled(0, 20 * MS);
            self.plan_in(after, Happening::LinkMissed { process, epoch });
        }
    }

    /// A message of a worker has come to the scheduler.
    pub(crate) fn arrived(&mut self, link: usize, message: FromWorker) {
        match self.links[link].state {
            State::Open | State::Closing => {}
            State::Silent | State::Closed => return,
        }
        match (message, self.links[link].worker) {
            (FromWorker::Register(registration), None) => {
                let registration = Box::new(registration);
                self.tell(Event::WorkerJoined { request: link as u64, registration });
            }
            (message, Some(worker)) => self.tell(event(worker, message)),
            (message, None) => panic!("{message:?} before the registration was taken"),
        }
    }

    /// The scheduler notices that a link is gone.
    pub(crate) fn link_lost(&mut self, link: usize, cause: String) {
        if !self.links[link].is_believed() {
            return;
        }
        self.links[link].state = State::Closed;
        if let Some(worker) = self.links[link].worker {
            self.incidents.deaths += 1;
            self.tell(Event::WorkerLost { worker, cause });
        }
    }

    /// Whether every job was submitted and has ended.
    pub(crate) fn all_ended(&self) -> bool {
        self.clients.len() + self.skipped == self.jobs.len()
            && self.clients.values().all(|client| client.ended.is_some())
    }
}

/// What the shell tells the core of a worker's message.
pub(crate) fn event(worker: WorkerId, message: FromWorker) -> Event {
    match message {
        FromWorker::Register(_) => panic!("{worker} registers twice"),
        FromWorker::Heartbeat { metrics, on_slots } => {
            Event::Heartbeat { worker, metrics, on_slots }
        }
        FromWorker::Migrated { task, attempt, error } => {
            Event::Migrated { worker, task, attempt, error }
        }
        FromWorker::Stored { task, rows, bytes } => Event::Stored { worker, task, rows, bytes },
        FromWorker::Traffic(_)
        | FromWorker::Detail(_)
        | FromWorker::CallTexts(_)
        | FromWorker::Samples(_)
        | FromWorker::Operators(_)
        | FromWorker::LogLines(_) => {
            panic!("{worker} was not asked for it")
        }
        FromWorker::Reports(reports) => Event::Reports { worker, reports },
        FromWorker::SlotChanged { task, attempt, has_slot } => {
            Event::SlotChanged { worker, task, attempt, has_slot }
        }
        FromWorker::Recalled(attempts) => Event::Recalled { worker, attempts },
        FromWorker::Leaving { reason } => Event::WorkerLeaving { worker, reason },
        FromWorker::Died { pid, host, cause } => Event::ProcessDied { host, pid, cause },
    }
}

/// Whether a happening comes again and again by itself, as long as its worker lives.
fn is_periodic(happening: &Happening) -> bool {
    matches!(happening, Happening::Tick | Happening::Heartbeat { .. } | Happening::Expired { .. })
}
