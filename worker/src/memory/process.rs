//! What the process really uses, measured.

use crate::memory::policy::Used;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How old a measurement may be when memory is asked for. It costs a system call.
const AGE_MAX: Duration = Duration::from_millis(1);
/// How often the allocator is asked to return what it keeps.
const GIVE_BACK_INTERVAL: Duration = Duration::from_millis(10);
/// The size of a page where the system does not tell it, in bytes.
const PAGE_BYTES: u64 = 4096;
/// More than one line of `/proc/self/statm` ever has.
const STATM_BYTES: usize = 128;

/// Whether the process uses so much that every thread returns what it keeps, and how. A process has one
/// allocator.
static MUST_GIVE_BACK: AtomicBool = AtomicBool::new(false);
static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

thread_local! {
    /// When this thread gave back what it kept.
    static GAVE_BACK: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Has this thread return what the allocator keeps for it, if memory is short: what one thread reserved
/// and another freed comes back only here. For threads that are about to wait.
pub(crate) fn give_back_of_thread() {
    if !MUST_GIVE_BACK.load(Ordering::Relaxed) {
        return;
    }
    let now = Instant::now();
    let is_due = |last: Instant| now.duration_since(last) >= GIVE_BACK_INTERVAL;
    if let Some(give_back) = GIVE_BACK.get()
        && GAVE_BACK.get().is_none_or(is_due)
    {
        GAVE_BACK.set(Some(now));
        give_back();
    }
}

/// The memory of this process: measured when asked, and returned to the system.
#[derive(Debug)]
pub(crate) struct ProcessMemory {
    statm: File,
    page_bytes: u64,
    give_back: fn(),
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    used: Used,
    measured: Instant,
    gave_back: Option<Instant>,
}

impl ProcessMemory {
    /// Measures from now on; `give_back` has the allocator return what it keeps. None where the
    /// system does not tell.
    pub(crate) fn new(give_back: fn()) -> Option<Self> {
        let statm = File::open("/proc/self/statm").ok()?;
        let page_bytes = page_bytes();
        let used = read(&statm, page_bytes)?;
        let _ = GIVE_BACK.set(give_back);
        let state = State { used, measured: Instant::now(), gave_back: None };
        Some(ProcessMemory { statm, page_bytes, give_back, state: Mutex::new(state) })
    }

    /// Whether threads return what they keep before they wait.
    pub(crate) fn set_must_give_back(&self, must: bool) {
        MUST_GIVE_BACK.store(must, Ordering::Relaxed);
    }

    /// What is used now.
    pub(crate) fn measure(&self) -> Used {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = read(&self.statm, self.page_bytes) {
            (state.used, state.measured) = (used, now);
        }
        state.used
    }

    /// What was used a moment ago.
    pub(crate) fn recent(&self) -> Used {
        {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.measured.elapsed() < AGE_MAX {
                return state.used;
            }
        }
        self.measure()
    }

    /// What is used after the allocator has returned what it kept.
    pub(crate) fn reduced(&self) -> Used {
        let is_due = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = state.gave_back.is_none_or(|last| last.elapsed() >= GIVE_BACK_INTERVAL);
            if is_due {
                state.gave_back = Some(Instant::now());
            }
            is_due
        };
        if is_due {
            (self.give_back)();
            return self.measure();
        }
        self.recent()
    }
}

/// The size of a page, in bytes.
fn page_bytes() -> u64 {
    #[expect(unsafe_code, reason = "sysconf only reads")]
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(PAGE_BYTES)
}

/// Reads `/proc/self/statm`: pages in all, resident, shared, and others.
fn read(statm: &File, page_bytes: u64) -> Option<Used> {
    let mut bytes = [0; STATM_BYTES];
    let length = statm.read_at(&mut bytes, 0).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(Used { resident_bytes: resident * page_bytes, file_bytes: shared * page_bytes })
}

/// The resident set of this process; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let statm = File::open("/proc/self/statm").ok();
    statm.and_then(|statm| read(&statm, page_bytes())).map_or(0, |used| used.resident_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often growth is looked for.
    const TRIES: usize = 20;

    /// What is touched is counted, also by a file that was opened long before.
    #[test]
    fn memory_that_is_touched_is_counted() {
        let process = ProcessMemory::new(|| {}).expect("a Linux system");
        let after = process.measure();
        // Other tests free memory at the same time: it is tried some times.
        let is_counted = (0..TRIES).any(|_| {
            let before = process.measure();
            let much = vec![1_u8; 64 << 20];
            let after = process.measure();
            let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
            much.iter().all(|byte| *byte == 1) && grown > 32 << 20
        });
        assert!(is_counted, "{after:?}");
        assert!(after.file_bytes > 0 && after.file_bytes < after.resident_bytes);
    }
}
