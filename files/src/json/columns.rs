//! Which columns files of JSON have.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::parsers::CompressionTypeVariant;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::super::blocking;
use super::super::listing::DataFile;
use super::super::remote::StoredFile;
use super::super::whole::{Change, Learned, Memory, heard};
use super::lines::Lines;
use super::shape::Shape;
use super::{JsonForm, Problem};

/// How much larger than a compressed file its text is taken to be.
const COMPRESSION_FACTOR: u64 = 8;

/// Files that tell the types of columns where not all are read: enough to see that a column is
/// of integers in one and of fractions in another, few enough to plan quickly.
const SAMPLED_FILES_MAX: usize = 16;

/// Records of each of these files that are read at least.
const SAMPLED_RECORDS_MIN: usize = 1_000;

/// Bytes of each of these files that are read at least.
const SAMPLED_BYTES_MIN: u64 = 1024 * 1024;

/// Files that are looked into at the same time.
const FILES_AT_ONCE_MAX: usize = 16;

/// What was found in a piece of a file, on its way to who puts such together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) shape: Shape,
    pub(super) problem: Option<String>,
}

/// What was found in all of files.
static MEMORY: LazyLock<Memory<(), Shape>> = LazyLock::new(Memory::default);

/// The columns of files, and how the files are read.
pub(in super::super) struct Columns {
    pub(in super::super) schema: SchemaRef,
    pub(in super::super) form: JsonForm,
}

/// The columns of the files of a table.
///
/// # Errors
/// If a file cannot be read, or a field has values of several kinds.
pub(in super::super) async fn columns(
    files: &[DataFile],
    compression: CompressionTypeVariant,
    whole_bytes_max: u64,
) -> Result<Columns> {
    let factor = if compression.is_compressed() { COMPRESSION_FACTOR } else { 1 };
    let bytes: u64 = files.iter().map(|file| file.meta.size).sum();
    let is_small = bytes.saturating_mul(factor) <= whole_bytes_max;
    if let Some(shape) = MEMORY.get(files, &()) {
        return made(&shape, files, false);
    }
    let looked: Vec<&DataFile> = if is_small { files.iter().collect() } else { sample(files) };
    // Collected first: the compiler cannot see that a stream of borrowing closures is `Send`.
    let work: Vec<_> = looked
        .into_iter()
        .map(|file| {
            let stored = file.file.clone();
            blocking(move || look(&stored, compression, is_small))
        })
        .collect();
    let shapes: Vec<Shape> = stream::iter(work).buffered(FILES_AT_ONCE_MAX).try_collect().await?;
    let mut shape = Shape::default();
    shapes.iter().for_each(|one| shape.merge(one));
    made(&shape, files, !is_small)
}

fn made(shape: &Shape, files: &[DataFile], is_sampled: bool) -> Result<Columns> {
    let form = JsonForm { is_sampled, gives_types: false };
    let name = files.first().map_or_else(String::new, |file| file.path.display().to_string());
    let fields = shape.columns().map_err(|problem| problem.of(&name))?;
    Ok(Columns { schema: Arc::new(Schema::new(fields)), form })
}

/// Some of the files, evenly spread, so that a change of types over time is seen.
fn sample(files: &[DataFile]) -> Vec<&DataFile> {
    let taken = files.len().min(SAMPLED_FILES_MAX);
    let last = files.len().saturating_sub(1);
    (0..taken).map(|i| &files[i * last / (taken - 1).max(1)]).collect()
}

/// Looks into a file.
fn look(file: &StoredFile, compression: CompressionTypeVariant, is_whole: bool) -> Result<Shape> {
    let (mut lines, path) = (Lines::open(file, compression, None)?, file.shown());
    let (mut shape, mut line, mut records) = (Shape::default(), Vec::new(), 0);
    while (is_whole || records < SAMPLED_RECORDS_MIN || lines.bytes() < SAMPLED_BYTES_MIN)
        && lines.next(&mut line).map_err(|problem| problem.of(path))?
    {
        records += 1;
        let seen = shape.see(&line);
        seen.map_err(|error| Problem::Syntax { line: lines.line(), error }.of(path))?;
    }
    // A kind of its own in one file is an error with the name of that file.
    shape.columns().map_err(|problem| problem.of(path))?;
    Ok(shape)
}

/// Puts together what a scan for the types of these files gave, and remembers it. `schema` has the columns as they
/// were taken to be.
///
/// # Errors
/// If a file is not JSON, or a field has values of several kinds.
pub(in super::super) fn learn(
    files: &[DataFile],
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<Learned> {
    let mut shape = Shape::default();
    for piece in heard::<Piece>(batches)? {
        if let Some(problem) = piece.problem {
            return Err(super::super::plan_error(problem));
        }
        shape.merge(&piece.shape);
    }
    let found = made(&shape, files, false)?;
    let change = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let from = schema.field_with_name(field.name()).ok().map(|known| known.data_type().clone());
        let (column, to) = (field.name().clone(), field.data_type().clone());
        (from.as_ref() != Some(&to)).then_some(Change { column, from, to })
    };
    let changes = found.schema.fields().iter().filter_map(change).collect();
    MEMORY.put(files, (), shape);
    Ok(Learned::Types(changes))
}
