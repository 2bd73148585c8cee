//! Clients with open jobs: they send graphs bit by bit, want outputs and do not want them any more,
//! cancel tasks and retry those that failed, and close the job when they have all they want.

use super::job::{SimJob, draw_requirement, value};
use super::rng::Rng;
use super::settings::{MS, Settings};
use super::world::{Happening, World};
use partita_core::{Event, Growth, JobSpec, SettledTask, StageGrowth, StageSpec, TaskRange};
use partita_shared::edges::EdgeList;
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::{Exchange, Holder, InputSpec};
use partita_shared::model::TaskState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The request of everything that is appended to a job.
pub(crate) const GROWTH: u64 = u64::MAX;

/// The most tasks of an open job.
const TASKS_MAX: u64 = 60;

/// A client of an open job.
#[derive(Debug, Default)]
pub(crate) struct OpenClient {
    /// How many tasks it has sent.
    sent: u32,
    wanted: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    /// How it was told that wanted tasks ended: whether with an output.
    settled: BTreeMap<u32, bool>,
}

/// A stage whose tasks read up to three earlier ones.
pub(crate) fn draw_graph(settings: &Settings, rng: &mut Rng) -> Vec<StageSpec> {
    let tasks = rng.range(1, settings.tasks_max.saturating_mul(4).min(TASKS_MAX)) as u32;
    let row = |task: u32, rng: &mut Rng| -> Vec<u32> {
        let inputs = if task == 0 { 0 } else { rng.below(4) };
        (0..inputs).map(|_| rng.below(u64::from(task)) as u32).collect()
    };
    let edges: EdgeList = (0..tasks).map(|task| row(task, rng)).collect();
    let exchange = Exchange::Explicit(Arc::new(edges));
    let inputs = vec![InputSpec { stage: 0, exchange, first: 0, count: tasks }];
    let retries = rng.below(3) as u8;
    let requirement = draw_requirement(rng);
    vec![StageSpec {
        name: "calls".into(),
        tasks,
        inputs,
        retries,
        requirement,
        ..StageSpec::default()
    }]
}

fn edges(stage: &StageSpec) -> &EdgeList {
    match &stage.inputs[0].exchange {
        Exchange::Explicit(edges) => edges,
        other => panic!("{other:?}"),
    }
}

fn rows(stage: &StageSpec, from: u32, to: u32) -> EdgeList {
    (from..to).map(|row| edges(stage).row(row).iter().copied()).collect()
}

/// The value of each task of a graph.
pub(crate) fn evaluate(salt: u64, stage: &StageSpec) -> Vec<u64> {
    let mut values: Vec<u64> = Vec::new();
    for task in 0..stage.tasks {
        let read: Vec<u64> = edges(stage).row(task).iter().map(|i| values[*i as usize]).collect();
        values.push(value(salt, 0, task, &read));
    }
    values
}

/// Whether a task depends on another, or is it.
fn depends(stage: &StageSpec, task: u32, on: u32) -> bool {
    let mut open = vec![task];
    while let Some(task) = open.pop() {
        if task == on {
            return true;
        }
        open.extend(edges(stage).row(task));
    }
    false
}

fn range(task: u32) -> TaskRange {
    TaskRange { stage: 0, first: task, count: 1 }
}

impl SimJob {
    fn graph(&self) -> &StageSpec {
        &self.spec.stages[0]
    }
}

impl World {
    /// The first tasks of an open job, of which the client wants some.
    pub(crate) fn begin_open(&mut self, number: usize, spec: &mut JobSpec) {
        let stage = self.jobs[number].graph().clone();
        let sent = self.rng.range(1, u64::from(stage.tasks)) as u32;
        let mut client = OpenClient { sent, ..OpenClient::default() };
        spec.wanted = self.draw_wanted(0, sent, &mut client);
        let exchange = Exchange::Explicit(Arc::new(rows(&stage, 0, sent)));
        let inputs = vec![InputSpec { stage: 0, exchange, first: 0, count: sent }];
        spec.stages = vec![StageSpec { tasks: sent, inputs, ..stage }];
        self.open.insert(number, client);
    }

    /// The client wants every other task, and the last one, so that not all is forgotten at once.
    fn draw_wanted(&mut self, from: u32, to: u32, client: &mut OpenClient) -> Vec<TaskRange> {
        let all: Vec<u32> = (from..to).collect();
        let wanted: Vec<u32> =
            all.into_iter().filter(|task| *task + 1 == to || self.rng.chance(500)).collect();
        client.wanted.extend(&wanted);
        wanted.into_iter().map(range).collect()
    }

