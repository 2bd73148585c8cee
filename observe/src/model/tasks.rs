//! Tasks, from what is remembered of their attempts: for jobs that ended, and for replays.

use super::{JobRecord, Model, StageRecord};
use crate::event::Ending;
use crate::frame::{Answer, Question, TASKS_PAGE_MAX};
use crate::view::{AttemptView, InputView, Reason, TaskView};
use partita_shared::ids::{JobId, TaskId};
use partita_shared::limits::SAMPLE_INTERVAL_MS;
use partita_shared::message::SlotTask;
use partita_shared::model::{StackFrame, StageProfile, TaskRow, TaskState};
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl Model {
    /// Answers a question from what is remembered.
    pub fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Tasks { job, stage, state, after, limit } => {
                self.tasks(*job, *stage, *state, *after, *limit)
            }
            Question::Task(task) => self.task(*task),
            Question::Profiles { job, stage } => self.profiles(*job, *stage),
            Question::WorkerLog(worker) => match self.worker_records.get(worker) {
                Some(record) => Answer::WorkerLog(record.log()),
                None => Answer::None(format!("{worker} is unknown or was forgotten")),
            },
        }
    }

    /// Tasks of a job of which an attempt is remembered, in order: only of one stage, only in one
    /// state, only those after one of them (stage, index); at most [`TASKS_PAGE_MAX`].
    pub fn tasks(
        &self,
        job: JobId,
        stage: Option<u32>,
        state: Option<TaskState>,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Answer {
        let Some(record) = self.job_records.get(&job) else {
            return Answer::None(format!("{job} is unknown or its history was discarded"));
        };
        let limit = limit.min(TASKS_PAGE_MAX) as usize;
        let key = |task: TaskId| (task.stage.index, task.index);
        let is_behind = |task: TaskId| after.is_none_or(|after| key(task) > after);
        let mut rows: BTreeMap<(u32, u32), TaskRow> = BTreeMap::new();
        for span in self.spans.of_job(job, stage).filter(|span| is_behind(span.task)) {
            let row = TaskRow {
                id: span.task,
                state: ended_state(span.ending, record),
                attempts: span.attempt,
                worker: Some(span.worker),
                rows: span.rows,
                bytes: span.bytes,
                busy_us: span.busy_us,
            };
            match rows.get_mut(&key(span.task)) {
                // A late report of an earlier attempt does not affect the task.
                Some(known) if known.attempts > span.attempt => {}
                Some(known) => *known = row,
                None => drop(rows.insert(key(span.task), row)),
            }
        }
        for (worker, on, _) in self.on_slots() {
            let id = on.task.stage;
            let is_asked = id.job == job && stage.is_none_or(|stage| stage == id.index);
            if is_asked && is_behind(on.task) {
                let row = TaskRow {
                    id: on.task,
                    state: TaskState::Running,
                    attempts: on.attempt,
                    worker: Some(worker),
                    rows: 0,
                    bytes: 0,
                    busy_us: on.since_us,
                };
                rows.insert(key(on.task), row);
            }
        }
        let mut rows =
            rows.into_values().filter(|row| state.is_none_or(|state| state == row.state));
        let page: Vec<TaskRow> = rows.by_ref().take(limit).collect();
        Answer::Tasks { rows: page, more: rows.next().is_some() }
    }

    /// One task, from what is remembered.
    pub fn task(&self, task: TaskId) -> Answer {
        let job = task.stage.job;
        let Some(record) = self.job_records.get(&job) else {
            return Answer::None(format!("{job} is unknown or its history was discarded"));
        };
        let stage = record.stages.get(task.stage.index as usize);
        let Some(stage) = stage.filter(|stage| task.index < stage.size) else {
            return Answer::None(format!("{job} has no task {task}"));
        };
        let attempts = self.attempts(task);
        let Some(state) = state_of(attempts.last(), stage, record) else {
            let text = format!("the history of task {task} was discarded");
            return Answer::None(text);
        };
        let last = attempts.last();
        let row = TaskRow {
            id: task,
            state,
            attempts: last.map_or(0, |last| last.attempt),
            worker: last.map(|last| last.worker),
            rows: last.map_or(0, |last| last.rows),
            bytes: last.map_or(0, |last| last.bytes),
            busy_us: last.map_or(0, |last| last.busy_us),
        };
        Answer::Task(Box::new(TaskView {
            story: self.story(&attempts),
            texts: self.call_texts.of(task),
            stack: attempts.last().map_or(Vec::new(), |last| self.stack_of(last)),
            why: why(state, stage, record),
            inputs: inputs(stage, record),
            stage_name: stage.name.clone(),
            row,
            attempts,
        }))
    }

    /// Where an attempt is that runs.
    fn stack_of(&self, attempt: &AttemptView) -> Vec<StackFrame> {
        let found = self.profiles.stack(attempt.worker, attempt.task, attempt.attempt);
        found.filter(|_| attempt.ending.is_none()).map_or(Vec::new(), <[_]>::to_vec)
    }

    fn profiles(&self, job: JobId, stage: Option<u32>) -> Answer {
        let Some(record) = self.job_records.get(&job) else {
            return Answer::None(format!("{job} is unknown or its history was discarded"));
        };
        let known = |index: u32| record.stages.get(index as usize).map(|stage| stage.name.clone());
        if let Some(stage) = stage.filter(|stage| known(*stage).is_none()) {
            return Answer::None(format!("{job} has no stage {stage}"));
        }
        let found = self.profiles.of(job).filter(|(id, _)| stage.is_none_or(|one| one == id.index));
        let mut found: Vec<StageProfile> = found
            .map(|(stage, profile)| StageProfile {
                stage,
                name: known(stage.index).unwrap_or_default(),
                interval_ms: SAMPLE_INTERVAL_MS,
                profile: profile.clone(),
            })
            .collect();
        found.sort_by_key(|found| Reverse(found.profile.samples()));
        Answer::Profiles(found)
    }

    /// The attempts of a job that ended last, at most `max`, in the order in which they ended.
    pub fn latest_attempts(&self, job: JobId, max: usize) -> Vec<AttemptView> {
        self.spans.latest(job, max)
    }

    /// The attempts of a task that are remembered, the first first; one that runs is the last.
    pub fn attempts(&self, task: TaskId) -> Vec<AttemptView> {
        let mut attempts = self.spans.of_task(task);
        for (worker, on, measured_us) in self.on_slots().filter(|(_, on, _)| on.task == task) {
            let began_us = measured_us.saturating_sub(on.since_us);
            attempts.push(AttemptView {
                task,
                attempt: on.attempt,
                worker,
                slot: on.slot,
                ending: None,
                started_ms: began_us / 1000,
                queued_us: 0,
                busy_us: self.now_us.saturating_sub(began_us),
                transfer_us: 0,
                disk_us: 0,
                rows: 0,
                bytes: 0,
                fetched_bytes: 0,
                error: String::new(),
            });
        }
        attempts
    }

    fn on_slots(&self) -> impl Iterator<Item = (partita_shared::ids::WorkerId, &SlotTask, u64)> {
        self.worker_records.iter().flat_map(|(id, record)| {
            record.on_slots.iter().map(move |on| (*id, on, record.measured_us))
        })
    }

    /// How much an attempt that runs has read, as its worker told last.
    fn reading(&self, attempt: &AttemptView) -> Option<(u64, String)> {
        let is_it = |on: &SlotTask| on.task == attempt.task && on.attempt == attempt.attempt;
        let (_, on, measured_us) = self.on_slots().find(|(_, on, _)| is_it(on))?;
        let percent = u64::from(on.read_milli?).min(1_000) / 10;
        let text = format!("attempt {} has read {percent} % of its input", attempt.attempt);
        Some((measured_us / 1000, text))
    }

    fn story(&self, attempts: &[AttemptView]) -> Vec<(u64, String)> {
        let name = |attempt: &AttemptView| {
            let row = self.workers.get(attempt.worker);
            row.map_or_else(|| attempt.worker.to_string(), |row| row.name.clone())
        };
        let mut story = Vec::new();
        for attempt in attempts {
            let number = attempt.attempt;
            let text =
                format!("attempt {number} started in slot {} of {}", attempt.slot, name(attempt));
            story.push((attempt.started_ms, text));
            let text = match attempt.ending {
                None => {
                    story.extend(self.reading(attempt));
                    continue;
                }
                Some(Ending::Finished) => format!("attempt {number} finished"),
                Some(Ending::Failed(_)) => format!("attempt {number} failed: {}", attempt.error),
                Some(Ending::Lost) => {
                    format!("attempt {number} was lost with {}", name(attempt))
                }
                Some(Ending::Stopped) => format!("attempt {number} was stopped"),
            };
            story.push((attempt.started_ms + attempt.busy_us / 1000, text));
        }
        story
    }
}

