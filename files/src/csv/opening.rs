//! Opening CSV files, in whole or in pieces.

use std::fs::File;

use datafusion::common::DataFusionError;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use super::super::plan_error;
use super::dialect::Dialect;
use super::error::Problem;
use super::input;
use super::records::Records;

/// Opens a file and gives its records after what comes before the header.
pub(super) fn open(path: &str, file: File, dialect: &Dialect) -> Result<Records, DataFusionError> {
    let compression = dialect.compression.as_deref().unwrap_or_default();
    let compression: CompressionTypeVariant = match compression {
        "" => CompressionTypeVariant::UNCOMPRESSED,
        name => name.parse().map_err(|_| plan_error(format!("unknown compression '{name}'")))?,
    };
    let plain = FileCompressionType::from(compression).convert_read(file)?;
    let text = input::records(plain, dialect).map_err(|error| Problem::from(error).of(path))?;
    let delimiter = dialect.delimiter.unwrap_or(b',');
    Ok(Records::new(text, dialect, delimiter))
}

/// Opens a file for reading its head: the first of its pieces, or all of it.
pub(super) fn open_head(
    path: &str,
    range: Option<(u64, u64)>,
    dialect: &Dialect,
) -> Result<Records, DataFusionError> {
    match range {
        Some((0, end)) => open_piece(path, 0, end, dialect),
        _ => open(path, open_file(path)?, dialect),
    }
}

/// Opens the piece of a file between these bytes.
pub(super) fn open_piece(
    path: &str,
    start: u64,
    end: u64,
    dialect: &Dialect,
) -> Result<Records, DataFusionError> {
    let (file, delimiter) = (open_file(path)?, dialect.delimiter.unwrap_or(b','));
    let records = Records::of_piece(file, dialect, delimiter, start, end);
    records.map_err(|problem| problem.of(path))
}

fn open_file(path: &str) -> Result<File, DataFusionError> {
    File::open(path).map_err(|error| Problem::from(error).of(path))
}
