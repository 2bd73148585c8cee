//! `cargo xtask demo`: a cluster on this machine and three questions of a year of flights.

use crate::command::{self, cargo, exit_code, program, status, step};
use crate::dashboard;
use crate::mirror::Mirror;
use crate::options::Flags;
use crate::paths::Paths;
use crate::setup;
use anyhow::Result;
use std::path::Path;
use std::process::{ExitCode, Stdio};

/// The profile of the program: the one that is built soonest.
const PROFILE: &str = "demo";

/// Runs the command. Gives the exit code of the cluster's run.
///
/// The page comes last: its tools take longer to build than the answers.
///
/// # Errors
/// If something cannot be built or installed.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let flags = Flags::parse(args, &["--no-dashboard"])?;
    let paths = Paths::find()?;
    let has_dashboard = !flags.has("--no-dashboard");
    let steps = if has_dashboard { 4 } else { 3 };
    announce(1, steps, "Build Partita", "first time: about 15 minutes on two cores");
    build(&Mirror::of(&paths)?.paths)?;
    announce(2, steps, "Get the flights of a year", "first time: about a minute");
    let data = setup::flights(&paths)?;
    let partita = paths.binary(PROFILE, "partita");
    let journal = paths.cache.join("demo.journal");
    let mut cluster = program(&partita);
    cluster.args(["demo", "--no-wait", "--data"]).arg(&data).arg("--journal").arg(&journal);
    announce(3, steps, "Ask three questions", "about ten seconds");
    println!("  {}\n", command::shown(&cluster));
    let ended = status(&mut cluster)?;
    if ended.success() {
        if has_dashboard {
            announce(4, steps, "Build the dashboard", "first time: about 15 minutes on two cores");
            let mirror = Mirror::of(&paths)?;
            dashboard::build_if_possible(&mirror.paths)?;
            build(&mirror.paths)?;
            print_report(&partita, &journal)?;
        }
        println!("\nThe program: {}", partita.display());
        println!("README.md describes the rest, with a first Slurm job.");
    }
    Ok(exit_code(ended))
}

/// Says which step of how many begins, and how long it takes.
fn announce(number: u32, steps: u32, what: &str, time: &str) {
    println!("\n[{number}/{steps}] {what} ({time})");
}

fn build(paths: &Paths) -> Result<()> {
    step("build", || {
        let mut build = cargo(paths);
        build.args(["build", "--locked", "--profile", PROFILE, "-p", "partita-cli"]);
        command::run(&mut build)
    })
}

/// Writes a report: the dashboard of the demo's cluster, which has shut down.
fn print_report(partita: &Path, journal: &Path) -> Result<()> {
    let report = journal.with_extension("html");
    let mut write = program(partita);
    write.arg("report").arg(journal).arg("-o").arg(&report);
    // A binary without the page has no report, and says why.
    if status(write.stdout(Stdio::null()))?.success() {
        println!("\nThe dashboard of this run, as one file that needs no network:");
        println!("  file://{}", report.display());
    }
    Ok(())
}
