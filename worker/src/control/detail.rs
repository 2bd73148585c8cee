//! What a worker tells of itself beside its heartbeats: whom it read from, and, while someone looks
//! at it, its largest partitions and the end of its log.

use crate::engine::Engine;
use crate::log_tail;
use partita_shared::ids::WorkerId;
use partita_shared::limits::{DETAIL_LOG_LINES_MAX, DETAIL_PARTITIONS_MAX, TRAFFIC_PEERS_MAX};
use partita_shared::message::WorkerDetail;
use std::collections::BTreeMap;

/// Remembers what was told, so that only changes are.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    /// Whether someone looks at this worker.
    pub(crate) watched: bool,
    told: BTreeMap<WorkerId, u64>,
}

impl Detail {
    /// Bytes read from others since the start, where that changed.
    pub(crate) fn traffic(&mut self, engine: &Engine) -> Option<Vec<(WorkerId, u64)>> {
        let now = engine.peers().fetched_from();
        let changed = now.iter().filter(|(id, bytes)| self.told.get(*id) != Some(*bytes));
        let changed: Vec<_> =
            changed.map(|(id, bytes)| (*id, *bytes)).take(TRAFFIC_PEERS_MAX).collect();
        self.told.retain(|id, _| now.contains_key(id));
        self.told.extend(changed.iter().copied());
        (!changed.is_empty()).then_some(changed)
    }

    /// What is told while someone looks.
    pub(crate) fn measure(&self, engine: &Engine) -> Option<WorkerDetail> {
        self.watched.then(|| detail_of(engine))
    }
}

/// What is told of a worker when it is asked.
pub(crate) fn detail_of(engine: &Engine) -> WorkerDetail {
    WorkerDetail {
        partitions: engine.store().largest(DETAIL_PARTITIONS_MAX),
        log: log_tail::lines(DETAIL_LOG_LINES_MAX),
    }
}
