//! Workers: what is told of them.

use super::eta::Pace;
use super::{Model, push_bounded};
use crate::event::{AttemptEnd, Ending, Level};
use crate::events::Happening;
use crate::series::Standing;
use crate::view::{EventKind, Mark};
use partita_shared::ids::WorkerId;
use partita_shared::limits;
use partita_shared::message::{SlotTask, WorkerDetail, WorkerMetrics};
use partita_shared::model::{WorkerRow, WorkerState};
use std::collections::VecDeque;

/// A worker that measured the same as before is heard of again in its row only after this long, in
/// milliseconds: an idle cluster is not sent to every page twice a second.
const LAST_SEEN_STEP_MS: u64 = 2_000;

/// Workers whose log is remembered, over all pages that look at one.
const LOGS_MAX: usize = 64;

/// Bytes of the lines of the log of a worker that are remembered, whether someone looks at it or not.
const LOG_BYTES_MAX: usize = 8 << 10;

/// Details of a worker that was watched are forgotten after this long, in microseconds.
pub(crate) const DETAIL_AGE_US_MAX: u64 = 10_000_000;

/// What is known of a worker beside its row.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerRecord {
    /// Tasks on its slots, and when that was measured, in microseconds since the epoch.
    pub(crate) on_slots: Vec<SlotTask>,
    pub(crate) measured_us: u64,
    /// What was on its slots when it was lost.
    lost_slots: Vec<SlotTask>,
    /// Slots that attempts named, which may be more than it said it has.
    pub(crate) slots_seen: u32,
    /// How fast it is.
    pub(super) pace: Pace,
    /// Whether it had said that it would go.
    pub(crate) was_leaving: bool,
    /// When it ended.
    pub(crate) ended_ms: Option<u64>,
    /// What it told, and when, in microseconds since the epoch.
    pub(crate) detail: Option<(u64, WorkerDetail)>,
    /// The last lines of its log, as it sent them when they were written: what is left of a worker that died.
    pub(crate) log: VecDeque<String>,
    log_bytes: usize,
    /// Bytes that it read from others, by worker, in order.
    pub(crate) fetched_from: Vec<(WorkerId, u64)>,
}

impl WorkerRecord {
    fn add_log_line(&mut self, line: String) {
        self.log_bytes += line.len();
        self.log.push_back(line);
        while self.log_bytes > LOG_BYTES_MAX
            && let Some(first) = self.log.pop_front()
        {
            self.log_bytes -= first.len();
        }
    }

    /// The end of its log: what it told while someone looked, or the lines that it sent before it ended.
    pub(crate) fn log(&self) -> Vec<String> {
        let told = self.detail.as_ref().map(|(_, detail)| &detail.log);
        match told.filter(|log| self.ended_ms.is_none() && !log.is_empty()) {
            Some(log) => log.clone(),
            None => self.log.iter().cloned().collect(),
        }
    }
}

/// Whether a worker in this state is there.
pub(crate) fn is_there(state: WorkerState) -> bool {
    match state {
        WorkerState::Up | WorkerState::Leaving => true,
        WorkerState::Left | WorkerState::Lost => false,
    }
}

impl Model {
    pub(super) fn on_worker(&mut self, row: WorkerRow) {
        let id = row.id;
        if let Some(known) = self.workers.get(id) {
            let (was, cause) = (known.state, row.cause.clone());
            if was != row.state {
                self.on_worker_ended(id, row.state, cause);
            }
            if is_there(row.state) || !is_there(was) {
                self.workers.set(id, row);
            }
            return;
        }
        let standing = Standing { metrics: row.metrics, finished: row.finished };
        let joined_ms = row.joined_ms;
        let record = WorkerRecord {
            measured_us: self.now_us,
            was_leaving: row.state == WorkerState::Leaving,
            ended_ms: (!is_there(row.state)).then_some(row.last_seen_ms),
            ..WorkerRecord::default()
        };
        self.worker_records.insert(id, record);
        self.mark(joined_ms, EventKind::WorkerJoined, id);
        if is_there(row.state) {
            self.series.join(id, self.now_us, &standing);
            let text = format!("{} joined on {}", row.name, row.host);
            let happening = about(EventKind::WorkerJoined, Level::Info, id, text, "");
            self.workers.set(id, row);
            self.note(happening);
        } else {
            if row.state == WorkerState::Lost && !self.is_restoring {
                self.workers_lost += 1;
            }
            self.workers.set(id, row);
            self.is_gone(id);
        }
    }

