//! Which files a name in a store stands for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::Timelike;
use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::address::Address;
use super::options::StorageOptions;
use super::reading::Storage;
use super::{message, missing, missing_text, problem, refused, stores};
use crate::listing::MAX_ENTRIES;
use crate::location::Place;
use crate::pattern::{Pattern, has_wildcard, is_hidden};
use crate::{FileProblem, plan_error};

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Nanoseconds of the smallest part of a second that stores tell.
const MILLISECOND: u32 = 1_000_000;

/// What a name stands for in a store.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) url: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    /// The name as it is written.
    name: String,
    /// The store as people write it.
    shown: Arc<str>,
    /// The key of a file or folder, or a pattern.
    key: String,
    /// The file of this key, if there is one.
    file: Option<ObjectMeta>,
}

/// The files that were found.
pub(crate) struct Found {
    /// Files, and whether a folder was named that they are in.
    pub(crate) files: Vec<(ObjectMeta, bool)>,
    /// The name of the folder from which on names of folders are keys.
    pub(crate) root: PathBuf,
}

impl Remote {
    /// Finds what a name with a scheme stands for; none for other names.
    ///
    /// # Errors
    /// If the store cannot be opened or asked, or there is nothing.
    pub(crate) fn find(
        name: &str,
        options: &StorageOptions,
        runtime: &RuntimeEnv,
    ) -> Result<Option<(Self, Place)>> {
        let Some(address) = Address::parse(name)? else { return Ok(None) };
        let url = address.store(options)?;
        let store = runtime.object_store(&url)?;
        let Storage::Remote { shown, .. } = Storage::of(&url, Arc::clone(&store)) else {
            return Ok(None);
        };
        let key = address.key.clone();
        let mut remote = Self { url, store, name: name.to_owned(), shown, key, file: None };
        let place = remote.place(&address)?;
        Ok(Some((remote, place)))
    }

    fn place(&mut self, address: &Address) -> Result<Place> {
        let wants_folder = self.name.ends_with('/') || self.key.is_empty();
        if address.service.is_web() && (wants_folder || has_wildcard(&self.key)) {
            return Err(refused(format!(
                "'{}' names no single file: web servers do not list their files; name each of them",
                self.name
            )));
        }
        if self.key.contains('*') {
            return Ok(Place::Pattern { folders: wants_folder });
        }
        if !wants_folder {
            self.file = self.head(&self.key)?;
        }
        if self.file.is_some() {
            return Ok(Place::File);
        }
        if has_wildcard(&self.key) {
            return Ok(Place::Pattern { folders: wants_folder });
        }
        if !address.service.is_web() && self.has_any()? {
            return Ok(Place::Folder);
        }
        Err(missing(&self.name))
    }

