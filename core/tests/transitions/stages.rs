//! Open jobs of several stages that grow in turns and read one another: two functions, each of which is called
//! with results of the other.

use super::fixture::{Cluster, JobBuilder, SECOND, job, parse};
use partita_core::{Arguments, Effect, Event, Growth, Order, StageGrowth, StageSpec, TaskRange};
use partita_shared::edges::EdgeList;
use partita_shared::ids::JobId;
use partita_shared::limits;
use partita_shared::message::{FailureKind, Outcome, RunTask, TaskFigures, ToWorker};
use partita_shared::model::{TaskCounts, TaskState};
use std::sync::Arc;

const JOB: JobId = JobId(1);

/// An open job with this number of stages, which have no tasks yet.
fn stages(number: u32) -> JobBuilder {
    let mut job = (0..number).fold(job(), |job, _| job.source(0));
    job.spec.open = true;
    job.spec.order = Order::DepthFirst;
    job
}

/// Tasks of a stage: for each of its inputs, what each task reads.
fn entry(stage: u32, inputs: &[u32], lists: &[&[&[u32]]]) -> StageGrowth {
    let edges: Vec<EdgeList> =
        lists.iter().map(|rows| rows.iter().map(|row| row.iter().copied()).collect()).collect();
    let count = edges.first().map_or(1, EdgeList::rows) as u32;
    StageGrowth { stage, count, inputs: inputs.to_vec(), edges, arguments: None }
}

fn arguments(calls: &[&[u8]]) -> Option<Arguments> {
    let mut offsets = vec![0];
    offsets.extend(calls.iter().scan(0, |end, call| {
        *end += call.len() as u32;
        Some(*end)
    }));
    Arguments::new(offsets, calls.concat().into())
}

fn range(stage: u32, first: u32, count: u32) -> TaskRange {
    TaskRange { stage, first, count }
}

fn grow(t: &mut Cluster, tasks: Vec<StageGrowth>, wanted: &[(u32, u32)]) {
    let wanted = wanted.iter().map(|(stage, index)| range(*stage, *index, 1)).collect();
    let growth = Box::new(Growth { tasks, wanted, ..Growth::default() });
    t.tell(Event::JobGrown { request: 0, job: JOB, growth });
}

/// f0, g0(f0), f1(g0), g1(f1): entries of one growth.
fn alternating() -> Vec<StageGrowth> {
    vec![
        entry(0, &[], &[]),
        entry(1, &[0], &[&[&[0]]]),
        entry(0, &[1], &[&[&[0]]]),
        entry(1, &[], &[&[&[1]]]),
    ]
}

fn state(t: &Cluster, task: &str) -> TaskState {
    t.core.task_view(parse(task)).unwrap().row.state
}

fn taken_runs(t: &mut Cluster) -> Vec<RunTask> {
    let tasks = t.take_effects().into_iter().filter_map(|effect| match effect {
        Effect::Send { message: ToWorker::Run(tasks), .. } => Some(tasks),
        _ => None,
    });
    tasks.flatten().collect()
}

/// Two stages read each other in turns, in entries of one growth; each partition goes with its last reader.
#[test]
fn stages_alternate_in_one_growth() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    grow(&mut t, alternating(), &[(1, 1)]);
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
    t.finish("1.0.0");
    t.check(&["a: fragment 1.1", "a: run 1.1.0#1(a#1)"]);
    t.finish("1.1.0");
    t.check(&["a: drop 1.0.0", "a: run 1.0.1#1(a#1)"]);
    t.finish("1.0.1");
    t.check(&["a: drop 1.1.0", "a: run 1.1.1#1(a#1)"]);
    t.finish("1.1.1");
    t.check(&["a: drop 1.0.1", "settled 1.1.1"]);
}

/// The same in one growth for each call. A worker that knows a stage learns of its new input before the next task,
/// and only then.
#[test]
fn new_inputs_are_told_before_the_next_task() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    let mut calls = alternating().into_iter();
    grow(&mut t, calls.by_ref().take(1).collect(), &[(0, 0)]);
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
    t.finish("1.0.0");
    t.check(&["settled 1.0.0"]);
    grow(&mut t, calls.by_ref().take(1).collect(), &[(1, 0)]);
    t.check(&["job-1 accepted", "a: fragment 1.1", "a: run 1.1.0#1(a#1)"]);
    // It has a new input now, but no task is given out: the worker is busy.
    grow(&mut t, calls.by_ref().take(1).collect(), &[(0, 1)]);
    t.check(&["job-1 accepted"]);
    t.finish("1.1.0");
    t.check(&["settled 1.1.0", "a: fragment 1.0", "a: run 1.0.1#1(a#1)"]);
    t.finish("1.0.1");
    t.check(&["settled 1.0.1"]);
    grow(&mut t, calls.collect(), &[(1, 1)]);
    t.check(&["job-1 accepted", "a: run 1.1.1#1(a#1)"]);
}

