//! What an observer is told, and what a task's page says.

use super::fixture::{Cluster, gather, job, parse, registration, shuffle};
use partita_core::Options;
use partita_observe::event::{Ending, Observation};
use partita_shared::message::{FailureKind, WorkerMetrics};
use partita_shared::model::{TaskCounts, TaskState, WorkerState};

fn observed() -> Cluster {
    Cluster::with(Options { observed: true, read_ahead_us: 0, ..Options::new("test") })
}

fn seen(t: &mut Cluster) -> Vec<Observation> {
    t.core.note_counters();
    t.core.take_seen().into_iter().map(|seen| seen.what).collect()
}

/// Nothing is gathered for an observer that is not there.
#[test]
fn nobody_is_told_nothing() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(2));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    assert!(seen(&mut t).is_empty());
}

/// A worker, a job and each attempt are reported as they come, figures once they changed, and the
/// report of a job's end equals its row.
#[test]
fn a_job_is_told_from_its_beginning_to_its_end() {
    let mut t = observed();
    t.join("a", 2);
    t.submit_quietly(job().source(2).stage(1, [gather(0)]));
    let told = seen(&mut t);
    let [Observation::Worker(worker), Observation::Job(facts), Observation::Counters(counters)] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((worker.name.as_str(), worker.state), ("a", WorkerState::Up));
    assert_eq!(facts.stages[1].inputs[0].exchange, "Gather");
    assert_eq!(counters.stages[0].tasks, TaskCounts { running: 2, ..TaskCounts::default() });
    assert!(seen(&mut t).is_empty(), "figures are told when they change");

    t.finish_in("1.0.0", 7);
    t.finish_in("1.0.1", 9);
    let told = seen(&mut t);
    let ends = told.iter().filter_map(|what| match what {
        Observation::Attempt(end) => Some((end.task, end.ending, end.busy_us, end.bytes)),
        _ => None,
    });
    let expected =
        [(parse("1.0.0"), Ending::Finished, 7, 8), (parse("1.0.1"), Ending::Finished, 9, 8)];
    assert_eq!(ends.collect::<Vec<_>>(), expected);
    let Some(Observation::Counters(counters)) = told.last() else { panic!("{told:?}") };
    assert_eq!((counters.stages[0].held, counters.stages[0].held_bytes), (2, 16));

    t.finish("1.1.0");
    t.delivered(1, 0);
    t.take();
    let told = seen(&mut t);
    let Some(Observation::JobEnded { row, .. }) =
        told.iter().find(|what| matches!(what, Observation::JobEnded { .. }))
    else {
        panic!("{told:?}")
    };
    assert_eq!(Some((**row).clone()), t.core.job(row.id));
    let last = told.iter().rev().find_map(|what| match what {
        Observation::Counters(counters) if !counters.stages.is_empty() => Some(counters),
        _ => None,
    });
    let held: u64 = last.map_or(1, |c| c.stages.iter().map(|g| g.held_bytes).sum());
    assert_eq!(held, 0, "nothing is held when a job has ended");
}

/// Attempts that fail, are lost with their worker or are stopped with their job are told as such.
#[test]
fn endings_are_told_apart() {
    let mut t = observed();
    t.join("a", 1);
    t.join("b", 1);
    t.submit_quietly(job().source(2));
    t.fail("1.0.0", FailureKind::Retry, "disk full");
    t.lose("b", "killed");
    t.cancel(1);
    t.take();
    let told = seen(&mut t);
    let endings: Vec<_> = told
        .iter()
        .filter_map(|what| match what {
            Observation::Attempt(end) => Some((end.ending, end.error.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(endings[0], (Ending::Failed(FailureKind::Retry), "disk full"));
    assert!(endings[1].0 == Ending::Lost && endings[1].1.contains("killed"), "{endings:?}");
    assert!(endings[2..].iter().all(|(ending, _)| *ending == Ending::Stopped), "{endings:?}");
    assert!(told.iter().any(|what| matches!(
        what,
        Observation::WorkerEnded { state: WorkerState::Lost, cause, .. } if cause == "killed"
    )));
}

fn why(t: &Cluster, task: &str) -> String {
    let view = t.core.task_view(parse(task)).expect("a live task");
    let reasons = view.why.iter().map(|reason| match reason.worker {
        Some(worker) => format!("{worker}: {}", reason.text),
        None => reason.text.clone(),
    });
    reasons.collect::<Vec<_>>().join("\n")
}

/// A task that waits says for which partitions; one that is ready says what stands in its way,
/// worker by worker; one that runs gives no reasons.
#[test]
fn a_task_says_why_it_does_not_run() {
    let mut t = Cluster::new();
    t.submit_quietly(job().source(3).stage(2, [shuffle(0)]));
    assert_eq!(why(&t, "1.0.0"), "no workers are connected; start one with `partita worker`");
    t.join("a", 1);
    t.place();
    t.take();
    assert_eq!(why(&t, "1.0.0"), "");
    let ready = why(&t, "1.0.2");
    assert!(ready.contains("1 ready tasks of this stage run before it"), "{ready}");
    assert!(ready.contains("worker-1: its slot is in use: 1 task is assigned to it"), "{ready}");
    let waits = "it reads stage 0 (stage 0): 0 of 3 partitions are available; of its tasks 1 run, 2 are \
                 ready, 0 wait";
    assert_eq!(why(&t, "1.1.0"), waits);
    t.heartbeat("a", WorkerMetrics { above_mark: true, ..WorkerMetrics::default() });
    assert!(why(&t, "1.0.2").contains("paused: memory use is above the threshold"));
    t.leave("a");
    assert!(why(&t, "1.0.2").contains("retiring: asked"));
    t.take();
    let mut short = registration("b", 1);
    short.lifetime_left_s = Some(0);
    t.register(short);
    t.take();
    assert!(t.core.task_view(parse("1.0.9")).is_none());
    assert!(t.core.task_view(parse("9.0.0")).is_none());
}

/// A task's page says where its inputs lie.
#[test]
fn inputs_are_shown_with_their_places() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(job().source(2).stage(1, [gather(0)]));
    t.finish_quietly(&["1.0.0", "1.0.1"]);
    let view = t.core.task_view(parse("1.1.0")).expect("a live task");
    assert_eq!(view.row.state, TaskState::Running);
    let input = &view.inputs[0];
    assert_eq!((input.partitions, input.held, input.exchange.as_str()), (2, 2, "Gather"));
    assert_eq!(input.places, [(t.id("a"), 1, 8), (t.id("b"), 1, 8)]);
}
