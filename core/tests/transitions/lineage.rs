//! Lost partitions: which are recomputed, and which are not.

use super::fixture::{Cluster, gather, job, one_to_one, shuffle};

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
    t.check(&["b: run 1.0.0#2"]);
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
    t.check(&["a: drop 1.1.0", "deliver 1[1] from a#1"]);
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
