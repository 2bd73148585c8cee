//! `partita worker`

use crate::args::WorkerArgs;
use crate::commands::listing::now_ms;
use crate::commands::{asking, net, signals, this_program};
use anyhow::Result;
use partita_shared::access::{self, Access, AccessError, host_name};
use partita_shared::message::FromWorker;
use partita_shared::units::MemoryLimit;
use partita_worker::environment::slurm::SlurmJob;
use partita_worker::environment::{ask_slurm, memory, scratch::Scratch, threads};
use partita_worker::supervisor::{Death, Ending, Supervisor};
use partita_worker::{
    Connector, ControlLink, Ended, Stop, WebSocketConnector, Worker, WorkerConfig, WorkerError,
};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How long a worker that is told to stop may take for what was begun.
const GRACE: Duration = Duration::from_secs(20);
/// How long before Slurm kills what has not ended a worker is done with that.
const KILL_MARGIN: Duration = Duration::from_secs(1);

pub(crate) fn run(mut args: WorkerArgs) -> Result<u8> {
    if let Some(name) = args.cluster.take() {
        args.scheduler_file = Some(access::default_path(&name)?);
    }
    // The control link has a thread of its own: nothing that computes runs on it.
    let runtime = asking()?;
    if args.nworkers > 1 {
        return runtime.block_on(supervise(args));
    }
    let since = args.since.unwrap_or_else(now_ms);
    match runtime.block_on(one(args, since))? {
        Ended::Left => Ok(0),
        Ended::Restarting => {
            drop(runtime);
            Err(start_anew(since))
        }
    }
}

/// Replaces this process by a new one with the same arguments. It keeps its id, so that a supervisor or `srun` notices
/// nothing. Returns why that is impossible.
fn start_anew(since: u64) -> anyhow::Error {
    let mut arguments = std::env::args_os();
    let mut program = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    program.args(arguments).arg(format!("--since={since}"));
    anyhow::Error::from(program.exec()).context("cannot restart the worker")
}

fn connector(args: &WorkerArgs) -> WebSocketConnector {
    let (address, file) = (args.address.clone(), args.scheduler_file.clone());
    WebSocketConnector { address, file, hints: hints(args) }
}

fn hints(args: &WorkerArgs) -> access::Hints {
    access::Hints { tls_ca_file: args.tls_ca_file.clone(), plaintext: args.plaintext }
}

fn find(args: &WorkerArgs) -> Result<Access, AccessError> {
    access::find_with(args.address.as_deref(), args.scheduler_file.as_deref(), &hints(args))
}

async fn one(args: WorkerArgs, since: u64) -> Result<Ended> {
    let plan = memory::limit(args.memory_limit, 1)?;
    if plan.is_tight() {
        crate::keep_no_free_memory();
    }
    let slots = plan.slots(threads::slots(args.nthreads, 1));
    let name =
        args.name.clone().unwrap_or_else(|| format!("{}-{}", host_name(), std::process::id()));
    let scratch = Scratch::create(args.local_directory.as_deref(), &name)?;
    let slurm = SlurmJob::detect();
    let left = match &slurm {
        Some(job) => match job.remaining(SystemTime::now()) {
            // The scheduler knows the end of its own job, and so need not every worker ask.
            None if args.scheduler_file.is_some() => ask_slurm::time_left(job.job_id).await,
            left => left,
        },
        None => None,
    };
    let age = Duration::from_millis(now_ms().saturating_sub(since));
    let lifetime = match (args.lifetime.map(|all| all.saturating_sub(age)), left) {
        (Some(given), Some(left)) => Some(given.min(left)),
        (given, left) => given.or(left),
    };
    ignore_user_signals();
    let token = wait_for_token(&args).await?;
    tracing::info!(
        name,
        slots,
        memory_limit = %partita_shared::units::format_bytes(plan.limit_bytes),
        of = %plan.source,
        scratch = %scratch.path().display(),
        "starting"
    );
    let place = net::place(args.host.as_deref(), args.interface.as_deref())?;
    let config = WorkerConfig {
        name,
        host: Some(place.listen.unwrap_or_else(|| net::EVERYWHERE.to_string())),
        contact_address: args.contact_address.clone().or(place.contact),
        port: args.port,
        slots,
        memory_limit_bytes: plan.limit_bytes,
        give_back: Some(crate::give_back_memory),
        local_directory: scratch.path().to_path_buf(),
        token,
        death_timeout: args.death_timeout,
        lifetime,
        slurm_job: slurm.map(|job| job.job_id.to_string()),
        python: args.python.clone(),
        resources: args.resources.iter().cloned().collect(),
    };
    let signalled = signals::stop();
    let stop = async {
        tokio::select! {
            reason = signalled => Stop { reason, grace: grace().await },
            () = lifetime_over(lifetime) => {
                Stop { reason: "its lifetime (--lifetime) is over".to_string(), grace: GRACE }
            }
        }
    };
    Ok(Worker::new(config).await?.run(connector(&args), stop).await?)
}

