//! The memory of a worker: how much may be reserved, how much the process really uses, and the
//! reaction to excess of either. `docs/memory.md` explains every share.

mod budget;
mod policy;
mod process;
mod row_groups;
mod segments;
mod shared;
mod task;

pub(crate) use budget::Budget;
pub(crate) use policy::{FETCH_MESSAGES_MAX, MESSAGE_BYTES, MemoryPolicy, Used};
pub(crate) use process::{
    ProcessMemory, cpu_ticks, give_back_of_thread, resident_bytes, status_bytes,
};
pub(crate) use row_groups::{RowGroupGate, with_gated_reads};
pub(crate) use segments::{SEGMENT_BYTES_MIN, Segment, Segments};
pub(crate) use shared::{SegmentPlace, own_node};
pub(crate) use task::TaskMemory;
