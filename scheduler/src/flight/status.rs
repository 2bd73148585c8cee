//! Errors as gRPC says them.

use crate::query::QueryError;
use datafusion::arrow::error::ArrowError;
use partita_shared::message::ErrorKind;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The longest text of a status, in bytes. It travels in a header, where a byte may become three,
/// and peers read headers of 16 KiB.
const STATUS_TEXT_BYTES_MAX: usize = 4 << 10;

/// The trailer in which Arrow's servers send a code of `arrow::StatusCode`.
const ARROW_STATUS_HEADER: &str = "x-arrow-status";
const ARROW_OUT_OF_MEMORY: &str = "1";
const ARROW_KEY_ERROR: &str = "2";
const ARROW_INVALID: &str = "4";
const ARROW_IO_ERROR: &str = "5";
const ARROW_NOT_IMPLEMENTED: &str = "10";

/// What a client is told about a statement without an answer.
pub(crate) fn of(error: QueryError) -> Status {
    let text = short(error.to_string());
    let code = match error {
        QueryError::Statement(_) | QueryError::Known { .. } | QueryError::Sampled(_) => {
            Code::InvalidArgument
        }
        QueryError::Failed(_) => Code::Internal,
        // Not as `cancelled`, which says that the client itself broke off: pyarrow takes it for Ctrl-C.
        QueryError::Cancelled(_) => Code::Aborted,
        QueryError::Ending => Code::Unavailable,
    };
    match error.kind() {
        Some(kind) => with_kind(code, text, kind),
        None => Status::new(code, text),
    }
}

/// A status with the kind of the error for programs, as its details. Arrow's clients give them out
/// (`extra_info` in Python) only beside a status of Arrow's own, as its servers send it.
fn with_kind(code: Code, text: String, kind: ErrorKind) -> Status {
    let arrow_status = match kind {
        ErrorKind::FileNotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::FileExists
        | ErrorKind::Cancelled => ARROW_IO_ERROR,
        ErrorKind::ColumnNotFound => ARROW_KEY_ERROR,
        ErrorKind::Memory => ARROW_OUT_OF_MEMORY,
        ErrorKind::Unsupported => ARROW_NOT_IMPLEMENTED,
        ErrorKind::Value | ErrorKind::DivideByZero | ErrorKind::Overflow => ARROW_INVALID,
    };
    let mut metadata = MetadataMap::new();
    metadata.insert(ARROW_STATUS_HEADER, MetadataValue::from_static(arrow_status));
    Status::with_details_and_metadata(code, text, kind.code().into(), metadata)
}

/// What a client is told when rows of the scheduler's own could not be made.
pub(crate) fn unanswerable(error: impl Into<ArrowError>) -> Status {
    Status::internal(short(format!("cannot encode the answer: {}", error.into())))
}

/// The beginning of a text that is too long.
fn short(mut text: String) -> String {
    if text.len() > STATUS_TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(STATUS_TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a kind travels as details, beside the status that Arrow's clients look for.
    #[test]
    fn a_kind_is_sent() {
        let text = "no such file or folder: 'x.csv'".to_string();
        let status = of(QueryError::Known { kind: ErrorKind::FileNotFound, text });
        assert_eq!(
            (status.code(), status.details()),
            (Code::InvalidArgument, &b"file-not-found"[..])
        );
        assert!(status.metadata().contains_key(ARROW_STATUS_HEADER));
        let status = of(QueryError::Failed("x".to_string()));
        assert!(status.details().is_empty() && status.metadata().is_empty());
    }

    /// Proves that a long text of wide characters is cut between two of them.
    #[test]
    fn a_long_text_is_cut() {
        let status = of(QueryError::Statement("x".to_string() + &"ü".repeat(5000)));
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().len() <= STATUS_TEXT_BYTES_MAX + '…'.len_utf8());
        assert!(status.message().ends_with("ü…"));
    }
}
