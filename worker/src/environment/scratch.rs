//! The worker's folder for what it spills: private, its own, and gone at the end.
//!
//! A worker that is killed cannot clean up behind itself. So each folder holds a file that its
//! worker keeps locked, and the next worker of the same user removes the folders whose lock is
//! free. A folder gets its final name only once its lock is held: whoever sees an unlocked one
//! may remove it.

use super::{EnvironmentError, Lookup, process_variable};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that a live worker keeps locked. It names the host, the process id and the worker.
const LOCK_FILE: &str = "lock";

/// Maximum number of entries of the scratch directory that are checked for folders of dead workers.
const SWEEP_ENTRIES_MAX: usize = 10_000;

/// A folder without its final name is a dead worker's if it has not changed for this long.
const HALF_MADE_AGE_MIN: Duration = Duration::from_secs(3600);

/// The medium of a scratch directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A disk of this machine, or a file system that is not known to be anything else.
    Disk,
    /// A file system of the network, by name: spilling to it is slow, for others too.
    Network(&'static str),
    /// The machine's memory, by the file system's name: what is spilled there counts as memory.
    Memory(&'static str),
}

/// A worker's own folder in the scratch directory. It is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    medium: Medium,
    /// Locked as long as the worker lives. The kernel unlocks it if the worker is killed.
    lock: File,
}

impl Scratch {
    /// Makes the folder `partita-<uid>-<pid>-<random>`, mode 0700, in `local_directory`, else
    /// `$SLURM_TMPDIR`, else `$TMPDIR`, else `/tmp`. A `local_directory` that does not exist is
    /// made. `name` is the worker's, so that users can tell whose folder it is. Folders that dead
    /// workers of this user left there are removed. A directory on a network file system is warned
    /// of.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub fn create(local_directory: Option<&Path>, name: &str) -> Result<Scratch, EnvironmentError> {
        let (parent, origin) = choose(local_directory, &process_variable);
        let failed = |source| EnvironmentError::Scratch { path: parent.clone(), origin, source };
        if local_directory.is_some() {
            DirBuilder::new().recursive(true).mode(0o700).create(&parent).map_err(failed)?;
        }
        let medium = medium_of(&parent).map_err(failed)?;
        match medium {
            Medium::Network(kind) => tracing::warn!(
                directory = %parent.display(),
                "the scratch directory is on a network file system ({kind}), where spilling is \
                 slow; name a directory on a local disk with --local-directory"
            ),
            Medium::Memory(kind) => tracing::info!(
                directory = %parent.display(),
                "the scratch directory is in memory ({kind}); data spilled there still uses memory"
            ),
            Medium::Disk => {}
        }
        let host = host_name();
        sweep(&parent, &host, medium);
        let (path, lock) = make_folder(&parent, &host, name).map_err(failed)?;
        tracing::debug!(folder = %path.display(), "created the scratch folder");
        Ok(Scratch { path, medium, lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The medium of the folder.
    pub fn medium(&self) -> Medium {
        self.medium
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "cannot remove the scratch folder");
        }
        // After the folder is gone, so that nobody else removes it at the same time.
        let _ = self.lock.unlock();
    }
}

/// The directory and what named it.
fn choose(local_directory: Option<&Path>, lookup: Lookup<'_>) -> (PathBuf, &'static str) {
    let (path, origin) = if let Some(directory) = local_directory {
        (directory.to_path_buf(), "--local-directory")
    } else if let Some(directory) = lookup("SLURM_TMPDIR") {
        (directory.into(), "SLURM_TMPDIR")
    } else if let Some(directory) = lookup("TMPDIR") {
        (directory.into(), "TMPDIR")
    } else {
        ("/tmp".into(), "the default")
    };
    // A relative path would move with the process's working directory.
    (std::path::absolute(&path).unwrap_or(path), origin)
}

fn user_id() -> u32 {
    #[expect(unsafe_code, reason = "geteuid cannot fail")]
    unsafe {
        libc::geteuid()
    }
}

/// The host's name, empty where it cannot be read.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}

/// How the names of this user's folders begin: (final, half made).
fn prefixes() -> (String, String) {
    let user = user_id();
    (format!("partita-{user}-"), format!("partita-new-{user}-"))
}

/// Makes the folder and its lock.
fn make_folder(parent: &Path, host: &str, name: &str) -> Result<(PathBuf, File), Error> {
    let (prefix, new_prefix) = prefixes();
    let pid = std::process::id();
    let made = tempfile::Builder::new()
        .prefix(&new_prefix)
        .rand_bytes(8)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let mut lock = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(made.path().join(LOCK_FILE))?;
    if let Err(error) = lock.try_lock() {
        // Some network file systems have no locks. Then nobody can take this one either, and the
        // folder stays if the worker is killed.
        tracing::debug!(directory = %parent.display(), %error, "cannot lock the scratch folder");
    }
    write!(lock, "{host}\n{pid}\n{name}\n")?;
    let random = made.path().to_string_lossy().rsplit('-').next().unwrap_or_default().to_string();
    let path = parent.join(format!("{prefix}{pid}-{random}"));
    std::fs::rename(made.path(), &path)?;
    // The folder has another name by now: there is nothing left to remove.
    let _ = made.keep();
    Ok((path, lock))
}

