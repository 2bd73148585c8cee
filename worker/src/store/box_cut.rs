//! Boxes of stored blocks of arrays.

use crate::store::{Found, Store, rows};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::TryStreamExt;
use partita_net::payload::{BoxAxis, Header, Payload, PayloadError};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Cuts a box out of blocks with the same header.
#[derive(Clone, Debug)]
pub(crate) struct BoxCut {
    block: SchemaRef,
    wanted: Vec<BoxAxis>,
    cut: SchemaRef,
}

impl BoxCut {
    /// A box of blocks that are stored with this schema.
    ///
    /// # Errors
    /// If they are not blocks, or the box is not part of them.
    pub(crate) fn new(block: SchemaRef, wanted: Vec<BoxAxis>) -> Result<Self, PayloadError> {
        let header = Header::of(&block)?.ok_or(PayloadError::Rows)?;
        let cut = header.cut(&wanted)?.schema()?;
        Ok(BoxCut { block, wanted, cut })
    }

    /// The schema of what is cut out.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.cut)
    }

    /// The box of a block. What has to be read from disk and the box itself are reserved meanwhile.
    ///
    /// # Errors
    /// If it cannot be read, or has another header.
    pub(crate) async fn of(self, found: Found, store: Arc<Store>) -> Result<RecordBatch> {
        let failed = |error: PayloadError| DataFusionError::External(Box::new(error));
        if found.schema != self.block {
            return Err(failed(PayloadError::Rows));
        }
        let batches: Vec<RecordBatch> = rows(found).try_collect().await?;
        let joined = spawn_blocking(move || {
            let reservation = store.reservation();
            let bytes: usize = batches.iter().map(RecordBatch::num_rows).sum();
            // One batch is in the store. Several are put together first.
            reservation.grow(if batches.len() > 1 { 2 * bytes } else { bytes });
            let payload = Payload::from_batches(&self.block, &batches)?;
            payload.cut(&self.wanted)?.to_batch()
        });
        joined
            .await
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
            .map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Output;
    use datafusion::execution::memory_pool::UnboundedMemoryPool;
    use partita_shared::ids::{JobId, StageId, TaskId};

    /// A block and an object are stored, spilled and read back as they were, and a box of the block has its items,
    /// wherever the block lies.
    #[tokio::test]
    async fn payloads_are_stored_and_cut() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Arc::new(UnboundedMemoryPool::default());
        let store = Arc::new(Store::new(pool, 1 << 30, folder.path().to_path_buf()));
        let shape = vec![1000, 1000];
        let block = Header::Block { dtype: "|u1".into(), item_bytes: 1, shape };
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|item| (item % 251) as u8).collect();
        let object = Header::Pickle { parts: vec![600_000, 400_000] };
        let wanted = vec![
            BoxAxis { start: 10, stop: 900, step: 3 },
            BoxAxis { start: 5, stop: 995, step: 1 },
        ];
        for (index, header) in [block, object].into_iter().enumerate() {
            let payload = Payload::new(header, bytes.clone().into()).unwrap();
            let batch = payload.to_batch().unwrap();
            let task = TaskId { stage: StageId { job: JobId(1), index: 0 }, index: index as u32 };
            let mut output = Output::new(&store, batch.schema(), 1);
            output.push(0, batch.clone()).unwrap();
            output.finish().unwrap();
            assert_eq!(output.size().0, 1);
            store.put(task, 1, output).unwrap();
            for is_spilled in [false, true] {
                assert_eq!(store.figures().spilled_bytes > 0, is_spilled || index > 0);
                let found = store.get(task, 1, None).unwrap();
                assert_eq!(found.bucket.batches.is_empty(), is_spilled);
                let read: Vec<RecordBatch> = rows(found).try_collect().await.unwrap();
                assert_eq!(Payload::from_batches(read[0].schema_ref(), &read).unwrap(), payload);
                let cut = BoxCut::new(batch.schema(), wanted.clone());
                if index == 0 {
                    let found = store.get(task, 1, None).unwrap();
                    let cut = cut.unwrap().of(found, Arc::clone(&store)).await.unwrap();
                    assert_eq!(cut, payload.cut(&wanted).unwrap().to_batch().unwrap());
                } else {
                    assert!(cut.is_err());
                }
                assert!(store.make_room(1) > 0 || is_spilled);
            }
        }
    }
}
