//! Every bound of a model is reached.

use crate::observe::fixture::{BEGIN_US, Bench, counters, finished, job, running, task};
use partita_observe::event::{CoreFigures, Counters, Ending, Observation, StageCounters};
use partita_observe::model::ModelLimits;
use partita_observe::view::{FAILURES_MAX, HOSTS_MAX, TimelineWindow};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, WorkerDetail, WorkerMetrics};
use partita_shared::model::{JobState, OperatorRow, TaskCounts};

fn end_job(bench: &mut Bench, id: u32, error: &str) {
    let mut row = job(id, &[1]).row;
    (row.state, row.error) = (JobState::Failed, error.into());
    row.ended_ms = Some(bench.now_ms());
    let operators = vec![vec![OperatorRow { line: "scan".into(), ..OperatorRow::default() }; 9]];
    bench.see(Observation::JobEnded { row: Box::new(row), operators });
}

/// Finished workers, jobs, stages and events are forgotten, the oldest first; live ones stay.
#[test]
fn what_is_over_is_forgotten() {
    let limits = ModelLimits {
        gone_workers: 3,
        ended_jobs: 4,
        ended_stages: 10,
        events: 5,
        ..ModelLimits::default()
    };
    let mut bench = Bench::with_limits(limits);
    bench.submit(1_000, &[1, 1]);
    bench.join(1_000, 1);
    for id in 0..20 {
        bench.join(id, 1);
        bench.submit(id, &[1]);
        bench.lose(id, "it died");
        end_job(&mut bench, id, "it failed");
        bench.pass(20_000);
    }
    let workers: Vec<u32> = bench.model.workers().iter().map(|(id, _)| id.0).collect();
    assert_eq!(workers, [17, 18, 19, 1_000]);
    let jobs: Vec<u32> = bench.model.jobs().iter().map(|(id, _)| id.0).collect();
    assert_eq!(jobs, [16, 17, 18, 19, 1_000]);
    assert_eq!(bench.model.events().len(), 5);
    assert!(bench.model.stages(JobId(3)).is_none() && bench.model.job_view(JobId(3)).is_none());
    assert!(bench.model.worker_history(WorkerId(3)).is_none());
    // A job of many stages drives out others, but is itself remembered.
    bench.submit(50, &[1; 30]);
    end_job(&mut bench, 50, "");
    bench.pass(100);
    let jobs: Vec<u32> = bench.model.jobs().iter().map(|(id, _)| id.0).collect();
    assert_eq!(jobs, [50, 1_000]);
}

/// A job that is told as over from the first is one of those that are forgotten.
#[test]
fn a_job_may_be_over_from_the_first() {
    let limits = ModelLimits { ended_jobs: 2, ..ModelLimits::default() };
    let mut bench = Bench::with_limits(limits);
    for id in 0..5 {
        let mut facts = job(id, &[3]);
        facts.row.state = JobState::Done;
        bench.see(Observation::Job(Box::new(facts)));
    }
    bench.pass(100);
    let jobs: Vec<u32> = bench.model.jobs().iter().map(|(id, _)| id.0).collect();
    assert_eq!((jobs, bench.model.cluster().row.jobs_live), (vec![3, 4], 0));
}

/// Texts of jobs that ended are forgotten when they are too many, the oldest first, and say so; the
/// rows stay. Failures are bounded for each job.
#[test]
fn texts_are_bounded() {
    let limits = ModelLimits { text_bytes: 60_000, ..ModelLimits::default() };
    let mut bench = Bench::with_limits(limits);
    for id in 0..10 {
        let mut facts = job(id, &[200]);
        facts.row.text = "select ".repeat(100);
        bench.see(Observation::Job(Box::new(facts)));
        for index in 0..200 {
            let mut failed = finished(task(id, 0, index), 1, 0, 1_000);
            failed.ending = Ending::Failed(FailureKind::Retry);
            failed.error = "no luck ".repeat(10);
            bench.end(failed);
        }
        let view = bench.model.job_view(JobId(id)).expect("is there");
        assert_eq!((view.failures.len(), view.failures[0].task.index), (FAILURES_MAX, 199));
        end_job(&mut bench, id, "it failed");
    }
    bench.pass(100);
    assert_eq!(bench.model.jobs().len(), 10);
    let view = |id| bench.model.job_view(JobId(id)).expect("is remembered");
    assert!(view(0).failures.is_empty() && view(0).operators.is_empty());
    assert_eq!(view(0).text.len(), 300);
    assert_eq!(view(0).stages[0].plan, "discarded: too many jobs were submitted since");
    assert_eq!((view(9).failures.len(), view(9).text.len()), (FAILURES_MAX, 700));
}

