//! Which columns CSV files have.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DataFusionError, Result};
use futures::{StreamExt, TryStreamExt, stream};

use super::super::format::Kind;
use super::super::listing::DataFile;
use super::super::remote::StoredFile;
use super::super::{FileProblem, blocking, cannot_read, plan_error};
use super::cells::{Classifier, Seen};
use super::dialect::Dialect;
use super::error::Problem;
use super::opening::open;
use super::records::{Batch, Records};
use super::whole;

/// How much larger than a compressed file its text is taken to be.
const COMPRESSION_FACTOR: u64 = 4;

/// Files that tell the types of the columns where not all are read: enough to see that a column is of
/// integers in one and of fractions in another, few enough to plan quickly.
const SAMPLED_FILES_MAX: usize = 16;

/// Records of each of these files that are read at least.
const SAMPLED_RECORDS_MIN: usize = 1_000;

/// Bytes of each of these files that are read at least.
const SAMPLED_BYTES_MIN: u64 = 1024 * 1024;

/// Number of pieces of each of these files that are sampled behind its beginning, the last one at
/// its end.
const SAMPLED_PIECES: u64 = 16;

/// Bytes of each of these pieces.
const SAMPLED_PIECE_BYTES: u64 = 128 * 1024;

/// Files whose headers are compared. Each costs opening the file.
const COMPARED_HEADERS_MAX: usize = 1_000;

/// Files that are looked into at the same time.
const FILES_AT_ONCE_MAX: usize = 16;

/// Number of records that are examined together.
const BATCH_RECORDS: usize = 4_096;

/// Files of which it is remembered what was found in them.
const REMEMBERED_FILES_MAX: usize = 4_096;

/// Columns of files that are remembered.
const REMEMBERED_COLUMNS_MAX: usize = 1_000_000;

/// How old a file must be for what was found in it to be remembered: one that is written again at once may have
/// the same size and time.
const SETTLED_AGE: Duration = Duration::from_secs(2);

/// How far a file is read to find the types of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// Its header.
    Header,
    /// This many records.
    Records(usize),
    Sample,
    Whole,
}

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) names: Vec<String>,
    pub(super) seen: Vec<Seen>,
    /// Whether fields have line breaks.
    pub(super) has_breaks: bool,
}

/// The columns of files, and how the files are read.
pub(in super::super) struct Columns {
    pub(in super::super) schema: SchemaRef,
    pub(in super::super) dialect: Arc<Dialect>,
    /// Whether the type of a column is known from a sample only.
    pub(in super::super) is_sampled: bool,
}

/// What tells that a file is still the one that was looked into, in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Look {
    path: PathBuf,
    size: u64,
    modified_ms: i64,
    extent: Extent,
    dialect: Arc<Dialect>,
}

#[derive(Debug, Default)]
struct Memory {
    found: HashMap<Arc<Look>, Arc<Found>>,
    order: VecDeque<Arc<Look>>,
    columns: usize,
}

/// What was found in files: a frame is planned many times, and reading them whole takes seconds.
static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);

impl Memory {
    fn get(look: &Look) -> Option<Arc<Found>> {
        let memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        memory.found.get(look).map(Arc::clone)
    }

    fn put(look: Look, found: &Arc<Found>) {
        let (mut memory, look) =
            (MEMORY.lock().unwrap_or_else(PoisonError::into_inner), Arc::new(look));
        if memory.found.insert(Arc::clone(&look), Arc::clone(found)).is_some() {
            return;
        }
        memory.columns += found.seen.len();
        memory.order.push_back(look);
        while memory.order.len() > REMEMBERED_FILES_MAX || memory.columns > REMEMBERED_COLUMNS_MAX {
            let Some(oldest) = memory.order.pop_front() else { break };
            memory.columns -= memory.found.remove(&oldest).map_or(0, |found| found.seen.len());
        }
    }
}

