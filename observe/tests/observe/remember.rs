//! What is remembered: in a new journal file, and of tasks whose job has ended.

use crate::observe::fixture::{Bench, counters, finished, job, running, task};
use crate::observe::script::Script;
use partita_observe::event::{ArrayFacts, Ending, Observation, Seen};
use partita_observe::frame::{Answer, Question};
use partita_observe::model::Model;
use partita_observe::view::{ClusterView, StageView};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, WorkerMetrics};
use partita_shared::model::{CallStack, JobState, Samples, StackFrame, TaskCounts, TaskState};
use partita_shared::profile::ProfileTree;
use partita_shared::wire;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

type Shown = (Vec<String>, BTreeMap<JobId, Vec<StageView>>);

/// All that a snapshot must keep, without estimates and rates.
fn shown(model: &Model) -> Shown {
    let mut rows: Vec<String> = Vec::new();
    rows.extend(model.workers().iter().map(|(_, row)| format!("{row:?}")));
    rows.extend(model.jobs().iter().map(|(_, row)| format!("{row:?}")));
    rows.extend(model.events().iter().map(|(_, row)| format!("{row:?}")));
    rows.extend(model.jobs().iter().map(|(id, _)| format!("{:?}", model.job_view(id))));
    for (id, _) in model.workers().iter() {
        let view = model.worker_view(id).expect("is remembered");
        rows.push(format!("{:?} {:?}", view.before, view.on_slots.len()));
    }
    let data = model.data_view();
    rows.push(format!("{:?} {:?} {:?}", data.stages, data.hosts, data.transfers));
    let cluster = ClusterView {
        tasks_per_s: 0.0,
        left: None,
        jobs_left: Vec::new(),
        jobs_failed: 0,
        ..model.cluster()
    };
    rows.push(format!("{cluster:?}"));
    let stages = model.jobs().iter().map(|(id, _)| {
        let table = model.stages(id).expect("is remembered");
        let views = table.iter().map(|(_, view)| StageView { left: None, ..view.clone() });
        (id, views.collect())
    });
    (rows, stages.collect())
}

fn assert_same(one: &Shown, other: &Shown, seed: u64) {
    for (one, other) in one.0.iter().zip(&other.0) {
        assert_eq!(one, other, "seed {seed}");
    }
    assert_eq!(one.0.len(), other.0.len(), "seed {seed}");
    for (job, stages) in &one.1 {
        assert_eq!(Some(stages), other.1.get(job), "seed {seed}");
    }
}

/// Persisted arrays and statements that ran again are shown, also after a snapshot; an array whose blocks
/// are not its tasks is not.
#[test]
fn arrays_and_second_runs_are_remembered() {
    let mut bench = Bench::new();
    bench.submit(1, &[6]);
    bench.submit(2, &[6]);
    let array = |grid: &[u32], count| ArrayFacts {
        job: JobId(1),
        name: "add".into(),
        grid: grid.to_vec(),
        blocks: vec![(0, 0, count)],
    };
    for facts in [array(&[2, 3], 6), array(&[6], 5), array(&[], 1), array(&[2, 3], 6)] {
        bench.see(Observation::Array(Box::new(facts)));
    }
    bench.see(Observation::RunsAgain { job: JobId(1), again: JobId(2) });
    let check = |model: &Model| {
        let view = model.job_view(JobId(1)).expect("is remembered");
        assert_eq!(view.arrays, [array(&[2, 3], 6), array(&[], 1)]);
        assert_eq!((view.again_for, view.again_as), (None, Some(JobId(2))));
        let view = model.job_view(JobId(2)).expect("is remembered");
        assert_eq!((view.again_for, view.again_as), (Some(JobId(1)), None));
    };
    check(&bench.model);
    let mut new = Model::new();
    for what in bench.model.snapshot() {
        new.apply(Seen { at_us: bench.now_us, what });
    }
    check(&new);
}

