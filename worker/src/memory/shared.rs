//! Memory that processes of one node share: a process opens a segment of a worker instead of getting a copy.
//!
//! Linux shows the open files of a process to other processes of the same user below `/proc/PID/fd`. A worker or client
//! that asks a worker for an object names its node; if that is the worker's node too, the answer says where the object
//! lies, in the metadata of its schema. Where the system does not let the reader open it, as in containers of their own,
//! the reader asks for a copy. The client's side is `python/partita/_shared_memory.py`.

use crate::memory::Segment;
use datafusion::arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::OnceLock;

/// Where Linux tells of the boot of the machine: another one for each boot, and so for each node.
const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// Where Linux tells in which namespace the numbers of processes are meant.
const NAMESPACE_LINK: &str = "/proc/self/ns/pid";
/// The metadata of a schema that says where the object lies, as JSON.
const PLACE: &str = "partita.place";

/// The node of this process, and the namespace of its processes: two processes that tell the same can name each other by
/// number. None where the system does not tell.
pub(crate) fn own_node() -> Option<&'static str> {
    static NODE: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let boot = std::fs::read_to_string(BOOT_FILE).ok()?;
        let namespace = std::fs::read_link(NAMESPACE_LINK).ok()?;
        Some(format!("{} {}", boot.trim(), namespace.display()))
    };
    NODE.get_or_init(read).as_deref()
}

/// Where a segment of another process of this node lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentPlace {
    process: u32,
    descriptor: i32,
    device: u64,
    inode: u64,
    pub(crate) bytes: u64,
}

impl SegmentPlace {
    /// The place of a segment of this process.
    ///
    /// # Errors
    /// If the system does not tell which file it is.
    pub(crate) fn of(segment: &Segment) -> io::Result<Self> {
        let file = File::from(segment.descriptor().try_clone_to_owned()?);
        let metadata = file.metadata()?;
        Ok(SegmentPlace {
            process: std::process::id(),
            descriptor: segment.descriptor().as_raw_fd(),
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
        })
    }

    /// The schema of the object that lies there, with the place in its metadata. None if it cannot be written.
    pub(crate) fn write_to(&self, schema: &Schema) -> Option<Schema> {
        let mut metadata = schema.metadata().clone();
        metadata.insert(PLACE.to_string(), serde_json::to_string(self).ok()?);
        Some(schema.clone().with_metadata(metadata))
    }

    /// The place that a schema tells of; none if the rows follow.
    pub(crate) fn of_schema(schema: &Schema) -> Option<serde_json::Result<Self>> {
        schema.metadata().get(PLACE).map(|text| serde_json::from_str(text))
    }

    /// Opens the segment.
    ///
    /// # Errors
    /// If the process has ended or is not shown to this one, or has another file open there.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/{}/fd/{}", self.process, self.descriptor);
        // Another file there may be one whose opening waits.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) != (self.device, self.inode) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the memory was given up"));
        }
        Ok(file.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segments;
    use datafusion::arrow::buffer::Buffer;
    use datafusion::execution::memory_pool::UnboundedMemoryPool;
    use std::sync::Arc;

    /// A segment that was opened again has the same bytes, also when the first holder has given it up.
    #[test]
    fn segments_are_opened_where_they_lie() {
        let segments = Segments::new(Arc::new(UnboundedMemoryPool::default()));
        let buffer = segments.copy(&[Buffer::from(b"abcde")]).unwrap();
        let place = SegmentPlace::of(&segments.find(&buffer).unwrap()).unwrap();
        let opened = segments.adopt(place.open().unwrap(), place.bytes).unwrap();
        drop(buffer);
        assert_eq!(opened.as_slice(), b"abcde");
    }

    /// A number that stands for another file by now is not mistaken for the segment.
    #[test]
    fn another_file_is_not_the_segment() {
        let segments = Segments::new(Arc::new(UnboundedMemoryPool::default()));
        let made = |bytes: &[u8]| segments.copy(&[Buffer::from(bytes)]).unwrap();
        let (first, second) = (made(b"abcde"), made(b"fghij"));
        let place = |buffer| SegmentPlace::of(&segments.find(buffer).unwrap()).unwrap();
        let (place, other) = (place(&first), place(&second));
        let moved = SegmentPlace { descriptor: other.descriptor, ..place.clone() };
        assert!(moved.open().is_err());
        assert!(SegmentPlace { descriptor: i32::MAX, ..place }.open().is_err());
    }
}
