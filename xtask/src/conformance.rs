//! `cargo xtask conformance`: runs the test suites of Dask on Partita.
//!
//! The program that does it is `python/conformance`. It takes the suites from packages of PyPI, and
//! those that are in no package from a checkout that the caller has.

use crate::command::{PROGRAM_VARIABLE, exit_code, find_partita, program, status, step};
use crate::options::split_value;
use crate::paths::Paths;
use crate::python;
use anyhow::{Context, Result};
use std::process::ExitCode;

/// Runs the command. Gives a failure if a test fails without a reason, or passes with one.
///
/// # Errors
/// If the environment or the program cannot be made.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let (checkout, suites) = split_value(args, "--checkout", "FOLDER")?;
    if let Some(flag) = suites.iter().find(|arg| arg.starts_with('-')) {
        anyhow::bail!("unknown flag `{flag}`; supported: --checkout");
    }
    let paths = Paths::find()?;
    let python = step("Python environment", || python::ensure_conformance(&paths))?;
    let partita = find_partita(&paths)?;
    let package = paths.root.join("python");
    let mut suite_run = program(&python);
    suite_run.current_dir(&package).env("PYTHONPATH", &package).env(PROGRAM_VARIABLE, partita);
    suite_run.env("PYTHONDONTWRITEBYTECODE", "1");
    suite_run.args(["-m", "conformance", "--document"]);
    suite_run.arg(paths.root.join("docs/compatibility.md"));
    if let Some(folder) = checkout {
        let folder = std::path::absolute(&folder).context("--checkout is not a usable path")?;
        suite_run.arg("--checkout").arg(folder);
    }
    Ok(exit_code(step("suites", || status(suite_run.args(suites)))?))
}
