//! Python functions: one program in Python, asked of Dask and of Partita, on clusters of the same shape.

use crate::dask::Dask;
use crate::measure::say;
use crate::persisted::{asked, running};
use crate::report::Row;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../python/functions.py");
/// What a worker may use.
const MEMORY: &str = "4GiB";

/// Runs it for both.
pub(crate) fn measure(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("functions.py");
    std::fs::write(&script, SCRIPT)?;
    let python = dask.environment().join("bin/python");
    let scale = scale.to_string();
    say("functions, Partita ...");
    let ours = asked(running(program, &python, &script, MEMORY).args(["partita", "", &scale]))?;
    say("functions, Dask ...");
    let cluster = dask.start()?;
    let mut theirs = Command::new(&python);
    let theirs = asked(theirs.arg(&script).args(["dask", cluster.address(), &scale]))?;
    let mut table = Vec::new();
    for (name, seconds) in ours["seconds"].as_object().context("no seconds")? {
        let partita = seconds.as_f64().context("no number")?;
        let dask = theirs["seconds"][name].as_f64();
        table.push(Row::seconds(&format!("functions: {name}"), partita, None, dask));
    }
    Ok(table)
}
