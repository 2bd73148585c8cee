//! `partita run`: a cluster around a command.

use partita_shared::model::WorkerRow;
use partita_tests::process::{Place, is_alive, program, wait_for};
use partita_tests::process::{Ran, SOON};
use std::path::Path;

/// Processes that were started in a place and are still there.
fn left(place: &Place) -> Vec<String> {
    let home = place.path("home").display().to_string();
    let entries = std::fs::read_dir("/proc").expect("the processes");
    let is_ours = |folder: &Path| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&home)
    };
    let folders = entries.flatten().map(|entry| entry.path()).filter(|path| is_ours(path));
    let pid = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse().ok());
    folders
        .filter(|path| pid(path).is_some_and(is_alive))
        .map(|path| std::fs::read_to_string(path.join("cmdline")).unwrap_or_default())
        .collect()
}

fn run(place: &Place, args: &[&str]) -> Ran {
    let ran = place.run([&["run", "--local-directory=../scratch"], args].concat());
    assert_eq!(left(place), [""; 0]);
    assert!(!place.path("home").join("default.json").exists());
    let scratch = std::fs::read_dir(place.path("scratch")).expect("the scratch folder");
    assert_eq!(scratch.count(), 0);
    ran
}

/// The command finds both workers ready and is told the scheduler's address; its exit code is
/// passed on. Afterwards no process, scratch folder or access file remains.
#[test]
fn a_command_runs_with_a_cluster_around_it() {
    let place = Place::new();
    let script = "\"$0\" workers --output json > workers.json || exit 1
        \"$0\" sql --output csv 'select sum(value) from generate_series(1, 100) as t(value)' || exit 1
        test -n \"$PARTITA_TOKEN\" || exit 1
        echo \"$PARTITA_SCHEDULER\"
        exit 7";
    let program = program().display().to_string();
    let ran = run(&place, &["--workers=2", "--threads=1", "--", "sh", "-c", script, &program]);
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert!(ran.text().contains("\n5050\ntcp://127.0.0.1:"), "{}", ran.text());
    assert!(ran.stderr.contains("dashboard   http://localhost:"), "{}", ran.stderr);
    let text = std::fs::read_to_string(place.path("data").join("workers.json")).expect("workers");
    let workers: Vec<WorkerRow> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|worker| worker.slots == 1 && !is_alive(worker.pid)));
}

/// A command that is not there, cannot be executed, or is ended by a signal has the exit code that a
/// shell gives it, and nothing is left. `--headless` prints nothing of its own.
#[test]
fn a_command_that_fails_leaves_nothing() {
    let place = Place::new();
    let ran = run(&place, &["--headless", "--", "no-such-command"]);
    ran.fails(127, &["no-such-command", "cannot start the command"]);
    run(&place, &["--headless", "--", "/etc/passwd"]).fails(126, &["cannot start the command"]);
    let ran = run(&place, &["--headless", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!((ran.code, ran.text(), ran.stderr), (137, String::new(), String::new()));
    place.run(["run", "--workers=2"]).fails(2, &["COMMAND"]);
}

/// SIGTERM goes to the command, which ends as it likes, and the cluster goes with it.
#[test]
fn a_termination_reaches_the_command() {
    let place = Place::new();
    let script = "trap 'exit 5' TERM; touch started; while :; do sleep 0.05; done";
    let mut running = place.start(["run", "--headless", "--", "sh", "-c", script]);
    let started = place.path("data").join("started");
    wait_for("the command", SOON, || started.exists().then_some(()));
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish(SOON).code, 5);
    wait_for("the end of all", SOON, || left(&place).is_empty().then_some(()));
}
