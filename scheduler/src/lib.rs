//! The scheduler: it plans queries, drives the core, and answers everyone on one port.
//!
//! The core runs on a thread of its own (`hub`) and is told everything through one bounded
//! queue. Planning runs on threads of its own too, so that neither a large plan nor a slow client
//! makes a worker wait. What must never happen: a row computed here; a request answered that is
//! not encrypted or has not the token, but for `/healthz` and the dashboard's own files.

mod error;
mod flight;
mod functions;
mod hub;
mod observer;
mod planning;
mod query;
mod secrets;
mod web;

/// The stack of the threads that a scheduler's runtime has: they free plans, which may be nested deep.
pub const STACK_BYTES: usize = partita_plan::depth::RUNNING_STACK_BYTES;

pub use error::SchedulerError;
pub use hub::{Hub, JobNotice, LocalLink};
pub use observer::{Entries, JournalError, read_journal};
pub use planning::PLANNING_TIMEOUT_DEFAULT;
pub use query::{QueryError, Running};
pub use web::{Replay, estimates, report};

use observer::Observer;
use partita_core::Options;
use partita_net::listen::Encryption;
use partita_net::peer::{DataPlane, FlightPlane};
use partita_net::plaintext::Members;
use partita_observe::event::SchedulerFacts;
use partita_shared::access::{Access, host_name, page_token, write_public};
use planning::Planner;
use query::Sessions;
use secrets::Secrets;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::Token;

/// Bytes of a token, before it is written as text.
const TOKEN_BYTES: usize = 32;
/// The ending of the file with the certificate, beside the access file.
const CERTIFICATE_EXTENSION: &str = "pem";

/// The settings of a scheduler, all decided.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// The cluster's name.
    pub name: String,
    /// The address to listen on.
    pub host: String,
    /// The host that others are told, if it is not the one listened on.
    pub contact_host: Option<String>,
    /// The port to listen on; 0 takes any.
    pub port: u16,
    /// Where the access file goes, if one is wanted.
    pub scheduler_file: Option<PathBuf>,
    /// Whether the dashboard is served.
    pub dashboard: bool,
    /// End when no job and no client was there for so long.
    pub idle_timeout: Option<Duration>,
    /// How long the planning of a statement may take.
    pub planning_timeout: Duration,
    /// The token, if it is given, with or without a fingerprint; a new one is made otherwise.
    pub token: Option<String>,
    /// How connections are protected.
    pub security: SecurityConfig,
    /// Where what the observer sees is written down, if it is.
    pub journal: Option<PathBuf>,
}

/// How connections to a scheduler are protected. By default they are encrypted, but for those of pages.
#[derive(Clone, Debug, Default)]
pub struct SecurityConfig {
    /// Keeps the key, the certificate and the token for the next start. Without it, each start has new ones.
    pub identity_file: Option<PathBuf>,
    /// A certificate of the site. Without it, the scheduler makes one.
    pub certificate: Option<CertificateFiles>,
    /// The authorities by which clients are to recognize that certificate, in PEM. Without them, they recognize it by
    /// the fingerprint in the token.
    pub tls_ca_file: Option<PathBuf>,
    /// Whether nothing is encrypted. Then nobody sends the token: both ends prove that they know its secret.
    pub plaintext: bool,
    /// Whether pages too must be opened by HTTPS.
    pub page_https_only: bool,
    /// Whether pages may only look.
    pub page_read_only: bool,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate, and those that vouch for it behind it.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What every part of a scheduler shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SchedulerConfig,
    pub(crate) hub: Hub,
    pub(crate) sessions: Sessions,
    pub(crate) collections: query::Collections,
    pub(crate) uploads: query::uploads::Uploads,
    pub(crate) acks: query::Acks,
    pub(crate) plane: Arc<dyn DataPlane>,
    pub(crate) planning: Planner,
    pub(crate) token: Token,
    /// Who may ask if nothing is encrypted.
    pub(crate) members: Option<Arc<Members>>,
    /// Opens pages, and nothing else.
    pub(crate) page_token: Token,
    /// Who watches the core, unless neither pages nor a journal are wanted.
    pub(crate) observer: Option<Observer>,
    pub(crate) address: String,
    pub(crate) started_ms: u64,
    pub(crate) shutdown: CancellationToken,
}

/// Microseconds since the epoch.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}

