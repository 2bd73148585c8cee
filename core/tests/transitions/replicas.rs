//! Replicas of outputs of open jobs, and outputs that are moved so that workers hold about as much.

use super::fixture::{Cluster, explicit, job, parse};
use partita_core::{Event, Growth, Order, Origin, StageGrowth, StageSpec, TaskRange};
use partita_shared::ids::JobId;
use partita_shared::limits::REPLICAS_MAX;
use partita_shared::message::{Outcome, TaskFigures, WorkerMetrics};
use partita_shared::model::TaskState;
use std::collections::BTreeSet;

const JOB: JobId = JobId(1);

/// An open job whose tasks read earlier ones as listed. The client wants the first `wanted`.
fn open(t: &mut Cluster, lists: &[&[u32]], wanted: u32) {
    let mut graph = job().stage(lists.len() as u32, [explicit(0, lists)]);
    (graph.spec.open, graph.spec.order) = (true, Order::DepthFirst);
    graph.spec.wanted = vec![range(0, wanted)];
    t.submit_quietly(graph);
}

/// One result that worker a holds.
fn one_result(workers: &[&str]) -> Cluster {
    let mut t = Cluster::with_workers(&["a"]);
    open(&mut t, &[&[]], 1);
    t.finish_quietly(&["1.0.0"]);
    workers.iter().for_each(|name| t.join(name, 1));
    t
}

fn range(first: u32, count: u32) -> TaskRange {
    TaskRange { stage: 0, first, count }
}

fn named(workers: &[&str]) -> BTreeSet<String> {
    workers.iter().map(|name| (*name).to_string()).collect()
}

/// Asks for replicas of the first results of the first stage, each copied once from a worker at a time.
fn replicate(t: &mut Cluster, tasks: u32, count: Option<u32>, workers: &[&str]) {
    let tasks = vec![(JOB, range(0, tasks))];
    let workers = named(workers);
    t.tell(Event::ReplicasRequested { request: 7, tasks, workers, count, readers_max: 1 });
}

fn rebalance(t: &mut Cluster, tasks: u32, workers: &[&str]) {
    let tasks = vec![(JOB, range(0, tasks))];
    t.tell(Event::RebalanceRequested { request: 7, tasks, workers: named(workers) });
}

/// Appends calls that read the first result, to a stage with one.
fn call(t: &mut Cluster, count: u32) {
    call_at(t, count, 1);
}

/// Appends calls that read the first result, from this index on.
fn call_at(t: &mut Cluster, count: u32, first: u32) {
    let edges = vec![(0..count).map(|_| [0]).collect()];
    let tasks = vec![StageGrowth { stage: 0, count, edges, ..StageGrowth::default() }];
    let growth = Growth { tasks, wanted: vec![range(first, count)], ..Growth::default() };
    t.tell(Event::JobGrown { request: 0, job: JOB, growth: Box::new(growth) });
}

fn want(t: &mut Cluster, index: u32, wanted: bool) {
    t.tell(Event::WantChanged { job: JOB, tasks: vec![range(index, 1)], wanted });
}

/// The workers that hold the output of a task.
#[track_caller]
fn check_holders(t: &Cluster, task: &str, expected: &[&str]) {
    let found: Vec<_> = t.core.holders(parse(task));
    let expected: Vec<_> = expected.iter().map(|name| t.id(name)).collect();
    assert_eq!(found, expected);
}

/// A task finishes with an output of this size.
fn finish_with_bytes(t: &mut Cluster, task: &str, bytes: u64) {
    let (worker, attempt) = t.attempt(task);
    let figures = TaskFigures { rows: 1, bytes, ..TaskFigures::default() };
    t.report(worker, task, attempt, Outcome::Finished(figures));
}

const ACCEPTED: &str = "request 7 accepted";

/// Each worker that has a result gives it to as many others at a time as is asked, until all have it. Then the request
/// is fulfilled.
#[test]
fn replicas_spread_from_worker_to_worker() {
    let mut t = one_result(&["b", "c", "d"]);
    replicate(&mut t, 1, None, &[]);
    t.check(&[ACCEPTED, "b: peer a", "b: take 1.0.0#1 from a, 0 buckets"]);
    assert!(!t.core.is_arranged(parse("1.0.0")));
    t.migrated("b", "1.0.0", 1, None);
    t.check(&[
        "c: peer a",
        "c: take 1.0.0#1 from a, 0 buckets",
        "d: peer b",
        "d: take 1.0.0#1 from b, 0 buckets",
    ]);
    t.migrated("c", "1.0.0", 1, None);
    assert!(!t.core.is_arranged(parse("1.0.0")));
    t.migrated("d", "1.0.0", 1, None);
    t.check(&[]);
    assert!(t.core.is_arranged(parse("1.0.0")));
    check_holders(&t, "1.0.0", &["a", "b", "c", "d"]);
    // Asked again, there is nothing to do.
    replicate(&mut t, 1, Some(3), &["a", "b", "c"]);
    t.check(&[ACCEPTED]);
}

