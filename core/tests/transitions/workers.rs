//! Workers: they join, leave, fall silent, are lost, near their end.

use super::fixture::{Cluster, SECOND, job, one_to_one, registration, shuffle};
use partita_core::Event;
use partita_shared::message::{Registration, WorkerMetrics};
use partita_shared::model::WorkerState;

/// A worker that joins is welcomed under an identifier of its own, and work that waited for a
/// worker goes to it at once.
#[test]
fn a_worker_that_joins_gets_what_waits() {
    let mut t = Cluster::new();
    t.submit(job().source(3));
    t.check(&["job-1 accepted"]);
    t.register(registration("a", 2));
    t.place();
    t.check(&["a: accepted", "a: welcome", "a: fragment 1.0", "a: run 1.0.0#1 1.0.1#1"]);
}

/// A worker that is leaving finishes what it has and gets nothing more. What it holds and someone
/// wants goes to another, whom the readers are told of, and then it is told to go, not before.
#[test]
fn a_leaving_worker_migrates_what_is_wanted() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2).stage(1, [shuffle(0)]));
    t.leave("a");
    t.check(&[]);
    t.finish("1.0.0");
    t.check(&[]);
    t.join("b", 1);
    t.place();
    t.check(&[
        "b: fragment 1.0",
        "b: run 1.0.1#1",
        "b: peer a",
        "b: take 1.0.0#1 from a, 1 buckets",
    ]);
    t.migrated("b", "1.0.0", 1, None);
    t.check(&["a: drop 1.0.0", "a: shutdown (asked)"]);
    t.finish("1.0.1");
    t.check(&["b: fragment 1.1", "b: locations 1.1/0 = b#1 b#1", "b: run 1.1.0#1"]);
    t.finish("1.1.0");
    t.check(&["b: drop 1.0", "deliver 1[0] from b#1"]);
    t.lose("a", "closed");
    t.check(&["b: lost a"]);
    let gone = t.core.workers(true).remove(0);
    assert_eq!((gone.state, gone.cause.as_str()), (WorkerState::Left, "asked"));
    assert_eq!(t.core.cluster().workers_lost, 0);
}

/// What someone reads from a leaving worker stays there until it was read, though it has arrived
/// elsewhere; the next reader is told the new place.
#[test]
fn what_is_read_from_a_leaving_worker_stays_until_then() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(1).stage(2, [shuffle(0)]));
    t.finish("1.0.0");
    t.take();
    t.leave("a");
    t.take();
    t.migrated("b", "1.0.0", 1, None);
    t.check(&[]);
    t.finish("1.1.0");
    t.check(&["deliver 1[0] from a#1"]);
    t.finish("1.1.1");
    t.take();
    assert!(t.core.workers(false).iter().all(|row| row.name != "a" || row.assigned == 0));
}

/// A partition that cannot migrate is tried once more, and then recomputed when its holder
/// is gone.
#[test]
fn what_cannot_migrate_is_recomputed() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2).stage(1, [shuffle(0)]));
    t.leave("a");
    t.finish("1.0.0");
    t.check(&[]);
    t.join("b", 2);
    t.place();
    t.take();
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.check(&["b: take 1.0.0#1 from a, 1 buckets"]);
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.check(&[]);
    t.finish("1.0.1");
    t.take();
    t.lose("a", "closed");
    t.check(&["b: lost a", "b: run 1.0.0#2"]);
}

/// A worker without work that wants to leave is let go at once, and told so once.
#[test]
fn an_idle_worker_leaves_at_once() {
    let mut t = Cluster::with_workers(&["a"]);
    t.leave("a");
    t.check(&["a: shutdown (asked)"]);
    t.place();
    t.leave("a");
    t.check(&[]);
}

/// A lost worker is remembered with its cause, and what it ran is given to another.
#[test]
fn what_a_lost_worker_ran_is_run_elsewhere() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2));
    t.lose("a", "reset by peer");
    t.check(&[]);
    t.finish("1.0.1");
    t.check(&["b: run 1.0.0#2"]);
    let gone = &t.core.workers(true)[0];
    assert_eq!((gone.state, gone.cause.as_str()), (WorkerState::Lost, "reset by peer"));
    assert_eq!(t.core.cluster().workers_lost, 1);
}

/// A worker is silent when nothing came from it for longer than the limit, no sooner; then its
/// link is closed and it is lost like any other.
#[test]
fn a_silent_worker_is_lost_after_the_limit() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.tick_after(6 * SECOND);
    t.heartbeat("b", WorkerMetrics::default());
    t.tick_after(4 * SECOND);
    t.check(&[]);
    t.tick_after(1);
    t.check(&["a: disconnect (no heartbeat for 10 s)"]);
    assert_eq!(t.core.workers_up(), 1);
}

/// Reports are a sign of life as good as a heartbeat.
#[test]
fn a_worker_that_reports_is_not_silent() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2));
    t.now += 9 * SECOND;
    t.finish_quietly(&["1.0.0"]);
    t.tick_after(9 * SECOND);
    t.check(&[]);
}

/// What comes from a worker after it was lost changes nothing: it must register anew.
#[test]
fn a_late_heartbeat_does_not_bring_a_worker_back() {
    let mut t = Cluster::with_workers(&["a"]);
    let old = t.id("a");
    t.lose("a", "closed");
    t.heartbeat("a", WorkerMetrics::default());
    t.tell(Event::WorkerLeaving { worker: old, reason: "late".into() });
    t.lose("a", "closed again");
    t.check(&[]);
    assert_eq!(t.core.workers_up(), 0);
    t.join("a", 1);
    assert_ne!(t.id("a"), old);
}

