//! Arrays: one program in Python, asked of NumPy, of Dask and of Partita, the last two on clusters of the same shape.

use crate::dask::Dask;
use crate::measure::say;
use crate::persisted::{asked, running};
use crate::report::Row;
use anyhow::{Context, Result};
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
    say("arrays, Partita ...");
    let ours = asked(running(program, &python, &script, MEMORY).args(["partita", "", &scale]))?;
    say("arrays, Dask ...");
    let cluster = dask.start()?;
    let mut theirs = Command::new(&python);
    let theirs = asked(theirs.arg(&script).args(["dask", cluster.address(), &scale]))?;
    let mut table = Vec::new();
    for (name, seconds) in ours["seconds"].as_object().context("no seconds")? {
        let partita = seconds.as_f64().context("no number")?;
        let dask = theirs["seconds"][name].as_f64();
        table.push(Row::seconds(&format!("arrays: {name}"), partita, None, dask));
        let numpy = numpy["seconds"][name].as_f64().context("no number")?;
        table.push(Row::plain(&format!("the same in NumPy, {THREADS} threads"), numpy, "s"));
    }
    Ok(table)
}
