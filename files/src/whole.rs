//! Types of columns that are found in all of large files, by a scan on the workers.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::ConfigExtension;
use datafusion::common::{DataFusionError, Result, extensions_options, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use serde::{Deserialize, Serialize};

use super::csv::{self, Dialect, TextSource};
use super::format::Kind;
use super::json::{self, JsonForm, JsonLines};
use super::listing::DataFile;

/// Bytes of a file that are worth a task of their own.
const PIECE_BYTES_MIN: usize = 1024 * 1024;

/// Files of tables of which it is remembered what was found in all of them.
const REMEMBERED_FILES_MAX: usize = 200_000;

extensions_options! {
    /// How files are looked into.
    pub struct FileOptions {
        /// Text files of a table that together have no more bytes than this are read whole to find the types of
        /// their columns; of larger ones a sample is.
        pub read_whole_bytes: u64, default = 64 * 1024 * 1024
        /// Larger ones are read whole by the workers, where who asks builds on the types of the columns, if they have
        /// no more bytes than this for each slot.
        pub read_whole_slot_bytes: u64, default = 2 * 1024 * 1024 * 1024
    }
}

impl ConfigExtension for FileOptions {
    const PREFIX: &'static str = "partita";
}

impl FileOptions {
    /// Those of a session.
    pub(super) fn of(state: &dyn Session) -> Self {
        let options = state.config_options().extensions.get::<Self>();
        options.cloned().unwrap_or_default()
    }
}

/// A column that has another type than the sample said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub column: String,
    /// The type that the sample said, if it had the column.
    pub from: Option<DataType>,
    /// The type that holds all of its values.
    pub to: DataType,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => {
                write!(f, "column '{}' is read as {} instead of {from}", self.column, self.to)
            }
            None => write!(f, "column '{}' of {} is read too", self.column, self.to),
        }
    }
}

/// What came of looking at all of a table's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// Values with line breaks are where files were split: they must be read in one piece each.
    Split,
    /// The types are known now. These are others than the sample said.
    Types(Vec<Change>),
}

/// A file as it was: its path, its size, and when it was written.
type Stamp = (PathBuf, u64, i64);

/// What full scans found in the files of tables, by the options they were read with, the most
/// recent last.
#[derive(Debug)]
pub(super) struct Memory<W, F>(Mutex<VecDeque<Remembered<W, F>>>);

#[derive(Debug)]
struct Remembered<W, F> {
    files: Vec<Stamp>,
    way: W,
    found: Arc<F>,
}

impl<W, F> Default for Memory<W, F> {
    fn default() -> Self {
        Memory(Mutex::default())
    }
}

impl<W: PartialEq, F> Memory<W, F> {
    /// What a full scan found in these files in their present state, if all of them were scanned.
    pub(super) fn get(&self, files: &[DataFile], way: &W) -> Option<Arc<F>> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory.iter().rev().find(|known| known.is_of(files, way));
        known.map(|known| Arc::clone(&known.found))
    }

    /// Remembers what was found, and forgets the oldest where there is too much.
    pub(super) fn put(&self, files: &[DataFile], way: W, found: F) {
        let stamp = |file: &DataFile| {
            (file.path.clone(), file.meta.size, file.meta.last_modified.timestamp_millis())
        };
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.retain(|known| !known.is_of(files, &way));
        let stamps = files.iter().map(stamp).collect();
        memory.push_back(Remembered { files: stamps, way, found: Arc::new(found) });
        let mut count: usize = memory.iter().map(|known| known.files.len()).sum();
        while count > REMEMBERED_FILES_MAX && memory.len() > 1 {
            count -= memory.pop_front().map_or(0, |known| known.files.len());
        }
    }
}

impl<W: PartialEq, F> Remembered<W, F> {
    fn is_of(&self, files: &[DataFile], way: &W) -> bool {
        let is_same = |((path, size, modified_ms), file): (&Stamp, &DataFile)| {
            *size == file.meta.size
                && *modified_ms == file.meta.last_modified.timestamp_millis()
                && path.as_path() == Path::new(&file.path)
        };
        self.files.len() == files.len()
            && self.way == *way
            && self.files.iter().zip(files).all(is_same)
    }
}

