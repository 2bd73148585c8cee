//! Connections without encryption: both ends prove that they know the cluster's secret before the first request. See
//! [`partita_shared::plaintext`] for what is said.

use crate::dial::DialError;
use partita_shared::access::secret_of;
use partita_shared::endpoint::Fingerprint;
use partita_shared::plaintext::{
    CHALLENGE_BYTES, Call, Challenge, HELLO_BYTES, Opening, PROOF_BYTES, Purpose, Reply, Session,
};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Sessions that may be open at once.
const SESSIONS_MAX: usize = 4096;
/// What the holder of a session may send on its connection, in bytes, before that counts as abuse.
const HOLDER_BYTES_MAX: u64 = 1024;

/// Proves to a server that this process knows the secret, once the server has.
///
/// # Errors
/// If the server has not, or refuses.
pub(crate) async fn prove(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &str,
    identity: Option<Fingerprint>,
    purpose: Purpose,
) -> Result<(), DialError> {
    let opening = Opening::new(secret, identity, purpose)?;
    send(stream, &opening.hello()).await.map_err(DialError::Unreachable)?;
    read_reply(stream).await?;
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).await.map_err(closed)?;
    let proof = opening.answer(&challenge).ok_or(DialError::OtherSecret)?;
    send(stream, &proof).await.map_err(DialError::Unreachable)?;
    read_reply(stream).await
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), DialError> {
    let byte = stream.read_u8().await.map_err(closed)?;
    match Reply::read(byte) {
        Some(Reply::Accepted) => Ok(()),
        Some(reply) => Err(reply.into()),
        None => Err(DialError::OtherProgram),
    }
}