    /// Its address as it is shown.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(self.shown_key(&self.key))
    }

    /// The address of a key as it is shown.
    pub(crate) fn shown_key(&self, key: &str) -> String {
        if key.is_empty() { self.shown.to_string() } else { format!("{}/{key}", self.shown) }
    }

    /// Where its files are read from.
    pub(crate) fn storage(&self) -> Storage {
        Storage::of(&self.url, Arc::clone(&self.store))
    }

    /// Lists its files.
    ///
    /// # Errors
    /// If the store cannot be asked, or there are too many.
    pub(crate) fn files(&self, place: Place) -> Result<Found> {
        let (files, root) = match place {
            Place::File => {
                let found = self.file.iter().map(|meta| (meta.clone(), false));
                (found.collect(), self.key.clone())
            }
            Place::Folder => (self.below(&self.key)?, self.key.clone()),
            Place::Pattern { folders } => {
                let segments: Vec<&str> = self.key.split('/').collect();
                let plain = segments.iter().take_while(|text| !has_wildcard(text)).count();
                let base = segments[..plain].join("/");
                (self.fitting(&base, &segments[plain..], folders)?, base)
            }
        };
        Ok(Found { files, root: PathBuf::from(self.shown_key(&root)) })
    }

    fn parsed(&self, key: &str) -> Result<Path> {
        Path::parse(key).map_err(|error| plan_error(format!("'{}': {error}", self.name)))
    }

    /// Size, time and tag of a file; none if no file has this name.
    fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let (store, path) = (Arc::clone(&self.store), self.parsed(key)?);
        match stores::wait(async move { store.head(&path).await })? {
            Ok(meta) => Ok(Some(self.stamped(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(problem(&self.shown_key(key), &error)),
        }
    }

    /// Whether a folder has a file.
    fn has_any(&self) -> Result<bool> {
        let (store, path) = (Arc::clone(&self.store), self.parsed(&self.key)?);
        let first = stores::wait(async move { store.list(Some(&path)).next().await })?;
        match first.transpose() {
            Ok(found) => Ok(found.is_some()),
            Err(error) if matches!(error, object_store::Error::PermissionDenied { .. }) => {
                Err(problem(&self.name, &error))
            }
            // There is no file of this name, as was found out before. Other causes, such as a missing bucket, are told
            // by the message only.
            Err(error) => {
                let text = format!("{}: {}", missing_text(&self.name), message(&error));
                Err(FileProblem::error(std::io::ErrorKind::NotFound, text))
            }
        }
    }

    /// All files below a folder but the hidden ones.
    fn below(&self, folder: &str) -> Result<Vec<(ObjectMeta, bool)>> {
        let all = self.all_below(folder)?;
        let is_shown = |meta: &ObjectMeta| !inside(&meta.location, folder).any(is_hidden);
        Ok(all.into_iter().filter(is_shown).map(|meta| (meta, true)).collect())
    }

    fn all_below(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        let (store, path) = (Arc::clone(&self.store), self.parsed(folder)?);
        let listed = stores::wait(async move {
            store.list(Some(&path)).take(MAX_ENTRIES + 1).try_collect::<Vec<_>>().await
        })?;
        let listed = listed.map_err(|error| problem(&self.name, &error))?;
        if listed.len() > MAX_ENTRIES {
            return Err(self.too_many());
        }
        Ok(listed.into_iter().map(|meta| self.stamped(meta)).collect())
    }

    fn too_many(&self) -> datafusion::common::DataFusionError {
        plan_error(format!(
            "more than {MAX_ENTRIES} files in '{}'; name a smaller folder or a pattern",
            self.name
        ))
    }

    /// The files below a folder whose names fit the segments of a pattern.
    fn fitting(
        &self,
        folder: &str,
        segments: &[&str],
        folders_only: bool,
    ) -> Result<Vec<(ObjectMeta, bool)>> {
        let Some((first, rest)) = segments.split_first() else { return self.below(folder) };
        if segments.contains(&"**") {
            let all = self.all_below(folder)?;
            let fits = |meta: ObjectMeta| {
                let names: Vec<&str> = inside(&meta.location, folder).collect();
                let fit = fit(segments, &names)?;
                (fit == Fit::Below || !folders_only).then_some((meta.clone(), fit == Fit::Below))
            };
            return Ok(all.into_iter().filter_map(fits).collect());
        }
        let within = |name: &str| match folder {
            "" => name.to_owned(),
            _ => format!("{folder}/{name}"),
        };
        if !has_wildcard(first) {
            let key = within(first);
            let mut found = self.fitting(&key, rest, folders_only)?;
            if rest.is_empty() && !folders_only {
                found.extend(self.head(&key)?.map(|meta| (meta, false)));
            }
            return Ok(found);
        }
        let pattern = Pattern::new(first);
        let (store, path) = (Arc::clone(&self.store), self.parsed(folder)?);
        let listed = stores::wait(async move { store.list_with_delimiter(Some(&path)).await })?;
        let listed = listed.map_err(|error| problem(&self.name, &error))?;
        if listed.objects.len() + listed.common_prefixes.len() > MAX_ENTRIES {
            return Err(self.too_many());
        }
        let mut found = Vec::new();
        for inner in &listed.common_prefixes {
            if inner.filename().is_some_and(|name| pattern.matches(name)) {
                found.extend(self.fitting(inner.as_ref(), rest, folders_only)?);
            }
        }
        if rest.is_empty() && !folders_only {
            let files = listed.objects.into_iter();
            let files = files.filter(|m| m.location.filename().is_some_and(|n| pattern.matches(n)));
            found.extend(files.map(|meta| (self.stamped(meta), false)));
        }
        Ok(found)
    }

    fn stamped(&self, meta: ObjectMeta) -> ObjectMeta {
        stamped(&self.shown, meta)
    }
}

/// Size, time and tag of a file of a store, with a time that no other file or version of it has: what was read of files
/// is kept by their keys, sizes and times, and stores tell times in whole seconds.
pub(super) fn stamped(store: &str, mut meta: ObjectMeta) -> ObjectMeta {
    let tag = meta.e_tag.as_deref().map(|tag| tag.trim_matches('"'));
    let mut hasher = DefaultHasher::new();
    (store, tag).hash(&mut hasher);
    let nanoseconds = u32::try_from(hasher.finish() % NANOSECONDS).unwrap_or(0);
    // Lists tell times of more digits than answers of a single file.
    let whole = meta.last_modified.with_nanosecond(nanoseconds);
    meta.last_modified = whole.unwrap_or(meta.last_modified);
    meta
}

/// Whether a file is as it was listed. External tables list files themselves, with the times that the store tells, of which
/// the whole seconds are compared.
pub(super) fn is_same(store: &str, known: &ObjectMeta, found: ObjectMeta) -> bool {
    let is_stamped = !known.last_modified.nanosecond().is_multiple_of(MILLISECOND);
    let is_of_time = match is_stamped {
        true => stamped(store, found.clone()).last_modified == known.last_modified,
        false => found.last_modified.timestamp() == known.last_modified.timestamp(),
    };
    found.size == known.size && is_of_time
}

/// The names below a folder that lead to a file.
fn inside<'a>(location: &'a Path, folder: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let below = location.as_ref().strip_prefix(folder).unwrap_or_default();
    below.split('/').filter(|name| !name.is_empty())
}

