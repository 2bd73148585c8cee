//! Errors as gRPC says them.

use crate::query::QueryError;
use datafusion::arrow::error::ArrowError;
use tonic::Status;

/// The longest text of a status, in bytes. It travels in a header, where a byte may become three,
/// and peers read headers of 16 KiB.
const STATUS_TEXT_BYTES_MAX: usize = 4 << 10;

/// What a client is told about a statement without an answer.
pub(crate) fn of(error: QueryError) -> Status {
    let text = short(error.to_string());
    match error {
        QueryError::Statement(_) => Status::invalid_argument(text),
        QueryError::Failed(_) => Status::internal(text),
        // Not as `cancelled`, which says that the client itself broke off: pyarrow takes it for Ctrl-C.
        QueryError::Cancelled(_) => Status::aborted(text),
        QueryError::Ending => Status::unavailable(text),
    }
}

/// What a client is told when rows of the scheduler's own could not be made.
pub(crate) fn unanswerable(error: impl Into<ArrowError>) -> Status {
    Status::internal(short(format!("the answer could not be made: {}", error.into())))
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

    /// Proves that a long text of wide characters is cut between two of them.
    #[test]
    fn a_long_text_is_cut() {
        let status = of(QueryError::Statement("x".to_string() + &"ü".repeat(5000)));
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().len() <= STATUS_TEXT_BYTES_MAX + '…'.len_utf8());
        assert!(status.message().ends_with("ü…"));
    }
}
