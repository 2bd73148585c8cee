//! What a table shows, in which order, and which of it is drawn. Plain arithmetic.

use crate::order::{sort_by, sort_by_key};
use partita_shared::ids::TaskId;
use std::cmp::Ordering;
use std::ops::Range;
use yew::Html;

/// The height of a row, in pixels. The style sheet says the same.
pub const ROW_PX: f64 = 28.0;
/// Rows that are drawn above and below those that are seen.
const ROWS_SPARE: usize = 8;
/// The first row that is drawn changes in steps of this size: each change costs a drawing.
const ROWS_STEP: usize = 4;
/// Tables with more rows are not sorted: it would cost more than a frame.
pub const SORTED_ROWS_MAX: usize = 2_000;

/// A column.
pub struct Column<R: 'static> {
    /// Its title, with the unit.
    pub title: &'static str,
    /// What it means, where the title does not say all of it.
    pub hint: &'static str,
    /// Classes: `w2` to `w16` for its width, `number`, `bar`, and `p2` or `p3` if it goes where
    /// there is little room.
    pub class: &'static str,
    /// How rows are ordered by it, if they can be.
    pub order: Option<fn(&R, &R) -> Ordering>,
    /// What is in a cell.
    pub cell: fn(&R) -> Html,
    /// The same as plain text.
    pub text: fn(&R) -> String,
}

/// The rows of a table, and how they are shown.
pub struct Grid<R: 'static> {
    /// The rows.
    pub rows: Vec<R>,
    /// The columns.
    pub columns: &'static [Column<R>],
    /// What tells a row from the others, whatever its figures.
    pub key: fn(&R) -> u128,
    /// Classes of a row.
    pub class: fn(&R) -> &'static str,
    /// Where a row leads to.
    pub address: fn(&R) -> Option<String>,
}

/// The head of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its title.
    pub title: &'static str,
    /// What it means.
    pub hint: &'static str,
    /// Classes.
    pub class: &'static str,
    /// Whether rows can be ordered by it.
    pub is_sortable: bool,
}

/// A [`Grid`] whatever its rows are: the table is compiled once.
pub trait Source {
    /// How many rows there are.
    fn len(&self) -> usize;
    /// How many columns there are.
    fn columns(&self) -> usize;
    /// The head of a column.
    fn head(&self, column: usize) -> Head;
    /// What tells a row from the others.
    fn key(&self, row: usize) -> u128;
    /// Classes of a row.
    fn class(&self, row: usize) -> &'static str;
    /// Where a row leads to.
    fn address(&self, row: usize) -> Option<String>;
    /// What is in a cell.
    fn cell(&self, row: usize, column: usize) -> Html;
    /// The same as plain text.
    fn text(&self, row: usize, column: usize) -> String;
    /// How two rows are ordered by a column.
    fn order(&self, column: usize, one: usize, other: usize) -> Ordering;
}

impl<R> Source for Grid<R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> usize {
        self.columns.len()
    }

    fn head(&self, column: usize) -> Head {
        let column = &self.columns[column];
        Head {
            title: column.title,
            hint: column.hint,
            class: column.class,
            is_sortable: column.order.is_some(),
        }
    }

    fn key(&self, row: usize) -> u128 {
        (self.key)(&self.rows[row])
    }

    fn class(&self, row: usize) -> &'static str {
        (self.class)(&self.rows[row])
    }

    fn address(&self, row: usize) -> Option<String> {
        (self.address)(&self.rows[row])
    }

    fn cell(&self, row: usize, column: usize) -> Html {
        (self.columns[column].cell)(&self.rows[row])
    }

    fn text(&self, row: usize, column: usize) -> String {
        (self.columns[column].text)(&self.rows[row])
    }

    fn order(&self, column: usize, one: usize, other: usize) -> Ordering {
        match self.columns[column].order {
            Some(order) => order(&self.rows[one], &self.rows[other]),
            None => Ordering::Equal,
        }
    }
}

