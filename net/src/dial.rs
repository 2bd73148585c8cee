//! Opening connections: the only place that does. Before anything is sent, the peer has proved to own the certificate
//! whose fingerprint its endpoint names.

use hyper_util::rt::TokioIo;
use partita_shared::endpoint::Endpoint;
use partita_shared::tls::{client_config, is_other_certificate, is_other_protocol, server_name};
use partita_shared::{VERSION, limits};
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;

/// How often a silent connection is probed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the answer to a probe may take; then the peer is taken for gone.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// An encrypted connection to a peer that has proved who it is.
pub type EncryptedStream = TlsStream<TcpStream>;

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
    #[error("no fingerprint of its certificate is known; use the whole token, SECRET.FINGERPRINT")]
    NoFingerprint,
    /// Someone else listens there.
    #[error(
        "another process listens at this address: it does not have the expected certificate; nothing was sent to it"
    )]
    OtherCertificate,
    /// Something else listens there.
    #[error("another program listens at this address: it does not use TLS; nothing was sent to it")]
    OtherProtocol,
    /// The cryptography cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(rustls::Error),
    /// The connection did not become one of the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl DialError {
    /// Whether someone else listens at the address.
    pub fn is_other_process(&self) -> bool {
        matches!(self, DialError::OtherCertificate | DialError::OtherProtocol)
    }
}

/// Connects to a process, within this time.
///
/// # Errors
/// If it cannot be reached, or is another one.
pub async fn connect(
    endpoint: &Endpoint,
    protocol: Protocol,
    timeout: Duration,
) -> Result<EncryptedStream, DialError> {
    let fingerprint = endpoint.fingerprint.ok_or(DialError::NoFingerprint)?;
    let config = client_config(fingerprint, protocol.name()).map_err(DialError::Setup)?;
    let connecting = async {
        let stream = TcpStream::connect(&endpoint.address).await.map_err(DialError::Unreachable)?;
        // Small messages go out at once: a task's answer must not wait for the next one.
        stream.set_nodelay(true).map_err(DialError::Unreachable)?;
        let connected = TlsConnector::from(config).connect(server_name(), stream).await;
        connected.map_err(|error| match error {
            error if is_other_certificate(&error) => DialError::OtherCertificate,
            error if is_other_protocol(&error) => DialError::OtherProtocol,
            error => DialError::Unreachable(error),
        })
    };
    let connected = tokio::time::timeout(timeout, connecting).await;
    connected.unwrap_or(Err(DialError::TimedOut(timeout)))
}

/// How a connection for Flight is opened.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// How long it may take until the peer can be asked.
    pub connect_timeout: Duration,
    /// Bytes that may be in flight on one stream.
    pub stream_window_bytes: u32,
}

impl Dial {
    /// A connection that may take this long to open, with the usual windows.
    pub fn within(connect_timeout: Duration) -> Self {
        Dial { connect_timeout, stream_window_bytes: limits::FLIGHT_STREAM_WINDOW_BYTES }
    }

    /// Opens a connection. One that breaks is opened again when it is used, to the same peer.
    ///
    /// # Errors
    /// If the address is invalid, the peer cannot be reached, or is another process.
    pub async fn open(self, endpoint: &Endpoint) -> Result<Channel, DialError> {
        let timeout = self.connect_timeout;
        let peer = endpoint.clone();
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let peer = peer.clone();
            async move { connect(&peer, Protocol::Http2, timeout).await.map(TokioIo::new) }
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
