//! An output in the making: batches per bucket, in memory while there is room.

use crate::store::file::SpillFile;
use crate::store::{Bucket, Partition, Store, write_out};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use partita_shared::ids::Attempt;
use std::sync::Arc;

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
            schema,
        }
    }

    /// Rows and bytes so far.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.rows, self.bytes)
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
            let size = get_record_batch_memory_size(&batch);
            self.bytes += size as u64;
            if self.reservation.try_grow(size).is_err() {
                self.make_room(size)?;
            }
            self.buckets[bucket].batches.push(batch);
        }
        Ok(())
    }

    /// Makes room for a batch: first older partitions go to disk, then what this output has.
    fn make_room(&mut self, size: usize) -> Result<()> {
        while self.store.make_room(size) > 0 {
            if self.reservation.try_grow(size).is_ok() {
                return Ok(());
            }
        }
        self.spill()?;
        // One batch over the budget is better than no way on: it goes to disk with the next.
        self.reservation.grow(size);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.store.new_file()?,
        };
        self.spilled_bytes += write_out(&file, &self.schema, &mut self.buckets)?;
        self.file = Some(file);
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

    pub(super) fn into_partition(self, attempt: Attempt, used: u64) -> Result<Partition> {
        Ok(Partition {
            attempt,
            schema: self.schema,
            buckets: self.buckets,
            file: self.file,
            reservation: self.reservation,
            spilled_bytes: self.spilled_bytes,
            used,
            spilling: false,
        })
    }
}
