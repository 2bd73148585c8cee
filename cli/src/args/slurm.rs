//! `partita slurm`

use super::Target;
use clap::{Args as ClapArgs, Subcommand};
use partita_shared::units::parse_duration as duration;
use std::time::Duration;

/// `partita slurm`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SlurmArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: SlurmCommand,
}

/// What to do with worker jobs.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SlurmCommand {
    /// Have so many worker jobs: submit those that are missing, cancel those that are too many
    Scale(ScaleArgs),
    /// Follow the load until interrupted: submit worker jobs when tasks wait, cancel idle ones
    Adapt(AdaptArgs),
}

/// `partita slurm scale`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ScaleArgs {
    /// How many worker jobs there should be
    #[arg(value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) jobs: u32,
    /// What jobs are like
    #[command(flatten)]
    pub(crate) worker_jobs: WorkerJobs,
}

/// `partita slurm adapt`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AdaptArgs {
    /// The fewest worker jobs
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) min: u32,
    /// The most worker jobs
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max: u32,
    /// How long a job's workers may have nothing to do before it is cancelled
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) idle: Duration,
    /// How often to look
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub(crate) interval: Duration,
    /// What jobs are like
    #[command(flatten)]
    pub(crate) worker_jobs: WorkerJobs,
}

/// What worker jobs are like.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WorkerJobs {
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
    /// Worker processes of each task of a job
    #[arg(long, env = "PARTITA_NWORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nworkers: u32,
    /// Options of sbatch, such as --cpus-per-task=6 --mem=8G --time=1:00:00
    #[arg(last = true, value_name = "SBATCH OPTIONS")]
    pub(crate) options: Vec<String>,
}
