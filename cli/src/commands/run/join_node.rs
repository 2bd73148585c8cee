//! A task of `srun` that is not the first: workers, as soon as the first one's scheduler is there.

use super::{Share, copies, supervisor, worker_name};
use crate::args::RunArgs;
use crate::commands::signals;
use crate::commands::worker::{child_limit, ignore_user_signals, report_deaths};
use anyhow::{Context, Result, bail};
use partita_shared::access::{self, Access, Hints, host_name};
use partita_worker::WebSocketConnector;
use partita_worker::environment::slurm::SlurmJob;
use partita_worker::environment::threads;
use std::path::PathBuf;
use std::time::Duration;

/// The first pause before the access file is looked for again; each next one is longer.
const LOOK_PAUSE_FIRST: Duration = Duration::from_millis(5);
/// The longest pause before the access file is looked for again.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(200);

pub(super) async fn run(args: RunArgs, job: &SlurmJob) -> Result<u8> {
    ignore_user_signals();
    let (file, access) = tokio::select! {
        found = find(job, args.timeout) => found?,
        reason = signals::stop() => bail!("{reason} while waiting for the scheduler"),
    };
    let share = Share {
        scheduler: access.address.clone(),
        token: access.token.clone(),
        tls_ca_file: access.tls_ca_file.clone(),
        host: args.host.clone(),
        slots: threads::slots(args.threads, args.workers),
        memory_bytes: child_limit(args.memory_limit, args.workers)?,
        name: worker_name(Some(job)),
    };
    let mut supervisor = supervisor(&args, share)?;
    let deaths = supervisor.deaths();
    let connector = WebSocketConnector { address: None, file: Some(file), hints: Hints::default() };
    let reporting = tokio::spawn(report_deaths(connector, deaths));
    let ended = supervisor.run().await;
    reporting.abort();
    copies::remove(&access.name);
    // What becomes of the step is for the command to say: a worker that was lost on the way was
    // reported, and others did its work.
    ended.context("the supervisor of the workers failed")?;
    Ok(0)
}

/// Waits for the first task's word.
async fn find(job: &SlurmJob, bound: Duration) -> Result<(PathBuf, Access)> {
    let name = job.cluster_name();
    let places = [access::local_path(&name), access::default_path(&name)?];
    let looking = async {
        let mut pause = LOOK_PAUSE_FIRST;
        loop {
            for place in &places {
                if let Ok(access) = Access::read(place)
                    && access.name == name
                {
                    return (place.clone(), access);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    };
    match tokio::time::timeout(bound, looking).await {
        Ok(found) => Ok(found),
        Err(_) => bail!(
            "task {} on {}: timed out after {} s (--timeout) waiting for the scheduler, which task 0 starts: found neither {} nor {}",
            job.procid,
            host_name(),
            bound.as_secs(),
            places[0].display(),
            places[1].display()
        ),
    }
}
