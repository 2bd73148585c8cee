//! Tasks that wait on a worker for a slot are given to another one.

use super::fixture::{Cluster, SECOND, job};
use partita_core::{Event, Options};
use partita_shared::ids::JobId;

/// A cluster with one worker that was sent tasks ahead, since the first one took a millisecond.
fn with_waiting() -> Cluster {
    let mut t = Cluster::with(Options { read_ahead_us: 2000, ..Options::new("test") });
    t.join("a", 1);
    t.submit_quietly(job().source(4));
    t.finish("1.0.0");
    assert_eq!(t.running(1), ["1.0.1", "1.0.2", "1.0.3"]);
    t.take();
    t
}

fn give_back(t: &mut Cluster, tasks: &[&str]) {
    let attempts = tasks.iter().map(|task| (super::fixture::parse(task), t.attempt(task).1));
    let event = Event::Recalled { worker: t.id("a"), attempts: attempts.collect() };
    t.tell(event);
}

/// Tasks that wait behind one that takes long are recalled when another worker is free, once; what the worker
/// gives back runs there, and what it has started stays.
#[test]
fn tasks_behind_a_long_one_are_recalled() {
    let mut t = with_waiting();
    t.now += 2 * SECOND;
    t.tell(Event::Tick);
    t.check(&[]);
    t.join("b", 1);
    t.tell(Event::Tick);
    t.check(&["a: recall"]);
    t.tell(Event::Tick);
    t.check(&[]);
    give_back(&mut t, &["1.0.2", "1.0.3"]);
    assert_eq!((t.assigned("a"), t.assigned("b")), (1, 2));
    assert_eq!(t.core.job(JobId(1)).unwrap().retries, 0);
    t.take();
}

/// A worker that retires gives back what it has not started.
#[test]
fn a_retiring_worker_gives_tasks_back() {
    let mut t = with_waiting();
    t.join("b", 1);
    t.tell(Event::WorkerLeaving { worker: t.id("a"), reason: "scaled down".into() });
    t.check(&["a: recall"]);
    give_back(&mut t, &["1.0.2", "1.0.3"]);
    assert_eq!((t.assigned("a"), t.assigned("b")), (1, 2));
    t.take();
}

/// Attempts that ended meanwhile are not given back.
#[test]
fn ended_attempts_are_not_given_back() {
    let mut t = with_waiting();
    t.join("b", 1);
    t.tell(Event::WorkerLeaving { worker: t.id("a"), reason: "scaled down".into() });
    t.finish("1.0.1");
    t.finish("1.0.2");
    give_back(&mut t, &["1.0.2", "1.0.3"]);
    assert_eq!(t.running(1), ["1.0.3"]);
    t.take();
}
