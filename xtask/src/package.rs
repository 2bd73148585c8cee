//! `cargo xtask package`: an archive and a Debian package of the program, with completions and manual pages.
//!
//! The program is the one of the wheel, which runs on older systems than the one that builds it. `packaging/` has recipes
//! for other package managers, which start from the archive or the wheel.

use crate::command::{capture, program, run_quietly, step};
use crate::options::{Flags, split_value};
use crate::paths::Paths;
use crate::wheel::{self, Kind};
use crate::{dashboard, licenses, python, setup};
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

/// The program with the dashboard in it, as users get it: that of the wheel, which needs only an old C library.
fn build(paths: &Paths) -> Result<PathBuf> {
    dashboard::build_with(paths, &setup::web(paths)?)?;
    let wheel = step("wheel", || wheel::build(paths, Kind::Release, ARCH, &paths.wheels()))?;
    step("program", || {
        let unpacked = paths.cache.join("package-wheel");
        if unpacked.exists() {
            fs::remove_dir_all(&unpacked)?;
        }
        let python = python::ensure_wheel_tools(paths)?.join("python");
        run_quietly(program(python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
        let partita = unpacked.join(format!("partita-{VERSION}.data/scripts/partita"));
        // A zip file does not keep that a file is a program, as Python unpacks it.
        fs::set_permissions(&partita, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("the wheel has no {}", partita.display()))?;
        Ok(partita)
    })
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
    // Debian's names of the file with all licences and of the changes, and its place of completions of zsh.
    let share = root.join("usr/share");
    let documents = share.join("doc/partita");
    fs::rename(documents.join("licenses.txt"), documents.join("copyright"))?;
    fs::remove_file(documents.join("LICENSE"))?;
    fs::rename(documents.join("CHANGELOG.md"), documents.join("changelog"))?;
    fs::rename(share.join("zsh/site-functions"), share.join("zsh/vendor-completions"))?;
    let manual = fs::read_dir(share.join("man/man1"))?;
    let mut compressed: Vec<PathBuf> = manual.flatten().map(|entry| entry.path()).collect();
    compressed.push(documents.join("changelog"));
    run_quietly(program("gzip").args(["-9", "--no-name"]).args(&compressed))?;
    let partita = fs::read(root.join("usr/bin/partita")).context("cannot read the program")?;
    let library = c_library(&partita).context("the program names no version of the C library")?;
    fs::write(root.join("DEBIAN/control"), control(architecture, library))?;
    let package = out.join(format!("partita_{VERSION}_{architecture}.deb"));
    let mut build = program("dpkg-deb");
    // A higher level takes minutes for a tenth of the size.
    build.args(["--root-owner-group", "-Zxz", "-z1", "--build"]);
    run_quietly(build.arg(&root).arg(&package))?;
    Ok(package)
}

/// The oldest version of glibc that a program runs with: the latest one that its symbols name, as `(2, 28)`.
fn c_library(program: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let version = |rest: &[u8]| {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (major, minor) = std::str::from_utf8(&rest[..end]).ok()?.split_once('.')?;
        // Some have a third part, which no later one has.
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let places = program.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
    places.filter_map(|(at, _)| version(&program[at + MARK.len()..])).max()
}

/// What describes the package.
fn control(architecture: &str, (major, minor): (u32, u32)) -> String {
    format!(
        "Package: partita\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: {MAINTAINER}\n\
         Depends: libc6 (>= {major}.{minor}), libgcc-s1\n\
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
        let control = control("amd64", (2, 28));
        assert!(control.contains("\nDepends: libc6 (>= 2.28), "));
        assert!(control.contains("\n SQL, ") && control.contains("\n Slurm. "));
        assert!(control.ends_with('\n') && !control.contains("\n\n"));
    }

    /// The latest version counts, and text that only looks like one does not.
    #[test]
    fn the_c_library_is_found() {
        let program = b"\x7fELF\0GLIBC_2.2.5\0GLIBC_2.28\0GLIBC_2.9\0GLIBC_PRIVATE\0GLIBC_3";
        assert_eq!(c_library(program), Some((2, 28)));
        assert_eq!(c_library(b"\x7fELF\0GLIBCXX_3.4\0"), None);
    }
}
