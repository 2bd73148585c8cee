//! `cargo xtask release-check`: whether everything that belongs to a release is there.

use crate::command::{capture, program};
use crate::package::{MAINTAINER, VERSION};
use crate::paths::Paths;
use crate::{licenses, options::Flags};
use anyhow::{Result, bail, ensure};
use std::fs;
use std::path::Path;

/// The files that name the version beside the crates: the recipes of other package managers, the citation, and documents
/// that name files of a release.
const VERSIONED: [&str; 10] = [
    "packaging/conda/meta.yaml",
    "packaging/apptainer/partita.def",
    "packaging/container/Containerfile",
    "packaging/easybuild/Partita.eb",
    "packaging/spack/package.py",
    "packaging/lmod/partita/partita.lua",
    "CITATION.cff",
    "docs/start.md",
    "docs/slurm.md",
    "docs/slurm.fr.md",
];
/// The largest wheel, in bytes: more than PyPI takes without a question is slow for everybody who installs it.
const WHEEL_BYTES_MAX: u64 = 60_000_000;
/// The architectures for which a release has a wheel.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// One thing that a release needs: what it is, and how that is checked.
type Check = (&'static str, fn(&Paths) -> Result<()>);

const CHECKS: [Check; 9] = [
    ("the checkout has no changes", is_clean),
    ("the changelog has a section of the version", has_changes),
    ("recipes, citation and documents name the version", |paths| check_version(&paths.root)),
    ("the maintainers can be reached", has_address),
    ("the licences of all crates are allowed", |_| licenses::run_command(&["--check".into()])),
    ("the wheels are built", has_wheels),
    ("the archive and the Debian package are built", has_packages),
    ("the documents are built", has_documents),
    ("the commit has the tag of the version", has_tag),
];

/// Runs the command: all checks, also after one that failed.
///
/// # Errors
/// If something is missing.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    Flags::parse(args, &[])?;
    let paths = Paths::find()?;
    println!("Release {VERSION}:");
    let mut missing = 0;
    for (what, check) in CHECKS {
        match check(&paths) {
            Ok(()) => println!("  ok       {what}"),
            Err(error) => {
                missing += 1;
                println!("  MISSING  {what}: {error:#}");
            }
        }
    }
    ensure!(missing == 0, "{missing} of {} checks failed", CHECKS.len());
    Ok(())
}

fn git(paths: &Paths, args: &[&str]) -> Result<String> {
    let mut git = program("git");
    git.current_dir(&paths.root).args(args);
    Ok(capture(&mut git)?.trim().to_string())
}

fn is_clean(paths: &Paths) -> Result<()> {
    let changed = git(paths, &["status", "--porcelain"])?;
    ensure!(changed.is_empty(), "commit or remove\n{changed}");
    Ok(())
}

fn has_changes(paths: &Paths) -> Result<()> {
    check_changes(&fs::read_to_string(paths.root.join("CHANGELOG.md"))?, VERSION)
}

/// Whether a changelog has the version with its date, and nothing that is not released.
fn check_changes(text: &str, version: &str) -> Result<()> {
    let section = |title: &str| {
        let begin = text.lines().position(|line| line.starts_with(title))?;
        let lines = text.lines().skip(begin + 1);
        Some(lines.take_while(|line| !line.starts_with("## ")).any(|line| !line.trim().is_empty()))
    };
    let Some(has_entries) = section(&format!("## {version} - ")) else {
        bail!("CHANGELOG.md needs a line `## {version} - YEAR-MONTH-DAY` above its entries");
    };
    ensure!(has_entries, "the section of {version} in CHANGELOG.md is empty");
    ensure!(
        section("## Unreleased") != Some(true),
        "CHANGELOG.md has entries that are not part of {version}"
    );
    Ok(())
}

fn check_version(root: &Path) -> Result<()> {
    for name in VERSIONED {
        let text = fs::read_to_string(root.join(name))?;
        ensure!(text.contains(VERSION), "{name} does not name {VERSION}");
    }
    Ok(())
}

fn has_address(_: &Paths) -> Result<()> {
    ensure!(
        !MAINTAINER.contains(".invalid"),
        "packages name {MAINTAINER}, where nobody reads mail; change it in xtask/src/package.rs"
    );
    Ok(())
}

fn has_wheels(paths: &Paths) -> Result<()> {
    for architecture in ARCHITECTURES {
        let is_wanted = |name: &str| {
            name.starts_with(&format!("partita-{VERSION}-"))
                && name.ends_with(&format!("{architecture}.whl"))
        };
        let Some((name, bytes)) = find(&paths.wheels(), is_wanted) else {
            bail!(
                "no wheel for {architecture} in {}; `cargo xtask wheel --arch {architecture}` builds it",
                paths.wheels().display()
            );
        };
        ensure!(bytes <= WHEEL_BYTES_MAX, "{name} has {} MB", bytes / 1_000_000);
    }
    Ok(())
}

fn has_packages(paths: &Paths) -> Result<()> {
    let folder = paths.packages();
    for end in [".tar.gz", ".deb"] {
        let is_wanted = |name: &str| name.contains(VERSION) && name.ends_with(end);
        ensure!(
            find(&folder, is_wanted).is_some(),
            "no {end} of {VERSION} in {}; `cargo xtask package` builds it",
            folder.display()
        );
    }
    Ok(())
}

fn has_documents(paths: &Paths) -> Result<()> {
    let first = paths.site().join("index.html");
    ensure!(first.is_file(), "{} is not there; `cargo xtask docs` builds it", first.display());
    Ok(())
}

fn has_tag(paths: &Paths) -> Result<()> {
    let tags = git(paths, &["tag", "--points-at", "HEAD"])?;
    let tag = format!("v{VERSION}");
    ensure!(tags.lines().any(|one| one == tag), "run `git tag -a {tag}` when all else is there");
    Ok(())
}

/// A file of a folder whose name is wanted, with its size.
fn find(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Option<(String, u64)> {
    fs::read_dir(folder).ok()?.filter_map(Result::ok).find_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| is_wanted(name))?;
        Some((name, entry.metadata().ok()?.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recipes and the citation name the version of the crates.
    #[test]
    fn files_have_the_version() {
        check_version(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap();
    }

    /// A version needs a section with its date and with entries, and nothing may be left unreleased.
    #[test]
    fn changelogs_are_checked() {
        let good = "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-01-02\n\n- New.\n";
        assert!(check_changes(good, "1.2.0").is_ok());
        assert!(check_changes(good, "1.3.0").is_err());
        assert!(check_changes(&good.replace("- New.", ""), "1.2.0").is_err());
        assert!(
            check_changes(&good.replace("Unreleased\n", "Unreleased\n- More.\n"), "1.2.0").is_err()
        );
    }
}
