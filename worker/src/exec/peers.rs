//! Other workers.

use partita_shared::ids::WorkerId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Another worker.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) lost: CancellationToken,
    /// Bytes read from it.
    pub(crate) fetched_bytes: u64,
}

/// Other workers: where they are, and whether they are gone.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<WorkerId, Peer>>);

impl Peers {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn address(&self, worker: WorkerId) -> Option<String> {
        self.lock().get(&worker).map(|peer| peer.address.clone())
    }

    /// Resolves when the worker is gone.
    pub(crate) fn lost(&self, worker: WorkerId) -> CancellationToken {
        match self.lock().get(&worker) {
            Some(peer) => peer.lost.clone(),
            None => {
                let lost = CancellationToken::new();
                lost.cancel();
                lost
            }
        }
    }
}
