//! The worker's environment: what this process may use of the machine that it runs on.
//!
//! Slots ([`threads`]), memory ([`memory`]), a folder for what is spilled ([`scratch`]) and the
//! Slurm job around it ([`slurm`]). All of it is found out once, at the start. Nothing in here
//! knows of tasks, partitions or the scheduler.
//!
//! What is read of the system (environment, `/proc`, cgroups) comes in as an argument below the
//! public functions, so that tests use made-up machines and never change their own process.

pub mod ask_slurm;
mod cgroup;
pub mod hostlist;
pub mod memory;
pub mod scratch;
pub mod slurm;
pub mod threads;

pub(crate) use cgroup::OomCounter;

use partita_shared::units::format_bytes;
use std::path::PathBuf;

/// Looks an environment variable up. Empty ones count as unset.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks a variable up in this process's environment. Text that is not UTF-8 counts as unset.
pub(crate) fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a variable as a whole number. Anything else counts as unset.
pub(crate) fn number(lookup: Lookup<'_>, name: &str) -> Option<u64> {
    lookup(name)?.trim().parse().ok()
}

/// Why a worker cannot have its environment, or its supervisor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The folder for what is spilled could not be made.
    #[error(
        "cannot write to the scratch directory {} (from {origin}): {source}; name a writable directory on a local disk with --local-directory",
        path.display()
    )]
    Scratch {
        /// The directory in which the folder was to be.
        path: PathBuf,
        /// What named the directory: the option or the environment variable.
        origin: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The memory limit leaves too little for a worker.
    #[error(
        "the memory limit of a worker is {} ({how}), but a worker needs at least {}; start fewer workers on this node, request more memory, or use a larger --memory-limit",
        format_bytes(*limit_bytes),
        format_bytes(memory::LIMIT_BYTES_MIN)
    )]
    LimitTooSmall {
        /// What the limit comes to, in bytes.
        limit_bytes: u64,
        /// How it was found.
        how: String,
    },
    /// A worker process could not be started for the first time.
    #[error("cannot start worker process {index} (`{program}`): {source}")]
    Spawn {
        /// Which of the workers.
        index: u32,
        /// The executable.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The supervisor's own thread, its runtime or its signal handlers could not be set up.
    #[error("cannot set up the supervisor of the worker processes: {0}")]
    Supervisor(#[source] std::io::Error),
    /// The supervisor ended without a result: a mistake in it.
    #[error("internal error: the supervisor of the worker processes stopped early; see its log")]
    SupervisorLost,
}
