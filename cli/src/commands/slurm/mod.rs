//! `partita slurm`: worker jobs for a cluster that runs.
//!
//! Each is a batch job of its own that starts workers by the cluster's access file. All calls of
//! Slurm go through [`programs`]; [`policy`] makes the decisions and knows neither Slurm's programs
//! nor a clock.

mod follow;
mod migrate;
mod policy;
mod programs;
#[cfg(test)]
mod tests;

use crate::args::slurm::{AdaptArgs, ScaleArgs, SlurmArgs, SlurmCommand, WorkerJobs};
use crate::commands::this_program;
use anyhow::{Context, Result, bail};
use partita_client::Control;
use partita_shared::access::{self, Access};
use policy::{Bounds, Policy, Seen};
use programs::{Programs, Submission};
use std::path::PathBuf;

pub(crate) async fn run(args: SlurmArgs) -> Result<u8> {
    match args.command {
        SlurmCommand::Scale(args) => scale(args).await,
        SlurmCommand::Adapt(args) => adapt(args).await,
    }
}

/// The access file of the cluster that is meant: jobs read it on their nodes.
fn access_file(jobs: &WorkerJobs) -> Result<(PathBuf, Access)> {
    let found = crate::cluster::find(&jobs.target)?;
    if let Some(file) = &jobs.target.scheduler_file {
        let file =
            std::path::absolute(file).context("cannot resolve the path of the access file")?;
        return Ok((file, found));
    }
    if let Some(name) = &jobs.target.cluster {
        return Ok((access::default_path(name)?, found));
    }
    let all = access::list()?;
    let same = all.into_iter().find(|(_, access)| access.address == found.address);
    let Some((file, access)) = same else {
        bail!(
            "cannot find the access file of the cluster at {}, which worker jobs need; pass it with --scheduler-file",
            found.address
        );
    };
    Ok((file, access))
}

fn submission(jobs: &WorkerJobs) -> Result<(Submission, Access)> {
    let (file, access) = access_file(jobs)?;
    let program = this_program()?;
    let name = match access.name.is_empty() {
        true => "partita-workers".to_string(),
        false => format!("partita-{}", access.name),
    };
    let submission = Submission {
        name,
        program,
        access_file: file,
        nworkers: jobs.nworkers,
        prologue: jobs.prologue.clone(),
        options: jobs.options.clone(),
    };
    Ok((submission, access))
}

async fn scale(args: ScaleArgs) -> Result<u8> {
    let (submission, access) = submission(&args.worker_jobs)?;
    let programs = Programs::default();
    let mut jobs = programs.queue(&submission.name).await?;
    let there = jobs.len() as u32;
    for _ in there..args.jobs {
        let id = programs.submit(&submission).await?;
        say!("submitted job {id}");
    }
    // Those that have not begun go first, then the latest.
    jobs.sort_by_key(|job| (job.is_pending(), job.id));
    let surplus: Vec<u64> = jobs.iter().skip(args.jobs as usize).map(|job| job.id).collect();
    if !surplus.is_empty() {
        cancel(&programs, &access, surplus).await?;
    }
    for job in programs.queue(&submission.name).await? {
        say!("{job}");
    }
    Ok(0)
}

/// Cancels jobs, after their workers have migrated what others still want. The last that holds some of it stays.
async fn cancel(programs: &Programs, access: &Access, mut jobs: Vec<u64>) -> Result<()> {
    let mut seen = Seen::default();
    migrate::look(&mut Control::connect(access).await?, &mut seen).await?;
    if let Some(last) = migrate::last_holder(&jobs, &seen) {
        jobs.retain(|id| *id != last);
        say!(
            "kept job {last}: it has the last workers, and they hold {}; drop the tables, or cancel the job with `scancel {last}`",
            migrate::what_it_holds(last, &seen)
        );
    }
    if migrate::must_migrate(&jobs, &seen) {
        say!("waiting for the workers to migrate their partitions");
        if !migrate::retire(access, &jobs).await? {
            say!(
                "the workers are still migrating their partitions; their jobs end when that is done"
            );
            jobs.retain(|id| !seen.workers.contains_key(id));
        }
    }
    if !jobs.is_empty() {
        programs.cancel(&jobs).await?;
    }
    for id in jobs {
        say!("cancelled job {id}");
    }
    Ok(())
}

async fn adapt(args: AdaptArgs) -> Result<u8> {
    if args.min > args.max {
        bail!("--min {} is greater than --max {}", args.min, args.max);
    }
    let (submission, access) = submission(&args.worker_jobs)?;
    let bounds = Bounds {
        min: args.min,
        max: args.max,
        idle: args.idle,
        slots_hint: policy::slots_of(&args.worker_jobs.options),
    };
    let policy = Policy::new(bounds);
    follow::run(Programs::default(), submission, access, policy, args.interval).await
}
