//! Writing: where each attempt writes, and what makes the files visible.
//!
//! `COPY (query) TO 'folder'` becomes two groups. The tasks of the first write below a staging
//! folder beside the target, each attempt in a folder of its own; the one task of the second moves
//! the files of the attempts that counted to their places. Nothing is visible before all is
//! complete, and what is left after a failure is one folder to remove.

use datafusion::datasource::file_format::csv::CsvSink;
use datafusion::datasource::file_format::json::JsonSink;
use datafusion::datasource::file_format::parquet::ParquetSink;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::physical_plan::{FileOutputMode, FileSink, FileSinkConfig};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::{DataFusionError, Result};
use std::sync::Arc;

/// The suffix of staging folders: `<target>.partita-<job>`, hidden by a leading dot.
pub const STAGING_MARK: &str = ".partita-";

/// The folder or file that a sink would write.
///
/// # Errors
/// If the sink does not write local files.
pub fn target(exec: &DataSinkExec) -> Result<std::path::PathBuf> {
    let config = config(exec.sink())?;
    let url = config.table_paths.first().ok_or_else(|| not_local(&config.original_url))?;
    let text: &url::Url = url.as_ref();
    let path = text.to_file_path().map_err(|()| not_local(text.as_str()))?;
    // Without the slash at the end of a folder's name: with it the system finds no file there.
    Ok(path.components().collect())
}

/// Whether the target of a sink is one file rather than a folder.
///
/// # Errors
/// If the sink does not write local files.
pub fn is_single_file(exec: &DataSinkExec) -> Result<bool> {
    let config = config(exec.sink())?;
    let collection = config.table_paths.first().is_some_and(ListingTableUrl::is_collection);
    Ok(match config.file_output_mode {
        FileOutputMode::SingleFile => true,
        FileOutputMode::Directory => false,
        FileOutputMode::Automatic => {
            !collection && config.table_partition_cols.is_empty() && has_extension(config)
        }
    })
}

fn has_extension(config: &FileSinkConfig) -> bool {
    let path = std::path::Path::new(&config.original_url);
    path.extension().is_some() && !config.original_url.ends_with('/')
}

/// The same sink, writing into a folder of its own.
///
/// # Errors
/// If the sink does not write local files.
pub fn redirected(sink: &dyn DataSink, folder: &std::path::Path) -> Result<Arc<dyn DataSink>> {
    let mut config = config(sink)?.clone();
    let text = format!("{}/", folder.display());
    let url = url::Url::from_directory_path(folder).map_err(|()| not_local(&text))?;
    config.table_paths = vec![ListingTableUrl::parse(url.as_str())?];
    config.original_url = text;
    config.file_output_mode = FileOutputMode::Directory;
    if let Some(sink) = sink.downcast_ref::<ParquetSink>() {
        return Ok(Arc::new(ParquetSink::new(config, sink.parquet_options().clone())));
    }
    if let Some(sink) = sink.downcast_ref::<CsvSink>() {
        return Ok(Arc::new(CsvSink::new(config, sink.writer_options().clone())));
    }
    if let Some(sink) = sink.downcast_ref::<JsonSink>() {
        return Ok(Arc::new(JsonSink::new(config, sink.writer_options().clone())));
    }
    Err(DataFusionError::NotImplemented("this table cannot be written to".to_string()))
}

fn config(sink: &dyn DataSink) -> Result<&FileSinkConfig> {
    if let Some(sink) = sink.downcast_ref::<ParquetSink>() {
        return Ok(sink.config());
    }
    if let Some(sink) = sink.downcast_ref::<CsvSink>() {
        return Ok(sink.config());
    }
    if let Some(sink) = sink.downcast_ref::<JsonSink>() {
        return Ok(sink.config());
    }
    Err(DataFusionError::NotImplemented(
        "only files can be written: use COPY (query) TO 'folder' STORED AS PARQUET, CSV or JSON"
            .to_string(),
    ))
}

fn not_local(url: &str) -> DataFusionError {
    DataFusionError::Plan(format!("`{url}` is not a local path: only local files can be written"))
}
