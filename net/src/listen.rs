//! Taking connections: the only place that does.
//!
//! The first byte tells what a caller speaks: a handshake of TLS begins with 0x16, a proof without encryption with 0x01,
//! no request of HTTP with either.

use crate::connections::{Caller, Connection, HEADER_TIMEOUT, Newcomers};
use crate::plaintext::{Admission, HeldSession, Members};
use partita_shared::plaintext::{FIRST_BYTE, Reply};
use rustls::ServerConfig;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// The first byte of a handshake of TLS.
const HANDSHAKE_BYTE: u8 = 0x16;
/// What a caller is told that uses TLS where the port does not: not TLS, so that it fails at once.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\
    this cluster runs with --plaintext and does not use TLS\n";
/// Connections that are ready and not yet served.
const READY_MAX: usize = 64;
/// What a caller that is refused may have sent before it hears so, in bytes.
const UNREAD_BYTES_MAX: u64 = 64 << 10;
/// The pause after the system gave no connection, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Which callers a port takes.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// Only those that use TLS.
    Required(Arc<ServerConfig>),
    /// Those that use TLS, and others: what these may ask for, the server decides.
    Offered(Arc<ServerConfig>),
    /// Only others. Some of them prove that they know the cluster's secret; what the rest may ask for, the server
    /// decides.
    Disabled(Arc<Members>),
    /// Only others: for pages that show a file.
    None,
}

/// A port that takes connections.
#[derive(Debug)]
pub struct Port {
    ready: mpsc::Receiver<(ServerStream, Caller)>,
    accepting: JoinHandle<()>,
}

impl Port {
    /// Begins to take connections, on this runtime. Callers without the token are bounded in number and time.
    pub fn open(listener: TcpListener, encryption: Encryption) -> Self {
        let (sender, ready) = mpsc::channel(READY_MAX);
        let accepting = tokio::spawn(accept(listener, encryption, sender));
        Port { ready, accepting }
    }

