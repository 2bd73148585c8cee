//! Puts the licences and notices of all crates into the program, if they were collected.
//!
//! `PARTITA_LICENSES` names the file; the default is where `cargo xtask licenses` puts it. Without it everything builds
//! as well: a sentence that says so takes its place.

use std::path::PathBuf;

/// The file, if it is named or the cache folder is known.
fn collected() -> Option<PathBuf> {
    let var =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("PARTITA_LICENSES").or_else(|| {
        let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
        Some(cache.join("partita").join("licenses.txt"))
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for variable in ["PARTITA_LICENSES", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
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
