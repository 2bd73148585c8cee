//! Jobs and their stages: what is told of them, and their rows.

use super::eta::Estimates;
use super::{Model, operators};
use crate::event::{
    ArrayFacts, AttemptEnd, Counters, Ending, InputFacts, JobCounters, JobFacts, Level,
    PersistedFacts, StageCarried, StageCounters, StageFacts,
};
use crate::events::Happening;
use crate::frame::JOB_TEXT_CHARS_MAX;
use crate::spread::Spread;
use crate::table::Table;
use crate::view::{AttemptView, EventKind, Left, StageView};
use partita_shared::ids::{JobId, StageId, WorkerId};
use partita_shared::model::{JobRow, JobState, OperatorRow, TaskCounts};
use partita_shared::units::format_bytes;
use std::collections::{BTreeMap, VecDeque};

/// Characters of a job's text that are remembered.
const TEXT_CHARS_MAX: usize = 50_000;
/// Characters of a stage's name.
const STAGE_NAME_CHARS_MAX: usize = 200;
/// Bytes of all plans of one job that are remembered.
const JOB_PLANS_BYTES_MAX: usize = 256 << 10;
/// Arrays of one job that are remembered.
const ARRAYS_MAX: usize = 16;

/// What is known of a stage.
#[derive(Clone, Debug)]
pub(crate) struct StageRecord {
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) inputs: Vec<InputFacts>,
    /// The job whose persisted result it stands for.
    pub(crate) source: Option<JobId>,
    pub(crate) size: u32,
    pub(crate) counters: StageCounters,
    /// What was made from attempts.
    pub(crate) seen: StageCarried,
    /// How long it still takes.
    pub(crate) left: Option<Left>,
    /// The times of its tasks, as an ordinary worker would have taken them.
    pub(crate) paced_us: Spread,
    /// Whether its cost is known to the estimates of others.
    pub(crate) is_learnt: bool,
    is_dirty: bool,
}

/// What is known of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobRecord {
    /// Its row, with the texts whole.
    pub(crate) row: JobRow,
    pub(crate) stages: Vec<StageRecord>,
    pub(crate) table: Table<u32, StageView>,
    /// Sums over the stages; they are the row's as soon as a stage's counters were told.
    sums: (TaskCounts, u64, u64),
    pub(crate) operators: Vec<Vec<OperatorRow>>,
    /// Whether a worker told of some that pages do not have yet.
    pub(super) has_new_operators: bool,
    /// Attempts that failed or were lost, the latest first.
    pub(crate) failures: VecDeque<AttemptView>,
    /// Workers that were lost under a task: the stage, the task's index.
    pub(crate) kills: BTreeMap<(u32, u32), Vec<WorkerId>>,
    /// Changes with what [`crate::view::JobView`] shows.
    pub(crate) text_revision: u64,
    /// Bytes of its texts, if it has ended and they are remembered.
    pub(super) text_bytes: usize,
    /// When something of it last ended, started or was delivered, in microseconds since the epoch.
    pub(crate) moved_us: u64,
    /// Since when it has waited for a slot, in microseconds since the epoch.
    pub(crate) waits_since_us: Option<u64>,
    pub(super) estimates: Estimates,
    /// Where its result is, if it is persisted.
    pub(crate) persisted: Option<PersistedFacts>,
    /// Arrays that its client persisted, the first first, at most [`ARRAYS_MAX`].
    pub(crate) arrays: VecDeque<ArrayFacts>,
    /// The job that runs its statement again, in low-memory mode.
    pub(crate) again: Option<JobId>,
    is_dirty: bool,
    dirty_stages: Vec<u32>,
}

pub(super) fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

impl StageRecord {
    fn new(id: StageId, facts: StageFacts, plans_bytes: &mut usize) -> Self {
        *plans_bytes += facts.plan.len();
        let plan = if *plans_bytes > JOB_PLANS_BYTES_MAX {
            let limit = format_bytes(JOB_PLANS_BYTES_MAX as u64);
            format!("discarded: the plans of this job exceed {limit}")
        } else {
            facts.plan
        };
        let waiting = u64::from(facts.tasks);
        StageRecord {
            name: cut(&facts.name, STAGE_NAME_CHARS_MAX),
            plan,
            inputs: facts.inputs,
            source: facts.source,
            size: facts.tasks,
            counters: StageCounters {
                stage: id,
                tasks: TaskCounts { waiting, ..TaskCounts::default() },
                rows: 0,
                bytes: 0,
                busy_us: 0,
                held: 0,
                held_bytes: 0,
            },
            seen: StageCarried::default(),
            left: None,
            paced_us: Spread::default(),
            is_learnt: false,
            is_dirty: false,
        }
    }

