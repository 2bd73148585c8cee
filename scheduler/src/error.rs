//! What can go wrong with a scheduler.

use partita_shared::access::AccessError;

/// Why a scheduler could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The port cannot be taken.
    #[error("cannot listen on {address}: {source}: choose another port with --port, or 0 for any")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The access file cannot be written.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A thread or another thing of the system could not be had.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}
