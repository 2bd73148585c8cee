//! Held frames: one program in Python, asked of Dask and of Partita, on clusters of the same shape.

use crate::dask::Dask;
use crate::measure::{say, timed};
use crate::report::Row;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../python/held_frames.py");
/// Rows of a gigabyte in pandas, at scale 1.
const ROWS: f64 = 25_000_000.0;
/// What a worker may use.
const MEMORY: &str = "6GiB";

/// Runs it for both.
pub(crate) fn measure(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("held_frames.py");
    std::fs::write(&script, SCRIPT)?;
    let python = dask.environment().join("bin/python");
    let rows = ((ROWS * scale) as u64).to_string();
    let asked = |command: &mut Command| -> Result<Value> {
        let (_, text) = timed(command)?;
        Ok(serde_json::from_str(text.lines().last().context("no answer")?)?)
    };
    say("held frames, Partita ...");
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
    let mut ours = Command::new(program);
    ours.args(["run", "--workers=2", "--threads=1", "--headless", "--memory-limit", MEMORY, "--"])
        .args([&python, &script])
        .args(["partita", ""])
        .arg(folder)
        .arg(&rows)
        .env("PYTHONPATH", package)
        .env("PARTITA_PROGRAM", program)
        .env("PARTITA_LOG", "error");
    let ours = asked(&mut ours)?;
    say("held frames, Dask ...");
    let running = dask.start()?;
    let mut theirs = Command::new(&python);
    theirs.arg(&script).args(["dask", running.address()]).arg(folder).arg(&rows);
    let theirs = asked(&mut theirs)?;
    let mut table = Vec::new();
    for (name, seconds) in ours["seconds"].as_object().context("no seconds")? {
        let partita = seconds.as_f64().context("no number")?;
        let dask = theirs["seconds"][name].as_f64();
        table.push(Row::seconds(&format!("frames: {name}"), partita, None, dask));
    }
    let peak = |of: &Value| of["peak_mib"].as_f64().unwrap_or(0.0);
    table.push(Row::plain("frames: peak memory of the cluster", peak(&ours), "MiB"));
    table.push(Row::plain("frames: the same, Dask", peak(&theirs), "MiB"));
    Ok(table)
}
