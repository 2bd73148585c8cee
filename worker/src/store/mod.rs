//! The partition store: what finished tasks made, by (task, attempt) and bucket.
//!
//! Every batch is reserved in the worker's budget before it is kept. When there is no room, the
//! least recently used partitions go to the scratch folder as Arrow IPC (lz4), and an output that
//! is being made goes there piece by piece. Readers get batches by reference from memory, and
//! stream them back from disk.

mod box_cut;
mod disk;
mod fetched;
mod file;
mod objects;
mod output;
mod partitions;
mod read;

pub(crate) use box_cut::BoxCut;
use output::small_pieces;
pub(crate) use output::{Output, SPILLED_BATCH_BYTES};
pub(crate) use read::rows;

use crate::memory::Segments;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use disk::Disk;
use fetched::Fetched;
use file::{Section, SpillFile};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId};
use partitions::{Partitions, tasks_of};
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the store's reservations in the budget.
pub(crate) const CONSUMER: &str = "partition store";

/// One bucket of an output, or all of it: batches on disk come before batches in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bucket {
    pub(crate) sections: Vec<Section>,
    pub(crate) batches: Vec<RecordBatch>,
}

#[derive(Debug)]
pub(crate) struct Partition {
    attempt: Attempt,
    schema: SchemaRef,
    buckets: Vec<Bucket>,
    file: Option<Arc<SpillFile>>,
    /// What its batches in memory take, reserved in the budget.
    reservation: MemoryReservation,
    spilled_bytes: u64,
    used: u64,
    /// Whether it is being written to disk.
    spilling: bool,
}

/// What the store holds, in figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreFigures {
    pub(crate) stored_bytes: u64,
    pub(crate) spilled_bytes: u64,
    pub(crate) partitions: u32,
    pub(crate) spilled_partitions: u32,
}

/// The partitions of one worker.
#[derive(Debug)]
pub(crate) struct Store {
    pool: Arc<dyn MemoryPool>,
    stored_bytes_max: usize,
    folder: PathBuf,
    disk: Disk,
    files: AtomicU64,
    clock: AtomicU64,
    /// What outputs in the making have in memory.
    making_bytes: AtomicUsize,
    state: Mutex<State>,
    segments: Arc<Segments>,
    /// Copies of objects that are not stored here.
    fetched: Arc<Fetched>,
}

#[derive(Debug, Default)]
struct State {
    partitions: Partitions,
    /// Jobs that were dropped while attempts of theirs had not ended: what these still make is not kept.
    dropped: HashSet<JobId>,
    /// How often everything was forgotten. What was begun before the last time is not kept.
    cleared: u64,
}

/// Partitions that the store has forgotten. Dropping them frees their memory and removes their files, which takes
/// time: the thread of the heartbeats must not do it.
pub(crate) type Forgotten = Vec<Partition>;

/// What a reader of a bucket gets.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) schema: SchemaRef,
    pub(crate) bucket: Bucket,
    pub(crate) file: Option<Arc<SpillFile>>,
}

impl Found {
    /// Its rows, in memory and on disk.
    pub(crate) fn rows(&self) -> u64 {
        let on_disk = self.bucket.sections.iter().map(|section| section.rows);
        let in_memory = self.bucket.batches.iter().map(|batch| batch.num_rows() as u64);
        on_disk.chain(in_memory).sum()
    }
}

impl Store {
    pub(crate) fn new(pool: Arc<dyn MemoryPool>, stored_bytes_max: usize, folder: PathBuf) -> Self {
        let segments = Segments::new(Arc::clone(&pool));
        Store {
            pool,
            stored_bytes_max,
            disk: Disk::new(folder.clone()),
            folder,
            files: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            making_bytes: AtomicUsize::new(0),
            state: Mutex::new(State::default()),
            segments,
            fetched: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left no half-made change that matters more than going on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of what is spilled.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// A reservation in the budget for something that will be stored.
    pub(crate) fn reservation(&self) -> MemoryReservation {
        MemoryConsumer::new(CONSUMER).register(&self.pool)
    }

    /// Whether unfinished outputs may have `bytes` more bytes in memory, beside stored partitions.
    /// They leave the memory above the first threshold to operators: an operator that cannot spill,
    /// such as the merge that feeds an output, would find no room otherwise.
    fn has_room(&self, bytes: usize) -> bool {
        let stored = self.figures().stored_bytes as usize;
        stored + self.making_bytes.load(Ordering::Relaxed) + bytes <= self.stored_bytes_max
    }

    fn new_file(&self) -> Result<Arc<SpillFile>> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("partition-{number}.arrow"));
        SpillFile::create(path).map(Arc::new)
    }

