//! What a name in a query asks for: one path, or several with what is to be known of their files.

use std::collections::BTreeMap;
use std::path::Path;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use serde::{Deserialize, Serialize};

use super::csv::Dialect;
use super::location::{Location, Place};
use super::plan_error;
use super::remote::StorageOptions;

/// How a name begins that is a [`FileRequest`] as JSON.
pub const REQUEST_PREFIX: &str = "partita-files:";

/// Most paths of one table, as for the files of one folder.
const PATHS_MAX: usize = 100_000;

/// Paths that a table is called by in messages.
const NAMED_PATHS_MAX: usize = 3;

/// Several paths as one table, and how their files are read. As JSON after [`REQUEST_PREFIX`] it stands for
/// a table, as a path does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileRequest {
    /// Files, folders and patterns.
    pub paths: Vec<String>,
    /// How CSV files are written; the files are CSV then, whatever their extension.
    pub csv: Option<Dialect>,
    /// A column with the path of each row's file.
    pub path_column: Option<String>,
    /// The types of columns that come from names of folders, by the names that Arrow has for types.
    pub key_types: BTreeMap<String, String>,
    /// How the store of the files is reached.
    pub storage: BTreeMap<String, String>,
}

impl FileRequest {
    /// What a name that stands for a request is called in messages and plans; none for other names.
    #[must_use]
    pub fn shown(name: &str) -> Option<String> {
        let request: Self = serde_json::from_str(name.strip_prefix(REQUEST_PREFIX)?).ok()?;
        Some(request.name())
    }

    fn name(&self) -> String {
        let first: Vec<&str> =
            self.paths.iter().take(NAMED_PATHS_MAX).map(String::as_str).collect();
        let name = first.join("', '");
        match self.paths.len().checked_sub(NAMED_PATHS_MAX) {
            None | Some(0) => name,
            Some(others) => format!("{name}' and {others} others '"),
        }
    }
}

/// The places that a name stands for, and how their files are read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What messages call it.
    pub(super) name: String,
    pub(super) locations: Vec<Location>,
    pub(super) csv: Option<Dialect>,
    pub(super) path_column: Option<String>,
    pub(super) key_types: BTreeMap<String, DataType>,
}

impl Source {
    /// Finds the file or folder that `name` refers to; `None` if it is not a path.
    ///
    /// # Errors
    /// If there is nothing, or the files are in several stores.
    pub(super) fn find(directory: &Path, name: &str, runtime: &RuntimeEnv) -> Result<Option<Self>> {
        let Some(text) = name.strip_prefix(REQUEST_PREFIX) else {
            let options = StorageOptions::default();
            let found = Location::find(directory, name, &options, runtime)?;
            let Some(location) = found else { return Ok(None) };
            let name = name.to_owned();
            return Ok(Some(Self {
                name,
                locations: vec![location],
                csv: None,
                path_column: None,
                key_types: BTreeMap::new(),
            }));
        };
        let request: FileRequest = serde_json::from_str(text)
            .map_err(|error| plan_error(format!("invalid request for files: {error}")))?;
        let count = request.paths.len();
        if count == 0 || count > PATHS_MAX {
            return Err(plan_error(format!(
                "invalid number of paths {count}: expected 1 to {PATHS_MAX}"
            )));
        }
        let options = StorageOptions::new(request.storage.clone())?;
        let locations = request.paths.iter().map(|path| {
            Location::find(directory, path, &options, runtime)?
                .ok_or_else(|| plan_error(format!("no such file or folder: '{path}'")))
        });
        let locations = locations.collect::<Result<Vec<_>>>()?;
        if let Some(other) = locations.iter().find(|one| one.store() != locations[0].store()) {
            return Err(plan_error(format!(
                "'{}' and '{}' are in different stores; read them one after the other and concatenate the tables",
                locations[0].name, other.name
            )));
        }
        let name = request.name();
        let key_types = request.key_types.iter().map(|(key, text)| {
            let kind = text
                .parse()
                .map_err(|error: ArrowError| plan_error(format!("column '{key}': {error}")));
            kind.map(|kind: DataType| (key.clone(), kind))
        });
        let key_types = key_types.collect::<Result<_>>()?;
        let FileRequest { csv, path_column, .. } = request;
        Ok(Some(Self { name, locations, csv, path_column, key_types }))
    }

    /// The address of the store that has the files.
    pub(super) fn store(&self) -> ObjectStoreUrl {
        self.locations.first().map_or_else(ObjectStoreUrl::local_filesystem, Location::store)
    }

    /// Whether the name cannot be anything but a path.
    pub(super) fn is_explicit(&self) -> bool {
        self.locations.len() != 1 || self.locations.iter().all(Location::is_explicit)
    }

    /// Whether there are or will be more files than one.
    pub(super) fn grows(&self) -> bool {
        self.locations.len() != 1
            || self.locations.iter().any(|location| location.place != Place::File)
    }
}
