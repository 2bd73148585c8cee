//! Files that are not in a file system: in object stores (S3, Google, Azure) and on web servers.
//!
//! A name such as `s3://bucket/folder/*.parquet` is an [`Address`](address::Address). The store behind it is opened
//! by the [`Stores`] of each process from the address alone: the options that a user gave (credentials, an endpoint)
//! are in the user name of the store's address, which goes to the workers with their tasks. Readers that read files
//! from beginning to end, as those of CSV and JSON do, read [`ahead`](reading).

mod address;
mod listing;
mod options;
mod profile;
mod reading;
mod stores;

pub(crate) use listing::Remote;
pub(crate) use options::StorageOptions;
pub(crate) use reading::{Input, Storage, StoredFile};
pub use stores::Stores;

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::sync::Arc;

use datafusion::common::DataFusionError;
use std::io;

use crate::FileProblem;

/// Longest part of a store's own message that is told, in characters: some are whole pages of HTML.
const MESSAGE_CHARS_MAX: usize = 400;

/// Files of which it is asked at the same time whether they changed.
const ASKED_AT_ONCE_MAX: usize = 16;

/// The path or address of a file of a scan, as people write it.
#[must_use]
pub fn file_name(store: &ObjectStoreUrl, file: &ObjectMeta) -> String {
    reading::named(reading::shown(store).as_deref(), &file.location)
}

/// The first of these files of a store that has changed since it was listed. What cannot be asked counts as unchanged:
/// who reads it finds out why.
pub async fn changed_file(
    url: &ObjectStoreUrl,
    store: &Arc<dyn ObjectStore>,
    files: Vec<ObjectMeta>,
) -> Option<ObjectMeta> {
    let shown = reading::shown(url)?;
    let asked = files.into_iter().map(|known| {
        let (store, shown) = (Arc::clone(store), shown.clone());
        async move {
            let found = store.head(&known.location).await.ok()?;
            (!listing::is_same(&shown, &known, found)).then_some(known)
        }
    });
    // Collected first: the compiler cannot see that a stream of borrowing closures is `Send`.
    let asked: Vec<_> = asked.collect();
    let answers = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE_MAX);
    std::pin::pin!(answers.filter_map(|changed| async { changed })).next().await
}

/// An error in a name or an option.
fn refused(text: String) -> DataFusionError {
    FileProblem::error(io::ErrorKind::InvalidInput, text)
}

/// The error that a store gave for a file or folder, in words that say what to do.
fn problem(name: &str, error: &object_store::Error) -> DataFusionError {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => missing(name),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => FileProblem::error(
            io::ErrorKind::PermissionDenied,
            format!(
                "access to '{name}' was refused: give credentials with storage_options= or in the environment of the \
                 scheduler and the workers, or storage_options={{'anon': True}} for public data"
            ),
        ),
        other => {
            let text = format!("cannot read '{name}': {}", message(other));
            FileProblem::error(io::ErrorKind::Other, text)
        }
    }
}

fn missing(name: &str) -> DataFusionError {
    FileProblem::error(io::ErrorKind::NotFound, missing_text(name))
}

fn missing_text(name: &str) -> String {
    format!("no such file or folder: '{name}'")
}

/// The beginning of a store's own message.
fn message(error: &object_store::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(MESSAGE_CHARS_MAX).collect()
}
