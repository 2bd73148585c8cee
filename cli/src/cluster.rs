//! The cluster that a query runs on: one that is there, or one inside this process.

use crate::args::PYTHON_VARIABLE;
use crate::args::Target;
use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::stream::{BoxStream, StreamExt};
use partita_client::Client;
use partita_scheduler::{Hub, Scheduler};
use partita_shared::access::{self, Access, AccessError, Found, Stale, Survey};
use partita_shared::ids::JobId;
use partita_shared::limits;
use partita_shared::model::{JobRow, StageRow};
use partita_shared::units::MemoryLimit;
use partita_worker::environment::{memory, scratch::Scratch, threads};
use partita_worker::{Connector, ControlLink, LinkError, LocalPlane, Worker, WorkerConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a job inside this process is polled.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Changes of a job that may wait to be shown.
const CHANGES_MAX: usize = 4;

/// What is known of a job at one moment.
pub(crate) type JobChange = (JobRow, Vec<StageRow>);

/// A query's rows.
pub(crate) struct Rows {
    pub(crate) job: Option<JobId>,
    pub(crate) schema: SchemaRef,
    pub(crate) batches: BoxStream<'static, Result<RecordBatch>>,
}

/// Finds the cluster that is meant, and says on standard error which others do not answer.
pub(crate) fn find(target: &Target) -> Result<Access, AccessError> {
    let found = search(target)?;
    say_stale(&found.stale);
    Ok(found.access)
}

/// Finds the cluster that is named; without a name, all that answer, and says which do not.
pub(crate) fn find_all(target: &Target) -> Result<Vec<Access>, AccessError> {
    let is_named =
        target.scheduler.is_some() || target.scheduler_file.is_some() || target.cluster.is_some();
    if is_named {
        return Ok(vec![find(target)?]);
    }
    let Survey { running, stale } = access::survey()?;
    if running.is_empty() {
        return Err(AccessError::NoCluster { stale });
    }
    say_stale(&stale);
    Ok(running.into_iter().map(|(_, access)| access).collect())
}

/// Finds the cluster that is meant, and those that do not answer.
pub(crate) fn search(target: &Target) -> Result<Found, AccessError> {
    access::search(target.scheduler.as_deref(), file(target)?.as_deref(), &target.hints())
}

/// Finds the cluster that is meant, for a command that looks again and again: it says and changes nothing.
pub(crate) fn find_quietly(target: &Target) -> Result<Access, AccessError> {
    access::find_with(target.scheduler.as_deref(), file(target)?.as_deref(), &target.hints())
}

/// The access file that is named.
fn file(target: &Target) -> Result<Option<PathBuf>, AccessError> {
    match (&target.scheduler_file, &target.cluster) {
        (Some(file), _) => Ok(Some(file.clone())),
        (None, Some(name)) => access::default_path(name).map(Some),
        (None, None) => Ok(None),
    }
}

/// Names the clusters that do not answer.
pub(crate) fn say_stale(stale: &[Stale]) {
    for stale in stale {
        eprintln!("partita: {stale}");
    }
}

/// A cluster.
pub(crate) enum Cluster {
    Remote(Box<Client>),
    Embedded(Box<Embedded>),
}

/// A scheduler and a worker inside this process: the same code, over queues instead of sockets.
pub(crate) struct Embedded {
    scheduler: Scheduler,
    // Removed with it.
    _scratch: Scratch,
}

struct LocalConnector(Hub);

impl Connector for LocalConnector {
    async fn connect(&mut self) -> Result<ControlLink, LinkError> {
        let link = self.0.local_link();
        let address = "this process".to_string();
        let token = String::new();
        Ok(ControlLink { sender: link.sender, receiver: link.receiver, address, token })
    }
}

impl Embedded {
    /// Starts both and waits until the worker is there.
    pub(crate) async fn start(threads: Option<u32>, limit: MemoryLimit) -> Result<Self> {
        let memory = memory::limit(limit, 1)?;
        let scratch = Scratch::create(None, "embedded")?;
        let config = WorkerConfig {
            name: "embedded".to_string(),
            host: None,
            contact_address: None,
            port: 0,
            slots: memory.slots(threads::slots(threads, 1)),
            memory_limit_bytes: memory.limit_bytes,
            give_back: Some(crate::give_back_memory),
            local_directory: scratch.path().to_path_buf(),
            token: String::new(),
            death_timeout: limits::DEATH_TIMEOUT,
            lifetime: None,
            slurm_job: None,
            python: std::env::var_os(PYTHON_VARIABLE).map(Into::into),
            resources: Default::default(),
        };
        let worker = Worker::new(config).await?;
        let scheduler = Scheduler::embedded(Arc::new(LocalPlane(Arc::clone(worker.engine()))))?;
        let hub = scheduler.hub().clone();
        let mut changes = hub.changes();
        tokio::spawn(worker.run(LocalConnector(hub.clone()), std::future::pending()));
        while hub.query(|core| core.workers_up()).await == Some(0) {
            changes.changed().await.context("the scheduler stopped")?;
        }
        Ok(Embedded { scheduler, _scratch: scratch })
    }
}

impl Cluster {
    /// Runs one statement.
    pub(crate) async fn sql(&self, statement: &str, analyze: bool) -> Result<Rows> {
        match self {
            Cluster::Remote(client) => {
                let client = client.as_ref().clone().with_analyze(analyze);
                let query = client.run(statement).await?;
                let batches = query.batches.map(|batch| batch.map_err(anyhow::Error::from)).boxed();
                Ok(Rows { job: query.job, schema: query.schema, batches })
            }
            Cluster::Embedded(embedded) => {
                let directory =
                    std::env::current_dir().context("cannot determine the working directory")?;
                let directory = directory.display().to_string();
                let running = embedded.scheduler.query(&directory, statement, analyze).await?;
                let messages = running
                    .messages
                    .map(|m| m.map_err(|e| FlightError::ExternalError(Box::new(e))));
                let batches = FlightRecordBatchStream::new_from_flight_data(messages);
                let batches = batches.map(|batch| {
                    batch.map_err(|error| match error {
                        FlightError::ExternalError(error) => anyhow::anyhow!("{error}"),
                        other => anyhow::Error::from(other),
                    })
                });
                Ok(Rows { job: running.job, schema: running.schema, batches: batches.boxed() })
            }
        }
    }

    /// Follows a job. The queue ends when the job does.
    pub(crate) fn watch(&self, job: JobId) -> mpsc::Receiver<JobChange> {
        let (sender, receiver) = mpsc::channel(CHANGES_MAX);
        match self {
            Cluster::Remote(client) => {
                let client = client.as_ref().clone();
                tokio::spawn(async move {
                    let Ok(mut control) = client.control().await else { return };
                    // What cannot be shown at once is out of date when it could.
                    let seen = |row: &JobRow, stages: &[StageRow]| {
                        let _ = sender.try_send((row.clone(), stages.to_vec()));
                    };
                    let _ = control.watch(job, seen).await;
                });
            }
            Cluster::Embedded(embedded) => {
                let hub = embedded.scheduler.hub().clone();
                tokio::spawn(async move {
                    loop {
                        let found =
                            hub.query(move |core| core.job(job).zip(core.stages(job))).await;
                        let Some(Some((row, stages))) = found else { return };
                        let ended = row.state.is_final();
                        if sender.send((row, stages)).await.is_err() || ended {
                            return;
                        }
                        tokio::time::sleep(LOOK_INTERVAL).await;
                    }
                });
            }
        }
        receiver
    }
}
