//! Every share of a worker's memory limit, in one place.
//!
//! | share | of | what happens there |
//! |---|---|---|
//! | [`BUDGET_SHARE`] | the limit less [`PROGRAM_BYTES`] | all that operators and the store may reserve |
//! | [`SPILLABLE_SHARE`] | the budget | operators that can spill have no more together; they share it equally |
//! | [`STORED_SHARE_MAX`] | the budget | stored partitions above it go to disk |
//! | [`SECOND_MARK`] | the budget | above it the worker is paused: the scheduler places no further tasks on it |
//! | [`WRITE_SHARE`] | the budget | row groups of Parquet files being written are ended before |
//! | [`SORT_SHARE`] | the budget | sorts keep as much to merge what they spilled |
//! | [`HEAP_SHARE`] | the budget | a sort with a larger limit sorts all rows, and can spill |
//! | [`MERGE_SHARE`] | the budget | a merge with more inputs merges in levels, through files |
//! | [`FETCH_SHARE`] | the limit | messages of other workers that wait to be decoded |
//! | [`ENDED_SHARE_MIN`] | the limit, for all slots | a task that has less is not ended for its memory |
//! | [`GIVE_BACK_SHARE`] | the limit, of the process | the allocator returns free memory to the system |
//! | [`SPILL_SHARE`] | the limit, of the process | operators that can spill do so; stored partitions go to disk |
//! | [`ADMISSION_SHARE`] | the limit, of the process | no task is started while another runs; the worker is paused; readers of row groups wait |
//! | [`LAST_SHARE`] | the limit, of the process | what cannot spill is refused; the task that grew most is ended |
//!
//! The first ten count reservations, or what is expected. The last four are compared with the resident set of the process,
//! which is measured; all but the last are of the limit less the part that [`UNSEEN_PART`] keeps free.

use crate::environment::memory::{PROGRAM_BYTES, TIGHT_LIMIT_BYTES};
use crate::store::SPILLED_BATCH_BYTES;
use partita_shared::limits::FLIGHT_STREAM_WINDOW_BYTES;

/// The share of a worker's limit that may be reserved, after [`PROGRAM_BYTES`]. The rest is for what
/// no reservation counts: buffers of readers and connections, the batches that operators work on,
/// what the allocator keeps for a moment.
const BUDGET_SHARE: f64 = 0.75;
/// The least share of the limit that may be reserved, however small the limit.
const BUDGET_SHARE_MIN: f64 = 0.25;
/// The share of the budget that operators which can spill may have together: the merge of what they
/// spilled cannot spill, and must find room.
const SPILLABLE_SHARE: f64 = 0.6;
/// The share of the budget that stored partitions may have in memory before the least recently
/// used go to disk: the first mark.
const STORED_SHARE_MAX: f64 = 0.6;
/// The share of the budget above which a worker takes no task that only adds bytes: the second mark.
const SECOND_MARK: f64 = 0.9;

/// The share of the limit above which the allocator returns free memory to the system at once,
/// instead of keeping it for a while.
const GIVE_BACK_SHARE: f64 = 0.7;
/// The share of the limit above which operators that can spill get no more memory.
const SPILL_SHARE: f64 = 0.8;
/// The share of the limit above which no task is started beside one that runs.
const ADMISSION_SHARE: f64 = 0.9;
/// The share of the limit above which a task is ended, so that the process is not.
const LAST_SHARE: f64 = 0.97;
/// Below this limit the program's own code and threads are a large part of it, and the process may
/// exceed the limit by [`SMALL_EXCESS_BYTES`].
const SMALL_LIMIT_BYTES: u64 = 256 << 20;
/// By how much a process with a small limit may exceed it.
const SMALL_EXCESS_BYTES: u64 = 24 << 20;
/// The part of a larger limit that the process keeps free for its growth between two measurements and until operators
/// have spilled.
const UNSEEN_PART: u64 = 16;
/// The most that it keeps free for that.
const UNSEEN_BYTES_MAX: u64 = 64 << 20;
/// What is left for data beside the program's code, however small the limit.
const DATA_BYTES_MIN: u64 = 64 << 20;

