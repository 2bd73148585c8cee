//! The table over a list of files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{
    ColumnStatistics, DFSchema, Result, ScalarValue, Statistics, project_schema,
};
use datafusion::datasource::TableType;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::cache::TableScopedPath;
use datafusion::execution::cache::cache_manager::{CachedFileMetadata, SchemaFingerprint};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, stream};
use object_store::ObjectStore;

use super::csv::{self, Dialect, TextSource};
use super::footers::Footers;
use super::format::{Format, Kind};
use super::infer::Inference;
use super::json::{self, JsonForm, JsonLines};
use super::listing::{DataFile, Listing};
use super::source::Source;
use super::whole::{FileOptions, TypesForm, TypesTable};
use super::{blocking, hive, plan_error, prune, statistics};

/// How long a listing serves scans. One query plans within it and lists once; a view that keeps
/// the table for longer sees files that came, went or were written anew.
pub const LISTING_LIFETIME: Duration = Duration::from_secs(2);

/// A check that runs before a scan of files is planned, and may refuse it. It is an extension of a session's
/// configuration.
#[derive(Clone, Copy, Debug)]
pub struct ScanCheck(pub fn() -> Result<()>);

impl ScanCheck {
    fn run(state: &dyn Session) -> Result<()> {
        state.config().get_extension::<Self>().map_or(Ok(()), |check| (check.0)())
    }
}

/// A table over files: a file, a folder or a pattern.
///
/// DataFusion's `ListingTable` cannot leave out hidden files, mix extensions of one format or
/// match patterns across partition folders, and lists twice. This one plans the same scan: file
/// groups that split by size, with statistics from Parquet footers and folders left out that the
/// query's filters rule out.
#[derive(Debug)]
pub struct FileTable {
    source: Source,
    kind: Kind,
    reader: Arc<dyn FileFormat>,
    /// How CSV files are written.
    dialect: Option<Arc<Dialect>>,
    /// How files of JSON are read.
    json: Option<JsonForm>,
    /// How the files are written, as it was asked for, if types are known from a sample only.
    sampled: Option<TypesForm>,
    columns: TableSchema,
    fingerprint: Arc<SchemaFingerprint>,
    /// For each partition column its place among the keys in a file's path.
    keys: Vec<usize>,
    listing: Mutex<(Instant, Arc<Vec<DataFile>>)>,
}

/// Opens the files that were found at a location.
pub(super) async fn open(
    state: &dyn Session,
    source: Source,
    listing: Listing,
    kind: Kind,
) -> Result<Arc<dyn TableProvider>> {
    let listed = Instant::now();
    let files = data(listing);
    if files.is_empty() && kind.format == Format::Json {
        // A table without rows has no records that would name its columns.
        return Ok(Arc::new(EmptyTable::new(Arc::new(Schema::empty()))));
    }
    if files.is_empty() {
        let paths = source.locations.iter().map(|location| location.path.display().to_string());
        return Err(plan_error(format!(
            "'{}' ({}) is empty: it has no columns",
            source.name,
            paths.collect::<Vec<_>>().join(", ")
        )));
    }
    let paths = files.iter().map(|f| (f.path.as_path(), f.keys.as_slice()));
    let keys = hive::columns(paths, &source.key_types)?;
    let reader = kind.reader(state);
    let store = state.runtime_env().object_store(source.store())?;
    let dialect = match kind.format {
        Format::Csv { delimiter } => Some(kind.dialect(state, delimiter, source.csv.as_ref())?),
        _ => None,
    };
    let inference = Inference {
        state,
        store,
        kind,
        reader: Arc::clone(&reader),
        name: &source.name,
        grows: source.grows(),
    };
    let whole_bytes_max = FileOptions::of(state).read_whole_bytes;
    let (mut json, mut sampled) = (None, None);
    let (read, dialect) = match dialect {
        Some(dialect) => {
            let found = csv::columns(&source.name, &files, &dialect, whole_bytes_max).await?;
            sampled = found.is_sampled.then_some(TypesForm::Csv(dialect));
            (found.schema, Some(found.dialect))
        }
        None if kind.format == Format::Json => {
            let found = json::columns(&files, kind.compression, whole_bytes_max).await?;
            sampled = found.form.is_sampled.then_some(TypesForm::Json);
            json = Some(found.form);
            (found.schema, None)
        }
        None => (inference.columns(&files).await?, None),
    };
    let (places, partitions): (Vec<usize>, Vec<FieldRef>) = keys
        .into_iter()
        .enumerate()
        .filter(|(_, (key, _))| read.field_with_name(key).is_err())
        .map(|(at, (key, data_type))| (at, Arc::new(Field::new(key, data_type, true))))
        .unzip();
    Ok(Arc::new(FileTable {
        source,
        kind,
        reader,
        dialect,
        json,
        sampled,
        fingerprint: Arc::new(SchemaFingerprint::from_schema(&read)),
        columns: TableSchema::builder(read).with_table_partition_cols(partitions).build(),
        keys: places,
        listing: Mutex::new((listed, Arc::new(files))),
    }))
}