/// Plans that are too long for one job are cut off, and say so.
#[test]
fn plans_of_one_job_are_bounded() {
    let mut bench = Bench::new();
    let mut facts = job(1, &[1; 100]);
    facts.stages.iter_mut().for_each(|stage| stage.plan = "scan\n".repeat(2_000));
    bench.see(Observation::Job(Box::new(facts)));
    let view = bench.model.job_view(JobId(1)).expect("is there");
    assert_eq!(view.stages[0].plan.len(), 10_000);
    let text = "discarded: the plans of this job exceed 256 KiB";
    assert_eq!(view.stages[99].plan, text);
}

/// Traffic by host names the busiest hosts, and the pairs that are remembered are bounded.
#[test]
fn traffic_is_bounded() {
    let limits = ModelLimits { traffic_pairs: 150, ..ModelLimits::default() };
    let mut bench = Bench::with_limits(limits);
    (0..400).for_each(|id| bench.join(id, 1));
    for id in 0..400 {
        let fetched_from = vec![(WorkerId((id + 4) % 400), u64::from(id) + 1)];
        bench.see(Observation::Traffic { worker: WorkerId(id), fetched_from });
    }
    let view = bench.model.data_view();
    // The first 150 workers are on 38 hosts, and read from one more.
    assert_eq!((view.hosts.len(), view.transfers.len()), (39, 39 * 39));
    assert_eq!(view.transfers.iter().sum::<u64>(), (1..=150).sum::<u64>());
    let from = view.hosts.iter().position(|host| host == "n01").expect("is there");
    let to = view.hosts.iter().position(|host| host == "n00").expect("is there");
    assert_eq!(view.transfers[from * 39 + to], 1 + 2 + 3 + 4);
    let mut bench = Bench::new();
    (0..400).for_each(|id| bench.join(id, 1));
    for id in 0..400 {
        let fetched_from = vec![(WorkerId(id), 1 + u64::from(id))];
        bench.see(Observation::Traffic { worker: WorkerId(id), fetched_from });
    }
    let view = bench.model.data_view();
    assert_eq!((view.hosts.len(), view.hosts.contains(&"n00".to_string())), (HOSTS_MAX, false));
}

/// Details of a watched worker are forgotten soon after it is no longer watched; logs of many
/// workers are cut to the latest.
#[test]
fn details_are_forgotten() {
    let mut bench = Bench::new();
    (0..100).for_each(|id| bench.join(id, 1));
    for id in 0..100 {
        let log = vec!["a line".to_string(); 1_000];
        let partitions = vec![(task(1, 0, id), 10 + u64::from(id), 0); 90];
        let detail = WorkerDetail { partitions, log };
        bench.see(Observation::Detail { worker: WorkerId(id), detail });
    }
    let view = |bench: &Bench, id| bench.model.worker_view(WorkerId(id)).expect("is there");
    assert_eq!((view(&bench, 0).log.len(), view(&bench, 0).partitions.len()), (0, 50));
    assert_eq!((view(&bench, 99).log.len(), view(&bench, 99).partitions.len()), (200, 50));
    assert_eq!(bench.model.data_view().largest[0].memory_bytes, 109);
    bench.pass(12_000);
    assert_eq!((view(&bench, 99).log.len(), view(&bench, 99).partitions.len()), (0, 0));
}

