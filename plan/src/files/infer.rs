//! Which columns the files of a table have.

use std::io::Read;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
};
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::format::{Format, Kind};
use super::listing::DataFile;
use super::{blocking, cannot_read, plan_error};

/// Files whose first records tell the types of CSV and JSON columns: enough to see that a column
/// is of integers in one and of fractions in another, few enough to plan quickly.
const MAX_SAMPLED_FILES: usize = 16;

/// CSV files whose headers are compared. Each costs opening the file.
const MAX_COMPARED_HEADERS: usize = 1_000;

/// Records of each sampled file that are read unless the session says otherwise.
const SAMPLED_RECORDS: usize = datafusion::datasource::file_format::DEFAULT_SCHEMA_INFER_MAX_RECORD;

/// The words that stand for a missing value in CSV; an empty field always does.
pub(super) const MISSING: [&str; 3] = ["NA", "NULL", "null"];

/// What an Arrow IPC file begins with; a stream does not.
const ARROW_FILE_MAGIC: [u8; 6] = *b"ARROW1";

/// The columns in the files of a table.
#[derive(Debug)]
pub(super) struct Columns {
    /// As they are read.
    pub(super) read: SchemaRef,
    /// As they are after [`MISSING`] words have become nulls, if the files have such words.
    pub(super) converted: Option<SchemaRef>,
}

/// What is needed to look into files.
pub(super) struct Inference<'a> {
    pub(super) state: &'a dyn Session,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) kind: Kind,
    pub(super) reader: Arc<dyn FileFormat>,
    /// The table's name, for messages.
    pub(super) name: &'a str,
    /// Whether there are or will be more files than one.
    pub(super) grows: bool,
}

