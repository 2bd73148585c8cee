//! The command that a cluster is around.

use anyhow::{Context, Result};
use partita_shared::access::{Access, CA_VARIABLE, SCHEDULER_VARIABLE, TOKEN_VARIABLE};
use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::Duration;
use std::{fmt, io};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A command that could not be started.
#[derive(Debug)]
pub(crate) struct StartError {
    name: String,
    source: io::Error,
}

impl StartError {
    /// The exit code that a shell has for it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.source.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the command `{}`", self.name)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Runs the command to its end. An interrupt reaches it by itself; SIGTERM and the
/// users' signals are handed on. If it
/// has not ended `grace` after that, where there is one, it is killed, so that the cluster can still
/// end in order.
pub(super) async fn run(
    command: &[OsString],
    access: &Access,
    grace: impl Future<Output = Option<Duration>>,
) -> Result<ExitStatus> {
    let (name, rest) = command.split_first().context("no command given")?;
    let mut command = tokio::process::Command::new(name);
    command.args(rest);
    command.env(SCHEDULER_VARIABLE, format!("tcp://{}", access.address));
    command.env(TOKEN_VARIABLE, &access.token);
    if let Some(path) = &access.tls_ca_file {
        command.env(CA_VARIABLE, path);
    }
    follow(command, grace).await
}

/// Runs a command to its end, as [`run`] does.
pub(crate) async fn follow(
    mut command: tokio::process::Command,
    grace: impl Future<Output = Option<Duration>>,
) -> Result<ExitStatus> {
    let mut term = signal(SignalKind::terminate()).context("cannot handle signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle signals")?;
    let mut child = command.spawn().map_err(|source| {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        StartError { name, source }
    })?;
    let mut first = signal(SignalKind::user_defined1()).context("cannot handle signals")?;
    let mut second = signal(SignalKind::user_defined2()).context("cannot handle signals")?;
    loop {
        let number = tokio::select! {
            status = child.wait() => return status.context("cannot wait for the command"),
            () = terminated(&mut term, &mut interrupt) => libc::SIGTERM,
            _ = first.recv() => libc::SIGUSR1,
            _ = second.recv() => libc::SIGUSR2,
        };
        if let Some(pid) = child.id() {
            hand_on(pid, number);
        }
        if number == libc::SIGTERM {
            break;
        }
    }
    let Some(grace) = grace.await else {
        loop {
            tokio::select! {
                status = child.wait() => return status.context("cannot wait for the command"),
                () = terminated(&mut term, &mut interrupt) => {
                    if let Some(pid) = child.id() {
                        hand_on(pid, libc::SIGTERM);
                    }
                }
            }
        }
    };
    match tokio::time::timeout(grace, child.wait()).await {
        Ok(status) => status.context("cannot wait for the command"),
        Err(_) => {
            eprintln!(
                "partita: the command did not exit within {} s of SIGTERM; killing it",
                grace.as_secs()
            );
            child.kill().await.context("cannot kill the command")?;
            child.wait().await.context("cannot wait for the command")
        }
    }
}

/// Resolves at SIGTERM. Interrupts are taken, and nothing is done about them.
async fn terminated(term: &mut Signal, interrupt: &mut Signal) {
    loop {
        tokio::select! {
            _ = term.recv() => return,
            _ = interrupt.recv() => {}
        }
    }
}

#[expect(unsafe_code, reason = "the standard library cannot send signals")]
fn hand_on(pid: u32, number: libc::c_int) {
    // SAFETY: kill takes numbers and touches no memory of ours; the child was not reaped yet, so
    // the number is its own.
    unsafe {
        libc::kill(pid as libc::pid_t, number);
    }
}
