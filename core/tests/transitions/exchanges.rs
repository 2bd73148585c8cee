//! Each kind of exchange: when its readers may run, and what they are told.

use super::fixture::{Cluster, at, broadcast, explicit, gather, job, one_to_one, shuffle};

/// `OneToOne`: a task runs as soon as its one partition is there, where that lies.
#[test]
fn one_to_one_needs_its_twin_alone() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(2, [one_to_one(0)]));
    t.finish("1.0.1");
    t.check(&["b: fragment 1.1", "b: run 1.1.1#1(b#1)"]);
    t.finish("1.0.0");
    t.check(&["a: fragment 1.1", "a: run 1.1.0#1(a#1)"]);
    t.finish_quietly(&["1.1.0", "1.1.1"]);
}

/// `OneToOne`: when the worker that holds the input is full, an idle one takes the task rather
/// than wait.
#[test]
fn one_to_one_is_read_from_elsewhere_by_an_idle_worker() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1).stage(1, [one_to_one(0)]));
    t.submit_quietly(job().source(1));
    t.finish("1.0.0");
    t.check(&["a: fragment 2.0", "a: run 2.0.0#1"]);
    t.join("b", 1);
    t.place();
    t.check(&["b: peer a", "b: fragment 1.1", "b: run 1.1.0#1(a#1)"]);
}

/// `Shuffle`: no task runs before all partitions are available; then each worker is told once who
/// holds them.
#[test]
fn a_shuffle_waits_for_all_partitions() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(3, [shuffle(0)]));
    t.finish("1.0.0");
    t.check(&[]);
    t.finish("1.0.1");
    t.check(&[
        "a: peer b",
        "a: fragment 1.1",
        "a: locations 1.1/0 = a#1 b#1",
        "b: peer a",
        "b: fragment 1.1",
        "b: locations 1.1/0 = a#1 b#1",
        "a: run 1.1.0#1",
        "b: run 1.1.1#1",
    ]);
    t.finish("1.1.1");
    t.check(&["b: run 1.1.2#1"]);
}

/// `Gather`: the one task runs where most of what it reads lies.
#[test]
fn a_gather_runs_where_most_bytes_lie() {
    let mut t = Cluster::new();
    t.join("a", 1);
    t.join("b", 2);
    t.submit_quietly(job().source(3).stage(1, [gather(0)]));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    t.finish("1.0.2");
    t.check(&[
        "b: peer a",
        "b: fragment 1.1",
        "b: locations 1.1/0 = a#1 b#1 b#1",
        "b: run 1.1.0#1",
    ]);
}

/// `Broadcast` beside `OneToOne`, as in a join with a small side: a task waits for its own
/// partition and for all of the broadcast.
#[test]
fn a_broadcast_is_needed_whole_by_every_task() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1).source(2).stage(2, [broadcast(0), one_to_one(1)]));
    t.finish_quietly(&["1.1.0", "1.1.1"]);
    t.finish("1.0.0");
    t.check(&["a: fragment 1.2", "a: locations 1.2/0 = a#1", "a: run 1.2.0#1(a#1)"]);
    t.finish("1.2.0");
    t.check(&["deliver 1[0] from a#1", "a: drop 1.1.0", "a: run 1.2.1#1(a#1)"]);
}

/// `Explicit`: a task runs when the partitions of its list are available, and is told their holders
/// in the list's order, repeated ones again; an empty list needs nothing.
#[test]
fn explicit_lists_are_waited_for_and_named_in_order() {
    let mut t = Cluster::new();
    t.join("a", 3);
    t.submit(job().source(3).stage(3, [explicit(0, &[&[2, 0, 2], &[], &[1]])]));
    t.check(&[
        "job-1 accepted",
        "a: fragment 1.1",
        "a: fragment 1.0",
        "a: run 1.1.1#1 1.0.0#1 1.0.1#1",
    ]);
    t.finish("1.0.0");
    t.check(&["a: run 1.0.2#1"]);
    t.finish("1.0.1");
    t.check(&["a: run 1.1.2#1(a#1)"]);
    t.finish("1.0.2");
    t.check(&["a: run 1.1.0#1(a#1 a#1 a#1)"]);
}

/// `Explicit`: the holders are named in the order of the list, whoever they are, and the task
/// runs where most of them lie.
#[test]
fn explicit_holders_are_in_the_order_of_the_list() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(1, [explicit(0, &[&[1, 0, 1]])]));
    t.finish_quietly(&["1.0.0"]);
    t.finish("1.0.1");
    t.check(&["b: peer a", "b: fragment 1.1", "b: run 1.1.0#1(b#1 a#1 b#1)"]);
}

/// A union: each input is read only by its own tasks, from index 0, so a branch that is ready does
/// not wait for the others.
#[test]
fn the_branches_of_a_union_do_not_wait_for_each_other() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    let union = [at(0, 1, one_to_one(0)), at(1, 1, one_to_one(1))];
    t.submit_quietly(job().source(1).source(1).stage(2, union));
    t.finish("1.1.0");
    t.check(&["a: fragment 1.2", "a: run 1.2.1#1(a#1)"]);
}

/// A union of shuffles: the second branch's first task reads bucket 0 of its input, which is for
/// the worker to know; the scheduler tells the places of both.
#[test]
fn a_union_of_shuffles_has_the_places_of_both() {
    let mut t = Cluster::with_workers(&["a"]);
    let union = [at(0, 1, shuffle(0)), at(1, 2, shuffle(1))];
    t.submit_quietly(job().source(1).source(1).stage(3, union));
    t.finish_quietly(&["1.1.0"]);
    t.finish("1.0.0");
    t.check(&[
        "a: fragment 1.2",
        "a: locations 1.2/0 = a#1",
        "a: locations 1.2/1 = a#1",
        "a: run 1.2.0#1",
    ]);
}

/// What a stage holds is dropped when the last of its readers is done, and not before.
#[test]
fn inputs_are_released_when_all_their_readers_are_done() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(
        job()
            .source(2)
            .stage(1, [gather(0)])
            .stage(1, [gather(0)])
            .stage(1, [gather(1), gather(2)]),
    );
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    t.finish("1.1.0");
    t.check(&[]);
    t.finish("1.2.0");
    t.check(&[
        "a: drop 1.0",
        "b: drop 1.0",
        "a: fragment 1.3",
        "a: locations 1.3/0 = b#1",
        "a: locations 1.3/1 = a#1",
        "a: run 1.3.0#1",
    ]);
}
