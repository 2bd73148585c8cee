//! Connections without encryption (`--plaintext`): what both ends say before anything else, to prove to each other that
//! they know the cluster's secret. The secret itself is never sent.
//!
//! The client sends a hello with a nonce; the server answers with a nonce and its proof; only then does the client send
//! its own. A proof is an HMAC-SHA256 under the secret over both nonces, what the connection is for and who the server
//! is, so none is of use for another connection, to another process or in the other direction. Whoever can change
//! packets on the way can still take over a connection afterwards, and whoever can record them reads all that follows.

use crate::endpoint::{FINGERPRINT_BYTES, Fingerprint};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The first byte of a hello: no request of HTTP begins with it, nor does a handshake of TLS.
pub const FIRST_BYTE: u8 = MAGIC[0];
/// Bytes of a hello: what it is, its version, its purpose, the client's nonce.
pub const HELLO_BYTES: usize = MAGIC.len() + 2 + NONCE_BYTES;
/// Bytes of a challenge, behind the reply that announces it: the server's nonce and its proof.
pub const CHALLENGE_BYTES: usize = NONCE_BYTES + PROOF_BYTES;
/// Bytes of a proof: those of SHA-256.
pub const PROOF_BYTES: usize = 32;

/// What a hello begins with.
const MAGIC: [u8; 8] = *b"\x01partita";
/// The version of these messages.
const VERSION: u8 = 1;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 32;
/// The scheme in the `authorization` header of a call that belongs to a session.
const SCHEME: &str = "Partita ";
/// The call numbers below the largest one seen of which a session remembers which were used. One that is older is
/// refused.
const WINDOW_CALLS: u64 = 4096;
/// Bits of one word of the window.
const WORD_BITS: u64 = 64;

/// One byte with which a server replies to a hello, and to a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply {
    /// The server accepts.
    Accepted = 0,
    /// The server uses TLS.
    NeedsTls = 1,
    /// The server does not know this version of the hello.
    OtherVersion = 2,
    /// The client does not know the secret, or too many sessions are open.
    Refused = 3,
}

