//! What pages show beside rows: made when one wants it.

use super::Model;
use super::workers::is_there;
use crate::timeline::{self, Frame, LANES_MAX, Slot};
use crate::view::{
    ClusterView, DATA_STAGES_MAX, DataView, HOSTS_MAX, JobView, MARKS_MAX, Mark, PartitionView,
    RECENT_MAX, SchedulerView, StageData, StageText, TimelineView, TimelineWindow, WorkerView,
    is_under_way,
};
use partita_shared::ids::{JobId, StageId, WorkerId};
use partita_shared::message::SlotTask;
use partita_shared::model::{ClusterRow, WorkerRow};
use std::collections::HashMap;

/// Partitions that the data page lists.
const LARGEST_MAX: usize = 100;

/// Timelines that are kept for other pages until time passes.
const DRAWN_MAX: usize = 8;

impl Model {
    /// A summary of the cluster.
    pub fn cluster(&self) -> ClusterView {
        let facts = &self.facts;
        let mut row = ClusterRow {
            name: facts.cluster.clone(),
            version: facts.version.clone(),
            address: facts.address.clone(),
            started_ms: facts.started_ms,
            workers_lost: self.workers_lost,
            tasks_finished: self.tasks_finished,
            ..ClusterRow::default()
        };
        let mut view = ClusterView {
            tasks_per_s: self.task_rate.per_s() as f32,
            attempts_failed: self.attempts_failed,
            jobs_failed: self.jobs_failed,
            journal: self.journal.clone(),
            left: self.left(),
            jobs_left: self.jobs_left(),
            browsers: self.browsers,
            dropped: self.dropped,
            event_p99_ns: self.core.event_p99_ns,
            ..ClusterView::default()
        };
        for (_, worker) in self.workers.iter().filter(|(_, worker)| is_there(worker.state)) {
            let metrics = &worker.metrics;
            row.workers += 1;
            row.slots = row.slots.saturating_add(worker.slots);
            row.memory_limit_bytes += worker.memory_limit_bytes;
            row.reserved_bytes = row.reserved_bytes.saturating_add(metrics.reserved_bytes);
            row.stored_bytes = row.stored_bytes.saturating_add(metrics.stored_bytes);
            row.spilled_bytes = row.spilled_bytes.saturating_add(metrics.spilled_bytes);
            view.spilled_partitions += u64::from(metrics.spilled_partitions);
            view.cpu_milli += u64::from(metrics.cpu_milli);
            view.resident_bytes = view.resident_bytes.saturating_add(metrics.resident_bytes);
        }
        let live = self.job_records.values().filter(|record| is_under_way(record.row.state));
        for record in live {
            row.jobs_live += 1;
            row.tasks.add(&record.row.tasks);
        }
        ClusterView { row, ..view }
    }

    /// The long texts of a job, if it is remembered.
    pub fn job_view(&self, job: JobId) -> Option<JobView> {
        let record = self.job_records.get(&job)?;
        let text = |stage: &super::StageRecord| StageText {
            name: stage.name.clone(),
            plan: stage.plan.clone(),
            inputs: stage.inputs.clone(),
        };
        Some(JobView {
            id: job,
            text: record.row.text.clone(),
            error: record.row.error.clone(),
            stages: record.stages.iter().map(text).collect(),
            operators: record.operators.clone(),
            failures: record.failures.iter().cloned().collect(),
            arrays: record.arrays.iter().rev().cloned().collect(),
            again_for: self.first_run(job),
            again_as: record.again,
        })
    }

    /// The job whose statement a job runs again.
    fn first_run(&self, job: JobId) -> Option<JobId> {
        let mut earlier = self.job_records.range(..job).rev();
        earlier.find(|(_, record)| record.again == Some(job)).map(|(id, _)| *id)
    }

    /// Changes with what [`Model::job_view`] gives.
    pub(crate) fn job_view_revision(&self, job: JobId) -> (u64, u64) {
        let revision = self.job_records.get(&job).map_or(0, |record| record.text_revision);
        (self.first_revision, revision)
    }

    /// A worker's page, if it is remembered.
    pub fn worker_view(&self, worker: WorkerId) -> Option<WorkerView> {
        let row = self.workers.get(worker)?;
        let record = self.worker_records.get(&worker)?;
        let detail = record.detail.as_ref().map(|(_, detail)| detail);
        let before = self.gone.iter().rev().filter_map(|id| {
            let gone = self.workers.get(*id).filter(|gone| gone.name == row.name)?;
            let ended_ms = self.worker_records.get(id)?.ended_ms?;
            (*id < worker).then(|| (*id, ended_ms, gone.cause.clone()))
        });
        Some(WorkerView {
            id: worker,
            on_slots: record.on_slots.clone(),
            recent: self.spans.recent(worker, row.slots.max(record.slots_seen), RECENT_MAX),
            is_told: detail.is_some(),
            partitions: detail.map(|detail| partitions(worker, detail)).unwrap_or_default(),
            log: record.log(),
            before: before.collect(),
        })
    }

