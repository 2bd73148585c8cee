//! Times of whole processes.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Counted runs of each measurement, after one that is not counted.
pub(crate) const RUNS: usize = 3;
/// Counted runs of what takes less than [`SHORT_SECONDS`].
pub(crate) const RUNS_OF_SHORT: usize = 15;
/// What is short, in seconds.
pub(crate) const SHORT_SECONDS: f64 = 1.0;
/// What one run may take.
const RUN_TIMEOUT: Duration = Duration::from_secs(900);

/// The median of a few times, in seconds.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a command to its end, and returns its time and what it printed.
pub(crate) fn timed(command: &mut Command) -> Result<(f64, String)> {
    let shown = format!("{command:?}");
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.with_context(|| format!("cannot start {shown}"))?;
    let output = child.wait_with_output()?;
    let seconds = start.elapsed().as_secs_f64();
    if start.elapsed() > RUN_TIMEOUT || !output.status.success() {
        bail!("{shown}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok((seconds, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The median times of two commands, run in turn so that both meet the same moods of the machine.
/// One run of each is not counted; a command that ends within a second is run more often, since a
/// median of three such times still varies by half.
pub(crate) fn pair(
    mut ours: impl FnMut() -> Command,
    mut theirs: impl FnMut() -> Command,
) -> Result<(f64, f64)> {
    let first = timed(&mut ours())?.0.max(timed(&mut theirs())?.0);
    let runs = if first < SHORT_SECONDS { RUNS_OF_SHORT } else { RUNS };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        a.push(timed(&mut ours())?.0);
        b.push(timed(&mut theirs())?.0);
    }
    Ok((median(a), median(b)))
}

/// A process that is ended when this goes.
pub(crate) struct Background(pub(crate) Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident bytes of a process.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|f| f.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// Says what is being done.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
    let _ = std::io::stderr().flush();
}
