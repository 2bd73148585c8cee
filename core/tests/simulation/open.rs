//! Clients with open jobs: they send graphs of one to four stages bit by bit, want outputs and do not want
//! them any more, cancel tasks and retry those that failed, and close the job when they have all they want.

use super::job::{draw_requirement, value};
use super::rng::{Rng, mix};
use super::settings::{MS, Settings};
use super::world::{Happening, World};
use partita_core::{
    Arguments, Event, Growth, JobSpec, Origin, SettledTask, StageGrowth, StageSpec, TaskRange,
};
use partita_shared::edges::EdgeList;
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::{Exchange, Holder, InputSpec, RunTask};
use partita_shared::model::TaskState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The request of everything that is appended to a job.
pub(crate) const GROWTH: u64 = u64::MAX;

/// The most tasks of an open job in a small run, and in a large one.
const TASKS_MAX: [u64; 2] = [60, 300];

/// The most stages of an open job.
const STAGES_MAX: u64 = 4;

/// A task of a graph. Its number in the graph says before which others it comes.
#[derive(Clone, Debug)]
struct GraphTask {
    stage: u32,
    index: u32,
    /// The numbers of the tasks that it reads.
    reads: Vec<u32>,
    /// Whether it is a value that the client uploads.
    is_upload: bool,
}

/// The tasks of an open job, each of which reads up to three earlier ones, of any stage.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    tasks: Vec<GraphTask>,
    numbers: BTreeMap<(u32, u32), u32>,
}

/// What a call reads: the stage, the index and the holder of a partition, and its value if it came with the task.
pub(crate) type CallInput = (u32, u32, Holder, Option<Arc<[u8]>>);

/// A client of an open job.
#[derive(Debug, Default)]
pub(crate) struct OpenClient {
    /// How many tasks it has sent.
    sent: u32,
    /// For each stage that it has sent, the stages that it reads.
    inputs: Vec<Vec<u32>>,
    /// The arguments that it has sent, by the number of the task.
    arguments: BTreeMap<u32, Vec<u8>>,
    wanted: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    /// How it was told that wanted tasks ended: whether with an output.
    settled: BTreeMap<u32, bool>,
}

/// A graph, and its stages when all is sent, without their inputs.
pub(crate) fn draw_graph(settings: &Settings, rng: &mut Rng) -> (Graph, Vec<StageSpec>) {
    let max = TASKS_MAX[usize::from(settings.tasks_max >= 50)];
    let count = rng.range(1, settings.tasks_max.saturating_mul(4).min(max)) as u32;
    let limit = rng.range(1, STAGES_MAX) as usize;
    // Not the first one, with which the job may begin.
    let upload = rng.chance(400).then(|| rng.range(1, STAGES_MAX) as usize);
    let mut graph = Graph { tasks: Vec::new(), numbers: BTreeMap::new() };
    let mut sizes: Vec<u32> = Vec::new();
    let mut stage = 0;
    for number in 0..count {
        if rng.chance(500) {
            stage = rng.index((sizes.len() + 1).min(limit));
        }
        if stage == sizes.len() {
            sizes.push(0);
        }
        let is_upload = upload == Some(stage);
        let inputs = if number == 0 || is_upload { 0 } else { rng.below(4) };
        let reads = (0..inputs).map(|_| rng.below(u64::from(number)) as u32).collect();
        graph.numbers.insert((stage as u32, sizes[stage]), number);
        let index = sizes[stage];
        graph.tasks.push(GraphTask { stage: stage as u32, index, reads, is_upload });
        sizes[stage] += 1;
    }
    let stages = sizes.into_iter().enumerate().map(|(number, tasks)| match upload {
        Some(upload) if upload == number => StageSpec {
            name: "values".into(),
            tasks,
            origin: Origin::Upload,
            ..StageSpec::default()
        },
        _ => StageSpec {
            name: "calls".into(),
            tasks,
            retries: rng.below(3) as u8,
            priority: rng.below(3) as i32 - 1,
            requirement: draw_requirement(rng),
            ..StageSpec::default()
        },
    });
    (graph, stages.collect())
}

impl Graph {
    fn len(&self) -> u32 {
        self.tasks.len() as u32
    }

    fn task(&self, number: u32) -> &GraphTask {
        &self.tasks[number as usize]
    }