/// The names of a file's columns, as its header says them. The records that follow are its rows.
///
/// None if the file has no record, and no names were given.
pub(super) fn header(
    records: &mut Records,
    dialect: &Dialect,
) -> Result<Option<Vec<String>>, Problem> {
    let mut found = None;
    if let Some(row) = dialect.header {
        for _ in 0..=row {
            if !records.next()? {
                return Ok(dialect.names.clone());
            }
        }
        found = Some(records.texts()?);
    }
    if let Some(names) = &dialect.names {
        return match found {
            Some(found) if found.len() > names.len() => Err(Problem::Width {
                line: records.line(),
                found: found.len(),
                expected: names.len(),
            }),
            _ => Ok(Some(names.clone())),
        };
    }
    Ok(found.map(|names| if dialect.is_pandas { pandas_names(names) } else { names }))
}

/// Names for columns whose names are missing or come twice, as pandas makes them.
fn pandas_names(names: Vec<String>) -> Vec<String> {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut used = HashSet::new();
    let mut made = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() { format!("Unnamed: {at}") } else { name };
        let mut unique = name.clone();
        let mut number = 0;
        while used.contains(&unique) || (number > 0 && all.contains(&unique)) {
            number += 1;
            unique = format!("{name}.{number}");
        }
        used.insert(unique.clone());
        made.push(unique);
    }
    made
}

/// The names of columns in files without a header.
fn counted_names(count: usize, dialect: &Dialect) -> Vec<String> {
    let name =
        |at: usize| if dialect.is_pandas { at.to_string() } else { format!("column_{}", at + 1) };
    (0..count).map(name).collect()
}

/// Looks into a file.
fn look(file: &StoredFile, dialect: &Arc<Dialect>, extent: Extent) -> Result<Found> {
    let mut records = open(file, dialect).map_err(|error| match error {
        DataFusionError::External(error) => plan_error(error.to_string()),
        other => other,
    })?;
    let wrong = |problem: Problem| {
        let reason = match &problem {
            Problem::Io(error) => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        FileProblem::error(reason, problem.text(file.shown()))
    };
    let mut found = read(&mut records, dialect, extent).map_err(wrong)?;
    if extent == Extent::Sample && dialect.is_plain() && !found.has_breaks {
        look_at_pieces(file, dialect, &mut found)?;
    }
    Ok(found)
}

pub(super) fn read(
    records: &mut Records,
    dialect: &Dialect,
    extent: Extent,
) -> Result<Found, Problem> {
    let named = header(records, dialect)?;
    if extent == Extent::Header && named.is_some() {
        return Ok(Found { names: named.unwrap_or_default(), seen: Vec::new(), has_breaks: false });
    }
    if named.is_none() && dialect.header.is_some() {
        return Ok(Found { names: Vec::new(), seen: Vec::new(), has_breaks: false });
    }
    // The first record says how many columns there are.
    let mut first = None;
    let names = match named {
        Some(names) => names,
        None => {
            let has_rows = records.next()?;
            let texts = if has_rows { records.texts()? } else { Vec::new() };
            let names = counted_names(texts.len(), dialect);
            first = has_rows.then_some(texts);
            names
        }
    };
    let mut columns = classifiers(&names, dialect);
    let mut has_breaks = false;
    for (column, field) in columns.iter_mut().zip(first.iter().flatten()) {
        has_breaks |= field.contains(['\n', '\r']);
        column.iter_mut().for_each(|column| column.see(std::iter::once(field.as_str())));
    }
    let limit = dialect.rows_max.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
    has_breaks |= classify(records, dialect, &mut columns, |records| match extent {
        Extent::Header => 0,
        Extent::Records(count) => count.min(limit),
        Extent::Sample if records.bytes_read() >= SAMPLED_BYTES_MIN => {
            SAMPLED_RECORDS_MIN.min(limit)
        }
        Extent::Sample | Extent::Whole => limit,
    })?;
    Ok(Found { seen: seen_of(&columns), names, has_breaks })
}

/// What finds the types of the columns that were not given one.
pub(super) fn classifiers<'a>(
    names: &[String],
    dialect: &'a Dialect,
) -> Vec<Option<Classifier<'a>>> {
    let classifier = |(at, name): (usize, &String)| {
        (!dialect.is_typed(at, name)).then(|| Classifier::new(dialect, name))
    };
    names.iter().enumerate().map(classifier).collect()
}