    /// The next connection, and who is at its other end. It does not resolve if there will be none.
    pub async fn accept(&mut self) -> (ServerStream, Caller) {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    encryption: Encryption,
    ready: mpsc::Sender<(ServerStream, Caller)>,
) {
    let newcomers = Newcomers::default();
    // As many as there may be newcomers: each of these is one.
    let mut handshakes = JoinSet::new();
    // Bounded in number by the sessions that there may be.
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    // Small messages go out at once: a task's answer must not wait for the next one.
                    let _ = stream.set_nodelay(true);
                    let (connection, caller) = newcomers.admit(stream, address);
                    handshakes.spawn(shake_hands(connection, caller, encryption.clone()));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(done) = handshakes.join_next(), if !handshakes.is_empty() => {
                match done {
                    Ok(Some(Shaken::Ready(connection))) => {
                        if ready.send(*connection).await.is_err() {
                            return;
                        }
                    }
                    Ok(Some(Shaken::Session(held, connection))) => {
                        sessions.spawn(held.hold(connection));
                    }
                    Ok(None) | Err(_) => {}
                }
            }
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
}

/// Whether only the connection that was to be accepted is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

/// What came of a connection.
enum Shaken {
    /// It can be served.
    Ready(Box<(ServerStream, Caller)>),
    /// It only holds a session.
    Session(HeldSession, Connection<TcpStream>),
}

/// Finds out what a caller speaks; none if it does not say so in time, or speaks what the port does not take.
async fn shake_hands(
    mut connection: Connection<TcpStream>,
    mut caller: Caller,
    encryption: Encryption,
) -> Option<Shaken> {
    let shaking = async {
        let first = connection.peek_byte().await?;
        let stream = match (encryption, first) {
            (Encryption::Required(config) | Encryption::Offered(config), Some(HANDSHAKE_BYTE)) => {
                caller.is_encrypted = true;
                let stream = TlsAcceptor::from(config).accept(connection).await?;
                Stream::Encrypted(Box::new(stream))
            }
            (Encryption::Required(_) | Encryption::Offered(_), Some(FIRST_BYTE)) => {
                return refuse(connection, &[Reply::NeedsTls as u8]).await;
            }
            (Encryption::Disabled(_), Some(HANDSHAKE_BYTE)) => {
                return refuse(connection, NO_TLS).await;
            }
            (Encryption::Disabled(members), Some(FIRST_BYTE)) => {
                let admission = members.admit(&mut connection).await?;
                caller.mark_known();
                match admission {
                    Admission::Requests => caller.is_member = true,
                    Admission::Session(held) => return Ok(Shaken::Session(held, connection)),
                }
                Stream::Plain(connection)
            }
            (Encryption::Required(_), _) | (Encryption::None, Some(HANDSHAKE_BYTE)) => {
                return Err(ErrorKind::InvalidData.into());
            }
            (Encryption::Offered(_) | Encryption::Disabled(_) | Encryption::None, _) => {
                Stream::Plain(connection)
            }
        };
        let stream = ServerStream { stream, caller: caller.clone() };
        Ok::<_, io::Error>(Shaken::Ready(Box::new((stream, caller))))
    };
    match tokio::time::timeout(HEADER_TIMEOUT, shaking).await {
        Ok(Ok(shaken)) => Some(shaken),
        Ok(Err(error)) => {
            tracing::debug!(cause = %error, "closed a connection during its handshake");
            None
        }
        Err(_) => None,
    }
}

/// Says why a caller is refused, as it can understand it.
async fn refuse(mut connection: Connection<TcpStream>, text: &[u8]) -> io::Result<Shaken> {
    connection.write_all(text).await?;
    connection.shutdown().await?;
    // What the caller has sent and nobody read would have the system drop the text.
    let mut unread = connection.take(UNREAD_BYTES_MAX);
    tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
    Err(ErrorKind::InvalidData.into())
}

/// A connection that was taken.
#[derive(Debug)]
pub struct ServerStream {
    stream: Stream,
    caller: Caller,
}

#[derive(Debug)]
enum Stream {
    Plain(Connection<TcpStream>),
    Encrypted(Box<TlsStream<Connection<TcpStream>>>),
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Connected for ServerStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::{DialError, PeerStream, Protocol, Trust};
    use crate::identity::{Identity, pem};
    use partita_shared::endpoint::{Endpoint, Fingerprint};

    /// How long a test waits for anything.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A port with a certificate, and where it is.
    async fn port(encryption: impl FnOnce(Arc<ServerConfig>) -> Encryption) -> (Port, Endpoint) {
        let identity = Identity::generate(&[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let endpoint = Endpoint::new(address, Some(identity.fingerprint()));
        (Port::open(listener, encryption(identity.server_config().unwrap())), endpoint)
    }

    /// Connects by the fingerprint.
    async fn connect(
        endpoint: &Endpoint,
        protocol: Protocol,
        timeout: Duration,
    ) -> Result<PeerStream, DialError> {
        crate::dial::connect(endpoint, &Trust::Fingerprint, protocol, timeout).await
    }

    /// What comes of a connection until it ends.
    async fn read_all(mut stream: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(PATIENCE, reading).await.expect("it ends");
        bytes
    }

    /// Bytes pass both ways between two that know each other, and the caller counts as one that uses TLS.
    #[tokio::test]
    async fn bytes_pass_encrypted() {
        let (mut port, endpoint) = port(Encryption::Required).await;
        let connecting = connect(&endpoint, Protocol::Http1, PATIENCE);
        let (client, (mut server, caller)) = tokio::join!(connecting, port.accept());
        let mut client = client.unwrap();
        assert!(caller.is_encrypted && server.connect_info().is_encrypted);
        client.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
    }

    /// A client does not connect to another process than it means, nor to one that it cannot recognize.
    #[tokio::test]
    async fn another_certificate_is_refused() {
        let (_port, endpoint) = port(Encryption::Required).await;
        let fingerprint = Some(Fingerprint([7; 32]));
        let other = Endpoint { fingerprint, ..endpoint.clone() };
        let refused = connect(&other, Protocol::Http2, PATIENCE).await;
        assert!(matches!(refused, Err(DialError::OtherCertificate)));
        let unknown = Endpoint { fingerprint: None, ..endpoint };
        let refused = connect(&unknown, Protocol::Http2, PATIENCE).await;
        assert!(matches!(refused, Err(DialError::NoFingerprint)));
    }

    /// A process that does not use TLS is told apart from one that cannot be reached, and one that says nothing costs
    /// the time that was granted.
    #[tokio::test]
    async fn what_does_not_use_tls_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let endpoint = Endpoint::new(address, Some(Fingerprint([7; 32])));
        let silent = connect(&endpoint, Protocol::Http1, Duration::from_millis(50)).await;
        assert!(matches!(silent, Err(DialError::TimedOut(_))));
        drop(listener.accept().await.unwrap());
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let connecting = connect(&endpoint, Protocol::Http1, PATIENCE);
        let (_stream, refused) = tokio::join!(answering, connecting);
        assert!(matches!(refused, Err(DialError::OtherProtocol)));
        drop(listener);
        let refused = connect(&endpoint, Protocol::Http1, PATIENCE).await;
        assert!(matches!(refused, Err(DialError::Unreachable(_))));
    }

    /// A port that offers TLS takes plain requests too, as such; one that requires it closes them unread.
    #[tokio::test]
    async fn plain_requests_are_told_apart() {
        let (mut offering, endpoint) = port(Encryption::Offered).await;
        let mut stream = TcpStream::connect(&endpoint.address).await.unwrap();
        stream.write_all(b"GET /").await.unwrap();
        let (mut server, caller) = offering.accept().await;
        assert!(!caller.is_encrypted && !server.connect_info().is_encrypted);
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"GET /", "the first byte stays to be read");
        let (_requiring, endpoint) = port(Encryption::Required).await;
        let mut stream = TcpStream::connect(&endpoint.address).await.unwrap();
        stream.write_all(b"GET /").await.unwrap();
        assert!(read_all(stream).await.is_empty());
    }