/// An operator that is refused must be able to free at least this part of the limit by spilling:
/// many small spills cost more than they free.
const SPILL_PART: u64 = 64;
/// The least that an operator frees by spilling.
const SPILL_BYTES_MIN: u64 = 1 << 20;
/// The most that an operator must have before it spills.
const SPILL_BYTES_MAX: u64 = 16 << 20;
/// Hash tables up to this size grow unchecked: a larger one needs twice its size more while it doubles.
const SMALL_TABLE_BYTES: usize = 4 << 20;

/// The share of the budget for the row groups that all tasks write.
const WRITE_SHARE: f64 = 0.25;
/// The least that a row group may have, in bytes: many small ones are slow to read.
const ROW_GROUP_BYTES_MIN: usize = 4 << 20;
/// The share of the budget that the sorts of all tasks keep to merge what they spilled.
const SORT_SHARE: f64 = 0.125;
/// The least that a sort keeps to merge what it spilled, in bytes.
const SORT_BYTES_MIN: usize = 1 << 20;
/// The most and the least rows of a batch. Operators have several batches in memory at once, whatever is
/// reserved, and a merge needs two of each of its inputs.
const BATCH_ROWS_MAX: usize = 8192;
const BATCH_ROWS_MIN: usize = 64;
/// The most that a batch is expected to have, in bytes: operators that fill batches ask for all of it at once.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// What a row is taken to have at least, in bytes: how long texts are is not known before they are read.
const BATCH_ROW_BYTES: usize = 1 << 10;
/// The least rows of a batch whose rows are not known to be wider.
const BATCH_NARROW_ROWS_MIN: usize = 1024;
/// The share of the budget for the heaps of limited sorts, of all tasks together.
const HEAP_SHARE: f64 = 0.125;
/// The least and the most that one such heap may have, in bytes: a large one is slower than a sort.
const HEAP_BYTES_MIN: usize = 1 << 20;
const HEAP_BYTES_MAX: usize = 64 << 20;
/// The share of the budget for the inputs of the merges of all tasks.
const MERGE_SHARE: f64 = 0.4;
/// Memory of one input of a merge, in bytes, beside the data that is in transit to it: the batch
/// that is merged, its keys, and the batch that is read ahead.
const MERGE_INPUT_BYTES: usize = 3 * SPILLED_BATCH_BYTES;
/// The least inputs of one merge.
const MERGE_INPUTS_MIN: usize = 8;
/// The share of the limit for messages of other workers that are under way or wait to be decoded.
const FETCH_SHARE: f64 = 0.125;
/// The share of the limit, divided among the slots, that a task must have, or be taken to have, to be ended
/// for its memory.
const ENDED_SHARE_MIN: f64 = 0.25;
/// The least that such a task must have, in bytes: to end a smaller one frees too little.
const ENDED_BYTES_MIN: usize = 16 << 20;
/// The size above which a batch is sent in several messages, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 512 << 10;
/// Messages of one fetch that may wait to be decoded.
pub(crate) const FETCH_MESSAGES_MAX: usize = 4;
/// Workers that one task reads from at once, however much memory there is.
const FETCHES_MAX: usize = 8;
/// The part of the limit that one stream may have under way, within bounds. A merge reads many.
const STREAM_WINDOW_PART: u64 = 512;
/// The least that one stream may have under way, in bytes: less, and it waits for its receipts.
const STREAM_WINDOW_BYTES_MIN: u32 = 256 << 10;

/// What the process uses, as the system counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// The resident set.
    pub(crate) resident_bytes: u64,
    /// The part of it that is backed by files: the program's code, most of all.
    pub(crate) file_bytes: u64,
}

/// The shares of one worker's limit, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryPolicy {
    limit_bytes: u64,
    slots: u32,
}

impl MemoryPolicy {
    /// The shares of a limit which this many slots have.
    pub(crate) fn new(limit_bytes: u64, slots: u32) -> Self {
        MemoryPolicy { limit_bytes, slots: slots.max(1) }
    }

    /// The tasks that run at once.
    pub(crate) fn slots(self) -> u32 {
        self.slots
    }

