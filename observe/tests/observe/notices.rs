//! Each notice can occur, says what is wrong and what to do, and disappears when the condition is
//! over.

use crate::observe::fixture::{Bench, counters, finished, job, running, task, worker};
use partita_observe::event::{
    AttemptEnd, CoreFigures, Ending, JobCounters, Level, Observation, PersistedFacts,
    StageCounters, TableName,
};
use partita_observe::notices::NOTICES_MAX;
use partita_observe::view::{Notice, Place};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, WorkerMetrics};
use partita_shared::model::{JobState, TaskCounts, WorkerState};

/// The sentences after a little more than a second.
fn texts(bench: &mut Bench) -> Vec<String> {
    bench.pass(1_100);
    let list = bench.model.notices();
    for Notice { text, remedy, .. } in list {
        assert!(!text.is_empty() && !remedy.is_empty());
        assert!(!text.contains('!') && !remedy.contains('!') && !remedy.ends_with('.'), "{text}");
        assert!(!text.contains("  ") && !remedy.contains("  "), "{text}: {remedy}");
    }
    list.iter().map(|notice| notice.text.clone()).collect()
}

fn one(bench: &mut Bench) -> Notice {
    let texts = texts(bench);
    assert_eq!(texts.len(), 1, "{texts:?}");
    bench.model.notices()[0].clone()
}

fn with_workers(count: u32) -> Bench {
    let mut bench = Bench::new();
    (0..count).for_each(|id| bench.join(id, 2));
    bench
}

fn ready(tasks: u64) -> TaskCounts {
    TaskCounts { ready: tasks, ..TaskCounts::default() }
}

fn on(tasks: u64) -> TaskCounts {
    TaskCounts { running: tasks, ..TaskCounts::default() }
}

/// A cluster in which nothing is wrong has no notice.
#[test]
fn nothing_is_said_of_what_is_well() {
    let mut bench = with_workers(3);
    bench.submit(1, &[10]);
    bench.count_job(running(1));
    bench.count(counters(1, 0, on(5)));
    assert!(texts(&mut bench).is_empty());
}

/// A lost worker is told with its cause for ten minutes; many lost ones are one notice.
#[test]
fn lost_workers() {
    let mut bench = with_workers(8);
    bench.lose(1, "killed by signal 9: out of memory");
    let since_ms = bench.now_ms();
    let notice = one(&mut bench);
    assert_eq!(notice.text, "w1 on n00 was lost: killed by signal 9: out of memory");
    assert_eq!((notice.level, notice.place), (Level::Error, Place::Worker(WorkerId(1))));
    assert_eq!(notice.since_ms, since_ms);
    (2..6).for_each(|id| bench.lose(id, "silent"));
    let text = "5 workers were lost in the last 10 m 00 s; the latest is w5 on n01: silent";
    assert_eq!(one(&mut bench).text, text);
    bench.pass(600_000);
    assert!(texts(&mut bench).is_empty());
}

/// Memory: above the mark, near the limit, much on disk; more than a few workers are one notice,
/// which keeps its moment while it lasts.
#[test]
fn memory_of_workers() {
    let mut bench = with_workers(8);
    let above = WorkerMetrics { above_mark: true, reserved_bytes: 6 << 30, ..Default::default() };
    bench.measure(1, above, Vec::new());
    let text = "w1 on n00 is paused: memory use is above the threshold (6.00 GiB reserved, its limit is 8.00 GiB); it takes no task that only adds data";
    let first = one(&mut bench);
    assert_eq!(first.text, text);
    bench.pass(5_000);
    assert_eq!(one(&mut bench).since_ms, first.since_ms);
    let near = WorkerMetrics { resident_bytes: 15 << 29, ..Default::default() };
    bench.measure(1, near, Vec::new());
    let notice = one(&mut bench);
    assert_eq!(
        notice.text,
        "w1 on n00 uses 7.50 GiB of its memory limit of 8.00 GiB and may be killed"
    );
    assert_eq!(notice.level, Level::Error);
    let spilling = WorkerMetrics { spilled_bytes: 5 << 30, ..Default::default() };
    bench.measure(1, spilling, Vec::new());
    let text = "w1 on n00 has spilled 5.00 GiB to disk; its memory limit is 8.00 GiB";
    assert_eq!(one(&mut bench).text, text);
    (0..5).for_each(|id| bench.measure(id, above, Vec::new()));
    let notice = one(&mut bench);
    let text = "5 of 8 workers are paused: memory use is above the threshold, and they take no task that only adds data";
    assert_eq!((notice.text.as_str(), notice.place), (text, Place::Workers));
}

