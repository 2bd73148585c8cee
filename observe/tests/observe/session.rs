//! What a page gets, when, and how much.

use crate::observe::fixture::{Bench, counters, job, task, worker};
use partita_observe::event::Observation;
use partita_observe::follower::Follower;
use partita_observe::frame::{
    FRAMES_UNTAKEN_MAX, FromPage, Question, TOPICS_MAX, ToPage, Topic, UPDATE_ROWS_MAX, Update,
};
use partita_observe::session::{
    OVERDUE_MS, PAGE_BURST_BYTES, PAGE_BYTES_PER_S, Session, Wanted, Watched,
};
use partita_observe::view::TimelineWindow;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::WorkerMetrics;
use partita_shared::model::TaskCounts;
use partita_shared::wire;
use std::collections::BTreeMap;

/// A page that follows topics from now on.
fn page(bench: &Bench, topics: &[Topic]) -> Session {
    let mut session = Session::new(bench.now_ms());
    session.on_message(FromPage::Follow(topics.to_vec()), bench.now_ms());
    session
}

/// The next frame: its number, updates and bytes.
fn next(bench: &mut Bench, session: &mut Session) -> Option<(u64, Vec<Update>, u64)> {
    let now_ms = bench.now_ms();
    let frame = session.poll(&mut bench.model, now_ms)?;
    let bytes = wire::encode(&frame).expect("encodes").len() as u64;
    match frame {
        ToPage::Frame { number, updates, .. } => Some((number, updates, bytes)),
        ToPage::Hello { .. } | ToPage::Answer(..) => panic!("no frame"),
    }
}

/// A cluster in which every worker's row changes all the time.
fn restless(workers: u32) -> Bench {
    let mut bench = Bench::new();
    for id in 0..workers {
        let mut row = worker(id, 8);
        row.local_directory = "/scratch/".repeat(10);
        bench.see(Observation::Worker(Box::new(row)));
    }
    bench
}

fn stir(bench: &mut Bench, workers: u32) {
    for id in 0..workers {
        let cpu_milli = (bench.now_ms() % 100_000) as u32;
        bench.measure(id, WorkerMetrics { cpu_milli, ..WorkerMetrics::default() }, Vec::new());
    }
}

/// A page that takes nothing gets two frames and no more, is overdue after half a minute, and has
/// all when it takes again; a page that is paused gets nothing and is waited for.
#[test]
fn a_slow_page_gets_two_frames() {
    let mut bench = restless(20);
    let mut session = page(&bench, &[Topic::Cluster, Topic::Workers]);
    assert!(!session.is_overdue(bench.now_ms() + 1_000_000), "nothing was sent");
    let mut follower = Follower::new();
    follower.follow(vec![Topic::Cluster, Topic::Workers]);
    let (mut frames, mut begin_ms) = (0, 0);
    for _ in 0..400 {
        bench.pass(100);
        stir(&mut bench, 20);
        let now_ms = bench.now_ms();
        if let Some(frame) = session.poll(&mut bench.model, now_ms) {
            follower.apply(frame);
            begin_ms = if frames == 0 { now_ms } else { begin_ms };
            frames += 1;
        }
        let is_late = frames > 0 && now_ms - begin_ms >= OVERDUE_MS;
        assert_eq!(session.is_overdue(now_ms), is_late);
    }
    assert_eq!(frames, FRAMES_UNTAKEN_MAX);
    let now_ms = bench.now_ms();
    session.on_message(FromPage::Pause, now_ms);
    assert!(!session.is_overdue(now_ms));
    session.on_message(FromPage::Taken(99), now_ms);
    assert!(next(&mut bench, &mut session).is_none());
    session.on_message(FromPage::Resume, now_ms);
    let frame = session.poll(&mut bench.model, now_ms).expect("has changed");
    follower.apply(frame);
    let cpu: Vec<u32> = follower.workers.values().map(|row| row.metrics.cpu_milli).collect();
    assert_eq!(cpu, vec![(now_ms % 100_000) as u32; 20]);
}

