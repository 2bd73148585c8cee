//! The types of the columns in all of large files.
//!
//! A scan whose dialect says so gives, for each file or piece of one, what it saw in each column. Such scans run on
//! the workers. [`learn`] puts together what they gave, and remembers it for the files as they are.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};

use super::super::listing::DataFile;
use super::super::remote::StoredFile;
use super::super::whole::{Change, Learned, Memory, heard, told, types_schema};
use super::cells::Seen;
use super::columns::{self, Extent, Found};
use super::dialect::Dialect;
use super::error::Problem;
use super::opening;
use super::records::{Batch, Records};

/// Number of records that are examined before other tasks may use the thread.
const STEP_RECORDS: usize = 65_536;

/// What was found in a file, or in a piece of one, on its way to who puts such together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Piece {
    names: Vec<String>,
    seen: Vec<u16>,
    has_breaks: bool,
    /// Whether it begins or ends inside of a value.
    is_split: bool,
    problem: Option<String>,
}

/// What is found out about the types of the columns of a file, or of a piece of one: batches without rows until all
/// was read, then one with a [`Piece`].
pub(super) struct Types {
    path: String,
    records: Records,
    dialect: Arc<Dialect>,
    names: Vec<String>,
    seen: Vec<Seen>,
    has_breaks: bool,
    rows_left: usize,
    is_piece: bool,
    has_ended: bool,
}

impl Types {
    pub(super) fn open(
        file: &StoredFile,
        range: Option<(u64, u64)>,
        dialect: &Arc<Dialect>,
    ) -> Result<Self> {
        let wrong = |problem: Problem| problem.of(file.shown());
        let mut records = opening::open_head(file, range, dialect)?;
        let head = columns::read(&mut records, dialect, Extent::Header).map_err(wrong)?;
        let Found { names, mut seen, has_breaks } = head;
        if let Some((start, end)) = range.filter(|(start, _)| *start > 0) {
            records = opening::open_piece(file, start, end, dialect)?;
            seen.clear();
        }
        // Where no header has the names, the first record was read for their number.
        let looked = usize::from(dialect.header.is_none() && dialect.names.is_none());
        seen.resize(names.len(), Seen::default());
        let rows_left = dialect.rows_max.and_then(|rows| usize::try_from(rows).ok());
        Ok(Self {
            records,
            names,
            seen,
            has_breaks,
            rows_left: rows_left.unwrap_or(usize::MAX).saturating_sub(looked),
            is_piece: range.is_some(),
            has_ended: false,
            dialect: Arc::clone(dialect),
            path: file.shown().to_owned(),
        })
    }

    /// Looks at some more records. False if there are none.
    fn step(&mut self) -> Result<bool, Problem> {
        let mut columns: Vec<_> = columns::classifiers(&self.names, &self.dialect)
            .into_iter()
            .zip(&self.seen)
            .map(|(column, seen)| column.map(|column| column.after(*seen)))
            .collect();
        let mut batch = Batch::new(self.names.len());
        batch.fill(&mut self.records, &self.dialect, STEP_RECORDS.min(self.rows_left))?;
        self.rows_left -= batch.rows();
        self.has_breaks |= batch.has_breaks();
        for (at, (column, seen)) in columns.iter_mut().zip(&mut self.seen).enumerate() {
            if let Some(column) = column {
                column.see(batch.column(at).flatten());
                *seen = column.seen();
            }
        }
        Ok(batch.rows() > 0)
    }

    fn batch(&mut self, problem: Option<Problem>) -> Result<RecordBatch> {
        let is_split = matches!(problem, Some(Problem::Split));
        told(&Piece {
            names: std::mem::take(&mut self.names),
            seen: self.seen.iter().map(|seen| seen.bits()).collect(),
            has_breaks: self.has_breaks,
            is_split,
            problem: problem.map(|problem| problem.text(&self.path)),
        })
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
                Some(self.batch(None))
            }
            // A piece that begins inside of a value says nothing for certain: the piece before it knows that.
            Err(problem) if self.is_piece && !matches!(problem, Problem::Io(_)) => {
                self.has_ended = true;
                Some(self.batch(Some(problem)))
            }
            Err(problem) => {
                self.has_ended = true;
                Some(Err(problem.of(&self.path)))
            }
        }
    }
}

/// What was found in all of files.
static MEMORY: LazyLock<Memory<Arc<Dialect>, Found>> = LazyLock::new(Memory::default);

