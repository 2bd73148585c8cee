//! Puts the built dashboard into the binary, if there is one.
//!
//! `PARTITA_DASHBOARD_DIST` names the folder of its files; the default is where `cargo xtask
//! dashboard` puts them. Without them everything builds as well: a plain page takes their place.

use std::fmt::Write as _;
use std::io::Write as _;
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

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Packed as well as brotli can: once here, and never while a page waits.
fn brotli(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &plain[..], &mut packed, &params)?;
    Ok(packed)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for variable in ["PARTITA_DASHBOARD_DIST", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut text = String::from("const ASSETS: &[Asset] = &[\n");
    let mut report = String::from("const REPORT: &[(&str, &[u8])] = &[\n");
    if let Some(folder) = dist() {
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut found = Vec::new();
        files(&folder, &mut found);
        found.sort();
        for path in found {
            let name = path.strip_prefix(&folder)?.display().to_string();
            let source = path.display().to_string();
            // What reports are made of is not served.
            if let Some(name) = name.strip_prefix("report/") {
                writeln!(report, "    ({name:?}, include_bytes!({source:?})),")?;
                continue;
            }
            let plain = std::fs::read(&path)?;
            let packed = |ending: &str| out.join(format!("{name}.{ending}")).display().to_string();
            let (gz, br) = (packed("gz"), packed("br"));
            std::fs::write(&gz, gzip(&plain)?)?;
            std::fs::write(&br, brotli(&plain)?)?;
            writeln!(
                text,
                "    Asset {{ name: {name:?}, plain: include_bytes!({source:?}), \
                 gzip: include_bytes!({gz:?}), brotli: include_bytes!({br:?}) }},",
            )?;
        }
    }
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && !text.contains("Asset {") {
        println!(
            "cargo:warning=this binary has no dashboard: run `cargo xtask dashboard`, then build again"
        );
    }
    text.push_str("];\n");
    text.push_str(&report);
    text.push_str("];\n");
    std::fs::write(out.join("assets.rs"), text)?;
    Ok(())
}
