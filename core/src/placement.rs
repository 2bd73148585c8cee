//! Placement: which worker gets which ready task.
//!
//! The least loaded worker chooses first: among the jobs, the one with the fewest attempts running
//! for its priority; in the job, the latest stage that has a ready task, so that started work is
//! finished and its memory freed; in the stage, a task whose input that worker holds, then one
//! without a preference, then one whose input is held by a worker without a free slot. No worker
//! gets more than its slots and a small read-ahead, measured in expected time.
//!
//! Nothing here changes the state.

use crate::eligibility::{has_room, has_time, is_avoided, is_open, room};
use crate::state::{Core, Job, Stage, Worker};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::TaskState;
use std::collections::BTreeMap;

/// Result partitions, for each slot of the cluster, that may be computed ahead of the client: a
/// client that reads slowly slows down the workers.
const RESULTS_AHEAD_PER_SLOT: u32 = 2;

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
        let jobs = self.jobs.values();
        let ready = jobs.flat_map(|job| job.stages.iter().map(move |stage| (job, stage)));
        let ready = ready.filter(|(_, stage)| stage.counts.ready > 0);
        let full = |slots: u32| {
            let room = ready.clone().map(|(job, stage)| room(slots, job, stage, &self.options));
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

    /// Chooses a task for a worker.
    pub(crate) fn pick(&self, id: WorkerId, slots: u32, window: u32) -> Option<Choice> {
        let now = self.now;
        let worker = self.workers.get(&id)?;
        // A paused worker only finishes the tasks it has. One without tasks must get some, or
        // nothing would ever free its memory.
        if worker.metrics.above_mark && worker.assigned > 0 {
            return None;
        }
        let order = self.by_share();
        let priorities: u64 = order.iter().map(|(_, job)| u64::from(job.spec.priority)).sum();
        let owed = |job: &Job| {
            let fair = u64::from(slots) * u64::from(job.spec.priority);
            u64::from(job.running) * priorities < fair
        };
        let find = |job: &Job, stage| find(job, stage, id, window, &self.workers, now);
        // Prevents starvation: a higher-ranked stage that waits for a slot here blocks short
        // lower-ranked tasks from filling the read-ahead.
        let mut waiting: Vec<(JobId, &Job, usize)> = Vec::new();
        for (job_id, job) in order {
            for stage in (0..job.stages.len()).rev() {
                let at = &job.stages[stage];
                if at.counts.ready == 0 || !has_time(worker, at, now) {
                    continue;
                }
                if !has_room(worker, job, at, &self.options) {
                    waiting.push((job_id, job, stage));
                    continue;
                }
                let Some((queue, index)) = find(job, stage) else { continue };
                let after = waiting.iter().any(|(other_id, other, stage)| {
                    (*other_id == job_id || owed(other)) && find(other, *stage).is_some()
                });
                if !after {
                    return Some(Choice { job: job_id, stage, queue, index });
                }
            }
        }
        None
    }

    /// The jobs with ready tasks: the one with the fewest attempts running for its priority first,
    /// among equals the one with the smallest virtual time.
    pub(crate) fn by_share(&self) -> Vec<(JobId, &Job)> {
        let mut order: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.stages.iter().any(|stage| stage.counts.ready > 0))
            .map(|(id, job)| {
                let share = u64::from(job.running) * 1000 / u64::from(job.spec.priority);
                ((share, job.turn.max(self.turn), *id), job)
            })
            .collect();
        order.sort_unstable_by_key(|(key, _)| *key);
        order.into_iter().map(|((_, _, id), job)| (id, job)).collect()
    }
}

/// A ready task for a worker, and the queue that contains it: `None` for the stage's. Result
/// partitions are at most `window` ahead of the client.
fn find(
    job: &Job,
    stage: usize,
    id: WorkerId,
    window: u32,
    workers: &BTreeMap<WorkerId, Worker>,
    now: u64,
) -> Option<(Option<WorkerId>, u32)> {
    let at = &job.stages[stage];
    let delivered = stage == job.result() && !job.spec.persist;
    let limit = if delivered { job.delivered.saturating_add(window) } else { u32::MAX };
    let may_run = |index: &&u32| {
        let ready = at.tasks[**index as usize].state == TaskState::Ready;
        ready && **index < limit && !is_avoided(job, stage, **index, id, workers, now)
    };
    let own = at.ready_at.get(&id).and_then(|queue| first(queue.iter(), at, may_run));
    if let Some(index) = own {
        return Some((Some(id), index));
    }
    if let Some(index) = first(at.ready.iter(), at, may_run) {
        return Some((None, index));
    }
    at.ready_at.iter().find_map(|(near, queue)| {
        let open = workers.get(near).is_some_and(|worker| is_open(worker, at, now));
        let index = if open { None } else { first(queue.iter(), at, may_run) };
        index.map(|index| (Some(*near), index))
    })
}

/// The first entry that may run, among the stale ones and the first few others.
fn first<'a>(
    queue: impl Iterator<Item = &'a u32>,
    stage: &Stage,
    may_run: impl Fn(&&'a u32) -> bool,
) -> Option<u32> {
    queue
        .filter(|index| stage.tasks[**index as usize].state == TaskState::Ready)
        .take(AVOIDED_TASKS_MAX)
        .find(may_run)
        .copied()
}
