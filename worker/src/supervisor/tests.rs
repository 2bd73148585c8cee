//! The supervisor with real children: small shell scripts that write files, leave and die.

use super::*;
use std::path::Path;
use std::process::Command as StdCommand;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set for a test binary that is to be a supervisor's process itself.
const ROLE: &str = "PARTITA_TEST_SUPERVISOR";

const QUICK: Times = Times {
    delay_first: Duration::from_millis(1),
    delay_max: Duration::from_millis(4),
    delay_reset: Duration::from_secs(60),
    short_life: Duration::from_secs(60),
    leave_wait: Duration::from_millis(300),
};

/// A supervisor of shells that run `script` in `folder`, with `$index` set.
fn shells(nworkers: u32, folder: &Path, script: &'static str) -> Supervisor {
    let folder = folder.to_path_buf();
    let mut supervisor = Supervisor::new(nworkers, move |index| {
        let mut command = StdCommand::new("sh");
        command.args(["-c", script]).current_dir(&folder).env("index", index.to_string());
        command
    });
    supervisor.times = QUICK;
    supervisor
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Waits until `ready` says so.
async fn until(mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < end, "waited too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The lines of a file that children append to.
fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

async fn all(mut deaths: mpsc::Receiver<Death>) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    while let Some(death) = deaths.recv().await {
        assert!(death.pid > 1);
        found.push((death.index, death.cause));
    }
    found
}

/// A supervisor that nobody stops.
async fn run_to_the_end(supervisor: Supervisor) -> Result<Ending, EnvironmentError> {
    tokio::time::timeout(PATIENCE, supervisor.run_until(std::future::pending())).await.unwrap()
}

/// The exit code of a supervisor's process.
fn code(ended: Result<Ending, EnvironmentError>) -> u8 {
    match ended.unwrap() {
        Ending::InOrder => 0,
        Ending::Failed { code, .. } => code,
    }
}

/// Children that exit with 0 have left: each is started once, and nothing is reported.
#[tokio::test]
async fn who_leaves_stays_away() {
    let folder = folder();
    let mut supervisor = shells(3, folder.path(), "echo x >> started-$index");
    let deaths = supervisor.deaths();
    assert_eq!(run_to_the_end(supervisor).await.unwrap(), Ending::InOrder);
    for index in 0..3 {
        assert_eq!(lines(&folder.path().join(format!("started-{index}"))), 1);
    }
    assert_eq!(all(deaths).await, []);
}

/// A child that dies is started again, and each death is reported with its cause.
#[tokio::test]
async fn who_dies_is_started_again() {
    let folder = folder();
    let script = "echo x >> starts; case $(wc -l < starts) in \
                  1) exit 3;; 2) kill -SEGV $$;; 3) kill -KILL $$;; esac";
    let mut supervisor = shells(1, folder.path(), script);
    // No cgroups there, so that another test's kill is not taken for this one's.
    supervisor.root = folder.path().into();
    let deaths = supervisor.deaths();
    assert_eq!(run_to_the_end(supervisor).await.unwrap(), Ending::InOrder);
    assert_eq!(lines(&folder.path().join("starts")), 4);
    let causes = all(deaths).await;
    assert_eq!(causes.len(), 3);
    assert_eq!(causes[0], (0, "exit code 3".to_string()));
    assert!(causes[1].1.starts_with("signal SIGSEGV (11)"), "{causes:?}");
    assert_eq!(causes[2], (0, "signal SIGKILL (9)".to_string()));
}

/// SIGKILL together with a rise of the cgroup's count of kills is out of memory, in both versions.
#[tokio::test]
async fn want_of_memory_is_recognised() {
    let v1 = (
        "4:memory:/job\n",
        "35 31 0:32 / /memory rw - cgroup cgroup rw,memory\n",
        "memory/job/memory.oom_control",
        "case $index in 0) echo 'under_oom 0\noom_kill 1' > memory/job/memory.oom_control;; esac;",
    );
    let v2 = (
        "0::/job\n",
        "29 22 0:26 / /unified rw - cgroup2 cgroup2 rw\n",
        "unified/job/memory.events",
        "case $index in 0) echo 'oom 4\noom_kill 1' > unified/job/memory.events;; esac;",
    );
    for (cgroup, mounts, counter, kill) in [v1, v2] {
        let folder = folder();
        let write = |name: &str, content: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        };
        write("proc/self/cgroup", cgroup);
        write("proc/self/mountinfo", mounts);
        write(counter, "oom_kill 0\n");
        let script = "test -e died && exit 0; echo x > died; eval \"$kill\" kill -KILL $$";
        let path = folder.path().to_path_buf();
        let mut supervisor = Supervisor::new(1, move |index| {
            let mut command = StdCommand::new("sh");
            command.args(["-c", script]).current_dir(&path);
            command.env("index", index.to_string()).env("kill", kill);
            command
        });
        supervisor.times = QUICK;
        supervisor.root = folder.path().into();
        let deaths = supervisor.deaths();
        assert_eq!(run_to_the_end(supervisor).await.unwrap(), Ending::InOrder);
        let causes = all(deaths).await;
        assert!(causes.len() == 1 && causes[0].1.starts_with("out of memory"), "{causes:?}");
    }
}

