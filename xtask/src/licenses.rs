//! `cargo xtask licenses`: the licences and notices of all crates that the program contains, as one text.
//!
//! The text is not committed: `cli/build.rs` puts it into the program, which prints it as `partita licenses`. Nothing
//! of it needs a network. `deny.toml` lists the licences that a crate may have, in the form of cargo-deny.

use crate::command::{capture, cargo, step};
use crate::options::{Flags, split_value};
use crate::paths::Paths;
use crate::spdx;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How names of files with licences begin, in lower case.
const LICENSE_FILES: [&str; 6] =
    ["license", "licence", "copying", "notice", "unlicense", "copyright"];
/// Folders of a crate that do not become a part of the program.
const UNUSED_FOLDERS: [&str; 6] = ["tests", "test", "docs", "doc", "fuzz", "examples"];
/// Folders within folders that are searched: C sources in a crate have licences of their own.
const DEPTH_MAX: usize = 3;
/// Crates whose package lacks the file of their repository, and a crate of the same one that has it.
const SAME_REPOSITORY: [(&str, &str); 2] =
    [("tonic-prost", "tonic"), ("alloc-stdlib", "alloc-no-stdlib")];
/// The only place from which crates come.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate that the program contains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
}

/// Runs the command.
///
/// # Errors
/// If a crate has a licence that is not allowed or that cannot be found, or the text cannot be written.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    let (out, rest) = split_value(args, "--out", "FILE")?;
    let flags = Flags::parse(&rest, &["--check"])?;
    let paths = Paths::find()?;
    if flags.has("--check") {
        return check(&paths);
    }
    let out = match out {
        Some(file) => std::path::absolute(file).context("--out is not a usable path")?,
        None => paths.licenses(),
    };
    write(&paths, &out)?;
    println!("{}", out.display());
    Ok(())
}

/// Checks the licences and the sources of all crates.
///
/// # Errors
/// If a crate has a licence that `deny.toml` does not allow, or comes from elsewhere than crates.io.
pub(crate) fn check(paths: &Paths) -> Result<()> {
    let allowed = allowed(&fs::read_to_string(paths.root.join("deny.toml"))?)?;
    let mut refused = Vec::new();
    for one in crates(paths)? {
        if !spdx::is_allowed(&one.license, &allowed)? {
            refused.push(format!("{} {}: {}", one.name, one.version, one.license));
        }
    }
    if !refused.is_empty() {
        bail!("licences that deny.toml does not allow:\n{}", refused.join("\n"));
    }
    for lock in ["Cargo.lock", "dashboard/Cargo.lock"] {
        let text = fs::read_to_string(paths.root.join(lock))?;
        let sources = text.lines().filter_map(|line| line.strip_prefix("source = "));
        if let Some(other) = sources.map(|text| text.trim_matches('"')).find(|s| *s != REGISTRY) {
            bail!("{lock} has a crate from {other}; only crates.io is allowed");
        }
    }
    Ok(())
}

/// Writes the text of all licences into a file, unless it has it already.
///
/// # Errors
/// If a licence cannot be found, or the file cannot be written.
pub(crate) fn write(paths: &Paths, out: &Path) -> Result<()> {
    step("licences", || {
        let text = text(paths)?;
        // An equal file keeps its time: the program is not built anew for it.
        if fs::read_to_string(out).is_ok_and(|present| present == text) {
            return Ok(());
        }
        if let Some(folder) = out.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(out, text).with_context(|| format!("could not write {}", out.display()))
    })
}

/// The crates of the program and of the dashboard in it, without those of this project.
fn crates(paths: &Paths) -> Result<Vec<Crate>> {
    let mut program = cargo(paths);
    program.args(["tree", "-p", "partita-cli", "--target"]);
    program.arg(format!("{ARCH}-unknown-linux-gnu"));
    let mut dashboard = cargo(paths);
    dashboard.current_dir(paths.dashboard()).args(["tree", "--target", "wasm32-unknown-unknown"]);
    let mut found = listed(program)?;
    found.extend(listed(dashboard)?);
    found.sort();
    found.dedup();
    Ok(found)
}

fn listed(mut tree: Command) -> Result<Vec<Crate>> {
    tree.args(["-e", "normal", "--locked", "--prefix", "none", "--format", "{p}|{l}"]);
    Ok(capture(&mut tree)?.lines().filter_map(parse).collect())
}

