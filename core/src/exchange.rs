//! Which partitions of an input a task reads, and which tasks read a partition.

use partita_shared::blocks::{BlockExchange, BlockReaders};
use partita_shared::edges::EdgeList;
use partita_shared::message::{Exchange, InputSpec};

/// Marks the end of a list of readers.
const END: u32 = u32::MAX;

/// Whether every task that reads this input reads all its partitions, at least in part.
pub(crate) fn is_whole(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => true,
        Exchange::OneToOne | Exchange::Explicit(_) | Exchange::Blocks(_) => false,
    }
}

/// Whether a task reads something of an input.
pub(crate) fn is_read(input: &InputSpec, task: u32) -> bool {
    task >= input.first && task - input.first < input.count
}

/// Calls `visit` with each partition that a task reads of an input that is not read whole, in order;
/// with one that is listed twice, twice.
pub(crate) fn visit_own(input: &InputSpec, task: u32, mut visit: impl FnMut(u32)) {
    if !is_read(input, task) {
        return;
    }
    let index = task - input.first;
    match &input.exchange {
        Exchange::OneToOne => visit(index),
        Exchange::Explicit(edges) => edges.row(index).iter().copied().for_each(visit),
        Exchange::Blocks(blocks) => blocks.visit_partitions(index, visit),
        Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => {}
    }
}

/// Calls `visit` with each partition of an input that must be held before a task runs: one that is read
/// whole, of which there are this many partitions, blocks all tasks of its stage.
pub(crate) fn visit_needed(
    input: &InputSpec,
    task: u32,
    partitions: usize,
    visit: impl FnMut(u32),
) {
    match is_whole(&input.exchange) {
        true => (0..partitions as u32).for_each(visit),
        false => visit_own(input, task, visit),
    }
}

/// The tasks that read each partition of an input: the inverse of [`visit_own`].
#[derive(Debug)]
pub(crate) enum Readers {
    /// The input is read whole.
    Whole,
    /// Task `first + i` reads partition `i`, for the first `count`.
    Same { first: u32, count: u32 },
    /// The readers are listed.
    Listed(ListedReaders),
    /// Task `first + i` reads the blocks of an exchange at `i`.
    Blocks { first: u32, readers: BlockReaders },
}

impl Readers {
    /// The readers of a valid input with this number of partitions.
    pub(crate) fn new(input: &InputSpec, partitions: u32) -> Self {
        let first = input.first;
        match &input.exchange {
            Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => Readers::Whole,
            Exchange::OneToOne => Readers::Same { first, count: input.count },
            Exchange::Explicit(edges) => {
                let mut readers = ListedReaders::default();
                readers.append(partitions, first, edges);
                Readers::Listed(readers)
            }
            Exchange::Blocks(blocks) => {
                Readers::Blocks { first, readers: BlockReaders::new(BlockExchange::clone(blocks)) }
            }
        }
    }

    /// Calls `visit` with each task that reads a partition, and no other task's; with one that
    /// reads it twice, twice.
    pub(crate) fn visit(&self, partition: u32, mut visit: impl FnMut(u32)) {
        match self {
            Readers::Whole => {}
            Readers::Same { first, count } => {
                if partition < *count {
                    visit(first + partition);
                }
            }
            Readers::Listed(readers) => readers.visit(partition, visit),
            Readers::Blocks { first, readers } => {
                readers.visit_tasks(partition, |task| visit(first + task));
            }
        }
    }
}

/// Listed readers: for each partition a linked list of edges, so that edges can be appended. 8 bytes
/// for an edge and 4 for a partition.
#[derive(Debug, Default)]
pub(crate) struct ListedReaders {
    /// The last edge of each partition, or [`END`].
    heads: Vec<u32>,
    /// For each edge, the one before it of the same partition, or [`END`], and the task that reads.
    edges: Vec<(u32, u32)>,
}

impl ListedReaders {
    /// Appends edges: task `first + i` reads the partitions of row `i`.
    pub(crate) fn append(&mut self, partitions: u32, first: u32, lists: &EdgeList) {
        self.heads.resize(self.heads.len().max(partitions as usize), END);
        self.edges.reserve(lists.edges());
        for row in 0..lists.rows() as u32 {
            for partition in lists.row(row) {
                let head = &mut self.heads[*partition as usize];
                let before = std::mem::replace(head, self.edges.len() as u32);
                self.edges.push((before, first + row));
            }
        }
    }

    fn visit(&self, partition: u32, mut visit: impl FnMut(u32)) {
        let mut at = self.heads.get(partition as usize).copied().unwrap_or(END);
        while let Some((before, task)) = self.edges.get(at as usize) {
            visit(*task);
            at = *before;
        }
    }
}