/// Whoever closes without a word does not know what was said.
fn closed(error: io::Error) -> DialError {
    match error.kind() {
        ErrorKind::UnexpectedEof => DialError::OtherProgram,
        _ => DialError::Unreachable(error),
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The server's side: the secret that callers must know, and their sessions.
#[derive(Debug)]
pub struct Members {
    secret: Mutex<Secret>,
    identity: Option<Fingerprint>,
    sessions: Mutex<HashMap<String, Session>>,
}

/// The secret, which is not shown.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Members {
    /// Those who know the secret of this token, for a server with this identity.
    pub fn new(token: &str, identity: Option<Fingerprint>) -> Self {
        let secret = Mutex::new(Secret(secret_of(token).to_string()));
        Members { secret, identity, sessions: Mutex::default() }
    }

    /// Takes the secret of another token from now on. Sessions under the former one end.
    pub fn set_token(&self, token: &str) {
        let mut secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.0 != secret_of(token) {
            secret.0 = secret_of(token).to_string();
            self.sessions().clear();
        }
    }

    /// Whether an `authorization` header is that of a call of an open session, which was not made before.
    pub fn is_call(&self, header: &[u8]) -> bool {
        let Some(call) = Call::read(header) else { return false };
        self.sessions().get_mut(call.session).is_some_and(|session| session.takes(&call))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a caller that has sent the first byte of a hello; what is to become of the connection once the caller
    /// has proved that it knows the secret.
    ///
    /// # Errors
    /// If the caller has not, or is gone.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> io::Result<Admission> {
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await?;
        let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        let challenge = match Challenge::new(secret, self.identity, &hello) {
            Ok(challenge) => challenge,
            Err(reply) => return refuse(stream, reply).await,
        };
        let mut bytes = vec![Reply::Accepted as u8];
        bytes.extend(challenge.bytes());
        send(stream, &bytes).await?;
        let mut proof = [0; PROOF_BYTES];
        stream.read_exact(&mut proof).await?;
        if !challenge.is_answer(&proof) {
            return refuse(stream, Reply::Refused).await;
        }
        let admission = match challenge.purpose() {
            Purpose::Requests => Admission::Requests,
            Purpose::Session => match self.begin(&challenge) {
                Some(held) => Admission::Session(held),
                None => return refuse(stream, Reply::Refused).await,
            },
        };
        send(stream, &[Reply::Accepted as u8]).await?;
        Ok(admission)
    }

    fn begin(self: &Arc<Self>, challenge: &Challenge) -> Option<HeldSession> {
        let (name, session) = challenge.session();
        let mut sessions = self.sessions();
        if sessions.len() >= SESSIONS_MAX {
            return None;
        }
        sessions.insert(name.clone(), session);
        Some(HeldSession { members: Arc::clone(self), name })
    }
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> io::Result<Admission> {
    send(stream, &[reply as u8]).await?;
    Err(ErrorKind::PermissionDenied.into())
}

/// What becomes of a connection whose caller knows the secret.
pub(crate) enum Admission {
    /// Requests follow.
    Requests,
    /// It holds a session.
    Session(HeldSession),
}

/// A session, which ends with this.
pub(crate) struct HeldSession {
    members: Arc<Members>,
    name: String,
}

impl HeldSession {
    /// Resolves when the holder has closed its connection.
    pub(crate) async fn hold(self, stream: impl AsyncRead + Unpin) {
        let _ = tokio::io::copy(&mut stream.take(HOLDER_BYTES_MAX), &mut tokio::io::sink()).await;
    }
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        self.members.sessions().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::{DialError, PeerStream, Protocol, Trust, connect};
    use crate::identity::Identity;
    use crate::listen::{Encryption, Port};
    use partita_shared::endpoint::Endpoint;
    use std::time::Duration;
    use tokio::net::{TcpListener, TcpStream};

    const TOKEN: &str = "a secret of the cluster.plaintext";
    /// How long a test waits for anything.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn port(encryption: Encryption) -> (Port, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let identity = Some(Fingerprint([7; 32]));
        (Port::open(listener, encryption), Endpoint::new(address, identity))
    }

    fn members(token: &str) -> Encryption {
        Encryption::Disabled(Arc::new(Members::new(token, Some(Fingerprint([7; 32])))))
    }

    async fn dial(endpoint: &Endpoint, token: &str) -> Result<PeerStream, DialError> {
        connect(endpoint, &Trust::in_worker(token), Protocol::Http1, PATIENCE).await
    }

    /// Two that know the secret connect, and the caller counts as one that does. A caller that asks without a proof does
    /// not.
    #[tokio::test]
    async fn members_are_told_apart() {
        let (mut port, endpoint) = port(members(TOKEN)).await;
        let (client, (mut server, caller)) = tokio::join!(dial(&endpoint, TOKEN), port.accept());
        assert!(caller.is_member && !caller.is_encrypted);
        client.unwrap().write_all(b"GET /").await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"GET /");
        let mut stranger = TcpStream::connect(&endpoint.address).await.unwrap();
        stranger.write_all(b"GET /").await.unwrap();
        let (_, caller) = port.accept().await;
        assert!(!caller.is_member && !caller.is_encrypted);
    }

    /// Whoever does not know the secret, or is another process that does, is recognized by the client.
    #[tokio::test]
    async fn other_processes_are_refused() {
        let (_port, endpoint) = port(members("another secret.plaintext")).await;
        assert!(matches!(dial(&endpoint, TOKEN).await, Err(DialError::OtherSecret)));
        let (_port, endpoint) = port(members(TOKEN)).await;
        let other = Endpoint { fingerprint: Some(Fingerprint([8; 32])), ..endpoint.clone() };
        assert!(matches!(dial(&other, TOKEN).await, Err(DialError::OtherSecret)));
        let scheduler = Endpoint { fingerprint: None, ..endpoint };
        assert!(matches!(dial(&scheduler, TOKEN).await, Err(DialError::OtherSecret)));
    }

    /// A client that does not encrypt and a server that does, and the other way about, are told of the option.
    #[tokio::test]
    async fn mixed_use_names_the_option() {
        let identity = Identity::generate(&[]).unwrap();
        let config = identity.server_config().unwrap();
        for encryption in [Encryption::Required(config.clone()), Encryption::Offered(config)] {
            let (_port, endpoint) = port(encryption).await;
            let error = dial(&endpoint, TOKEN).await.err().unwrap();
            assert!(matches!(error, DialError::NeedsTls), "{error}");
            assert!(error.to_string().contains("--plaintext"), "{error}");
        }
        let (_port, endpoint) = port(members(TOKEN)).await;
        let token = format!("secret.{}", identity.fingerprint());
        let error = dial(&endpoint, &token).await.err().unwrap();
        assert!(matches!(error, DialError::OtherProtocol), "{error}");
        assert!(error.to_string().contains("--plaintext"), "{error}");
    }

    /// A client's proof is of no use without the server's: a process that only repeats what it is sent gets none, and
    /// so does one that says something else.
    #[tokio::test]
    async fn a_taken_port_gets_no_proof() {
        for answers in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = Endpoint::from(listener.local_addr().unwrap().to_string());
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut hello = [0; HELLO_BYTES];
                stream.read_exact(&mut hello).await.unwrap();
                let mut answer = vec![if answers { Reply::Accepted as u8 } else { b'H' }];
                answer.extend(&hello[HELLO_BYTES - 32..]);
                answer.extend(&hello[HELLO_BYTES - 32..]);
                stream.write_all(&answer).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                (hello, rest)
            };
            let (refused, (hello, rest)) = tokio::join!(dial(&endpoint, TOKEN), serving);
            assert!(refused.err().is_some_and(|error| error.is_other_process()));
            assert!(rest.is_empty(), "{rest:?}");
            assert!(!hello.windows(8).any(|bytes| TOKEN.as_bytes().windows(8).any(|t| t == bytes)));
        }
    }

    /// A session lasts as long as the connection that holds it.
    #[tokio::test]
    async fn a_session_ends_with_its_connection() {
        let members = Arc::new(Members::new(TOKEN, None));
        let (_port, endpoint) = port(Encryption::Disabled(Arc::clone(&members))).await;
        let mut stream = TcpStream::connect(&endpoint.address).await.unwrap();
        let secret = secret_of(TOKEN);
        prove(&mut stream, secret, None, Purpose::Session).await.unwrap();
        assert_eq!(members.sessions().len(), 1);
        assert!(!members.is_call(b"Partita 00 1 00") && !members.is_call(b"Bearer x"));
        drop(stream);
        let ended = async {
            while !members.sessions().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    }
}
