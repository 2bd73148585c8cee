//! What the core alone costs: events of a group of many tasks on two workers, without any wire.

use crate::report::Row;
use partita_core::{Core, Effect, Event, GroupSpec, JobSpec, Options};
use partita_shared::message::{
    Outcome, Registration, Spent, TaskFigures, TaskReport, ToWorker, Work,
};
use std::time::Instant;

/// Tasks of the group.
const TASKS: u32 = 1_000_000;

/// Nanoseconds an event, placement included.
pub(crate) fn measure() -> Row {
    let mut core = Core::new(Options::new("bench"));
    let mut effects = Vec::new();
    for request in 0..2 {
        let registration = Box::new(Registration { slots: 1, ..Registration::default() });
        core.handle(0, Event::WorkerJoined { request, registration }, &mut effects);
    }
    let group = GroupSpec {
        name: "empty".to_string(),
        plan: String::new(),
        tasks: TASKS,
        work: Work::Empty,
        inputs: Vec::new(),
    };
    let spec = Box::new(JobSpec {
        text: "bench".to_string(),
        client: String::new(),
        priority: 1,
        analyze: false,
        staging: None,
        groups: vec![group],
    });
    core.handle(0, Event::JobSubmitted { request: 9, spec }, &mut effects);
    let start = Instant::now();
    let (mut events, mut now, mut done) = (0u64, 0u64, 0u32);
    while done < TASKS {
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
    let each = start.elapsed().as_secs_f64() * 1e6 / events as f64;
    Row::plain("the core alone, an event with its placement", each, "microseconds")
}
