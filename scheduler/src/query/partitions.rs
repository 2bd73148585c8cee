//! How many tasks a step gets.

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use partita_plan::nodes::shared;
use std::sync::Arc;

/// What a byte of a file may become in memory: files are compressed and encoded.
const EXPANSION: u64 = 4;
/// The part of a slot's memory that the input of one task should fill.
const SLOT_MEMORY_DIVISOR: u64 = 2;
/// Tasks of one step that are planned at most for the size of the data.
const PARTITIONS_MAX: u64 = 4096;
/// Tasks of a step when no worker is there yet.
const PARTITIONS_WITHOUT_WORKERS: u64 = 4;

/// How a query is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryMode {
    /// As fast as it goes: joins by hash tables.
    Normal,
    /// After it ran out of memory: joins by sorting, which spills, over smaller partitions.
    Low,
}

/// The cluster as the planner sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Slots of all workers.
    pub(crate) slots: u32,
    /// The least memory of one slot.
    pub(crate) slot_bytes: u64,
}

impl Capacity {
    /// The number of tasks of a step over `file_bytes` bytes of files.
    pub(crate) fn partitions(self, file_bytes: u64, mode: MemoryMode) -> usize {
        let slots = match self.slots {
            0 => PARTITIONS_WITHOUT_WORKERS,
            slots => u64::from(slots),
        };
        let piece = (self.slot_bytes / SLOT_MEMORY_DIVISOR).max(1 << 20);
        let by_size = match self.slot_bytes {
            0 => 1,
            _ => (file_bytes.saturating_mul(EXPANSION)).div_ceil(piece),
        };
        // Whole rounds over the slots: a last round with one task would leave the others idle.
        let wanted = by_size.max(1).div_ceil(slots) * slots;
        let wanted = match mode {
            MemoryMode::Normal => wanted,
            MemoryMode::Low => wanted * 4,
        };
        wanted.min(PARTITIONS_MAX.max(slots)) as usize
    }
}

/// Bytes of the files that a plan reads.
pub(crate) fn file_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let mut bytes = 0_u64;
    shared::visit_operators(plan, &mut |node| bytes = bytes.saturating_add(own_file_bytes(node)));
    bytes
}

/// Bytes of the files that an operator reads itself.
fn own_file_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let config = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let files = config.iter().flat_map(|config| config.file_groups.iter());
    let bytes = files.flat_map(|group| group.iter()).map(|file| match &file.range {
        Some(range) => u64::try_from(range.end - range.start).unwrap_or(0),
        None => file.object_meta.size,
    });
    bytes.sum()
}