    /// A certificate that an authority signed, for this host, with its chain; and the authority's in PEM.
    fn signed(host: &str) -> (Identity, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        let issuer = rcgen::Issuer::new(params, key);
        let own = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![host.to_string()]).unwrap();
        let certificate = pem("CERTIFICATE", params.signed_by(&own, &issuer).unwrap().der());
        let own = pem("PRIVATE KEY", &own.serialize_der());
        (Identity::from_pem(certificate.as_bytes(), own.as_bytes()).unwrap(), authority)
    }

    /// By authorities, a client takes any certificate for the host that they vouch for, and no other.
    #[tokio::test]
    async fn authorities_vouch_for_a_certificate() {
        let file = std::env::temp_dir().join(format!("partita-authority-{}", std::process::id()));
        let trust = Trust::Authority(file.clone());
        let (identity, authority) = signed("127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = identity.server_config().unwrap();
        let _port = Port::open(listener, Encryption::Required(config));
        let dial = async |host: &str| {
            let endpoint = Endpoint::from(format!("{host}:{port}"));
            crate::dial::connect(&endpoint, &trust, Protocol::Http2, PATIENCE).await
        };
        let unreadable = dial("127.0.0.1").await;
        assert!(matches!(unreadable, Err(DialError::Authority(_))));
        std::fs::write(&file, authority).unwrap();
        assert!(dial("127.0.0.1").await.is_ok());
        let other_host = dial("localhost").await;
        assert!(matches!(other_host, Err(DialError::NotVouchedFor(_))), "{other_host:?}");
        std::fs::write(&file, signed("127.0.0.1").1).unwrap();
        let other_authority = dial("127.0.0.1").await;
        assert!(matches!(other_authority, Err(DialError::NotVouchedFor(_))), "{other_authority:?}");
        std::fs::remove_file(&file).unwrap();
    }

    /// A handshake that is begun and not ended is closed in time.
    #[tokio::test]
    async fn a_half_handshake_ends() {
        let (_port, endpoint) = port(Encryption::Required).await;
        let mut stream = TcpStream::connect(&endpoint.address).await.unwrap();
        stream.write_all(&[HANDSHAKE_BYTE]).await.unwrap();
        assert!(read_all(stream).await.is_empty());
    }
}
