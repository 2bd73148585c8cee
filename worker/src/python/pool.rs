//! The runners of each environment: kept while they are used, and watched.

use crate::memory::{MemoryPolicy, Segments, cpu_ticks, resident_bytes, status_bytes};
use crate::python::PythonError;
use crate::python::profiler::{Profiler, Sampled};
use crate::python::runner::Runner;
use crate::python::texts::CallTexts;
use crate::python::zygote::Zygote;
use partita_shared::ids::{Attempt, JobId, StageId, TaskId};
use partita_shared::units::format_bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// Environments at once on one worker.
const ENVIRONMENTS_MAX: usize = 16;
/// Runners that nobody used for so long are ended, with the Python that they were forked from.
const IDLE_TIME_MAX: Duration = Duration::from_secs(300);
/// How long a call that is stopped may take to end, before its process is killed.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How often the memory of the runners is measured.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// A runner that grew by less is not ended for the sake of memory, in bytes.
const KILLED_BYTES_MIN: u64 = 32 << 20;
/// Functions whose numbers are kept.
const NUMBERS_MAX: usize = 10_000;
/// The part of the limit of a worker above which the runner that grew most is ended, in percent.
const KILL_PERCENT: u64 = 95;
/// What a runner may have grown by after a call, as a part of the limit that each slot has; with more it is replaced.
const KEPT_PART: u64 = 5;
/// What the allocator of a runner may keep of the memory that a call freed, as a part of the limit that each slot has.
const FREED_PART: u64 = 16;
/// The same in bytes, at most.
const FREED_BYTES_MAX: u64 = 64 << 20;
/// The largest value that glibc takes for the size from which memory is mapped, in bytes.
const MAPPED_BYTES_MAX: u64 = 32 << 20;

/// The line of a process's status with its memory that belongs to no file.
const PRIVATE_LINE: &str = "RssAnon:";
/// The line with its memory that is a segment's.
const MAPPED_LINE: &str = "RssShmem:";

const SIGINT: u32 = 2;
const SIGKILL: u32 = 9;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runners of all environments.
#[derive(Debug)]
pub(crate) struct Pools {
    /// The Python of the worker's command line.
    chosen: Option<PathBuf>,
    scratch: PathBuf,
    policy: MemoryPolicy,
    data: Handle,
    segments: Arc<Segments>,
    /// What calls print and how they fail, until the scheduler is told.
    texts: Arc<CallTexts>,
    profiler: Arc<Profiler>,
    /// The ends of jobs whose queries call functions.
    ends: Mutex<HashMap<JobId, CancellationToken>>,
    /// Environment variables by which functions find the cluster.
    contact: Mutex<Vec<(&'static str, String)>>,
    pools: Mutex<HashMap<Arc<str>, Arc<Pool>>>,
    watched: Arc<Watched>,
}

/// The runners of one environment.
#[derive(Debug)]
pub(super) struct Pool {
    zygote: OnceCell<Zygote>,
    idle: Mutex<Vec<Runner>>,
    functions: Mutex<Numbers>,
    /// Runners that are at work or being stopped.
    leased: AtomicUsize,
    used: Mutex<Instant>,
}

/// The numbers of functions, by the stage that calls each, and the name of those that queries call.
#[derive(Debug, Default)]
struct Numbers {
    known: HashMap<(StageId, Option<String>), u32>,
    next: u32,
}

/// What is measured of the runners.
#[derive(Debug, Default)]
struct Watched {
    members: Mutex<HashMap<u32, Member>>,
    /// By how much they grew since they were forked, together.
    grown_bytes: AtomicU64,
    /// Processor time of all of them, also of those that have ended, in clock ticks.
    ticks: AtomicU64,
    is_running: Mutex<bool>,
}

/// A runner as the watcher knows it.
#[derive(Debug)]
struct Member {
    pool: Weak<Pool>,
    number: u32,
    killed: Arc<Mutex<Option<String>>>,
    /// What it had when it was forked, and what it has now, in bytes.
    first: u64,
    now: u64,
    ticks: u64,
}

impl Pools {
    pub(crate) fn new(
        chosen: Option<PathBuf>,
        scratch: PathBuf,
        policy: MemoryPolicy,
        data: Handle,
        segments: &Arc<Segments>,
    ) -> Self {
        let segments = Arc::clone(segments);
        let (contact, pools, watched) = (Mutex::default(), Mutex::default(), Arc::default());
        let (texts, ends) = (Arc::default(), Mutex::default());
        let profiler = Profiler::new();
        Pools {
            chosen,
            scratch,
            policy,
            data,
            segments,
            texts,
            profiler,
            ends,
            contact,
            pools,
            watched,
        }
    }

