//! A cluster that lives by a seed, and tells what an observer sees of it.

use crate::observe::fixture::{BEGIN_US, job, started, worker};
use partita_observe::event::{
    AttemptEnd, CoreFigures, Counters, Ending, JobCounters, Level, Note, Observation, Seen,
    StageCounters,
};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, WorkerDetail, WorkerMetrics};
use partita_shared::model::{JobRow, JobState, TaskCounts, WorkerState};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

/// A job as the script has it.
struct LiveJob {
    counters: JobCounters,
    stages: Vec<StageCounters>,
    dirty: Vec<usize>,
}

/// The cluster.
pub(crate) struct Script {
    pub(crate) now_us: u64,
    workers: BTreeMap<WorkerId, (WorkerMetrics, u32, u64)>,
    jobs: BTreeMap<JobId, LiveJob>,
    /// Statements that are being planned.
    planning: Vec<JobId>,
    next_worker: u32,
    next_job: u32,
    tasks_finished: u64,
    counted_us: u64,
}

impl Script {
    pub(crate) fn new() -> Self {
        Script {
            now_us: BEGIN_US,
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            planning: Vec::new(),
            next_worker: 1,
            next_job: 1,
            tasks_finished: 0,
            counted_us: BEGIN_US,
        }
    }

    pub(crate) fn begin() -> Seen {
        Seen { at_us: BEGIN_US, what: started() }
    }

    /// What happens next.
    pub(crate) fn step(&mut self, rng: &mut SmallRng) -> Vec<Seen> {
        self.now_us += rng.random_range(0..60_000);
        let mut told = Vec::new();
        match rng.random_range(0..100) {
            0..4 => self.join(rng, &mut told),
            4..6 => self.end_worker(rng, &mut told),
            6..8 => self.plan(rng, &mut told),
            8..10 => self.submit(rng, &mut told),
            10..12 => self.end_job(rng, &mut told),
            12..30 => self.measure(rng, &mut told),
            30..33 => self.tell(rng, &mut told),
            _ => self.attempt(rng, &mut told),
        }
        if self.now_us - self.counted_us > 100_000 {
            self.counted_us = self.now_us;
            // Counters are dropped now and then: the next ones heal what that left behind.
            let mut counters = self.count();
            if rng.random_range(0..10) > 0 {
                told.push(Observation::Counters(Box::new(counters)));
            } else {
                for stage in std::mem::take(&mut counters.stages) {
                    let job = self.jobs.get_mut(&stage.stage.job).expect("is live");
                    job.dirty.push(stage.stage.index as usize);
                }
                told.push(Observation::Gap { dropped: 1 });
            }
        }
        told.into_iter().map(|what| Seen { at_us: self.now_us, what }).collect()
    }

    pub(crate) fn jobs_submitted(&self) -> u32 {
        self.next_job - 1
    }

    /// The last counters.
    pub(crate) fn settle(&mut self) -> Seen {
        let what = Observation::Counters(Box::new(self.count()));
        Seen { at_us: self.now_us, what }
    }

    fn count(&mut self) -> Counters {
        let mut counters = Counters { tasks_finished: self.tasks_finished, ..Counters::default() };
        for job in self.jobs.values_mut() {
            job.dirty.sort_unstable();
            job.dirty.dedup();
            counters.stages.extend(job.dirty.drain(..).map(|at| job.stages[at].clone()));
            counters.jobs.push(job.counters.clone());
        }
        let told = self.workers.iter().map(|(id, (_, assigned, done))| (*id, *assigned, *done));
        counters.workers = told.collect();
        counters
    }

    fn pick<K: Copy, V>(map: &BTreeMap<K, V>, rng: &mut SmallRng) -> Option<K> {
        let at = rng.random_range(0..map.len().max(1));
        map.keys().nth(at).copied()
    }

    fn join(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let mut row = worker(self.next_worker, rng.random_range(1..5));
        row.joined_ms = self.now_us / 1000;
        row.last_seen_ms = row.joined_ms;
        // Some come back under the name of one that is gone.
        row.name = format!("w{}", self.next_worker % 7);
        self.workers.insert(row.id, (WorkerMetrics::default(), 0, 0));
        self.next_worker += 1;
        told.push(Observation::Worker(Box::new(row)));
    }

