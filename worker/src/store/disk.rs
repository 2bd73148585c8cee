//! Whether the scratch disk takes what is spilled.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a disk that failed is not tried again, unless it has more free space than then.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The disk of the scratch folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    failure: Mutex<Option<Failure>>,
}

/// The last write that failed.
#[derive(Clone, Copy, Debug)]
struct Failure {
    at: Instant,
    /// What was free then; none where the system does not tell.
    free_bytes: Option<u64>,
}

impl Disk {
    pub(super) fn new(folder: PathBuf) -> Self {
        Disk { folder, failure: Mutex::default() }
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write failed now.
    pub(super) fn failed(&self) {
        let failure = Failure { at: Instant::now(), free_bytes: free_bytes(&self.folder) };
        *self.failure() = Some(failure);
    }

    /// Whether a write failed a moment ago, and nothing was freed since.
    pub(super) fn is_known_to_fail(&self) -> bool {
        let Some(failure) = *self.failure() else { return false };
        if failure.at.elapsed() >= RETRY_INTERVAL {
            return false;
        }
        // Where the system does not tell, time alone decides.
        let free = failure.free_bytes.zip(free_bytes(&self.folder));
        free.is_none_or(|(then, now)| now <= then)
    }

    /// Lets it be tried again at once.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *self.failure() = None;
    }
}

/// Free bytes for this user in a folder's file system; none if the system does not report them.
fn free_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    #[expect(
        unsafe_code,
        reason = "statvfs only reads, and fills all of what it is given if it gives 0"
    )]
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return None;
        }
        found.assume_init()
    };
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that failed is tried again when there is more room on it than then, or after a while.
    #[test]
    fn a_disk_is_tried_again() {
        let disk = Disk::new(std::env::temp_dir());
        assert!(!disk.is_known_to_fail());
        disk.failed();
        let set = |age: Duration, free_bytes| {
            let at = Instant::now().checked_sub(age).expect("a time after the start of the system");
            *disk.failure() = Some(Failure { at, free_bytes });
        };
        let soon = Duration::ZERO;
        for (age, free_bytes, fails) in [
            (soon, Some(u64::MAX), true),
            (soon, None, true),
            (soon, Some(0), false),
            (RETRY_INTERVAL, Some(u64::MAX), false),
        ] {
            set(age, free_bytes);
            assert_eq!(disk.is_known_to_fail(), fails, "{age:?} {free_bytes:?}");
        }
    }
}
