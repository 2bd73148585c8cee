//! Doing something in a test's own code as if it ran on the login host.

use super::Slurm;
use std::os::fd::AsRawFd;

impl Slurm {
    /// Runs `work` on a thread that sees the login host's network and files: the cluster's folder is
    /// `/srv` there.
    ///
    /// # Panics
    /// If it does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.move_this_thread();
                work()
            });
            match inside.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn move_this_thread(&self) {
        for (name, kind) in [("net", libc::CLONE_NEWNET), ("mnt", libc::CLONE_NEWNS)] {
            let path = format!("/proc/{}/ns/{name}", self.first);
            let file = std::fs::File::open(path).expect("the namespace");
            #[expect(unsafe_code, reason = "both calls take numbers and change this thread alone")]
            let moved = unsafe {
                // A thread that shares its working directory with others cannot have other mounts.
                libc::unshare(libc::CLONE_FS) == 0 && libc::setns(file.as_raw_fd(), kind) == 0
            };
            assert!(moved, "setns {name}: {}", std::io::Error::last_os_error());
        }
    }
}
