//! `cargo xtask bench`: builds for release and runs the benchmarks.

use crate::command::{self, cargo, exit_code, program, status, step};
use crate::options::split_value;
use crate::paths::Paths;
use crate::{apt, setup};
use anyhow::Result;
use std::process::ExitCode;

/// Runs the command. All arguments are the benchmarks' own, and are checked before the build, which takes minutes.
///
/// # Errors
/// If an argument is not known, or the build fails.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let (_, rest) = split_value(args, "--scale", "FACTOR")?;
    let (_, rest) = split_value(&rest, "--only", "NAME,...")?;
    let known = "--scale FACTOR, --only NAME,..., --without-dask";
    if let Some(other) = rest.iter().find(|arg| *arg != "--without-dask") {
        anyhow::bail!("unknown argument `{other}`; supported: {known}");
    }
    let paths = Paths::find()?;
    step("release build", || {
        let mut build = cargo(&paths);
        build.args([
            "build",
            "--release",
            "--locked",
            "-p",
            "partita-cli",
            "-p",
            "partita-benches",
        ]);
        command::run(&mut build)
    })?;
    let mut benches = program(paths.binary("release", "partita-benches"));
    if apt::is_root()? {
        // The Slurm of the tests is brought up for its part, which needs namespaces.
        setup::slurm()?;
        benches.env("PARTITA_BENCH_SLURM", "1");
    }
    let ended = step("benchmarks", || status(benches.current_dir(&paths.root).args(args)))?;
    Ok(exit_code(ended))
}
