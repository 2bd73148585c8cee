//! Tables that are files, named by path in the query itself.
//!
//! `select * from 'flights.csv'` reads a file, `'data/'` a folder, `'data/2024-*.parquet'` a
//! pattern. [`enable`] gives a [`SessionContext`] a catalog that resolves such names; [`open`]
//! does it for one name.
//!
//! # What a name can be
//!
//! - A file: Parquet (`.parquet`, `.pq`), CSV (`.csv`, `.tsv` with tabs), newline-delimited JSON
//!   (`.json`, `.ndjson`, `.jsonl`), Arrow IPC as file or stream (`.arrow`, `.ipc`, `.feather`).
//!   CSV and JSON may be compressed (`.gz`, `.bz2`, `.xz`, `.zst` after the extension).
//! - A folder: every file below it that has one of these extensions. All must be of one kind.
//!   Names that begin with `.` or `_` are not data, and neither are files of other extensions.
//! - A pattern with `*`, `?`, `[a-z]`, `[!a-z]` inside a path segment and `**` for any number of
//!   folders. A folder that matches the whole pattern counts with all that is below it. A path
//!   that exists as it is written is never taken for a pattern.
//!
//! Names are relative to the client's directory; `~/` is the home directory and `file://` addresses
//! are understood. A name that is not a path is left to DataFusion.
//!
//! # Partition folders
//!
//! Folders named `key=value` below the named folder, or from the first segment of a pattern that
//! has a wildcard, are columns: integers if every value is one, else strings.
//! `__HIVE_DEFAULT_PARTITION__` is null. Every file must have the same keys. A column of that
//! name inside the files takes precedence.
//!
//! # Columns
//!
//! Parquet: the union of the files' columns. Arrow: all files must agree. CSV: the first line is
//! the header (`datafusion.catalog.has_header`); every file must have the same columns, in any
//! order. JSON: the union of the files' fields. The types of CSV and JSON columns come from all
//! values if the files are not large, else from a sample; a value that does not fit the sample
//! triggers a full scan of the files ([`TypesTable`]).
//!
//! Missing values in CSV: an empty field is null, as everywhere in DataFusion. Words such as `NA`
//! and `null` are null in every column that is not text. Columns of text keep them: `NA` may be
//! Namibia.

mod compressed;
mod csv;
mod error;
mod external;
mod footers;
mod format;
mod hive;
mod infer;
mod json;
mod listing;
mod location;
mod pattern;
pub mod prune;
mod remote;
pub mod sink;
mod source;
pub mod statistics;
mod table;
mod whole;
mod widen;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::catalog::{DynamicFileCatalog, Session, TableProvider, UrlTableFactory};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;

pub use compressed::{CompressedScan, FileForm};
pub use csv::{CsvError, Dialect};
pub use error::FileProblem;
use external::CsvTableFactory;
pub use format::{WrittenForm, other_reader, written_form};
pub use hive::folder_of_key;
pub use json::JsonError;
use listing::Listing;
pub use location::{absolute_locations, is_path};
pub use remote::{Stores, changed_file, file_name};
use source::Source;
pub use source::{FileRequest, REQUEST_PREFIX};
pub use table::{FileTable, LISTING_LIFETIME, ScanCheck};
pub use whole::{Change, FileOptions, Learned, TypesTable};

/// Resolves the names of files for one session: which directory they are relative to.
///
/// Shared between the session's catalog and whoever learns the client's directory.
pub struct FileTables {
    directory: RwLock<PathBuf>,
    /// DataFusion's own factory, of which only the weak reference to the session is used: its
    /// type cannot be named from outside DataFusion. `None` until [`enable`].
    session: RwLock<Option<DynamicListTableFactory>>,
}

impl FileTables {
    /// Names are relative to this process's working directory until [`Self::set_directory`].
    #[must_use]
    pub fn new() -> Self {
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self { directory: RwLock::new(directory), session: RwLock::new(None) }
    }

