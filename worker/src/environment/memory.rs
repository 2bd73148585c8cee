//! How much memory a worker may use.
//!
//! What matters is what the kernel or Slurm kills for, not what the machine has. So every limit
//! that can be seen is read, and the smallest counts.

use super::{EnvironmentError, Lookup, cgroup, number, process_variable, slurm};
use partita_shared::units::{MemoryLimit, format_bytes};
use std::path::Path;

/// The smallest limit with which a worker starts, in bytes. Below it the buffers of one task that
/// reads a file do not fit.
pub const LIMIT_BYTES_MIN: u64 = 64 << 20;

/// What the program itself takes of a worker's limit, before any data, in bytes.
pub(crate) const PROGRAM_BYTES: u64 = 96 << 20;

/// Below this limit, in bytes, the program's code, one stored partition and memory that the allocator keeps are each a
/// large part of it: code that is not needed leaves the resident set, no task starts while the store is spilled, and
/// the allocator keeps nothing.
pub(crate) const TIGHT_LIMIT_BYTES: u64 = 1 << 30;

/// What one task at a time needs besides, in bytes: a page of a file, its decompressed form, the batches
/// that are made of it, and what an operator has before it spills.
const SLOT_BYTES_MIN: u64 = 64 << 20;

/// The part of the usable memory that `auto` shares out. The rest is for what no worker reserves:
/// code, stacks, buffers of the network, and the scheduler and the user's program beside it.
pub const AUTO_SHARE: f64 = 0.9;

/// What is taken to be there if the system tells nothing at all, in bytes.
const ASSUMED_BYTES: u64 = 1 << 30;

/// What this process and those beside it may use together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usable {
    /// Bytes.
    pub bytes: u64,
    /// Which limit it is, for display: a cgroup's file, a variable of Slurm's, `/proc/meminfo`.
    pub source: String,
}

/// A worker's memory limit and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What one worker may use, in bytes.
    pub limit_bytes: u64,
    /// What all processes of the job on this node may use, in bytes.
    pub usable_bytes: u64,
    /// Which limit `usable_bytes` is, for display.
    pub source: String,
    /// A warning for the user: the workers together may use more memory than the machine has.
    pub warning: Option<String>,
}

impl MemoryPlan {
    /// Whether the limit is so small that memory which is kept for later use is a large part of it.
    pub fn is_tight(&self) -> bool {
        self.limit_bytes < TIGHT_LIMIT_BYTES
    }

    /// The slots that a worker with this limit can have, of those that were requested: tasks that run at
    /// once need memory that no operator can spill.
    pub fn slots(&self, requested: u32) -> u32 {
        let (slots, warning) = self.slots_of(requested);
        if let Some(warning) = warning {
            tracing::warn!(requested, slots, "{warning}");
        }
        slots
    }

    fn slots_of(&self, requested: u32) -> (u32, Option<String>) {
        let fitting = self.limit_bytes.saturating_sub(PROGRAM_BYTES) / SLOT_BYTES_MIN;
        let slots =
            u32::try_from(fitting.max(1)).map_or(requested, |fitting| fitting.min(requested));
        let warning = (slots < requested).then(|| {
            format!(
                "a memory limit of {} is enough for {slots} of {requested} slots: the program needs {} and \
                 each slot needs {}; use a larger --memory-limit or fewer threads (--nthreads)",
                format_bytes(self.limit_bytes),
                format_bytes(PROGRAM_BYTES),
                format_bytes(SLOT_BYTES_MIN),
            )
        });
        (slots, warning)
    }
}

/// What system calls tell, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct SystemLimits {
    resident: Option<u64>,
    address_space: Option<u64>,
    physical: Option<u64>,
}

