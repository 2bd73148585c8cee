//! Jobs of the shapes that queries have, and what their tasks cost.

use crate::rng::{Rng, mix};
use partita_core::{JobSpec, Origin, StageSpec};
use partita_shared::ids::TaskId;
use partita_shared::message::{Exchange, InputSpec, Work};

/// What makes a cluster hard to foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing: like tasks on like workers.
    None,
    /// A few tasks of a stage take ten times as long.
    Skew,
    /// One worker is three times slower.
    SlowWorker,
    /// A worker dies in the middle and its partitions are recomputed.
    Loss,
    /// Several jobs share the slots.
    Crowd,
    /// The first stage is cheap and what follows is not.
    LateWork,
}

impl Trouble {
    pub(crate) const ALL: [Trouble; 6] = [
        Trouble::None,
        Trouble::Skew,
        Trouble::SlowWorker,
        Trouble::Loss,
        Trouble::Crowd,
        Trouble::LateWork,
    ];
}

/// What the tasks of a stage cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageCost {
    /// Microseconds of a task of middling size.
    pub(crate) task_us: u64,
    /// Bytes that it makes.
    pub(crate) task_bytes: u64,
    /// One in this many tasks takes ten times as long; 0 for none.
    pub(crate) skewed_every: u64,
}

/// A job and the costs of its stages.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) costs: Vec<StageCost>,
}

/// The time of a task on a worker of ordinary speed.
pub(crate) fn task_us(seed: u64, cost: &StageCost, task: TaskId) -> u64 {
    let mut rng = Rng::new(mix(seed, mix(task.stage.index.into(), task.index.into())));
    // Around one, mostly within a third of it: the mean of three even draws.
    let noise = (rng.range(500, 1500) + rng.range(500, 1500) + rng.range(500, 1500)) / 3;
    let us = cost.task_us * noise / 1000;
    let is_skewed = cost.skewed_every > 0 && rng.below(cost.skewed_every) == 0;
    if is_skewed { us * 10 } else { us }
}

/// What a task says it has read, in thousandths: it reads for most of its time, and works on what it read after that.
pub(crate) fn read_milli(task: TaskId, elapsed_us: u64, whole_us: u64) -> u16 {
    let mut rng = Rng::new(mix(task.stage.index.into(), task.stage.job.0.into()));
    let reading_us = whole_us * rng.range(60, 100) / 100;
    let milli = elapsed_us * 1_000 / reading_us.max(1);
    u16::try_from(milli.min(1_000)).unwrap_or(1_000)
}

/// Costs of a byte that a stage reads, in nanoseconds, by its kind.
const KINDS: [(&str, u64); 4] = [("aggregate", 6), ("join", 12), ("sort", 15), ("window", 25)];

/// A job of two to five stages.
pub(crate) fn job(rng: &mut Rng, trouble: Trouble, slots: u32) -> Job {
    let (mut stages, mut costs) = (Vec::new(), Vec::<StageCost>::new());
    let scans = rng.range(1, 2);
    let late = trouble == Trouble::LateWork;
    for number in 0..scans {
        let tasks = (slots * rng.range(1, 12) as u32).max(4);
        let task_ms = if late { rng.scaled(100, 800) } else { rng.scaled(300, 6_000) };
        stages.push(stage(
            &format!("scan {}", ["facts", "dims"][number as usize]),
            tasks,
            Vec::new(),
        ));
        costs.push(StageCost {
            task_us: task_ms * 1000,
            task_bytes: rng.scaled(1 << 20, 60 << 20),
            skewed_every: if trouble == Trouble::Skew { 40 } else { 0 },
        });
    }
    let mut reads: Vec<u32> = (0..scans as u32).collect();
    for _ in 0..rng.range(1, 3) {
        let (kind, mut ns) = KINDS[rng.index(KINDS.len())];
        if late {
            ns *= 4;
        }
        let bytes: u64 = reads
            .iter()
            .map(|index| {
                let index = *index as usize;
                costs[index].task_bytes * u64::from(stages[index].tasks)
            })
            .sum();
        let tasks = slots;
        let task_us = (bytes * ns / 1000 / u64::from(tasks)).max(3_000);
        let inputs = reads.iter().map(|index| shuffle(*index, tasks)).collect();
        stages.push(stage(kind, tasks, inputs));
        costs.push(StageCost {
            task_us: task_us * rng.range(7, 14) / 10,
            task_bytes: bytes / u64::from(tasks) * rng.range(1, 10) / 10,
            skewed_every: if trouble == Trouble::Skew { 12 } else { 0 },
        });
        reads = vec![stages.len() as u32 - 1];
    }
    let spec = JobSpec {
        text: "test".into(),
        client: "tester".into(),
        owner: "tester".into(),
        priority: 1,
        analyze: false,
        staging: None,
        persist: true,
        replicas: 1,
        stages,
        ..JobSpec::default()
    };
    Job { spec, costs }
}

fn stage(name: &str, tasks: u32, inputs: Vec<InputSpec>) -> StageSpec {
    StageSpec {
        name: name.into(),
        plan: String::new(),
        tasks,
        work: Work::Empty,
        inputs,
        origin: Origin::Tasks,
        ..StageSpec::default()
    }
}

fn shuffle(stage: u32, tasks: u32) -> InputSpec {
    InputSpec { stage, exchange: Exchange::Shuffle, first: 0, count: tasks }
}
