//! Explains one task: where its inputs are held, and why it is not running.

use crate::eligibility::{has_time, is_avoided};
use crate::event::Order;
use crate::exchange::{is_read, is_whole, visit_needed};
use crate::state::{Core, Job, Stage, Task, Worker};
use crate::telemetry::exchange_name;
use partita_observe::view::{InputView, REASONS_MAX, Reason, TaskView};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::InputSpec;
use partita_shared::model::TaskState;
use std::collections::BTreeMap;

impl Core {
    /// A task of a live job: its row, its inputs, and why it is not running. The observer has its
    /// attempts and its history.
    pub fn task_view(&self, id: TaskId) -> Option<TaskView> {
        let job = self.jobs.get(&id.stage.job)?;
        let stage = job.stages.get(id.stage.index as usize)?;
        let task = stage.tasks.get(id.index as usize)?;
        let inputs = stage.inputs().iter().filter(|input| is_read(input, id.index));
        Some(TaskView {
            texts: Vec::new(),
            stack: Vec::new(),
            row: task.row(id),
            stage_name: stage.name.clone(),
            attempts: Vec::new(),
            inputs: inputs.map(|input| input_view(job, input, id.index)).collect(),
            why: self.why(id.stage.job, job, id.stage.index as usize, id.index),
            story: Vec::new(),
        })
    }

    /// Why a task is not running, if it is not and is not done.
    fn why(&self, id: JobId, job: &Job, stage: usize, index: u32) -> Vec<Reason> {
        let at = &job.stages[stage];
        let mut reasons = match at.tasks[index as usize].state {
            TaskState::Waiting => waits_for(job, at, index),
            TaskState::Ready => self.waits_for_slot(id, job, stage, index),
            TaskState::Running | TaskState::Done | TaskState::Failed => Vec::new(),
        };
        reasons.truncate(REASONS_MAX);
        reasons
    }

    fn waits_for_slot(&self, id: JobId, job: &Job, stage: usize, index: u32) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut whole = |text: String| reasons.push(Reason { worker: None, text });
        if self.workers.is_empty() {
            whole("no workers are connected; start one with `partita worker`".to_string());
        }
        let window = self.result_window();
        if job.is_delivered_result(stage) && index >= job.delivered.saturating_add(window) {
            whole(format!(
                "the client has read {} result partitions; at most {window} are computed ahead of it",
                job.delivered
            ));
        }
        rivals_in_job(job, stage, index).into_iter().for_each(&mut whole);
        // In the order in which placement examines them.
        let ready = self.by_share.iter().filter_map(|(.., other)| {
            self.jobs.get(other).filter(|job| !job.ready.is_empty()).map(|job| (*other, job))
        });
        for (other, rival) in ready.take_while(|(other, _)| *other != id).take(REASONS_MAX) {
            whole(format!(
                "{other} comes first by fair share: it runs {} tasks with priority {}, this job {} with {}",
                rival.running, rival.spec.priority, job.running, job.spec.priority
            ));
        }
        for (worker, found) in self.workers.iter().take(REASONS_MAX) {
            let text = self.not_there(*worker, found, job, stage, index);
            reasons.push(Reason { worker: Some(*worker), text });
        }
        reasons
    }

    /// Why a ready task does not run on a worker now.
    fn not_there(
        &self,
        id: WorkerId,
        worker: &Worker,
        job: &Job,
        stage: usize,
        index: u32,
    ) -> String {
        let at = &job.stages[stage];
        if let Some(reason) = &worker.leaving {
            return format!("retiring: {reason}");
        }
        if !has_time(worker, at, self.now) {
            let left = worker.ends.map_or(0, |ends| ends.saturating_sub(self.now)) / 1_000_000;
            let takes = at.mean_us().unwrap_or(0) / 1_000_000;
            return format!(
                "it must end in {left} s, and tasks of this stage take about {takes} s"
            );
        }
        if let Some(reason) = self.lacks(worker, at) {
            return reason;
        }
        if is_avoided(self, job, stage, index, id) {
            return "the task failed there before and can be retried on another worker".to_string();
        }
        if worker.metrics.above_mark && worker.on_slots() > 0 {
            return "paused: memory use is above the threshold".to_string();
        }
        if worker.on_slots() >= worker.slots() {
            let tasks = match worker.on_slots() {
                1 => "1 task is".to_string(),
                assigned => format!("{assigned} tasks are"),
            };
            return match worker.slots() {
                1 => format!("its slot is in use: {tasks} assigned to it"),
                slots => format!("all its {slots} slots are in use: {tasks} assigned to it"),
            };
        }
        "it can run the task, unless another task goes first".to_string()
    }
}

