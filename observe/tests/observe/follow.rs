//! Pages that follow: whatever they do, they come to show what a direct count gives.

use crate::observe::oracle::{Oracle, StageSum, ends};
use crate::observe::script::Script;
use partita_observe::event::StageCounters;
use partita_observe::follower::Follower;
use partita_observe::frame::{FRAMES_UNTAKEN_MAX, FromPage, ToPage, Topic};
use partita_observe::model::{Model, ModelLimits};
use partita_observe::session::Session;
use partita_observe::view::{StageView, TimelineWindow};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::WorkerRow;
use partita_shared::wire;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};

/// A page behind a line that takes its time.
struct Page {
    session: Session,
    follower: Follower,
    /// Frames on their way, as bytes.
    on_way: VecDeque<Vec<u8>>,
    is_paused: bool,
    delay: u32,
}

const WINDOW: TimelineWindow = TimelineWindow {
    end_ms: None,
    span_ms: 60_000,
    width_px: 200,
    first_lane: 0,
    lanes: 20,
    job: None,
};

/// Topics whose content the oracle knows, for all jobs that there may be.
fn all_topics(jobs: u32) -> Vec<Topic> {
    let mut topics = vec![Topic::Workers, Topic::Jobs, Topic::Cluster, Topic::History];
    topics.extend((1..=jobs.min(10)).map(|job| Topic::Stages(JobId(job))));
    topics
}

impl Page {
    fn new(now_ms: u64, rng: &mut SmallRng) -> Self {
        Page {
            session: Session::new(now_ms),
            follower: Follower::new(),
            on_way: VecDeque::new(),
            is_paused: false,
            delay: rng.random_range(1..40),
        }
    }

    fn follow(&mut self, topics: Vec<Topic>, now_ms: u64) {
        self.follower.follow(topics.clone());
        self.send(FromPage::Follow(topics), now_ms);
    }

    fn send(&mut self, message: FromPage, now_ms: u64) {
        let bytes = wire::encode(&message).expect("encodes");
        let message = wire::decode(&bytes).expect("decodes");
        assert_eq!(self.session.on_message(message, now_ms), None);
    }

    fn poll(&mut self, model: &mut Model, now_ms: u64) {
        let frame = self.session.poll(model, now_ms);
        assert!(frame.is_none() || !self.is_paused, "a paused page gets nothing");
        if let Some(frame) = frame {
            self.on_way.push_back(wire::encode(&frame).expect("encodes"));
        }
        assert!(self.on_way.len() as u64 <= FRAMES_UNTAKEN_MAX);
    }

    fn take(&mut self, now_ms: u64) {
        let Some(bytes) = self.on_way.pop_front() else { return };
        let message: ToPage = wire::decode(&bytes).expect("decodes");
        let taken = self.follower.apply(message).taken.expect("is a frame");
        self.send(FromPage::Taken(taken), now_ms);
    }

    /// Something that people do with a page.
    fn act(&mut self, jobs: u32, now_ms: u64, rng: &mut SmallRng) {
        match rng.random_range(0..6) {
            0 => {
                self.is_paused = true;
                self.send(FromPage::Pause, now_ms);
            }
            1 | 2 => {
                self.is_paused = false;
                self.send(FromPage::Resume, now_ms);
            }
            3 => {
                // The connection broke: the page keeps what it has, and the other side knows none.
                (self.session, self.is_paused) = (Session::new(now_ms), false);
                self.on_way.clear();
                let topics = self.follower.topics().to_vec();
                self.follow(topics, now_ms);
            }
            4 => {
                let mut topics = all_topics(jobs);
                topics.retain(|_| rng.random());
                self.follow(topics, now_ms);
            }
            _ => {
                let job = JobId(rng.random_range(1..=jobs.max(1)));
                let worker = WorkerId(rng.random_range(1..9));
                let topics = vec![
                    Topic::Timeline(WINDOW),
                    Topic::Notices,
                    Topic::Events,
                    Topic::Job(job),
                    Topic::Worker(worker),
                    Topic::WorkerHistory(worker),
                    Topic::Data,
                    Topic::Scheduler,
                    Topic::Workers,
                ];
                self.follow(topics, now_ms);
            }
        }
    }
}

fn sum_of(view: &StageView) -> StageSum {
    StageSum {
        name: view.name.clone(),
        counters: StageCounters {
            stage: view.id,
            tasks: view.tasks,
            rows: view.rows,
            bytes: view.bytes,
            busy_us: view.busy_us,
            held: view.held,
            held_bytes: view.held_bytes,
        },
        transfer_us: view.transfer_us,
        disk_us: view.disk_us,
        failures: view.failures,
        started_ms: view.started_ms,
        ended_ms: view.ended_ms,
        ends_of_time: ends(&view.time_us),
    }
}

