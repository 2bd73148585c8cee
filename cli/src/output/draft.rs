//! Files that appear under their name when they are complete.
//!
//! Until then they have a name beside it that nobody can guess, and that is not there before. So no link that
//! another user placed is written through, neither under the draft's name nor under the file's own.

use partita_shared::access::own_user;
use std::fs::Permissions;
use std::io::{Result, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// The mode of a file that the user's mask decides on.
pub(crate) const MODE_USUAL: u32 = 0o666;
/// The mode of a file that only the user can read.
pub(crate) const MODE_PRIVATE: u32 = 0o600;

/// Begins the draft of a file with this mode, less what the user's mask takes away. It is removed if it is dropped.
pub(crate) fn begin(file: &Path, mode: u32) -> Result<NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(file.file_name().unwrap_or_default());
    prefix.push(".");
    tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Whether a file is written as it is: a pipe or a device, unless another user put it there, who could read
/// what is written.
pub(crate) fn is_written_directly(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| !found.is_file() && is_trusted(found.uid()))
}

/// Whether what belongs to this user may be written into.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || Some(owner) == own_user()
}

/// Writes a whole file, in the place of one that may be there.
pub(crate) fn write(file: &Path, mode: u32, content: &[u8]) -> Result<()> {
    if is_written_directly(file) {
        return std::fs::write(file, content);
    }
    let mut draft = begin(file, mode)?;
    draft.write_all(content)?;
    draft.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link under the file's name is replaced, and what it leads to stays as it was; the mode is as asked for.
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, MODE_PRIVATE, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "new");
        let found = std::fs::symlink_metadata(&link).unwrap();
        assert!(found.is_file() && found.permissions().mode() & 0o777 == MODE_PRIVATE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    /// A pipe of one's own is written into, and one that another user put in the place of the file is not.
    #[test]
    fn pipes_of_others_are_not_trusted() {
        let own = own_user().unwrap();
        assert!(is_trusted(own) && is_trusted(0));
        assert!(!is_trusted(own + 1));
        assert!(is_written_directly(Path::new("/dev/null")));
    }

    /// A draft that is not finished leaves nothing.
    #[test]
    fn drafts_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(begin(&folder.path().join("file"), MODE_USUAL).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write(Path::new("/dev/null"), MODE_USUAL, b"anything").unwrap();
    }
}
