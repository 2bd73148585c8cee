//! The Python process that is forked: started once for each environment.

use crate::python::PythonError;
use crate::python::descriptors;
use crate::python::find::Environment;
use crate::python::frames::{self, Reader, from_zygote, to_zygote};
use crate::python::log::{Printed, follow};
use crate::python::source::write_source;
use serde::Deserialize;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

/// How long Python may take to start and to import what is common. Shared file systems are slow.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a fork may take.
const FORK_TIMEOUT: Duration = Duration::from_secs(30);
/// Orders that may wait for the process.
const ORDERS_MAX: usize = 64;
/// Sockets of a runner: for frames, for what it prints, and for descriptors.
pub(super) const RUNNER_SOCKETS: usize = 3;

/// How a process ended, as `waitpid` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit(pub(super) i32);

impl Exit {
    /// How it ended, for display.
    pub(super) fn text(self) -> String {
        let (signal, code) = (self.0 & 0x7f, self.0 >> 8 & 0xff);
        match (signal, code) {
            (0, code) => format!("the Python process that ran it ended with exit code {code}"),
            (9, _) => "the Python process that ran it was killed (signal 9); if the system was short of memory, give the worker less to do at once".to_string(),
            (11, _) => "the Python process that ran it crashed (segmentation fault)".to_string(),
            (signal, _) => format!("the Python process that ran it was ended by signal {signal}"),
        }
    }
}

/// A child of the zygote.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) number: u32,
    pub(super) pid: u32,
    pub(super) exit: watch::Receiver<Option<Exit>>,
}

#[derive(Debug)]
enum Order {
    Fork { number: u32, ends: [OwnedFd; RUNNER_SOCKETS] },
    Signal { number: u32, signal: u32 },
}

/// A child that was asked for: who waits for it, and who is told how it ends.
#[derive(Debug)]
struct Child {
    forked: Option<oneshot::Sender<u32>>,
    exit: watch::Sender<Option<Exit>>,
}

/// The way to the process. It ends when this is dropped, with its children.
#[derive(Debug)]
pub(super) struct Zygote {
    orders: mpsc::Sender<Order>,
    children: Arc<Mutex<HashMap<u32, Child>>>,
    numbers: AtomicU32,
    is_alive: Arc<AtomicBool>,
    printed: Arc<Printed>,
}

/// What a process says of itself when it has started.
#[derive(Debug, Deserialize)]
struct Ready {
    version: String,
    executable: String,
    pid: u32,
}

fn lock(children: &Mutex<HashMap<u32, Child>>) -> MutexGuard<'_, HashMap<u32, Child>> {
    children.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Zygote {
    /// Starts the first Python that fits an environment.
    ///
    /// # Errors
    /// [`PythonError::Environment`] if none does, with what was tried.
    pub(super) async fn start(
        text: &str,
        chosen: Option<&Path>,
        scratch: &Path,
        variables: &[(&'static str, String)],
    ) -> Result<Self, PythonError> {
        let environment = Environment::read(text)?;
        let source = write_source(scratch)
            .await
            .map_err(PythonError::system("cannot write the Python side to the scratch folder"))?;
        let mut tried = Vec::new();
        for program in environment.candidates(chosen) {
            let started =
                tokio::time::timeout(START_TIMEOUT, start(&program, &source, text, variables))
                    .await;
            let found = match started {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tried.push(format!("{}: {error}", program.display()));
                    continue;
                }
                Err(_) => {
                    let seconds = START_TIMEOUT.as_secs();
                    tried.push(format!("{} did not start in {seconds} s", program.display()));
                    continue;
                }
            };
            if environment.fits(&found.ready.version) {
                tracing::info!(
                    python = found.ready.executable,
                    version = found.ready.version,
                    pid = found.ready.pid,
                    "started Python for functions"
                );
                return Ok(found.follow());
            }
            tried.push(format!("{} is Python {}", program.display(), found.ready.version));
        }
        let (wanted, tried) = (environment.version(), tried.join("; "));
        Err(PythonError::Environment { wanted, tried })
    }

    /// Whether the process is there.
    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    /// What the process printed last.
    pub(super) fn last_printed(&self) -> String {
        self.printed.last()
    }

    /// Forks a runner, whose ends of the sockets these are: for its frames, for what it prints, and for descriptors.
    pub(super) async fn fork(
        &self,
        ends: [OwnedFd; RUNNER_SOCKETS],
    ) -> Result<Forked, PythonError> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (forked, told) = oneshot::channel();
        let (exit, exited) = watch::channel(None);
        lock(&self.children).insert(number, Child { forked: Some(forked), exit });
        let gone = || PythonError::Ended {
            cause: format!("the Python process of this environment ended: {}", self.last_printed()),
        };
        let sent = self.orders.send(Order::Fork { number, ends }).await;
        let told = match sent {
            Ok(()) => tokio::time::timeout(FORK_TIMEOUT, told).await,
            Err(_) => return Err(gone()),
        };
        match told {
            Ok(Ok(pid)) => Ok(Forked { number, pid, exit: exited }),
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                lock(&self.children).remove(&number);
                let seconds = FORK_TIMEOUT.as_secs();
                let cause = format!("a Python process could not be forked in {seconds} s");
                Err(PythonError::Ended { cause })
            }
        }
    }

    /// Has the process send a signal to one of its children. It knows whether the child is still there.
    pub(super) fn signal(&self, number: u32, signal: u32) {
        // If so much waits, the process is ending.
        let _ = self.orders.try_send(Order::Signal { number, signal });
    }
}