    /// Keeps a finished output, unless a later attempt's is here: one that another worker made may
    /// come late. Lets older ones go to disk if it is too much. False if it is not kept.
    pub(crate) fn put(&self, task: TaskId, attempt: Attempt, output: Output) -> Result<bool> {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        let begun = output.begun();
        let partition = output.into_partition(attempt, used)?;
        {
            let mut state = self.lock();
            let newer = state.partitions.get(&task).is_some_and(|found| found.attempt > attempt);
            let unwanted = state.dropped.contains(&task.stage.job) || begun != state.cleared;
            if newer || unwanted {
                return Ok(false);
            }
            state.partitions.insert(task, partition);
        }
        let stored = self.figures().stored_bytes as usize;
        if stored > self.stored_bytes_max {
            self.make_room(stored - self.stored_bytes_max);
        }
        Ok(true)
    }

    /// The output of a task, or one bucket of it, if that attempt's is held.
    pub(crate) fn get(&self, task: TaskId, attempt: Attempt, bucket: Option<u32>) -> Option<Found> {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        if state.partitions.get(&task)?.attempt != attempt {
            return None;
        }
        state.partitions.change(task, |partition| partition.used = used);
        let partition = state.partitions.get(&task)?;
        let bucket = match bucket {
            Some(bucket) => partition.buckets.get(bucket as usize).cloned().unwrap_or_default(),
            None => {
                let mut all = Bucket::default();
                for bucket in &partition.buckets {
                    all.sections.extend_from_slice(&bucket.sections);
                    all.batches.extend_from_slice(&bucket.batches);
                }
                all
            }
        };
        Some(Found { schema: Arc::clone(&partition.schema), bucket, file: partition.file.clone() })
    }

    /// Writes the least recently used partitions to disk until about `bytes` are free. Returns how
    /// much that gave; 0 means that there is nothing left to write, or no room on the disk. A disk that had
    /// none is not tried again and again: whoever asks is many, and each try compresses a whole partition.
    pub(crate) fn make_room(&self, bytes: usize) -> usize {
        let mut freed = self.fetched.make_room(bytes.max(1));
        while freed < bytes.max(1) && !self.disk.is_known_to_fail() {
            match self.spill_oldest() {
                Ok(0) => break,
                Ok(size) => freed += size,
                Err(error) => {
                    self.disk.failed();
                    tracing::error!(cause = %error, "cannot spill a partition");
                    break;
                }
            }
        }
        freed
    }

    /// Writes one partition to disk. Nobody waits for the disk meanwhile: the partition is read
    /// from memory until it is written.
    fn spill_oldest(&self) -> Result<usize> {
        let (task, attempt, schema, mut buckets, file) = {
            let mut state = self.lock();
            let Some(task) = state.partitions.oldest() else { return Ok(0) };
            let found = state.partitions.change(task, |partition| {
                partition.spilling = true;
                let (schema, buckets) = (Arc::clone(&partition.schema), partition.buckets.clone());
                (task, partition.attempt, schema, buckets, partition.file.clone())
            });
            let Some(found) = found else { return Ok(0) };
            found
        };
        let written = match file {
            Some(file) => Ok(file),
            None => self.new_file(),
        }
        .and_then(|file| write_out(&file, &schema, &mut buckets).map(|bytes| (file, bytes)));
        let mut state = self.lock();
        if state.partitions.get(&task).is_none_or(|found| found.attempt != attempt) {
            // It was dropped meanwhile: its memory is free all the same.
            return Ok(1);
        }
        let spilled = state.partitions.change(task, |partition| -> Result<_> {
            partition.spilling = false;
            let (file, bytes) = written?;
            let size = partition.reservation.free();
            partition.file = Some(file);
            partition.spilled_bytes += bytes;
            // Readers that hold the batches keep them alive; for all others they come from disk.
            Ok((size, std::mem::replace(&mut partition.buckets, buckets)))
        });
        drop(state);
        let (size, in_memory) = spilled.unwrap_or_else(|| Ok((1, Vec::new())))?;
        drop(in_memory);
        Ok(size)
    }

