//! Files of JSON, one object on each line.
//!
//! DataFusion's reader takes the types of columns from the first records, cuts the fraction off a number that comes
//! later in a column of integers, leaves out fields that come later, and cannot read numbers in a column of strings.

mod columns;
mod lines;
mod shape;
mod source;

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use serde::{Deserialize, Serialize};

pub(super) use columns::{columns, learn};
pub(super) use source::JsonLines;

/// How files of JSON are read, beside what their columns and their compression say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JsonForm {
    /// Whether the types of the columns are known only from a sample: then a value that does not
    /// fit is not an error in the file.
    pub(super) is_sampled: bool,
    /// Whether a scan gives what it finds out about the types of the columns, instead of rows.
    pub(super) gives_types: bool,
}

/// A file of JSON that cannot be read, by name.
#[derive(Debug, thiserror::Error)]
#[error("cannot read '{path}' as json: {problem}")]
pub struct JsonError {
    path: String,
    #[source]
    problem: Problem,
    is_unsure: bool,
}

impl JsonError {
    /// Whether the file may be a good one that was read with types from a sample: once all of it
    /// was scanned, it can be read.
    #[must_use]
    pub fn wants_another_look(&self) -> bool {
        self.is_unsure
    }

    /// Why the system cannot read the file, if that is what is wrong.
    #[must_use]
    pub fn reason(&self) -> Option<std::io::ErrorKind> {
        match &self.problem {
            Problem::Io(error) => Some(error.kind()),
            _ => None,
        }
    }
}

/// What is wrong with a file of JSON.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{line}: {error}; a file of JSON has one object on each line")]
    Syntax { line: Line, error: serde_json::Error },
    #[error("field '{field}' has {kinds}; a field must have one kind of values")]
    Mixed { field: String, kinds: String },
    #[error(
        "more than {0} fields have names of their own; write such objects as lists of keys and values"
    )]
    Fields(usize),
    #[error(
        "{line}: field '{field}' does not fit {kind}, the type that it has in a sample of the file"
    )]
    Misfit { line: Line, field: String, kind: String },
    #[error("{line}: {error}")]
    Value {
        line: Line,
        #[source]
        error: ArrowError,
    },
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Problem {
    fn of(self, path: &str) -> DataFusionError {
        let is_unsure = matches!(self, Problem::Misfit { .. });
        let path = path.to_owned();
        DataFusionError::External(Box::new(JsonError { path, problem: self, is_unsure }))
    }
}

/// A line of a file, where its number is known.
#[derive(Debug, Clone, Copy)]
struct Line(Option<u64>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(line) => write!(f, "line {line}"),
            None => f.write_str("a line"),
        }
    }
}