impl Reply {
    /// What a server said; none if it is something else.
    pub fn read(byte: u8) -> Option<Reply> {
        let all = [Reply::Accepted, Reply::NeedsTls, Reply::OtherVersion, Reply::Refused];
        all.into_iter().find(|reply| *reply as u8 == byte)
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Requests follow on it, all of them authorized.
    Requests = 0,
    /// A session: calls on other connections are authorized by its key as long as it is open. For clients whose library
    /// opens the connections.
    Session = 1,
}

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandom;

/// Random bytes.
fn random() -> Result<[u8; NONCE_BYTES], NoRandom> {
    let mut bytes = [0; NONCE_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// A random name for a process that has no certificate, in the place of its fingerprint.
///
/// # Errors
/// If the system has no random numbers.
pub fn random_identity() -> Result<Fingerprint, NoRandom> {
    const { assert!(NONCE_BYTES == FINGERPRINT_BYTES) };
    random().map(Fingerprint)
}

/// What both sides know of a connection. Schedulers have no identity: their clients know none before the first one.
#[derive(Clone, Copy)]
struct Transcript {
    purpose: Purpose,
    identity: Option<Fingerprint>,
    client_nonce: [u8; NONCE_BYTES],
    server_nonce: [u8; NONCE_BYTES],
}

impl Transcript {
    /// What is proved; the label says by whom or for what.
    fn bytes(&self, label: &[u8]) -> Vec<u8> {
        let identity = self.identity.unwrap_or(Fingerprint([0; FINGERPRINT_BYTES]));
        let head = [VERSION, self.purpose as u8];
        [label, &head, &identity.0, &self.client_nonce, &self.server_nonce].concat()
    }

    fn sign(&self, secret: &str, label: &[u8]) -> [u8; PROOF_BYTES] {
        sign(&key(secret.as_bytes()), &self.bytes(label))
    }

    fn is_proof(&self, secret: &str, label: &[u8], proof: &[u8]) -> bool {
        hmac::verify(&key(secret.as_bytes()), &self.bytes(label), proof).is_ok()
    }
}

const SERVER_LABEL: &[u8] = b"partita plaintext server ";
const CLIENT_LABEL: &[u8] = b"partita plaintext client ";
const SESSION_LABEL: &[u8] = b"partita plaintext session";
const CALL_LABEL: &[u8] = b"partita plaintext call";

fn key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn sign(key: &hmac::Key, message: &[u8]) -> [u8; PROOF_BYTES] {
    let mut proof = [0; PROOF_BYTES];
    proof.copy_from_slice(hmac::sign(key, message).as_ref());
    proof
}

/// The client's side of a connection that is opened.
pub struct Opening<'a> {
    secret: &'a str,
    purpose: Purpose,
    identity: Option<Fingerprint>,
    nonce: [u8; NONCE_BYTES],
}

impl<'a> Opening<'a> {
    /// A connection to a process with this identity, a worker, or to a scheduler.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(
        secret: &'a str,
        identity: Option<Fingerprint>,
        purpose: Purpose,
    ) -> Result<Self, NoRandom> {
        Ok(Opening { secret, purpose, identity, nonce: random()? })
    }

    /// What is sent first.
    pub fn hello(&self) -> [u8; HELLO_BYTES] {
        let mut hello = [0; HELLO_BYTES];
        let (head, nonce) = hello.split_at_mut(MAGIC.len() + 2);
        head[..MAGIC.len()].copy_from_slice(&MAGIC);
        head[MAGIC.len()..].copy_from_slice(&[VERSION, self.purpose as u8]);
        nonce.copy_from_slice(&self.nonce);
        hello
    }

    /// The client's proof; none if the server has not proved that it knows the secret: then nothing is to be sent.
    pub fn answer(&self, challenge: &[u8; CHALLENGE_BYTES]) -> Option<[u8; PROOF_BYTES]> {
        let (nonce, proof) = challenge.split_at(NONCE_BYTES);
        let mut server_nonce = [0; NONCE_BYTES];
        server_nonce.copy_from_slice(nonce);
        let Opening { purpose, identity, nonce: client_nonce, .. } = *self;
        let transcript = Transcript { purpose, identity, client_nonce, server_nonce };
        transcript
            .is_proof(self.secret, SERVER_LABEL, proof)
            .then(|| transcript.sign(self.secret, CLIENT_LABEL))
    }
}

/// The server's side of a connection that is opened.
pub struct Challenge {
    secret: String,
    transcript: Transcript,
}

impl Challenge {
    /// Answers a hello; what to reply instead if that is not one.
    ///
    /// # Errors
    /// [`Reply::OtherVersion`] for another version's, [`Reply::Refused`] if the system has no random numbers.
    pub fn new(
        secret: String,
        identity: Option<Fingerprint>,
        hello: &[u8; HELLO_BYTES],
    ) -> Result<Self, Reply> {
        let (head, nonce) = hello.split_at(MAGIC.len() + 2);
        let purpose = match head.strip_prefix(&MAGIC) {
            Some([VERSION, 0]) => Purpose::Requests,
            Some([VERSION, 1]) => Purpose::Session,
            _ => return Err(Reply::OtherVersion),
        };
        let mut client_nonce = [0; NONCE_BYTES];
        client_nonce.copy_from_slice(nonce);
        let server_nonce = random().map_err(|_| Reply::Refused)?;
        let transcript = Transcript { purpose, identity, client_nonce, server_nonce };
        Ok(Challenge { secret, transcript })
    }

    /// What the connection is for.
    pub fn purpose(&self) -> Purpose {
        self.transcript.purpose
    }

