//! The cluster's first process: scheduler, command, and workers beside them.

use super::{Share, child, copies, missing, supervisor, worker_name};
use crate::args::{Awaited, RunArgs};
use crate::commands::worker::child_limit;
use crate::commands::{links, net, signals};
use anyhow::{Context, Result, bail};
use partita_core::Event;
use partita_scheduler::{Hub, PLANNING_TIMEOUT_DEFAULT, Scheduler, SchedulerConfig};
use partita_shared::access::{self, Access, host_name};
use partita_shared::units::MemoryLimit;
use partita_worker::environment::slurm::SlurmJob;
use partita_worker::environment::{ask_slurm, threads};
use partita_worker::supervisor::{Death, exit_code};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The part of its task's memory that the first task's workers get by themselves: the scheduler
/// and the command are beside them.
const LEAD_MEMORY_SHARE: f64 = 0.8;
/// How long before Slurm kills what has not ended the command is killed, for the rest to end in
/// order.
const KILL_MARGIN: Duration = Duration::from_secs(2);
/// The time before the kill where Slurm does not say it: its default.
const KILL_WAIT_DEFAULT: Duration = Duration::from_secs(30);

pub(super) async fn run(args: RunArgs, slurm: Option<&SlurmJob>) -> Result<u8> {
    warn_of_unused(slurm);
    let scheduler = Scheduler::bind(config(&args, slurm)?).await?;
    let access = scheduler.access().clone();
    let hub = scheduler.hub().clone();
    let ender = scheduler.ender();
    let serving = tokio::spawn(scheduler.serve());
    if slurm.is_some() || !args.headless {
        eprint!("{}", links::links_for_log(&access));
    }
    if let Some(job) = slurm {
        tokio::task::spawn_blocking(access::sweep);
        tokio::spawn(tell_end(job.clone(), hub.clone()));
    }
    let spreading = async {
        if let (Some(job), Some(file)) = (slurm, file(slurm)?) {
            copies::spread(file, access.clone(), job).await;
        }
        // The rest decides when this is over.
        std::future::pending::<Result<u8>>().await
    };
    let ended = tokio::select! {
        ended = around(&args, slurm, &access, &hub) => ended,
        failed = spreading => failed,
    };
    // The workers of other tasks are told to leave, and the journal is ended properly.
    ender.cancel();
    let _ = serving.await;
    if slurm.is_some() {
        copies::remove(&access.name);
    }
    ended
}

/// Tells the scheduler when its Slurm job ends. Nobody waits for it: Slurm may take its time.
pub(crate) async fn tell_end(job: SlurmJob, hub: Hub) {
    let left = match job.remaining(SystemTime::now()) {
        Some(left) => Some(left),
        None => ask_slurm::time_left(job.job_id).await,
    };
    if let Some(left) = left {
        hub.allocation_ends(job.job_id.to_string(), left).await;
    }
}

/// The access file of a cluster that others look for: those of a Slurm job.
fn file(slurm: Option<&SlurmJob>) -> Result<Option<PathBuf>> {
    slurm.map(|job| copies::file_for(&job.cluster_name())).transpose()
}

fn config(args: &RunArgs, slurm: Option<&SlurmJob>) -> Result<SchedulerConfig> {
    let place = net::place(args.host.as_deref(), args.interface.as_deref())?;
    let host = match (place.listen, slurm) {
        (Some(host), _) => host,
        // Other nodes, and the tunnel from the login host, must reach it.
        (None, Some(_)) => net::EVERYWHERE.to_string(),
        (None, None) => "127.0.0.1".to_string(),
    };
    Ok(SchedulerConfig {
        name: match slurm {
            Some(job) => job.cluster_name(),
            None => format!("run-{}", std::process::id()),
        },
        host,
        contact_host: place.contact,
        port: args.port,
        scheduler_file: file(slurm)?,
        dashboard: true,
        idle_timeout: None,
        planning_timeout: PLANNING_TIMEOUT_DEFAULT,
        token: None,
        security: args.security.config(None),
        journal: args.journal.clone(),
    })
}

/// A job of several tasks whose script calls this without `srun` uses one node of them.
fn warn_of_unused(slurm: Option<&SlurmJob>) {
    let Some(job) = slurm.filter(|job| job.step_id.is_none()) else { return };
    if job.node_name.is_none() {
        eprintln!(
            "partita: this host is not a node of Slurm job {}; starting the cluster on {}; use `srun partita run ...` to run on the nodes of the job",
            job.job_id,
            host_name()
        );
    } else if job.tasks > 1 {
        eprintln!(
            "partita: using only this node, with one process; use `srun partita run ...` to use all {} tasks of the job",
            job.tasks
        );
    }
}