    /// Where the memory goes.
    pub fn data_view(&self) -> DataView {
        let mut told: HashMap<StageId, (u32, u64, u64)> = HashMap::new();
        let all = self.worker_records.values().filter_map(|record| record.detail.as_ref());
        for (task, memory_bytes, disk_bytes) in all.flat_map(|(_, detail)| &detail.partitions) {
            let (count, memory, disk) = told.entry(task.stage).or_default();
            *count += 1;
            *memory = memory.saturating_add(*memory_bytes);
            *disk = disk.saturating_add(*disk_bytes);
        }
        let mut stages: Vec<StageData> = Vec::new();
        for record in self.job_records.values().filter(|record| !record.row.state.is_final()) {
            // What a mirror stands for is counted where it is: with the table.
            let own = record.stages.iter().filter(|stage| stage.source.is_none());
            for stage in own.filter(|stage| stage.counters.held > 0) {
                let held = &stage.counters;
                // A worker tells of its largest partitions: the split is known if that is all.
                let split = told.get(&held.stage).filter(|(count, ..)| *count >= held.held);
                stages.push(StageData {
                    id: held.stage,
                    name: stage.name.clone(),
                    partitions: held.held,
                    bytes: held.held_bytes,
                    split: split.map(|(_, memory, disk)| (*memory, *disk)),
                });
            }
        }
        stages.sort_by_key(|stage| (std::cmp::Reverse(stage.bytes), stage.id));
        stages.truncate(DATA_STAGES_MAX);
        let details = self.worker_records.iter().filter_map(|(id, record)| {
            record.detail.as_ref().map(|(_, detail)| partitions(*id, detail))
        });
        let mut largest: Vec<PartitionView> = details.flatten().collect();
        let size = |of: &PartitionView| of.memory_bytes.saturating_add(of.disk_bytes);
        largest.sort_by_key(|of| (std::cmp::Reverse(size(of)), of.task, of.worker));
        largest.truncate(LARGEST_MAX);
        let (hosts, transfers) = self.transfers();
        let is_told = self.worker_records.values().any(|record| record.detail.is_some());
        DataView { stages, is_told, largest, hosts, transfers }
    }

    /// The hosts with the most traffic, by name, and what each read from each.
    fn transfers(&self) -> (Vec<String>, Vec<u64>) {
        let host = |id: &WorkerId| self.workers.get(*id).map(|row| row.host.as_str());
        let pairs = || {
            self.worker_records.iter().flat_map(move |(to, record)| {
                let to = host(to);
                record
                    .fetched_from
                    .iter()
                    .filter_map(move |(from, bytes)| Some((host(from)?, to?, *bytes)))
            })
        };
        let mut traffic: HashMap<&str, u64> = HashMap::new();
        for (from, to, bytes) in pairs() {
            for end in [from, to] {
                let sum = traffic.entry(end).or_default();
                *sum = sum.saturating_add(bytes);
            }
        }
        let mut busiest: Vec<(&str, u64)> = traffic.into_iter().collect();
        busiest.sort_by_key(|(host, bytes)| (std::cmp::Reverse(*bytes), *host));
        busiest.truncate(HOSTS_MAX);
        busiest.sort_by_key(|(host, _)| *host);
        let place: HashMap<&str, usize> =
            busiest.iter().enumerate().map(|(at, (host, _))| (*host, at)).collect();
        let mut transfers = vec![0_u64; busiest.len() * busiest.len()];
        for (from, to, bytes) in pairs() {
            if let (Some(row), Some(column)) = (place.get(from), place.get(to)) {
                let cell = &mut transfers[row * busiest.len() + column];
                *cell = cell.saturating_add(bytes);
            }
        }
        (busiest.into_iter().map(|(host, _)| host.to_string()).collect(), transfers)
    }

    /// The scheduler's page.
    pub fn scheduler_view(&self) -> SchedulerView {
        let rates = &self.core_rates;
        SchedulerView {
            facts: self.facts.clone(),
            core: self.core.clone(),
            core_milli: self.core_milli(),
            events_per_s: rates.events.per_s() as f32,
            messages_per_s: rates.messages.per_s() as f32,
            bytes_per_s: rates.bytes.per_s() as f32,
            browsers: self.browsers,
            journal: self.journal.clone(),
            journal_bytes: self.journal_bytes,
        }
    }

