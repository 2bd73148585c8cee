//! What can go wrong with a worker.

use crate::environment::EnvironmentError;
use partita_net::identity::IdentityError;
use partita_shared::plaintext::NoRandom;
use std::path::PathBuf;
use std::time::Duration;

/// The exit code of a worker that no scheduler answered within its death timeout: `EX_UNAVAILABLE` of `sysexits.h`.
pub const EXIT_NO_SCHEDULER: u8 = 69;
/// The exit code of a worker that the scheduler refused: `EX_NOPERM` of `sysexits.h`.
pub const EXIT_REFUSED: u8 = 77;

/// Why a worker could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its environment is not fit for it.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A runtime or a file could not be had.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no certificate for the data port.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system has no random numbers.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The data port cannot be taken.
    #[error("cannot listen on {address}: {source}; choose another address with --host and --port")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scheduler refused this worker: another version, a wrong token. Retrying is useless.
    #[error("the scheduler at {address} refused this worker: {reason}")]
    Refused {
        /// The scheduler.
        address: String,
        /// What it said.
        reason: String,
    },
    /// No scheduler answered for too long.
    #[error("no scheduler responded within {} s (--death-timeout): {cause}", waited.as_secs())]
    NoScheduler {
        /// How long it waited.
        waited: Duration,
        /// The last thing that went wrong.
        cause: String,
    },
    /// The scratch folder is full or broken.
    #[error("cannot use scratch folder {}: {source}; free some space, or choose another folder with --local-directory", path.display())]
    Scratch {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl WorkerError {
    /// The exit code of a process that ends with this error. What another start would not change has a code of its
    /// own, by which a supervisor knows it.
    pub fn exit_code(&self) -> u8 {
        match self {
            WorkerError::NoScheduler { .. } => EXIT_NO_SCHEDULER,
            WorkerError::Refused { .. } => EXIT_REFUSED,
            WorkerError::Environment(_)
            | WorkerError::System { .. }
            | WorkerError::Listen { .. }
            | WorkerError::Identity(_)
            | WorkerError::NoRandom(_)
            | WorkerError::Scratch { .. } => 1,
        }
    }
}
