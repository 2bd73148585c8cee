//! Values that are one text in a journal: the digits of their binary form.

use partita_shared::wire;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes a value as hexadecimal digits.
pub(crate) fn serialize<T: Serialize, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes = wire::encode(value).map_err(S::Error::custom)?;
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&text)
}

/// Reads a value from its digits.
pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = || D::Error::custom("a packed value has invalid digits");
    let four = |digit: u8| DIGITS.iter().position(|known| *known == digit).map(|at| at as u8);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(four(*high)? << 4 | four(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    wire::decode(&bytes.ok_or_else(invalid)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Entry {
        #[serde(with = "super")]
        values: Vec<u32>,
    }

    /// A value is read back from its text, and a damaged text is refused.
    #[test]
    fn packed_values_are_read_back() {
        let entry = Entry { values: vec![0, 1, 300, u32::MAX] };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        for damaged in [text.replace("\"0", "\"x"), text.replace("\"0", "\"")] {
            assert!(serde_json::from_str::<Entry>(&damaged).is_err(), "{damaged}");
        }
    }
}