/// A worker or an allocation whose time is nearly over.
#[test]
fn ends_of_workers() {
    let mut bench = Bench::new();
    let ends_ms = Some(bench.now_ms() + 9 * 60_000 + 1_000);
    let alone = worker(1, 1);
    bench.see(Observation::Worker(Box::new(partita_shared::model::WorkerRow { ends_ms, ..alone })));
    assert_eq!(one(&mut bench).text, "w1 on n00 must end in 9 m 00 s");
    for id in 4..8 {
        let slurm_job = Some("8812".to_string());
        let row = partita_shared::model::WorkerRow { ends_ms, slurm_job, ..worker(id, 1) };
        bench.see(Observation::Worker(Box::new(row)));
    }
    let text = "Slurm job 8812 with 4 workers ends in 8 m 59 s";
    assert!(texts(&mut bench).contains(&text.to_string()));
    bench.pass(9 * 60_000);
    assert!(texts(&mut bench).contains(&"w1 on n00 must end now".to_string()));
}

/// A job that waits for a slot, for each of the reasons.
#[test]
fn waiting_jobs() {
    let mut bench = Bench::new();
    bench.submit(1, &[10]);
    bench.count(counters(1, 0, ready(10)));
    assert!(texts(&mut bench).is_empty(), "not at once");
    bench.pass(6_000);
    let notice = one(&mut bench);
    assert_eq!(notice.text, "job-1 has waited 8.0 s for a slot: no workers are connected");
    assert_eq!((notice.level, notice.place), (Level::Error, Place::Job(JobId(1))));
    bench.join(1, 2);
    let (worker, state) = (WorkerId(1), WorkerState::Leaving);
    bench.see(Observation::WorkerEnded { worker, state, cause: "its time is over".into() });
    let text =
        "job-1 has waited 9.0 s for a slot: 1 worker is retiring, and no other worker is connected";
    assert_eq!(one(&mut bench).text, text);
    bench.join(2, 2);
    bench.submit(2, &[10]);
    bench.count_job(running(2));
    bench.count(counters(2, 0, on(2)));
    let text = "job-1 has waited 10 s for a slot: all 2 slots are busy with other jobs";
    assert_eq!(one(&mut bench).text, text);
    bench.count(counters(2, 0, on(1)));
    let text = "job-1 has waited 11 s for a slot: 1 of 2 slots are busy with other jobs";
    assert_eq!(one(&mut bench).text, text);
    bench.measure(2, WorkerMetrics { above_mark: true, ..Default::default() }, Vec::new());
    let text = "job-1 has waited 12 s for a slot: all workers are paused because their memory use is above the threshold";
    assert!(texts(&mut bench).contains(&text.to_string()));
    bench.measure(2, WorkerMetrics::default(), Vec::new());
    bench.count(counters(1, 0, on(1)));
    assert!(texts(&mut bench).is_empty(), "it runs");
}

/// A job that has not moved for long, with and without tasks on workers; one whose tasks take long
/// is given more time.
#[test]
fn jobs_that_stand() {
    let mut bench = with_workers(1);
    bench.submit(1, &[10]);
    bench.count_job(running(1));
    bench.count(counters(1, 0, on(3)));
    bench.pass(119_000);
    assert!(bench.model.notices().is_empty());
    bench.pass(1_000);
    let text = "job-1 has made no progress for 2 m 01 s: 3 tasks on workers, and none has finished";
    assert_eq!(one(&mut bench).text, text);
    bench.end(finished(task(1, 0, 0), 0, 0, 100_000_000));
    bench.pass(200_000);
    assert!(bench.model.notices().is_empty(), "its tasks take that long");
    bench.count(counters(1, 0, TaskCounts { waiting: 3, ..TaskCounts::default() }));
    bench.pass(310_000);
    let text = "job-1 has made no progress for 8 m 30 s, and none of its tasks is running";
    assert_eq!(one(&mut bench).text, text);
}

