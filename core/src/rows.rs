//! The rows that listings, the REST API and the dashboard show, made from the state.

use crate::event::Time;
use crate::state::{Job, Planning, Stage, Task, Worker, task_id};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::model::{
    JobRow, JobState, StageRow, TaskCounts, TaskRow, WorkerRow, WorkerState,
};

/// Milliseconds of a time.
fn ms(time: Time) -> u64 {
    time / 1000
}

impl Worker {
    pub(crate) fn row(&self, id: WorkerId) -> WorkerRow {
        WorkerRow {
            id,
            name: self.registration.name.clone(),
            host: self.registration.host.clone(),
            pid: self.registration.pid,
            address: self.registration.data_address.address.clone(),
            state: if self.leaving.is_some() { WorkerState::Leaving } else { WorkerState::Up },
            cause: self.leaving.clone().unwrap_or_default(),
            slots: self.slots(),
            memory_limit_bytes: self.registration.memory_limit_bytes,
            local_directory: self.registration.local_directory.clone(),
            slurm_job: self.registration.slurm_job.clone(),
            ends_ms: self.ends.map(ms),
            joined_ms: ms(self.joined),
            last_seen_ms: ms(self.last_heartbeat),
            metrics: self.metrics,
            assigned: self.assigned,
            finished: self.finished,
            held: self.held,
        }
    }
}

impl Task {
    pub(crate) fn row(&self, id: TaskId) -> TaskRow {
        TaskRow {
            id,
            state: self.state,
            attempts: self.attempt,
            worker: self.worker(),
            rows: self.rows,
            bytes: self.bytes,
            busy_us: u64::from(self.busy_us),
        }
    }
}

impl Planning {
    /// How it is listed.
    pub(crate) fn row(&self, id: JobId) -> JobRow {
        JobRow {
            id,
            text: self.spec.text.clone(),
            state: JobState::Planning,
            error: String::new(),
            client: self.spec.client.clone(),
            priority: self.spec.priority,
            submitted_ms: ms(self.since),
            started_ms: None,
            ended_ms: None,
            tasks: TaskCounts::default(),
            stages: 0,
            rows: 0,
            bytes: 0,
            delivered_rows: 0,
            retries: 0,
        }
    }
}

impl Job {
    pub(crate) fn counts(&self) -> TaskCounts {
        let mut counts = TaskCounts::default();
        self.stages.iter().for_each(|stage| counts.add(&stage.counts));
        counts
    }

    pub(crate) fn row(&self, id: JobId, error: String, ended: Option<Time>) -> JobRow {
        JobRow {
            id,
            text: self.spec.text.clone(),
            state: self.state,
            error,
            client: self.spec.client.clone(),
            priority: self.spec.priority,
            submitted_ms: ms(self.submitted),
            started_ms: self.started.map(ms),
            ended_ms: ended.map(ms),
            tasks: self.counts(),
            stages: self.stages.len() as u32,
            rows: self.stages.iter().map(|stage| stage.rows).sum(),
            bytes: self.stages.iter().map(|stage| stage.bytes).sum(),
            delivered_rows: self.delivered_rows,
            retries: self.retries,
        }
    }

    pub(crate) fn stage_rows(&self, id: JobId) -> Vec<StageRow> {
        let row = |(index, stage): (usize, &Stage)| StageRow {
            id: task_id(id, index as u32, 0).stage,
            name: stage.name.clone(),
            inputs: stage.inputs().iter().map(|input| input.stage).collect(),
            tasks: stage.counts,
            rows: stage.rows,
            bytes: stage.bytes,
            busy_us: stage.busy_us,
            plan: stage.plan.clone(),
        };
        self.stages.iter().enumerate().map(row).collect()
    }
}
