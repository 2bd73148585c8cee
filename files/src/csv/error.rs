//! What can be wrong with a CSV file.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DataFusionError;

/// Characters of a field that an error shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// A CSV file that cannot be read, by name.
#[derive(Debug, thiserror::Error)]
#[error("cannot read '{path}' as csv: {problem}")]
pub struct CsvError {
    /// The file.
    pub(super) path: String,
    #[source]
    pub(super) problem: Problem,
    /// Whether it may be the fault of a sample instead of the file's.
    pub(super) is_unsure: bool,
}

/// What is wrong with a CSV file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(
        "{line} has {found} fields where {expected} are expected; check the delimiter and the quotes"
    )]
    Width { line: Line, found: usize, expected: usize },
    #[error(
        "{line} is not valid UTF-8; set its encoding, as read_csv(encoding='latin-1') of the Python package does"
    )]
    Characters { line: Line },
    #[error(
        "column '{column}' has '{field}', which is not {kind}, the type that was inferred for the column; \
         set its type, as read_csv(dtype={{'{column}': 'str'}}) of the Python package does"
    )]
    Misfit { column: String, field: String, kind: DataType },
    #[error(
        "column '{column}' has '{field}', which is not {kind}, the type that was set for the column; set another type"
    )]
    GivenMisfit { column: String, field: String, kind: DataType },
    #[error("column '{column}' is missing; the file has {}", named(.has))]
    NoColumn { column: String, has: Vec<String> },
    #[error("a value with line breaks crosses a split of the file; read the file in one piece")]
    Split,
    #[error(transparent)]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
}

/// The line of a file in which a record begins, where that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line(pub(super) Option<u64>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(line) => write!(f, "line {line}"),
            None => f.write_str("a line"),
        }
    }
}

fn named(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|name| format!("'{name}'")).collect();
    columns.join(", ")
}

impl Problem {
    /// A field that does not fit its column.
    pub(super) fn misfit(column: &str, field: &str, kind: &DataType) -> Self {
        let mut shown: String = field.chars().take(SHOWN_CHARACTERS_MAX).collect();
        if shown.len() < field.len() {
            shown.push_str("...");
        }
        Problem::Misfit { column: column.to_owned(), field: shown, kind: kind.clone() }
    }

    /// The same of a column that was given its type.
    pub(super) fn of_given_type(self) -> Self {
        match self {
            Problem::Misfit { column, field, kind } => Problem::GivenMisfit { column, field, kind },
            other => other,
        }
    }

    pub(super) fn of(self, path: &str) -> DataFusionError {
        let (path, is_unsure) = (path.to_owned(), false);
        DataFusionError::External(Box::new(CsvError { path, problem: self, is_unsure }))
    }

    /// What is wrong with a file, in words.
    pub(super) fn text(self, path: &str) -> String {
        CsvError { path: path.to_owned(), problem: self, is_unsure: false }.to_string()
    }

    /// The same for a file of which only a sample was read. With `is_piece` the sample is a piece
    /// from the middle: a value may have line breaks, and a piece that begins inside of one does
    /// not consist of whole records.
    pub(super) fn of_sampled(self, path: &str, is_piece: bool) -> DataFusionError {
        let is_unsure = match &self {
            Problem::Misfit { .. } | Problem::Split => true,
            Problem::Width { .. } | Problem::Characters { .. } => is_piece,
            Problem::Io(_)
            | Problem::GivenMisfit { .. }
            | Problem::NoColumn { .. }
            | Problem::Arrow(_) => false,
        };
        let path = path.to_owned();
        DataFusionError::External(Box::new(CsvError { path, problem: self, is_unsure }))
    }
}

impl CsvError {
    /// Whether the file may be a good one that was read with types from a sample, or in pieces that
    /// are not whole records: once all of it was scanned, it can be read.
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