/// Each task is sent the inputs that it reads, of those that its stage has.
#[test]
fn tasks_are_told_what_they_read() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(3));
    let sources = vec![entry(0, &[], &[]), entry(1, &[], &[])];
    grow(&mut t, sources, &[(0, 0), (1, 0)]);
    t.finish_quietly(&["1.0.0", "1.1.0"]);
    let rows: &[&[&[u32]]] = &[&[&[], &[0]], &[&[0], &[]]];
    grow(&mut t, vec![entry(2, &[0, 1], rows)], &[(2, 0), (2, 1)]);
    let mut runs = taken_runs(&mut t);
    t.finish("1.2.0");
    runs.extend(taken_runs(&mut t));
    let inputs: Vec<Vec<u32>> =
        runs.iter().map(|run| run.own.iter().map(|own| own.input).collect()).collect();
    assert_eq!(inputs, [[1], [0]]);
}

/// Arguments come with each attempt of their call, and calls without any get none.
#[test]
fn arguments_travel_with_each_attempt() {
    let mut t = Cluster::with_workers(&["a"]);
    let mut job = stages(2);
    job.spec.stages[0].retries = 1;
    t.submit_quietly(job);
    let two =
        StageGrowth { count: 2, arguments: arguments(&[b"one", b"two"]), ..entry(0, &[], &[]) };
    let plain = entry(0, &[], &[]);
    let last = StageGrowth { arguments: arguments(&[b"four"]), ..entry(0, &[], &[]) };
    grow(&mut t, vec![two, plain, last], &[(0, 0), (0, 1), (0, 2), (0, 3)]);
    let mut given = Vec::new();
    while let Some(task) = t.running(1).first().cloned() {
        for run in taken_runs(&mut t) {
            let text = String::from_utf8(run.arguments.to_vec()).unwrap();
            given.push((run.task.index, run.attempt, text));
        }
        match given.len() {
            1 => t.fail(&task, FailureKind::Fatal, "flaky"),
            _ => t.finish(&task),
        }
    }
    t.take();
    given.sort();
    let expected = [(0, 1, "one"), (0, 2, "one"), (1, 1, "two"), (2, 1, ""), (3, 1, "four")];
    assert_eq!(given, expected.map(|(task, attempt, text)| (task, attempt, text.to_string())));
}

/// What is wrong in one entry refuses all of a growth, and nothing changes: neither the stages before it, nor the
/// bytes of arguments.
#[test]
fn bad_growth_is_refused_whole() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    let nothing = "refused: the new tasks of stage 1 read what does not exist";
    let cases: Vec<(StageGrowth, &str)> = vec![
        // Only one task of stage 0 comes before it; of its own stage none.
        (entry(1, &[0], &[&[&[1]]]), nothing),
        (entry(1, &[1], &[&[&[0]]]), nothing),
        (entry(1, &[2], &[&[&[]]]), nothing),
        (entry(2, &[], &[]), "refused: stage 2 does not exist"),
        (entry(1, &[0], &[]), nothing),
        (entry(1, &[], &[&[&[0]]]), nothing),
        (StageGrowth { count: 2, ..entry(1, &[0], &[&[&[0]]]) }, nothing),
        (StageGrowth { arguments: arguments(&[b"", b""]), ..entry(1, &[], &[]) }, nothing),
    ];
    for (bad, refusal) in cases {
        let good = entry(0, &[], &[]);
        grow(&mut t, vec![good.clone(), bad, good], &[(0, 0)]);
        t.check(&[refusal]);
        let job = t.core.job(JOB).unwrap();
        assert_eq!((job.tasks, job.stages), (TaskCounts::default(), 2));
    }
    // A want of what does not exist, too.
    grow(&mut t, vec![entry(0, &[], &[])], &[(0, 1)]);
    let missing = "TaskRange { stage: 0, first: 1, count: 1 }";
    t.check(&[&format!("refused: tasks of stage 0 do not exist: {missing}")]);
    grow(&mut t, vec![entry(0, &[], &[])], &[(0, 0)]);
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
}

