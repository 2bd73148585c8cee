//! Where cells of a matrix stand, and what they say. Plain arithmetic.

use crate::format::{bytes, counted};
use crate::order::sort_by_key;

/// A cell is at most so wide, in pixels.
const CELL_PX_MAX: f64 = 40.0;
/// A cell is at least so wide, in pixels, if there is room for none.
const CELL_PX_MIN: f64 = 3.0;
/// Room for names at the left and at the top, in pixels: at least, and at most.
const LABEL_PX: (f64, f64) = (36.0, 108.0);
/// The most where there is little room.
const LABEL_PX_NARROW: f64 = 60.0;
/// The width of a letter of a name, in pixels, and what is beside the name.
const LETTER_PX: (f64, f64) = (6.4, 12.0);
/// Below this width there is little room, in pixels.
const NARROW_PX: f64 = 560.0;
/// From cells to totals, in pixels.
const TOTAL_GAP_PX: f64 = 4.0;
/// Pairs of hosts in the table.
pub const PAIRS_MAX: usize = 200;

/// How a matrix is laid out on its canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixLayout {
    /// Hosts.
    pub hosts: usize,
    /// The side of a cell, in pixels.
    pub cell_px: f64,
    /// Room for names, in pixels.
    pub label_px: f64,
}

impl MatrixLayout {
    /// For this number of hosts, with names of `letters` letters, on a width of `width_px`.
    pub fn new(hosts: usize, letters: usize, width_px: f64) -> Self {
        let most = if width_px < NARROW_PX { LABEL_PX_NARROW } else { LABEL_PX.1 };
        let label_px = (letters as f64 * LETTER_PX.0 + LETTER_PX.1).clamp(LABEL_PX.0, most);
        let room = width_px - label_px - TOTAL_GAP_PX;
        // One more for the totals.
        let cell_px = (room / (hosts + 1) as f64).clamp(CELL_PX_MIN, CELL_PX_MAX);
        MatrixLayout { hosts, cell_px, label_px }
    }

    /// The side of the whole, in pixels.
    pub fn side_px(&self) -> f64 {
        self.label_px + self.cell_px * (self.hosts + 1) as f64 + TOTAL_GAP_PX
    }

    /// Where a row or column begins, in pixels; the totals are behind the last.
    pub fn edge(&self, at: usize) -> f64 {
        let gap = if at >= self.hosts { TOTAL_GAP_PX } else { 0.0 };
        self.label_px + self.cell_px * at as f64 + gap
    }

    /// The row (from) and column (to) at a point; the totals are behind the last.
    pub fn hit(&self, x: f64, y: f64) -> Option<(usize, usize)> {
        let at = |px: f64| {
            let place = (0..=self.hosts)
                .find(|at| px >= self.edge(*at) && px < self.edge(*at) + self.cell_px);
            place.filter(|_| self.hosts > 0)
        };
        Some((at(y)?, at(x)?))
    }
}

/// Bytes that hosts read from each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic<'a> {
    /// The hosts.
    pub hosts: &'a [String],
    /// Bytes that the host of the column read from the host of the row, row by row.
    pub bytes: &'a [u64],
}

