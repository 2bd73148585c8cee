//! What can be wrong with a file that a query names.

use datafusion::error::DataFusionError;
use std::io;

/// A file or a folder that a query names and that cannot be used, with the reason as the system has
/// it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FileProblem {
    #[source]
    error: DataFusionError,
    reason: io::ErrorKind,
}

impl FileProblem {
    /// An error with this message.
    pub fn error(reason: io::ErrorKind, message: String) -> DataFusionError {
        let error = DataFusionError::Plan(message);
        DataFusionError::External(Box::new(FileProblem { error, reason }))
    }

    /// Why the system refuses it.
    pub fn reason(&self) -> io::ErrorKind {
        self.reason
    }
}