/// However much changes, a page gets no more bytes than its budget, in frames of bounded size, and
/// all rows reach it in several steps.
#[test]
fn bytes_of_a_page_are_bounded() {
    let mut bench = restless(3_000);
    let mut session = page(&bench, &[Topic::Workers]);
    let mut follower = Follower::new();
    follower.follow(vec![Topic::Workers]);
    let (mut bytes, mut largest, mut steps) = (0, 0, 0);
    for _ in 0..200 {
        bench.pass(100);
        stir(&mut bench, 3_000);
        let Some((number, updates, size)) = next(&mut bench, &mut session) else { continue };
        assert!(updates.iter().all(|update| matches!(
            update, Update::Workers(delta) if delta.rows.len() <= UPDATE_ROWS_MAX)));
        (bytes, largest, steps) = (bytes + size, largest.max(size), steps + 1);
        let now_ms = bench.model.now_ms();
        follower.apply(ToPage::Frame { number, now_ms, speed: 1.0, updates });
        session.on_message(FromPage::Taken(number), now_ms);
    }
    assert!(bytes <= PAGE_BURST_BYTES + 20 * PAGE_BYTES_PER_S + (128 << 10), "{bytes} bytes");
    assert!(bytes >= 15 * PAGE_BYTES_PER_S, "{bytes} bytes");
    assert!(largest <= 80 << 10, "a frame of {largest} bytes");
    assert_eq!((follower.workers.len(), steps > 20), (3_000, true));
}

/// A topic that never ends does not keep the others from being served.
#[test]
fn no_topic_is_starved() {
    let mut bench = restless(3_000);
    let topics = [Topic::Workers, Topic::Cluster, Topic::History, Topic::Scheduler];
    let mut session = page(&bench, &topics);
    let mut served: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..300 {
        bench.pass(100);
        stir(&mut bench, 3_000);
        let browsers = (bench.now_ms() / 100 % 1_000) as u32;
        bench.model.set_audience(browsers);
        let Some((number, updates, _)) = next(&mut bench, &mut session) else { continue };
        for update in updates {
            let name = match update {
                Update::Workers(_) => "workers",
                Update::Cluster(_) => "cluster",
                Update::History(_) => "history",
                Update::Scheduler(_) => "scheduler",
                _ => "other",
            };
            *served.entry(name).or_default() += 1;
        }
        session.on_message(FromPage::Taken(number), bench.now_ms());
    }
    for name in ["workers", "cluster", "history", "scheduler"] {
        assert!(served.get(name).is_some_and(|count| *count >= 8), "{served:?}");
    }
    assert!(!served.contains_key("other"));
}

/// What has not changed is not sent again; a page that follows something quiet gets a frame a second
/// all the same, so that it sees that it is followed.
#[test]
fn what_is_the_same_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.submit(1, &[4]);
    let window = TimelineWindow {
        end_ms: Some(bench.now_ms()),
        span_ms: 1_000,
        width_px: 10,
        first_lane: 0,
        lanes: 5,
        job: None,
    };
    let topics = [
        Topic::Jobs,
        Topic::Stages(JobId(1)),
        Topic::Stages(JobId(9)),
        Topic::Job(JobId(1)),
        Topic::Worker(WorkerId(9)),
        Topic::WorkerHistory(WorkerId(9)),
        Topic::Data,
        Topic::Events,
        Topic::Timeline(window),
    ];
    let mut session = page(&bench, &topics);
    let mut sizes = Vec::new();
    for _ in 0..100 {
        bench.pass(100);
        if let Some((number, updates, _)) = next(&mut bench, &mut session) {
            sizes.push(updates.len());
            session.on_message(FromPage::Taken(number), bench.now_ms());
        }
    }
    assert_eq!(sizes[0], topics.len());
    assert!(sizes[1..].iter().all(|updates| *updates == 0), "{sizes:?}");
    assert!((9..=11).contains(&sizes.len()), "{} frames in ten seconds", sizes.len());
    // A job that was not known, and comes, is shown.
    bench.submit(9, &[1, 1]);
    let counts = TaskCounts { ready: 4, ..TaskCounts::default() };
    bench.count(counters(1, 0, counts));
    bench.pass(2_000);
    let (_, updates, _) = next(&mut bench, &mut session).expect("something changed");
    let stages: Vec<(JobId, usize, bool)> = updates
        .iter()
        .filter_map(|update| match update {
            Update::Stages(job, delta) => Some((*job, delta.rows.len(), delta.reset)),
            _ => None,
        })
        .collect();
    assert_eq!(stages, [(JobId(1), 1, false), (JobId(9), 2, true)]);
}