/// The state of a task whose last attempt ended like this, as far as that alone tells.
fn ended_state(ending: Ending, record: &JobRecord) -> TaskState {
    match ending {
        Ending::Finished => TaskState::Done,
        Ending::Failed(_) if record.row.state.is_final() => TaskState::Failed,
        Ending::Failed(_) | Ending::Lost | Ending::Stopped => TaskState::Waiting,
    }
}

fn state_of(
    last: Option<&AttemptView>,
    stage: &StageRecord,
    record: &JobRecord,
) -> Option<TaskState> {
    let (counts, all) = (&stage.counters.tasks, u64::from(stage.size));
    match last {
        Some(last) => {
            Some(last.ending.map_or(TaskState::Running, |ending| ended_state(ending, record)))
        }
        // Nothing of the task itself is known, but all of the stage are alike.
        None if counts.done == all => Some(TaskState::Done),
        None if counts.waiting == all => Some(TaskState::Waiting),
        None if counts.ready == all => Some(TaskState::Ready),
        None => None,
    }
}

fn why(state: TaskState, stage: &StageRecord, record: &JobRecord) -> Vec<Reason> {
    let job = record.row.id;
    let text = match state {
        TaskState::Running | TaskState::Done => return Vec::new(),
        TaskState::Waiting | TaskState::Ready | TaskState::Failed
            if record.row.state.is_final() =>
        {
            format!("{job} is {}; its tasks no longer run", record.row.state.as_str())
        }
        TaskState::Failed => String::from("the task failed and is not retried"),
        TaskState::Ready => String::from("the task is ready and waits for a slot"),
        TaskState::Waiting => {
            let unfinished = stage.inputs.iter().filter_map(|input| {
                let from = record.stages.get(input.stage as usize)?;
                let left = from.counters.tasks.total() - from.counters.tasks.done;
                (left > 0).then(|| format!("`{}` has {left} unfinished tasks", from.name))
            });
            let unfinished: Vec<String> = unfinished.collect();
            if unfinished.is_empty() {
                String::from("the task waits to be queued")
            } else {
                format!("the task waits for its inputs: {}", unfinished.join(", "))
            }
        }
    };
    vec![Reason { worker: None, text }]
}

/// What a task reads, as far as it is known: where partitions lay is not remembered.
fn inputs(stage: &StageRecord, record: &JobRecord) -> Vec<InputView> {
    let view = |input: &crate::event::InputFacts| {
        let from = record.stages.get(input.stage as usize);
        let partitions = match input.exchange.as_str() {
            "OneToOne" => 1,
            "Shuffle" | "Gather" | "Broadcast" => from.map_or(0, |from| from.size),
            _ => 0,
        };
        InputView {
            stage: input.stage,
            name: from.map(|from| from.name.clone()).unwrap_or_default(),
            exchange: input.exchange.clone(),
            partitions,
            held: from.map_or(0, |from| from.counters.held.min(partitions)),
            places: Vec::new(),
        }
    };
    stage.inputs.iter().map(view).collect()
}
