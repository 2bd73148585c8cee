//! How much of what a task reads it has read: what is told of a task before its end.
//!
//! A task reads several sources: partitions of other stages, and files. Each has rows that it is expected to have, which
//! files tell only in part: those that were not opened yet are taken to have as many rows for each byte as the others.
//! The operator is put above scans of files by the process that runs a plan, and has no wire form. Row groups of Parquet files
//! that a scan leaves out count as read when it comes to one behind them.

use crate::readers::with_readers;
use crate::{Plan, over_input};
use bytes::Bytes;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileScanConfig, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type ParquetResult<T> = datafusion::parquet::errors::Result<T>;

/// The bytes of a value of a file of which nothing else is known.
const VALUE_BYTES: u64 = 8;
/// Bytes at the begin of a text file from which the length of its lines is taken.
const SAMPLE_BYTES: u64 = 64 << 10;
/// The types of files whose rows are lines.
const TEXT_TYPES: [&str; 2] = ["csv", "json"];
/// Opened files of a source whose row groups are kept: the one that is read, and those that are opened ahead.
const FILES_KEPT: usize = 4;
/// All of it, in the unit of [`Progress::milli`].
const WHOLE_MILLI: u64 = 1_000;

/// What one task has read.
#[derive(Debug, Default)]
pub struct Progress {
    sources: Mutex<Vec<Arc<Source>>>,
}

impl Progress {
    /// Another source, of `parts` partitions. Each of its rows counts as many times as it has columns.
    pub fn source(&self, columns: usize, parts: u64) -> Arc<Source> {
        self.add(Source { columns: columns.max(1) as u64, parts, ..Source::default() })
    }

    /// What a sort gives: a task that has read all rows to sort them is not over yet.
    pub(crate) fn sorted(&self, columns: usize) -> Arc<Source> {
        let columns = columns.max(1) as u64;
        self.add(Source { columns, parts: 1, kind: Kind::Sorted, ..Source::default() })
    }

    fn add(&self, source: Source) -> Arc<Source> {
        let source = Arc::new(source);
        self.lock().push(Arc::clone(&source));
        source
    }

    /// What was read by what is expected, in thousandths; none if the task reads nothing that could be counted.
    pub fn milli(&self) -> Option<u16> {
        let (mut read, mut expected) = (0_u64, 0_u64);
        let sources = self.lock();
        let largest = sources.iter().filter_map(|source| source.expected_rows()).max();
        for source in sources.iter() {
            let values = |rows: u64| rows.saturating_mul(source.columns);
            let own = values(source.read_rows.load(Ordering::Relaxed));
            let all = values(source.expected_rows().or(largest).unwrap_or_default());
            read = read.saturating_add(own);
            expected = expected.saturating_add(all.max(own));
        }
        let milli = read.saturating_mul(WHOLE_MILLI).checked_div(expected)?;
        u16::try_from(milli.min(WHOLE_MILLI)).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the sources that a task reads.
#[derive(Debug, Default)]
pub struct Source {
    columns: u64,
    parts: u64,
    /// The rows of parts that are known, and the number of these.
    known_rows: AtomicU64,
    known_parts: AtomicU64,
    read_rows: AtomicU64,
    kind: Kind,
    /// The files that were opened last.
    opened: Mutex<VecDeque<OpenedFile>>,
}

/// What the parts of a source are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Partitions,
    /// Bytes of files.
    Files,
    /// All rows of another source, which are sorted before the first is given.
    Sorted,
}

/// A file of which the row groups are known.
#[derive(Debug)]
struct OpenedFile {
    file: FileRange,
    /// Where each of its row groups ends, and the rows of the source before it.
    groups: Vec<(u64, u64)>,
}

impl Source {
    /// The rows of some of its parts are known now.
    pub fn know(&self, rows: u64, parts: u64) {
        self.known_rows.fetch_add(rows, Ordering::Relaxed);
        self.known_parts.fetch_add(parts, Ordering::Relaxed);
    }