/// A worker gets no task that cannot finish before the worker's end; this does not delay the other
/// tasks, though the worker holds that task's input.
#[test]
fn a_worker_near_its_end_gets_no_task_that_is_too_long() {
    let mut t = Cluster::new();
    t.register(Registration { lifetime_left_s: Some(60), ..registration("short", 1) });
    t.take();
    t.join("long", 1);
    t.submit_quietly(job().source(4).stage(4, [one_to_one(0)]));
    t.finish_in("1.0.0", 50 * SECOND);
    t.check(&["short: fragment 1.1", "short: run 1.1.0#1(short#1)"]);
    t.now += 20 * SECOND;
    t.finish_in("1.1.0", 50 * SECOND);
    t.check(&["deliver 1[0] from short#1", "short: drop 1.0.0"]);
    t.finish_in("1.0.1", 50 * SECOND);
    t.check(&["long: fragment 1.1", "long: run 1.1.1#1(long#1)"]);
}

/// Half of all tasks take longer than the mean: a worker starts one only if a quarter more than that is left.
#[test]
fn a_task_needs_more_time_than_the_mean() {
    for (left, runs) in [(24, 0), (26, 1)] {
        let mut t = Cluster::new();
        t.register(Registration { lifetime_left_s: Some(100), ..registration("a", 1) });
        t.take();
        t.submit_quietly(job().source(2));
        t.now += (100 - left) * SECOND;
        t.finish_in("1.0.0", 20 * SECOND);
        assert_eq!(t.assigned("a"), runs, "{left} s are left");
        t.take();
    }
}

/// The end of the scheduler's allocation is its workers' end, whether they joined before or after
/// it was known, but not that of workers of other Slurm jobs.
#[test]
fn the_allocation_ends_for_its_workers() {
    let mut t = Cluster::new();
    let of_job = |name, job: &str| {
        let slurm_job = Some(job.to_string());
        Registration { slurm_job, ..registration(name, 1) }
    };
    t.register(of_job("before", "7"));
    let at = t.now + 100 * SECOND;
    t.tell(Event::AllocationEnds { slurm_job: "7".into(), at });
    t.register(of_job("after", "7"));
    t.register(of_job("elsewhere", "8"));
    t.take();
    let ends: Vec<_> = t.core.workers(false).iter().map(|row| row.ends_ms).collect();
    assert_eq!(ends, [Some(at / 1000), Some(at / 1000), None]);
}

/// A job that can do nothing more before the allocation ends says so, once nothing of it runs; one
/// that still can goes on, and workers that are not of the allocation can do what its own cannot.
#[test]
fn a_job_that_cannot_end_in_time_says_so() {
    let mut t = Cluster::new();
    let slurm_job = Some("7".to_string());
    t.register(Registration { slurm_job: slurm_job.clone(), ..registration("a", 1) });
    t.tell(Event::AllocationEnds { slurm_job: "7".into(), at: t.now + 100 * SECOND });
    t.take();
    t.submit_quietly(job().source(9));
    t.finish_in("1.0.0", 40 * SECOND);
    t.take();
    // Silence would be another reason to fail.
    let later = |t: &mut Cluster, time| {
        t.now += time;
        t.heartbeat("a", WorkerMetrics::default());
        t.tell(Event::Tick);
    };
    later(&mut t, 70 * SECOND);
    t.check(&[]);
    t.finish_in("1.0.1", 40 * SECOND);
    t.check(&[]);
    later(&mut t, SECOND);
    t.check(&["a: drop job-1", "job-1 failed: Slurm job 7 ends in 29 s, and a task of `stage 0` takes about 40 s: no task of this job can finish in time; request more time, or submit the job again later"]);
}

/// A lifetime longer than any clock means no end, and does not overflow.
#[test]
fn a_lifetime_beyond_all_clocks_is_taken() {
    let mut t = Cluster::new();
    t.register(Registration { lifetime_left_s: Some(u64::MAX), ..registration("a", 1) });
    t.submit(job().source(1));
    t.check(&["a: accepted", "a: welcome", "job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
}

/// An idle worker that is near its end does not reserve tasks whose input it holds.
#[test]
fn input_on_a_worker_near_its_end_is_read_from_elsewhere() {
    let mut t = Cluster::new();
    t.register(Registration { lifetime_left_s: Some(60), ..registration("short", 1) });
    t.take();
    t.submit_quietly(job().source(1).stage(1, [one_to_one(0)]));
    t.now += 61 * SECOND;
    t.finish("1.0.0");
    t.check(&[]);
    t.join("long", 1);
    t.place();
    t.check(&["long: peer short", "long: fragment 1.1", "long: run 1.1.0#1(short#1)"]);
}

/// A worker above its memory mark gets nothing while it has something, and one task when it has
/// nothing, since else nothing would ever be freed.
#[test]
fn a_worker_above_its_mark_goes_on_with_what_it_has() {
    let mut t = Cluster::new();
    t.join("a", 2);
    t.heartbeat("a", WorkerMetrics { above_mark: true, ..WorkerMetrics::default() });
    t.submit(job().source(3));
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
    t.heartbeat("a", WorkerMetrics::default());
    t.check(&["a: run 1.0.1#1"]);
}

/// Tasks whose input is held by a paused worker run on other workers meanwhile.
#[test]
fn input_on_a_worker_above_its_mark_is_read_from_elsewhere() {
    let mut t = Cluster::new();
    t.join("a", 3);
    t.submit_quietly(job().source(3).stage(3, [one_to_one(0)]));
    t.heartbeat("a", WorkerMetrics { above_mark: true, ..WorkerMetrics::default() });
    t.finish("1.0.0");
    t.check(&[]);
    t.join("b", 1);
    t.place();
    t.check(&["b: peer a", "b: fragment 1.1", "b: run 1.1.0#1(a#1)"]);
}
