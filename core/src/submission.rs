//! Jobs that are submitted: checked, and laid out.

use crate::event::{JobSpec, Origin, StageSpec};
use crate::exchange::{Readers, count_own, is_whole, visit_own};
use crate::state::{Consumer, Core, ReadyQueues, Stage, Task};
use partita_shared::blocks::blocks_of;
use partita_shared::ids::{JobId, StageId};
use partita_shared::limits;
use partita_shared::message::{Exchange, Fragment};
use partita_shared::model::TaskCounts;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stage whose partitions a stage has: itself, or the result stage of another job.
pub(crate) fn place(core: &Core, job: JobId, index: u32, spec: &StageSpec) -> StageId {
    match spec.origin {
        Origin::Persisted(source) => {
            let result = core.jobs.get(&source).map_or(0, |source| source.result() as u32);
            StageId { job: source, index: result }
        }
        Origin::Tasks | Origin::Upload => StageId { job, index },
    }
}

pub(crate) fn new_stage(
    job: JobId,
    index: u32,
    spec: StageSpec,
    places: &[StageId],
    analyze: bool,
) -> Stage {
    let id = StageId { job, index };
    let read =
        (0..).zip(&spec.inputs).map(|(number, input)| (number, places[input.stage as usize]));
    let persisted = read.filter(|(_, place)| place.job != job).collect();
    let blocked = spec.inputs.iter().filter(|input| is_whole(&input.exchange)).count() as u32;
    let mut tasks = vec![Task::new(); spec.tasks as usize];
    for input in &spec.inputs {
        for index in input.first..input.first + input.count {
            tasks[index as usize].pending += count_own(input, index);
        }
    }
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
        fragment: Arc::new(Fragment {
            stage: id,
            work: spec.work,
            inputs: shown,
            persisted,
            analyze,
        }),
        readers: Vec::new(),
        inputs: Arc::new(spec.inputs),
        open_readers: 0,
        unread_tasks: 0,
        consumers: Vec::new(),
        counts: TaskCounts { waiting: tasks.len() as u64, ..TaskCounts::default() },
        tasks,
        available: 0,
        held_bytes: 0,
        blocked,
        ready: ReadyQueues::default(),
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

/// Connects the stages of a job: each learns which later stages read it, and each of its tasks how
/// often.
pub(crate) fn connect(stages: &mut [Stage]) {
    for reader in 0..stages.len() {
        let inputs = Arc::clone(&stages[reader].inputs);
        for (number, input) in (0..).zip(inputs.iter()) {
            let from = input.stage as usize;
            let partitions = stages[from].tasks.len() as u32;
            stages[reader].readers.push(Arc::new(Readers::new(input, partitions)));
            let from = &mut stages[from];
            from.consumers.push(Consumer { stage: reader as u32, input: number });
            if is_whole(&input.exchange) {
                from.open_readers += 1;
            }
            for task in input.first..input.first + input.count {
                visit_own(input, task, |partition| from.add_unread(partition, 1));
            }
        }
    }
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
    if spec.stages.is_empty() || spec.stages.len() > limits::JOB_STAGES_MAX {
        return Err(format!(
            "a job must have 1 to {} stages, this one has {}",
            limits::JOB_STAGES_MAX,
            spec.stages.len()
        ));
    }
    for (number, stage) in spec.stages.iter().enumerate() {
        if stage.tasks == 0 || stage.tasks > limits::STAGE_TASKS_MAX {
            return Err(format!(
                "a stage must have 1 to {} tasks, stage {number} has {}",
                limits::STAGE_TASKS_MAX,
                stage.tasks
            ));
        }
        check_origin(core, spec, number)?;
        for input in &stage.inputs {
            let Some(from) = spec.stages[..number].get(input.stage as usize) else {
                return Err(format!(
                    "stage {number} reads stage {}, which is not an earlier one",
                    input.stage
                ));
            };
            let inside = u64::from(input.first) + u64::from(input.count) <= u64::from(stage.tasks);
            let matched = match &input.exchange {
                Exchange::OneToOne => input.count <= from.tasks,
                Exchange::Explicit(edges) => {
                    edges.is_valid()
                        && edges.rows() == input.count as usize
                        && edges.targets().iter().all(|partition| *partition < from.tasks)
                }
                Exchange::Blocks(blocks) => {
                    blocks.is_valid()
                        && blocks_of(&blocks.source) == Some(from.tasks)
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
    }
    Ok(())
}

/// Whether a stage without tasks of its own refers to something that exists.
fn check_origin(core: &Core, spec: &JobSpec, number: usize) -> Result<(), String> {
    let stage = &spec.stages[number];
    let is_last = number + 1 == spec.stages.len();
    let fits = match stage.origin {
        Origin::Tasks => return Ok(()),
        Origin::Upload => spec.persist && is_last,
        Origin::Persisted(source) => {
            let found =
                core.jobs.get(&source).filter(|job| job.spec.persist && !job.persisted.released);
            let Some(found) = found else {
                return Err(format!(
                    "the persisted result of {source} no longer exists; create it again"
                ));
            };
            !is_last && found.stages[found.result()].tasks.len() == stage.tasks as usize
        }
    };
    match fits && stage.inputs.is_empty() {
        true => Ok(()),
        false => Err(format!("stage {number} does not match its origin")),
    }
}
