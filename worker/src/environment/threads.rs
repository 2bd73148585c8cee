//! How many tasks a worker runs at once.

use super::{Lookup, number, process_variable, slurm};

/// The slots of each of `nworkers` workers that are started together.
///
/// `requested` is `--nthreads`: it is per worker and taken as it is (0 counts as not given). Else
/// what the process has is divided among the workers, at least one each: `SLURM_CPUS_PER_TASK`,
/// else the CPUs that the process may run on (affinity mask and cgroup quota). Inside a Slurm job
/// the latter is at most the share of one task in the job's CPUs on this node, because not every
/// site binds its jobs to their CPUs. Where one does, the binding counts: a step may have fewer
/// CPUs for each task than the job asked for.
pub fn slots(requested: Option<u32>, nworkers: u32) -> u32 {
    let cpus = Cpus::here();
    if requested.is_none()
        && let Some(warning) = unlike_the_job(&process_variable, cpus)
    {
        tracing::warn!("{warning}");
    }
    slots_of(requested, nworkers, &process_variable, cpus)
}

/// What the system says of CPUs.
#[derive(Clone, Copy, Debug)]
struct Cpus {
    /// Those that this process may use.
    allowed: u64,
    /// Those that the machine has.
    online: u64,
}

impl Cpus {
    fn here() -> Cpus {
        let allowed = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        #[expect(unsafe_code, reason = "sysconf only reads")]
        let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        Cpus { allowed, online: u64::try_from(online).unwrap_or(0).max(allowed) }
    }

    fn is_bound(self) -> bool {
        self.allowed < self.online
    }
}

fn cpus_per_task(lookup: Lookup<'_>) -> Option<u64> {
    number(lookup, "SLURM_CPUS_PER_TASK").filter(|cpus| *cpus > 0)
}

fn slots_of(requested: Option<u32>, nworkers: u32, lookup: Lookup<'_>, system: Cpus) -> u32 {
    if let Some(requested) = requested.filter(|count| *count > 0) {
        return requested;
    }
    let allowed = system.allowed;
    let cpus = match cpus_per_task(lookup) {
        Some(cpus) if system.is_bound() => cpus.min(allowed),
        Some(cpus) => cpus,
        None => {
            let tasks = u64::from(slurm::tasks_on_node(lookup));
            slurm::cpus_on_node(lookup).map_or(allowed, |cpus| allowed.min(cpus / tasks))
        }
    };
    let each = cpus / u64::from(nworkers.max(1));
    u32::try_from(each).unwrap_or(u32::MAX).max(1)
}

/// What to say to those whose task has fewer CPUs than their job asked for. Since 22.05 `srun`
/// does not take `--cpus-per-task` from the job any more, and the variable is still there.
fn unlike_the_job(lookup: Lookup<'_>, system: Cpus) -> Option<String> {
    let wanted =
        cpus_per_task(lookup).filter(|cpus| system.is_bound() && *cpus > system.allowed)?;
    Some(format!(
        "this task is bound to {} of the {wanted} CPUs that the job has for each task; give them to \
         it with `srun --cpus-per-task=$SLURM_CPUS_PER_TASK`",
        system.allowed
    ))
}

#[cfg(test)]
mod tests {
    use super::super::slurm::tests::variables;
    use super::*;

    /// A machine whose CPUs may all be used.
    fn free(cpus: u64) -> Cpus {
        Cpus { allowed: cpus, online: cpus }
    }

    /// The option comes first, then Slurm's figure, then the mask; all but the option are shared.
    #[test]
    fn the_nearest_figure_counts() {
        let job = [("SLURM_CPUS_PER_TASK", "6")];
        assert_eq!(slots_of(Some(4), 6, &variables(&job), free(64)), 4);
        assert_eq!(slots_of(None, 1, &variables(&job), free(2)), 6);
        assert_eq!(slots_of(Some(0), 6, &variables(&job), free(64)), 1);
        assert_eq!(slots_of(None, 4, &variables(&job), free(64)), 1);
        assert_eq!(slots_of(None, 2, &variables(&[]), free(64)), 32);
    }

    /// A step whose tasks are bound to fewer CPUs than the job's figure takes those, and says so.
    #[test]
    fn a_binding_counts() {
        let job = [("SLURM_CPUS_PER_TASK", "6")];
        let bound = |allowed| Cpus { allowed, online: 64 };
        assert_eq!(slots_of(None, 1, &variables(&job), bound(1)), 1);
        assert_eq!(slots_of(None, 2, &variables(&job), bound(12)), 3);
        assert_eq!(slots_of(Some(6), 1, &variables(&job), bound(1)), 6);
        let told = unlike_the_job(&variables(&job), bound(1)).unwrap();
        assert!(
            told.contains("1 of the 6 CPUs") && told.contains("srun --cpus-per-task"),
            "{told}"
        );
        assert_eq!(unlike_the_job(&variables(&job), bound(6)), None);
        assert_eq!(unlike_the_job(&variables(&job), free(2)), None);
        assert_eq!(unlike_the_job(&variables(&[]), bound(1)), None);
    }

    /// Never none, whatever is asked or found.
    #[test]
    fn there_is_at_least_one() {
        let nonsense = [("SLURM_CPUS_PER_TASK", "many")];
        assert_eq!(slots_of(None, 100, &variables(&nonsense), free(8)), 1);
        assert_eq!(slots_of(None, 0, &variables(&[("SLURM_CPUS_PER_TASK", "0")]), free(8)), 8);
        assert!(slots(None, 1) >= 1);
    }

    /// A job without `--cpus-per-task` on a node that does not bind its jobs takes only its own.
    #[test]
    fn an_unbound_job_keeps_to_its_cpus() {
        let batch = [("SLURM_JOB_ID", "1"), ("SLURM_CPUS_ON_NODE", "4")];
        assert_eq!(slots_of(None, 1, &variables(&batch), free(64)), 4);
        let step = [
            ("SLURM_STEP_ID", "0"),
            ("SLURM_CPUS_ON_NODE", "4"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x2)"),
        ];
        assert_eq!(slots_of(None, 1, &variables(&step), free(64)), 2);
    }
}
