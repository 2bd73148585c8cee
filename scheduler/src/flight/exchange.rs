//! The form of the messages in the streams of `DoExchange`, which carry only metadata.
//!
//! A message is its kind in one byte, the length of a header in four, the header in JSON, and bytes that the header
//! describes. Numbers are little-endian.

use arrow_flight::FlightData;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use serde::de::DeserializeOwned;
use tonic::Status;

/// What a client sends.
pub(crate) type Messages = BoxStream<'static, Result<FlightData, Status>>;

/// Takes parts of a message, one after the other.
#[derive(Debug)]
pub(crate) struct Parts(Bytes);

impl Parts {
    /// The kind of a message, its header, and what follows.
    ///
    /// # Errors
    /// If it is too short.
    pub(crate) fn open(message: Bytes) -> Result<(u8, Bytes, Self), String> {
        let mut parts = Parts(message);
        let kind = parts.take(1)?[0];
        let length = parts.numbers(1)?[0] as usize;
        let header = parts.take(length)?;
        Ok((kind, header, parts))
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<Bytes, String> {
        match count <= self.0.len() {
            true => Ok(self.0.split_to(count)),
            false => Err("a part of the message is missing".to_string()),
        }
    }

    /// The next numbers of four bytes.
    pub(crate) fn numbers(&mut self, count: usize) -> Result<Vec<u32>, String> {
        let bytes = self.take(count.checked_mul(4).ok_or("too many numbers")?)?;
        let number = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        Ok(bytes.chunks_exact(4).map(number).collect())
    }

    /// All bytes that follow.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }
}

/// Reads a header.
///
/// # Errors
/// If it is not of this form.
pub(crate) fn header<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("its header cannot be read: {error}"))
}

/// A message to a client.
pub(crate) fn message(kind: u8, header: &serde_json::Value, body: &[u8]) -> FlightData {
    let text = header.to_string();
    let mut bytes = Vec::with_capacity(5 + text.len() + body.len());
    bytes.push(kind);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(body);
    FlightData { app_metadata: bytes.into(), ..FlightData::default() }
}

/// The first message of a client, and those that follow.
///
/// # Errors
/// If the stream is empty.
pub(crate) async fn begin(messages: Messages) -> Result<(FlightData, Messages), Status> {
    // Clients of Arrow send the descriptor in a message of its own, before theirs.
    let mut messages = messages
        .filter(|message| {
            let says_something = !matches!(message, Ok(data) if data.app_metadata.is_empty());
            std::future::ready(says_something)
        })
        .boxed();
    let first = messages.next().await.transpose()?;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream has no message"))?;
    Ok((first, messages))
}
