//! Scans of Parquet files with readers of another kind.

use crate::Plan;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use std::sync::Arc;

/// A scan of Parquet files with the readers that `around` puts around those that it has.
///
/// # Errors
/// If the runtime knows no store for the files.
pub fn with_readers<F: ParquetFileReaderFactory>(
    config: &FileScanConfig,
    source: &ParquetSource,
    runtime: &RuntimeEnv,
    around: impl FnOnce(Arc<dyn ParquetFileReaderFactory>) -> F,
) -> Result<Plan> {
    let inner = match source.parquet_file_reader_factory() {
        Some(inner) => Arc::clone(inner),
        None => {
            let store = runtime.object_store(&config.object_store_url)?;
            Arc::new(DefaultParquetFileReaderFactory::new(store))
        }
    };
    let source = source.clone().with_parquet_file_reader_factory(Arc::new(around(inner)));
    let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
    Ok(DataSourceExec::from_data_source(config))
}
