//! Puts into the program of which commit it is, and the licences and notices of all crates, if they were collected.
//!
//! `PARTITA_COMMIT` names the commit and its date, where the sources are a copy of a checkout.
//!
//! `PARTITA_LICENSES` names the file; the default is where `cargo xtask licenses` puts it. Without it everything builds
//! as well: a sentence that says so takes its place.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The file, if it is named or the cache folder is known.
fn collected() -> Option<PathBuf> {
    let var =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("PARTITA_LICENSES").or_else(|| {
        let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
        Some(cache.join("partita").join("licenses.txt"))
    })
}

/// The commit of the sources and its date, as it is added to the version; nothing where it is not known.
fn commit() -> String {
    println!("cargo:rerun-if-env-changed=PARTITA_COMMIT");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = std::env::var("PARTITA_COMMIT").ok();
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(args).output().ok()?;
        let told = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(told.trim().to_string())
    };
    let asked = || {
        // A folder, or in a further worktree a file. Without it, the folder may be part of another repository.
        if !root.join(".git").exists() {
            return None;
        }
        let log = root.join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
        if log.is_file() {
            println!("cargo:rerun-if-changed={}", log.display());
        }
        git(&["log", "-1", "--format=%h of %cs"])
    };
    let found = named.or_else(asked).map(|text| text.trim().to_string());
    found.filter(|text| !text.is_empty()).map(|text| format!(" ({text})")).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for variable in ["PARTITA_LICENSES", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rustc-env=PARTITA_COMMIT_TEXT={}", commit());
    let mut text = String::from(
        "Partita is licensed under the Apache License, version 2.0. This program was built without the licences of \
         the crates that it contains: `cargo xtask licenses` collects them before the build.\n",
    );
    if let Some(file) = collected() {
        println!("cargo:rerun-if-changed={}", file.display());
        if file.is_file() {
            text = std::fs::read_to_string(&file)?;
        }
    }
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("licenses.txt"), text)?;
    Ok(())
}