    pub(crate) fn limit_bytes(self) -> u64 {
        self.limit_bytes
    }

    /// Whether the limit is so small that the program's code is a large part of it.
    pub(crate) fn is_tight(self) -> bool {
        self.limit_bytes < TIGHT_LIMIT_BYTES
    }

    /// What may be reserved in all.
    pub(crate) fn budget_bytes(self) -> usize {
        let after_program = self.limit_bytes.saturating_sub(PROGRAM_BYTES) as f64 * BUDGET_SHARE;
        after_program.max(self.limit_bytes as f64 * BUDGET_SHARE_MIN) as usize
    }

    /// What operators that can spill may reserve together.
    pub(crate) fn spillable_bytes_max(self) -> usize {
        (self.budget_bytes() as f64 * SPILLABLE_SHARE) as usize
    }

    /// What stored partitions may have in memory.
    pub(crate) fn stored_bytes_max(self) -> usize {
        (self.budget_bytes() as f64 * STORED_SHARE_MAX) as usize
    }

    /// Whether so much is reserved that the worker is paused.
    pub(crate) fn is_above_second_mark(self, reserved: usize) -> bool {
        reserved as f64 > self.budget_bytes() as f64 * SECOND_MARK
    }

    /// What the shares of the process are of: a little less than the limit, or more where the program's code leaves no
    /// room for data below it.
    fn process_bytes(self, used: Used) -> f64 {
        let unseen_bytes = match self.limit_bytes < SMALL_LIMIT_BYTES {
            true => 0,
            false => (self.limit_bytes / UNSEEN_PART).min(UNSEEN_BYTES_MAX),
        };
        self.whole_bytes(used) - unseen_bytes as f64
    }

    /// What the last share is of: the limit, or more.
    fn whole_bytes(self, used: Used) -> f64 {
        let excess = if self.limit_bytes < SMALL_LIMIT_BYTES { SMALL_EXCESS_BYTES } else { 0 };
        (self.limit_bytes + excess).max(used.file_bytes + DATA_BYTES_MIN) as f64
    }

    fn is_above(self, used: Used, more: usize, share: f64) -> bool {
        (used.resident_bytes + more as u64) as f64 > self.process_bytes(used) * share
    }

    /// Whether the allocator has to return what it keeps.
    pub(crate) fn must_give_back(self, used: Used) -> bool {
        self.is_above(used, 0, GIVE_BACK_SHARE)
    }

    /// Whether operators have to spill before `more` bytes are used.
    pub(crate) fn must_spill(self, used: Used, more: usize) -> bool {
        self.is_above(used, more, SPILL_SHARE)
    }

    /// By how much the process exceeds what it should have when operators spill.
    pub(crate) fn spill_excess_bytes(self, used: Used) -> usize {
        let mark = self.process_bytes(used) * SPILL_SHARE;
        (used.resident_bytes as f64 - mark).max(0.0) as usize
    }

    /// Whether whoever can wait has to, before `more` bytes are used: tasks that would start beside another,
    /// readers of row groups.
    pub(crate) fn must_wait(self, used: Used, more: usize) -> bool {
        self.is_above(used, more, ADMISSION_SHARE)
    }

    /// Whether `bytes` bytes would be too much even if only the program's code were in memory.
    pub(crate) fn can_never_fit(self, used: Used, bytes: usize) -> bool {
        self.is_over(Used { resident_bytes: used.file_bytes, ..used }, bytes)
    }

    /// Whether `more` bytes would be too much even for what cannot spill.
    pub(crate) fn is_over(self, used: Used, more: usize) -> bool {
        (used.resident_bytes + more as u64) as f64 > self.whole_bytes(used) * LAST_SHARE
    }

    /// What an operator must have at least to be refused more: it has to spill something.
    pub(crate) fn spill_bytes_min(self) -> usize {
        (self.limit_bytes / SPILL_PART).clamp(SPILL_BYTES_MIN, SPILL_BYTES_MAX) as usize
    }

