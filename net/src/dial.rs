//! Opening connections: the only place that does. Before anything is sent, the peer has proved to own the certificate
//! whose fingerprint its endpoint names, or one that the site's authorities vouch for; in a cluster that does not
//! encrypt, that it knows the cluster's secret.

use crate::plaintext;
use hyper_util::rt::TokioIo;
use partita_shared::access::{Access, is_plaintext, secret_of};
use partita_shared::endpoint::Endpoint;
use partita_shared::plaintext::{NoRandom, Purpose, Reply};
use partita_shared::tls::{
    AuthorityError, authority_config, certificate_fault, client_config, host_name_of,
    is_other_certificate, is_other_protocol, server_name,
};
use partita_shared::{VERSION, limits};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tonic::transport::Channel;

/// How often a silent connection is probed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the answer to a probe may take; then the peer is taken for gone.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a peer that has proved who it is: encrypted, unless the cluster does not encrypt.
pub type PeerStream = Either<Box<TlsStream<TcpStream>>, TcpStream>;

/// How a peer is recognized.
#[derive(Clone)]
pub enum Trust {
    /// By the fingerprint of its certificate.
    Fingerprint,
    /// By a certificate for its host that the authorities in this file vouch for.
    Authority(PathBuf),
    /// Without encryption, by a proof that it knows this secret.
    Secret(Arc<str>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the secret.
        f.write_str(match self {
            Trust::Fingerprint => "Fingerprint",
            Trust::Authority(_) => "Authority",
            Trust::Secret(_) => "Secret",
        })
    }
}

impl Trust {
    /// How the scheduler is recognized.
    pub fn in_scheduler(access: &Access) -> Self {
        match (Trust::in_worker(&access.token), &access.tls_ca_file) {
            (Trust::Fingerprint, Some(path)) => Trust::Authority(path.clone()),
            (trust, _) => trust,
        }
    }

    /// How the workers of a cluster with this token are recognized: they make certificates of their own.
    pub fn in_worker(token: &str) -> Self {
        match is_plaintext(token) {
            true => Trust::Secret(secret_of(token).into()),
            false => Trust::Fingerprint,
        }
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2, for Flight.
    Http2,
    /// HTTP/1.1, for WebSockets.
    Http1,
}

impl Protocol {
    fn name(self) -> &'static [u8] {
        match self {
            Protocol::Http2 => b"h2",
            Protocol::Http1 => b"http/1.1",
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is invalid, or nobody answers there.
    // Not `#[from]`: the text of the cause is this error's.
    #[error("{0}")]
    Unreachable(io::Error),
    /// It took too long.
    #[error("timed out after {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Whoever listens there cannot be recognized.
    #[error(
        "the fingerprint of its certificate is unknown; use the whole token, SECRET.FINGERPRINT"
    )]
    NoFingerprint,
    /// Someone else listens there.
    #[error(
        "another process listens at this address: it does not have the expected certificate; nothing was sent to it"
    )]
    OtherCertificate,
    /// Something else listens there.
    #[error(
        "another program listens at this address: it does not use TLS; nothing was sent to it; if the cluster runs with --plaintext, use its whole token, SECRET.plaintext"
    )]
    OtherProtocol,
    /// A cluster without encryption was expected, and it uses TLS.
    #[error(
        "the process at this address uses TLS and was started without --plaintext; use its whole token, SECRET.FINGERPRINT"
    )]
    NeedsTls,
    /// A process that does not know the secret listens there.
    #[error(
        "another process listens at this address: it does not know the secret of the token; nothing was sent to it"
    )]
    OtherSecret,
    /// Something else listens there that does not know what is said without encryption.
    #[error(
        "another program listens at this address: it does not answer as a cluster with --plaintext; nothing was sent to it"
    )]
    OtherProgram,
    /// The peer knows the secret, and refuses.
    #[error(
        "the process at this address refused the connection; use the same version of Partita on both sides"
    )]
    Refused,
    /// No authority vouches for the certificate.
    #[error(
        "the authorities of --tls-ca-file do not vouch for the process at this address: {0}; nothing was sent to it"
    )]
    NotVouchedFor(String),
    /// The authorities cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The system has no random numbers.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The cryptography cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(rustls::Error),
    /// The connection did not become one of the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl From<Reply> for DialError {
    /// Why a server without encryption does not go on.
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::NeedsTls => DialError::NeedsTls,
            Reply::Accepted | Reply::OtherVersion | Reply::Refused => DialError::Refused,
        }
    }
}

impl DialError {
    /// Names the authorities where they do not vouch for the peer.
    fn by_authority(self) -> Self {
        match self {
            DialError::Unreachable(error) => match certificate_fault(&error) {
                Some(fault) => DialError::NotVouchedFor(fault),
                None => DialError::Unreachable(error),
            },
            other => other,
        }
    }

