//! Where calls of functions spend their time: call stacks that workers sampled.

use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::model::{CallStack, Profile, Samples, StackFrame};
use partita_shared::profile::ProfileTree;
use std::collections::BTreeMap;

/// Stages whose profiles are remembered: the one that was sampled longest ago goes first.
const STAGES_MAX: usize = 64;

/// The profiles of stages, and where running calls were last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles {
    stages: BTreeMap<StageId, Kept>,
    stacks: BTreeMap<WorkerId, Vec<CallStack>>,
    /// Messages so far.
    turn: u64,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    tree: ProfileTree,
    /// The message that added to it last.
    turn: u64,
}

impl Profiles {
    /// A worker has told of its calls.
    pub(super) fn add(&mut self, worker: WorkerId, samples: Samples) {
        self.turn += 1;
        for (stage, profile) in samples.profiles {
            if self.stages.len() >= STAGES_MAX && !self.stages.contains_key(&stage) {
                let oldest = self.stages.iter().min_by_key(|(_, kept)| kept.turn);
                if let Some(oldest) = oldest.map(|(stage, _)| *stage) {
                    self.stages.remove(&oldest);
                }
            }
            let kept = self.stages.entry(stage).or_default();
            kept.tree.merge(&profile);
            kept.turn = self.turn;
        }
        self.stacks.insert(worker, samples.stacks);
    }

    /// A worker is gone.
    pub(super) fn forget_worker(&mut self, worker: WorkerId) {
        self.stacks.remove(&worker);
    }

    /// The profiles of the stages of a job.
    pub(super) fn of(&self, job: JobId) -> impl Iterator<Item = (StageId, &Profile)> {
        let id = |index| StageId { job, index };
        let found = self.stages.range(id(u32::MIN)..=id(u32::MAX));
        found.map(|(stage, kept)| (*stage, kept.tree.profile()))
    }

    /// Where an attempt was last on a worker.
    pub(super) fn stack(
        &self,
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
    ) -> Option<&[StackFrame]> {
        let mut stacks = self.stacks.get(&worker)?.iter();
        let found = stacks.find(|stack| stack.task == task && stack.attempt == attempt)?;
        Some(&found.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(index: u32) -> StageId {
        StageId { job: JobId(1), index }
    }

    fn samples(index: u32, function: &str) -> Samples {
        let frame =
            StackFrame { function: function.to_string(), file: "a.py".to_string(), line: 1 };
        let mut tree = ProfileTree::default();
        tree.add([&frame], 2);
        let task = TaskId { stage: stage(index), index: 0 };
        Samples {
            profiles: vec![(stage(index), tree.profile().clone())],
            stacks: vec![CallStack { task, attempt: 1, frames: vec![frame] }],
        }
    }

    /// What workers tell of a stage is one tree; where a call is comes from the latest message of its worker.
    #[test]
    fn profiles_of_workers_are_merged() {
        let mut profiles = Profiles::default();
        profiles.add(WorkerId(1), samples(0, "f"));
        profiles.add(WorkerId(2), samples(0, "f"));
        profiles.add(WorkerId(2), samples(1, "g"));
        let found: Vec<_> = profiles.of(JobId(1)).collect();
        assert_eq!(found.iter().map(|(id, _)| id.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((found[0].1.nodes.len(), found[0].1.samples()), (1, 4));
        assert_eq!(profiles.of(JobId(2)).count(), 0);
        let task = |index| TaskId { stage: stage(index), index: 0 };
        let name = |profiles: &Profiles, worker, index| {
            let stack = profiles.stack(WorkerId(worker), task(index), 1);
            stack.map(|frames| frames[0].function.clone())
        };
        assert_eq!(name(&profiles, 1, 0).as_deref(), Some("f"));
        assert_eq!(name(&profiles, 2, 1).as_deref(), Some("g"));
        assert_eq!(name(&profiles, 2, 0), None);
        profiles.forget_worker(WorkerId(1));
        assert_eq!(name(&profiles, 1, 0), None);
    }

    /// The stages that were sampled latest are remembered.
    #[test]
    fn old_stages_are_forgotten() {
        let mut profiles = Profiles::default();
        for index in 0..200 {
            profiles.add(WorkerId(1), samples(0, "f"));
            profiles.add(WorkerId(1), samples(index, "g"));
        }
        assert_eq!(profiles.stages.len(), STAGES_MAX);
        let has = |index| profiles.stages.contains_key(&stage(index));
        assert!(has(0) && has(199) && !has(1));
    }
}
