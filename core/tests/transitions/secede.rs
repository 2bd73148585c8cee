//! Tasks that wait for other tasks give their slot back.

use super::fixture::{Cluster, job, parse};
use partita_core::Event;
use partita_shared::ids::Attempt;

fn change(t: &mut Cluster, task: &str, has_slot: bool) {
    let (_, attempt) = t.attempt(task);
    change_of(t, task, attempt, has_slot);
}

fn change_of(t: &mut Cluster, task: &str, attempt: Attempt, has_slot: bool) {
    let worker = t.id("a");
    t.tell(Event::SlotChanged { worker, task: parse(task), attempt, has_slot });
}

/// The slot of a task that gave it back goes to the next one, and after the end of the first there is still only one.
#[test]
fn a_slot_that_was_given_back_is_used() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(4));
    assert_eq!(t.running(1), ["1.0.0"]);
    change(&mut t, "1.0.0", false);
    assert_eq!(t.running(1), ["1.0.0", "1.0.1"]);
    t.finish("1.0.0");
    assert_eq!(t.running(1), ["1.0.1"]);
    t.finish("1.0.1");
    assert_eq!(t.running(1), ["1.0.2"]);
    t.take();
}

/// One that takes a slot again has it: no further task starts while the worker has more tasks than slots.
#[test]
fn a_slot_can_be_taken_again() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(4));
    change(&mut t, "1.0.0", false);
    change(&mut t, "1.0.0", true);
    t.finish("1.0.1");
    assert_eq!(t.running(1), ["1.0.0"]);
    t.finish("1.0.0");
    assert_eq!(t.running(1), ["1.0.2"]);
    t.take();
}

/// Attempts that ended, and those of other workers, change nothing; the end of a job frees what its tasks had.
#[test]
fn only_running_attempts_have_slots() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(4));
    change_of(&mut t, "1.0.0", 7, false);
    change_of(&mut t, "1.0.3", 1, false);
    assert_eq!(t.running(1), ["1.0.0"]);
    change(&mut t, "1.0.0", false);
    t.cancel(1);
    assert_eq!(t.assigned("a"), 0);
    t.submit_quietly(job().source(2));
    assert_eq!(t.running(2), ["2.0.0"]);
    t.take();
}