/// How long a job takes: unknown while nothing has ended, then a range with the truth in it, which
/// shrinks as work is done and does not outlive a job that stands.
#[test]
fn estimates_are_honest() {
    let mut bench = Bench::new();
    bench.join(1, 4);
    bench.submit(1, &[100]);
    bench.count_job(running(1));
    let count = |bench: &mut Bench, done: u64, running: u64| {
        let waiting = 100 - done - running;
        let tasks = TaskCounts { waiting, running, done, ..TaskCounts::default() };
        let mut stage = counters(1, 0, tasks);
        stage.busy_us = done * 1_000_000;
        bench.count(stage);
    };
    let left = |bench: &Bench| bench.model.cluster().left;
    count(&mut bench, 0, 4);
    bench.pass(5_000);
    assert_eq!(left(&bench), None);
    for done in 1..=40 {
        bench.pass(250);
        bench.end(finished(task(1, 0, done), 1, 0, 1_000_000));
        count(&mut bench, u64::from(done), 4);
    }
    bench.pass(1_100);
    // Sixty tasks of a second on four slots.
    let known = left(&bench).expect("it moves");
    assert!(known.low_ms <= 15_000 && known.high_ms >= 15_000, "{known:?}");
    assert!(known.high_ms < 2 * known.low_ms, "{known:?}");
    // The range of the job is that of the cluster.
    assert_eq!(bench.model.cluster().jobs_left, [(JobId(1), known)]);
    bench.pass(200_000);
    assert_eq!(left(&bench), None, "nothing ended for minutes");
    count(&mut bench, 100, 0);
    bench.pass(2_000);
    assert_eq!(left(&bench), None);
}