impl Inference<'_> {
    /// The columns of `files`, none of which is empty.
    pub(super) async fn columns(&self, files: &[DataFile]) -> Result<Columns> {
        let columns = match self.kind.format {
            Format::Csv { delimiter } => self.csv(delimiter, files).await,
            Format::Json => self.json(files).await.map(plain),
            Format::Arrow => self.arrow(files).await.map(plain),
            Format::Parquet => {
                let metas: Vec<_> = files.iter().map(|file| file.meta.clone()).collect();
                let read = self.reader.infer_schema(self.state, &self.store, &metas).await;
                read.map(|read| plain(if self.grows { nullable(&read) } else { read }))
            }
        };
        match columns {
            Ok(columns) => Ok(columns),
            // Already says which file and why.
            Err(err @ DataFusionError::Plan(_)) => Err(err),
            Err(err) => Err(self.explain(files, &err).await),
        }
    }

    /// Runs work on many files, some at a time.
    async fn in_order<T>(
        &self,
        work: impl Iterator<Item = impl Future<Output = Result<T>>>,
    ) -> Result<Vec<T>> {
        let concurrency = self.state.config_options().execution.meta_fetch_concurrency.get();
        // Collected first: the compiler cannot see that a stream of borrowing closures is `Send`.
        let work: Vec<_> = work.collect();
        stream::iter(work).buffered(concurrency).try_collect().await
    }

    async fn one(&self, file: &DataFile) -> Result<SchemaRef> {
        self.reader.infer_schema(self.state, &self.store, slice::from_ref(&file.meta)).await
    }

    async fn json(&self, files: &[DataFile]) -> Result<SchemaRef> {
        let schemas = self.in_order(sample(files).into_iter().map(|file| self.one(file))).await?;
        let merged = schemas
            .into_iter()
            .fold(Fields::empty(), |merged, schema| merge_by_name(&merged, schema.fields()));
        Ok(Arc::new(Schema::new(merged)))
    }

    /// DataFusion reads the columns of Arrow files by position and all in the format of the
    /// first, so they must agree.
    async fn arrow(&self, files: &[DataFile]) -> Result<SchemaRef> {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let odd = blocking(move || odd_arrow_file(&paths)).await?;
        let schemas = self.in_order(files.iter().map(|file| self.one(file))).await?;
        if let (Some(odd), Some(first)) = (odd, files.first()) {
            return Err(plan_error(format!(
                "'{}' mixes arrow files and arrow streams: '{}' is one, '{}' the other",
                self.name,
                first.path.display(),
                odd.display(),
            )));
        }
        let differing = schemas.iter().position(|schema| !same_columns(schema, &schemas[0]));
        if let Some(at) = differing {
            return Err(self.different(&files[0], &schemas[0], &files[at], &schemas[at]));
        }
        Ok(Arc::new(Schema::try_merge(schemas.iter().map(|schema| schema.as_ref().clone()))?))
    }

    async fn csv(&self, delimiter: u8, files: &[DataFile]) -> Result<Columns> {
        let mut options = self.kind.csv_options(self.state, delimiter);
        let records = options.schema_infer_max_rec.unwrap_or(SAMPLED_RECORDS);
        let plain_format = CsvFormat::default().with_options(options.clone());
        self.compare_headers(&plain_format, files).await?;
        let sampled = sample(files);
        let types = self.csv_types(&plain_format, &sampled, records).await?;
        if !types.fields().iter().any(|field| *field.data_type() == DataType::Utf8) {
            return Ok(plain(nulls_as_text(&types)));
        }
        options.null_regex = Some(format!("^({})?$", MISSING.join("|")));
        let forgiving_format = CsvFormat::default().with_options(options);
        let forgiving = self.csv_types(&forgiving_format, &sampled, records).await?;
        let forgiving = nulls_as_text(&forgiving);
        let has_words = types
            .fields()
            .iter()
            .zip(forgiving.fields())
            .any(|(a, b)| *a.data_type() == DataType::Utf8 && *b.data_type() != DataType::Utf8);
        if !has_words {
            return Ok(plain(nulls_as_text(&types)));
        }
        // A word may come after the sample in any column, so all are read as text.
        let text = forgiving.fields().iter().map(|field| with_type(field, DataType::Utf8));
        let read = Arc::new(Schema::new(text.collect::<Fields>()));
        Ok(Columns { read, converted: Some(forgiving) })
    }

    /// CSV columns are read by position: files with other columns would give wrong answers.
    async fn compare_headers(&self, format: &CsvFormat, files: &[DataFile]) -> Result<()> {
        let compared = files.iter().take(MAX_COMPARED_HEADERS);
        let headers =
            self.in_order(compared.map(|file| self.csv_schema(format, &file.meta, 0))).await?;
        let names = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        let may_be_short = format.options().truncated_rows.unwrap_or(false);
        let mut first: Option<(&DataFile, &Schema)> = None;
        for (file, schema) in files.iter().zip(&headers) {
            // Nothing but compression in it.
            if schema.fields().is_empty() {
                continue;
            }
            let Some((first_file, first_schema)) = first else {
                first = Some((file, schema));
                continue;
            };
            let (expected, found) = (names(first_schema), names(schema));
            if found != expected && !(may_be_short && expected.starts_with(&found)) {
                return Err(self.different(first_file, first_schema, file, schema));
            }
        }
        Ok(())
    }

    async fn csv_types(
        &self,
        format: &CsvFormat,
        files: &[&DataFile],
        records: usize,
    ) -> Result<Schema> {
        let schemas =
            self.in_order(files.iter().map(|file| self.csv_schema(format, &file.meta, records)));
        let schemas = schemas.await?;
        let mut merged: Vec<FieldRef> = Vec::new();
        for schema in &schemas {
            for (at, field) in schema.fields().iter().enumerate() {
                match merged.get_mut(at) {
                    Some(known) => *known = with_type(known, widen(known, field)),
                    None => merged.push(Arc::clone(field)),
                }
            }
        }
        Ok(Schema::new(merged))
    }

    /// The columns of one CSV file; with no records, all are text.
    async fn csv_schema(
        &self,
        format: &CsvFormat,
        file: &ObjectMeta,
        records: usize,
    ) -> Result<Schema> {
        let bytes = self.store.get(&file.location).await?.into_stream();
        let bytes = bytes.map_err(DataFusionError::from).boxed();
        let chunks = format.read_to_delimited_chunks_from_stream(bytes);
        format.infer_schema_from_stream(self.state, records, chunks).await.map(|(schema, _)| schema)
    }

    fn different(
        &self,
        a: &DataFile,
        a_has: &Schema,
        b: &DataFile,
        b_has: &Schema,
    ) -> DataFusionError {
        let (left, right) = (a_has.fields(), b_has.fields());
        let at = left.iter().zip(right.iter()).take_while(|(a, b)| same_column(a, b)).count();
        let describe = |fields: &Fields| match fields.get(at) {
            // Headers have no types.
            Some(field) if matches!(self.kind.format, Format::Csv { .. }) => {
                format!("'{}'", field.name())
            }
            Some(field) => format!("'{}' ({})", field.name(), field.data_type()),
            None => "nothing".to_owned(),
        };
        plan_error(format!(
            "the files of '{}' have different columns: column {} is {} in '{}' and {} in '{}'",
            self.name,
            at + 1,
            describe(left),
            a.path.display(),
            describe(right),
            b.path.display(),
        ))
    }

    /// Finds the file that an error is about: most errors of readers do not say.
    async fn explain(&self, files: &[DataFile], err: &DataFusionError) -> DataFusionError {
        for file in files {
            let path = file.path.clone();
            let opened = blocking(move || {
                std::fs::File::open(&path).map(drop).map_err(|err| cannot_read(&path, &err))
            });
            if let Err(err) = opened.await {
                return err;
            }
            if let Err(err) = self.one(file).await {
                return plan_error(format!(
                    "cannot read '{}' as {}: {}",
                    file.path.display(),
                    self.kind,
                    err.strip_backtrace()
                ));
            }
        }
        let why = err.strip_backtrace();
        plan_error(format!("the files of '{}' do not fit together: {why}", self.name))
    }
}

