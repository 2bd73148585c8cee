//! Tables that are no wider than a terminal.

use super::columns::cut;
use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Characters that a column keeps, where it has them, before columns are left out.
const COLUMN_MIN: usize = 10;
/// Characters around each cell, and one for the end of the line.
const CELL_EXTRA: usize = 3;
const LINE_EXTRA: usize = 1;

/// A table that fits.
pub(crate) struct Narrow {
    /// Its lines.
    pub(crate) text: String,
    /// Columns that are shown, the first ones.
    pub(crate) columns: usize,
}

/// A table of rows, no wider than `width` characters: long cells are cut, then the last columns are left out.
///
/// # Errors
/// If a value cannot be shown.
pub(crate) fn table(schema: &SchemaRef, batches: &[RecordBatch], width: usize) -> Result<Narrow> {
    let options = FormatOptions::default().with_display_error(true);
    let mut texts: Vec<Vec<String>> =
        schema.fields().iter().map(|field| vec![on_one_line(field.name())]).collect();
    for batch in batches {
        for (column, cells) in batch.columns().iter().zip(&mut texts) {
            let formatter = ArrayFormatter::try_new(column, &options)?;
            cells.extend(
                (0..batch.num_rows()).map(|row| on_one_line(&formatter.value(row).to_string())),
            );
        }
    }
    let natural: Vec<usize> = texts.iter().map(|cells| widest(cells)).collect();
    let widths = fitted(&natural, width);
    let mut fields = Vec::with_capacity(widths.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(widths.len());
    for (cells, width) in texts.iter().zip(&widths) {
        let mut cells = cells.iter().map(|cell| cut(cell, *width));
        fields.push(Field::new(cells.next().unwrap_or_default(), DataType::Utf8, false));
        columns.push(Arc::new(StringArray::from_iter_values(cells)));
    }
    if columns.is_empty() {
        return Ok(Narrow { text: String::new(), columns: 0 });
    }
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(Narrow { text: pretty_format_batches(&[rows])?.to_string(), columns: widths.len() })
}

fn widest(cells: &[String]) -> usize {
    cells.iter().map(|cell| cell.width()).max().unwrap_or(0)
}

/// A text without the characters that would move the cursor.
fn on_one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_string();
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// The widths of the columns that are shown.
fn fitted(natural: &[usize], width: usize) -> Vec<usize> {
    let room = |columns: usize| width.saturating_sub(columns * CELL_EXTRA + LINE_EXTRA);
    let least = |natural: usize| natural.min(COLUMN_MIN);
    let whole = |columns: usize| {
        natural[..columns].iter().map(|it| least(*it)).sum::<usize>()
            + columns * CELL_EXTRA
            + LINE_EXTRA
    };
    let mut columns = natural.len();
    while columns > 1 && whole(columns) > width {
        columns -= 1;
    }
    let mut widths = natural[..columns].to_vec();
    let mut excess = widths.iter().sum::<usize>().saturating_sub(room(columns));
    while excess > 0 {
        // The widest columns give first, down to the next one.
        let Some(most) = widths.iter().copied().max().filter(|most| *most > 1) else { break };
        let next = widths.iter().copied().filter(|it| *it < most).max().unwrap_or(1).max(1);
        let of_most = widths.iter().filter(|it| **it == most).count();
        let step = (most - next).min(excess.div_ceil(of_most)).max(1);
        for width in widths.iter_mut().filter(|it| **it == most) {
            let taken = step.min(excess);
            *width -= taken;
            excess -= taken;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    /// Whatever the columns are, the table fits, and columns that fit are whole.
    #[test]
    fn widths_fit() {
        assert_eq!(fitted(&[3, 5, 7], 80), [3, 5, 7]);
        assert_eq!(fitted(&[3, 100, 5], 40), [3, 22, 5]);
        assert_eq!(fitted(&[100, 100], 41), [17, 17]);
        assert_eq!(fitted(&[3; 40], 31).len(), 5);
        assert_eq!(fitted(&[500], 20), [16]);
        assert_eq!(fitted(&[0, 0], 2), [0]);
        for width in 10..200 {
            for natural in [vec![1, 50, 3, 90, 12], vec![40; 12], vec![2; 100]] {
                let widths = fitted(&natural, width);
                let all = widths.iter().sum::<usize>() + widths.len() * CELL_EXTRA + LINE_EXTRA;
                assert!(all <= width, "{widths:?} in {width}");
            }
        }
    }

    /// Lines of a table are within the width, also with wide letters and ends of lines in values.
    #[test]
    fn lines_fit() {
        let names: Vec<String> = (0..6).map(|at| format!("a_long_name_{at}")).collect();
        let mut fields: Vec<Field> =
            names.iter().map(|name| Field::new(name, DataType::Int64, true)).collect();
        fields[1] = Field::new("text", DataType::Utf8, true);
        let schema = Arc::new(Schema::new(fields));
        let text = StringArray::from(vec![Some("日本語日本語\n日本語日本語"), None]);
        let mut columns: Vec<ArrayRef> =
            (0..6).map(|_| Arc::new(Int64Array::from(vec![i64::MIN, 1])) as ArrayRef).collect();
        columns[1] = Arc::new(text);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let Narrow { text, columns } = table(&schema, &[batch], 60).unwrap();
        assert!(text.lines().all(|line| line.width() <= 60), "{text}");
        assert_eq!(columns, 4);
        assert_eq!(text.lines().count(), 6);
        assert!(text.contains('…'));
    }

    /// A table without rows has its names.
    #[test]
    fn no_rows() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let found = table(&schema, &[], 80).unwrap();
        assert!(found.text.contains("| a |"), "{}", found.text);
    }
}
