//! Small observations, and a model that takes them.

use partita_observe::event::{
    AttemptEnd, Counters, Ending, InputFacts, JobCounters, JobFacts, Observation, SchedulerFacts,
    Seen, StageCounters, StageFacts,
};
use partita_observe::model::{Model, ModelLimits};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{SlotTask, WorkerMetrics};
use partita_shared::model::{JobRow, JobState, TaskCounts, WorkerRow, WorkerState};

/// When scripts begin, in microseconds since the epoch.
pub(crate) const BEGIN_US: u64 = 1_700_000_000_000_000;

/// A model and its clock.
pub(crate) struct Bench {
    pub(crate) model: Model,
    pub(crate) now_us: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench::with_limits(ModelLimits::default())
    }

    pub(crate) fn with_limits(limits: ModelLimits) -> Self {
        let mut bench = Bench { model: Model::with_limits(limits), now_us: BEGIN_US };
        bench.see(started());
        bench
    }

    pub(crate) fn see(&mut self, what: Observation) {
        self.model.apply(Seen { at_us: self.now_us, what });
    }

    /// Lets milliseconds pass, with ten ticks a second.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_us = self.now_us + ms * 1000;
        while self.now_us < end_us {
            self.now_us = (self.now_us + 100_000).min(end_us);
            self.model.tick(self.now_us);
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// A worker joins now.
    pub(crate) fn join(&mut self, id: u32, slots: u32) {
        let mut row = worker(id, slots);
        (row.joined_ms, row.last_seen_ms) = (self.now_ms(), self.now_ms());
        self.see(Observation::Worker(Box::new(row)));
    }

    /// A worker measures.
    pub(crate) fn measure(&mut self, id: u32, metrics: WorkerMetrics, on_slots: Vec<SlotTask>) {
        self.see(Observation::Measured { worker: WorkerId(id), metrics, on_slots });
    }

    /// Submits a job with these numbers of tasks in its stages, each stage reading the one before.
    pub(crate) fn submit(&mut self, id: u32, stages: &[u32]) {
        let mut facts = job(id, stages);
        facts.row.submitted_ms = self.now_ms();
        self.see(Observation::Job(Box::new(facts)));
    }

    pub(crate) fn count(&mut self, counters: StageCounters) {
        let stages = vec![counters];
        self.see(Observation::Counters(Box::new(Counters { stages, ..Counters::default() })));
    }

    pub(crate) fn count_job(&mut self, counters: JobCounters) {
        let jobs = vec![counters];
        self.see(Observation::Counters(Box::new(Counters { jobs, ..Counters::default() })));
    }

    /// An attempt ends now.
    pub(crate) fn end(&mut self, end: AttemptEnd) {
        self.see(Observation::Attempt(Box::new(end)));
    }

    pub(crate) fn lose(&mut self, id: u32, cause: &str) {
        let (worker, state) = (WorkerId(id), WorkerState::Lost);
        self.see(Observation::WorkerEnded { worker, state, cause: cause.into() });
    }
}

pub(crate) fn started() -> Observation {
    Observation::Started(Box::new(SchedulerFacts {
        cluster: "test".into(),
        started_ms: BEGIN_US / 1000,
        pid: 7,
        ..SchedulerFacts::default()
    }))
}

pub(crate) fn worker(id: u32, slots: u32) -> WorkerRow {
    WorkerRow {
        id: WorkerId(id),
        name: format!("w{id}"),
        host: format!("n{:02}", id / 4),
        pid: 1000 + id,
        address: format!("n{:02}:{}", id / 4, 40_000 + id),
        state: WorkerState::Up,
        cause: String::new(),
        slots,
        memory_limit_bytes: 8 << 30,
        local_directory: "/scratch/p".into(),
        slurm_job: None,
        ends_ms: None,
        joined_ms: BEGIN_US / 1000,
        last_seen_ms: BEGIN_US / 1000,
        metrics: WorkerMetrics::default(),
        assigned: 0,
        finished: 0,
        held: 0,
    }
}

pub(crate) fn job(id: u32, stages: &[u32]) -> JobFacts {
    let stage = |(index, tasks): (usize, &u32)| StageFacts {
        name: format!("step {index}"),
        plan: format!("plan of {index}"),
        tasks: *tasks,
        inputs: index
            .checked_sub(1)
            .map(|before| InputFacts { stage: before as u32, exchange: "Shuffle".into() })
            .into_iter()
            .collect(),
        source: None,
    };
    let waiting = stages.iter().map(|tasks| u64::from(*tasks)).sum();
    JobFacts {
        row: JobRow {
            id: JobId(id),
            text: format!("select {id}"),
            state: JobState::Queued,
            error: String::new(),
            client: "someone".into(),
            priority: 1,
            submitted_ms: BEGIN_US / 1000,
            started_ms: None,
            ended_ms: None,
            tasks: TaskCounts { waiting, ..TaskCounts::default() },
            stages: stages.len() as u32,
            rows: 0,
            bytes: 0,
            delivered_rows: 0,
            retries: 0,
        },
        stages: stages.iter().enumerate().map(stage).collect(),
    }
}

pub(crate) fn task(job: u32, stage: u32, index: u32) -> TaskId {
    TaskId { stage: StageId { job: JobId(job), index: stage }, index }
}

pub(crate) fn counters(job: u32, stage: u32, tasks: TaskCounts) -> StageCounters {
    let stage = StageId { job: JobId(job), index: stage };
    StageCounters { stage, tasks, rows: 0, bytes: 0, busy_us: 0, held: 0, held_bytes: 0 }
}

pub(crate) fn running(job: u32) -> JobCounters {
    JobCounters {
        job: JobId(job),
        state: JobState::Running,
        started_ms: Some(BEGIN_US / 1000),
        delivered_rows: 0,
        retries: 0,
        persisted: None,
    }
}

/// An attempt that made its output.
pub(crate) fn finished(task: TaskId, worker: u32, slot: u16, busy_us: u64) -> AttemptEnd {
    AttemptEnd {
        task,
        attempt: 1,
        worker: WorkerId(worker),
        slot,
        ending: Ending::Finished,
        queued_us: 5,
        busy_us,
        transfer_us: busy_us / 4,
        disk_us: busy_us / 8,
        rows: 10,
        bytes: 80,
        fetched_bytes: 3,
        error: String::new(),
    }
}