impl Traffic<'_> {
    /// Bytes that went from one host to another.
    pub fn between(&self, from: usize, to: usize) -> u64 {
        self.bytes.get(from * self.hosts.len() + to).copied().unwrap_or(0)
    }

    /// Bytes that a host sent.
    pub fn sent(&self, from: usize) -> u64 {
        (0..self.hosts.len()).fold(0, |sum, to| sum.saturating_add(self.between(from, to)))
    }

    /// Bytes that a host read.
    pub fn read(&self, to: usize) -> u64 {
        (0..self.hosts.len()).fold(0, |sum, from| sum.saturating_add(self.between(from, to)))
    }

    /// All bytes.
    pub fn total(&self) -> u64 {
        (0..self.hosts.len()).fold(0, |sum, from| sum.saturating_add(self.sent(from)))
    }

    /// The most between two hosts.
    pub fn most(&self) -> u64 {
        self.bytes.iter().copied().max().unwrap_or(0)
    }

    /// What a cell says; the totals are behind the last.
    pub fn sentence(&self, from: usize, to: usize) -> String {
        match (self.hosts.get(from), self.hosts.get(to)) {
            (Some(host), Some(_)) if from == to => {
                format!("between workers of {host}: {}", bytes(self.between(from, to)))
            }
            (Some(one), Some(other)) => {
                format!("from {one} to {other}: {}", bytes(self.between(from, to)))
            }
            (Some(one), None) => format!("{one} sent {}", bytes(self.sent(from))),
            (None, Some(other)) => format!("{other} read {}", bytes(self.read(to))),
            (None, None) => format!("{} in all", bytes(self.total())),
        }
    }

    /// What the whole says.
    pub fn summary(&self) -> String {
        if let [host] = self.hosts {
            return format!("{} read between the workers of {host}", bytes(self.total()));
        }
        let hosts = counted(self.hosts.len() as u64, "host", "hosts");
        let mut text = format!("{} read between {hosts}", bytes(self.total()));
        if let Some((from, to, most)) = self.pairs(1).first().filter(|(_, _, most)| *most > 0) {
            let name = |at: &usize| self.hosts.get(*at).map_or("", String::as_str);
            let most = bytes(*most);
            text.push_str(&format!("; the most from {} to {}: {most}", name(from), name(to)));
        }
        text
    }

    /// Pairs of hosts with the most between them: from, to, bytes.
    pub fn pairs(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let hosts = self.hosts.len().max(1);
        let mut pairs: Vec<(usize, usize, u64)> = self
            .bytes
            .iter()
            .enumerate()
            .filter(|(_, bytes)| **bytes > 0)
            .map(|(at, bytes)| (at / hosts, at % hosts, *bytes))
            .collect();
        sort_by_key(&mut pairs, |(_, _, bytes)| u64::MAX - bytes);
        pairs.truncate(most);
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell is found in its middle, totals too, and names are no cells.
    #[test]
    fn points_find_cells() {
        let layout = MatrixLayout::new(5, 5, 400.0);
        assert!(layout.side_px() <= 400.0);
        for from in 0..=5 {
            for to in 0..=5 {
                let middle = |at| layout.edge(at) + layout.cell_px / 2.0;
                assert_eq!(layout.hit(middle(to), middle(from)), Some((from, to)));
            }
        }
        assert_eq!(layout.hit(1.0, 100.0), None);
        assert_eq!(layout.hit(layout.side_px() + 1.0, 100.0), None);
        assert_eq!(MatrixLayout::new(0, 0, 400.0).hit(70.0, 70.0), None);
        assert!(MatrixLayout::new(64, 40, 360.0).side_px() <= 360.0);
    }

    /// Rows are who sent, columns are who read, and nothing is beyond them.
    #[test]
    fn totals_add_up() {
        let hosts = ["a".to_string(), "b".to_string()];
        let traffic = Traffic { hosts: &hosts, bytes: &[0, 1024, 3072, 512] };
        assert_eq!((traffic.sent(0), traffic.sent(1)), (1024, 3584));
        assert_eq!((traffic.read(0), traffic.read(1)), (3072, 1536));
        assert_eq!((traffic.total(), traffic.most()), (4608, 3072));
        assert_eq!(traffic.pairs(2), [(1, 0, 3072), (0, 1, 1024)]);
        assert_eq!(traffic.sentence(1, 0), "from b to a: 3.00\u{202f}KiB");
        assert_eq!(traffic.sentence(0, 2), "a sent 1.00\u{202f}KiB");
        assert!(traffic.sentence(1, 1).starts_with("between workers of b: "));
        assert!(traffic.summary().ends_with("the most from b to a: 3.00\u{202f}KiB"));
        // A truncated view is not a reason to stop.
        let traffic = Traffic { hosts: &hosts, bytes: &[7] };
        assert_eq!((traffic.total(), traffic.between(9, 9)), (7, 0));
    }
}
