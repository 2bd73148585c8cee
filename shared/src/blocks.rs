//! Exchanges between stages whose tasks are the blocks of a grid, as those of an array.
//!
//! A stage has a grid, a number of blocks for each axis; the index of a task is the row-major index
//! of its block. A [`BlockExchange`] says for each axis of the source's grid which blocks a task
//! reads, and the task reads the product of these. So the description has the size of an axis and
//! not of the edges: the tasks of a matrix product of a million blocks need no list.
//!
//! Elementwise work reads its own index on each axis; a broadcast axis is [`BlockAxis::At`] 0;
//! transposed axes name each other in `of`; the steps of a tree reduction, slices, overlaps and other
//! block sizes are ranges; a contracted axis is [`BlockAxis::All`].

use crate::edges::EdgeList;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// The largest number of axes of a grid.
pub const GRID_AXES_MAX: usize = 32;

/// Which blocks a task reads on one axis of the source's grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockAxis {
    /// Those of `ranges[i]`, where `i` is the task's own index on axis `of` of its grid.
    Axis {
        /// The axis of the reader's grid.
        of: u32,
        /// A range of blocks for each index on that axis.
        ranges: Arc<Vec<Range<u32>>>,
    },
    /// All of them.
    All,
    /// This one.
    At(u32),
}

/// How tasks on one grid read the blocks of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockExchange {
    /// The number of blocks on each axis of the stage that is read.
    pub source: Vec<u32>,
    /// The number of tasks on each axis of the stage that reads.
    pub grid: Vec<u32>,
    /// What is read on each axis of `source`.
    pub axes: Vec<BlockAxis>,
}

/// The number of blocks of a grid, if it can be counted.
pub fn blocks_of(grid: &[u32]) -> Option<u32> {
    grid.iter().try_fold(1_u32, |blocks, axis| blocks.checked_mul(*axis))
}

/// The position of a block on each axis.
fn position(grid: &[u32], mut index: u32) -> Vec<u32> {
    let mut position = vec![0; grid.len()];
    for (at, axis) in position.iter_mut().zip(grid).rev() {
        (*at, index) = (index % (*axis).max(1), index / (*axis).max(1));
    }
    position
}

/// Calls `visit` with the index of each block in a product of choices for each axis, in order.
fn visit_product(grid: &[u32], choices: &[Choice<'_>], mut visit: impl FnMut(u32)) {
    let sizes: Vec<u32> = choices.iter().map(Choice::len).collect();
    if sizes.contains(&0) {
        return;
    }
    let mut at = vec![0; sizes.len()];
    loop {
        let index =
            (0..grid.len()).fold(0, |index, axis| index * grid[axis] + choices[axis].get(at[axis]));
        visit(index);
        let Some(axis) = (0..sizes.len()).rev().find(|axis| at[*axis] + 1 < sizes[*axis]) else {
            return;
        };
        at[axis] += 1;
        at[axis + 1..].fill(0);
    }
}

/// The blocks that are chosen on one axis.
enum Choice<'a> {
    Range(Range<u32>),
    List(&'a [u32]),
    Some(Vec<u32>),
}

impl Choice<'_> {
    fn len(&self) -> u32 {
        match self {
            Choice::Range(range) => range.end.saturating_sub(range.start),
            Choice::List(list) => list.len() as u32,
            Choice::Some(list) => list.len() as u32,
        }
    }

    fn get(&self, at: u32) -> u32 {
        match self {
            Choice::Range(range) => range.start + at,
            Choice::List(list) => list[at as usize],
            Choice::Some(list) => list[at as usize],
        }
    }
}

