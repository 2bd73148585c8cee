//! External tables of CSV files.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::Result;
use datafusion::config::ConfigFileType;
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::logical_expr::CreateExternalTable;

use super::blocking;
use super::csv::{self, Dialect};
use super::listing::Listing;
use super::location::Location;
use super::remote::StorageOptions;
use super::source::Source;

/// Makes external tables of CSV files as DataFusion does, which reads their columns by position: files whose
/// headers have the columns in another order are refused.
#[derive(Debug, Default)]
pub(super) struct CsvTableFactory(ListingTableFactory);

#[async_trait]
impl TableProviderFactory for CsvTableFactory {
    async fn create(
        &self,
        state: &dyn Session,
        command: &CreateExternalTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let table = self.0.create(state, command).await?;
        let mut options = state.default_table_options();
        options.set_config_format(ConfigFileType::CSV);
        options.alter_with_string_hash_map(&command.options)?;
        let has_header = state.config_options().catalog.has_header;
        let mut dialect = Dialect::of_options(&options.csv, has_header, false);
        dialect.delimiter = Some(options.csv.delimiter);
        if let Some(files) = files(state, command, &dialect).await? {
            csv::check_order(&command.name.to_string(), files, dialect).await?;
        }
        Ok(table)
    }
}

/// The files of a table, as far as they are found here: what cannot be read is found out by who reads it.
async fn files(
    state: &dyn Session,
    command: &CreateExternalTable,
    dialect: &Dialect,
) -> Result<Option<Vec<super::listing::DataFile>>> {
    let (paths, name) = (command.locations.clone(), command.name.to_string());
    let runtime = Arc::clone(state.runtime_env());
    let csv = Some(dialect.clone());
    blocking(move || {
        let mut locations = Vec::with_capacity(paths.len());
        for path in &paths {
            match Location::find(Path::new("/"), path, &StorageOptions::default(), &runtime) {
                Ok(Some(location)) => locations.push(location),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        let (path_column, key_types) = (None, Default::default());
        let source = Source { name, locations, csv, path_column, key_types };
        Ok(Listing::of(&source).ok().map(|(listing, _)| listing.files))
    })
    .await
}
