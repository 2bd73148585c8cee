//! Packages of Debian and its kin.

use crate::command::{capture, program, run_quietly, succeeds_within};
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Times that an installation is tried: lists may be old, and another apt may be at work.
const TRIES_MAX: u32 = 5;

/// The pause after the first failed try; each further one is longer by as much.
const PAUSE: Duration = Duration::from_secs(3);

/// How long apt waits for another that holds its lock, in seconds.
const LOCK_TIMEOUT_S: u32 = 300;

/// How long `sudo -n true` may take.
const SUDO_TIMEOUT: Duration = Duration::from_secs(5);

/// What Debian's maintainer scripts ask before they start a service.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether the packages' services are started after the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Services {
    /// There are none, or they may start.
    AsUsual,
    /// They must not start.
    Down,
}

/// Installs the packages that are missing.
///
/// # Errors
/// If some are missing and cannot be installed: the message says how to do it by hand.
pub(crate) fn install(packages: &[&str], services: Services) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = || format!("install them by hand: `apt-get install {}`", missing.join(" "));
    let root = Root::find().with_context(by_hand)?;
    let _guard = match services {
        Services::AsUsual => None,
        Services::Down => ServicesDown::hold(&root)?,
    };
    println!("           apt-get install {}", missing.join(" "));
    retry(|| {
        update(&root)?;
        let archives = Scratch::new("archives")?;
        run_quietly(
            root.command("apt-get")
                .args(["-q", "-y", "-o"])
                .arg(format!("DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"))
                .arg("-o")
                .arg(format!("Dir::Cache::archives={}", archives.0.display()))
                .args(["install", "--no-install-recommends"])
                .args(&missing),
        )
    })
    .with_context(by_hand)
}

/// Unpacks a package into `folder` without installing it, so that none of its services is set up.
///
/// # Errors
/// If it cannot be downloaded or unpacked.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    let scratch = Scratch::new("unpack")?;
    let download = || {
        run_quietly(
            program("apt-get").args(["-q", "download"]).arg(package).current_dir(&scratch.0),
        )
    };
    if download().is_err() {
        let root = Root::find()?;
        retry(|| update(&root).and_then(|()| download()))?;
    }
    let archive = fs::read_dir(&scratch.0)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get downloaded no package {package}"))?;
    // Unpacked beside its place and then moved there: a folder that is there is whole.
    let partial = folder.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(&partial)
        .with_context(|| format!("could not make {}", partial.display()))?;
    run_quietly(program("dpkg-deb").arg("-x").arg(archive).arg(&partial))?;
    fs::rename(&partial, folder).with_context(|| format!("could not make {}", folder.display()))
}

/// Names and versions of installed packages, one a line, to notice that one has changed.
///
/// # Errors
/// If one is not installed.
pub(crate) fn versions(packages: &[&str]) -> Result<String> {
    capture(program("dpkg-query").args(["-W", "-f", "${Package}=${Version} "]).args(packages))
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // Names that dpkg has never heard of make it fail; it lists the others all the same.
    let output = program("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\\n"])
        .args(packages)
        .output()
        .with_context(|| {
            format!(
                "this system has no apt; install with its own package manager: {}",
                packages.join(" ")
            )
        })?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_installed = |package: &str| {
        listed.lines().any(|line| line.split_once(' ') == Some((package, "installed")))
    };
    Ok(packages.iter().copied().filter(|package| !is_installed(package)).collect())
}

fn update(root: &Root) -> Result<()> {
    run_quietly(root.command("apt-get").args(["-q", "-y", "update"]))
}

fn retry(mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let mut tries = 1;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if tries >= TRIES_MAX => return Err(error),
            Err(_) => std::thread::sleep(PAUSE * tries),
        }
        tries += 1;
    }
}

/// Whether this is root.
///
/// # Errors
/// If `id` cannot be asked.
pub(crate) fn is_root() -> Result<bool> {
    Ok(capture(program("id").arg("-u"))?.trim() == "0")
}

/// How to become root.
enum Root {
    Already,
    Sudo,
}

impl Root {
    fn find() -> Result<Self> {
        if is_root()? {
            return Ok(Self::Already);
        }
        if succeeds_within(program("sudo").args(["-n", "true"]), SUDO_TIMEOUT) {
            return Ok(Self::Sudo);
        }
        bail!("packages are missing, this is not root, and sudo wants a password or is not there")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = match self {
            Self::Already => program("env"),
            Self::Sudo => {
                let mut sudo = program("sudo");
                sudo.args(["-n", "env"]);
                sudo
            }
        };
        command.arg("DEBIAN_FRONTEND=noninteractive").arg(name);
        command
    }
}

/// While it lives, no package starts its service.
struct ServicesDown<'a>(&'a Root);

impl<'a> ServicesDown<'a> {
    /// Gives nothing if the machine has a policy of its own.
    fn hold(root: &'a Root) -> Result<Option<Self>> {
        if Path::new(SERVICE_POLICY).exists() {
            return Ok(None);
        }
        let script = format!(
            "printf '#!/bin/sh\\nexit 101\\n' >{SERVICE_POLICY} && chmod 755 {SERVICE_POLICY}"
        );
        let guard = Self(root);
        run_quietly(root.command("sh").args(["-c", &script]))?;
        Ok(Some(guard))
    }
}

impl Drop for ServicesDown<'_> {
    fn drop(&mut self) {
        if let Err(error) = run_quietly(self.0.command("rm").args(["-f", SERVICE_POLICY])) {
            eprintln!("{SERVICE_POLICY} keeps services from starting; remove it: {error:#}");
        }
    }
}

/// A folder that is removed at the end. Archives get one of their own because images of
/// containers empty the common one whenever any apt-get ends, also under another that is at work.
struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> Result<Self> {
        let name = format!("partita-apt-{what}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What apt made in it as root is root's; what stays is a temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Installs promtool, which checks metrics, without the server that comes with it. Gives its path.
///
/// # Errors
/// If its package cannot be had.
pub(crate) fn promtool(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.cache.join("prometheus");
    let path = folder.join("usr/bin/promtool");
    if !path.is_file() {
        unpack("prometheus", &folder)?;
    }
    Ok(path)
}
