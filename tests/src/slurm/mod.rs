//! A real Slurm of four nodes, brought up once for each test program by `tests/slurm/cluster.sh`.
//!
//! A test takes nodes and a user of its own from it ([`nodes()`]): tests run beside each other, and
//! a test may break its nodes. The cluster ends with the test program, however that ends: its
//! first process reads a pipe that nobody else holds.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of tests: what goes wrong here fails the test, with the reason"
)]

pub mod enter;
pub mod job;
pub mod nodes;
pub mod python;

use crate::process::{Place, program, wait_for};
use job::Job;
pub use nodes::Nodes;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long the cluster may take to be ready: a second or two on a machine with nothing to do.
const READY_BOUND: Duration = Duration::from_secs(90);
/// How long the cluster may take to be gone at the end of the test program.
const END_BOUND: Duration = Duration::from_secs(120);
/// How long a test may wait for nodes that others have: they are given back by tests that end.
const FREE_BOUND: Duration = Duration::from_secs(600);
/// The users that tests get, each its own home.
const USERS: [&str; 4] = ["ada", "bob", "cleo", "dirk"];
/// The user whom no test gets.
pub const STRANGER: &str = "eve";
/// The nodes.
const NODES: [&str; 4] = ["node1", "node2", "node3", "node4"];

/// The cluster, while the test program runs.
#[derive(Debug)]
pub struct Slurm {
    folder: PathBuf,
    /// The first process of the namespaces around it.
    first: u32,
    free: Mutex<Free>,
    changed: Condvar,
    /// Held by those who make files visible inside.
    sharing: Mutex<()>,
}

/// What no test has.
#[derive(Debug)]
struct Free {
    nodes: Vec<&'static str>,
    users: Vec<&'static str>,
}

/// What keeps the cluster up.
static SERVING: Mutex<Option<(Child, ChildStdin)>> = Mutex::new(None);
static SLURM: OnceLock<Slurm> = OnceLock::new();

/// `count` nodes and a user for a test.
///
/// # Panics
/// If no Slurm can run here: with what is missing.
#[track_caller]
pub fn nodes(count: usize) -> Nodes {
    Nodes::new(SLURM.get_or_init(Slurm::start), count)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/cluster.sh")
}

/// Starts a cluster in a folder that is not there yet. It ends when the pipe is dropped.
pub fn serve(folder: &Path) -> (Child, ChildStdin) {
    let errors = std::fs::File::create(folder.with_extension("err")).expect("a log");
    let mut child = Command::new(script())
        .arg("serve")
        .arg(folder)
        .env("PARTITA_PROGRAM", program())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .expect("cluster.sh starts");
    let pipe = child.stdin.take().expect("a pipe");
    wait_for("a Slurm that is ready", READY_BOUND, || {
        if child.try_wait().expect("its state").is_some() {
            let said = std::fs::read_to_string(folder.with_extension("err")).unwrap_or_default();
            let _ = std::fs::remove_file(folder.with_extension("err"));
            panic!("{said}");
        }
        folder.join("run/ready").exists().then_some(())
    });
    let _ = std::fs::remove_file(folder.with_extension("err"));
    (child, pipe)
}

/// Ends the cluster with the test program, and waits for it: what comes after the tests finds
/// nothing of it.
extern "C" fn end() {
    let serving = SERVING.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((mut child, pipe)) = serving else { return };
    drop(pipe);
    wait_for("the end of the Slurm", END_BOUND, || child.try_wait().ok().flatten());
}

impl Slurm {
    fn start() -> Slurm {
        let folder = std::env::temp_dir().join(format!("partita-slurm-{}", std::process::id()));
        *SERVING.lock().unwrap_or_else(PoisonError::into_inner) = Some(serve(&folder));
        #[expect(
            unsafe_code,
            reason = "atexit stores a function, which lives as long as the program"
        )]
        unsafe {
            libc::atexit(end);
        }
        let outer = std::fs::read_to_string(folder.join("run/machine.pid")).expect("its id");
        let outer = outer.trim();
        let first = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        let first = first.expect("its child").trim().parse().expect("a process id");
        let free = Free { nodes: NODES.to_vec(), users: USERS.to_vec() };
        Slurm {
            folder,
            first,
            free: Mutex::new(free),
            changed: Condvar::new(),
            sharing: Mutex::new(()),
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` nodes and a user are free, and takes them.
    fn take(&self, count: usize) -> (Vec<&'static str>, &'static str) {
        let taking = self.changed.wait_timeout_while(self.free(), FREE_BOUND, |free| {
            free.nodes.len() < count || free.users.is_empty()
        });
        let (mut free, waited) = taking.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "no {count} nodes were free for {FREE_BOUND:?}: {free:?}");
        free.nodes.sort_unstable();
        let nodes = free.nodes.drain(..count).collect();
        (nodes, free.users.remove(0))
    }

    fn give_back(&self, nodes: &[&'static str], user: &'static str) {
        let mut free = self.free();
        free.nodes.extend(nodes);
        free.users.push(user);
        self.changed.notify_all();
    }

    /// A command on the login host, as this user.
    fn login(&self, user: &str, command: &[&str]) -> Command {
        let mut entering = self.on_login();
        entering.args(["/srv/inside/as-user.sh", user]).args(command);
        entering
    }

    /// The start of a command as root on the login host.
    fn on_login(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-m", "-u", "-n", "-p", "--"]);
        command
    }
}

/// A `sbatch` that was not told to stop here: what it printed as the job's id.
fn job_id(printed: &str) -> u64 {
    let id = printed.trim().split(';').next().unwrap_or_default();
    id.parse().unwrap_or_else(|_| panic!("sbatch --parsable printed `{printed}`"))
}