/// Topics that go on keep their place and new ones begin anew; too many are cut.
#[test]
fn topics_that_go_on_are_not_begun_anew() {
    let mut bench = restless(5);
    let mut session = page(&bench, &[Topic::Workers]);
    bench.pass(100);
    let (number, ..) = next(&mut bench, &mut session).expect("has rows");
    session.on_message(FromPage::Taken(number), bench.now_ms());
    session.on_message(FromPage::Follow(vec![Topic::Events, Topic::Workers]), bench.now_ms());
    bench.pass(500);
    let (number, updates, _) = next(&mut bench, &mut session).expect("has events");
    assert!(matches!(&updates[..], [Update::Events(delta)] if delta.reset));
    session.on_message(FromPage::Taken(number), bench.now_ms());
    session.restart();
    let (_, updates, _) = next(&mut bench, &mut session).expect("all again");
    assert_eq!(updates.len(), 2);
    let many: Vec<Topic> = (0..40).map(|id| Topic::Worker(WorkerId(id))).collect();
    session.on_message(FromPage::Follow(many), bench.now_ms());
    assert_eq!(session.watched().workers.len(), TOPICS_MAX);
}

/// Another scheduler under the same address: pages get what it has, and nothing of the other stays.
#[test]
fn another_scheduler_makes_all_new() {
    let mut bench = restless(5);
    bench.submit(1, &[4, 4]);
    let topics = vec![Topic::Workers, Topic::Jobs, Topic::Stages(JobId(1)), Topic::Job(JobId(1))];
    let mut session = page(&bench, &topics);
    let mut follower = Follower::new();
    follower.follow(topics);
    let mut turn = |bench: &mut Bench| {
        bench.pass(2_000);
        let now_ms = bench.now_ms();
        let frame = session.poll(&mut bench.model, now_ms).expect("something changed");
        let taken = follower.apply(frame).taken.expect("is a frame");
        session.on_message(FromPage::Taken(taken), bench.now_ms());
        let stages = follower.stages.get(&JobId(1)).map(|stages| stages.len());
        (follower.workers.len(), follower.jobs.len(), stages)
    };
    assert_eq!(turn(&mut bench), (5, 1, Some(2)));
    bench.see(Observation::Started(Box::new(partita_observe::event::SchedulerFacts {
        pid: 8,
        ..Default::default()
    })));
    bench.join(3, 1);
    let mut facts = job(1, &[3]);
    facts.row.text = "another".into();
    bench.see(Observation::Job(Box::new(facts)));
    assert_eq!(turn(&mut bench), (1, 1, Some(1)));
    let texts = follower.job_texts.get(&JobId(1)).and_then(|text| text.clone());
    assert_eq!(texts.map(|text| text.text.clone()), Some("another".into()));
}

/// A session hands on what it cannot do itself, and says whose details are watched.
#[test]
fn wishes_are_handed_on() {
    let bench = Bench::new();
    let mut session = page(&bench, &[Topic::Worker(WorkerId(3)), Topic::Data]);
    let question = Question::Task(task(1, 0, 0));
    assert_eq!(
        session.on_message(FromPage::Ask(7, question.clone()), 0),
        Some(Wanted::Answer(7, question))
    );
    assert_eq!(session.on_message(FromPage::Seek(5), 0), Some(Wanted::Seek(5)));
    assert_eq!(session.on_message(FromPage::Play(2.0), 0), Some(Wanted::Play(2.0)));
    assert_eq!(session.watched(), Watched { all: true, workers: vec![WorkerId(3)] });
    session.on_message(FromPage::Pause, 0);
    assert_eq!(session.watched(), Watched::default());
}