    fn view(&self) -> StageView {
        let (counters, seen) = (&self.counters, &self.seen);
        StageView {
            id: counters.stage,
            name: self.name.clone(),
            tasks: counters.tasks,
            rows: counters.rows,
            bytes: counters.bytes,
            busy_us: counters.busy_us,
            transfer_us: seen.transfer_us,
            disk_us: seen.disk_us,
            held: counters.held,
            held_bytes: counters.held_bytes,
            failures: seen.failures,
            started_ms: seen.started_ms,
            ended_ms: seen.ended_ms,
            left: self.left,
            time_us: seen.time_us.quartiles(),
            task_rows: seen.task_rows.quartiles(),
            task_bytes: seen.task_bytes.quartiles(),
        }
    }

    /// Takes an attempt that ended now.
    fn take(&mut self, now_us: u64, end: &AttemptEnd) {
        let seen = &mut self.seen;
        match end.ending {
            Ending::Finished => {
                seen.time_us.add(end.busy_us);
                seen.task_rows.add(end.rows);
                seen.task_bytes.add(end.bytes);
                seen.transfer_us = seen.transfer_us.saturating_add(end.transfer_us);
                seen.disk_us = seen.disk_us.saturating_add(end.disk_us);
                seen.ended_ms = seen.ended_ms.max(Some(now_us / 1000));
            }
            Ending::Failed(_) | Ending::Lost => seen.failures += 1,
            Ending::Stopped => {}
        }
        if matches!(end.ending, Ending::Finished | Ending::Failed(_)) {
            let started_ms = now_us.saturating_sub(end.busy_us) / 1000;
            let earliest = seen.started_ms.map_or(started_ms, |before| before.min(started_ms));
            seen.started_ms = Some(earliest);
        }
    }
}

impl JobRecord {
    fn new(facts: JobFacts, table: Table<u32, StageView>, now_us: u64) -> Self {
        let mut row = facts.row;
        row.text = cut(&row.text, TEXT_CHARS_MAX);
        let (job, mut plans_bytes) = (row.id, 0);
        let stage =
            |(index, facts)| StageRecord::new(StageId { job, index }, facts, &mut plans_bytes);
        let stages: Vec<_> = (0..).zip(facts.stages).map(stage).collect();
        let mut sums = (TaskCounts::default(), 0, 0);
        stages.iter().for_each(|stage: &StageRecord| sums.0.add(&stage.counters.tasks));
        JobRecord {
            row,
            dirty_stages: (0..stages.len() as u32).collect(),
            stages,
            table,
            sums,
            operators: Vec::new(),
            has_new_operators: false,
            failures: VecDeque::new(),
            kills: BTreeMap::new(),
            text_revision: 1,
            text_bytes: 0,
            moved_us: now_us,
            waits_since_us: None,
            estimates: Estimates::default(),
            persisted: None,
            arrays: VecDeque::new(),
            again: None,
            is_dirty: false,
        }
    }

    /// A statement whose planning is over is a job from here on. Its followers continue with the
    /// job.
    fn become_job(&mut self, facts: JobFacts, now_us: u64) {
        // What it is replaced with is not read.
        let table = std::mem::replace(&mut self.table, Table::starting_at(0, 0));
        let (is_dirty, text_revision) = (self.is_dirty, self.text_revision + 1);
        *self = JobRecord { is_dirty, text_revision, ..JobRecord::new(facts, table, now_us) };
    }

