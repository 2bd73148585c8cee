//! Queries that the caller asks of the core.

use crate::event::{Origin, Requirement};
use crate::state::{Core, Job, Task, Worker, task_id};
use crate::transfers::is_moving;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::message::Holder;
use partita_shared::model::{
    ClusterRow, JobRow, OperatorRow, StageRow, TaskCounts, TaskRow, TaskState, WorkerRow,
    WorkerState,
};
use std::collections::BTreeSet;

/// How many tasks are in a state.
fn count_of(counts: &TaskCounts, state: TaskState) -> u64 {
    match state {
        TaskState::Waiting => counts.waiting,
        TaskState::Ready => counts.ready,
        TaskState::Running => counts.running,
        TaskState::Done => counts.done,
        TaskState::Failed => counts.failed,
    }
}

impl Core {
    /// A summary of the cluster. The caller fills in the address and the start.
    pub fn cluster(&self) -> ClusterRow {
        let mut row = ClusterRow {
            name: self.options.cluster.clone(),
            version: partita_shared::VERSION.to_string(),
            workers: self.workers.len() as u32,
            workers_lost: self.workers_lost,
            jobs_live: (self.jobs.len() + self.planning.len()) as u32,
            tasks_finished: self.tasks_finished,
            ..ClusterRow::default()
        };
        for worker in self.workers.values() {
            row.slots += worker.slots();
            row.memory_limit_bytes += worker.registration.memory_limit_bytes;
            row.reserved_bytes += worker.metrics.reserved_bytes;
            row.stored_bytes += worker.metrics.stored_bytes;
            row.spilled_bytes += worker.metrics.spilled_bytes;
        }
        self.jobs.values().for_each(|job| row.tasks.add(&job.counts()));
        row
    }

    /// The number of workers that take tasks.
    pub fn workers_up(&self) -> u32 {
        self.by_load.len() as u32
    }

    /// Slots of the workers that take tasks, and the smallest memory limit for one slot, in bytes.
    pub fn capacity(&self) -> (u32, u64) {
        let up = self.by_load.iter().filter_map(|(_, id)| self.workers.get(id));
        let share = |w: &Worker| w.registration.memory_limit_bytes / u64::from(w.slots());
        (up.clone().map(Worker::slots).sum(), up.map(share).min().unwrap_or(0))
    }

