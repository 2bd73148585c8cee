//! What can go wrong with plans.

use datafusion::arrow::error::ArrowError;
use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use partita_files::{CsvError, FileProblem, JsonError};
use partita_shared::message::ErrorKind;
use std::error::Error;
use std::io;

/// Why a plan could not be made, cut or sent.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The query is wrong: its author must change it.
    #[error("{0}")]
    Query(DataFusionError),
    /// A part of the plan has no wire form, so it can only run whole, planned where it runs.
    #[error("cannot send a part of the plan: {0}")]
    NotSendable(DataFusionError),
    /// A plan that a client built has more steps than its wire form takes.
    #[error(
        "the frame has too many nested steps to be sent; persist an intermediate frame, and continue with it"
    )]
    TooDeep,
    /// A peer sent an invalid fragment.
    #[error("cannot read a plan fragment: {0}")]
    Malformed(DataFusionError),
}

/// What went wrong, where it has a kind that programs know.
pub fn kind(error: &DataFusionError) -> Option<ErrorKind> {
    // What a file system says is below what its reader makes of it.
    chain(error).find_map(kind_of_file).or_else(|| chain(error).find_map(kind_of_value))
}

/// An error and what caused it, one after the other.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn kind_of_file(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if is_text(error) {
        return text_reason(error).and_then(kind_of_reason);
    }
    let reason = match (
        error.downcast_ref::<FileProblem>(),
        error.downcast_ref::<io::Error>(),
        error.downcast_ref::<object_store::Error>(),
    ) {
        (Some(problem), _, _) => problem.reason(),
        (_, Some(error), _) => error.kind(),
        (_, _, Some(object_store::Error::NotFound { .. })) => io::ErrorKind::NotFound,
        (_, _, Some(object_store::Error::PermissionDenied { .. })) => {
            io::ErrorKind::PermissionDenied
        }
        _ => return None,
    };
    kind_of_reason(reason)
}

/// Whether an error is about a file of text.
fn is_text(error: &(dyn Error + 'static)) -> bool {
    error.is::<CsvError>() || error.is::<JsonError>()
}

/// Why the system cannot read a file of text, if that is what is wrong with it.
fn text_reason(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let csv = error.downcast_ref::<CsvError>().and_then(CsvError::reason);
    csv.or_else(|| error.downcast_ref::<JsonError>().and_then(JsonError::reason))
}

fn kind_of_reason(reason: io::ErrorKind) -> Option<ErrorKind> {
    match reason {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Some(ErrorKind::FileNotFound),
        io::ErrorKind::PermissionDenied => Some(ErrorKind::PermissionDenied),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Some(ErrorKind::Value),
        _ => None,
    }
}

fn kind_of_value(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if is_text(error) {
        return text_reason(error).is_none().then_some(ErrorKind::Value);
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        return match error {
            ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::ParquetError(_) => Some(ErrorKind::Value),
            ArrowError::DivideByZero => Some(ErrorKind::DivideByZero),
            ArrowError::ArithmeticOverflow(_) => Some(ErrorKind::Overflow),
            ArrowError::NotYetImplemented(_) => Some(ErrorKind::Unsupported),
            _ => None,
        };
    }
    match error.downcast_ref::<DataFusionError>()? {
        DataFusionError::SchemaError(error, _) => {
            matches!(**error, SchemaError::FieldNotFound { .. })
                .then_some(ErrorKind::ColumnNotFound)
        }
        DataFusionError::ParquetError(_) => Some(ErrorKind::Value),
        DataFusionError::ResourcesExhausted(_) => Some(ErrorKind::Memory),
        DataFusionError::NotImplemented(_) => Some(ErrorKind::Unsupported),
        _ => None,
    }
}

/// A DataFusion error without the internal prefixes that tell a user nothing.
pub fn plain(error: &DataFusionError) -> String {
    let root = error.find_root();
    if let DataFusionError::SchemaError(error, _) = root
        && let SchemaError::DuplicateQualifiedField { qualifier, .. } = error.as_ref()
    {
        let table = qualifier.table();
        return format!(
            "'{table}' is used for two tables; give each its own alias, as in FROM '{table}' AS a JOIN '{table}' AS b"
        );
    }
    let text = missing_of_many(root).unwrap_or_else(|| root.to_string());
    let text = error_prefixes()
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).map(str::to_string).unwrap_or(text));
    // Only the problem is shown: the advice to contact DataFusion's developers does not apply here.
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(&text);
    let text = text.split(".\nThis was likely caused by a bug").next().unwrap_or(text);
    let rewritten = missing_table(text).or_else(|| wrong_argument(text)).or_else(|| cut_dump(text));
    if let Some(rewritten) = rewritten {
        return rewritten;
    }
    // Names of tables are shown as they are written.
    let text = text.trim().replace("partita.public.", "");
    match root {
        DataFusionError::Internal(_) => format!("internal error: {}", text.trim_end_matches('.')),
        _ => text,
    }
}