/// The arguments of all calls of a job have a limit. Those of a growth that is refused do not count.
#[test]
fn arguments_have_a_limit() {
    const BYTES: usize = 16 << 20;
    const BLOCKS: usize = limits::ARGUMENTS_BYTES_MAX / BYTES;
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(1));
    let block = StageGrowth { arguments: arguments(&[&vec![0; BYTES]]), ..entry(0, &[], &[]) };
    let refused = "refused: the arguments of the calls of job-1 would take 1.02 GiB, of at most 1.00 GiB; pass \
                   large arguments by scatter(), or files by name";
    grow(&mut t, vec![block.clone(); BLOCKS + 1], &[]);
    t.check(&[refused]);
    grow(&mut t, vec![block.clone(); BLOCKS - 1], &[]);
    t.check(&["job-1 accepted"]);
    grow(&mut t, vec![block.clone(); 2], &[]);
    t.check(&[refused]);
    grow(&mut t, vec![block.clone(); 1], &[]);
    t.check(&["job-1 accepted"]);
}

/// New stages come with the tasks that an entry appends to them, and may read each other.
#[test]
fn new_stages_grow_at_once() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(0));
    let stages = vec![StageSpec::default(), StageSpec::default()];
    let wanted = vec![range(1, 1, 1)];
    let growth = Box::new(Growth { tasks: alternating(), stages, wanted });
    t.tell(Event::JobGrown { request: 0, job: JOB, growth });
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
    t.finish_quietly(&["1.0.0", "1.1.0", "1.0.1"]);
    t.finish("1.1.1");
    t.check(&["a: drop 1.0.1", "settled 1.1.1"]);
}

/// A lost result whose lineage alternates between the stages is computed again, with what it needs of both, and
/// nothing else of them.
#[test]
fn lineage_alternates_between_stages() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(stages(2));
    let mut calls = alternating();
    // f2 has nothing to do with them.
    calls.push(entry(0, &[], &[&[&[]]]));
    grow(&mut t, calls, &[(1, 1), (0, 2)]);
    let chain = ["1.0.0", "1.1.0", "1.0.1", "1.1.1"];
    t.finish_in("1.0.2", SECOND);
    chain.iter().for_each(|task| t.finish_in(task, SECOND));
    t.take();
    let (holder, _) = t.attempt("1.1.1");
    let (kept, _) = t.attempt("1.0.2");
    assert_ne!(holder, kept);
    let (lost, other) = if holder == t.id("a") { ("a", "b") } else { ("b", "a") };
    t.lose(lost, "killed");
    let lines = t.take();
    assert_eq!(lines.last().unwrap(), &format!("{other}: run 1.0.0#2"));
    for (at, task) in chain.iter().enumerate() {
        assert_eq!(t.running(1), [*task], "after {at} tasks");
        t.finish(task);
    }
    let end = t.take();
    assert_eq!(end[end.len() - 2..], [format!("{other}: drop 1.0.1"), "settled 1.1.1".to_string()]);
    assert_eq!((t.attempt("1.0.2").1, t.running(1).len()), (1, 0));
}

/// What only a released result needed is released with it, through both stages: what runs is stopped, and what
/// waits does not run. Wanted again, all of it is computed.
#[test]
fn release_goes_through_the_stages() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    grow(&mut t, alternating(), &[(1, 1)]);
    t.finish_quietly(&["1.0.0"]);
    assert_eq!(t.running(1), ["1.1.0"]);
    t.tell(Event::WantChanged { job: JOB, tasks: vec![range(1, 1, 1)], wanted: false });
    t.check(&["a: cancel 1.1.0#1", "a: drop 1.1.0 1.0.0"]);
    for task in ["1.0.0", "1.1.0", "1.0.1", "1.1.1"] {
        assert_eq!(state(&t, task), TaskState::Done, "{task}");
    }
    t.tell(Event::WantChanged { job: JOB, tasks: vec![range(1, 1, 1)], wanted: true });
    t.check(&["a: run 1.0.0#2"]);
    t.finish_quietly(&["1.0.0", "1.1.0", "1.0.1"]);
    t.finish("1.1.1");
    t.check(&["a: drop 1.0.1", "settled 1.1.1"]);
}

/// A cancelled task takes those with it that depend on it, in both stages, and what only they needed.
#[test]
fn cancelling_goes_through_the_stages() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    grow(&mut t, alternating(), &[(0, 1), (1, 1)]);
    t.finish_quietly(&["1.0.0"]);
    let reason = "not needed".to_string();
    t.tell(Event::TasksCancelled { job: JOB, tasks: vec![range(1, 0, 1)], reason });
    let of = "1.1.0: not needed";
    t.check(&[
        "a: cancel 1.1.0#1",
        "a: drop 1.1.0 1.0.0",
        &format!("settled 1.0.1: {of} 1.1.1: {of}"),
    ]);
    assert_eq!(state(&t, "1.0.0"), TaskState::Done);
}