    /// Forgets the partitions of a stage.
    pub(crate) fn drop_stage(&self, stage: StageId) -> Forgotten {
        self.lock().partitions.take(tasks_of(stage..=stage))
    }

    /// Forgets the partitions of a job, and those that its last attempts may still bring. `stopping` has
    /// the jobs some of whose attempts were stopped and have not ended: only those can bring anything,
    /// and so much is remembered.
    pub(crate) fn drop_job(&self, job: JobId, stopping: &HashSet<JobId>) -> Forgotten {
        {
            let mut state = self.lock();
            state.dropped.retain(|dropped| stopping.contains(dropped));
            if stopping.contains(&job) {
                state.dropped.insert(job);
            }
        }
        let (first, last) = (StageId { job, index: 0 }, StageId { job, index: u32::MAX });
        self.lock().partitions.take(tasks_of(first..=last))
    }

    /// Forgets one partition.
    pub(crate) fn drop_partition(&self, task: TaskId) -> Forgotten {
        self.lock().partitions.remove(&task).into_iter().collect()
    }

    /// Forgets what one attempt of a task made.
    pub(crate) fn drop_attempt(&self, task: TaskId, attempt: Attempt) -> Forgotten {
        let mut state = self.lock();
        let is_its = state.partitions.get(&task).is_some_and(|found| found.attempt == attempt);
        let dropped = if is_its { state.partitions.remove(&task) } else { None };
        dropped.into_iter().collect()
    }

    /// Forgets everything: the scheduler that knew of it is gone.
    pub(crate) fn clear(&self) -> Forgotten {
        self.fetched.clear();
        let mut state = self.lock();
        let gone = std::mem::take(&mut state.partitions);
        state.dropped.clear();
        state.cleared += 1;
        gone.into_all()
    }

    /// How often everything was forgotten.
    fn cleared(&self) -> u64 {
        self.lock().cleared
    }

    /// What is held, in figures.
    pub(crate) fn figures(&self) -> StoreFigures {
        self.lock().partitions.figures()
    }

    /// The largest partitions, the largest first: the task, bytes in memory, bytes on disk.
    pub(crate) fn largest(&self, count: usize) -> Vec<(TaskId, u64, u64)> {
        let state = self.lock();
        let sizes = state.partitions.iter().map(|(task, partition)| {
            (*task, partition.reservation.size() as u64, partition.spilled_bytes)
        });
        let mut sizes: Vec<_> = sizes.collect();
        drop(state);
        sizes.sort_unstable_by_key(|(task, memory, disk)| (Reverse(memory + disk), *task));
        sizes.truncate(count);
        sizes
    }
}

/// A DataFusion error for a file that could not be written or read, which names it.
pub(crate) fn file_error(path: &std::path::Path, error: std::io::Error) -> DataFusionError {
    let kind = error.kind();
    let text = file_text(path, &error.to_string());
    DataFusionError::IoError(std::io::Error::new(kind, text))
}

/// What is said of a file or folder that could not be written or read.
pub(crate) fn file_text(path: &std::path::Path, error: &str) -> String {
    format!(
        "{}: {error}; free some space there, or choose another folder with --local-directory",
        path.display()
    )
}

