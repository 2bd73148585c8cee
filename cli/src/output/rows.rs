//! Rows, in the format that was asked for.

use crate::args::RowFormat;
use crate::output::{draft, narrow};
use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use datafusion::parquet::arrow::ArrowWriter;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempPath;

/// The format of files of this name, if it tells one.
fn format_of_name(file: &Path) -> Option<RowFormat> {
    Some(match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => RowFormat::Parquet,
        "csv" | "tsv" => RowFormat::Csv,
        "json" | "ndjson" | "jsonl" => RowFormat::Json,
        "arrow" | "ipc" | "feather" => RowFormat::Arrow,
        _ => return None,
    })
}

/// The format in which rows are written: the one that was asked for, or that of the file's name.
///
/// # Errors
/// If the two differ, or neither says it, or rows of that format cannot be written there.
pub(crate) fn row_format(asked: Option<RowFormat>, file: Option<&Path>) -> Result<RowFormat> {
    let Some(file) = file else {
        if asked == Some(RowFormat::Parquet) {
            bail!("cannot write Parquet to standard output; name a file with --output-file");
        }
        return Ok(asked.unwrap_or(RowFormat::Table));
    };
    let shown = file.display();
    let stem = file.file_stem().map(Path::new).unwrap_or(file);
    let is_compressed = file.extension().is_some_and(|extension| {
        COMPRESSED_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    if is_compressed && format_of_name(stem).is_some() {
        bail!(
            "cannot write {shown} compressed; name it {}, or write with COPY ... OPTIONS \
             ('format.compression' 'gzip')",
            stem.display()
        );
    }
    match (asked, format_of_name(file)) {
        (Some(asked), Some(named)) if asked != named => bail!(
            "the extension of {shown} stands for {}, but --output (or PARTITA_OUTPUT) is {}; change one of them",
            name(named),
            name(asked)
        ),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        // A device or a pipe is read by somebody now.
        (None, None) if file.metadata().is_ok_and(|found| !found.is_file()) => Ok(RowFormat::Table),
        (None, None) => bail!(
            "cannot tell the format from the name {shown}; use the extension .parquet, .csv, .tsv, .json or .arrow, or \
             name the format with --output"
        ),
    }
}

/// A format as `--output` names it.
fn name(format: RowFormat) -> String {
    format.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}

/// Extensions of compressed files.
const COMPRESSED_EXTENSIONS: [&str; 4] = ["gz", "bz2", "xz", "zst"];

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The columns.
    pub(crate) schema: SchemaRef,
    /// Rows that came.
    pub(crate) rows: usize,
    /// Rows that a table shows.
    pub(crate) rows_shown: usize,
    /// Columns that a table shows.
    pub(crate) columns_shown: usize,
    /// Whether no more rows would have come.
    pub(crate) is_all: bool,
}

/// Where rows go.
enum Sink {
    Table { shown: Vec<RecordBatch>, room: usize },
    Csv(arrow::csv::Writer<Target>),
    Json(arrow::json::LineDelimitedWriter<Target>),
    Arrow(arrow::ipc::writer::StreamWriter<Target>),
    Parquet(ArrowWriter<Target>),
}

type Target = Box<dyn Write + Send>;

/// Writes rows as they come. A file appears under its name when it is complete.
pub(crate) struct Writer {
    format: RowFormat,
    file: Option<PathBuf>,
    /// What the file is until it is complete. It is removed if that does not come.
    draft: Option<TempPath>,
    max_rows: usize,
    /// The characters of a line that a table may have, if it is cut to them.
    width: Option<usize>,
    sink: Option<Sink>,
    schema: Option<SchemaRef>,
    rows: usize,
}

impl Writer {
    pub(crate) fn new(format: RowFormat, file: Option<&Path>, max_rows: usize) -> Result<Self> {
        if let Some(file) = file.filter(|file| file.is_dir()) {
            bail!("{} is a folder; name a file, or write a folder with COPY", file.display());
        }
        let file = file.map(Path::to_path_buf);
        let (draft, width, sink, schema) = (None, None, None, None);
        Ok(Writer { format, file, draft, max_rows, width, sink, schema, rows: 0 })
    }

    /// Cuts a table to this many characters a line, and leaves it to the caller to say what is not shown.
    pub(crate) fn within(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// Rows that have come.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    fn target(&mut self) -> Result<Target> {
        let Some(file) = &self.file else { return Ok(Box::new(BufWriter::new(std::io::stdout()))) };
        let opened = match draft::is_written_directly(file) {
            true => File::create(file),
            false => draft::begin(file, draft::MODE_USUAL).map(|begun| {
                let (opened, path) = begun.into_parts();
                self.draft = Some(path);
                opened
            }),
        };
        let opened = opened.with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Box::new(BufWriter::new(opened)))
    }

    /// Takes the columns.
    pub(crate) fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        self.schema = Some(schema.clone());
        self.sink = Some(match self.format {
            RowFormat::Table => Sink::Table { shown: Vec::new(), room: self.max_rows },
            RowFormat::Csv => {
                let is_tabbed = self.file.as_deref().and_then(Path::extension);
                let is_tabbed = is_tabbed.is_some_and(|it| it.eq_ignore_ascii_case("tsv"));
                let delimiter = if is_tabbed { b'\t' } else { b',' };
                let builder = arrow::csv::WriterBuilder::new().with_delimiter(delimiter);
                Sink::Csv(builder.build(self.target()?))
            }
            RowFormat::Json => {
                // All rows have all columns.
                let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                Sink::Json(builder.build(self.target()?))
            }
            RowFormat::Arrow => {
                Sink::Arrow(arrow::ipc::writer::StreamWriter::try_new(self.target()?, schema)?)
            }
            RowFormat::Parquet => {
                Sink::Parquet(ArrowWriter::try_new(self.target()?, schema.clone(), None)?)
            }
        });
        if let Some(Sink::Csv(writer)) = &mut self.sink
            && !schema.fields().is_empty()
        {
            // The header is there even if no row is.
            writer.write(&flat(&RecordBatch::new_empty(schema.clone()))?)?;
        }
        Ok(())
    }

    /// Takes rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.sink {
            Some(Sink::Table { shown, room }) if *room > 0 => {
                let taken = batch.num_rows().min(*room);
                shown.push(batch.slice(0, taken));
                *room -= taken;
            }
            Some(Sink::Table { .. }) => {}
            Some(Sink::Csv(writer)) => writer.write(&flat(batch)?)?,
            Some(Sink::Json(writer)) => writer.write(batch)?,
            Some(Sink::Arrow(writer)) => writer.write(batch)?,
            Some(Sink::Parquet(writer)) => writer.write(batch)?,
            None => {}
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Completes what was written.
    pub(crate) fn finish(&mut self) -> Result<Written> {
        let schema = self.schema.take().unwrap_or_else(|| Schema::empty().into());
        let rows = self.rows;
        let mut written = Written {
            rows,
            rows_shown: rows,
            columns_shown: schema.fields().len(),
            is_all: true,
            schema,
        };
        match self.sink.take() {
            Some(Sink::Table { shown, room }) => {
                written.rows_shown = self.max_rows - room;
                self.write_table(&shown, &mut written)?;
            }
            Some(Sink::Csv(writer)) => writer.into_inner().flush()?,
            Some(Sink::Json(mut writer)) => {
                writer.finish()?;
                writer.into_inner().flush()?;
            }
            Some(Sink::Arrow(mut writer)) => {
                writer.finish()?;
                writer.into_inner()?.flush()?;
            }
            Some(Sink::Parquet(writer)) => writer.into_inner()?.flush()?,
            None => return Ok(written),
        }
        if let (Some(file), Some(draft)) = (&self.file, self.draft.take()) {
            draft.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(written)
    }

    /// Writes the rows of a table that are shown.
    fn write_table(&mut self, shown: &[RecordBatch], written: &mut Written) -> Result<()> {
        let schema = &written.schema;
        if schema.fields().is_empty() && written.rows == 0 {
            return Ok(());
        }
        let text = match self.width.filter(|_| !are_plans(schema)) {
            Some(width) => {
                let narrow = narrow::table(schema, shown, width)?;
                written.columns_shown = narrow.columns;
                narrow.text
            }
            None => table(schema, shown)?,
        };
        let mut target = self.target()?;
        writeln!(target, "{text}")?;
        if self.width.is_none() && written.rows > written.rows_shown {
            let (some, all) = (written.rows_shown, written.rows);
            writeln!(target, "{some} of {all} rows shown (--max-rows)")?;
        }
        Ok(target.flush()?)
    }
}

