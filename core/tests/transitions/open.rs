//! Open jobs: they grow while they run, keep what their client wants, and go on when tasks fail.

use super::fixture::{Cluster, JobBuilder, SECOND, at, explicit, gather, job, parse};
use partita_core::{Event, Growth, Order, Origin, StageGrowth, StageSpec, TaskRange};
use partita_shared::ids::JobId;
use partita_shared::message::{Exchange, FailureKind, InputSpec};
use partita_shared::model::TaskState;
use std::sync::Arc;

const JOB: JobId = JobId(1);

/// An open job with one stage of `tasks` tasks that read earlier tasks of the same stage as listed. The
/// client wants these.
fn graph(lists: &[&[u32]], wanted: &[u32]) -> JobBuilder {
    let mut graph = job().stage(lists.len() as u32, [explicit(0, lists)]);
    graph.spec.open = true;
    graph.spec.order = Order::DepthFirst;
    graph.spec.wanted = wanted.iter().map(|index| range(*index, 1)).collect();
    graph
}

fn range(first: u32, count: u32) -> TaskRange {
    TaskRange { stage: 0, first, count }
}

/// Appends tasks to the first stage.
fn grow(t: &mut Cluster, lists: &[&[u32]], wanted: &[u32]) {
    let edges = lists.iter().map(|list| list.iter().copied()).collect();
    let tasks = vec![StageGrowth {
        stage: 0,
        count: lists.len() as u32,
        edges: vec![edges],
        ..StageGrowth::default()
    }];
    let wanted = wanted.iter().map(|index| range(*index, 1)).collect();
    grown(t, Growth { tasks, wanted, ..Growth::default() });
}

fn grown(t: &mut Cluster, growth: Growth) {
    t.tell(Event::JobGrown { request: 0, job: JOB, growth: Box::new(growth) });
}

fn want(t: &mut Cluster, index: u32, wanted: bool) {
    t.tell(Event::WantChanged { job: JOB, tasks: vec![range(index, 1)], wanted });
}

fn state(t: &Cluster, task: &str) -> TaskState {
    t.core.task_view(parse(task)).unwrap().row.state
}

/// Outputs that the client wants stay, others go with their last reader; the client is told of those that
/// it wants as they end.
#[test]
fn wanted_outputs_stay() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0], &[1]], &[1, 2]));
    t.finish("1.0.0");
    t.check(&["a: run 1.0.1#1(a#1)"]);
    t.finish("1.0.1");
    t.check(&["a: drop 1.0.0", "settled 1.0.1", "a: run 1.0.2#1(a#1)"]);
    t.finish("1.0.2");
    t.check(&["settled 1.0.2"]);
    want(&mut t, 1, false);
    t.check(&["a: drop 1.0.1"]);
    t.tell(Event::JobClosed { job: JOB });
    t.check(&["a: drop job-1", "job-1 done"]);
}

/// New tasks read old ones, whether these are held, still to come, or dropped: then they are computed
/// again.
#[test]
fn jobs_grow() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0]], &[1]));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    grow(&mut t, &[&[1], &[0]], &[2, 3]);
    t.check(&["job-1 accepted", "a: run 1.0.2#1(a#1)"]);
    t.finish("1.0.2");
    t.check(&["settled 1.0.2", "a: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["a: run 1.0.3#1(a#2)"]);
    t.finish("1.0.3");
    t.check(&["a: drop 1.0.0", "settled 1.0.3"]);
}

/// A stage can be appended that reads all of an older one.
#[test]
fn jobs_get_new_stages() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[]], &[0, 1]));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    let inputs = vec![InputSpec { count: 1, ..gather(0) }];
    let stage = StageSpec { tasks: 1, inputs, ..StageSpec::default() };
    let wanted = vec![TaskRange { stage: 1, first: 0, count: 1 }];
    grown(&mut t, Growth { stages: vec![stage], wanted, ..Growth::default() });
    let locations = "a: locations 1.1/0 = a#1 a#1";
    t.check(&["job-1 accepted", "a: fragment 1.1", locations, "a: run 1.1.0#1"]);
    t.finish("1.1.0");
    t.check(&["settled 1.1.0"]);
    // Read whole, the first stage has its tasks for good.
    grow(&mut t, &[&[]], &[]);
    t.check(&["refused: stage 0 cannot grow"]);
}

/// An error belongs to its task and to those that depend on it, with the first cause; the rest goes on.
#[test]
fn errors_belong_to_tasks() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0], &[1], &[]], &[2, 3]));
    t.fail("1.0.0", FailureKind::Fatal, "division by zero");
    let error = "division by zero (task job-1.0.0 on a)";
    t.check(&[&format!("settled 1.0.2: 1.0.0: {error}"), "a: run 1.0.3#1"]);
    t.finish("1.0.3");
    t.check(&["settled 1.0.3"]);
    assert_eq!(state(&t, "1.0.1"), TaskState::Failed);
    // So has a task that is appended to a failed one.
    grow(&mut t, &[&[3, 1]], &[4]);
    t.check(&["job-1 accepted", &format!("settled 1.0.4: 1.0.0: {error}")]);
}

