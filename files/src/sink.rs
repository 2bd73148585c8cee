//! Writing: where each attempt writes, and what makes the files visible.
//!
//! `COPY (query) TO 'folder'` becomes two stages. The tasks of the first write below a staging
//! folder beside the target, each attempt in a folder of its own; the one task of the second moves
//! the files of the attempts that counted to their places. Nothing is visible before the output is
//! complete, and a failure leaves only one folder to remove.

use datafusion::arrow::datatypes::DataType;
use datafusion::config::MaxRowGroupBytes;
use datafusion::datasource::file_format::csv::CsvSink;
use datafusion::datasource::file_format::json::JsonSink;
use datafusion::datasource::file_format::parquet::ParquetSink;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::physical_plan::{FileOutputMode, FileSink, FileSinkConfig};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, IsNullExpr, lit,
};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use std::sync::Arc;

/// The suffix of staging folders: `<target>.partita-<job>`, hidden by a leading dot.
pub const STAGING_MARK: &str = ".partita-";

/// Where a row group may have this many bytes, its number of rows bounds it.
const ROW_GROUP_BYTES_BOUNDED_MAX: usize = 256 << 20;
/// What a writer of Parquet takes for the dictionary of a column before the first row, in bytes: a hash table of 4,096 entries,
/// its values and their numbers. It is not counted while it is made.
const DICTIONARY_BYTES: usize = 80 << 10;
/// The folder, in that of an attempt, of a file without rows. It counts if no attempt wrote rows, since an
/// empty result has columns too.
pub const EMPTY_FOLDER: &str = "empty";

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
    writing_into(sink, folder, config(sink)?.clone())
}

/// The same sink, writing into a folder of its own, without folders for keys: one that can write a file
/// without rows.
///
/// # Errors
/// If the sink does not write local files.
pub fn without_keys(sink: &dyn DataSink, folder: &std::path::Path) -> Result<Arc<dyn DataSink>> {
    let config = FileSinkConfig { table_partition_cols: Vec::new(), ..config(sink)?.clone() };
    writing_into(sink, folder, config)
}

fn writing_into(
    sink: &dyn DataSink,
    folder: &std::path::Path,
    mut config: FileSinkConfig,
) -> Result<Arc<dyn DataSink>> {
    let text = format!("{}/", folder.display());
    let url = url::Url::from_directory_path(folder).map_err(|()| not_local(&text))?;
    config.table_paths = vec![ListingTableUrl::parse(url.as_str())?];
    config.original_url = text;
    config.file_output_mode = FileOutputMode::Directory;
    with_config(sink, config)
}

/// The text of a key that is missing. Folders are named so below a staging folder only.
pub const MISSING_KEY: &str = "N";

/// What the text of a key that is not missing begins with. DataFusion names folders after keys as if none
/// were missing; with the mark they can be told apart until the commit gives them their names.
pub const KEY_MARK: &str = "V";

