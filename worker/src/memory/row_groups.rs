//! Row groups of Parquet files, read when the process has room for them.
//!
//! A reader keeps all columns of a row group in memory, as they are in the file, until they are decoded, and
//! one decompressed page of each column. No reservation counts them, and their size depends on whoever wrote the
//! file. So a reader waits until the process has room for a row group, and refuses one that can never fit.

use crate::memory::Budget;
use bytes::Bytes;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileReaderFactory, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use partita_operators::readers::with_readers;
use partita_shared::units::format_bytes;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;

type ParquetResult<T> = datafusion::parquet::errors::Result<T>;

/// Reads up to this size, in bytes, wait for nothing: the batches that they become are larger.
const SMALL_READ_BYTES: usize = 1 << 20;
/// How often a reader that waits looks for room.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// How long a reader waits for the process to be as small as it is for a task to start.
const ROOM_WAIT_SOFT: Duration = Duration::from_millis(500);
/// How long a reader waits for any room at all.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long after it is read a page is decompressed at the latest: until then it is counted as if it were not yet in
/// the resident set.
const DECOMPRESSION_MAX: Duration = Duration::from_millis(200);

/// The way by which row groups come into the memory of one worker.
#[derive(Debug)]
pub(crate) struct RowGroupGate {
    budget: Arc<Budget>,
    /// What is being read: not yet in the resident set, or only in part.
    under_way: AtomicUsize,
    /// The pages that readers are about to decompress, and when they read them.
    decompressed: Mutex<VecDeque<(Instant, usize)>>,
}

/// A row group that is being read.
struct UnderWay<'a> {
    gate: &'a RowGroupGate,
    bytes: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.gate.under_way.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl RowGroupGate {
    pub(crate) fn new(budget: Arc<Budget>) -> Arc<Self> {
        let (under_way, decompressed) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(RowGroupGate { budget, under_way, decompressed })
    }

    /// Bytes that readers that were let through are about to decompress.
    fn decompressed_bytes(&self) -> usize {
        let mut pages = self.decompressed.lock().unwrap_or_else(PoisonError::into_inner);
        while pages.front().is_some_and(|(read, _)| read.elapsed() >= DECOMPRESSION_MAX) {
            pages.pop_front();
        }
        pages.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Waits for room for `read_bytes` bytes of a file, and for the `page_bytes` bytes of their
    /// decompressed pages.
    async fn wait_for_room(
        &self,
        path: &str,
        read_bytes: usize,
        page_bytes: usize,
    ) -> Result<Option<UnderWay<'_>>> {
        let bytes = read_bytes.saturating_add(page_bytes);
        let Some(process) = self.budget.process().filter(|_| bytes > SMALL_READ_BYTES) else {
            return Ok(None);
        };
        let policy = self.budget.policy();
        if policy.can_never_fit(process.recent(), bytes) {
            return Err(self.refused(path, bytes, process.recent().resident_bytes));
        }
        let start = Instant::now();
        loop {
            // Counted before it is checked: of two readers that come at once, one waits.
            let read_by_others = self.under_way.fetch_add(bytes, Ordering::Relaxed);
            let counted = UnderWay { gate: self, bytes };
            let others = read_by_others + self.decompressed_bytes();
            let is_short = |used| match start.elapsed() < ROOM_WAIT_SOFT {
                true => policy.must_wait(used, others + bytes),
                false => policy.is_over(used, others + bytes),
            };
            if !is_short(process.recent()) || !is_short(process.reduced()) {
                return Ok(Some(counted));
            }
            drop(counted);
            if start.elapsed() >= ROOM_WAIT_MAX {
                return Err(self.refused(path, bytes, process.recent().resident_bytes));
            }
            sleep(ROOM_INTERVAL).await;
        }
    }

    /// Counts pages of so many bytes that are about to be decompressed.
    fn decompress(&self, bytes: usize) {
        let mut pages = self.decompressed.lock().unwrap_or_else(PoisonError::into_inner);
        pages.push_back((Instant::now(), bytes));
    }

    fn refused(&self, path: &str, bytes: usize, resident_bytes: u64) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "reading a row group of '{path}' needs {}, and the process uses {} of its limit of {} \
             (--memory-limit): give the worker more memory, or write the file with smaller row groups",
            format_bytes(bytes as u64),
            format_bytes(resident_bytes),
            format_bytes(self.budget.policy().limit_bytes()),
        ))
    }
}

/// The plan whose Parquet files are read through the gate.
///
/// # Errors
/// If an operator cannot be put together again.
pub(crate) fn with_gated_reads(
    plan: Arc<dyn ExecutionPlan>,
    runtime: &RuntimeEnv,
    gate: &Arc<RowGroupGate>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.transform_up(|node| {
        let scan = node.downcast_ref::<DataSourceExec>();
        let Some((config, source)) =
            scan.and_then(DataSourceExec::downcast_to_file_source::<ParquetSource>)
        else {
            return Ok(Transformed::no(node));
        };
        let (gate, url) = (Arc::clone(gate), config.object_store_url.clone());
        let around = |inner| GatedReaders { inner, gate, url };
        Ok(Transformed::yes(with_readers(config, source, runtime, around)?))
    })?;
    Ok(changed.data)
}

/// Makes readers that pass the gate.
#[derive(Debug)]
struct GatedReaders {
    inner: Arc<dyn ParquetFileReaderFactory>,
    gate: Arc<RowGroupGate>,
    url: ObjectStoreUrl,
}

impl ParquetFileReaderFactory for GatedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let path = partita_files::file_name(&self.url, &file.object_meta);
        let inner = self.inner.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(GatedReader { inner, gate: Arc::clone(&self.gate), path, metadata: None }))
    }
}

