//! Dask: `dask scheduler` and two `dask worker` processes of one thread, and the same questions.

use crate::measure::{Background, RUNS, median, say, timed};
use crate::opponents::number;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The questions in Dask's words; each run prints a JSON line with its seconds.
const SCRIPT: &str = include_str!("../python/dask_questions.py");

/// Dask in a virtual environment of its own.
pub(crate) struct Dask {
    bin: PathBuf,
    folder: tempfile::TempDir,
}

/// A cluster of it.
pub(crate) struct Running<'a> {
    dask: &'a Dask,
    address: String,
    _processes: Vec<Background>,
}

impl Dask {
    /// Installs it from PyPI, if it is not there.
    pub(crate) fn install() -> Result<Self> {
        let venv = crate::cache()?.join("bench").join("dask");
        let bin = venv.join("bin");
        if !bin.join("dask").exists() {
            say("installing Dask ...");
            timed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            timed(Command::new(bin.join("pip")).args([
                "install",
                "--quiet",
                "dask[dataframe,distributed]",
                "pyarrow",
                "pandas",
            ]))?;
        }
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("questions.py"), SCRIPT)?;
        Ok(Dask { bin, folder })
    }

    /// The folder of its environment.
    pub(crate) fn environment(&self) -> &Path {
        self.bin.parent().unwrap_or(&self.bin)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(self.folder.path());
        command.env("DASK_DISTRIBUTED__WORKER__MEMORY__TARGET", "0.8");
        command
    }

    fn script(&self, args: &[&str]) -> Command {
        let mut command = self.program("python");
        command.arg(self.folder.path().join("questions.py")).args(args);
        command
    }

    /// From nothing to the first answer.
    pub(crate) fn first_answer(&self) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            times.push(timed(&mut self.script(&["first"]))?.0);
        }
        Ok(median(times))
    }

    /// Starts a scheduler and two workers.
    pub(crate) fn start(&self) -> Result<Running<'_>> {
        let address = "tcp://127.0.0.1:38786".to_string();
        let mut processes = Vec::new();
        let mut spawn = |args: &[&str]| -> Result<()> {
            let child = self
                .program("dask")
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            processes.push(Background(child));
            Ok(())
        };
        spawn(&["scheduler", "--host", "127.0.0.1", "--port", "38786", "--no-dashboard"])?;
        for _ in 0..2 {
            spawn(&[
                "worker",
                &address,
                "--nthreads",
                "1",
                "--no-dashboard",
                "--no-nanny",
                "--memory-limit",
                "6GiB",
            ])?;
        }
        timed(&mut self.script(&["wait", &address]))?;
        Ok(Running { dask: self, address, _processes: processes })
    }
}

impl Running<'_> {
    /// Where its scheduler is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The median seconds of a question.
    pub(crate) fn time(&self, name: &str, folder: &Path) -> Result<f64> {
        let folder = folder.display().to_string();
        let (_, text) = timed(&mut self.dask.script(&[name, &self.address, &folder]))?;
        let line = text.lines().last().context("no answer")?;
        let value: serde_json::Value = serde_json::from_str(line)?;
        number(&value, "seconds").context("no time in the answer")
    }
}
