//! Bytes that travel as one run. Serde writes and reads `Arc<[u8]>` item by item, in the same form but much slower.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

pub(crate) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
    from.deserialize_bytes(Run)
}

struct Run;

impl Visitor<'_> for Run {
    type Value = Arc<[u8]>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(bytes.into())
    }
}

/// Bytes within something else.
#[derive(Serialize, Deserialize)]
struct Bytes(#[serde(with = "crate::bytes")] Arc<[u8]>);

/// Bytes that may be missing.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Arc<[u8]>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Bytes).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Arc<[u8]>>, D::Error> {
        Ok(Option::<Bytes>::deserialize(from)?.map(|bytes| bytes.0))
    }
}

/// Bytes by number.
pub(crate) mod numbered {
    use super::*;

    type Numbered = Vec<(u32, Arc<[u8]>)>;

    pub(crate) fn serialize<S: Serializer>(
        all: &[(u32, Arc<[u8]>)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(|(number, bytes)| (number, Bytes(Arc::clone(bytes)))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Numbered, D::Error> {
        let all = Vec::<(u32, Bytes)>::deserialize(from)?;
        Ok(all.into_iter().map(|(number, bytes)| (number, bytes.0)).collect())
    }
}
