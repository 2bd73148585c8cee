//! Whether two answers are the same.
//!
//! Answers are multisets of rows. Floating-point numbers may differ by [`RELATIVE_TOLERANCE`],
//! since sums over partitions are added in another order; everything else must be equal, types and
//! names too. Where the query sorts, the values that it sorts by must come in the same sequence:
//! rows that are equal in these may be in any order among each other.

use crate::oracle::{Answer, columns};
use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::collections::BTreeMap;
use std::fmt::Write;

/// By how much floating-point numbers may differ, relative to the larger.
const RELATIVE_TOLERANCE: f64 = 1e-9;
/// Digits to which numbers are rounded to bring rows in an order in which both answers agree.
const SORT_DIGITS: usize = 7;
/// Rows that differ only in floating-point numbers, for which every pairing is tried.
const PAIRED_ROWS_MAX: usize = 2000;
/// Rows of each answer that a report shows.
const REPORT_ROWS_MAX: usize = 5;
/// Characters of a row that a report shows.
const REPORT_CHARS_MAX: usize = 400;

/// One row: what must be equal, as text, and its floating-point numbers.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    exact: String,
    floats: Vec<f64>,
}

impl Row {
    fn is_like(&self, other: &Row) -> bool {
        self.exact == other.exact
            && self.floats.len() == other.floats.len()
            && self.floats.iter().zip(&other.floats).all(|(a, b)| close(*a, *b))
    }

    fn show(&self) -> String {
        let text = self.exact.replace('\u{1f}', " | ");
        let mut shown: String = text.chars().take(REPORT_CHARS_MAX).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        for float in &self.floats {
            let _ = write!(shown, " ~{float:?}");
        }
        shown
    }
}

fn close(a: f64, b: f64) -> bool {
    a == b
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= RELATIVE_TOLERANCE * a.abs().max(b.abs())
}

/// The columns of the output that a query sorts by, the first of them first.
pub(super) fn key_columns(plan: &LogicalPlan) -> Vec<usize> {
    let mut at = plan;
    let sort = loop {
        match at {
            LogicalPlan::Sort(sort) => break sort,
            LogicalPlan::Limit(limit) => at = &limit.input,
            // A sort by something that is not selected has a projection above it.
            LogicalPlan::Projection(projection) => at = &projection.input,
            _ => return Vec::new(),
        }
    };
    let place = |column: &Column| {
        let schema = plan.schema();
        schema.maybe_index_of_column(column).or_else(|| {
            let unqualified = Column::new_unqualified(column.name.clone());
            schema.maybe_index_of_column(&unqualified)
        })
    };
    let mut keys = Vec::new();
    for sorted in &sort.expr {
        let Expr::Column(column) = &sorted.expr else { break };
        let Some(index) = place(column) else { break };
        keys.push(index);
    }
    keys
}

/// Says how an answer differs from the one that is expected; none if it does not.
pub(super) fn mismatch(
    expected: &Answer,
    found: &Answer,
    keys: &[usize],
) -> Result<Option<String>> {
    if let Some(text) = schema_mismatch(expected, found) {
        return Ok(Some(text));
    }
    let columns: Vec<usize> = (0..expected.schema.fields().len()).collect();
    let (left, right) = (rows(&expected.batches, &columns)?, rows(&found.batches, &columns)?);
    if left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| a.is_like(b)) {
        return Ok(None);
    }
    if let Some(text) = multiset_mismatch(left, right) {
        return Ok(Some(text));
    }
    let (left, right) = (rows(&expected.batches, keys)?, rows(&found.batches, keys)?);
    let different = left.iter().zip(&right).position(|(a, b)| !a.is_like(b));
    Ok(different.map(|at| {
        let (expected, found) = (left[at].show(), right[at].show());
        format!("the order differs at row {at}: sorted by {expected} expected, {found} found")
    }))
}

fn schema_mismatch(expected: &Answer, found: &Answer) -> Option<String> {
    let (left, right) = (columns(&expected.schema), columns(&found.schema));
    (left != right).then(|| format!("columns {left:?} expected, {right:?} found"))
}

/// The floating-point columns of rows, row by row.
type Floats = Vec<Vec<f64>>;

/// Matches the rows of both answers with each other.
fn multiset_mismatch(expected: Vec<Row>, found: Vec<Row>) -> Option<String> {
    let counts = (expected.len(), found.len());
    let mut groups: BTreeMap<String, (Floats, Floats)> = BTreeMap::new();
    for row in expected {
        groups.entry(row.exact).or_default().0.push(row.floats);
    }
    for row in found {
        groups.entry(row.exact).or_default().1.push(row.floats);
    }
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    for (exact, (left, right)) in groups {
        let (left, right) = unmatched(left, right);
        let row = |floats| Row { exact: exact.clone(), floats };
        missing.extend(left.into_iter().map(row));
        surplus.extend(right.into_iter().map(row));
    }
    if missing.is_empty() && surplus.is_empty() {
        return None;
    }
    let mut text = format!(
        "{} rows expected, {} found; {} are missing, {} are surplus",
        counts.0,
        counts.1,
        missing.len(),
        surplus.len()
    );
    for (head, rows) in [("missing", missing), ("surplus", surplus)] {
        for row in rows.iter().take(REPORT_ROWS_MAX) {
            let _ = write!(text, "\n  {head}: {}", row.show());
        }
    }
    Some(text)
}