/// How long a worker may take after a signal: what Slurm grants in a job of its, else [`GRACE`].
async fn grace() -> Duration {
    if SlurmJob::detect().is_none() {
        return GRACE;
    }
    let granted = ask_slurm::kill_wait().await;
    granted.map_or(GRACE, |wait| wait.saturating_sub(KILL_MARGIN).max(KILL_MARGIN))
}

/// Resolves a grace before the end of the lifetime.
async fn lifetime_over(lifetime: Option<Duration>) {
    match lifetime {
        Some(all) => tokio::time::sleep(all.saturating_sub(GRACE.min(all / 4))).await,
        None => std::future::pending().await,
    }
}

/// A job's `--signal=USR1@60` reaches all its processes and is meant for the user's: one that does
/// not expect it would die of it.
pub(crate) fn ignore_user_signals() {
    for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    tracing::info!("ignored a user signal; send SIGTERM to stop a worker");
                }
            });
        }
    }
}

/// The token also opens the data port, so it is needed before that: looked for as long as the
/// scheduler is.
async fn wait_for_token(args: &WorkerArgs) -> Result<String> {
    let looking = async {
        loop {
            match find(args) {
                Ok(access) => return Ok(access.token),
                Err(
                    error @ (AccessError::Address(_)
                    | AccessError::NoFingerprint
                    | AccessError::NotPlaintext),
                ) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::select! {
        found = tokio::time::timeout(args.death_timeout, looking) => match found {
            Ok(found) => Ok(found?),
            Err(_) => {
                find(args).map(|access| access.token).map_err(|error| {
                    let waited = args.death_timeout;
                    WorkerError::NoScheduler { waited, cause: error.to_string() }.into()
                })
            }
        },
        reason = signals::stop() => anyhow::bail!("{reason}"),
    }
}

/// Several workers, each a process.
async fn supervise(args: WorkerArgs) -> Result<u8> {
    ignore_user_signals();
    if let Some(address) = &args.address {
        access::parse_address(address)?;
    }
    let n = args.nworkers;
    let plan = memory::limit(args.memory_limit, n)?;
    let slots = threads::slots(args.nthreads, n);
    let program = this_program()?;
    let given = args.clone();
    let mut supervisor = Supervisor::new(n, move |index| {
        let mut command = Command::new(&program);
        command.arg("worker");
        if let Some(address) = &given.address {
            command.arg(address);
        }
        if let Some(file) = &given.scheduler_file {
            command.arg("--scheduler-file").arg(file);
        }
        command.arg("--nworkers=1").arg(format!("--nthreads={slots}"));
        command.arg(format!("--memory-limit={}", plan.limit_bytes));
        command.arg(format!("--death-timeout={}s", given.death_timeout.as_secs_f64()));
        if let Some(folder) = &given.local_directory {
            command.arg("--local-directory").arg(folder);
        }
        if let Some(host) = &given.host {
            command.arg("--host").arg(host);
        }
        if let Some(interface) = &given.interface {
            command.arg("--interface").arg(interface);
        }
        if let Some(file) = &given.tls_ca_file {
            command.arg("--tls-ca-file").arg(file);
        }
        if given.plaintext {
            command.arg("--plaintext");
        }
        if given.port != 0 {
            command.arg(format!("--port={}", u32::from(given.port) + index));
        }
        if let Some(name) = &given.name {
            command.arg(format!("--name={name}-{index}"));
        }
        if let Some(python) = &given.python {
            command.arg("--python").arg(python);
        }
        for (name, thousandths) in &given.resources {
            command.arg(format!("--resources={name}={}", *thousandths as f64 / 1000.0));
        }
        if let Some(lifetime) = given.lifetime {
            command.arg(format!("--lifetime={}s", lifetime.as_secs_f64()));
        }
        command
    });
    let deaths = supervisor.deaths();
    let reporting = tokio::spawn(report_deaths(connector(&args), deaths));
    let ended = supervisor.run().await?;
    reporting.abort();
    Ok(match ended {
        Ending::InOrder => 0,
        Ending::Failed { index, cause, code } => {
            eprintln!("error: all workers have exited; worker {index} failed: {cause}");
            code
        }
    })
}

/// Tells the scheduler how workers ended, which it cannot see.
pub(crate) async fn report_deaths(
    mut connector: WebSocketConnector,
    mut deaths: mpsc::Receiver<Death>,
) {
    let mut link: Option<ControlLink> = None;
    while let Some(death) = deaths.recv().await {
        let message = FromWorker::Died { pid: death.pid, host: host_name(), cause: death.cause };
        if let Some(open) = &link
            && open.sender.send(message.clone()).await.is_ok()
        {
            continue;
        }
        link = connector.connect().await.ok();
        if let Some(open) = &link {
            let _ = open.sender.send(message).await;
        }
    }
}

/// The arguments of a worker process that `partita run` starts.
pub(crate) fn child_limit(limit: MemoryLimit, workers: u32) -> Result<u64> {
    Ok(memory::limit(limit, workers)?.limit_bytes)
}
