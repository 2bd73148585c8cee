//! The stores that a process has open.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, resolve_bucket_region};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::SpawnedReqwestConnector;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use tokio::runtime::{Handle, Runtime};
use url::{Position, Url};

use super::options::StorageOptions;
use super::{profile, refused};
use crate::plan_error;

/// Most stores that stay open; the one that was opened first is closed for another one.
const STORES_MAX: usize = 64;

/// Threads that talk to stores.
const THREADS: usize = 2;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How often a request is repeated that failed for a cause that may pass, and for how long.
const RETRIES_MAX: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// What an option begins with that is a header of each request to a web server.
const HEADER_PREFIX: &str = "header.";

/// Opens stores by their addresses, once each.
#[derive(Debug)]
pub struct Stores {
    local: Arc<dyn ObjectStore>,
    open: Mutex<VecDeque<(String, Arc<dyn ObjectStore>)>>,
}

impl Stores {
    /// The stores of this process.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Arc<Stores>> = LazyLock::new(Arc::default);
        Arc::clone(&SHARED)
    }

    fn keep(&self, key: String, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = open.iter().position(|(known, _)| *known == key);
        let before = place.and_then(|at| open.remove(at)).map(|(_, store)| store);
        open.push_back((key, store));
        if open.len() > STORES_MAX {
            open.pop_front();
        }
        before
    }
}

impl Default for Stores {
    /// Without an open store but the local file system.
    fn default() -> Self {
        Self { local: Arc::new(LocalFileSystem::new()), open: Mutex::default() }
    }
}

impl ObjectStoreRegistry for Stores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.keep(url[..Position::BeforePath].to_owned(), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "file" {
            return Ok(Arc::clone(&self.local));
        }
        let key = &url[..Position::BeforePath];
        {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, store)) = open.iter().find(|(known, _)| known == key) {
                return Ok(Arc::clone(store));
            }
        }
        let store = opened(url)?;
        self.keep(key.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("partita-stores")
        .enable_all()
        .build()
});

/// The threads that talk to stores: those that compute would keep connections waiting.
pub(super) fn runtime() -> Result<&'static Handle> {
    RUNTIME.as_ref().map(Runtime::handle).map_err(|error| {
        let error = std::io::Error::new(error.kind(), error.to_string());
        DataFusionError::IoError(error)
    })
}

/// Runs work on these threads, and waits for it on a thread that may wait.
pub(super) fn wait<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // Who waits has not gone away: it does nothing else.
        sender.send(work.await).ok()
    });
    let ended = |_| DataFusionError::Internal("a request to a store was given up".to_owned());
    receiver.recv().map_err(ended)
}

fn opened(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let options = StorageOptions::decoded(url.username())?;
    let Some(host) = url.host_str() else {
        return Err(plan_error(format!("'{}://' names no store", url.scheme())));
    };
    let connector = SpawnedReqwestConnector::new(runtime()?.clone());
    let client =
        ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
    let backoff = BackoffConfig::default();
    let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT };
    Ok(match url.scheme() {
        "s3" => {
            let builder = AmazonS3Builder::from_env().with_client_options(client.clone());
            let builder = amazon(builder, host, &options, &client)?;
            Arc::new(built(builder.with_http_connector(connector).with_retry(retry).build())?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_client_options(client);
            let builder = google(builder.with_bucket_name(host), &options)?;
            Arc::new(built(builder.with_http_connector(connector).with_retry(retry).build())?)
        }
        "az" => {
            let builder = MicrosoftAzureBuilder::from_env().with_client_options(client);
            let builder = azure(builder.with_container_name(host), &options)?;
            Arc::new(built(builder.with_http_connector(connector).with_retry(retry).build())?)
        }
        "http" | "https" => {
            let mut address = url.clone();
            address.set_username("").map_err(|()| plan_error("invalid address"))?;
            let client = with_headers(client, &options)?.with_allow_http(url.scheme() == "http");
            let builder = HttpBuilder::new().with_url(&address[..Position::BeforePath]);
            let builder = builder.with_client_options(client).with_retry(retry);
            Arc::new(built(builder.with_http_connector(connector).build())?)
        }
        other => return Err(plan_error(format!("stores of '{other}://' are not supported"))),
    })
}

fn built<T>(store: object_store::Result<T>) -> Result<T> {
    store.map_err(|error| plan_error(format!("cannot use the store: {error}")))
}

fn unknown_option(service: &str, key: &str) -> DataFusionError {
    refused(format!("storage_options: '{key}' is not an option of {service}"))
}

/// The options by the keys of a service.
fn parsed<'a, K: FromStr>(options: &'a StorageOptions, service: &str) -> Result<Vec<(K, &'a str)>> {
    let keys = options.iter().map(|(key, value)| match key.parse() {
        Ok(parsed) => Ok((parsed, value)),
        Err(_) => Err(unknown_option(service, key)),
    });
    keys.collect()
}