    /// What is sent, behind [`Reply::Accepted`].
    pub fn bytes(&self) -> [u8; CHALLENGE_BYTES] {
        let mut bytes = [0; CHALLENGE_BYTES];
        bytes[..NONCE_BYTES].copy_from_slice(&self.transcript.server_nonce);
        bytes[NONCE_BYTES..].copy_from_slice(&self.transcript.sign(&self.secret, SERVER_LABEL));
        bytes
    }

    /// Whether the client has proved that it knows the secret.
    pub fn is_answer(&self, proof: &[u8; PROOF_BYTES]) -> bool {
        self.transcript.is_proof(&self.secret, CLIENT_LABEL, proof)
    }

    /// The session that the connection opens, under its name: the server's nonce.
    pub fn session(&self) -> (String, Session) {
        let name = self.transcript.server_nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = key(&self.transcript.sign(&self.secret, SESSION_LABEL));
        let window = [0; (WINDOW_CALLS / WORD_BITS) as usize];
        (name, Session { key, largest: 0, window })
    }
}

/// What a call says that belongs to a session: the session's name, the call's number, the proof that whoever made it
/// knows the session's key.
pub struct Call<'a> {
    /// The session's name.
    pub session: &'a str,
    number: u64,
    proof: [u8; PROOF_BYTES],
}

impl<'a> Call<'a> {
    /// Reads an `authorization` header: `Partita SESSION NUMBER PROOF`; none if it is another.
    pub fn read(header: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?.strip_prefix(SCHEME)?;
        let mut words = text.split(' ');
        let (session, number, proof) = (words.next()?, words.next()?, words.next()?);
        // A proof is written as a fingerprint is.
        let Fingerprint(proof) = proof.parse().ok()?;
        Some(Call { session, number: number.parse().ok()?, proof })
    }
}

/// A session. Each of its calls has a number of its own: one that is recorded is of no use again.
#[derive(Debug)]
pub struct Session {
    key: hmac::Key,
    /// The largest number that was used.
    largest: u64,
    /// Which of the [`WINDOW_CALLS`] numbers up to it were used, at their remainders.
    window: [u64; (WINDOW_CALLS / WORD_BITS) as usize],
}

impl Session {
    /// Whether a call is the session's and was not made before.
    pub fn takes(&mut self, call: &Call<'_>) -> bool {
        let message = [CALL_LABEL, &call.number.to_be_bytes()].concat();
        let is_old = call.number.saturating_add(WINDOW_CALLS) <= self.largest;
        if hmac::verify(&self.key, &message, &call.proof).is_err() || is_old {
            return false;
        }
        if call.number > self.largest {
            for number in (self.largest + 1..=call.number).take(WINDOW_CALLS as usize) {
                let (word, bit) = place(number);
                self.window[word] &= !bit;
            }
            self.largest = call.number;
        }
        let (word, bit) = place(call.number);
        let is_new = self.window[word] & bit == 0;
        self.window[word] |= bit;
        is_new
    }
}

