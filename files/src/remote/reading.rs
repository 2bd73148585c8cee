//! Files that are read from beginning to end, or from some byte on, wherever they are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::stores;

/// Bytes of the first request for a file, which may be for its header only.
const FIRST_BYTES: u64 = 256 << 10;

/// Bytes of later requests, each of which is twice as large as the one before. While one answer is read, the next one
/// is requested.
const BYTES_MAX: u64 = 8 << 20;

/// What can be read, from any byte on.
pub(crate) trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// A store as people write it, without the options in its address; none for the local file system.
pub(super) fn shown(url: &ObjectStoreUrl) -> Option<String> {
    if *url == ObjectStoreUrl::local_filesystem() {
        return None;
    }
    let url: &url::Url = url.as_ref();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default()))
}

/// The path or address of a file, as people write it.
pub(super) fn named(store: Option<&str>, location: &Path) -> String {
    format!("{}/{location}", store.unwrap_or_default())
}

/// Where the files of a table are.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// In the file system that all nodes see.
    Local,
    /// In a store that people call by this name.
    Remote { store: Arc<dyn ObjectStore>, shown: Arc<str> },
}

impl Storage {
    /// That of a scan.
    pub(crate) fn of(url: &ObjectStoreUrl, store: Arc<dyn ObjectStore>) -> Self {
        match shown(url) {
            Some(shown) => Self::Remote { store, shown: shown.into() },
            None => Self::Local,
        }
    }

    /// A file in it.
    pub(crate) fn file(&self, meta: &ObjectMeta) -> StoredFile {
        let (location, size) = (meta.location.clone(), meta.size);
        let shown = match self {
            Self::Local => named(None, &location),
            Self::Remote { shown, .. } => named(Some(shown), &location),
        };
        StoredFile { storage: self.clone(), location, size, shown }
    }
}

/// A file, to be opened.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    storage: Storage,
    location: Path,
    size: u64,
    shown: String,
}

impl StoredFile {
    /// A file of the local file system.
    #[cfg(test)]
    pub(crate) fn local(path: &std::path::Path) -> Self {
        let location = Path::from_absolute_path(path).expect("an absolute path");
        let size = std::fs::metadata(path).map_or(0, |found| found.len());
        Self { storage: Storage::Local, location, size, shown: path.display().to_string() }
    }

    /// Its path or address, as people write it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Its bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Opens it on a thread that may wait. Up to `end` it is requested before it is read.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn open(&self, end: Option<u64>) -> io::Result<Box<dyn Input>> {
        match &self.storage {
            Storage::Local => Ok(Box::new(File::open(&self.shown)?)),
            Storage::Remote { store, .. } => Ok(Box::new(Ahead {
                store: Arc::clone(store),
                location: self.location.clone(),
                size: self.size,
                end: end.unwrap_or(self.size).min(self.size),
                at: 0,
                chunk: Bytes::new(),
                chunk_at: 0,
                next: None,
                length: FIRST_BYTES,
            })),
        }
    }
}

type Answer = Receiver<object_store::Result<Bytes>>;

/// A file of a store, of which a part is in memory.
struct Ahead {
    store: Arc<dyn ObjectStore>,
    location: Path,
    size: u64,
    /// Nothing beyond is requested before it is read.
    end: u64,
    /// The byte that is read next.
    at: u64,
    chunk: Bytes,
    chunk_at: u64,
    /// A request for the bytes from some byte on.
    next: Option<(u64, Answer)>,
    /// Bytes of the next request.
    length: u64,
}

impl Ahead {
    fn request(&mut self, start: u64) -> io::Result<Answer> {
        let end = start.saturating_add(self.length).min(self.size);
        self.length = (self.length * 2).min(BYTES_MAX);
        let (store, location) = (Arc::clone(&self.store), self.location.clone());
        let (sender, answer) = mpsc::sync_channel(1);
        stores::runtime().map_err(io::Error::other)?.spawn(async move {
            // Nobody waits for what was requested in vain.
            sender.send(store.get_range(&location, start..end).await).ok()
        });
        Ok(answer)
    }

    fn fill(&mut self) -> io::Result<()> {
        let is_first = self.chunk.is_empty();
        let answer = match self.next.take() {
            Some((start, answer)) if start == self.at => answer,
            _ => self.request(self.at)?,
        };
        let chunk = answer.recv().map_err(io::Error::other)?.map_err(error)?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.chunk, self.chunk_at) = (chunk, self.at);
        let next = self.chunk_at + self.chunk.len() as u64;
        if !is_first && next < self.end {
            self.next = Some((next, self.request(next)?));
        }
        Ok(())
    }
}

fn error(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let is_here = self.at >= self.chunk_at && self.at < self.chunk_at + self.chunk.len() as u64;
        if !is_here {
            self.fill()?;
        }
        let from = usize::try_from(self.at - self.chunk_at).map_err(io::Error::other)?;
        let count = buffer.len().min(self.chunk.len() - from);
        buffer[..count].copy_from_slice(&self.chunk[from..from + count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Ahead {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        let at = match place {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn stored(bytes: &[u8]) -> StoredFile {
        let (store, location) = (Arc::new(InMemory::new()), Path::from("a/b.csv"));
        let (there, at, copy) = (Arc::clone(&store), location.clone(), bytes.to_vec());
        stores::wait(async move { there.put(&at, copy.into()).await }).expect("runs").expect("put");
        let url = ObjectStoreUrl::parse("s3://bucket").expect("valid");
        let meta = ObjectMeta {
            location,
            last_modified: Default::default(),
            size: bytes.len() as u64,
            e_tag: None,
            version: None,
        };
        Storage::of(&url, store).file(&meta)
    }

    /// A file of a store reads as its bytes, from the beginning and from any byte on.
    #[test]
    fn files_of_stores_read_as_local_ones() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let file = stored(&bytes);
        assert_eq!((file.shown(), file.size()), ("s3://bucket/a/b.csv", 3_000_000));
        let mut input = file.open(None).expect("opens");
        let mut found = Vec::new();
        input.read_to_end(&mut found).expect("reads");
        assert!(found == bytes);
        for start in [0_u64, 1, 262_143, 262_144, 2_999_999, 3_000_000, 4_000_000] {
            input.seek(SeekFrom::Start(start)).expect("seeks");
            found.clear();
            input.read_to_end(&mut found).expect("reads");
            assert!(found == bytes[bytes.len().min(start as usize)..], "from {start}");
        }
    }
}
