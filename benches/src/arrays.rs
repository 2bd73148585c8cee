//! Arrays: one program in Python, asked of NumPy, of Dask and of Partita, the last two on clusters of the same shape.

use crate::dask::Dask;
use crate::measure::say;
use crate::persisted::{asked, beside, both};
use crate::report::Row;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../python/arrays.py");
/// What a worker may use.
const MEMORY: &str = "6GiB";
/// Threads of NumPy's linear algebra: as many as the clusters have.
const THREADS: &str = "2";

/// Runs it for all three.
pub(crate) fn measure(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("arrays.py");
    std::fs::write(&script, SCRIPT)?;
    let python = dask.environment().join("bin/python");
    let scale = scale.to_string();
    say("arrays, NumPy ...");
    let mut numpy = Command::new(&python);
    numpy.arg(&script).args(["numpy", "", &scale]).env("OPENBLAS_NUM_THREADS", THREADS);
    let numpy = asked(&mut numpy)?;
    let (ours, theirs) = both("arrays", dask, program, (&script, MEMORY), &[scale.as_ref()])?;
    let mut table = Vec::new();
    for (row, seconds) in
        beside("arrays", &ours, &theirs)?.into_iter().zip(of_numpy(&ours, &numpy)?)
    {
        table.push(row);
        table.push(Row::plain(&format!("the same in NumPy, {THREADS} threads"), seconds, "s"));
    }
    Ok(table)
}

/// The seconds of NumPy for each question of ours, in order.
fn of_numpy(ours: &Value, numpy: &Value) -> Result<Vec<f64>> {
    let names = ours["seconds"].as_object().context("no seconds")?.keys();
    names.map(|name| numpy["seconds"][name].as_f64().context("no number")).collect()
}
