//! A cluster inside the test's process, over real sockets on loopback.
//!
//! It is what `partita scheduler` and `partita worker` make, without the processes: the scheduler
//! has its port, every worker its data port, its budget and its scratch folder. A test that kills
//! workers needs [`crate::process`] instead.

use anyhow::{Context, Result, anyhow};
use futures::future;
use partita_client::Client;
use partita_scheduler::{PLANNING_TIMEOUT_DEFAULT, Scheduler, SchedulerConfig, SecurityConfig};
use partita_shared::access::{Access, Hints};
use partita_shared::message::Request;
use partita_worker::{WebSocketConnector, Worker, WorkerConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How long the workers may take to register.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a worker may look for the scheduler, which listens before any worker is made.
const DEATH_TIMEOUT: Duration = Duration::from_secs(10);
/// Threads on which the scheduler, the workers' control loops and the tests themselves run.
const RUNTIME_THREADS: usize = 2;

/// A scheduler and its workers, which end when this is dropped.
#[derive(Debug)]
pub struct LocalCluster {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    access: Access,
    file: PathBuf,
    slots: u32,
    /// The access file and the scratch folders.
    _folder: TempDir,
}

impl LocalCluster {
    /// Starts a scheduler and `workers` workers, and waits until all have registered.
    ///
    /// # Errors
    /// If a port, a folder or threads cannot be had, or the workers do not register in time.
    pub fn start(workers: u32, slots_each: u32, memory_bytes_each: u64) -> Result<Self> {
        let folder = TempDir::with_prefix("partita-local-").context("a folder for the cluster")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("local-cluster")
            .enable_all()
            .build()
            .context("threads for the cluster")?;
        let file = folder.path().join("access.json");
        let access = runtime.block_on(async {
            let access = start_scheduler(&file).await?;
            for number in 0..workers {
                let scratch = folder.path().join(format!("worker-{number}"));
                let config = worker_config(&access, number, slots_each, memory_bytes_each, scratch);
                start_worker(config, file.clone()).await?;
            }
            wait_workers(&access, workers).await?;
            anyhow::Ok(access)
        })?;
        let slots = workers * slots_each;
        Ok(LocalCluster { runtime: Some(runtime), access, file, slots, _folder: folder })
    }

    /// Where the scheduler is, and the token that opens it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The access file, for programs that are to find this cluster.
    pub fn access_file(&self) -> &Path {
        &self.file
    }

    /// Slots of all workers: the tasks of a step over little data, unless its files are fewer.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// A new connection. It lives on the cluster's runtime: use it inside [`Self::run`].
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.access).await?)
    }

    /// Runs the async part of a test.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.as_ref().context("the cluster is being dropped")?.block_on(work)
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        // A test that failed may have left a task that would never end: nothing is waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn start_scheduler(file: &Path) -> Result<Access> {
    let scheduler = Scheduler::bind(SchedulerConfig {
        name: "local".to_string(),
        host: "127.0.0.1".to_string(),
        contact_host: None,
        port: 0,
        // Written below: the scheduler would remove its own when it ends, but it is not ended.
        scheduler_file: None,
        dashboard: false,
        idle_timeout: None,
        planning_timeout: PLANNING_TIMEOUT_DEFAULT,
        token: None,
        security: SecurityConfig::default(),
        journal: None,
    })
    .await?;
    let access = scheduler.access().clone();
    access.write(file)?;
    tokio::spawn(async move {
        if let Err(error) = scheduler.serve().await {
            eprintln!("the local scheduler ended: {error}");
        }
    });
    Ok(access)
}

fn worker_config(
    access: &Access,
    number: u32,
    slots: u32,
    memory_limit_bytes: u64,
    local_directory: PathBuf,
) -> WorkerConfig {
    WorkerConfig {
        name: format!("local-{number}"),
        host: Some("127.0.0.1".to_string()),
        contact_address: None,
        port: 0,
        slots,
        memory_limit_bytes,
        give_back: None,
        local_directory,
        token: access.token.clone(),
        death_timeout: DEATH_TIMEOUT,
        lifetime: None,
        slurm_job: None,
        python: None,
        resources: Default::default(),
    }
}

async fn start_worker(config: WorkerConfig, file: PathBuf) -> Result<()> {
    let folder = config.local_directory.clone();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let worker = Worker::new(config).await?;
    let connector = WebSocketConnector { address: None, file: Some(file), hints: Hints::default() };
    tokio::spawn(async move {
        if let Err(error) = worker.run(connector, future::pending()).await {
            eprintln!("a local worker ended: {error}");
        }
    });
    Ok(())
}

async fn wait_workers(access: &Access, workers: u32) -> Result<()> {
    let client = Client::connect(access).await?;
    let mut control = client.control().await?;
    let there = tokio::time::timeout(START_TIMEOUT, control.ask(Request::WaitWorkers(workers)));
    let late = || anyhow!("{workers} workers did not register within {START_TIMEOUT:?}");
    there.await.map_err(|_| late())??;
    Ok(())
}