/// Workers up, command, workers down.
async fn around(
    args: &RunArgs,
    slurm: Option<&SlurmJob>,
    access: &Access,
    hub: &Hub,
) -> Result<u8> {
    let mut supervisor = supervisor(args, share(args, slurm, access)?)?;
    let deaths = supervisor.deaths();
    let over = CancellationToken::new();
    let mut workers = {
        let over = over.clone();
        tokio::spawn(async move { supervisor.run_until(over.cancelled_owned()).await })
    };
    tokio::spawn(tell_deaths(deaths, hub.clone()));
    let ready = tokio::select! {
        ready = ready(args, slurm, hub) => ready,
        ended = &mut workers => match ended.context("the supervisor of the workers failed")? {
            Ok(_) => bail!("all workers exited before the command started; see their messages above"),
            Err(error) => return Err(error.into()),
        },
        reason = signals::stop() => Err(anyhow::anyhow!("{reason} while waiting for the workers")),
    };
    let status = match ready {
        Ok(()) => child::run(&args.command, access, grace(slurm)).await,
        Err(error) => Err(error),
    };
    // Workers that are told to end finish what they have begun, for which nobody waits any more.
    hub.cancel_all("the command of the cluster has ended").await;
    over.cancel();
    let _ = workers.await;
    Ok(exit_code(status?))
}

/// What the workers beside the scheduler get: in a step, one processor and a part of the memory
/// less than those of other tasks.
fn share(args: &RunArgs, slurm: Option<&SlurmJob>, access: &Access) -> Result<Share> {
    let in_step = slurm.is_some_and(|job| job.step_id.is_some());
    let slots = match (in_step, args.threads) {
        (true, None) => (threads::slots(None, 1).saturating_sub(1) / args.workers).max(1),
        (_, threads) => threads::slots(threads, args.workers),
    };
    let limit = child_limit(args.memory_limit, args.workers)?;
    let memory_bytes = match args.memory_limit {
        MemoryLimit::Auto if in_step => (limit as f64 * LEAD_MEMORY_SHARE) as u64,
        _ => limit,
    };
    let named = args.host.is_some() || args.interface.is_some();
    Ok(Share {
        scheduler: access.address.clone(),
        token: access.token.clone(),
        tls_ca_file: access.tls_ca_file.clone(),
        host: match (&args.host, slurm.is_none() && !named) {
            (Some(host), _) => Some(host.clone()),
            (None, true) => Some("127.0.0.1".to_string()),
            (None, false) => None,
        },
        slots,
        memory_bytes,
        name: worker_name(slurm),
    })
}

/// How long the command may take to end after SIGTERM, where someone kills all that has not ended.
async fn grace(slurm: Option<&SlurmJob>) -> Option<Duration> {
    slurm?;
    let wait = ask_slurm::kill_wait().await.unwrap_or(KILL_WAIT_DEFAULT);
    Some(wait.saturating_sub(KILL_MARGIN).max(Duration::from_secs(1)))
}

async fn tell_deaths(mut deaths: mpsc::Receiver<Death>, hub: Hub) {
    while let Some(death) = deaths.recv().await {
        eprintln!("partita: worker {} died: {}", death.index, death.cause);
        let event = Event::ProcessDied { host: host_name(), pid: death.pid, cause: death.cause };
        hub.tell(event).await;
    }
}

/// Waits for the workers that are to be there before the command begins.
async fn ready(args: &RunArgs, slurm: Option<&SlurmJob>, hub: &Hub) -> Result<()> {
    let step = slurm.filter(|job| job.step_id.is_some());
    let all = step.map_or(1, |job| job.tasks).saturating_mul(args.workers);
    let count = match args.wait {
        Awaited::All => all,
        Awaited::Count(count) => count,
    };
    let waiting = workers_ready(hub, count);
    if let Ok(ready) = tokio::time::timeout(args.timeout, waiting).await {
        return ready;
    }
    let rows = hub.query(|core| core.workers(false)).await.unwrap_or_default();
    let who = match step {
        Some(job) => missing::told(job, args.workers, &rows),
        None => "see their messages above".to_string(),
    };
    bail!(
        "timed out: {} of {count} workers connected after {} s (--timeout); {who}",
        rows.len(),
        args.timeout.as_secs()
    )
}

async fn workers_ready(hub: &Hub, count: u32) -> Result<()> {
    let mut changes = hub.changes();
    while hub.query(|core| core.workers_up()).await.context("the scheduler stopped")? < count {
        changes.changed().await.context("the scheduler stopped")?;
    }
    Ok(())
}
