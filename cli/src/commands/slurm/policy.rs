//! When to submit and when to cancel. Time is an argument: from the start of following.
//!
//! Wanted are as many jobs as the tasks that could run now fill, between the bounds, and no more than
//! the work is worth: a slot that would have less than [`WORTH`] to do is not asked for, since Slurm
//! needs as long to start one.

use super::migrate::last_holder;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Work, in time of one slot, for which another slot is worth asking for.
const WORTH: Duration = Duration::from_secs(10);
/// Jobs that are submitted in one step.
const SUBMISSIONS_MAX: u32 = 10;
/// The pause after the first failure; each further one doubles it.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Times in a row that a job must be missing from the queue before it counts as gone: under load
/// `squeue` has been seen to answer without a job that was there.
const MISSED_MAX: u32 = 2;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) idle: Duration,
    /// Slots of a job as its options say, until one of them shows what it has.
    pub(super) slots_hint: u32,
}

/// A job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenJob {
    pub(super) id: u64,
    pub(super) is_pending: bool,
}

/// What workers of a Slurm job have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenWorkers {
    pub(super) slots: u32,
    pub(super) assigned: u32,
    /// Partitions that they hold and someone may want.
    pub(super) held: u32,
}

/// What there is at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The queue, if Slurm answered.
    pub(super) jobs: Option<Vec<SeenJob>>,
    /// Workers by Slurm job.
    pub(super) workers: BTreeMap<u64, SeenWorkers>,
    /// Slots of all workers.
    pub(super) slots: u32,
    /// Tasks that wait for a slot, and that have one.
    pub(super) ready: u64,
    pub(super) running: u64,
    /// Expected time of the tasks that wait, if it is known.
    pub(super) backlog: Option<Duration>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) submit: u32,
    pub(super) cancel: Vec<u64>,
    /// A job that would be cancelled too, if its workers were not the last that can hold what someone still wants.
    pub(super) keep: Option<u64>,
}

/// A job that this policy knows.
#[derive(Clone, Copy, Debug)]
struct Known {
    is_pending: bool,
    /// Since when nothing of it is wanted.
    idle_since: Option<Duration>,
    /// Times in a row that it was missing from the queue.
    missed: u32,
}

/// Remembers what must be remembered from step to step.
#[derive(Debug)]
pub(super) struct Policy {
    bounds: Bounds,
    known: BTreeMap<u64, Known>,
    /// Jobs whose workers were seen.
    joined: BTreeSet<u64>,
    slots_of_a_job: Option<u32>,
    failures: u32,
    /// Not before this is anything submitted.
    paused_until: Duration,
}

impl Policy {
    pub(super) fn new(bounds: Bounds) -> Self {
        Policy {
            bounds,
            known: BTreeMap::new(),
            joined: BTreeSet::new(),
            slots_of_a_job: None,
            failures: 0,
            paused_until: Duration::ZERO,
        }
    }

    /// A job was submitted.
    pub(super) fn submitted(&mut self, id: u64) {
        self.known.insert(id, Known { is_pending: true, idle_since: None, missed: 0 });
    }

    /// A job was cancelled: its end says nothing.
    pub(super) fn cancelled(&mut self, id: u64) {
        self.known.remove(&id);
        self.joined.remove(&id);
    }

    /// A submission failed, or a job ended without a worker: the next is tried later.
    pub(super) fn failed(&mut self, now: Duration) {
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures += 1;
        self.paused_until = now + pause;
    }

    /// How long nothing is submitted, if nothing is.
    pub(super) fn paused(&self, now: Duration) -> Option<Duration> {
        self.paused_until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Jobs that are known to be there.
    pub(super) fn jobs(&self) -> impl Iterator<Item = u64> + '_ {
        self.known.keys().copied()
    }

    /// Looks at what there is, and says what is to be done.
    pub(super) fn step(&mut self, now: Duration, seen: &Seen) -> Plan {
        self.learn(now, seen);
        let wanted = self.wanted(seen);
        self.mark_idle(now, seen, wanted);
        let there = self.known.len() as u32;
        if there < wanted {
            let room = (wanted - there).min(SUBMISSIONS_MAX);
            let submit = if self.paused(now).is_some() { 0 } else { room };
            return Plan { submit, ..Plan::default() };
        }
        let mut cancel = self.surplus(now, (there - wanted) as usize);
        let keep = last_holder(&cancel, seen);
        cancel.retain(|id| Some(*id) != keep);
        Plan { submit: 0, cancel, keep }
    }