    pub(super) fn on_measured(
        &mut self,
        worker: WorkerId,
        metrics: WorkerMetrics,
        mut on_slots: Vec<SlotTask>,
    ) {
        let (now_us, now_ms) = (self.now_us, self.now_ms());
        self.series.measured(worker, now_us, &metrics);
        let is_restoring = self.is_restoring;
        self.workers.edit(worker, |row| {
            if is_restoring {
                return false;
            }
            if row.metrics == metrics && now_ms.saturating_sub(row.last_seen_ms) < LAST_SEEN_STEP_MS
            {
                return false;
            }
            (row.metrics, row.last_seen_ms) = (metrics, now_ms);
            true
        });
        let Some(record) = self.worker_records.get_mut(&worker) else { return };
        if on_slots != record.on_slots || !on_slots.is_empty() {
            self.slots_revision += 1;
        }
        on_slots.truncate(limits::SLOT_TASKS_MAX);
        let seen = on_slots.iter().map(|task| u32::from(task.slot) + 1).max().unwrap_or(0);
        record.slots_seen = record.slots_seen.max(seen);
        (record.on_slots, record.measured_us) = (on_slots, now_us);
    }

    /// An attempt that was lost or stopped reports no time: it is that since the worker last said what
    /// was on its slots.
    pub(super) fn with_length(&self, end: &AttemptEnd) -> AttemptEnd {
        let mut end = end.clone();
        if end.busy_us > 0 || !matches!(end.ending, Ending::Lost | Ending::Stopped) {
            return end;
        }
        let Some(record) = self.worker_records.get(&end.worker) else { return end };
        let is_it = |on: &&SlotTask| on.task == end.task && on.attempt == end.attempt;
        if let Some(on) = record.on_slots.iter().chain(&record.lost_slots).find(is_it) {
            end.slot = on.slot;
            end.busy_us =
                on.since_us.saturating_add(self.now_us.saturating_sub(record.measured_us));
        }
        end
    }

    /// What ended on a slot is not on it any more, and neither is what was on it before that began.
    pub(super) fn free_slot(&mut self, end: &AttemptEnd) {
        let Some(record) = self.worker_records.get_mut(&end.worker) else { return };
        record.slots_seen = record.slots_seen.max(u32::from(end.slot) + 1);
        let (began_us, measured_us) = (self.now_us.saturating_sub(end.busy_us), record.measured_us);
        record.on_slots.retain(|on| {
            let is_it = on.task == end.task && on.attempt == end.attempt;
            let is_over =
                on.slot == end.slot && measured_us.saturating_sub(on.since_us) <= began_us;
            !is_it && !is_over
        });
    }

    pub(super) fn on_traffic(&mut self, worker: WorkerId, fetched_from: Vec<(WorkerId, u64)>) {
        let Some(record) = self.worker_records.get_mut(&worker) else { return };
        for (from, bytes) in fetched_from.into_iter().take(limits::TRAFFIC_PEERS_MAX) {
            match record.fetched_from.binary_search_by_key(&from, |(from, _)| *from) {
                Ok(at) => record.fetched_from[at].1 = bytes,
                Err(at) if self.traffic_pairs < self.limits.traffic_pairs => {
                    record.fetched_from.insert(at, (from, bytes));
                    self.traffic_pairs += 1;
                }
                Err(_) => {}
            }
        }
    }