    /// Rows were read.
    pub fn read(&self, rows: u64) {
        self.read_rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The row groups of a file are known now: where each ends, and its rows.
    fn open(&self, file: &FileRange, groups: &[(u64, u64)]) {
        let mut opened = self.opened();
        if opened.iter().any(|known| known.file == *file) {
            return;
        }
        // Files are opened in the order in which they are read.
        let mut before = self.known_rows.load(Ordering::Relaxed);
        let first = before;
        let mut begin_of = |(end, rows): &(u64, u64)| {
            before += rows;
            (*end, before - rows)
        };
        let groups = groups.iter().map(&mut begin_of).collect();
        self.know(before - first, file.1.end - file.1.start);
        if opened.len() >= FILES_KEPT {
            opened.pop_front();
        }
        opened.push_back(OpenedFile { file: file.clone(), groups });
    }

    /// The row group at this place of a file is read: those before it are over, whether they were read or left out.
    fn reach(&self, file: &FileRange, place: u64) {
        let opened = self.opened();
        let Some(known) = opened.iter().find(|known| known.file == *file) else { return };
        let at = known.groups.partition_point(|(end, _)| *end <= place);
        if let Some((_, rows)) = known.groups.get(at) {
            self.read_rows.store(*rows, Ordering::Relaxed);
        }
    }

    fn opened(&self) -> MutexGuard<'_, VecDeque<OpenedFile>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of all parts, as far as they can be known. None if they are those of another source.
    fn expected_rows(&self) -> Option<u64> {
        let known = self.known_parts.load(Ordering::Relaxed);
        let rows = self.known_rows.load(Ordering::Relaxed);
        match (known, self.kind) {
            (0, Kind::Files) => Some(self.parts / VALUE_BYTES / self.columns),
            (0, Kind::Partitions) => Some(0),
            (0, Kind::Sorted) => None,
            _ => Some((rows as f64 * self.parts as f64 / known as f64) as u64),
        }
    }
}

/// The extension of a task's context by which scans find what counts their rows.
#[derive(Debug)]
pub struct ProgressExtension(pub Arc<Progress>);

/// The plan, with the rows counted that its scans of files give.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_progress(plan: Plan, runtime: &RuntimeEnv) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        let Some(scan) = node.downcast_ref::<DataSourceExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else {
            return Ok(Transformed::no(node));
        };
        let sources = Arc::new(ScanSources::default());
        let files = config.clone();
        let input = match scan.downcast_to_file_source::<ParquetSource>() {
            Some((config, source)) => with_readers(config, source, runtime, |inner| {
                CountedReaders { inner, sources: Arc::clone(&sources) }
            })?,
            None => Arc::clone(&node),
        };
        Ok(Transformed::yes(Arc::new(CountedScanExec { input, files, sources }) as Plan))
    })?;
    Ok(changed.data)
}

/// What the tasks that share a scan have read of it, by partition.
#[derive(Debug, Default)]
struct ScanSources(Mutex<HashMap<usize, Weak<Source>>>);

impl ScanSources {
    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Weak<Source>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, partition: usize) -> Option<Arc<Source>> {
        self.lock().get(&partition).and_then(Weak::upgrade)
    }
}

/// The bytes of a file that a scan reads.
fn range_of(file: &PartitionedFile) -> Range<u64> {
    match &file.range {
        Some(range) => range.start.max(0) as u64..range.end.max(range.start).max(0) as u64,
        None => 0..file.object_meta.size,
    }
}

/// Counts the rows of a scan of files.
#[derive(Debug)]
struct CountedScanExec {
    input: Plan,
    files: FileScanConfig,
    sources: Arc<ScanSources>,
}

