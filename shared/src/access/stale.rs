//! Clusters that have an access file and do not answer: their scheduler was killed, or its node died.

use super::{Access, Survey, fingerprint_of, host_name, is_plaintext, secret_of};
use crate::plaintext::{CHALLENGE_BYTES, Opening, Purpose, Reply};
use crate::tls::{
    authority_config, certificate_fault, client_config, host_name_of, is_other_protocol,
    server_name,
};
use rustls::ClientConnection;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a scheduler may take to accept a connection, and then to answer: long enough for one packet that is
/// lost on the way.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Clusters that are asked at once.
const ASKED_MAX: usize = 16;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 2;
/// How long one of Slurm's programs may take.
const SLURM_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two looks whether it has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// The largest answer of one of Slurm's programs, in bytes.
const SLURM_BYTES_MAX: u64 = 4 << 20;
/// What is offered to be spoken after the handshake.
const PROTOCOL: &[u8] = b"http/1.1";

/// A cluster that does not answer.
#[derive(Clone, Debug)]
pub struct Stale {
    /// Its access file.
    pub path: PathBuf,
    /// What that says.
    pub access: Access,
    /// Why the cluster counts as gone, for display.
    pub cause: String,
    /// Whether the file was removed, since its owner is known to be gone.
    pub is_removed: bool,
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Access { name, address, host, .. } = &self.access;
        write!(f, "cluster `{name}` at {address} on {host} does not respond: {}; ", self.cause)?;
        match self.is_removed {
            true => write!(f, "its access file was removed"),
            false => write!(f, "remove {} if the cluster has ended", self.path.display()),
        }
    }
}

/// Stale clusters inside a sentence.
pub(super) fn in_parentheses(stale: &[Stale]) -> String {
    if stale.is_empty() {
        return String::new();
    }
    let texts: Vec<String> = stale.iter().map(Stale::to_string).collect();
    format!(" ({})", texts.join("; "))
}

/// Whether the scheduler surely is gone: it ran on this host and its process is not there.
pub(super) fn is_dead(access: &Access) -> bool {
    access.host == host_name() && !Path::new(&format!("/proc/{}", access.pid)).exists()
}

/// Asks all of them, several at once.
pub(super) fn ask(found: Vec<(PathBuf, Access)>) -> Survey {
    let mut survey = Survey::default();
    for some in found.chunks(ASKED_MAX) {
        let causes: Vec<Option<String>> = std::thread::scope(|scope| {
            let asking: Vec<_> =
                some.iter().map(|(_, access)| scope.spawn(move || cause(access))).collect();
            let failed = |_| Some("the check failed".to_string());
            asking.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect()
        });
        for ((path, access), cause) in some.iter().cloned().zip(causes) {
            match cause {
                None => survey.running.push((path, access)),
                Some(cause) => survey.stale.push(Stale { path, access, cause, is_removed: false }),
            }
        }
    }
    survey
}

/// Why a cluster counts as gone, if it does. A scheduler that accepts a connection and is slow to answer does not.
pub(super) fn cause(access: &Access) -> Option<String> {
    if is_dead(access) {
        return Some(format!("its process {} has ended", access.pid));
    }
    let addresses = match access.address.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Some(error.to_string()),
    };
    let mut cause = "its host name has no address".to_string();
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, ANSWER_TIMEOUT) {
            Ok(stream) => return refusal(stream, access),
            Err(error) => cause = error.to_string(),
        }
    }
    Some(cause)
}

/// The cause if another scheduler listens at the address.
const OTHER_SCHEDULER: &str =
    "another scheduler listens at this address, with another certificate or secret";
/// The cause if something else listens at the address.
const OTHER_PROGRAM: &str = "another program listens at this address";

/// Why whoever listens at a scheduler's address is not that scheduler. The handshake proves it; nothing else is sent.
fn refusal(mut stream: TcpStream, access: &Access) -> Option<String> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    if is_plaintext(&access.token) {
        return plaintext_refusal(stream, secret_of(&access.token));
    }
    let (config, name) = match (&access.tls_ca_file, fingerprint_of(&access.token)) {
        (Some(path), _) => {
            let config = match authority_config(path, PROTOCOL) {
                Ok(config) => config,
                Err(error) => return Some(error.to_string()),
            };
            (config, host_name_of(&access.address)?)
        }
        (None, Some(fingerprint)) => (client_config(fingerprint, PROTOCOL).ok()?, server_name()),
        (None, None) => {
            return Some("its token has no fingerprint; it was started by another version".into());
        }
    };
    let mut connection = ClientConnection::new(config, name).ok()?;
    let error = connection.complete_io(&mut stream).err()?;
    if certificate_fault(&error).is_some() {
        return Some(OTHER_SCHEDULER.to_string());
    }
    is_other_protocol(&error).then(|| OTHER_PROGRAM.to_string())
}