/// Tasks that were started again, and a task under which workers died; one that was leaving is not
/// counted.
#[test]
fn retries_and_killers() {
    let mut bench = with_workers(5);
    bench.submit(1, &[10]);
    let mut counts = running(1);
    counts.retries = 1;
    bench.count_job(counts.clone());
    bench.count(counters(1, 0, on(3)));
    let notice = one(&mut bench);
    assert_eq!(notice.text, "1 task of job-1 was retried");
    assert_eq!(notice.level, Level::Info);
    counts.retries = 12;
    bench.count_job(counts);
    assert_eq!(one(&mut bench).text, "12 tasks of job-1 were retried");
    let (worker, state) = (WorkerId(0), WorkerState::Leaving);
    bench.see(Observation::WorkerEnded { worker, state, cause: "told to".into() });
    for id in 0..3 {
        let mut lost = finished(task(1, 0, 7), id, 0, 1_000);
        (lost.ending, lost.attempt) = (Ending::Lost, id as u16 + 1);
        bench.lose(id, "out of memory");
        bench.end(lost);
        let all = texts(&mut bench);
        assert_eq!(all.iter().any(|text| text.contains("job-1.0.7")), id == 2, "{all:?}");
    }
    let text = "task job-1.0.7 was running on 2 workers when they died; cause of the last one: out of memory";
    assert!(texts(&mut bench).contains(&text.to_string()));
}

/// A stage whose slowest task took far longer than half of them, if that is worth someone's time.
#[test]
fn skewed_stages() {
    let mut bench = with_workers(1);
    bench.submit(1, &[20]);
    bench.count_job(running(1));
    bench.count(counters(1, 0, on(3)));
    (0..9).for_each(|index| bench.end(finished(task(1, 0, index), 0, 0, 100_000)));
    bench.end(finished(task(1, 0, 9), 0, 0, 9_000_000));
    assert!(texts(&mut bench).is_empty(), "nine seconds are not worth it");
    let mut slow = finished(task(1, 0, 10), 0, 1, 130_000_000);
    slow.rows = 5_000_000;
    bench.end(slow);
    let text = "the slowest task of `step 0` (job-1.0) took 2 m 10 s, the median task 100 ms; the largest output has 5.00 M rows, the median output 10";
    let notice = one(&mut bench);
    assert_eq!(notice.text, text);
    assert!(notice.remedy.starts_with("the data is skewed"));
}

