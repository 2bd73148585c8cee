//! Which files a place holds, found in one walk.

use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};

use datafusion::common::Result;
use object_store::ObjectMeta;

use super::format::{KNOWN, Kind};
use super::hive::{self, Key};
use super::location::{Location, Place, is_missing};
use super::pattern::{Pattern, has_wildcard, is_hidden};
use super::remote::{Remote, Storage, StoredFile};
use super::source::Source;
use super::{FileProblem, cannot_read, plan_error};

/// Deepest nesting of folders below the named one: a deeper one is a loop of links or a mistake.
const MAX_DEPTH: usize = 64;

/// Maximum number of files and folders listed for one table: beyond it a query names the wrong
/// folder, and planning would take minutes.
pub(super) const MAX_ENTRIES: usize = 1_000_000;

/// A file of a table.
#[derive(Debug, Clone)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    /// What its folders below the table's root say.
    pub(super) keys: Vec<Key>,
    pub(super) meta: ObjectMeta,
    /// What it is read from.
    pub(super) file: StoredFile,
}

/// The files of a table, in order of their paths.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) files: Vec<DataFile>,
    /// How many other files there were, and the first of them.
    ignored: (usize, Option<PathBuf>),
    is_csv: bool,
}

impl Listing {
    /// Lists what the locations of a table hold, and the kind that all files have.
    ///
    /// # Errors
    /// If a file or folder cannot be read, or there are too many or none, or files of two kinds.
    pub(super) fn of(source: &Source) -> Result<(Self, Kind)> {
        let mut all = Self { files: Vec::new(), ignored: (0, None), is_csv: source.csv.is_some() };
        for location in &source.locations {
            let listing = Self::new(location, source.csv.is_some())?;
            listing.kind(location, &source.name)?;
            all.files.extend(listing.files);
        }
        if let Some(name) = &source.path_column {
            for file in &mut all.files {
                file.keys.push((name.clone(), Some(file.path.display().to_string())));
            }
        }
        let Some(first) = source.locations.first() else { return Err(plan_error("no path given")) };
        let kind = all.kind(first, &source.name)?;
        Ok((all, kind))
    }

