//! Commands that ask one question.

use partita_shared::model::{JobState, WorkerState};
use partita_tests::process::{Cluster, Place, SOON, wait_for};
use std::process::Command;

/// Each listing shows what happened, for people and as JSON; a job's error is with it.
#[test]
fn listings_show_the_cluster() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    cluster.sql("select sum(value) from generate_series(1, 10) as t(value)");
    cluster.place.write("bad.csv", "a\n1\n2\nx\n");
    let fails = "select cast(a as bigint) as a from 'bad.csv'";
    cluster.place.run(["sql", fails]).fails(1, &[]);
    let status = cluster.status();
    assert_eq!((status.workers, status.slots, status.workers_lost), (2, 4, 0));
    assert_eq!((status.name.as_str(), &status.address), ("default", &cluster.access.address));
    assert!(status.memory_limit_bytes == 1 << 30 && status.tasks_finished > 0, "{status:?}");
    let workers = cluster.workers();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|row| row.state == WorkerState::Up && row.slots == 2));
    let jobs = cluster.jobs();
    assert_eq!(
        jobs.iter().map(|job| job.state).collect::<Vec<_>>(),
        [JobState::Done, JobState::Failed]
    );
    assert!(!jobs[1].error.is_empty() && jobs[0].delivered_rows == 1, "{jobs:?}");
    let show = |command: &str| cluster.place.run([command]).ok();
    assert!(show("status").contains("2, 4 slots"), "{}", show("status"));
    assert!(show("workers").contains(&workers[0].id.to_string()), "{}", show("workers"));
    let text = show("jobs");
    assert!(text.contains("failed") && text.contains(&jobs[1].error), "{text}");
}

/// `partita wait` waits for workers that come later, and says how many there were if they do not.
#[test]
fn waiting_has_an_end() {
    let mut cluster = Cluster::start(0, &[]);
    let mut waiting = cluster.place.start(["wait", "--workers=1", "--timeout=25s"]);
    cluster.add_worker(&[]);
    assert!(waiting.finish(SOON).ok().contains("1 worker is there"));
    let late = cluster.place.run(["wait", "--workers=2", "--timeout=300ms"]);
    late.fails(1, &["1 of 2 workers", "--timeout"]);
    let nowhere = Place::new().run(["wait", "--workers=1", "--timeout=300ms"]);
    nowhere.fails(1, &["no cluster was found", "--timeout"]);
}

/// `partita shutdown` ends workers and scheduler with 0 and removes the access file.
#[test]
fn a_shutdown_ends_all() {
    let mut cluster = Cluster::start(2, &[]);
    cluster.place.run(["shutdown"]).ok();
    assert_eq!(cluster.scheduler.finish(SOON).code, 0);
    for worker in &mut cluster.workers {
        let ran = worker.finish(SOON);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(!cluster.place.path("home").join("default.json").exists());
    cluster.place.run(["status"]).fails(1, &["no cluster was found"]);
}

/// The dashboard's link has the port and the token, and the tunnel leads to the same port.
#[test]
fn the_dashboard_is_shown() {
    let cluster = Cluster::start(0, &[]);
    let text = cluster.place.run(["dashboard"]).ok();
    let port = cluster.access.address.rsplit(':').next().expect("a port");
    assert!(text.contains(&format!("http://localhost:{port}/#token={}", cluster.access.token)));
    assert!(text.contains(&format!("ssh -N -L {port}:localhost:{port} ")), "{text}");
}

/// Every shell gets a script, and bash can read its own.
#[test]
fn completions_are_printed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(["completions", shell]).ok().contains("scheduler"), "{shell}");
    }
    let file = place.write("completions", place.run(["completions", "bash"]).ok());
    let read = Command::new("bash").arg("-n").arg(file).status();
    assert!(read.is_ok_and(|status| status.success()));
}

/// A job is named as it is listed, and one that is not there or has ended is told from others.
#[test]
fn only_a_live_job_can_be_cancelled() {
    let cluster = Cluster::start(1, &[]);
    cluster.sql("select 1");
    let job = wait_for("a job", SOON, || cluster.last_job());
    let name = job.id.to_string();
    cluster.place.run(["cancel", &name]).fails(1, &[&name, "ended already: done"]);
    cluster.place.run(["cancel", "job-99"]).fails(1, &["job-99 is not known"]);
    cluster.place.run(["cancel", "worker-1"]).fails(2, &["worker-1"]);
}