    /// Sets the directory, an absolute path, that relative names start from.
    pub fn set_directory(&self, dir: PathBuf) {
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = dir;
    }

    /// The directory that relative names start from.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> Result<SessionState> {
        self.session
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .and_then(|factory| factory.session_store().get_session().upgrade())
            .and_then(|session| session.read().as_any().downcast_ref::<SessionState>().cloned())
            .ok_or_else(|| {
                DataFusionError::Internal("no session is bound to these file tables".to_owned())
            })
    }
}

impl Default for FileTables {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FileTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTables").field("directory", &self.directory()).finish_non_exhaustive()
    }
}

#[async_trait]
impl UrlTableFactory for FileTables {
    async fn try_new(&self, url: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if REGISTERED_ONLY.try_with(|()| ()).is_ok() {
            return Ok(None);
        }
        open(&self.state()?, &self.directory(), url).await
    }
}

/// Makes the catalogs of a session resolve names of files.
///
/// A table that is registered under a name wins over a file of that name. `tables` serves one
/// session: enabled for another one, it forgets the first.
#[must_use]
pub fn enable(context: SessionContext, tables: Arc<FileTables>) -> SessionContext {
    let catalogs = Arc::clone(context.state_ref().read().catalog_list());
    let factory: Arc<dyn UrlTableFactory> = Arc::<FileTables>::clone(&tables);
    let catalogs = Arc::new(DynamicFileCatalog::new(catalogs, factory));
    let id = context.session_id();
    let context: SessionContext = context
        .into_state_builder()
        .with_session_id(id)
        .with_catalog_list(catalogs)
        .with_table_factory("CSV".to_owned(), Arc::new(CsvTableFactory::default()))
        .build()
        .into();
    let holder = DynamicListTableFactory::default();
    holder.session_store().with_state(context.state_weak_ref());
    *tables.session.write().unwrap_or_else(PoisonError::into_inner) = Some(holder);
    context
}

tokio::task_local! {
    /// Set while names do not stand for files.
    static REGISTERED_ONLY: ();
}

/// Runs `work` with names standing for registered tables only.
///
/// A statement such as `create view flights as select * from 'flights/'` is to be executed, once
/// it is planned, within this: DataFusion first looks whether there is a table `flights`, would
/// find the folder of that name and refuse. Nothing that is planned already needs names.
pub async fn registered_only<F: Future>(work: F) -> F::Output {
    REGISTERED_ONLY.scope((), work).await
}

/// Opens the files that `name` refers to, relative to `directory`; `None` if it is not a path.
///
/// # Errors
/// If `name` looks like a path (it has a `/`, a wildcard or a known extension, or exists) but
/// nothing is there, it cannot be read, or it is not data that can be read as one table.
pub async fn open(
    state: &dyn Session,
    directory: &Path,
    name: &str,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let (directory, name) = (directory.to_owned(), name.to_owned());
    let runtime = Arc::clone(state.runtime_env());
    let found = blocking(move || {
        let Some(source) = Source::find(&directory, &name, &runtime)? else { return Ok(None) };
        // A plain word is only a folder's name if that folder is data.
        if !source.is_explicit() && !Listing::has_files(&source)? {
            return Ok(None);
        }
        let listing = Listing::of(&source)?;
        Ok(Some((source, listing)))
    })
    .await?;
    match found {
        Some((source, (listing, kind))) => {
            table::open(state, source, listing, kind).await.map(Some)
        }
        None => Ok(None),
    }
}

/// Runs file system calls where they do not hold up the async runtime.
async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|err| DataFusionError::ExecutionJoin(Box::new(err)))?
}

/// An error in what the query asks for.
fn plan_error(message: impl Into<String>) -> DataFusionError {
    DataFusionError::Plan(message.into())
}

/// A file or folder that is there but cannot be read.
fn cannot_read(path: &Path, err: &std::io::Error) -> DataFusionError {
    FileProblem::error(err.kind(), format!("cannot read '{}': {err}", path.display()))
}
