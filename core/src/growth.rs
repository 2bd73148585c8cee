//! Tasks and stages that are appended to an open job.

use crate::event::{Arguments, Growth, Origin, StageGrowth, TaskRange};
use crate::exchange::{Readers, is_whole};
use crate::state::{Consumer, Core, Job, RequirementId, Stage, Task};
use crate::submission::{
    add_read, are_targets_valid, check_requirements, check_stage, connect, new_stage, place,
};
use partita_shared::edges::EdgeList;
use partita_shared::ids::{JobId, StageId};
use partita_shared::limits;
use partita_shared::message::{Exchange, InputSpec};
use partita_shared::units::format_bytes;
use std::collections::BTreeMap;
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

/// Whether a job can grow so: every reference is to something that exists then, and no tasks wait for each other.
pub(crate) fn check(core: &Core, id: JobId, growth: &Growth) -> Result<(), String> {
    let Some(job) = core.jobs.get(&id).filter(|job| job.spec.open) else {
        return Err(format!("{id} is not an open job"));
    };
    let mut sizes = sizes(job);
    let before = sizes.len();
    sizes.extend(growth.stages.iter().map(|stage| stage.tasks));
    check_limits(id, job, growth, &sizes)?;
    check_requirements(core, &growth.stages)?;
    for (number, stage) in (before..).zip(&growth.stages) {
        check_stage(core, stage, number, &sizes[..number], true)?;
    }
    let mut inputs = GrownInputs::default();
    for grown in &growth.tasks {
        check_growth(job, growth, &sizes, &mut inputs, grown)?;
        sizes[grown.stage as usize] += grown.count;
    }
    match growth.wanted.iter().find(|range| !is_inside(&sizes, range)) {
        Some(range) => Err(format!("tasks of stage {} do not exist: {range:?}", range.stage)),
        None => Ok(()),
    }
}

fn check_limits(id: JobId, job: &Job, growth: &Growth, sizes: &[u32]) -> Result<(), String> {
    let appended = growth.tasks.iter().map(|grown| u64::from(grown.count));
    let total: u64 = sizes.iter().map(|tasks| u64::from(*tasks)).chain(appended).sum();
    if total > limits::OPEN_JOB_TASKS_MAX || sizes.len() > limits::JOB_STAGES_MAX {
        return Err(format!(
            "an open job may have {} tasks and {} stages; {id} would have {total} and {}; use another client session",
            limits::OPEN_JOB_TASKS_MAX,
            limits::JOB_STAGES_MAX,
            sizes.len()
        ));
    }
    let blocks = growth.tasks.iter().filter_map(|grown| grown.arguments.as_ref());
    let bytes = job.argument_bytes + blocks.map(Arguments::size).sum::<usize>();
    match bytes > limits::ARGUMENTS_BYTES_MAX {
        true => Err(format!(
            "the arguments of the calls of {id} would take {}, of at most {}; pass large arguments by scatter(), or files by name",
            format_bytes(bytes as u64),
            format_bytes(limits::ARGUMENTS_BYTES_MAX as u64)
        )),
        false => Ok(()),
    }
}

/// The stages that the inputs of a stage read from which a growth has entries, in their order, with those that the
/// entries before add.
type GrownInputs = BTreeMap<u32, Vec<u32>>;

fn check_growth(
    job: &Job,
    growth: &Growth,
    sizes: &[u32],
    inputs: &mut GrownInputs,
    grown: &StageGrowth,
) -> Result<(), String> {
    let number = grown.stage as usize;
    let Some(tasks) = sizes.get(number).copied() else {
        return Err(format!("stage {number} does not exist"));
    };
    let known = job.stages.get(number);
    let fresh = number.checked_sub(job.stages.len()).and_then(|at| growth.stages.get(at));
    let of_spec = fresh.map(|stage| stage.inputs.as_slice());
    let specs = known.map(Stage::inputs).or(of_spec).unwrap_or_default();
    let size = known.map_or(fresh.map_or(0, |stage| stage.tasks), |s| s.tasks.len() as u32);
    let is_list = |input: &InputSpec| {
        matches!(input.exchange, Exchange::Explicit(_)) && input.first + input.count == size
    };
    let origin = known.map(|stage| stage.origin).or(fresh.map(|stage| stage.origin));
    let fits_origin = match origin {
        Some(Origin::Tasks) => specs.iter().all(is_list),
        // What a client uploads reads nothing.
        Some(Origin::Upload) => grown.edges.is_empty() && grown.arguments.is_none(),
        Some(Origin::Persisted(_)) | None => false,
    };
    let can_grow = fits_origin
        && !is_read_whole(job, growth, grown.stage)
        && tasks.checked_add(grown.count).is_some_and(|all| all <= limits::STAGE_TASKS_MAX);
    if !can_grow {
        return Err(format!("stage {number} cannot grow"));
    }
    let inputs = inputs
        .entry(grown.stage)
        .or_insert_with(|| specs.iter().map(|input| input.stage).collect());
    inputs.extend(&grown.inputs);
    let fits = |(from, edges): (&u32, &EdgeList)| {
        edges.is_valid()
            && edges.rows() == grown.count as usize
            && sizes.get(*from as usize).is_some_and(|partitions| {
                are_targets_valid(edges, *from == grown.stage, tasks, *partitions)
            })
    };
    let calls = grown.arguments.as_ref().map(Arguments::calls);
    match inputs.len() == grown.edges.len()
        && inputs.len() <= limits::STAGE_INPUTS_MAX
        && calls.is_none_or(|calls| calls == grown.count as usize)
        && inputs.iter().zip(&grown.edges).all(fits)
    {
        true => Ok(()),
        false => Err(format!("the new tasks of stage {number} read what does not exist")),
    }
}