impl CountedScanExec {
    /// What counts the rows of one partition, if the task that reads it counts any.
    fn source(&self, partition: usize, context: &TaskContext) -> Option<Arc<Source>> {
        let progress = context.session_config().get_extension::<ProgressExtension>()?;
        let files = self.files.file_groups.get(partition)?.files();
        let span = |file: &PartitionedFile| {
            let range = range_of(file);
            range.end - range.start
        };
        let bytes = files.iter().map(span).sum();
        let columns = self.input.schema().fields().len();
        let source = Source {
            columns: columns.max(1) as u64,
            parts: bytes,
            kind: Kind::Files,
            ..Source::default()
        };
        let source = progress.0.add(source);
        // The readers of Parquet files tell it.
        if TEXT_TYPES.contains(&self.files.file_source().file_type())
            && let Some((lines, bytes)) = files.first().and_then(|file| self.sample(file))
        {
            source.know(lines, bytes);
        }
        self.sources.lock().insert(partition, Arc::downgrade(&source));
        Some(source)
    }

    /// The lines of the begin of a text file in a folder here, and its bytes.
    fn sample(&self, file: &PartitionedFile) -> Option<(u64, u64)> {
        if self.files.file_compression_type.is_compressed()
            || self.files.object_store_url.as_str() != "file:///"
        {
            return None;
        }
        let range = range_of(file);
        let mut opened = File::open(format!("/{}", file.object_meta.location)).ok()?;
        opened.seek(SeekFrom::Start(range.start)).ok()?;
        let mut text = Vec::new();
        let bytes = SAMPLE_BYTES.min(range.end - range.start);
        opened.take(bytes).read_to_end(&mut text).ok()?;
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        (lines > 0).then_some((lines, text.len() as u64))
    }
}

impl DisplayAs for CountedScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountedScanExec")
    }
}

