//! Objects in anonymous memory that Python processes map instead of getting a copy.
//!
//! A segment is a `memfd` whose content is sealed: no process can change it, so that it may be shared. Python maps it
//! privately: a function that writes to its input gets copies of the pages that it writes to.

use crate::environment::memory::resource_limit;
use crate::store::CONSUMER;
use datafusion::arrow::buffer::Buffer;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use memmap2::{Mmap, MmapOptions};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Objects of at least this many bytes are kept in segments: for smaller ones a copy costs less than a mapping.
pub(crate) const SEGMENT_BYTES_MIN: usize = 1 << 20;
/// The part of the descriptors of the process that segments may have.
const DESCRIPTORS_PART: u64 = 2;
/// Segments at most, where descriptors have no limit or the system does not tell it.
const SEGMENTS_FALLBACK: usize = 256;
/// The name of segments in listings of the system.
const NAME: &str = "partita";

/// What all segments of this process have, in bytes.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// What all segments of this process have, in bytes, whether it has touched them or not.
pub(crate) fn segment_bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// The seals of a segment.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// Bytes in a sealed `memfd`. Dropping the last reference frees them, unless a Python process has them mapped.
#[derive(Debug)]
pub(crate) struct Segment {
    file: OwnedFd,
    bytes: Mmap,
    all: Weak<Segments>,
}

impl Segment {
    /// The descriptor of the memory.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        BYTES.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
        if let Some(all) = self.all.upgrade() {
            // Before the address is given up: nothing else can be there yet.
            all.lock().remove(&(self.bytes.as_ptr() as usize));
        }
    }
}

/// What a buffer holds of a segment.
struct Held(Arc<Segment>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    file: File,
    bytes: u64,
    all: Arc<Segments>,
}

impl SegmentWriter {
    /// What was written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// If the system has no memory for them.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.bytes += piece.len() as u64;
        self.file.write_all(piece)
    }

    /// Seals the segment.
    ///
    /// # Errors
    /// If it cannot be mapped.
    pub(crate) fn finish(self) -> io::Result<Buffer> {
        fcntl(&self.file, FcntlArg::F_ADD_SEALS(seals()))?;
        self.all.map(self.file)
    }
}

/// The segments of a worker.
#[derive(Debug)]
pub(crate) struct Segments {
    /// By the addresses of their bytes.
    live: Mutex<HashMap<usize, Weak<Segment>>>,
    count_max: usize,
    /// The budget.
    pool: Arc<dyn MemoryPool>,
}

impl Segments {
    /// None yet.
    pub(crate) fn new(pool: Arc<dyn MemoryPool>) -> Arc<Self> {
        Arc::new(Segments { live: Mutex::default(), count_max: segments_max(), pool })
    }

    /// Room in the budget for what a Python process is about to write, until it is stored.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<MemoryReservation> {
        if self.lock().len() >= self.count_max {
            return None;
        }
        let reservation = MemoryConsumer::new(CONSUMER).register(&self.pool);
        let bytes = usize::try_from(bytes).ok()?;
        reservation.try_grow(bytes).is_ok().then_some(reservation)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Weak<Segment>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that a buffer is all of.
    pub(crate) fn find(&self, bytes: &Buffer) -> Option<Arc<Segment>> {
        let segment = self.lock().get(&(bytes.as_ptr() as usize)).and_then(Weak::upgrade)?;
        (segment.bytes.len() == bytes.len()).then_some(segment)
    }

    /// Copies bytes, piece after piece, into a new segment. None if there are too many, or the system has no such memory:
    /// the bytes are used where they are then.
    pub(crate) fn copy(self: &Arc<Self>, pieces: &[Buffer]) -> Option<Buffer> {
        let mut segment = self.create()?;
        let written = pieces.iter().try_for_each(|piece| segment.write(piece));
        let made = written.and_then(|()| segment.finish());
        made.inspect_err(|error| tracing::debug!(%error, "cannot make a segment")).ok()
    }