/// Whether a stage reads this one whole.
fn is_read_whole(job: &Job, growth: &Growth, stage: u32) -> bool {
    let reads = |input: &InputSpec| input.stage == stage && is_whole(&input.exchange);
    let known = job.stages.get(stage as usize).map(|stage| stage.consumers.as_slice());
    known.unwrap_or_default().iter().any(|consumer| {
        reads(&job.stages[consumer.stage as usize].inputs()[consumer.input as usize])
    }) || growth.stages.iter().any(|stage| stage.inputs.iter().any(reads))
}

/// Appends what [`check`] has approved. Returns the ranges of new tasks, in an order in which each reads only tasks
/// before it.
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
    let mut ranges = Vec::new();
    for (index, (spec, needed)) in (first..).zip(growth.stages.into_iter().zip(needs)) {
        ranges.push(TaskRange { stage: index, first: 0, count: spec.tasks });
        job.has_priorities |= spec.priority != 0;
        job.stages.push(new_stage((id, index), spec, needed, &places, &job.spec));
    }
    connect(&mut job.stages, first as usize);
    for grown in growth.tasks {
        ranges.push(append_tasks(job, grown, &places));
    }
    job.changed = true;
    ranges.retain(|range| range.count > 0);
    ranges
}

/// Appends tasks to one stage.
fn append_tasks(job: &mut Job, grown: StageGrowth, places: &[StageId]) -> TaskRange {
    let number = grown.stage as usize;
    let stage = &mut job.stages[number];
    let first = stage.tasks.len() as u32;
    stage.tasks.resize(stage.tasks.len() + grown.count as usize, Task::new());
    stage.counts.waiting += u64::from(grown.count);
    stage.changed = true;
    if let Some(arguments) = grown.arguments {
        job.argument_bytes += arguments.size();
        stage.arguments.push((first, arguments));
    }
    for from in grown.inputs {
        add_input(&mut job.stages, number, (from, places[from as usize]), first);
    }
    add_edges(&mut job.stages, number, &grown.edges, first);
    TaskRange { stage: grown.stage, first, count: grown.count }
}

/// A stage reads another one, whose partitions are those of `place`, from now on: its tasks from `first` on.
fn add_input(stages: &mut [Stage], number: usize, (from, place): (u32, StageId), first: u32) {
    let exchange = Exchange::Explicit(Arc::default());
    let spec = InputSpec { stage: from, exchange, first, count: 0 };
    let partitions = stages[from as usize].tasks.len() as u32;
    let stage = &mut stages[number];
    let input = stage.readers.len() as u32;
    stage.readers.push(Arc::new(Readers::new(&spec, partitions)));
    Arc::make_mut(&mut stage.inputs).push(spec.clone());
    let fragment = Arc::make_mut(&mut stage.fragment);
    fragment.inputs.push(spec);
    if place.job != fragment.stage.job {
        fragment.persisted.push((input, place));
    }
    // The workers that know the stage have to learn of it before their next task.
    stage.told.clear();
    stages[from as usize].consumers.push(Consumer { stage: number as u32, input });
}

/// Appends the rows of new tasks to the inputs of their stage.
fn add_edges(stages: &mut [Stage], number: usize, lists: &[EdgeList], first: u32) {
    for (input, edges) in lists.iter().enumerate() {
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
        spec.count += edges.rows() as u32;
        if let Exchange::Explicit(known) = &mut spec.exchange {
            Arc::make_mut(known).append(edges);
        }
    }
}
