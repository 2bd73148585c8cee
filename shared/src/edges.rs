//! Listed edges between the tasks of two stages, as compressed sparse rows.

use serde::{Deserialize, Serialize};

/// Whether offsets divide this number of items into rows: what came over the wire may say anything.
pub fn covers(offsets: &[u32], items: usize) -> bool {
    offsets.first() == Some(&0)
        && offsets.is_sorted()
        && offsets.last().is_some_and(|last| *last as usize == items)
}

/// The items of one row; none if there is no such row.
pub fn row<'a, T>(offsets: &[u32], items: &'a [T], index: u32) -> &'a [T] {
    let at = index as usize;
    match (offsets.get(at), offsets.get(at + 1)) {
        (Some(from), Some(to)) => items.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => &[],
    }
}

/// Which partitions each task of a stage reads, listed one by one: 4 bytes for an edge and 4 for a
/// task, however many there are.
///
/// Row `i` is `targets[offsets[i] .. offsets[i + 1]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeList {
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

impl Default for EdgeList {
    fn default() -> Self {
        EdgeList { offsets: vec![0], targets: Vec::new() }
    }
}

impl EdgeList {
    /// Rows whose targets are those from one offset to the next. None if the offsets do not fit the targets.
    pub fn new(offsets: Vec<u32>, targets: Vec<u32>) -> Option<Self> {
        let list = EdgeList { offsets, targets };
        list.is_valid().then_some(list)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The number of edges.
    pub fn edges(&self) -> usize {
        self.targets.len()
    }

    /// The partitions of one row; none if there is no such row.
    pub fn row(&self, index: u32) -> &[u32] {
        row(&self.offsets, &self.targets, index)
    }

    /// All targets, row after row.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// Appends a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = u32>) {
        self.targets.extend(row);
        self.offsets.push(self.targets.len() as u32);
    }

    /// Appends all rows of another list.
    pub fn append(&mut self, other: &EdgeList) {
        (0..other.rows() as u32).for_each(|row| self.push(other.row(row).iter().copied()));
    }

    /// Whether the rows cover the targets and their number fits: a list that came over the wire may
    /// say anything.
    pub fn is_valid(&self) -> bool {
        covers(&self.offsets, self.targets.len())
    }
}

impl<R: IntoIterator<Item = u32>> FromIterator<R> for EdgeList {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        let mut list = EdgeList::default();
        rows.into_iter().for_each(|row| list.push(row));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows come back as they were given, empty ones too, and there are none behind the last.
    #[test]
    fn rows_are_kept() {
        let mut list: EdgeList = [vec![2, 0], vec![], vec![5]].into_iter().collect();
        list.append(&[vec![7, 7]].into_iter().collect());
        let rows: Vec<&[u32]> = (0..5).map(|row| list.row(row)).collect();
        assert_eq!(rows, [&[2, 0][..], &[], &[5], &[7, 7], &[]]);
        assert_eq!((list.rows(), list.edges(), list.is_valid()), (4, 5, true));
    }

    /// A list whose rows lie outside of its targets is recognised, and reading it ends nothing.
    #[test]
    fn broken_lists_are_recognised() {
        let lists = [
            EdgeList { offsets: vec![0, 3], targets: vec![1] },
            EdgeList { offsets: vec![0, 2, 1, 2], targets: vec![1, 2] },
            EdgeList { offsets: Vec::new(), targets: Vec::new() },
            EdgeList { offsets: vec![1, 1], targets: vec![4] },
        ];
        for list in lists {
            assert!(!list.is_valid(), "{list:?}");
            (0..4).for_each(|row| assert!(list.row(row).len() <= list.edges()));
        }
    }
}
