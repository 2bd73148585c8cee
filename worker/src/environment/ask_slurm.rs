//! What Slurm's environment does not say and its programs do. They may be slow, fail, or not be
//! there: then nothing is known, and nobody waits longer than [`ASK_TIMEOUT`].

use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a program of Slurm's may take for an answer.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// What the job still has, by `squeue`. None if it has no end or nobody says.
pub async fn time_left(job_id: u64) -> Option<Duration> {
    let job = job_id.to_string();
    parse_left(&output("squeue", &["--noheader", "--jobs", &job, "--format", "%L"]).await?)
}

/// The time between SIGTERM and SIGKILL at a job's end: `KillWait` of Slurm's configuration.
pub async fn kill_wait() -> Option<Duration> {
    parse_kill_wait(&output("scontrol", &["show", "config"]).await?)
}

async fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ASK_TIMEOUT, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads `1-02:03:04`, `02:03:04`, `03:04` or `04`.
fn parse_left(text: &str) -> Option<Duration> {
    let (days, clock) = match text.trim().split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text.trim()),
    };
    let parts: Option<Vec<u64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    let seconds = match parts?.as_slice() {
        [hours, minutes, seconds] => hours * 3600 + minutes * 60 + seconds,
        [minutes, seconds] => minutes * 60 + seconds,
        [seconds] => *seconds,
        _ => return None,
    };
    Some(Duration::from_secs(days * 86_400 + seconds))
}

/// Reads the line `KillWait                = 30 sec`.
fn parse_kill_wait(text: &str) -> Option<Duration> {
    let line = text.lines().find(|line| line.starts_with("KillWait "))?;
    let (_, value) = line.split_once('=')?;
    value.split_whitespace().next()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slurm's notations of the remaining time, and of no limit.
    #[test]
    fn what_is_left_is_read() {
        let seconds = |text| parse_left(text).map(|left| left.as_secs());
        assert_eq!(seconds("59:30\n"), Some(3570));
        assert_eq!(seconds("1-02:03:04"), Some(93_784));
        assert_eq!(seconds("02:00:00"), Some(7200));
        assert_eq!(seconds("12"), Some(12));
        assert_eq!(seconds("UNLIMITED"), None);
        assert_eq!(seconds("INVALID"), None);
        assert_eq!(seconds(""), None);
    }

    /// The one line that is meant.
    #[test]
    fn the_time_before_the_kill_is_read() {
        let text = "KeepAliveTime           = SYSTEM_DEFAULT\nKillOnBadExit           = 0\nKillWait                = 5 sec\n";
        assert_eq!(parse_kill_wait(text), Some(Duration::from_secs(5)));
        assert_eq!(parse_kill_wait(""), None);
    }
}
