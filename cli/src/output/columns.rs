//! Listings in columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What is between two columns.
const GAP: &str = "  ";
/// What stands for what was cut off.
const CUT: char = '…';

/// How a column is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is always shown whole.
    Always,
    /// It is left out where there is no room: of several, the last one first.
    IfRoom,
    /// It is cut, but not below this width.
    Cut(usize),
}

/// Rows of cells, printed with each column as wide as its widest cell, as far as a line has room.
#[derive(Debug)]
pub(crate) struct Columns {
    fits: Vec<Fit>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// A listing with these headings.
    pub(crate) fn new(headings: &[(&str, Fit)]) -> Self {
        let fits = headings.iter().map(|(_, fit)| *fit).collect();
        Columns { fits, rows: vec![headings.iter().map(|(text, _)| text.to_string()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Prints the rows within the width of the terminal, or `nothing` if there are none.
    pub(crate) fn print(&self, nothing: &str) {
        if self.rows.len() == 1 {
            say!("{nothing}");
            return;
        }
        for line in self.lines(super::width()) {
            say!("{line}");
        }
    }

    fn lines(&self, width: usize) -> Vec<String> {
        let widest = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max()
        };
        let mut shown: Vec<(usize, usize)> =
            (0..self.fits.len()).map(|column| (column, widest(column).unwrap_or(0))).collect();
        let least = |(column, natural): &(usize, usize)| match self.fits[*column] {
            Fit::Cut(min) => min.min(*natural),
            Fit::Always | Fit::IfRoom => *natural,
        };
        let gaps = |columns: usize| GAP.len() * columns.saturating_sub(1);
        while shown.iter().map(least).sum::<usize>() + gaps(shown.len()) > width {
            let Some(last) =
                shown.iter().rposition(|(column, _)| self.fits[*column] == Fit::IfRoom)
            else {
                break;
            };
            shown.remove(last);
        }
        let room = width.saturating_sub(gaps(shown.len()));
        while shown.iter().map(|(_, width)| width).sum::<usize>() > room {
            let can_shrink = |found: &&mut (usize, usize)| found.1 > least(found);
            let Some((_, widest)) = shown.iter_mut().filter(can_shrink).max_by_key(|found| found.1)
            else {
                break;
            };
            *widest -= 1;
        }
        let line = |row: &Vec<String>| {
            let cells = shown
                .iter()
                .map(|(column, width)| padded(row.get(*column).map_or("", String::as_str), *width));
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_string()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A text in a cell of this width: cut, or with spaces behind it.
fn padded(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let spaces = " ".repeat(width.saturating_sub(cut.width()));
    format!("{cut}{spaces}")
}

/// A text, cut to at most `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        cut.push(c);
    }
    if width > 0 {
        cut.push(CUT);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns are as wide as they are where there is room; else some are left out, and then some are cut.
    #[test]
    fn lines_fit() {
        let mut columns = Columns::new(&[
            ("id", Fit::Always),
            ("name", Fit::Cut(4)),
            ("first", Fit::IfRoom),
            ("last", Fit::IfRoom),
            ("text", Fit::Cut(6)),
        ]);
        columns
            .push(["1", "Ada", "a", "b", "a text that is rather long"].map(String::from).to_vec());
        let at = |width| {
            let lines = columns.lines(width);
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
            lines[1].clone()
        };
        assert_eq!(at(80), "1   Ada   a      b     a text that is rather long");
        assert_eq!(at(30), "1   Ada   a      b     a text…");
        assert_eq!(at(26), "1   Ada   a      a text t…");
        assert_eq!(at(20), "1   Ada   a text th…");
        assert_eq!(at(16), "1   Ada   a tex…");
    }

    /// Letters that take two columns are counted as two, also where a cell is cut.
    #[test]
    fn wide_letters_are_counted() {
        assert_eq!(padded("日本語", 5), "日本…");
        assert_eq!(padded("日本語", 4), "日… ");
        assert_eq!(padded("日本語", 7), "日本語 ");
    }
}
