//! What each task reserves and how much the process grew while it ran.

use crate::memory::Budget;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of one task, in figures.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskMemory {
    /// What its operators have reserved.
    reserved: Arc<AtomicUsize>,
    /// Its part of what the process grew by, beyond what was reserved, while it ran.
    grown: Arc<AtomicUsize>,
}

impl TaskMemory {
    /// Counts a part of what the process grew or shrank by.
    pub(crate) fn grow(&self, bytes: i64) {
        // Only the watch writes it.
        let grown = self.grown.load(Ordering::Relaxed) as i64 + bytes;
        self.grown.store(grown.max(0) as usize, Ordering::Relaxed);
    }

    /// What is known, or taken, to be this task's.
    pub(crate) fn bytes(&self) -> usize {
        self.reserved.load(Ordering::Relaxed).max(self.grown.load(Ordering::Relaxed))
    }

    /// The way of this task's operators to the budget.
    pub(crate) fn pool(&self, budget: &Arc<Budget>) -> Arc<dyn MemoryPool> {
        Arc::new(TaskPool { budget: Arc::clone(budget), reserved: Arc::clone(&self.reserved) })
    }
}

/// The worker's budget, which counts what one task has of it.
#[derive(Debug)]
struct TaskPool {
    budget: Arc<Budget>,
    reserved: Arc<AtomicUsize>,
}

impl fmt::Display for TaskPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.budget, f)
    }
}

impl MemoryPool for TaskPool {
    fn name(&self) -> &str {
        self.budget.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.budget.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.budget.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.budget.grow(reservation, additional);
        self.reserved.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.budget.shrink(reservation, shrink);
        self.reserved.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.budget.try_grow(reservation, additional)?;
        self.reserved.fetch_add(additional, Ordering::Relaxed);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.budget.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.budget.memory_limit()
    }
}
