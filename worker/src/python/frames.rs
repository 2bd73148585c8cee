//! What the worker and its Python processes send each other.
//!
//! A frame is its length in 4 bytes, its kind in one, and a body; numbers are little-endian. A length of
//! [`LONG_FRAME`] says that the real one follows in 8 bytes.

use crate::python::PythonError;
use datafusion::arrow::buffer::Buffer;
use partita_net::payload::{Header, Payload, parts_prefix};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The length that says that the real one follows.
const LONG_FRAME: u32 = u32::MAX;
/// Frames longer than this have their length in 8 bytes.
const SHORT_FRAME_BYTES_MAX: u64 = 1 << 30;
/// The longest frame that is read, in bytes. A longer one is an accident.
const FRAME_BYTES_MAX: u64 = 1 << 40;
/// Buffers of one object: more is an accident.
const PARTS_MAX: u32 = 1 << 24;

/// Frames to a zygote.
pub(super) mod to_zygote {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const FORK: u8 = 2;
    pub(crate) const SIGNAL: u8 = 3;
}

/// Frames from a zygote.
pub(super) mod from_zygote {
    pub(crate) const READY: u8 = 1;
    pub(crate) const FAILED: u8 = 2;
    pub(crate) const FORKED: u8 = 3;
    pub(crate) const EXITED: u8 = 4;
}

/// Frames to a runner.
pub(super) mod to_runner {
    pub(crate) const FUNCTION: u8 = 1;
    pub(crate) const RUN: u8 = 2;
    pub(crate) const FORGET: u8 = 3;
    /// The answer to a call that gave its slot back, or wanted one again: whether that was done.
    pub(crate) const SLOT: u8 = 4;
}

/// Frames from a runner.
pub(super) mod from_runner {
    pub(crate) const READY: u8 = 1;
    pub(crate) const DONE: u8 = 2;
    pub(crate) const RAISED: u8 = 3;
    /// The call gives its slot back, since it waits for others.
    pub(crate) const SECEDE: u8 = 4;
    /// It wants a slot again.
    pub(crate) const REJOIN: u8 = 5;
    /// A call has ended whose result is in memory of its own, the descriptor of which came before.
    pub(crate) const DONE_MAPPED: u8 = 6;
    /// A call has ended, and memory is wanted for its result: the bytes that it has.
    pub(crate) const ALLOCATE: u8 = 7;
}

/// The flag of [`from_runner::RAISED`] that says: the interrupt of a call that was stopped ended it.
pub(super) const IS_INTERRUPT: u8 = 4;

/// The bit in the size of an input that says: its parts are in memory whose descriptor follows.
pub(super) const MAPPED_INPUT: u64 = 1 << 63;

/// A frame that was read.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
}

/// The first bytes of a frame whose body has this many bytes.
pub(super) fn begin(kind: u8, body_bytes: u64) -> Vec<u8> {
    let length = body_bytes + 1;
    let mut frame = Vec::with_capacity(64);
    if length > SHORT_FRAME_BYTES_MAX {
        frame.extend(LONG_FRAME.to_le_bytes());
        frame.extend(length.to_le_bytes());
    } else {
        frame.extend((length as u32).to_le_bytes());
    }
    frame.push(kind);
    frame
}

/// A whole frame.
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = begin(kind, body.len() as u64);
    frame.extend_from_slice(body);
    frame
}