    /// Whether a table has files, as far as its name does not say that it must.
    ///
    /// # Errors
    /// If a file or folder cannot be read.
    pub(super) fn has_files(source: &Source) -> Result<bool> {
        for location in &source.locations {
            if !Self::new(location, source.csv.is_some())?.files.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lists what a location holds.
    fn new(location: &Location, is_csv: bool) -> Result<Self> {
        let mut walk = Walk { is_csv, ..Walk::default() };
        let root = match location.place {
            _ if let Some(remote) = &location.remote => walk.remote(remote, location.place)?,
            Place::File => {
                // Listing needs no permission to read the file: find out now, not in a task.
                std::fs::File::open(&location.path)
                    .map_err(|err| cannot_read(&location.path, &err))?;
                let found = metadata(&location.path)?;
                walk.add(location.path.clone(), &found)?;
                location.path.clone()
            }
            Place::Folder => {
                walk.folder(&location.path, 0)?;
                location.path.clone()
            }
            Place::Pattern { folders } => {
                let (base, segments) = split(&location.path);
                walk.pattern(&base, &segments, folders, 0)?;
                base
            }
        };
        let mut files = walk.files;
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // Two `**` in a pattern can reach a file in two ways.
        files.dedup_by(|a, b| a.path == b.path);
        for file in &mut files {
            if let Some(folders) = file.path.strip_prefix(&root).ok().and_then(Path::parent) {
                file.keys = hive::keys(folders);
            }
        }
        Ok(Self { files, ignored: walk.ignored, is_csv })
    }

    /// The kind that all files have.
    fn kind(&self, location: &Location, name: &str) -> Result<Kind> {
        let mut kinds = self.files.iter().filter_map(|file| {
            Some((file, kind_of(file.path.file_name()?.to_str()?, self.is_csv)?))
        });
        let Some((first, kind)) = kinds.next() else { return Err(self.nothing(location)) };
        match kinds.find(|(_, other)| *other != kind) {
            None => Ok(kind),
            Some((other, other_kind)) => Err(plan_error(format!(
                "'{}' has files of different formats: '{}' is {kind}, '{}' is {other_kind}; \
                 choose one with a pattern",
                name,
                first.path.display(),
                other.path.display(),
            ))),
        }
    }

    /// Says why there is nothing to read.
    fn nothing(&self, location: &Location) -> datafusion::common::DataFusionError {
        let (name, path) = (&location.name, location.path.display());
        if location.place == Place::File {
            return plan_error(format!(
                "cannot tell the format of '{name}' ({path}) from its extension; supported: {KNOWN}; for other names use CREATE EXTERNAL TABLE ... STORED AS"
            ));
        }
        let others = match &self.ignored {
            (count, Some(example)) => format!(
                ": {count} other {} an unsupported extension, such as '{}'; supported: {KNOWN}",
                if *count == 1 { "file has" } else { "files have" },
                example.display()
            ),
            _ => String::new(),
        };
        let text = match location.place {
            Place::Pattern { .. } => {
                format!("no data file matches '{name}' (looked for {path}){others}")
            }
            _ => format!("no data file in folder '{name}' (looked in {path}){others}"),
        };
        FileProblem::error(std::io::ErrorKind::NotFound, text)
    }
}

/// Splits a path with wildcards into the folder that has none and the segments below it.
fn split(path: &Path) -> (PathBuf, Vec<String>) {
    let mut base = PathBuf::new();
    let mut components = path.components().peekable();
    while let Some(component) = components.next_if(|component| {
        // An existing path is not a pattern: the client's directory may have brackets.
        let text = component.as_os_str().to_string_lossy();
        !has_wildcard(&text) || base.join(component).exists()
    }) {
        base.push(component);
    }
    (base, components.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect())
}

/// The kind of a file, by its name, and by what is known of all.
fn kind_of(file_name: &str, is_csv: bool) -> Option<Kind> {
    if is_csv { Some(Kind::of_csv(file_name)) } else { Kind::of(file_name) }
}

#[derive(Default)]
struct Walk {
    /// Whether files that are named or fit a pattern are CSV, whatever their extension.
    is_csv: bool,
    files: Vec<DataFile>,
    ignored: (usize, Option<PathBuf>),
    entries: usize,
}

impl Walk {
    /// Adds a file if its extension is known.
    fn add(&mut self, path: PathBuf, found: &Metadata) -> Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(plan_error(format!(
                "the file name '{}' is not valid UTF-8; rename it",
                path.display()
            )));
        };
        if kind_of(name, self.is_csv).is_none() {
            self.ignore(path);
            return Ok(());
        }
        let unusable = |err: &dyn std::fmt::Display| {
            plan_error(format!("cannot use the path '{}': {err}", path.display()))
        };
        let location =
            object_store::path::Path::from_absolute_path(&path).map_err(|err| unusable(&err))?;
        let modified = found.modified().map_err(|err| cannot_read(&path, &err))?;
        let meta = ObjectMeta {
            location,
            last_modified: modified.into(),
            size: found.len(),
            e_tag: None,
            version: None,
        };
        let file = Storage::Local.file(&meta);
        self.files.push(DataFile { path, keys: Vec::new(), meta, file });
        Ok(())
    }

    /// Adds what a name stands for in a store, and gives its root.
    fn remote(&mut self, remote: &Remote, place: Place) -> Result<PathBuf> {
        let (found, storage) = (remote.files(place)?, remote.storage());
        for (meta, is_in_folder) in found.files {
            let path = PathBuf::from(remote.shown_key(meta.location.as_ref()));
            let name = meta.location.filename().unwrap_or_default();
            // Files that fit a pattern are CSV if that is asked for; those of a folder have its extension.
            if kind_of(name, self.is_csv && !is_in_folder).is_none() {
                self.ignore(path);
                continue;
            }
            let file = storage.file(&meta);
            self.files.push(DataFile { path, keys: Vec::new(), meta, file });
        }
        Ok(found.root)
    }

