//! Tasks that need something of the worker that runs them.

use super::fixture::{Cluster, JobBuilder, job, one_to_one, parse, registration};
use partita_core::{Event, Requirement};
use partita_shared::ids::JobId;
use partita_shared::message::{FailureKind, Registration};

fn gpu(amount: u64) -> Requirement {
    Requirement { resources: [("GPU".to_string(), amount)].into(), ..Requirement::default() }
}

fn on(workers: &[&str], or_others: bool) -> Requirement {
    let workers = workers.iter().map(|name| name.to_string()).collect();
    Requirement { workers, or_others, ..Requirement::default() }
}

/// A job with one stage of `tasks` tasks that need this.
fn needing(tasks: u32, requirement: Requirement) -> JobBuilder {
    let mut job = job().source(tasks);
    job.spec.stages[0].requirement = requirement;
    job
}

fn join_with(t: &mut Cluster, name: &str, slots: u32, gpu: u64) {
    let resources = [("GPU".to_string(), gpu)].into();
    t.register(Registration { resources, ..registration(name, slots) });
    t.place();
}

/// A worker runs as many tasks at once as its resources allow, however many slots are free; each that ends, in
/// whatever way, lets another one start.
#[test]
fn resources_are_shared_out() {
    let mut t = Cluster::with_workers(&["plain"]);
    join_with(&mut t, "a", 8, 2000);
    t.submit_quietly(needing(5, gpu(1000)));
    assert_eq!((t.assigned("plain"), t.running(1).len()), (0, 2));
    t.finish("1.0.0");
    assert_eq!(t.running(1).len(), 2);
    t.fail("1.0.1", FailureKind::Retry, "the disk is full");
    assert_eq!(t.running(1).len(), 2);
    t.tell(Event::JobCancelled { job: JobId(1), reason: String::new() });
    t.submit_quietly(needing(3, gpu(500)));
    assert_eq!(t.running(2).len(), 3);
    t.take();
}

/// Stages that wait for a resource do not keep others from running, however many they are.
#[test]
fn other_tasks_do_not_wait() {
    let mut t = Cluster::with_workers(&["plain"]);
    let mut many = job();
    for _ in 0..300 {
        many = many.source(1);
    }
    many = many.source(1);
    for stage in &mut many.spec.stages[1..] {
        stage.requirement = gpu(1000);
    }
    t.submit_quietly(many);
    assert_eq!(t.running(1), ["1.0.0"]);
    let why = t.core.task_view(parse("1.7.0")).unwrap().why;
    assert!(
        why.iter().any(|reason| reason.text == "it has no GPU, of which a task needs 1"),
        "{why:?}"
    );
    t.take();
}

/// Tasks run where they are restricted to: by name, host, address or identifier; and elsewhere only if that is
/// allowed and none of these workers is there.
#[test]
fn restricted_tasks_run_there() {
    let named = [on(&["b"], false), on(&["host-b"], false), on(&["host-b:1"], false)];
    for requirement in named.into_iter().chain([on(&["worker-2", "x"], false)]) {
        let mut t = Cluster::with_workers(&["a", "b"]);
        t.submit_quietly(needing(2, requirement));
        assert_eq!((t.assigned("a"), t.assigned("b")), (0, 1));
    }
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(needing(2, on(&["b"], true)));
    assert_eq!((t.assigned("a"), t.assigned("b")), (0, 1));
    t.lose("b", "killed");
    assert_eq!(t.assigned("a"), 1);
    t.take();
}

/// A task that read its input where that is held goes elsewhere if its worker lacks what it needs.
#[test]
fn a_holder_without_the_resource_is_passed_over() {
    let mut t = Cluster::with_workers(&["holder"]);
    let mut both = job().source(1).stage(1, [one_to_one(0)]);
    both.spec.stages[1].requirement = gpu(1000);
    t.submit_quietly(both);
    join_with(&mut t, "a", 1, 1000);
    t.finish("1.0.0");
    assert_eq!((t.assigned("holder"), t.assigned("a")), (0, 1));
    t.take();
}

/// A requirement that cannot be kept is refused, with what is wrong.
#[test]
fn requirements_are_checked() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit(needing(1, gpu(0)));
    t.check(&["refused: stage 0: the amount of GPU that a task needs is out of range"]);
}