/// Whether rows are plans, which are texts of several lines.
fn are_plans(schema: &SchemaRef) -> bool {
    schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

/// A table of rows; a plan is printed as it is.
fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    if are_plans(schema) {
        return plans(batches);
    }
    let options = arrow::util::display::FormatOptions::default().with_display_error(true);
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        let empty = [RecordBatch::new_empty(schema.clone())];
        return Ok(pretty_format_batches_with_options(&empty, &options)?.to_string());
    }
    Ok(pretty_format_batches_with_options(batches, &options)?.to_string())
}

fn plans(batches: &[RecordBatch]) -> Result<String> {
    let options = arrow::util::display::FormatOptions::default();
    let mut text = String::new();
    for batch in batches {
        let kinds = arrow::util::display::ArrayFormatter::try_new(batch.column(0), &options)?;
        let plans = arrow::util::display::ArrayFormatter::try_new(batch.column(1), &options)?;
        for row in 0..batch.num_rows() {
            let indented = plans.value(row).to_string().replace('\n', "\n  ");
            text.push_str(&format!("{}\n  {indented}\n", kinds.value(row)));
        }
    }
    Ok(text.trim_end().to_string())
}

/// Rows with lists and structs as text, which is all that CSV has for them.
fn flat(batch: &RecordBatch) -> Result<RecordBatch> {
    if !batch.schema().fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let options = FormatOptions::default();
    let column = |column: &ArrayRef| -> Result<ArrayRef> {
        if !column.data_type().is_nested() {
            return Ok(Arc::clone(column));
        }
        let texts = ArrayFormatter::try_new(column, &options)?;
        let text = |row| column.is_valid(row).then(|| texts.value(row).to_string());
        Ok(Arc::new((0..column.len()).map(text).collect::<StringArray>()))
    };
    let columns = batch.columns().iter().map(column).collect::<Result<Vec<_>>>()?;
    let schema = batch.schema();
    let fields = schema
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::Int64Type;

    /// The format follows the name of the file; what contradicts it or tells none is an error.
    #[test]
    fn formats_of_names() {
        let format = |asked, name: &str| row_format(asked, Some(Path::new(name)));
        for (name, expected) in [
            ("y.parquet", RowFormat::Parquet),
            ("Y.PQ", RowFormat::Parquet),
            ("a/y.csv", RowFormat::Csv),
            ("y.tsv", RowFormat::Csv),
            ("y.jsonl", RowFormat::Json),
            ("y.arrow", RowFormat::Arrow),
            ("/dev/null", RowFormat::Table),
        ] {
            assert_eq!(format(None, name).expect(name), expected, "{name}");
        }
        assert_eq!(format(Some(RowFormat::Csv), "part.new").expect("asked"), RowFormat::Csv);
        assert_eq!(row_format(None, None).expect("none"), RowFormat::Table);
        let error = |asked, name| format(asked, name).expect_err(name).to_string();
        assert!(error(Some(RowFormat::Csv), "y.parquet").contains("is csv; change one of them"));
        assert!(error(None, "y.dat").contains("cannot tell the format"));
        assert!(error(None, "y").contains("cannot tell the format"));
        assert!(error(None, "y.csv.gz").contains("name it y.csv"));
        assert!(row_format(Some(RowFormat::Parquet), None).is_err());
    }

    /// Lists are text in CSV, and each row of JSON has all columns.
    #[test]
    fn nulls_and_lists_are_written() {
        let lists = vec![Some(vec![Some(1), None]), None];
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
        let numbers = Int64Array::from(vec![None, Some(2)]);
        let columns: [(&str, ArrayRef); 2] = [("l", Arc::new(lists)), ("n", Arc::new(numbers))];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let folder = tempfile::tempdir().expect("a folder");
        let written = |format| {
            let file = folder.path().join("y");
            let mut writer = Writer::new(format, Some(&file), 0).expect("a writer");
            writer.begin(&batch.schema()).expect("columns");
            writer.write(&batch).expect("rows");
            writer.finish().expect("an end");
            std::fs::read_to_string(file).expect("a file")
        };
        assert_eq!(written(RowFormat::Csv), "l,n\n\"[1, ]\",\n,2\n");
        assert_eq!(written(RowFormat::Json), "{\"l\":[1,null],\"n\":null}\n{\"l\":null,\"n\":2}\n");
    }
}
