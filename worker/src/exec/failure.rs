//! What a task's failure means for the scheduler.

use datafusion::error::DataFusionError;
use partita_plan::error::plain;
use partita_shared::ids::WorkerId;
use partita_shared::message::FailureKind;
use std::error::Error;
use std::io::ErrorKind;

/// An input that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("input from {holder} was lost: {cause}")]
pub(crate) struct InputLost {
    pub(crate) holder: WorkerId,
    pub(crate) cause: String,
}

impl InputLost {
    pub(crate) fn error(holder: WorkerId, cause: String) -> DataFusionError {
        DataFusionError::External(Box::new(InputLost { holder, cause }))
    }
}

/// Looks through an error and what caused it for one of a kind.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// Whether a file could not be written for want of room, or a device failed: elsewhere it may go.
fn is_local(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    ) || matches!(error.raw_os_error(), Some(libc::EIO | libc::EMFILE | libc::ENFILE))
}

/// The kind of a failure, and its text.
pub(crate) fn classify(error: &DataFusionError) -> (FailureKind, String) {
    if let Some(lost) = find::<InputLost>(error) {
        return (FailureKind::Input(lost.holder), lost.to_string());
    }
    if let Some(io) = find::<std::io::Error>(error)
        && is_local(io)
    {
        return (FailureKind::Retry, io.to_string());
    }
    if let DataFusionError::ResourcesExhausted(text) = error.find_root() {
        return (FailureKind::Memory, format!("not enough memory: {text}"));
    }
    (FailureKind::Fatal, plain(error))
}