impl Core {
    /// What a worker lacks of that which the tasks of a stage need, if it lacks something.
    fn lacks(&self, worker: &Worker, stage: &Stage) -> Option<String> {
        let needed = self.requirements.get(stage.requirement)?;
        if self.requirements.can_take(stage.requirement, worker) {
            return None;
        }
        for (name, amount) in &needed.resources {
            let all = worker.registration.resources.get(name).copied().unwrap_or(0);
            let free = worker.free.get(name).copied().unwrap_or(0);
            let (needs, has, left) =
                (format_amount(*amount), format_amount(all), format_amount(free));
            if all == 0 {
                return Some(format!("it has no {name}, of which a task needs {needs}"));
            }
            if all < *amount {
                return Some(format!("it has {name}={has}, and a task needs {needs}"));
            }
            if free < *amount {
                return Some(format!("{left} of {name}={has} is free, and a task needs {needs}"));
            }
        }
        let names: Vec<&str> =
            needed.workers.iter().map(String::as_str).take(REASONS_MAX).collect();
        Some(format!("the task is restricted to {}", names.join(", ")))
    }
}

/// An amount of a resource, given in thousandths.
fn format_amount(thousandths: u64) -> String {
    match thousandths % 1000 {
        0 => (thousandths / 1000).to_string(),
        _ => (thousandths as f64 / 1000.0).to_string(),
    }
}

/// The ready tasks of its own job that come before a ready task.
fn rivals_in_job(job: &Job, stage: usize, index: u32) -> Vec<String> {
    let ready = |task: &&Task| task.state == TaskState::Ready;
    let mut found = Vec::new();
    if job.spec.order == Order::DepthFirst {
        let place = |stage: &Stage, task: &Task| stage.precedence(task.rank);
        let own = place(&job.stages[stage], &job.stages[stage].tasks[index as usize]);
        let before = job.stages.iter().map(|stage| {
            let tasks = stage.tasks.iter().filter(ready);
            tasks.filter(|task| place(stage, task) < own).count()
        });
        let before: usize = before.sum();
        if before > 0 {
            found.push(format!("{before} ready tasks come before it in the order of the graph"));
        }
        return found;
    }
    let later = job.stages.iter().skip(stage + 1);
    let of_later: u64 = later.map(|stage| stage.counts.ready).sum();
    if of_later > 0 {
        found.push(format!("{of_later} ready tasks of later stages of this job run first"));
    }
    let before = job.stages[stage].tasks[..index as usize].iter().filter(ready).count();
    if before > 0 {
        found.push(format!("{before} ready tasks of this stage run before it"));
    }
    found
}

/// The inputs that a waiting task waits for.
fn waits_for(job: &Job, stage: &Stage, index: u32) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for input in stage.inputs() {
        let from = &job.stages[input.stage as usize];
        // An input that is read whole blocks all tasks of the stage.
        if !is_whole(&input.exchange) && !is_read(input, index) {
            continue;
        }
        let view = input_view(job, input, index);
        let (needed, held) = match is_whole(&input.exchange) {
            true => (from.tasks.len() as u32, from.available),
            false => (view.partitions, view.held),
        };
        if held < needed {
            reasons.push(Reason {
                worker: None,
                text: format!(
                    "it reads stage {} ({}): {held} of {needed} partitions are available; of its tasks {} run, {} are ready, {} wait",
                    input.stage,
                    from.name,
                    from.counts.running,
                    from.counts.ready,
                    from.counts.waiting
                ),
            });
        }
    }
    reasons
}

fn input_view(job: &Job, input: &InputSpec, index: u32) -> InputView {
    let from = &job.stages[input.stage as usize];
    let mut read: Vec<u32> = Vec::new();
    visit_needed(input, index, from.tasks.len(), |partition| read.push(partition));
    let mut held = 0;
    let mut places: BTreeMap<WorkerId, (u32, u64)> = BTreeMap::new();
    for partition in &read {
        let task = &from.tasks[*partition as usize];
        if let Some(holder) = task.holder() {
            held += 1;
            let place = places.entry(holder.worker).or_default();
            place.0 += 1;
            place.1 += task.bytes;
        }
    }
    let mut places: Vec<_> = places.into_iter().map(|(id, (n, bytes))| (id, n, bytes)).collect();
    places.sort_by_key(|(id, _, bytes)| (std::cmp::Reverse(*bytes), *id));
    places.truncate(REASONS_MAX);
    InputView {
        stage: input.stage,
        name: from.name.clone(),
        exchange: exchange_name(&input.exchange).to_string(),
        partitions: read.len() as u32,
        held,
        places,
    }
}
