//! Which columns the files of a table have that are not text.

use std::io::Read;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::FileFormat;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

use super::format::{Format, Kind};
use super::listing::DataFile;
use super::widen::widest;
use super::{FileProblem, blocking, cannot_read, plan_error};

/// What an Arrow IPC file begins with; a stream does not.
const ARROW_FILE_MAGIC: [u8; 6] = *b"ARROW1";

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
    pub(super) async fn columns(&self, files: &[DataFile]) -> Result<SchemaRef> {
        let columns = match self.kind.format {
            Format::Csv { .. } | Format::Json => {
                return Err(DataFusionError::Internal(
                    "the columns of text files are inferred elsewhere".to_owned(),
                ));
            }
            Format::Arrow => self.arrow(files).await,
            Format::Parquet => {
                let metas: Vec<_> = files.iter().map(|file| file.meta.clone()).collect();
                let read = self.reader.infer_schema(self.state, &self.store, &metas).await;
                let read = match read {
                    Err(error) if files.len() > 1 => self.widest(files).await.ok_or(error),
                    read => read,
                };
                read.map(|read| if self.grows { nullable(&read) } else { read })
            }
        };
        match columns {
            Ok(columns) => Ok(columns),
            // Already says which file and why.
            Err(err) if matches!(err.find_root(), DataFusionError::Plan(_)) => Err(err),
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

    /// The columns of files that cannot be combined as they are; none if their types have nothing in common.
    async fn widest(&self, files: &[DataFile]) -> Option<SchemaRef> {
        let schemas = self.in_order(files.iter().map(|file| self.one(file))).await.ok()?;
        widest(&schemas).map(Arc::new)
    }

    /// DataFusion reads the columns of Arrow files by position and all in the format of the
    /// first, so they must agree.
    async fn arrow(&self, files: &[DataFile]) -> Result<SchemaRef> {
        let opened = files.to_vec();
        let odd = blocking(move || odd_arrow_file(&opened)).await?;
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
            let (path, stored) = (file.path.clone(), file.file.clone());
            let opened = blocking(move || {
                stored.open(None).map(drop).map_err(|err| cannot_read(&path, &err))
            });
            if let Err(err) = opened.await {
                return err;
            }
            if let Err(err) = self.one(file).await {
                let (path, why) = (file.path.display(), err.strip_backtrace());
                let text = format!("cannot read '{path}' as {}: {why}", self.kind);
                return FileProblem::error(std::io::ErrorKind::InvalidData, text);
            }
        }
        let why = err.strip_backtrace();
        plan_error(format!("cannot combine the files of '{}': {why}", self.name))
    }
}

/// The first Arrow file that is a stream where the first of all is not, or the reverse.
fn odd_arrow_file(files: &[DataFile]) -> Result<Option<PathBuf>> {
    let mut first = None;
    for DataFile { path, file, .. } in files {
        let mut magic = [0; ARROW_FILE_MAGIC.len()];
        let mut file = file.open(None).map_err(|err| cannot_read(path, &err))?;
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

/// A column that some files do not have is null there, though it is never null in the others.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let fields = fields.collect::<Fields>();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
