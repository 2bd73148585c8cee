//! The scan of CSV files.
//!
//! DataFusion's own takes columns by their position, knows only empty fields as missing values, and splits
//! files inside of values with line breaks.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    CsvSource, FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use futures::StreamExt;
use object_store::ObjectStore;

use super::super::remote::{Storage, StoredFile};
use super::cells::Converter;
use super::columns;
use super::dialect::Dialect;
use super::error::Problem;
use super::opening;
use super::records::{Batch, Records};
use super::whole::Types;

/// Rows of a batch unless the session says otherwise.
const BATCH_ROWS: usize = 8_192;

/// A scan of CSV files in any dialect.
///
/// Its wire form is DataFusion's scan of CSV files, which keeps columns and projection, below a node that has
/// the dialect.
#[derive(Clone)]
pub(crate) struct TextSource {
    plain: CsvSource,
    dialect: Arc<Dialect>,
    batch_rows: usize,
}

impl TextSource {
    pub(crate) fn new(columns: TableSchema, dialect: Arc<Dialect>) -> Self {
        Self { plain: CsvSource::new(columns), dialect, batch_rows: BATCH_ROWS }
    }

    /// The source that `plain`, which came over the wire, was.
    pub(crate) fn restore(plain: &CsvSource, dialect: Arc<Dialect>) -> Self {
        Self { plain: plain.clone(), dialect, batch_rows: BATCH_ROWS }
    }

    /// DataFusion's scan with the same columns and projection.
    pub(crate) fn plain(&self) -> &CsvSource {
        &self.plain
    }

    pub(crate) fn dialect(&self) -> &Arc<Dialect> {
        &self.dialect
    }

    fn with_plain(&self, plain: &Arc<dyn FileSource>) -> Result<Self> {
        let plain = plain.downcast_ref::<CsvSource>().cloned().ok_or_else(|| {
            DataFusionError::Internal("a scan of CSV files became another one".to_owned())
        })?;
        Ok(Self { plain, ..self.clone() })
    }
}

impl FileSource for TextSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        scan: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.plain.table_schema().file_schema();
        let projection = match self.plain.projection() {
            Some(projection) => SplitProjection::new(file_schema, projection),
            None => SplitProjection::unprojected(self.plain.table_schema()),
        };
        let opener = TextOpener {
            wanted: Arc::new(file_schema.project(&projection.file_indices)?),
            places: projection.file_indices.clone(),
            width: file_schema.fields().len(),
            dialect: Arc::clone(&self.dialect),
            batch_rows: self.batch_rows,
            storage: Storage::of(&scan.object_store_url, store),
            metrics: BaselineMetrics::new(self.plain.metrics(), partition),
        };
        ProjectionOpener::try_new(projection, Arc::new(opener), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        self.plain.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows: batch_size, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.plain.projection()
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        match self.plain.try_pushdown_projection(projection)? {
            Some(plain) => Ok(Some(Arc::new(self.with_plain(&plain)?))),
            None => Ok(None),
        }
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.plain.metrics()
    }

    fn file_type(&self) -> &str {
        "csv"
    }

    fn supports_repartitioning(&self) -> bool {
        self.dialect.is_plain()
    }

    fn fmt_extra(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", has_header={}", self.dialect.header.is_some())
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.plain.apply_expressions(f)
    }
}

#[derive(Clone)]
struct TextOpener {
    wanted: SchemaRef,
    /// The places of the wanted columns among those of the table.
    places: Vec<usize>,
    /// How many columns the table has in its files.
    width: usize,
    dialect: Arc<Dialect>,
    batch_rows: usize,
    storage: Storage,
    metrics: BaselineMetrics,
}

impl FileOpener for TextOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let stored = self.storage.file(&file.object_meta);
        let range = file.range.map(|range| (range.start.max(0) as u64, range.end.max(0) as u64));
        let opener = self.clone();
        Ok(Box::pin(async move {
            if opener.dialect.gives_types {
                let types = Types::open(&stored, range, &opener.dialect)?;
                let places = opener.places;
                let batches =
                    types.map(move |batch| -> Result<RecordBatch> { Ok(batch?.project(&places)?) });
                return Ok(futures::stream::iter(batches).boxed());
            }
            let mut rows = Rows::open(&stored, range, &opener)?;
            let batches = std::iter::from_fn(move || {
                let timer = opener.metrics.elapsed_compute().timer();
                let batch = rows.next().transpose();
                timer.done();
                batch
            });
            Ok(futures::stream::iter(batches).boxed())
        }))
    }
}

