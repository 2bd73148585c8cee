//! The cluster itself: its workers, its figures.

use crate::{Client, ClientError};
use partita_shared::message::{Reply, Request};
use partita_shared::model::{ClusterRow, TableRow, WorkerRow, WorkerState};
use std::time::Duration;

impl Client {
    async fn ask(&self, request: Request) -> Result<Reply, ClientError> {
        self.control().await?.ask(request).await
    }

    fn unexpected<T>(&self, reply: &Reply) -> Result<T, ClientError> {
        let address = self.access.address.clone();
        let reason = format!("unexpected reply: {reply:?}");
        Err(ClientError::Refused { address, reason })
    }

    /// A summary of the cluster.
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn cluster(&self) -> Result<ClusterRow, ClientError> {
        match self.ask(Request::Cluster).await? {
            Reply::Cluster(row) => Ok(row),
            other => self.unexpected(&other),
        }
    }

    /// The connected workers.
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, ClientError> {
        match self.ask(Request::Workers).await? {
            Reply::Workers(rows) => {
                Ok(rows.into_iter().filter(|row| row.state == WorkerState::Up).collect())
            }
            other => self.unexpected(&other),
        }
    }

    /// All persisted tables: everyone's, and those of sessions.
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn tables(&self) -> Result<Vec<TableRow>, ClientError> {
        match self.ask(Request::Tables).await? {
            Reply::Tables(rows) => Ok(rows),
            other => self.unexpected(&other),
        }
    }

    /// Waits until at least `count` workers are connected.
    ///
    /// # Errors
    /// If they are not there in time, or the scheduler cannot be reached.
    pub async fn wait_for_workers(&self, count: u32, timeout: Duration) -> Result<(), ClientError> {
        let waiting = self.ask(Request::WaitWorkers(count));
        match tokio::time::timeout(timeout, waiting).await {
            Ok(reply) => reply.map(drop),
            Err(_) => {
                let there = self.workers().await?.len();
                let waited = timeout.as_secs_f64();
                Err(ClientError::Query(format!(
                    "timed out: {there} of {count} workers connected after {waited} s; start more with `partita worker`, or wait longer"
                )))
            }
        }
    }
}
