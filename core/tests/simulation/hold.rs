//! Clients that hold results, bring partitions, and read what others hold.

use super::job::value;
use super::settings::MS;
use super::world::{Happening, World};
use partita_core::{Event, Origin};
use partita_shared::ids::{GroupId, JobId, TaskId};
use partita_shared::message::FromWorker;

impl World {
    /// Whether a job reads results that others hold.
    pub(crate) fn reads_held(&self, number: usize) -> bool {
        let groups = &self.jobs[number].spec.groups;
        groups.iter().any(|group| matches!(group.origin, Origin::Held(_)))
    }

    /// A client submits a job, once the jobs whose results it reads were submitted.
    pub(crate) fn submit(&mut self, number: usize) {
        let mut spec = Box::new(self.jobs[number].spec.clone());
        for group in &mut spec.groups {
            let Origin::Held(JobId(source)) = group.origin else { continue };
            let mut clients = self.clients.iter();
            match clients.find(|(_, client)| client.number == source as usize) {
                Some((job, _)) => group.origin = Origin::Held(*job),
                None if self.now > self.settings.horizon => {
                    // It was refused itself.
                    self.skipped += 1;
                    return;
                }
                None => return self.plan_in(20 * MS, Happening::Submit { number }),
            }
        }
        self.tell(Event::JobSubmitted { request: number as u64, spec });
    }

    /// Plans what the client of a job that holds its result does.
    pub(crate) fn plan_hold(&mut self, job: JobId, number: usize) {
        let Some((time, early)) = self.jobs[number].hold else { return };
        if early {
            self.incidents.cancelled.insert(job);
            let after = self.rng.range(0, time);
            self.plan_in(after, Happening::Tell(Event::JobReleased { job }));
        }
        if self.jobs[number].spec.groups[0].origin != Origin::Put {
            return;
        }
        for index in 0..self.jobs[number].expected.len() as u32 {
            let after = self.rng.scaled(0, 50 * MS);
            self.plan_in(after, Happening::Put { job, index });
        }
        let bound = self.settings.horizon + 2000 * MS;
        self.plan_in(bound, Happening::GiveUp { job });
    }

    /// A client brings a partition to some worker.
    pub(crate) fn put(&mut self, job: JobId, index: u32) {
        let client = &self.clients[&job];
        if client.ended.is_some() {
            return;
        }
        let number = client.number;
        let there: Vec<usize> = (0..self.processes.len())
            .filter(|p| self.processes[*p].alive && self.processes[*p].session.id.is_some())
            .collect();
        if there.is_empty() {
            return self.plan_in(20 * MS, Happening::Put { job, index });
        }
        let process = there[self.rng.index(there.len())];
        let task = TaskId { group: GroupId { job, index: 0 }, index };
        let made = value(self.jobs[number].salt, 0, index, &[]);
        let session = &mut self.processes[process].session;
        session.store.insert(task, (1, made));
        session.brought.insert(task);
        self.send_up(process, FromWorker::Stored { task, rows: 3, bytes: 24 });
    }

    /// A worker may have died before it could say that it holds what a client brought.
    pub(crate) fn give_up(&mut self, job: JobId) {
        let client = &self.clients[&job];
        if !client.held && client.ended.is_none() {
            self.incidents.cancelled.insert(job);
            let reason = "a partition did not come".into();
            self.tell(Event::JobCancelled { job, reason });
        }
    }
}
