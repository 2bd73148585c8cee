//! The tools that build the dashboard for wasm32.
//!
//! The compiler is rustup's where it has the target or can get it. Where it cannot (no way to its
//! server), it is Debian's, with a standard library built from Debian's sources: see
//! [`crate::web_debian`]. Only commands made by [`Toolchain::command`] see any of it; everything
//! else keeps the compiler it has.

use crate::command::{capture, program, run, succeeds_within};
use crate::paths::Paths;
use crate::web_debian;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What the dashboard is built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Must equal the version of the library in the dashboard's Cargo.lock.
const WASM_BINDGEN_VERSION: &str = "0.2.129";

/// The newest that the toolchain of this workspace builds.
const TRUNK_VERSION: &str = "0.21.14";

/// npm's binaryen, for its wasm-opt: distributions have ones too old to read today's modules.
const BINARYEN_VERSION: &str = "132.0.0";

/// How long rustup may take to get the target. Where its server cannot be reached, it may hang.
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(30);

/// The tools, ready to be used.
pub(crate) struct Toolchain {
    prefix: PathBuf,
    /// The folder of Debian's compiler in its private sysroot, if that is the one.
    debian: Option<PathBuf>,
    /// Names compiler and tools, so that what they built can be told from what others would.
    pub(crate) identity: String,
}

impl Toolchain {
    /// Installs what is missing and checks the rest.
    ///
    /// # Errors
    /// If something is missing and cannot be had.
    pub(crate) fn ensure(paths: &Paths) -> Result<Self> {
        let prefix = paths.web();
        fs::create_dir_all(prefix.join("bin"))
            .with_context(|| format!("could not make {}", prefix.display()))?;
        // Two runs at once must not mix. The lock goes with the file, at the end of the function.
        let lock = fs::File::create(prefix.join(".lock"))?;
        lock.lock().context("could not lock the folder of the web tools")?;

        let debian = compiler(paths, &prefix)?;
        cargo_tool(paths, &prefix, "wasm-bindgen-cli", "wasm-bindgen", WASM_BINDGEN_VERSION)?;
        cargo_tool(paths, &prefix, "trunk", "trunk", TRUNK_VERSION)?;
        wasm_opt(&prefix)?;
        let mut toolchain = Self { prefix, debian, identity: String::new() };
        let compiler = capture(toolchain.command("rustc").arg("-V"))?;
        toolchain.identity = format!(
            "{}, wasm-bindgen {WASM_BINDGEN_VERSION}, trunk {TRUNK_VERSION}, \
             binaryen {BINARYEN_VERSION}",
            compiler.trim()
        );
        Ok(toolchain)
    }

    /// A command that builds for wasm32.
    pub(crate) fn command(&self, name: &str) -> Command {
        let debian = self.debian.as_ref().filter(|_| name == "rustc");
        let mut command = match debian {
            Some(bin) => program(bin.join("rustc")),
            None => program(name),
        };
        let mut path = std::ffi::OsString::from(self.prefix.join("bin"));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command.env("PATH", path);
        if let Some(bin) = &self.debian {
            command.env("RUSTC", bin.join("rustc")).env("RUSTDOC", bin.join("rustdoc"));
        }
        // trunk finds its helpers on PATH and downloads nothing. It stops at NO_COLOR=1, and cargo
        // would hand a caller's wrapper the wrong compiler.
        command
            .env("TRUNK_OFFLINE", "true")
            .env("TRUNK_SKIP_VERSION_CHECK", "true")
            .env_remove("NO_COLOR")
            .env_remove("RUSTC_BOOTSTRAP")
            .env_remove("RUSTC_WRAPPER");
        command
    }
}

/// Finds or makes a compiler for the target: rustup's (nothing is given) or Debian's (its folder).
fn compiler(paths: &Paths, prefix: &Path) -> Result<Option<PathBuf>> {
    if rustup_has_target(paths) {
        return Ok(None);
    }
    if let Some(bin) = web_debian::ready(prefix) {
        return Ok(Some(bin));
    }
    let mut add = program("rustup");
    add.args(["target", "add", TARGET]).current_dir(&paths.root);
    if succeeds_within(&mut add, RUSTUP_TIMEOUT) && rustup_has_target(paths) {
        return Ok(None);
    }
    println!("           rustup cannot get {TARGET}: taking Debian's compiler for the dashboard");
    web_debian::ensure(prefix).map(Some)
}

fn rustup_has_target(paths: &Paths) -> bool {
    let mut ask = program("rustc");
    ask.args(["--print", "target-libdir", "--target", TARGET]).current_dir(&paths.root);
    let Ok(folder) = capture(&mut ask) else { return false };
    let Ok(entries) = fs::read_dir(folder.trim()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Installs a tool from the registry, unless it is there in this version. The compiler is the
/// workspace's own: the tool runs on this machine.
fn cargo_tool(
    paths: &Paths,
    prefix: &Path,
    package: &str,
    name: &str,
    version: &str,
) -> Result<()> {
    let path = prefix.join("bin").join(name);
    if has_version(&path, version) {
        return Ok(());
    }
    if let Some(elsewhere) = on_path(name).filter(|path| has_version(path, version)) {
        return link(&elsewhere, &path);
    }
    println!("           cargo install {package} {version}");
    let build = prefix.join("build").join(package);
    let install = |locked: bool| {
        let mut cargo = program("cargo");
        cargo.current_dir(&paths.root).args(["install", "--quiet", "--force", package]);
        cargo.args(["--version", &format!("={version}")]);
        cargo.arg("--root").arg(prefix).arg("--target-dir").arg(&build);
        if locked {
            cargo.arg("--locked");
        }
        // No optimisation: it costs minutes that a tool which runs for seconds does not win back. What a caller
        // set for builds of ours does not apply to these.
        cargo
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET");
        run(&mut cargo)
    };
    // A registry mirror may lack a version that the package's own lock file names.
    install(true).or_else(|_| install(false))?;
    let _ = fs::remove_dir_all(&build);
    Ok(())
}

fn wasm_opt(prefix: &Path) -> Result<()> {
    let npm = prefix.join("npm");
    let package = npm.join("node_modules/binaryen");
    let stamp = format!("\"version\": \"{BINARYEN_VERSION}\"");
    let path = prefix.join("bin/wasm-opt");
    let is_there = fs::read_to_string(package.join("package.json"))
        .is_ok_and(|text| text.contains(&stamp))
        && path.exists();
    if is_there {
        return Ok(());
    }
    println!("           npm install binaryen {BINARYEN_VERSION}");
    let mut install = program("npm");
    install.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.arg("--no-save").arg("--prefix").arg(&npm).arg(format!("binaryen@{BINARYEN_VERSION}"));
    capture(&mut install).context("the dashboard's build needs Node.js and npm, for wasm-opt")?;
    link(&package.join("bin/wasm-opt"), &path)
}

fn has_version(path: &Path, version: &str) -> bool {
    let Ok(text) = capture(program(path).arg("--version")) else { return false };
    text.split_whitespace().nth(1) == Some(version)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Makes a symbolic link, in the place of what was there.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn link(target: &Path, path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).with_context(|| format!("could not replace {}", path.display()))?;
    }
    std::os::unix::fs::symlink(target, path)
        .with_context(|| format!("could not make {}", path.display()))
}