impl BlockExchange {
    /// Whether grids, axes and ranges fit each other.
    pub fn is_valid(&self) -> bool {
        let fits = |(axis, blocks): (&BlockAxis, &u32)| match axis {
            BlockAxis::Axis { of, ranges } => {
                self.grid.get(*of as usize).is_some_and(|tasks| ranges.len() == *tasks as usize)
                    && ranges.iter().all(|range| range.start <= range.end && range.end <= *blocks)
            }
            BlockAxis::All => true,
            BlockAxis::At(block) => block < blocks,
        };
        self.source.len().max(self.grid.len()) <= GRID_AXES_MAX
            && self.axes.len() == self.source.len()
            && self.axes.iter().zip(&self.source).all(fits)
            && blocks_of(&self.source).is_some()
            && blocks_of(&self.grid).is_some()
    }

    fn choices(&self, task: u32) -> Vec<Choice<'_>> {
        let own = position(&self.grid, task);
        let choose = |(axis, blocks): (&BlockAxis, &u32)| {
            Choice::Range(match axis {
                BlockAxis::Axis { of, ranges } => ranges[own[*of as usize] as usize].clone(),
                BlockAxis::All => 0..*blocks,
                BlockAxis::At(block) => *block..*block + 1,
            })
        };
        self.axes.iter().zip(&self.source).map(choose).collect()
    }

    /// Calls `visit` with each block that a task reads, in row-major order.
    pub fn visit_partitions(&self, task: u32, visit: impl FnMut(u32)) {
        visit_product(&self.source, &self.choices(task), visit);
    }
}

/// The inverse of a [`BlockExchange`]: which tasks read a block.
#[derive(Clone, Debug)]
pub struct BlockReaders {
    exchange: BlockExchange,
    /// For each axis of the source that is read by ranges: the readers' indices for each block.
    readers: Vec<Option<EdgeList>>,
}

impl BlockReaders {
    /// The inverse of a valid exchange.
    pub fn new(exchange: BlockExchange) -> Self {
        let invert = |(axis, blocks): (&BlockAxis, &u32)| {
            let BlockAxis::Axis { ranges, .. } = axis else { return None };
            let mut readers = vec![Vec::new(); *blocks as usize];
            for (index, range) in ranges.iter().enumerate() {
                range.clone().for_each(|block| readers[block as usize].push(index as u32));
            }
            Some(readers.into_iter().collect())
        };
        let readers = exchange.axes.iter().zip(&exchange.source).map(invert).collect();
        BlockReaders { exchange, readers }
    }

    /// Calls `visit` with each task that reads a block, in order.
    pub fn visit_tasks(&self, block: u32, visit: impl FnMut(u32)) {
        let grid = &self.exchange.grid;
        let position = position(&self.exchange.source, block);
        let mut choices: Vec<Choice<'_>> =
            grid.iter().map(|tasks| Choice::Range(0..*tasks)).collect();
        for ((axis, at), readers) in self.exchange.axes.iter().zip(position).zip(&self.readers) {
            match (axis, readers) {
                (BlockAxis::At(wanted), _) if *wanted != at => return,
                (BlockAxis::Axis { of, .. }, Some(readers)) => {
                    let found = readers.row(at);
                    let choice = &mut choices[*of as usize];
                    *choice = match choice {
                        Choice::Range(_) => Choice::List(found),
                        // Two axes of the source follow one axis of the reader, as on a diagonal.
                        Choice::List(list) => Choice::Some(both(list, found)),
                        Choice::Some(list) => Choice::Some(both(list, found)),
                    };
                }
                (BlockAxis::Axis { .. } | BlockAxis::All | BlockAxis::At(_), _) => {}
            }
        }
        visit_product(grid, &choices, visit);
    }
}