/// A new token: 32 random bytes, as text that fits in a link.
pub fn new_token() -> Result<String, SchedulerError> {
    use base64::Engine;
    use rand::TryRngCore;
    let mut bytes = [0u8; TOKEN_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|error| SchedulerError::System {
        what: "cannot generate a random token".into(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// A scheduler that listens, or one that is embedded and does not.
#[derive(Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
    listener: Option<(TcpListener, Encryption)>,
    access: Access,
}

impl Scheduler {
    /// Takes the port and writes the access file.
    ///
    /// # Errors
    /// If the port is taken or the file cannot be written.
    pub async fn bind(config: SchedulerConfig) -> Result<Self, SchedulerError> {
        let wanted = format!("{}:{}", config.host, config.port);
        let failed = |source| SchedulerError::Listen { address: wanted.clone(), source };
        let listener = TcpListener::bind(&wanted).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let unspecified = matches!(config.host.as_str(), "0.0.0.0" | "[::]" | "::");
        let host = match &config.contact_host {
            Some(host) => host.clone(),
            None if unspecified => host_name(),
            None => config.host.clone(),
        };
        let address = format!("{host}:{port}");
        let hosts = [host_name(), host];
        let secrets = Secrets::obtain(&config.security, config.token.as_deref(), &hosts)?;
        let plane: Arc<dyn DataPlane> = Arc::new(FlightPlane::new(secrets.token.clone()));
        let shared = share(config, plane, secrets.token, address)?;
        let encryption = match (&secrets.identity, &shared.members) {
            (Some(identity), _) if shared.config.security.page_https_only => {
                Encryption::Required(identity.server_config()?)
            }
            (Some(identity), _) => Encryption::Offered(identity.server_config()?),
            (None, Some(members)) => Encryption::Disabled(Arc::clone(members)),
            (None, None) => Encryption::None,
        };
        let (name, address) = (shared.config.name.clone(), shared.address.clone());
        let mut access = Access::to_this_process(name, address, shared.token.0.clone());
        access.listens_everywhere = unspecified;
        // Others have other working directories.
        let authority = shared.config.security.tls_ca_file.as_deref();
        access.tls_ca_file = authority.map(std::path::absolute).transpose().map_err(|source| {
            SchedulerError::System { what: "cannot use --tls-ca-file".to_string(), source }
        })?;
        if let Some(path) = &shared.config.scheduler_file {
            // The certificate first: whoever finds the access file finds it too.
            if let Some(identity) = &secrets.identity {
                let certificate = identity.certificate_pem();
                write_public(&path.with_extension(CERTIFICATE_EXTENSION), certificate.as_bytes())?;
            }
            access.write(path)?;
        }
        Ok(Scheduler { shared, listener: Some((listener, encryption)), access })
    }

    /// A scheduler inside another program: no port, no file; results are read through `plane`.
    ///
    /// # Errors
    /// If threads cannot be had.
    pub fn embedded(plane: Arc<dyn DataPlane>) -> Result<Self, SchedulerError> {
        let config = SchedulerConfig {
            name: "embedded".to_string(),
            host: String::new(),
            contact_host: None,
            port: 0,
            scheduler_file: None,
            dashboard: false,
            idle_timeout: None,
            planning_timeout: PLANNING_TIMEOUT_DEFAULT,
            token: None,
            security: SecurityConfig::default(),
            journal: None,
        };
        let shared = share(config, plane, String::new(), String::new())?;
        let name = shared.config.name.clone();
        let access = Access::to_this_process(name, String::new(), String::new());
        Ok(Scheduler { shared, listener: None, access })
    }

    /// Where it is and the token that opens it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The way to the core.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Plans a statement and runs it, for a client in this process.
    ///
    /// # Errors
    /// If the statement is wrong or no job may be added.
    pub async fn query(
        &self,
        directory: &str,
        sql: &str,
        analyze: bool,
    ) -> Result<Running, QueryError> {
        let shared = &self.shared;
        let request_context = query::RequestContext {
            session: String::new(),
            directory: Some(directory.to_string()),
            client: "this process".to_string(),
            owner: String::new(),
            priority: 1,
            analyze,
            direct: false,
            has_fixed_types: false,
        };
        let prepared = query::prepare(shared, &request_context, sql).await?;
        query::run(shared, &request_context, prepared).await
    }

    /// Asks for the end: the workers are told to leave, then [`Scheduler::serve`] returns.
    pub fn ender(&self) -> CancellationToken {
        self.shared.shutdown.clone()
    }

    /// Resolves when someone asked for the end, or the idle timeout is over.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.shutdown.clone().cancelled_owned()
    }

    /// Answers everyone until the end is asked for; then removes the access file.
    ///
    /// # Errors
    /// If the port fails.
    pub async fn serve(mut self) -> Result<(), SchedulerError> {
        let Some((listener, encryption)) = self.listener.take() else { return Ok(()) };
        let ticker = tokio::spawn(hub::tick(self.shared.hub.clone()));
        let idle = tokio::spawn(watch_idle(Arc::clone(&self.shared)));
        let observer = self.shared.observer.clone();
        let watching = observer
            .clone()
            .map(|observer| tokio::spawn(pass_on_watched(observer, self.shared.hub.clone())));
        let naming = {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { shared.collections.tell_names(&shared.hub).await })
        };
        let served = web::serve(Arc::clone(&self.shared), listener, encryption).await;
        ticker.abort();
        idle.abort();
        naming.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        if let Some(observer) = observer {
            observer.end().await;
        }
        if let Some(path) = &self.shared.config.scheduler_file {
            self.access.remove(path);
            if self.shared.config.security.identity_file.is_none() {
                // The next scheduler of this name has another certificate.
                let _ = std::fs::remove_file(path.with_extension(CERTIFICATE_EXTENSION));
            }
        }
        served
    }
}

fn share(
    config: SchedulerConfig,
    plane: Arc<dyn DataPlane>,
    token: String,
    address: String,
) -> Result<Arc<Shared>, SchedulerError> {
    let options = Options::new(config.name.clone());
    let observer = match config.dashboard || config.journal.is_some() {
        true => {
            let facts = facts(&config, &options, &address);
            Some(Observer::start(facts, config.journal.clone())?)
        }
        false => None,
    };
    let hub = Hub::start(options, observer.as_ref())?;
    Ok(Arc::new(Shared {
        hub,
        observer,
        sessions: Sessions::new(),
        collections: query::Collections::default(),
        uploads: query::uploads::Uploads::default(),
        acks: query::Acks::default(),
        plane,
        planning: Planner::new(config.planning_timeout)?,
        members: config.security.plaintext.then(|| Arc::new(Members::new(&token, None))),
        page_token: Token(page_token(&token)),
        token: Token(token),
        address,
        started_ms: now_ms(),
        shutdown: CancellationToken::new(),
        config,
    }))
}

/// What pages show of the scheduler itself.
fn facts(config: &SchedulerConfig, options: &Options, address: &str) -> SchedulerFacts {
    let seconds = |time: Option<Duration>| {
        time.map_or("never".to_string(), |time| format!("{} s", time.as_secs()))
    };
    let settings = [
        ("listen address", format!("{}:{}", config.host, config.port)),
        ("encryption", if config.security.plaintext { "none" } else { "TLS 1.3" }.to_string()),
        ("access file", shown(config.scheduler_file.as_deref())),
        ("journal", shown(config.journal.as_deref())),
        ("idle timeout", seconds(config.idle_timeout)),
        ("planning timeout", format!("{} s", config.planning_timeout.as_secs_f64())),
        ("heartbeat interval", format!("{} ms", options.heartbeat_ms)),
        ("heartbeat timeout", format!("{} s", options.silence_us_max / 1_000_000)),
        ("read-ahead per slot", format!("{} us", options.read_ahead_us)),
    ];
    SchedulerFacts {
        cluster: config.name.clone(),
        version: partita_shared::VERSION.to_string(),
        address: address.to_string(),
        started_ms: now_ms(),
        host: host_name(),
        pid: std::process::id(),
        settings: settings.map(|(name, value)| (name.to_string(), value)).to_vec(),
    }
}

fn shown(path: Option<&std::path::Path>) -> String {
    path.map_or("none".to_string(), |path| path.display().to_string())
}

/// Hands on to the workers whose detail someone looks at.
async fn pass_on_watched(observer: Observer, hub: Hub) {
    let mut watched = observer.watched();
    while watched.changed().await.is_ok() {
        let now = watched.borrow_and_update().clone();
        hub.watch(now).await;
    }
}

/// Asks for the end when nothing was going on for the idle timeout.
async fn watch_idle(shared: Arc<Shared>) {
    let Some(limit) = shared.config.idle_timeout else { return };
    let mut busy = Instant::now();
    let mut seen = 0;
    loop {
        tokio::time::sleep(limit.min(Duration::from_secs(1))).await;
        let Some(row) = shared.hub.query(|core| core.cluster()).await else { return };
        if row.jobs_live > 0 || row.tasks_finished != seen {
            seen = row.tasks_finished;
            busy = Instant::now();
        }
        if busy.elapsed() >= limit {
            tracing::info!(seconds = limit.as_secs(), "idle timeout reached; shutting down");
            shared.shutdown.cancel();
            return;
        }
    }
}
