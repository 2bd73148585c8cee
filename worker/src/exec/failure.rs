//! What a task's failure means for the scheduler.

use crate::python::PythonError;
use crate::store::file_text;
use datafusion::error::DataFusionError;
use partita_files::{CsvError, JsonError};
use partita_plan::error::plain;
use partita_shared::ids::WorkerId;
use partita_shared::message::FailureKind;
use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

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

/// An error and its causes, one after the other, only those of one type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a T> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
        .filter_map(|error| error.downcast_ref::<T>())
}

/// Whether a file could not be written for want of room, or a device failed: elsewhere it may go.
fn is_local(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    ) || matches!(error.raw_os_error(), Some(libc::EIO | libc::EMFILE | libc::ENFILE))
}

/// The exception that a function raised, pickled, if that is the failure.
pub(crate) fn exception_of(error: &DataFusionError) -> Option<Arc<[u8]>> {
    find::<PythonError>(error).find_map(|error| match error {
        PythonError::Raised { exception, .. } => exception.clone(),
        _ => None,
    })
}

/// What the failure of a function means.
fn classify_function(error: &PythonError) -> (FailureKind, String) {
    let kind = match error {
        PythonError::Raised { .. } | PythonError::Protocol(_) => FailureKind::Fatal,
        PythonError::Memory(_) => FailureKind::Memory,
        // Another worker may have another Python, and what ended a process may not happen again.
        PythonError::Environment { .. }
        | PythonError::Ended { .. }
        | PythonError::System { .. } => FailureKind::Retry,
    };
    (kind, error.to_string())
}

/// The kind of a failure, and its text. `scratch` is where operators spill, which they do not say.
pub(crate) fn classify(error: &DataFusionError, scratch: &Path) -> (FailureKind, String) {
    if let Some(lost) = find::<InputLost>(error).next() {
        return (FailureKind::Input(lost.holder), lost.to_string());
    }
    if let Some(error) = find::<PythonError>(error).next() {
        return classify_function(error);
    }
    let context = match error {
        DataFusionError::Context(text, _) => Some(text),
        _ => None,
    };
    if let Some(io) = find::<std::io::Error>(error).find(|io| is_local(io)) {
        let text = io.to_string();
        let text = match (context, io.raw_os_error()) {
            (Some(context), _) => format!("{context}: {text}"),
            // What the system said alone names no file: then it was an operator that spilled.
            (None, Some(_)) => file_text(scratch, &text),
            (None, None) => text,
        };
        return (FailureKind::Retry, text);
    }
    if find::<CsvError>(error).any(CsvError::wants_another_look)
        || find::<JsonError>(error).any(JsonError::wants_another_look)
    {
        return (FailureKind::Sampled, plain(error));
    }
    if let DataFusionError::ResourcesExhausted(text) = error.find_root() {
        return (FailureKind::Memory, format!("not enough memory: {text}"));
    }
    let text = plain(error);
    let text = context.map_or(text.clone(), |context| format!("{context}: {text}"));
    (partita_plan::error::kind(error).map_or(FailureKind::Fatal, FailureKind::Known), text)
}