/// Reads a frame. None at the end of the stream, also in the middle of a frame: then its process has ended.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Frame>, PythonError> {
    let failed = PythonError::system("cannot read from a Python process");
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if is_end(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let rest = async {
        let mut bytes = u64::from(u32::from_le_bytes(length));
        if bytes == u64::from(LONG_FRAME) {
            bytes = stream.read_u64_le().await?;
        }
        if bytes == 0 || bytes > FRAME_BYTES_MAX {
            return Ok(Err(PythonError::Protocol(format!("a frame of {bytes} bytes"))));
        }
        let kind = stream.read_u8().await?;
        let size = bytes as usize - 1;
        let mut body = Vec::with_capacity(size);
        let read = stream.take(size as u64).read_to_end(&mut body).await?;
        Ok(Ok((read == size).then_some(Frame { kind, body })))
    };
    match rest.await {
        Ok(frame) => frame,
        Err(error) if is_end(&error) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whether the process at the other end has ended.
fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
}

/// Reads numbers and texts from a body.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], PythonError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| PythonError::Protocol("a frame with a part missing".to_string()))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PythonError> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, PythonError> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn u64(&mut self) -> Result<u64, PythonError> {
        let (low, high) = (self.u32()?, self.u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Bytes behind their number.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], PythonError> {
        let count = self.u32()?;
        self.bytes(count as usize)
    }
}

/// The bytes that stand before those of a pickled object: how many parts it has, and how long each is.
pub(crate) fn prefix(payload: &Payload) -> Result<Vec<u8>, PythonError> {
    let Header::Pickle { parts } = payload.header() else {
        let text = "a function cannot read blocks of arrays yet".to_string();
        return Err(PythonError::Protocol(text));
    };
    Ok(parts_prefix(parts))
}

/// The lengths of the parts of a pickled object. Their sum is a length.
pub(super) fn read_parts(reader: &mut Reader<'_>) -> Result<Vec<u64>, PythonError> {
    let count = reader.u32()?;
    if count > PARTS_MAX {
        return Err(PythonError::Protocol(format!("an object of {count} parts")));
    }
    let parts = (0..count).map(|_| reader.u64()).collect::<Result<Vec<u64>, _>>()?;
    let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
    match sum {
        Some(_) => Ok(parts),
        None => Err(PythonError::Protocol("an object that is too large".to_string())),
    }
}

/// The pickled object in bytes, which begin with its parts.
pub(crate) fn unpack(bytes: &Buffer) -> Result<Payload, PythonError> {
    let mut reader = Reader(bytes);
    let parts = read_parts(&mut reader)?;
    let start = bytes.len() - reader.0.len();
    let payload = Payload::new(Header::Pickle { parts }, bytes.slice(start));
    payload.map_err(|error| PythonError::Protocol(error.to_string()))
}

/// A pickled object as its client and its readers get it, if it has at most `bytes_max` bytes.
pub(crate) fn packed(payload: &Payload, bytes_max: usize) -> Option<Arc<[u8]>> {
    let mut bytes = prefix(payload).ok()?;
    if bytes.len() + payload.bytes().len() > bytes_max {
        return None;
    }
    bytes.extend_from_slice(payload.bytes());
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames come back as they were sent, one after the other, and a stream may end between two.
    #[tokio::test]
    async fn frames_are_read() {
        let bytes = [frame(3, b"abc"), frame(1, b"")].concat();
        let mut stream = bytes.as_slice();
        let first = read(&mut stream).await.unwrap().unwrap();
        assert_eq!((first.kind, first.body.as_slice()), (3, &b"abc"[..]));
        let second = read(&mut stream).await.unwrap().unwrap();
        assert_eq!((second.kind, second.body.len()), (1, 0));
        assert!(read(&mut stream).await.unwrap().is_none());
        let mut cut = &bytes[..6];
        assert!(read(&mut cut).await.unwrap().is_none());
        let mut empty = &[0; 5][..];
        assert!(read(&mut empty).await.is_err());
    }

    /// Objects keep their parts, and damaged ones are refused.
    #[test]
    fn objects_are_unpacked() {
        let payload =
            Payload::new(Header::Pickle { parts: vec![2, 0, 3] }, Buffer::from(b"abcde")).unwrap();
        let bytes = packed(&payload, 100).unwrap();
        assert_eq!(bytes.len(), 4 + 3 * 8 + 5);
        assert_eq!(unpack(&Buffer::from(&bytes[..])).unwrap(), payload);
        assert!(unpack(&Buffer::from(&bytes[..bytes.len() - 1])).is_err());
        assert!(unpack(&Buffer::from(&bytes[..9])).is_err());
        assert_eq!(packed(&payload, 20), None);
    }
}
