//! What an observer costs: time for each attempt, each tick and each poll of a page, with 2,000
//! workers, 1,000,000 attempts and five pages.
//!
//! `cargo run --release -p partita-shared --example observe_cost`

use partita_shared::ids::{GroupId, JobId, TaskId, WorkerId};
use partita_shared::message::{SlotTask, WorkerMetrics};
use partita_shared::model::{JobRow, JobState, TaskCounts, WorkerRow, WorkerState};
use partita_shared::observe::event::{
    AttemptEnd, Counters, Ending, GroupCounters, GroupFacts, JobFacts, Observation, Seen,
};
use partita_shared::observe::frame::{FromPage, ToPage, Topic};
use partita_shared::observe::model::Model;
use partita_shared::observe::session::Session;
use partita_shared::observe::view::TimelineWindow;
use partita_shared::wire;
use std::time::{Duration, Instant};

const WORKERS: u32 = 2_000;
const SLOTS: u32 = 4;
const GROUPS: u32 = 200;
const ATTEMPTS: u64 = 1_000_000;
const ATTEMPTS_PER_S: u64 = 20_000;
const BEGIN_US: u64 = 1_700_000_000_000_000;

/// Time spent on one kind of work, and how often.
#[derive(Default)]
struct Cost {
    time: Duration,
    count: u64,
}

impl Cost {
    fn measure<T>(&mut self, count: u64, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = work();
        self.time += begin.elapsed();
        self.count += count;
        result
    }

    fn print(&self, name: &str, seconds: f64) {
        let each = self.time.as_nanos() as f64 / self.count.max(1) as f64;
        let share = self.time.as_secs_f64() / seconds * 100.0;
        println!(
            "{name:<28} {:>9} times {each:>10.0} ns each {share:>6.2} % of a core",
            self.count
        );
    }
}

fn worker(id: u32) -> Observation {
    Observation::Worker(Box::new(WorkerRow {
        id: WorkerId(id),
        name: format!("worker-{id}"),
        host: format!("node{:04}", id / 8),
        pid: id,
        address: format!("node{:04}.cluster.example:{}", id / 8, 30_000 + id % 8),
        state: WorkerState::Up,
        cause: String::new(),
        slots: SLOTS,
        memory_limit_bytes: 16 << 30,
        local_directory: format!("/scratch/slurm.8812/partita-{id}"),
        slurm_job: Some("8812".into()),
        ends_ms: Some(BEGIN_US / 1000 + 86_400_000),
        joined_ms: BEGIN_US / 1000,
        heard_ms: BEGIN_US / 1000,
        metrics: WorkerMetrics::default(),
        assigned: 0,
        finished: 0,
    }))
}

fn job() -> Observation {
    let group = |index: u32| GroupFacts {
        name: format!("step {index}"),
        plan: "a plan\n".repeat(10),
        tasks: 10_000,
        inputs: Vec::new(),
    };
    let row = JobRow {
        id: JobId(1),
        text: "select".into(),
        state: JobState::Running,
        error: String::new(),
        client: "someone".into(),
        priority: 1,
        submitted_ms: BEGIN_US / 1000,
        started_ms: Some(BEGIN_US / 1000),
        ended_ms: None,
        tasks: TaskCounts::default(),
        groups: GROUPS,
        rows: 0,
        bytes: 0,
        delivered_rows: 0,
        retries: 0,
    };
    Observation::Job(Box::new(JobFacts { row, groups: (0..GROUPS).map(group).collect() }))
}

fn attempt(number: u64) -> Observation {
    let lane = number % u64::from(WORKERS * SLOTS);
    let group = GroupId { job: JobId(1), index: (number / 977 % u64::from(GROUPS)) as u32 };
    let busy_us = 300_000 + number * 7_919 % 90_000;
    Observation::Attempt(Box::new(AttemptEnd {
        task: TaskId { group, index: (number % 10_000) as u32 },
        attempt: 1,
        worker: WorkerId((lane / u64::from(SLOTS)) as u32),
        slot: (lane % u64::from(SLOTS)) as u16,
        ending: Ending::Finished,
        queued_us: 100,
        busy_us,
        transfer_us: busy_us / 10,
        disk_us: 0,
        rows: number % 10_000,
        bytes: number % 1_000_000,
        fetched_bytes: number % 100_000,
        error: String::new(),
    }))
}

fn measured(id: u32, tick: u64) -> Observation {
    let metrics = WorkerMetrics {
        cpu_milli: ((tick * 37 + u64::from(id)) % 4_000) as u32,
        resident_bytes: (tick + u64::from(id)) << 20,
        fetched_bytes: tick * 1_000_000,
        running: SLOTS,
        ..WorkerMetrics::default()
    };
    let on_slots = (0..SLOTS as u16)
        .map(|slot| SlotTask {
            slot,
            task: TaskId { group: GroupId { job: JobId(1), index: 0 }, index: id },
            attempt: 1,
            since_us: 1_000,
        })
        .collect();
    Observation::Measured { worker: WorkerId(id), metrics, on_slots }
}

