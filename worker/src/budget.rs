//! The one budget: DataFusion's operators and the partition store reserve from it.

use crate::store::Store;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

/// The share of a worker's limit that is reserved from, after [`PROGRAM_BYTES`]. The rest is for what
/// no reservation counts: buffers of readers and connections, the batches that operators work on,
/// what the allocator keeps for a moment.
const BUDGET_SHARE: f64 = 0.75;
/// What the program itself takes, before any data.
const PROGRAM_BYTES: u64 = 96 << 20;
/// The least share of the limit that is reserved from, however small the limit.
const BUDGET_SHARE_MIN: f64 = 0.25;

/// A pool that shares fairly between the operators that can spill, and that makes room, before it
/// refuses anyone, by having stored partitions written to disk.
#[derive(Debug)]
pub(crate) struct Budget {
    inner: FairSpillPool,
    bytes: usize,
    store: OnceLock<Weak<Store>>,
}

impl Budget {
    /// The budget of a worker that may use so many bytes.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        let after_program = limit_bytes.saturating_sub(PROGRAM_BYTES) as f64 * BUDGET_SHARE;
        let bytes = after_program.max(limit_bytes as f64 * BUDGET_SHARE_MIN) as usize;
        Budget { inner: FairSpillPool::new(bytes), bytes, store: OnceLock::new() }
    }

    /// What may be reserved in all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Names the store that makes room. Done once.
    pub(crate) fn set_store(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the worker's budget of {} bytes", self.bytes)
    }
}

impl MemoryPool for Budget {
    fn name(&self) -> &str {
        "budget"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let refused = match self.inner.try_grow(reservation, additional) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        // The store's own reservations must not come back here for room: it spills by itself.
        if reservation.consumer().name() == crate::store::CONSUMER {
            return Err(refused);
        }
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return Err(refused) };
        loop {
            if store.make_room(additional) == 0 {
                return self.inner.try_grow(reservation, additional);
            }
            if self.inner.try_grow(reservation, additional).is_ok() {
                return Ok(());
            }
        }
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}