/// The same for a scheduler that does not encrypt: it must prove that it knows the secret.
fn plaintext_refusal(mut stream: TcpStream, secret: &str) -> Option<String> {
    let opening = Opening::new(secret, None, Purpose::Requests).ok()?;
    stream.write_all(&opening.hello()).ok()?;
    let mut reply = [0];
    stream.read_exact(&mut reply).ok()?;
    match Reply::read(reply[0]) {
        Some(Reply::Accepted) => {}
        Some(Reply::NeedsTls | Reply::OtherVersion | Reply::Refused) => {
            return Some(OTHER_SCHEDULER.to_string());
        }
        None => return Some(OTHER_PROGRAM.to_string()),
    }
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).ok()?;
    opening.answer(&challenge).is_none().then(|| OTHER_SCHEDULER.to_string())
}

/// Removes the access files of those whose owner is known to be gone: its process, or its Slurm job.
pub(super) fn remove_files(stale: &mut [Stale]) {
    let is_of_slurm = |stale: &Stale| stale.access.slurm_cluster.is_some();
    // Slurm is asked only where its answer can matter.
    let queue = stale.iter().any(|stale| is_of_slurm(stale) && !is_dead(&stale.access));
    let queue = if queue { Queue::ask() } else { None };
    for stale in stale {
        let is_gone = |queue: &Queue| queue.has_lost(&stale.access);
        if is_dead(&stale.access) || queue.as_ref().is_some_and(is_gone) {
            stale.access.remove(&stale.path);
            stale.is_removed = !stale.path.exists();
        }
    }
}

/// This user's Slurm jobs that have not ended.
#[derive(Debug)]
struct Queue {
    cluster: String,
    jobs: BTreeSet<String>,
}

impl Queue {
    /// Asks Slurm: none if it does not answer.
    fn ask() -> Option<Queue> {
        let config = output(Command::new("scontrol").args(["show", "config"]))?;
        let (_, cluster) = config
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == "ClusterName")?;
        let jobs = output(Command::new("squeue").args(["--noheader", "--me", "--format=%A"]))?;
        let jobs = jobs.split_whitespace().map(str::to_string).collect();
        Some(Queue { cluster: cluster.trim().to_string(), jobs })
    }

    /// Whether a scheduler's job was one of this Slurm cluster, and has ended.
    fn has_lost(&self, access: &Access) -> bool {
        access.slurm_cluster.as_deref() == Some(&self.cluster)
            && access.slurm_job.as_ref().is_some_and(|job| !self.jobs.contains(job))
    }
}

/// What a program prints, if it succeeds within the bound.
fn output(command: &mut Command) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let stdout = child.stdout.take()?;
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.take(SLURM_BYTES_MAX).read_to_string(&mut text).map(|_| text)
    });
    let end = Instant::now() + SLURM_TIMEOUT;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK_PAUSE),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let text = reading.join().ok()?.ok()?;
    status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn access(address: String) -> Access {
        let token = format!("secret.{}", "ab".repeat(32));
        Access::to_this_process("test".to_string(), address, token)
    }

    /// A port that refuses connections.
    fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address").to_string()
    }

    /// Whoever has ended, does not listen or does not use TLS is gone; whoever is slow to answer is not. Nobody
    /// is sent the token.
    #[test]
    fn causes_are_told_apart() {
        let ended = Access { pid: u32::MAX, ..access(closed()) };
        assert!(cause(&ended).is_some_and(|cause| cause.contains("has ended")));
        assert!(cause(&access(closed())).is_some_and(|cause| cause.contains("refused")));
        let other = Access { token: "secret".to_string(), ..access(closed()) };
        assert!(cause(&other).is_some());
        let tokens = [format!("secret.{}", "ab".repeat(32)), "secret.plaintext".to_string()];
        for (token, (answer, words)) in tokens.iter().flat_map(|token| {
            [
                ("HTTP/1.1 400 Bad Request\r\n\r\n", Some("another program")),
                ("220 mail ready\r\n", Some("another program")),
                ("", None),
            ]
            .map(|answer| (token, answer))
        }) {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("its address").to_string();
            let answering = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut request = [0; 4096];
                let length = stream.read(&mut request).expect("a handshake");
                stream.write_all(answer.as_bytes()).expect("an answer");
                request[..length].to_vec()
            });
            let found = cause(&Access { token: token.clone(), ..access(address) });
            let seen = answering.join().expect("it ends");
            assert!(!seen.windows(6).any(|bytes| bytes == b"secret"));
            match words {
                Some(words) => assert!(found.is_some_and(|cause| cause.contains(words)), "{words}"),
                None => assert_eq!(found, None, "{answer}"),
            }
        }
    }

    /// A job counts as ended only on the Slurm cluster that it was one of.
    #[test]
    fn only_jobs_of_this_slurm_are_known() {
        let queue = Queue { cluster: "one".to_string(), jobs: BTreeSet::from(["7".to_string()]) };
        let of = |cluster: Option<&str>, job: &str| Access {
            slurm_cluster: cluster.map(str::to_string),
            slurm_job: Some(job.to_string()),
            ..access(closed())
        };
        assert!(queue.has_lost(&of(Some("one"), "8")));
        assert!(!queue.has_lost(&of(Some("one"), "7")));
        assert!(!queue.has_lost(&of(Some("two"), "8")) && !queue.has_lost(&of(None, "8")));
    }
}
