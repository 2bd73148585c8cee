//! Workers.

use crate::event::Time;
use partita_shared::ids::WorkerId;
use partita_shared::message::{Registration, WorkerMetrics};
use std::collections::BTreeSet;

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) registration: Registration,
    pub(crate) joined: Time,
    pub(crate) last_heartbeat: Time,
    pub(crate) ends: Option<Time>,
    pub(crate) leaving: Option<String>,
    pub(crate) metrics: WorkerMetrics,
    /// Attempts assigned to it that have not ended.
    pub(crate) assigned: u32,
    /// Partitions that it holds and that may be wanted.
    pub(crate) held: u32,
    pub(crate) finished: u64,
    /// Consecutive failures to read from it.
    pub(crate) unreadable: u32,
    /// Workers whose address it received.
    pub(crate) knows: BTreeSet<WorkerId>,
    /// Whether it was told to exit.
    pub(crate) dismissed: bool,
    /// Whether its figures changed since the observer last received them.
    pub(crate) changed: bool,
}

impl Worker {
    pub(crate) fn slots(&self) -> u32 {
        self.registration.slots.max(1)
    }

    pub(crate) fn load(&self) -> u64 {
        u64::from(self.assigned) * 1000 / u64::from(self.slots())
    }
}
