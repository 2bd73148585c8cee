//! `partita scheduler`.

use partita_shared::access::Access;
use partita_tests::process::{Cluster, Place, SOON, raw, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// Only their owner can read the access file and its folder, and the file names the process.
#[test]
fn the_access_file_is_private() {
    let cluster = Cluster::start(0, &[]);
    let home = cluster.place.path("home");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join("default.json")), 0o600);
    assert_eq!(cluster.access.pid, cluster.scheduler.pid());
    assert!(cluster.access.token.len() >= 43);
    std::fs::set_permissions(home.join("default.json"), PermissionsExt::from_mode(0o644))
        .expect("chmod");
    let file = home.join("default.json").display().to_string();
    let exposed = cluster.place.run(["status", "--scheduler-file", &file]);
    exposed.fails(1, &["is readable by other users", &file]);
}

/// The token is in no log, however much is logged.
#[test]
fn the_token_is_not_logged() {
    let place = Place::new();
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard", "--log=trace"];
    let scheduler = place.start(args);
    let access = place.access();
    let worker = place.start_worker(&["--log=trace"]);
    place.run(["wait", "--workers=1"]).ok();
    let ran = place.run(["sql", "--log=trace", "select count(*) from generate_series(1, 9)"]);
    ran.ok();
    for log in [scheduler.log(), worker.log(), ran.stderr] {
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "nothing is logged");
        let at = log.find(&access.token).map(|at| &log[at.saturating_sub(300)..at]);
        assert_eq!(at, None);
    }
}

/// A second scheduler of the same name is refused while the first one answers; another name is
/// fine, and then a client must choose.
#[test]
fn a_name_is_taken_once() {
    let mut cluster = Cluster::start(0, &[]);
    let again = cluster.place.run(["scheduler", "--host=127.0.0.1", "--port=0"]);
    let pid = cluster.scheduler.pid().to_string();
    again.fails(
        1,
        &["a cluster with this name is running", &cluster.access.address, &pid, "--name"],
    );
    let other = ["scheduler", "--host=127.0.0.1", "--port=0", "--name=other"];
    let other = cluster.place.start(other);
    let file = cluster.place.path("home").join("other.json");
    partita_tests::process::wait_for("the other", SOON, || Access::read(&file).ok());
    cluster.place.run(["workers"]).fails(1, &["default, other", "--cluster"]);
    let listed = cluster.place.run(["status"]).ok();
    assert!(listed.contains("default") && listed.contains("other"), "{listed}");
    drop(other);
    // One that was killed leaves its file, and does not stand in the way of the next.
    cluster.scheduler.signal(libc::SIGKILL);
    cluster.scheduler.finish(SOON);
    cluster.scheduler = cluster.place.start(["scheduler", "--host=127.0.0.1", "--port=0"]);
    let pid = cluster.scheduler.pid();
    partita_tests::process::wait_for("the next", SOON, || {
        (cluster.place.access().pid == pid).then_some(())
    });
    assert_eq!(cluster.status().workers, 0);
}

/// A port that another has is an error that says what to do, and leaves no access file.
#[test]
fn a_port_can_be_in_use() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let ran = place.run(["scheduler", "--host=127.0.0.1", "--port", &port, "--pid-file=pid"]);
    ran.fails(1, &["cannot listen on 127.0.0.1:", &port, "--port"]);
    assert!(!place.path("home").join("default.json").exists());
    assert!(!place.path("data").join("pid").exists());
    let _scheduler = place.start(["scheduler", "--host=127.0.0.1", "--port=0"]);
    place.access();
    let worker = place.start_worker(&["--port", &port]).finish(SOON);
    worker.fails(1, &["cannot listen on 127.0.0.1:", &port, "--port"]);
}

/// A scheduler with nothing to do ends by itself if it was told so; it writes its process id where
/// it was told, and takes that file and the access file with it. `/healthz` needs no token.
#[test]
fn an_idle_scheduler_ends() {
    let place = Place::new();
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", "--idle-timeout=1s", "--pid-file=pid"];
    let mut scheduler = place.start(args);
    let access = place.access();
    assert_eq!(raw::get_with(&access, "/healthz", ""), (200, "ok\n".to_string()));
    let pid = std::fs::read_to_string(place.path("data").join("pid")).expect("the pid file");
    assert_eq!(pid.trim(), scheduler.pid().to_string());
    assert_eq!(scheduler.finish(SOON).code, 0);
    assert!(!place.path("home").join("default.json").exists());
    assert!(!place.path("data").join("pid").exists());
}

/// A scheduler whose log has no reader any more still ends in order.
#[test]
fn a_log_without_a_reader_is_no_reason_to_stay() {
    let place = Place::new();
    let mut command = place.command(["scheduler", "--host=127.0.0.1", "--port=0"]);
    command.env("PARTITA_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut scheduler = command.spawn().expect("the binary starts");
    place.access();
    drop((scheduler.stdout.take(), scheduler.stderr.take()));
    let pid = scheduler.id() as libc::pid_t;
    #[expect(unsafe_code, reason = "a signal to a child of this test")]
    let sent = unsafe { libc::kill(pid, libc::SIGTERM) };
    assert_eq!(sent, 0);
    let ended = wait_for("its end", SOON, || scheduler.try_wait().ok().flatten());
    assert_eq!(ended.code(), Some(0));
    assert!(!place.path("home").join("default.json").exists());
}

/// SIGTERM ends a scheduler in order: the access file goes, and it ends with 0.
#[test]
fn a_termination_is_in_order() {
    let mut cluster = Cluster::start(0, &[]);
    cluster.scheduler.signal(libc::SIGTERM);
    assert_eq!(cluster.scheduler.finish(SOON).code, 0);
    assert!(!cluster.place.path("home").join("default.json").exists());
}
