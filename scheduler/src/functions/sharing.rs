//! Results of open jobs that others need too: other clients, and values that the cluster keeps.
//!
//! A result is kept while the client of its job wants it, or something *pins* it. A job whose client has gone lasts
//! until its last pin has gone.

use crate::functions::settled::{Mailbox, gone};
use crate::hub::Hub;
use partita_core::{Event, Growth, TaskRange};
use partita_shared::ids::{JobId, StageId, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pinned results at once.
const PINNED_MAX: usize = 1_000_000;

/// The place of a result: its job, its stage, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Place(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Place {
    fn job(self) -> JobId {
        JobId(self.0)
    }

    fn at(self) -> (u32, u32) {
        (self.1, self.2)
    }

    fn task(self) -> TaskId {
        TaskId { stage: StageId { job: self.job(), index: self.1 }, index: self.2 }
    }
}

/// The open jobs of clients, and what is pinned of them.
#[derive(Debug)]
pub(crate) struct Sharing {
    hub: Hub,
    jobs: Mutex<HashMap<JobId, OpenJob>>,
}

#[derive(Debug)]
struct OpenJob {
    mailbox: Arc<Mailbox>,
    /// The number of tasks of each stage.
    sizes: Vec<u32>,
    pins: BTreeMap<(u32, u32), Pin>,
    /// Whether its client has gone.
    is_orphan: bool,
}

/// A result that is pinned.
#[derive(Debug)]
struct Pin {
    count: u32,
    /// Whether the client of the job wants it too.
    is_wanted: bool,
}

impl OpenJob {
    /// The parts of a range that are not pinned.
    fn unpinned(&self, range: TaskRange) -> Vec<TaskRange> {
        let TaskRange { stage, first, count } = range;
        let end = first.saturating_add(count);
        let (mut parts, mut next) = (Vec::new(), first);
        for (_, index) in self.pins.range((stage, first)..(stage, end)).map(|(at, _)| *at) {
            parts.push(TaskRange { stage, first: next, count: index - next });
            next = index + 1;
        }
        parts.push(TaskRange { stage, first: next, count: end - next });
        parts.retain(|part| part.count > 0);
        parts
    }

    /// All results that are not pinned.
    fn all_unpinned(&self) -> Vec<TaskRange> {
        let whole = |(stage, size): (u32, &u32)| TaskRange { stage, first: 0, count: *size };
        (0..).zip(&self.sizes).map(whole).flat_map(|range| self.unpinned(range)).collect()
    }
}

impl Sharing {
    pub(crate) fn new(hub: Hub) -> Self {
        Sharing { hub, jobs: Mutex::default() }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, OpenJob>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client opened a job.
    pub(super) fn opened(&self, job: JobId, mailbox: &Arc<Mailbox>) {
        let mailbox = Arc::clone(mailbox);
        let (sizes, pins) = (Vec::new(), BTreeMap::new());
        self.jobs().insert(job, OpenJob { mailbox, sizes, pins, is_orphan: false });
    }

    /// A job is about to grow.
    pub(super) fn grows(&self, job: JobId, growth: &Growth) {
        let mut jobs = self.jobs();
        let Some(found) = jobs.get_mut(&job) else { return };
        found.sizes.extend(growth.stages.iter().map(|stage| stage.tasks));
        for tasks in &growth.tasks {
            if let Some(size) = found.sizes.get_mut(tasks.stage as usize) {
                *size = size.saturating_add(tasks.count);
            }
        }
    }

    /// The client of a job wants results, or does not want them any more. Gives those of which the core is told.
    pub(super) fn want(&self, job: JobId, ranges: Vec<TaskRange>, wanted: bool) -> Vec<TaskRange> {
        let mut jobs = self.jobs();
        let Some(found) = jobs.get_mut(&job).filter(|found| !found.pins.is_empty()) else {
            return ranges;
        };
        let unpinned = ranges.iter().flat_map(|range| found.unpinned(*range)).collect();
        for TaskRange { stage, first, count } in ranges {
            let end = first.saturating_add(count);
            for (_, pin) in found.pins.range_mut((stage, first)..(stage, end)) {
                pin.is_wanted = wanted;
            }
        }
        unpinned
    }

    /// The client of a job has gone.
    pub(super) fn closed(&self, job: JobId) {
        let mut jobs = self.jobs();
        let Some(found) = jobs.get_mut(&job) else { return };
        found.mailbox.close();
        if found.pins.is_empty() {
            jobs.remove(&job);
            drop(jobs);
            self.hub.tell_later(Event::JobClosed { job });
            return;
        }
        found.is_orphan = true;
        found.pins.values_mut().for_each(|pin| pin.is_wanted = false);
        let tasks = found.all_unpinned();
        drop(jobs);
        self.hub.tell_later(Event::WantChanged { job, tasks, wanted: false });
    }

    /// Pins results. Those of jobs that have ended are left out.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn pin(&self, places: &[Place]) -> Result<(), String> {
        let mut wanted = Vec::new();
        {
            let mut jobs = self.jobs();
            let pinned = jobs.values().map(|job| job.pins.len()).sum::<usize>();
            if pinned + places.len() > PINNED_MAX {
                return Err(format!("at most {PINNED_MAX} results may be shared at once"));
            }
            for place in places {
                let Some(job) = jobs.get_mut(&place.job()) else { continue };
                let is_wanted = !job.is_orphan;
                let pin = job.pins.entry(place.at()).or_insert(Pin { count: 0, is_wanted });
                pin.count += 1;
                if pin.count == 1 {
                    wanted.push(*place);
                }
            }
        }
        wanted.into_iter().for_each(|place| self.tell(place, true));
        Ok(())
    }