    /// The number of a task.
    pub(crate) fn number(&self, stage: u32, index: u32) -> u32 {
        self.numbers[&(stage, index)]
    }

    /// The stage, the index and the number of each task.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = ((u32, u32), u32)> + '_ {
        self.numbers.iter().map(|(at, number)| (*at, *number))
    }

    fn range(&self, number: u32) -> TaskRange {
        let GraphTask { stage, index, .. } = *self.task(number);
        TaskRange { stage, first: index, count: 1 }
    }

    /// The value of each task.
    pub(crate) fn evaluate(&self, salt: u64) -> Vec<u64> {
        let mut values: Vec<u64> = Vec::new();
        for task in &self.tasks {
            let read: Vec<u64> = task.reads.iter().map(|i| values[*i as usize]).collect();
            values.push(value(salt, task.stage, task.index, &read));
        }
        values
    }

    /// Whether a task depends on another, or is it.
    fn depends(&self, task: u32, on: u32) -> bool {
        let mut open = vec![task];
        while let Some(task) = open.pop() {
            if task == on {
                return true;
            }
            open.extend(&self.task(task).reads);
        }
        false
    }

    /// What these tasks of one stage read of another one, row by row.
    fn rows(&self, tasks: std::ops::Range<u32>, from: u32) -> EdgeList {
        let row = |number: u32| -> Vec<u32> {
            let read = self.task(number).reads.iter().map(|read| self.task(*read));
            read.filter(|read| read.stage == from).map(|read| read.index).collect()
        };
        tasks.map(row).collect()
    }

    /// The first of the tasks from `from` on, before `to`, that is of another stage.
    fn run_end(&self, from: u32, to: u32) -> u32 {
        let stage = self.task(from).stage;
        (from..to).find(|number| self.task(*number).stage != stage).unwrap_or(to)
    }
}

impl World {
    fn graph(&self, number: usize) -> &Graph {
        self.jobs[number].graph.as_ref().unwrap()
    }

    /// The first tasks and stages of an open job, if it has any at first. The client wants some.
    pub(crate) fn begin_open(&mut self, number: usize, spec: &mut JobSpec) {
        let graph = self.graph(number).clone();
        let mut client = OpenClient::default();
        let all = std::mem::take(&mut spec.stages);
        let upload = all.iter().position(|stage| stage.origin == Origin::Upload);
        let stages = self.rng.index(all.len() + 1).min(upload.unwrap_or(usize::MAX));
        spec.stages =
            all.into_iter().take(stages).map(|stage| StageSpec { tasks: 0, ..stage }).collect();
        client.inputs = vec![Vec::new(); stages];
        if let Some(stage) = spec.stages.first_mut().filter(|_| self.rng.chance(500)) {
            let to = self.rng.range(1, u64::from(graph.len())) as u32;
            let sent = graph.run_end(0, to);
            let exchange = Exchange::Explicit(Arc::new(graph.rows(0..sent, 0)));
            stage.tasks = sent;
            stage.inputs = vec![InputSpec { stage: 0, exchange, first: 0, count: sent }];
            client.inputs[0].push(0);
            client.sent = sent;
            spec.wanted = self.draw_wanted(&graph, 0, sent, &mut client);
        }
        self.open.insert(number, client);
    }

    /// The client wants every other task, and the last one, so that not all is forgotten at once.
    fn draw_wanted(
        &mut self,
        graph: &Graph,
        from: u32,
        to: u32,
        client: &mut OpenClient,
    ) -> Vec<TaskRange> {
        let all: Vec<u32> = (from..to).collect();
        let wanted: Vec<u32> =
            all.into_iter().filter(|task| *task + 1 == to || self.rng.chance(500)).collect();
        client.wanted.extend(&wanted);
        wanted.into_iter().map(|task| graph.range(task)).collect()
    }

