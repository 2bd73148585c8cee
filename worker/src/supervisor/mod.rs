//! The supervisor of `--nworkers`: it starts worker processes and starts them again when they die.
//!
//! It knows nothing of what a worker does: a child that exits with 0 has left and stays away. So does
//! one whose exit code says that no scheduler answered or that it was refused, since another start
//! would end the same way. Any other end is a death with a cause, and a child that never lives long
//! is given up. When no child is left, the supervisor ends with the first cause. It runs on a
//! thread of its own, because the kernel ties a child's life to the *thread* that started it, and
//! a runtime's threads come and go.
//!
//! The children stay in the supervisor's process group. So Ctrl-C in a terminal reaches them
//! directly as well, as do Slurm's signals to a step: a worker must take a second signal calmly.

mod exit;
mod restarts;

pub use exit::exit_code;

use crate::environment::{EnvironmentError, OomCounter};
use restarts::Restarts;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// The wait before a dead worker is started again, the first time. It doubles from death to death.
pub const RESTART_DELAY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait before a dead worker is started again.
pub const RESTART_DELAY_MAX: Duration = Duration::from_secs(60);
/// A worker that lived this long is started again after [`RESTART_DELAY_FIRST`].
pub const RESTART_DELAY_RESET: Duration = Duration::from_secs(60);
/// A worker that lived less than this died at once.
pub const SHORT_LIFE: Duration = Duration::from_secs(5);
/// Deaths at once, one after the other, after which a worker is given up.
pub const SHORT_LIVES_MAX: u32 = 10;
/// How long a worker may take to leave after SIGTERM: less than the 30 s that Slurm grants by
/// default before it kills, so that the supervisor can still say what happened.
pub const LEAVE_WAIT: Duration = Duration::from_secs(25);
/// How long the end of a worker is waited for after SIGKILL. The kernel may hold it in a system
/// call on a dead file system for longer.
pub const KILL_WAIT: Duration = Duration::from_secs(5);
/// Deaths that may wait to be read by [`Supervisor::deaths`]; more are only logged.
pub const DEATHS_QUEUE_MAX: usize = 64;
/// A kill for want of memory that no child's death follows within one to two of these was
/// another process's. A large process takes seconds to give its memory back.
const OOM_SETTLE_INTERVAL: Duration = Duration::from_secs(10);
/// The exit code for a worker whose own is not known.
const EXIT_UNKNOWN: u8 = 1;

/// How the supervision of workers ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every worker left in good order.
    InOrder,
    /// A worker was given up, or did not leave in good order: the first one that did.
    Failed {
        /// Which of the workers, from 0.
        index: u32,
        /// Why, for display.
        cause: String,
        /// The exit code for the supervisor's process: the worker's, as a shell gives it.
        code: u8,
    },
}

/// A worker process that ended without being asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which of the workers, from 0.
    pub index: u32,
    /// Its process id.
    pub pid: u32,
    /// Why, for display: an exit code, a signal's name, or out of memory.
    pub cause: String,
}

/// The times that tests shorten.
#[derive(Clone, Copy, Debug)]
struct Times {
    delay_first: Duration,
    delay_max: Duration,
    delay_reset: Duration,
    short_life: Duration,
    leave_wait: Duration,
}

const TIMES: Times = Times {
    delay_first: RESTART_DELAY_FIRST,
    delay_max: RESTART_DELAY_MAX,
    delay_reset: RESTART_DELAY_RESET,
    short_life: SHORT_LIFE,
    leave_wait: LEAVE_WAIT,
};

type MakeCommand = dyn Fn(u32) -> std::process::Command + Send + Sync;

/// Starts worker processes and keeps them running. See the module's description.
pub struct Supervisor {
    nworkers: u32,
    command: Arc<MakeCommand>,
    deaths: Option<mpsc::Sender<Death>>,
    times: Times,
    /// Where `/proc` and the cgroups are looked for.
    root: PathBuf,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("nworkers", &self.nworkers).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// A supervisor of `nworkers` processes (at least one). `command` makes the command of the
    /// worker with an index from 0; it is asked again for each start.
    pub fn new(
        nworkers: u32,
        command: impl Fn(u32) -> std::process::Command + Send + Sync + 'static,
    ) -> Supervisor {
        Supervisor {
            nworkers: nworkers.max(1),
            command: Arc::new(command),
            deaths: None,
            times: TIMES,
            root: "/".into(),
        }
    }

    /// Where deaths can be read from now on. At most [`DEATHS_QUEUE_MAX`] wait; a slow reader
    /// loses those beyond, and delays nothing. The channel closes when the supervisor is done.
    pub fn deaths(&mut self) -> mpsc::Receiver<Death> {
        let (sender, receiver) = mpsc::channel(DEATHS_QUEUE_MAX);
        self.deaths = Some(sender);
        receiver
    }

