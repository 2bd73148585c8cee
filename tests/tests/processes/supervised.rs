//! `partita worker`: several under a supervisor, and the flags of job scripts.

use partita_shared::model::WorkerState;
use partita_tests::process::{Cluster, Place, SOON, is_alive, signal, wait_for};

/// Three workers join under one supervisor. One that is killed is started again, and the listing
/// says what ended it. The supervisor's end is theirs.
#[test]
fn a_dead_worker_is_started_again() {
    let mut cluster = Cluster::start(0, &[]);
    cluster.add_worker(&["--nworkers=3", "--name=trio"]);
    cluster.wait_workers(3);
    let workers = cluster.workers_up();
    let names: Vec<&str> = workers.iter().map(|row| row.name.as_str()).collect();
    assert!(names.iter().all(|name| name.starts_with("trio-")), "{names:?}");
    let victim = &workers[1];
    signal(victim.pid, libc::SIGKILL);
    let lost = wait_for("the cause", SOON, || {
        let row = cluster.worker(victim.pid);
        (row.state == WorkerState::Lost && row.cause.contains("SIGKILL")).then_some(row)
    });
    assert_eq!(lost.cause, "signal SIGKILL (9)");
    let heir = wait_for("three again", SOON, || {
        let up = cluster.workers_up();
        let heir = up.iter().find(|row| row.name == victim.name)?.clone();
        (up.len() == 3).then_some(heir)
    });
    assert!(heir.pid != victim.pid && heir.id != victim.id);
    let text = cluster.place.run(["workers"]).ok();
    assert!(text.contains(&format!("{} lost: signal SIGKILL (9)", victim.id)), "{text}");
    assert_eq!(cluster.status().workers_lost, 1);
    cluster.workers[0].signal(libc::SIGTERM);
    assert_eq!(cluster.workers[0].finish(SOON).code, 0);
    assert!(workers.iter().all(|row| !is_alive(row.pid)) && !is_alive(heir.pid));
    assert_eq!(cluster.status().workers, 0);
}

/// The flags that users of `dask worker` have in their scripts are taken, and mean the same.
#[test]
fn flags_of_job_scripts_are_taken() {
    let mut cluster = Cluster::start(0, &[]);
    let folder = cluster.place.path("scratch").join("deeper/down");
    let address = format!("tcp://{}", cluster.access.address);
    let directory = format!("--local-directory={}", folder.display());
    cluster.add_worker(&[
        &address,
        "--no-dashboard",
        "--nworkers",
        "2",
        "--nthreads",
        "3",
        "--memory-limit=0.2",
        &directory,
        "--name",
        "node-7",
        "--death-timeout",
        "60",
        "--lifetime",
        "1h",
    ]);
    cluster.wait_workers(2);
    for row in cluster.workers_up() {
        assert_eq!(row.slots, 3);
        assert!(row.name.starts_with("node-7-"), "{}", row.name);
        assert!(row.local_directory.starts_with(&folder.display().to_string()), "{row:?}");
        assert!(row.memory_limit_bytes > 64 << 20 && row.ends_ms.is_some(), "{row:?}");
    }
    let limits: Vec<u64> =
        cluster.workers_up().iter().map(|row| row.memory_limit_bytes >> 20).collect();
    assert_eq!(limits[0], limits[1]);
}

/// A worker leaves with 0 when its lifetime is over, and the scheduler knows that it left.
#[test]
fn a_lifetime_ends() {
    let mut cluster = Cluster::start(1, &["--lifetime=2s"]);
    let pid = cluster.workers[0].pid();
    assert_eq!(cluster.workers[0].finish(SOON).code, 0);
    let row = wait_for("it to have left", SOON, || {
        Some(cluster.worker(pid)).filter(|row| row.state != WorkerState::Leaving)
    });
    assert_eq!(row.state, WorkerState::Left, "{row:?}");
}

/// When the scheduler is gone, or never came, several workers and their supervisor end as one worker does: after the
/// death timeout, with the cause and its exit code, and none of them is started again.
#[test]
fn supervised_workers_end_without_a_scheduler() {
    const NO_SCHEDULER: i32 = 69;
    let place = Place::new();
    for count in ["--nworkers=1", "--nworkers=3"] {
        let ran = place.start_worker(&[count, "--death-timeout=1s"]).finish(SOON);
        let error = ran.fails(NO_SCHEDULER, &["no scheduler responded", "--death-timeout"]);
        assert!(!error.contains("restarting"), "{error}");
    }
    let mut cluster = Cluster::start(0, &[]);
    // Longer than what counts as a death at once: such children were started again for ever.
    cluster.add_worker(&["--nworkers=2", "--death-timeout=6s"]);
    cluster.wait_workers(2);
    cluster.scheduler.signal(libc::SIGKILL);
    let ran = cluster.workers[0].finish(SOON);
    let error =
        ran.fails(NO_SCHEDULER, &["no scheduler responded within 6 s", "all workers have exited"]);
    assert!(!error.contains("restarting"), "{error}");
}

/// An invalid address is refused at once, by a supervisor too.
#[test]
fn a_wrong_address_is_refused_at_once() {
    let place = Place::new();
    for count in ["--nworkers=1", "--nworkers=2"] {
        let ran = place.start_worker(&["nowhere", count]).finish(SOON);
        ran.fails(1, &["invalid address `nowhere`"]);
    }
}
