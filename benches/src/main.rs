//! Measurements beside single-node DataFusion and Dask, on the same files, in one run; and of the
//! dashboard with simulated workers.
//!
//! `cargo xtask bench [--scale F] [--without-dask] [--only NAME,...]` builds this in release and
//! runs it; the table goes to `benches/README.md`. `--scale 1` is about a gigabyte a table.

mod arrays;
mod core_cost;
mod dashboard;
mod dask;
mod data;
mod functions;
mod measure;
mod opponents;
mod persisted;
mod report;
mod slurm;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

// The same allocator as the binary's: it is not what is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    scale: f64,
    with_dask: bool,
    only: Vec<String>,
}

impl Options {
    /// Whether a measurement is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
    }

    /// Whether nothing but some of these is wanted.
    fn are_all_of(&self, names: &[&str]) -> bool {
        let is_one = |only: &String| names.iter().any(|name| name.starts_with(only.as_str()));
        !self.only.is_empty() && self.only.iter().all(is_one)
    }
}

fn options() -> Result<Options> {
    let mut options = Options { scale: 1.0, with_dask: true, only: Vec::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--scale" => {
                let value = args.next().context("--scale takes a number")?;
                options.scale = value.parse().context("--scale takes a number")?;
            }
            "--without-dask" => options.with_dask = false,
            "--only" => {
                let names = args.next().context("--only takes names")?;
                options.only = names.split(',').map(str::to_string).collect();
            }
            other => {
                bail!("unknown argument `{other}`: --scale F, --without-dask, --only NAME,...")
            }
        }
    }
    Ok(options)
}

fn main() -> Result<()> {
    // A child of this program runs one query on plain DataFusion.
    if std::env::args().nth(1).as_deref() == Some("datafusion") {
        return opponents::datafusion_child();
    }
    let options = options()?;
    let mut rows = Vec::new();
    if !options.are_all_of(&dashboard::NAMES) {
        let folder = cache()?.join("bench").join(format!("scale-{}", options.scale));
        data::make(&folder, options.scale)?;
        rows.extend(opponents::run(&options, &folder)?);
    }
    rows.extend(dashboard::run(&options)?);
    report::print(&rows);
    if options.only.is_empty() {
        report::write(&rows, &options)?;
    }
    Ok(())
}

/// The cache folder of the project's tools.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("partita"))
}