    pub(super) fn on_detail(&mut self, worker: WorkerId, mut detail: WorkerDetail) {
        let now_us = self.now_us;
        detail.partitions.truncate(limits::DETAIL_PARTITIONS_MAX);
        detail.log.truncate(limits::DETAIL_LOG_LINES_MAX);
        let Some(record) = self.worker_records.get_mut(&worker) else { return };
        record.detail = Some((now_us, detail));
        // With every worker watched, logs would be most of what is remembered: the latest are kept.
        self.logs.retain(|id| *id != worker);
        self.logs.push_back(worker);
        if self.logs.len() > LOGS_MAX
            && let Some(oldest) = self.logs.pop_front()
            && let Some(record) = self.worker_records.get_mut(&oldest)
            && let Some((_, detail)) = &mut record.detail
        {
            detail.log = Vec::new();
        }
    }

    pub(super) fn on_log_lines(&mut self, worker: WorkerId, lines: Vec<String>) {
        let Some(record) = self.worker_records.get_mut(&worker) else { return };
        lines.into_iter().for_each(|line| record.add_log_line(line));
    }

    pub(super) fn on_worker_ended(&mut self, id: WorkerId, state: WorkerState, cause: String) {
        let Some(row) = self.workers.get(id) else { return };
        let (was, name) = (row.state, format!("{} on {}", row.name, row.host));
        if !is_there(state) {
            self.profiles.forget_worker(id);
        }
        self.workers.edit(id, |row| {
            let is_new = row.state != state || row.cause != cause;
            row.state = state;
            row.cause.clone_from(&cause);
            if !is_there(state) {
                row.assigned = 0;
            }
            is_new
        });
        let (kind, level, text) = match state {
            WorkerState::Up => return,
            WorkerState::Leaving => {
                if let Some(record) = self.worker_records.get_mut(&id) {
                    record.was_leaving = true;
                }
                if was == WorkerState::Up {
                    let text = format!("{name} is retiring: {cause}");
                    let reason = format!("is retiring: {cause}");
                    self.note(about(EventKind::Note, Level::Info, id, text, &reason));
                }
                return;
            }
            WorkerState::Left => {
                (EventKind::WorkerLeft, Level::Info, format!("{name} left: {cause}"))
            }
            WorkerState::Lost => {
                (EventKind::WorkerLost, Level::Error, format!("{name} was lost: {cause}"))
            }
        };
        if !is_there(was) {
            self.events.amend(id, &text);
            return;
        }
        if state == WorkerState::Lost && !self.is_restoring {
            self.workers_lost += 1;
        }
        let now_ms = self.now_ms();
        if let Some(record) = self.worker_records.get_mut(&id) {
            record.ended_ms = Some(now_ms);
            record.lost_slots = std::mem::take(&mut record.on_slots);
        }
        self.mark(now_ms, kind, id);
        self.note(about(kind, level, id, text, &cause));
        self.is_gone(id);
    }

    /// A worker is gone: if too many are remembered, the first is forgotten.
    fn is_gone(&mut self, id: WorkerId) {
        self.gone.push_back(id);
        while self.gone.len() > self.limits.gone_workers {
            let Some(first) = self.gone.pop_front() else { return };
            self.workers.remove(first);
            self.series.forget(first);
            if let Some(record) = self.worker_records.remove(&first) {
                self.traffic_pairs -= record.fetched_from.len();
            }
        }
    }

    fn mark(&mut self, at_ms: u64, kind: EventKind, worker: WorkerId) {
        self.slots_revision += 1;
        let at = self.marks.partition_point(|mark| mark.at_ms <= at_ms);
        let mark = Mark { at_ms, kind, worker };
        if at == self.marks.len() {
            push_bounded(&mut self.marks, mark);
        } else if self.marks.len() < super::MARKS_KEPT_MAX {
            self.marks.insert(at, mark);
        }
    }
}

fn about(kind: EventKind, level: Level, worker: WorkerId, text: String, reason: &str) -> Happening {
    let reason = reason.to_string();
    Happening { kind, level, text, reason, worker: Some(worker), job: None, task: None }
}
