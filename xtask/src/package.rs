//! `cargo xtask package`: an archive and a Debian package of the program, with completions and manual pages.
//!
//! `packaging/` has recipes for other package managers, which start from the archive or the wheel.

use crate::command::{capture, program, run_quietly, step};
use crate::options::{Flags, split_value};
use crate::paths::Paths;
use crate::{dashboard, licenses, setup};
use anyhow::{Context, Result};
use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The version of all crates.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where shells look for completions, below a prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/partita"),
    ("zsh", "share/zsh/site-functions/_partita"),
    ("fish", "share/fish/vendor_completions.d/partita.fish"),
];

/// Who answers for the packages.
pub(crate) const MAINTAINER: &str = "The Partita maintainers <maintainers@partita.invalid>";

/// Runs the command.
///
/// # Errors
/// If the program cannot be built, or a package cannot be made.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    let (out, rest) = split_value(args, "--out", "FOLDER")?;
    let (given, rest) = split_value(&rest, "--program", "FILE")?;
    Flags::parse(&rest, &[])?;
    let paths = Paths::find()?;
    let out = match out {
        Some(folder) => std::path::absolute(folder).context("--out is not a usable path")?,
        None => paths.packages(),
    };
    let notices = paths.licenses();
    licenses::write(&paths, &notices)?;
    let partita = match given {
        Some(file) => std::path::absolute(file).context("--program is not a usable path")?,
        None => build(&paths)?,
    };
    fs::create_dir_all(&out).with_context(|| format!("could not make {}", out.display()))?;
    let name = format!("partita-{VERSION}-linux-{ARCH}");
    let staged = paths.cache.join("package-new").join(&name);
    step("files", || stage(&paths, &partita, &notices, &staged))?;
    let archive = out.join(format!("{name}.tar.gz"));
    step("archive", || {
        let mut tar = program("tar");
        tar.args(["--owner=0", "--group=0", "--sort=name", "-czf"]).arg(&archive);
        run_quietly(tar.arg("-C").arg(staged.parent().unwrap_or(&staged)).arg(&name))
    })?;
    println!("{}", archive.display());
    let package = step("Debian package", || debian(&staged, &out))?;
    println!("{}", package.display());
    Ok(())
}

/// The program with the dashboard in it, as users get it.
fn build(paths: &Paths) -> Result<PathBuf> {
    dashboard::build_with(paths, &setup::web(paths)?)?;
    step("build", || {
        let mut build = crate::command::cargo(paths);
        crate::command::run(build.args(["build", "--release", "--locked", "-p", "partita-cli"]))
    })?;
    Ok(paths.binary("release", "partita"))
}

/// Puts all files below one folder, which is a prefix such as `/usr`.
fn stage(paths: &Paths, partita: &Path, notices: &Path, prefix: &Path) -> Result<()> {
    if prefix.exists() {
        fs::remove_dir_all(prefix)?;
    }
    let put = |name: &str, content: &[u8], mode: u32| -> Result<()> {
        let path = prefix.join(name);
        fs::create_dir_all(path.parent().unwrap_or(prefix))?;
        fs::write(&path, content).with_context(|| format!("could not write {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
    };
    put("bin/partita", &fs::read(partita).context("cannot read the program")?, 0o755)?;
    for (shell, name) in COMPLETIONS {
        let script = capture(program(partita).args(["completions", shell]))?;
        put(name, script.as_bytes(), 0o644)?;
    }
    let manual = prefix.join("share/man/man1");
    fs::create_dir_all(&manual)?;
    run_quietly(program(partita).arg("man").arg(&manual))?;
    for name in ["README.md", "LICENSE", "CHANGELOG.md"] {
        put(&format!("share/doc/partita/{name}"), &fs::read(paths.root.join(name))?, 0o644)?;
    }
    put("share/doc/partita/licenses.txt", &fs::read(notices)?, 0o644)?;
    let unit = paths.root.join("packaging/systemd/partita-scheduler.service");
    put("lib/systemd/user/partita-scheduler.service", &fs::read(unit)?, 0o644)
}

/// Makes the Debian package of the staged files.
fn debian(staged: &Path, out: &Path) -> Result<PathBuf> {
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => anyhow::bail!("Debian's name of the architecture {other} is not known here"),
    };
    let root = staged.with_file_name("debian");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(root.join("DEBIAN"))?;
    run_quietly(program("cp").arg("-a").arg(staged).arg(root.join("usr")))?;
    // Debian's name of the file with all licences.
    let documents = root.join("usr/share/doc/partita");
    fs::rename(documents.join("licenses.txt"), documents.join("copyright"))?;
    fs::write(root.join("DEBIAN/control"), control(architecture))?;
    let package = out.join(format!("partita_{VERSION}_{architecture}.deb"));
    let mut build = program("dpkg-deb");
    build.args(["--root-owner-group", "--build"]);
    run_quietly(build.arg(&root).arg(&package))?;
    Ok(package)
}

/// What describes the package.
fn control(architecture: &str) -> String {
    format!(
        "Package: partita\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: {MAINTAINER}\n\
         Depends: libc6 (>= 2.28), libgcc-s1\n\
         Recommends: bash-completion\n\
         Section: science\n\
         Priority: optional\n\
         Homepage: https://github.com/partita/partita\n\
         Description: partitioned computations on many cores and many nodes\n\
         \x20SQL, data frames, arrays and Python functions, on one machine or in a job of\n\
         \x20Slurm. This package has the program; the Python package is a wheel.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Continued lines of a description begin with a space, or dpkg refuses the file.
    #[test]
    fn the_description_is_continued() {
        let control = control("amd64");
        assert!(control.contains("\n SQL, ") && control.contains("\n Slurm. "));
        assert!(control.ends_with('\n') && !control.contains("\n\n"));
    }
}
