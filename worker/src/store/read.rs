//! Reading a partition back: first the batches on disk, then those in memory.
//!
//! Reading waits for the disk, so it is done on threads where waiting harms nobody. They are few,
//! and a merge reads more partitions at once than there are threads: so a thread reads one batch
//! and is free again, and none waits for a reader.

use crate::memory::give_back_of_thread;
use crate::store::Found;
use crate::store::file::{Section, SpillFile};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};

/// The sections of a bucket on disk, one after the other.
struct Reading {
    file: Arc<SpillFile>,
    sections: std::vec::IntoIter<Section>,
    batches: Option<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>,
}

/// What comes next: a batch is read ahead while its reader works on the one before.
enum Ahead {
    NotBegun(Reading),
    Begun(JoinHandle<(Option<Result<RecordBatch>>, Reading)>),
    Over,
}

impl Reading {
    fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            match self.file.read(self.sections.next()?) {
                Ok(batches) => self.batches = Some(Box::new(batches)),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn begin(mut self) -> JoinHandle<(Option<Result<RecordBatch>>, Reading)> {
        spawn_blocking(move || {
            let batch = self.next();
            // The reader frees the batches of this thread.
            give_back_of_thread();
            (batch, self)
        })
    }
}

async fn next(ahead: Ahead) -> Option<(Result<RecordBatch>, Ahead)> {
    let reading = match ahead {
        Ahead::NotBegun(reading) => reading.begin(),
        Ahead::Begun(reading) => reading,
        Ahead::Over => return None,
    };
    match reading.await {
        Ok((Some(Ok(batch)), reading)) => Some((Ok(batch), Ahead::Begun(reading.begin()))),
        Ok((Some(Err(error)), _)) => Some((Err(error), Ahead::Over)),
        Ok((None, _)) => None,
        Err(error) => Some((Err(DataFusionError::ExecutionJoin(Box::new(error))), Ahead::Over)),
    }
}

/// The rows of what was found. Nothing is opened before the first is asked for.
pub(crate) fn rows(found: Found) -> BoxStream<'static, Result<RecordBatch>> {
    let memory = stream::iter(found.bucket.batches.into_iter().map(Ok));
    match found.file.filter(|_| !found.bucket.sections.is_empty()) {
        None => memory.boxed(),
        Some(file) => {
            let sections = found.bucket.sections.into_iter();
            let reading = Reading { file, sections, batches: None };
            stream::unfold(Ahead::NotBegun(reading), next).chain(memory).boxed()
        }
    }
}
