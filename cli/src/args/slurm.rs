//! `partita slurm`

use super::Target;
use clap::{Args as ClapArgs, Subcommand};
use partita_shared::units::parse_duration as duration;
use std::time::Duration;

/// `partita slurm`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SlurmArgs {
    /// The command
    #[command(subcommand)]
    pub(crate) command: SlurmCommand,
}

/// A command about worker jobs.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SlurmCommand {
    /// Scale to N worker jobs, submitting or cancelling as needed
    Scale(ScaleArgs),
    /// Follow the load until interrupted: submit worker jobs when tasks wait, cancel idle ones
    Adapt(AdaptArgs),
}

/// `partita slurm scale`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ScaleArgs {
    /// Number of worker jobs
    #[arg(value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) jobs: u32,
    /// Worker jobs
    #[command(flatten)]
    pub(crate) worker_jobs: WorkerJobs,
}

/// `partita slurm adapt`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AdaptArgs {
    /// Minimum number of worker jobs
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) min: u32,
    /// Maximum number of worker jobs
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max: u32,
    /// Cancel a job whose workers have been idle this long
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) idle: Duration,
    /// Polling interval
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub(crate) interval: Duration,
    /// Worker jobs
    #[command(flatten)]
    pub(crate) worker_jobs: WorkerJobs,
}

/// Settings of worker jobs.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WorkerJobs {
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Worker processes in each task of a job
    #[arg(long, env = "PARTITA_NWORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nworkers: u32,
    /// Line of the job script before the workers start, e.g. 'module load python'; may be given several times
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) prologue: Vec<String>,
    /// Options of sbatch, e.g. --cpus-per-task=6 --mem=8G --time=1:00:00
    #[arg(last = true, value_name = "SBATCH OPTIONS")]
    pub(crate) options: Vec<String>,
}
