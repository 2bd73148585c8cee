//! What must be true, and the tests that run the seeds.

use super::settings::Size;
use super::world::World;
use partita_core::Time;
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::{FailureKind, Holder, RunTask};
use partita_shared::model::JobState;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl World {
    /// A job has ended: with the right values, or with an error that something explains.
    pub(crate) fn judge_end(
        &mut self,
        job: JobId,
        state: JobState,
        error: &str,
        kind: Option<FailureKind>,
    ) {
        let Some(client) = self.clients.get_mut(&job) else {
            return self.judge_planning(job, state, error);
        };
        assert_eq!(client.ended, None, "{job} has ended twice");
        client.ended = Some(state);
        let spec = &self.jobs[client.number];
        let row = self.core.job(job).unwrap();
        assert_eq!((row.state, row.error.as_str()), (state, error));
        match (state, kind) {
            (JobState::Done, None) if spec.persist.is_some() => assert!(client.persisted),
            // Its outputs were judged as they came.
            (JobState::Done, None) if spec.spec.open => {}
            (JobState::Done, None) => {
                assert_eq!(client.values, spec.expected, "{job} has delivered something else");
                assert_eq!(row.delivered_rows, client.rows);
                let number = client.number;
                let read = u32::from(self.reads_persisted(number));
                *self.incidents.faults.entry("persisted, read").or_default() += read;
            }
            (JobState::Cancelled, None) => assert!(self.incidents.cancelled.contains(&job)),
            (JobState::Failed, Some(FailureKind::Fatal)) => {
                assert!(self.incidents.fatal.contains(&job), "{error}");
            }
            (JobState::Failed, Some(FailureKind::Memory)) => {
                assert!(self.incidents.memory.contains(&job), "{error}");
            }
            (JobState::Failed, Some(FailureKind::Retry)) => {
                let three = |(task, count): (&TaskId, &u32)| task.stage.job == job && *count >= 3;
                assert!(self.incidents.retries.iter().any(three), "{error}");
            }
            (JobState::Failed, Some(FailureKind::Input(_))) => {
                // The workers that were given up could reach the scheduler, and not each other. One that comes back is
                // another worker, and still cut off.
                let cut_off = self.incidents.faults.get("blocked").copied().unwrap_or(0);
                assert!(cut_off > 0, "{error}");
            }
            (JobState::Failed, None) if error.contains("when they died") => {
                assert!(self.incidents.deaths >= 3, "{error}");
                assert_eq!(error.matches(" on host of ").count(), 3, "{error}");
            }
            (JobState::Failed, None)
                if error.contains("which it reads, no longer exists")
                    || error.contains("was uploaded by a client") =>
            {
                let number = client.number;
                assert!(self.reads_persisted(number), "{error}");
            }
            (JobState::Failed, None) => {
                assert!(self.incidents.broken.contains(&job), "{job} failed: {error}");
            }
            (state, kind) => panic!("{job} ended as {state:?} with {kind:?}: {error}"),
        }
    }

    /// A worker could not read an input. Unless a fault explains it, the core has dropped
    /// something that a task still wanted.
    pub(crate) fn check_missing(&self, process: usize, run: &RunTask, holder: Holder) {
        let session = &self.processes[process].session;
        let from = self.workers[&holder.worker];
        let spoiled = &self.processes[from].session.spoiled;
        let persisted = &session.fragments[&run.task.stage].persisted;
        let reads = |stage: StageId| {
            stage.job == run.task.stage.job || persisted.iter().any(|(_, held)| *held == stage)
        };
        let explained = session.lost.contains(&holder.worker)
            || self.blocked.contains(&(process, from))
            || !self.is_there(holder)
            || spoiled.iter().any(|task| reads(task.stage))
            || self.core.data_address(holder.worker).is_none();
        if explained {
            return;
        }
        let rows = self.core.tasks(run.task.stage.job, None, None, usize::MAX);
        let row = rows.into_iter().flatten().find(|row| row.id == run.task);
        let wanted = row.is_some_and(|row| {
            row.state == partita_shared::model::TaskState::Running
                && row.attempts == run.attempt
                && row.worker == session.id
        });
        assert!(!wanted, "{holder:?} has dropped an input of {}#{}", run.task, run.attempt);
    }

    /// A client could not read a result. Unless a fault explains it, the core has dropped
    /// something that the client still wanted.
    pub(crate) fn check_undelivered(&self, task: TaskId, holder: Holder) {
        let from = &self.processes[self.workers[&holder.worker]];
        let explained = !self.is_there(holder) || from.session.spoiled.contains(&task);
        assert!(explained, "{holder:?} has dropped {task}, which the client has not");
    }

    /// Runs to the end, and checks that nothing is left.
    fn run(&mut self) {
        while let Some(happening) = self.next() {
            self.happen(happening);
            if self.all_ended() && self.under_way == 0 && self.is_settled() {
                break;
            }
            let (steps, now) = (self.steps, self.now);
            assert!(
                steps < self.steps_max() && now < self.time_max(),
                "no end after {steps} steps and {now} us: {:#?}",
                self.core
            );
        }
        self.core.check_invariants().unwrap();
        let cluster = self.core.cluster();
        assert_eq!((cluster.jobs_live, cluster.tasks.total()), (0, 0));
        for row in self.core.workers(false) {
            assert_eq!(row.assigned, 0, "{} has tasks of no job", row.name);
        }
        for process in self.processes.iter().filter(|process| process.alive) {
            assert!(process.session.is_clean(), "{} keeps {:?}", process.name, process.session);
            assert!(!process.leaving, "{} was never let go", process.name);
        }
    }

    /// Whether the core knows exactly the workers that are running.
    fn is_settled(&self) -> bool {
        let linked = |process: &&super::process::Process| process.session.id.is_some();
        let there = self.processes.iter().filter(linked).count();
        let alive = self.processes.iter().filter(|process| process.alive).count();
        there == alive && self.core.workers(false).len() == there
    }
}

