//! How the files of a store are reached: credentials, endpoint, region.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datafusion::common::Result;

use crate::plan_error;

/// Longest options of a store, in bytes of JSON: they travel with each task that reads its files.
const OPTIONS_BYTES_MAX: usize = 16 << 10;

/// Options of a store by their names in the crate `object_store`, such as `access_key_id`, `endpoint`, `region`,
/// `skip_signature`, and `header.NAME` for web servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct StorageOptions(BTreeMap<String, String>);

impl StorageOptions {
    /// # Errors
    /// If they are too long.
    pub(crate) fn new(options: BTreeMap<String, String>) -> Result<Self> {
        let bytes: usize = options.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > OPTIONS_BYTES_MAX {
            return Err(plan_error(format!(
                "storage_options have {bytes} bytes; at most {OPTIONS_BYTES_MAX} are supported"
            )));
        }
        Ok(Self(options))
    }

    /// The names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Gives an option a value, unless it has one.
    pub(super) fn set_default(&mut self, key: &str, value: &str) {
        self.0.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }

    /// As the user name of an address; none without options.
    pub(super) fn encoded(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        // A map of strings always has a JSON text.
        serde_json::to_vec(&self.0).ok().map(|text| URL_SAFE_NO_PAD.encode(text))
    }

    /// Of the user name of an address.
    ///
    /// # Errors
    /// If the user name has no options in it.
    pub(super) fn decoded(user: &str) -> Result<Self> {
        if user.is_empty() {
            return Ok(Self::default());
        }
        let bytes: Option<Vec<u8>> = URL_SAFE_NO_PAD.decode(user).ok();
        let options = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let options = options.ok_or_else(|| plan_error("invalid options of a store"))?;
        Self::new(options)
    }
}

impl std::fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values are secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options arrive as they were sent, and their values are not printed.
    #[test]
    fn they_travel() {
        let options = BTreeMap::from([("secret_access_key".to_owned(), "a/b+c=".to_owned())]);
        let options = StorageOptions::new(options).expect("short");
        let text = options.encoded().expect("some");
        assert_eq!(StorageOptions::decoded(&text).expect("valid"), options);
        assert!(!format!("{options:?}").contains("a/b"));
        assert_eq!(StorageOptions::default().encoded(), None);
        StorageOptions::decoded("admin").expect_err("not ours");
    }
}