/// An input that is read whole blocks all tasks of a stage: if it fails they do, those too that read
/// another input, and none waits for ever.
#[test]
fn a_failed_input_that_blocks_fails_all() {
    let mut t = Cluster::with_workers(&["a"]);
    let mut graph =
        graph(&[&[]], &[]).source(1).stage(2, [at(0, 1, gather(0)), at(1, 1, gather(1))]);
    graph.spec.wanted = vec![TaskRange { stage: 2, first: 0, count: 2 }];
    t.submit_quietly(graph);
    t.fail("1.0.0", FailureKind::Fatal, "broken");
    let error = "1.0.0: broken (task job-1.0.0 on a)";
    t.check(&[&format!("settled 1.2.1: {error} 1.2.0: {error}")]);
}

/// A task is tried again as often as its stage says.
#[test]
fn tasks_have_retries() {
    let mut t = Cluster::with_workers(&["a"]);
    let mut graph = graph(&[&[]], &[0]);
    graph.spec.stages[0].retries = 2;
    t.submit_quietly(graph);
    for attempt in 2..=3 {
        t.fail("1.0.0", FailureKind::Fatal, "flaky");
        t.check(&[&format!("a: run 1.0.0#{attempt}")]);
    }
    t.fail("1.0.0", FailureKind::Fatal, "flaky");
    t.check(&["settled 1.0.0: 1.0.0: flaky (task job-1.0.0 on a)"]);
}

/// Tasks of a higher priority run first, also those that came later, and those of a lower one last.
#[test]
fn tasks_have_priorities() {
    let mut t = Cluster::with_workers(&["a"]);
    let mut graph = graph(&[&[], &[], &[], &[]], &[0, 1, 2, 3]).source(1).source(1);
    graph.spec.stages[1].priority = -1;
    graph.spec.stages[2].priority = 1;
    graph.spec.wanted.extend([1, 2].map(|stage| TaskRange { stage, first: 0, count: 1 }));
    t.submit_quietly(graph);
    let mut order = Vec::new();
    while let Some(task) = t.running(1).first().cloned() {
        t.finish_quietly(&[&task]);
        order.push(task);
    }
    assert_eq!(order, ["1.2.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.1.0"]);
}

/// Retrying a task that inherited an error runs what failed first, too.
#[test]
fn failed_tasks_are_retried() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0]], &[1]));
    t.fail("1.0.0", FailureKind::Fatal, "no such host");
    t.take();
    t.tell(Event::TasksRetried { job: JOB, tasks: vec![range(1, 1)] });
    t.check(&["a: run 1.0.0#2"]);
    t.finish("1.0.0");
    t.check(&["a: run 1.0.1#1(a#2)"]);
    t.finish("1.0.1");
    t.check(&["a: drop 1.0.0", "settled 1.0.1"]);
}

/// Cancelled tasks are stopped, and what depends on them does not run; what has finished stays.
#[test]
fn tasks_are_cancelled() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0], &[1], &[]], &[0, 2]));
    t.finish_quietly(&["1.0.0"]);
    let reason = "cancelled by its client".to_string();
    t.tell(Event::TasksCancelled { job: JOB, tasks: vec![range(0, 2)], reason });
    t.check(&[
        "a: cancel 1.0.1#1",
        "a: drop 1.0.1",
        "settled 1.0.2: 1.0.1: cancelled by its client",
    ]);
    assert_eq!(state(&t, "1.0.0"), TaskState::Done);
}

/// What nobody wants is not computed; if it runs, it is stopped.
#[test]
fn what_nobody_wants_does_not_run() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[], &[0], &[]], &[1, 2]));
    want(&mut t, 1, false);
    t.check(&["a: cancel 1.0.0#1", "a: drop 1.0.0", "a: run 1.0.2#1"]);
    assert_eq!(state(&t, "1.0.1"), TaskState::Done);
    // Wanted again, it is computed with all it needs.
    t.finish_quietly(&["1.0.2"]);
    want(&mut t, 1, true);
    t.check(&["a: run 1.0.0#2"]);
}

/// Outputs that are lost are computed again where they are wanted, and only there.
#[test]
fn lost_outputs_are_computed_again() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(graph(&[&[], &[0], &[], &[2]], &[1, 3]));
    ["1.0.0", "1.0.2", "1.0.1", "1.0.3"].iter().for_each(|task| t.finish_in(task, SECOND));
    t.take();
    let (lost, _) = t.attempt("1.0.1");
    let (name, other) = if lost == t.id("a") { ("a", "b") } else { ("b", "a") };
    t.lose(name, "killed");
    t.check(&[&format!("{other}: run 1.0.0#2")]);
    t.finish("1.0.0");
    t.check(&[&format!("{other}: run 1.0.1#2({other}#2)")]);
    // The client was told of it before.
    t.finish("1.0.1");
    t.check(&[&format!("{other}: drop 1.0.0"), "settled 1.0.1"]);
}

