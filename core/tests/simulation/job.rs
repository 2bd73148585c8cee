//! Random jobs, the values of their partitions, and what they must deliver.

use super::open::{Graph, draw_graph};
use super::rng::{Rng, mix};
use super::settings::Settings;
use partita_core::{JobSpec, Order, Origin, Requirement, StageSpec, Time};
use partita_shared::blocks::{BlockAxis, BlockExchange};
use partita_shared::ids::JobId;
use partita_shared::message::{Exchange, InputSpec, Work};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that goes wrong with a task wherever it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// It fails N times with an error that is worth a retry.
    Retry(u32),
    /// It fails for good.
    Fatal,
    /// It needs more memory than there is.
    Memory,
    /// It kills its worker N times.
    Poison(u32),
}

/// A job that will be submitted.
pub(crate) struct SimJob {
    pub(crate) spec: JobSpec,
    /// What its client sends bit by bit, if it is open.
    pub(crate) graph: Option<Graph>,
    /// Makes the values of one job differ from another's.
    pub(crate) salt: u64,
    /// The usual time of a task of each stage.
    pub(crate) task_us: Vec<Time>,
    pub(crate) hazards: BTreeMap<(u32, u32), Hazard>,
    /// The values that the client must get: of the result's partitions, or of all tasks of a graph.
    pub(crate) expected: Vec<u64>,
    /// How long the client takes for a partition, at most.
    pub(crate) client_delay: Time,
    /// For how long the result is persisted, if it is, and whether the client lets it go too early.
    pub(crate) persist: Option<(Time, bool)>,
}

/// One partition, or one bucket of it, that a task reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    /// Which input of the stage.
    pub(crate) input: usize,
    /// The stage and the index of the partition.
    pub(crate) stage: u32,
    pub(crate) partition: u32,
    /// The bucket and the number of buckets, if only that is read.
    pub(crate) bucket: Option<(u32, u32)>,
}

/// What a task reads, in the order of its inputs. `tasks` says how many partitions a stage has.
pub(crate) fn reads(inputs: &[InputSpec], tasks: impl Fn(u32) -> u32, task: u32) -> Vec<Read> {
    let mut reads = Vec::new();
    for (input, spec) in inputs.iter().enumerate() {
        if task < spec.first || task - spec.first >= spec.count {
            continue;
        }
        let place = task - spec.first;
        let mut add = |partition, bucket| {
            reads.push(Read { input, stage: spec.stage, partition, bucket });
        };
        match &spec.exchange {
            Exchange::OneToOne => add(place, None),
            Exchange::Shuffle => {
                (0..tasks(spec.stage)).for_each(|p| add(p, Some((place, spec.count))));
            }
            Exchange::Gather | Exchange::Broadcast => {
                (0..tasks(spec.stage)).for_each(|p| add(p, None));
            }
            Exchange::Explicit(edges) => edges.row(place).iter().for_each(|p| add(*p, None)),
            Exchange::Blocks(blocks) => blocks.visit_partitions(place, |p| add(p, None)),
        }
    }
    reads
}

/// The value of a partition, of the values that its task read.
pub(crate) fn value(salt: u64, stage: u32, index: u32, inputs: &[u64]) -> u64 {
    let own = mix(salt, (u64::from(stage) << 32) | u64::from(index));
    inputs.iter().fold(own, |value, input| mix(value.wrapping_add(1), *input))
}

/// The value of a bucket of a partition of that value.
pub(crate) fn in_bucket(value: u64, bucket: Option<(u32, u32)>) -> u64 {
    match bucket {
        None => value,
        Some((bucket, of)) => mix(value, (u64::from(bucket) << 32) | u64::from(of)),
    }
}

/// The values of the last stage's partitions, evaluated directly. Persisted results are named by the
/// number of the job before that makes them.
fn evaluate(salt: u64, stages: &[StageSpec], before: &[SimJob]) -> Vec<u64> {
    let mut values: Vec<Vec<u64>> = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        if let Origin::Persisted(source) = stage.origin {
            values.push(before[source.0 as usize].expected.clone());
            continue;
        }
        let made = (0..stage.tasks).map(|index| {
            let read: Vec<u64> = reads(&stage.inputs, |g| stages[g as usize].tasks, index)
                .iter()
                .map(|r| in_bucket(values[r.stage as usize][r.partition as usize], r.bucket))
                .collect();
            value(salt, number as u32, index, &read)
        });
        let made = made.collect();
        values.push(made);
    }
    values.pop().unwrap_or_default()
}