    /// Runs until all workers have left or are given up, or until SIGTERM or SIGINT, which it
    /// passes on as SIGTERM. The two signals stay handled: they do not end this process any more.
    ///
    /// # Errors
    /// If a worker cannot be started for the first time, or the supervisor cannot be set up.
    pub async fn run(self) -> Result<Ending, EnvironmentError> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate =
            signal(SignalKind::terminate()).map_err(EnvironmentError::Supervisor)?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(EnvironmentError::Supervisor)?;
        self.run_until(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("received SIGTERM; stopping the workers"),
                _ = interrupt.recv() => tracing::info!("received SIGINT; stopping the workers"),
            }
        })
        .await
    }

    /// Like [`Supervisor::run`], but handles no signals: when `stop` is ready, the workers are
    /// told to leave. They are as well if the returned future is dropped.
    ///
    /// # Errors
    /// As [`Supervisor::run`].
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()>,
    ) -> Result<Ending, EnvironmentError> {
        let (stop_sender, stop_receiver) = oneshot::channel::<()>();
        let (result_sender, mut result) = oneshot::channel();
        std::thread::Builder::new()
            .name("partita-supervisor".into())
            .spawn(move || {
                // Nobody listens if the future was dropped.
                let _ = result_sender.send(self.run_on_this_thread(stop_receiver));
            })
            .map_err(EnvironmentError::Supervisor)?;
        tokio::pin!(stop);
        tokio::select! {
            result = &mut result => return result.unwrap_or(Err(EnvironmentError::SupervisorLost)),
            () = &mut stop => drop(stop_sender),
        }
        result.await.unwrap_or(Err(EnvironmentError::SupervisorLost))
    }

    fn run_on_this_thread(self, stop: oneshot::Receiver<()>) -> Result<Ending, EnvironmentError> {
        // On a current-thread runtime every task runs, and so every child starts, on this thread.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EnvironmentError::Supervisor)?;
        runtime.block_on(self.supervise(stop))
    }

    async fn supervise(self, mut stop: oneshot::Receiver<()>) -> Result<Ending, EnvironmentError> {
        let (stopping, _) = watch::channel(false);
        let oom = Arc::new(Mutex::new(OomCounter::new(&self.root)));
        let mut keepers = JoinSet::new();
        for index in 0..self.nworkers {
            let keeper = Keeper {
                index,
                command: self.command.clone(),
                deaths: self.deaths.clone(),
                times: self.times,
                oom: oom.clone(),
                stopping: stopping.subscribe(),
            };
            keepers.spawn(keeper.keep());
        }
        let mut settle = tokio::time::interval(OOM_SETTLE_INTERVAL);
        let mut result = Ok(Ending::InOrder);
        loop {
            tokio::select! {
                ended = keepers.join_next() => match ended {
                    None => return result,
                    Some(Ok(Ok(ending))) => {
                        if matches!(result, Ok(Ending::InOrder)) {
                            result = Ok(ending);
                        }
                    }
                    // What stops one worker from starting at all stops the others too: leave.
                    Some(Ok(Err(error))) => {
                        result = result.and(Err(error));
                        stopping.send_replace(true);
                    }
                    Some(Err(_)) => {
                        result = result.and(Err(EnvironmentError::SupervisorLost));
                        stopping.send_replace(true);
                    }
                },
                // Ready when told to stop, and when whoever would tell is gone.
                _ = &mut stop, if !*stopping.borrow() => {
                    stopping.send_replace(true);
                }
                _ = settle.tick() => oom.lock().unwrap_or_else(PoisonError::into_inner).settle(),
            }
        }
    }
}

/// Keeps one worker running.
struct Keeper {
    index: u32,
    command: Arc<MakeCommand>,
    deaths: Option<mpsc::Sender<Death>>,
    times: Times,
    oom: Arc<Mutex<OomCounter>>,
    stopping: watch::Receiver<bool>,
}