/// Removes a folder, its lock file last: an interrupted removal can still be recognised.
fn remove_folder(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK_FILE {
            continue;
        }
        let path = entry.path();
        let removed = if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.or_else(gone)?;
    }
    std::fs::remove_file(folder.join(LOCK_FILE)).or_else(gone)?;
    std::fs::remove_dir(folder).or_else(gone)
}

/// What is gone already needs no removing.
fn gone(error: Error) -> Result<(), Error> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Removes the folders of this user's dead workers. Nothing in here fails a worker's start.
fn sweep(parent: &Path, host: &str, medium: Medium) {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::debug!(directory = %parent.display(), %error, "cannot look for scratch folders of dead workers");
            return;
        }
    };
    let (prefix, new_prefix) = prefixes();
    for entry in entries.take(SWEEP_ENTRIES_MAX).flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let half_made = name.starts_with(&new_prefix);
        if !half_made && !name.starts_with(&prefix) {
            continue;
        }
        let folder = entry.path();
        match remove_dead(&folder, half_made, host, medium) {
            Ok(true) => {
                tracing::info!(folder = %folder.display(), "removed the scratch folder of a dead worker")
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "cannot remove a scratch folder");
            }
        }
    }
}

/// Removes a folder if its worker is dead. Says whether it did.
fn remove_dead(folder: &Path, half_made: bool, host: &str, medium: Medium) -> Result<bool, Error> {
    // In a directory that all may write to, anyone can make a link or a folder of that name.
    let metadata = std::fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || metadata.uid() != user_id() {
        return Ok(false);
    }
    if half_made && metadata.modified()?.elapsed().unwrap_or_default() < HALF_MADE_AGE_MIN {
        return Ok(false);
    }
    let file = folder.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let lock = match options.read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&file) {
        Ok(lock) => lock,
        // The lock file goes last: the folder is empty, or being made by another version.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::remove_dir(folder)?;
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    // On a network file system a lock may be seen only on its own host.
    if matches!(medium, Medium::Network(_)) {
        let owner = std::fs::read_to_string(&file)?;
        if host.is_empty() || owner.lines().next() != Some(host) {
            return Ok(false);
        }
    }
    match lock.try_lock() {
        Ok(()) => remove_folder(folder).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(target_os = "linux")]
fn medium_of(directory: &Path) -> Result<Medium, Error> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(directory.as_os_str().as_bytes())?;
    let mut facts = std::mem::MaybeUninit::<libc::statfs>::uninit();
    #[expect(unsafe_code, reason = "the path ends with a zero, and statfs fills the struct")]
    let facts = unsafe {
        if libc::statfs(path.as_ptr(), facts.as_mut_ptr()) != 0 {
            return Err(Error::last_os_error());
        }
        facts.assume_init()
    };
    // The field's type differs between machines; all numbers in use have 32 bits.
    Ok(medium_from(facts.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
fn medium_of(directory: &Path) -> Result<Medium, Error> {
    std::fs::metadata(directory).map(|_| Medium::Disk)
}

/// What the number of a file system's type in `statfs` stands for.
fn medium_from(kind: u32) -> Medium {
    match kind {
        0x0000_6969 => Medium::Network("NFS"),
        0x0bd0_0bd0 => Medium::Network("Lustre"),
        0x4750_4653 => Medium::Network("GPFS"),
        0x1983_0326 => Medium::Network("BeeGFS"),
        0x00c3_6400 => Medium::Network("CephFS"),
        0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Medium::Network("SMB"),
        0x5346_414f => Medium::Network("AFS"),
        0xaad7_aaea => Medium::Network("PanFS"),
        0x0102_1997 => Medium::Network("9P"),
        // FUSE carries local ones too, but on clusters it is mostly a network's.
        0x6573_5546 => Medium::Network("FUSE"),
        0x0102_1994 => Medium::Memory("tmpfs"),
        0x8584_58f6 => Medium::Memory("ramfs"),
        _ => Medium::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::super::slurm::tests::variables;
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(parent).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Makes a folder as a worker would that was killed, and returns its path.
    fn leave_behind(parent: &Path, host: &str) -> PathBuf {
        let (path, lock) = make_folder(parent, host, "dead").unwrap();
        std::fs::create_dir(path.join("spill")).unwrap();
        std::fs::write(path.join("spill/1.arrow"), "rows").unwrap();
        drop(lock);
        path
    }

    /// The folder is private, named as promised, and gone with all it holds at the end.
    #[test]
    fn the_folder_lives_as_long_as_the_worker() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("made/on/demand");
        let scratch = Scratch::create(Some(&wanted), "w-1").unwrap();
        let path = scratch.path().to_path_buf();
        let metadata = path.metadata().unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o700);
        assert_eq!(names(&wanted), [path.file_name().unwrap().to_str().unwrap()]);
        let start = format!("partita-{}-{}-", metadata.uid(), std::process::id());
        assert!(names(&wanted)[0].starts_with(&start), "{path:?}");
        let told = std::fs::read_to_string(path.join(LOCK_FILE)).unwrap();
        assert_eq!(told, format!("{}\n{}\nw-1\n", host_name(), std::process::id()));
        std::fs::create_dir(path.join("deep")).unwrap();
        std::fs::write(path.join("deep/file"), "x").unwrap();
        drop(scratch);
        assert!(names(&wanted).is_empty());
    }

    /// Dead workers' folders go, live ones stay, and so does what only looks like one.
    #[test]
    fn dead_folders_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let dead = leave_behind(parent.path(), "anywhere");
        let (prefix, new_prefix) = prefixes();
        let emptied = parent.path().join(format!("{prefix}1-emptied"));
        let half_made = parent.path().join(format!("{new_prefix}recent"));
        let foreign = parent.path().join("partita-data");
        let unlocked = parent.path().join(format!("{prefix}1-without-lock"));
        for folder in [&emptied, &half_made, &foreign, &unlocked] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(unlocked.join("file"), "of whom?").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join(LOCK_FILE), "").unwrap();
        let link = parent.path().join(format!("{prefix}1-link"));
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();

        let first = Scratch::create(Some(parent.path()), "first").unwrap();
        let second = Scratch::create(Some(parent.path()), "second").unwrap();
        assert!(!dead.exists() && !emptied.exists());
        assert!(first.path().exists() && second.path().exists());
        assert!(half_made.exists() && foreign.exists() && unlocked.exists());
        assert!(link.symlink_metadata().is_ok() && elsewhere.path().join(LOCK_FILE).exists());
    }

    /// A folder that was never finished goes once it is old.
    #[test]
    fn old_half_made_folders_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join(format!("{}old", prefixes().1));
        std::fs::create_dir(&folder).unwrap();
        let old = std::time::SystemTime::now() - 2 * HALF_MADE_AGE_MIN;
        File::open(&folder).unwrap().set_modified(old).unwrap();
        sweep(parent.path(), "", Medium::Disk);
        assert!(!folder.exists());
    }

    /// On a network file system another host's folder stays: its lock may not be seen from here.
    #[test]
    fn other_hosts_are_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let (own, other) = (leave_behind(parent.path(), "a"), leave_behind(parent.path(), "b"));
        sweep(parent.path(), "", Medium::Network("NFS"));
        assert!(own.exists() && other.exists());
        sweep(parent.path(), "a", Medium::Network("NFS"));
        assert!(!own.exists() && other.exists());
        sweep(parent.path(), "a", Medium::Disk);
        assert!(!other.exists());
    }

    /// The option, then Slurm's directory, then the usual one; always absolute.
    #[test]
    fn the_directory_is_chosen() {
        let both = [("SLURM_TMPDIR", "/localscratch/1"), ("TMPDIR", "/var/tmp")];
        let given = choose(Some(Path::new("/given")), &variables(&both));
        assert_eq!(given, ("/given".into(), "--local-directory"));
        assert_eq!(choose(None, &variables(&both)).0, Path::new("/localscratch/1"));
        assert_eq!(choose(None, &variables(&both[1..])).0, Path::new("/var/tmp"));
        assert_eq!(choose(None, &variables(&[])).0, Path::new("/tmp"));
        assert!(choose(Some(Path::new("here")), &variables(&[])).0.is_absolute());
    }

    /// A directory that cannot be used is named, with the way out.
    #[test]
    fn an_unusable_directory_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Scratch::create(Some(&file), "w").unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        assert!(error.contains("(from --local-directory)"), "{error}");
        assert!(error.contains("on a local disk with --local-directory"), "{error}");
        // A directory in which nothing can be made, even by root.
        let error = Scratch::create(Some(Path::new("/proc/self")), "w").unwrap_err().to_string();
        assert!(error.contains("/proc/self"), "{error}");
    }

    /// The numbers that matter, and this machine's answer for a directory that is in memory.
    #[test]
    fn media_are_told_apart() {
        assert_eq!(medium_from(0x6969), Medium::Network("NFS"));
        assert_eq!(medium_from(0x0bd0_0bd0), Medium::Network("Lustre"));
        assert_eq!(medium_from(0xef53), Medium::Disk);
        let parent = tempfile::tempdir().unwrap();
        assert!(medium_of(parent.path()).is_ok());
        assert!(medium_of(&parent.path().join("missing")).is_err());
        if let Ok(medium) = medium_of(Path::new("/dev/shm")) {
            assert!(matches!(medium, Medium::Memory(_) | Medium::Disk), "{medium:?}");
        }
    }
}
