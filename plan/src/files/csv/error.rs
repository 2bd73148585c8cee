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
    pub(super) fn misfit(column: &str, field: &str, kind: &DataType) -> Self {
        let mut shown: String = field.chars().take(SHOWN_CHARACTERS_MAX).collect();
        if shown.len() < field.len() {
            shown.push_str("...");
        }
        Problem::Misfit { column: column.to_owned(), field: shown, kind: kind.clone() }
    }

    pub(super) fn of(self, path: &str) -> DataFusionError {
        DataFusionError::External(Box::new(CsvError { path: path.to_owned(), problem: self }))
    }
}

impl CsvError {
    /// Whether the file is a good one that was read with the wrong types, or in pieces that are not whole
    /// records: what was found in a part of it holds for all of it after another look.
    #[must_use]
    pub fn wants_another_look(&self) -> bool {
        matches!(self.problem, Problem::Misfit { .. } | Problem::Split)
    }
}