/// Where the window has a number.
fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW_CALLS;
    ((at / WORD_BITS) as usize, 1 << (at % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of the cluster";

    fn identity() -> Option<Fingerprint> {
        Some(Fingerprint([7; FINGERPRINT_BYTES]))
    }

    /// What a server with this secret and identity answers to a hello.
    fn challenge(secret: &str, identity: Option<Fingerprint>, opening: &Opening<'_>) -> Challenge {
        Challenge::new(secret.to_string(), identity, &opening.hello()).expect("a challenge")
    }

    /// Two that know the secret recognize each other; of one that does not, nothing is taken and nothing is sent to it.
    /// Neither passes for the other side, for another process or on another connection.
    #[test]
    fn both_sides_prove_that_they_know_the_secret() {
        let opening = Opening::new(SECRET, identity(), Purpose::Requests).expect("random");
        let fine = challenge(SECRET, identity(), &opening);
        let proof = opening.answer(&fine.bytes()).expect("the server is recognized");
        assert!(fine.is_answer(&proof));
        assert!(opening.answer(&challenge("another", identity(), &opening).bytes()).is_none());
        assert!(opening.answer(&challenge(SECRET, None, &opening).bytes()).is_none());
        // What was recorded of one connection is of no use for the next one.
        let again = challenge(SECRET, identity(), &opening);
        assert!(!again.is_answer(&proof));
        let next = Opening::new(SECRET, identity(), Purpose::Requests).expect("random");
        assert!(next.answer(&fine.bytes()).is_none());
        // A proof that a server gives is not one that a client gives.
        let mut reflected = [0; PROOF_BYTES];
        reflected.copy_from_slice(&fine.bytes()[NONCE_BYTES..]);
        assert!(!fine.is_answer(&reflected));
        let session = Opening::new(SECRET, identity(), Purpose::Session).expect("random");
        assert_eq!(challenge(SECRET, identity(), &session).purpose(), Purpose::Session);
    }

    /// A hello of another version is told apart.
    #[test]
    fn other_versions_are_refused() {
        let mut hello = Opening::new(SECRET, None, Purpose::Requests).expect("random").hello();
        hello[MAGIC.len()] += 1;
        let refused = Challenge::new(SECRET.to_string(), None, &hello).err();
        assert_eq!(refused, Some(Reply::OtherVersion));
        assert_eq!(Reply::read(Reply::NeedsTls as u8), Some(Reply::NeedsTls));
        assert_eq!(Reply::read(b'H'), None);
    }

    /// The header of a call, as a client makes it.
    fn header(challenge: &Challenge, number: u64) -> String {
        let (name, session) = challenge.session();
        let tag = sign(&session.key, &[CALL_LABEL, &number.to_be_bytes()].concat());
        let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("Partita {name} {number} {tag}")
    }

    /// A call counts once, in any order within the window, and only in its own session.
    #[test]
    fn a_call_counts_once() {
        let opening = Opening::new(SECRET, None, Purpose::Session).expect("random");
        let own = challenge(SECRET, None, &opening);
        let (name, mut session) = own.session();
        let mut takes = |of: &Challenge, number: u64| {
            let header = header(of, number);
            let call = Call::read(header.as_bytes()).expect("a call");
            session.takes(&call)
        };
        for number in [3, 1, 2, 0, 5, WINDOW_CALLS + 2] {
            assert!(takes(&own, number), "{number}");
            assert!(!takes(&own, number), "{number} again");
        }
        // Below the window nothing is known any more; within it, what was not used still is of use.
        assert!(!takes(&own, 2) && takes(&own, 4) && !takes(&own, 4) && !takes(&own, 5));
        assert!(takes(&own, 100 * WINDOW_CALLS) && !takes(&own, 6));
        let other = challenge(SECRET, None, &opening);
        assert!(!takes(&other, 200 * WINDOW_CALLS));
        let text = header(&own, 1);
        assert_eq!(Call::read(text.as_bytes()).map(|call| call.session.to_string()), Some(name));
        for bad in ["Bearer x", "Partita a b c", "Partita ", "Partita a 1 00"] {
            assert!(Call::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    /// The messages are those that clients in other languages make.
    #[test]
    fn proofs_are_hmacs_of_the_transcript() {
        let transcript = Transcript {
            purpose: Purpose::Session,
            identity: identity(),
            client_nonce: [1; NONCE_BYTES],
            server_nonce: [2; NONCE_BYTES],
        };
        let expected =
            [SERVER_LABEL, &[1, 1], &[7; FINGERPRINT_BYTES], &[1; NONCE_BYTES], &[2; NONCE_BYTES]]
                .concat();
        assert_eq!(transcript.bytes(SERVER_LABEL), expected);
        assert_eq!(transcript.sign("key", SERVER_LABEL), sign(&key(b"key"), &expected));
    }
}