    /// The client of an open job does the next thing.
    pub(crate) fn act(&mut self, job: JobId) {
        let client = &self.clients[&job];
        if client.ended.is_some() {
            return;
        }
        let number = client.number;
        let Some(mut open) = self.open.remove(&number) else { return };
        let event = match self.rng.below(10) {
            0..=4 if open.sent < self.jobs[number].graph().tasks => {
                Some(self.grow(job, number, &mut open))
            }
            5 | 6 if !open.wanted.is_empty() => {
                let all: Vec<u32> = open.wanted.iter().copied().collect();
                let task = all[self.rng.index(all.len())];
                open.wanted.remove(&task);
                open.settled.remove(&task);
                Some(Event::WantChanged { job, tasks: vec![range(task)], wanted: false })
            }
            7 => {
                let task = self.rng.below(u64::from(open.sent)) as u32;
                open.wanted.insert(task).then(|| Event::WantChanged {
                    job,
                    tasks: vec![range(task)],
                    wanted: true,
                })
            }
            8 if self.rng.chance(300) => {
                let task = self.rng.below(u64::from(open.sent)) as u32;
                open.cancelled.insert(task);
                let reason = "cancelled".to_string();
                Some(Event::TasksCancelled { job, tasks: vec![range(task)], reason })
            }
            9 => {
                let failed = open.settled.iter().filter(|(_, done)| !**done).map(|(task, _)| *task);
                let failed: Vec<u32> = failed.collect();
                failed.iter().for_each(|task| {
                    open.settled.remove(task);
                });
                let tasks = failed.into_iter().map(range).collect();
                Some(Event::TasksRetried { job, tasks })
            }
            _ => None,
        };
        let has_all = open.wanted.iter().all(|task| open.settled.contains_key(task));
        let is_over = self.now > self.settings.horizon + 3000 * MS;
        let all_sent = open.sent == self.jobs[number].graph().tasks;
        self.open.insert(number, open);
        match event {
            Some(event) => self.tell(event),
            None if has_all && (all_sent || is_over) => {
                return self.tell(Event::JobClosed { job });
            }
            None => {}
        }
        let after = self.rng.scaled(1, 30 * MS);
        self.plan_in(after, Happening::Act { job });
    }

    fn grow(&mut self, job: JobId, number: usize, open: &mut OpenClient) -> Event {
        let stage = self.jobs[number].graph().clone();
        let to = self.rng.range(u64::from(open.sent) + 1, u64::from(stage.tasks)) as u32;
        let from = std::mem::replace(&mut open.sent, to);
        let wanted = self.draw_wanted(from, to, open);
        let edges = vec![rows(&stage, from, to)];
        let tasks =
            vec![StageGrowth { stage: 0, count: to - from, edges, ..StageGrowth::default() }];
        let growth = Box::new(Growth { tasks, wanted, ..Growth::default() });
        Event::JobGrown { request: GROWTH, job, growth }
    }

    /// The client is told how tasks ended: with the right values, or with errors that something explains.
    pub(crate) fn settled(&mut self, job: JobId, tasks: Vec<SettledTask>) {
        let client = &self.clients[&job];
        assert_eq!(client.ended, None, "{job} has ended");
        let number = client.number;
        *self.incidents.faults.entry("open, settled").or_default() += tasks.len() as u32;
        for task in tasks {
            let index = task.index;
            if let Some(value) = &task.value {
                let expected = self.jobs[number].expected[index as usize];
                assert_eq!(value[..], expected.to_le_bytes(), "{job}.0.{index}");
            }
            match &task.error {
                None => self.check_value(job, number, index),
                Some(error) => {
                    *self.incidents.faults.entry("open, erred").or_default() += 1;
                    let graph = self.jobs[number].graph();
                    let cause = error.task.index;
                    assert!(depends(graph, index, cause), "{index} does not depend on {cause}");
                    let cancelled = self.open[&number].cancelled.contains(&cause);
                    let hazard = self.jobs[number].hazards.contains_key(&(0, cause));
                    let explained = match error.kind {
                        None => cancelled,
                        Some(_) => hazard || self.incidents.deaths >= 3,
                    };
                    assert!(explained, "{job}.0.{index} failed: {error:?}");
                }
            }
            if let Some(open) = self.open.get_mut(&number)
                && open.wanted.contains(&index)
            {
                open.settled.insert(index, task.error.is_none());
            }
        }
    }

    /// The output of a task that the client was told of is what it must be, if its holder is still there.
    fn check_value(&self, job: JobId, number: usize, index: u32) {
        let id = TaskId { stage: StageId { job, index: 0 }, index };
        let row = self.core.task_view(id).unwrap().row;
        let (TaskState::Done, Some(worker)) = (row.state, row.worker) else { return };
        if let Some(value) = self.serve(id, Holder { worker, attempt: row.attempts }) {
            assert_eq!(value, self.jobs[number].expected[index as usize], "{id}");
        }
    }
}
