//! Jobs that are submitted: checked, and laid out.

use crate::event::{JobSpec, Order, Origin, StageSpec};
use crate::exchange::{Readers, is_whole, visit_own};
use crate::state::{Consumer, Core, ReadyQueues, RequirementId, Stage, Task};
use partita_shared::blocks::blocks_of;
use partita_shared::edges::EdgeList;
use partita_shared::ids::{JobId, StageId};
use partita_shared::limits;
use partita_shared::message::{Exchange, Fragment};
use partita_shared::model::TaskCounts;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stage whose partitions a stage has: itself, or the result stage of another job.
pub(crate) fn place(core: &Core, job: JobId, index: u32, origin: Origin) -> StageId {
    match origin {
        Origin::Persisted(source) => {
            let result = core.jobs.get(&source).map_or(0, |source| source.result() as u32);
            StageId { job: source, index: result }
        }
        Origin::Tasks | Origin::Upload => StageId { job, index },
    }
}

/// A stage that is not connected yet: see [`connect`].
pub(crate) fn new_stage(
    (job, index): (JobId, u32),
    spec: StageSpec,
    requirement: RequirementId,
    places: &[StageId],
    of: &JobSpec,
) -> Stage {
    let id = StageId { job, index };
    let read =
        (0..).zip(&spec.inputs).map(|(number, input)| (number, places[input.stage as usize]));
    let persisted = read.filter(|(_, place)| place.job != job).collect();
    let tasks = vec![Task::new(); spec.tasks as usize];
    // A worker is told of each task what it alone reads; it needs no list of all of them.
    let mut shown = spec.inputs.clone();
    for input in &mut shown {
        if let Exchange::Explicit(edges) = &mut input.exchange {
            *edges = Arc::default();
        }
    }
    Stage {
        name: spec.name,
        plan: spec.plan,
        origin: spec.origin,
        retries: spec.retries,
        priority: spec.priority,
        requirement,
        fragment: Arc::new(Fragment {
            stage: id,
            work: spec.work,
            inputs: shown,
            persisted,
            analyze: of.analyze,
            resources: spec.requirement.resources,
        }),
        arguments: Vec::new(),
        readers: Vec::new(),
        inputs: Arc::new(spec.inputs),
        open_readers: 0,
        unread_tasks: 0,
        consumers: Vec::new(),
        counts: TaskCounts { waiting: tasks.len() as u64, ..TaskCounts::default() },
        tasks,
        available: 0,
        held_bytes: 0,
        blocked: 0,
        ready: ReadyQueues::new(of.order == Order::DepthFirst),
        ready_key: None,
        near_keys: BTreeMap::new(),
        locations: Vec::new(),
        version: 0,
        told: BTreeMap::new(),
        rows: 0,
        bytes: 0,
        busy_us: 0,
        finished: 0,
        operators: Vec::new(),
        changed: true,
    }
}

/// Connects the stages of a job from the stage `first` on: those that they read learn of it, and each of
/// their tasks how often. Counts what they wait for.
pub(crate) fn connect(stages: &mut [Stage], first: usize) {
    for reader in first..stages.len() {
        let inputs = Arc::clone(&stages[reader].inputs);
        for (number, input) in (0..).zip(inputs.iter()) {
            let from = input.stage as usize;
            let partitions = stages[from].tasks.len() as u32;
            stages[reader].readers.push(Arc::new(Readers::new(input, partitions)));
            stages[from].consumers.push(Consumer { stage: reader as u32, input: number });
            if is_whole(&input.exchange) {
                stages[from].open_readers += 1;
                stages[reader].blocked += u32::from(!stages[from].is_held());
            }
            for task in input.first..input.first + input.count {
                visit_own(input, task, |partition| {
                    add_read(stages, (reader, task), (from, partition));
                });
            }
        }
    }
}

/// A task reads a partition as its own: it waits for it, unless it is held.
pub(crate) fn add_read(stages: &mut [Stage], reader: (usize, u32), read: (usize, u32)) {
    let from = &mut stages[read.0];
    from.add_unread(read.1, 1);
    let is_missing = from.tasks[read.1 as usize].holder().is_none();
    stages[reader.0].tasks[reader.1 as usize].pending += u32::from(is_missing);
}

/// Whether its owner may have one more job of this kind: jobs that one client leaves behind must
/// not block the others.
fn check_room(core: &Core, spec: &JobSpec) -> Result<(), String> {
    let (mut own, mut all) = (0, 0);
    for job in core.jobs.values().filter(|job| job.spec.persist == spec.persist) {
        all += 1;
        own += usize::from(job.spec.owner == spec.owner);
    }
    let (max, what, remedy) = match spec.persist {
        true => (limits::PERSISTED_JOBS_MAX, "results are persisted", "drop some first"),
        false => {
            let remedy = "retry when some have ended";
            (limits::LIVE_JOBS_MAX, "jobs are waiting or running", remedy)
        }
    };
    match limits::has_room(own, all, max) {
        true => Ok(()),
        false => Err(format!(
            "{own} {what} for this client and {all} of {max} for all clients, which is the limit; {remedy}"
        )),
    }
}

