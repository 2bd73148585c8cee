//! The tests that drive the dashboard in a browser: what they need, and how they are run.
//!
//! They are plain JavaScript below `tests/browser`, run by Node's own test runner. Their packages lie
//! in the cache folder, not beside them, so that nothing but sources is in a checkout.

use crate::apt::{self, Services};
use crate::command::{capture, program};
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The browser, a proxy to stand before the scheduler, and both ends of a tunnel to it. The tests
/// start the two servers themselves.
const PACKAGES: [&str; 4] = ["chromium", "nginx", "openssh-client", "openssh-server"];

/// The oldest Node.js that the packages of the tests run on.
const NODE_MAJOR_MIN: u32 = 20;

/// What npm reads: which packages, in which versions, and its own settings.
const NPM_FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// How the names of files with tests end.
const TEST_ENDING: &str = ".test.mjs";

/// Installs what is missing. Gives the folder of npm's packages.
///
/// # Errors
/// If something is missing and cannot be had.
pub(crate) fn ensure(paths: &Paths) -> Result<PathBuf> {
    apt::install(&PACKAGES, Services::Down)?;
    node()?;
    let sources = sources(paths);
    let folder = paths.browser();
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    // Two runs at once must not mix. The lock goes with the file, at the end of the function.
    let lock = fs::File::create(folder.join(".lock"))?;
    lock.lock().context("could not lock the folder of npm's packages")?;
    let modules = folder.join("node_modules");
    let stamp = folder.join(".installed");
    let wanted = NPM_FILES
        .iter()
        .map(|name| fs::read_to_string(sources.join(name)))
        .collect::<std::io::Result<String>>()
        .with_context(|| format!("could not read {}", sources.display()))?;
    if modules.is_dir() && fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(modules);
    }
    println!("           npm ci in {}", folder.display());
    // Without it, what an installation that is broken off leaves is not taken for whole.
    let _ = fs::remove_file(&stamp);
    for name in NPM_FILES {
        fs::copy(sources.join(name), folder.join(name))
            .with_context(|| format!("could not copy {name} to {}", folder.display()))?;
    }
    let mut install = program("npm");
    install.current_dir(&folder).args(["ci", "--silent", "--ignore-scripts"]);
    capture(&mut install).context("could not install the packages of the browser tests")?;
    fs::write(&stamp, wanted)?;
    Ok(modules)
}

/// All tests in the browser, against the binary that was built last.
///
/// # Errors
/// If the folder of the tests cannot be read.
pub(crate) fn tests(paths: &Paths, modules: &Path) -> Result<Command> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources(paths))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| path.to_string_lossy().ends_with(TEST_ENDING));
    files.sort();
    let mut tests = program("node");
    tests
        .current_dir(&paths.root)
        .args(["--test", "--test-reporter=spec"])
        .args(files)
        .env("PARTITA_TEST_BINARY", paths.binary("debug", "partita"))
        .env("PARTITA_TEST_NODE_MODULES", modules)
        .env("PARTITA_TEST_DATA", paths.data())
        .env("PARTITA_TEST_SCREENSHOTS", paths.screenshots())
        // The closing lines are read, and colours would be in them.
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR")
        .env_remove("NODE_OPTIONS");
    Ok(tests)
}

fn sources(paths: &Paths) -> PathBuf {
    paths.root.join("tests/browser")
}

/// Sees to it that there is a Node.js that will do.
fn node() -> Result<()> {
    let version = || capture(program("node").arg("--version"));
    let found = version().or_else(|_| {
        apt::install(&["nodejs", "npm"], Services::AsUsual)?;
        version()
    });
    let found = found.context("the browser tests need Node.js and npm")?;
    if major(&found).is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!(
            "the browser tests need Node.js {NODE_MAJOR_MIN} or newer, and this is {}",
            found.trim()
        );
    }
    Ok(())
}

/// The first number of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version is read as node prints it; anything else is not a version.
    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20.20.2"), None);
        assert_eq!(major(""), None);
    }
}
