//! An output in the making: batches per bucket, in memory while there is room.

use crate::store::file::SpillFile;
use crate::store::{Bucket, Partition, Store, write_out};
use datafusion::arrow::array::{ArrayRef, AsArray, GenericByteViewArray};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use partita_shared::ids::Attempt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows that small batches are gathered into.
const BATCH_ROWS: usize = 8192;

/// What one attempt makes.
#[derive(Debug)]
pub(crate) struct Output {
    store: Arc<Store>,
    schema: SchemaRef,
    coalescers: Vec<BatchCoalescer>,
    buckets: Vec<Bucket>,
    file: Option<Arc<SpillFile>>,
    reservation: MemoryReservation,
    spilled_bytes: u64,
    rows: u64,
    bytes: u64,
    /// How often the store had forgotten everything when this was begun.
    begun: u64,
}

impl Output {
    /// An output of so many buckets.
    pub(crate) fn new(store: &Arc<Store>, schema: SchemaRef, buckets: usize) -> Self {
        // Batches of half the rows or more are kept as they are: copying them gains nothing.
        let coalescer = || {
            BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS)
                .with_biggest_coalesce_batch_size(Some(BATCH_ROWS / 2))
        };
        Output {
            store: Arc::clone(store),
            coalescers: (0..buckets).map(|_| coalescer()).collect(),
            buckets: vec![Bucket::default(); buckets],
            file: None,
            reservation: store.reservation(),
            spilled_bytes: 0,
            rows: 0,
            bytes: 0,
            begun: store.cleared(),
            schema,
        }
    }

    /// Rows and bytes so far.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.rows, self.bytes)
    }

    /// How often the store had forgotten everything when this was begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Adds rows to a bucket.
    pub(crate) fn push(&mut self, bucket: usize, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        if self.schema.fields().is_empty() {
            // Rows without columns: their number is all there is.
            self.buckets[bucket].batches.push(batch);
            return Ok(());
        }
        self.coalescers[bucket].push_batch(batch)?;
        self.take_completed(bucket)
    }

    fn take_completed(&mut self, bucket: usize) -> Result<()> {
        while let Some(batch) = self.coalescers[bucket].next_completed_batch() {
            let batch = compacted(batch)?;
            let size = get_record_batch_memory_size(&batch);
            self.bytes += size as u64;
            if !self.try_grow(size) {
                self.make_room(size)?;
            }
            self.buckets[bucket].batches.push(batch);
        }
        Ok(())
    }

    fn try_grow(&mut self, size: usize) -> bool {
        let fits = self.store.has_room(size) && self.reservation.try_grow(size).is_ok();
        if fits {
            self.store.making_bytes.fetch_add(size, Ordering::Relaxed);
        }
        fits
    }

    /// Makes room for a batch: first older partitions go to disk, then what this output has.
    fn make_room(&mut self, size: usize) -> Result<()> {
        while self.store.make_room(size) > 0 {
            if self.try_grow(size) {
                return Ok(());
            }
        }
        self.spill()?;
        // One batch over the budget is better than no way on: it goes to disk with the next.
        self.reservation.grow(size);
        self.store.making_bytes.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what was reserved for batches that are not in the making any more.
    fn made(&self) {
        self.store.making_bytes.fetch_sub(self.reservation.size(), Ordering::Relaxed);
    }

    fn spill(&mut self) -> Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.store.new_file()?,
        };
        self.spilled_bytes += write_out(&file, &self.schema, &mut self.buckets)?;
        self.file = Some(file);
        self.made();
        self.reservation.free();
        Ok(())
    }

    /// Gathers what is still in small pieces.
    pub(crate) fn finish(&mut self) -> Result<()> {
        for bucket in 0..self.buckets.len() {
            self.coalescers[bucket].finish_buffered_batch()?;
            self.take_completed(bucket)?;
        }
        self.coalescers.clear();
        Ok(())
    }

    pub(super) fn into_partition(mut self, attempt: Attempt, used: u64) -> Result<Partition> {
        self.made();
        Ok(Partition {
            attempt,
            schema: Arc::clone(&self.schema),
            buckets: std::mem::take(&mut self.buckets),
            file: self.file.take(),
            reservation: self.reservation.take(),
            spilled_bytes: self.spilled_bytes,
            used,
            spilling: false,
        })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Nothing is left of one that became a partition.
        self.made();
    }
}

/// The batch without what it does not use of the buffers behind its texts: an operator that picks
/// rows, such as a merge, leaves them in the buffers of all the batches that they came from, which
/// would be counted and written as a whole with each batch.
fn compacted(batch: RecordBatch) -> Result<RecordBatch> {
    let compact: Vec<Option<ArrayRef>> = batch.columns().iter().map(compact).collect();
    if compact.iter().all(Option::is_none) {
        return Ok(batch);
    }
    let columns = compact.into_iter().zip(batch.columns());
    let columns = columns.map(|(compact, column)| compact.unwrap_or_else(|| Arc::clone(column)));
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

/// A copy of a column with what it uses of its buffers, if that is less than half of them.
fn compact(column: &ArrayRef) -> Option<ArrayRef> {
    fn copy<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Option<ArrayRef> {
        let held: usize = array.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
        (held / 2 > array.total_buffer_bytes_used()).then(|| Arc::new(array.gc()) as ArrayRef)
    }
    match column.data_type() {
        DataType::Utf8View => copy(column.as_string_view()),
        DataType::BinaryView => copy(column.as_binary_view()),
        _ => None,
    }
}