/// Whether a persisted result would be one too many, for its owner or in all.
pub(crate) fn needs_room(core: &Core, spec: &JobSpec) -> bool {
    spec.persist && check_room(core, spec).is_err()
}

/// Whether a job is valid: every reference is to something that exists.
pub(crate) fn check(core: &Core, spec: &JobSpec) -> Result<(), String> {
    check_room(core, spec)?;
    if spec.stages.is_empty() && !spec.open || spec.stages.len() > limits::JOB_STAGES_MAX {
        return Err(format!(
            "a job must have 1 to {} stages, this one has {}",
            limits::JOB_STAGES_MAX,
            spec.stages.len()
        ));
    }
    check_requirements(core, &spec.stages)?;
    let sizes: Vec<u32> = spec.stages.iter().map(|stage| stage.tasks).collect();
    for (number, stage) in spec.stages.iter().enumerate() {
        check_stage(core, stage, number, &sizes[..number], spec.open)?;
        let is_last = number + 1 == spec.stages.len();
        let fits = match stage.origin {
            Origin::Tasks => true,
            Origin::Upload => spec.persist && is_last,
            Origin::Persisted(_) => !is_last || spec.open,
        };
        if !fits {
            return Err(format!("stage {number} does not match its origin"));
        }
    }
    if spec.open && (spec.persist || spec.staging.is_some()) {
        return Err("an open job has no one result to persist or to write".to_string());
    }
    Ok(())
}

/// Whether as many different requirements can be kept as there would be with those of these stages.
pub(crate) fn check_requirements(core: &Core, stages: &[StageSpec]) -> Result<(), String> {
    let count = core.requirements.count_with(stages.iter().map(|stage| &stage.requirement));
    match count > limits::REQUIREMENTS_MAX {
        true => Err(format!(
            "the stages of all jobs may have {} different requirements at once (resources and workers of their tasks)",
            limits::REQUIREMENTS_MAX
        )),
        false => Ok(()),
    }
}

/// Whether a stage is valid behind others that have these numbers of tasks. In an open job its tasks may
/// read earlier ones of the same stage.
pub(crate) fn check_stage(
    core: &Core,
    stage: &StageSpec,
    number: usize,
    before: &[u32],
    open: bool,
) -> Result<(), String> {
    if stage.tasks == 0 && !open || stage.tasks > limits::STAGE_TASKS_MAX {
        return Err(format!(
            "a stage must have 1 to {} tasks, stage {number} has {}",
            limits::STAGE_TASKS_MAX,
            stage.tasks
        ));
    }
    check_origin(core, stage, number)?;
    stage.requirement.check().map_err(|error| format!("stage {number}: {error}"))?;
    for input in &stage.inputs {
        let is_own = open && input.stage as usize == number;
        let own = is_own.then_some(&stage.tasks);
        let Some(from) = before.get(input.stage as usize).or(own).copied() else {
            return Err(format!(
                "stage {number} reads stage {}, which is not an earlier one",
                input.stage
            ));
        };
        let inside = u64::from(input.first) + u64::from(input.count) <= u64::from(stage.tasks);
        let matched = match &input.exchange {
            Exchange::Explicit(edges) => {
                edges.is_valid()
                    && edges.rows() == input.count as usize
                    && are_targets_valid(edges, is_own, input.first, from)
            }
            _ if is_own => false,
            Exchange::OneToOne => input.count <= from,
            Exchange::Blocks(blocks) => {
                blocks.is_valid()
                    && blocks_of(&blocks.source) == Some(from)
                    && blocks_of(&blocks.grid) == Some(input.count)
            }
            Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => true,
        };
        if !inside || !matched {
            return Err(format!(
                "stage {number} reads partitions of stage {} that do not exist",
                input.stage
            ));
        }
    }
    Ok(())
}

/// Whether rows, the first of which is of task `first`, name partitions that exist: of the own stage only
/// those of earlier tasks.
pub(crate) fn are_targets_valid(edges: &EdgeList, is_own: bool, first: u32, tasks: u32) -> bool {
    (0..edges.rows() as u32).all(|row| {
        let limit = if is_own { first + row } else { tasks };
        edges.row(row).iter().all(|partition| *partition < limit)
    })
}

/// Whether a stage without tasks of its own refers to something that exists.
fn check_origin(core: &Core, stage: &StageSpec, number: usize) -> Result<(), String> {
    let fits = match stage.origin {
        Origin::Tasks => return Ok(()),
        Origin::Upload => true,
        Origin::Persisted(source) => {
            let found =
                core.jobs.get(&source).filter(|job| job.spec.persist && !job.persisted.released);
            let Some(found) = found else {
                return Err(format!(
                    "the persisted result of {source} no longer exists; create it again"
                ));
            };
            found.stages[found.result()].tasks.len() == stage.tasks as usize
        }
    };
    match fits && stage.inputs.is_empty() {
        true => Ok(()),
        false => Err(format!("stage {number} does not match its origin")),
    }
}