fn amazon(
    builder: AmazonS3Builder,
    bucket: &str,
    options: &StorageOptions,
    client: &ClientOptions,
) -> Result<AmazonS3Builder> {
    use AmazonS3ConfigKey as Key;
    let mut builder = builder.with_bucket_name(bucket);
    for (key, value) in parsed::<Key>(options, "S3")? {
        builder = builder.with_config(key, value);
    }
    let lacks = |builder: &AmazonS3Builder, key| builder.get_config_value(&key).is_none();
    let settings = profile::settings();
    if lacks(&builder, Key::AccessKeyId) && !is_true(builder.get_config_value(&Key::SkipSignature))
    {
        for key in [Key::AccessKeyId, Key::SecretAccessKey, Key::Token] {
            if let Some(value) = settings.get(key.as_ref()) {
                builder = builder.with_config(key, value);
            }
        }
    }
    for (key, name) in [(Key::Region, "region"), (Key::Endpoint, "endpoint_url")] {
        if let Some(value) = settings.get(name).filter(|_| lacks(&builder, key)) {
            builder = builder.with_config(key, value);
        }
    }
    let others = [
        Key::AccessKeyId,
        Key::WebIdentityTokenFile,
        Key::ContainerCredentialsRelativeUri,
        Key::ContainerCredentialsFullUri,
    ];
    // As in s3fs: without credentials, what is public can be read.
    if others.into_iter().all(|key| lacks(&builder, key)) && !is_machine_of("Amazon") {
        builder = builder.with_skip_signature(true);
    }
    match builder.get_config_value(&Key::Endpoint) {
        Some(endpoint) => builder = builder.with_allow_http(endpoint.starts_with("http://")),
        None if lacks(&builder, Key::Region) => {
            let (name, client) = (bucket.to_owned(), client.clone());
            let found = wait(async move { resolve_bucket_region(&name, &client).await })?;
            let unknown = |error| {
                refused(format!(
                    "cannot find the region of bucket '{bucket}': {error}; give it with \
                     client_kwargs={{'region_name': ..}} or AWS_REGION, or another server with endpoint_url"
                ))
            };
            builder = builder.with_region(found.map_err(unknown)?);
        }
        None => {}
    }
    Ok(builder)
}

fn google(
    mut builder: GoogleCloudStorageBuilder,
    options: &StorageOptions,
) -> Result<GoogleCloudStorageBuilder> {
    use GoogleConfigKey as Key;
    for (key, value) in parsed::<Key>(options, "Google Cloud Storage")? {
        builder = builder.with_config(key, value);
    }
    if builder.get_config_value(&Key::BaseUrl).is_some_and(|url| url.starts_with("http://")) {
        builder =
            builder.with_config(Key::Client(object_store::ClientConfigKey::AllowHttp), "true");
    }
    let keys = [Key::ServiceAccount, Key::ServiceAccountKey, Key::ApplicationCredentials];
    let has_login = std::env::home_dir().is_some_and(|home| {
        home.join(".config/gcloud/application_default_credentials.json").exists()
    });
    let lacks_all = keys.into_iter().all(|key| builder.get_config_value(&key).is_none());
    if lacks_all && !has_login && !is_machine_of("Google") {
        builder = builder.with_skip_signature(true);
    }
    Ok(builder)
}

fn azure(
    mut builder: MicrosoftAzureBuilder,
    options: &StorageOptions,
) -> Result<MicrosoftAzureBuilder> {
    use AzureConfigKey as Key;
    for (key, value) in parsed::<Key>(options, "Azure")? {
        builder = builder.with_config(key, value);
    }
    if builder.get_config_value(&Key::Endpoint).is_some_and(|url| url.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    let uses_emulator = is_true(builder.get_config_value(&Key::UseEmulator));
    if builder.get_config_value(&Key::AccountName).is_none() && !uses_emulator {
        return Err(refused(
            "files in Azure need an account: give account_name= in storage_options, or set AZURE_STORAGE_ACCOUNT_NAME"
                .to_owned(),
        ));
    }
    let keys = [
        Key::AccessKey,
        Key::SasKey,
        Key::Token,
        Key::ClientId,
        Key::FederatedTokenFile,
        Key::MsiEndpoint,
    ];
    let lacks_all = keys.into_iter().all(|key| builder.get_config_value(&key).is_none());
    let uses_login = is_true(builder.get_config_value(&Key::UseAzureCli));
    if lacks_all && !uses_login && !uses_emulator {
        builder = builder.with_skip_signature(true);
    }
    Ok(builder)
}

fn with_headers(client: ClientOptions, options: &StorageOptions) -> Result<ClientOptions> {
    let mut headers = http::HeaderMap::new();
    for (key, value) in options.iter() {
        let Some(name) = key.strip_prefix(HEADER_PREFIX) else {
            return Err(unknown_option("web servers", key));
        };
        let invalid = || refused(format!("storage_options: invalid header '{name}'"));
        let header: http::HeaderName = name.parse().map_err(|_| invalid())?;
        headers.insert(header, value.parse().map_err(|_| invalid())?);
    }
    Ok(client.with_default_headers(headers))
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

/// Whether this machine is one of a cloud, where credentials can be asked of a service of the machine. On others the
/// question would not be answered for a long time.
fn is_machine_of(vendor: &str) -> bool {
    let told = std::fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    told.contains(vendor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store is opened once for its address and its options; an option that it does not have is named.
    #[test]
    fn stores_are_opened_once() {
        let stores = Stores::default();
        let url = |text: &str| Url::parse(text).expect("valid");
        let first = stores.get_store(&url("http://127.0.0.1:1/a")).expect("a store");
        let second = stores.get_store(&url("http://127.0.0.1:1/b")).expect("a store");
        assert!(Arc::ptr_eq(&first, &second));
        let options = StorageOptions::new([("nonsense".to_owned(), "1".to_owned())].into());
        let user = options.expect("short").encoded().expect("some");
        let error = stores.get_store(&url(&format!("s3://{user}@b/"))).expect_err("unknown");
        assert!(error.to_string().contains("'nonsense' is not an option of S3"), "{error}");
        for number in 0..=STORES_MAX {
            stores.get_store(&url(&format!("http://127.0.0.1:{}/", 2 + number))).expect("a store");
        }
        assert_eq!(stores.open.lock().expect("free").len(), STORES_MAX);
    }
}
