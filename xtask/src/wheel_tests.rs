//! The wheel on every Python of this machine: it is installed without a network, and a user's script runs.

use crate::command::{capture, program, shown};
use crate::paths::Paths;
use crate::wheel::{self, Kind};
use anyhow::{Context, Result, bail};
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions of Python 3 that are looked for.
const MINORS: std::ops::RangeInclusive<u32> = 9..=14;

/// What a user has in the folder beside the wheel.
const BESIDE: [&str; 3] = ["pyarrow", "pandas", "cloudpickle"];

/// A script of users, below the root of the checkout, and what it answers.
const SCRIPT: &str = "python/tests/scripts/one_node.py";
const ANSWER: &str = "The mean is 1199.5";

/// A program of users that starts its own cluster, and runs a function of its own there; and what it answers.
const FUNCTION: &str = "\
from partita.distributed import Client

def double(value):
    return 2 * value

with Client(n_workers=1) as client:
    print(client.gather(client.map(double, [1, 21])))
";
const FUNCTION_ANSWER: &str = "[2, 42]";

/// Tells a script where its cluster is in the variables that it reads, then runs it.
const IN_CLUSTER: &str = "place=${PARTITA_SCHEDULER#tcp://}; \
    export PARTITA_SCHEDULER_ADDR=${place%:*} PARTITA_SCHEDULER_PORT=${place##*:} SLURM_CPUS_PER_TASK=2; \
    exec \"$@\"";

/// What became of one Python.
enum Outcome {
    Passed,
    Failed(anyhow::Error),
    /// What the wheel depends on cannot be had for it.
    LeftOut(anyhow::Error),
}

/// Builds the wheel and tries it on each Python. Gives how many succeeded and how many failed.
///
/// # Errors
/// If the wheel cannot be built.
pub(crate) fn run(paths: &Paths) -> Result<(u64, u64)> {
    let folder = paths.cache.join("wheel-dev");
    wheel::build(paths, Kind::Dev, ARCH, &folder)?;
    let pythons = find_pythons();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let tries: Vec<_> = pythons
            .iter()
            .map(|(version, python)| scope.spawn(|| try_on(paths, &folder, version, python)))
            .collect();
        let crashed = || Outcome::Failed(anyhow::anyhow!("its thread ended early"));
        tries.into_iter().map(|one| one.join().unwrap_or_else(|_| crashed())).collect()
    });
    let (mut passed, mut failed) = (0, 0);
    for ((version, _), outcome) in pythons.iter().zip(outcomes) {
        match outcome {
            Outcome::Passed => {
                passed += 1;
                println!("           Python {version}: ok");
            }
            Outcome::Failed(error) => {
                failed += 1;
                println!("           Python {version}: FAILED: {error:#}");
            }
            Outcome::LeftOut(error) => {
                println!("           Python {version}: left out: {error:#}");
            }
        }
    }
    if passed + failed == 0 {
        println!("           the wheel was not tried: no installed Python has pyarrow");
        failed = 1;
    }
    Ok((passed, failed))
}

/// The Pythons of this machine, one of each version: those of pyenv, then those of the path.
fn find_pythons() -> Vec<(String, PathBuf)> {
    MINORS.filter_map(|minor| candidates(minor).into_iter().find_map(with_version)).collect()
}

fn candidates(minor: u32) -> Vec<PathBuf> {
    let name = format!("python3.{minor}");
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| std::env::home_dir().map(|home| home.join(".pyenv")));
    let entries = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(&name))
        .filter(|python| python.is_file())
        .collect();
    found.sort();
    found.push(PathBuf::from(name));
    found
}

/// The version of an interpreter, if it is one that runs and can make environments.
fn with_version(python: PathBuf) -> Option<(String, PathBuf)> {
    let print = "import ensurepip, platform, venv; print(platform.python_version())";
    let version = capture(program(&python).args(["-c", print])).ok()?;
    Some((version.trim().to_string(), python))
}

fn try_on(paths: &Paths, folder: &Path, version: &str, python: &Path) -> Outcome {
    let place = paths.cache.join("wheel-pythons").join(version);
    match prepare(&place, python) {
        Ok(()) => match install_and_ask(paths, folder, &place) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(error),
        },
        Err(error) => Outcome::LeftOut(error),
    }
}

/// An environment, and the wheels of what ours depends on: once for each version of Python.
fn prepare(place: &Path, python: &Path) -> Result<()> {
    let stamp = place.join(".complete");
    let wanted = BESIDE.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(place)
            .with_context(|| format!("could not remove {}", place.display()))?;
    }
    fs::create_dir_all(place).with_context(|| format!("could not make {}", place.display()))?;
    capture(program(python).args(["-m", "venv"]).arg(place.join("venv")))?;
    let mut download = pip(place, "download");
    download.args(["--only-binary", ":all:", "--dest"]).arg(place.join("wheels")).args(BESIDE);
    capture(&mut download)?;
    fs::write(&stamp, wanted)?;
    Ok(())
}

fn pip(place: &Path, action: &str) -> Command {
    let mut pip = in_environment(place, "python");
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", action]);
    pip
}

/// A program of the environment, which sees nothing of the checkout.
fn in_environment(place: &Path, name: &str) -> Command {
    let mut command = program(place.join("venv/bin").join(name));
    command.current_dir(place).env_remove("PYTHONPATH").env_remove("PARTITA_PROGRAM");
    // As on a new account: what it starts is not among the clusters of whoever runs the tests.
    command.env("PARTITA_HOME", place.join("home"));
    command
}

fn install_and_ask(paths: &Paths, folder: &Path, place: &Path) -> Result<()> {
    // The same version is there from the last time, with another content.
    capture(pip(place, "uninstall").args(["--yes", "partita"]))?;
    let mut install = pip(place, "install");
    install.args(["--no-index", "--find-links"]).arg(folder);
    // A user's folder has both.
    install.arg("--find-links").arg(place.join("wheels")).arg("partita[pandas]");
    capture(&mut install)?;
    let mut ask = in_environment(place, "partita");
    ask.args(["run", "--workers", "2", "--threads", "1", "--headless", "--"]);
    ask.args(["sh", "-c", IN_CLUSTER, "sh"]).arg(place.join("venv/bin/python"));
    expect(ask.arg(paths.root.join(SCRIPT)), ANSWER)?;
    let program = place.join("function.py");
    fs::write(&program, FUNCTION)?;
    expect(in_environment(place, "python").arg(program), FUNCTION_ANSWER)?;
    // As the program in it, the package names the licences of what it contains.
    let list = "import importlib.metadata as m; print(*(f.name for f in m.files('partita') if 'licenses' in f.parts))";
    expect(in_environment(place, "python").args(["-c", list]), "LICENSE licenses.txt")
}

fn expect(command: &mut Command, answer: &str) -> Result<()> {
    let said = capture(command)?;
    if said.trim() == answer {
        Ok(())
    } else {
        bail!("`{}` said `{}` instead of `{answer}`", shown(command), said.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PATH` is searched last, and a program that is not Python is skipped.
    #[test]
    fn pythons_are_looked_for() {
        assert_eq!(candidates(9).last(), Some(&PathBuf::from("python3.9")));
        assert!(with_version(PathBuf::from("false")).is_none());
    }
}