/// The files with something in them: the readers cannot make sense of empty ones.
fn data(listing: Listing) -> Vec<DataFile> {
    listing.files.into_iter().filter(|file| file.meta.size > 0).collect()
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.is_about_folders(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Inexact,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        ScanCheck::run(state)?;
        let (folder_filters, others): (Vec<_>, Vec<_>) =
            filters.iter().cloned().partition(|filter| self.is_about_folders(filter));
        let files = self.files().await?;
        let files = files.iter().map(|f| self.partitioned(f)).collect::<Result<Vec<_>>>()?;
        let files = self.chosen(state, files, folder_filters)?;
        // Rows that other filters drop do not count towards a limit.
        let enough = if others.is_empty() { limit } else { None };
        let (files, skipped_some) = self.with_statistics(state, files, enough).await?;
        let files = self.possible(state, files, &others)?;
        if files.is_empty() {
            let schema = project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions().max(1));
        let (groups, statistics) = self.summed(groups, skipped_some)?;
        let columns = self.columns.clone();
        let source: Arc<dyn FileSource> = match (&self.dialect, self.json) {
            (Some(dialect), _) => Arc::new(TextSource::new(columns, Arc::clone(dialect))),
            (None, Some(form)) => Arc::new(JsonLines::new(columns, form)),
            (None, None) => self.reader.file_source(columns),
        };
        let scan = FileScanConfigBuilder::new(self.source.store(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit);
        if self.dialect.is_some() || self.json.is_some() {
            let scan = scan.with_file_compression_type(self.kind.compression.into()).build();
            return Ok(DataSourceExec::from_data_source(scan));
        }
        self.reader.create_physical_plan(state, scan.build()).await
    }
}

impl FileTable {
    /// The size of all files as they were listed last, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        listing.1.iter().map(|file| file.meta.size).sum()
    }

    /// Its files as something that is scanned for types, if these are known from a sample only.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub async fn types(&self) -> Result<Option<TypesTable>> {
        let Some(form) = &self.sampled else { return Ok(None) };
        Ok(Some(TypesTable {
            name: self.source.name.clone(),
            store: self.source.store(),
            kind: self.kind,
            files: self.files().await?,
            form: form.clone(),
            schema: Arc::clone(self.columns.file_schema()),
            is_splittable: true,
        }))
    }

    /// Whether types of its columns are known from a sample only.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled.is_some()
    }

    /// Whether a sample may have left out columns, which JSON does not name in one place.
    #[must_use]
    pub fn may_have_more_columns(&self) -> bool {
        matches!(self.sampled, Some(TypesForm::Json))
    }

    /// The files, listed anew if the last listing is old.
    async fn files(&self) -> Result<Arc<Vec<DataFile>>> {
        {
            let listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
            if listing.0.elapsed() < LISTING_LIFETIME {
                return Ok(Arc::clone(&listing.1));
            }
        }
        let (source, kind) = (self.source.clone(), self.kind);
        let files = blocking(move || {
            let (listing, found) = Listing::of(&source)?;
            if found != kind {
                return Err(plan_error(format!(
                    "'{}' changed from {kind} to {found}; open it again",
                    source.name
                )));
            }
            Ok(Arc::new(data(listing)))
        })
        .await?;
        let paths = files.iter().map(|f| (f.path.as_path(), f.keys.as_slice()));
        hive::columns(paths, &self.source.key_types)?;
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        *listing = (Instant::now(), Arc::clone(&files));
        Ok(files)
    }

    /// Makes the next scan list the files anew.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = listing.0.checked_sub(LISTING_LIFETIME) {
            listing.0 = earlier;
        }
    }

    fn is_about_folders(&self, filter: &Expr) -> bool {
        let fields = self.columns.table_partition_cols();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        !names.is_empty() && expr_applicable_for_cols(&names, filter)
    }

    fn partitioned(&self, file: &DataFile) -> Result<PartitionedFile> {
        let fields = self.columns.table_partition_cols().iter();
        let values = self.keys.iter().zip(fields).map(|(&at, field)| match file.keys.get(at) {
            Some(key) if key.0 == *field.name() => hive::value(&file.path, key, field.data_type()),
            _ => Err(plan_error(format!(
                "'{}' is not in a folder {}=...",
                file.path.display(),
                field.name()
            ))),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(PartitionedFile::new_from_meta(file.meta.clone()).with_partition_values(values))
    }

    /// The files whose folders satisfy the filters, all evaluated at once.
    fn chosen(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
        filters: Vec<Expr>,
    ) -> Result<Vec<PartitionedFile>> {
        let Some(filter) = conjunction(filters) else { return Ok(files) };
        if files.is_empty() {
            return Ok(files);
        }
        let fields = self.columns.table_partition_cols();
        let schema = DFSchema::from_unqualified_fields(fields.clone(), Default::default())?;
        let columns = (0..fields.len())
            .map(|at| {
                ScalarValue::iter_to_array(files.iter().map(|f| f.partition_values[at].clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(schema.inner()), columns, &options)?;
        let predicate = state.create_physical_expr(filter, &schema)?;
        let fits = predicate.evaluate(&batch)?.into_array(files.len())?;
        let fits = fits.as_boolean();
        let is_chosen = |at: usize| fits.is_valid(at) && fits.value(at);
        Ok(files.into_iter().enumerate().filter(|(at, _)| is_chosen(*at)).map(|(_, f)| f).collect())
    }

    /// Attaches statistics to files, in order, until they have more than `enough` rows; also
    /// whether files were left out.
    async fn with_statistics(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
        enough: Option<usize>,
    ) -> Result<(Vec<PartitionedFile>, bool)> {
        let count = files.len();
        let has_footers = self.kind.format == Format::Parquet;
        if !has_footers {
            let files = files.into_iter().map(|file| {
                let statistics = Arc::new(self.guessed_statistics(&file));
                complete(file, statistics)
            });
            return Ok((files.collect(), false));
        }
        let store = state.runtime_env().object_store(self.source.store())?;
        let concurrency = state.config_options().execution.meta_fetch_concurrency.get();
        let mut read = stream::iter(files)
            .map(|file| async {
                let statistics = self.file_statistics(state, &store, &file).await?;
                Ok::<_, datafusion::common::DataFusionError>(complete(file, statistics))
            })
            .boxed()
            .buffered(concurrency);
        let mut out = Vec::with_capacity(count);
        let mut rows = Some(0_usize);
        while let Some(file) = read.next().await.transpose()? {
            let known = match file.statistics.as_ref().map(|statistics| statistics.num_rows) {
                Some(Precision::Exact(rows)) => Some(rows),
                _ => None,
            };
            rows = rows.zip(known).map(|(sum, more)| sum.saturating_add(more));
            out.push(file);
            if enough.zip(rows).is_some_and(|(enough, rows)| rows > enough) {
                break;
            }
        }
        let skipped_some = out.len() < count;
        Ok((out, skipped_some))
    }

    /// The files in which the filters may hold, as far as their statistics tell: the others are neither
    /// sent to workers nor opened there.
    fn possible(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
        filters: &[Expr],
    ) -> Result<Vec<PartitionedFile>> {
        let footers = Footers { files: &files, schema: self.columns.table_schema() };
        match prune::kept(state, footers.schema, filters, &footers)? {
            Some(kept) => Ok(files
                .into_iter()
                .zip(kept)
                .filter_map(|(file, kept)| kept.then_some(file))
                .collect()),
            None => Ok(files),
        }
    }

    /// Statistics from a file's footer, kept in the session's cache.
    async fn file_statistics(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        file: &PartitionedFile,
    ) -> Result<Arc<Statistics>> {
        let meta = &file.object_meta;
        let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
        let key = TableScopedPath { table: None, path: meta.location.clone() };
        if let Some(known) = cache.as_ref().and_then(|cache| cache.get(&key))
            && known.is_valid_for(meta, &self.fingerprint)
        {
            return Ok(known.statistics);
        }
        let schema = Arc::clone(self.columns.file_schema());
        let columns = Arc::clone(&schema);
        let statistics = self.reader.infer_stats(state, store, schema, meta).await?;
        let statistics = Arc::new(statistics::without_ends(statistics, &columns));
        if let Some(cache) = cache {
            let (meta, fingerprint) = (meta.clone(), Arc::clone(&self.fingerprint));
            let entry = CachedFileMetadata::new(meta, fingerprint, Arc::clone(&statistics), None);
            cache.put(&key, entry);
        }
        Ok(statistics)
    }

    /// What is known without opening a file: the size of plain text is about that of its rows,
    /// which is enough to tell the small side of a join.
    fn guessed_statistics(&self, file: &PartitionedFile) -> Statistics {
        let mut statistics = Statistics::new_unknown(self.columns.file_schema());
        if self.kind.is_plain_text()
            && let Ok(size) = usize::try_from(file.object_meta.size)
        {
            statistics.total_byte_size = Precision::Inexact(size);
        }
        statistics
    }

    fn summed(
        &self,
        groups: Vec<FileGroup>,
        skipped_some: bool,
    ) -> Result<(Vec<FileGroup>, Statistics)> {
        let schema = self.columns.table_schema();
        let mut out = Vec::with_capacity(groups.len());
        let mut sums = Vec::with_capacity(groups.len());
        for group in groups {
            let files = group.iter().filter_map(|file| file.statistics.as_deref());
            let sum = Arc::new(Statistics::try_merge_iter(files, schema)?);
            sums.push(Arc::clone(&sum));
            out.push(group.with_statistics(sum));
        }
        let total = Statistics::try_merge_iter(sums.iter().map(AsRef::as_ref), schema)?;
        Ok((out, if skipped_some { total.to_inexact() } else { total }))
    }
}

/// Adds a file's statistics, and what follows from its folders.
fn complete(mut file: PartitionedFile, statistics: Arc<Statistics>) -> PartitionedFile {
    let mut statistics = Arc::unwrap_or_clone(statistics);
    let rows = statistics.num_rows;
    for value in &file.partition_values {
        statistics.column_statistics.push(if value.is_null() {
            // DataFusion's own `with_statistics` would claim that there are no nulls.
            ColumnStatistics { null_count: rows, ..ColumnStatistics::new_unknown() }
        } else {
            ColumnStatistics {
                null_count: Precision::Exact(0),
                min_value: Precision::Exact(value.clone()),
                max_value: Precision::Exact(value.clone()),
                distinct_count: Precision::Exact(1),
                ..ColumnStatistics::new_unknown()
            }
        });
    }
    file.statistics = Some(Arc::new(statistics));
    file
}