/// How the jobs of many runs ended, and what befell them.
#[derive(Debug, Default)]
struct Totals {
    steps: u64,
    ended: BTreeMap<&'static str, u32>,
    faults: BTreeMap<&'static str, u32>,
    virtual_us: Time,
}

fn run_seed(size: Size, seed: u64, trace: bool, totals: &mut Totals) {
    let mut world = World::new(size, seed);
    world.trace = trace;
    world.run();
    totals.steps += world.steps;
    totals.virtual_us += world.now;
    for client in world.clients.values() {
        *totals.ended.entry(client.ended.unwrap().as_str()).or_default() += 1;
    }
    for (fault, count) in world.incidents.faults {
        *totals.faults.entry(fault).or_default() += count;
    }
}

/// Runs the seeds, or the one that the environment names, with every step printed.
fn run_seeds(size: Size, count: u64) {
    let mut totals = Totals::default();
    let count = std::env::var("PARTITA_SIM_COUNT").map_or(count, |count| count.parse().unwrap());
    if let Ok(seed) = std::env::var("PARTITA_SIM_SEED") {
        run_seed(size, seed.parse().unwrap(), true, &mut totals);
        return;
    }
    for seed in 0..count {
        let run = AssertUnwindSafe(|| run_seed(size, seed, false, &mut totals));
        if catch_unwind(run).is_err() {
            let test = format!("{size:?}").to_lowercase();
            panic!(
                "seed {seed} failed as said above; replay it with PARTITA_SIM_SEED={seed} cargo \
                 test -p partita-core --test simulation {test} -- --nocapture"
            );
        }
    }
    println!("{totals:#?}");
    let happened = [
        "persisted",
        "persisted, recomputed",
        "persisted, read",
        "later numbers, read",
        "planning, ended",
        "open, grown",
        "open, entries",
        "open, inputs",
        "open, arguments",
        "open, settled",
        "with requirements",
        "values, sent",
        "seceded",
        "rebalanced",
        "replicas, asked",
        "replicas, held",
        "replicas, refused",
        "recalled",
        "open, lost uploads",
        "open, erred",
    ];
    // Few tasks of a large job are recalled, and few fail for good.
    let happened = &happened[..happened.len() - 3 * usize::from(size == Size::Large)];
    for what in happened {
        assert!(totals.faults.get(*what).is_some_and(|count| *count > 0), "no run had: {what}");
    }
    let done = totals.ended.get("done").copied().unwrap_or(0);
    let all: u32 = totals.ended.values().sum();
    assert!(done * 2 > all, "most jobs must end well for the rest to mean anything");
}

/// Small jobs on a few workers, by thousands of seeds: every order of events that matters.
#[test]
fn small_jobs_end_right_whatever_breaks() {
    run_seeds(Size::Small, 3000);
}

/// Hundreds of workers and jobs of hundreds of tasks.
#[test]
fn large_jobs_end_right_whatever_breaks() {
    run_seeds(Size::Large, 30);
}

/// The same events give the same effects, byte for byte.
#[test]
fn the_same_seed_gives_the_same_effects() {
    let digest = |seed| {
        let mut world = World::new(Size::Small, seed);
        world.digest = Some(0xCBF2_9CE4_8422_2325);
        world.run();
        (world.digest, world.steps)
    };
    let different: std::collections::BTreeSet<_> = (0..100).map(digest).collect();
    assert_eq!(different.len(), 100, "different seeds give different runs");
    (0..100).for_each(|seed| assert_eq!(digest(seed), digest(seed), "seed {seed}"));
}
