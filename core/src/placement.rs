//! Placement: which worker gets which ready task.
//!
//! The least loaded worker chooses first: among the jobs, the one with the fewest attempts running
//! for its priority; in the job, the first stage in its order that has a ready task; in the stage, a
//! task whose input that worker holds, then one without a preference, then one whose input is held by a
//! worker without a free slot. In a graph, a task whose input the worker holds comes before those of
//! all other stages: what it made last is read next. No worker gets more than its slots and a small
//! read-ahead, measured in expected time.
//!
//! Jobs and stages with ready tasks are indexed, so that a choice walks over nothing else, and over a
//! limited number of these. Stages whose tasks need what the worker lacks are kept apart there. Only that index is
//! changed here.

use crate::eligibility::{has_room, has_time, is_avoided, is_open, room};
use crate::event::Order;
use crate::state::ready::Entry;
use crate::state::{Core, Job, RequirementId, Stage};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::TaskState;

/// Result partitions, for each slot of the cluster, that may be computed ahead of the client: a
/// client that reads slowly slows down the workers.
const RESULTS_AHEAD_PER_SLOT: u32 = 2;

/// How many stages of one job are examined for a choice, for each kind of queue.
const STAGES_EXAMINED_MAX: usize = 64;

/// How many stages are examined for a choice, over all jobs.
const CANDIDATES_MAX: usize = 4 * STAGES_EXAMINED_MAX;

/// How many queues of other workers are examined for a task.
const OTHER_QUEUES_MAX: usize = 16;

/// How many ready tasks are examined for one that may run on a given worker, where some may not.
const AVOIDED_TASKS_MAX: usize = 16;

/// A ready task that was chosen, and the queue that contains it: that of a worker that holds its
/// input, or the common one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) job: JobId,
    pub(crate) stage: usize,
    pub(crate) queue: Option<WorkerId>,
    pub(crate) index: u32,
}

impl Core {
    /// The load from which on no worker has room for a task of any stage with ready tasks, by
    /// [`has_room`]; `None` if no stage has ready tasks. Placement skips more loaded workers of a
    /// busy cluster.
    pub(crate) fn full_load(&self) -> Option<u64> {
        let jobs = self.by_share.iter().filter_map(|(.., id)| self.jobs.get(id));
        let ready = jobs.flat_map(|job| {
            job.ready.all().take(STAGES_EXAMINED_MAX).map(move |(_, stage)| (job, stage))
        });
        // No choice examines more stages than these.
        let ready = ready.take(CANDIDATES_MAX);
        let full = |slots: u32| {
            let room = ready
                .clone()
                .map(|(job, at)| room(slots, job, &job.stages[at as usize], &self.options));
            room.max().map(|room| (room.max(1) - 1) * 1000 / u64::from(slots) + 1)
        };
        self.sizes.keys().filter_map(|slots| full(*slots)).max()
    }

    pub(crate) fn slots(&self) -> u32 {
        self.sizes.iter().map(|(slots, alike)| slots * alike).sum()
    }

    /// Number of result partitions that may be computed ahead of the client.
    pub(crate) fn result_window(&self) -> u32 {
        self.slots().saturating_mul(RESULTS_AHEAD_PER_SLOT).max(4)
    }

    /// Brings the index of jobs up to date. Looks at each job once.
    pub(crate) fn sync_shares(&mut self) {
        let stale = self.jobs.iter().filter(|(_, job)| job.share != share_of(job));
        let stale: Vec<JobId> = stale.map(|(id, _)| *id).collect();
        stale.into_iter().for_each(|id| self.sync_share(id));
    }

    /// Lists a job by its share if it has ready tasks. One that had none has not saved up virtual
    /// time.
    pub(crate) fn sync_share(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let before = job.share;
        if before.is_none() {
            job.turn = job.turn.max(self.turn);
        }
        let key = share_of(job);
        job.share = key;
        if key == before {
            return;
        }
        let priority = u64::from(job.spec.priority);
        self.forget_share(id, before, priority);
        if let Some((share, turn)) = key {
            self.by_share.insert((share, turn, id));
            self.ready_priorities += priority;
        }
    }

    /// Removes the entry of a job, if it has one.
    pub(crate) fn forget_share(&mut self, id: JobId, entry: Option<(u64, u64)>, priority: u64) {
        if let Some((share, turn)) = entry {
            self.by_share.remove(&(share, turn, id));
            self.ready_priorities -= priority;
        }
    }

