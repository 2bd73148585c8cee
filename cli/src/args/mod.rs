//! What may be typed.

pub(crate) mod slurm;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use partita_shared::access::{FILE_VARIABLE, SCHEDULER_VARIABLE};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::limits::DEFAULT_PORT;
use partita_shared::units::{
    MemoryLimit, UnitError, parse_duration as duration, parse_memory_limit,
};
use std::path::PathBuf;
use std::time::Duration;

fn memory_limit(text: &str) -> Result<MemoryLimit, UnitError> {
    parse_memory_limit(text)
}

/// Partitioned computations over many cores and many nodes: a scheduler, workers, queries.
#[derive(Debug, Parser)]
#[command(name = "partita", version, propagate_version = true, infer_subcommands = true)]
#[deny(missing_docs)]
pub(crate) struct Args {
    /// What the log says: error, warn, info, debug, trace, or a filter such as `partita_worker=debug`
    #[arg(
        long,
        global = true,
        env = "PARTITA_LOG",
        value_name = "LEVEL",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub(crate) log: Option<String>,
    /// How the log is written, to standard error
    #[arg(
        long,
        global = true,
        env = "PARTITA_LOG_FORMAT",
        default_value = "text",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub(crate) log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// How a listing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Columns for people
    Table,
    /// One JSON document
    Json,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Json,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file (with --output-file)
    Parquet,
}

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressFormat {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// Bars
    Bars,
    /// One plain line every few seconds
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

/// Which cluster.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Target {
    /// The scheduler: tcp://host:port or host:port; its token comes from PARTITA_TOKEN or its access file
    #[arg(long, env = SCHEDULER_VARIABLE, value_name = "ADDRESS")]
    pub(crate) scheduler: Option<String>,
    /// The access file that the scheduler wrote, instead of the one in ~/.partita
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// The cluster's name, where several are running
    #[arg(long, env = "PARTITA_CLUSTER", value_name = "NAME", conflicts_with = "scheduler_file")]
    pub(crate) cluster: Option<String>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scheduler
    Scheduler(SchedulerArgs),
    /// Run a worker, or several under a supervisor
    Worker(WorkerArgs),
    /// Run a command with a scheduler and workers around it: on this machine, or, as `srun partita
    /// run`, on all nodes of a Slurm job
    Run(RunArgs),
    /// Run SQL over files: on a cluster if one is there, else inside this process
    Sql(SqlArgs),
    /// Wait until workers are there
    Wait(WaitArgs),
    /// Show the cluster in a few figures
    Status(ListArgs),
    /// List the workers
    Workers(ListArgs),
    /// List the jobs
    Jobs(ListArgs),
    /// List the tables that workers hold (CREATE TABLE name AS query makes one)
    Tables(ListArgs),
    /// Stop a job
    Cancel(CancelArgs),
    /// Have workers hand over what they hold and leave
    Retire(RetireArgs),
    /// End the cluster: scheduler and workers
    Shutdown(Target),
    /// Print the link to the dashboard, and the tunnel that leads to it; or show a journal
    Dashboard(DashboardArgs),
    /// Put a journal and the pages that show it in one HTML file that needs no network
    Report(ReportArgs),
    /// Print where a cluster is and the token that opens it, as JSON, for programs
    Access(AccessArgs),
    /// Worker jobs on Slurm for a cluster that runs
    Slurm(slurm::SlurmArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Measure what a task that does nothing costs
    #[command(hide = true)]
    EmptyTasks(EmptyTasksArgs),
}

/// `partita access`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AccessArgs {
    /// The scheduler: tcp://host:port or host:port; the default is the one of the access file
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `partita scheduler`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SchedulerArgs {
    /// The address to listen on; the default is every address of this machine
    #[arg(long, env = "PARTITA_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The network interface to listen on, such as ib0, instead of naming its address
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, env = "PARTITA_PORT", default_value_t = DEFAULT_PORT)]
    pub(crate) port: u16,
    /// The cluster's name, and its access file's; the default is `default`, and slurm-JOB inside a
    /// Slurm job
    #[arg(long, env = "PARTITA_NAME")]
    pub(crate) name: Option<String>,
    /// Where to write the access file, instead of ~/.partita/NAME.json
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// Do not serve the dashboard
    #[arg(long)]
    pub(crate) no_dashboard: bool,
    /// Where to write down what happens, for `partita dashboard --replay`; the default is NAME.journal
    /// beside the access file
    #[arg(long, env = "PARTITA_JOURNAL", value_name = "FILE", conflicts_with = "no_journal")]
    pub(crate) journal: Option<PathBuf>,
    /// Write down nothing of what happens
    #[arg(long)]
    pub(crate) no_journal: bool,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// End after so long without a job, such as 30m
    #[arg(long, env = "PARTITA_IDLE_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Give up planning a statement after this long
    #[arg(
        long,
        env = "PARTITA_PLANNING_TIMEOUT",
        value_name = "DURATION",
        default_value = "60s",
        value_parser = duration
    )]
    pub(crate) planning_timeout: Duration,
}

