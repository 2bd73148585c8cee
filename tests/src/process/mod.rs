//! Clusters of real processes: the binary itself, started as people start it.
//!
//! Everything of a test lies in one folder of its own ([`Place`]) and is gone with it. Processes
//! are killed when their guard is dropped, and by the kernel if the test's thread ends first.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of tests: what goes wrong here fails the test, with the reason"
)]

pub mod data;
pub mod page;
pub mod raw;
pub mod slow;
pub mod terminal;

use partita_shared::access::Access;
use partita_shared::model::{ClusterRow, JobRow, JobState, StageRow, WorkerRow, WorkerState};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take that should take a moment, on a machine that is busy with others.
pub const SOON: Duration = Duration::from_secs(60);
/// How long a query may take that works for some seconds, on a machine that is busy with others.
pub const LONG: Duration = Duration::from_mins(5);
/// The pause between two looks at a condition.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Characters of a log that are shown when a test fails.
const LOG_CHARS_MAX: usize = 4000;
/// Variables that would change what the binary does, and must not come from outside.
const FOREIGN_VARIABLES: [&str; 3] = ["PARTITA_", "SLURM_", "TMPDIR"];

/// The binary: beside the test's executable, or beside that one's folder.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own file");
    let folder = test.parent().expect("its folder");
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    let program = folder.expect("the profile's folder").join("partita");
    assert!(
        program.is_file(),
        "{} is not there: run `cargo build -p partita-cli` first",
        program.display()
    );
    program
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it finds nothing within the bound.
#[track_caller]
pub fn wait_for<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < bound, "waited {bound:?} for {what}");
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Whether a process is there and has not ended (one that ended and was not waited for has).
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Sends a signal to a process that a test started.
pub fn signal(pid: u32, signal: i32) {
    #[expect(unsafe_code, reason = "kill takes numbers and touches no memory of this process")]
    let sent = unsafe { libc::kill(pid as libc::pid_t, signal) };
    assert_eq!(sent, 0, "signal {signal} to process {pid}: {}", std::io::Error::last_os_error());
}

/// A field of `/proc/PID/status` that is in kB, in bytes.
pub fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard output, if it went well.
    ///
    /// # Panics
    /// If its exit code is not 0.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.text(), self.stderr);
        self.text()
    }

    /// Its standard error, if it failed with this code and says all of `words`.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> &str {
        assert_eq!(self.code, code, "{}{}", self.text(), self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        &self.stderr
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A process that was started, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        signal(self.pid(), number);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.with_extension("err")).unwrap_or_default()
    }

    /// What it wrote to standard output so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.log.with_extension("out")).unwrap_or_default()
    }

    /// Waits for its end, and returns what it left.
    ///
    /// # Panics
    /// If it does not end within the bound.
    #[track_caller]
    pub fn finish(&mut self, bound: Duration) -> Ran {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            if start.elapsed() > bound {
                panic!("{} did not end within {bound:?}: {}", self.name, self.log());
            }
            std::thread::sleep(LOOK_PAUSE / 4);
        };
        let stdout = std::fs::read(self.log.with_extension("out")).unwrap_or_default();
        Ran { code: code(status), stdout, stderr: self.log() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only if the process has ended by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for one test: access files, data, scratch, logs.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    started: AtomicU32,
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
}

impl Place {
    /// A new one.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("partita-test-").expect("a folder");
        for name in ["data", "scratch", "logs"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Place { folder, started: AtomicU32::new(0) }
    }

    /// A path in it. Commands run in `data`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into `data`.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("data").join(name);
        std::fs::write(&path, content).expect("a file of the test");
        path
    }

    /// A command of the binary, with nothing of the caller's surroundings.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.path("data"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if FOREIGN_VARIABLES.iter().any(|foreign| text.starts_with(foreign)) {
                command.env_remove(&name);
            }
        }
        command.env("PARTITA_HOME", self.path("home")).env("HOME", self.folder.path());
        command.env("TMPDIR", self.path("scratch")).stdin(Stdio::null());
        command
    }

    /// Starts a command; what it writes goes to files.
    pub fn spawn(&self, name: &str, mut command: Command) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.path("logs").join(format!("{number:03}-{name}"));
        let file = |kind: &str| File::create(log.with_extension(kind)).expect("a log");
        command.stdout(file("out")).stderr(file("err"));
        #[expect(unsafe_code, reason = "the closure makes one system call and allocates nothing")]
        unsafe {
            // A test that is killed leaves no process behind.
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.spawn().expect("the binary starts");
        Process { name: name.to_string(), child, log }
    }

    /// Starts `partita ARGS`.
    pub fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Process {
        let command = self.command(args);
        let name = command.get_args().next().unwrap_or_default().to_string_lossy().into_owned();
        self.spawn(&name, command)
    }

    /// Runs `partita ARGS` to its end, which must come soon.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        self.start(args).finish(SOON)
    }

    /// Runs `partita ARGS` with a text as standard input.
    #[track_caller]
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let file = self.path("logs").join("input");
        std::fs::write(&file, input).expect("the input");
        let mut command = self.command(args);
        command.stdin(File::open(&file).expect("the input"));
        self.spawn("input", command).finish(SOON)
    }

    /// The access file of the cluster `default`, as soon as it is there.
    pub fn access(&self) -> Access {
        let file = self.path("home").join("default.json");
        wait_for("the access file", SOON, || Access::read(&file).ok())
    }

    /// Starts a worker with a scratch folder in this place.
    pub fn start_worker(&self, args: &[&str]) -> Process {
        let mut command = self.command(["worker", "--host=127.0.0.1"]);
        if !args.iter().any(|arg| arg.starts_with("--local-directory")) {
            command.arg("--local-directory").arg(self.path("scratch"));
        }
        for (flag, value) in [("--nthreads", "1"), ("--memory-limit", "512MiB")] {
            if !args.iter().any(|arg| arg.starts_with(flag)) {
                command.arg(format!("{flag}={value}"));
            }
        }
        command.args(args);
        self.spawn("worker", command)
    }
}