    /// Takes in the queue and the workers.
    fn learn(&mut self, now: Duration, seen: &Seen) {
        for (id, workers) in &seen.workers {
            if self.known.contains_key(id) && self.joined.insert(*id) {
                self.failures = 0;
                self.paused_until = Duration::ZERO;
            }
            if self.known.contains_key(id) {
                self.slots_of_a_job = Some(workers.slots.max(1));
            }
        }
        let Some(jobs) = &seen.jobs else { return };
        for job in jobs {
            let is_pending = job.is_pending;
            let fresh = Known { is_pending, idle_since: None, missed: 0 };
            let known = self.known.entry(job.id).or_insert(fresh);
            (known.is_pending, known.missed) = (is_pending, 0);
        }
        let listed = |id: &u64| jobs.iter().any(|job| job.id == *id);
        let mut gone = Vec::new();
        for (id, known) in self.known.iter_mut().filter(|(id, _)| !listed(id)) {
            known.missed += 1;
            if known.missed >= MISSED_MAX && !seen.workers.contains_key(id) {
                gone.push(*id);
            }
        }
        for id in gone {
            self.known.remove(&id);
            if !self.joined.remove(&id) {
                self.failed(now);
            }
        }
    }

    /// How many jobs the load asks for.
    fn wanted(&self, seen: &Seen) -> u32 {
        let own: u32 =
            self.known.keys().filter_map(|id| seen.workers.get(id)).map(|w| w.slots).sum();
        let others = u64::from(seen.slots.saturating_sub(own));
        let worth = seen.backlog.map_or(seen.ready, |backlog| {
            (backlog.as_secs_f64() / WORTH.as_secs_f64()).ceil() as u64
        });
        let slots = (seen.running + seen.ready.min(worth)).saturating_sub(others);
        let each = u64::from(self.slots_of_a_job.unwrap_or(self.bounds.slots_hint).max(1));
        let jobs = u32::try_from(slots.div_ceil(each)).unwrap_or(u32::MAX);
        jobs.clamp(self.bounds.min, self.bounds.max)
    }

    /// Notes since when jobs have nothing to do, or have not begun and are too many.
    fn mark_idle(&mut self, now: Duration, seen: &Seen, wanted: u32) {
        let too_many = self.known.len() as u32 > wanted;
        for (id, known) in &mut self.known {
            let busy = match known.is_pending {
                true => !too_many,
                false => seen.workers.get(id).is_none_or(|workers| workers.assigned > 0),
            };
            known.idle_since = if busy { None } else { known.idle_since.or(Some(now)) };
        }
    }

    /// Jobs to cancel: of those that were idle for long enough, the ones that have not begun first,
    /// then the latest.
    fn surplus(&self, now: Duration, count: usize) -> Vec<u64> {
        let mut idle: Vec<(bool, u64)> = self
            .known
            .iter()
            .filter(|(_, known)| {
                known.idle_since.is_some_and(|since| now.saturating_sub(since) >= self.bounds.idle)
            })
            .map(|(id, known)| (known.is_pending, *id))
            .collect();
        idle.sort_unstable();
        idle.into_iter().rev().take(count).map(|(_, id)| id).collect()
    }
}

/// The slots that a job with these options of `sbatch` will have: its CPUs, as far as they say.
pub(super) fn slots_of(options: &[String]) -> u32 {
    // Options with a value: `-c 6`, `-c6`, `--cpus-per-task=6`, `--cpus-per-task 6`.
    let value = |short: &str, long: &str| {
        options.iter().enumerate().find_map(|(at, option)| {
            let given = match option.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
                Some(given) => given,
                None if option == long || option == short => options.get(at + 1)?,
                None if short.is_empty() || option.starts_with("--") => return None,
                None => option.strip_prefix(short)?,
            };
            given.parse::<u32>().ok()
        })
    };
    let cpus = value("-c", "--cpus-per-task").unwrap_or(1);
    let tasks = value("-n", "--ntasks").unwrap_or_else(|| {
        value("-N", "--nodes").unwrap_or(1) * value("", "--ntasks-per-node").unwrap_or(1)
    });
    cpus.saturating_mul(tasks).max(1)
}