/// A task fails with a cancelled one that it reads, though it ran when that was cancelled, as soon as it has to run
/// again: it would wait for ever.
#[test]
fn what_runs_fails_later_with_a_cancelled_input() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(stages(2));
    grow(&mut t, alternating(), &[(1, 0)]);
    t.finish_in("1.0.0", SECOND);
    t.take();
    // g0 runs on a worker, and f0, which it reads, is lost with the other.
    assert_eq!(t.running(1), ["1.1.0"]);
    let (reader, attempt) = t.attempt("1.1.0");
    let holder = t.attempt("1.0.0").0;
    assert_eq!(reader, holder, "it runs where its input is");
    t.tell(Event::Unreadable { task: parse("1.0.0"), worker: holder });
    t.take();
    assert_eq!(t.running(1), ["1.0.0", "1.1.0"]);
    let reason = "not needed".to_string();
    t.tell(Event::TasksCancelled { job: JOB, tasks: vec![range(0, 0, 1)], reason });
    t.take();
    assert_eq!(t.running(1), ["1.1.0"], "it may have read its input");
    t.report(reader, "1.1.0", attempt, Outcome::failed(FailureKind::Input(holder), "gone"));
    t.check(&["settled 1.1.0: 1.0.0: not needed"]);
}

/// A result that is lost when a task that it depends on was cancelled meanwhile fails with that.
#[test]
fn a_lost_result_fails_with_a_cancelled_input() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    grow(&mut t, alternating(), &[(1, 0)]);
    t.finish_quietly(&["1.0.0", "1.1.0"]);
    // Another reader has f0 computed again.
    grow(&mut t, vec![entry(1, &[], &[&[&[0]]])], &[(1, 2)]);
    t.take();
    let reason = "not needed".to_string();
    t.tell(Event::TasksCancelled { job: JOB, tasks: vec![range(0, 0, 1)], reason });
    t.take();
    t.lose("a", "killed");
    t.check(&["settled 1.1.0: 1.0.0: not needed"]);
}

/// Retries come first. Then the exception that a function raised belongs to its task and to those that depend on
/// it.
#[test]
fn exceptions_belong_to_tasks_and_their_dependents() {
    let mut t = Cluster::with_workers(&["a"]);
    let mut job = stages(2);
    job.spec.stages[1].retries = 1;
    t.submit_quietly(job);
    grow(&mut t, alternating(), &[(1, 0), (1, 1)]);
    t.finish_quietly(&["1.0.0"]);
    let pickle: Arc<[u8]> = b"pickled".to_vec().into();
    let raise = |t: &mut Cluster| {
        let (worker, attempt) = t.attempt("1.1.0");
        let (kind, error) = (FailureKind::Fatal, "ValueError: x".to_string());
        let outcome = Outcome::Failed { kind, error, exception: Some(Arc::clone(&pickle)) };
        t.report(worker, "1.1.0", attempt, outcome);
    };
    raise(&mut t);
    t.check(&["a: run 1.1.0#2(a#1)"]);
    raise(&mut t);
    let effects = t.take_effects();
    let settled: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TasksSettled { tasks, .. } => Some(tasks),
            _ => None,
        })
        .flatten()
        .collect();
    let tasks: Vec<(u32, u32)> = settled.iter().map(|task| (task.stage, task.index)).collect();
    assert_eq!(tasks, [(1, 0), (1, 1)]);
    for task in settled {
        let error = task.error.as_ref().unwrap();
        assert_eq!((error.task, error.kind), (parse("1.1.0"), Some(FailureKind::Fatal)));
        assert_eq!(error.exception.as_deref(), Some(&pickle[..]));
    }
}

/// An exception that is too large is left out, and the error stays.
#[test]
fn large_exceptions_are_left_out() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(1));
    grow(&mut t, vec![entry(0, &[], &[])], &[(0, 0)]);
    t.take();
    let exception = Some(vec![0; limits::EXCEPTION_BYTES_MAX + 1].into());
    let (kind, error) = (FailureKind::Fatal, "ValueError: x".to_string());
    let worker = t.id("a");
    t.report(worker, "1.0.0", 1, Outcome::Failed { kind, error, exception });
    let effects = t.take_effects();
    let [Effect::TasksSettled { tasks, .. }] = &effects[..] else { panic!("{effects:?}") };
    let error = tasks[0].error.as_ref().unwrap();
    assert_eq!(error.error, "ValueError: x (task job-1.0.0 on a)");
    assert_eq!(error.exception, None);
}

