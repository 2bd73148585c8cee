//! The threads of a worker beside the one of its control link.

use crate::error::WorkerError;
use crate::memory::give_back_of_thread;
use partita_plan::depth::RUNNING_STACK_BYTES;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

/// Threads of the data runtime.
const DATA_THREADS: usize = 2;
/// Threads beside the slots that read and write the disk for them. Few: the allocator keeps for each
/// thread what it had, and what they read is freed by others.
const DISK_THREADS: usize = 3;
/// Partitions that are received from clients and other workers at once. Each takes a thread for as long as
/// the network takes; reads of the disk have threads of their own, or two workers could wait for each other.
const TRANSFERS_MAX: usize = 3;

/// The runtimes of the slots and of the data service. They never wait for each other.
#[derive(Debug)]
pub(crate) struct Runtimes {
    compute: OwnedRuntime,
    data: OwnedRuntime,
    transfers: Arc<Semaphore>,
}

impl Runtimes {
    /// The threads of a worker with this many slots.
    pub(crate) fn new(slots: u32) -> Result<Self, WorkerError> {
        let slots = slots.max(1) as usize;
        let compute = OwnedRuntime::new(
            Builder::new_multi_thread()
                .worker_threads(slots)
                .max_blocking_threads(slots + DISK_THREADS)
                .thread_stack_size(RUNNING_STACK_BYTES)
                .on_thread_park(give_back_of_thread)
                .thread_name("slot"),
            "the slots",
        )?;
        let data = OwnedRuntime::new(
            Builder::new_multi_thread()
                .worker_threads(DATA_THREADS)
                .max_blocking_threads(DISK_THREADS + TRANSFERS_MAX)
                .on_thread_park(give_back_of_thread)
                .thread_name("data"),
            "the data service",
        )?;
        Ok(Runtimes { compute, data, transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)) })
    }

    /// One thread for each slot.
    pub(crate) fn compute(&self) -> &Handle {
        &self.compute.1
    }

    /// The data service, reads from other workers, and the disk.
    pub(crate) fn data(&self) -> &Handle {
        &self.data.1
    }

    /// Who receives a partition holds one of these.
    pub(crate) fn transfers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.transfers)
    }

    /// Frees memory and removes files on a thread that may take its time: that of the heartbeats may not.
    pub(crate) fn free<T: Send + 'static>(&self, forgotten: Vec<T>) {
        if !forgotten.is_empty() {
            self.data().spawn_blocking(move || drop(forgotten));
        }
    }
}

/// A runtime that may be dropped anywhere: it does not wait for what still runs.
#[derive(Debug)]
struct OwnedRuntime(Option<Runtime>, Handle);

impl OwnedRuntime {
    fn new(builder: &mut Builder, what: &str) -> Result<Self, WorkerError> {
        let runtime = builder.enable_all().build().map_err(|source| WorkerError::System {
            what: format!("cannot start threads for {what}"),
            source,
        })?;
        let handle = runtime.handle().clone();
        Ok(OwnedRuntime(Some(runtime), handle))
    }
}

impl Drop for OwnedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
