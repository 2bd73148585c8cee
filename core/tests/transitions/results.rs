//! Results: their order, their window, their end.

use super::fixture::{Cluster, gather, job, one_to_one};
use partita_core::Event;
use partita_shared::ids::JobId;
use partita_shared::model::JobState;

/// Partitions go to the client one after the other in their order, whichever is done first, and
/// each is dropped when the client has it. The last one ends the job.
#[test]
fn results_are_delivered_in_order() {
    let mut t = Cluster::new();
    t.join("a", 2);
    t.submit_quietly(job().source(2));
    t.finish("1.0.1");
    t.check(&[]);
    t.finish("1.0.0");
    t.check(&["deliver 1[0] from a#1"]);
    t.delivered(1, 0);
    t.check(&["deliver 1[1] from a#1", "a: drop 1.0.0"]);
    t.delivered(1, 1);
    t.check(&["a: drop job-1", "job-1 done"]);
    let row = t.core.job(JobId(1)).unwrap();
    assert_eq!((row.state, row.delivered_rows), (JobState::Done, 2));
}

/// A delivery that is told twice, or of a partition that is not next, changes nothing.
#[test]
fn a_delivery_is_counted_once() {
    let mut t = Cluster::new();
    t.join("a", 3);
    t.submit_quietly(job().source(3));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    t.delivered(1, 1);
    t.check(&[]);
    t.delivered(1, 0);
    t.check(&["deliver 1[1] from a#1", "a: drop 1.0.0"]);
    t.delivered(1, 0);
    t.delivered(7, 0);
    t.check(&[]);
}

/// A client that reads slowly holds back the workers: no result partition is begun that is too
/// far beyond what it has taken.
#[test]
fn a_slow_client_holds_back_the_workers() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(9));
    t.finish_quietly(&["1.0.0", "1.0.1", "1.0.2"]);
    t.finish("1.0.3");
    t.check(&[]);
    t.delivered(1, 0);
    t.check(&["deliver 1[1] from a#1", "a: drop 1.0.0", "a: run 1.0.4#1"]);
}

/// Other jobs are not held back by a client that does not read.
#[test]
fn a_slow_client_does_not_hold_back_other_jobs() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(9));
    t.finish_quietly(&["1.0.0", "1.0.1", "1.0.2", "1.0.3"]);
    t.submit(job().source(1));
    t.check(&["job-2 accepted", "a: fragment 2.0", "a: run 2.0.0#1"]);
}

/// The next result is found however many later ones became ready before it: the window must never
/// shut out the one task that would move it.
#[test]
fn the_next_result_runs_though_later_ones_are_ready_first() {
    let mut t = Cluster::new();
    t.join("slow", 1);
    t.join("fast", 1);
    t.submit_quietly(job().source(40).stage(40, [one_to_one(0)]));
    // Task 0 of the source is slow, so that all the others are done before it.
    for index in 1..40 {
        t.finish_quietly(&[&format!("1.0.{index}")]);
        if t.running(1).contains(&format!("1.1.{index}")) {
            t.finish_quietly(&[&format!("1.1.{index}")]);
        }
    }
    assert_eq!(t.running(1), ["1.0.0"]);
    t.finish("1.0.0");
    t.check(&["slow: fragment 1.1", "slow: run 1.1.0#1(slow#1)"]);
}

/// When a holder is lost before the client has its partition, another attempt is delivered.
#[test]
fn a_lost_result_is_delivered_from_its_next_holder() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.finish("1.0.0");
    t.check(&["deliver 1[0] from a#1"]);
    t.join("b", 1);
    t.lose("a", "killed");
    t.check(&["b: fragment 1.0", "b: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["deliver 1[0] from b#2"]);
    t.delivered(1, 0);
    t.check(&["b: drop job-1", "job-1 done"]);
}

/// The client may have taken the last row just before the holder was lost: then nothing is
/// recomputed, neither the result nor its inputs, and its inputs are released.
#[test]
fn a_result_that_was_taken_is_not_made_again() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2).stage(2, [one_to_one(0)]));
    t.finish_quietly(&["1.0.0", "1.1.0"]);
    t.lose("a", "killed");
    t.delivered(1, 0);
    t.check(&[]);
    t.join("b", 1);
    t.place();
    t.check(&["b: fragment 1.0", "b: run 1.0.1#2"]);
}

/// An attempt whose result the client has got meanwhile is of no use: what it makes is dropped as
/// it comes.
#[test]
fn a_result_made_for_nothing_is_dropped_at_once() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2));
    t.finish_quietly(&["1.0.0"]);
    t.lose("a", "killed");
    t.join("b", 1);
    t.place();
    t.check(&["b: fragment 1.0", "b: run 1.0.0#2"]);
    t.delivered(1, 0);
    t.check(&[]);
    t.finish("1.0.0");
    t.check(&["b: drop 1.0.0", "b: run 1.0.1#2"]);
}

/// A holder that is alive but cannot serve a partition costs only that partition.
#[test]
fn an_unreadable_partition_is_made_again() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    let task = super::fixture::parse("1.0.0");
    let worker = t.id("a");
    t.tell(Event::Unreadable { task, worker });
    t.check(&["a: run 1.0.0#2"]);
    t.tell(Event::Unreadable { task, worker });
    t.check(&[]);
    t.finish("1.0.0");
    t.check(&["deliver 1[0] from a#2"]);
}

/// When some rows of a partition that is gone were sent, no other attempt can be told from the
/// first: the job fails.
#[test]
fn a_broken_delivery_fails_the_job() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.finish_quietly(&["1.0.0"]);
    t.tell(Event::DeliveryBroken { job: JobId(1), error: "row 7 of a lost partition".into() });
    t.check(&["a: drop job-1", "job-1 failed: row 7 of a lost partition"]);
}

/// A cancelled job frees its slots at once, everywhere it was, and removes its staging folder;
/// late reports on it change nothing, and the slots go to others.
#[test]
fn cancelling_frees_slots_and_memory_at_once() {
    let mut t = Cluster::with_workers(&["a", "b", "c"]);
    t.submit_quietly(job().source(2).stage(1, [gather(0)]).staging("/out/.staging"));
    t.finish_quietly(&["1.0.0"]);
    t.cancel(1);
    t.check(&[
        "a: drop job-1 and /out/.staging",
        "b: drop job-1 and /out/.staging",
        "job-1 cancelled: asked",
    ]);
    assert_eq!((t.assigned("a"), t.assigned("b")), (0, 0));
    t.finish("1.0.1");
    t.cancel(1);
    t.check(&[]);
    assert_eq!(t.core.job(JobId(1)).unwrap().state, JobState::Cancelled);
    t.submit(job().source(2));
    t.check(&[
        "job-2 accepted",
        "a: fragment 2.0",
        "b: fragment 2.0",
        "a: run 2.0.0#1",
        "b: run 2.0.1#1",
    ]);
}

/// A job that was cancelled before any worker had it still has its staging folder removed, by
/// whichever worker is there; one without a folder concerns nobody.
#[test]
fn cancelling_a_queued_job_removes_its_staging_folder() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.submit_quietly(job().source(1).staging("/out/.staging"));
    t.submit_quietly(job().source(1));
    t.cancel(2);
    t.check(&["a: drop job-2 and /out/.staging", "job-2 cancelled: asked"]);
    t.cancel(3);
    t.check(&["job-3 cancelled: asked"]);
}
