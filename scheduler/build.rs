//! Puts the built dashboard into the binary, if there is one.
//!
//! `PARTITA_DASHBOARD_DIST` names the folder of its files; the default is where `cargo xtask
//! dashboard` puts them. Without them everything builds as well: a plain page takes their place.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The folder of the built dashboard, if it is named or the cache folder is known.
fn dist() -> Option<PathBuf> {
    let var =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("PARTITA_DASHBOARD_DIST").or_else(|| {
        let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
        Some(cache.join("partita").join("dashboard").join("dist"))
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=PARTITA_DASHBOARD_DIST");
    let mut text = String::from("const ASSETS: &[Asset] = &[\n");
    if let Some(folder) = dist() {
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut found = Vec::new();
        files(&folder, &mut found);
        found.sort();
        for path in found {
            let name = path.strip_prefix(&folder)?.display().to_string();
            writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())?;
        }
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("assets.rs"), text)?;
    Ok(())
}