/// Writes what buckets have in memory to a file. Returns the bytes written.
pub(crate) fn write_out(
    file: &SpillFile,
    schema: &datafusion::arrow::datatypes::Schema,
    buckets: &mut [Bucket],
) -> Result<u64> {
    let mut bytes = 0;
    for bucket in buckets {
        if !bucket.batches.is_empty() {
            let section = file.append(schema, bucket.batches.iter().flat_map(small_pieces))?;
            bytes += section.bytes;
            bucket.sections.push(section);
            bucket.batches.clear();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::UnboundedMemoryPool;

    fn output(store: &Arc<Store>) -> Output {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("a", column)]).expect("a batch");
        let mut output = Output::new(store, batch.schema(), 1);
        output.push(0, batch).expect("room for three numbers");
        output.finish().expect("room for three numbers");
        output
    }

    /// What an attempt of a dropped job makes that had not ended is not kept; of jobs without such attempts
    /// nothing is remembered, however many there are.
    #[test]
    fn dropped_jobs_are_remembered_while_they_may_bring_something() {
        let folder = std::env::temp_dir();
        let store = Arc::new(Store::new(Arc::new(UnboundedMemoryPool::default()), 1 << 20, folder));
        let task = |job| TaskId { stage: StageId { job: JobId(job), index: 0 }, index: 0 };
        let late = output(&store);
        assert!(store.put(task(1), 1, output(&store)).expect("a put"));
        store.drop_job(JobId(1), &HashSet::from([JobId(1)]));
        assert!(!store.put(task(1), 1, late).expect("a put"));
        assert_eq!(store.figures().partitions, 0);
        for job in 2..1000 {
            store.drop_job(JobId(job), &HashSet::from([JobId(1)]));
        }
        assert_eq!(store.lock().dropped, HashSet::from([JobId(1)]));
        store.drop_job(JobId(1000), &HashSet::new());
        assert!(store.lock().dropped.is_empty());
    }

    /// What an attempt made that was stopped goes, and not what a later one made.
    #[test]
    fn the_output_of_one_attempt_is_dropped() {
        let folder = std::env::temp_dir();
        let store = Arc::new(Store::new(Arc::new(UnboundedMemoryPool::default()), 1 << 20, folder));
        let task = TaskId { stage: StageId { job: JobId(1), index: 0 }, index: 0 };
        assert!(store.put(task, 2, output(&store)).expect("a put"));
        assert!(store.drop_attempt(task, 1).is_empty());
        assert_eq!(store.figures().partitions, 1);
        assert_eq!(store.drop_attempt(task, 2).len(), 1);
        assert_eq!(store.figures().partitions, 0);
    }

    /// A task that learns only after the clearing that its scheduler is gone leaves nothing behind;
    /// outputs started for the next scheduler are kept.
    #[test]
    fn what_was_begun_before_a_clearing_is_not_kept() {
        let folder = std::env::temp_dir();
        let store = Arc::new(Store::new(Arc::new(UnboundedMemoryPool::default()), 1 << 20, folder));
        let task = TaskId { stage: StageId { job: JobId(1), index: 0 }, index: 0 };
        let early = output(&store);
        store.clear();
        assert!(!store.put(task, 1, early).expect("a put"));
        assert_eq!(store.figures().partitions, 0);
        assert_eq!(store.making_bytes.load(Ordering::Relaxed), 0);
        assert!(store.put(task, 1, output(&store)).expect("a put"));
        assert_eq!(store.figures().partitions, 1);
    }

    /// A partition that cannot be written is tried once, however often room is asked for; it stays in memory,
    /// and is written once the disk can be tried again.
    #[test]
    fn a_disk_that_fails_is_not_tried_again_and_again() {
        let folder = std::env::temp_dir().join(format!("partita-store-{}", std::process::id()));
        let pool = Arc::new(UnboundedMemoryPool::default());
        let store = Arc::new(Store::new(pool, 1 << 20, folder.clone()));
        let task = TaskId { stage: StageId { job: JobId(1), index: 0 }, index: 0 };
        assert!(store.put(task, 1, output(&store)).expect("a put"));
        for _ in 0..100 {
            assert_eq!(store.make_room(1), 0, "there is no such folder");
        }
        assert_eq!(store.files.load(Ordering::Relaxed), 1, "tries to write");
        assert!(store.figures().stored_bytes > 0);
        std::fs::create_dir(&folder).expect("a folder");
        store.disk.forget();
        assert!(store.make_room(1) > 0);
        let figures = store.figures();
        assert_eq!((figures.stored_bytes, figures.spilled_partitions), (0, 1));
        store.clear();
        std::fs::remove_dir(&folder).expect("an empty folder");
    }
}