fn assert_shows(page: &Page, model: &Model, oracle: &Oracle, jobs: u32, what: &str) {
    let follower = &page.follower;
    let without_time = |row: &WorkerRow| WorkerRow { last_seen_ms: 0, ..row.clone() };
    let workers: BTreeMap<_, _> =
        follower.workers.iter().map(|(id, row)| (*id, without_time(row))).collect();
    assert_eq!(workers, oracle.workers(), "{what}: workers");
    let rows: BTreeMap<_, _> =
        follower.jobs.iter().map(|(id, row)| (*id, (**row).clone())).collect();
    assert_eq!(rows, oracle.jobs(), "{what}: jobs");
    for job in (1..=jobs.min(10)).map(JobId) {
        let stages = follower.stages.get(&job).expect("is followed");
        let sums: BTreeMap<u32, StageSum> =
            stages.iter().map(|(index, view)| (*index, sum_of(view))).collect();
        let mut expected = oracle.stages(job);
        for sum in expected.values_mut() {
            // What was about to run when a job ended does not run.
            if rows[&job].state.is_final() {
                let tasks = &mut sum.counters.tasks;
                tasks.waiting +=
                    std::mem::take(&mut tasks.running) + std::mem::take(&mut tasks.ready);
            }
        }
        assert_eq!(sums, expected, "{what}: stages of {job}");
    }
    let cluster = follower.cluster.as_ref().expect("is followed");
    let totals = (cluster.attempts_failed, cluster.row.workers_lost, cluster.dropped);
    assert_eq!(totals, oracle.totals(), "{what}: cluster");
    let live = rows.values().filter(|row| !row.state.is_final()).count();
    assert_eq!(cluster.row.jobs_live as usize, live, "{what}: live jobs");
    let (history, _) = model.history().after(None, usize::MAX);
    let shown: Vec<_> = follower.history.iter().map(|(at, point)| (*at, *point)).collect();
    assert!(shown == history, "{what}: {} of {} points", shown.len(), history.len());
    assert!(all_topics(jobs).iter().all(|topic| follower.is_whole(*topic)), "{what}");
}

fn run(seed: u64, limits: ModelLimits) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut script, mut oracle) = (Script::new(), Oracle::default());
    let mut model = Model::with_limits(limits);
    let begin = Script::begin();
    oracle.see(&begin);
    model.apply(begin);
    let now_ms = |script: &Script| script.now_us / 1000;
    let mut pages: Vec<Page> = (0..4).map(|_| Page::new(now_ms(&script), &mut rng)).collect();
    let mut jobs = 0;
    for step in 0..rng.random_range(200..1_500_u32) {
        for seen in script.step(&mut rng) {
            oracle.see(&seen);
            model.apply(seen);
        }
        if rng.random_range(0..3) == 0 {
            model.tick(script.now_us);
        }
        jobs = script.jobs_submitted();
        let now_ms = now_ms(&script);
        for page in &mut pages {
            page.poll(&mut model, now_ms);
            if step % page.delay == 0 {
                page.take(now_ms);
            }
            if rng.random_range(0..60) == 0 {
                page.act(jobs, now_ms, &mut rng);
            }
        }
    }
    let last = script.settle();
    oracle.see(&last);
    model.apply(last);
    for page in &mut pages {
        page.is_paused = false;
        page.send(FromPage::Resume, now_ms(&script));
        page.follow(all_topics(jobs), now_ms(&script));
    }
    for round in 0..400 {
        script.now_us += 50_000;
        // At last the cluster stands still and the pages catch up.
        if round < 300 {
            model.tick(script.now_us);
        }
        for page in &mut pages {
            page.poll(&mut model, script.now_us / 1000);
            page.take(script.now_us / 1000);
        }
    }
    for (number, page) in pages.iter().enumerate() {
        assert_shows(page, &model, &oracle, jobs, &format!("seed {seed}, page {number}"));
    }
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("PARTITA_OBSERVE_COUNT").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(count)
}

/// Pages that are slow, pause, break off, come back and look at other things show in the end what
/// adding up the whole script directly gives, over the wire's encoding.
#[test]
fn every_page_comes_to_show_what_is() {
    for seed in seeds(30) {
        let result = std::panic::catch_unwind(|| run(seed, ModelLimits::default()));
        assert!(result.is_ok(), "seed {seed} failed");
    }
}

/// The same where rows that went are forgotten at once, so that pages begin anew all the time.
#[test]
fn pages_that_are_too_far_behind_begin_anew() {
    let limits = ModelLimits { tombstones: 0, ..ModelLimits::default() };
    for seed in seeds(10) {
        let result = std::panic::catch_unwind(|| run(1_000 + seed, limits));
        assert!(result.is_ok(), "seed {} failed", 1_000 + seed);
    }
}