/// A replica takes the place of a lost holder: nothing is computed again. The lost replica is replaced.
#[test]
fn a_replica_takes_the_place_of_a_lost_holder() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    t.join("c", 1);
    t.lose("a", "killed");
    t.check(&["b: lost a", "c: peer b", "c: take 1.0.0#1 from b, 0 buckets"]);
    check_holders(&t, "1.0.0", &["b"]);
    t.migrated("c", "1.0.0", 1, None);
    t.lose("c", "killed");
    t.check(&[]);
    check_holders(&t, "1.0.0", &["b"]);
    t.join("d", 1);
    t.place();
    t.check(&["d: peer b", "d: take 1.0.0#1 from b, 0 buckets"]);
}

/// Calls that read a result learn the new holder.
#[test]
fn readers_learn_the_replica() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    call(&mut t, 1);
    t.check(&["job-1 accepted", "a: run 1.0.1#1(a#1)"]);
    t.lose("a", "killed");
    t.check(&["b: lost a", "b: fragment 1.0", "b: run 1.0.1#2(b#1)"]);
}

/// A call reads the replica of its own worker, which keeps it until then, though it is one too many meanwhile.
#[test]
fn calls_read_the_replica_of_their_worker() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    call(&mut t, 2);
    t.check(&["job-1 accepted", "b: fragment 1.0", "a: run 1.0.1#1(a#1)", "b: run 1.0.2#1(b#1)"]);
    replicate(&mut t, 1, Some(1), &[]);
    t.check(&[ACCEPTED]);
    check_holders(&t, "1.0.0", &["a"]);
    t.finish("1.0.2");
    t.finish("1.0.1");
    t.check(&["settled 1.0.2", "settled 1.0.1", "b: drop 1.0.0"]);
}

/// Fewer replicas are asked for: only those among the named workers are dropped, and never the holder.
#[test]
fn surplus_replicas_are_dropped() {
    let mut t = one_result(&["b", "c", "d"]);
    replicate(&mut t, 1, None, &[]);
    ["b", "c", "d"].iter().for_each(|name| t.migrated(name, "1.0.0", 1, None));
    t.take();
    replicate(&mut t, 1, Some(1), &["b", "c"]);
    t.check(&[ACCEPTED, "c: drop 1.0.0"]);
    check_holders(&t, "1.0.0", &["a", "b", "d"]);
    replicate(&mut t, 1, Some(1), &[]);
    t.check(&[ACCEPTED, "b: drop 1.0.0", "d: drop 1.0.0"]);
    check_holders(&t, "1.0.0", &["a"]);
}