/// A model made of a snapshot alone shows the same rows, texts and events; and if the snapshot comes
/// in the middle of a journal, it changes nothing of a model that has seen what came before. Both go
/// on alike.
#[test]
fn a_snapshot_is_enough_and_never_too_much() {
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut script, mut model) = (Script::new(), Model::new());
        model.apply(Script::begin());
        for step in 0..1_200 {
            script.step(&mut rng).into_iter().for_each(|seen| model.apply(seen));
            if step % 7 == 0 {
                model.tick(script.now_us);
            }
        }
        model.apply(script.settle());
        model.tick(script.now_us);
        let before = shown(&model);
        let mut other = Model::new();
        for what in model.snapshot() {
            let bytes = wire::encode(&Seen { at_us: script.now_us, what }).expect("encodes");
            let seen: Seen = wire::decode(&bytes).expect("decodes");
            other.apply(seen.clone());
            model.apply(seen);
        }
        for model in [&mut other, &mut model] {
            model.tick(script.now_us);
            assert_same(&shown(model), &before, seed);
        }
        for _ in 0..300 {
            for seen in script.step(&mut rng) {
                other.apply(seen.clone());
                model.apply(seen);
            }
        }
        for model in [&mut other, &mut model] {
            model.tick(script.now_us + 1);
        }
        assert_same(&shown(&model), &shown(&other), seed);
    }
}

/// Two models that saw the same at the same times are the same, whether time is told ten times a
/// second or seldom: a replay shows what was.
#[test]
fn histories_do_not_depend_on_ticks() {
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut script, mut often, mut seldom) = (Script::new(), Model::new(), Model::new());
    for _ in 0..3_000 {
        for seen in script.step(&mut rng) {
            often.tick(seen.at_us);
            often.apply(seen.clone());
            seldom.apply(seen);
        }
    }
    seldom.tick(script.now_us);
    let points = |model: &Model| model.history().after(None, 1_000).0;
    assert!(points(&often).len() > 60 && points(&often) == points(&seldom));
}

fn with_attempts() -> Bench {
    let mut bench = Bench::new();
    bench.join(1, 2);
    bench.submit(1, &[3, 2]);
    bench.count_job(running(1));
    bench.pass(1_000);
    let mut failed = finished(task(1, 0, 1), 1, 0, 5_000);
    failed.ending = Ending::Failed(FailureKind::Retry);
    failed.error = "no luck".into();
    bench.end(failed);
    let mut again = finished(task(1, 0, 1), 1, 1, 3_000);
    again.attempt = 2;
    bench.pass(1_000);
    bench.end(again);
    bench.end(finished(task(1, 0, 0), 1, 0, 2_000));
    let on = SlotTask { slot: 0, task: task(1, 0, 2), attempt: 1, since_us: 700, read_milli: None };
    bench.measure(1, WorkerMetrics::default(), vec![on]);
    bench
}

fn rows(answer: Answer) -> (Vec<(u32, u32, TaskState, u16)>, bool) {
    match answer {
        Answer::Tasks { rows, more } => {
            let short =
                rows.iter().map(|row| (row.id.stage.index, row.id.index, row.state, row.attempts));
            (short.collect(), more)
        }
        _ => panic!("no tasks"),
    }
}

/// Tasks are listed in order from their attempts, page by page, by stage and by state.
#[test]
fn tasks_are_listed_from_their_attempts() {
    let bench = with_attempts();
    let ask = |stage, state, after, limit| {
        rows(bench.model.answer(&Question::Tasks { job: JobId(1), stage, state, after, limit }))
    };
    let all =
        [(0, 0, TaskState::Done, 1), (0, 1, TaskState::Done, 2), (0, 2, TaskState::Running, 1)];
    assert_eq!(ask(None, None, None, 10), (all.to_vec(), false));
    assert_eq!(ask(None, None, None, 2), (all[..2].to_vec(), true));
    assert_eq!(ask(Some(0), None, Some((0, 1)), 2), (all[2..].to_vec(), false));
    assert_eq!(ask(None, Some(TaskState::Running), None, 9), (all[2..].to_vec(), false));
    assert_eq!(ask(Some(1), None, None, 9), (vec![], false));
    let none = bench.model.tasks(JobId(5), None, None, None, 5);
    assert_eq!(none, Answer::None("job-5 is unknown or its history was discarded".into()));
}

