//! Events about jobs: taken, delivered, ended.

use crate::eligibility::has_time;
use crate::event::{Effect, JobSpec};
use crate::handlers::tasks;
use crate::state::{Consumer, Core, EndedJob, Group, Held, Job, NOBODY, task_id};
use crate::submission::{check, check_room, new_group, place};
use crate::{persisted, telemetry, transfers};
use partita_shared::ids::{GroupId, JobId};
use partita_shared::limits;
use partita_shared::message::{FailureKind, ToWorker};
use partita_shared::model::{JobState, TaskState};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn on_submitted(
    core: &mut Core,
    request: u64,
    mut spec: JobSpec,
    effects: &mut Vec<Effect>,
) {
    if spec.keep && check_room(core, &spec).is_err() {
        persisted::cut_lineage(core, &spec.owner, effects);
    }
    if let Err(error) = check(core, &spec) {
        effects.push(Effect::JobRefused { request, error });
        return;
    }
    let id = core.reserve_job();
    let specs = std::mem::take(&mut spec.groups);
    let places: Vec<GroupId> =
        (0..).zip(&specs).map(|(i, group)| place(core, id, i, group)).collect();
    let mut groups: Vec<Group> = (0..)
        .zip(specs)
        .map(|(index, group)| new_group(id, index, group, &places, spec.analyze))
        .collect();
    for reader in 0..groups.len() {
        for input in 0..groups[reader].inputs().len() {
            let from = groups[reader].inputs()[input].group as usize;
            let consumer = Consumer { group: reader as u32, input: input as u32 };
            groups[from].consumers.push(consumer);
        }
    }
    spec.priority = spec.priority.max(1);
    let mut job = Job {
        spec,
        state: JobState::Queued,
        submitted: core.now,
        started: None,
        groups,
        running: 0,
        turn: 0,
        delivered: 0,
        delivered_rows: 0,
        delivering: None,
        retries: 0,
        touched: BTreeSet::new(),
        causes: BTreeMap::new(),
        avoid: BTreeMap::new(),
        suspects: BTreeSet::new(),
        held: Held::default(),
        changed: true,
    };
    for group in 0..job.groups.len() {
        if job.groups[group].blocked == 0 {
            job.unblock(group);
        }
    }
    core.jobs.insert(id, job);
    persisted::attach(core, id);
    telemetry::job(core, id);
    effects.push(Effect::JobAccepted { request, job: id });
}

/// Tells the shell to bring the next result partition to the client, once it is held.
pub(crate) fn deliver_next(core: &mut Core, id: JobId, effects: &mut Vec<Effect>) {
    let Some(job) = core.jobs.get_mut(&id).filter(|job| !job.spec.keep) else { return };
    let result = job.result();
    let index = job.delivered;
    let Some(task) = job.groups[result].tasks.get(index as usize) else { return };
    if let Some(holder) = task.holder()
        && job.delivering != Some(holder)
    {
        job.delivering = Some(holder);
        effects.push(Effect::Deliver { job: id, index, holder });
    }
}

pub(crate) fn on_delivered(
    core: &mut Core,
    id: JobId,
    index: u32,
    rows: u64,
    effects: &mut Vec<Effect>,
) {
    let Some(job) = core.jobs.get_mut(&id).filter(|job| !job.spec.keep) else { return };
    let result = job.result();
    if index != job.delivered || index as usize >= job.groups[result].tasks.len() {
        return;
    }
    job.delivered += 1;
    job.delivered_rows += rows;
    job.changed = true;
    job.delivering = None;
    let mut dropped = None;
    let mut done = Vec::new();
    match job.groups[result].tasks[index as usize].state {
        TaskState::Done => {
            if let Some(holder) = job.groups[result].tasks[index as usize].holder() {
                job.groups[result].tasks[index as usize].worker = NOBODY;
                job.no_longer_held(result, index);
                dropped = Some(holder.worker);
            }
        }
        // Its holder was lost after the last row was taken: it need not be made again.
        TaskState::Waiting | TaskState::Ready => {
            job.set_state(result, index, TaskState::Done);
            done.extend(job.settle());
            done.extend(job.groups[result].is_done().then_some(result));
        }
        // What is being made again is dropped when it comes.
        TaskState::Running | TaskState::Failed => {}
    }
    let finished = job.delivered as usize == job.groups[result].tasks.len();
    if let Some(worker) = dropped {
        core.add_held(worker.0, -1);
        let message = ToWorker::DropPartition(task_id(id, result as u32, index));
        effects.push(Effect::Send { worker, message });
    }
    for group in done {
        tasks::release_inputs(core, id, group, effects);
    }
    if finished {
        end(core, id, JobState::Done, String::new(), None, effects);
    } else {
        deliver_next(core, id, effects);
    }
}

