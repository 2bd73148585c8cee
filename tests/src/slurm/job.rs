//! One job of Slurm's.

use super::Nodes;
use crate::process::wait_for;
use std::time::Duration;

/// States in which nothing of a job is left.
const FINAL: [&str; 9] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
];

/// A job that was submitted.
#[derive(Debug)]
pub struct Job<'a> {
    nodes: &'a Nodes,
    /// Its number.
    pub id: u64,
}

impl<'a> Job<'a> {
    pub(super) fn new(nodes: &'a Nodes, id: u64) -> Self {
        Job { nodes, id }
    }

    /// Its state as `squeue` names it, such as `RUNNING`. None if Slurm does not say: when it is
    /// busy it answers with nothing at all.
    pub fn state(&self) -> Option<String> {
        let id = self.id.to_string();
        let ran = self.nodes.run(&["squeue", "-h", "-t", "all", "-o", "%T", "-j", &id]);
        let text = ran.text();
        let state = text.trim();
        (ran.code == 0 && !state.is_empty()).then(|| state.to_string())
    }

    /// Waits until it is in one of these states.
    ///
    /// # Panics
    /// If it is not within the bound, or ended otherwise.
    #[track_caller]
    pub fn wait(&self, states: &[&str], bound: Duration) -> String {
        wait_for(&format!("job {} to be {states:?}", self.id), bound, || {
            let state = self.state()?;
            if states.contains(&state.as_str()) {
                return Some(state);
            }
            let ended = FINAL.contains(&state.as_str());
            assert!(!ended, "job {} is {state}, not {states:?}: {}", self.id, self.output());
            None
        })
    }

    /// Waits until it runs.
    #[track_caller]
    pub fn wait_running(&self, bound: Duration) {
        self.wait(&["RUNNING"], bound);
    }

    /// Waits for its end, which must be a good one, and returns what it wrote.
    #[track_caller]
    pub fn finish(&self, bound: Duration) -> String {
        self.ends(&["COMPLETED"], bound)
    }

    /// Waits until it ended in one of these states, and returns what it wrote.
    #[track_caller]
    pub fn ends(&self, states: &[&str], bound: Duration) -> String {
        self.wait(states, bound);
        self.output()
    }

    /// What it wrote so far: the file in the user's home whose name ends with its number.
    pub fn output(&self) -> String {
        let end = format!("-{}.out", self.id);
        let entries = std::fs::read_dir(self.nodes.home()).into_iter().flatten().flatten();
        let mut files = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(&end));
        let file = files.next().map(|entry| entry.path());
        let text = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until it wrote this.
    #[track_caller]
    pub fn wait_output(&self, text: &str, bound: Duration) -> String {
        wait_for(&format!("`{text}` from job {}", self.id), bound, || {
            let output = self.output();
            if output.contains(text) {
                return Some(output);
            }
            let state = self.state()?;
            let ended = FINAL.contains(&state.as_str()) && !self.output().contains(text);
            assert!(!ended, "job {} is {state} without `{text}`: {output}", self.id);
            None
        })
    }

    /// `scancel`.
    pub fn cancel(&self) {
        self.nodes.run(&["scancel", &self.id.to_string()]).ok();
    }

    /// A field of `scontrol show job`.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = self.nodes.run(&["scontrol", "show", "job", "-o", &self.id.to_string()]).text();
        let start = format!("{name}=");
        text.split_whitespace().find_map(|word| Some(word.strip_prefix(&start)?.to_string()))
    }

    /// What was in the job's scratch folder on a node when the job had ended, one path a line.
    /// None before that.
    pub fn left_in_scratch(&self, node: &str) -> Option<String> {
        let file = self.nodes.folder().join(format!("log/left-{}-{node}", self.id));
        std::fs::read_to_string(file).ok()
    }
}
