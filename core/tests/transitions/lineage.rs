//! Lost partitions: which are recomputed, and which are not.

use super::fixture::{Cluster, SECOND, explicit, gather, job, one_to_one, shuffle};

/// A lost worker costs what it held and someone still wants: here one partition of each of two
/// stages, and nothing of what the other worker has.
#[test]
fn only_what_was_lost_and_is_wanted_is_made_again() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(2, [one_to_one(0)]).stage(2, [shuffle(1)]));
    t.finish_quietly(&["1.0.0", "1.0.1", "1.1.0"]);
    t.lose("a", "killed");
    t.check(&[]);
    t.finish("1.1.1");
    t.check(&["b: drop 1.0.1", "b: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["b: run 1.1.0#2(b#2)"]);
    t.finish("1.1.0");
    t.check(&["b: drop 1.0", "b: fragment 1.2", "b: locations 1.2/0 = b#2 b#1", "b: run 1.2.0#1"]);
}

/// Inputs that were released come back through their lineage when a reader of theirs is lost that
/// someone wants, all of them where the reader reads all.
#[test]
fn released_inputs_are_made_again_when_they_are_needed() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2).stage(2, [shuffle(0)]));
    t.finish_quietly(&["1.0.0", "1.0.1", "1.1.0"]);
    t.finish("1.1.1");
    t.check(&["a: drop 1.0"]);
    t.delivered(1, 0);
    t.check(&["deliver 1[1] from a#1", "a: drop 1.1.0"]);
    t.join("b", 1);
    t.lose("a", "killed");
    t.check(&["b: fragment 1.0", "b: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["b: run 1.0.1#2"]);
    t.finish("1.0.1");
    t.check(&["b: fragment 1.1", "b: locations 1.1/0 = b#2 b#2", "b: run 1.1.1#2"]);
    t.finish("1.1.1");
    t.check(&["b: drop 1.0", "deliver 1[1] from b#2"]);
}

/// Readers are told the new places before they run again.
#[test]
fn new_places_are_told_before_the_next_task() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(4, [shuffle(0)]));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    t.lose("a", "killed");
    t.check(&["b: lost a"]);
    t.finish("1.1.1");
    t.check(&["b: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["b: locations 1.1/0 = b#2 b#1", "b: run 1.1.0#2"]);
}

/// A task that runs while its input is lost may have read it already: it is not stopped. When it
/// succeeds, partitions that only it needed are not recomputed.
#[test]
fn what_nobody_wants_any_more_is_not_made_again() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(1, [gather(0)]).stage(1, [gather(1)]));
    t.finish("1.0.0");
    t.finish("1.0.1");
    t.check(&["a: peer b", "a: fragment 1.1", "a: locations 1.1/0 = a#1 b#1", "a: run 1.1.0#1"]);
    t.lose("b", "killed");
    t.check(&["a: lost b"]);
    t.finish("1.1.0");
    t.check(&["a: drop 1.0", "a: fragment 1.2", "a: locations 1.2/0 = a#1", "a: run 1.2.0#1"]);
    t.finish("1.2.0");
    t.check(&["a: drop 1.1", "deliver 1[0] from a#1"]);
}

/// A recomputation is stopped when nobody wants it any more. If it has just ended, its output is
/// dropped with the rest, and its late report is ignored.
#[test]
fn what_is_made_for_nothing_is_stopped() {
    let mut t = Cluster::with_workers(&["a", "b", "c"]);
    t.submit_quietly(job().source(3).stage(1, [gather(0)]));
    t.finish_quietly(&["1.0.2", "1.0.1", "1.0.0"]);
    t.lose("c", "killed");
    t.check(&["a: lost c", "b: run 1.0.2#2"]);
    t.finish("1.1.0");
    t.check(&["b: cancel 1.0.2#2", "a: drop 1.0", "b: drop 1.0", "deliver 1[0] from a#1"]);
    t.finish("1.0.2");
    t.check(&[]);
    t.lose("a", "killed");
    t.check(&["b: run 1.0.0#2"]);
}

/// A partition is dropped when its last reader has finished, and not with the rest of its stage; one
/// that several tasks read waits for all of them.
#[test]
fn a_partition_is_dropped_after_its_last_reader() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(
        job().source(3).stage(3, [explicit(0, &[&[0, 1], &[1], &[2, 2]])]).stage(1, [gather(1)]),
    );
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    t.finish("1.1.0");
    t.check(&["a: drop 1.0.0", "a: run 1.1.1#1(a#1)"]);
    t.finish("1.1.1");
    t.check(&["a: drop 1.0.1", "a: run 1.0.2#1"]);
    t.finish("1.0.2");
    t.check(&["a: run 1.1.2#1(a#1 a#1)"]);
    t.finish("1.1.2");
    let run = "a: run 1.2.0#1";
    t.check(&["a: drop 1.0", "a: fragment 1.2", "a: locations 1.2/0 = a#1 a#1 a#1", run]);
}

/// A partition that nobody reads is not kept.
#[test]
fn a_partition_that_nobody_reads_is_dropped_at_once() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2).stage(1, [explicit(0, &[&[1]])]));
    t.finish("1.0.0");
    t.check(&["a: drop 1.0.0", "a: run 1.0.1#1"]);
}

/// A partition that is being recomputed for a reader, which finishes without it, is stopped, and so is
/// what it waits for.
#[test]
fn what_a_finished_reader_waited_for_is_stopped() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(2, [one_to_one(0)]).stage(1, [explicit(1, &[&[0, 1]])]));
    // Long enough that no task is read ahead by the other worker.
    ["1.0.0", "1.0.1", "1.1.0", "1.1.1"].iter().for_each(|task| t.finish_in(task, SECOND));
    t.take();
    assert_eq!(t.running(1), ["1.2.0"]);
    t.lose("b", "killed");
    t.take();
    t.join("c", 1);
    t.place();
    t.take();
    assert_eq!(t.running(1), ["1.0.1", "1.2.0"]);
    t.finish("1.2.0");
    t.check(&["c: cancel 1.0.1#2", "c: drop 1.0", "a: drop 1.1", "deliver 1[0] from a#1"]);
}
