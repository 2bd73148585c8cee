//! `partita scheduler`

use crate::args::SchedulerArgs;
use crate::commands::run::head_node::tell_end;
use crate::commands::{links, net, signals};
use crate::output::draft;
use anyhow::{Context, Result};
use partita_scheduler::{Scheduler, SchedulerConfig};
use partita_shared::access::{self, Access};
use partita_shared::message::Request;
use partita_worker::environment::slurm::SlurmJob;

/// The cluster's name where nobody gives one.
const DEFAULT_NAME: &str = "default";

pub(crate) async fn run(args: SchedulerArgs) -> Result<u8> {
    let name = name(&args);
    let file = match &args.scheduler_file {
        Some(file) => file.clone(),
        None => access::default_path(&name)?,
    };
    refuse_second(&file, &name).await?;
    let place = net::place(args.host.as_deref(), args.interface.as_deref())?;
    let config = SchedulerConfig {
        name,
        host: place.listen.unwrap_or_else(|| net::EVERYWHERE.to_string()),
        contact_host: place.contact,
        port: args.port,
        scheduler_file: Some(file.clone()),
        dashboard: !args.no_dashboard,
        idle_timeout: args.idle_timeout,
        planning_timeout: args.planning_timeout,
        journal: match (&args.journal, args.no_journal) {
            (_, true) => None,
            (Some(path), false) => Some(path.clone()),
            (None, false) => Some(file.with_extension("journal")),
        },
        // Key and token are kept beside the access file.
        security: args.security.config(Some(file.with_extension("identity"))),
        token: std::env::var(access::TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()),
    };
    let stop = signals::stop();
    let scheduler = Scheduler::bind(config).await?;
    let access = scheduler.access().clone();
    if let Some(path) = &args.pid_file {
        let number = format!("{}\n", std::process::id());
        let written = draft::write(path, draft::MODE_USUAL, number.as_bytes());
        if let Err(error) = written {
            access.remove(&file);
            return Err(error)
                .with_context(|| format!("cannot write the pid file {}", path.display()));
        }
    }
    eprintln!("scheduler   tcp://{}", access.address);
    eprintln!("access file {}", file.display());
    if !args.no_dashboard {
        eprint!("{}", links::links_for_log(&access));
    }
    tokio::task::spawn_blocking(access::sweep);
    if let Some(job) = SlurmJob::detect() {
        tokio::spawn(tell_end(job, scheduler.hub().clone()));
    }
    let ender = scheduler.ender();
    tokio::spawn(async move {
        let reason = stop.await;
        tracing::info!(reason, "shutting down");
        ender.cancel();
    });
    let served = scheduler.serve().await;
    if let Some(path) = &args.pid_file {
        let _ = std::fs::remove_file(path);
    }
    served?;
    Ok(0)
}

/// The cluster's name. That of a Slurm job is its own: the jobs of one user write their access
/// files into one home, and must not meet.
fn name(args: &SchedulerArgs) -> String {
    let given = args.name.clone();
    given.or_else(|| Some(SlurmJob::detect()?.cluster_name())).unwrap_or(DEFAULT_NAME.to_string())
}

/// A cluster of the same name that answers is not pushed aside.
async fn refuse_second(file: &std::path::Path, name: &str) -> Result<()> {
    let Ok(found) = Access::read(file) else { return Ok(()) };
    let answers = async {
        let mut control = partita_client::Control::connect(&found).await?;
        control.ask(Request::Cluster).await
    };
    if answers.await.is_ok() {
        anyhow::bail!(
            "cannot start cluster `{name}`: a cluster with this name is running at {} (process {} on {}); choose another name with --name, or stop that cluster with `partita shutdown`",
            found.address,
            found.pid,
            found.host
        );
    }
    Ok(())
}