    /// Sets the cluster that functions find: the scheduler's address, its token, and the name of this worker.
    pub(crate) fn set_contact(&self, address: &str, token: &str, worker: &str) {
        let folder = self.scratch.display().to_string();
        *lock(&self.contact) = vec![
            ("PARTITA_SCHEDULER", address.to_string()),
            ("PARTITA_TOKEN", token.to_string()),
            ("PARTITA_WORKER", worker.to_string()),
            ("PARTITA_LOCAL_DIRECTORY", folder),
        ];
    }

    /// What calls print and how they fail, until the scheduler is told.
    pub(crate) fn texts(&self) -> &Arc<CallTexts> {
        &self.texts
    }

    /// Samples the calls that run.
    pub(crate) fn profiler(&self) -> &Arc<Profiler> {
        &self.profiler
    }

    /// By how much the runners grew, in bytes, and the processor time that they took, in clock ticks.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let watched = &self.watched;
        (watched.grown_bytes.load(Ordering::Relaxed), watched.ticks.load(Ordering::Relaxed))
    }

    /// Ends the runners that have run functions of a job and do nothing now.
    pub(crate) fn end_job(&self, job: JobId) {
        if let Some(end) = lock(&self.ends).remove(&job) {
            end.cancel();
        }
        let pools: Vec<Arc<Pool>> = lock(&self.pools).values().cloned().collect();
        for pool in pools {
            lock(&pool.idle).retain(|runner| runner.job != Some(job));
            lock(&pool.functions).known.retain(|(stage, _), _| stage.job != job);
        }
    }

    /// Ends all: nobody wants what they compute.
    pub(crate) fn clear(&self) {
        for (_, end) in lock(&self.ends).drain() {
            end.cancel();
        }
        lock(&self.pools).clear();
    }

    /// The pool of an environment. One whose Python has ended is replaced.
    fn pool(&self, environment: &Arc<str>) -> Result<Arc<Pool>, PythonError> {
        let mut pools = lock(&self.pools);
        pools.retain(|_, pool| !pool.is_over());
        if let Some(pool) = pools.get(environment) {
            *lock(&pool.used) = Instant::now();
            return Ok(Arc::clone(pool));
        }
        if pools.len() >= ENVIRONMENTS_MAX {
            let oldest = pools.iter().filter(|(_, pool)| !pool.is_used());
            let oldest = oldest.min_by_key(|(_, pool)| *lock(&pool.used));
            let Some(oldest) = oldest.map(|(name, _)| Arc::clone(name)) else {
                let cause =
                    format!("{ENVIRONMENTS_MAX} Python environments are in use on this worker");
                return Err(PythonError::Ended { cause });
            };
            pools.remove(&oldest);
        }
        let pool = Arc::new(Pool {
            zygote: OnceCell::new(),
            idle: Mutex::default(),
            functions: Mutex::default(),
            leased: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
        });
        pools.insert(Arc::clone(environment), Arc::clone(&pool));
        Ok(pool)
    }

    /// The threads that drive the sockets.
    pub(super) fn data(&self) -> &Handle {
        &self.data
    }

    /// Is cancelled when a job has ended.
    pub(super) fn end_of(&self, job: JobId) -> CancellationToken {
        lock(&self.ends).entry(job).or_default().clone()
    }

    /// A runner of an environment, and the number there of the function of a stage, or of one of this name in its query.
    pub(super) async fn lease(
        self: &Arc<Self>,
        environment: &Arc<str>,
        stage: StageId,
        name: Option<&str>,
    ) -> Result<(Lease, u32), PythonError> {
        let pool = self.pool(environment)?;
        let function = lock(&pool.functions).of(stage, name);
        pool.leased.fetch_add(1, Ordering::Relaxed);
        let mut lease = Lease {
            pools: Arc::clone(self),
            pool: Arc::clone(&pool),
            runner: None,
            sampled: None,
            is_busy: false,
        };
        if let Some(runner) = pool.take_idle(stage.job) {
            lease.runner = Some(runner);
            return Ok((lease, function));
        }
        // On the data runtime, whose threads drive the sockets.
        let (pools, environment) = (Arc::clone(self), Arc::clone(environment));
        let forked = self.data.spawn(async move { pools.fork(&pool, &environment).await });
        let ended = |error: tokio::task::JoinError| PythonError::Ended { cause: error.to_string() };
        let mut runner = forked.await.map_err(ended)??;
        runner.job = Some(stage.job);
        lease.runner = Some(runner);
        Ok((lease, function))
    }

