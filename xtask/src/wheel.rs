//! `cargo xtask wheel`: the Python package with the program in it, as one file that `pip` installs.

use crate::command::{self, program, step};
use crate::options::{self, Flags};
use crate::paths::Paths;
use crate::{dashboard, licenses, python, setup};
use anyhow::{Context, Result, bail};
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest C library that a wheel runs with: that of the systems that clusters still have.
const COMPATIBILITY: &str = "manylinux_2_28";

/// What adds the licences to a wheel.
const ADD_LICENSES: &str = include_str!("wheel_licenses.py");

/// What is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What users install: optimised, for any Linux of the last years.
    Release,
    /// What tests install: the program that they build anyway, only for this machine.
    Dev,
}

/// Runs the command.
///
/// # Errors
/// If the page or the wheel cannot be built.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    let (out, rest) = options::split_value(args, "--out", "FOLDER")?;
    let (arch, rest) = options::split_value(&rest, "--arch", "NAME")?;
    let arch = arch.unwrap_or_else(|| ARCH.into());
    let kind =
        if Flags::parse(&rest, &["--dev"])?.has("--dev") { Kind::Dev } else { Kind::Release };
    let paths = Paths::find()?;
    let out = match out {
        Some(folder) => std::path::absolute(folder).context("--out is not a usable path")?,
        None => paths.wheels(),
    };
    if kind == Kind::Release {
        dashboard::build_with(&paths, &setup::web(&paths)?)?;
    } else if arch != ARCH {
        bail!("--dev builds a wheel only for this machine, which is {ARCH}");
    }
    if arch != ARCH {
        let mut add = program("rustup");
        add.current_dir(&paths.root).args(["target", "add"]).arg(target(&arch));
        step("standard library", || command::run_quietly(&mut add))?;
    }
    let wheel = step("wheel", || build(&paths, kind, &arch, &out))?;
    println!("{}", wheel.display());
    Ok(())
}

/// Rust's name of a processor's Linux.
fn target(arch: &str) -> String {
    format!("{arch}-unknown-linux-gnu")
}

/// Builds the wheel for a kind of processor into a folder, and gives its file.
///
/// # Errors
/// If its tools cannot be had or the build fails.
pub(crate) fn build(paths: &Paths, kind: Kind, arch: &str, out: &Path) -> Result<PathBuf> {
    let tools = python::ensure_wheel_tools(paths)?;
    licenses::write(paths, &paths.licenses())?;
    // Only complete wheels are moved to `out`, so that each new file there is known.
    let staged = paths.cache.join("wheel-new");
    if staged.exists() {
        fs::remove_dir_all(&staged)
            .with_context(|| format!("could not remove {}", staged.display()))?;
    }
    command::run(maturin(paths, kind, arch, &tools)?.arg("--out").arg(&staged))?;
    let built = only_wheel(&staged)?;
    let mut add = program(tools.join("python"));
    add.args(["-c", ADD_LICENSES]).arg(&built);
    command::run_quietly(add.arg(paths.root.join("LICENSE")).arg(paths.licenses()))?;
    fs::create_dir_all(out).with_context(|| format!("could not make {}", out.display()))?;
    let wheel = out.join(built.file_name().context("maturin gave its wheel no name")?);
    fs::copy(&built, &wheel).with_context(|| format!("could not write {}", wheel.display()))?;
    fs::remove_dir_all(&staged)?;
    Ok(wheel)
}

fn maturin(paths: &Paths, kind: Kind, arch: &str, tools: &Path) -> Result<Command> {
    let mut maturin = program(tools.join("maturin"));
    // It finds the linker as a module of the first Python of the path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_path_buf()).chain(std::env::split_paths(&path));
    maturin.env("PATH", std::env::join_paths(folders).context("PATH cannot be extended")?);
    maturin.current_dir(paths.root.join("python")).args(["build", "--quiet", "--locked"]);
    match kind {
        Kind::Release => {
            maturin.env("CARGO_TARGET_DIR", paths.wheel_target());
            maturin.args(["--release", "--zig", "--target"]);
            maturin.arg(target(arch));
            maturin.args(["--compatibility", COMPATIBILITY]);
        }
        Kind::Dev => {
            maturin.env("CARGO_TARGET_DIR", &paths.target);
            // Stripping would link the program anew; packing it takes longer than copying it.
            maturin.args(["--strip", "false", "--compression-method", "stored"]);
            maturin.args(["--compatibility", "linux", "--auditwheel", "skip"]);
        }
    }
    Ok(maturin)
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            found.push(path);
        }
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([wheel]) => Ok(wheel),
        Err(found) => bail!("maturin made {} wheels, not one", found.len()),
    }
}
