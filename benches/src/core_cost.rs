//! What the core costs by itself: the events of a stage with many tasks on two workers, without a
//! network; and what recording them for an observer adds.

use crate::measure::median;
use crate::report::Row;
use partita_core::{Core, Effect, Event, JobSpec, Options, StageSpec};
use partita_shared::message::{
    Outcome, Registration, Spent, TaskFigures, TaskReport, ToWorker, Work,
};
use std::time::Instant;

/// Tasks of the stage.
const TASKS: u32 = 1_000_000;

/// How often both are measured, in turns.
const TURNS: usize = 3;
/// Events between two times at which the counters of what changed are asked for: a tenth of a second's
/// on a busy cluster.
const EVENTS_A_COUNT: u64 = 2_000;

/// Time an event, placement included.
pub(crate) fn measure() -> [Row; 2] {
    let [mut alone, mut observed] = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        alone.push(microseconds(false));
        observed.push(microseconds(true));
    }
    let row = |name: &str, times| Row::plain(name, median(times), "microseconds");
    [
        row("only the core, an event with its placement", alone),
        row("the same, and noted for an observer", observed),
    ]
}

fn microseconds(observed: bool) -> f64 {
    let mut core = Core::new(Options { observed, ..Options::new("bench") });
    let mut effects = Vec::new();
    for request in 0..2 {
        let registration = Box::new(Registration { slots: 1, ..Registration::default() });
        core.handle(0, Event::WorkerJoined { request, registration }, &mut effects);
    }
    let stage = StageSpec {
        name: "empty".to_string(),
        plan: String::new(),
        tasks: TASKS,
        work: Work::Empty,
        inputs: Vec::new(),
        origin: partita_core::Origin::Tasks,
        ..StageSpec::default()
    };
    let spec =
        Box::new(JobSpec { text: "bench".to_string(), stages: vec![stage], ..JobSpec::default() });
    core.handle(0, Event::JobSubmitted { request: 9, planned: None, spec }, &mut effects);
    let start = Instant::now();
    let (mut events, mut now, mut done, mut counted) = (0u64, 0u64, 0u32, 0u64);
    while done < TASKS {
        if events - counted >= EVENTS_A_COUNT {
            core.note_counters();
            counted = events;
        }
        drop(core.take_seen());
        core.place(&mut effects);
        let mut told = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { worker, message: ToWorker::Run(tasks) } => {
                    told.push((worker, tasks))
                }
                Effect::Deliver { job, index, .. } => {
                    told.push((partita_shared::ids::WorkerId(0), Vec::new()));
                    let _ = (job, index);
                }
                _ => {}
            }
        }
        now += 1000;
        for (worker, tasks) in told {
            done += tasks.len() as u32;
            events += tasks.len() as u64;
            let reports = tasks
                .iter()
                .map(|run| TaskReport {
                    task: run.task,
                    attempt: run.attempt,
                    spent: Spent::default(),
                    outcome: Outcome::Finished(TaskFigures::default()),
                })
                .collect();
            core.handle(now, Event::Reports { worker, reports }, &mut effects);
        }
        // The client takes what is there, or the window of results would close.
        let delivered: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Deliver { job, index, .. } => Some((*job, *index)),
                _ => None,
            })
            .collect();
        let mut waiting = delivered;
        while let Some((job, index)) = waiting.pop() {
            effects.clear();
            core.handle(now, Event::Delivered { job, index, rows: 0 }, &mut effects);
            events += 1;
            waiting.extend(effects.iter().filter_map(|effect| match effect {
                Effect::Deliver { job, index, .. } => Some((*job, *index)),
                _ => None,
            }));
        }
    }
    start.elapsed().as_secs_f64() * 1e6 / events as f64
}