    async fn fork(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        environment: &str,
    ) -> Result<Runner, PythonError> {
        let mut variables = lock(&self.contact).clone();
        variables.extend(self.allocator());
        let start =
            || Zygote::start(environment, self.chosen.as_deref(), &self.scratch, &variables);
        let zygote = pool.zygote.get_or_try_init(start).await?;
        let runner = Runner::fork(zygote, &self.segments, &self.texts).await?;
        let process = runner.pid.to_string();
        let (memory, ticks) = (status_bytes(&process, PRIVATE_LINE), cpu_ticks(&process));
        let member = Member {
            pool: Arc::downgrade(pool),
            number: runner.number,
            killed: Arc::clone(&runner.killed),
            first: memory,
            now: memory,
            ticks,
        };
        lock(&self.watched.members).insert(runner.pid, member);
        self.watch();
        Ok(runner)
    }

    /// Starts the watcher, if it does not run.
    fn watch(self: &Arc<Self>) {
        if std::mem::replace(&mut *lock(&self.watched.is_running), true) {
            return;
        }
        let (pools, watched) = (Arc::downgrade(self), Arc::clone(&self.watched));
        let limit_bytes = self.policy.limit_bytes();
        self.data.spawn(async move {
            let mut interval = tokio::time::interval(WATCH_INTERVAL);
            loop {
                interval.tick().await;
                let Some(pools) = pools.upgrade() else { return };
                lock(&pools.pools).retain(|_, pool| !pool.is_over());
                watched.measure();
                watched.keep_below(limit_bytes);
                let mut is_running = lock(&watched.is_running);
                if lock(&watched.members).is_empty() {
                    *is_running = false;
                    return;
                }
            }
        });
    }

    /// Settings of glibc's allocator, unless the user has made them. Calls make and free large arrays again and again: by
    /// default each is memory that the system has to clear. A runner gives back what it keeps when it has nothing to do.
    /// Where memory is tight, the allocator keeps what it keeps by itself.
    fn allocator(&self) -> Vec<(&'static str, String)> {
        if self.policy.is_tight() {
            return Vec::new();
        }
        let kept = (self.slot_bytes() / FREED_PART).min(FREED_BYTES_MAX);
        let settings = [
            ("MALLOC_TRIM_THRESHOLD_", kept),
            ("MALLOC_MMAP_THRESHOLD_", kept.min(MAPPED_BYTES_MAX)),
        ];
        let is_free = |name: &&str| std::env::var_os(name).is_none();
        let settings = settings.into_iter().filter(|(name, _)| is_free(name));
        settings.map(|(name, bytes)| (name, bytes.to_string())).collect()
    }

    /// What a runner may keep between calls, in bytes.
    fn kept_bytes_max(&self) -> u64 {
        (self.slot_bytes() / KEPT_PART).max(KILLED_BYTES_MIN)
    }

    /// The part of the limit that each slot has, in bytes.
    fn slot_bytes(&self) -> u64 {
        self.policy.limit_bytes() / u64::from(self.policy.slots()).max(1)
    }
}

impl Pool {
    /// A runner that has run functions of this job, or none yet. Those of other jobs keep modules and values of these.
    fn take_idle(&self, job: JobId) -> Option<Runner> {
        let mut idle = lock(&self.idle);
        idle.retain(Runner::is_alive);
        let at = idle.iter().position(|runner| runner.job == Some(job))?;
        Some(idle.swap_remove(at))
    }

    fn is_used(&self) -> bool {
        self.leased.load(Ordering::Relaxed) > 0
    }

    /// Whether its Python has ended, or nobody used it for long.
    fn is_over(&self) -> bool {
        let has_ended = self.zygote.get().is_some_and(|zygote| !zygote.is_alive());
        has_ended || !self.is_used() && lock(&self.used).elapsed() > IDLE_TIME_MAX
    }

    fn signal(&self, runner: u32, signal: u32) {
        if let Some(zygote) = self.zygote.get() {
            zygote.signal(runner, signal);
        }
    }
}

impl Numbers {
    fn of(&mut self, stage: StageId, name: Option<&str>) -> u32 {
        let key = (stage, name.map(str::to_string));
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        if self.known.len() >= NUMBERS_MAX {
            // A runner gets such a function again, by another number.
            self.known.clear();
        }
        self.next += 1;
        self.known.insert(key, self.next);
        self.next
    }
}

