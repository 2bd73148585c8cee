//! The parts of a worker, each with an owner of its own.

use crate::config::WorkerConfig;
use crate::error::WorkerError;
use crate::exec::{CommitExecutor, Executors, InputSource, QueryExecutor, TaskRunner};
use crate::memory::{Budget, MemoryPolicy, ProcessMemory};
use crate::peers::Peers;
use crate::python::{FunctionExecutor, Pools};
use crate::runtimes::Runtimes;
use crate::store::{Store, StoreFigures};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use partita_files::Stores;
use partita_shared::endpoint::{Endpoint, Fingerprint};
use partita_shared::ids::JobId;
use partita_shared::message::FromWorker;
use partita_shared::model::{CallText, Samples};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A worker: its threads, its memory, its store, the other workers, and what runs its tasks.
#[derive(Debug)]
pub struct Engine {
    runtimes: Arc<Runtimes>,
    budget: Arc<Budget>,
    store: Arc<Store>,
    peers: Arc<Peers>,
    runner: Arc<TaskRunner>,
    pools: Arc<Pools>,
    /// What the data service has to tell the scheduler, while there is one.
    link: Mutex<Option<mpsc::WeakSender<FromWorker>>>,
    served_bytes: AtomicU64,
    address: String,
    /// Of the certificate of the data service.
    fingerprint: Option<Fingerprint>,
}

impl Engine {
    /// The parts of a worker whose data service is at `endpoint`, which is empty without one.
    pub(crate) fn new(config: &WorkerConfig, endpoint: Endpoint) -> Result<Arc<Self>, WorkerError> {
        let policy = MemoryPolicy::new(config.memory_limit_bytes, config.slots);
        let process = config.give_back.and_then(ProcessMemory::new);
        let budget = Arc::new(Budget::new(policy, process));
        let pool: Arc<dyn MemoryPool> = Arc::clone(&budget) as Arc<dyn MemoryPool>;
        let folder = config.local_directory.clone();
        let system = |what: &str, error: DataFusionError| WorkerError::System {
            what: what.to_string(),
            source: std::io::Error::other(error.to_string()),
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool))
            .with_disk_manager_builder(disk)
            .with_object_store_registry(Stores::shared())
            .build_arc()
            .map_err(|error| system("cannot set up the scratch folder", error))?;
        let store = Arc::new(Store::new(pool, policy.stored_bytes_max(), folder));
        budget.set_store(&store);
        let runtimes = Arc::new(Runtimes::new(policy.slots())?);
        let (token, window) = (config.token.clone(), policy.stream_window_bytes());
        let peers = Arc::new(Peers::new(token, endpoint.fingerprint, window));
        let inputs = InputSource {
            store: Arc::clone(&store),
            peers: Arc::clone(&peers),
            runtimes: Arc::clone(&runtimes),
            fetches: policy.fetches(),
        };
        let scratch = config.local_directory.clone();
        let python = config.python.clone();
        let (data, segments) = (runtimes.data().clone(), store.segments());
        let pools = Arc::new(Pools::new(python, scratch, policy, data, segments));
        let executors = Executors {
            queries: Box::new(QueryExecutor::new(&budget, &store, environment, &pools)),
            commits: Box::new(CommitExecutor(Arc::clone(&store))),
            functions: Box::new(FunctionExecutor::new(&store, &pools)),
        };
        let (threads, kept) = (Arc::clone(&runtimes), Arc::clone(&store));
        let runner = Arc::new(TaskRunner::new(policy, threads, kept, inputs, executors));
        let (link, served_bytes) = (Mutex::default(), AtomicU64::new(0));
        let Endpoint { address, fingerprint } = endpoint;
        Ok(Arc::new(Engine {
            runtimes,
            budget,
            store,
            peers,
            runner,
            pools,
            link,
            served_bytes,
            address,
            fingerprint,
        }))
    }

    pub(crate) fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    pub(crate) fn runner(&self) -> &Arc<TaskRunner> {
        &self.runner
    }

    /// What the Python processes use beside the worker: bytes, and clock ticks of processor time.
    pub(crate) fn python_usage(&self) -> (u64, u64) {
        self.pools.usage()
    }

    /// What calls printed and how they failed, since it was last asked for.
    pub(crate) fn call_texts(&self) -> Vec<CallText> {
        self.pools.texts().take()
    }

    /// Where calls were when they were sampled, if it is time to tell.
    pub(crate) fn samples(&self) -> Option<Samples> {
        self.pools.profiler().take()
    }

    /// Sets the cluster that functions find.
    pub(crate) fn set_contact(&self, address: &str, token: &str, worker: &str) {
        self.pools.set_contact(address, token, worker);
    }

    /// Ends the Python processes that ran functions of a job: they keep its modules as these were then.
    pub(crate) fn end_python_job(&self, job: JobId) {
        self.pools.end_job(job);
    }

    pub(crate) fn data_runtime(&self) -> &Handle {
        self.runtimes.data()
    }

    /// `host:port` of the data service; empty without one.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What peers recognize the data service by: its certificate, or a name where nothing is encrypted; none without one.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    pub(crate) fn count_served(&self, bytes: u64) {
        self.served_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Fetched and served bytes since the start.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.peers.fetched_bytes(), self.served_bytes.load(Ordering::Relaxed))
    }

    /// Reserved bytes, whether the worker should get no further task, and what the store holds.
    pub(crate) fn memory(&self) -> (u64, bool, StoreFigures) {
        let reserved = self.budget.reserved();
        let above = self.budget.policy().is_above_second_mark(reserved);
        (reserved as u64, above || self.runner.is_waiting(), self.store.figures())
    }

    /// The link to the scheduler that the data service may use from now on. A weak one: the link
    /// must be able to end.
    pub(crate) fn set_link(&self, link: &mpsc::Sender<FromWorker>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.downgrade());
    }

    /// The link to the scheduler, if there is one.
    pub(crate) fn link(&self) -> Option<mpsc::Sender<FromWorker>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().and_then(mpsc::WeakSender::upgrade)
    }

    /// Stops and forgets everything: the scheduler that wanted it is gone.
    pub(crate) fn clear(&self) {
        self.runner.clear();
        self.peers.clear();
        self.pools.clear();
    }
}
