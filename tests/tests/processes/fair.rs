//! Many jobs at once.

use partita_shared::model::JobState;
use partita_tests::process::data::{many_tasks, many_tasks_rows};
use partita_tests::process::{Cluster, LONG, SOON, rows, wait_for};

/// A small query that comes while a large one has every slot is answered long before it.
#[test]
fn a_small_query_passes_a_large_one() {
    let cluster = Cluster::start(2, &[]);
    let mut large = cluster.start_sql(&many_tasks(12));
    let job = cluster.wait_running(2);
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
    let found = cluster.jobs().into_iter().find(|row| row.id == job.id).expect("the large one");
    assert_eq!(found.state, JobState::Running, "{found:?}");
    let half = found.tasks.done * 2;
    assert!(half < found.tasks.total(), "the small one waited for half of it: {found:?}");
    assert_eq!(rows(&large.finish(LONG)), many_tasks_rows(12));
}

/// A job that comes later with eight times the priority gets most of the slots: when it is done, the
/// one that was there before, three times as large, has less than the third that equal shares would
/// have given it.
#[test]
fn a_priority_gives_more_slots() {
    let cluster = Cluster::start(2, &[]);
    let query = many_tasks(8);
    let mut plain = cluster.start_sql(&many_tasks(24));
    cluster.wait_running(2);
    let mut urgent = cluster.place.start(["sql", "--output=csv", "--priority=8", &query]);
    assert_eq!(rows(&urgent.finish(LONG)), many_tasks_rows(8));
    let jobs = cluster.jobs();
    assert_eq!((jobs[0].priority, jobs[1].priority), (1, 8));
    assert_eq!((jobs[0].state, jobs[1].state), (JobState::Running, JobState::Done));
    assert!(jobs[0].tasks.done * 3 < jobs[0].tasks.total(), "{:?}", jobs[0]);
    assert_eq!(rows(&plain.finish(LONG)), many_tasks_rows(24));
}

/// Twenty clients at once all get their answers, and nothing of their jobs stays.
#[test]
fn twenty_clients_at_once() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    let query = |n: u64| format!("select sum(value) from generate_series(1, {n}) as t(value)");
    let mut clients: Vec<_> = (1..=20).map(|n| cluster.start_sql(&query(n * 1000))).collect();
    for (client, n) in clients.iter_mut().zip(1..) {
        let n = n * 1000;
        assert_eq!(rows(&client.finish(LONG)), format!("{}\n", n * (n + 1) / 2));
    }
    wait_for("the end of all jobs", SOON, || {
        let jobs = cluster.jobs();
        (jobs.len() == 20 && jobs.iter().all(|job| job.state == JobState::Done)).then_some(())
    });
    cluster.wait_idle(SOON);
}
