//! Files that only their owner may read: with tokens and keys.

use super::{AccessError, check_folder_of, make, own_user};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The mode of a file that only its owner may read.
const PRIVATE_MODE: u32 = 0o600;
/// The mode of a file that others may read.
const PUBLIC_MODE: u32 = 0o644;

/// A number that nobody can guess.
fn random_number() -> u64 {
    // The keys of each such state come from the system's random numbers.
    RandomState::new().build_hasher().finish()
}

/// Writes a file so that it is never seen half written, nor by others: it is created with mode 0600 under another name
/// and then takes its own.
///
/// # Errors
/// If the folder or the file cannot be written.
pub fn write_private(path: &Path, text: &[u8]) -> Result<(), AccessError> {
    write(path, text, PRIVATE_MODE)
}

/// Writes a file without secrets so that it is never seen half written.
///
/// # Errors
/// If the folder or the file cannot be written.
pub fn write_public(path: &Path, text: &[u8]) -> Result<(), AccessError> {
    write(path, text, PUBLIC_MODE)
}

fn write(path: &Path, text: &[u8], mode: u32) -> Result<(), AccessError> {
    let error = |source| AccessError::File { path: path.to_path_buf(), source };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make(parent).map_err(error)?;
    }
    check_folder_of(path)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{:016x}", random_number()));
    let draft = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .map_err(error)?;
    let written = file
        .write_all(text)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&draft);
        error(source)
    })
}

/// Reads a file, and refuses one that others can read or have written.
///
/// # Errors
/// If it is not there, is readable by others or someone else's.
pub fn read_private(path: &Path) -> Result<Vec<u8>, AccessError> {
    let error = |source| AccessError::File { path: path.to_path_buf(), source };
    check_folder_of(path)?;
    // The checks and the read must use the same open file, whatever replaces it meanwhile.
    let file = std::fs::File::open(path).map_err(error)?;
    let found = file.metadata().map_err(error)?;
    if Some(found.uid()) != own_user() {
        return Err(AccessError::Foreign { path: path.to_path_buf() });
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(AccessError::Exposed { path: path.to_path_buf(), mode });
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(error)?;
    Ok(text)
}
