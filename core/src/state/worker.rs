//! Workers.

use crate::event::Time;
use crate::state::RequirementId;
use partita_shared::ids::{TaskId, WorkerId};
use partita_shared::message::{Registration, WorkerMetrics};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Those of these attempts that have no slot: they wait for other tasks.
    pub(crate) seceded: BTreeSet<TaskId>,
    /// Partitions that it holds and that may be wanted.
    pub(crate) held: u32,
    pub(crate) finished: u64,
    /// Consecutive failures to read from it.
    pub(crate) unreadable: u32,
    /// Workers whose address it received.
    pub(crate) knows: BTreeSet<WorkerId>,
    /// What it has of its resources beside those of its attempts, by name, in thousandths.
    pub(crate) free: BTreeMap<String, u64>,
    /// The requirements that it meets when it is free.
    pub(crate) meets: BTreeSet<RequirementId>,
    /// When an attempt of it ended, or it got one and had none.
    pub(crate) last_change: Time,
    /// Whether it was asked to give tasks back, and no attempt of it has ended since: it gets none ahead.
    pub(crate) is_stalled: bool,
    /// Whether it was told to exit.
    pub(crate) dismissed: bool,
    /// Whether its figures changed since the observer last received them.
    pub(crate) changed: bool,
}

impl Worker {
    pub(crate) fn slots(&self) -> u32 {
        self.registration.slots.max(1)
    }

    /// Attempts that have a slot or wait for one.
    pub(crate) fn on_slots(&self) -> u32 {
        self.assigned.saturating_sub(self.seceded.len() as u32)
    }

    /// Its attempts for each slot, in thousandths.
    pub(crate) fn load(&self) -> u64 {
        u64::from(self.on_slots()) * 1000 / u64::from(self.slots())
    }
}