/// `partita worker`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WorkerArgs {
    /// The scheduler: tcp://host:port or host:port; the default is the one of the access file
    #[arg(value_name = "ADDRESS", env = SCHEDULER_VARIABLE)]
    pub(crate) address: Option<String>,
    /// The access file that the scheduler wrote, instead of the one in ~/.partita
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// The cluster's name, where several are running or this is another Slurm job
    #[arg(long, env = "PARTITA_CLUSTER", value_name = "NAME", conflicts_with = "scheduler_file")]
    pub(crate) cluster: Option<String>,
    /// Worker processes, started again if they die
    #[arg(long, env = "PARTITA_NWORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nworkers: u32,
    /// Tasks at once in each worker; the default is what Slurm or the system gives, shared
    #[arg(long, env = "PARTITA_NTHREADS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nthreads: Option<u32>,
    /// Memory of each worker: bytes, 8GiB, a share such as 0.4 of what this process may use, or auto
    #[arg(long, env = "PARTITA_MEMORY_LIMIT", default_value = "auto", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Where to keep what does not fit in memory; the default is $SLURM_TMPDIR, else $TMPDIR
    #[arg(long, env = "PARTITA_LOCAL_DIRECTORY", value_name = "FOLDER")]
    pub(crate) local_directory: Option<PathBuf>,
    /// The worker's name; the default is made of host and process id
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The address to listen on; the default is every address of this machine
    #[arg(long, env = "PARTITA_HOST")]
    pub(crate) host: Option<String>,
    /// The network interface to listen on, such as ib0, instead of naming its address
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The host, or host:port, under which others reach this worker, if it is not what the scheduler sees
    #[arg(
        long,
        env = "PARTITA_CONTACT_ADDRESS",
        value_name = "ADDRESS",
        conflicts_with = "nworkers"
    )]
    pub(crate) contact_address: Option<String>,
    /// Leave after so long, such as 55m
    #[arg(long, env = "PARTITA_LIFETIME", value_name = "DURATION", value_parser = duration)]
    pub(crate) lifetime: Option<Duration>,
    /// End if no scheduler answers for so long
    #[arg(long, env = "PARTITA_DEATH_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) death_timeout: Duration,
    /// Accepted for job scripts that have it: a worker has no dashboard of its own
    #[arg(long)]
    pub(crate) no_dashboard: bool,
}

/// The workers that `partita run` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// All that are to come.
    All,
    /// So many.
    Count(u32),
}

fn awaited(text: &str) -> Result<Awaited, String> {
    match text {
        "all" => Ok(Awaited::All),
        number => number
            .parse()
            .map(Awaited::Count)
            .map_err(|_| "write a number of workers, or `all`".to_string()),
    }
}

