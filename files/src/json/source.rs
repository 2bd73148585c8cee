//! The scan of files of JSON.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Fields, SchemaRef};
use datafusion::arrow::json::ReaderBuilder;
use datafusion::arrow::json::reader::Decoder;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource, JsonSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use futures::StreamExt;
use object_store::ObjectStore;

use super::columns::Piece;
use super::lines::Lines;
use super::shape::Shape;
use super::{JsonForm, Problem};
use crate::remote::Storage;
use crate::whole::{told, types_schema};

/// Rows of a batch unless the session says otherwise.
const BATCH_ROWS: usize = 8_192;

/// Bytes of lines that make a batch, unless one line has more.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Number of records that are examined before other tasks may use the thread.
const STEP_RECORDS: usize = 65_536;

/// A scan of files of JSON.
///
/// Its wire form is DataFusion's scan of such files, which keeps columns and projection, below a node that has the form.
#[derive(Clone)]
pub(crate) struct JsonLines {
    plain: JsonSource,
    form: JsonForm,
    batch_rows: usize,
}

impl JsonLines {
    pub(crate) fn new(columns: TableSchema, form: JsonForm) -> Self {
        Self { plain: JsonSource::new(columns), form, batch_rows: BATCH_ROWS }
    }

    /// The source that `plain`, which came over the wire, was.
    pub(crate) fn restore(plain: &JsonSource, form: JsonForm) -> Self {
        Self { plain: plain.clone(), form, batch_rows: BATCH_ROWS }
    }

    /// DataFusion's scan with the same columns and projection.
    pub(crate) fn plain(&self) -> &JsonSource {
        &self.plain
    }

    pub(crate) fn form(&self) -> JsonForm {
        self.form
    }
}

impl FileSource for JsonLines {
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
        let opener = LinesOpener {
            wanted: Arc::new(file_schema.project(&projection.file_indices)?),
            columns: file_schema.fields().clone(),
            places: projection.file_indices.clone(),
            compression: *scan.file_compression_type.get_variant(),
            form: self.form,
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
        let Some(plain) = self.plain.try_pushdown_projection(projection)? else { return Ok(None) };
        let plain = plain.downcast_ref::<JsonSource>().cloned().ok_or_else(|| {
            DataFusionError::Internal("a scan of JSON files became another one".to_owned())
        })?;
        Ok(Some(Arc::new(Self { plain, ..self.clone() })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.plain.metrics()
    }

    fn file_type(&self) -> &str {
        "json"
    }

    fn fmt_extra(&self, _: DisplayFormatType, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.plain.apply_expressions(f)
    }
}

#[derive(Clone)]
struct LinesOpener {
    wanted: SchemaRef,
    /// All columns of the table that are in its files.
    columns: Fields,
    /// The places of the wanted columns among those of the table.
    places: Vec<usize>,
    compression: CompressionTypeVariant,
    form: JsonForm,
    batch_rows: usize,
    storage: Storage,
    metrics: BaselineMetrics,
}

impl FileOpener for LinesOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let stored = self.storage.file(&file.object_meta);
        let range = file.range.map(|range| (range.start.max(0) as u64, range.end.max(0) as u64));
        let opener = self.clone();
        Ok(Box::pin(async move {
            let (lines, path) =
                (Lines::open(&stored, opener.compression, range)?, stored.shown().to_owned());
            let (line, shape) = (Vec::new(), Shape::default());
            if opener.form.gives_types {
                let types = Types { path, lines, line, shape, has_ended: false };
                let places = opener.places;
                let batches =
                    types.map(move |batch| -> Result<RecordBatch> { Ok(batch?.project(&places)?) });
                return Ok(futures::stream::iter(batches).boxed());
            }
            let decoder = ReaderBuilder::new(Arc::clone(&opener.wanted))
                .with_batch_size(opener.batch_rows)
                .with_coerce_primitive(true)
                .build_decoder()?;
            let columns = opener.form.is_sampled.then(|| opener.columns.clone());
            let mut rows =
                Rows { lines, line, shape, decoder, columns, batch_rows: opener.batch_rows };
            let batches = std::iter::from_fn(move || {
                let timer = opener.metrics.elapsed_compute().timer();
                let batch = rows.read().map_err(|problem| problem.of(&path));
                timer.done();
                batch.transpose()
            });
            Ok(futures::stream::iter(batches).boxed())
        }))
    }
}

/// The rows of a file or of a piece of one.
struct Rows {
    lines: Lines,
    line: Vec<u8>,
    shape: Shape,
    decoder: Decoder,
    /// The columns that values must fit, where these are known from a sample only.
    columns: Option<Fields>,
    batch_rows: usize,
}

impl Rows {
    fn read(&mut self) -> Result<Option<RecordBatch>, Problem> {
        let mut bytes = 0;
        while self.decoder.len() < self.batch_rows && bytes < BATCH_BYTES_MAX {
            if !self.lines.next(&mut self.line)? {
                break;
            }
            bytes += self.line.len();
            if let Some(columns) = &self.columns {
                let line = self.lines.line();
                let seen = self.shape.see(&self.line);
                seen.map_err(|error| Problem::Syntax { line, error })?;
                if let Some((field, kind)) = self.shape.misfit(columns) {
                    return Err(Problem::Misfit { line, field, kind });
                }
            }
            let line = self.line.trim_ascii();
            let decoded = self.decoder.decode(line);
            let decoded =
                decoded.map_err(|error| Problem::Value { line: self.lines.line(), error })?;
            if decoded < line.len() || self.decoder.has_partial_record() {
                // A record ends with its line.
                let error = serde::de::Error::custom("the line is not one object");
                return Err(Problem::Syntax { line: self.lines.line(), error });
            }
        }
        Ok(self.decoder.flush()?)
    }
}

/// What is found out about the types of the columns of a file, or of a piece of one: batches without rows until all
/// was read, then one with a [`Piece`].
struct Types {
    path: String,
    lines: Lines,
    line: Vec<u8>,
    shape: Shape,
    has_ended: bool,
}

impl Types {
    fn step(&mut self) -> Result<bool, Problem> {
        for _ in 0..STEP_RECORDS {
            if !self.lines.next(&mut self.line)? {
                return Ok(false);
            }
            let seen = self.shape.see(&self.line);
            seen.map_err(|error| Problem::Syntax { line: self.lines.line(), error })?;
        }
        Ok(true)
    }
}

impl Iterator for Types {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        match self.step() {
            Ok(true) => Some(Ok(RecordBatch::new_empty(types_schema()))),
            Ok(false) => {
                self.has_ended = true;
                let shape = std::mem::take(&mut self.shape);
                Some(told(&Piece { shape, problem: None }))
            }
            Err(problem) => {
                self.has_ended = true;
                Some(Err(problem.of(&self.path)))
            }
        }
    }
}