/// Takes out the rows that match each other; what is left has no match.
fn unmatched(mut left: Vec<Vec<f64>>, mut right: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let alike = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| close(*a, *b));
    let sort = |rows: &mut Vec<Vec<f64>>| {
        rows.sort_by_cached_key(|row| {
            row.iter().map(|float| format!("{float:.SORT_DIGITS$e}")).collect::<Vec<_>>()
        });
    };
    sort(&mut left);
    sort(&mut right);
    if left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| alike(a, b)) {
        return (Vec::new(), Vec::new());
    }
    if left.len().max(right.len()) > PAIRED_ROWS_MAX {
        return (left, right);
    }
    // Two numbers on either side of a rounding may sort differently: every pairing is tried.
    left.retain(|row| match right.iter().position(|other| alike(row, other)) {
        Some(at) => {
            right.swap_remove(at);
            false
        }
        None => true,
    });
    (left, right)
}

/// Some columns of record batches as rows.
fn rows(batches: &[RecordBatch], columns: &[usize]) -> Result<Vec<Row>> {
    let options = FormatOptions::new().with_null("\u{0}");
    let mut rows = Vec::new();
    for batch in batches {
        let first = rows.len();
        let empty = || Row { exact: String::new(), floats: Vec::new() };
        rows.resize_with(first + batch.num_rows(), empty);
        for column in columns {
            let array = batch.columns().get(*column).context("a batch lacks a column")?;
            let target = rows.iter_mut().skip(first);
            if is_float(array.data_type()) {
                let floats = cast(array, &DataType::Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                for (row, value) in target.zip(floats.iter()) {
                    row.exact.push_str(if value.is_some() { "~\u{1f}" } else { "\u{0}\u{1f}" });
                    row.floats.extend(value);
                }
            } else {
                let formatter = ArrayFormatter::try_new(array, &options)?;
                for (at, row) in target.enumerate() {
                    row.exact.push_str(&formatter.value(at).try_to_string()?);
                    row.exact.push('\u{1f}');
                }
            }
        }
    }
    Ok(rows)
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use std::sync::Arc;

    fn answer(ints: Vec<Option<i64>>, floats: Vec<f64>) -> Answer {
        let ints: ArrayRef = Arc::new(Int64Array::from(ints));
        let floats: ArrayRef = Arc::new(Float64Array::from(floats));
        let batch = RecordBatch::try_from_iter([("a", ints), ("b", floats)]).unwrap();
        Answer { schema: batch.schema(), batches: vec![batch] }
    }

    fn differ(left: &Answer, right: &Answer, keys: &[usize]) -> bool {
        mismatch(left, right, keys).unwrap().is_some()
    }

    /// Proves that the comparison sees what differs, and only that: a check that lets everything
    /// pass would prove nothing of the queries.
    #[test]
    fn differences_are_seen() {
        let one = answer(vec![Some(1), None, Some(3)], vec![0.1 + 0.2, 2.0, f64::NAN]);
        let moved = answer(vec![Some(3), Some(1), None], vec![f64::NAN, 0.3, 2.0]);
        assert!(!differ(&one, &moved, &[]));
        assert!(differ(&one, &moved, &[0]), "the order of the first column counts");
        let other = answer(vec![Some(3), Some(1), None], vec![f64::NAN, 0.3000001, 2.0]);
        assert!(differ(&one, &other, &[]), "a number is another");
        let null = answer(vec![Some(3), Some(1), Some(0)], vec![f64::NAN, 0.3, 2.0]);
        assert!(differ(&one, &null, &[]), "null is not zero");
        let twice = answer(vec![Some(1), Some(1), None], vec![0.3, 0.3, 2.0]);
        assert!(differ(&one, &twice, &[]), "a row is there twice");
        let fewer = answer(vec![Some(1), None], vec![0.3, 2.0]);
        assert!(differ(&one, &fewer, &[]), "a row is missing");
    }

    /// Proves that rows which differ in floating-point numbers alone are matched even where
    /// rounding puts them in another order.
    #[test]
    fn floats_on_either_side_of_a_rounding_match() {
        let (a, b) = (0.123_456_749_999_999_99, 0.123_456_75);
        let left = vec![vec![a, 5.0], vec![b, 1.0]];
        let right = vec![vec![b, 5.0], vec![a, 1.0]];
        let (left, right) = unmatched(left, right);
        assert!(left.is_empty() && right.is_empty(), "{left:?} {right:?}");
    }
}
