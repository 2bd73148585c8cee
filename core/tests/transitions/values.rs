//! Small outputs travel with the report on their task, and with the tasks that read them.

use super::fixture::{Cluster, explicit, job};
use partita_core::{Effect, Order, TaskRange};
use partita_shared::limits::INLINE_VALUE_BYTES_MAX;
use partita_shared::message::{Outcome, RunTask, TaskFigures, ToWorker};
use std::sync::Arc;

/// An open job of two tasks, the second of which reads the first; the client wants both.
fn pair(t: &mut Cluster) {
    let mut graph = job().stage(2, [explicit(0, &[&[], &[0]])]);
    (graph.spec.open, graph.spec.order) = (true, Order::DepthFirst);
    graph.spec.wanted = vec![TaskRange { stage: 0, first: 0, count: 2 }];
    t.submit_quietly(graph);
}

fn finish_with(t: &mut Cluster, task: &str, value: &[u8]) {
    let (worker, attempt) = t.attempt(task);
    let figures = TaskFigures { value: Some(Arc::from(value)), ..TaskFigures::default() };
    t.report(worker, task, attempt, Outcome::Finished(figures));
}

/// The values that come with the task that is run, and those that the client is told.
fn told(effects: &[Effect]) -> (Vec<&[u8]>, Vec<Option<&[u8]>>) {
    let (mut read, mut settled) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Send { message: ToWorker::Run(tasks), .. } => {
                let own = tasks.iter().flat_map(|RunTask { own, .. }| own);
                read.extend(own.flat_map(|own| own.values.iter().map(|(_, value)| &value[..])));
            }
            Effect::TasksSettled { tasks, .. } => {
                settled.extend(tasks.iter().map(|task| task.value.as_deref()));
            }
            _ => {}
        }
    }
    (read, settled)
}

/// A small output comes to the client and to its reader; one that is too large comes to neither.
#[test]
fn small_outputs_travel() {
    let large = vec![1; INLINE_VALUE_BYTES_MAX + 1];
    for (value, travels) in [(&b"four"[..], true), (&large[..], false)] {
        let mut t = Cluster::with_workers(&["a"]);
        pair(&mut t);
        finish_with(&mut t, "1.0.0", value);
        let effects = t.take_effects();
        let expected =
            if travels { (vec![value], vec![Some(value)]) } else { (vec![], vec![None]) };
        assert_eq!(told(&effects), expected);
    }
}

/// The value of an output goes with it, and that of one that is lost too.
#[test]
fn values_go_with_their_partitions() {
    let mut t = Cluster::with_workers(&["a"]);
    pair(&mut t);
    finish_with(&mut t, "1.0.0", b"first");
    t.lose("a", "killed");
    t.join_quietly("b");
    t.finish("1.0.0");
    assert_eq!(told(&t.take_effects()).0, Vec::<&[u8]>::new());
    assert_eq!(t.attempt("1.0.1").0, t.id("b"));
}
