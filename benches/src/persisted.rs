//! Persisted frames: one program in Python, asked of Dask and of Partita, on clusters of the same shape.

use crate::dask::Dask;
use crate::measure::{say, timed};
use crate::report::Row;
use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../python/persisted_frames.py");
const LARGE_SCRIPT: &str = include_str!("../python/persisted_large.py");
/// Rows of a gigabyte in pandas, at scale 1.
const ROWS: f64 = 25_000_000.0;
/// What a worker may use.
const MEMORY: &str = "6GiB";
/// Frames that are persisted at once where they do not fit into memory, and what a worker may use there.
const LARGE_FRAMES: &str = "10";
const LARGE_MEMORY: &str = "1GiB";

/// Runs it for both.
pub(crate) fn measure(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("persisted_frames.py");
    std::fs::write(&script, SCRIPT)?;
    let rows = ((ROWS * scale) as u64).to_string();
    let arguments = [folder.as_os_str(), rows.as_ref()];
    let (ours, theirs) = both("persisted frames", dask, program, (&script, MEMORY), &arguments)?;
    let mut table = beside("frames", &ours, &theirs)?;
    let peak = |of: &Value| of["peak_mib"].as_f64().unwrap_or(0.0);
    table.push(Row::plain("frames: peak memory of the cluster", peak(&ours), "MiB"));
    table.push(Row::plain("frames: the same, Dask", peak(&theirs), "MiB"));
    Ok(table)
}

/// Frames that are ten times what a worker may have in memory.
pub(crate) fn large(dask: &Dask, program: &Path, folder: &Path, scale: f64) -> Result<Vec<Row>> {
    let script = folder.join("persisted_large.py");
    std::fs::write(&script, LARGE_SCRIPT)?;
    let rows = ((ROWS * scale) as u64).to_string();
    say("frames that do not fit into memory ...");
    let python = dask.environment().join("bin/python");
    let mut command = running(program, &python, &script, LARGE_MEMORY);
    let answer = asked(command.args([LARGE_FRAMES, rows.as_str()]))?;
    let mut table = Vec::new();
    for (name, seconds) in answer["seconds"].as_object().context("no seconds")? {
        let seconds = seconds.as_f64().context("no number")?;
        table.push(Row::seconds(&format!("large: {name}"), seconds, None, None));
    }
    table.push(Row::plain(
        "large: persisted",
        answer["persisted_gb"].as_f64().unwrap_or(0.0),
        "GB",
    ));
    for peak in answer["peaks_mib"].as_array().context("no peaks")? {
        let peak = peak.as_f64().context("no number")?;
        table.push(Row::plain("large: peak memory of a worker of 1 GiB", peak, "MiB"));
    }
    Ok(table)
}

/// A program in Python with a cluster of two workers of one thread.
fn running(program: &Path, python: &Path, script: &Path, memory: &str) -> Command {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
    let mut command = Command::new(program);
    command
        .args(["run", "--workers=2", "--threads=1", "--headless", "--memory-limit", memory, "--"])
        .args([python, script])
        .env("PYTHONPATH", package)
        .env("PARTITA_PROGRAM", program)
        .env("PARTITA_LOG", "error");
    command
}

/// The answers of a script on a cluster of Partita, whose workers have so much memory, and on one of Dask.
pub(crate) fn both(
    what: &str,
    dask: &Dask,
    program: &Path,
    (script, memory): (&Path, &str),
    arguments: &[&OsStr],
) -> Result<(Value, Value)> {
    let python = dask.environment().join("bin/python");
    say(&format!("{what}, Partita ..."));
    let mut ours = running(program, &python, script, memory);
    let ours = asked(ours.args(["partita", ""]).args(arguments))?;
    say(&format!("{what}, Dask ..."));
    let cluster = dask.start()?;
    let mut theirs = Command::new(&python);
    theirs.arg(script).args(["dask", cluster.address()]).args(arguments);
    Ok((ours, asked(&mut theirs)?))
}

/// A row for each question, with the seconds of both.
pub(crate) fn beside(prefix: &str, ours: &Value, theirs: &Value) -> Result<Vec<Row>> {
    let mut table = Vec::new();
    for (name, seconds) in ours["seconds"].as_object().context("no seconds")? {
        let partita = seconds.as_f64().context("no number")?;
        let dask = theirs["seconds"][name].as_f64();
        table.push(Row::seconds(&format!("{prefix}: {name}"), partita, None, dask));
    }
    Ok(table)
}

/// The JSON that a command prints last.
pub(crate) fn asked(command: &mut Command) -> Result<Value> {
    let (_, text) = timed(command)?;
    Ok(serde_json::from_str(text.lines().last().context("no answer")?)?)
}
