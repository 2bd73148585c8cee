//! `partita run`: a cluster around a command.
//!
//! On one machine it starts a scheduler and workers. As a task of `srun`, it is one of several:
//! task 0 leads (scheduler, command, and workers with what is left), and all others are workers
//! ([`join_node`]). The tasks find each other by the access file of their step.

mod child;
mod copies;
pub(crate) mod head_node;
mod join_node;
mod missing;

pub(crate) use child::{StartError, follow};

use crate::args::RunArgs;
use crate::commands::this_program;
use anyhow::{Context, Result};
use partita_shared::access::{CA_VARIABLE, TOKEN_VARIABLE};
use partita_worker::environment::slurm::SlurmJob;
use partita_worker::supervisor::Supervisor;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How long a worker looks for a scheduler that has gone: nobody starts it again.
const DEATH_TIMEOUT: &str = "--death-timeout=10s";

pub(crate) async fn run(args: RunArgs) -> Result<u8> {
    let slurm = SlurmJob::detect();
    match &slurm {
        Some(job) if job.step_id.is_some() && job.procid > 0 => join_node::run(args, job).await,
        _ => head_node::run(args, slurm.as_ref()).await,
    }
}

/// What the worker processes of one task are given.
#[derive(Clone, Debug)]
struct Share {
    /// `host:port` of the scheduler.
    scheduler: String,
    token: String,
    /// The authorities that vouch for the scheduler's certificate.
    tls_ca_file: Option<PathBuf>,
    /// The address to listen on; all of them if none is given.
    host: Option<String>,
    /// Slots of each.
    slots: u32,
    /// Bytes of each.
    memory_bytes: u64,
    /// The name of each is this and its number.
    name: String,
}

/// Starts the worker processes of this task, once it runs.
fn supervisor(args: &RunArgs, share: Share) -> Result<Supervisor> {
    let program = this_program()?;
    let (folder, interface) = (args.local_directory.clone(), args.interface.clone());
    if let Some(folder) = &folder {
        // Each worker would find it out by itself, again and again.
        let usable = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        usable.with_context(|| {
            format!(
                "cannot write to the scratch directory {} (--local-directory)",
                folder.display()
            )
        })?;
    }
    Ok(Supervisor::new(args.workers, move |index| {
        let mut command = Command::new(&program);
        command.arg("worker").arg(&share.scheduler);
        command.args(["--nworkers=1", DEATH_TIMEOUT]);
        command.arg(format!("--nthreads={}", share.slots));
        command.arg(format!("--memory-limit={}", share.memory_bytes));
        command.arg(format!("--name={}-{index}", share.name));
        if let Some(host) = &share.host {
            command.arg(format!("--host={host}"));
        }
        if let Some(interface) = &interface {
            command.arg(format!("--interface={interface}"));
        }
        if let Some(folder) = &folder {
            command.arg("--local-directory").arg(folder);
        }
        command.env(TOKEN_VARIABLE, &share.token);
        if let Some(path) = &share.tls_ca_file {
            command.env(CA_VARIABLE, path);
        }
        if std::env::var_os("PARTITA_LOG").is_none() {
            command.env("PARTITA_LOG", "warn");
        }
        // The command's output belongs to the user: workers write only to standard error.
        command.stdin(Stdio::null());
        // Ctrl-C in a terminal is for the command, which may go on after it, as a prompt does: the
        // workers must not leave. They end with the cluster.
        command.process_group(0);
        command
    }))
}

/// The name of the workers of a task; each adds its number.
fn worker_name(slurm: Option<&SlurmJob>) -> String {
    match slurm.filter(|job| job.step_id.is_some()) {
        Some(job) => format!("task-{}", job.procid),
        None => "worker".to_string(),
    }
}
