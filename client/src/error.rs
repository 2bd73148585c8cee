//! What can go wrong with a client.

use arrow_flight::error::FlightError;
use partita_shared::access::{Access, AccessError};
use std::error::Error;

/// Why a client got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No cluster was found.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The scheduler is not there.
    #[error("cannot reach the scheduler at {address}: {cause}")]
    Unreachable {
        /// Its address.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// The scheduler went away in the middle.
    #[error(
        "lost the scheduler at {address}: {cause}; its jobs are lost, run them again when it is back"
    )]
    Gone {
        /// Its address.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// The scheduler refused: a wrong token, another version.
    #[error("the scheduler at {address} refused the request: {reason}")]
    Refused {
        /// Its address.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The query has no answer.
    #[error("{0}")]
    Query(String),
    /// The job was stopped.
    #[error("{0}")]
    Cancelled(String),
}

/// The innermost cause, which is the one that says something.
pub(crate) fn root(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

impl ClientError {
    pub(crate) fn unreachable(access: &Access, error: &(dyn Error + 'static)) -> Self {
        ClientError::Unreachable { address: access.address.clone(), cause: root(error) }
    }

    pub(crate) fn query(access: &Access, error: FlightError) -> Self {
        let address = access.address.clone();
        let status = match error {
            FlightError::Tonic(status) => status,
            other => return ClientError::Query(other.to_string()),
        };
        let text = status.message().to_string();
        match status.code() {
            tonic::Code::Unauthenticated | tonic::Code::FailedPrecondition => {
                ClientError::Refused { address, reason: text }
            }
            tonic::Code::Cancelled | tonic::Code::Aborted => ClientError::Cancelled(text),
            tonic::Code::Unavailable => ClientError::Gone { address, cause: text },
            // A connection that ends in the middle of a stream comes as `Unknown` with a source.
            _ if status.source().is_some() => {
                ClientError::Gone { address, cause: root(status.as_ref()) }
            }
            _ => ClientError::Query(text),
        }
    }
}