    /// The bytes that a hash table of `table_bytes` bytes takes in addition while it grows: the
    /// table of twice the size that its entries move to.
    pub(crate) fn growth_bytes(self, table_bytes: usize) -> usize {
        2 * table_bytes.saturating_sub(SMALL_TABLE_BYTES)
    }

    /// What a sort of one task sorts in one piece, and what it keeps to merge its pieces, in
    /// bytes.
    pub(crate) fn sort_bytes(self) -> usize {
        let part = (self.budget_bytes() as f64 * SORT_SHARE) as usize / self.slots as usize;
        part.max(SORT_BYTES_MIN)
    }

    /// The rows of a batch in one task whose rows are expected to have `row_bytes`
    /// bytes: few enough that a sort's memory for merging holds a batch.
    pub(crate) fn batch_rows(self, row_bytes: usize) -> usize {
        let fitting = self.sort_bytes().min(BATCH_BYTES_MAX) / row_bytes.max(BATCH_ROW_BYTES);
        let power = fitting.checked_ilog2().map_or(0, |log| 1 << log);
        let is_narrow = row_bytes <= BATCH_ROW_BYTES;
        let least = if is_narrow { BATCH_NARROW_ROWS_MIN } else { BATCH_ROWS_MIN };
        power.clamp(least, BATCH_ROWS_MAX)
    }

    /// What one task may keep of a file that it writes, in bytes.
    pub(crate) fn row_group_bytes(self) -> usize {
        let part = (self.budget_bytes() as f64 * WRITE_SHARE) as usize / self.slots as usize;
        part.max(ROW_GROUP_BYTES_MIN)
    }

    /// What one task may keep in the heap of a limited sort, which cannot spill, in bytes.
    pub(crate) fn heap_bytes(self) -> usize {
        let part = (self.budget_bytes() as f64 * HEAP_SHARE) as usize / self.slots as usize;
        part.clamp(HEAP_BYTES_MIN, HEAP_BYTES_MAX)
    }

    /// What may be under way on one stream from another worker, in bytes.
    pub(crate) fn stream_window_bytes(self) -> u32 {
        let part = self.limit_bytes / STREAM_WINDOW_PART;
        u32::try_from(part)
            .unwrap_or(u32::MAX)
            .clamp(STREAM_WINDOW_BYTES_MIN, FLIGHT_STREAM_WINDOW_BYTES)
    }

    /// Sorted partitions that one task merges at once: more are merged in levels.
    pub(crate) fn merge_inputs(self) -> usize {
        let part = (self.budget_bytes() as f64 * MERGE_SHARE) as usize / self.slots as usize;
        let one = MERGE_INPUT_BYTES + self.stream_window_bytes() as usize;
        (part / one).max(MERGE_INPUTS_MIN)
    }

    /// Workers that one task reads an input from at once: what is under way from them, and
    /// waits to be decoded, bounds it.
    pub(crate) fn fetches(self) -> usize {
        let part = (self.limit_bytes as f64 * FETCH_SHARE) as usize / self.slots as usize;
        let one = self.stream_window_bytes() as usize + FETCH_MESSAGES_MAX * MESSAGE_BYTES;
        (part / one).clamp(1, FETCHES_MAX)
    }

