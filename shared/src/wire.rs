//! How messages become bytes: postcard, with a bound on both sides.
//!
//! A frame from a peer decodes or is refused. It never makes the reader allocate what it merely
//! claims: the frame's own length is bounded first, and serde's collections grow as elements come.

use crate::limits::CONTROL_FRAME_BYTES_MAX;
use serde::{Serialize, de::DeserializeOwned};

/// Why a message could not be sent or was refused.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The message is larger than a frame may be.
    #[error(
        "a control message of {bytes} bytes exceeds the limit of {CONTROL_FRAME_BYTES_MAX} bytes"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bytes are no message of this version.
    #[error("cannot read a control message: {0}")]
    Malformed(#[from] postcard::Error),
    /// Something follows the message.
    #[error("a control message has {bytes} trailing bytes")]
    Trailing {
        /// How much.
        bytes: usize,
    },
}

/// The bytes of a message.
///
/// # Errors
/// If they are more than [`CONTROL_FRAME_BYTES_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let bytes = postcard::to_stdvec(message)?;
    if bytes.len() > CONTROL_FRAME_BYTES_MAX {
        return Err(WireError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// The message that these bytes are.
///
/// # Errors
/// If they are too many, are none, or are followed by others.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > CONTROL_FRAME_BYTES_MAX {
        return Err(WireError::TooLarge { bytes: bytes.len() });
    }
    let (message, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() { Ok(message) } else { Err(WireError::Trailing { bytes: rest.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{JobId, StageId, TaskId};
    use crate::message::{
        FailureKind, FromWorker, Outcome, OwnInput, RunTask, Spent, TaskFigures, TaskReport,
        ToWorker,
    };
    use std::sync::Arc;

    fn report() -> FromWorker {
        let task = TaskId { stage: StageId { job: JobId(3), index: 1 }, index: 9 };
        let outcome = Outcome::failed(FailureKind::Retry, "no space");
        FromWorker::Reports(vec![TaskReport { task, attempt: 2, spent: Spent::default(), outcome }])
    }

    /// Every prefix and every one-byte change of a message decodes or is refused, and none panics.
    #[test]
    fn damaged_messages_are_refused_or_read_but_never_panic() {
        let bytes = encode(&report()).expect("encodes");
        assert_eq!(decode::<FromWorker>(&bytes).expect("decodes"), report());
        for end in 0..bytes.len() {
            assert!(decode::<FromWorker>(&bytes[..end]).is_err(), "prefix of {end} bytes");
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = decode::<FromWorker>(&damaged);
                let _ = decode::<ToWorker>(&damaged);
            }
        }
    }

    /// A list that claims four billion entries in ten bytes is refused without room being made for it.
    #[test]
    fn a_claimed_length_is_not_allocated() {
        let claim = [2u8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0];
        assert!(decode::<FromWorker>(&claim).is_err());
    }

    /// Bytes come back from each place where they are, and have the form of a list of numbers.
    #[test]
    fn bytes_travel_as_one_run() {
        let bytes = |length: usize| -> Arc<[u8]> { (0..length).map(|at| at as u8).collect() };
        let task = TaskId { stage: StageId { job: JobId(3), index: 1 }, index: 9 };
        let own = vec![OwnInput {
            input: 0,
            partitions: Vec::new(),
            values: vec![(7, bytes(3)), (8, bytes(0)), (9, bytes(1000))],
        }];
        let run = RunTask { task, attempt: 1, own, arguments: bytes(300) };
        let part = ToWorker::Arguments { task, attempt: 1, bytes: bytes(70_000) };
        for message in [ToWorker::Run(vec![run]), part] {
            let encoded = encode(&message).expect("encodes");
            assert_eq!(decode::<ToWorker>(&encoded).expect("decodes"), message);
        }
        for value in [None, Some(bytes(0)), Some(bytes(300))] {
            let figures = TaskFigures { value: value.clone(), ..TaskFigures::default() };
            let encoded = encode(&figures).expect("encodes");
            assert_eq!(decode::<TaskFigures>(&encoded).expect("decodes"), figures);
            let list = encode(&value.map(|value| value.to_vec())).expect("encodes");
            assert!(encoded.ends_with(&list));
        }
    }

    /// Bytes after a message are an error: they would be a message that nobody reads.
    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&report()).expect("encodes");
        bytes.push(0);
        assert!(matches!(decode::<FromWorker>(&bytes), Err(WireError::Trailing { bytes: 1 })));
    }
}