/// A child that never lives is given up after ten deaths; the others go on, and the exit code
/// tells.
#[tokio::test]
async fn who_never_lives_is_given_up() {
    let folder = folder();
    let script = "echo x >> starts-$index; test $index = 1 && exit 9; \
                  until test -e leave; do sleep 0.02; done";
    let mut supervisor = shells(2, folder.path(), script);
    let deaths = supervisor.deaths();
    let run = tokio::spawn(run_to_the_end(supervisor));
    let causes = tokio::spawn(all(deaths));
    let starts = folder.path().join("starts-1");
    until(|| lines(&starts) == SHORT_LIVES_MAX as usize).await;
    std::fs::write(folder.path().join("leave"), "").unwrap();
    let cause = "exit code 9".to_string();
    assert_eq!(run.await.unwrap().unwrap(), Ending::Failed { index: 1, cause, code: 9 });
    assert_eq!(lines(&starts), SHORT_LIVES_MAX as usize);
    assert_eq!(lines(&folder.path().join("starts-0")), 1);
    let expected = vec![(1, "exit code 9".to_string()); SHORT_LIVES_MAX as usize];
    assert_eq!(causes.await.unwrap(), expected);
}

/// A child that no scheduler answers, or that is refused, is not started again, however long it lived; the
/// supervisor ends with the first cause, when the others have ended too.
#[tokio::test]
async fn a_lasting_cause_ends_the_supervisor() {
    for (code, cause) in [(69, "no scheduler responded"), (77, "refused")] {
        let folder = folder();
        let script = "echo x >> starts-$index; sleep 0.0$index; exit $(cat code)";
        std::fs::write(folder.path().join("code"), code.to_string()).unwrap();
        let mut supervisor = shells(2, folder.path(), script);
        supervisor.times.short_life = Duration::ZERO;
        let ended = run_to_the_end(supervisor).await.unwrap();
        let Ending::Failed { cause: found, code: exit_code, .. } = ended else {
            panic!("{ended:?}")
        };
        assert!(exit_code == code && found.contains(cause), "{exit_code}: {found}");
        for index in 0..2 {
            assert_eq!(lines(&folder.path().join(format!("starts-{index}"))), 1);
        }
    }
}

/// Nobody reads the deaths: the queue is full, and nothing waits for it.
#[tokio::test]
async fn a_full_queue_delays_nothing() {
    let folder = folder();
    let mut supervisor = shells(8, folder.path(), "exit 1");
    let deaths = supervisor.deaths();
    assert_eq!(code(run_to_the_end(supervisor).await), 1);
    assert_eq!(all(deaths).await.len(), DEATHS_QUEUE_MAX);
}

/// A child that handles SIGTERM and leaves with 0.
const POLITE: &str = "trap 'echo x > left-$index; exit 0' TERM; echo $$ > ready-$index; \
                      while :; do sleep 0.02; done";

/// When told to stop, the children get SIGTERM, are waited for, and are not started again.
#[tokio::test]
async fn stopping_is_passed_on() {
    let folder = folder();
    let mut supervisor = shells(2, folder.path(), POLITE);
    supervisor.times.leave_wait = PATIENCE;
    let deaths = supervisor.deaths();
    let file = |name: &str| folder.path().join(name);
    let stop = until(|| file("ready-0").exists() && file("ready-1").exists());
    assert_eq!(supervisor.run_until(stop).await.unwrap(), Ending::InOrder);
    assert!(file("left-0").exists() && file("left-1").exists());
    assert_eq!(all(deaths).await, []);
}

