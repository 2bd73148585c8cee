//! The state of a cluster: built only from [`Observation`]s, bounded, and shown to pages.
//!
//! Rows are put together when time passes, not with each observation: an attempt that ends costs
//! a place in a ring and a few additions.

mod call_texts;
mod eta;
mod failures;
mod jobs;
mod operators;
mod profiles;
mod snapshot;
mod tables;
mod tasks;
mod tick;
mod views;
mod workers;

use crate::event::{Carried, CoreFigures, Observation, SchedulerFacts, Seen, TableName};
use crate::events::{Events, Happening};
use crate::notices::Notices;
use crate::series::{Rate, Ring, Series};
use crate::spans::Spans;
use crate::table::{TOMBSTONES_MAX, Table};
use crate::view::{EventRow, Mark, Notice, StageView, TimelineView, TimelineWindow};
use call_texts::CallTexts;
pub(crate) use failures::FailedJob;
pub(crate) use jobs::{JobRecord, StageRecord};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::WorkerMetrics;
use partita_shared::model::{JobRow, WorkerRow};
use profiles::Profiles;
use std::collections::{BTreeMap, VecDeque};
pub(crate) use workers::WorkerRecord;

/// Workers that came and went, and times in which attempts were not seen, that are remembered.
const MARKS_KEPT_MAX: usize = 4_000;

/// The time over which rates are taken, in microseconds.
const RATE_US: u64 = 10_000_000;

/// The time over which the rate of finishing tasks is taken, in microseconds.
const TASK_RATE_US: u64 = 3_000_000;

/// How much a model remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Attempts that ended; each takes about 100 bytes.
    pub attempts: usize,
    /// Workers that are gone.
    pub gone_workers: usize,
    /// Jobs that ended.
    pub ended_jobs: usize,
    /// Stages of jobs that ended, over all of them.
    pub ended_stages: usize,
    /// Bytes of texts of jobs that ended: what was asked, plans, figures of operators, failures.
    pub text_bytes: usize,
    /// Events.
    pub events: usize,
    /// Points of workers' histories, over all workers; each takes about 90 bytes.
    pub worker_points: usize,
    /// Pairs of workers of which one read from the other.
    pub traffic_pairs: usize,
    /// Rows of each table that went and are remembered.
    pub tombstones: usize,
}

impl Default for ModelLimits {
    fn default() -> Self {
        ModelLimits {
            attempts: 200_000,
            gone_workers: 200,
            ended_jobs: 1_000,
            ended_stages: 20_000,
            text_bytes: 64 << 20,
            events: 2_000,
            worker_points: 400_000,
            traffic_pairs: 1_000_000,
            tombstones: TOMBSTONES_MAX,
        }
    }
}

/// What the core does in a second.
#[derive(Clone, Debug)]
pub(crate) struct CoreRates {
    busy_us: Rate,
    events: Rate,
    messages: Rate,
    bytes: Rate,
}

/// What is known of a cluster.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) limits: ModelLimits,
    pub(crate) now_us: u64,
    /// Whether the events are replayed, and must not be recorded as new.
    is_restoring: bool,
    /// Where the revisions of new tables begin.
    first_revision: u64,
    pub(crate) facts: SchedulerFacts,
    pub(crate) workers: Table<WorkerId, WorkerRow>,
    pub(crate) worker_records: BTreeMap<WorkerId, WorkerRecord>,
    /// Workers that are gone, the first first.
    gone: VecDeque<WorkerId>,
    traffic_pairs: usize,
    /// Workers whose log is remembered, the one that told it first first.
    logs: VecDeque<WorkerId>,
    /// What calls of functions printed, and how they failed.
    call_texts: CallTexts,
    /// Where calls spend their time.
    profiles: Profiles,
    pub(crate) jobs: Table<JobId, JobRow>,
    pub(crate) job_records: BTreeMap<JobId, JobRecord>,
    /// Jobs that ended, the first first.
    ended: VecDeque<JobId>,
    ended_stages: usize,
    text_bytes: usize,
    dirty_jobs: Vec<JobId>,
    pub(crate) events: Events,
    notices: Notices,
    spans: Spans,
    /// Changes with what timelines show beside attempts that ended.
    slots_revision: u64,
    /// From, to (milliseconds since the epoch), how many observations.
    pub(crate) gaps: VecDeque<(u64, u64, u64)>,
    marks: VecDeque<Mark>,
    series: Series,
    pub(crate) core: CoreFigures,
    core_rates: CoreRates,
    /// What stages cost, for estimates.
    costs: eta::Costs,
    tasks_finished: u64,
    task_rate: Rate,
    workers_lost: u32,
    attempts_failed: u64,
    jobs_failed: u64,
    /// Jobs that failed of late, the first first.
    pub(crate) failed_jobs: VecDeque<FailedJob>,
    table_names: Vec<TableName>,
    dropped: u64,
    /// Those of them that gaps told of.
    dropped_in_gaps: u64,
    browsers: u32,
    journal: Option<String>,
    journal_bytes: u64,
    /// The second in which notices were last looked for.
    looked_s: u64,
    /// Timelines that were drawn at this moment: several pages may want the same.
    drawn: Vec<(TimelineWindow, TimelineView)>,
    drawn_at: (u64, (u64, u64)),
}