pub(crate) fn on_broken(core: &mut Core, id: JobId, error: String, effects: &mut Vec<Effect>) {
    fail(core, id, error, None, effects);
}

pub(crate) fn on_cancelled(core: &mut Core, id: JobId, reason: String, effects: &mut Vec<Effect>) {
    end(core, id, JobState::Cancelled, reason, None, effects);
}

pub(crate) fn fail(
    core: &mut Core,
    id: JobId,
    error: String,
    kind: Option<FailureKind>,
    effects: &mut Vec<Effect>,
) {
    end(core, id, JobState::Failed, error, kind, effects);
}

/// Fails the jobs that can do nothing more before the allocation ends: none of their tasks runs,
/// and every one that could is expected to take longer than is left. Said now, it is an answer;
/// later, everything just dies.
pub(crate) fn end_hopeless(core: &mut Core, effects: &mut Vec<Effect>) {
    let Some((slurm_job, at)) = &core.allocation else { return };
    let left = at.saturating_sub(core.now);
    let mut found = Vec::new();
    for (id, job) in core.jobs.iter().filter(|(_, job)| job.running == 0) {
        let mut ready = job.groups.iter().filter(|group| group.counts.ready > 0).peekable();
        if ready.peek().is_none() {
            continue;
        }
        let hopeless = |group: &&Group| {
            group.mean_us().is_some_and(|mean| mean > left)
                && !core.workers.values().any(|worker| has_time(worker, group, core.now))
        };
        let Some(shortest) = ready.clone().min_by_key(|group| group.mean_us()) else { continue };
        if ready.all(|group| hopeless(&group)) {
            let takes = shortest.mean_us().unwrap_or(0) / 1_000_000;
            found.push((
                *id,
                format!(
                    "Slurm job {slurm_job} ends in {} s, and a task of `{}` takes about {takes} s: nothing more of this job can be done; ask for more time, or submit it again later",
                    left / 1_000_000,
                    shortest.name
                ),
            ));
        }
    }
    for (id, error) in found {
        fail(core, id, error, None, effects);
    }
}

/// Ends a job: frees its slots and its memory on every worker at once, and answers the client.
/// Jobs that read a result which it holds end with it.
pub(crate) fn end(
    core: &mut Core,
    id: JobId,
    state: JobState,
    error: String,
    kind: Option<FailureKind>,
    effects: &mut Vec<Effect>,
) {
    telemetry::stopped(core, id);
    let Some(mut job) = core.jobs.remove(&id) else { return };
    transfers::forget_job(core, id);
    for group in job.groups.iter().filter(|group| !group.is_mirror()) {
        for task in &group.tasks {
            match task.state {
                TaskState::Running => {
                    core.add_assigned(partita_shared::ids::WorkerId(task.worker), -1)
                }
                TaskState::Done => core.add_held(task.worker, -1),
                TaskState::Waiting | TaskState::Ready | TaskState::Failed => {}
            }
        }
    }
    for worker in job.held.replicas.values().flatten() {
        core.add_held(worker.0, -1);
    }
    // Nothing of it runs any more, whatever was about to.
    for group in &mut job.groups {
        let counts = &mut group.counts;
        counts.waiting += std::mem::take(&mut counts.running) + std::mem::take(&mut counts.ready);
    }
    let staging = if state == JobState::Done { None } else { job.spec.staging.clone() };
    // A worker that was never given a task can still remove what others left in a shared folder.
    let mut told: BTreeSet<_> =
        job.touched.iter().copied().filter(|w| core.workers.contains_key(w)).collect();
    if told.is_empty() && staging.is_some() {
        told.extend(core.workers.keys().next().copied());
    }
    effects.extend(told.into_iter().map(|worker| Effect::Send {
        worker,
        message: ToWorker::DropJob { job: id, staging: staging.clone() },
    }));
    job.state = state;
    effects.push(Effect::JobEnded { job: id, state, error: error.clone(), kind });
    let sources = job.sources();
    let row = job.row(id, error.clone(), Some(core.now));
    let groups = job.group_rows(id);
    telemetry::job_ended(core, id, &mut job, &row);
    let operators = job.groups.into_iter().map(|group| group.operators).collect();
    if core.ended.len() == limits::FINISHED_JOBS_MAX {
        core.ended.pop_front();
    }
    core.ended.push_back(EndedJob { row, groups, operators });
    persisted::detach(core, (id, &job.spec.text, &error), job.held.readers, sources, effects);
}