/// What is in both of two sorted lists.
fn both(one: &[u32], other: &[u32]) -> Vec<u32> {
    one.iter().copied().filter(|index| other.binary_search(index).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(of: u32, blocks: u32) -> BlockAxis {
        BlockAxis::Axis { of, ranges: Arc::new((0..blocks).map(|i| i..i + 1).collect()) }
    }

    fn read(exchange: &BlockExchange, task: u32) -> Vec<u32> {
        let mut found = Vec::new();
        exchange.visit_partitions(task, |block| found.push(block));
        found
    }

    /// Exchanges of the usual array operations, each with what one of its tasks reads.
    fn examples() -> Vec<(BlockExchange, u32, Vec<u32>)> {
        let ranges = |of, ranges: &[(u32, u32)]| BlockAxis::Axis {
            of,
            ranges: Arc::new(ranges.iter().map(|(from, to)| *from..*to).collect()),
        };
        let exchange = |source: &[u32], grid: &[u32], axes: Vec<BlockAxis>| BlockExchange {
            source: source.to_vec(),
            grid: grid.to_vec(),
            axes,
        };
        vec![
            // Elementwise over 2 x 3 blocks: block (1, 2).
            (exchange(&[2, 3], &[2, 3], vec![own(0, 2), own(1, 3)]), 5, vec![5]),
            // The transposed: block (0, 1) reads (1, 0).
            (exchange(&[2, 3], &[3, 2], vec![own(1, 2), own(0, 3)]), 1, vec![3]),
            // A row of one block beside a column of three: broadcast.
            (exchange(&[1, 3], &[4, 3], vec![BlockAxis::At(0), own(1, 3)]), 7, vec![1]),
            // A matrix product reads a whole row of blocks.
            (exchange(&[2, 3], &[2, 5], vec![own(0, 2), BlockAxis::All]), 6, vec![3, 4, 5]),
            // A tree reduction by twos along the second axis.
            (
                exchange(&[2, 3], &[2, 2], vec![own(0, 2), ranges(1, &[(0, 2), (2, 3)])]),
                2,
                vec![3, 4],
            ),
            // Neighbours on both sides.
            (
                exchange(&[4], &[4], vec![ranges(0, &[(0, 2), (0, 3), (1, 4), (2, 4)])]),
                1,
                vec![0, 1, 2],
            ),
            // The diagonal.
            (exchange(&[3, 3], &[3], vec![own(0, 3), own(0, 3)]), 2, vec![8]),
            // A task that reads nothing, as of an empty slice.
            (exchange(&[3], &[2], vec![ranges(0, &[(1, 1), (0, 3)])]), 0, vec![]),
            // One block for all: no axes.
            (exchange(&[], &[2, 2], vec![]), 3, vec![0]),
        ]
    }

    /// What a task reads is the product of what it reads on each axis.
    #[test]
    fn tasks_read_products() {
        for (exchange, task, blocks) in examples() {
            assert!(exchange.is_valid(), "{exchange:?}");
            assert_eq!(read(&exchange, task), blocks, "{exchange:?}");
        }
    }

    /// The inverse names exactly the tasks that read a block.
    #[test]
    fn the_inverse_agrees() {
        for (exchange, ..) in examples() {
            let tasks = blocks_of(&exchange.grid).unwrap();
            let readers = BlockReaders::new(exchange.clone());
            for block in 0..blocks_of(&exchange.source).unwrap() {
                let mut found = Vec::new();
                readers.visit_tasks(block, |task| found.push(task));
                let expected: Vec<u32> =
                    (0..tasks).filter(|task| read(&exchange, *task).contains(&block)).collect();
                assert_eq!(found, expected, "block {block} of {exchange:?}");
            }
        }
    }

    /// What does not fit is refused: blocks that do not exist, axes without a description, grids too
    /// large to count.
    #[test]
    fn what_does_not_fit_is_refused() {
        let good = BlockExchange { source: vec![2], grid: vec![2], axes: vec![own(0, 2)] };
        let bad = [
            BlockExchange { axes: vec![own(1, 2)], ..good.clone() },
            BlockExchange { axes: vec![own(0, 3)], ..good.clone() },
            BlockExchange { axes: vec![BlockAxis::At(2)], ..good.clone() },
            BlockExchange { axes: vec![], ..good.clone() },
            BlockExchange { source: vec![1], ..good.clone() },
            BlockExchange { grid: vec![2, 1 << 20, 1 << 20], ..good.clone() },
        ];
        assert!(good.is_valid());
        bad.iter().for_each(|bad| assert!(!bad.is_valid(), "{bad:?}"));
    }
}