impl Default for Model {
    fn default() -> Self {
        Model::new()
    }
}

impl Model {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Model::with_limits(ModelLimits::default())
    }

    /// Knows nothing yet, and will not remember more than this.
    pub fn with_limits(limits: ModelLimits) -> Self {
        Model::starting_at(limits, 1)
    }

    fn starting_at(limits: ModelLimits, first_revision: u64) -> Self {
        let rate = || Rate::over(RATE_US);
        Model {
            limits,
            now_us: 0,
            is_restoring: false,
            first_revision,
            facts: SchedulerFacts::default(),
            workers: Table::starting_at(first_revision, limits.tombstones),
            worker_records: BTreeMap::new(),
            gone: VecDeque::new(),
            traffic_pairs: 0,
            logs: VecDeque::new(),
            call_texts: CallTexts::default(),
            profiles: Profiles::default(),
            jobs: Table::starting_at(first_revision, limits.tombstones),
            job_records: BTreeMap::new(),
            ended: VecDeque::new(),
            ended_stages: 0,
            text_bytes: 0,
            dirty_jobs: Vec::new(),
            events: Events::new(
                limits.events,
                Table::starting_at(first_revision, limits.tombstones),
            ),
            notices: Notices::default(),
            spans: Spans::new(limits.attempts),
            slots_revision: 0,
            gaps: VecDeque::new(),
            marks: VecDeque::new(),
            series: Series::new(limits.worker_points),
            core: CoreFigures::default(),
            core_rates: CoreRates {
                busy_us: rate(),
                events: rate(),
                messages: rate(),
                bytes: rate(),
            },
            costs: eta::Costs::default(),
            tasks_finished: 0,
            task_rate: Rate::over(TASK_RATE_US),
            workers_lost: 0,
            attempts_failed: 0,
            jobs_failed: 0,
            failed_jobs: VecDeque::new(),
            table_names: Vec::new(),
            dropped: 0,
            dropped_in_gaps: 0,
            browsers: 0,
            journal: None,
            journal_bytes: 0,
            looked_s: 0,
            drawn: Vec::new(),
            drawn_at: (0, (0, 0)),
        }
    }

    /// Takes something that was seen.
    pub fn apply(&mut self, seen: Seen) {
        let before_us = self.now_us;
        self.now_us = self.now_us.max(seen.at_us);
        self.turn_second();
        match seen.what {
            Observation::Started(facts) => self.on_started(*facts),
            Observation::Worker(row) => self.on_worker(*row),
            Observation::Measured { worker, metrics, on_slots } => {
                self.on_measured(worker, metrics, on_slots);
            }
            Observation::Traffic { worker, fetched_from } => self.on_traffic(worker, fetched_from),
            Observation::Detail { worker, detail } => self.on_detail(worker, detail),
            Observation::WorkerEnded { worker, state, cause } => {
                self.on_worker_ended(worker, state, cause);
            }
            Observation::Job(facts) => self.on_job(*facts),
            Observation::Counters(counters) => self.on_counters(*counters),
            Observation::CallTexts(texts) => self.call_texts.add(texts),
            Observation::Samples { worker, samples } => self.profiles.add(worker, samples),
            Observation::Attempt(end) => self.on_attempt(&end),
            Observation::Operators(told) => self.on_operators(told),
            Observation::LogLines { worker, lines } => self.on_log_lines(worker, lines),
            Observation::JobEnded { row, operators } => self.on_job_ended(*row, operators),
            Observation::Note(note) => self.note(Happening::from(*note)),
            Observation::Core(figures) => self.on_core(*figures),
            Observation::Gap { dropped } => self.on_gap(before_us, dropped),
            Observation::Carried(carried) => self.on_carried(*carried),
            Observation::Tables(names) => self.on_tables(names),
            Observation::Array(facts) => self.on_array(*facts),
            Observation::RunsAgain { job, again } => self.on_runs_again(job, again),
        }
    }

    /// A journal goes on in several files, each of which begins with this: only another scheduler
    /// makes everything new.
    fn on_started(&mut self, facts: SchedulerFacts) {
        let is_other = self.facts != SchedulerFacts::default()
            && (self.facts.started_ms, self.facts.pid) != (facts.started_ms, facts.pid);
        if is_other {
            // Far above every revision that any table of this model can have reached.
            let mut new = Model::starting_at(self.limits, self.first_revision + (1 << 40));
            new.now_us = self.now_us;
            new.browsers = self.browsers;
            (new.journal, new.journal_bytes) = (self.journal.take(), self.journal_bytes);
            *self = new;
        }
        self.facts = facts;
    }

    fn on_core(&mut self, figures: CoreFigures) {
        let now = self.now_us;
        self.core_rates.busy_us.sample(now, figures.busy_us);
        self.core_rates.events.sample(now, figures.events);
        self.core_rates.messages.sample(now, figures.messages_in + figures.messages_out);
        self.core_rates.bytes.sample(now, figures.bytes_in + figures.bytes_out);
        self.dropped = self.dropped.max(figures.dropped);
        self.core = figures;
    }

    fn on_gap(&mut self, before_us: u64, dropped: u64) {
        let (from, to) = (before_us / 1000, self.now_ms());
        self.slots_revision += 1;
        self.dropped_in_gaps += dropped;
        self.dropped = self.dropped.max(self.dropped_in_gaps);
        let joins = |last: &&mut (u64, u64, u64)| last.1 >= from;
        match self.gaps.back_mut().filter(joins) {
            Some(last) => *last = (last.0, to, last.2 + dropped),
            None => push_bounded(&mut self.gaps, (from, to, dropped)),
        }
    }

    fn on_carried(&mut self, carried: Carried) {
        match carried {
            Carried::Begin { workers_lost, attempts_failed, dropped } => {
                self.is_restoring = true;
                self.workers_lost = self.workers_lost.max(workers_lost);
                self.attempts_failed = self.attempts_failed.max(attempts_failed);
                self.dropped = self.dropped.max(dropped);
                self.dropped_in_gaps = self.dropped_in_gaps.max(dropped);
                // In the middle of a journal all of it is known, and so are the attempts before.
                if self.spans.is_empty() {
                    self.spans.forget_before(self.now_us);
                }
            }
            Carried::WorkerEnded { worker, at_ms } => {
                if let Some(record) = self.worker_records.get_mut(&worker) {
                    record.ended_ms = Some(at_ms);
                }
            }
            Carried::Stage { stage, figures } => self.carry_stage(stage, figures),
            Carried::Failure(failure) => self.carry_failure(failure),
            Carried::Event { row, reason } => self.events.restore(row, &reason),
            Carried::End => {
                self.is_restoring = false;
                self.series.begin(self.tasks_finished);
            }
        }
    }

    /// Notes something that happened, unless it is told from before.
    fn note(&mut self, happening: Happening) {
        if !self.is_restoring {
            self.events.add(self.now_us / 1000, happening);
        }
    }

    /// Ends a second, if one is over.
    fn turn_second(&mut self) {
        if !self.series.is_over(self.now_us) {
            return;
        }
        let there = self.workers.iter().filter(|(_, row)| workers::is_there(row.state)).map(
            |(id, row): (WorkerId, &WorkerRow)| -> (WorkerId, &WorkerMetrics, u64) {
                (id, &row.metrics, row.finished)
            },
        );
        self.series.turn(self.now_us, self.tasks_finished, there);
    }

    /// How many browsers follow.
    pub fn set_audience(&mut self, browsers: u32) {
        self.browsers = browsers;
    }

    /// Where the journal is written, if it is, and its bytes so far.
    pub fn set_journal(&mut self, path: Option<String>, bytes: u64) {
        (self.journal, self.journal_bytes) = (path, bytes);
    }

    /// The moment that is shown, in milliseconds since the epoch on the scheduler's clock.
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// The cluster's name; empty until the scheduler's facts are known.
    pub fn cluster_name(&self) -> &str {
        &self.facts.cluster
    }

    /// The connected workers, and the latest of the disconnected ones.
    pub fn workers(&self) -> &Table<WorkerId, WorkerRow> {
        &self.workers
    }

    /// The jobs that have not ended, and the latest of those that have, as lists show them.
    pub fn jobs(&self) -> &Table<JobId, JobRow> {
        &self.jobs
    }

    /// The stages of a job, if it is remembered.
    pub fn stages(&self, job: JobId) -> Option<&Table<u32, StageView>> {
        self.job_records.get(&job).map(|record| &record.table)
    }

    /// What happened.
    pub fn events(&self) -> &Table<u32, EventRow> {
        self.events.rows()
    }

    /// What needs attention, what matters most first.
    pub fn notices(&self) -> &[Notice] {
        self.notices.list()
    }

    /// The cluster's last ten minutes.
    pub fn history(&self) -> &Ring {
        self.series.cluster()
    }

    /// A worker's last ten minutes, if it is remembered.
    pub fn worker_history(&self, worker: WorkerId) -> Option<&Ring> {
        self.series.worker(worker)
    }
}

/// Puts something at the end of a list of marks or gaps, and forgets the first if it is full.
fn push_bounded<T>(list: &mut VecDeque<T>, new: T) {
    if list.len() >= MARKS_KEPT_MAX {
        list.pop_front();
    }
    list.push_back(new);
}
