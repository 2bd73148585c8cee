//! Failures of tasks, by kind, and tasks that kill their workers.

use super::fixture::{Cluster, broadcast, gather, job, one_to_one};
use partita_core::{Event, Options};
use partita_shared::message::{FailureKind, Outcome};

/// A computation that is wrong would be wrong anywhere: the job fails at once, with the task and
/// the worker in its error.
#[test]
fn a_fatal_failure_fails_the_job() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2));
    t.fail("1.0.1", FailureKind::Fatal, "division by zero");
    let error = "job-1 failed (Fatal): division by zero (task job-1.0.1 on b)";
    t.check(&["a: drop job-1", "b: drop job-1", error]);
}

/// A task that needs more memory than there is fails its job, which the client can tell from
/// other failures.
#[test]
fn a_task_without_memory_fails_the_job() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2));
    t.fail("1.0.0", FailureKind::Memory, "needs 9 GiB of 8");
    let error = "job-1 failed (Memory): needs 9 GiB of 8 (task job-1.0.0 on a)";
    t.check(&["a: drop job-1", error]);
}

/// A failure that is worth another try is tried elsewhere, though the input lies where it failed
/// and the worker there is idle.
#[test]
fn a_retry_goes_to_another_worker() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(1).stage(1, [one_to_one(0)]));
    t.finish("1.0.0");
    t.check(&["a: fragment 1.1", "a: run 1.1.0#1(a#1)"]);
    t.fail("1.1.0", FailureKind::Retry, "disk full");
    t.check(&["b: peer a", "b: fragment 1.1", "b: run 1.1.0#2(a#1)"]);
}

/// With nobody else to try, the same worker tries again; the third failure is the last, and the
/// error names all three.
#[test]
fn the_third_failure_of_a_task_fails_the_job() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.fail("1.0.0", FailureKind::Retry, "disk full");
    t.check(&["a: run 1.0.0#2"]);
    t.fail("1.0.0", FailureKind::Retry, "disk still full");
    t.check(&["a: run 1.0.0#3"]);
    t.fail("1.0.0", FailureKind::Retry, "no");
    t.check(&[
        "a: drop job-1",
        "job-1 failed (Retry): task job-1.0.0 failed 3 times: on a: disk full; on a: disk still \
         full; on a: no",
    ]);
}

/// Four workers, each with a partition, of which the first three read all four.
fn three_readers() -> Cluster {
    let mut t = Cluster::with_workers(&["a", "b", "c", "h"]);
    t.submit_quietly(job().source(4).stage(3, [broadcast(0)]).stage(1, [gather(1)]));
    t.finish_quietly(&["1.0.0", "1.0.1", "1.0.2", "1.0.3"]);
    assert_eq!(t.running(1), ["1.1.0", "1.1.1", "1.1.2"]);
    t
}

/// The slot of a task that failed for the last time is given back once: what other jobs have on
/// that worker is still counted.
#[test]
fn the_last_failure_gives_back_one_slot() {
    let mut t = Cluster::new();
    t.join("a", 2);
    t.submit_quietly(job().source(1));
    t.submit_quietly(job().source(2));
    (0..3).for_each(|_| t.fail("1.0.0", FailureKind::Retry, "disk full"));
    t.take();
    assert_eq!((t.assigned("a"), t.running(2).len()), (2, 2));
}

/// An input that could not be read is not the task's fault: another worker tries. When three
/// could not read it, one after the other, the holder is given up, though it says that it lives.
#[test]
fn a_holder_that_nobody_can_read_is_given_up() {
    let mut t = three_readers();
    let h = t.id("h");
    t.fail("1.1.0", FailureKind::Input(h), "refused");
    t.check(&[
        "h: peer a",
        "h: peer b",
        "h: peer c",
        "h: fragment 1.1",
        "h: locations 1.1/0 = a#1 b#1 c#1 h#1",
        "h: run 1.1.0#2",
    ]);
    t.fail("1.1.1", FailureKind::Input(h), "refused");
    t.check(&["a: run 1.1.1#2"]);
    t.fail("1.1.2", FailureKind::Input(h), "refused");
    t.check(&[
        "h: disconnect (worker-3 failed to read from it 3 times: refused)",
        "a: lost h",
        "b: lost h",
        "c: lost h",
        "b: run 1.0.3#2",
    ]);
}

/// A task that can read from nobody is the cause itself: it takes four workers with it, and fails its job at the fifth.
#[test]
fn a_task_that_cannot_read_its_inputs_is_stopped() {
    let mut t = Cluster::with_workers(&["a", "b", "c", "d", "e", "f"]);
    t.submit_quietly(job().source(1).stage(1, [gather(0)]));
    t.finish_quietly(&["1.0.0"]);
    for lost in 1..=4 {
        for _ in 0..3 {
            let holder = t.attempt("1.0.0").0;
            t.fail("1.1.0", FailureKind::Input(holder), "not a stream");
        }
        assert_eq!(t.core.workers_up(), 6 - lost);
        t.finish_quietly(&["1.0.0"]);
    }
    let holder = t.attempt("1.0.0").0;
    (0..3).for_each(|_| t.fail("1.1.0", FailureKind::Input(holder), "not a stream"));
    let ended = t.take();
    let error = "task job-1.1.0 could not read its inputs from 5 workers, one after the other: not a stream";
    assert!(ended.iter().any(|effect| effect.contains(error)), "{ended:?}");
    assert_eq!(t.core.workers_up(), 2);
}

