//! A compiler for wasm32 made of Debian's packages, for machines on which rustup cannot get the
//! target.
//!
//! Debian has a recent compiler and the sources of its library, not the library for wasm32. It is
//! built from those sources, once per compiler version, into a private sysroot beside links to
//! what Debian installed. Two wrappers name that sysroot to Debian's rustc and rustdoc, and
//! rustup's cargo drives them: `cargo build --target wasm32-unknown-unknown` then works without
//! flags, and nothing of the system is changed but for the packages.

use crate::apt::{self, Services};
use crate::command::{capture, program, run};
use crate::web::{TARGET, link};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Counted up when the way in which the library is built changes.
const RECIPE: u32 = 3;

/// The packages of the compiler. Not its cargo: rustup's drives it.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// What tools built from source need to be linked.
const LINKER_PACKAGES: [&str; 3] = ["binutils", "gcc", "libc6-dev"];

/// Where Debian puts the compiler.
const RUSTC: &str = "/usr/bin/rustc";

/// Libraries without which the built standard library is not whole.
const LIBRARIES: [&str; 6] = ["core", "alloc", "std", "test", "panic_abort", "compiler_builtins"];

const SEED_MANIFEST: &str = r#"[package]
name = "std-seed"
version = "0.0.0"
edition = "2021"
[lib]
path = "src/lib.rs"
[profile.release]
opt-level = "s"
codegen-units = 1
debug = false
[workspace]
"#;

/// The folder of the wrappers, if all is there and of the compiler that is installed.
pub(crate) fn ready(prefix: &Path) -> Option<PathBuf> {
    let sysroot = prefix.join("tc");
    let stamp = fs::read_to_string(stamp_path(&sysroot)).ok()?;
    let bin = sysroot.join("bin");
    let is_ready = bin.join("rustc").is_file() && stamp.trim() == expected_stamp().ok()?;
    is_ready.then_some(bin)
}

/// Installs and builds what is missing. Gives the folder of the wrappers.
///
/// # Errors
/// If the packages cannot be had or the library cannot be built.
pub(crate) fn ensure(prefix: &Path) -> Result<PathBuf> {
    let packages: Vec<&str> = PACKAGES.into_iter().chain(LINKER_PACKAGES).collect();
    apt::install(&packages, Services::AsUsual)?;
    let about = capture(program(RUSTC).arg("-vV"))?;
    let host = field(&about, "host:").context("Debian's rustc does not name its host")?;
    let llvm = field(&about, "LLVM version:").context("Debian's rustc does not name its LLVM")?;
    let major = llvm.split('.').next().unwrap_or(llvm);
    apt::install(&[format!("lld-{major}").as_str()], Services::AsUsual)?;

    let sysroot = prefix.join("tc");
    make_sysroot(&sysroot, host, major)?;
    if ready(prefix).is_none() {
        println!("           building the standard library for {TARGET}");
        build_library(prefix, &sysroot)?;
    }
    ready(prefix).context("Debian's compiler changed while its library was built; try again")
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET)
}

fn stamp_path(sysroot: &Path) -> PathBuf {
    library_folder(sysroot).join(".stamp")
}

fn expected_stamp() -> Result<String> {
    Ok(format!("std-{RECIPE} {}", apt::versions(&PACKAGES)?.trim()))
}

fn make_sysroot(sysroot: &Path, host: &str, llvm_major: &str) -> Result<()> {
    let rustlib = sysroot.join("lib/rustlib");
    for folder in [sysroot.join("bin"), rustlib.join(host).join("bin"), rustlib.join(TARGET)] {
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
    }
    let debian = Path::new("/usr/lib/rustlib");
    link(&debian.join(host).join("lib"), &rustlib.join(host).join("lib"))?;
    link(&debian.join("src"), &rustlib.join("src"))?;
    // The name under which rustc looks for the linker of wasm modules when it is told none.
    let linker = PathBuf::from(format!("/usr/bin/lld-{llvm_major}"));
    link(&linker, &rustlib.join(host).join("bin/rust-lld"))?;
    for name in ["rustc", "rustdoc"] {
        write_wrapper(sysroot, name)?;
    }
    Ok(())
}

/// Writes a wrapper unless it is there: cargo builds everything anew when its compiler's file is
/// newer than what it built.
fn write_wrapper(sysroot: &Path, name: &str) -> Result<()> {
    let path = sysroot.join("bin").join(name);
    let quoted = sysroot.display().to_string().replace('\'', r"'\''");
    let script = format!("#!/bin/sh\nexec /usr/bin/{name} --sysroot '{quoted}' \"$@\"\n");
    if fs::read_to_string(&path).is_ok_and(|present| present == script) {
        return Ok(());
    }
    fs::write(&path, script).with_context(|| format!("could not write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn build_library(prefix: &Path, sysroot: &Path) -> Result<()> {
    let build = prefix.join("build/std");
    let _ = fs::remove_dir_all(&build);
    let _ = fs::remove_dir_all(library_folder(sysroot));
    let libraries = library_folder(sysroot).join("lib");
    fs::create_dir_all(build.join("src"))?;
    fs::create_dir_all(&libraries)?;
    fs::write(build.join("Cargo.toml"), SEED_MANIFEST)?;
    fs::write(build.join("src/lib.rs"), "#![no_std]\n")?;
    // The features that are needed to build the library are open to a released compiler only with
    // RUSTC_BOOTSTRAP. Bitcode is kept for link-time optimisation.
    let mut cargo = program("cargo");
    cargo
        .current_dir(&build)
        .args(["build", "--quiet", "-Z", "build-std=std,panic_abort,test", "--release"])
        .args(["--target", TARGET])
        .env("RUSTC", sysroot.join("bin/rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", build.join("target"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WRAPPER");
    run(&mut cargo).with_context(|| format!("could not build the library for {TARGET}"))?;
    let built = build.join("target").join(TARGET).join("release/deps");
    install_libraries(&built, &libraries)?;
    fs::write(stamp_path(sysroot), format!("{}\n", expected_stamp()?))?;
    let _ = fs::remove_dir_all(&build);
    Ok(())
}

fn install_libraries(built: &Path, libraries: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        if name.ends_with(".rlib") && !name.starts_with("libstd_seed") {
            fs::copy(&path, libraries.join(&name))
                .with_context(|| format!("could not copy {}", path.display()))?;
            names.push(name);
        }
    }
    for library in LIBRARIES {
        let prefix = format!("lib{library}-");
        if !names.iter().any(|name| name.starts_with(&prefix)) {
            bail!("the library that was built for {TARGET} lacks {library}");
        }
    }
    Ok(())
}
