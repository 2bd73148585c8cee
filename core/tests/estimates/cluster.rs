//! A core and virtual workers, which take the time of their tasks from a table.

use super::jobs::{self, Job, Trouble};
use crate::rng::{Rng, mix};
use partita_core::{Core, Effect, Event, Options, Time};
use partita_observe::event::Seen;
use partita_shared::ids::{Attempt, JobId, TaskId, WorkerId};
use partita_shared::message::{
    Outcome, Registration, SlotTask, Spent, TaskFigures, TaskReport, ToWorker, WorkerMetrics,
};
use std::collections::{BTreeMap, VecDeque};

/// Microseconds of a second.
const SECOND: Time = 1_000_000;
/// How often workers report and counters are told.
const BEAT: Time = SECOND / 2;
/// No run takes longer than this: a job that never ends would make the test hang.
const TIME_MAX: Time = 7_200 * SECOND;

/// What a slot does: a task, since when, until when.
type Running = (TaskId, Attempt, Time, Time);

struct Worker {
    /// Its time for a task, in percent of an ordinary worker's.
    slowness: u64,
    slots: Vec<Option<Running>>,
    queue: VecDeque<(TaskId, Attempt)>,
    is_lost: bool,
}

/// A cluster with one or more jobs, one after the other or at once.
pub(crate) struct Cluster {
    core: Core,
    now: Time,
    seed: u64,
    rng: Rng,
    trouble: Trouble,
    /// Whether workers tell what running tasks have read.
    tells: bool,
    workers: BTreeMap<WorkerId, Worker>,
    jobs: Vec<Job>,
    accepted: BTreeMap<JobId, usize>,
    ended: usize,
    seen: Vec<Seen>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, trouble: Trouble, tells: bool) -> Self {
        let mut rng = Rng::new(mix(seed, trouble as u64));
        let workers = rng.range(2, 8) as u32;
        let slots = rng.range(1, 4) as u32;
        let count = if trouble == Trouble::Crowd { 3 } else { 2 };
        let jobs = (0..count).map(|_| jobs::job(&mut rng, trouble, workers * slots)).collect();
        let mut cluster = Cluster {
            core: Core::new(Options { observed: true, ..Options::new("test") }),
            now: 1_000 * SECOND,
            seed,
            rng,
            trouble,
            tells,
            workers: BTreeMap::new(),
            jobs,
            accepted: BTreeMap::new(),
            ended: 0,
            seen: Vec::new(),
        };
        for number in 0..workers {
            let registration = Registration {
                name: format!("w{number}"),
                host: format!("h{number}"),
                pid: 1,
                slots,
                memory_limit_bytes: 1 << 30,
                data_address: format!("h{number}:1").into(),
                ..Registration::default()
            };
            let (request, registration) = (u64::from(number), Box::new(registration));
            cluster.tell(Event::WorkerJoined { request, registration });
        }
        if trouble == Trouble::SlowWorker
            && let Some(worker) = cluster.workers.values_mut().next()
        {
            worker.slowness = 300;
        }
        cluster
    }

    /// Runs all jobs to their end and returns what was observed.
    pub(crate) fn run(&mut self) -> Vec<Seen> {
        let at_once = self.trouble == Trouble::Crowd;
        let (start, mut submitted) = (self.now, 0);
        let lost_at = start + self.rng.range(5, 60) * SECOND;
        let mut beat = start;
        while self.ended < self.jobs.len() {
            assert!(self.now - start < TIME_MAX, "seed {}: the jobs do not end", self.seed);
            let is_due = match at_once {
                true => self.now >= start + submitted as u64 * 20 * SECOND,
                false => submitted == self.ended,
            };
            if submitted < self.jobs.len() && is_due {
                let spec = Box::new(self.jobs[submitted].spec.clone());
                submitted += 1;
                let request = submitted as u64 - 1;
                self.tell(Event::JobSubmitted { request, planned: None, spec });
            }
            if self.now >= lost_at && self.trouble == Trouble::Loss {
                self.lose();
            }
            if self.now >= beat {
                beat = self.now + BEAT;
                self.beat();
            }
            let next = self.next_end().map_or(beat, |end| end.min(beat));
            self.now = self.now.max(next);
            self.finish_due();
        }
        self.beat();
        std::mem::take(&mut self.seen)
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.core.handle(self.now, event, &mut effects);
        self.core.place(&mut effects);
        for effect in effects {
            match effect {
                Effect::WorkerAccepted { worker, .. } => {
                    let rows = self.core.workers(false);
                    let slots = rows.iter().find(|row| row.id == worker).map_or(0, |row| row.slots);
                    let slots = vec![None; slots as usize];
                    let queue = VecDeque::new();
                    self.workers
                        .insert(worker, Worker { slowness: 100, slots, queue, is_lost: false });
                }
                Effect::JobAccepted { request, job } => {
                    self.accepted.insert(job, request as usize);
                }
                Effect::JobPersisted { .. } => self.ended += 1,
                Effect::Send { worker, message: ToWorker::Run(tasks) } => {
                    if let Some(worker) = self.workers.get_mut(&worker) {
                        worker.queue.extend(tasks.iter().map(|run| (run.task, run.attempt)));
                    }
                }
                Effect::Send { worker, message: ToWorker::Cancel(attempts) } => {
                    if let Some(worker) = self.workers.get_mut(&worker) {
                        worker.queue.retain(|queued| !attempts.contains(queued));
                    }
                }
                Effect::JobEnded { job, error, .. } => panic!("seed {}: {job} {error}", self.seed),
                _ => {}
            }
        }
        self.fill_slots();
        self.seen.extend(self.core.take_seen());
    }

    fn fill_slots(&mut self) {
        for worker in self.workers.values_mut().filter(|worker| !worker.is_lost) {
            for slot in worker.slots.iter_mut().filter(|slot| slot.is_none()) {
                let Some((task, attempt)) = worker.queue.pop_front() else { break };
                let Some(job) = self.accepted.get(&task.stage.job) else { continue };
                let cost = &self.jobs[*job].costs[task.stage.index as usize];
                let us = jobs::task_us(mix(self.seed, *job as u64), cost, task);
                let end = self.now + us * worker.slowness / 100;
                *slot = Some((task, attempt, self.now, end));
            }
        }
    }

    fn next_end(&self) -> Option<Time> {
        let there = self.workers.values().filter(|worker| !worker.is_lost);
        there.flat_map(|worker| worker.slots.iter().flatten().map(|running| running.3)).min()
    }

    fn finish_due(&mut self) {
        let now = self.now;
        let mut reports: Vec<(WorkerId, TaskReport)> = Vec::new();
        for (id, worker) in self.workers.iter_mut().filter(|(_, worker)| !worker.is_lost) {
            for (number, slot) in worker.slots.iter_mut().enumerate() {
                let Some((task, attempt, since, _)) = slot.filter(|running| running.3 <= now)
                else {
                    continue;
                };
                *slot = None;
                let Some(job) = self.accepted.get(&task.stage.job) else { continue };
                let bytes = self.jobs[*job].costs[task.stage.index as usize].task_bytes;
                let figures = TaskFigures { rows: bytes / 100, bytes, ..TaskFigures::default() };
                let busy_us = now - since;
                let spent = Spent { slot: number as u16, busy_us, ..Spent::default() };
                let outcome = Outcome::Finished(figures);
                reports.push((*id, TaskReport { task, attempt, spent, outcome }));
            }
        }
        for (worker, report) in reports {
            self.tell(Event::Reports { worker, reports: vec![report] });
        }
    }

    fn beat(&mut self) {
        let now = self.now;
        let beats: Vec<(WorkerId, WorkerMetrics, Vec<SlotTask>)> = self
            .workers
            .iter()
            .filter(|(_, worker)| !worker.is_lost)
            .map(|(id, worker)| {
                let on = |(slot, running): (usize, &Option<Running>)| {
                    let (task, attempt, since, end) = (*running)?;
                    let since_us = now - since;
                    let read_milli =
                        self.tells.then(|| jobs::read_milli(task, since_us, end - since));
                    Some(SlotTask { slot: slot as u16, task, attempt, since_us, read_milli })
                };
                let on_slots: Vec<SlotTask> =
                    worker.slots.iter().enumerate().filter_map(on).collect();
                let running = on_slots.len() as u32;
                (*id, WorkerMetrics { running, ..WorkerMetrics::default() }, on_slots)
            })
            .collect();
        for (worker, metrics, on_slots) in beats {
            self.tell(Event::Heartbeat { worker, metrics, on_slots });
        }
        self.core.note_counters();
        self.seen.extend(self.core.take_seen());
    }

    /// The first worker dies, once, if others stay.
    fn lose(&mut self) {
        let first = self.workers.iter().next().map(|(id, _)| *id);
        let Some(id) = first.filter(|_| self.workers.values().all(|worker| !worker.is_lost)) else {
            return;
        };
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_lost = true;
            worker.slots.iter_mut().for_each(|slot| *slot = None);
            worker.queue.clear();
        }
        self.tell(Event::WorkerLost { worker: id, cause: "test".into() });
    }
}