    /// An open job has more stages, or its stages read more.
    fn grow(&mut self, facts: JobFacts) {
        let (job, known) = (facts.row.id, self.stages.len());
        self.row.stages = facts.row.stages;
        let mut plans_bytes = self.stages.iter().map(|stage| stage.plan.len()).sum();
        for (index, facts) in (0..).zip(facts.stages) {
            match self.stages.get_mut(index as usize) {
                Some(stage) if stage.inputs == facts.inputs => continue,
                Some(stage) => stage.inputs = facts.inputs,
                None => {
                    let id = StageId { job, index };
                    let mut stage = StageRecord::new(id, facts, &mut plans_bytes);
                    // Its tasks are counted with the next figures.
                    stage.counters.tasks = TaskCounts::default();
                    self.stages.push(stage);
                }
            }
            self.touch(index);
        }
        self.text_revision += u64::from(self.stages.len() > known);
    }

    /// Its row as lists show it: long texts are cut.
    fn short_row(&self) -> JobRow {
        let text = cut(&self.row.text, JOB_TEXT_CHARS_MAX);
        JobRow { text, error: cut(&self.row.error, JOB_TEXT_CHARS_MAX), ..self.row.clone() }
    }

    pub(super) fn touch(&mut self, stage: u32) {
        if let Some(record) = self.stages.get_mut(stage as usize)
            && !record.is_dirty
        {
            record.is_dirty = true;
            self.dirty_stages.push(stage);
        }
    }

    fn count(&mut self, now_us: u64, new: StageCounters) {
        let Some(stage) = self.stages.get_mut(new.stage.index as usize) else { return };
        let old = std::mem::replace(&mut stage.counters, new);
        let new = &stage.counters;
        // A stage of an open job grows.
        stage.size = stage.size.max(new.tasks.total() as u32);
        if old == *new {
            return;
        }
        if old.tasks.done != new.tasks.done || old.tasks.running < new.tasks.running {
            self.moved_us = now_us;
        }
        let (tasks, rows, bytes) = &mut self.sums;
        for (sum, old, new) in [
            (&mut tasks.waiting, old.tasks.waiting, new.tasks.waiting),
            (&mut tasks.ready, old.tasks.ready, new.tasks.ready),
            (&mut tasks.running, old.tasks.running, new.tasks.running),
            (&mut tasks.done, old.tasks.done, new.tasks.done),
            (&mut tasks.failed, old.tasks.failed, new.tasks.failed),
            (rows, old.rows, new.rows),
            (bytes, old.bytes, new.bytes),
        ] {
            *sum = (*sum - old).saturating_add(new);
        }
        if !self.row.state.is_final() {
            (self.row.tasks, self.row.rows, self.row.bytes) = self.sums;
        }
        let index = new.stage.index;
        self.touch(index);
    }

    fn measure_texts(&mut self) -> usize {
        let plans: usize =
            self.stages.iter().map(|stage| stage.plan.len() + 32 * stage.inputs.len()).sum();
        let failures = self.failures.iter().map(|failure| failure.error.len() + 128);
        self.text_bytes = self.row.text.len()
            + self.row.error.len()
            + plans
            + operators::bytes(&self.operators)
            + failures.sum::<usize>();
        self.text_bytes
    }

    fn forget_texts(&mut self) -> usize {
        let short = self.short_row();
        (self.row.text, self.row.error) = (short.text, short.error);
        for stage in &mut self.stages {
            stage.plan = String::from("discarded: too many jobs were submitted since");
        }
        (self.operators, self.failures) = (Vec::new(), VecDeque::new());
        self.text_revision += 1;
        std::mem::take(&mut self.text_bytes)
    }
}

impl Model {
    pub(super) fn on_job(&mut self, facts: JobFacts) {
        let (id, now_us) = (facts.row.id, self.now_us);
        if let Some(record) = self.job_records.get_mut(&id) {
            match (record.row.state, facts.row.state) {
                (JobState::Planning, JobState::Planning) => return,
                (JobState::Planning, _) => record.become_job(facts, now_us),
                (before, _) if before.is_final() => return,
                _ => record.grow(facts),
            }
            self.touch_job(id);
            return;
        }
        let is_over = facts.row.state.is_final();
        let table = Table::starting_at(self.first_revision, self.limits.tombstones);
        self.job_records.insert(id, JobRecord::new(facts, table, self.now_us));
        self.touch_job(id);
        if is_over {
            self.keep_ended(id);
        }
    }