/// A child that does not handle the signal has left in order; one that complains has not.
#[tokio::test]
async fn leaving_has_an_exit_code() {
    for (script, code) in [
        ("echo x > ready; exec sleep 60", 0),
        ("trap 'exit 7' TERM; echo x > ready; while :; do sleep 0.02; done", 7),
    ] {
        let folder = folder();
        let mut supervisor = shells(1, folder.path(), script);
        supervisor.times.leave_wait = PATIENCE;
        let stop = until(|| folder.path().join("ready").exists());
        assert_eq!(self::code(supervisor.run_until(stop).await), code);
    }
}

/// Who does not leave is killed, and the exit code tells.
#[tokio::test]
async fn the_stubborn_are_killed() {
    let folder = folder();
    let supervisor = shells(1, folder.path(), "trap '' TERM; echo x > ready; exec sleep 60");
    let stop = until(|| folder.path().join("ready").exists());
    let run = tokio::time::timeout(PATIENCE, supervisor.run_until(stop));
    assert_eq!(code(run.await.unwrap()), 137);
}

/// A stop while a child waits to be started again ends the wait.
#[tokio::test]
async fn a_stop_ends_the_wait() {
    let folder = folder();
    let mut supervisor = shells(1, folder.path(), "echo x >> starts; exit 1");
    supervisor.times.delay_first = Duration::from_secs(3600);
    let mut deaths = supervisor.deaths();
    let stop = async move { assert!(deaths.recv().await.is_some()) };
    let run = tokio::time::timeout(PATIENCE, supervisor.run_until(stop));
    assert_eq!(run.await.unwrap().unwrap(), Ending::InOrder);
    assert_eq!(lines(&folder.path().join("starts")), 1);
}

/// The children leave if nobody waits for the supervisor any more.
#[tokio::test]
async fn a_dropped_supervisor_takes_its_children_along() {
    let folder = folder();
    let mut supervisor = shells(1, folder.path(), POLITE);
    supervisor.times.leave_wait = PATIENCE;
    let run = tokio::spawn(supervisor.run_until(std::future::pending()));
    until(|| folder.path().join("ready-0").exists()).await;
    run.abort();
    until(|| folder.path().join("left-0").exists()).await;
}

/// An executable that is not there is an error that names it, and the other children leave.
#[tokio::test]
async fn a_missing_executable_is_an_error() {
    let folder = folder();
    let path = folder.path().to_path_buf();
    let mut supervisor = Supervisor::new(2, move |index| {
        let program = if index == 0 { "sleep" } else { "/nowhere/partita" };
        let mut command = StdCommand::new(program);
        command.arg("60").current_dir(&path);
        command
    });
    supervisor.times = Times { leave_wait: PATIENCE, ..QUICK };
    let error = run_to_the_end(supervisor).await.unwrap_err();
    let expected = "cannot start worker process 1 (`/nowhere/partita`): No such file";
    assert!(error.to_string().starts_with(expected), "{error}");
}

/// Not a test of its own: the supervisor's process of the tests below.
#[tokio::test]
#[ignore = "run by other tests, in a process of its own"]
async fn as_a_process() {
    let Some(folder) = std::env::var_os(ROLE) else { return };
    let mut supervisor = shells(1, Path::new(&folder), POLITE);
    supervisor.times.leave_wait = PATIENCE;
    std::process::exit(i32::from(code(supervisor.run().await)));
}

/// Starts this test binary as a supervisor's process and waits for its child.
async fn process(folder: &Path) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    let process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::as_a_process"), "--ignored", "--nocapture"])
        .env(ROLE, folder)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = folder.join("ready-0");
    until(|| std::fs::read_to_string(&ready).is_ok_and(|pid| pid.ends_with('\n'))).await;
    process
}

fn send(pid: u32, signal: i32) {
    #[expect(unsafe_code, reason = "kill reads nothing of this process's memory")]
    let sent = unsafe { libc::kill(pid as libc::pid_t, signal) };
    assert_eq!(sent, 0);
}

/// SIGTERM and SIGINT to the supervisor's process become SIGTERM for its children.
#[tokio::test]
async fn signals_are_passed_on() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let folder = folder();
        let mut process = process(folder.path()).await;
        send(process.id().unwrap(), signal);
        let status = tokio::time::timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(folder.path().join("left-0").exists());
    }
}

/// A supervisor that is killed cannot say anything, and yet its children leave.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn children_die_with_their_supervisor() {
    let folder = folder();
    let mut process = process(folder.path()).await;
    send(process.id().unwrap(), libc::SIGKILL);
    process.wait().await.unwrap();
    until(|| folder.path().join("left-0").exists()).await;
}