/// The rows of a file or of a piece of one.
struct Rows {
    path: String,
    records: Records,
    batch: Batch,
    wanted: SchemaRef,
    /// Where each wanted column is in this file; nowhere if the file lacks it.
    fields: Vec<Option<usize>>,
    dialect: Arc<Dialect>,
    batch_rows: usize,
    rows_left: Option<u64>,
    /// Whether the type of each wanted column was given.
    is_given: Vec<bool>,
    is_piece: bool,
}

impl Rows {
    fn open(file: &StoredFile, range: Option<(u64, u64)>, opener: &TextOpener) -> Result<Self> {
        let dialect = &opener.dialect;
        let wrong = |problem: Problem| problem.of(file.shown());
        let mut records = opening::open_head(file, range, dialect)?;
        let names = columns::header(&mut records, dialect).map_err(wrong)?;
        let (mut width, mut is_empty) = (opener.width, false);
        let mut fields: Vec<Option<usize>> = opener.places.iter().copied().map(Some).collect();
        if dialect.has_named_columns() {
            is_empty = names.is_none();
            let names = names.unwrap_or_default();
            width = names.len();
            let wanted = opener.wanted.fields().iter();
            fields =
                wanted.map(|field| names.iter().position(|name| name == field.name())).collect();
            let lacks = fields.iter().position(Option::is_none);
            if let Some(at) = lacks.filter(|_| !is_empty && !dialect.may_lack_columns()) {
                let column = opener.wanted.field(at).name().clone();
                return Err(wrong(Problem::NoColumn { column, has: names }));
            }
        }
        if let Some((start, end)) = range.filter(|(start, _)| *start > 0) {
            records = opening::open_piece(file, start, end, dialect)?;
        }
        let columns = opener.places.iter().zip(opener.wanted.fields());
        let is_given = columns.map(|(at, field)| dialect.is_typed(*at, field.name())).collect();
        Ok(Self {
            is_given,
            is_piece: range.is_some(),
            batch: Batch::new(width),
            records,
            wanted: Arc::clone(&opener.wanted),
            fields,
            dialect: Arc::clone(dialect),
            batch_rows: opener.batch_rows,
            rows_left: if is_empty { Some(0) } else { dialect.rows_max },
            path: file.shown().to_owned(),
        })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let left =
            self.rows_left.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
        let rows_max = self.batch_rows.min(left);
        self.read(rows_max).map_err(|problem| match self.dialect.is_sampled {
            true => problem.of_sampled(&self.path, self.is_piece),
            false => problem.of(&self.path),
        })
    }

    fn read(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, Problem> {
        if rows_max == 0 {
            return Ok(None);
        }
        self.batch.fill(&mut self.records, &self.dialect, rows_max)?;
        let rows = self.batch.rows();
        if rows == 0 {
            return Ok(None);
        }
        self.rows_left = self.rows_left.map(|left| left.saturating_sub(rows as u64));
        let columns = self.wanted.fields().iter().zip(&self.fields).zip(&self.is_given);
        let columns = columns.map(|((field, at), is_given)| -> Result<ArrayRef, Problem> {
            let Some(at) = at else { return Ok(new_null_array(field.data_type(), rows)) };
            let converter = Converter::new(&self.dialect, field.name(), field.data_type());
            let converter = converter.given(*is_given);
            let mut is_whole = true;
            let fields = self.batch.column(*at).map(|field| {
                is_whole &= field.is_some();
                field.unwrap_or_default()
            });
            let values = converter.values(fields).map_err(|problem| match is_given {
                true => problem.of_given_type(),
                false => problem,
            });
            if is_whole { values } else { Err(Problem::Characters { line: self.batch.first() }) }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.wanted), columns, &options)?))
    }
}