/// A task's page tells its attempts and what became of it, and why it does not run.
#[test]
fn a_task_is_told_from_its_attempts() {
    let mut bench = with_attempts();
    let begin_ms = bench.now_ms() - 2_000;
    let Answer::Task(view) = bench.model.task(task(1, 0, 1)) else { panic!("is remembered") };
    assert_eq!((view.row.state, view.row.attempts, view.attempts.len()), (TaskState::Done, 2, 2));
    assert_eq!(view.attempts[0].error, "no luck");
    let story = [
        (begin_ms + 995, "attempt 1 started in slot 0 of w1".to_string()),
        (begin_ms + 1_000, "attempt 1 failed: no luck".into()),
        (begin_ms + 1_997, "attempt 2 started in slot 1 of w1".into()),
        (begin_ms + 2_000, "attempt 2 finished".into()),
    ];
    assert_eq!(view.story, story);
    let open = bench.model.attempts(task(1, 0, 2));
    assert_eq!((open[0].ending, open[0].busy_us), (None, 700));
    let Answer::Task(view) = bench.model.task(task(1, 1, 0)) else { panic!("is known") };
    assert_eq!(view.why[0].text, "the task waits for its inputs: `step 0` has 3 unfinished tasks");
    assert_eq!((view.inputs[0].name.as_str(), view.inputs[0].partitions), ("step 0", 3));
    let mut row = job(1, &[3, 2]).row;
    (row.state, row.error) = (JobState::Cancelled, "enough".into());
    bench.see(Observation::JobEnded { row: Box::new(row), operators: Vec::new() });
    let Answer::Task(view) = bench.model.task(task(1, 1, 0)) else { panic!("is known") };
    assert_eq!(view.why[0].text, "job-1 is cancelled; its tasks no longer run");
    let none = bench.model.task(task(1, 7, 0));
    assert_eq!(none, Answer::None("job-1 has no task job-1.7.0".into()));
    bench.count(counters(1, 1, TaskCounts { waiting: 1, done: 1, ..TaskCounts::default() }));
    let none = bench.model.task(task(1, 1, 0));
    let text = "the history of task job-1.1.0 was discarded";
    assert_eq!(none, Answer::None(text.into()));
}

/// A worker's page lists its latest attempts, the latest first, and earlier workers of its name.
#[test]
fn a_worker_page_has_recent_attempts() {
    let mut bench = with_attempts();
    let view = bench.model.worker_view(WorkerId(1)).expect("is there");
    let recent: Vec<(u32, u16)> =
        view.recent.iter().map(|attempt| (attempt.task.index, attempt.attempt)).collect();
    assert_eq!(recent, [(0, 1), (1, 2), (1, 1)]);
    bench.lose(1, "it died");
    let ended_ms = bench.now_ms();
    let mut row = crate::observe::fixture::worker(2, 2);
    row.name = "w1".into();
    bench.see(Observation::Worker(Box::new(row)));
    let view = bench.model.worker_view(WorkerId(2)).expect("is there");
    assert_eq!(view.before, [(WorkerId(1), ended_ms, "it died".to_string())]);
    assert!(bench.model.worker_view(WorkerId(1)).expect("is remembered").on_slots.is_empty());
}

/// A running call shows where it is, also in the journal's form; what was sampled of a job is answered by stage.
#[test]
fn calls_that_run_have_stacks_and_profiles() {
    let mut bench = Bench::new();
    bench.join(1, 2);
    bench.submit(1, &[4]);
    let on = SlotTask { slot: 0, task: task(1, 0, 2), attempt: 1, since_us: 700, read_milli: None };
    bench.measure(1, WorkerMetrics::default(), vec![on]);
    let frame = StackFrame { function: "f".into(), file: "a.py".into(), line: 3 };
    let mut tree = ProfileTree::default();
    tree.add([&frame], 5);
    let stack = CallStack { task: task(1, 0, 2), attempt: 1, frames: vec![frame.clone()] };
    let samples =
        Samples { profiles: vec![(task(1, 0, 2).stage, tree.into_profile())], stacks: vec![stack] };
    let seen = Observation::Samples { worker: WorkerId(1), samples };
    let text = serde_json::to_string(&seen).unwrap();
    bench.see(serde_json::from_str(&text).unwrap());
    let stack_of =
        |bench: &Bench, index| match bench.model.answer(&Question::Task(task(1, 0, index))) {
            Answer::Task(view) => view.stack,
            other => panic!("{other:?}"),
        };
    assert_eq!((stack_of(&bench, 2), stack_of(&bench, 1)), (vec![frame], Vec::new()));
    let profiles = |job, stage| bench.model.answer(&Question::Profiles { job: JobId(job), stage });
    let Answer::Profiles(found) = profiles(1, None) else { panic!("no profiles") };
    assert_eq!((found.len(), found[0].stage.index, found[0].profile.samples()), (1, 0, 5));
    assert!(matches!(profiles(1, Some(7)), Answer::None(_)));
    assert!(matches!(profiles(9, None), Answer::None(_)));
}
