//! Python functions: one program in Python, asked of Dask and of Partita, on clusters of the same shape.

use crate::dask::Dask;
use crate::persisted::{beside, both};
use crate::report::Row;
use anyhow::Result;
use std::path::Path;

const SCRIPT: &str = include_str!("../python/functions.py");
/// What a worker may use.
const MEMORY: &str = "4GiB";

/// Runs it for both.
pub(crate) fn measure(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("functions.py");
    std::fs::write(&script, SCRIPT)?;
    let scale = scale.to_string();
    let (ours, theirs) = both("functions", dask, program, (&script, MEMORY), &[scale.as_ref()])?;
    beside("functions", &ours, &theirs)
}
