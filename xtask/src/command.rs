//! Running other programs.

use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program of Partita to use, if it is not the one that is built here.
pub(crate) const PROGRAM_VARIABLE: &str = "PARTITA_PROGRAM";

/// How often a program with a time limit is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Does one step of a command and prints its name and time when it is done.
///
/// # Errors
/// If the work fails: with the step's name.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work().with_context(|| format!("step `{name}` failed"))?;
    println!("{:>7.1} s  {name}", start.elapsed().as_secs_f64());
    Ok(result)
}

/// A program, without what `cargo run` put into this process's environment: build scripts that
/// watch those variables would run again whenever cargo is called from here and from a shell in
/// turns, and foreign compilers would load libraries of the wrong toolchain.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (key, _) in std::env::vars_os() {
        let text = key.to_string_lossy();
        if text == "CARGO" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_")
        {
            command.env_remove(&key);
        }
    }
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        let kept: Vec<_> =
            std::env::split_paths(&libraries).filter(|folder| !is_cargos(folder)).collect();
        match std::env::join_paths(&kept) {
            Ok(joined) if !kept.is_empty() => command.env("LD_LIBRARY_PATH", joined),
            _ => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
    command
}

/// Whether cargo or rustup put this folder into the library path: a toolchain's, or a build's.
fn is_cargos(folder: &Path) -> bool {
    let parts = ["toolchains", "rustlib"];
    let is_toolchain = folder.iter().any(|part| parts.iter().any(|name| part == *name));
    let built_here = std::env::current_exe()
        .is_ok_and(|exe| exe.parent().is_some_and(|build| folder.starts_with(build)));
    is_toolchain || built_here
}

/// Cargo, on the workspace.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut command = program("cargo");
    command.current_dir(&paths.root).env("CARGO_TARGET_DIR", &paths.target);
    command
}

/// The program that the environment names, or the one of this checkout, which is built first.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn find_partita(paths: &Paths) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        return std::path::absolute(named)
            .with_context(|| format!("{PROGRAM_VARIABLE} is not a usable path"));
    }
    step("build", || {
        let mut build = cargo(paths);
        run(build.args(["build", "--locked", "-p", "partita-cli"]))
    })?;
    Ok(paths.binary("debug", "partita"))
}

/// A command as one would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end.
///
/// # Errors
/// If it cannot be started or does not end with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { bail!("`{}` ended with {status}", shown(command)) }
}

/// Runs a command to its end and gives how it ended.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("could not start `{}`", shown(command)))
}

/// Runs a command without showing what it says; on failure the end of that is in the error.
///
/// # Errors
/// If it cannot be started or does not end with 0.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    capture(command).map(drop)
}

/// Runs a command and gives what it wrote to standard output.
///
/// # Errors
/// If it cannot be started or does not end with 0: with the end of what it wrote.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    /// Lines of a failed command's output that are shown.
    const LINES_SHOWN_MAX: usize = 20;
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = all.lines().collect();
    let end = lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n");
    bail!("`{}` ended with {}:\n{end}", shown(command), output.status)
}

/// Runs a command without showing what it says and stops it after `limit`. Gives whether it ended
/// with 0 in time.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < limit => std::thread::sleep(POLL_INTERVAL),
            Ok(None) | Err(_) => break,
        }
    }
    // It may have ended just now; either way it is waited for.
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// The exit code to hand on from a command that ran.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        _ => ExitCode::FAILURE,
    }
}