    /// The share of a processor that the core takes, in thousandths.
    pub(crate) fn core_milli(&self) -> u32 {
        (self.core_rates.busy_us.per_s() / 1000.0) as u32
    }

    /// Changes with what a timeline of the past shows.
    pub(crate) fn timeline_revision(&self) -> (u64, u64) {
        (self.spans.pushed(), self.slots_revision)
    }

    /// The same as [`Model::timeline`], drawn once for all pages that want it at this moment.
    pub(crate) fn timeline_shared(&mut self, window: &TimelineWindow) -> TimelineView {
        let moment = (self.now_us, self.timeline_revision());
        if self.drawn_at != moment {
            self.drawn.clear();
            self.drawn_at = moment;
        }
        if let Some((_, view)) = self.drawn.iter().find(|(drawn, _)| drawn == window) {
            return view.clone();
        }
        let view = self.timeline(window);
        if self.drawn.len() < DRAWN_MAX {
            self.drawn.push((*window, view.clone()));
        }
        view
    }

    /// Bars of slots over time. Lanes are in the order of the workers' numbers; workers that are
    /// gone have lanes if they were connected in the window.
    pub fn timeline(&self, window: &TimelineWindow) -> TimelineView {
        let frame = Frame::new(window, self.now_ms());
        let (from_ms, to_ms) = (frame.from_us / 1000, frame.to_us / 1000);
        let mut view = TimelineView {
            from_ms,
            to_ms,
            first_lane: window.first_lane,
            marks: self.marks_between(from_ms, to_ms),
            gaps: self.gaps_between(from_ms, to_ms),
            oldest_ms: self.spans.forgotten_us().map_or(self.facts.started_ms, |us| us / 1000),
            ..TimelineView::default()
        };
        let first = u64::from(window.first_lane);
        let last = first + u64::from(window.lanes.min(LANES_MAX));
        let (mut total, mut slots) = (0_u64, Vec::new());
        for (id, row) in self.workers.iter() {
            let Some(record) = self.worker_records.get(&id) else { continue };
            if record.ended_ms.is_some_and(|ended| ended < from_ms) || row.joined_ms > to_ms {
                continue;
            }
            let before = total;
            total += u64::from(row.slots.max(record.slots_seen).min(u32::from(u16::MAX) + 1));
            for lane in before.max(first)..total.min(last) {
                let slot = u16::try_from(lane - before).unwrap_or(u16::MAX);
                slots.push(slot_of(row, slot, &record.on_slots, record.measured_us));
            }
        }
        view.lanes_total = u32::try_from(total).unwrap_or(u32::MAX);
        (view.lanes, view.exact) = timeline::draw(&self.spans, slots, &frame, self.now_us);
        view
    }

    /// The latest marks of a time.
    fn marks_between(&self, from_ms: u64, to_ms: u64) -> Vec<Mark> {
        let to = self.marks.partition_point(|mark| mark.at_ms <= to_ms);
        let from = self.marks.partition_point(|mark| mark.at_ms < from_ms);
        let from = from.max(to.saturating_sub(MARKS_MAX)).min(to);
        self.marks.range(from..to).cloned().collect()
    }

    /// The latest gaps of a time.
    fn gaps_between(&self, from_ms: u64, to_ms: u64) -> Vec<(u64, u64, u64)> {
        let overlaps = |gap: &&(u64, u64, u64)| gap.1 >= from_ms && gap.0 <= to_ms;
        let mut gaps: Vec<_> =
            self.gaps.iter().rev().filter(overlaps).take(MARKS_MAX).copied().collect();
        gaps.reverse();
        gaps
    }
}

fn slot_of(row: &WorkerRow, slot: u16, on_slots: &[SlotTask], measured_us: u64) -> Slot {
    let running = on_slots.iter().find(|on| on.slot == slot);
    Slot {
        lane: timeline::lane(row.id, &row.name, &row.host, slot, is_there(row.state)),
        running: running.map(|on| (*on, measured_us.saturating_sub(on.since_us))),
    }
}

fn partitions(
    worker: WorkerId,
    detail: &partita_shared::message::WorkerDetail,
) -> Vec<PartitionView> {
    let view = |(task, memory_bytes, disk_bytes): &(_, u64, u64)| PartitionView {
        task: *task,
        worker,
        memory_bytes: *memory_bytes,
        disk_bytes: *disk_bytes,
    };
    detail.partitions.iter().map(view).collect()
}