fn seen_of(columns: &[Option<Classifier<'_>>]) -> Vec<Seen> {
    columns.iter().map(|it| it.as_ref().map(Classifier::seen).unwrap_or_default()).collect()
}

/// Looks at as many records as are wanted; whether a field has a line break.
fn classify(
    records: &mut Records,
    dialect: &Dialect,
    columns: &mut [Option<Classifier<'_>>],
    wanted: impl Fn(&Records) -> usize,
) -> Result<bool, Problem> {
    let (mut rows, mut has_breaks) = (0, false);
    let mut batch = Batch::new(columns.len());
    loop {
        let more = wanted(records).saturating_sub(rows).min(BATCH_RECORDS);
        if more == 0 {
            return Ok(has_breaks);
        }
        batch.fill(records, dialect, more)?;
        if batch.rows() == 0 {
            return Ok(has_breaks);
        }
        rows += batch.rows();
        has_breaks |= batch.has_breaks();
        for (at, column) in columns.iter_mut().enumerate() {
            column.iter_mut().for_each(|column| column.see(batch.column(at).flatten()));
        }
    }
}

/// Looks at pieces of a file too large to be read whole, so that a change of types behind its beginning is seen.
fn look_at_pieces(file: &StoredFile, dialect: &Dialect, found: &mut Found) -> Result<()> {
    let size = file.size();
    let open =
        |end| file.open(Some(end)).map_err(|error| cannot_read(Path::new(file.shown()), &error));
    let delimiter = dialect.delimiter.unwrap_or(b',');
    for piece in 1..=SAMPLED_PIECES {
        let start = (size / SAMPLED_PIECES * piece).saturating_sub(SAMPLED_PIECE_BYTES);
        // The beginning was read, and its header is not a row.
        if start < SAMPLED_BYTES_MIN {
            continue;
        }
        let end = (start + SAMPLED_PIECE_BYTES).min(size);
        let mut columns = classifiers(&found.names, dialect);
        let looked = Records::of_piece(open(end)?, dialect, delimiter, start, end)
            .and_then(|mut records| classify(&mut records, dialect, &mut columns, |_| usize::MAX));
        match looked {
            Ok(has_breaks) => {
                found.has_breaks |= has_breaks;
                found.seen.iter_mut().zip(seen_of(&columns)).for_each(|(seen, more)| *seen |= more);
            }
            Err(Problem::Split) => found.has_breaks = true,
            // A piece that begins inside of a value says nothing; reading all of it will say what is wrong.
            Err(_) => {}
        }
    }
    Ok(())
}

async fn looked(file: &DataFile, dialect: &Arc<Dialect>, extent: Extent) -> Result<Arc<Found>> {
    let look_at = Look {
        path: file.path.clone(),
        size: file.meta.size,
        modified_ms: file.meta.last_modified.timestamp_millis(),
        extent,
        dialect: Arc::clone(dialect),
    };
    if let Some(known) = Memory::get(&look_at) {
        return Ok(known);
    }
    let (stored, dialect) = (file.file.clone(), Arc::clone(dialect));
    let found = Arc::new(blocking(move || look(&stored, &dialect, extent)).await?);
    let age = SystemTime::from(file.meta.last_modified).elapsed();
    if extent != Extent::Header && age.is_ok_and(|age| age > SETTLED_AGE) {
        Memory::put(look_at, &found);
    }
    Ok(found)
}

async fn looked_into(
    files: Vec<&DataFile>,
    dialect: &Arc<Dialect>,
    extent: Extent,
) -> Result<Vec<Arc<Found>>> {
    // Collected first: the compiler cannot see that a stream of borrowing closures is `Send`.
    let work: Vec<_> = files.into_iter().map(|file| looked(file, dialect, extent)).collect();
    stream::iter(work).buffered(FILES_AT_ONCE_MAX).try_collect().await
}

/// The columns of the files of a table, which have something in them.
///
/// # Errors
/// If a file cannot be read or has other columns than the others.
pub(in super::super) async fn columns(
    name: &str,
    files: &[DataFile],
    dialect: &Arc<Dialect>,
    whole_bytes_max: u64,
) -> Result<Columns> {
    if dialect.rows_max.is_some() && files.len() > 1 {
        return Err(plan_error(format!(
            "nrows= supports only one file, but '{name}' is {} files; use head() for the first rows of a frame",
            files.len()
        )));
    }
    let compared: Vec<&DataFile> = files.iter().take(COMPARED_HEADERS_MAX).collect();
    let headers = looked_into(compared, dialect, Extent::Header).await?;
    let Some(names) = same_names(name, files, &headers, dialect)? else {
        let (schema, dialect) = (Arc::new(Schema::empty()), Arc::clone(dialect));
        return Ok(Columns { schema, dialect, is_sampled: false });
    };
    let known = whole::known(files, dialect);
    let is_compressed = dialect.compression.is_some();
    let factor = if is_compressed { COMPRESSION_FACTOR } else { 1 };
    let bytes: u64 = files.iter().map(|file| file.meta.size).sum();
    let is_small =
        dialect.sampled_records.is_none() && bytes.saturating_mul(factor) <= whole_bytes_max;
    let is_whole = is_small || known.is_some();
    let extent = match dialect.sampled_records {
        Some(records) => Extent::Records(records),
        None if is_whole => Extent::Whole,
        None => Extent::Sample,
    };
    let found = match known {
        Some(known) => vec![known],
        None => {
            let sampled = if is_whole { files.iter().collect() } else { sample(files) };
            looked_into(sampled, dialect, extent).await?
        }
    };
    let seen = merged(&names, &found, dialect);
    let is_sampled =
        !is_whole && names.iter().enumerate().any(|(at, name)| !dialect.is_typed(at, name));
    let fields = names.iter().zip(seen).enumerate().map(|(at, (name, seen))| {
        let kind = kind(at, name, seen, dialect, is_whole)?;
        Ok(Field::new(name, kind, true))
    });
    let schema = Arc::new(Schema::new(fields.collect::<Result<Fields>>()?));
    let has_breaks = found.iter().any(|found| found.has_breaks);
    let mut dialect = Arc::clone(dialect);
    if (has_breaks && dialect.is_splittable) || !is_whole {
        let dialect = Arc::make_mut(&mut dialect);
        dialect.is_splittable &= !has_breaks;
        dialect.is_sampled = !is_whole;
    }
    Ok(Columns { schema, dialect, is_sampled })
}

/// What was seen in each column of a table with columns of these names.
pub(super) fn merged(names: &[String], found: &[Arc<Found>], dialect: &Dialect) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); names.len()];
    for file in found {
        let is_elsewhere = dialect.has_named_columns() && file.names != names;
        let places: HashMap<&str, usize> = match is_elsewhere {
            true => names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect(),
            false => HashMap::new(),
        };
        for (at, (name, class)) in file.names.iter().zip(&file.seen).enumerate() {
            let place = if is_elsewhere { places.get(name.as_str()).copied() } else { Some(at) };
            if let Some(seen) = place.and_then(|place| seen.get_mut(place)) {
                *seen |= *class;
            }
        }
    }
    seen
}

