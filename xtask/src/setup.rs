//! `cargo xtask setup`: what tests, demo and dashboard need and a new machine lacks.

use crate::apt::{self, Services};
use crate::command::step;
use crate::options::Flags;
use crate::paths::Paths;
use crate::web::Toolchain;
use crate::{browser, data, python};
use anyhow::Result;
use std::path::PathBuf;

/// A Slurm whose daemons the tests start themselves, what makes hosts for it, and the module system of clusters.
const SLURM_PACKAGES: [&str; 7] =
    ["slurmctld", "slurmd", "slurm-client", "munge", "iproute2", "util-linux", "lmod"];

/// What tests use besides cargo.
pub(crate) struct TestTools {
    /// An interpreter with the packages of other makers' clients.
    pub(crate) python: PathBuf,
    /// The folder of data sets.
    pub(crate) data: PathBuf,
    /// An interpreter with a server of object storage.
    pub(crate) stores: PathBuf,
    /// The checker of metrics.
    pub(crate) promtool: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If something is missing and cannot be had.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["--web", "--browser", "--slurm", "--python"])?;
    let paths = Paths::find()?;
    if flags.has("--web") || flags.is_empty() {
        web(&paths)?;
    }
    if flags.has("--python") || flags.is_empty() {
        test_tools(&paths)?;
    }
    if flags.has("--browser") {
        browser_tools(&paths)?;
    }
    if flags.has("--slurm") {
        slurm()?;
    }
    Ok(())
}

/// What the tests with a real Slurm use.
///
/// # Errors
/// If it cannot be had.
pub(crate) fn slurm() -> Result<()> {
    step("slurm", || apt::install(&SLURM_PACKAGES, Services::Down))
}

/// The tools that build the dashboard.
///
/// # Errors
/// If they cannot be had.
pub(crate) fn web(paths: &Paths) -> Result<Toolchain> {
    step("web tools", || Toolchain::ensure(paths))
}

/// What tests in a browser use: the folder of npm's packages.
///
/// # Errors
/// If something of it cannot be had.
pub(crate) fn browser_tools(paths: &Paths) -> Result<PathBuf> {
    step("browser", || browser::ensure(paths))
}

/// The example data, in its folder.
///
/// # Errors
/// If it cannot be had.
pub(crate) fn flights(paths: &Paths) -> Result<PathBuf> {
    step("example data", || data::flights(paths, &python::ensure(paths)?))
}

/// What tests use besides cargo.
///
/// # Errors
/// If something of it cannot be had.
pub(crate) fn test_tools(paths: &Paths) -> Result<TestTools> {
    let python = step("python packages", || python::ensure(paths))?;
    step("example data", || data::flights(paths, &python))?;
    let stores = step("server of object storage", || python::ensure_stores(paths))?;
    let promtool = step("promtool", || apt::promtool(paths))?;
    Ok(TestTools { python, data: paths.data(), stores, promtool })
}
