//! The Slurm job that this process is part of, as the environment tells it.

use super::{Lookup, number, process_variable};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Step ids from here on are Slurm's own (the batch script, an interactive shell), not `srun`'s.
const STEP_ID_SPECIAL_MIN: u64 = 0xffff_fff0;

/// Times from here on, in seconds since 1970, are Slurm's ways to write "none" and "no end".
const END_TIME_SPECIAL_SECS_MIN: u64 = 0xffff_fffd;

/// The job around this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmJob {
    /// The job's id.
    pub job_id: u64,
    /// The step's id, if this process was started by `srun`; none in the batch script.
    pub step_id: Option<u64>,
    /// This process's rank in its step; 0 in the batch script.
    pub procid: u32,
    /// The node's name, as Slurm calls it. None on a login node, in a shell of `salloc`.
    pub node_name: Option<String>,
    /// When the job's time is up, if Slurm says so (older versions do not).
    pub end_time: Option<SystemTime>,
    /// The host from which the job was submitted: the one to log in to, for a tunnel.
    pub submit_host: Option<String>,
    /// Tasks of this step on this node, this one included; 1 in the batch script.
    pub tasks_on_node: u32,
    /// Tasks of this step; of the job, in the batch script.
    pub tasks: u32,
    /// The nodes of this step, as Slurm writes them (see [`super::hostlist`]); of the job, in the
    /// batch script.
    pub nodes: String,
    /// How often the job was started again: its steps are counted from 0 each time.
    pub restarts: u32,
}

impl SlurmJob {
    /// Looks at this process's environment. None outside a job.
    pub fn detect() -> Option<SlurmJob> {
        SlurmJob::from_variables(&process_variable)
    }

    pub(super) fn from_variables(lookup: Lookup<'_>) -> Option<SlurmJob> {
        let job_id = number(lookup, "SLURM_JOB_ID").or_else(|| number(lookup, "SLURM_JOBID"))?;
        let end_time = number(lookup, "SLURM_JOB_END_TIME")
            .filter(|seconds| (1..END_TIME_SPECIAL_SECS_MIN).contains(seconds))
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        Some(SlurmJob {
            job_id,
            step_id: step_id(lookup),
            procid: number(lookup, "SLURM_PROCID").and_then(|id| id.try_into().ok()).unwrap_or(0),
            node_name: lookup("SLURMD_NODENAME"),
            end_time,
            submit_host: lookup("SLURM_SUBMIT_HOST"),
            tasks_on_node: tasks_on_node(lookup),
            tasks: number(lookup, "SLURM_STEP_NUM_TASKS")
                .or_else(|| number(lookup, "SLURM_NTASKS"))
                .and_then(|tasks| tasks.try_into().ok())
                .unwrap_or(1)
                .max(1),
            nodes: lookup("SLURM_STEP_NODELIST")
                .or_else(|| lookup("SLURM_JOB_NODELIST"))
                .unwrap_or_default(),
            restarts: number(lookup, "SLURM_RESTART_COUNT")
                .and_then(|count| count.try_into().ok())
                .unwrap_or(0),
        })
    }

    /// A name for the cluster of this job, or of this step: no other job's, step's or start's.
    pub fn cluster_name(&self) -> String {
        let mut name = format!("slurm-{}", self.job_id);
        if self.restarts > 0 {
            name += &format!("-again-{}", self.restarts);
        }
        match self.step_id {
            Some(step) => format!("{name}.{step}"),
            None => name,
        }
    }

    /// How long the job may still run at `now`: zero when its time is up, none if that is unknown.
    pub fn remaining(&self, now: SystemTime) -> Option<Duration> {
        self.end_time.map(|end| end.duration_since(now).unwrap_or_default())
    }
}

/// The step's id, if `srun` started this process.
fn step_id(lookup: Lookup<'_>) -> Option<u64> {
    number(lookup, "SLURM_STEP_ID")
        .or_else(|| number(lookup, "SLURM_STEPID"))
        .filter(|id| *id < STEP_ID_SPECIAL_MIN)
}

/// Tasks of this step on this node, at least 1: they share what the step has of the node.
pub(super) fn tasks_on_node(lookup: Lookup<'_>) -> u32 {
    if step_id(lookup).is_none() {
        return 1;
    }
    let node = number(lookup, "SLURM_NODEID").unwrap_or(0);
    lookup("SLURM_STEP_TASKS_PER_NODE")
        .and_then(|counts| {
            // Beyond the list's end the largest count is the careful answer.
            of_node(&counts, node).or_else(|| parse_counts(&counts).map(|(count, _)| count).max())
        })
        .and_then(|tasks| tasks.try_into().ok())
        .unwrap_or(1)
        .max(1)
}