impl SystemLimits {
    fn read() -> SystemLimits {
        SystemLimits {
            resident: resource_limit(libc::RLIMIT_RSS as _),
            address_space: resource_limit(libc::RLIMIT_AS as _),
            physical: physical_bytes(),
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

/// The soft limit of a resource, `None` if unlimited.
pub(crate) fn resource_limit(resource: Resource) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "getrlimit writes into the struct that it is given")]
    let failed = unsafe { libc::getrlimit(resource, &raw mut limit) } != 0;
    (!failed && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// The machine's memory, for systems without `/proc`.
fn physical_bytes() -> Option<u64> {
    #[expect(unsafe_code, reason = "sysconf only reads")]
    let (pages, size) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).ok()?.checked_mul(u64::try_from(size).ok()?).filter(|bytes| *bytes > 0)
}

/// What this process and those beside it may use: the smallest of the limits of its cgroups (at
/// every level, versions 1 and 2), Slurm's `SLURM_MEM_PER_NODE` or `SLURM_MEM_PER_CPU`, the
/// resource limits `RLIMIT_RSS` and `RLIMIT_AS`, and the machine's memory.
pub fn usable() -> Usable {
    usable_of(Path::new("/"), &process_variable, SystemLimits::read())
}

fn usable_of(root: &Path, lookup: Lookup<'_>, system: SystemLimits) -> Usable {
    let mut limits: Vec<(u64, String)> = cgroup::memory_limits(root)
        .into_iter()
        .map(|(bytes, file)| (bytes, format!("the cgroup limit in {}", file.display())))
        .collect();
    limits.extend(slurm_bytes(lookup));
    let named = |bytes: Option<u64>, name: &str| bytes.map(|bytes| (bytes, name.to_string()));
    limits.extend(named(system.resident, "the resource limit RLIMIT_RSS (ulimit -m)"));
    limits.extend(named(system.address_space, "the resource limit RLIMIT_AS (ulimit -v)"));
    match machine_bytes(root) {
        Some(bytes) => limits.push((bytes, "the machine's memory (/proc/meminfo)".into())),
        None => limits.extend(named(system.physical, "the machine's memory")),
    }
    // A zero is a limit that is not set, or a mistake; either way nothing runs with it. Of equal
    // limits the first counts: the one that is enforced most strictly.
    let smallest = limits.into_iter().filter(|(bytes, _)| *bytes > 0).min_by_key(|limit| limit.0);
    let (bytes, source) = smallest.unwrap_or_else(|| {
        (
            ASSUMED_BYTES,
            "an assumption, because the system reports neither its memory nor a limit".into(),
        )
    });
    Usable { bytes, source }
}

/// What Slurm gives the job, or the step, on this node. Slurm counts in MiB and writes 0 for all
/// that the node has.
fn slurm_bytes(lookup: Lookup<'_>) -> Option<(u64, String)> {
    let mebibytes = |name: &str| number(lookup, name).filter(|size| *size > 0);
    if let Some(size) = mebibytes("SLURM_MEM_PER_NODE") {
        return Some((size.checked_mul(1 << 20)?, "Slurm's SLURM_MEM_PER_NODE".into()));
    }
    // The figure of the node, not of a task: shares are shares of the job's memory on this node.
    // SLURM_CPUS_PER_TASK is right only where there is one task.
    let size = mebibytes("SLURM_MEM_PER_CPU")?;
    let (cpus, whence) = match slurm::cpus_on_node(lookup) {
        Some(cpus) => (cpus, "CPUs on this node"),
        None => (number(lookup, "SLURM_CPUS_PER_TASK")?, "SLURM_CPUS_PER_TASK"),
    };
    let bytes = size.checked_mul(1 << 20)?.checked_mul(cpus)?;
    Some((bytes, format!("Slurm's SLURM_MEM_PER_CPU times {cpus} ({whence})")))
}

/// `MemTotal` of `/proc/meminfo`.
fn machine_bytes(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The memory limit of each of `nworkers` workers that are started together.
///
/// - `auto`: [`AUTO_SHARE`] of what is usable, in equal parts for the workers, and for those of
///   the other tasks of the same Slurm step on this node.
/// - A share: that share of what is usable, for each worker.
/// - Bytes: as they are.
///
/// If the workers together may use more than there is, the plan holds a warning, and it is logged.
///
/// # Errors
/// If it comes to less than [`LIMIT_BYTES_MIN`].
pub fn limit(limit: MemoryLimit, nworkers: u32) -> Result<MemoryPlan, EnvironmentError> {
    let tasks = slurm::tasks_on_node(&process_variable);
    let plan = limit_of(limit, nworkers, tasks, usable())?;
    if let Some(warning) = &plan.warning {
        tracing::warn!(limit_bytes = plan.limit_bytes, "{warning}");
    }
    Ok(plan)
}

fn limit_of(
    limit: MemoryLimit,
    nworkers: u32,
    tasks: u32,
    usable: Usable,
) -> Result<MemoryPlan, EnvironmentError> {
    let workers = u64::from(nworkers.max(1)) * u64::from(tasks.max(1));
    let share = |share: f64| (usable.bytes as f64 * share) as u64;
    let limit_bytes = match limit {
        MemoryLimit::Auto => share(AUTO_SHARE) / workers,
        MemoryLimit::Share(part) => share(part),
        MemoryLimit::Bytes(bytes) => bytes,
    };
    let there = format!("{} from {}", format_bytes(usable.bytes), usable.source);
    if limit_bytes < LIMIT_BYTES_MIN {
        let how = match limit {
            MemoryLimit::Auto => format!("an equal part for {workers} workers of {there}"),
            MemoryLimit::Share(part) => format!("{part} of {there}"),
            MemoryLimit::Bytes(_) => "from --memory-limit".to_string(),
        };
        return Err(EnvironmentError::LimitTooSmall { limit_bytes, how });
    }
    let together = limit_bytes.saturating_mul(workers);
    let warning = (together > usable.bytes).then(|| {
        format!(
            "the memory limit of {} for each of {workers} workers on this node exceeds the available memory ({there}); workers may be killed before they spill; use a smaller --memory-limit",
            format_bytes(limit_bytes)
        )
    });
    let Usable { bytes: usable_bytes, source } = usable;
    Ok(MemoryPlan { limit_bytes, usable_bytes, source, warning })
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::{V1_MOUNTS, V2_MOUNTS, machine};
    use super::super::slurm::tests::variables;
    use super::*;

    const GIB: u64 = 1 << 30;
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       33554432 kB\nMemFree: 1 kB\n");

    #[track_caller]
    fn check(files: &[(&str, &str)], pairs: &[(&str, &str)], bytes: u64, source: &str) {
        let root = machine(files);
        let found = usable_of(root.path(), &variables(pairs), SystemLimits::default());
        assert_eq!(found.bytes, bytes, "{}", found.source);
        assert!(found.source.contains(source), "{}", found.source);
    }

    /// Without any limit it is the machine's memory, and without that a modest guess.
    #[test]
    fn the_machine_comes_last() {
        check(&[MEMINFO], &[], 32 * GIB, "/proc/meminfo");
        check(&[], &[], GIB, "an assumption");
        let physical = SystemLimits { physical: Some(7), ..SystemLimits::default() };
        let found = usable_of(Path::new("/nowhere"), &variables(&[]), physical);
        assert_eq!((found.bytes, found.source.as_str()), (7, "the machine's memory"));
    }

    /// The smallest wins, wherever it stands: nested cgroups of both versions, Slurm's figures.
    #[test]
    fn the_smallest_limit_counts() {
        let v1 = [
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/slurm/uid_0/job_1/step_0/task_0\n"),
            ("proc/self/mountinfo", V1_MOUNTS),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/slurm/uid_0/job_1/memory.limit_in_bytes", "4294967296\n"),
        ];
        check(&v1, &[], 4 * GIB, "job_1/memory.limit_in_bytes");
        check(&v1, &[("SLURM_MEM_PER_NODE", "2048")], 2 * GIB, "SLURM_MEM_PER_NODE");
        check(&v1, &[("SLURM_MEM_PER_NODE", "8192")], 4 * GIB, "job_1");
        let v2 = [
            MEMINFO,
            ("proc/self/cgroup", "0::/system.slice/job_1/step_0\n"),
            ("proc/self/mountinfo", V2_MOUNTS),
            ("sys/fs/cgroup/system.slice/job_1/memory.max", "3221225472\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
        ];
        check(&v2, &[], GIB, "system.slice/memory.max");
        check(&[MEMINFO], &[("SLURM_MEM_PER_NODE", "0")], 32 * GIB, "meminfo");
    }

    /// Memory per CPU is multiplied by the CPUs on the node, not by those of one task.
    #[test]
    fn memory_per_cpu_is_counted_for_the_node() {
        let step = [
            ("SLURM_MEM_PER_CPU", "1024"),
            ("SLURM_CPUS_PER_TASK", "3"),
            ("SLURM_CPUS_ON_NODE", "6"),
        ];
        check(&[MEMINFO], &step, 6 * GIB, "times 6 (CPUs on this node)");
        let list = [
            ("SLURM_MEM_PER_CPU", "1024"),
            ("SLURM_JOB_CPUS_PER_NODE", "4(x2),8"),
            ("SLURM_NODEID", "2"),
        ];
        check(&[MEMINFO], &list, 8 * GIB, "times 8");
        let task = [("SLURM_MEM_PER_CPU", "1024"), ("SLURM_CPUS_PER_TASK", "3")];
        check(&[MEMINFO], &task, 3 * GIB, "SLURM_CPUS_PER_TASK");
        check(&[MEMINFO], &[("SLURM_MEM_PER_CPU", "1024")], 32 * GIB, "meminfo");
        check(&[MEMINFO], &[("SLURM_MEM_PER_NODE", "99999999999999999")], 32 * GIB, "meminfo");
    }

    /// The resource limits count as well.
    #[test]
    fn resource_limits_count() {
        let root = machine(&[MEMINFO]);
        let mut system = SystemLimits { resident: Some(GIB), ..SystemLimits::default() };
        let found = usable_of(root.path(), &variables(&[]), system);
        assert!(found.bytes == GIB && found.source.contains("RLIMIT_RSS"), "{found:?}");
        system.address_space = Some(GIB / 2);
        let found = usable_of(root.path(), &variables(&[]), system);
        assert!(found.bytes == GIB / 2 && found.source.contains("RLIMIT_AS"), "{found:?}");
    }

    /// This very machine has some memory, and says where the figure is from.
    #[test]
    fn this_machine_is_read() {
        let found = usable();
        assert!(found.bytes > 1 << 20 && !found.source.is_empty(), "{found:?}");
        assert!(SystemLimits::read().physical.is_some());
    }

    fn plan(limit: MemoryLimit, nworkers: u32, tasks: u32) -> Result<MemoryPlan, EnvironmentError> {
        limit_of(limit, nworkers, tasks, Usable { bytes: 10 * GIB, source: "a test".into() })
    }

    /// `auto` divides among workers and tasks of the node; shares and bytes are each worker's.
    #[test]
    fn limits_are_worked_out() {
        let bytes = |limit, nworkers, tasks| plan(limit, nworkers, tasks).unwrap().limit_bytes;
        assert_eq!(bytes(MemoryLimit::Auto, 1, 1), 9 * GIB);
        assert_eq!(bytes(MemoryLimit::Auto, 0, 0), 9 * GIB);
        assert_eq!(bytes(MemoryLimit::Auto, 3, 2), 9 * GIB / 6);
        assert_eq!(bytes(MemoryLimit::Share(0.4), 6, 2), 4 * GIB);
        assert_eq!(bytes(MemoryLimit::Bytes(GIB), 6, 2), GIB);
    }

    /// More than there is gets a warning, for one worker and for several together.
    #[test]
    fn too_much_is_warned_of() {
        let warning = |limit, nworkers| plan(limit, nworkers, 1).unwrap().warning;
        assert_eq!(warning(MemoryLimit::Auto, 7), None);
        assert_eq!(warning(MemoryLimit::Share(0.5), 2), None);
        assert!(warning(MemoryLimit::Share(0.5), 3).unwrap().contains("each of 3 workers"));
        assert!(warning(MemoryLimit::Bytes(11 * GIB), 1).unwrap().contains("10.0 GiB from a test"));
    }

    /// Too little is refused, with the reason and the way out.
    #[test]
    fn too_little_is_refused() {
        let refused = |limit, nworkers| plan(limit, nworkers, 1).unwrap_err().to_string();
        let auto = refused(MemoryLimit::Auto, 1000);
        assert!(auto.contains("1000 workers of 10.0 GiB from a test"), "{auto}");
        assert!(refused(MemoryLimit::Share(0.001), 1).contains("0.001 of 10.0 GiB"));
        assert!(refused(MemoryLimit::Share(f64::NAN), 1).contains("at least 64.0 MiB"));
        assert!(refused(MemoryLimit::Bytes(LIMIT_BYTES_MIN - 1), 1).contains("--memory-limit"));
        assert!(plan(MemoryLimit::Bytes(LIMIT_BYTES_MIN), 1, 1).is_ok());
    }

    /// Slots that a small limit has no memory for are not given, with a warning; one is always there.
    #[test]
    fn a_small_limit_has_fewer_slots() {
        let slots = |mib: u64, requested| {
            plan(MemoryLimit::Bytes(mib << 20), 1, 1).unwrap().slots_of(requested)
        };
        assert_eq!(slots(64, 1), (1, None));
        assert_eq!(slots(224, 2), (2, None));
        assert_eq!(slots(1024, 14), (14, None));
        let (few, warning) = slots(256, 8);
        let warning = warning.unwrap();
        assert_eq!(few, 2);
        assert!(warning.contains("256 MiB is enough for 2 of 8 slots"), "{warning}");
        assert_eq!(slots(64, 8).0, 1);
    }
}