    pub(super) fn on_runs_again(&mut self, job: JobId, again: JobId) {
        if let Some(record) = self.job_records.get_mut(&job) {
            record.again = Some(again);
            record.text_revision += 1;
        }
        if let Some(record) = self.job_records.get_mut(&again) {
            record.text_revision += 1;
        }
    }

    pub(super) fn on_array(&mut self, facts: ArrayFacts) {
        let Some(record) = self.job_records.get_mut(&facts.job).filter(|_| facts.is_valid()) else {
            return;
        };
        // Persisted again, or told again in the middle of a journal.
        record.arrays.retain(|known| known.blocks != facts.blocks);
        if record.arrays.len() >= ARRAYS_MAX {
            record.arrays.pop_front();
        }
        record.arrays.push_back(facts);
        record.text_revision += 1;
    }

    pub(super) fn on_counters(&mut self, counters: Counters) {
        self.tasks_finished = self.tasks_finished.max(counters.tasks_finished);
        for figures in counters.jobs {
            self.count_job(figures);
        }
        for figures in counters.stages {
            let job = figures.stage.job;
            if let Some(record) = self.job_records.get_mut(&job) {
                record.count(self.now_us, figures);
                self.touch_job(job);
            }
        }
        for (worker, assigned, finished) in counters.workers {
            self.workers.edit(worker, |row| {
                let is_new = (row.assigned, row.finished) != (assigned, finished);
                (row.assigned, row.finished) = (assigned, finished);
                is_new
            });
        }
    }

    fn count_job(&mut self, figures: JobCounters) {
        let Some(record) = self.job_records.get_mut(&figures.job) else { return };
        let row = &mut record.row;
        if row.state.is_final() {
            return;
        }
        if row.delivered_rows != figures.delivered_rows || row.started_ms != figures.started_ms {
            record.moved_us = self.now_us;
        }
        // Its end comes with its last row.
        if !figures.state.is_final() {
            row.state = figures.state;
        }
        // A persisted result is complete: its job takes no more time, though it stays.
        if row.state == JobState::Persisted && row.ended_ms.is_none() {
            row.ended_ms = Some(self.now_us / 1000);
        }
        record.persisted = figures.persisted;
        row.started_ms = figures.started_ms;
        row.delivered_rows = figures.delivered_rows;
        row.retries = figures.retries;
        self.touch_job(figures.job);
    }

    pub(super) fn on_attempt(&mut self, end: &AttemptEnd) {
        let end = &self.with_length(end);
        self.spans.push(self.now_us, end);
        self.free_slot(end);
        if matches!(end.ending, Ending::Failed(_)) {
            self.attempts_failed += 1;
        }
        let (job, now_us) = (end.task.stage.job, self.now_us);
        let Some(record) = self.job_records.get_mut(&job) else { return };
        record.moved_us = now_us;
        let Some(stage) = record.stages.get_mut(end.task.stage.index as usize) else { return };
        if end.ending == Ending::Finished
            && let Some(worker) = self.worker_records.get_mut(&end.worker)
        {
            worker.pace.take(stage, end.busy_us);
            stage.paced_us.add((end.busy_us as f64 / worker.pace.slowness()) as u64);
        }
        stage.take(now_us, end);
        record.touch(end.task.stage.index);
        self.touch_job(job);
        match end.ending {
            Ending::Finished | Ending::Stopped => {}
            Ending::Failed(kind) => {
                self.keep_failure(end);
                self.note_failure(end, kind);
            }
            Ending::Lost => {
                self.keep_failure(end);
                self.keep_kill(end);
            }
        }
    }