/// CPUs that the job, or the step, has on this node.
pub(super) fn cpus_on_node(lookup: Lookup<'_>) -> Option<u64> {
    let own = number(lookup, "SLURM_CPUS_ON_NODE");
    own.or_else(|| {
        let node = number(lookup, "SLURM_NODEID").unwrap_or(0);
        let counts = lookup("SLURM_JOB_CPUS_PER_NODE")?;
        // Beyond the list's end the smallest count is the careful answer.
        of_node(&counts, node).or_else(|| parse_counts(&counts).map(|(count, _)| count).min())
    })
    .filter(|cpus| *cpus > 0)
}

/// Reads `36(x2),40` as (36, 2), (40, 1). Invalid counts are skipped.
fn parse_counts(text: &str) -> impl Iterator<Item = (u64, u64)> {
    text.split(',').filter_map(|part| {
        let (count, times) = match part.trim().split_once("(x") {
            Some((count, times)) => (count, times.strip_suffix(')')?.parse().ok()?),
            None => (part.trim(), 1),
        };
        Some((count.parse().ok()?, times))
    })
}

/// The count of one node in a list such as `36(x2),40`.
fn of_node(text: &str, node: u64) -> Option<u64> {
    let mut first: u64 = 0;
    for (count, times) in parse_counts(text) {
        first = first.saturating_add(times);
        if node < first {
            return Some(count);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An environment of only the given variables.
    pub(in crate::environment) fn variables<'a>(
        pairs: &'a [(&'a str, &'a str)],
    ) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
    }

    /// A task of `srun` knows its job, step, rank, node and end.
    #[test]
    fn a_step_is_detected() {
        let pairs = [
            ("SLURM_JOB_ID", "42"),
            ("SLURM_STEP_ID", "0"),
            ("SLURM_PROCID", "3"),
            ("SLURM_NODEID", "1"),
            ("SLURMD_NODENAME", "node2"),
            ("SLURM_JOB_END_TIME", "1700000600"),
            ("SLURM_SUBMIT_HOST", "login1"),
            ("SLURM_STEP_TASKS_PER_NODE", "3,2(x4)"),
            ("SLURM_STEP_NUM_TASKS", "11"),
            ("SLURM_NTASKS", "12"),
            ("SLURM_STEP_NODELIST", "node[1-5]"),
        ];
        let job = SlurmJob::from_variables(&variables(&pairs)).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let expected = SlurmJob {
            job_id: 42,
            step_id: Some(0),
            procid: 3,
            node_name: Some("node2".into()),
            end_time: Some(at(1_700_000_600)),
            submit_host: Some("login1".into()),
            tasks_on_node: 2,
            tasks: 11,
            nodes: "node[1-5]".into(),
            restarts: 0,
        };
        assert_eq!(job, expected);
        assert_eq!(job.remaining(at(1_700_000_000)), Some(Duration::from_secs(600)));
        assert_eq!(job.remaining(at(1_700_000_601)), Some(Duration::ZERO));
    }

    /// The batch script has no step, whatever id Slurm gives it; an unlimited job has no end.
    #[test]
    fn a_batch_script_is_no_step() {
        let pairs = [
            ("SLURM_JOBID", "42"),
            ("SLURM_STEP_ID", "4294967291"),
            ("SLURM_STEP_TASKS_PER_NODE", "8"),
            ("SLURM_JOB_END_TIME", "4294967295"),
        ];
        let job = SlurmJob::from_variables(&variables(&pairs)).unwrap();
        assert_eq!((job.job_id, job.step_id, job.procid, job.tasks_on_node), (42, None, 0, 1));
        assert_eq!(job.remaining(UNIX_EPOCH), None);
    }

    /// A missing job id, or one that is not a number, means no job.
    #[test]
    fn outside_a_job_there_is_none() {
        assert_eq!(SlurmJob::from_variables(&variables(&[])), None);
        assert_eq!(SlurmJob::from_variables(&variables(&[("SLURM_JOB_ID", "x")])), None);
    }

    /// Slurm's compressed lists, also short, empty, huge and broken ones.
    #[test]
    fn lists_of_counts_are_read() {
        assert_eq!(of_node("36(x2),40", 0), Some(36));
        assert_eq!(of_node("36(x2),40", 1), Some(36));
        assert_eq!(of_node("36(x2),40", 2), Some(40));
        assert_eq!(of_node("36(x2),40", 3), None);
        assert_eq!(of_node("1(x18446744073709551615),2(x9)", 7), Some(1));
        for broken in ["", "x", "3(x", "3(x2", "(x2)", "-1"] {
            assert_eq!(of_node(broken, 0), None, "{broken}");
        }
        let list = [("SLURM_JOB_CPUS_PER_NODE", "6,4"), ("SLURM_NODEID", "1")];
        assert_eq!(cpus_on_node(&variables(&list)), Some(4));
        let beyond = [("SLURM_JOB_CPUS_PER_NODE", "6,4"), ("SLURM_NODEID", "9")];
        assert_eq!(cpus_on_node(&variables(&beyond)), Some(4));
        let own = [("SLURM_JOB_CPUS_PER_NODE", "6,4"), ("SLURM_CPUS_ON_NODE", "2")];
        assert_eq!(cpus_on_node(&variables(&own)), Some(2));
    }
}