fn counters(done: u64) -> Observation {
    let group = |index: u32| {
        let of_group = done / u64::from(GROUPS);
        GroupCounters {
            group: GroupId { job: JobId(1), index },
            tasks: TaskCounts { waiting: 10_000 - of_group, done: of_group, ..Default::default() },
            rows: done * 10,
            bytes: done * 100,
            busy_us: done * 300_000,
            held: 0,
            held_bytes: 0,
        }
    };
    Observation::Counters(Box::new(Counters {
        tasks_finished: done,
        jobs: Vec::new(),
        groups: (0..GROUPS).map(group).collect(),
        workers: (0..WORKERS).map(|id| (WorkerId(id), SLOTS, done / u64::from(WORKERS))).collect(),
    }))
}

/// What five people look at.
fn pages() -> Vec<(&'static str, Vec<Topic>)> {
    let window = |span_ms, lanes| TimelineWindow {
        end_ms: None,
        span_ms,
        width_px: 1_200,
        first_lane: 0,
        lanes,
        job: None,
    };
    let groups = Topic::Groups(JobId(1));
    let worker = WorkerId(7);
    vec![
        (
            "overview",
            vec![
                Topic::Cluster,
                Topic::History,
                Topic::Notices,
                Topic::Jobs,
                groups,
                Topic::Timeline(window(60_000, 64)),
                Topic::Workers,
            ],
        ),
        ("workers", vec![Topic::Cluster, Topic::Workers, Topic::Notices]),
        ("timeline, many lanes", vec![Topic::Cluster, Topic::Timeline(window(10_000, 512))]),
        ("job", vec![Topic::Cluster, Topic::Job(JobId(1)), groups, Topic::Events]),
        (
            "worker",
            vec![
                Topic::Cluster,
                Topic::Worker(worker),
                Topic::WorkerHistory(worker),
                Topic::Scheduler,
                Topic::Data,
            ],
        ),
    ]
}

fn main() {
    let mut model = Model::new();
    let see = |model: &mut Model, at_us, what| model.apply(Seen { at_us, what });
    (0..WORKERS).for_each(|id| see(&mut model, BEGIN_US, worker(id)));
    see(&mut model, BEGIN_US, job());
    let mut sessions: Vec<(&str, Session, Cost, u64)> = pages()
        .into_iter()
        .map(|(name, topics)| {
            let mut session = Session::new(BEGIN_US / 1000);
            session.on_message(FromPage::Follow(topics), BEGIN_US / 1000);
            (name, session, Cost::default(), 0)
        })
        .collect();
    let [mut attempts, mut heartbeats, mut counted, mut ticks] =
        std::array::from_fn(|_| Cost::default());
    let rounds = ATTEMPTS / (ATTEMPTS_PER_S / 10);
    for round in 0..rounds {
        let now_us = BEGIN_US + (round + 1) * 100_000;
        let first = round * ATTEMPTS_PER_S / 10;
        let ended: Vec<Seen> = (first..first + ATTEMPTS_PER_S / 10)
            .map(|number| Seen { at_us: now_us, what: attempt(number) })
            .collect();
        let told: Vec<Seen> = (0..WORKERS)
            .filter(|id| u64::from(*id) % 5 == round % 5)
            .map(|id| Seen { at_us: now_us, what: measured(id, round) })
            .collect();
        attempts.measure(ended.len() as u64, || ended.into_iter().for_each(|s| model.apply(s)));
        heartbeats.measure(told.len() as u64, || told.into_iter().for_each(|s| model.apply(s)));
        let told = counters(first + ATTEMPTS_PER_S / 10);
        counted.measure(1, || see(&mut model, now_us, told));
        ticks.measure(1, || model.tick(now_us));
        let now_ms = now_us / 1000;
        for (_, session, cost, bytes) in &mut sessions {
            let encoded = cost.measure(1, || {
                let frame = session.poll(&mut model, now_ms)?;
                let number = match &frame {
                    ToPage::Frame { number, .. } => *number,
                    ToPage::Hello { .. } | ToPage::Answer(..) => 0,
                };
                Some((number, wire::encode(&frame).ok()?))
            });
            if let Some((number, encoded)) = encoded {
                *bytes += encoded.len() as u64;
                session.on_message(FromPage::Taken(number), now_ms);
            }
        }
    }
    let seconds = ATTEMPTS as f64 / ATTEMPTS_PER_S as f64;
    println!("{WORKERS} workers, {ATTEMPTS} attempts at {ATTEMPTS_PER_S} a second");
    attempts.print("attempt", seconds);
    heartbeats.print("heartbeat", seconds);
    counted.print("counters of everything", seconds);
    ticks.print("tick", seconds);
    let mut all = attempts.time + heartbeats.time + counted.time + ticks.time;
    for (name, _, cost, bytes) in &sessions {
        cost.print(name, seconds);
        println!("{:<28} {:>9.0} bytes a second", "", *bytes as f64 / seconds);
        all += cost.time;
    }
    println!("all: {:.1} % of a core", all.as_secs_f64() / seconds * 100.0);
}
