//! Slurm's programs, by their machine-readable output. They may be slow or fail: each call has a
//! bound, and an error says what was called.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long one of Slurm's programs may take. A busy controller lets them wait for its own
/// `MessageTimeout` of some ten seconds, and they try again.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an error that are shown.
const ERROR_BYTES_MAX: usize = 500;
/// What stands between the fields of a line: no state, reason or time holds it.
const SEPARATOR: char = '|';

/// A job as `squeue` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedJob {
    pub(super) id: u64,
    /// Such as `PENDING`.
    pub(super) state: String,
    /// Why it waits, such as `Resources`; `None` if it does not.
    pub(super) reason: String,
    /// Its nodes, once it has some.
    pub(super) nodes: String,
}

impl QueuedJob {
    pub(super) fn is_pending(&self) -> bool {
        !matches!(self.state.as_str(), "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED")
    }
}

impl std::fmt::Display for QueuedJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.to_lowercase();
        match (self.is_pending(), self.nodes.is_empty()) {
            (true, _) => write!(f, "job {} {state}: {}", self.id, self.reason),
            (false, true) => write!(f, "job {} {state}", self.id),
            (false, false) => write!(f, "job {} {state} on {}", self.id, self.nodes),
        }
    }
}

/// What is submitted.
#[derive(Clone, Debug)]
pub(super) struct Submission {
    /// The name of the jobs, by which they are found again.
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) access_file: PathBuf,
    pub(super) nworkers: u32,
    /// Lines of the script before the workers start.
    pub(super) prologue: Vec<String>,
    /// Options of `sbatch`.
    pub(super) options: Vec<String>,
}

impl Submission {
    /// The batch script. It holds no secret: the access file is read on the nodes.
    fn script(&self) -> String {
        let prologue: String =
            self.prologue.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        format!(
            "#!/bin/bash\n\
            {prologue}\
            # srun does not take the processors of a task from the job by itself.\n\
            exec srun ${{SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}} \\\n  \
            {} worker --scheduler-file={} --nworkers={}\n",
            quoted(&self.program.display().to_string()),
            quoted(&self.access_file.display().to_string()),
            self.nworkers
        )
    }
}

/// A word of a shell's command line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The programs; tests put others in their places.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) sbatch: OsString,
    pub(super) squeue: OsString,
    pub(super) scancel: OsString,
    pub(super) timeout: Duration,
}

impl Default for Programs {
    fn default() -> Self {
        Programs {
            sbatch: "sbatch".into(),
            squeue: "squeue".into(),
            scancel: "scancel".into(),
            timeout: CALL_TIMEOUT,
        }
    }
}

impl Programs {
    /// Submits a job, and returns its id.
    pub(super) async fn submit(&self, submission: &Submission) -> Result<u64> {
        let mut command = Command::new(&self.sbatch);
        command.args(["--parsable", "--job-name", &submission.name]);
        command.arg("--output=partita-worker-%j.out").args(&submission.options);
        // The job's environment is its own: this may run inside another job.
        for (name, _) in std::env::vars_os() {
            let foreign = ["SLURM_", "SRUN_", "SBATCH_"];
            if foreign.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        let text = self.call(command, submission.script()).await.context("sbatch")?;
        let id = text.trim().split(';').next().unwrap_or_default();
        id.parse().with_context(|| format!("expected a job id from sbatch, got `{}`", text.trim()))
    }

    /// This user's jobs of that name that have not ended.
    pub(super) async fn queue(&self, name: &str) -> Result<Vec<QueuedJob>> {
        let mut command = Command::new(&self.squeue);
        let format = ["%A", "%T", "%r", "%N"].join(&SEPARATOR.to_string());
        command.args(["--noheader", "--me", "--name", name, "--format", &format]);
        let text = self.call(command, String::new()).await.context("squeue")?;
        text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
    }

    /// Cancels jobs.
    pub(super) async fn cancel(&self, ids: &[u64]) -> Result<()> {
        let mut command = Command::new(&self.scancel);
        command.args(ids.iter().map(u64::to_string));
        self.call(command, String::new()).await.context("scancel").map(drop)
    }

    async fn call(&self, mut command: Command, input: String) -> Result<String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("cannot start the program")?;
        let stdin = child.stdin.take();
        let talking = async move {
            if let Some(mut stdin) = stdin {
                // One that ends without reading says why by its exit code.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            child.wait_with_output().await
        };
        let Ok(output) = tokio::time::timeout(self.timeout, talking).await else {
            bail!("timed out after {} s", self.timeout.as_secs());
        };
        let output = output?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let error: String = error.trim().chars().take(ERROR_BYTES_MAX).collect();
            bail!("{}: {error}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn parse(line: &str) -> Result<QueuedJob> {
    let mut fields = line.trim().split(SEPARATOR).map(str::to_string);
    let mut next =
        || fields.next().with_context(|| format!("cannot parse the output of squeue: `{line}`"));
    let id = next()?;
    let id = id.parse().with_context(|| format!("cannot parse the output of squeue: `{line}`"))?;
    Ok(QueuedJob { id, state: next()?, reason: next()?, nodes: next()? })
}