/// A stage that has not begun is weighed by the bytes that it will read, at the cost of its kind in
/// earlier jobs: a heavy stage that is to come is in the estimate.
#[test]
fn stages_to_come_are_weighed_by_what_they_read() {
    let mut bench = Bench::new();
    bench.join(1, 4);
    let counted =
        |bench: &mut Bench, job: u32, stage: u32, done: u64, of: u64, bytes: u64, us: u64| {
            let running = if done < of && done > 0 { 4.min(of - done) } else { 0 };
            let waiting = of - done - running;
            let tasks = TaskCounts { waiting, running, done, ..TaskCounts::default() };
            let counters = counters(job, stage, tasks);
            bench.count(StageCounters { bytes: bytes * done, busy_us: us * done, ..counters });
        };
    // A first job: its second stage takes ten seconds for each of four tasks.
    for job in 1..=2 {
        bench.submit(job, &[8, 4]);
        bench.count_job(running(job));
        for done in 1..=8 {
            bench.pass(250);
            bench.end(finished(task(job, 0, done), 1, 0, 1_000_000));
            counted(&mut bench, job, 0, done.into(), 8, 10 << 20, 1_000_000);
            if job == 2 && done == 4 {
                bench.pass(1_100);
                let left = bench.model.cluster().left.expect("known from the first job");
                // A second, and ten for the slowest of four: a few times are taken to differ more than these do.
                assert!((6_000..=13_000).contains(&left.low_ms), "{left:?}");
                assert!(left.high_ms >= 11_000, "{left:?}");
                return;
            }
        }
        for done in 1..=4 {
            bench.pass(2_500);
            bench.end(finished(task(job, 1, done), 1, 0, 10_000_000));
            counted(&mut bench, job, 1, done.into(), 4, 1 << 20, 10_000_000);
        }
        bench.pass(1_100);
        let mut row = crate::observe::fixture::job(job, &[8, 4]).row;
        (row.state, row.ended_ms) = (JobState::Done, Some(bench.now_ms()));
        bench.see(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    }
}

/// The scheduler's and the cluster's figures in a second.
#[test]
fn figures_in_a_second() {
    let mut bench = Bench::new();
    bench.join(1, 4);
    let mut figures = CoreFigures::default();
    for second in 1..=20 {
        bench.pass(1_000);
        figures.events += 500;
        figures.busy_us += 20_000;
        (figures.messages_in, figures.bytes_out) = (100 * second, 1_000 * second);
        bench.see(Observation::Core(Box::new(figures.clone())));
        let counters = Counters { tasks_finished: 300 * second, ..Counters::default() };
        bench.see(Observation::Counters(Box::new(counters)));
        let cpu_milli = 1_500;
        bench.measure(1, WorkerMetrics { cpu_milli, ..WorkerMetrics::default() }, Vec::new());
    }
    bench.model.set_journal(Some("/tmp/j".into()), 77);
    let view = bench.model.scheduler_view();
    assert_eq!((view.core_milli, view.events_per_s.round()), (20, 500.0));
    assert_eq!((view.messages_per_s.round(), view.bytes_per_s.round()), (100.0, 1_000.0));
    assert_eq!((view.journal.as_deref(), view.journal_bytes), (Some("/tmp/j"), 77));
    let cluster = bench.model.cluster();
    assert!((250.0..=450.0).contains(&cluster.tasks_per_s), "{}", cluster.tasks_per_s);
    assert_eq!((cluster.row.tasks_finished, cluster.cpu_milli), (6_000, 1_500));
    let (points, _) = bench.model.history().after(Some(BEGIN_US / 1_000_000 + 5), 10);
    assert!(points.iter().all(|(_, point)| point.finished == 300 && point.cpu_milli == 1_500));
}

/// Workers' figures are taken as they are told: absurd ones break nothing.
#[test]
fn absurd_figures_break_nothing() {
    const HUGE: u64 = u64::MAX;
    let mut bench = Bench::new();
    (1..4).for_each(|id| bench.join(id, 4));
    bench.submit(1, &[20]);
    bench.count_job(running(1));
    let metrics = WorkerMetrics {
        cpu_milli: u32::MAX,
        resident_bytes: HUGE,
        reserved_bytes: HUGE,
        stored_bytes: HUGE,
        spilled_bytes: HUGE,
        running: u32::MAX,
        fetched_bytes: HUGE,
        served_bytes: HUGE,
        disk_read_bytes: HUGE,
        above_mark: true,
        ..WorkerMetrics::default()
    };
    for index in 0..20 {
        let mut end = finished(task(1, 0, index), 1 + index % 3, u16::MAX, HUGE - u64::from(index));
        (end.transfer_us, end.disk_us, end.queued_us) = (HUGE, HUGE, HUGE);
        (end.rows, end.bytes, end.fetched_bytes) = (HUGE, HUGE, HUGE);
        if index % 4 == 0 {
            end.ending = Ending::Failed(FailureKind::Retry);
            end.error = "the disk is gone".into();
        }
        bench.end(end);
        let on = SlotTask {
            slot: u16::MAX,
            task: task(1, 0, 3),
            attempt: 9,
            since_us: HUGE,
            read_milli: None,
        };
        bench.measure(1 + index % 3, metrics, vec![on]);
        let fetched_from = vec![(WorkerId(1), HUGE), (WorkerId(2), HUGE)];
        bench.see(Observation::Traffic { worker: WorkerId(1 + index % 3), fetched_from });
        bench.pass(1_100);
    }
    let window = TimelineWindow {
        end_ms: None,
        span_ms: HUGE,
        width_px: 9,
        first_lane: 0,
        lanes: 500_000,
        job: None,
    };
    assert_eq!(bench.model.timeline(&window).lanes_total, 3 * 65_536);
    assert!(!bench.model.snapshot().is_empty() && !bench.model.notices().is_empty());
    assert_eq!(bench.model.data_view().hosts.len(), 1);
    assert!(bench.model.worker_view(WorkerId(1)).is_some());
    assert!(!bench.model.attempts(task(1, 0, 3)).is_empty());
    assert!(bench.model.cluster().resident_bytes > 0);
}