/// Reads a line such as `serde v1.0.0|MIT OR Apache-2.0 (*)`. None for crates of this project, which have a path.
fn parse(line: &str) -> Option<Crate> {
    let (package, license) = line.trim_end_matches(" (*)").split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let is_own = words.next().is_some_and(|word| word.starts_with("(/"));
    (!is_own).then(|| Crate {
        name: name.into(),
        version: version.into(),
        license: license.trim().into(),
    })
}

fn text(paths: &Paths) -> Result<String> {
    let crates = crates(paths)?;
    let registry = Registry::find()?;
    let own = fs::read_to_string(paths.root.join("LICENSE"))?;
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for one in &crates {
        writeln!(table, "{} {}: {}", one.name, one.version, one.license)?;
        let mut texts = registry.texts(one)?;
        if texts.is_empty() {
            let sibling = SAME_REPOSITORY.iter().find(|(name, _)| *name == one.name);
            texts = match sibling.and_then(|(_, name)| crates.iter().find(|c| c.name == *name)) {
                Some(sibling) => registry.texts(sibling)?,
                None if one.license.contains("Apache-2.0") => vec![own.clone()],
                None => bail!("{} {} has no file with its licence", one.name, one.version),
            };
        }
        for text in texts {
            users.entry(text).or_default().push(format!("{} {}", one.name, one.version));
        }
    }
    let line = "-".repeat(78);
    let mut all = format!(
        "Partita is licensed under the Apache License, version 2.0, which follows. The program contains\n\
         the crates below; their licences and notices follow it.\n\n{own}\n{line}\n\n{table}"
    );
    for (text, names) in users {
        write!(all, "\n{line}\n{}\n{line}\n\n{}\n", names.join(", "), text.trim_end())?;
    }
    Ok(all)
}

/// Where cargo unpacked the crates.
struct Registry(Vec<PathBuf>);

impl Registry {
    fn find() -> Result<Self> {
        let home = match std::env::var_os("CARGO_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => {
                std::env::home_dir().context("there is no home folder: set HOME")?.join(".cargo")
            }
        };
        let sources = home.join("registry/src");
        let entries = fs::read_dir(&sources)
            .with_context(|| format!("no crates in {}: run cargo fetch", sources.display()))?;
        Ok(Self(entries.flatten().map(|entry| entry.path()).collect()))
    }

    /// The texts of the licences and notices of a crate.
    fn texts(&self, one: &Crate) -> Result<Vec<String>> {
        let name = format!("{}-{}", one.name, one.version);
        let folder = self.0.iter().map(|folder| folder.join(&name)).find(|folder| folder.is_dir());
        let folder = folder.with_context(|| format!("{name} is not unpacked: run cargo fetch"))?;
        let mut texts = Vec::new();
        collect(&folder, 0, &mut texts)?;
        Ok(texts)
    }
}

fn collect(folder: &Path, depth: usize, texts: &mut Vec<String>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if path.is_dir() {
            if depth < DEPTH_MAX && !UNUSED_FOLDERS.contains(&name.as_str()) {
                collect(&path, depth + 1, texts)?;
            }
        } else if LICENSE_FILES.iter().any(|start| name.starts_with(start)) && !is_code(&name) {
            let text = String::from_utf8_lossy(&fs::read(&path)?).replace("\r\n", "\n");
            let text = text.trim().to_string();
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    Ok(())
}

/// Whether a file that is named like a licence is a source about licences.
fn is_code(name: &str) -> bool {
    [".rs", ".c", ".h", ".py", ".sh", ".toml", ".yml", ".html"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The licences that `deny.toml` allows.
fn allowed(text: &str) -> Result<Vec<String>> {
    let (_, rest) = text.split_once("\nallow = [").context("deny.toml has no list `allow`")?;
    let (list, _) = rest.split_once(']').context("the list `allow` of deny.toml does not end")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Crates are read with their licence, and those of this project are left out.
    #[test]
    fn crates_are_read() {
        let found = parse("serde v1.0.2|MIT OR Apache-2.0 (*)").unwrap();
        assert_eq!((&*found.name, &*found.version), ("serde", "1.0.2"));
        assert_eq!(found.license, "MIT OR Apache-2.0");
        assert_eq!(parse("partita-core v0.1.0 (/home/me/partita/core)|Apache-2.0"), None);
        assert!(parse("derive v1.0.2 (proc-macro)|MIT").is_some());
        assert_eq!(parse(""), None);
    }

    /// Only the list of licences is read, comments and other lists are not.
    #[test]
    fn the_list_is_read() {
        let text =
            "# \"GPL\"\n[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\",\n]\nother = [\"X\"]\n";
        assert_eq!(allowed(text).unwrap(), ["MIT", "ISC"]);
        assert!(allowed("[licenses]\n").is_err());
    }
}