impl Keeper {
    async fn keep(mut self) -> Result<Ending, EnvironmentError> {
        let mut restarts = Restarts::new(self.times);
        let mut first = true;
        loop {
            let started = Instant::now();
            let (cause, code) = match self.start() {
                Ok((child, pid)) => match self.watch(child, pid).await {
                    Life::Died(cause, code) => (cause, code),
                    Life::Over(ending) => return Ok(ending),
                },
                Err(error) if first => return Err(error),
                Err(error) => {
                    tracing::error!(index = self.index, %error, "cannot restart a worker");
                    (error.to_string(), EXIT_UNKNOWN)
                }
            };
            first = false;
            if let Some(cause) = exit::lasting_cause(code) {
                return Ok(Ending::Failed { index: self.index, cause: cause.to_string(), code });
            }
            let Some(delay) = restarts.died(started.elapsed()) else {
                tracing::error!(
                    index = self.index,
                    %cause,
                    "giving up on a worker: it died {SHORT_LIVES_MAX} times within seconds of its start"
                );
                return Ok(Ending::Failed { index: self.index, cause, code });
            };
            tracing::info!(index = self.index, ?delay, "restarting the worker");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stopped(&mut self.stopping) => return Ok(Ending::InOrder),
            }
        }
    }

    /// Starts the worker. Returns it with its process id.
    fn start(&self) -> Result<(Child, u32), EnvironmentError> {
        let command = (self.command)(self.index);
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| EnvironmentError::Spawn { index: self.index, program, source };
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        die_with_this_thread(&mut command);
        let child = command.spawn().map_err(failed)?;
        // A child that has not been waited for has an id.
        let pid = child.id().unwrap_or_default();
        tracing::info!(index = self.index, pid, "started a worker process");
        Ok((child, pid))
    }

    async fn watch(&mut self, mut child: Child, pid: u32) -> Life {
        let status = tokio::select! {
            status = child.wait() => status,
            () = stopped(&mut self.stopping) => return Life::Over(self.end(child, pid).await),
        };
        let (cause, code) = match status {
            Ok(status) if status.success() => {
                tracing::info!(index = self.index, pid, "a worker exited");
                return Life::Over(Ending::InOrder);
            }
            Ok(status) => (self.cause(status), exit_code(status)),
            Err(error) => (format!("unknown: cannot wait for the process ({error})"), EXIT_UNKNOWN),
        };
        tracing::warn!(index = self.index, pid, %cause, "a worker died");
        if let Some(deaths) = &self.deaths {
            let death = Death { index: self.index, pid, cause: cause.clone() };
            if let Err(mpsc::error::TrySendError::Full(_)) = deaths.try_send(death) {
                tracing::warn!(index = self.index, "cannot report the death of a worker");
            }
        }
        Life::Died(cause, code)
    }

    fn cause(&self, status: ExitStatus) -> String {
        let mut oom = self.oom.lock().unwrap_or_else(PoisonError::into_inner);
        exit::cause(status, || oom.take())
    }

    /// Tells the worker to leave and sees to it that it does.
    async fn end(&self, mut child: Child, pid: u32) -> Ending {
        let index = self.index;
        if let Some(id) = child.id() {
            // The child is waited for nowhere else, so its id cannot be another process's by now.
            #[expect(unsafe_code, reason = "kill reads nothing of this process's memory")]
            unsafe {
                libc::kill(id as libc::pid_t, libc::SIGTERM);
            }
        }
        let left = tokio::time::timeout(self.times.leave_wait, child.wait()).await;
        if let Ok(status) = left {
            return match status {
                Ok(status) if exit::in_order(status) => {
                    tracing::info!(index, pid, "a worker exited");
                    Ending::InOrder
                }
                Ok(status) => {
                    let cause = self.cause(status);
                    tracing::warn!(index, pid, %cause, "a worker did not exit in order");
                    Ending::Failed { index, cause, code: exit_code(status) }
                }
                Err(error) => {
                    tracing::warn!(index, pid, %error, "cannot wait for a worker");
                    let cause = format!("unknown: cannot wait for the process ({error})");
                    Ending::Failed { index, cause, code: EXIT_UNKNOWN }
                }
            };
        }
        let waited = self.times.leave_wait;
        tracing::warn!(index, pid, ?waited, "a worker did not exit after SIGTERM; killing it");
        // It fails only if the worker has ended by now.
        let _ = child.start_kill();
        if tokio::time::timeout(KILL_WAIT, child.wait()).await.is_err() {
            tracing::error!(index, pid, "a worker did not exit after SIGKILL; leaving it behind");
        }
        let cause = format!("it did not exit within {} s of SIGTERM", waited.as_secs());
        Ending::Failed { index, cause, code: exit::signal_code(libc::SIGKILL) }
    }
}

/// What became of one process.
enum Life {
    /// It died, for this cause and with this exit code.
    Died(String, u8),
    /// The worker is not to be started again.
    Over(Ending),
}

/// Waits until the supervisor is told to stop, or is gone.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Has the kernel send the child SIGTERM when the thread that starts it ends, however it ends.
#[cfg(target_os = "linux")]
fn die_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    let tie = move || {
        #[expect(unsafe_code, reason = "prctl and getppid may be called between fork and exec")]
        let orphan = unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            libc::getppid() as u32 != parent
        };
        // The supervisor died before the tie was made: nobody else would end the child.
        if orphan { Err(std::io::Error::from_raw_os_error(libc::ESRCH)) } else { Ok(()) }
    };
    #[expect(unsafe_code, reason = "the closure only makes system calls and allocates nothing")]
    unsafe {
        command.pre_exec(tie);
    }
}

/// Other systems have no such tie; `kill_on_drop` covers all but the supervisor's own kill.
#[cfg(not(target_os = "linux"))]
fn die_with_this_thread(_command: &mut Command) {}

#[cfg(test)]
mod tests;