    fn end_worker(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let Some(worker) = Self::pick(&self.workers, rng) else { return };
        let state = match rng.random_range(0..4) {
            0 => WorkerState::Leaving,
            1 => WorkerState::Left,
            _ => WorkerState::Lost,
        };
        if state != WorkerState::Leaving {
            self.workers.remove(&worker);
        }
        let cause = format!("for reason {}", rng.random_range(0..3));
        told.push(Observation::WorkerEnded { worker, state, cause: cause.clone() });
        if state == WorkerState::Lost && rng.random() {
            let cause = format!("{cause}: killed by signal 9");
            told.push(Observation::WorkerEnded { worker, state, cause });
        }
    }

    /// The planning of a statement begins, or one fails.
    fn plan(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        if rng.random_range(0..4) == 0
            && let Some(id) = self.planning.pop()
        {
            let row = JobRow {
                state: JobState::Failed,
                error: "no such table".to_string(),
                ended_ms: Some(self.now_us / 1000),
                ..job(id.0, &[]).row
            };
            told.push(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
            return;
        }
        let mut facts = job(self.next_job, &[]);
        self.next_job += 1;
        facts.row.state = JobState::Planning;
        self.planning.push(facts.row.id);
        told.push(Observation::Job(Box::new(facts)));
    }

    /// A job comes, of a statement that was planned if there is one.
    fn submit(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let sizes: Vec<u32> =
            (0..rng.random_range(1..5)).map(|_| rng.random_range(1..40)).collect();
        let planned = self.planning.pop().map(|id| id.0);
        let mut facts = job(planned.unwrap_or(self.next_job), &sizes);
        self.next_job += u32::from(planned.is_none());
        facts.row.submitted_ms = self.now_us / 1000;
        facts.row.text = "x".repeat(rng.random_range(1..600));
        let id = facts.row.id;
        let stage = |(index, tasks): (usize, &u32)| StageCounters {
            stage: StageId { job: id, index: index as u32 },
            tasks: TaskCounts { waiting: u64::from(*tasks), ..TaskCounts::default() },
            rows: 0,
            bytes: 0,
            busy_us: 0,
            held: 0,
            held_bytes: 0,
        };
        let counters = JobCounters {
            job: id,
            state: JobState::Queued,
            started_ms: None,
            delivered_rows: 0,
            retries: 0,
            persisted: None,
        };
        let stages = sizes.iter().enumerate().map(stage).collect();
        self.jobs.insert(id, LiveJob { counters, stages, dirty: Vec::new() });
        told.push(Observation::Job(Box::new(facts)));
    }

    fn end_job(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let Some(id) = Self::pick(&self.jobs, rng) else { return };
        // Its last counters come before its end.
        told.push(self.settle().what);
        let ended = self.jobs.remove(&id).expect("is live");
        let mut row = job(id.0, &vec![1; ended.stages.len()]).row;
        let how = rng.random_range(0..3);
        row.state = [JobState::Done, JobState::Failed, JobState::Cancelled][how];
        row.error = if how == 0 { String::new() } else { "it went wrong".repeat(how * 20) };
        row.ended_ms = Some(self.now_us / 1000);
        row.started_ms = ended.counters.started_ms;
        row.retries = ended.counters.retries;
        row.delivered_rows = ended.counters.delivered_rows;
        (row.tasks, row.rows, row.bytes) = (TaskCounts::default(), 0, 0);
        for stage in &ended.stages {
            row.tasks.add(&stage.tasks);
            row.rows += stage.rows;
            row.bytes += stage.bytes;
        }
        let tasks = &mut row.tasks;
        tasks.waiting += std::mem::take(&mut tasks.running) + std::mem::take(&mut tasks.ready);
        told.push(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    }

    fn measure(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let Some(worker) = Self::pick(&self.workers, rng) else { return };
        let (metrics, ..) = self.workers.get_mut(&worker).expect("was picked");
        metrics.cpu_milli = rng.random_range(0..4_000);
        metrics.resident_bytes = rng.random_range(0..8 << 30);
        metrics.spilled_bytes = rng.random_range(0..8 << 30);
        metrics.fetched_bytes += rng.random_range(0..1 << 20);
        metrics.running = rng.random_range(0..4);
        let on_slots = (0..metrics.running as u16)
            .filter_map(|slot| {
                let job = Self::pick(&self.jobs, rng)?;
                let task = TaskId { stage: StageId { job, index: 0 }, index: u32::from(slot) };
                Some(SlotTask {
                    slot,
                    task,
                    attempt: 1,
                    since_us: rng.random_range(0..9_000),
                    read_milli: None,
                })
            })
            .collect();
        let metrics = *metrics;
        told.push(Observation::Measured { worker, metrics, on_slots });
    }

    fn tell(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let Some(worker) = Self::pick(&self.workers, rng) else { return };
        told.push(match rng.random_range(0..4) {
            0 => {
                let from = Self::pick(&self.workers, rng).unwrap_or(worker);
                let fetched_from = vec![(from, rng.random_range(0..1 << 40))];
                Observation::Traffic { worker, fetched_from }
            }
            1 => {
                let log = vec![format!("line {}", self.now_us)];
                Observation::Detail { worker, detail: WorkerDetail { log, ..Default::default() } }
            }
            2 => Observation::Note(Box::new(Note {
                level: Level::Info,
                text: format!("{} things were seen", rng.random_range(0..90)),
                worker: Some(worker),
                job: None,
            })),
            _ => Observation::Core(Box::new(CoreFigures {
                events: self.now_us - BEGIN_US,
                busy_us: (self.now_us - BEGIN_US) / 10,
                ..CoreFigures::default()
            })),
        });
    }

    /// A task gets on, in one stage, and its attempt ends.
    fn attempt(&mut self, rng: &mut SmallRng, told: &mut Vec<Observation>) {
        let (Some(worker), Some(id)) =
            (Self::pick(&self.workers, rng), Self::pick(&self.jobs, rng))
        else {
            return;
        };
        let job = self.jobs.get_mut(&id).expect("was picked");
        let at = rng.random_range(0..job.stages.len());
        let stage = &mut job.stages[at];
        if stage.tasks.waiting == 0 {
            return;
        }
        let ending = match rng.random_range(0..20) {
            0 => Ending::Failed(FailureKind::Retry),
            1 => Ending::Lost,
            2 => Ending::Stopped,
            _ => Ending::Finished,
        };
        let end = AttemptEnd {
            task: TaskId { stage: stage.stage, index: stage.tasks.done as u32 },
            attempt: job.counters.retries as u16 + 1,
            worker,
            slot: rng.random_range(0..4),
            ending,
            queued_us: 1,
            busy_us: rng.random_range(0..50_000),
            transfer_us: rng.random_range(0..1_000),
            disk_us: rng.random_range(0..1_000),
            rows: rng.random_range(0..1_000),
            bytes: rng.random_range(0..10_000),
            fetched_bytes: 0,
            error: match ending {
                Ending::Failed(_) => format!("part {} is broken", rng.random_range(0..90)),
                Ending::Finished | Ending::Lost | Ending::Stopped => String::new(),
            },
        };
        if ending == Ending::Finished {
            let (_, _, done) = self.workers.get_mut(&worker).expect("was picked");
            *done += 1;
            self.tasks_finished += 1;
            stage.tasks.waiting -= 1;
            stage.tasks.done += 1;
            stage.rows += end.rows;
            stage.bytes += end.bytes;
            stage.busy_us += end.busy_us;
            stage.held += 1;
            stage.held_bytes += end.bytes;
        } else {
            job.counters.retries += 1;
        }
        job.counters.state = JobState::Running;
        job.counters.started_ms.get_or_insert(self.now_us / 1000);
        job.dirty.push(at);
        told.push(Observation::Attempt(Box::new(end)));
    }
}