/// A process that has started.
struct Started {
    ready: Ready,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    printed: Arc<Printed>,
}

/// Starts a program, and waits until it says that it is ready.
async fn start(
    program: &Path,
    source: &Path,
    environment: &str,
    variables: &[(&'static str, String)],
) -> Result<Started, PythonError> {
    let (own, theirs) =
        StdUnixStream::pair().map_err(PythonError::system("cannot make a pair of sockets"))?;
    let child = tokio::process::Command::new(program)
        .arg("-u")
        .arg(source)
        .arg("0")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(false)
        .spawn();
    let mut child = child.map_err(PythonError::system("cannot be started"))?;
    let pid = child.id().unwrap_or_default();
    let printed = Arc::<Printed>::default();
    if let Some(output) = child.stdout.take() {
        tokio::spawn(follow(output, pid, Arc::clone(&printed)));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(follow(output, pid, Arc::clone(&printed)));
    }
    let stream = own.set_nonblocking(true).and_then(|()| UnixStream::from_std(own));
    let stream = stream.map_err(PythonError::system("cannot use a socket"))?;
    let (mut reader, mut writer) = stream.into_split();
    // It ends when the socket does; the status says nothing more.
    tokio::spawn(async move { child.wait().await });
    let init = frames::frame(to_zygote::INIT, environment.as_bytes());
    let sent = writer.write_all(&init).await;
    sent.map_err(PythonError::system("cannot write to it"))?;
    let Some(answer) = frames::read(&mut reader).await? else {
        return Err(PythonError::Ended { cause: format!("it ended: {}", printed.last()) });
    };
    match answer.kind {
        from_zygote::READY => {
            let ready = serde_json::from_slice(&answer.body);
            let ready = ready.map_err(|error| PythonError::Protocol(error.to_string()))?;
            Ok(Started { ready, reader, writer, printed })
        }
        from_zygote::FAILED => {
            Err(PythonError::Ended { cause: String::from_utf8_lossy(&answer.body).into_owned() })
        }
        other => Err(PythonError::Protocol(format!("a frame of kind {other}"))),
    }
}

impl Started {
    /// Obeys orders and hears of children from now on.
    fn follow(self) -> Zygote {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let children = Arc::<Mutex<HashMap<u32, Child>>>::default();
        let is_alive = Arc::new(AtomicBool::new(true));
        tokio::spawn(obey(self.writer, waiting));
        let (known, alive) = (Arc::clone(&children), Arc::clone(&is_alive));
        tokio::spawn(async move {
            hear(self.reader, &known).await;
            alive.store(false, Ordering::Relaxed);
            // Whoever waits for a child hears that it never comes, or that it is gone.
            lock(&known).clear();
        });
        let numbers = AtomicU32::new(0);
        Zygote { orders, children, numbers, is_alive, printed: self.printed }
    }
}

/// Passes orders on until nobody gives any. Then the socket is closed, and the process ends.
async fn obey(mut writer: OwnedWriteHalf, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        let sent = match order {
            Order::Fork { number, ends } => send_fork(&writer, number, &ends).await,
            Order::Signal { number, signal } => {
                let body = [number.to_le_bytes(), signal.to_le_bytes()].concat();
                writer.write_all(&frames::frame(to_zygote::SIGNAL, &body)).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// Sends the order to fork, with the sockets of the child.
async fn send_fork(writer: &OwnedWriteHalf, number: u32, ends: &[OwnedFd]) -> std::io::Result<()> {
    let frame = frames::frame(to_zygote::FORK, &number.to_le_bytes());
    let ends: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
    descriptors::send_with(writer.as_ref(), &frame, &ends).await
}

/// Hears of children until the process ends.
async fn hear(mut reader: OwnedReadHalf, children: &Mutex<HashMap<u32, Child>>) {
    while let Ok(Some(frame)) = frames::read(&mut reader).await {
        let mut body = Reader(&frame.body);
        let (Ok(number), Ok(pid)) = (body.u32(), body.u32()) else { return };
        let mut children = lock(children);
        match frame.kind {
            from_zygote::FORKED => {
                let waiting = children.get_mut(&number).and_then(|child| child.forked.take());
                if let Some(waiting) = waiting {
                    let _ = waiting.send(pid);
                }
            }
            from_zygote::EXITED => {
                let Ok(status) = body.u32() else { return };
                if let Some(child) = children.remove(&number) {
                    let _ = child.exit.send(Some(Exit(status as i32)));
                }
            }
            _ => return,
        }
    }
}