/// The columns of what a scan for types gives: what was found in a piece of a file, as JSON.
pub(super) fn types_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("found", DataType::Utf8, false)]))
}

/// What was found in a piece, as a row.
pub(super) fn told(piece: &impl Serialize) -> Result<RecordBatch> {
    let text = serde_json::to_string(piece).map_err(|e| DataFusionError::External(Box::new(e)))?;
    Ok(RecordBatch::try_new(types_schema(), vec![Arc::new(StringArray::from(vec![text]))])?)
}

/// What was found in pieces, of their rows.
pub(super) fn heard<T: for<'a> Deserialize<'a>>(batches: &[RecordBatch]) -> Result<Vec<T>> {
    let mut pieces = Vec::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        let texts = batch.column(0).as_string_opt::<i32>().ok_or_else(|| {
            DataFusionError::Internal("a scan for types gave something else".to_owned())
        })?;
        for text in texts.iter().flatten() {
            let piece = serde_json::from_str(text);
            pieces.push(piece.map_err(|error| DataFusionError::External(Box::new(error)))?);
        }
    }
    Ok(pieces)
}

/// How the files of a table are written, as it was asked for.
#[derive(Debug, Clone)]
pub(super) enum TypesForm {
    Csv(Arc<Dialect>),
    Json,
}

/// The files of a table, as something that is scanned for the types of their columns.
#[derive(Debug, Clone)]
pub struct TypesTable {
    pub(super) name: String,
    /// The address of the store that has the files.
    pub(super) store: ObjectStoreUrl,
    pub(super) kind: Kind,
    pub(super) files: Arc<Vec<DataFile>>,
    pub(super) form: TypesForm,
    /// The columns as the sample has them.
    pub(super) schema: SchemaRef,
    /// Whether files may be read in several pieces.
    pub(super) is_splittable: bool,
}

impl TypesTable {
    /// What messages call the files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same with each file in one piece.
    #[must_use]
    pub fn unsplit(&self) -> Self {
        Self { is_splittable: false, ..self.clone() }
    }

    /// Puts together what the scan gave. Statements that are planned from now on have the types that it found, as
    /// long as the files stay what they are.
    ///
    /// # Errors
    /// If a file cannot be read as what it is taken for, whatever its types.
    pub fn learn(&self, batches: &[RecordBatch]) -> Result<Learned> {
        match &self.form {
            TypesForm::Csv(dialect) => csv::learn(&self.files, dialect, &self.schema, batches),
            TypesForm::Json => json::learn(&self.files, &self.schema, batches),
        }
    }
}

#[async_trait]
impl TableProvider for TypesTable {
    fn schema(&self) -> SchemaRef {
        types_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&types_schema(), projection)?)));
        }
        let partitions = state.config().target_partitions().max(1);
        let files = self.files.iter();
        let files = files.map(|file| PartitionedFile::new_from_meta(file.meta.clone()));
        let groups = FileGroup::new(files.collect()).split_files(partitions);
        let columns = TableSchema::builder(types_schema()).build();
        let source: Arc<dyn FileSource> = match &self.form {
            TypesForm::Csv(dialect) => {
                let dialect = Dialect {
                    gives_types: true,
                    is_splittable: dialect.is_splittable && self.is_splittable,
                    ..dialect.as_ref().clone()
                };
                Arc::new(TextSource::new(columns, Arc::new(dialect)))
            }
            TypesForm::Json => {
                let form = JsonForm { gives_types: true, is_sampled: false };
                Arc::new(JsonLines::new(columns, form))
            }
        };
        let scan = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(groups)
            .with_file_compression_type(self.kind.compression.into())
            .with_projection_indices(projection.cloned())?
            .build();
        let split = scan.repartitioned(partitions, PIECE_BYTES_MIN, None)?;
        Ok(match split {
            Some(split) => Arc::new(DataSourceExec::new(split)),
            None => DataSourceExec::from_data_source(scan),
        })
    }
}