    /// Adds every file below a folder.
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<()> {
        for entry in self.entries(folder, depth)? {
            if is_hidden(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let path = entry.path();
            // Metadata costs a system call, on a network file system a slow one: only for data.
            if is_folder(&entry)? {
                if !is_loop(&entry, folder)? {
                    self.folder(&path, depth + 1)?;
                }
            } else if Kind::of(&entry.file_name().to_string_lossy()).is_none() {
                self.ignore(path);
            } else {
                let found = metadata(&path)?;
                if found.is_file() {
                    self.add(path, &found)?;
                }
            }
        }
        Ok(())
    }

    /// Adds what fits the segments of a pattern below a folder.
    fn pattern(
        &mut self,
        folder: &Path,
        segments: &[String],
        folders_only: bool,
        depth: usize,
    ) -> Result<()> {
        let Some((first, rest)) = segments.split_first() else { return self.folder(folder, depth) };
        if first == "**" {
            if rest.is_empty() {
                return self.folder(folder, depth);
            }
            self.pattern(folder, rest, folders_only, depth)?;
            for entry in self.entries(folder, depth)? {
                let hidden = is_hidden(&entry.file_name().to_string_lossy());
                if !hidden && is_folder(&entry)? && !is_loop(&entry, folder)? {
                    self.pattern(&entry.path(), segments, folders_only, depth + 1)?;
                }
            }
            return Ok(());
        }
        if !has_wildcard(first) {
            return self.fitting(folder.join(first), rest, folders_only, depth);
        }
        let pattern = Pattern::new(first);
        for entry in self.entries(folder, depth)? {
            if pattern.matches(&entry.file_name().to_string_lossy()) {
                self.fitting(entry.path(), rest, folders_only, depth)?;
            }
        }
        Ok(())
    }

    /// Extends a path that fits a pattern so far.
    fn fitting(
        &mut self,
        path: PathBuf,
        rest: &[String],
        folders_only: bool,
        depth: usize,
    ) -> Result<()> {
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(err) if is_missing(&err) && !path.is_symlink() => return Ok(()),
            Err(err) => return Err(cannot_read(&path, &err)),
        };
        if found.is_dir() {
            return self.pattern(&path, rest, folders_only, depth + 1);
        }
        if found.is_file() && rest.is_empty() && !folders_only {
            self.add(path, &found)?;
        }
        Ok(())
    }

    /// What is in a folder. A folder that is not there is empty: a pattern just does not fit.
    fn entries(&mut self, folder: &Path, depth: usize) -> Result<Vec<DirEntry>> {
        if depth > MAX_DEPTH {
            return Err(plan_error(format!(
                "folders are nested deeper than {MAX_DEPTH} at '{}'",
                folder.display()
            )));
        }
        let failed = |err: std::io::Error| cannot_read(folder, &err);
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(err) if is_missing(&err) => Vec::new(),
            Err(err) => return Err(failed(err)),
        };
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(plan_error(format!(
                "more than {MAX_ENTRIES} files and folders, the last of them in '{}'; name a smaller folder or a pattern",
                folder.display()
            )));
        }
        Ok(entries)
    }

    fn ignore(&mut self, path: PathBuf) {
        self.ignored.0 += 1;
        self.ignored.1.get_or_insert(path);
    }
}

fn metadata(path: &Path) -> Result<Metadata> {
    std::fs::metadata(path).map_err(|err| cannot_read(path, &err))
}

/// Whether an entry is a folder or a link to one.
fn is_folder(entry: &DirEntry) -> Result<bool> {
    let path = entry.path();
    let kind = entry.file_type().map_err(|err| cannot_read(&path, &err))?;
    if !kind.is_symlink() {
        return Ok(kind.is_dir());
    }
    match std::fs::metadata(&path) {
        Ok(found) => Ok(found.is_dir()),
        // A link to nothing stands for no folder; as a file it is an error if it is data.
        Err(_) => Ok(false),
    }
}

/// Whether an entry of `folder` is a link to a folder that contains it.
fn is_loop(entry: &DirEntry, folder: &Path) -> Result<bool> {
    let path = entry.path();
    if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
        return Ok(false);
    }
    let canonical = |path: &Path| path.canonicalize().map_err(|err| cannot_read(path, &err));
    Ok(canonical(folder)?.starts_with(canonical(&path)?))
}