    /// What a task must have at least to be ended for its memory, in bytes.
    pub(crate) fn ended_bytes_min(self) -> usize {
        let share = (self.limit_bytes as f64 * ENDED_SHARE_MIN) as usize;
        (share / self.slots as usize).max(ENDED_BYTES_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn used(resident_mib: u64, file_mib: u64) -> Used {
        Used { resident_bytes: resident_mib * MIB, file_bytes: file_mib * MIB }
    }

    /// The marks of the process follow one another, and the last is below the limit.
    #[test]
    fn the_marks_are_in_order() {
        let policy = MemoryPolicy::new(1000 * MIB, 1);
        let marks = |resident| {
            let used = used(resident, 100);
            (
                policy.must_give_back(used),
                policy.must_spill(used, 0),
                policy.must_wait(used, 0),
                policy.is_over(used, 0),
            )
        };
        assert_eq!(marks(650), (false, false, false, false));
        assert_eq!(marks(700), (true, false, false, false));
        assert_eq!(marks(800), (true, true, false, false));
        assert_eq!(marks(880), (true, true, true, false));
        assert_eq!(marks(950), (true, true, true, false));
        assert_eq!(marks(990), (true, true, true, true));
        assert!(policy.must_spill(used(650, 100), (110 * MIB) as usize));
        assert_eq!(policy.spill_excess_bytes(used(850, 100)), (100 * MIB) as usize);
        assert_eq!(policy.spill_excess_bytes(used(700, 100)), 0);
        assert!(policy.can_never_fit(used(700, 100), (900 * MIB) as usize));
        assert!(!policy.can_never_fit(used(700, 100), (800 * MIB) as usize));
    }

    /// A small limit leaves room for data beside the program, and no more than 32 MiB above it.
    #[test]
    fn a_small_limit_leaves_room() {
        let small = MemoryPolicy::new(160 * MIB, 1);
        assert!(!small.is_over(used(160, 60), 0));
        assert!(small.is_over(used(192, 60), 0));
        let tiny = MemoryPolicy::new(64 * MIB, 1);
        assert!(!tiny.is_over(used(150, 100), 0), "100 MiB of code and 50 of data");
        assert!(tiny.is_over(used(170, 100), 0));
        assert_eq!(tiny.budget_bytes(), (16 * MIB) as usize);
    }

    /// A large table is counted with the one that it moves to.
    #[test]
    fn tables_are_counted_with_their_growth() {
        let policy = MemoryPolicy::new(512 * MIB, 1);
        assert_eq!(policy.growth_bytes(1 << 20), 0);
        assert_eq!(policy.growth_bytes(20 << 20), 32 << 20);
    }

    /// Batches are smaller where a merge has little memory, and of the usual size where it has enough.
    #[test]
    fn batches_follow_the_limit() {
        for (limit_mib, slots, row_bytes, rows) in [
            (64, 8, 16, 1024),
            (160, 8, 16, 1024),
            (160, 1, 16, 4096),
            (512, 8, 16, 4096),
            (1024, 8, 16, 8192),
            (1024, 8, 40_000, 256),
            (160, 8, 40_000, 64),
        ] {
            let found = MemoryPolicy::new(limit_mib * MIB, slots).batch_rows(row_bytes);
            assert_eq!(found, rows, "{limit_mib} MiB, {slots} slots, {row_bytes} bytes");
        }
        assert_eq!(MemoryPolicy::new(u64::MAX, 1).batch_rows(40_000), 256);
        assert_eq!(MemoryPolicy::new(u64::MAX, 1).batch_rows(2_000), BATCH_ROWS_MAX);
    }

    /// A merge has as many inputs as a slot's share has room for, and enough to make progress.
    #[test]
    fn merges_follow_the_limit() {
        for (limit_mib, slots, inputs) in
            [(160, 1, 18), (160, 8, 8), (1024, 1, 101), (65536, 8, 516)]
        {
            let policy = MemoryPolicy::new(limit_mib * MIB, slots);
            assert_eq!(policy.merge_inputs(), inputs, "{limit_mib} MiB, {slots} slots");
        }
    }

    /// What many tasks read at once is bounded by the limit; a large worker reads as many as ever.
    #[test]
    fn fetches_follow_the_limit() {
        for (limit_mib, slots, fetches) in [(160, 1, 8), (160, 8, 1), (1024, 8, 4), (65536, 8, 8)] {
            let policy = MemoryPolicy::new(limit_mib * MIB, slots);
            assert_eq!(policy.fetches(), fetches, "{limit_mib} MiB, {slots} slots");
        }
        assert_eq!(MemoryPolicy::new(512 * MIB, 1).stream_window_bytes(), 1 << 20);
        assert_eq!(MemoryPolicy::new(64 * MIB, 1).stream_window_bytes(), STREAM_WINDOW_BYTES_MIN);
        assert_eq!(
            MemoryPolicy::new(u64::MAX, 1).stream_window_bytes(),
            FLIGHT_STREAM_WINDOW_BYTES
        );
    }
}
