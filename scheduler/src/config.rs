//! The settings of a scheduler.

use std::path::PathBuf;
use std::time::Duration;

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
