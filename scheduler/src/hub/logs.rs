//! The ends of workers' logs, for those who ask.

use partita_shared::ids::WorkerId;
use partita_shared::message::WorkerDetail;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Questions that wait for one worker at most.
const WAITING_MAX: usize = 64;

/// Who waits for what a worker tells of itself.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_worker: Mutex<HashMap<WorkerId, Vec<oneshot::Sender<Vec<String>>>>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Vec<oneshot::Sender<Vec<String>>>>> {
        self.by_worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next log of a worker. None if too many do.
    pub(super) fn add(&self, worker: WorkerId) -> Option<oneshot::Receiver<Vec<String>>> {
        let mut all = self.lock();
        // Those that gave up, also for workers that are gone.
        all.retain(|_, waiting| {
            waiting.retain(|one| !one.is_closed());
            !waiting.is_empty()
        });
        let waiting = all.entry(worker).or_default();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let (told, answer) = oneshot::channel();
        waiting.push(told);
        Some(answer)
    }

    /// A worker has told its detail.
    pub(super) fn told(&self, worker: WorkerId, detail: &WorkerDetail) {
        for one in self.lock().remove(&worker).unwrap_or_default() {
            let _ = one.send(detail.log.clone());
        }
    }
}
