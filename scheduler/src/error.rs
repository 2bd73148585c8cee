//! What can go wrong with a scheduler.

use partita_net::identity::IdentityError;
use partita_shared::access::AccessError;
use std::path::PathBuf;

/// Why a scheduler could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The port cannot be taken.
    #[error("cannot listen on {address}: {source}; {}", remedy(source))]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The access file cannot be written.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no certificate for the port.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The secret that the user chose can be guessed.
    #[error(
        "the secret in PARTITA_TOKEN is too short: it has {bytes} bytes, at least {min} are required; unset PARTITA_TOKEN to have one generated, or set it to the output of `openssl rand -base64 32`"
    )]
    ShortSecret {
        /// Its length.
        bytes: usize,
        /// The shortest that is taken.
        min: usize,
    },
    /// The file that keeps the key and the token is damaged.
    #[error("{} is not a Partita identity file: {source}; remove it to make a new key and token", path.display())]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A thread or another thing of the system could not be had.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What to do about an address that cannot be had.
fn remedy(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrNotAvailable => {
            "choose an address of this host with --host, or a network interface with --interface"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 are reserved; choose another port with --port"
        }
        _ => "choose another port with --port, or 0 for any",
    }
}