/// A reader of one file.
struct GatedReader {
    inner: Box<dyn AsyncFileReader + Send>,
    gate: Arc<RowGroupGate>,
    path: String,
    metadata: Option<Arc<ParquetMetaData>>,
}

/// The bytes of the decompressed pages that a reader of these ranges, which are in order and of one row group, has at
/// once: one page of each column, of average size. Without an index of its pages a column is taken to be one page.
fn page_bytes(metadata: &ParquetMetaData, ranges: &[Range<u64>]) -> usize {
    let Some(first) = ranges.first() else { return 0 };
    let span = |chunk: &ColumnChunkMetaData| {
        let (start, length) = chunk.byte_range();
        start..start + length
    };
    let is_read = |chunk: &ColumnChunkMetaData| {
        let span = span(chunk);
        let next = ranges.partition_point(|range| range.end <= span.start);
        ranges.get(next).is_some_and(|range| range.start < span.end)
    };
    let has_first = |chunks: &[ColumnChunkMetaData]| {
        chunks.iter().any(|chunk| span(chunk).contains(&first.start))
    };
    let groups = metadata.row_groups();
    let Some(at) = groups.iter().position(|group| has_first(group.columns())) else { return 0 };
    let indexes = metadata.offset_index().and_then(|index| index.get(at));
    let bytes_of = |(column, chunk): (usize, &ColumnChunkMetaData)| {
        let index = indexes.and_then(|indexes| indexes.get(column));
        let pages = index.map_or(1, |index| index.page_locations().len().max(1));
        usize::try_from(chunk.uncompressed_size()).unwrap_or_default() / pages
    };
    let chunks = groups[at].columns().iter().enumerate();
    let decompressed = chunks
        .filter(|(_, chunk)| chunk.compression() != Compression::UNCOMPRESSED && is_read(chunk));
    decompressed.map(bytes_of).sum()
}

impl fmt::Debug for GatedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl AsyncFileReader for GatedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        async move {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let pages = self.metadata.as_ref().map_or(0, |metadata| page_bytes(metadata, &ranges));
            let passed = self.gate.wait_for_room(&self.path, bytes, pages).await;
            let under_way = passed.map_err(|error| ParquetError::External(Box::new(error)))?;
            let read = self.inner.get_byte_ranges(ranges).await;
            if under_way.is_some() && pages > 0 {
                self.gate.decompress(pages);
            }
            read
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.inner.get_metadata(options).await?;
            self.metadata = Some(Arc::clone(&metadata));
            Ok(metadata)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryPolicy, ProcessMemory};
    use datafusion::physical_plan::collect;
    use datafusion::prelude::SessionContext;

    fn gate(limit_mib: u64) -> Arc<RowGroupGate> {
        let policy = MemoryPolicy::new(limit_mib << 20, 1);
        RowGroupGate::new(Arc::new(Budget::new(policy, ProcessMemory::new(|| {}))))
    }

    /// What can never fit is refused at once, what is small passes, and of two that fit alone one waits for the
    /// other.
    #[tokio::test]
    async fn row_groups_wait_for_room() {
        let large = gate(64 << 10);
        let refused =
            large.wait_for_room("/a.parquet", 50 << 30, 50 << 30).await.err().expect("no room");
        assert!(matches!(refused, DataFusionError::ResourcesExhausted(_)), "{refused}");
        assert!(refused.to_string().contains("'/a.parquet' needs 100 GiB"), "{refused}");
        let small = large.wait_for_room("/a.parquet", SMALL_READ_BYTES, 0).await.expect("room");
        assert!(small.is_none());
        let first = large
            .wait_for_room("/a.parquet", 20 << 30, 20 << 30)
            .await
            .expect("room for 40 of 64 GiB");
        let second = large.wait_for_room("/b.parquet", 20 << 30, 20 << 30);
        let mut second = std::pin::pin!(second);
        assert!(tokio::time::timeout(3 * ROOM_INTERVAL, &mut second).await.is_err(), "no room");
        drop(first);
        assert!(second.await.expect("room after the first").is_some());
        assert_eq!(large.under_way.load(Ordering::Relaxed), 0);
    }

    /// A scan asks the gate before it reads: its error names the file and is one of memory. With room its
    /// rows are read.
    #[tokio::test]
    async fn scans_pass_the_gate() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("random.parquet");
        let context = SessionContext::new().enable_url_table();
        // Random numbers are not compressed: 72 MiB in one row group, more than the least room for data.
        let sql = format!(
            "copy (select random() as a, random() as b, random() as c from generate_series(1, 3200000)) \
             to '{}' stored as parquet options (max_row_group_size 4000000)",
            path.display()
        );
        context.sql(&sql).await.expect("sql").collect().await.expect("a file");
        let sql = format!("select sum(a), sum(b), sum(c) from '{}'", path.display());
        let plan = context.sql(&sql).await.expect("sql").create_physical_plan().await;
        let plan = plan.expect("a plan");
        let run = async |gate: &Arc<RowGroupGate>| {
            let plan = with_gated_reads(Arc::clone(&plan), &context.runtime_env(), gate);
            collect(plan.expect("a plan"), context.task_ctx()).await
        };
        let refused = run(&gate(1)).await.expect_err("no room for 72 MiB");
        let root = refused.find_root();
        assert!(matches!(root, DataFusionError::ResourcesExhausted(_)), "{refused}");
        assert!(root.to_string().contains("random.parquet"), "{root}");
        let rows = run(&gate(64 << 10)).await.expect("room");
        assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    }
}
