//! The entries of a report, as bytes.

use crate::event::Seen;
use partita_shared::wire::WireError;

/// The bytes of a report's entries. Unlike a message it has no bound: one program makes it of what it
/// has, and gives it to a page of the same build.
///
/// # Errors
/// If an entry cannot be encoded.
pub fn encode(entries: &[Seen]) -> Result<Vec<u8>, WireError> {
    Ok(postcard::to_stdvec(entries)?)
}

/// The entries that these bytes are.
///
/// # Errors
/// If they are none.
pub fn decode(bytes: &[u8]) -> Result<Vec<Seen>, WireError> {
    Ok(postcard::from_bytes(bytes)?)
}
