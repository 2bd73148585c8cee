//! Events about jobs: submitted, delivered.

use crate::delivery::deliver_next;
use crate::event::{Effect, JobSpec, Order, TaskRange};
use crate::handlers::open::begin;
use crate::release::release_inputs;
use crate::state::{Core, Job, Persistence, ReadyStages, RequirementId, Stage, Values, task_id};
use crate::submission::{check, connect, new_stage, place};
use crate::{mirror, order, telemetry};
use partita_shared::ids::{JobId, StageId};
use partita_shared::model::{JobState, TaskState};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn on_submitted(
    core: &mut Core,
    request: u64,
    planned: Option<JobId>,
    mut spec: JobSpec,
    effects: &mut Vec<Effect>,
) {
    if let Some(id) = planned
        && !core.planning.contains_key(&id)
    {
        let error = format!("{id} has ended");
        effects.push(Effect::JobRefused { request, error });
        return;
    }
    if let Err(error) = check(core, &spec) {
        effects.push(Effect::JobRefused { request, error });
        return;
    }
    let planned = planned.and_then(|id| core.planning.remove_entry(&id));
    let (id, submitted) = match planned {
        Some((id, planning)) => (id, planning.since),
        None => (core.number_job(), core.now),
    };
    core.submissions += 1;
    let specs = std::mem::take(&mut spec.stages);
    let needs: Vec<RequirementId> =
        specs.iter().map(|stage| core.add_requirement(&stage.requirement)).collect();
    let places: Vec<StageId> =
        (0..).zip(&specs).map(|(i, stage)| place(core, id, i, stage.origin)).collect();
    let mut stages: Vec<Stage> = (0..)
        .zip(specs.into_iter().zip(needs))
        .map(|(index, (stage, needed))| new_stage((id, index), stage, needed, &places, &spec))
        .collect();
    connect(&mut stages, 0);
    let all = (0..).zip(&stages).map(|(stage, found)| TaskRange {
        stage,
        first: 0,
        count: found.tasks.len() as u32,
    });
    let all: Vec<TaskRange> = all.collect();
    let mut next_rank = 0;
    let has_priorities = stages.iter().any(|stage| stage.priority != 0);
    if spec.order == Order::DepthFirst {
        order::rank(&mut stages, &all, &mut next_rank);
    }
    let (open, wanted) = (spec.open, std::mem::take(&mut spec.wanted));
    spec.priority = spec.priority.max(1);
    let mut job = Job {
        spec,
        state: JobState::Queued,
        order: core.submissions,
        submitted,
        started: None,
        stages,
        running: 0,
        turn: 0,
        ready: ReadyStages::default(),
        has_priorities,
        ready_near: BTreeMap::new(),
        share: None,
        delivered: 0,
        delivered_rows: 0,
        delivering: None,
        retries: 0,
        touched: BTreeSet::new(),
        causes: BTreeMap::new(),
        avoid: BTreeMap::new(),
        suspects: BTreeSet::new(),
        unreadable: BTreeMap::new(),
        next_rank,
        errors: BTreeMap::new(),
        argument_bytes: 0,
        values: Values::default(),
        replicas: BTreeMap::new(),
        replica_goals: BTreeMap::new(),
        persisted: Persistence::default(),
        changed: true,
    };
    for stage in 0..job.stages.len() {
        if job.stages[stage].blocked == 0 {
            job.unblock(stage);
        }
    }
    core.jobs.insert(id, job);
    mirror::attach(core, id);
    telemetry::job(core, id);
    effects.push(Effect::JobAccepted { request, job: id });
    if open {
        begin(core, id, &all, &wanted, effects);
    }
}

pub(crate) fn on_delivered(
    core: &mut Core,
    id: JobId,
    index: u32,
    rows: u64,
    effects: &mut Vec<Effect>,
) {
    let delivers = |job: &&mut Job| job.is_delivered_result(job.result());
    let Some(job) = core.jobs.get_mut(&id).filter(delivers) else { return };
    let result = job.result();
    if index != job.delivered || index as usize >= job.stages[result].tasks.len() {
        return;
    }
    job.delivered += 1;
    job.delivered_rows += rows;
    job.changed = true;
    job.delivering = None;
    let mut dropped = None;
    let mut done = Vec::new();
    match job.stages[result].tasks[index as usize].state {
        TaskState::Done => {
            dropped = job.drop_partition(result, index);
        }
        // Its holder was lost after the client had read the last row: it need not be recomputed.
        TaskState::Waiting | TaskState::Ready => {
            job.set_state(result, index, TaskState::Done);
            done.push((result, index));
        }
        // A partition that is being recomputed is dropped when it is finished.
        TaskState::Running | TaskState::Failed => {}
    }
    let finished = job.delivered as usize == job.stages[result].tasks.len();
    if let Some(worker) = dropped {
        core.add_held(worker.0, -1);
        core.drop_soon(worker, task_id(id, result as u32, index));
    }
    release_inputs(core, id, done, effects);
    if finished {
        core.end_job(id, JobState::Done, String::new());
    } else {
        deliver_next(core, id, effects);
    }
}
