//! How many tasks a worker runs at once.

use super::{Lookup, number, process_variable, slurm};

/// The slots of each of `nworkers` workers that are started together.
///
/// `requested` is `--nthreads`: it is per worker and taken as it is (0 counts as not given). Else
/// what the process has is divided among the workers, at least one each: `SLURM_CPUS_PER_TASK`,
/// else the CPUs that the process may run on (affinity mask and cgroup quota). Inside a Slurm job
/// the latter is at most the share of one task in the job's CPUs on this node, because not every
/// site binds its jobs to their CPUs.
pub fn slots(requested: Option<u32>, nworkers: u32) -> u32 {
    let allowed = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    slots_of(requested, nworkers, &process_variable, allowed)
}

fn slots_of(requested: Option<u32>, nworkers: u32, lookup: Lookup<'_>, allowed: u64) -> u32 {
    if let Some(requested) = requested.filter(|count| *count > 0) {
        return requested;
    }
    let cpus =
        number(lookup, "SLURM_CPUS_PER_TASK").filter(|cpus| *cpus > 0).unwrap_or_else(|| {
            let tasks = u64::from(slurm::tasks_on_node(lookup));
            slurm::cpus_on_node(lookup).map_or(allowed, |cpus| allowed.min(cpus / tasks))
        });
    let each = cpus / u64::from(nworkers.max(1));
    u32::try_from(each).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::slurm::tests::variables;
    use super::*;

    /// The option comes first, then Slurm's figure, then the mask; all but the option are shared.
    #[test]
    fn the_nearest_figure_counts() {
        let job = [("SLURM_CPUS_PER_TASK", "6")];
        assert_eq!(slots_of(Some(4), 6, &variables(&job), 64), 4);
        assert_eq!(slots_of(None, 1, &variables(&job), 2), 6);
        assert_eq!(slots_of(Some(0), 6, &variables(&job), 64), 1);
        assert_eq!(slots_of(None, 4, &variables(&job), 64), 1);
        assert_eq!(slots_of(None, 2, &variables(&[]), 64), 32);
    }

    /// Never none, whatever is asked or found.
    #[test]
    fn there_is_at_least_one() {
        let nonsense = [("SLURM_CPUS_PER_TASK", "many")];
        assert_eq!(slots_of(None, 100, &variables(&nonsense), 8), 1);
        assert_eq!(slots_of(None, 0, &variables(&[("SLURM_CPUS_PER_TASK", "0")]), 8), 8);
        assert!(slots(None, 1) >= 1);
    }

    /// A job without `--cpus-per-task` on a node that does not bind its jobs takes only its own.
    #[test]
    fn an_unbound_job_keeps_to_its_cpus() {
        let batch = [("SLURM_JOB_ID", "1"), ("SLURM_CPUS_ON_NODE", "4")];
        assert_eq!(slots_of(None, 1, &variables(&batch), 64), 4);
        let step = [
            ("SLURM_STEP_ID", "0"),
            ("SLURM_CPUS_ON_NODE", "4"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x2)"),
        ];
        assert_eq!(slots_of(None, 1, &variables(&step), 64), 2);
    }
}
