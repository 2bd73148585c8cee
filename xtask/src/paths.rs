//! Where things lie: the checkout, and one cache folder for all that is installed or built.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The folders that every command uses.
pub(crate) struct Paths {
    /// The root of the checkout.
    pub(crate) root: PathBuf,
    /// `partita` in the user's cache folder.
    pub(crate) cache: PathBuf,
    /// Where the workspace is built.
    pub(crate) target: PathBuf,
}

impl Paths {
    /// Finds the folders.
    ///
    /// # Errors
    /// If this is not a checkout of the project, or there is no home folder.
    pub(crate) fn find() -> Result<Self> {
        let cache = cache_folder()?;
        let target = match std::env::var_os("PARTITA_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => {
                std::path::absolute(&folder).context("PARTITA_TARGET_DIR is not a usable path")?
            }
            _ => cache.join("target"),
        };
        Ok(Self { root: checkout()?, cache, target })
    }

    /// The same folders for another checkout.
    pub(crate) fn with_root(&self, root: PathBuf) -> Self {
        Self { root, cache: self.cache.clone(), target: self.target.clone() }
    }

    /// The copy of the checkout that is built.
    pub(crate) fn mirror(&self) -> PathBuf {
        self.cache.join("tree")
    }

    /// The dashboard's sources.
    pub(crate) fn dashboard(&self) -> PathBuf {
        self.root.join("dashboard")
    }

    /// The built dashboard: the files that the scheduler embeds.
    pub(crate) fn dist(&self) -> PathBuf {
        self.cache.join("dashboard/dist")
    }

    /// Where the dashboard is built for this machine, to be checked and tested.
    pub(crate) fn dashboard_target(&self) -> PathBuf {
        self.cache.join("dashboard-target")
    }

    /// Where crates are built for wasm32. It is a folder of its own, because another compiler
    /// builds them: in a common one each would evict the other's work.
    pub(crate) fn web_target(&self) -> PathBuf {
        self.cache.join("web-target")
    }

    /// The tools that build for wasm32.
    pub(crate) fn web(&self) -> PathBuf {
        self.cache.join("web")
    }

    /// The Python environment of tests and demo.
    pub(crate) fn venv(&self) -> PathBuf {
        self.cache.join("venv")
    }

    /// The Python environment in which the peers' test suites run.
    pub(crate) fn conformance(&self) -> PathBuf {
        self.cache.join("conformance")
    }

    /// The tools that build the wheel.
    pub(crate) fn wheel_tools(&self) -> PathBuf {
        self.cache.join("wheel-tools")
    }

    /// The licences and notices of all crates, which the program prints.
    pub(crate) fn licenses(&self) -> PathBuf {
        self.cache.join("licenses.txt")
    }

    /// A server of object storage, for tests.
    pub(crate) fn stores(&self) -> PathBuf {
        self.cache.join("stores")
    }

    /// The tools that build the site of the documents.
    pub(crate) fn docs_tools(&self) -> PathBuf {
        self.cache.join("docs-tools")
    }

    /// The site of the documents, unless the user says where.
    pub(crate) fn site(&self) -> PathBuf {
        self.cache.join("site")
    }

    /// Where the wheel's program is built: by another linker, for older systems.
    pub(crate) fn wheel_target(&self) -> PathBuf {
        self.cache.join("wheel-target")
    }

    /// Where wheels for users go, unless they say where.
    pub(crate) fn wheels(&self) -> PathBuf {
        self.cache.join("wheels")
    }

    /// Where packages for users go, unless they say where.
    pub(crate) fn packages(&self) -> PathBuf {
        self.cache.join("packages")
    }

    /// The packages of the tests that drive a browser.
    pub(crate) fn browser(&self) -> PathBuf {
        self.cache.join("browser")
    }

    /// The pictures of all pages that those tests take.
    pub(crate) fn screenshots(&self) -> PathBuf {
        self.cache.join("screenshots")
    }

    /// The folder of data sets.
    pub(crate) fn data(&self) -> PathBuf {
        self.cache.join("data")
    }

    /// An executable of the workspace.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

fn cache_folder() -> Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = match named.filter(|folder| folder.is_absolute()) {
        Some(folder) => folder,
        None => std::env::home_dir().context("there is no home folder: set HOME")?.join(".cache"),
    };
    Ok(base.join("partita"))
}

/// The checkout: cargo names the package's folder when it runs this; else it is looked for from
/// the working directory upwards.
fn checkout() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = std::env::current_dir().context("there is no working directory")?;
    let is_root = |folder: &&Path| folder.join("xtask/Cargo.toml").is_file();
    let found = package.iter().flat_map(|folder| folder.ancestors()).find(is_root);
    found
        .or_else(|| start.ancestors().find(is_root))
        .map(Path::to_path_buf)
        .context("this is not a checkout of Partita; run the command inside one")
}
