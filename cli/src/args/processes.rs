//! Arguments of the commands that start a scheduler or workers, until someone ends them.

use super::{PLAINTEXT_VARIABLE, PYTHON_VARIABLE, SecurityArgs, memory_limit};
use clap::Args as ClapArgs;
use partita_shared::access::{CA_VARIABLE, FILE_VARIABLE, SCHEDULER_VARIABLE};
use partita_shared::limits::{DEFAULT_PORT, RESOURCE_AMOUNT_MAX, RESOURCE_NAME_CHARS_MAX};
use partita_shared::units::{MemoryLimit, parse_duration as duration};
use std::path::PathBuf;
use std::time::Duration;

/// `partita scheduler`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SchedulerArgs {
    /// Address to listen on [default: all addresses of this machine]
    #[arg(long, env = "PARTITA_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Network interface to listen on, e.g. ib0
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// Port to listen on; 0 chooses a free port
    #[arg(long, env = "PARTITA_PORT", default_value_t = DEFAULT_PORT)]
    pub(crate) port: u16,
    /// Name of the cluster and of its access file [default: `default`, or slurm-JOB inside a Slurm job]
    #[arg(long, env = "PARTITA_NAME")]
    pub(crate) name: Option<String>,
    /// Write the access file to FILE [default: ~/.partita/NAME.json]
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// Do not serve the dashboard
    #[arg(long)]
    pub(crate) no_dashboard: bool,
    /// How connections are protected
    #[command(flatten)]
    pub(crate) security: SecurityArgs,
    /// Write an event journal to FILE, for `partita dashboard --replay` [default: NAME.journal beside the
    /// access file]
    #[arg(long, env = "PARTITA_JOURNAL", value_name = "FILE", conflicts_with = "no_journal")]
    pub(crate) journal: Option<PathBuf>,
    /// Do not write a journal
    #[arg(long)]
    pub(crate) no_journal: bool,
    /// Write the process id to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Shut down after being idle this long, e.g. 30m
    #[arg(long, env = "PARTITA_IDLE_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Stop planning a statement after this long
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
    /// Scheduler address, tcp://host:port or host:port [default: the address in the access file]
    #[arg(value_name = "ADDRESS", env = SCHEDULER_VARIABLE)]
    pub(crate) address: Option<String>,
    /// Access file of the scheduler [default: the one in ~/.partita]
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// Cluster name, if several clusters are running or the cluster belongs to another Slurm job
    #[arg(long, env = "PARTITA_CLUSTER", value_name = "NAME", conflicts_with = "scheduler_file")]
    pub(crate) cluster: Option<String>,
    /// Number of worker processes; a process that dies is restarted
    #[arg(long, env = "PARTITA_NWORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nworkers: u32,
    /// Slots of each worker, i.e. tasks that run at once [default: the available CPUs, divided among the workers]. A small memory limit allows fewer: one for each 64 MiB after 96 MiB
    #[arg(long, env = "PARTITA_NTHREADS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) nthreads: Option<u32>,
    /// Memory limit of each worker: bytes, 8GiB, a fraction of the available memory such as 0.4, or auto
    #[arg(long, env = "PARTITA_MEMORY_LIMIT", default_value = "auto", value_parser = memory_limit)]
    pub(crate) memory_limit: MemoryLimit,
    /// Folder for spilled data [default: $SLURM_TMPDIR, else $TMPDIR]
    #[arg(long, env = "PARTITA_LOCAL_DIRECTORY", value_name = "FOLDER")]
    pub(crate) local_directory: Option<PathBuf>,
    /// Worker name [default: host name and process id]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address to listen on [default: all addresses of this machine]
    #[arg(long, env = "PARTITA_HOST")]
    pub(crate) host: Option<String>,
    /// Network interface to listen on, e.g. ib0
    #[arg(long, env = "PARTITA_INTERFACE", value_name = "NAME", conflicts_with = "host")]
    pub(crate) interface: Option<String>,
    /// Port to listen on; 0 chooses a free port
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Host or host:port that others use to reach this worker [default: the address that the scheduler sees]
    #[arg(
        long,
        env = "PARTITA_CONTACT_ADDRESS",
        value_name = "ADDRESS",
        conflicts_with = "nworkers"
    )]
    pub(crate) contact_address: Option<String>,
    /// Retire after this long, e.g. 55m
    #[arg(long, env = "PARTITA_LIFETIME", value_name = "DURATION", value_parser = duration)]
    pub(crate) lifetime: Option<Duration>,
    /// Exit if no scheduler answers for this long
    #[arg(long, env = "PARTITA_DEATH_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) death_timeout: Duration,
    /// Recognize the scheduler by a certificate that the authorities in FILE (PEM) vouch for [default: by the fingerprint in the token]
    #[arg(long, env = CA_VARIABLE, value_name = "FILE", conflicts_with = "plaintext")]
    pub(crate) tls_ca_file: Option<PathBuf>,
    /// Connect only to a cluster that does not encrypt; PARTITA_TOKEN may then be only the secret
    #[arg(long, env = PLAINTEXT_VARIABLE)]
    pub(crate) plaintext: bool,
    /// Python that runs the functions of clients [default: that of the client if it is on this machine, else the one of $VIRTUAL_ENV or $CONDA_PREFIX, else python3]
    #[arg(long, env = PYTHON_VARIABLE, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// Resources that tasks may need for themselves while they run, e.g. GPU=2,MEM=10e9
    #[arg(long, env = "PARTITA_RESOURCES", value_name = "NAME=AMOUNT", value_delimiter = ',', value_parser = resource)]
    pub(crate) resources: Vec<(String, u64)>,
    /// When the worker was first started, in milliseconds since 1970: after a restart it has the rest of its lifetime
    #[arg(long, hide = true, value_name = "MILLISECONDS", overrides_with = "since")]
    pub(crate) since: Option<u64>,
    /// Accepted for compatibility; workers do not serve a dashboard
    #[arg(long)]
    pub(crate) no_dashboard: bool,
}

/// Reads a resource, `GPU=2`: its name, and its amount in thousandths.
fn resource(text: &str) -> Result<(String, u64), String> {
    let (name, amount) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not of the form NAME=AMOUNT, e.g. GPU=2"))?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > RESOURCE_NAME_CHARS_MAX {
        return Err(format!("a resource has a name of 1 to {RESOURCE_NAME_CHARS_MAX} characters"));
    }
    let amount: f64 =
        amount.trim().parse().map_err(|_| format!("{amount:?} is not a number, e.g. 2 or 10e9"))?;
    let thousandths = (amount * 1000.0).round();
    if !(0.0..=RESOURCE_AMOUNT_MAX as f64).contains(&thousandths) {
        return Err(format!("{amount} is not an amount that a worker can have"));
    }
    Ok((name.to_string(), thousandths as u64))
}
