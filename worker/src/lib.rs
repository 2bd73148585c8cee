//! The worker: it runs tasks on its slots, keeps what they make, and gives it to others.
//!
//! Three runtimes never wait for each other: `control` (heartbeats and messages, one thread),
//! `data` (Flight, reads from other workers) and `compute` (the slots, one thread each). What must
//! never happen: computing on the control runtime; a byte stored without a reservation; a report
//! for an attempt that was cancelled.

mod config;
mod control;
mod engine;
pub mod environment;
mod error;
mod exec;
pub mod log_tail;
mod memory;
mod peers;
mod python;
mod runtimes;
mod serve;
mod store;
pub mod supervisor;
mod transfers;

pub use config::{Ended, Stop, WorkerConfig};
pub use control::{Connector, ControlLink, LinkError, WebSocketConnector};
pub use engine::Engine;
pub use error::{EXIT_NO_SCHEDULER, EXIT_REFUSED, WorkerError};
pub use serve::LocalPlane;

use control::agent;
use serve::DataService;
use std::sync::Arc;

/// A worker's runtimes and engine, ready to be connected.
#[derive(Debug)]
pub struct Worker {
    engine: Arc<Engine>,
    config: WorkerConfig,
}

impl Worker {
    /// Sets up the store, the slots and, if the configuration names an address, the data service.
    ///
    /// # Errors
    /// If the scratch folder or the data port cannot be had.
    pub async fn new(config: WorkerConfig) -> Result<Self, WorkerError> {
        let service = match &config.host {
            Some(host) => Some(DataService::open(host, &config).await?),
            None => None,
        };
        let endpoint = service.as_ref().map(|service| service.endpoint.clone()).unwrap_or_default();
        let engine = Engine::new(&config, endpoint)?;
        if let Some(service) = service {
            service.start(&engine);
        }
        Ok(Worker { engine, config })
    }

    /// The engine, for an embedded cluster that reads results in its own process.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Serves the scheduler that `connector` finds, until it says to leave or to start anew, or `stop` resolves and
    /// what was begun is done.
    ///
    /// # Errors
    /// If no scheduler answers for the death timeout, or it refuses this worker.
    pub async fn run(
        self,
        connector: impl Connector,
        stop: impl Future<Output = Stop>,
    ) -> Result<Ended, WorkerError> {
        tokio::select! {
            ended = agent::run(&self.config, &self.engine, connector, stop) => ended,
            never = control::watch(Arc::clone(&self.engine)) => match never {},
        }
    }
}