/// `partita run`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Worker processes, of each task under srun; the default is one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) workers: u32,
    /// Tasks at once in each worker; the default shares the processors among the workers, and under
    /// srun leaves one of the first task's to the scheduler and the command
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Memory of each worker: bytes, 8GiB, a share such as 0.4, or auto
    #[arg(long, env = "PARTITA_MEMORY_LIMIT", default_value = "auto", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Where to keep what does not fit in memory
    #[arg(long, env = "PARTITA_LOCAL_DIRECTORY", value_name = "FOLDER")]
    pub(crate) local_directory: Option<PathBuf>,
    /// The port of the scheduler; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The address to listen on; the default is every address inside a Slurm job, else the loopback
    #[arg(long, env = "PARTITA_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// The network interface to listen on, such as ib0, instead of naming its address
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// Workers that must be ready before the command begins: a number, or `all`
    #[arg(long, value_name = "N", value_parser = awaited, default_value = "all")]
    pub(crate) wait: Awaited,
    /// How long the workers may take to be ready
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
    /// Where to write down what happens, for `partita dashboard --replay` and `partita report`
    #[arg(long, env = "PARTITA_JOURNAL", value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// No link to the dashboard and no bars, for logs
    #[arg(long, env = "PARTITA_HEADLESS")]
    pub(crate) headless: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// `partita sql`
#[derive(Clone, Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("what"))]
pub(crate) struct SqlArgs {
    /// The query; with `-`, statements are read from standard input, and without one too, or at a prompt if that
    /// is a terminal
    #[arg(group = "what")]
    pub(crate) query: Option<String>,
    /// A file of statements, separated by semicolons
    #[arg(short, long, group = "what", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
    /// How the rows are written [default: what the name of the file says, or table]
    #[arg(long, env = "PARTITA_OUTPUT")]
    pub(crate) output: Option<RowFormat>,
    /// Where the rows of the last statement are written, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Show the plan, cut into groups of tasks, and do not run it
    #[arg(long, conflicts_with = "analyze")]
    pub(crate) explain: bool,
    /// Run, and show the plan with what each operator did instead of the rows
    #[arg(long)]
    pub(crate) analyze: bool,
    /// The job's priority: with 2 it gets twice the slots of a job with 1
    #[arg(long, default_value_t = 1, env = "PARTITA_PRIORITY", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) priority: u32,
    /// How progress is shown, on standard error
    #[arg(long, default_value = "auto", env = "PARTITA_PROGRESS")]
    pub(crate) progress: ProgressFormat,
    /// No bars: one plain line every few seconds
    #[arg(long, env = "PARTITA_HEADLESS")]
    pub(crate) headless: bool,
    /// Run inside this process even if a cluster is there
    #[arg(long)]
    pub(crate) embedded: bool,
    /// Threads of the cluster inside this process; the default is the processors
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Memory of the cluster inside this process
    #[arg(long, default_value = "auto", env = "PARTITA_MEMORY_LIMIT", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Rows that a table shows at most; the default is 1000, and 40 at the prompt
    #[arg(long)]
    pub(crate) max_rows: Option<usize>,
}

/// `partita wait`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WaitArgs {
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
    /// How many workers
    #[arg(long)]
    pub(crate) workers: u32,
    /// How long to wait
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
}

/// `partita status`, `workers`, `jobs`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
    /// How it is written
    #[arg(long, default_value = "table")]
    pub(crate) output: ListFormat,
}

/// `partita cancel`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CancelArgs {
    /// The job, such as job-7 or 7
    pub(crate) job: JobId,
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `partita retire`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RetireArgs {
    /// The workers, such as worker-3 or 3
    #[arg(required = true)]
    pub(crate) workers: Vec<WorkerId>,
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `partita dashboard`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DashboardArgs {
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
    /// Serve the pages of this journal instead, until interrupted
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    /// The address on which a journal is served
    #[arg(long, default_value = "127.0.0.1", requires = "replay")]
    pub(crate) host: String,
    /// The port on which a journal is served; 0 takes any that is free
    #[arg(long, default_value_t = 0, requires = "replay")]
    pub(crate) port: u16,
}

/// `partita report`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// The journal
    pub(crate) journal: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub(crate) output_file: PathBuf,
}

/// `partita empty-tasks`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct EmptyTasksArgs {
    /// How many tasks
    #[arg(default_value_t = 100_000)]
    pub(crate) count: u32,
    /// Which cluster
    #[command(flatten)]
    pub(crate) target: Target,
}
