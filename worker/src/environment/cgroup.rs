//! The memory cgroups that this process is in: their limits and their counts of kills.
//!
//! A limit may stand at any level of the hierarchy, and Slurm sets a job's several levels below
//! the root. So the whole path counts, from the process's own cgroup up to the mount point.
//! Version 1, version 2 and both at once are read; what is missing or unreadable says nothing.

use std::path::{Component, Path, PathBuf};

/// Version 1 writes "no limit" as the largest multiple of a page; nothing near it is a limit.
const UNLIMITED_BYTES: u64 = 1 << 62;

/// A memory cgroup that is visible in the file system.
struct Folder {
    /// Version 2 (`memory.max`) or 1 (`memory.limit_in_bytes`).
    unified: bool,
    /// The process's own cgroup.
    own: PathBuf,
    /// Where its hierarchy is mounted: the last folder upwards.
    mount: PathBuf,
}

/// A mounted hierarchy, from `/proc/self/mountinfo`.
struct Mount {
    unified: bool,
    /// The cgroup that is shown at `point`, as a path of the same namespace as `/proc/self/cgroup`.
    root: PathBuf,
    point: PathBuf,
}

/// Undoes the octal escapes of mountinfo (`\040` is a space).
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push_str(&rest[..at]);
        match code {
            Some(code) => plain.push(char::from(code)),
            None => plain.push('\\'),
        }
        rest = &rest[at + if code.is_some() { 4 } else { 1 }..];
    }
    plain.push_str(rest);
    PathBuf::from(plain)
}

/// Reads one line of mountinfo, if it is a hierarchy that can limit memory.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
    let unified = match kind {
        "cgroup2" => true,
        "cgroup" if options.split(',').any(|option| option == "memory") => false,
        _ => return None,
    };
    Some(Mount { unified, root: unescape(root), point: unescape(point) })
}

/// The process's paths in `/proc/self/cgroup` that matter: (unified, path).
fn parse_paths(text: &str) -> impl Iterator<Item = (bool, &Path)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let unified = id == "0" && controllers.is_empty();
        let memory = controllers.split(',').any(|controller| controller == "memory");
        (unified || memory).then_some((unified, Path::new(path)))
    })
}

/// Finds the folders of this process's memory cgroups below `root`, the file system's root.
fn folders(root: &Path) -> Vec<Folder> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    let mounts: Vec<Mount> = read("proc/self/mountinfo").lines().filter_map(parse_mount).collect();
    let mut found = Vec::new();
    for (unified, path) in parse_paths(&read("proc/self/cgroup")) {
        let mut seen = false;
        for mount in mounts.iter().filter(|mount| mount.unified == unified) {
            // In a cgroup namespace both paths may begin with `/../`, and then they share it.
            let Ok(inside) = path.strip_prefix(&mount.root) else { continue };
            if inside.components().any(|part| part == Component::ParentDir) {
                continue;
            }
            seen = true;
            let point = below(root, &mount.point);
            found.push(Folder { unified, own: point.join(inside), mount: point });
        }
        if !seen {
            // The process's own cgroup is outside the mounted hierarchy, as it is in a container
            // that sees another namespace's paths. The mounted one is most likely the container's,
            // so its limit is better than none.
            let near = mounts.iter().filter(|mount| mount.unified == unified);
            found.extend(near.map(|mount| {
                let point = below(root, &mount.point);
                Folder { unified, own: point.clone(), mount: point }
            }));
        }
    }
    found
}

/// `path`, an absolute one, as seen from `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Reads a file that holds one number, or `max`.
fn read_limit(file: &Path) -> Option<u64> {
    let bytes = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes < UNLIMITED_BYTES).then_some(bytes)
}

