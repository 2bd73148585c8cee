//! Addresses of files in object stores and on web servers.

use datafusion::common::Result;
use datafusion::execution::object_store::ObjectStoreUrl;

use super::options::StorageOptions;
use super::refused;
use crate::location::{is_address, is_file_address};

/// The schemes that names may begin with, as messages list them.
const KNOWN: &str = "s3://, gs://, az://, abfs://, http:// and https://";

/// A service that has files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Amazon S3, or what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    Http,
    Https,
}

impl Service {
    fn of(scheme: &str) -> Option<Self> {
        Some(match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" | "s3n" => Self::S3,
            "gs" | "gcs" => Self::Google,
            "az" | "abfs" | "abfss" | "adl" => Self::Azure,
            "http" => Self::Http,
            "https" => Self::Https,
            _ => return None,
        })
    }

    /// The scheme of the address of a store of this service.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether it is a web server, which does not list what it has.
    pub(super) fn is_web(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// Where a name with a scheme points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) service: Service,
    /// The bucket, the container, or the host with its port.
    pub(super) authority: String,
    /// What follows it, without a slash at either end: the key of an object, or a pattern of keys.
    pub(super) key: String,
    /// The account that an address of Azure names.
    pub(super) account: Option<String>,
}

impl Address {
    /// Reads a name such as `s3://bucket/folder/*.parquet`; none if it has no scheme, or that of local files.
    ///
    /// # Errors
    /// If the scheme is unknown, or the address is incomplete.
    pub(super) fn parse(name: &str) -> Result<Option<Self>> {
        if !is_address(name) || is_file_address(name) {
            return Ok(None);
        }
        let Some((scheme, rest)) = name.split_once("://") else { return Ok(None) };
        let Some(service) = Service::of(scheme) else {
            return Err(refused(format!(
                "'{name}' cannot be read: supported are paths, file:// addresses, {KNOWN}"
            )));
        };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (mut authority, mut account) = (authority.to_owned(), None);
        if let Some((before, after)) = authority.clone().split_once('@') {
            if service != Service::Azure {
                return Err(refused(
                    "an address cannot contain a user name; use storage_options= for credentials"
                        .to_owned(),
                ));
            }
            // abfs://container@account.dfs.core.windows.net
            account = after.split('.').next().map(str::to_owned);
            authority = before.to_owned();
        }
        if authority.is_empty() {
            return Err(refused(format!("'{name}' names no bucket or host")));
        }
        if service.is_web() && key.contains(['?', '#']) {
            return Err(refused(format!(
                "'{name}' has a query or a fragment, which is not supported; download the file"
            )));
        }
        let key = key.trim_matches('/').to_owned();
        Ok(Some(Self { service, authority, key, account }))
    }

    /// The address of the store, by which every process can open it: it contains the options.
    ///
    /// # Errors
    /// If the bucket or host is not valid.
    pub(super) fn store(&self, options: &StorageOptions) -> Result<ObjectStoreUrl> {
        let mut options = options.clone();
        if let Some(account) = &self.account {
            options.set_default("account_name", account);
        }
        let (scheme, authority) = (self.service.scheme(), &self.authority);
        let text = match options.encoded() {
            Some(encoded) => format!("{scheme}://{encoded}@{authority}"),
            None => format!("{scheme}://{authority}"),
        };
        let invalid = |_| refused(format!("'{authority}' is not a valid name of a store"));
        ObjectStoreUrl::parse(text).map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Address {
        Address::parse(name).expect("valid").expect("an address")
    }

    fn shown(address: &Address) -> String {
        let url = address.store(&StorageOptions::default()).expect("valid");
        crate::remote::reading::shown(&url).expect("a store")
    }

    /// A store has one name, however its address is written: files are recognised by it.
    #[test]
    fn stores_have_one_name() {
        for name in ["https://example.org/a", "https://example.org:443/a", "HTTPS://Example.org/a"]
        {
            assert_eq!(shown(&parse(name)), "https://example.org", "{name}");
        }
    }

    /// Names are divided into store and key; characters of patterns stay in the key.
    #[test]
    fn names_have_parts() {
        let found = parse("s3://data/2024/*/part-?.parquet");
        assert_eq!(
            (shown(&found).as_str(), found.key.as_str()),
            ("s3://data", "2024/*/part-?.parquet")
        );
        assert_eq!(parse("gcs://b/").key, "");
        assert_eq!(parse("https://example.org:8443/a/b.csv").authority, "example.org:8443");
        let azure = parse("abfss://c@account.dfs.core.windows.net/x.csv");
        assert_eq!((shown(&azure).as_str(), azure.account.as_deref()), ("az://c", Some("account")));
    }

    /// Paths and file addresses are none; other schemes and incomplete addresses are errors that name them.
    #[test]
    fn other_names() {
        for name in ["data/x.csv", "/a://b", "file:///tmp/x.csv", "x"] {
            assert_eq!(Address::parse(name).expect("valid"), None, "{name}");
        }
        for name in ["hdfs://host/x", "s3:///x", "https://h/x.csv?token=1", "s3://key@bucket/x"] {
            Address::parse(name).expect_err(name);
        }
    }
}
