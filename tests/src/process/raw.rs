//! Requests made by hand: what a browser, a stranger or a broken peer would send.

use partita_shared::access::Access;
use partita_shared::endpoint::Fingerprint;
use partita_shared::tls::{client_config, crypto_provider, fingerprint, server_name};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// How long a peer may take to say something.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A connection by TLS.
type Encrypted = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
    stream
}

fn encrypt(access: &Access) -> Encrypted {
    let fingerprint = access.endpoint().fingerprint.expect("a fingerprint in the token");
    let config = client_config(fingerprint, b"http/1.1").expect("cryptography");
    let connection = ClientConnection::new(config, server_name()).expect("a connection");
    StreamOwned::new(connection, connect(&access.address))
}

/// Splits an answer into its status and its body.
fn answer(text: &str) -> (u16, String) {
    let status = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_string())
}

/// `GET path` with the token of the access file. Returns the status and the body.
pub fn get(access: &Access, path: &str) -> (u16, String) {
    get_with(access, path, &format!("Authorization: Bearer {}\r\n", access.token))
}

/// `GET path` with these header lines, each with its line's end, by TLS.
pub fn get_with(access: &Access, path: &str, headers: &str) -> (u16, String) {
    ask(encrypt(access), &access.address, path, headers)
}

/// `GET path` with these header lines, each with its line's end, without encryption.
pub fn get_plain(address: &str, path: &str, headers: &str) -> (u16, String) {
    ask(connect(address), address, path, headers)
}

fn ask(mut stream: impl Read + Write, host: &str, path: &str, headers: &str) -> (u16, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        // The other side closed without a word.
        Err(error)
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {}
        Err(error) => panic!("no answer: {error}"),
    }
    answer(&String::from_utf8_lossy(&text))
}

/// The fingerprint of the certificate that whoever listens at an address presents to anyone.
pub fn presented(address: &str) -> Fingerprint {
    let config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("cryptography")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let mut connection =
        ClientConnection::new(Arc::new(config), server_name()).expect("a connection");
    connection.complete_io(&mut connect(address)).expect("a handshake");
    fingerprint(connection.peer_certificates().and_then(|all| all.first()).expect("a certificate"))
}

/// Takes every certificate, as a stranger does.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A WebSocket of which only the opening was done in order.
#[derive(Debug)]
pub struct Socket(Box<Encrypted>);

impl Socket {
    /// Opens `path` with this token and protocol version.
    ///
    /// # Errors
    /// The status and the body, if the scheduler refuses.
    pub fn open(
        access: &Access,
        path: &str,
        token: &str,
        protocol: &str,
    ) -> Result<Self, (u16, String)> {
        let mut stream = encrypt(access);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\nx-partita-protocol: {protocol}\r\n\r\n",
            access.address
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            stream.read_exact(&mut byte).expect("the head of an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (status, _) = answer(&head);
        if status == 101 {
            return Ok(Socket(Box::new(stream)));
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).expect("the body of an answer");
        Err((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Sends bytes as they are. False if the other side has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Waits until the other side closes, and says whether it did.
    pub fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    let kind = error.kind();
                    return matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof);
                }
            }
        }
    }
}

/// A WebSocket frame as a client sends it, with a mask of zeros. The length that it claims may be
/// another than the payload's.
pub fn frame(opcode: u8, claimed: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    if claimed < 126 {
        frame.push(0x80 | claimed as u8);
    } else if let Ok(claimed) = u16::try_from(claimed) {
        frame.push(0x80 | 126);
        frame.extend(claimed.to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend(claimed.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
