//! The scheduler: it plans queries, drives the core, and answers everyone on one port.
//!
//! The core runs on a thread of its own (`hub`) and is told everything through one bounded
//! queue. Planning runs on threads of its own too, so that neither a large plan nor a slow client
//! makes a worker wait. What must never happen: a row computed here; a request answered that is
//! not encrypted or has not the token, but for `/healthz` and the dashboard's own files.

mod clock;
mod config;
mod coordination;
mod error;
mod flight;
mod functions;
mod hub;
mod lifetime;
mod observer;
mod parts;
mod planning;
mod query;
mod secrets;
mod telemetry;
mod web;

/// The stack of the threads that a scheduler's runtime has: they free plans, which may be nested deep.
pub const STACK_BYTES: usize = partita_plan::depth::RUNNING_STACK_BYTES;

pub use config::{CertificateFiles, SchedulerConfig, SecurityConfig};
pub use error::SchedulerError;
pub use hub::{Hub, JobNotice, LocalLink};
pub use observer::{Entries, JournalError, read_journal};
pub use planning::PLANNING_TIMEOUT_DEFAULT;
pub use query::{QueryError, Running};
pub use secrets::new_token;
pub use web::{Replay, estimates, report};

use clock::{now_ms, now_us};
use partita_net::listen::Encryption;
use partita_net::peer::{DataPlane, FlightPlane};
use partita_shared::access::{Access, host_name, write_public};
use parts::Parts;
use secrets::Secrets;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The ending of the file with the certificate, beside the access file.
const CERTIFICATE_EXTENSION: &str = "pem";

/// A scheduler that listens, or one that is embedded and does not.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    parts: Parts,
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
        let parts = Parts::start(&config, plane, secrets.token.clone(), address.clone())?;
        let security = &config.security;
        let encryption =
            parts.auth.encryption(secrets.identity.as_ref(), security.page_https_only)?;
        let mut access = Access::to_this_process(config.name.clone(), address, secrets.token);
        access.listens_everywhere = unspecified;
        // Others have other working directories.
        let authority = security.tls_ca_file.as_deref();
        access.tls_ca_file = authority.map(std::path::absolute).transpose().map_err(|source| {
            SchedulerError::System { what: "cannot use --tls-ca-file".to_string(), source }
        })?;
        if let Some(path) = &config.scheduler_file {
            // The certificate first: whoever finds the access file finds it too.
            if let Some(identity) = &secrets.identity {
                let certificate = identity.certificate_pem();
                write_public(&path.with_extension(CERTIFICATE_EXTENSION), certificate.as_bytes())?;
            }
            access.write(path)?;
        }
        Ok(Scheduler { config, parts, listener: Some((listener, encryption)), access })
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
        let parts = Parts::start(&config, plane, String::new(), String::new())?;
        let access = Access::to_this_process(config.name.clone(), String::new(), String::new());
        Ok(Scheduler { config, parts, listener: None, access })
    }

    /// Where it is and the token that opens it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The way to the core.
    pub fn hub(&self) -> &Hub {
        &self.parts.hub
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
        let Parts { catalog, runner, .. } = &self.parts;
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
        let prepared = query::prepare(runner, catalog, &request_context, sql).await?;
        query::run(runner, catalog, &request_context, prepared).await
    }

    /// Asks for the end: the workers are told to leave, then [`Scheduler::serve`] returns.
    pub fn ender(&self) -> CancellationToken {
        self.parts.shutdown.clone()
    }

    /// Resolves when someone asked for the end, or the idle timeout is over.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.parts.shutdown.clone().cancelled_owned()
    }

    /// Answers everyone until the end is asked for; then removes the access file.
    ///
    /// # Errors
    /// If the port fails.
    pub async fn serve(mut self) -> Result<(), SchedulerError> {
        let Some((listener, encryption)) = self.listener.take() else { return Ok(()) };
        let Parts { hub, catalog, telemetry, shutdown, .. } = self.parts.clone();
        let mut background = JoinSet::new();
        background.spawn(hub::tick(hub.clone()));
        background.spawn(async move { catalog.tell_names().await });
        if let Some(limit) = self.config.idle_timeout {
            background.spawn(lifetime::end_when_idle(hub.clone(), limit, shutdown));
        }
        background.spawn(async move { telemetry.pass_on_watched(&hub).await });
        let served = web::serve(self.parts.clone(), listener, encryption).await;
        background.abort_all();
        self.parts.telemetry.end().await;
        if let Some(path) = &self.config.scheduler_file {
            self.access.remove(path);
            if self.config.security.identity_file.is_none() {
                // The next scheduler of this name has another certificate.
                let _ = std::fs::remove_file(path.with_extension(CERTIFICATE_EXTENSION));
            }
        }
        served
    }
}