    /// Whether someone else listens at the address.
    pub fn is_other_process(&self) -> bool {
        matches!(
            self,
            DialError::OtherCertificate
                | DialError::OtherProtocol
                | DialError::NeedsTls
                | DialError::OtherSecret
                | DialError::OtherProgram
                | DialError::NotVouchedFor(_)
        )
    }
}

/// Connects to a process, within this time.
///
/// # Errors
/// If it cannot be reached, or is another one.
pub async fn connect(
    endpoint: &Endpoint,
    trust: &Trust,
    protocol: Protocol,
    timeout: Duration,
) -> Result<PeerStream, DialError> {
    let connecting = async {
        match trust {
            Trust::Fingerprint => {
                let fingerprint = endpoint.fingerprint.ok_or(DialError::NoFingerprint)?;
                let config =
                    client_config(fingerprint, protocol.name()).map_err(DialError::Setup)?;
                encrypt(reach(endpoint).await?, config, server_name()).await
            }
            Trust::Authority(path) => {
                let config = authority_config(path, protocol.name())?;
                let name = host_name_of(&endpoint.address).ok_or_else(|| {
                    DialError::NotVouchedFor("its host cannot be named in one".to_string())
                })?;
                let connected = encrypt(reach(endpoint).await?, config, name).await;
                connected.map_err(DialError::by_authority)
            }
            Trust::Secret(secret) => {
                let mut stream = reach(endpoint).await?;
                plaintext::prove(&mut stream, secret, endpoint.fingerprint, Purpose::Requests)
                    .await?;
                Ok(Either::Right(stream))
            }
        }
    };
    let connected = tokio::time::timeout(timeout, connecting).await;
    connected.unwrap_or(Err(DialError::TimedOut(timeout)))
}

async fn reach(endpoint: &Endpoint) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect(&endpoint.address).await.map_err(DialError::Unreachable)?;
    // Small messages go out at once: a task's answer must not wait for the next one.
    stream.set_nodelay(true).map_err(DialError::Unreachable)?;
    Ok(stream)
}

async fn encrypt(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<PeerStream, DialError> {
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Either::Left(Box::new(stream))),
        Err(error) if is_other_certificate(&error) => Err(DialError::OtherCertificate),
        Err(error) if is_other_protocol(&error) => Err(DialError::OtherProtocol),
        Err(error) => Err(DialError::Unreachable(error)),
    }
}

/// How a connection for Flight is opened.
#[derive(Clone, Debug)]
pub struct Dial {
    /// How long it may take until the peer can be asked.
    pub connect_timeout: Duration,
    /// Bytes that may be in flight on one stream.
    pub stream_window_bytes: u32,
    /// How the peer is recognized.
    pub trust: Trust,
}

impl Dial {
    /// A connection that may take this long to open, to a peer that is recognized by its fingerprint, with the usual
    /// windows.
    pub fn within(connect_timeout: Duration) -> Self {
        let stream_window_bytes = limits::FLIGHT_STREAM_WINDOW_BYTES;
        Dial { connect_timeout, stream_window_bytes, trust: Trust::Fingerprint }
    }

    /// The same, to a peer that is recognized in this way.
    pub fn trusting(self, trust: Trust) -> Self {
        Dial { trust, ..self }
    }

    /// Opens a connection. One that breaks is opened again when it is used, to the same peer.
    ///
    /// # Errors
    /// If the address is invalid, the peer cannot be reached, or is another process.
    pub async fn open(self, endpoint: &Endpoint) -> Result<Channel, DialError> {
        let timeout = self.connect_timeout;
        let (peer, trust) = (endpoint.clone(), self.trust);
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let (peer, trust) = (peer.clone(), trust.clone());
            async move { connect(&peer, &trust, Protocol::Http2, timeout).await.map(TokioIo::new) }
        });
        // The scheme only stands in the requests: the connector encrypts.
        let channel =
            tonic::transport::Endpoint::from_shared(format!("http://{}", endpoint.address))
                .and_then(|channel| channel.user_agent(format!("partita/{VERSION}")))
                .map_err(|error| DialError::Protocol(root(&error)))?
                .initial_stream_window_size(self.stream_window_bytes)
                .initial_connection_window_size(limits::FLIGHT_CONNECTION_WINDOW_BYTES)
                .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let opening = channel.connect_with_connector(connector);
        match tokio::time::timeout(timeout, opening).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(DialError::Protocol(root(&error))),
            Err(_) => Err(DialError::TimedOut(timeout)),
        }
    }
}

/// The innermost cause, which is the one that says something.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
