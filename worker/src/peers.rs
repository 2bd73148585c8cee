//! The workers of the cluster: where the others are, whether they are gone, and the token that opens them.

use partita_net::connections::Caller;
use partita_net::peer::{DataPlane, FlightPlane};
use partita_net::plaintext::Members;
use partita_shared::access::{is_plaintext, secret_of};
use partita_shared::endpoint::{Endpoint, Fingerprint};
use partita_shared::ids::WorkerId;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// Another worker.
#[derive(Debug)]
struct Peer {
    address: Endpoint,
    lost: CancellationToken,
    /// Bytes read from it.
    fetched_bytes: u64,
    /// Whether it is on this node and yet its memory cannot be opened from here, as in a container of its own.
    is_apart: bool,
}

/// The token, and the way to other workers that it opens. Both change with the scheduler.
#[derive(Debug)]
struct Key {
    token: String,
    plane: Arc<FlightPlane>,
}

impl Key {
    fn new(token: String, stream_window_bytes: u32) -> Self {
        let plane = FlightPlane::new(token.clone());
        let plane = Arc::new(plane.with_stream_window(stream_window_bytes));
        Key { token, plane }
    }
}

/// This worker's number, and the other workers.
#[derive(Debug)]
pub(crate) struct Peers {
    own: AtomicU32,
    others: Mutex<HashMap<WorkerId, Peer>>,
    key: Mutex<Key>,
    /// Who may ask if nothing is encrypted.
    members: Arc<Members>,
    stream_window_bytes: u32,
    fetched_bytes: AtomicU64,
}

impl Peers {
    /// Those of a cluster with this token, by which a worker with this identity is asked. One stream from them has at
    /// most `stream_window_bytes` under way.
    pub(crate) fn new(
        token: String,
        identity: Option<Fingerprint>,
        stream_window_bytes: u32,
    ) -> Self {
        Peers {
            members: Arc::new(Members::new(&token, identity)),
            own: AtomicU32::new(0),
            others: Mutex::default(),
            key: Mutex::new(Key::new(token, stream_window_bytes)),
            stream_window_bytes,
            fetched_bytes: AtomicU64::new(0),
        }
    }

    fn others(&self) -> MutexGuard<'_, HashMap<WorkerId, Peer>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> MutexGuard<'_, Key> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This worker.
    pub(crate) fn own(&self) -> WorkerId {
        WorkerId(self.own.load(Ordering::Relaxed))
    }

    pub(crate) fn set_own(&self, worker: WorkerId) {
        self.own.store(worker.0, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, worker: WorkerId, address: Endpoint) {
        let peer =
            Peer { address, lost: CancellationToken::new(), fetched_bytes: 0, is_apart: false };
        self.others().insert(worker, peer);
    }

    /// Forgets a worker that is gone. Reads from it end.
    pub(crate) fn lose(&self, worker: WorkerId) {
        let peer = self.others().remove(&worker);
        if let Some(peer) = peer {
            peer.lost.cancel();
            self.key().plane.forget(&peer.address);
        }
    }

    /// Forgets all others.
    pub(crate) fn clear(&self) {
        let all: Vec<WorkerId> = self.others().keys().copied().collect();
        all.into_iter().for_each(|worker| self.lose(worker));
    }

    pub(crate) fn address(&self, worker: WorkerId) -> Option<Endpoint> {
        self.others().get(&worker).map(|peer| peer.address.clone())
    }

    /// Whether the memory of another worker may be opened, if it is on this node.
    pub(crate) fn shares_memory(&self, worker: WorkerId) -> bool {
        self.others().get(&worker).is_some_and(|peer| !peer.is_apart)
    }

    /// Notes that the memory of another worker cannot be opened.
    pub(crate) fn set_apart(&self, worker: WorkerId) {
        if let Some(peer) = self.others().get_mut(&worker) {
            peer.is_apart = true;
        }
    }

    /// Resolves when the worker is gone.
    pub(crate) fn lost(&self, worker: WorkerId) -> CancellationToken {
        match self.others().get(&worker) {
            Some(peer) => peer.lost.clone(),
            None => {
                let lost = CancellationToken::new();
                lost.cancel();
                lost
            }
        }
    }

    /// The way to the data of others.
    pub(crate) fn plane(&self) -> Arc<dyn DataPlane> {
        Arc::clone(&self.key().plane) as Arc<dyn DataPlane>
    }

    /// Takes the token of the scheduler that was found.
    pub(crate) fn set_token(&self, token: &str) {
        self.members.set_token(token);
        let mut key = self.key();
        if key.token != token {
            *key = Key::new(token.to_string(), self.stream_window_bytes);
        }
    }

    /// Who may ask if nothing is encrypted.
    pub(crate) fn members(&self) -> &Arc<Members> {
        &self.members
    }

    /// Whether a caller may ask, with this `authorization` header: it shows the token or, where nothing is encrypted,
    /// has proved that it knows the secret. Secrets are compared in a time that does not say where the first difference
    /// is.
    pub(crate) fn admits(&self, caller: Option<&Caller>, header: Option<&[u8]>) -> bool {
        let token = self.key().token.clone();
        if is_plaintext(&token) {
            return caller.is_some_and(|caller| caller.is_member)
                || header.is_some_and(|header| self.members.is_call(header));
        }
        let given = header.and_then(|header| header.strip_prefix(b"Bearer "));
        let given = given.and_then(|given| std::str::from_utf8(given).ok());
        given.is_some_and(|given| {
            secret_of(given).as_bytes().ct_eq(secret_of(&token).as_bytes()).into()
        })
    }

    pub(crate) fn count_fetched(&self, from: WorkerId, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(peer) = self.others().get_mut(&from) {
            peer.fetched_bytes += bytes;
        }
    }

    /// Bytes read from all others since the start.
    pub(crate) fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.load(Ordering::Relaxed)
    }

    /// Bytes read from other workers since they were first told of, by worker.
    pub(crate) fn fetched_from(&self) -> BTreeMap<WorkerId, u64> {
        let others = self.others();
        let read = others.iter().filter(|(_, peer)| peer.fetched_bytes > 0);
        read.map(|(id, peer)| (*id, peer.fetched_bytes)).collect()
    }
}