    pub(super) fn on_job_ended(&mut self, row: JobRow, operators: Vec<Vec<OperatorRow>>) {
        let (id, now_us) = (row.id, self.now_us);
        if self.job_records.get(&id).is_some_and(|record| record.row.state.is_final()) {
            return;
        }
        self.note_end(&row);
        if row.state == JobState::Failed {
            self.keep_failed(&row);
        }
        if row.state == JobState::Done {
            self.learn_from(id);
        }
        let first_revision = self.first_revision;
        let tombstones = self.limits.tombstones;
        let record = self.job_records.entry(id).or_insert_with(|| {
            let table = Table::starting_at(first_revision, tombstones);
            JobRecord::new(JobFacts { row: row.clone(), stages: Vec::new() }, table, now_us)
        });
        let text = std::mem::take(&mut record.row.text);
        record.row = JobRow { text, ..row };
        if operators.iter().any(|rows| !rows.is_empty()) {
            record.operators = operators::cut(operators);
        }
        record.text_revision += 1;
        (record.kills, record.waits_since_us) = (BTreeMap::new(), None);
        record.estimates = Estimates::default();
        for index in 0..record.stages.len() as u32 {
            let stage = &mut record.stages[index as usize];
            // Nothing of it runs or is held any more, whatever was about to.
            let mut last = stage.counters.clone();
            let tasks = &mut last.tasks;
            tasks.waiting += std::mem::take(&mut tasks.running) + std::mem::take(&mut tasks.ready);
            (last.held, last.held_bytes) = (0, 0);
            stage.left = None;
            record.count(now_us, last);
            record.touch(index);
        }
        for worker in self.worker_records.values_mut() {
            worker.on_slots.retain(|on| on.task.stage.job != id);
        }
        self.slots_revision += 1;
        self.touch_job(id);
        self.keep_ended(id);
    }

    /// A job that is over is remembered among those, as long as there is room.
    fn keep_ended(&mut self, id: JobId) {
        if let Some(record) = self.job_records.get_mut(&id) {
            self.ended_stages += record.stages.len();
            self.text_bytes += record.measure_texts();
            self.ended.push_back(id);
        }
        self.forget_ended();
    }

    fn note_end(&mut self, row: &JobRow) {
        let (kind, level, word) = match row.state {
            JobState::Failed => (EventKind::JobFailed, Level::Error, "failed"),
            JobState::Cancelled => (EventKind::JobCancelled, Level::Warning, "was cancelled"),
            JobState::Planning
            | JobState::Queued
            | JobState::Running
            | JobState::Persisted
            | JobState::Done => return,
        };
        self.note(Happening {
            kind,
            level,
            text: format!("{} {word}: {}", row.id, row.error),
            reason: row.error.clone(),
            worker: None,
            job: Some(row.id),
            task: None,
        });
    }

    /// Forgets jobs that ended the longest ago, and texts of others, until all fits.
    fn forget_ended(&mut self) {
        let limits = self.limits;
        while self.ended.len() > limits.ended_jobs.max(1)
            || (self.ended_stages > limits.ended_stages && self.ended.len() > 1)
        {
            let Some(first) = self.ended.pop_front() else { return };
            self.jobs.remove(first);
            if let Some(record) = self.job_records.remove(&first) {
                self.ended_stages -= record.stages.len();
                self.text_bytes -= record.text_bytes;
            }
        }
        for id in &self.ended {
            if self.text_bytes <= limits.text_bytes {
                return;
            }
            let record = self.job_records.get_mut(id);
            if let Some(record) = record.filter(|record| record.text_bytes > 0) {
                self.text_bytes -= record.forget_texts();
            }
        }
    }

    pub(super) fn carry_stage(&mut self, id: StageId, figures: StageCarried) {
        let Some(record) = self.job_records.get_mut(&id.job) else { return };
        let Some(stage) = record.stages.get_mut(id.index as usize) else { return };
        stage.paced_us = figures.time_us.clone();
        stage.seen = figures;
        record.touch(id.index);
        self.touch_job(id.job);
    }

    pub(super) fn touch_job(&mut self, id: JobId) {
        if let Some(record) = self.job_records.get_mut(&id)
            && !record.is_dirty
        {
            record.is_dirty = true;
            self.dirty_jobs.push(id);
        }
    }

    /// Puts the rows of jobs and stages together that changed.
    pub(crate) fn settle(&mut self) {
        for id in std::mem::take(&mut self.dirty_jobs) {
            let Some(record) = self.job_records.get_mut(&id) else { continue };
            record.is_dirty = false;
            for index in std::mem::take(&mut record.dirty_stages) {
                if let Some(stage) = record.stages.get_mut(index as usize) {
                    stage.is_dirty = false;
                    record.table.set(index, stage.view());
                }
            }
            self.jobs.set(id, record.short_row());
        }
    }
}