    /// Begins a segment. None if there are too many, or the system has no such memory.
    pub(crate) fn create(self: &Arc<Self>) -> Option<SegmentWriter> {
        if self.lock().len() >= self.count_max {
            return None;
        }
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let made = memfd_create(NAME, flags);
        let made = made.inspect_err(|error| tracing::debug!(%error, "cannot make a segment"));
        Some(SegmentWriter { file: File::from(made.ok()?), bytes: 0, all: Arc::clone(self) })
    }

    /// Takes over what a Python process wrote.
    ///
    /// # Errors
    /// If its content could still change, or it has not `length` bytes.
    pub(crate) fn adopt(self: &Arc<Self>, file: OwnedFd, length: u64) -> io::Result<Buffer> {
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let found = SealFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GET_SEALS)?);
        if !found.contains(seals()) {
            return Err(invalid("memory that can still be written to"));
        }
        let file = File::from(file);
        if file.metadata()?.len() != length {
            return Err(invalid("memory of another length than its parts"));
        }
        self.map(file)
    }

    /// Maps a file that is sealed.
    fn map(self: &Arc<Self>, file: File) -> io::Result<Buffer> {
        #[expect(unsafe_code, reason = "the seals keep every process from changing the content")]
        let bytes = unsafe { MmapOptions::new().map_copy_read_only(&file) }?;
        BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let segment = Arc::new(Segment { file: file.into(), bytes, all: Arc::downgrade(self) });
        self.lock().insert(segment.bytes.as_ptr() as usize, Arc::downgrade(&segment));
        Ok(Buffer::from(bytes::Bytes::from_owner(Held(segment))))
    }
}

/// How many segments there may be: each has a descriptor.
fn segments_max() -> usize {
    let limit = resource_limit(libc::RLIMIT_NOFILE as _).map(|limit| limit / DESCRIPTORS_PART);
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(SEGMENTS_FALLBACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

    fn segments() -> Arc<Segments> {
        Segments::new(Arc::new(UnboundedMemoryPool::default()))
    }

    /// Bytes are found by their buffer, whole, and are given up with it.
    #[test]
    fn segments_are_found_while_they_are_held() {
        let segments = segments();
        let buffer = segments.copy(&[Buffer::from(b"abc"), Buffer::from(b"de")]).unwrap();
        assert_eq!(buffer.as_slice(), b"abcde");
        let found = segments.find(&buffer.clone()).unwrap();
        assert_eq!(&found.bytes[..], b"abcde");
        assert!(segments.find(&buffer.slice_with_length(0, 3)).is_none());
        assert!(segments.find(&Buffer::from(b"abcde")).is_none());
        drop((found, buffer));
        assert!(segments.lock().is_empty());
    }

    /// Memory is taken over only if nobody can change it, and if it has the length that was told.
    #[test]
    fn only_sealed_memory_is_taken_over() {
        let segments = segments();
        let made = |seals: SealFlag| {
            let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
            let mut file = File::from(memfd_create(NAME, flags).unwrap());
            file.write_all(b"abcde").unwrap();
            fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
            OwnedFd::from(file)
        };
        assert_eq!(segments.adopt(made(seals()), 5).unwrap().as_slice(), b"abcde");
        assert!(segments.adopt(made(seals()), 6).is_err());
        assert!(segments.adopt(made(SealFlag::F_SEAL_SHRINK), 5).is_err());
    }

    /// What a process is about to write needs room in the budget until it is stored.
    #[test]
    fn room_is_reserved_before_it_is_used() {
        let segments = Segments::new(Arc::new(GreedyMemoryPool::new(100)));
        let first = segments.reserve(70).unwrap();
        assert!(segments.reserve(70).is_none());
        drop(first);
        assert!(segments.reserve(70).is_some());
    }

    /// Where there may be no more, bytes stay where they are.
    #[test]
    fn segments_are_limited() {
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let segments = Arc::new(Segments { live: Mutex::default(), count_max: 1, pool });
        let first = segments.copy(&[Buffer::from(b"a")]);
        assert!(first.is_some());
        assert!(segments.copy(&[Buffer::from(b"b")]).is_none());
        assert!(segments.reserve(1).is_none());
        drop(first);
        assert!(segments.copy(&[Buffer::from(b"b")]).is_some());
    }
}
