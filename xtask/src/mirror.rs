//! The tree that is built: a copy of the checkout that always lies in the same place.
//!
//! Cargo takes a crate that lies elsewhere for another crate, and a file that is younger for another
//! file. A fresh clone would therefore compile, lint and document the whole workspace again, though
//! not a line of it is new. The copy keeps the files that did not change as they are, so that a clone
//! begins where the last one ended. Only content decides what changed.

use crate::paths::Paths;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Folders with generated files, wherever they lie.
const GENERATED: [&str; 4] = ["target", "dist", "__pycache__", "node_modules"];

/// The hidden folders that belong to the sources.
const HIDDEN: [&str; 2] = [".cargo", ".ci"];

/// The copy. No other command changes it while this is there.
pub(crate) struct Mirror {
    /// The same folders, with the copy as the checkout.
    pub(crate) paths: Paths,
    _lock: File,
}

impl Mirror {
    /// Makes the copy equal to the checkout. Waits while another command works with it.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub(crate) fn of(paths: &Paths) -> Result<Self> {
        let root = paths.mirror();
        fs::create_dir_all(&root).with_context(|| format!("could not make {}", root.display()))?;
        let lock = File::create(root.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                println!("           waiting for another command that uses {}", root.display());
                lock.lock().context("could not lock the copy of the checkout")?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        update(&paths.root, &root)?;
        Ok(Self { paths: paths.with_root(root), _lock: lock })
    }
}

/// Makes `copy` equal to `folder`. A file that is equal already is not touched.
fn update(folder: &Path, copy: &Path) -> Result<()> {
    let context = || format!("could not copy {} to {}", folder.display(), copy.display());
    let (kept, present) = (sources(folder)?, sources(copy)?);
    for name in present.difference(&kept) {
        remove(&copy.join(name)).with_context(context)?;
    }
    for name in &kept {
        let (from, to) = (folder.join(name), copy.join(name));
        if from.is_dir() {
            if !to.is_dir() {
                let _ = fs::remove_file(&to);
                fs::create_dir(&to).with_context(context)?;
            }
            update(&from, &to)?;
        } else {
            copy_file(&from, &to).with_context(context)?;
        }
    }
    Ok(())
}

/// The names of the sources in a folder.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn sources(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let hidden = text.starts_with('.') && !HIDDEN.contains(&text.as_ref());
        if entry.path().is_dir() && (hidden || GENERATED.contains(&text.as_ref())) {
            continue;
        }
        names.insert(PathBuf::from(&name));
    }
    Ok(names)
}

fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let permissions = fs::metadata(from)?.permissions();
    let same = fs::metadata(to).is_ok_and(|there| there.permissions() == permissions);
    if same && fs::read(to).ok() == Some(fs::read(from)?) {
        return Ok(());
    }
    if to.exists() {
        remove(to)?;
    }
    // The time of the copy is now: a file that is put back is new to cargo.
    fs::write(to, fs::read(from)?)?;
    fs::set_permissions(to, permissions)
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changed files are copied, removed ones are removed, generated ones are skipped, and a file
    /// of equal content keeps its time though the checkout's is younger.
    #[test]
    fn only_what_changed_is_touched() {
        let folder = std::env::temp_dir().join(format!("partita-mirror-{}", std::process::id()));
        let (checkout, copy) = (folder.join("checkout"), folder.join("copy"));
        fs::create_dir_all(&copy).unwrap();
        for name in ["a.rs", "core/b.rs", ".cargo/config.toml", ".git/HEAD", "core/target/x"] {
            write(&checkout, name, "one");
        }
        update(&checkout, &copy).unwrap();
        for absent in [".git", "core/target"] {
            assert!(!copy.join(absent).exists(), "{absent}");
        }
        let time = |name: &str| fs::metadata(copy.join(name)).unwrap().modified().unwrap();
        let past = std::time::SystemTime::UNIX_EPOCH;
        let file = File::options().append(true).open(copy.join("a.rs")).unwrap();
        file.set_modified(past).unwrap();
        write(&checkout, "core/b.rs", "two");
        write(&copy, "core/gone.rs", "three");
        write(&copy, "gone/d.rs", "three");
        fs::remove_dir_all(checkout.join(".cargo")).unwrap();
        update(&checkout, &copy).unwrap();
        assert_eq!(time("a.rs"), past);
        assert_eq!(fs::read_to_string(copy.join("core/b.rs")).unwrap(), "two");
        for gone in ["core/gone.rs", "gone", ".cargo"] {
            assert!(!copy.join(gone).exists(), "{gone}");
        }
        // A folder in the place of a file, and the other way round.
        fs::remove_file(checkout.join("a.rs")).unwrap();
        write(&checkout, "a.rs/mod.rs", "four");
        fs::remove_dir_all(checkout.join("core")).unwrap();
        write(&checkout, "core", "five");
        update(&checkout, &copy).unwrap();
        assert_eq!(fs::read_to_string(copy.join("a.rs/mod.rs")).unwrap(), "four");
        assert_eq!(fs::read_to_string(copy.join("core")).unwrap(), "five");
        fs::remove_dir_all(folder).unwrap();
    }
}
