//! What a seed decides of the cluster and its faults.

use super::job::SimJob;
use super::rng::Rng;
use partita_core::Time;

/// Microseconds of a millisecond.
pub(crate) const MS: Time = 1000;

/// Microseconds after which a silent worker is lost, here.
pub(crate) const SILENCE_US_MAX: Time = 1000 * MS;

/// Milliseconds between heartbeats, here.
pub(crate) const HEARTBEAT_MS: u64 = 300;

/// Microseconds between ticks.
pub(crate) const TICK_US: Time = 250 * MS;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few workers, a few jobs of some tens of tasks.
    Small,
    /// Hundreds of workers, jobs of hundreds of tasks.
    Large,
}

/// The ranges from which a run draws. Chances are in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) processes: u64,
    pub(crate) slots_max: u64,
    pub(crate) jobs: u64,
    pub(crate) stages_max: u64,
    pub(crate) tasks_max: u64,
    /// Faults happen before this time, and one worker that none befalls joins at it.
    pub(crate) horizon: Time,
    pub(crate) faults: u64,
    pub(crate) latency_max: Time,
    pub(crate) read_ahead_us: u64,
    /// How long the shell gathers events before it places, if it does.
    pub(crate) batch: Option<Time>,
    /// How long a worker gathers reports, if it does.
    pub(crate) report_batch: Option<Time>,
    /// Chance that a report comes again later, perhaps after its link was lost.
    pub(crate) repeat: u64,
    /// Chance that a task has a hazard of its own.
    pub(crate) hazard: u64,
    /// Chance that a hazard is that the task kills its worker.
    pub(crate) poison: u64,
    /// Chance that a job is cancelled.
    pub(crate) cancel: u64,
    /// Chance that a job persists its result, and that another reads a persisted one.
    pub(crate) persisted: u64,
    /// Chance that a delivery breaks when the holder is gone.
    pub(crate) broken: u64,
    pub(crate) client_delay_max: Time,
    /// Chance that a worker has a limited lifetime, and that it has a memory mark.
    pub(crate) limited: u64,
    pub(crate) task_us_max: Time,
}

impl Settings {
    /// Sets the horizon to a share of the time that the jobs would take undisturbed, so that what
    /// breaks breaks in the midst of them.
    pub(crate) fn fit_horizon(&mut self, jobs: &[SimJob], rng: &mut Rng) {
        let time = |job: &SimJob| -> Time {
            let stages = job.spec.stages.iter().zip(&job.task_us);
            stages.map(|(stage, us)| u64::from(stage.tasks) * us).sum()
        };
        let slots = self.processes * self.slots_max.div_ceil(2);
        let alone = jobs.iter().map(time).sum::<Time>() / slots;
        self.horizon = (alone * rng.range(30, 200) / 100).clamp(20 * MS, 5000 * MS);
    }

    pub(crate) fn draw(size: Size, rng: &mut Rng) -> Self {
        let small = size == Size::Small;
        let faulty = rng.chance(800);
        let hazardous = rng.chance(250);
        Settings {
            processes: if small { rng.range(1, 6) } else { rng.range(100, 300) },
            slots_max: rng.range(1, 4),
            jobs: if small { rng.range(1, 5) } else { rng.range(2, 5) },
            stages_max: rng.range(1, 7),
            tasks_max: if small { rng.range(1, 14) } else { rng.range(50, 400) },
            horizon: 0,
            faults: match (faulty, small) {
                (false, _) => 0,
                (true, true) => rng.range(1, 10),
                (true, false) => rng.range(10, 80),
            },
            latency_max: rng.scaled(50, 5 * MS),
            read_ahead_us: if rng.chance(700) { 4000 } else { 0 },
            batch: rng.chance(400).then(|| rng.scaled(10, 3 * MS)),
            report_batch: rng.chance(400).then(|| rng.scaled(10, 3 * MS)),
            repeat: if rng.chance(400) { 200 } else { 0 },
            hazard: if hazardous { rng.range(5, 60) } else { 0 },
            poison: if rng.chance(500) { 300 } else { 0 },
            cancel: if rng.chance(300) { 300 } else { 0 },
            persisted: if rng.chance(if small { 500 } else { 800 }) {
                rng.range(200, 800)
            } else {
                0
            },
            broken: if rng.chance(100) { 300 } else { 0 },
            client_delay_max: if rng.chance(400) { 60 * MS } else { 500 },
            limited: if rng.chance(300) { 300 } else { 0 },
            task_us_max: rng.scaled(100, 60 * MS),
        }
    }
}