    /// The client of an open job does the next thing.
    pub(crate) fn act(&mut self, job: JobId) {
        let client = &self.clients[&job];
        if client.ended.is_some() {
            return;
        }
        let number = client.number;
        let Some(mut open) = self.open.remove(&number) else { return };
        let graph = self.graph(number).clone();
        let range = |task| graph.range(task);
        self.check_holders(job, &graph);
        let event = match self.rng.below(12) {
            0..=4 if open.sent < graph.len() => Some(self.grow(job, number, &graph, &mut open)),
            _ if open.sent == 0 => None,
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
            10 | 11 => Some(self.draw_arrangement()),
            _ => None,
        };
        let has_all = open.wanted.iter().all(|task| open.settled.contains_key(task));
        let is_over = self.now > self.settings.horizon + 3000 * MS;
        let all_sent = open.sent == graph.len();
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

    /// Appends the next tasks, with the stages that they are the first of, in entries of one stage each.
    fn grow(&mut self, job: JobId, number: usize, graph: &Graph, open: &mut OpenClient) -> Event {
        let to = self.rng.range(u64::from(open.sent) + 1, u64::from(graph.len())) as u32;
        let first = std::mem::replace(&mut open.sent, to);
        let known = open.inputs.len();
        let last = (first..to).map(|task| graph.task(task).stage).max().unwrap() as usize;
        let total = self.jobs[number].spec.stages.len();
        // Stages may be there before their first tasks.
        let stages = self.rng.range((last as u64 + 1).max(known as u64), total as u64) as usize;
        let fresh = &self.jobs[number].spec.stages[known..stages];
        let fresh = fresh.iter().map(|stage| StageSpec { tasks: 0, ..stage.clone() }).collect();
        open.inputs.resize(stages, Vec::new());
        let (mut tasks, mut from) = (Vec::new(), first);
        while from < to {
            let end = graph.run_end(from, to);
            // A run may be divided, too.
            let end = if self.rng.chance(300) { from + (end - from).div_ceil(2) } else { end };
            tasks.push(self.entry(number, graph, from..end, open));
            from = end;
        }
        *self.incidents.faults.entry("open, entries").or_default() += tasks.len() as u32 - 1;
        for task in (first..to).map(|number| graph.task(number)).filter(|task| task.is_upload) {
            let task = TaskId { stage: StageId { job, index: task.stage }, index: task.index };
            let after = self.rng.scaled(0, 50 * MS);
            self.plan_in(after, Happening::Upload { task });
        }
        let wanted = self.draw_wanted(graph, first, to, open);
        let growth = Box::new(Growth { tasks, stages: fresh, wanted });
        Event::JobGrown { request: GROWTH, job, growth }
    }

    /// Tasks of one stage, with what they are the first to read and their arguments.
    fn entry(
        &mut self,
        number: usize,
        graph: &Graph,
        tasks: std::ops::Range<u32>,
        open: &mut OpenClient,
    ) -> StageGrowth {
        let stage = graph.task(tasks.start).stage;
        if graph.task(tasks.start).is_upload {
            let count = tasks.end - tasks.start;
            return StageGrowth { stage, count, ..StageGrowth::default() };
        }
        let stages = open.inputs.len();
        let known = &mut open.inputs[stage as usize];
        let before = known.len();
        let read = tasks.clone().flat_map(|task| &graph.task(task).reads);
        for from in read.map(|read| graph.task(*read).stage) {
            if !known.contains(&from) {
                known.push(from);
            }
        }
        // One that no task reads yet.
        let other = self.rng.index(stages) as u32;
        if self.rng.chance(50) && !known.contains(&other) {
            known.push(other);
        }
        let inputs = known[before..].to_vec();
        *self.incidents.faults.entry("open, inputs").or_default() += inputs.len() as u32;
        let edges = known.iter().map(|from| graph.rows(tasks.clone(), *from)).collect();
        let count = tasks.end - tasks.start;
        let arguments = self.rng.chance(800).then(|| {
            let (mut offsets, mut bytes) = (vec![0], Vec::new());
            for task in tasks {
                let salt = mix(self.jobs[number].salt, u64::from(task));
                let own = salt.to_le_bytes().repeat(self.rng.index(3));
                bytes.extend_from_slice(&own);
                offsets.push(bytes.len() as u32);
                open.arguments.insert(task, own);
            }
            Arguments::new(offsets, bytes.into()).unwrap()
        });
        StageGrowth { stage, count, inputs, edges, arguments }
    }

    /// A task of an open job comes with its arguments, whatever was sent with others.
    pub(crate) fn check_arguments(&mut self, run: &RunTask) {
        let number = self.clients[&run.task.stage.job].number;
        let Some(graph) = &self.jobs[number].graph else {
            return assert!(run.arguments.is_empty(), "{} is not a call", run.task);
        };
        let task = graph.number(run.task.stage.index, run.task.index);
        let expected = self.open[&number].arguments.get(&task).cloned().unwrap_or_default();
        assert_eq!(run.arguments[..], expected, "{}#{}", run.task, run.attempt);
        *self.incidents.faults.entry("open, arguments").or_default() +=
            u32::from(!expected.is_empty());
    }

    /// What a call reads as its worker was told, which is as the graph says.
    pub(crate) fn call_inputs(
        &self,
        run: &RunTask,
        told: &[InputSpec],
        number: usize,
    ) -> Vec<CallInput> {
        let known = &self.open[&number].inputs[run.task.stage.index as usize];
        let told: Vec<u32> = told.iter().map(|input| input.stage).collect();
        assert!(known.starts_with(&told), "a wrong fragment");
        let mut found = Vec::new();
        for own in &run.own {
            let stage = told[own.input as usize];
            for (index, holder) in &own.partitions {
                let value = own.values.iter().find(|(small, _)| small == index);
                found.push((stage, *index, *holder, value.map(|(_, value)| Arc::clone(value))));
            }
        }
        let graph = self.graph(number);
        let mut listed: Vec<u32> =
            found.iter().map(|(stage, index, ..)| graph.number(*stage, *index)).collect();
        let task = graph.task(graph.number(run.task.stage.index, run.task.index));
        let mut expected = task.reads.clone();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "the inputs of {}", run.task);
        found
    }

