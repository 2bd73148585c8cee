//! Persisted results, and the jobs that read them.
//!
//! A job with a persisted result stays in the core when its result is complete. A job that reads it
//! has a stage with one task for each partition of the result: a mirror. Such a task never runs; it
//! is done while its partition is held, and has the same holder. So readiness, placement and loss
//! work across jobs as they do inside one.
//!
//! Lost partitions of a persisted result are recomputed when a reader wants them, through the job's
//! own lineage, and through that of the jobs whose results it reads. [`mirror`](crate::mirror)
//! propagates partition state from a result to its readers; [`demand`] propagates requests back. A
//! job reads only jobs that were submitted before it, so one pass from the latest submission to the
//! first finds everything.

use crate::event::{Effect, Origin};
use crate::mirror::{mirror, show};
use crate::release::release_inputs;
use crate::state::{Core, Job, Task, task_id};
use partita_shared::ids::JobId;
use partita_shared::model::{JobState, TaskState};
use std::collections::{BTreeMap, BTreeSet};

/// Drops the partitions of a released result that no reader has still to read, and the result
/// itself if it has no readers. Jobs whose persisted results were derived from it remain its
/// readers: it is their lineage.
pub(crate) fn release_if_unread(core: &mut Core, id: JobId) {
    let Some(job) = core.jobs.get(&id).filter(|j| j.persisted.released && j.persisted.complete)
    else {
        return;
    };
    if job.persisted.readers.is_empty() {
        core.end_job(id, JobState::Done, String::new());
        return;
    }
    // It replaces its own lineage in that of its readers.
    if job.persisted.cut {
        return;
    }
    let reads = |(reader, stage): &(JobId, u32)| {
        core.jobs.get(reader).is_some_and(|job| job.stages[*stage as usize].has_unread())
    };
    if job.persisted.readers.iter().any(reads) {
        return;
    }
    let Some(job) = core.jobs.get_mut(&id) else { return };
    let result = job.result();
    let mut dropped = Vec::new();
    for index in 0..job.stages[result].tasks.len() as u32 {
        let replicas = job.take_replicas((result as u32, index));
        let holder = job.drop_partition(result, index);
        dropped.extend(replicas.into_iter().chain(holder).map(|worker| (index, worker)));
    }
    for (index, worker) in dropped {
        core.add_held(worker.0, -1);
        core.drop_soon(worker, task_id(id, result as u32, index));
        mirror(core, id, index);
    }
}

/// A job has ended: the jobs that read its result cannot continue, and the results that it read may
/// be released.
pub(crate) fn detach(
    core: &mut Core,
    (id, text, cause): (JobId, &str, &str),
    readers: BTreeSet<(JobId, u32)>,
    sources: Vec<(u32, JobId)>,
) {
    for (reader, _) in readers {
        let cause = if cause.is_empty() { String::new() } else { format!(": {cause}") };
        let error = format!(
            "the persisted result of {id} (`{text}`), which it reads, no longer exists{cause}; run that query again"
        );
        core.fail_job(reader, error, None);
    }
    for (stage, source) in sources {
        if let Some(job) = core.jobs.get_mut(&source) {
            job.persisted.readers.remove(&(id, stage));
            core.demand_changed = true;
            core.release_job(source);
        }
    }
}

/// Cuts the lineage of an owner's results that are complete and whose inputs nobody else wants, so
/// that these inputs need not be remembered: a client may derive results from results without end.
/// Each input stays as long as results derived from it are persisted: their lost partitions are
/// recomputed from it.
pub(crate) fn cut_lineage(core: &mut Core, owner: &str) {
    let is_released = |(_, source): &(u32, JobId)| {
        core.jobs.get(source).is_some_and(|source| source.persisted.released)
    };
    let can_stand_alone = |job: &Job| {
        let sources = job.sources();
        job.spec.owner == owner
            && job.persisted.complete
            && job.stages[job.result()].is_held()
            && !sources.is_empty()
            && sources.iter().all(is_released)
    };
    let mut found = core.in_order();
    found.retain(|id| core.jobs.get(id).is_some_and(can_stand_alone));
    for id in found {
        let Some(job) = core.jobs.get_mut(&id) else { continue };
        let (sources, text) = (job.sources(), job.spec.text.clone());
        for (stage, _) in &sources {
            for index in 0..job.stages[*stage as usize].tasks.len() as u32 {
                show(job, *stage as usize, index, &Task::new());
            }
        }
        job.persisted.cut = true;
        detach(core, (id, &text, ""), BTreeSet::new(), sources);
    }
}

