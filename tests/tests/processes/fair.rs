//! Many jobs at once.

use partita_shared::model::{JobRow, JobState};
use partita_tests::process::data::{many_tasks, many_tasks_rows};
use partita_tests::process::{Cluster, LONG, SOON, rows, wait_for};

/// Tasks of a job that has more to do than a test waits for, at a second or less each on two slots: the
/// other job of the test is small against the half of it, on however busy a machine.
const PLENTY: u64 = 96;

/// What a job had done at one moment, as the scheduler says it. The job must be at work then, and not
/// near its end.
#[track_caller]
fn has_plenty_left(job: &JobRow) {
    assert_eq!(job.state, JobState::Running, "{job:?}");
    assert!(job.tasks.done * 2 < job.tasks.total(), "half of it was done first: {job:?}");
}

/// A small query that comes while a large one has every slot is answered long before it.
#[test]
fn a_small_query_passes_a_large_one() {
    let cluster = Cluster::start(2, &[]);
    let _large = cluster.start_sql(&many_tasks(PLENTY));
    let job = cluster.wait_running(2);
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
    let found = cluster.jobs().into_iter().find(|row| row.id == job.id).expect("the large one");
    has_plenty_left(&found);
}

/// A job that comes later, with a priority, is done while the one that was there before has most of its
/// tasks before it. How many slots each gets is asserted where time is an argument: in the tests of the
/// core.
#[test]
fn a_job_of_priority_is_done_first() {
    let cluster = Cluster::start(2, &[]);
    let _plain = cluster.start_sql(&many_tasks(PLENTY));
    cluster.wait_running(2);
    let query = many_tasks(4);
    let mut urgent = cluster.place.start(["sql", "--output=csv", "--priority=8", &query]);
    assert_eq!(rows(&urgent.finish(LONG)), many_tasks_rows(4));
    let jobs = cluster.jobs();
    assert_eq!((jobs[0].priority, jobs[1].priority), (1, 8));
    assert_eq!(jobs[1].state, JobState::Done);
    has_plenty_left(&jobs[0]);
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
