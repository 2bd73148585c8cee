//! The threads that plan statements: a bounded number, each client's share of them bounded too, so that one
//! client's planning does not delay another's. Planning has a time limit, and ends when nobody waits for it
//! any more or someone cancels the statement, which is listed with the jobs (`query/statement.rs`).

use crate::error::SchedulerError;
use crate::hub::Hub;
use crate::query::{Capacity, CurrentJob, QueryError, RequestContext, Statement};
use partita_plan::depth::PLANNING_STACK_BYTES;
use partita_plan::interrupt::Interrupt;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Threads that plan. The operating system divides the processors among them.
const PLANNING_THREADS_MAX: usize = 16;
/// Threads that plan for one client at the same time.
const CLIENT_THREADS_MAX: usize = 2;
/// Threads that read what planning asks of files, beside those that plan.
const FILE_THREADS: usize = 2;
/// How long planning may take where nobody says.
pub const PLANNING_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// How long a description of a statement is made before it is listed. Clients ask for one with nearly every
/// operation of a frame; listed, they would drive the jobs out of the list.
const DESCRIPTION_UNLISTED_MAX: Duration = Duration::from_secs(1);

/// The threads that plan statements, and the way to the core, which numbers the statements.
#[derive(Debug)]
pub(crate) struct Planner {
    hub: Hub,
    runtime: Option<tokio::runtime::Runtime>,
    timeout: Duration,
    clients: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Ends a planning when nobody waits for it any more.
struct Waiter(Arc<Interrupt>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planner {
    pub(crate) fn new(hub: Hub, timeout: Duration) -> Result<Self, SchedulerError> {
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
        Ok(Planner { hub, runtime: Some(runtime), timeout, clients: Mutex::default() })
    }

    /// Numbers and lists a statement whose planning begins. `text` says what it is.
    ///
    /// # Errors
    /// If too many are being planned.
    pub(crate) async fn begin(
        &self,
        request_context: &RequestContext,
        text: &str,
    ) -> Result<Statement, QueryError> {
        Statement::begin(&self.hub, request_context, text).await
    }

    /// The same for a statement that is planned again, whose answer comes of this from now on.
    pub(crate) async fn begin_again(
        &self,
        request_context: &RequestContext,
        text: &str,
        current: &CurrentJob,
    ) -> Result<Statement, QueryError> {
        Statement::begin_again(&self.hub, request_context, text, current).await
    }

    /// What the cluster has now.
    pub(crate) async fn capacity(&self) -> Result<Capacity, QueryError> {
        let found = self.hub.query(|core| core.capacity()).await;
        let (slots, slot_bytes) = found.ok_or(QueryError::Ending)?;
        Ok(Capacity { slots, slot_bytes })
    }

    /// Plans something of a statement on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// If the planning fails or takes too long, or someone cancels the statement.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        request_context: &RequestContext,
        statement: &mut Statement,
        planning: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        tokio::select! {
            // One that was cancelled before is not begun.
            biased;
            error = statement.ended() => Err(error),
            planned = self.plan(request_context, planning) => planned,
        }
    }

    /// Finds out what a statement would answer, without being listed unless it takes long: then under a number
    /// of its own, to its end. `text` is the statement.
    ///
    /// # Errors
    /// If the planning fails or takes too long, or someone cancels it.
    pub(crate) async fn describe<T: Send + 'static>(
        &self,
        request_context: &RequestContext,
        text: &str,
        planning: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let planned = self.plan(request_context, planning);
        tokio::pin!(planned);
        if let Ok(planned) = tokio::time::timeout(DESCRIPTION_UNLISTED_MAX, &mut planned).await {
            return planned;
        }
        let text = format!("describe: {}", text.trim());
        let mut statement = self.begin(request_context, &text).await?;
        let described = tokio::select! {
            error = statement.ended() => Err(error),
            planned = planned => planned,
        };
        match described {
            Ok(described) => {
                statement.answered(0).await;
                Ok(described)
            }
            Err(error) => Err(statement.failed(error).await),
        }
    }

    /// Plans something for a client, and waits for it.
    async fn plan<T: Send + 'static>(
        &self,
        request_context: &RequestContext,
        planning: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let threads = self.runtime.as_ref().ok_or(QueryError::Ending)?.handle().clone();
        let interrupt = Arc::<Interrupt>::default();
        let _waiter = Waiter(Arc::clone(&interrupt));
        let ended = Arc::clone(&interrupt);
        let permit = self.share_of(request_context).acquire_owned().await;
        interrupt.end_at(Instant::now() + self.timeout);
        let own = threads.clone();
        // The share is taken until the thread is free, whether or not someone still waits for it.
        let work = move || {
            let _permit = permit;
            own.block_on(ended.scope(planning))
        };
        match tokio::time::timeout(self.timeout, threads.spawn_blocking(work)).await {
            Ok(Ok(Some(Err(_)) | None)) if interrupt.is_due() => Err(self.too_long()),
            Ok(Ok(Some(planned))) => planned,
            Ok(Err(error)) if error.is_panic() => Err(panicked(error.into_panic().as_ref())),
            Ok(Ok(None) | Err(_)) => Err(QueryError::Ending),
            Err(_) => Err(self.too_long()),
        }
    }

    fn too_long(&self) -> QueryError {
        QueryError::Failed(format!(
            "planning took longer than {} s; simplify the statement, persist a part of it, or increase the scheduler's --planning-timeout",
            self.timeout.as_secs_f64()
        ))
    }

    /// The share of a client in the threads.
    fn share_of(&self, request_context: &RequestContext) -> Arc<Semaphore> {
        let name = if request_context.session.is_empty() {
            &request_context.client
        } else {
            &request_context.session
        };
        let mut clients = lock(&self.clients);
        clients.retain(|_, share| share.strong_count() > 0);
        if let Some(share) = clients.get(name).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Semaphore::new(CLIENT_THREADS_MAX));
        clients.insert(name.clone(), Arc::downgrade(&share));
        share
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> QueryError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    QueryError::Failed(format!("internal error: planning the statement panicked: {text}"))
}