/// A disk that fails tasks is told with the folder; a job that failed with its error.
#[test]
fn disks_and_failed_jobs() {
    let mut bench = with_workers(2);
    bench.submit(1, &[20]);
    bench.count_job(running(1));
    bench.count(counters(1, 0, on(3)));
    let mut failed = finished(task(1, 0, 1), 1, 0, 1_000);
    failed.ending = Ending::Failed(FailureKind::Retry);
    failed.error = "cannot write /scratch/p/1: No space left on device".into();
    bench.end(failed);
    let notice = one(&mut bench);
    let text = "tasks of job-1 failed on w1 on n00 because of a disk: cannot write /scratch/p/1: No space left \
                on device";
    assert_eq!(notice.text, text);
    assert!(notice.remedy.starts_with("free space in /scratch/p, or"));
    let mut row = job(1, &[20]).row;
    row.state = JobState::Failed;
    row.error = "division by zero (task job-1.0.3 on w1)".into();
    row.ended_ms = Some(bench.now_ms());
    bench.see(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    let notice = one(&mut bench);
    assert_eq!(notice.text, "job-1 failed: division by zero (task job-1.0.3 on w1)");
    bench.pass(600_000);
    assert!(bench.model.notices().is_empty());
}

/// A statement that is in planning for long is a notice that says so.
#[test]
fn planning_that_stands() {
    let mut bench = with_workers(1);
    let mut facts = job(1, &[]);
    facts.row.state = JobState::Planning;
    bench.see(Observation::Job(Box::new(facts)));
    bench.pass(119_000);
    assert!(bench.model.notices().is_empty());
    bench.pass(1_000);
    let notice = one(&mut bench);
    assert!(notice.text.starts_with("job-1 has been in planning for 2 m"), "{notice:?}");
    assert!(notice.remedy.contains("`partita cancel`"), "{notice:?}");
}

/// The scheduler itself: an observer that is behind, a slow core, a busy one.
#[test]
fn the_scheduler() {
    let mut bench = Bench::new();
    bench.see(Observation::Gap { dropped: 1 });
    assert_eq!(one(&mut bench).text, "the observer fell behind and missed 1 observation");
    bench.see(Observation::Gap { dropped: 1_200 });
    let text = "the observer fell behind and missed 1.20 k observations";
    assert_eq!(one(&mut bench).text, text);
    bench.pass(61_000);
    assert!(bench.model.notices().is_empty());
    let mut figures = CoreFigures { event_p99_ns: 120_000_000, ..CoreFigures::default() };
    bench.see(Observation::Core(Box::new(figures.clone())));
    let text = "the scheduler is slow: one event in a hundred takes 120 ms or more";
    assert_eq!(one(&mut bench).text, text);
    figures.event_p99_ns = 1_000;
    for _ in 0..10 {
        bench.pass(1_000);
        figures.busy_us += 930_000;
        bench.see(Observation::Core(Box::new(figures.clone())));
    }
    let text = one(&mut bench).text;
    assert!(
        text.starts_with("the scheduler's core is busy 8") || text.contains("busy 9"),
        "{text}"
    );
}

/// The list is bounded, and what matters most is in it.
#[test]
fn the_list_is_bounded() {
    let mut bench = with_workers(1);
    for id in 1..200 {
        bench.submit(id, &[10]);
        let mut counts = running(id);
        counts.retries = 1;
        bench.count_job(counts);
        bench.count(counters(id, 0, on(1)));
    }
    bench.lose(0, "silent");
    bench.join(5, 2);
    texts(&mut bench);
    let list = bench.model.notices();
    assert_eq!((list.len(), list[0].level), (NOTICES_MAX, Level::Error));
}

/// A persisted table is complete: however long it stays, nobody is told that its job stands, it has
/// no time left, its duration does not grow, and its tasks are not those of jobs under way.
#[test]
fn persisted_tables_are_not_stuck_jobs() {
    let mut bench = with_workers(2);
    bench.submit(1, &[4]);
    bench.count_job(running(1));
    let done = TaskCounts { done: 4, ..TaskCounts::default() };
    bench.count(StageCounters { held: 4, held_bytes: 400, rows: 40, ..counters(1, 0, done) });
    bench.pass(3_000);
    let holders = vec![(WorkerId(0), 3, 300), (WorkerId(1), 1, 100)];
    let facts = PersistedFacts { holders, lost: 0, can_recompute: true };
    let persisted = Some(facts.clone());
    bench.count_job(JobCounters { state: JobState::Persisted, persisted, ..running(1) });
    let ended_ms = bench.now_ms();
    bench.pass(3_600_000);
    assert!(texts(&mut bench).is_empty());
    let cluster = bench.model.cluster();
    assert_eq!((cluster.row.jobs_live, cluster.row.tasks.done, cluster.left), (0, 0, None));
    let row = bench.model.jobs().get(JobId(1)).expect("it is remembered");
    assert_eq!((row.state, row.ended_ms), (JobState::Persisted, Some(ended_ms)));

    let name = |name: &str| TableName { job: JobId(1), name: name.into(), session: None };
    bench.see(Observation::Tables(vec![name("late"), name("late_half")]));
    let lost = PersistedFacts { holders: vec![(WorkerId(0), 3, 300)], lost: 1, ..facts };
    let persisted = Some(lost);
    bench.count_job(JobCounters { state: JobState::Persisted, persisted, ..running(1) });
    bench.count(StageCounters { held: 3, held_bytes: 300, rows: 40, ..counters(1, 0, done) });
    let tables = bench.model.tables();
    assert_eq!(tables.len(), 1);
    let names: Vec<&str> = tables[0].names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["late", "late_half"]);
    assert_eq!((tables[0].partitions, tables[0].lost, tables[0].bytes), (4, 1, 300));
    assert_eq!(tables[0].holders, [(WorkerId(0), 3, 300)]);
}