/// What does not exist is refused, and nothing changes.
#[test]
fn bad_growth_is_refused() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[]], &[0]));
    t.finish_quietly(&["1.0.0"]);
    grow(&mut t, &[&[1]], &[]);
    t.check(&["refused: the new tasks of stage 0 read what does not exist"]);
    grow(&mut t, &[&[0]], &[2]);
    let range = "TaskRange { stage: 0, first: 2, count: 1 }";
    t.check(&[&format!("refused: tasks of stage 0 do not exist: {range}")]);
    let inputs = vec![InputSpec { stage: 2, exchange: Exchange::OneToOne, first: 0, count: 1 }];
    let stage = StageSpec { tasks: 1, inputs, ..StageSpec::default() };
    grown(&mut t, Growth { stages: vec![stage], ..Growth::default() });
    t.check(&["refused: stage 1 reads stage 2, which is not an earlier one"]);
    let edges = vec![Arc::unwrap_or_clone(Arc::default())];
    let tasks = vec![StageGrowth { stage: 7, count: 1, edges, ..StageGrowth::default() }];
    grown(&mut t, Growth { tasks, ..Growth::default() });
    t.check(&["refused: stage 7 does not exist"]);
}

/// A stage of values that the client uploads, `count` of them wanted, and a stage of calls behind it.
fn uploads(count: u32) -> Growth {
    let upload = StageSpec { origin: Origin::Upload, ..StageSpec::default() };
    let calls = StageSpec { inputs: vec![explicit(1, &[])], ..StageSpec::default() };
    Growth {
        stages: vec![upload, calls],
        tasks: vec![StageGrowth { stage: 1, count, ..StageGrowth::default() }],
        wanted: vec![TaskRange { stage: 1, first: 0, count }],
    }
}

fn stored(t: &mut Cluster, task: &str, name: &str) {
    let worker = t.id(name);
    t.tell(Event::Stored { worker, task: parse(task), rows: 1, bytes: 8 });
}

/// Appends calls behind the uploads, each of which reads the values that its list names.
fn call(t: &mut Cluster, lists: &[&[u32]], first: u32) {
    let edges = lists.iter().map(|list| list.iter().copied()).collect();
    let count = lists.len() as u32;
    let tasks = vec![StageGrowth { stage: 2, count, edges: vec![edges], ..StageGrowth::default() }];
    let wanted = vec![TaskRange { stage: 2, first, count }];
    grown(t, Growth { tasks, wanted, ..Growth::default() });
}

/// Calls wait for values that their client uploads, which are dropped when nobody wants them.
#[test]
fn calls_read_uploaded_values() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(graph(&[], &[]));
    grown(&mut t, uploads(2));
    call(&mut t, &[&[0]], 0);
    t.check(&["job-1 accepted", "job-1 accepted"]);
    stored(&mut t, "1.1.0", "b");
    t.check(&["settled 1.1.0", "b: fragment 1.2", "b: run 1.2.0#1(b#1)"]);
    // One that comes twice, or that nobody wants any more, is not kept.
    stored(&mut t, "1.1.0", "a");
    t.check(&["a: drop 1.1.0"]);
    t.tell(Event::WantChanged {
        job: JOB,
        tasks: vec![TaskRange { stage: 1, first: 0, count: 2 }],
        wanted: false,
    });
    stored(&mut t, "1.1.1", "a");
    t.check(&["a: drop 1.1.1"]);
    t.finish("1.2.0");
    t.check(&["b: drop 1.1.0", "settled 1.2.0"]);
}

/// An uploaded value that is lost fails, with what depends on it: nobody can compute it again.
#[test]
fn lost_uploads_fail() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(graph(&[], &[]));
    grown(&mut t, uploads(2));
    stored(&mut t, "1.1.0", "b");
    stored(&mut t, "1.1.1", "a");
    t.take();
    t.lose("b", "killed");
    let error = "1.1.0: the value was sent to a worker, and no worker holds it any more (b on host-b: killed); scatter it again";
    let (lost, also) = (format!("settled 1.1.0: {error}"), format!("settled 1.2.0: {error}"));
    t.check(&[&lost]);
    call(&mut t, &[&[0], &[1]], 0);
    t.check(&["job-1 accepted", &also, "a: fragment 1.2", "a: run 1.2.1#1(a#1)"]);
    // Asking again gives the same answer.
    let tasks = vec![TaskRange { stage: 1, first: 0, count: 1 }];
    t.tell(Event::TasksRetried { job: JOB, tasks });
    t.check(&[&lost]);
}

/// Stages of uploads have no inputs and no arguments.
#[test]
fn uploads_read_nothing() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(&[&[]], &[]));
    let mut growth = uploads(0);
    growth.tasks = vec![StageGrowth {
        stage: 1,
        count: 1,
        inputs: vec![0],
        edges: vec![[[0_u32]].into_iter().collect()],
        ..StageGrowth::default()
    }];
    growth.wanted.clear();
    grown(&mut t, growth);
    t.check(&["refused: stage 1 cannot grow"]);
}