/// Columns that an error lists, at most: of more it lists the nearest names and the first ones.
const COLUMNS_LISTED_MAX: usize = 30;
/// The nearest names that it lists, and the likeness from which on a name is near.
const NEAREST_MAX: usize = 5;
const NEAR: f64 = 0.6;

/// An error that names a column which does not exist, where there are too many to list them all.
fn missing_of_many(error: &DataFusionError) -> Option<String> {
    let DataFusionError::SchemaError(error, _) = error else { return None };
    let SchemaError::FieldNotFound { field, valid_fields } = error.as_ref() else { return None };
    if valid_fields.len() <= COLUMNS_LISTED_MAX {
        return None;
    }
    let likeness = |column: &Column| {
        normalized_levenshtein(&column.name.to_lowercase(), &field.name.to_lowercase())
    };
    let alike = valid_fields.iter().map(|column| (likeness(column), column));
    let mut near: Vec<_> = alike.filter(|(likeness, _)| *likeness >= NEAR).collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut listed: Vec<Column> =
        near.into_iter().take(NEAREST_MAX).map(|(_, column)| column.clone()).collect();
    let first = valid_fields.iter().filter(|column| !listed.contains(column)).cloned();
    let first: Vec<Column> = first.take(COLUMNS_LISTED_MAX - listed.len()).collect();
    listed.extend(first);
    let text = SchemaError::FieldNotFound { field: field.clone(), valid_fields: listed };
    let text = text.to_string();
    Some(format!("{}, ... ({} in all).", text.trim_end_matches('.'), valid_fields.len()))
}

/// `table 'partita.public.name' not found`, with what a name can mean.
fn missing_table(text: &str) -> Option<String> {
    let name = text.trim().strip_prefix("table 'partita.public.")?.strip_suffix("' not found")?;
    // A persisted result that has gone may have a generated name, which says nothing.
    (!name.starts_with("__")).then(|| {
        format!(
            "table '{name}' does not exist, and the working directory has no data file or folder of that name"
        )
    })
}

/// `Function 'sum' failed to match any signature, errors: .. but received String (..)`, with the remedy.
fn wrong_argument(text: &str) -> Option<String> {
    let (name, errors) = text.strip_prefix("Function '")?.split_once("' failed to match any")?;
    let received = errors.split("received ").nth(1)?;
    let kind: String = received.chars().take_while(|c| c.is_alphanumeric()).collect();
    let is_string = matches!(kind.as_str(), "String" | "Utf8" | "Utf8View" | "LargeUtf8");
    let takes_numbers = ["Decimal", "Float", "Numeric"].iter().any(|kind| errors.contains(kind));
    Some(match is_string && takes_numbers {
        true => format!("{name} takes numbers, not strings; use {name}(cast(.. as double))"),
        false => format!("{name} does not take values of type {kind}; use CAST"),
    })
}

/// An error that shows the syntax tree: without the tree.
fn cut_dump(text: &str) -> Option<String> {
    const BEGINNINGS: [&str; 4] = [
        "Unsupported ast node in sqltorel: ",
        "Unsupported ast node ",
        "Unsupported JOIN operator ",
        "Unsupported SQL binary operator ",
    ];
    let dump = BEGINNINGS.iter().find_map(|beginning| text.strip_prefix(beginning))?;
    let node: String = dump.chars().take_while(|c| c.is_alphanumeric()).collect();
    Some(format!("this part of SQL is not supported: {node}"))
}

