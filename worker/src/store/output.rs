//! An output in the making: batches per bucket, in memory while there is room.

use crate::store::file::SpillFile;
use crate::store::{Bucket, Partition, Store, write_out};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use partita_net::payload::Header;
use partita_operators::compact::compacted;
use partita_operators::width::expected_row_bytes;
use partita_shared::ids::Attempt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows that small batches are gathered into.
const BATCH_ROWS: usize = 8192;
/// The least rows that they are gathered into where there are many buckets.
const BATCH_ROWS_MIN: usize = 1024;
/// Rows that are gathered in all buckets together, unless that leaves one less than the least.
const GATHERED_ROWS: usize = 64 * BATCH_ROWS;
/// What a batch may take of which rows are gathered, in bytes: its columns have room for all rows before the first one comes.
const WIDE_BATCH_BYTES: usize = 8 << 20;
/// What those of all buckets may take together, in bytes.
const WIDE_BATCHES_BYTES: usize = 64 << 20;
/// The size of the batches on disk, in bytes. A merge has two of each of its inputs in memory.
pub(crate) const SPILLED_BATCH_BYTES: usize = 256 << 10;
/// What is reserved for rows that are being gathered changes by at least so much, in bytes.
const GATHERED_STEP_BYTES: usize = 256 << 10;
/// The part of what may be stored that one output may have in rows that are being gathered.
const GATHERED_PART: usize = 8;
/// Texts that use less than this part of the buffers behind them are copied.
const COMPACTED_PART: usize = 2;

/// What one attempt makes.
#[derive(Debug)]
pub(crate) struct Output {
    store: Arc<Store>,
    schema: SchemaRef,
    coalescers: Vec<BatchCoalescer>,
    buckets: Vec<Bucket>,
    file: Option<Arc<SpillFile>>,
    reservation: MemoryReservation,
    /// What rows take that are being gathered.
    gathered: MemoryReservation,
    spilled_bytes: u64,
    rows: u64,
    bytes: u64,
    /// Rows that were gathered: `bytes` are theirs.
    batched_rows: u64,
    /// How often the store had forgotten everything when this was begun.
    begun: u64,
}

impl Output {
    /// An output of `buckets` buckets.
    pub(crate) fn new(store: &Arc<Store>, schema: SchemaRef, buckets: usize) -> Self {
        // Batches of half the rows or more are kept as they are: copying them gains nothing.
        let batch_rows = (GATHERED_ROWS / buckets.max(1)).clamp(BATCH_ROWS_MIN, BATCH_ROWS);
        let row_bytes = expected_row_bytes(&schema).max(1);
        let room = WIDE_BATCH_BYTES.min(WIDE_BATCHES_BYTES / buckets.max(1));
        let batch_rows = batch_rows.min((room / row_bytes).max(1));
        let coalescer = || {
            BatchCoalescer::new(Arc::clone(&schema), batch_rows)
                .with_biggest_coalesce_batch_size(Some(batch_rows / 2))
        };
        Output {
            store: Arc::clone(store),
            coalescers: (0..buckets).map(|_| coalescer()).collect(),
            buckets: vec![Bucket::default(); buckets],
            file: None,
            reservation: store.reservation(),
            gathered: store.reservation(),
            spilled_bytes: 0,
            rows: 0,
            bytes: 0,
            batched_rows: 0,
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
        if Header::is_in(&self.schema) {
            return self.keep_payload(bucket, batch);
        }
        self.rows += batch.num_rows() as u64;
        if self.schema.fields().is_empty() {
            // Rows without columns: their number is all there is.
            self.buckets[bucket].batches.push(batch);
            return Ok(());
        }
        self.coalescers[bucket].push_batch(batch)?;
        self.take_completed(bucket)?;
        self.account_gathered()
    }

    /// Keeps bytes as they are: they are large, and one value whatever their number.
    fn keep_payload(&mut self, bucket: usize, batch: RecordBatch) -> Result<()> {
        self.rows = 1;
        let size = get_record_batch_memory_size(&batch);
        self.bytes += size as u64;
        if !self.try_grow(size) {
            self.make_room(size)?;
        }
        self.buckets[bucket].batches.push(batch);
        Ok(())
    }

    /// Reserves memory for the gathered rows; if it is much, they become a batch first.
    fn account_gathered(&mut self) -> Result<()> {
        let rows = self.rows - self.batched_rows;
        let width = match self.bytes.checked_div(self.batched_rows) {
            Some(width) => width as usize,
            None => expected_row_bytes(&self.schema),
        };
        let bytes = (rows as usize).saturating_mul(width);
        if bytes > (self.store.stored_bytes_max / GATHERED_PART).max(GATHERED_STEP_BYTES) {
            self.batch_gathered()?;
            self.gathered.free();
        } else if bytes.abs_diff(self.gathered.size()) >= GATHERED_STEP_BYTES {
            self.gathered.resize(bytes);
        }
        Ok(())
    }

    /// Makes batches of the rows that are being gathered.
    fn batch_gathered(&mut self) -> Result<()> {
        for bucket in 0..self.coalescers.len() {
            self.coalescers[bucket].finish_buffered_batch()?;
            self.take_completed(bucket)?;
        }
        Ok(())
    }

    fn take_completed(&mut self, bucket: usize) -> Result<()> {
        while let Some(batch) = self.coalescers[bucket].next_completed_batch() {
            let batch = compacted(batch, COMPACTED_PART)?;
            let size = get_record_batch_memory_size(&batch);
            self.bytes += size as u64;
            self.batched_rows += batch.num_rows() as u64;
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
        self.batch_gathered()?;
        self.coalescers.clear();
        self.gathered.free();
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

/// The batch in pieces of about [`SPILLED_BATCH_BYTES`].
pub(super) fn small_pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let pieces =
        get_record_batch_memory_size(batch).div_ceil(SPILLED_BATCH_BYTES).clamp(1, rows.max(1));
    if pieces == 1 {
        return vec![batch.clone()];
    }
    let size = rows.div_ceil(pieces);
    let piece = |at: usize| {
        let piece = batch.slice(at, size.min(rows - at));
        // A slice of texts is written with its whole buffers, so compact it first.
        compacted(piece.clone(), 1).unwrap_or(piece)
    };
    (0..rows).step_by(size).map(piece).collect()
}