    /// Chooses a task for a worker.
    pub(crate) fn pick(&self, id: WorkerId, slots: u32, window: u32) -> Option<Choice> {
        let now = self.now;
        let worker = self.workers.get(&id)?;
        // A paused worker only finishes the tasks it has. One without tasks must get some, or
        // nothing would ever free its memory, or end those that wait for others.
        if worker.metrics.above_mark && worker.on_slots() > 0 {
            return None;
        }
        let owed = |job: &Job| {
            let fair = u64::from(slots) * u64::from(job.spec.priority);
            u64::from(job.running) * self.ready_priorities < fair
        };
        let search = Search { core: self, id, window };
        // Prevents starvation: a higher-ranked stage that waits for a slot here blocks short
        // lower-ranked tasks from filling the read-ahead.
        let mut waiting: Vec<(JobId, &Job, usize)> = Vec::new();
        let jobs = self.by_share.iter().filter_map(|(.., job)| Some((*job, self.jobs.get(job)?)));
        let stages = jobs.flat_map(|(number, job)| {
            let stages = candidates(job, id, |needed| self.requirements.can_take(needed, worker));
            stages.map(move |(near, stage)| (number, job, near, stage))
        });
        for (job_id, job, near, stage) in stages.take(CANDIDATES_MAX) {
            let stage = stage as usize;
            let at = &job.stages[stage];
            if at.counts.ready == 0 || !has_time(worker, at, now) {
                continue;
            }
            if !has_room(worker, job, at, &self.options) {
                waiting.push((job_id, job, stage));
                continue;
            }
            let Some((queue, index)) = search.find(job, stage, near) else { continue };
            let after = waiting.iter().any(|(other_id, other, stage)| {
                (*other_id == job_id || owed(other))
                    && search.find(other, *stage, Near::Any).is_some()
            });
            if !after {
                return Some(Choice { job: job_id, stage, queue, index });
            }
        }
        None
    }
}

/// The key of a job in the index: attempts that run for its priority, in thousandths, and its virtual
/// time; none if it has no ready tasks.
fn share_of(job: &Job) -> Option<(u64, u64)> {
    let share = u64::from(job.running) * 1000 / u64::from(job.spec.priority);
    (!job.ready.is_empty()).then_some((share, job.turn))
}

/// The stages of a job in which a worker looks for a task, and the queues of them, in order: those of a higher
/// priority first.
fn candidates<'a>(
    job: &'a Job,
    worker: WorkerId,
    can_take: impl Fn(RequirementId) -> bool + Copy + 'a,
) -> impl Iterator<Item = (Near, u32)> + 'a {
    let (here, others) = match job.spec.order {
        Order::Stages => (None, &[Near::Any][..]),
        Order::DepthFirst => (job.ready_near.get(&worker), &[Near::Nowhere, Near::Elsewhere][..]),
    };
    let here = here.into_iter().flat_map(move |here| here.first(STAGES_EXAMINED_MAX, can_take));
    let others = others.iter().flat_map(move |near| {
        job.ready.first(STAGES_EXAMINED_MAX, can_take).map(|found| (*near, found))
    });
    let found = here.map(|found| (Near::Here, found)).chain(others);
    // Only where priorities differ are the candidates collected.
    let (as_found, sorted) = if job.has_priorities {
        let mut sorted: Vec<_> = found.collect();
        sorted.sort_by_key(|(_, (place, _))| place.priority);
        (None, sorted)
    } else {
        (Some(found), Vec::new())
    };
    as_found.into_iter().flatten().chain(sorted).map(|(near, (_, stage))| (near, stage))
}

/// The queues of a stage in which a task is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    /// That of the worker itself.
    Here,
    /// The common one.
    Nowhere,
    /// Those of other workers, which have no free slot.
    Elsewhere,
    /// All, in this order.
    Any,
}

/// What a worker looks for.
struct Search<'a> {
    core: &'a Core,
    id: WorkerId,
    /// Result partitions are at most this far ahead of the client.
    window: u32,
}

impl Search<'_> {
    /// A ready task, and the queue that contains it: `None` for the common one.
    fn find(&self, job: &Job, stage: usize, near: Near) -> Option<(Option<WorkerId>, u32)> {
        let at = &job.stages[stage];
        let limit = if job.is_delivered_result(stage) {
            job.delivered.saturating_add(self.window)
        } else {
            u32::MAX
        };
        let may_run =
            |index: u32| index < limit && !is_avoided(self.core, job, stage, index, self.id);
        let wants = |queues| near == queues || near == Near::Any;
        if wants(Near::Here)
            && let Some(index) = first(at.ready.near(self.id), at, may_run)
        {
            return Some((Some(self.id), index));
        }
        if wants(Near::Nowhere)
            && let Some(index) = first(at.ready.common(), at, may_run)
        {
            return Some((None, index));
        }
        let mut others = at.ready.others(self.id).take(OTHER_QUEUES_MAX);
        others.find_map(|(other, queue)| {
            let other_worker = self.core.workers.get(&other);
            let is_open = other_worker.is_some_and(|found| is_open(self.core, found, at));
            if is_open || !wants(Near::Elsewhere) {
                return None;
            }
            first(queue.iter().copied(), at, may_run).map(|index| (Some(other), index))
        })
    }
}

/// The first entry that may run, among the stale ones and the first few others.
fn first(
    queue: impl Iterator<Item = Entry>,
    stage: &Stage,
    may_run: impl Fn(u32) -> bool,
) -> Option<u32> {
    queue
        .map(|(_, index)| index)
        .filter(|index| stage.tasks[*index as usize].state == TaskState::Ready)
        .take(AVOIDED_TASKS_MAX)
        .find(|index| may_run(*index))
}