/// A number that tells a task from all others: a key for rows.
pub fn task_number(task: TaskId) -> u128 {
    let TaskId { stage, index } = task;
    u128::from(stage.job.0) << 64 | u128::from(stage.index) << 32 | u128::from(index)
}

/// By which column a table is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: usize,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

impl Sort {
    /// What a press on a column's head makes of it.
    pub fn pressed(before: Option<Sort>, column: usize, is_number: bool) -> Sort {
        match before {
            Some(sort) if sort.column == column => {
                Sort { column, is_descending: !sort.is_descending }
            }
            // Of figures the largest are looked for, of names the first.
            _ => Sort { column, is_descending: is_number },
        }
    }
}

/// The rows in their order. Rows that are equal keep the order of the source. `before` is the
/// previous order: sorting nearly sorted rows is cheap.
pub fn ordered(source: &dyn Source, sort: Option<Sort>, before: &[usize]) -> Vec<usize> {
    let rows = 0..source.len();
    let Some(sort) = sort.filter(|_| rows.len() <= SORTED_ROWS_MAX) else { return rows.collect() };
    let mut rows = if before.len() == rows.len() { before.to_vec() } else { rows.collect() };
    sort_by(&mut rows, |one, other| {
        let order = source.order(sort.column, *one, *other);
        let order = if sort.is_descending { order.reverse() } else { order };
        order.then(one.cmp(other))
    });
    rows
}

/// The rows in an order that is held: those that came since are left out, those that went too.
/// Gives also how many rows would stand elsewhere, come or go.
pub fn held(source: &dyn Source, order: &[usize], keys: &[u128]) -> (Vec<usize>, usize) {
    let mut by_key: Vec<(u128, usize)> = order.iter().map(|row| (source.key(*row), *row)).collect();
    sort_by_key(&mut by_key, |(key, _)| *key);
    let row_of = |key: &u128| {
        let at = by_key.binary_search_by_key(key, |(key, _)| *key).ok()?;
        by_key.get(at).map(|(_, row)| *row)
    };
    let shown: Vec<usize> = keys.iter().filter_map(row_of).collect();
    let mut is_shown = vec![false; order.iter().max().map_or(0, |last| last + 1)];
    shown.iter().for_each(|row| is_shown[*row] = true);
    let common = order.iter().filter(|row| is_shown[**row]);
    let moved = common.zip(&shown).filter(|(one, other)| one != other).count();
    let came = order.len() - shown.len();
    let went = keys.len() - shown.len();
    (shown, moved + came + went)
}

/// Which rows are drawn when so much is scrolled away and so much is seen, in pixels.
pub fn drawn(scroll_px: f64, height_px: f64, rows: usize) -> Range<usize> {
    let first = (scroll_px.max(0.0) / ROW_PX) as usize;
    let seen = (height_px.max(ROW_PX) / ROW_PX).ceil() as usize;
    let from = first.saturating_sub(ROWS_SPARE) / ROWS_STEP * ROWS_STEP;
    let to = first.saturating_add(seen + ROWS_SPARE + ROWS_STEP).min(rows);
    from.min(to)..to
}

/// Where to scroll so that a row is seen, if it is not: pixels.
pub fn scrolled_to(row: usize, scroll_px: f64, height_px: f64) -> Option<f64> {
    // The head covers the first row of what is scrolled.
    let (top, bottom) = (row as f64 * ROW_PX, (row + 2) as f64 * ROW_PX);
    if top < scroll_px {
        Some(top)
    } else if bottom > scroll_px + height_px {
        Some(bottom - height_px)
    } else {
        None
    }
}

