//! Which partitions of an input a task reads.

use partita_shared::message::{Exchange, InputSpec};

/// Whether every task that reads this input reads all its partitions, at least in part.
pub(crate) fn is_whole(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => true,
        Exchange::OneToOne | Exchange::Explicit(_) => false,
    }
}

/// The partitions that only this task reads, of an input that is not read whole.
pub(crate) fn own_partitions(input: &InputSpec, task: u32) -> &[u32] {
    match &input.exchange {
        Exchange::Explicit(lists) if task >= input.first => {
            lists.get((task - input.first) as usize).map_or(&[], Vec::as_slice)
        }
        Exchange::Explicit(_)
        | Exchange::OneToOne
        | Exchange::Shuffle
        | Exchange::Gather
        | Exchange::Broadcast => &[],
    }
}

/// The index of the only partition that a task reads of a `OneToOne` input.
pub(crate) fn twin(input: &InputSpec, task: u32) -> Option<u32> {
    let inside = task >= input.first && task - input.first < input.count;
    (input.exchange == Exchange::OneToOne && inside).then(|| task - input.first)
}

/// Whether a task reads something of an input.
pub(crate) fn is_read(input: &InputSpec, index: u32) -> bool {
    index >= input.first && index - input.first < input.count
}
