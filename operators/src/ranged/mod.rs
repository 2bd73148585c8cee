//! What the tasks of a window over sorted ranges run: see `ranged` in the crate `plan`, which plans them.

pub mod carry;
pub mod edge;
mod reach;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
pub use reach::Reach;

/// Rows whose partitions are ranges of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The column of the key, and its order.
    pub key: (usize, SortOptions),
    /// Values of the key between neighbouring partitions, one at least: rows before a split are in
    /// the partition on the left, all others in the one on the right.
    pub splits: Vec<ScalarValue>,
    /// How many rows each partition has; none where that is known only when they are made.
    pub rows: Option<Vec<usize>>,
}