/// Refuses files whose headers do not have the same columns in the same order, for readers that go by position.
///
/// # Errors
/// If there are such files. An unreadable file is not an error here.
pub(in super::super) async fn check_order(
    name: &str,
    files: Vec<DataFile>,
    dialect: Dialect,
) -> Result<()> {
    if !dialect.has_named_columns() {
        return Ok(());
    }
    let dialect = Arc::new(dialect);
    let mut first: Option<(&DataFile, Arc<Found>)> = None;
    for file in files.iter().filter(|file| file.meta.size > 0).take(COMPARED_HEADERS_MAX) {
        let kind = file.path.file_name().and_then(|name| name.to_str()).map(Kind::of_csv);
        let compression = kind.filter(|kind| kind.compression.is_compressed());
        let compression = compression.map(|kind| kind.compression.to_string());
        let dialect = Arc::new(Dialect { compression, ..dialect.as_ref().clone() });
        let Ok(found) = looked(file, &dialect, Extent::Header).await else { continue };
        let Some((other, expected)) = &first else {
            first = Some((file, found));
            continue;
        };
        let differs = expected.names.iter().zip(&found.names).position(|(a, b)| a != b);
        if let Some(at) = differs.filter(|_| !found.names.is_empty()) {
            return Err(plan_error(format!(
                "the files of '{name}' have their columns in different orders: column {} is '{}' in '{}' and \
                 '{}' in '{}'; an external table reads them by position, so read the files by their path instead",
                at + 1,
                expected.names[at],
                other.path.display(),
                found.names[at],
                file.path.display(),
            )));
        }
    }
    Ok(())
}

