//! Clients that ask for replicas of the outputs of open jobs, and that outputs are moved.

use super::open::Graph;
use super::world::World;
use partita_core::{Event, TaskRange};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::model::TaskState;
use std::collections::BTreeSet;

impl World {
    /// A request for replicas of some outputs of some open jobs, or to move them. They may not exist, and not be wanted.
    pub(crate) fn draw_arrangement(&mut self) -> Event {
        let clients = self.clients.iter();
        let jobs: Vec<JobId> = clients
            .filter(|(_, client)| self.jobs[client.number].graph.is_some())
            .map(|(job, _)| *job)
            .collect();
        let mut tasks = Vec::new();
        for _ in 0..self.rng.range(1, 4) {
            let job = jobs[self.rng.index(jobs.len())];
            let (first, count) = (self.rng.below(8) as u32, self.rng.below(40) as u32);
            tasks.push((job, TaskRange { stage: self.rng.below(4) as u32, first, count }));
        }
        let names = if self.rng.chance(400) { self.rng.range(1, 3) } else { 0 };
        // Some of these workers are not connected.
        let workers: BTreeSet<String> = (0..names)
            .map(|_| format!("w{}", self.rng.below(self.processes.len() as u64 + 1)))
            .collect();
        if self.rng.chance(400) {
            return Event::RebalanceRequested { request: 0, tasks, workers };
        }
        let count = self.rng.chance(700).then(|| self.rng.range(1, 4) as u32);
        let readers_max = self.rng.range(1, 3) as u32;
        Event::ReplicasRequested { request: 0, tasks, workers, count, readers_max }
    }

    /// Counts outputs that got another holder, though the one before stays.
    pub(crate) fn count_moved(&mut self, task: TaskId, before: &[WorkerId]) {
        let stays = |worker: &&WorkerId| !self.core.is_leaving(**worker);
        let (from, now) = (before.first().filter(stays), self.core.holders(task));
        let moved = from.is_some() && !now.is_empty() && from != now.first();
        *self.incidents.faults.entry("rebalanced").or_default() += u32::from(moved);
    }

    /// Each worker that the core lists for an output has it, unless a fault has taken it away.
    pub(crate) fn check_holders(&mut self, job: JobId, graph: &Graph) {
        let salt = self.jobs[self.clients[&job].number].salt;
        let expected = graph.evaluate(salt);
        let mut replicas = 0;
        for ((stage, index), number) in graph.numbers() {
            let task = TaskId { stage: StageId { job, index: stage }, index };
            let Some(view) = self.core.task_view(task) else { continue };
            let holders = self.core.holders(task);
            assert!(holders.is_empty() || view.row.state == TaskState::Done, "{task}: {holders:?}");
            assert_eq!(view.row.worker.filter(|_| !holders.is_empty()), holders.first().copied());
            replicas += holders.len().saturating_sub(1) as u32;
            for worker in holders {
                let process = &self.processes[self.workers[&worker]];
                let session = &process.session;
                if !process.alive || session.id != Some(worker) || session.spoiled.contains(&task) {
                    continue;
                }
                let held = session.store.get(&task).copied();
                assert_eq!(
                    held,
                    Some((view.row.attempts, expected[number as usize])),
                    "{worker} shall have {task}"
                );
            }
        }
        *self.incidents.faults.entry("replicas, held").or_default() += replicas;
    }
}
