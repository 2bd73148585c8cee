//! The threads that plan statements: a bounded number, each client's share of them bounded too, so that one
//! client's planning does not delay another's. Planning has a time limit, and ends when nobody waits for it
//! any more. While it goes on it is listed as a job of its own.

use crate::error::SchedulerError;
use crate::hub::Hub;
use crate::now_ms;
use crate::query::{Asked, QueryError};
use partita_plan::depth::PLANNING_STACK_BYTES;
use partita_plan::interrupt::Interrupt;
use partita_shared::ids::JobId;
use partita_shared::model::{JobRow, JobState, TaskCounts};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Threads that plan. The operating system divides the processors among them.
const PLANNING_THREADS_MAX: usize = 16;
/// Threads that plan for one client at the same time.
const CLIENT_THREADS_MAX: usize = 2;
/// Threads that read what planning asks of files, beside those that plan.
const FILE_THREADS: usize = 2;
/// How long planning may take where nobody says.
pub const PLANNING_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The threads that plan statements.
#[derive(Debug)]
pub(crate) struct Planner {
    runtime: Option<tokio::runtime::Runtime>,
    timeout: Duration,
    clients: Mutex<HashMap<String, Weak<Semaphore>>>,
    listed: Arc<Mutex<List>>,
}

/// The plannings that go on, in the order in which they began.
#[derive(Debug, Default)]
struct List {
    last: u64,
    rows: BTreeMap<u64, Listed>,
}

/// A planning that goes on.
#[derive(Debug)]
struct Listed {
    row: JobRow,
    /// Whether it has a number among the jobs: it gets one when someone first lists it.
    is_numbered: bool,
    cancelled: CancellationToken,
}

/// Ends a planning, and takes it off the list, when nobody waits for it any more.
struct Waiter {
    place: u64,
    interrupt: Arc<Interrupt>,
    listed: Arc<Mutex<List>>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.interrupt.end();
        lock(&self.listed).rows.remove(&self.place);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planner {
    pub(crate) fn new(timeout: Duration) -> Result<Self, SchedulerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(FILE_THREADS)
            .max_blocking_threads(PLANNING_THREADS_MAX)
            .thread_stack_size(PLANNING_STACK_BYTES)
            .thread_name("planning")
            .enable_all()
            .build()
            .map_err(|source| SchedulerError::System {
                what: "cannot start the planning threads".into(),
                source,
            })?;
        let (clients, listed) = (Mutex::default(), Arc::default());
        Ok(Planner { runtime: Some(runtime), timeout, clients, listed })
    }

    /// Plans something for a client on a thread of its own, and waits for it. `text` says what, in lists.
    ///
    /// # Errors
    /// If the planning fails, takes too long or is cancelled.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        asked: &Asked,
        text: &str,
        planning: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let threads = self.runtime.as_ref().ok_or(QueryError::Ending)?.handle().clone();
        let cancelled = CancellationToken::new();
        let place = self.list(row(asked, text), cancelled.clone());
        let interrupt = Arc::<Interrupt>::default();
        let (listed, ended) = (Arc::clone(&self.listed), Arc::clone(&interrupt));
        let _waiter = Waiter { place, interrupt: Arc::clone(&interrupt), listed };
        let (share, timeout) = (self.share_of(asked), self.timeout);
        let planned = async move {
            let permit = share.acquire_owned().await;
            ended.end_at(Instant::now() + timeout);
            let own = threads.clone();
            // The share is taken until the thread is free, whether or not someone still waits for it.
            let work = move || {
                let _permit = permit;
                own.block_on(ended.scope(planning))
            };
            tokio::time::timeout(timeout, threads.spawn_blocking(work)).await
        };
        tokio::select! {
            planned = planned => match planned {
                Ok(Ok(Err(_))) if interrupt.is_due() => Err(self.too_long()),
                Ok(Ok(planned)) => planned,
                Ok(Err(error)) if error.is_panic() => Err(panicked(error.into_panic().as_ref())),
                Ok(Err(_)) => Err(QueryError::Ending),
                Err(_) => Err(self.too_long()),
            },
            () = cancelled.cancelled() => {
                Err(QueryError::Cancelled("requested by a user during planning".to_string()))
            }
        }
    }

    fn too_long(&self) -> QueryError {
        QueryError::Failed(format!(
            "planning took longer than {} s; simplify the statement, persist a part of it, or increase the scheduler's --planning-timeout",
            self.timeout.as_secs_f64()
        ))
    }

    /// The share of a client in the threads.
    fn share_of(&self, asked: &Asked) -> Arc<Semaphore> {
        let name = if asked.session.is_empty() { &asked.client } else { &asked.session };
        let mut clients = lock(&self.clients);
        clients.retain(|_, share| share.strong_count() > 0);
        if let Some(share) = clients.get(name).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Semaphore::new(CLIENT_THREADS_MAX));
        clients.insert(name.clone(), Arc::downgrade(&share));
        share
    }

    fn list(&self, row: JobRow, cancelled: CancellationToken) -> u64 {
        let mut listed = lock(&self.listed);
        listed.last += 1;
        let place = listed.last;
        listed.rows.insert(place, Listed { row, is_numbered: false, cancelled });
        place
    }

    /// How many statements are planned now.
    pub(crate) fn count(&self) -> u64 {
        lock(&self.listed).rows.len() as u64
    }

    /// What is planned now, as jobs.
    pub(crate) async fn rows(&self, hub: &Hub) -> Vec<JobRow> {
        let unnumbered: Vec<u64> = {
            let listed = lock(&self.listed);
            let places = listed.rows.iter().filter(|(_, listed)| !listed.is_numbered);
            places.map(|(place, _)| *place).collect()
        };
        for place in unnumbered {
            let Some(id) = hub.reserve_job().await else { return Vec::new() };
            if let Some(listed) = lock(&self.listed).rows.get_mut(&place)
                && !listed.is_numbered
            {
                listed.row.id = id;
                listed.is_numbered = true;
            }
        }
        let listed = lock(&self.listed);
        let numbered = listed.rows.values().filter(|listed| listed.is_numbered);
        numbered.map(|listed| listed.row.clone()).collect()
    }

    /// Ends a planning. None if there is none of that number.
    pub(crate) fn cancel(&self, id: JobId) -> Option<JobRow> {
        let listed = lock(&self.listed);
        let found =
            listed.rows.values().find(|listed| listed.is_numbered && listed.row.id == id)?;
        found.cancelled.cancel();
        let error = "requested by a user during planning".to_string();
        Some(JobRow { state: JobState::Cancelled, error, ..found.row.clone() })
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn row(asked: &Asked, text: &str) -> JobRow {
    JobRow {
        id: JobId(0),
        text: text.to_string(),
        state: JobState::Planning,
        error: String::new(),
        client: asked.client.clone(),
        priority: asked.priority,
        submitted_ms: now_ms(),
        started_ms: None,
        ended_ms: None,
        tasks: TaskCounts::default(),
        groups: 0,
        rows: 0,
        bytes: 0,
        delivered_rows: 0,
        retries: 0,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> QueryError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    QueryError::Failed(format!("internal error: planning the statement panicked: {text}"))
}
