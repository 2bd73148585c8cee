//! Who gets the slots: shares, read-ahead.

use super::fixture::{Cluster, gather, job, one_to_one};
use partita_core::Options;

/// Two jobs with much to do share the slots evenly, though one came first.
#[test]
fn two_jobs_share_the_slots() {
    let mut t = Cluster::new();
    t.submit_quietly(job().source(50));
    t.submit_quietly(job().source(50));
    t.join("a", 8);
    t.place();
    t.take();
    assert_eq!((t.running(1).len(), t.running(2).len()), (4, 4));
}

/// A job with twice the priority gets twice the slots.
#[test]
fn twice_the_priority_is_twice_the_slots() {
    let mut t = Cluster::new();
    t.submit_quietly(job().source(50));
    t.submit_quietly(job().source(50).priority(2));
    t.join("a", 9);
    t.place();
    t.take();
    assert_eq!((t.running(1).len(), t.running(2).len()), (3, 6));
}

/// A job that comes when all slots are taken gets the next that are free.
#[test]
fn a_later_job_gets_the_next_slots() {
    let mut t = Cluster::new();
    t.join("a", 2);
    t.submit_quietly(job().source(50).stage(1, [gather(0)]));
    t.submit(job().source(1));
    t.check(&["job-2 accepted"]);
    t.finish("1.0.0");
    t.check(&["a: fragment 2.0", "a: run 2.0.0#1"]);
}

/// With more jobs than slots, each gets its turn: a job is not put off because it came later.
#[test]
fn jobs_take_turns_when_slots_are_few() {
    let mut t = Cluster::new();
    t.join("a", 1);
    (0..3).for_each(|_| t.submit_quietly(job().source(9).stage(1, [gather(0)])));
    let mut turns = Vec::new();
    for _ in 0..6 {
        let job = (1..=3).find(|job| !t.running(*job).is_empty()).unwrap();
        turns.push(job);
        let task = t.running(job).remove(0);
        t.finish_quietly(&[&task]);
    }
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
}

/// A job that comes late has saved up no turns, and one of twice the priority has two of three.
#[test]
fn turns_follow_priorities_and_are_not_saved_up() {
    let mut t = Cluster::new();
    t.join("a", 1);
    t.submit_quietly(job().source(100).stage(1, [gather(0)]));
    (0..50).for_each(|index| t.finish_quietly(&[&format!("1.0.{index}")]));
    t.submit_quietly(job().source(100).stage(1, [gather(0)]).priority(2));
    let mut turns = [0, 0];
    for _ in 0..30 {
        let job = (1..=2).find(|job| !t.running(*job).is_empty()).unwrap();
        turns[job as usize - 1] += 1;
        let task = t.running(job).remove(0);
        t.finish_quietly(&[&task]);
    }
    assert!((9..=11).contains(&turns[0]), "{turns:?}");
}

/// Short tasks are read ahead, as many as their expected time allows, so that a slot need not
/// wait for a message; long ones are not.
#[test]
fn read_ahead_is_bounded_by_expected_time() {
    let mut t = Cluster::with(Options { read_ahead_us: 1000, ..Options::new("test") });
    t.join("a", 2);
    t.submit_quietly(job().source(50).stage(1, [gather(0)]));
    assert_eq!(t.assigned("a"), 2, "nothing is known of the tasks yet");
    t.finish_in("1.0.0", 100);
    t.take();
    assert_eq!(t.assigned("a"), 2 + 20);
    t.finish_in("1.0.1", 100_000);
    t.take();
    assert_eq!(t.assigned("a"), 21, "the mean is 50 ms now");
}

/// However short the tasks are, the read-ahead of a worker is bounded.
#[test]
fn read_ahead_is_bounded_by_count() {
    let mut t = Cluster::with(Options { read_ahead_us: 1_000_000, ..Options::new("test") });
    t.join("a", 1);
    t.submit_quietly(job().source(5000).stage(1, [gather(0)]));
    t.finish_in("1.0.0", 1);
    t.take();
    assert_eq!(t.assigned("a"), 1 + 1024);
}

/// A small job is not stuck behind a large one whose short tasks fill every worker ahead: the
/// worker gets no more of them until the small job has its slot.
#[test]
fn a_small_job_is_not_stuck_behind_a_large_one() {
    let mut t = Cluster::with(Options { read_ahead_us: 1000, ..Options::new("test") });
    t.join("a", 1);
    t.submit_quietly(job().source(1000).stage(1, [gather(0)]));
    t.finish_in("1.0.0", 100);
    t.submit_quietly(job().source(1));
    let ahead: Vec<_> = t.running(1);
    assert_eq!(ahead.len(), 11);
    for task in &ahead {
        assert_eq!(t.running(2).len(), 0);
        t.finish_in(task, 100);
    }
    assert_eq!(t.running(2).len(), 1);
    t.take();
}

/// In a job, started work is finished first: the short tasks of an early stage, read ahead, do not
/// keep a later stage from its slot.
#[test]
fn a_later_stage_is_not_stuck_behind_an_earlier_one() {
    let mut t = Cluster::with(Options { read_ahead_us: 1000, ..Options::new("test") });
    t.join("a", 1);
    t.submit_quietly(job().source(1000).stage(1000, [one_to_one(0)]).stage(1, [gather(1)]));
    t.finish_in("1.0.0", 100);
    let ahead: Vec<_> = t.running(1);
    for task in ahead.iter().filter(|task| task.starts_with("1.0.")) {
        t.finish_in(task, 100);
    }
    t.take();
    assert!(t.running(1).iter().any(|task| task.starts_with("1.1.")));
}

/// Idle workers get one task each before any gets its second.
#[test]
fn the_least_loaded_worker_comes_first() {
    let mut t = Cluster::new();
    t.join("a", 2);
    t.join("b", 1);
    t.join("c", 2);
    t.submit_quietly(job().source(3).stage(1, [gather(0)]));
    assert_eq!((t.assigned("a"), t.assigned("b"), t.assigned("c")), (1, 1, 1));
}

/// A later job with eight times the priority gets eight of nine slots: when it is done, the one that was
/// there before has done a small part of what equal shares would have given it.
#[test]
fn a_later_job_of_priority_is_done_first() {
    let mut t = Cluster::new();
    t.join("a", 9);
    t.submit_quietly(job().source(300).stage(1, [gather(0)]));
    t.submit_quietly(job().source(80).stage(1, [gather(0)]).priority(8));
    let (mut plain, mut urgent) = (0, 0);
    while urgent < 80 && plain < 300 {
        for task in [t.running(1), t.running(2)].concat() {
            *if task.starts_with("1.") { &mut plain } else { &mut urgent } += 1;
            t.finish_quietly(&[&task]);
        }
    }
    assert!((9..=25).contains(&plain), "{plain}");
}
