//! Clients that persist results, upload partitions, and read what others persist.

use super::job::value;
use super::settings::MS;
use super::world::{Happening, World};
use partita_core::{Event, Origin, PlanningEnd, StatementSpec};
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::message::FromWorker;
use partita_shared::model::{JobState, TaskState};
use std::ops::Bound;

/// The expected reason when a statement's job was refused.
const REFUSED: &str = "it was refused";

impl World {
    /// Whether a job reads persisted results of others.
    pub(crate) fn reads_persisted(&self, number: usize) -> bool {
        let stages = &self.jobs[number].spec.stages;
        stages.iter().any(|stage| matches!(stage.origin, Origin::Persisted(_)))
    }

    /// A client submits a job, once the jobs whose results it reads were submitted.
    pub(crate) fn submit(&mut self, number: usize) {
        let planned = self.planned.get(&number).copied();
        let mut spec = Box::new(self.jobs[number].spec.clone());
        for stage in &mut spec.stages {
            let Origin::Persisted(JobId(source)) = stage.origin else { continue };
            let mut clients = self.clients.iter();
            match clients.find(|(_, client)| client.number == source as usize) {
                Some((job, _)) => stage.origin = Origin::Persisted(*job),
                None if self.now > self.settings.horizon => {
                    // It was refused itself.
                    self.skipped += 1;
                    return self.planning_fails(number);
                }
                None => return self.plan_in(20 * MS, Happening::Submit { number }),
            }
        }
        if spec.open {
            self.begin_open(number, &mut spec);
        }
        self.tell(Event::JobSubmitted { request: number as u64, planned, spec });
    }

    /// The planning of a client's statement begins.
    pub(crate) fn begin_planning(&mut self, number: usize) {
        let spec = &self.jobs[number].spec;
        let spec = Box::new(StatementSpec {
            text: spec.text.clone(),
            client: spec.client.clone(),
            owner: spec.owner.clone(),
            priority: spec.priority,
        });
        self.tell(Event::PlanningBegun { request: number as u64, spec });
    }

    /// A statement has its number. Some are cancelled, before they are jobs or after that.
    pub(crate) fn planning_begun(&mut self, number: usize, job: JobId) {
        assert!(self.planned.insert(number, job).is_none(), "{job} is planned twice");
        if self.rng.chance(self.settings.cancel) {
            let after = self.rng.scaled(0, 300 * MS);
            self.incidents.cancelled.insert(job);
            let reason = "the client went away while it was planned".into();
            self.plan_in(after, Happening::Tell(Event::JobCancelled { job, reason }));
        }
    }

    /// A statement becomes no job.
    fn planning_fails(&mut self, number: usize) {
        if let Some(job) = self.planned.get(&number).copied() {
            let end = PlanningEnd::Failed { error: REFUSED.to_string() };
            self.plan_in(0, Happening::Tell(Event::PlanningEnded { job, end }));
        }
    }

    /// A job was refused: what it reads is gone, or its planning was cancelled.
    pub(crate) fn refused(&mut self, number: usize, error: &str) {
        self.skipped += 1;
        let planned = self.planned.get(&number).copied();
        if let Some(job) = planned.filter(|_| error.ends_with(" has ended")) {
            let state = self.core.job(job).unwrap().state;
            assert!(state == JobState::Cancelled && self.incidents.cancelled.contains(&job));
            return;
        }
        assert!(error.contains("no longer exists; create it again"), "refused: {error}");
        assert!(self.reads_persisted(number));
        self.planning_fails(number);
    }

    /// The planning of a statement has ended without a job: it was cancelled or refused.
    pub(crate) fn judge_planning(&mut self, job: JobId, state: JobState, error: &str) {
        let row = self.core.job(job).unwrap();
        assert_eq!((row.state, row.error.as_str(), row.stages), (state, error, 0));
        assert!(self.planned.values().any(|planned| *planned == job), "{job} was not planned");
        match state {
            JobState::Cancelled => assert!(self.incidents.cancelled.contains(&job)),
            JobState::Failed => assert_eq!(error, REFUSED),
            other => panic!("the planning of {job} ended as {other:?}"),
        }
        *self.incidents.faults.entry("planning, ended").or_default() += 1;
    }

    /// How many of the results that a job reads are of jobs with larger numbers.
    pub(crate) fn reads_later_numbers(&self, number: usize, job: JobId) -> u32 {
        let is_read = |source: usize| {
            let read = Origin::Persisted(JobId(source as u32));
            self.jobs[number].spec.stages.iter().any(|stage| stage.origin == read)
        };
        let later = self.clients.range((Bound::Excluded(job), Bound::Unbounded));
        later.filter(|(_, client)| is_read(client.number)).count() as u32
    }

    /// Plans what the client of a job that holds its result does.
    pub(crate) fn plan_release(&mut self, job: JobId, number: usize) {
        let Some((time, early)) = self.jobs[number].persist else { return };
        if early {
            self.incidents.cancelled.insert(job);
            let after = self.rng.range(0, time);
            self.plan_in(after, Happening::Tell(Event::JobReleased { job }));
        }
        if self.jobs[number].spec.stages[0].origin != Origin::Upload {
            return;
        }
        for index in 0..self.jobs[number].expected.len() as u32 {
            let after = self.rng.scaled(0, 50 * MS);
            let task = TaskId { stage: StageId { job, index: 0 }, index };
            self.plan_in(after, Happening::Upload { task });
        }
        let bound = self.settings.horizon + 2000 * MS;
        self.plan_in(bound, Happening::GiveUp { job });
    }

    /// A client uploads a partition or a value to some worker. A value is sent again if it does not arrive.
    pub(crate) fn upload(&mut self, task: TaskId) {
        let job = task.stage.job;
        let client = &self.clients[&job];
        if client.ended.is_some() {
            return;
        }
        let number = client.number;
        let is_value = self.open.contains_key(&number);
        if is_value {
            let state = self.core.task_view(task).map(|view| view.row.state);
            match state {
                Some(TaskState::Waiting) => self.plan_in(400 * MS, Happening::Upload { task }),
                // Its growth was not handled yet.
                None => return self.plan_in(20 * MS, Happening::Upload { task }),
                Some(_) => return,
            }
        }
        let there: Vec<usize> = (0..self.processes.len())
            .filter(|p| self.processes[*p].alive && self.processes[*p].session.id.is_some())
            .collect();
        if there.is_empty() {
            if !is_value {
                self.plan_in(20 * MS, Happening::Upload { task });
            }
            return;
        }
        let process = there[self.rng.index(there.len())];
        let made = value(self.jobs[number].salt, task.stage.index, task.index, &[]);
        let session = &mut self.processes[process].session;
        session.store.insert(task, (1, made));
        session.uploaded.insert(task);
        self.send_up(process, FromWorker::Stored { task, rows: 3, bytes: 24 });
    }

    /// A worker may have died before it could say that it holds what a client uploaded.
    pub(crate) fn give_up(&mut self, job: JobId) {
        let client = &self.clients[&job];
        if !client.persisted && client.ended.is_none() {
            self.incidents.cancelled.insert(job);
            let reason = "a partition did not come".into();
            self.tell(Event::JobCancelled { job, reason });
        }
    }
}