/// A holder that could be read meanwhile starts anew: failures that are far apart do not add up.
#[test]
fn a_holder_that_others_can_read_is_kept() {
    let mut t = three_readers();
    let h = t.id("h");
    t.fail("1.1.0", FailureKind::Input(h), "refused");
    t.fail("1.1.1", FailureKind::Input(h), "refused");
    t.finish("1.1.2");
    t.take();
    t.fail("1.1.1", FailureKind::Input(h), "refused");
    t.check(&["c: run 1.1.1#3"]);
    assert_eq!(t.core.workers_up(), 4);
}

/// A task that kills its workers is stopped at the third, with every cause in the error; a cause
/// that a supervisor tells later replaces what the broken link said.
#[test]
fn a_task_that_kills_three_workers_is_stopped() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.lose("a", "link closed");
    let died = |host: &str, cause: &str| Event::ProcessDied {
        host: host.into(),
        pid: 1,
        cause: cause.into(),
    };
    t.tell(died("host-a", "killed by signal 9"));
    t.tell(died("host-unknown", "never seen"));
    t.check(&[]);
    for name in ["b", "c"] {
        t.join(name, 1);
        t.place();
        t.take();
        t.tell(died(&format!("host-{name}"), "out of memory at 1.0 GiB"));
        t.check(&[
            &format!("{name}: disconnect (out of memory at 1.0 GiB)"),
            "job-1 failed: task job-1.0.0 was running on 3 workers when they died, so it is not retried: a on host-a: killed by signal 9; b on host-b: out of memory at 1.0 GiB; \
             c on host-c: out of memory at 1.0 GiB",
        ][..if name == "b" { 1 } else { 2 }]);
    }
    assert_eq!(t.core.workers(true)[0].cause, "killed by signal 9");
}

/// What a supervisor tells replaces the cause of a loss, not that of an earlier failure there.
#[test]
fn an_earlier_failure_keeps_its_cause() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.fail("1.0.0", FailureKind::Retry, "disk full");
    t.check(&["a: run 1.0.0#2"]);
    t.lose("a", "link closed");
    let (host, cause) = ("host-a".to_string(), "killed by signal 9".to_string());
    t.tell(Event::ProcessDied { host, pid: 1, cause });
    t.join("b", 1);
    t.place();
    t.fail("1.0.0", FailureKind::Retry, "disk full");
    t.take();
    t.fail("1.0.0", FailureKind::Retry, "disk full");
    t.check(&[
        "b: drop job-1",
        "job-1 failed (Retry): task job-1.0.0 failed 3 times: on a: disk full; a on host-a: \
         killed by signal 9; on b: disk full; on b: disk full",
    ]);
}

/// A worker that said that it would leave and then goes is not held against what it ran.
#[test]
fn a_leaving_worker_that_is_lost_blames_nobody() {
    let mut t = Cluster::new();
    t.submit_quietly(job().source(1));
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        t.join(name, 1);
        t.place();
        t.check(&[&format!("{name}: fragment 1.0"), &format!("{name}: run 1.0.0#{}", number + 1)]);
        t.leave(name);
        t.lose(name, "its time was over");
    }
}

/// A report on an attempt that is not the current one, from a worker that does not have it, or
/// on something that never was changes nothing.
#[test]
fn late_and_repeated_reports_change_nothing() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(3));
    let (a, b) = (t.id("a"), t.id("b"));
    t.fail("1.0.0", FailureKind::Input(a), "a file of its own is gone");
    t.check(&["a: run 1.0.0#2"]);
    let fatal = || Outcome::failed(FailureKind::Fatal, "late");
    t.report(a, "1.0.0", 1, fatal());
    t.report(b, "1.0.0", 2, fatal());
    t.report(a, "1.0.2", 1, fatal());
    t.report(a, "1.0.9", 1, fatal());
    t.report(a, "1.9.0", 1, fatal());
    t.report(a, "9.0.0", 1, fatal());
    t.check(&[]);
    t.finish("1.0.0");
    t.check(&["deliver 1[0] from a#2", "a: run 1.0.2#1"]);
    t.finished(a, "1.0.0", 2, 1000);
    t.report(a, "1.0.0", 2, fatal());
    t.check(&[]);
    assert_eq!(t.core.cluster().tasks_finished, 1);
}

/// Short tasks wait on a worker behind others. When one of those that run kills it, they are tried
/// again one by one, on a slot each: only what runs when a worker dies is under suspicion again, and
/// a task that merely waited twice behind the killer does not fail its job.
#[test]
fn what_waits_behind_a_killer_is_not_blamed_again() {
    let mut t = Cluster::with(Options::new("test"));
    t.join("a", 1);
    t.submit_quietly(job().source(40));
    // Short ones: from the first on, more are given out than there are slots.
    t.finish_in("1.0.0", 10);
    t.delivered(1, 0);
    t.take();
    assert!(t.assigned("a") > 1);
    t.lose("a", "killed");
    for (name, slots) in [("b", 1), ("c", 1)] {
        t.join(name, slots);
        t.place();
        t.take();
        assert_eq!(t.assigned(name), 1, "no read-ahead while some are under suspicion");
        if name == "b" {
            t.lose("b", "killed");
            t.take();
        }
    }
    // The one that ran each time is the only one with two deaths: the third stops the job.
    t.lose("c", "killed");
    let ended = t.take();
    assert!(
        ended.iter().any(|line| line.contains("task job-1.0.1 was running on 3 workers")),
        "{ended:?}"
    );
}
