//! The size and a hash of what would be sent, without making its bytes.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// The size of an encoded value, and a hash of its bytes: the same bytes have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// Its bytes.
    pub(super) bytes: u64,
    /// A hash of them.
    pub(super) hash: u64,
}

/// Odd, with its bits well spread: what FxHash multiplies by.
const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

#[derive(Default)]
struct Meter {
    bytes: u64,
    hash: u64,
}

impl Meter {
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Flavor for Meter {
    type Output = Measured;

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.bytes += 1;
        self.mix(u64::from(data));
        Ok(())
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.bytes += data.len() as u64;
        for chunk in data.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Measured> {
        Ok(Measured { bytes: self.bytes, hash: self.hash })
    }
}

/// Measures what a value would be as a message. What cannot be encoded is never sent: it has no
/// bytes.
pub(super) fn of<T: Serialize>(value: &T) -> Measured {
    postcard::serialize_with_flavor(value, Meter::default())
        .unwrap_or(Measured { bytes: 0, hash: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size is that of the encoded bytes, and what differs has another hash.
    #[test]
    fn size_and_hash_are_those_of_the_bytes() {
        let texts = ["", "a", "b", "a longer text with more than eight letters", "12345678"];
        let measured: Vec<Measured> = texts.iter().map(of).collect();
        for (text, measured) in texts.iter().zip(&measured) {
            let bytes = postcard::to_stdvec(text).expect("encodes");
            assert_eq!(measured.bytes, bytes.len() as u64);
            assert_eq!(measured, &of(text));
        }
        let hashes: std::collections::HashSet<u64> = measured.iter().map(|m| m.hash).collect();
        assert_eq!(hashes.len(), texts.len());
    }
}
