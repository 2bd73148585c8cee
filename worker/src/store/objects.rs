//! Objects in the store: bytes that Python processes read.

use crate::memory::{SEGMENT_BYTES_MIN, Segments};
use crate::store::{Bucket, Store};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use partita_net::payload::{Header, Payload, PayloadError};
use partita_shared::ids::{Attempt, TaskId};
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;

impl Store {
    /// The memory that Python processes map.
    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// The object that batches are the pieces of: a large one in memory that Python processes can map.
    ///
    /// # Errors
    /// If they are not pieces of an object.
    pub(crate) fn object(&self, batches: &[RecordBatch]) -> Result<Payload, PayloadError> {
        let schema = batches.first().map(RecordBatch::schema).ok_or(PayloadError::Rows)?;
        let bytes: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if batches.len() > 1 && bytes >= SEGMENT_BYTES_MIN {
            let header = Header::of(&schema)?.ok_or(PayloadError::Rows)?;
            let pieces = batches.iter().map(|batch| Payload::bytes_of(batch).cloned());
            let pieces = pieces.collect::<Result<Vec<Buffer>, _>>()?;
            if let Some(bytes) = self.segments.copy(&pieces) {
                return Payload::new(header, bytes);
            }
        }
        Payload::from_batches(&schema, batches)
    }

    /// A stored object, in memory that Python processes can map if it is large: it is moved there the first time.
    pub(crate) fn shareable(&self, task: TaskId, attempt: Attempt, object: Payload) -> Payload {
        let bytes = object.bytes();
        if bytes.len() < SEGMENT_BYTES_MIN || self.segments.find(bytes).is_some() {
            return object;
        }
        // For a moment it is there twice.
        let both = self.reservation();
        if both.try_grow(bytes.len()).is_err() {
            return object;
        }
        let Some(moved) = self.segments.copy(std::slice::from_ref(bytes)) else { return object };
        let Ok(moved) = Payload::new(object.header().clone(), moved) else { return object };
        let Ok(batch) = moved.to_batch() else { return object };
        self.replace(task, attempt, batch);
        moved
    }

    /// Puts a batch with the same content in the place of the only one of a partition.
    fn replace(&self, task: TaskId, attempt: Attempt, batch: RecordBatch) {
        let mut state = self.lock();
        if state.partitions.get(&task).is_none_or(|found| found.attempt != attempt) {
            return;
        }
        let replaced = state.partitions.change(task, |partition| {
            let [Bucket { batches, .. }] = &mut partition.buckets[..] else { return batch };
            let [stored] = &mut batches[..] else { return batch };
            std::mem::replace(stored, batch)
        });
        drop(state);
        // Its memory is freed without the lock.
        drop(replaced);
    }

    /// An object of another worker, or from disk: a copy that is kept, or what `read` gives.
    pub(crate) async fn fetched(
        &self,
        key: (TaskId, Attempt),
        data: &Handle,
        read: impl Future<Output = Result<Payload>>,
    ) -> Result<Payload> {
        self.fetched.get_or_read(key, self.reservation(), data, read).await
    }
}