/// A result that nobody wants any more is dropped everywhere, also where it arrives later.
#[test]
fn released_results_are_dropped_everywhere() {
    let mut t = one_result(&["b", "c"]);
    replicate(&mut t, 1, None, &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    want(&mut t, 0, false);
    t.check(&["a: drop 1.0.0", "b: drop 1.0.0"]);
    assert!(t.core.is_arranged(parse("1.0.0")));
    t.migrated("c", "1.0.0", 1, None);
    t.check(&["c: drop 1.0.0"]);
    assert!(t.core.workers(false).iter().all(|row| row.held == 0));
    // Wanted again, it has no replicas.
    want(&mut t, 0, true);
    t.check(&["a: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["settled 1.0.0"]);
}

/// A retiring worker hands its results to the workers with replicas. Those that it had are created elsewhere.
#[test]
fn retiring_workers_need_not_migrate_what_has_a_replica() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    t.leave("a");
    t.check(&["a: drop 1.0.0", "a: shutdown (asked)"]);
    check_holders(&t, "1.0.0", &["b"]);
    t.join("c", 1);
    t.place();
    t.check(&["c: peer b", "c: take 1.0.0#1 from b, 0 buckets"]);
    t.migrated("c", "1.0.0", 1, None);
    t.check(&[]);
    t.join("d", 1);
    t.place();
    t.leave("c");
    t.check(&[
        "d: peer b",
        "d: take 1.0.0#1 from b, 0 buckets",
        "c: drop 1.0.0",
        "c: shutdown (asked)",
    ]);
}

/// A result that is lost with all its replicas is computed again, and has replicas again.
#[test]
fn recomputed_results_are_replicated_again() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    t.lose("b", "killed");
    t.lose("a", "killed");
    t.join("c", 1);
    t.join("d", 1);
    t.place();
    t.check(&["c: fragment 1.0", "c: run 1.0.0#2"]);
    assert!(!t.core.is_arranged(parse("1.0.0")));
    t.finish("1.0.0");
    t.check(&["settled 1.0.0", "d: peer c", "d: take 1.0.0#2 from c, 0 buckets"]);
}

/// Workers without memory get no replica; the request does not wait for them. They get it when they have memory again.
#[test]
fn paused_workers_get_replicas_later() {
    let mut t = one_result(&["b"]);
    t.heartbeat("b", WorkerMetrics { above_mark: true, ..WorkerMetrics::default() });
    replicate(&mut t, 1, Some(2), &[]);
    t.check(&[ACCEPTED]);
    assert!(t.core.is_arranged(parse("1.0.0")));
    t.heartbeat("b", WorkerMetrics::default());
    t.check(&["b: peer a", "b: take 1.0.0#1 from a, 0 buckets"]);
}

/// A copy that fails is tried once more, and again if it is asked for again. A failed copy does not keep a result from
/// migrating.
#[test]
fn copies_that_fail_are_given_up() {
    let mut t = one_result(&["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.take();
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.check(&["b: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.check(&[]);
    assert!(t.core.is_arranged(parse("1.0.0")));
    replicate(&mut t, 1, Some(2), &[]);
    t.check(&[ACCEPTED, "b: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.take();
    t.leave("a");
    t.check(&["b: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("b", "1.0.0", 1, None);
    t.check(&["a: drop 1.0.0", "a: shutdown (asked)"]);
}

/// What does not exist or is not wanted is left out; workers that do not exist, and too many replicas, are refused.
#[test]
fn requests_are_checked() {
    let mut t = Cluster::new();
    replicate(&mut t, 1, None, &[]);
    t.check(&["refused: no workers are connected; start one with `partita worker`"]);
    t.join("a", 1);
    t.join("b", 1);
    // The client wants the first one, and the second reads it.
    open(&mut t, &[&[], &[0], &[1]], 1);
    t.finish_quietly(&["1.0.0"]);
    replicate(&mut t, 9, Some(9), &[]);
    t.check(&[ACCEPTED, "b: peer a", "b: take 1.0.0#1 from a, 0 buckets"]);
    let missing = "no worker `x` is connected; `partita workers` lists those that are";
    replicate(&mut t, 1, None, &["a", "x"]);
    t.check(&[&format!("refused: {missing}")]);
    rebalance(&mut t, 1, &["x"]);
    t.check(&[&format!("refused: {missing}")]);
    for tasks in
        [vec![(JobId(9), range(0, 1))], vec![(JOB, TaskRange { stage: 4, first: 0, count: 1 })]]
    {
        let workers = BTreeSet::new();
        t.tell(Event::RebalanceRequested { request: 7, tasks, workers });
        t.check(&[ACCEPTED]);
    }
    let lists = vec![&[][..]; REPLICAS_MAX / 2 + 1];
    t.walks = false;
    open(&mut t, &lists, lists.len() as u32);
    let tasks = vec![(JobId(2), range(0, lists.len() as u32))];
    let workers = BTreeSet::new();
    t.tell(Event::ReplicasRequested { request: 7, tasks, workers, count: None, readers_max: 1 });
    let refused = t.take().join("\n");
    assert!(refused.contains("refused: clients may ask for 1000000 replicas"), "{refused}");
    t.tell(Event::JobClosed { job: JobId(2) });
    t.take();
}

/// A value that a client uploaded survives the loss of a worker, if another has a replica.
#[test]
fn uploaded_values_survive() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    open(&mut t, &[], 0);
    let growth = Growth {
        stages: vec![StageSpec { origin: Origin::Upload, ..StageSpec::default() }],
        tasks: vec![StageGrowth { stage: 1, count: 1, ..StageGrowth::default() }],
        wanted: vec![TaskRange { stage: 1, first: 0, count: 1 }],
    };
    t.tell(Event::JobGrown { request: 0, job: JOB, growth: Box::new(growth) });
    let tasks = vec![(JOB, TaskRange { stage: 1, first: 0, count: 1 })];
    let workers = BTreeSet::new();
    t.tell(Event::ReplicasRequested { request: 7, tasks, workers, count: None, readers_max: 1 });
    // Before the worker has said that it has the value.
    assert!(!t.core.is_arranged(parse("1.1.0")));
    t.tell(Event::Stored { worker: t.id("a"), task: parse("1.1.0"), rows: 1, bytes: 8 });
    t.migrated("b", "1.1.0", 1, None);
    t.take();
    t.lose("a", "killed");
    t.check(&["b: lost a"]);
    check_holders(&t, "1.1.0", &["b"]);
    assert_eq!(t.core.task_view(parse("1.1.0")).unwrap().row.state, TaskState::Done);
}

/// Results of these sizes on worker a, and other workers without any.
fn results_of(sizes: &[u64], others: &[&str]) -> Cluster {
    let mut t = Cluster::with_workers(&["a"]);
    open(&mut t, &vec![&[][..]; sizes.len()], sizes.len() as u32);
    for (index, bytes) in sizes.iter().enumerate() {
        finish_with_bytes(&mut t, &format!("1.0.{index}"), *bytes);
    }
    t.take();
    others.iter().for_each(|name| t.join(name, 1));
    t
}

/// Few outputs are moved, the largest first, to the workers that hold the least. Then there is nothing left to move.
#[test]
fn outputs_are_moved_to_workers_that_hold_less() {
    let mut t = results_of(&[50, 10, 30, 30], &["b", "c"]);
    rebalance(&mut t, 4, &[]);
    t.check(&[
        ACCEPTED,
        "b: peer a",
        "b: take 1.0.1#1 from a, 0 buckets",
        "b: take 1.0.2#1 from a, 0 buckets",
        "c: peer a",
        "c: take 1.0.3#1 from a, 0 buckets",
    ]);
    assert!(t.core.is_arranged(parse("1.0.0")) && !t.core.is_arranged(parse("1.0.1")));
    // An output that is being moved is not moved a second time.
    rebalance(&mut t, 4, &[]);
    t.check(&[ACCEPTED]);
    for (name, task) in [("b", "1.0.1"), ("b", "1.0.2"), ("c", "1.0.3")] {
        t.migrated(name, task, 1, None);
        t.check(&[&format!("a: drop {task}")]);
        check_holders(&t, task, &[name]);
        assert!(t.core.is_arranged(parse(task)));
    }
    rebalance(&mut t, 4, &[]);
    t.check(&[ACCEPTED]);
}

/// Only the outputs and the workers that were named take part. Workers without memory, and those that have a replica, get
/// nothing.
#[test]
fn outputs_are_moved_only_where_asked() {
    let mut t = results_of(&[8; 4], &["b", "c"]);
    t.heartbeat("b", WorkerMetrics { above_mark: true, ..WorkerMetrics::default() });
    rebalance(&mut t, 4, &["a", "b"]);
    t.check(&[ACCEPTED]);
    rebalance(&mut t, 1, &["a", "c"]);
    t.check(&[ACCEPTED, "c: peer a", "c: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("c", "1.0.0", 1, None);
    t.check(&["a: drop 1.0.0"]);
    let mut t = results_of(&[8; 3], &["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    rebalance(&mut t, 1, &[]);
    t.check(&[ACCEPTED]);
}

/// What a call reads on the old holder stays there until the call has ended. A failed move leaves the output where it is.
#[test]
fn outputs_that_are_read_stay_until_then() {
    let mut t = results_of(&[8, 8], &["b"]);
    call_at(&mut t, 1, 2);
    t.check(&["job-1 accepted", "a: run 1.0.2#1(a#1)"]);
    rebalance(&mut t, 1, &[]);
    t.check(&[ACCEPTED, "b: peer a", "b: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("b", "1.0.0", 1, Some("no room"));
    t.check(&[]);
    check_holders(&t, "1.0.0", &["a"]);
    rebalance(&mut t, 1, &[]);
    t.check(&[ACCEPTED, "b: take 1.0.0#1 from a, 0 buckets"]);
    t.migrated("b", "1.0.0", 1, None);
    t.check(&[]);
    check_holders(&t, "1.0.0", &["b"]);
    t.finish("1.0.2");
    t.check(&["settled 1.0.2", "a: drop 1.0.0"]);
}

/// An output comes back to a worker that still keeps it for a reader: it is not dropped there when the reader has ended.
#[test]
fn outputs_that_come_back_stay() {
    let mut t = results_of(&[8, 8], &["b"]);
    call_at(&mut t, 1, 2);
    t.check(&["job-1 accepted", "a: run 1.0.2#1(a#1)"]);
    rebalance(&mut t, 1, &[]);
    t.migrated("b", "1.0.0", 1, None);
    t.take();
    check_holders(&t, "1.0.0", &["b"]);
    replicate(&mut t, 1, Some(2), &[]);
    t.check(&[ACCEPTED, "a: peer b", "a: take 1.0.0#1 from b, 0 buckets"]);
    // The reader ends while the output is on its way.
    t.finish("1.0.2");
    t.check(&["settled 1.0.2"]);
    t.migrated("a", "1.0.0", 1, None);
    t.check(&[]);
    check_holders(&t, "1.0.0", &["b", "a"]);
}
