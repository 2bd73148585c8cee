//! Where a process listens, and how it is recognized: an address, and the fingerprint of the certificate that
//! whoever listens there must prove to own.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Bytes of a fingerprint: those of SHA-256.
pub const FINGERPRINT_BYTES: usize = 32;

/// What stands between an address and its fingerprint in a text.
const SEPARATOR: char = '#';

/// The SHA-256 hash of a certificate in DER, written in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; FINGERPRINT_BYTES]);

/// The text is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid fingerprint: expected 64 hexadecimal digits")]
pub struct FingerprintError;

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.as_bytes();
        let mut bytes = [0; FINGERPRINT_BYTES];
        if digits.len() != 2 * FINGERPRINT_BYTES {
            return Err(FingerprintError);
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(FingerprintError);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Fingerprint(bytes))
    }
}

/// Where a process listens. Its text is `host:port#fingerprint`, or `host:port` without a fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Of the certificate that it proves to own. Without one, nothing may be sent to it.
    pub fingerprint: Option<Fingerprint>,
}

impl Endpoint {
    /// A process at `host:port` that owns this certificate.
    pub fn new(address: String, fingerprint: Option<Fingerprint>) -> Self {
        Endpoint { address, fingerprint }
    }

    /// Whether it is not an address at all.
    pub fn is_empty(&self) -> bool {
        self.address.is_empty()
    }
}

impl From<String> for Endpoint {
    /// A process of which no certificate is known.
    fn from(address: String) -> Self {
        Endpoint::new(address, None)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        match self.fingerprint {
            Some(fingerprint) => write!(f, "{SEPARATOR}{fingerprint}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        match text.split_once(SEPARATOR) {
            Some((address, fingerprint)) => {
                Ok(Endpoint::new(address.to_string(), Some(fingerprint.parse()?)))
            }
            None => Ok(Endpoint::new(text.to_string(), None)),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint's text is read as it was written, with and without a fingerprint; others are refused.
    #[test]
    fn endpoints_are_read_as_they_are_written() {
        let digits = "00ff".repeat(FINGERPRINT_BYTES / 2);
        for text in [format!("[::1]:8786#{digits}"), "node-1:8786".to_string(), String::new()] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(endpoint.fingerprint.is_some(), text.contains('#'));
        }
        let fingerprint: Fingerprint = digits.parse().unwrap();
        assert_eq!(fingerprint.0[..4], [0x00, 0xff, 0x00, 0xff]);
        for bad in ["h:1#", "h:1#00", &format!("h:1#{}", digits.replace('f', "g"))] {
            assert_eq!(bad.parse::<Endpoint>(), Err(FingerprintError), "{bad}");
        }
    }
}
