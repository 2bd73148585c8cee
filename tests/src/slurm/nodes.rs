//! What a test has of the cluster: some nodes, and a user.

use super::{Job, Place, Slurm, job_id, wait_for};
use crate::process::{LONG, Process, Ran, SOON};
use partita_shared::model::{ClusterRow, JobRow, WorkerRow, WorkerState};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// How long a node may take to be idle after a test: remaining processes of its jobs are killed
/// after 5 s, and a node that crashed is set up anew.
const IDLE_BOUND: Duration = Duration::from_secs(60);
/// Characters of a log that are shown when a test fails.
const LOG_CHARS_MAX: usize = 6000;

/// A process on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number there.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// Some nodes and a user, for one test. When it is dropped the user's jobs are cancelled, the
/// home is emptied, and nodes that were broken are mended.
#[derive(Debug)]
pub struct Nodes {
    slurm: &'static Slurm,
    names: Vec<&'static str>,
    user: &'static str,
    place: Place,
    broken: AtomicBool,
}

impl Nodes {
    pub(super) fn new(slurm: &'static Slurm, count: usize) -> Self {
        let (names, user) = slurm.take(count);
        Nodes { slurm, names, user, place: Place::new(), broken: AtomicBool::new(false) }
    }

    /// The nodes' names.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The user's name.
    pub fn user(&self) -> &'static str {
        self.user
    }

    /// The whole cluster.
    pub fn slurm(&self) -> &'static Slurm {
        self.slurm
    }

    /// The cluster's folder, which is `/srv` inside.
    pub fn folder(&self) -> &Path {
        &self.slurm.folder
    }

    /// The user's home, as it is seen from outside; inside it is `/home/USER`.
    pub fn home(&self) -> PathBuf {
        self.folder().join("home").join(self.user)
    }

    /// Writes a file into the home, as the user would. A script may be executed.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, content).expect("a file of the test");
        let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
        let id = std::os::unix::fs::MetadataExt::uid(&self.home().metadata().expect("the home"));
        chown(&path, Some(id), Some(id)).expect("its owner");
        path
    }

    /// Held by those who make files visible inside.
    pub(super) fn sharing(&self) -> MutexGuard<'_, ()> {
        self.slurm.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder of files readable on all hosts, and returns its path there.
    pub fn share(&self, folder: &Path) -> String {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let shared = self.folder().join("shared").join(&name);
        let _sharing = self.sharing();
        if !shared.is_dir() {
            std::fs::create_dir_all(&shared).expect("a folder");
            for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
                std::fs::copy(entry.path(), shared.join(entry.file_name())).expect("a copy");
            }
        }
        format!("/srv/shared/{name}")
    }

    /// Runs a command on the login host as the test's user, in its home, to its end.
    #[track_caller]
    pub fn run(&self, command: &[&str]) -> Ran {
        self.start(command).finish(SOON)
    }

    /// Runs a command on the login host as another user.
    #[track_caller]
    pub fn run_as(&self, user: &str, command: &[&str]) -> Ran {
        self.place.spawn(command[0], self.slurm.login(user, command)).finish(SOON)
    }

    /// Starts a command on the login host as the test's user.
    pub fn start(&self, command: &[&str]) -> Process {
        let name = command[0].rsplit('/').next().unwrap_or_default();
        self.place.spawn(name, self.slurm.login(self.user, command))
    }

    /// Submits a script, with these options beside its own, to the test's nodes. What it writes
    /// goes to a file in the home unless the script says another.
    #[track_caller]
    pub fn sbatch(&self, script: &str, options: &[&str]) -> Job<'_> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let name = format!("job-{}.sh", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.write(&name, script);
        self.submit(&name, options)
    }

    /// Submits a script that is in the home.
    #[track_caller]
    pub fn submit(&self, name: &str, options: &[&str]) -> Job<'_> {
        // Slurm gives a job all nodes of `-w`, so the others are excluded instead.
        let others = super::NODES.into_iter().filter(|node| !self.names.contains(node));
        let excluded = others.collect::<Vec<_>>().join(",");
        let mut command = vec!["sbatch", "--parsable"];
        if !excluded.is_empty() {
            command.extend(["--exclude", &excluded]);
        }
        command.extend(options);
        command.push(name);
        Job::new(self, job_id(&self.run(&command).ok()))
    }

    /// Runs `partita ARGS` on the login host.
    #[track_caller]
    pub fn partita(&self, args: &[&str]) -> Ran {
        self.run(&[&["partita"], args].concat())
    }

    /// The connected workers of `partita workers`.
    #[track_caller]
    pub fn workers_up(&self) -> Vec<WorkerRow> {
        let text = self.partita(&["workers", "--output=json"]).ok();
        workers_up_in(&text)
    }

    /// `partita status`, once a cluster answers.
    #[track_caller]
    pub fn status(&self) -> Option<ClusterRow> {
        let ran = self.partita(&["status", "--output=json"]);
        (ran.code == 0).then(|| serde_json::from_str(&ran.text()).expect("the cluster as JSON"))
    }

    /// `partita jobs`, the oldest first.
    #[track_caller]
    pub fn jobs(&self) -> Vec<JobRow> {
        let text = self.partita(&["jobs", "--output=json"]).ok();
        let mut rows: Vec<JobRow> = serde_json::from_str(&text).expect("the jobs as JSON");
        rows.sort_by_key(|row| row.id);
        rows
    }

    /// Waits until a cluster has this many connected workers.
    #[track_caller]
    pub fn wait_workers(&self, count: u32) {
        wait_for(&format!("{count} workers"), LONG, || {
            self.status().filter(|status| status.workers == count)
        });
    }

    /// The processes on a node whose command line holds this word.
    pub fn processes(&self, node: &str, word: &str) -> Vec<Running> {
        let script = "for d in /proc/[0-9]*; do \
                      c=$(tr '\\0' ' ' <$d/cmdline) && echo \"${d#/proc/} $c\"; done 2>/dev/null; true";
        let text = self.exec(node, &["bash", "-c", script]).ok();
        let lines = text.lines().filter_map(|line| {
            let (pid, command) = line.split_once(' ')?;
            Some(Running { pid: pid.parse().ok()?, command: command.trim().to_string() })
        });
        // What looks for the word has it on its own command line.
        lines.filter(|run| run.command.contains(word) && !run.command.contains("/proc/")).collect()
    }

    /// Runs a command on a node as root.
    #[track_caller]
    pub fn exec(&self, node: &str, command: &[&str]) -> Ran {
        self.node("exec", node, command)
    }

    /// Runs a command on a node as a user, in its home.
    #[track_caller]
    pub fn exec_as(&self, user: &str, node: &str, command: &[&str]) -> Ran {
        self.exec(node, &[&["/srv/inside/as-user.sh", user], command].concat())
    }

    /// A node crashes: all its processes are killed at once, and no other node is told.
    #[track_caller]
    pub fn crash(&self, node: &str) {
        self.break_with("kill", node, "");
    }

    /// Takes a node's links down.
    #[track_caller]
    pub fn cut(&self, node: &str) {
        self.break_with("cut", node, "");
    }

    /// Takes one link of a node down: `eth`, over which Slurm goes, or `ib`.
    #[track_caller]
    pub fn cut_link(&self, node: &str, link: &str) {
        self.break_with("cut", node, link);
    }

    /// Puts a node's links up again.
    #[track_caller]
    pub fn heal(&self, node: &str) {
        self.node("heal", node, &[]).ok();
    }

    /// Kills only a node's slurmd.
    #[track_caller]
    pub fn stop_slurmd(&self, node: &str) {
        self.break_with("stop-slurmd", node, "");
    }

    /// Starts it again.
    #[track_caller]
    pub fn start_slurmd(&self, node: &str) {
        self.node("start-slurmd", node, &[]).ok();
    }

    fn break_with(&self, operation: &str, node: &str, part: &str) {
        assert!(self.names.contains(&node), "{node} is another test's");
        self.broken.store(true, Ordering::Relaxed);
        self.node(operation, node, &[part]).ok();
    }

    fn node(&self, operation: &str, node: &str, rest: &[&str]) -> Ran {
        let mut command = self.slurm.on_login();
        command.args(["/srv/inside/node.sh", operation, node]).args(rest);
        self.place.spawn(operation, command).finish(SOON)
    }

    /// Ends what the test left and makes its nodes usable again. Says whether they are.
    fn clean(&self) -> bool {
        self.run(&["scancel", "--full", "-u", self.user]);
        self.run(&["scancel", "-s", "KILL", "-u", self.user]);
        if self.broken.load(Ordering::Relaxed) {
            for node in &self.names {
                self.node("renew", node, &[]);
            }
        }
        let start = std::time::Instant::now();
        let names = self.names.join(",");
        let is_clean = || {
            let jobs = self.run(&["squeue", "-h", "-u", self.user, "-o", "%i"]);
            let states = self.run(&["sinfo", "-h", "-N", "-p", "cpu", "-n", &names, "-o", "%t"]);
            let idle = states.text().lines().filter(|state| *state == "idle").count();
            jobs.code == 0 && jobs.text().trim().is_empty() && idle == self.names.len()
        };
        while !is_clean() {
            if start.elapsed() > IDLE_BOUND {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for node in &self.names {
            for kind in ["tmp", "scratch"] {
                empty(&self.folder().join("hosts").join(node).join(kind));
            }
        }
        let home = format!("/home/{}", self.user);
        let mut sweep = self.slurm.on_login();
        // Processes of this user exist only inside; numbers are those of the namespace.
        sweep.args([
            "bash",
            "-c",
            "for d in /proc/[0-9]*; do \
            [ \"$(stat -c %U $d 2>/dev/null)\" = \"$0\" ] && kill -9 \"${d#/proc/}\"; done; \
            find \"$1\" -mindepth 1 -delete",
        ]);
        sweep.args([self.user, &home]);
        self.place.spawn("sweep", sweep).finish(SOON).code == 0
    }

    fn show_logs(&self) {
        for entry in std::fs::read_dir(self.home()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|kind| kind == "out") {
                eprintln!("--- {}\n{}", path.display(), tail(&path));
            }
        }
        let names = self.names.join(",");
        eprintln!("{}", self.run(&["squeue", "-t", "all", "-u", self.user]).text());
        eprintln!("{}", self.run(&["sinfo", "-N", "-n", &names]).text());
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        if self.clean() {
            self.slurm.give_back(&self.names, self.user);
        } else {
            eprintln!("{:?} are not usable any more: no other test gets them", self.names);
        }
    }
}

/// The connected workers of a listing.
pub fn workers_up_in(json: &str) -> Vec<WorkerRow> {
    let mut rows: Vec<WorkerRow> = serde_json::from_str(json).expect("the workers as JSON");
    rows.retain(|row| row.state == WorkerState::Up);
    rows
}

/// Removes what is in a folder, as far as that goes.
fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ =
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

fn tail(file: &Path) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let skipped = text.chars().count().saturating_sub(LOG_CHARS_MAX);
    text.chars().skip(skipped).collect()
}