/// A scheduler and its workers.
#[derive(Debug)]
pub struct Cluster {
    /// The workers, in the order of their start.
    pub workers: Vec<Process>,
    /// The scheduler.
    pub scheduler: Process,
    /// Where it is and its token.
    pub access: Access,
    /// Its folder.
    pub place: Place,
}

impl Cluster {
    /// Starts a scheduler and `workers` workers with these flags, and waits until they have joined.
    /// A worker has one slot and 512 MiB if the flags do not say otherwise.
    pub fn start(workers: u32, flags: &[&str]) -> Self {
        let place = Place::new();
        let scheduler = place.start(["scheduler", "--host=127.0.0.1", "--port=0"]);
        let access = place.access();
        let mut cluster = Cluster { workers: Vec::new(), scheduler, access, place };
        for _ in 0..workers {
            cluster.add_worker(flags);
        }
        cluster.wait_workers(workers);
        cluster
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self, flags: &[&str]) {
        self.workers.push(self.place.start_worker(flags));
    }

    /// Waits until this many workers are connected.
    #[track_caller]
    pub fn wait_workers(&self, count: u32) {
        let count = count.to_string();
        self.place.run(["wait", "--workers", &count, "--timeout=25s"]).ok();
    }

    /// `partita status`.
    #[track_caller]
    pub fn status(&self) -> ClusterRow {
        let text = self.place.run(["status", "--output=json"]).ok();
        serde_json::from_str(&text).expect("the cluster as JSON")
    }

    /// `partita workers`.
    #[track_caller]
    pub fn workers(&self) -> Vec<WorkerRow> {
        let text = self.place.run(["workers", "--output=json"]).ok();
        serde_json::from_str(&text).expect("the workers as JSON")
    }

    /// The connected workers.
    #[track_caller]
    pub fn workers_up(&self) -> Vec<WorkerRow> {
        let mut rows = self.workers();
        rows.retain(|row| row.state == WorkerState::Up);
        rows
    }

    /// The latest row of the worker with this process id.
    #[track_caller]
    pub fn worker(&self, pid: u32) -> WorkerRow {
        let rows = self.workers().into_iter().filter(|row| row.pid == pid);
        rows.max_by_key(|row| row.id).expect("a worker with this process id")
    }

    /// `partita jobs`, the oldest first.
    #[track_caller]
    pub fn jobs(&self) -> Vec<JobRow> {
        let text = self.place.run(["jobs", "--output=json"]).ok();
        let mut rows: Vec<JobRow> = serde_json::from_str(&text).expect("the jobs as JSON");
        rows.sort_by_key(|row| row.id);
        rows
    }

    /// The latest job.
    #[track_caller]
    pub fn last_job(&self) -> Option<JobRow> {
        self.jobs().pop()
    }

    /// The stages of a job, as the REST API lists them.
    #[track_caller]
    pub fn stages(&self, job: &JobRow) -> Vec<StageRow> {
        let path = format!("/api/v2/jobs/{}/stages", job.id);
        let (status, body) = raw::get(&self.access, &path);
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).expect("stages as JSON");
        let rows = body.get("stages").cloned().unwrap_or(body);
        serde_json::from_value(rows).expect("stages as JSON")
    }

    /// Waits until the latest job runs on this many slots.
    #[track_caller]
    pub fn wait_running(&self, tasks: u64) -> JobRow {
        wait_for("a job that runs", SOON, || {
            self.last_job().filter(|job| {
                assert!(!job.state.is_final(), "it ended before it was seen running: {job:?}");
                job.state == JobState::Running && job.tasks.running >= tasks
            })
        })
    }

    /// The rows of a query, as CSV without the header.
    #[track_caller]
    pub fn sql(&self, query: &str) -> String {
        rows(&self.start_sql(query).finish(LONG))
    }

    /// Starts a query whose rows are wanted as CSV.
    pub fn start_sql(&self, query: &str) -> Process {
        self.place.start(["sql", "--output=csv", query])
    }

    /// Waits until nothing runs on any worker and nothing is stored.
    #[track_caller]
    pub fn wait_idle(&self, bound: Duration) {
        wait_for("workers with nothing to do", bound, || {
            self.workers_up()
                .iter()
                .all(|row| {
                    let m = row.metrics;
                    (row.assigned, m.running, m.queued, m.partitions) == (0, 0, 0, 0)
                        && (m.stored_bytes, m.spilled_bytes, m.reserved_bytes) == (0, 0, 0)
                })
                .then_some(())
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for process in std::iter::once(&self.scheduler).chain(&self.workers) {
            let log = process.log();
            let skipped = log.chars().count().saturating_sub(LOG_CHARS_MAX);
            let end: String = log.chars().skip(skipped).collect();
            eprintln!("--- {} {}\n{end}", process.name, process.pid());
        }
    }
}

/// The rows of a query that was asked for CSV, without the header.
#[track_caller]
pub fn rows(ran: &Ran) -> String {
    let text = ran.ok();
    text.split_once('\n').map_or(String::new(), |(_, rows)| rows.to_string())
}
