//! What an event costs. Figures are printed, not judged: machines differ.

use partita_core::{Core, Effect, Event, Options};
use partita_shared::message::{Outcome, Spent, TaskFigures, TaskReport, ToWorker};
use std::collections::VecDeque;
use std::time::Instant;

use super::fixture::{gather, job, registration};

const TASKS: u32 = 100_000;

/// Few workers, and enough of them that a placement which examines each would be seen.
const WORKERS: [u32; 2] = [2, 2_000];

/// A stage of many tasks, each report an event of its own. Run it with `--nocapture` for the figures.
#[test]
fn the_cost_of_an_event_is_printed() {
    for workers in WORKERS {
        let ns = cost_ns(workers);
        println!("{ns} ns for each of {TASKS} events on {workers} workers, the driver included");
    }
}

fn cost_ns(workers: u32) -> u128 {
    let mut core = Core::new(Options::new("cost"));
    let mut effects = Vec::new();
    for number in 0..workers {
        let registration = Box::new(registration(&format!("w{number}"), 4));
        core.handle(0, Event::WorkerJoined { request: 0, registration }, &mut effects);
    }
    let spec = Box::new(job().source(TASKS).stage(1, [gather(0)]).spec);
    core.handle(0, Event::JobSubmitted { request: 0, planned: None, spec }, &mut effects);
    core.place(&mut effects);
    let mut runs = VecDeque::new();
    let mut now = 0;
    let start = Instant::now();
    let mut finished = 0_u32;
    while finished < TASKS {
        for effect in effects.drain(..) {
            if let Effect::Send { worker, message: ToWorker::Run(tasks) } = effect {
                runs.extend(tasks.into_iter().map(|run| (worker, run)));
            }
        }
        let (worker, run) = runs.pop_front().unwrap();
        let figures = TaskFigures { bytes: 8, ..TaskFigures::default() };
        let spent = Spent { busy_us: 100, ..Spent::default() };
        let outcome = Outcome::Finished(figures);
        let reports = vec![TaskReport { task: run.task, attempt: run.attempt, spent, outcome }];
        now += 10;
        core.handle(now, Event::Reports { worker, reports }, &mut effects);
        core.place(&mut effects);
        finished += 1;
    }
    let ns = start.elapsed().as_nanos() / u128::from(TASKS);
    assert_eq!(core.cluster().tasks_finished, u64::from(TASKS));
    core.check_invariants().unwrap();
    ns
}