/// The function that a statement calls and that does not exist. DataFusion tells it in words only.
pub fn missing_function(error: &DataFusionError) -> Option<String> {
    let text = error.find_root().to_string();
    let (_, rest) = text.split_once("Invalid function '")?;
    let (name, rest) = rest.split_once('\'')?;
    rest.starts_with(".\nDid you mean").then(|| name.to_string())
}

fn error_prefixes() -> [&'static str; 9] {
    [
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "SQL error: ",
        "Schema error: ",
        "Arrow error: ",
        "Object Store error: ",
        "This feature is not implemented: ",
        "Internal error: ",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Of many columns an error names the nearest ones and the first ones; of few, all.
    #[test]
    fn errors_list_some_of_many_columns() {
        let missing = |count: usize| {
            let column = |number: usize| Column::new(Some("t"), format!("c{number}"));
            let error = SchemaError::FieldNotFound {
                field: Box::new(Column::new_unqualified("d1500")),
                valid_fields: (0..count).map(column).collect(),
            };
            plain(&DataFusionError::SchemaError(Box::new(error), Box::new(None)))
        };
        let few = missing(3);
        assert!(few.contains("t.c0, t.c1, t.c2.") && !few.contains("in all"), "{few}");
        let many = missing(5_000);
        assert!(many.starts_with("No field named d1500."), "{many}");
        assert!(
            many.contains("Valid fields are t.c1500, ") && many.contains("t.c0, t.c1, "),
            "{many}"
        );
        assert!(many.ends_with(", ... (5000 in all)."), "{many}");
        assert!(many.len() < 500, "{many}");
    }

    /// Proves that a kind is found below what wraps it, and that errors of no known kind have none.
    #[test]
    fn kinds_are_found() {
        let arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
        let cast = arrow(ArrowError::CastError("x".into()));
        assert_eq!(kind(&cast), Some(ErrorKind::Value));
        let shared = DataFusionError::Shared(Arc::new(cast)).context("c1");
        assert_eq!(kind(&shared), Some(ErrorKind::Value));
        assert_eq!(kind(&arrow(ArrowError::DivideByZero)), Some(ErrorKind::DivideByZero));
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(kind(&arrow(missing().into())), Some(ErrorKind::FileNotFound));
        assert_eq!(kind(&DataFusionError::IoError(missing())), Some(ErrorKind::FileNotFound));
        let problem = FileProblem::error(io::ErrorKind::PermissionDenied, "cannot read 'x'".into());
        assert_eq!(kind(&problem), Some(ErrorKind::PermissionDenied));
        assert_eq!(plain(&problem), "cannot read 'x'");
        assert_eq!(kind(&DataFusionError::Plan("no such file or folder".into())), None);
    }

    /// What DataFusion says of itself is left out, and a remedy is added where there is one.
    #[test]
    fn texts_are_for_users() {
        let signature = "Function 'sum' failed to match any signature, errors: Error during planning: Function 'sum' requires Decimal, but received String (DataType: Utf8View).";
        let internal = |text: &str| DataFusionError::Internal(text.to_string());
        assert_eq!(
            plain(&internal(signature)),
            "sum takes numbers, not strings; use sum(cast(.. as double))"
        );
        assert_eq!(plain(&internal("no columns")), "internal error: no columns");
        let plan = |text: &str| DataFusionError::Plan(text.to_string());
        assert_eq!(plain(&plan("a of partita.public.t")), "a of t");
        let dump = "Unsupported ast node in sqltorel: MemberOf(MemberOf { value: .. })";
        assert_eq!(plain(&plan(dump)), "this part of SQL is not supported: MemberOf");
        let twice = SchemaError::DuplicateQualifiedField {
            qualifier: Box::new("people.csv".into()),
            name: "id".to_string(),
        };
        let twice = DataFusionError::SchemaError(Box::new(twice), Box::new(None));
        assert!(plain(&twice).contains("AS a JOIN"), "{}", plain(&twice));
        let missing = plan("Invalid function 'year'.\nDid you mean 'lead'?");
        assert_eq!(missing_function(&missing).as_deref(), Some("year"));
        assert_eq!(missing_function(&plan("Invalid function 'year'")), None);
    }
}