impl ExecutionPlan for CountedScanExec {
    over_input!("CountedScanExec", |this: &Arc<Self>, input| CountedScanExec {
        input,
        files: this.files.clone(),
        sources: Arc::clone(&this.sources),
    });

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(source) = self.source(partition, &context) else {
            return self.input.execute(partition, context);
        };
        let rows = self.input.execute(partition, context)?;
        let rows = rows.inspect(move |batch| {
            if let Ok(batch) = batch {
                source.read(batch.num_rows() as u64);
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// Makes readers that tell which rows of their files they reach.
#[derive(Debug)]
struct CountedReaders {
    inner: Arc<dyn ParquetFileReaderFactory>,
    sources: Arc<ScanSources>,
}

impl ParquetFileReaderFactory for CountedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let of = (file.object_meta.location.to_string(), range_of(&file));
        let inner = self.inner.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(match self.sources.get(partition) {
            Some(source) => Box::new(CountedReader { inner, source, file: of }),
            None => inner,
        })
    }
}

/// A reader of one file.
struct CountedReader {
    inner: Box<dyn AsyncFileReader + Send>,
    source: Arc<Source>,
    file: FileRange,
}

/// A file, and the bytes of it that are read.
type FileRange = (String, Range<u64>);

/// Where each row group of a file ends that begins in the range, and its rows.
fn groups_of(metadata: &ParquetMetaData, range: &Range<u64>) -> Vec<(u64, u64)> {
    let is_own = |group: &&RowGroupMetaData| {
        let begin = group.columns().first().map(|column| column.byte_range().0);
        begin.is_some_and(|begin| range.contains(&begin))
    };
    let end = |group: &RowGroupMetaData| {
        let ends = group.columns().iter().map(|column| {
            let (start, length) = column.byte_range();
            start + length
        });
        ends.max().unwrap_or_default()
    };
    let rows = |group: &RowGroupMetaData| u64::try_from(group.num_rows()).unwrap_or_default();
    let own = metadata.row_groups().iter().filter(is_own);
    own.map(|group| (end(group), rows(group))).collect()
}

impl AsyncFileReader for CountedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        if let Some(first) = ranges.first() {
            self.source.reach(&self.file, first.start);
        }
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.inner.get_metadata(options).await?;
            self.source.open(&self.file, &groups_of(&metadata, &self.file.1));
            Ok(metadata)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    /// The expected rows grow as parts become known, and the rows that were read are never more than all.
    #[test]
    fn progress_is_what_was_read_by_what_is_expected() {
        let progress = Progress::default();
        assert_eq!(progress.milli(), None);
        let small = progress.source(1, 4);
        assert_eq!(progress.milli(), None, "nothing is known of the partitions");
        small.know(100, 2);
        assert_eq!(progress.milli(), Some(0));
        small.read(50);
        assert_eq!(progress.milli(), Some(250), "four partitions of 50 rows");
        let wide = progress.source(3, 1);
        wide.know(600, 1);
        assert_eq!(progress.milli(), Some(25), "its values count, not its rows");
        wide.read(900);
        assert_eq!(
            progress.milli(),
            Some(948),
            "2,750 values of 2,900: it has more rows than it said"
        );
        small.read(500);
        assert_eq!(progress.milli(), Some(1_000));
    }

    /// A task that sorts has done half of its work when it has read all, however many rows a filter leaves to be sorted.
    #[test]
    fn what_is_sorted_is_read_twice() {
        let progress = Progress::default();
        let (rows, sorted) = (progress.source(1, 1), progress.sorted(1));
        rows.know(100, 1);
        rows.read(50);
        assert_eq!(progress.milli(), Some(250));
        rows.read(50);
        assert_eq!(progress.milli(), Some(500));
        sorted.know(25, 1);
        assert_eq!(progress.milli(), Some(800));
        sorted.read(25);
        assert_eq!(progress.milli(), Some(1_000));
    }

    /// What each batch of a scan leaves to be read, in thousandths.
    async fn milli_by_batch(context: &SessionContext, sql: &str) -> Vec<u16> {
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = with_progress(plan, &context.runtime_env()).unwrap();
        let shown = displayable(plan.as_ref()).indent(false).to_string();
        assert!(shown.contains("CountedScanExec"), "{shown}");
        let progress = Arc::new(Progress::default());
        let config = SessionConfig::new()
            .with_batch_size(1_000)
            .with_extension(Arc::new(ProgressExtension(Arc::clone(&progress))));
        let task = Arc::new(TaskContext::default().with_session_config(config));
        let mut rows = plan.execute(0, task).unwrap();
        let mut seen = Vec::new();
        while let Some(batch) = rows.next().await {
            batch.unwrap();
            seen.extend(progress.milli());
        }
        seen
    }

    async fn context_with(folder: &std::path::Path, options: &str, name: &str) -> SessionContext {
        let config = SessionConfig::new().with_target_partitions(1).with_batch_size(1_000);
        let context = SessionContext::new_with_config(config).enable_url_table();
        let sql = format!(
            "copy (select value, value * 2.5 as half, 'text ' || value as text from generate_series(1, 20000)) \
             to '{}' {options}",
            folder.join(name).display()
        );
        context.sql(&sql).await.unwrap().collect().await.unwrap();
        context
    }

    /// A scan tells how far it is by rows, also in a file whose row groups are left out by their statistics.
    #[tokio::test]
    async fn parquet_scans_tell_how_far_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let options = "stored as parquet options (max_row_group_size 2000)";
        let context = context_with(folder.path(), options, "rows.parquet").await;
        let path = folder.path().join("rows.parquet");
        let all =
            milli_by_batch(&context, &format!("select value from '{}'", path.display())).await;
        assert_eq!((all.len(), all[9], all[19]), (20, 500, 1_000), "{all:?}");
        let sql = format!("select value from '{}' where value > 17000", path.display());
        let late = milli_by_batch(&context, &sql).await;
        assert!(late[0] >= 800, "the first of the row groups is the ninth: {late:?}");
    }

    /// A scan of lines tells about how far it is by the length of the first ones.
    #[tokio::test]
    async fn text_scans_tell_how_far_they_are() {
        let folder = tempfile::tempdir().unwrap();
        for (options, name) in [("stored as csv", "rows.csv"), ("stored as json", "rows.json")] {
            let context = context_with(folder.path(), options, name).await;
            let path = folder.path().join(name);
            let sql = format!("select value from '{}'", path.display());
            let all = milli_by_batch(&context, &sql).await;
            let half = usize::from(all[all.len() / 2 - 1]);
            assert!((400..600).contains(&half), "{name}: {all:?}");
            assert!(all.is_sorted(), "{name}: {all:?}");
        }
    }
}
