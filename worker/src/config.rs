//! What a worker is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a worker, all decided.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The name that people know it by.
    pub name: String,
    /// The address to listen on, or none for a worker inside the scheduler's process.
    pub host: Option<String>,
    /// The host, or host and port, that others are told, if it is not what the scheduler sees.
    pub contact_address: Option<String>,
    /// The port to listen on; 0 takes any.
    pub port: u16,
    /// Tasks at once.
    pub slots: u32,
    /// Bytes that it may use.
    pub memory_limit_bytes: u64,
    /// Has the allocator return what it keeps to the system. `None` if the process is shared: then
    /// its memory use does not measure the worker.
    pub give_back: Option<fn()>,
    /// Its own scratch folder, which is there.
    pub local_directory: PathBuf,
    /// The cluster's token.
    pub token: String,
    /// How long to look for a scheduler that does not answer.
    pub death_timeout: Duration,
    /// When it must end, counted from its start.
    pub lifetime: Option<Duration>,
    /// The Slurm job it runs in.
    pub slurm_job: Option<String>,
    /// The Python that runs functions, if it is given.
    pub python: Option<PathBuf>,
    /// What else it has that tasks may need for themselves (`GPU`), by name, in thousandths.
    pub resources: BTreeMap<String, u64>,
}

/// What tells a worker to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Why, as a message.
    pub reason: String,
    /// How long it may take for what was begun, and for migrating what others want of it.
    pub grace: Duration,
}

/// Why a worker ended, if nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It left the cluster.
    Left,
    /// Its process is to start anew.
    Restarting,
}