    /// Whether a worker is retiring, by its own announcement or on request.
    pub fn is_leaving(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|w| w.leaving.is_some() || w.dismissed)
    }

    /// The state of a worker, if it is remembered.
    pub fn worker_state(&self, id: WorkerId) -> Option<WorkerState> {
        let gone = || self.gone.iter().find(|row| row.id == id).map(|row| row.state);
        self.workers.get(&id).map(|worker| worker.row(id).state).or_else(gone)
    }

    /// Where the data port of a connected worker is.
    pub fn data_address(&self, worker: WorkerId) -> Option<&Endpoint> {
        self.workers.get(&worker).map(|w| &w.registration.data_address)
    }

    /// The holder of a task's output in a job, and its bytes in memory, if it has at least `bytes_min`.
    pub fn large_result(&self, task: TaskId, bytes_min: u64) -> Option<(Holder, u64)> {
        let job = self.jobs.get(&task.stage.job)?;
        let found = job.stages.get(task.stage.index as usize)?.tasks.get(task.index as usize)?;
        let holder = found.holder().filter(|_| found.bytes >= bytes_min)?;
        Some((holder, found.bytes))
    }

    /// Where the data ports are of the workers that stay and meet a requirement, by their numbers.
    pub fn data_addresses(&self, requirement: &Requirement) -> Vec<Endpoint> {
        let takes = |(id, worker): &(&WorkerId, &Worker)| {
            worker.leaving.is_none() && requirement.is_met_by(**id, worker)
        };
        let found = self.workers.iter().filter(takes);
        found.map(|(_, worker)| worker.registration.data_address.clone()).collect()
    }

    /// Where the data port at `host:port` is, if it is of a connected worker.
    pub fn endpoint_of(&self, address: &str) -> Option<&Endpoint> {
        let mut all = self.workers.values().map(|worker| &worker.registration.data_address);
        all.find(|endpoint| endpoint.address == address)
    }

    /// Bytes of a result partition, in memory.
    pub fn result_bytes(&self, job: JobId, index: u32) -> Option<u64> {
        let job = self.jobs.get(&job)?;
        Some(job.stages.last()?.tasks.get(index as usize)?.bytes)
    }

    /// The jobs whose complete results are persisted and not released.
    pub fn persisted_jobs(&self) -> BTreeSet<JobId> {
        let persisted =
            |(_, job): &(&JobId, &Job)| job.persisted.complete && !job.persisted.released;
        self.jobs.iter().filter(persisted).map(|(id, _)| *id).collect()
    }

    /// Rows and bytes, in memory, of each partition of a persisted result.
    pub fn persisted_partitions(&self, id: JobId) -> Option<Vec<(u64, u64)>> {
        let job = self.jobs.get(&id).filter(|job| job.persisted.complete)?;
        let tasks = &job.stages[job.result()].tasks;
        Some(tasks.iter().map(|task| (task.rows, task.bytes)).collect())
    }

    /// The task and the holder of each partition of a persisted result; none where it is not held.
    pub fn persisted_locations(&self, id: JobId) -> Option<Vec<(TaskId, Option<Holder>)>> {
        let job = self.jobs.get(&id).filter(|job| job.persisted.complete)?;
        let result = job.result();
        let place =
            |(index, task): (u32, &Task)| (task_id(id, result as u32, index), task.holder());
        Some((0..).zip(&job.stages[result].tasks).map(place).collect())
    }

    /// Partitions of a persisted result that no worker holds, and whether all of them can be
    /// recomputed: uploaded ones cannot.
    pub fn lost_partitions(&self, id: JobId) -> (u32, bool) {
        let missing = |job: &Job| {
            job.stages[job.result()].tasks.iter().filter(|task| task.holder().is_none()).count()
        };
        let lost = self.jobs.get(&id).map_or(0, missing);
        let mut can_recompute = true;
        let (mut open, mut seen) = (vec![id], BTreeSet::new());
        while let Some(id) = open.pop() {
            let Some(job) = self.jobs.get(&id).filter(|job| missing(job) > 0) else { continue };
            if seen.insert(id) {
                can_recompute &= job.stages[job.result()].origin != Origin::Upload;
                open.extend(job.sources().into_iter().map(|(_, source)| source));
            }
        }
        (lost as u32, can_recompute)
    }

    /// The workers that hold the output of a task, the one from which it is read first.
    pub fn holders(&self, task: TaskId) -> Vec<WorkerId> {
        let Some(job) = self.jobs.get(&task.stage.job) else { return Vec::new() };
        let key = (task.stage.index, task.index);
        job.holder(key).map(|holder| holder.worker).into_iter().chain(job.others(key)).collect()
    }

    /// Whether the output of a task has the replicas that it shall have, and the holder, as far as workers can take
    /// them now. Of one that is being recomputed, they are still to come.
    pub fn is_arranged(&self, task: TaskId) -> bool {
        let Some(job) = self.jobs.get(&task.stage.job) else { return true };
        let key = (task.stage.index, task.index);
        let stage = job.stages.get(task.stage.index as usize);
        let Some(found) = stage.and_then(|stage| stage.tasks.get(task.index as usize)) else {
            return true;
        };
        match found.holder() {
            None => found.is_settled() || !job.replica_goals.contains_key(&key),
            Some(_) => !self.due.contains_key(&task) && !is_moving(self, task),
        }
    }

    /// Whether all partitions of a persisted result have the replicas that they shall have, as far as workers can take
    /// them now.
    pub fn has_replicas(&self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id) else { return false };
        let result = job.result();
        let tasks = (0..job.stages[result].tasks.len() as u32).rev();
        tasks.map(|index| task_id(id, result as u32, index)).all(|task| self.is_arranged(task))
    }

    /// Available partitions of a result that is to be persisted and is not complete, and its number
    /// of partitions.
    pub fn persisted_so_far(&self, id: JobId) -> Option<(u32, u32)> {
        let job = self.jobs.get(&id).filter(|job| job.spec.persist)?;
        let stage = &job.stages[job.result()];
        Some((stage.available, stage.tasks.len() as u32))
    }

    /// The connected workers, and the latest of the disconnected ones if `gone` is set.
    pub fn workers(&self, gone: bool) -> Vec<WorkerRow> {
        let mut rows: Vec<_> = self.workers.iter().map(|(id, worker)| worker.row(*id)).collect();
        if gone {
            rows.extend(self.gone.iter().cloned());
        }
        rows.sort_by_key(|row| row.id);
        rows
    }

    /// The jobs that are remembered, the latest first, at most `limit` below `before`.
    pub fn jobs(&self, before: Option<JobId>, limit: usize) -> Vec<JobRow> {
        let ended = self.ended.iter().map(|ended| ended.row.clone());
        let live = self.jobs.iter().map(|(id, job)| job.row(*id, String::new(), None));
        let planning = self.planning.iter().map(|(id, planning)| planning.row(*id));
        let rows = ended.chain(live).chain(planning);
        let mut rows: Vec<_> =
            rows.filter(|row| before.is_none_or(|before| row.id < before)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        rows.truncate(limit);
        rows
    }

    /// One job, if it is remembered.
    pub fn job(&self, id: JobId) -> Option<JobRow> {
        let planning = self.planning.get(&id).map(|planning| planning.row(id));
        let live = || self.jobs.get(&id).map(|job| job.row(id, String::new(), None));
        planning
            .or_else(live)
            .or_else(|| self.ended.iter().find(|e| e.row.id == id).map(|e| e.row.clone()))
    }

    /// The stages of a job, if it is remembered.
    pub fn stages(&self, id: JobId) -> Option<Vec<StageRow>> {
        let planning = self.planning.get(&id).map(|_| Vec::new());
        let live = || self.jobs.get(&id).map(|job| job.stage_rows(id));
        planning
            .or_else(live)
            .or_else(|| self.ended.iter().find(|e| e.row.id == id).map(|e| e.stages.clone()))
    }

    /// Metrics of each operator of each stage of a job that was run with them.
    pub fn operators(&self, id: JobId) -> Option<Vec<Vec<OperatorRow>>> {
        let of = |job: &Job| job.stages.iter().map(|stage| stage.operators.clone()).collect();
        let live = self.jobs.get(&id).map(of);
        live.or_else(|| self.ended.iter().find(|e| e.row.id == id).map(|e| e.operators.clone()))
    }

    /// Tasks of a job that is live, after a task (stage, index), in order, at most `limit`. A statement
    /// that is being planned has none.
    pub fn tasks(
        &self,
        id: JobId,
        state: Option<TaskState>,
        after: Option<(u32, u32)>,
        limit: usize,
    ) -> Option<Vec<TaskRow>> {
        self.tasks_of(id, None, state, after, limit)
    }

    /// The same, only of one stage if `only` names one.
    pub fn tasks_of(
        &self,
        id: JobId,
        only: Option<u32>,
        state: Option<TaskState>,
        after: Option<(u32, u32)>,
        limit: usize,
    ) -> Option<Vec<TaskRow>> {
        if self.planning.contains_key(&id) {
            return Some(Vec::new());
        }
        let job = self.jobs.get(&id)?;
        let (from_stage, from_index) =
            after.map_or((0, 0), |(stage, index)| (stage, index.saturating_add(1)));
        let mut rows = Vec::new();
        for (stage, at) in job.stages.iter().enumerate().skip(from_stage as usize) {
            // A stage may have millions of tasks: it is skipped if it cannot have tasks in the
            // wanted states.
            if only.is_some_and(|only| only as usize != stage)
                || state.is_some_and(|state| count_of(&at.counts, state) == 0)
            {
                continue;
            }
            let from = if stage == from_stage as usize { from_index as usize } else { 0 };
            for (index, task) in at.tasks.iter().enumerate().skip(from) {
                if rows.len() == limit {
                    return Some(rows);
                }
                if state.is_none_or(|state| state == task.state) {
                    rows.push(task.row(task_id(id, stage as u32, index as u32)));
                }
            }
        }
        Some(rows)
    }
}