/// Reads the number after `key` in a file of `key number` lines.
fn read_key(file: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Every memory limit on this process's path through the cgroups, in bytes, with its file.
pub(super) fn memory_limits(root: &Path) -> Vec<(u64, PathBuf)> {
    let mut limits = Vec::new();
    for folder in folders(root) {
        let names: &[&str] = if folder.unified {
            &["memory.max", "memory.high"]
        } else {
            &["memory.limit_in_bytes"]
        };
        for level in folder.own.ancestors().take_while(|level| level.starts_with(&folder.mount)) {
            let files = names.iter().map(|name| level.join(name));
            limits.extend(files.filter_map(|file| Some((read_limit(&file)?, file))));
        }
        // Version 1 tells the smallest limit of the levels above, those outside a container too.
        let stat = folder.own.join("memory.stat");
        let inherited = read_key(&stat, "hierarchical_memory_limit");
        limits
            .extend(inherited.filter(|bytes| *bytes < UNLIMITED_BYTES).map(|bytes| (bytes, stat)));
    }
    limits
}

/// Tells whether a process of this cgroup that died of SIGKILL was killed for want of memory.
#[derive(Debug)]
pub(crate) struct OomCounter {
    /// Files that count the kills.
    files: Vec<PathBuf>,
    /// Kills that are accounted for.
    seen: u64,
    /// The count when [`OomCounter::settle`] was last called.
    settled: u64,
}

impl OomCounter {
    /// Starts to watch. `root` is the file system's root.
    pub(crate) fn new(root: &Path) -> OomCounter {
        let mut files: Vec<PathBuf> = folders(root)
            .into_iter()
            .map(|folder| {
                let name = if folder.unified { "memory.events" } else { "memory.oom_control" };
                folder.own.join(name)
            })
            .filter(|file| file.exists())
            .collect();
        files.sort();
        // The same hierarchy may be mounted at several places: one count is enough.
        files.dedup();
        let mut counter = OomCounter { files, seen: 0, settled: 0 };
        counter.seen = counter.read();
        counter.settled = counter.seen;
        counter
    }

    fn read(&self) -> u64 {
        // With both versions mounted at most one of them has the memory controller.
        self.files.iter().filter_map(|file| read_key(file, "oom_kill")).max().unwrap_or(0)
    }

    /// Whether the count rose by a kill that no earlier call took. One death takes one kill, so
    /// that two children killed at once both get their cause.
    pub(crate) fn take(&mut self) -> bool {
        let rose = self.read() > self.seen;
        self.seen += u64::from(rose);
        rose
    }

    /// Forgets kills that were there at the last call already and that nobody took: they were
    /// another process's. To be called now and then, seldom enough that a child killed before the
    /// last call is dead by now.
    pub(crate) fn settle(&mut self) {
        self.seen = self.seen.max(self.settled);
        self.settled = self.read();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A made-up machine: files with their content, below a temporary folder.
    pub(in crate::environment) fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        root
    }

    /// The mount of a version 1 memory hierarchy among others.
    pub(in crate::environment) const V1_MOUNTS: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw shared:7 master:1 - cgroup cgroup rw,memory\n";
    /// The mount of a version 2 hierarchy.
    pub(in crate::environment) const V2_MOUNTS: &str =
        "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(u64, &str)]) {
        let root = machine(files);
        let found = memory_limits(root.path());
        let found: Vec<(u64, &str)> = found
            .iter()
            .map(|(bytes, file)| (*bytes, file.strip_prefix(root.path()).unwrap()))
            .map(|(bytes, file)| (bytes, file.to_str().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }

    /// Slurm with version 1: the limits stand at the step and the job, below an unlimited root.
    #[test]
    fn version_1_is_read_at_every_level() {
        check(
            &[
                ("proc/self/cgroup", "5:cpu:/\n4:memory:/slurm/uid_0/job_1/step_0/task_0\n0::/\n"),
                ("proc/self/mountinfo", V1_MOUNTS),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/slurm/uid_0/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/slurm/uid_0/job_1/memory.limit_in_bytes", "4000\n"),
                ("sys/fs/cgroup/memory/slurm/uid_0/job_1/step_0/memory.limit_in_bytes", "3000\n"),
            ],
            &[
                (3000, "sys/fs/cgroup/memory/slurm/uid_0/job_1/step_0/memory.limit_in_bytes"),
                (4000, "sys/fs/cgroup/memory/slurm/uid_0/job_1/memory.limit_in_bytes"),
            ],
        );
    }

    /// Slurm with version 2 below systemd; `memory.high` holds a process back as well.
    #[test]
    fn version_2_is_read_at_every_level() {
        check(
            &[
                (
                    "proc/self/cgroup",
                    "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
                ),
                ("proc/self/mountinfo", V2_MOUNTS),
                ("sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.max", "8000\n"),
                ("sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.high", "7000\n"),
                ("sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
            ],
            &[
                (8000, "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.max"),
                (7000, "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.high"),
            ],
        );
    }

    /// A hybrid machine: the memory controller is in version 1, version 2 has none. And the
    /// other way about, with a space in the mount point.
    #[test]
    fn hybrids_are_read() {
        let both =
            format!("{V1_MOUNTS}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        check(
            &[
                ("proc/self/cgroup", "4:memory:/a\n0::/b\n"),
                ("proc/self/mountinfo", &both),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5\n"),
                ("sys/fs/cgroup/unified/b/cgroup.procs", ""),
            ],
            &[(5, "sys/fs/cgroup/memory/a/memory.limit_in_bytes")],
        );
        check(
            &[
                ("proc/self/cgroup", "3:cpu,cpuacct:/a\n0::/b\n"),
                ("proc/self/mountinfo", "41 31 0:38 / /sys/my\\040groups rw - cgroup2 none rw\n"),
                ("sys/my groups/b/memory.max", "6\n"),
            ],
            &[(6, "sys/my groups/b/memory.max")],
        );
    }

    /// Containers: the mount shows a part of the hierarchy, the paths may begin with `/../`.
    #[test]
    fn containers_are_read() {
        // No cgroup namespace: the path is the host's, and the mount shows that very cgroup.
        let mount = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        check(
            &[
                ("proc/self/cgroup", "4:memory:/docker/abc/inner\n"),
                ("proc/self/mountinfo", mount),
                ("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "10\n"),
            ],
            &[(10, "sys/fs/cgroup/memory/memory.limit_in_bytes")],
        );
        // A namespace, but the host's mount: both paths begin above the namespace's root.
        check(
            &[
                ("proc/self/cgroup", "0::/../job_1/step_0\n"),
                ("proc/self/mountinfo", "29 22 0:26 /../ /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
                ("sys/fs/cgroup/job_1/step_0/memory.max", "11\n"),
                ("sys/fs/cgroup/job_1/memory.max", "12\n"),
            ],
            &[
                (11, "sys/fs/cgroup/job_1/step_0/memory.max"),
                (12, "sys/fs/cgroup/job_1/memory.max"),
            ],
        );
        // The process is outside what its namespace shows: never a folder beside the mount.
        check(
            &[
                ("proc/self/cgroup", "0::/../other\n"),
                ("proc/self/mountinfo", V2_MOUNTS),
                ("sys/fs/cgroup/memory.max", "13\n"),
                ("sys/fs/other/memory.max", "1\n"),
            ],
            &[(13, "sys/fs/cgroup/memory.max")],
        );
        // Version 1 tells of limits above the container.
        check(
            &[
                ("proc/self/cgroup", "4:memory:/\n"),
                ("proc/self/mountinfo", V1_MOUNTS),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.stat", "rss 3\nhierarchical_memory_limit 14\n"),
            ],
            &[(14, "sys/fs/cgroup/memory/memory.stat")],
        );
    }

    /// A machine without cgroups, or with files that make no sense, has no limits.
    #[test]
    fn nonsense_is_no_limit() {
        check(&[], &[]);
        check(
            &[
                ("proc/self/cgroup", "rubbish\n4:memory\n0::/a\n"),
                (
                    "proc/self/mountinfo",
                    "rubbish\n1 2 3 - cgroup2\n29 22 0:26 / /c rw - cgroup2 x rw\n",
                ),
                ("c/a/memory.max", "many\n"),
                ("c/memory.max", "-1\n"),
            ],
            &[],
        );
    }

    /// Each kill explains one death; kills that nobody took in time explain none.
    #[test]
    fn kills_are_taken_once() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/job\n"),
            ("proc/self/mountinfo", V2_MOUNTS),
            ("sys/fs/cgroup/job/memory.events", "low 0\noom 9\noom_kill 4\n"),
        ]);
        let file = root.path().join("sys/fs/cgroup/job/memory.events");
        let write =
            |kills: u64| std::fs::write(&file, format!("oom 9\noom_kill {kills}\n")).unwrap();
        let mut counter = OomCounter::new(root.path());
        assert!(!counter.take(), "kills before the start are no one's");
        write(6);
        counter.settle();
        assert!(counter.take() && counter.take() && !counter.take());
        write(7);
        counter.settle();
        counter.settle();
        assert!(!counter.take(), "an old kill was another process's");
    }
}
