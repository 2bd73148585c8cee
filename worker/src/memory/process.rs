//! What the process really uses, measured.

use crate::memory::policy::Used;
use crate::memory::segments::segment_bytes;
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

/// How often the system is told that the program's code need not be resident.
const CODE_INTERVAL: Duration = Duration::from_millis(200);

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
    let Some(give_back) = GIVE_BACK.get() else { return };
    let mut gave_back = GAVE_BACK.get();
    if is_due(&mut gave_back, GIVE_BACK_INTERVAL) {
        GAVE_BACK.set(gave_back);
        give_back();
    }
}

/// Whether something was last done at least so long ago. If so, it counts as done now.
fn is_due(last: &mut Option<Instant>, interval: Duration) -> bool {
    let is_due = last.is_none_or(|last| last.elapsed() >= interval);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// The memory of this process: measured when asked, and returned to the system.
#[derive(Debug)]
pub(crate) struct ProcessMemory {
    statm: File,
    page_bytes: u64,
    give_back: fn(),
    /// Where the program's code is mapped: first bytes and lengths.
    code: Vec<(usize, usize)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    used: Used,
    measured: Instant,
    gave_back: Option<Instant>,
    released_code: Option<Instant>,
}

impl ProcessMemory {
    /// Measures from now on; `give_back` has the allocator return what it keeps. None where the
    /// system does not tell.
    pub(crate) fn new(give_back: fn()) -> Option<Self> {
        let statm = File::open("/proc/self/statm").ok()?;
        let page_bytes = page_bytes();
        let used = read(&statm, page_bytes)?;
        let _ = GIVE_BACK.set(give_back);
        let state = State { used, measured: Instant::now(), gave_back: None, released_code: None };
        let code = std::fs::read_to_string("/proc/self/maps")
            .map_or_else(|_| Vec::new(), |maps| code_in(&maps));
        Some(ProcessMemory { statm, page_bytes, give_back, code, state: Mutex::new(state) })
    }

    /// Takes the program's code out of the resident set: most of it was needed once, to start and to plan. What is
    /// needed again comes from the system's cache of files.
    pub(crate) fn release_code(&self) {
        let is_due = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            is_due(&mut state.released_code, CODE_INTERVAL)
        };
        if !is_due {
            return;
        }
        for (start, length) in &self.code {
            #[expect(
                unsafe_code,
                reason = "pages of a file that nobody can have written to are read again"
            )]
            let _ =
                unsafe { libc::madvise(*start as *mut libc::c_void, *length, libc::MADV_DONTNEED) };
        }
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
            is_due(&mut state.gave_back, GIVE_BACK_INTERVAL)
        };
        if is_due {
            (self.give_back)();
            return self.measure();
        }
        self.recent()
    }
}

/// The mappings of files that can be executed and not written, of the text of `/proc/self/maps`. Their pages are as in
/// the file: code of this kind is not relocated.
fn code_in(maps: &str) -> Vec<(usize, usize)> {
    let mapping = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (range, mode, path) = (fields.next()?, fields.next()?, fields.nth(3)?);
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (address(start)?, address(end)?);
        (mode == "r-xp" && path.starts_with('/')).then_some((start, end.checked_sub(start)?))
    };
    maps.lines().filter_map(mapping).collect()
}

/// The size of a page, in bytes.
fn page_bytes() -> u64 {
    #[expect(unsafe_code, reason = "sysconf only reads")]
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(PAGE_BYTES)
}

/// Reads `/proc/self/statm`: pages in all, resident, shared, and others. Segments count whole, whether this process has
/// touched them or not.
fn read(statm: &File, page_bytes: u64) -> Option<Used> {
    let mut bytes = [0; STATM_BYTES];
    let length = statm.read_at(&mut bytes, 0).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let (resident, shared) = (resident * page_bytes, shared * page_bytes);
    let segments = segment_bytes();
    // Reading how much of them was touched costs more than all the rest.
    let touched = if segments > 0 { status_bytes("self", "RssShmem:") } else { 0 };
    Some(Used {
        resident_bytes: resident.saturating_sub(touched) + segments,
        file_bytes: shared.saturating_sub(touched),
    })
}

/// A line of the status of a process (`self`, or its number), in bytes; 0 if it is gone.
pub(crate) fn status_bytes(process: &str, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = found.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(0, |kib| kib << 10)
}

/// The processor time of a process (`self`, or its number) so far, in clock ticks; 0 if it is gone.
pub(crate) fn cpu_ticks(process: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field, the name in brackets, may hold spaces: count from behind it.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    ticks(11) + ticks(12)
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

    /// Touched memory is counted, also by a file that was opened long before.
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

    /// Code of files is told from data, from memory without a file, and from what the kernel maps.
    #[test]
    fn code_is_found() {
        let maps = "1000-3000 r-xp 00001000 fe:00 12 /usr/bin/a program\n\
                    3000-4000 r--p 00003000 fe:00 12 /usr/bin/program\n\
                    5000-6000 rwxp 00000000 00:00 0 \n\
                    7000-8000 r-xp 00000000 00:00 0 [vdso]\n";
        assert_eq!(code_in(maps), [(0x1000, 0x2000)]);
    }

    /// What was resident of the code is not any more, and the program goes on.
    #[test]
    fn code_is_released() {
        let process = ProcessMemory::new(|| {}).expect("a Linux system");
        assert!(!process.code.is_empty());
        let is_smaller = (0..TRIES).any(|_| {
            process.state.lock().expect("the state").released_code = None;
            let before = process.measure().file_bytes;
            process.release_code();
            process.measure().file_bytes < before
        });
        assert!(is_smaller);
    }
}