/// A failed job is a notice for ten minutes, whatever came after it, and like failures are one. All
/// of them are counted.
#[test]
fn failures_are_not_hidden_by_later_jobs() {
    let mut bench = with_workers(2);
    for id in 1..=3 {
        let mut row = job(id, &[]).row;
        (row.state, row.ended_ms) = (JobState::Failed, Some(bench.now_ms()));
        row.error = format!("table t{id} not found");
        bench.see(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    }
    for id in 4..=400 {
        let mut row = job(id, &[]).row;
        (row.state, row.ended_ms) = (JobState::Done, Some(bench.now_ms()));
        bench.see(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    }
    let notice = one(&mut bench);
    assert_eq!(
        notice.text,
        "3 jobs failed with similar errors, the latest is job-3: table t3 not found"
    );
    assert_eq!(bench.model.cluster().jobs_failed, 3);
    bench.pass(600_000);
    assert!(texts(&mut bench).is_empty());
}

/// A call that raised is a notice while its job goes on: the job itself does not fail.
#[test]
fn failed_tasks_of_a_job_that_goes_on_are_a_notice() {
    let mut bench = with_workers(1);
    bench.submit(1, &[4]);
    let tasks = TaskCounts { failed: 1, ready: 3, ..TaskCounts::default() };
    bench.count_job(running(1));
    bench.count(counters(1, 0, tasks));
    let error = "ValueError: bad value 13".to_string();
    let ending = Ending::Failed(FailureKind::Fatal);
    bench.end(AttemptEnd { ending, error, ..finished(task(1, 0, 0), 0, 0, 0) });
    let notice = one(&mut bench);
    assert_eq!(notice.text, "1 task of job-1 failed, the latest with: ValueError: bad value 13");
    assert_eq!((notice.level, notice.place), (Level::Error, Place::Job(JobId(1))));
}

/// An attempt that was lost with its worker, or stopped, has the time and the slot that the worker
/// last told: it is seen on the timeline.
#[test]
fn lost_and_stopped_attempts_have_a_length() {
    let mut bench = with_workers(2);
    bench.submit(1, &[4]);
    bench.count_job(running(1));
    let on = |worker: u32| SlotTask {
        slot: 1,
        task: task(1, 0, worker),
        attempt: 1,
        since_us: 7_000_000,
        read_milli: None,
    };
    for worker in 0..2 {
        bench.measure(worker, WorkerMetrics::default(), vec![on(worker)]);
    }
    bench.pass(3_000);
    let end =
        |worker: u32, ending| AttemptEnd { ending, ..finished(task(1, 0, worker), worker, 0, 0) };
    bench.lose(0, "killed");
    bench.end(end(0, Ending::Lost));
    bench.end(end(1, Ending::Stopped));
    for worker in 0..2 {
        let attempts = bench.model.attempts(task(1, 0, worker));
        assert_eq!((attempts[0].busy_us, attempts[0].slot), (10_000_000, 1), "worker {worker}");
    }
}

/// The first that a worker measures is what it did before it was seen: neither its traffic nor its
/// disk is a rate of that second, also when it comes back under another number.
#[test]
fn a_worker_that_comes_back_makes_no_spike() {
    let mut bench = with_workers(1);
    let metrics = |bytes: u64| WorkerMetrics {
        fetched_bytes: bytes,
        disk_read_bytes: bytes,
        ..WorkerMetrics::default()
    };
    let most = |bench: &Bench| {
        let (points, _) = bench.model.history().after(None, 1_000);
        points.iter().map(|(_, point)| point.fetched_bytes.max(point.disk_read_bytes)).max()
    };
    bench.measure(0, metrics(112 << 30), Vec::new());
    bench.pass(2_000);
    assert_eq!(most(&bench), Some(0));
    bench.lose(0, "silent");
    bench.join(1, 2);
    bench.pass(1_000);
    bench.measure(1, metrics(112 << 30), Vec::new());
    bench.pass(1_000);
    bench.measure(1, metrics((112 << 30) + 5_000), Vec::new());
    bench.pass(2_000);
    assert_eq!(most(&bench), Some(5_000));
}