impl SimJob {
    pub(crate) fn draw(salt: u64, settings: &Settings, before: &[SimJob], rng: &mut Rng) -> Self {
        let persist = rng
            .chance(settings.persisted)
            .then(|| (rng.scaled(0, settings.horizon.max(100_000)), rng.chance(100)));
        let open = persist.is_none() && rng.chance(250);
        let upload = persist.is_some() && rng.chance(250);
        let (graph, mut stages) = match open {
            true => {
                let (graph, stages) = draw_graph(settings, rng);
                (Some(graph), stages)
            }
            false => (None, draw_sources(settings, before, upload, rng)),
        };
        let count = if upload || open { 0 } else { rng.range(1, settings.stages_max) };
        for number in 0..count {
            let tasks = if rng.chance(200) { 1 } else { rng.range(1, settings.tasks_max) as u32 };
            let inputs = draw_inputs(tasks, &stages, rng);
            let requirement = draw_requirement(rng);
            let made = stage(format!("stage {number}"), tasks, inputs, Origin::Tasks);
            stages.push(StageSpec { requirement, ..made });
        }
        let mut hazards = BTreeMap::new();
        let made = |(_, stage): &(usize, &StageSpec)| stage.origin == Origin::Tasks;
        for (number, stage) in stages.iter().enumerate().filter(made) {
            for index in 0..stage.tasks {
                // In a large job the same chance would leave none unharmed.
                if rng.chance(settings.hazard) && (settings.tasks_max < 50 || rng.chance(20)) {
                    hazards.insert((number as u32, index), draw_hazard(settings, rng));
                }
            }
        }
        SimJob {
            salt,
            task_us: stages.iter().map(|_| rng.scaled(10, settings.task_us_max)).collect(),
            hazards,
            expected: match &graph {
                Some(graph) => graph.evaluate(salt),
                None => evaluate(salt, &stages, before),
            },
            graph,
            persist,
            client_delay: rng.scaled(1, settings.client_delay_max),
            spec: JobSpec {
                text: format!("simulated {salt}"),
                client: "simulation".into(),
                owner: "simulation".into(),
                priority: rng.range(0, 3) as u32,
                open,
                order: if rng.chance(300) { Order::DepthFirst } else { Order::Stages },
                staging: (!open && rng.chance(300)).then(|| format!("/staging/{salt}")),
                persist: persist.is_some(),
                replicas: if persist.is_some() { rng.range(0, 3) as u32 } else { 1 },
                stages,
                ..JobSpec::default()
            },
        }
    }
}

/// The worker that has all that tasks may need, and joins when all faults are over.
pub(crate) const ANCHOR: &str = "anchor";

/// What the tasks of a stage need of their worker.
pub(crate) fn draw_requirement(rng: &mut Rng) -> Requirement {
    let mut requirement = Requirement::default();
    if rng.chance(100) {
        let amount = [500, 1000, 2000][rng.index(3)];
        requirement.resources.insert("GPU".to_string(), amount);
    }
    if rng.chance(100) {
        requirement.or_others = rng.chance(500);
        requirement.workers = (0..rng.range(1, 3)).map(|_| format!("w{}", rng.below(4))).collect();
        if !requirement.or_others {
            requirement.workers.insert(ANCHOR.to_string());
        }
    }
    requirement
}

fn stage(name: String, tasks: u32, inputs: Vec<InputSpec>, origin: Origin) -> StageSpec {
    StageSpec {
        name,
        plan: String::new(),
        tasks,
        work: Work::Empty,
        inputs,
        origin,
        ..StageSpec::default()
    }
}

