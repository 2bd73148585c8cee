//! Tasks and stages that are appended to an open job.

use crate::event::{Growth, StageGrowth, TaskRange};
use crate::exchange::{Readers, is_whole};
use crate::state::{Core, Job, RequirementId, Stage, Task};
use crate::submission::{
    add_read, are_targets_valid, check_requirements, check_stage, connect, new_stage, place,
};
use partita_shared::edges::EdgeList;
use partita_shared::ids::JobId;
use partita_shared::limits;
use partita_shared::message::{Exchange, InputSpec};
use std::sync::Arc;

/// Whether a range of tasks exists.
pub(crate) fn is_inside(sizes: &[u32], range: &TaskRange) -> bool {
    let end = u64::from(range.first) + u64::from(range.count);
    sizes.get(range.stage as usize).is_some_and(|tasks| end <= u64::from(*tasks))
}

/// The number of tasks of each stage of a job.
pub(crate) fn sizes(job: &Job) -> Vec<u32> {
    job.stages.iter().map(|stage| stage.tasks.len() as u32).collect()
}

/// Whether a job can grow so: every reference is to something that exists then.
pub(crate) fn check(core: &Core, id: JobId, growth: &Growth) -> Result<(), String> {
    let Some(job) = core.jobs.get(&id).filter(|job| job.spec.open) else {
        return Err(format!("{id} is not an open job"));
    };
    let before = sizes(job);
    let mut after = before.clone();
    for grown in &growth.tasks {
        let Some(tasks) = after.get_mut(grown.stage as usize) else {
            return Err(format!("stage {} does not exist", grown.stage));
        };
        if *tasks != before[grown.stage as usize] {
            return Err(format!("stage {} is named twice", grown.stage));
        }
        *tasks = tasks.saturating_add(grown.count);
    }
    after.extend(growth.stages.iter().map(|stage| stage.tasks));
    let total: u64 = after.iter().map(|tasks| u64::from(*tasks)).sum();
    if total > limits::OPEN_JOB_TASKS_MAX || after.len() > limits::JOB_STAGES_MAX {
        return Err(format!(
            "an open job may have {} tasks and {} stages; {id} would have {total} and {}; use another client session",
            limits::OPEN_JOB_TASKS_MAX,
            limits::JOB_STAGES_MAX,
            after.len()
        ));
    }
    for grown in &growth.tasks {
        check_growth(job, &after, grown)?;
    }
    check_requirements(core, &growth.stages)?;
    for (number, stage) in (before.len()..).zip(&growth.stages) {
        check_stage(core, stage, number, &after[..number], true)?;
    }
    match growth.wanted.iter().find(|range| !is_inside(&after, range)) {
        Some(range) => Err(format!("tasks of stage {} do not exist: {range:?}", range.stage)),
        None => Ok(()),
    }
}

fn check_growth(job: &Job, after: &[u32], grown: &StageGrowth) -> Result<(), String> {
    let stage = &job.stages[grown.stage as usize];
    let tasks = stage.tasks.len() as u32;
    let is_list = |input: &InputSpec| {
        matches!(input.exchange, Exchange::Explicit(_)) && (input.first, input.count) == (0, tasks)
    };
    let is_read_whole = stage.consumers.iter().any(|consumer| {
        let input = &job.stages[consumer.stage as usize].inputs()[consumer.input as usize];
        is_whole(&input.exchange)
    });
    if stage.is_mirror() || is_read_whole || !stage.inputs().iter().all(is_list) {
        return Err(format!("stage {} cannot grow", grown.stage));
    }
    let fits = |(input, edges): (&InputSpec, &EdgeList)| {
        edges.is_valid()
            && edges.rows() == grown.count as usize
            && are_targets_valid(
                edges,
                input.stage == grown.stage,
                tasks,
                after[input.stage as usize],
            )
    };
    match stage.inputs().len() == grown.edges.len()
        && stage.inputs().iter().zip(&grown.edges).all(fits)
    {
        true => Ok(()),
        false => Err(format!("the new tasks of stage {} read what does not exist", grown.stage)),
    }
}

/// Appends what [`check`] has approved. Returns the ranges of new tasks, stage by stage.
pub(crate) fn append(core: &mut Core, id: JobId, growth: Growth) -> Vec<TaskRange> {
    let Some(job) = core.jobs.get(&id) else { return Vec::new() };
    let first = job.stages.len() as u32;
    let places: Vec<_> = (0..)
        .zip(job.stages.iter().map(|stage| stage.origin))
        .chain((first..).zip(growth.stages.iter().map(|stage| stage.origin)))
        .map(|(index, origin)| place(core, id, index, origin))
        .collect();
    let needs: Vec<RequirementId> =
        growth.stages.iter().map(|stage| core.add_requirement(&stage.requirement)).collect();
    let Some(job) = core.jobs.get_mut(&id) else { return Vec::new() };
    let mut tasks = growth.tasks;
    tasks.sort_by_key(|grown| grown.stage);
    let mut ranges = Vec::new();
    // The tasks of all stages first: the edges may name any of them.
    for grown in &tasks {
        let stage = &mut job.stages[grown.stage as usize];
        let first = stage.tasks.len() as u32;
        ranges.push(TaskRange { stage: grown.stage, first, count: grown.count });
        stage.tasks.resize(stage.tasks.len() + grown.count as usize, Task::new());
        stage.counts.waiting += u64::from(grown.count);
        stage.changed = true;
    }
    for (index, (spec, needed)) in (first..).zip(growth.stages.into_iter().zip(needs)) {
        ranges.push(TaskRange { stage: index, first: 0, count: spec.tasks });
        job.stages.push(new_stage((id, index), spec, needed, &places, &job.spec));
    }
    for (grown, range) in tasks.into_iter().zip(&ranges) {
        add_edges(&mut job.stages, grown, range.first);
    }
    connect(&mut job.stages, first as usize);
    job.changed = true;
    ranges
}

/// Appends the rows of new tasks to the inputs of their stage.
fn add_edges(stages: &mut [Stage], grown: StageGrowth, first: u32) {
    let number = grown.stage as usize;
    for (input, edges) in grown.edges.iter().enumerate() {
        let from = stages[number].inputs[input].stage as usize;
        for row in 0..edges.rows() as u32 {
            for partition in edges.row(row) {
                add_read(stages, (number, first + row), (from, *partition));
            }
        }
        let partitions = stages[from].tasks.len() as u32;
        let stage = &mut stages[number];
        if let Some(Readers::Listed(readers)) = Arc::get_mut(&mut stage.readers[input]) {
            readers.append(partitions, first, edges);
        }
        let spec = &mut Arc::make_mut(&mut stage.inputs)[input];
        spec.count += grown.count;
        if let Exchange::Explicit(known) = &mut spec.exchange {
            Arc::make_mut(known).append(edges);
        }
    }
}