/// The type of a column.
///
/// # Errors
/// If it was given one that Arrow does not have.
pub(super) fn kind(
    at: usize,
    name: &str,
    seen: Seen,
    dialect: &Dialect,
    is_whole: bool,
) -> Result<DataType> {
    if dialect.is_date(at, name) {
        return Ok(DataType::Timestamp(TimeUnit::Microsecond, None));
    }
    if let Some(kind) = dialect.given_type(at, name)? {
        return Ok(kind);
    }
    Ok(match seen.kind() {
        Some(kind) => kind,
        // Text that comes after a sample would not fit numbers.
        None if dialect.empty_is_number && is_whole => DataType::Float64,
        None => DataType::Utf8,
    })
}

/// The names of the columns, which all files have. None if no file has any.
fn same_names(
    name: &str,
    files: &[DataFile],
    found: &[Arc<Found>],
    dialect: &Dialect,
) -> Result<Option<Vec<String>>> {
    let mut first: Option<(&DataFile, &Arc<Found>)> = None;
    for (file, found) in files.iter().zip(found) {
        // Nothing but compression in it.
        if found.names.is_empty() {
            continue;
        }
        let Some((other, expected)) = first else {
            first = Some((file, found));
            continue;
        };
        let may_lack = dialect.may_lack_columns() && expected.names.starts_with(&found.names);
        if expected.names == found.names || may_lack {
            continue;
        }
        if !dialect.has_named_columns() && expected.names.len() != found.names.len() {
            return Err(plan_error(format!(
                "the files of '{name}' have different columns: '{}' has {}, '{}' has {}",
                other.path.display(),
                expected.names.len(),
                file.path.display(),
                found.names.len(),
            )));
        }
        let lacks = |one: &Found, other: &Found| {
            other.names.iter().find(|name| !one.names.contains(name)).cloned()
        };
        let missing = lacks(found, expected)
            .map(|column| (column, other, file))
            .or_else(|| lacks(expected, found).map(|column| (column, file, other)));
        if let Some((column, with, without)) = missing {
            return Err(plan_error(format!(
                "the files of '{name}' have different columns: '{}' has '{column}', '{}' does not",
                with.path.display(),
                without.path.display(),
            )));
        }
    }
    Ok(first.map(|(_, found)| found.names.clone()))
}

/// Some of the files, evenly spread, so that a change of types over time is seen.
fn sample(files: &[DataFile]) -> Vec<&DataFile> {
    let taken = files.len().min(SAMPLED_FILES_MAX);
    let last = files.len().saturating_sub(1);
    (0..taken).map(|i| &files[i * last / (taken - 1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file that is too large to be read whole is sampled in many places.
    #[test]
    fn samples() {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().expect("file");
        let mut text = "n,x,s\n".to_owned();
        for n in 0..400_000 {
            text.push_str(&format!("{n},{n},\n"));
        }
        text.push_str("1,0.5,late\n");
        file.write_all(text.as_bytes()).expect("write");
        let found =
            look(&StoredFile::local(file.path()), &Arc::new(Dialect::default()), Extent::Sample)
                .expect("look");
        let kinds: Vec<_> = found.seen.into_iter().map(Seen::kind).collect();
        assert_eq!(kinds, [Some(DataType::Int64), Some(DataType::Float64), Some(DataType::Utf8)]);
        assert!(!found.has_breaks);
    }

    /// Names as pandas makes them.
    #[test]
    fn names() {
        let made =
            |names: &[&str]| pandas_names(names.iter().map(|name| name.to_string()).collect());
        assert_eq!(made(&["", "a", "a", "a.1", "a"]), ["Unnamed: 0", "a", "a.2", "a.1", "a.3"]);
    }
}