impl Watched {
    /// Measures each runner, and forgets those that have ended.
    fn measure(&self) {
        let mut members = lock(&self.members);
        let mut grown = 0;
        members.retain(|pid, member| {
            let now = cpu_ticks(&pid.to_string());
            self.ticks.fetch_add(now.saturating_sub(member.ticks), Ordering::Relaxed);
            member.ticks = member.ticks.max(now);
            member.now = status_bytes(&pid.to_string(), PRIVATE_LINE);
            grown += member.grown();
            member.now > 0
        });
        self.grown_bytes.store(grown, Ordering::Relaxed);
    }

    /// Ends the runner that grew most, if the worker has more than it may.
    fn keep_below(&self, limit_bytes: u64) {
        let used = resident_bytes() + self.grown_bytes.load(Ordering::Relaxed);
        if used < limit_bytes / 100 * KILL_PERCENT {
            return;
        }
        let members = lock(&self.members);
        let Some(largest) = members.values().max_by_key(|member| member.grown()) else { return };
        if largest.grown() < KILLED_BYTES_MIN {
            return;
        }
        let Some(pool) = largest.pool.upgrade() else { return };
        let mut killed = lock(&largest.killed);
        if killed.is_none() {
            let (own, used, limit) = (largest.grown(), used, limit_bytes);
            let reason = format!(
                "the function took {}, and its worker {} of its limit of {} (--memory-limit); give the worker more memory or fewer slots",
                format_bytes(own),
                format_bytes(used),
                format_bytes(limit)
            );
            tracing::warn!(own, used, limit, "ended a Python process because of its memory");
            *killed = Some(reason);
            pool.signal(largest.number, SIGKILL);
        }
    }
}

impl Member {
    fn grown(&self) -> u64 {
        self.now.saturating_sub(self.first)
    }
}

/// A runner that a call has for itself. It goes back when this is dropped; one that is at work is stopped before.
#[derive(Debug)]
pub(super) struct Lease {
    pools: Arc<Pools>,
    pool: Arc<Pool>,
    runner: Option<Runner>,
    sampled: Option<Sampled>,
    /// Whether a call was sent, and its answer has not been read.
    pub(super) is_busy: bool,
}

impl Lease {
    /// The runner.
    pub(super) fn runner(&mut self) -> Result<&mut Runner, PythonError> {
        let gone = || PythonError::Ended { cause: "the Python process is gone".to_string() };
        self.runner.as_mut().ok_or_else(gone)
    }

    /// The runner is at work on calls of a stage; of a task, if one is given.
    pub(super) fn begin(&mut self, stage: StageId, attempt: Option<(TaskId, Attempt)>) {
        let Some(runner) = &self.runner else { return };
        let sample = || self.pools.profiler.sample(runner.pid, stage);
        let sampled = self.sampled.get_or_insert_with(sample);
        if let Some(attempt) = attempt {
            sampled.begin(attempt);
        }
    }
}

/// Gives a runner back, unless it has ended or keeps too much.
fn give_back(pools: &Pools, pool: &Pool, runner: Runner) {
    *lock(&pool.used) = Instant::now();
    let grown = lock(&pools.watched.members).get(&runner.pid).map_or(0, Member::grown);
    // Inputs that a function has kept: nobody else may still have their memory.
    let has_mapped = runner.has_mapped();
    let mapped = if has_mapped { status_bytes(&runner.pid.to_string(), MAPPED_LINE) } else { 0 };
    if !runner.is_alive() || grown + mapped > pools.kept_bytes_max() {
        return;
    }
    let mut idle = lock(&pool.idle);
    idle.push(runner);
    // The oldest are those of jobs that call nothing now.
    let surplus = idle.len().saturating_sub(pools.policy.slots() as usize);
    drop(idle.drain(..surplus));
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before somebody else gets the runner.
        drop(self.sampled.take());
        let Some(mut runner) = self.runner.take() else {
            self.pool.leased.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        if !self.is_busy {
            give_back(&self.pools, &self.pool, runner);
            self.pool.leased.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (pools, pool) = (Arc::clone(&self.pools), Arc::clone(&self.pool));
        self.pools.data.spawn(async move {
            pool.signal(runner.number, SIGINT);
            match tokio::time::timeout(STOP_GRACE, runner.answer(None, || {})).await {
                // In any other case the signal may still come, and would interrupt the next call.
                Ok(Err(PythonError::Raised { is_interrupt: true, .. })) if runner.is_idle() => {
                    give_back(&pools, &pool, runner);
                }
                Ok(_) | Err(_) => pool.signal(runner.number, SIGKILL),
            }
            pool.leased.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
