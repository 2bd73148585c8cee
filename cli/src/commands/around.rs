//! `partita run`: a cluster around a command.

use crate::args::RunArgs;
use crate::commands::{listing, signals, worker};
use anyhow::{Context, Result, bail};
use partita_core::Event;
use partita_scheduler::{Hub, Scheduler, SchedulerConfig};
use partita_shared::access::{Access, SCHEDULER_VARIABLE, TOKEN_VARIABLE, host_name};
use partita_worker::place::threads;
use partita_worker::supervisor::Supervisor;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(args: RunArgs) -> Result<u8> {
    let config = SchedulerConfig {
        name: format!("run-{}", std::process::id()),
        host: "127.0.0.1".to_string(),
        contact_host: None,
        port: args.port,
        scheduler_file: None,
        dashboard: true,
        idle_timeout: None,
        token: None,
        journal: args.journal.clone(),
    };
    let scheduler = Scheduler::bind(config).await?;
    let access = scheduler.access().clone();
    let hub = scheduler.hub().clone();
    let ender = scheduler.ender();
    let serving = tokio::spawn(scheduler.serve());
    let mut supervisor = supervisor(&args, &access)?;
    let mut deaths = supervisor.deaths();
    let over = CancellationToken::new();
    let mut workers = {
        let over = over.clone();
        tokio::spawn(async move { supervisor.run_until(over.cancelled_owned()).await })
    };
    let telling = hub.clone();
    tokio::spawn(async move {
        while let Some(death) = deaths.recv().await {
            eprintln!("partita: worker {} died: {}", death.index, death.cause);
            let event =
                Event::ProcessDied { host: host_name(), pid: death.pid, cause: death.cause };
            telling.tell(event).await;
        }
    });
    let ready = tokio::select! {
        ready = tokio::time::timeout(args.timeout, workers_ready(&hub, args.workers)) => match ready {
            Ok(ready) => ready,
            Err(_) => bail!(
                "{} of {} workers were ready after {} s (--timeout): see what they say above",
                hub.query(|core| core.workers_up()).await.unwrap_or(0),
                args.workers,
                args.timeout.as_secs()
            ),
        },
        ended = &mut workers => {
            ended.context("the workers' supervisor")??;
            bail!("the workers ended before the command began: see what they say above");
        }
        reason = signals::stop() => bail!("{reason}"),
    };
    ready?;
    if !args.headless {
        eprint!("{}", listing::links(&access));
    }
    let status = command(&args, &access).await;
    over.cancel();
    let _ = workers.await;
    // The journal is ended properly; nobody is left to be told anything else.
    ender.cancel();
    let _ = serving.await;
    Ok(exit_code(status?))
}

fn supervisor(args: &RunArgs, access: &Access) -> Result<Supervisor> {
    let program = std::env::current_exe().context("this program's file")?;
    let slots = threads::slots(args.threads, args.workers);
    let limit = worker::child_limit(args.memory_limit, args.workers)?;
    let (args, access) = (args.clone(), access.clone());
    Ok(Supervisor::new(args.workers, move |index| {
        let mut command = Command::new(&program);
        command.arg("worker").arg(&access.address);
        command.args(["--nworkers=1", "--host=127.0.0.1", "--death-timeout=10s"]);
        command.arg(format!("--nthreads={slots}")).arg(format!("--memory-limit={limit}"));
        command.arg(format!("--name=worker-{index}"));
        if let Some(folder) = &args.local_directory {
            command.arg("--local-directory").arg(folder);
        }
        command.env(TOKEN_VARIABLE, &access.token);
        if std::env::var_os("PARTITA_LOG").is_none() {
            command.env("PARTITA_LOG", "warn");
        }
        // What the command prints is the user's: workers speak on standard error alone.
        command.stdin(std::process::Stdio::null());
        command
    }))
}

async fn workers_ready(hub: &Hub, count: u32) -> Result<()> {
    let mut changes = hub.changes();
    while hub.query(|core| core.workers_up()).await.context("the scheduler ended")? < count {
        changes.changed().await.context("the scheduler ended")?;
    }
    Ok(())
}

/// Runs the command to its end. An interrupt reaches it by itself; a SIGTERM is handed on.
async fn command(args: &RunArgs, access: &Access) -> Result<ExitStatus> {
    let (name, rest) = args.command.split_first().context("no command was given")?;
    let mut child = tokio::process::Command::new(name)
        .args(rest)
        .env(SCHEDULER_VARIABLE, format!("tcp://{}", access.address))
        .env(TOKEN_VARIABLE, &access.token)
        .spawn()
        .with_context(|| {
            format!("the command `{}` could not be started", name.to_string_lossy())
        })?;
    let mut term = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("waiting for the command"),
            _ = interrupt.recv() => {}
            _ = term.recv() => {
                if let Some(pid) = child.id() {
                    hand_on(pid);
                }
            }
        }
    }
}

#[expect(unsafe_code, reason = "the standard library cannot send SIGTERM")]
fn hand_on(pid: u32) {
    // SAFETY: kill takes numbers and touches no memory of ours; the child was not reaped yet, so
    // the number is its own.
    unsafe {
        libc::kill(pid as libc::pid_t, libc::SIGTERM);
    }
}

/// The command's exit code, as a shell would give it.
fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => 128 + signal as u8,
        (None, None) => 1,
    }
}