/// The stages that stand for what a client uploads, or for persisted results of earlier jobs.
fn draw_sources(
    settings: &Settings,
    before: &[SimJob],
    upload: bool,
    rng: &mut Rng,
) -> Vec<StageSpec> {
    if upload {
        let tasks = rng.range(1, settings.tasks_max.min(20)) as u32;
        return vec![stage("upload".into(), tasks, Vec::new(), Origin::Upload)];
    }
    let mut stages = Vec::new();
    for (number, job) in before.iter().enumerate().filter(|(_, job)| job.persist.is_some()) {
        if rng.chance(settings.persisted) {
            let origin = Origin::Persisted(JobId(number as u32));
            let tasks = job.expected.len() as u32;
            stages.push(stage(format!("persisted {number}"), tasks, Vec::new(), origin));
        }
    }
    stages
}

fn draw_hazard(settings: &Settings, rng: &mut Rng) -> Hazard {
    if rng.chance(settings.poison) {
        return Hazard::Poison(rng.range(1, 4) as u32);
    }
    match rng.below(10) {
        0 => Hazard::Fatal,
        1 => Hazard::Memory,
        _ => Hazard::Retry(rng.scaled(1, 3) as u32),
    }
}

/// Some of the stages before: each read by all tasks, or as the branches of a union.
fn draw_inputs(tasks: u32, before: &[StageSpec], rng: &mut Rng) -> Vec<InputSpec> {
    if before.is_empty() || rng.chance(100) {
        return Vec::new();
    }
    let mut inputs = Vec::new();
    let number = rng.range(1, 3) as u32;
    if rng.chance(300) {
        let mut first = 0;
        while first < tasks {
            let count = rng.range(1, u64::from(tasks - first)) as u32;
            inputs.push(draw_input(first, count, before, rng));
            first += count;
        }
    } else {
        inputs.extend((0..number).map(|_| draw_input(0, tasks, before, rng)));
    }
    inputs
}

fn draw_input(first: u32, count: u32, before: &[StageSpec], rng: &mut Rng) -> InputSpec {
    // The latest stage more often than the others, so that jobs are deep.
    let latest = before.len() - 1;
    let stage = if rng.chance(600) { latest } else { rng.index(before.len()) };
    let from = before[stage].tasks;
    let exchange = match rng.below(7) {
        0 | 1 if count <= from => Exchange::OneToOne,
        0..=2 => Exchange::Shuffle,
        3 if count == 1 => Exchange::Gather,
        3 | 4 => Exchange::Broadcast,
        5 => Exchange::Blocks(Arc::new(draw_blocks(from, count, rng))),
        _ => {
            let mut list = || -> Vec<u32> {
                let len = rng.scaled(0, 4);
                (0..len).map(|_| rng.below(u64::from(from)) as u32).collect()
            };
            Exchange::Explicit(Arc::new((0..count).map(|_| list()).collect()))
        }
    };
    // All to all between large stages would be all that a large run does.
    let exchange = match exchange {
        Exchange::Broadcast if from > 50 && count > 50 => Exchange::Shuffle,
        other => other,
    };
    InputSpec { stage: stage as u32, exchange, first, count }
}

/// An exchange between grids of two axes.
fn draw_blocks(from: u32, count: u32, rng: &mut Rng) -> BlockExchange {
    let grid_of = |blocks: u32, rng: &mut Rng| {
        let divisors: Vec<u32> = (1..=blocks).filter(|axis| blocks.is_multiple_of(*axis)).collect();
        let axis = divisors[rng.index(divisors.len())];
        vec![axis, blocks / axis]
    };
    let (source, grid) = (grid_of(from, rng), grid_of(count, rng));
    let axis_of = |blocks: u32, rng: &mut Rng| match rng.below(4) {
        // All of a long axis for every task would be all that a large run does.
        0 if blocks <= 8 => BlockAxis::All,
        0 | 1 => BlockAxis::At(rng.below(u64::from(blocks)) as u32),
        _ => {
            let of = rng.index(grid.len());
            let mut range = || {
                let first = rng.below(u64::from(blocks)) as u32;
                first..(first + rng.scaled(0, 3) as u32).min(blocks)
            };
            let ranges = (0..grid[of]).map(|_| range()).collect();
            BlockAxis::Axis { of: of as u32, ranges: Arc::new(ranges) }
        }
    };
    let axes = source.iter().map(|blocks| axis_of(*blocks, rng)).collect();
    BlockExchange { source, grid, axes }
}