fn plain(read: SchemaRef) -> Columns {
    Columns { read, converted: None }
}

/// Some of the files, evenly spread, so that a change of types over time is seen.
fn sample(files: &[DataFile]) -> Vec<&DataFile> {
    let taken = files.len().min(MAX_SAMPLED_FILES);
    let last = files.len().saturating_sub(1);
    (0..taken).map(|i| &files[i * last / (taken - 1).max(1)]).collect()
}

/// The first Arrow file that is a stream where the first of all is none, or the reverse.
fn odd_arrow_file(paths: &[PathBuf]) -> Result<Option<PathBuf>> {
    let mut first = None;
    for path in paths {
        let mut magic = [0; ARROW_FILE_MAGIC.len()];
        let mut file = std::fs::File::open(path).map_err(|err| cannot_read(path, &err))?;
        // A file that is too short is found out when its columns are read.
        let is_file = file.read_exact(&mut magic).is_ok() && magic == ARROW_FILE_MAGIC;
        if *first.get_or_insert(is_file) != is_file {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

fn same_column(a: &Field, b: &Field) -> bool {
    a.name() == b.name() && a.data_type() == b.data_type()
}

fn same_columns(a: &Schema, b: &Schema) -> bool {
    let (a, b) = (a.fields(), b.fields());
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same_column(a, b))
}

/// A column in whose sample every field was empty: DataFusion's type for that, null, would drop
/// whatever comes after the sample.
fn nulls_as_text(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Null => with_type(field, DataType::Utf8),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// A column that some files do not have is null there, though it is never null in the others.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let fields = fields.collect::<Fields>();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn with_type(field: &Field, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(field.name(), data_type, true))
}

fn merge_by_name(a: &Fields, b: &Fields) -> Fields {
    let mut merged: Vec<FieldRef> = a.iter().cloned().collect();
    for field in b {
        match merged.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => *known = with_type(known, widen(known, field)),
            None => merged.push(Arc::clone(field)),
        }
    }
    merged.into()
}

/// A type that holds the values of both fields; text holds anything.
fn widen(a: &Field, b: &Field) -> DataType {
    match (a.data_type(), b.data_type()) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
            DataType::Float64
        }
        (DataType::Timestamp(a, None), DataType::Timestamp(b, None)) => {
            DataType::Timestamp(finer(*a, *b), None)
        }
        (DataType::Struct(a), DataType::Struct(b)) => DataType::Struct(merge_by_name(a, b)),
        (DataType::List(a), DataType::List(b)) => DataType::List(with_type(a, widen(a, b))),
        _ => DataType::Utf8,
    }
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    let rank = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}