/// How a file fits a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    /// Its own name fits.
    Exact,
    /// It is in a folder that fits.
    Below,
}

fn fit(pattern: &[&str], names: &[&str]) -> Option<Fit> {
    let Some((first, rest)) = pattern.split_first() else {
        let is_shown = !names.iter().any(|name| is_hidden(name));
        return if names.is_empty() { Some(Fit::Exact) } else { is_shown.then_some(Fit::Below) };
    };
    if *first == "**" {
        if rest.is_empty() {
            return fit(rest, names);
        }
        let deeper = || match names.split_first() {
            Some((name, others)) if !is_hidden(name) => fit(pattern, others),
            _ => None,
        };
        return fit(rest, names).or_else(deeper);
    }
    let (name, others) = names.split_first()?;
    Pattern::new(first).matches(name).then(|| fit(rest, others))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is the same until its size, its tag or its time is another one; without the stamp its second counts.
    #[test]
    fn changes_are_noticed() {
        let file = |seconds: i64, size, tag: &str| ObjectMeta {
            location: Path::from("x"),
            last_modified: chrono::DateTime::from_timestamp(seconds, 5_000_000).expect("a time"),
            size,
            e_tag: Some(tag.to_owned()),
            version: None,
        };
        let known = stamped("s3://b", file(7, 3, "\"a\""));
        assert!(is_same("s3://b", &known, file(7, 3, "a")));
        assert!(!is_same("s3://b", &known, file(7, 3, "b")));
        assert!(!is_same("s3://b", &known, file(8, 3, "a")));
        assert!(!is_same("s3://b", &known, file(7, 4, "a")));
        assert!(is_same("s3://b", &file(7, 3, "a"), file(7, 3, "b")));
        assert!(!is_same("s3://b", &file(7, 3, "a"), file(8, 3, "a")));
    }

    /// Patterns fit the names of files, and of the folders that they are in.
    #[test]
    fn patterns_fit_files_and_folders() {
        let fits = |pattern: &str, key: &str| {
            let (pattern, names): (Vec<_>, Vec<_>) =
                (pattern.split('/').collect(), key.split('/').collect());
            fit(&pattern, &names)
        };
        assert_eq!(fits("**/x.csv", "x.csv"), Some(Fit::Exact));
        assert_eq!(fits("**/x.csv", "a/b/x.csv"), Some(Fit::Exact));
        assert_eq!(fits("**/x.csv", "a/_b/x.csv"), None);
        assert_eq!(fits("a*/**/y", "ab/c/y/z.csv"), Some(Fit::Below));
        assert_eq!(fits("a*", "ab/c.csv"), Some(Fit::Below));
        assert_eq!(fits("a*", "ab/.c.csv"), None);
        assert_eq!(fits("a*", "b/c.csv"), None);
    }
}
