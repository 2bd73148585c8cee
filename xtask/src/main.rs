//! Project automation: `cargo xtask help` lists what it does.
//!
//! It depends on next to nothing, so that it builds in seconds before anything else is there.
//! Whatever it installs or builds lies in one cache folder (see [`paths`]), except for the
//! packages of the system, which it asks apt for when they are missing.

mod apt;
mod bench;
mod browser;
mod command;
mod conformance;
mod dashboard;
mod data;
mod demo;
mod docs;
mod licenses;
mod mirror;
mod named_paths;
mod options;
mod package;
mod paths;
mod python;
mod release;
mod setup;
mod spdx;
mod test;
mod test_runs;
mod web;
mod web_debian;
mod wheel;
mod wheel_tests;
mod words;

use anyhow::Result;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

Commands:
  setup [--web] [--browser] [--slurm] [--python]
                 install what tests, demo and page need, where it is missing;
                 without flags: --web and --python
                   --web      compiler, trunk and wasm-opt for the dashboard
                   --browser  Chromium, nginx, OpenSSH and npm packages for tests of the
                              page, without starting a server
                   --slurm    Slurm and munge, without starting them
                   --python   Python packages, example data, promtool
  test [--quick] format, lints, build, dashboard, and all tests;
                 the last line is `N passed, N failed`
                   --quick    leave out the dashboard, its tests in a browser, and all
                              that needs wasm
  demo [--no-dashboard]
                 build Partita, start a cluster on this machine, and ask it three
                 questions of a year of flights
  bench [ARGS]   build for release and run the benchmarks
  conformance [--checkout FOLDER] [SUITE..]
                 run Dask's own tests on Partita and write the table of
                 docs/compatibility.md; suites: bag, delayed, frames, arrays,
                 distributed, coordination (default: all whose tests can be found;
                 frames takes about half an hour)
                   --checkout  a checkout of dask/distributed, whose tests are not in
                               its package
  dashboard [--if-possible]
                 build the dashboard
                   --if-possible  go on without it where its tools cannot be had
  wheel [--dev] [--arch NAME] [--out FOLDER]
                 build the dashboard, and the Python package with the program in it
                   --dev   quickly, from the debug build and the dashboard that is there,
                           only for this machine
                   --arch  x86_64 or aarch64 (default: that of this machine)
                   --out   where to (default: partita/wheels in the cache folder)
  docs [--out FOLDER]
                 build the site of the documents, and check its links
                   --out  where to (default: partita/site in the cache folder)
  licenses [--check] [--out FILE]
                 write the licences and notices of all crates, for the program
                   --check  only check that deny.toml allows them
                   --out    where to (default: partita/licenses.txt in the cache folder)
  package [--program FILE] [--out FOLDER]
                 make an archive and a Debian package of the program; packaging/ has
                 recipes for others
                   --program  the program to pack (default: that of the wheel, which is
                              built)
                   --out      where to (default: partita/packages in the cache folder)
  release-check  say what is missing for a release of the version of the crates
  help           this text

Environment:
  PARTITA_PROGRAM     the program for docs and conformance (default: it is built)
  PARTITA_TARGET_DIR  where cargo builds (default: partita/target in the cache folder)
  XDG_CACHE_HOME      the cache folder (default: ~/.cache)
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_else(|| "help".into());
    let rest: Vec<String> = args.collect();
    match run(&command, &rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, args: &[String]) -> Result<ExitCode> {
    match command {
        "setup" => setup::run(args)?,
        "test" => return test::run(args),
        "demo" => return demo::run(args),
        "bench" => return bench::run(args),
        "conformance" => return conformance::run(args),
        "dashboard" => dashboard::run_command(args)?,
        "docs" => docs::run_command(args)?,
        "licenses" => licenses::run_command(args)?,
        "package" => package::run_command(args)?,
        "release-check" => release::run_command(args)?,
        "wheel" => wheel::run_command(args)?,
        "help" | "--help" | "-h" => print!("{HELP}"),
        other => anyhow::bail!("unknown command `{other}`; `cargo xtask help` lists them"),
    }
    Ok(ExitCode::SUCCESS)
}
