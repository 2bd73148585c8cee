//! Opening CSV files, in whole or in pieces.

use datafusion::common::DataFusionError;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use super::super::plan_error;
use super::super::remote::{Input, StoredFile};
use super::dialect::Dialect;
use super::error::Problem;
use super::input;
use super::records::Records;

/// Opens a file and gives its records after what comes before the header.
pub(super) fn open(file: &StoredFile, dialect: &Dialect) -> Result<Records, DataFusionError> {
    let compression = dialect.compression.as_deref().unwrap_or_default();
    let compression: CompressionTypeVariant = match compression {
        "" => CompressionTypeVariant::UNCOMPRESSED,
        name => name.parse().map_err(|_| plan_error(format!("unknown compression '{name}'")))?,
    };
    let plain = FileCompressionType::from(compression).convert_read(opened(file, None)?)?;
    let text =
        input::records(plain, dialect).map_err(|error| Problem::from(error).of(file.shown()))?;
    let delimiter = dialect.delimiter.unwrap_or(b',');
    Ok(Records::new(text, dialect, delimiter))
}

/// Opens a file for reading its head: the first of its pieces, or all of it.
pub(super) fn open_head(
    file: &StoredFile,
    range: Option<(u64, u64)>,
    dialect: &Dialect,
) -> Result<Records, DataFusionError> {
    match range {
        Some((0, end)) => open_piece(file, 0, end, dialect),
        _ => open(file, dialect),
    }
}

/// Opens the piece of a file between these bytes.
pub(super) fn open_piece(
    file: &StoredFile,
    start: u64,
    end: u64,
    dialect: &Dialect,
) -> Result<Records, DataFusionError> {
    let (input, delimiter) = (opened(file, Some(end))?, dialect.delimiter.unwrap_or(b','));
    let records = Records::of_piece(input, dialect, delimiter, start, end);
    records.map_err(|problem| problem.of(file.shown()))
}

fn opened(file: &StoredFile, end: Option<u64>) -> Result<Box<dyn Input>, DataFusionError> {
    file.open(end).map_err(|error| Problem::from(error).of(file.shown()))
}