/// Rows whose keys are texts that tell whether they are missing, and a sink for them. A sink that writes no
/// folders for keys, and its rows, stay what they are.
///
/// # Errors
/// If the sink does not write local files, or would write keys into them too.
pub fn with_text_keys(
    rows: Arc<dyn ExecutionPlan>,
    sink: Arc<dyn DataSink>,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<dyn DataSink>)> {
    let mut config = config(sink.as_ref())?.clone();
    if config.table_partition_cols.is_empty() {
        return Ok((rows, sink));
    }
    if config.keep_partition_by_columns {
        let text = "writing partition columns into the files as well (keep_partition_by_columns) is not supported";
        return Err(DataFusionError::NotImplemented(text.to_string()));
    }
    let keys = &mut config.table_partition_cols;
    keys.iter_mut().for_each(|(_, kind)| *kind = DataType::Utf8);
    let schema = rows.schema();
    let columns = schema.fields().iter().enumerate().map(|(at, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        let is_key = keys.iter().any(|(key, _)| key == field.name());
        let value = if is_key { text_key(column)? } else { column };
        Ok(ProjectionExpr::new(value, field.name().clone()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let rows: Arc<dyn ExecutionPlan> = Arc::new(ProjectionExec::try_new(columns, rows)?);
    config.output_schema = rows.schema();
    Ok((rows, with_config(sink.as_ref(), config)?))
}

fn text_key(column: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let is_missing: Arc<dyn PhysicalExpr> = Arc::new(IsNullExpr::new(Arc::clone(&column)));
    let text = Arc::new(CastExpr::new(column, DataType::Utf8, None));
    let marked = Arc::new(BinaryExpr::new(lit(KEY_MARK), Operator::StringConcat, text));
    let cases = vec![(is_missing, lit(MISSING_KEY))];
    Ok(Arc::new(CaseExpr::try_new(None, cases, Some(marked))?))
}

/// The same sink with another configuration.
fn with_config(sink: &dyn DataSink, config: FileSinkConfig) -> Result<Arc<dyn DataSink>> {
    if let Some(sink) = sink.downcast_ref::<ParquetSink>() {
        return Ok(Arc::new(ParquetSink::new(config, sink.parquet_options().clone())));
    }
    if let Some(sink) = sink.downcast_ref::<CsvSink>() {
        return Ok(Arc::new(CsvSink::new(config, sink.writer_options().clone())));
    }
    if let Some(sink) = sink.downcast_ref::<JsonSink>() {
        return Ok(Arc::new(JsonSink::new(config, sink.writer_options().clone())));
    }
    Err(DataFusionError::NotImplemented("writing to this table is not supported".to_string()))
}

/// The columns by whose values the files of a sink are partitioned.
///
/// # Errors
/// If the sink does not write local files.
pub fn partitioned_by(exec: &DataSinkExec) -> Result<Vec<String>> {
    let columns = config(exec.sink())?.table_partition_cols.iter();
    Ok(columns.map(|(name, _)| name.clone()).collect())
}

/// The same sink, which buffers at most `row_group_bytes` bytes of a file before it writes them: a
/// row group of Parquet is kept as a whole. A large bound is not needed: such a sink stays as it
/// is. Where the dictionaries of all columns would take more, there are none.
///
/// # Errors
/// If there is no room for a row group.
pub fn bounded(sink: Arc<dyn DataSink>, row_group_bytes: usize) -> Result<Arc<dyn DataSink>> {
    let Some(parquet) = sink.downcast_ref::<ParquetSink>() else { return Ok(sink) };
    let fields = parquet.config().output_schema().flattened_fields();
    let columns = fields.iter().filter(|field| !field.data_type().is_nested()).count();
    let is_wide = columns * DICTIONARY_BYTES > row_group_bytes;
    if row_group_bytes >= ROW_GROUP_BYTES_BOUNDED_MAX && !is_wide {
        return Ok(sink);
    }
    let mut options = parquet.parquet_options().clone();
    if is_wide {
        options.global.dictionary_enabled = Some(false);
    }
    // Only the writer that has one thread heeds the bound.
    options.global.allow_single_file_parallelism = false;
    options.global.max_row_group_bytes = Some(MaxRowGroupBytes::try_new(row_group_bytes)?);
    Ok(Arc::new(ParquetSink::new(parquet.config().clone(), options)))
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
        "only files can be written; use COPY (query) TO 'folder' STORED AS PARQUET, CSV or JSON"
            .to_string(),
    ))
}

fn not_local(url: &str) -> DataFusionError {
    DataFusionError::Plan(format!("`{url}` is not a local path; only local files can be written"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;

    /// Dictionaries are made unless those of all columns would take more than a row group.
    #[tokio::test]
    async fn wide_files_have_no_dictionaries() {
        let folder = tempfile::tempdir().unwrap();
        let context = SessionContext::new();
        for (columns, row_group_bytes, expected) in
            [(3, 1 << 20, Some(true)), (30, 1 << 20, Some(false)), (30, 1 << 30, Some(true))]
        {
            let list = (0..columns).map(|at| format!("1 as c{at}")).collect::<Vec<_>>().join(", ");
            let sql = format!("copy (select {list}) to '{}/t.parquet'", folder.path().display());
            let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
            let exec = plan.downcast_ref::<DataSinkExec>().unwrap();
            let sink = redirected(exec.sink(), folder.path()).unwrap();
            let sink = bounded(sink, row_group_bytes).unwrap();
            let sink = sink.downcast_ref::<ParquetSink>().unwrap();
            let found = sink.parquet_options().global.dictionary_enabled;
            assert_eq!(found, expected, "{columns} {row_group_bytes}");
        }
    }
}