/// Chains whose tasks alternate between two stages run one after the other, depth first: two partitions are held
/// at once, and those of the chains that have ended.
#[test]
fn alternating_chains_hold_few_partitions() {
    const CHAINS: u32 = 8;
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    // Each level of all chains is one entry: in the order in which they come, all chains would be open at once.
    let level = |stage: u32, inputs: &[u32], first: Option<u32>| {
        let row =
            |chain: u32| -> Vec<u32> { first.map(|first| first + chain).into_iter().collect() };
        let edges: Vec<EdgeList> = match first {
            None => Vec::new(),
            Some(_) => vec![(0..CHAINS).map(row).collect()],
        };
        let inputs = inputs.to_vec();
        StageGrowth { stage, count: CHAINS, inputs, edges, arguments: None }
    };
    let tasks = vec![
        level(0, &[], None),
        level(1, &[0], Some(0)),
        level(0, &[1], Some(0)),
        level(1, &[], Some(CHAINS)),
    ];
    let wanted: Vec<(u32, u32)> = (CHAINS..2 * CHAINS).map(|index| (1, index)).collect();
    grow(&mut t, tasks, &wanted);
    t.take();
    let mut peak = 0;
    for _ in 0..4 * CHAINS {
        let running = t.running(1);
        let [task] = &running[..] else { panic!("{running:?} run at once") };
        let held = t.core.tasks(JOB, Some(TaskState::Done), None, usize::MAX).unwrap();
        peak = peak.max(held.iter().filter(|task| task.worker.is_some()).count() + 1);
        t.finish_quietly(&[task]);
    }
    assert_eq!(peak, CHAINS as usize + 1);
}

/// Long arguments are sent in parts before their task, and calls with much to carry in several messages.
#[test]
fn long_arguments_do_not_fill_a_message() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(1));
    let long = vec![7; limits::ARGUMENTS_PART_BYTES + 5];
    let call = StageGrowth { arguments: arguments(&[&long]), ..entry(0, &[], &[]) };
    grow(&mut t, vec![call], &[(0, 0)]);
    t.check(&[
        "job-1 accepted",
        "a: fragment 1.0",
        &format!("a: {} bytes for 1.0.0#1", limits::ARGUMENTS_PART_BYTES),
        "a: 5 bytes for 1.0.0#1",
        "a: run 1.0.0#1",
    ]);
    let half: &[u8] = &vec![7; limits::MESSAGE_VALUES_BYTES / 2 + 1];
    let mut t = Cluster::new();
    t.join("a", 3);
    t.submit_quietly(stages(1));
    let calls = StageGrowth { count: 3, arguments: arguments(&[half; 3]), ..entry(0, &[], &[]) };
    grow(&mut t, vec![calls], &[(0, 0), (0, 1), (0, 2)]);
    let messages = t.take_effects().into_iter().filter_map(|effect| match effect {
        Effect::Send { message: ToWorker::Run(tasks), .. } => Some(tasks.len()),
        _ => None,
    });
    assert_eq!(messages.collect::<Vec<_>>(), [1, 1, 1]);
}

/// A task carries the small outputs that it reads up to a bound, and fetches the others.
#[test]
fn a_task_carries_only_some_values() {
    let count = (limits::TASK_VALUES_BYTES_MAX / limits::INLINE_VALUE_BYTES_MAX) as u32 + 10;
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(stages(2));
    let all: Vec<u32> = (0..count).collect();
    let calls = StageGrowth { count, ..entry(0, &[], &[]) };
    grow(&mut t, vec![calls, entry(1, &[0], &[&[&all]])], &[(1, 0)]);
    for index in 0..count {
        let task = format!("1.0.{index}");
        let (worker, attempt) = t.attempt(&task);
        let value = Some(vec![1; limits::INLINE_VALUE_BYTES_MAX].into());
        let figures = TaskFigures { value, ..TaskFigures::default() };
        t.report(worker, &task, attempt, Outcome::Finished(figures));
    }
    let run = taken_runs(&mut t).pop().unwrap();
    assert_eq!(run.own[0].partitions.len(), count as usize);
    let carried: usize = run.own[0].values.iter().map(|(_, value)| value.len()).sum();
    assert_eq!(carried, limits::TASK_VALUES_BYTES_MAX);
}