    /// The value of a call, of those that it has read by stage and index.
    pub(crate) fn call_value(
        &self,
        task: TaskId,
        number: usize,
        read: &BTreeMap<(u32, u32), u64>,
    ) -> u64 {
        let (stage, index, graph) = (task.stage.index, task.index, self.graph(number));
        let reads = graph.task(graph.number(stage, index)).reads.iter();
        let values =
            reads.map(|read| graph.task(*read)).map(|from| read[&(from.stage, from.index)]);
        value(self.jobs[number].salt, stage, index, &values.collect::<Vec<_>>())
    }

    /// The client is told how tasks ended: with the right values, or with errors that something explains.
    pub(crate) fn settled(&mut self, job: JobId, tasks: Vec<SettledTask>) {
        let client = &self.clients[&job];
        assert_eq!(client.ended, None, "{job} has ended");
        let number = client.number;
        *self.incidents.faults.entry("open, settled").or_default() += tasks.len() as u32;
        for task in tasks {
            let index = self.graph(number).number(task.stage, task.index);
            if let Some(value) = &task.value {
                let expected = self.jobs[number].expected[index as usize];
                assert_eq!(value[..], expected.to_le_bytes(), "{job}: {task:?}");
            }
            match &task.error {
                None => self.check_value(job, number, &task),
                Some(error) => {
                    *self.incidents.faults.entry("open, erred").or_default() += 1;
                    let graph = self.graph(number);
                    let at = (error.task.stage.index, error.task.index);
                    let cause = graph.number(at.0, at.1);
                    assert!(graph.depends(index, cause), "{index} does not depend on {cause}");
                    let cancelled = self.open[&number].cancelled.contains(&cause);
                    let hazard = self.jobs[number].hazards.contains_key(&at);
                    // Uploaded values are lost with their worker, or when nobody wants them.
                    let is_upload = graph.task(cause).is_upload;
                    *self.incidents.faults.entry("open, lost uploads").or_default() +=
                        u32::from(is_upload);
                    let explained = match error.kind {
                        None => cancelled,
                        Some(_) => hazard || is_upload || self.incidents.deaths >= 3,
                    };
                    assert!(explained, "{job}: {index} failed: {error:?}");
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
    fn check_value(&self, job: JobId, number: usize, task: &SettledTask) {
        let id = TaskId { stage: StageId { job, index: task.stage }, index: task.index };
        let row = self.core.task_view(id).unwrap().row;
        let (TaskState::Done, Some(worker)) = (row.state, row.worker) else { return };
        if let Some(value) = self.serve(id, Holder { worker, attempt: row.attempts }) {
            let index = self.graph(number).number(task.stage, task.index);
            assert_eq!(value, self.jobs[number].expected[index as usize], "{id}");
        }
    }
}
