//! Rows, in the format that was asked for.

use crate::args::RowFormat;
use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches_with_options;
use datafusion::parquet::arrow::ArrowWriter;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where rows go.
enum Sink {
    Table { shown: Vec<RecordBatch>, rows: usize, max_rows: usize },
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
    max_rows: usize,
    sink: Option<Sink>,
    schema: Option<SchemaRef>,
}

impl Writer {
    pub(crate) fn new(format: RowFormat, file: Option<&Path>, max_rows: usize) -> Result<Self> {
        if let Some(file) = file.filter(|file| file.is_dir()) {
            anyhow::bail!(
                "{} is a folder: name a file, or write a folder with COPY",
                file.display()
            );
        }
        let file = file.map(Path::to_path_buf);
        Ok(Writer { format, file, max_rows, sink: None, schema: None })
    }

    /// Where a file is written before it is complete. Pipes and devices are written as they are.
    fn draft(file: &Path) -> PathBuf {
        if file.metadata().is_ok_and(|found| !found.is_file()) {
            return file.to_path_buf();
        }
        let mut name = file.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".partita-{}", std::process::id()));
        file.with_file_name(name)
    }

    fn target(&self) -> Result<Target> {
        Ok(match &self.file {
            Some(file) => {
                let draft = Self::draft(file);
                let opened = File::create(&draft);
                Box::new(BufWriter::new(
                    opened.with_context(|| format!("cannot write {}", file.display()))?,
                ))
            }
            None => Box::new(BufWriter::new(std::io::stdout())),
        })
    }

    /// Takes the columns.
    pub(crate) fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        self.schema = Some(schema.clone());
        self.sink = Some(match self.format {
            RowFormat::Table => Sink::Table { shown: Vec::new(), rows: 0, max_rows: self.max_rows },
            RowFormat::Csv => Sink::Csv(arrow::csv::Writer::new(self.target()?)),
            RowFormat::Json => Sink::Json(arrow::json::LineDelimitedWriter::new(self.target()?)),
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
            writer.write(&RecordBatch::new_empty(schema.clone()))?;
        }
        Ok(())
    }

    /// Takes rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.sink {
            Some(Sink::Table { shown, rows, max_rows }) => {
                let room = max_rows.saturating_sub(*rows);
                if room > 0 {
                    shown.push(batch.slice(0, room.min(batch.num_rows())));
                }
                *rows += batch.num_rows();
            }
            Some(Sink::Csv(writer)) => writer.write(batch)?,
            Some(Sink::Json(writer)) => writer.write(batch)?,
            Some(Sink::Arrow(writer)) => writer.write(batch)?,
            Some(Sink::Parquet(writer)) => writer.write(batch)?,
            None => {}
        }
        Ok(())
    }

    /// Completes what was written.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let schema = self.schema.take().unwrap_or_else(|| Schema::empty().into());
        match self.sink.take() {
            Some(Sink::Table { shown, rows, max_rows }) => {
                if schema.fields().is_empty() && rows == 0 {
                    return Ok(());
                }
                let text = table(&schema, &shown)?;
                let mut target = self.target()?;
                writeln!(target, "{text}")?;
                if rows > max_rows {
                    writeln!(target, "{max_rows} of {rows} rows are shown (--max-rows)")?;
                }
                target.flush()?;
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
            None => return Ok(()),
        }
        if let Some(file) = self.file.take() {
            let draft = Self::draft(&file);
            if draft != file {
                std::fs::rename(draft, &file)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Not finished: what was begun is of no use to anyone.
        if let Some(file) = self.file.take() {
            let draft = Self::draft(&file);
            if draft != file {
                let _ = std::fs::remove_file(draft);
            }
        }
    }
}

/// A table of rows; a plan, which is text of several lines, is printed as it is.
fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    if names == ["plan_type", "plan"] {
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