/// Determines which missing partitions of persisted results readers want, and has them recomputed.
/// Uploaded partitions cannot be recomputed: their readers fail.
pub(crate) fn demand(core: &mut Core, effects: &mut Vec<Effect>) {
    let mut wanted: BTreeMap<JobId, BTreeSet<u32>> = BTreeMap::new();
    let mut failed = Vec::new();
    for id in core.in_order().into_iter().rev() {
        let Some(job) = core.jobs.get_mut(&id) else { continue };
        if job.spec.persist {
            let now = wanted.remove(&id).unwrap_or_default();
            want(core, id, now, effects);
        }
        let Some(job) = core.jobs.get(&id) else { continue };
        for (stage, source) in job.sources() {
            let missing = job.missing(stage as usize);
            if let Some(error) = lost(core, source, &missing) {
                failed.push((id, error));
            }
            wanted.entry(source).or_default().extend(missing);
        }
    }
    for (id, error) in failed {
        core.fail_job(id, error, None);
    }
}

/// Has the wanted partitions of a persisted result recomputed, and cancels the recomputation of all
/// others.
fn want(core: &mut Core, id: JobId, wanted: BTreeSet<u32>, effects: &mut Vec<Effect>) {
    let Some(job) = core.jobs.get_mut(&id).filter(|job| job.persisted.wanted != wanted) else {
        return;
    };
    if job.persisted.cut {
        return;
    }
    job.persisted.wanted = wanted;
    job.restore();
    if job.persisted.complete {
        let settled = job.settle();
        release_inputs(core, id, settled, effects);
    }
}

/// Why the missing partitions of a persisted result can never become available, if so.
fn lost(core: &Core, source: JobId, missing: &[u32]) -> Option<String> {
    let job = core.jobs.get(&source)?;
    let result = job.result();
    let stage = &job.stages[result];
    // Partitions that were never finished are still being computed.
    let gone = |index: &&u32| stage.tasks[**index as usize].state == TaskState::Done;
    let is_upload = stage.origin == Origin::Upload;
    let index = missing.iter().find(gone).filter(|_| is_upload || job.persisted.cut)?;
    let causes = match job.causes_of(result as u32, *index) {
        causes if causes.is_empty() => "the worker that held it has left".to_string(),
        causes => causes,
    };
    let name = &job.spec.text;
    if !is_upload {
        return Some(format!(
            "partition {index} of the result of {source} (`{name}`) is lost: {causes}; it cannot be recomputed because its lineage was too long to keep; create the table again"
        ));
    }
    Some(format!(
        "partition {index} of {name} is lost: {causes}; it was uploaded by a client and cannot be recomputed; upload it again, with `replicas=2` to tolerate the loss of a worker"
    ))
}

impl Job {
    /// Partitions of a mirrored stage that are not held and that some task still has to read.
    fn missing(&self, stage: usize) -> Vec<u32> {
        let tasks = (0..).zip(&self.stages[stage].tasks);
        let gone = tasks.filter(|(_, task)| task.holder().is_none()).map(|(index, _)| index);
        gone.filter(|index| self.is_wanted(stage, *index)).collect()
    }
}

impl Core {
    /// Checks persisted results and their readers.
    pub(crate) fn check_persisted(&self) -> Result<(), String> {
        for (id, job) in &self.jobs {
            for (reader, stage) in &job.persisted.readers {
                let found = self.jobs.get(reader).and_then(|job| job.stages.get(*stage as usize));
                let Some(found) = found.filter(|found| found.origin == Origin::Persisted(*id))
                else {
                    return Err(format!("{reader} is a reader of {id}, but does not read it"));
                };
                let pairs = found.tasks.iter().zip(&job.stages[job.result()].tasks);
                for (index, (mirror, task)) in pairs.enumerate() {
                    let differs = mirror.holder() != task.holder()
                        || mirror.holder().is_some() && mirror.bytes != task.bytes;
                    if differs {
                        return Err(format!(
                            "{reader} has partition {index} of {id} as {mirror:?}, but it is {task:?}"
                        ));
                    }
                }
            }
            for (stage, source) in job.sources() {
                let readers = self.jobs.get(&source).map(|source| &source.persisted.readers);
                if !readers.is_some_and(|readers| readers.contains(&(*id, stage))) {
                    return Err(format!("{source} does not list {id} as a reader"));
                }
            }
        }
        Ok(())
    }
}
