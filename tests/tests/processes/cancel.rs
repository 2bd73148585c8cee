//! Stopping a job.

use partita_shared::model::{JobRow, JobState};
use partita_tests::process::data::{long_join, numbers, slow};
use partita_tests::process::{Cluster, LONG, Process, SOON, wait_for};

/// Starts a query that stores hundreds of megabytes on the workers and then computes for minutes, and
/// waits until it does. What it has is gone long before its end if it is gone soon.
fn start(cluster: &Cluster) -> (Process, JobRow) {
    let sql = cluster.start_sql(&long_join());
    let job = wait_for("partitions and running tasks", SOON, || {
        let workers = cluster.workers_up();
        let busy = workers.iter().all(|w| w.metrics.running > 0 && w.metrics.partitions > 0);
        let stored: u64 = workers.iter().map(|w| w.metrics.stored_bytes).sum();
        (busy && stored > 50 << 20).then(|| cluster.last_job()).flatten()
    });
    (sql, job)
}

fn state(cluster: &Cluster, job: &JobRow) -> JobRow {
    cluster.jobs().into_iter().find(|row| row.id == job.id).expect("the job")
}

/// `partita cancel` ends a job with its client, and every worker has its slots and its memory back
/// at once, and can work.
#[test]
fn a_cancelled_job_gives_everything_back() {
    let cluster = Cluster::start(2, &[]);
    let (mut sql, job) = start(&cluster);
    cluster.place.run(["cancel", &job.id.to_string()]).ok();
    sql.finish(SOON).fails(1, &["cancelled", "requested by a user"]);
    cluster.wait_idle(SOON);
    assert_eq!(state(&cluster, &job).state, JobState::Cancelled);
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
}

/// Ctrl-C ends the client with 130, and its job ends on every worker. So does the client's death.
#[test]
fn an_interrupt_cancels() {
    let cluster = Cluster::start(2, &[]);
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGKILL, 137)] {
        let (mut sql, job) = start(&cluster);
        sql.signal(signal);
        let ran = sql.finish(SOON);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        cluster.wait_idle(SOON);
        let row = state(&cluster, &job);
        assert_eq!(row.state, JobState::Cancelled);
        assert!(row.error.contains("its client disconnected"), "{}", row.error);
    }
}

/// Ctrl-C ends a query inside the process as well, and its scratch folder goes.
#[test]
fn an_interrupt_ends_an_embedded_query() {
    let place = partita_tests::process::Place::new();
    let query = format!("select sum({}) from '{}'", slow("s"), numbers().display());
    let mut sql = place.start(["sql", "--progress=json", &query]);
    wait_for("a running task", SOON, || sql.log().contains("\"running\":2").then_some(()));
    sql.signal(libc::SIGINT);
    assert_eq!(sql.finish(SOON).code, 130);
    let scratch = std::fs::read_dir(place.path("scratch")).expect("the scratch folder");
    assert_eq!(scratch.count(), 0);
}

/// `COPY` shows its files when all are complete; one that is cancelled or fails leaves no file, not
/// even a hidden one.
#[test]
fn a_copy_is_whole_or_not_there() {
    let cluster = Cluster::start(2, &[]);
    let data = cluster.place.path("data");
    let listing = || {
        let entries = std::fs::read_dir(&data).expect("the data folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let copy = |column: &str| {
        let folder = numbers().display().to_string();
        format!("copy (select k, {column} as c from '{folder}') to 'out/' stored as parquet")
    };
    let mut sql = cluster.place.start(["sql", &copy(&slow("s"))]);
    let job = cluster.wait_running(2);
    wait_for("a staging folder", SOON, || (!listing().is_empty()).then_some(()));
    assert!(!data.join("out").exists());
    cluster.place.run(["cancel", &job.id.to_string()]).ok();
    sql.finish(SOON).fails(1, &["cancelled"]);
    wait_for("an empty folder", SOON, || listing().is_empty().then_some(()));
    let fails = copy("cast(case when k = 1999999 then 'x' else '1' end as bigint)");
    cluster.place.start(["sql", &fails]).finish(LONG).fails(1, &["'x'"]);
    wait_for("an empty folder", SOON, || listing().is_empty().then_some(()));
    cluster.place.start(["sql", &copy("g")]).finish(LONG).ok();
    assert_eq!(listing(), ["out"]);
    assert_eq!(cluster.sql("select count(*), sum(c) from 'out/'"), "2000000,999000000\n");
    cluster.place.run(["sql", &copy("g")]).fails(1, &["out is not empty"]);
}