    /// Takes pins away, and lets go of what nobody wants any more.
    pub(crate) fn unpin(&self, places: &[Place]) {
        for place in places {
            let mut jobs = self.jobs();
            let Some(job) = jobs.get_mut(&place.job()) else { continue };
            let Some(pin) = job.pins.get_mut(&place.at()) else { continue };
            pin.count -= 1;
            if pin.count > 0 {
                continue;
            }
            let is_wanted = pin.is_wanted;
            job.pins.remove(&place.at());
            job.mailbox.unfollow(place.at());
            let is_over = job.is_orphan && job.pins.is_empty();
            if is_over {
                jobs.remove(&place.job());
            }
            drop(jobs);
            if is_over {
                self.hub.tell_later(Event::JobClosed { job: place.job() });
            } else if !is_wanted {
                self.tell(*place, false);
            }
        }
    }

    fn tell(&self, place: Place, wanted: bool) {
        let tasks = vec![TaskRange { stage: place.1, first: place.2, count: 1 }];
        self.hub.tell_later(Event::WantChanged { job: place.job(), tasks, wanted });
    }

    /// Tells a client that it cannot have results of other jobs.
    pub(super) fn refuse(&self, places: &[Place], follower: &Mailbox, why: &str) {
        for place in places {
            follower.add_foreign(place.job(), gone(place.job(), place.at(), why));
        }
    }

    /// Has a client told of results of other jobs, which are pinned for it.
    pub(super) async fn follow(&self, places: &[Place], follower: &Arc<Mailbox>) {
        for place in places {
            let owner = self.jobs().get(&place.job()).map(|job| Arc::clone(&job.mailbox));
            let Some(owner) = owner else {
                let task = gone(place.job(), place.at(), "its client has gone");
                follower.add_foreign(place.job(), task);
                continue;
            };
            owner.follow(place.at(), follower);
            let task = place.task();
            let settled = self.hub.query(move |core| core.settled(task)).await.flatten();
            if let Some(settled) = settled {
                follower.add_foreign(place.job(), settled);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned results are cut out of ranges.
    #[test]
    fn pinned_results_are_cut_out() {
        let pin = || Pin { count: 1, is_wanted: false };
        let job = OpenJob {
            mailbox: Arc::default(),
            sizes: vec![4, 0, 3],
            pins: [((0, 1), pin()), ((0, 3), pin()), ((2, 0), pin())].into(),
            is_orphan: false,
        };
        let range = |stage, first, count| TaskRange { stage, first, count };
        assert_eq!(job.all_unpinned(), [range(0, 0, 1), range(0, 2, 1), range(2, 1, 2)]);
        assert_eq!(job.unpinned(range(0, 1, 1)), []);
        assert_eq!(job.unpinned(range(2, 1, 9)), [range(2, 1, 9)]);
    }
}
