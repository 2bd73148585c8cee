//! One module for each command, or for a few that are alike.

mod demo;
mod details;
mod journals;
mod licenses;
mod links;
mod listing;
mod manual;
mod net;
mod profile;
mod run;
mod scheduler;
mod signals;
mod slurm;
mod sql;
mod worker;

pub(crate) use run::StartError;

use crate::args::{AccessArgs, Args, Command, Target};
use crate::cluster::find;
use anyhow::{Context, Result};
use clap::CommandFactory;
use partita_shared::access::AccessError;
use std::path::PathBuf;
use tokio::runtime::{Builder, Runtime};

/// Does what was asked. The number is the exit code.
pub(crate) fn run(args: Args) -> Result<u8> {
    match args.command {
        Command::Scheduler(args) => serving()?.block_on(scheduler::run(args)),
        Command::Worker(args) => worker::run(args),
        Command::Run(args) => serving()?.block_on(run::run(args)),
        Command::Sql(args) => serving()?.block_on(sql::run(args)),
        Command::Wait(args) => asking()?.block_on(listing::wait(args)),
        Command::Status(args) => asking()?.block_on(listing::status(args)),
        Command::Workers(args) => asking()?.block_on(listing::workers(args)),
        Command::Jobs(args) => asking()?.block_on(listing::jobs(args)),
        Command::Tables(args) => asking()?.block_on(listing::tables(args)),
        Command::Access(args) => access(&args),
        Command::Task(args) => asking()?.block_on(details::task(args)),
        Command::Logs(args) => asking()?.block_on(details::logs(args)),
        Command::Profile(args) => asking()?.block_on(profile::profile(args)),
        Command::Cancel(args) => asking()?.block_on(listing::cancel(args)),
        Command::Retire(args) => asking()?.block_on(listing::retire(args)),
        Command::Restart(args) => asking()?.block_on(listing::restart(args)),
        Command::Shutdown(target) => asking()?.block_on(listing::shutdown(target)),
        Command::Dashboard(args) => match &args.replay {
            Some(journal) => serving()?.block_on(journals::replay(journal, &args)),
            None => links::dashboard(&args.target),
        },
        Command::Slurm(args) => asking()?.block_on(slurm::run(args)),
        Command::Report(args) => journals::report(&args),
        Command::EmptyTasks(args) => asking()?.block_on(listing::empty_tasks(args)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "partita", &mut script);
            say_part!("{}", String::from_utf8_lossy(&script));
            Ok(0)
        }
        Command::Demo(args) => serving()?.block_on(demo::run(&args)),
        Command::Licenses => licenses::print(),
        Command::Man { folder } => manual::write(&folder),
    }
}

/// The exit code of `partita access` if no cluster is named anywhere and none runs: the Python
/// package starts one then, and only then.
const NO_CLUSTER_CODE: u8 = 3;

/// Prints where a cluster is and the token that opens it.
fn access(args: &AccessArgs) -> Result<u8> {
    let scheduler = args.address.clone().or_else(|| args.target.scheduler.clone());
    let target = Target { scheduler, ..args.target.clone() };
    match find(&target) {
        Ok(access) => say!("{}", serde_json::to_string(&access)?),
        Err(error @ AccessError::NoCluster { .. }) => {
            eprintln!("error: {error}");
            return Ok(NO_CLUSTER_CODE);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(0)
}

/// The path of this program, to start it once more.
fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this program")
}

/// The runtime of a program that others wait for.
fn serving() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        // The scheduler's plans are freed where their clients' calls end.
        .thread_stack_size(partita_scheduler::STACK_BYTES)
        .enable_all()
        .build()
        .context("cannot start the threads of the runtime")
}

/// The runtime of a program that asks one question.
fn asking() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
