//! The limit of open files.

/// The limit that systems take which refuse an endless one.
const OPEN_FILES_FALLBACK: libc::rlim_t = 10_240;

/// Raises the soft limit of open files to the hard one.
///
/// Soft limits are low, often 1024, for the sake of programs that call `select`. Connections of many
/// workers, the files of a scan and those of a spill are more.
pub(crate) fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "getrlimit writes into the struct that it is given")]
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0;
    if failed || limit.rlim_cur >= limit.rlim_max {
        return;
    }
    for wanted in [limit.rlim_max, OPEN_FILES_FALLBACK.min(limit.rlim_max)] {
        let raised = libc::rlimit { rlim_cur: wanted, ..limit };
        #[expect(unsafe_code, reason = "setrlimit only reads the struct that it is given")]
        let refused = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } != 0;
        if !refused {
            return;
        }
    }
}