/// Lines of comma-separated values of rows in an order.
pub fn csv(source: &dyn Source, order: &[usize]) -> String {
    let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    let columns = 0..source.columns();
    let head: Vec<String> =
        columns.clone().map(|column| quoted(source.head(column).title.to_string())).collect();
    let mut text = head.join(",");
    text.push('\n');
    for row in order {
        let cells: Vec<String> =
            columns.clone().map(|column| quoted(source.text(*row, column))).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column<(u32, &str)>] = &[
        Column {
            title: "Name",
            hint: "",
            class: "w8",
            order: Some(|one, other| one.1.cmp(other.1)),
            cell: |row| Html::from(row.1),
            text: |row| row.1.to_string(),
        },
        Column {
            title: "Size, B",
            hint: "",
            class: "w4 number",
            order: Some(|one, other| one.0.cmp(&other.0)),
            cell: |row| Html::from(row.0),
            text: |row| row.0.to_string(),
        },
    ];

    fn grid(rows: &[(u32, &'static str)]) -> Grid<(u32, &'static str)> {
        Grid {
            rows: rows.to_vec(),
            columns: COLUMNS,
            key: |row| u128::from(row.1.as_bytes()[0]),
            class: |_| "",
            address: |_| None,
        }
    }

    /// Both directions, and equal rows keep their order.
    #[test]
    fn rows_are_ordered() {
        let grid = grid(&[(2, "b"), (1, "c"), (2, "a")]);
        assert_eq!(ordered(&grid, None, &[]), [0, 1, 2]);
        let by_size = Sort { column: 1, is_descending: true };
        assert_eq!(ordered(&grid, Some(by_size), &[]), [0, 2, 1]);
        let by_name = Sort::pressed(Some(by_size), 0, false);
        assert_eq!(ordered(&grid, Some(by_name), &[1, 2, 0]), [2, 0, 1]);
        assert!(Sort::pressed(Some(by_name), 0, false).is_descending);
        let many: Vec<_> = (0..=SORTED_ROWS_MAX as u32).map(|size| (size, "x")).collect();
        assert_eq!(ordered(&super::tests::grid(&many), Some(by_size), &[])[0], 0);
    }

    /// While an order is held, figures change and rows stay; what would change is counted.
    #[test]
    fn an_order_is_held() {
        let before = grid(&[(3, "a"), (2, "b"), (1, "c")]);
        let sort = Some(Sort { column: 1, is_descending: true });
        let keys: Vec<u128> =
            ordered(&before, sort, &[]).into_iter().map(|row| before.key(row)).collect();
        let same = held(&before, &ordered(&before, sort, &[]), &keys);
        assert_eq!(same, (vec![0, 1, 2], 0));
        // `a` sank to the end, `b` went, `d` came.
        let after = grid(&[(0, "a"), (1, "c"), (9, "d")]);
        let (rows, would_change) = held(&after, &ordered(&after, sort, &[]), &keys);
        assert_eq!(rows, [0, 1]);
        assert_eq!(would_change, 4);
    }

    /// Few rows are drawn however many there are, and those that are seen are among them.
    #[test]
    fn few_rows_are_drawn() {
        assert_eq!(drawn(0.0, 560.0, 5), 0..5);
        for scroll in [0.0, 27.0, 28.0, 1_000.0, 279_000.0] {
            let drawn = drawn(scroll, 560.0, 10_000);
            let first = (scroll / ROW_PX) as usize;
            assert!(drawn.start <= first && drawn.end >= (first + 20).min(10_000));
            assert!(drawn.len() <= 20 + 2 * ROWS_SPARE + 2 * ROWS_STEP);
        }
        // It was scrolled far down, and then a search left few.
        assert_eq!(drawn(10_000.0, 560.0, 3), 3..3);
    }

    /// A row that is not seen is scrolled to, one that is seen stays where it is.
    #[test]
    fn rows_are_scrolled_to() {
        assert_eq!(scrolled_to(3, 0.0, 560.0), None);
        assert_eq!(scrolled_to(0, 100.0, 560.0), Some(0.0));
        assert_eq!(scrolled_to(30, 0.0, 560.0), Some(32.0 * ROW_PX - 560.0));
    }

    /// Cells with commas and quotes are quoted.
    #[test]
    fn values_are_quoted() {
        let grid = grid(&[(1, "say \"a, b\"")]);
        assert_eq!(csv(&grid, &[0]), "Name,\"Size, B\"\n\"say \"\"a, b\"\"\",1\n");
    }
}