/// What a full scan found in these files, if all of them were scanned.
pub(super) fn known(files: &[DataFile], dialect: &Arc<Dialect>) -> Option<Arc<Found>> {
    MEMORY.get(files, dialect)
}

/// Puts together what a scan for the types of these files gave, and remembers it. `schema` has the columns as they
/// were taken to be.
///
/// # Errors
/// If a file is not what its dialect says.
pub(in super::super) fn learn(
    files: &[DataFile],
    dialect: &Arc<Dialect>,
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<Learned> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let (mut pieces, mut problem, mut is_split) = (Vec::new(), None, false);
    for piece in heard::<Piece>(batches)? {
        is_split |= piece.is_split;
        problem = problem.or(piece.problem);
        let (names, has_breaks) = (piece.names, piece.has_breaks);
        let seen = piece.seen.into_iter().map(Seen::of_bits).collect();
        pieces.push(Arc::new(Found { names, seen, has_breaks }));
    }
    if is_split {
        return Ok(Learned::Split);
    }
    if let Some(problem) = problem {
        return Err(super::super::plan_error(problem));
    }
    let seen = columns::merged(&names, &pieces, dialect);
    let mut changes = Vec::new();
    for (at, (field, seen)) in schema.fields().iter().zip(&seen).enumerate() {
        let kind = columns::kind(at, field.name(), *seen, dialect, true)?;
        if kind != *field.data_type() {
            let (column, from) = (field.name().clone(), Some(field.data_type().clone()));
            changes.push(Change { column, from, to: kind });
        }
    }
    let has_breaks = pieces.iter().any(|piece| piece.has_breaks);
    MEMORY.put(files, Arc::clone(dialect), Found { names, seen, has_breaks });
    Ok(Learned::Types(changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Field};
    use std::io::Write;
    use std::path::Path;

    fn pieces(file: &Path, ranges: &[Option<(u64, u64)>]) -> Result<Vec<RecordBatch>> {
        let dialect = Arc::new(Dialect { gives_types: true, ..Dialect::default() });
        let file = StoredFile::local(file);
        let piece = |range: &Option<(u64, u64)>| {
            Types::open(&file, *range, &dialect)?.collect::<Result<Vec<_>>>()
        };
        Ok(ranges.iter().map(piece).collect::<Result<Vec<_>>>()?.concat())
    }

    fn csv(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(text.as_bytes()).expect("write");
        file
    }

    fn schema() -> Schema {
        let int = |name| Field::new(name, DataType::Int64, true);
        Schema::new(vec![int("a"), int("b")])
    }

    /// Wherever a file is split, the types are those of all of it, and the columns that were taken for others are
    /// named.
    #[test]
    fn types_of_pieces() {
        let text = "a,b\n1,2\n3,4\n5,0.5\n7,x\n";
        let (file, size) = (csv(text), text.len() as u64);
        let (from, to) = (Some(DataType::Int64), DataType::Utf8);
        let expected = Change { column: "b".into(), from, to };
        for split in 1..size {
            let ranges = [Some((0, split)), Some((split, size))];
            let batches = pieces(file.path(), &ranges).expect("pieces");
            let learned = learn(&[], &Arc::default(), &schema(), &batches).expect("types");
            assert_eq!(learned, Learned::Types(vec![expected.clone()]), "at {split}");
        }
        let whole = pieces(file.path(), &[None]).expect("whole");
        let learned = learn(&[], &Arc::default(), &schema(), &whole).expect("types");
        assert_eq!(learned, Learned::Types(vec![expected]));
    }

    /// A value with line breaks where a file is split is found out; a row that is too long is an error.
    #[test]
    fn pieces_that_do_not_fit() {
        let text = "a,b\n1,\"2,\n3,\n4\"\n5,6\n";
        let (file, size) = (csv(text), text.len() as u64);
        let ranges = [Some((0, 12)), Some((12, size))];
        let batches = pieces(file.path(), &ranges).expect("pieces");
        let learned = learn(&[], &Arc::default(), &schema(), &batches).expect("learned");
        assert_eq!(learned, Learned::Split);
        let file = csv("a,b\n1,2\n3,4,5\n");
        let batches = pieces(file.path(), &[Some((0, 14))]).expect("pieces");
        let error = learn(&[], &Arc::default(), &schema(), &batches).expect_err("a long row");
        assert!(error.to_string().contains("line 3 has 3 fields where 2 are expected"), "{error}");
    }
}
