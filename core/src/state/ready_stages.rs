//! The stages of a job with ready tasks.

use crate::state::RequirementId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The place of a stage in the order in which stages are served: of a higher priority first, then by rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Precedence {
    /// The priority of the stage.
    pub(crate) priority: Reverse<i32>,
    /// Of a graph the lowest rank of its ready tasks.
    pub(crate) rank: u32,
}

/// A stage with its place: the place, and the number of the stage.
pub(crate) type ReadyStage = (Precedence, u32);

/// Stages with ready tasks, in order. Those whose tasks need something of their worker are kept apart, so that a
/// worker that lacks it does not walk over them.
#[derive(Debug, Default)]
pub(crate) struct ReadyStages {
    by_requirement: BTreeMap<RequirementId, BTreeSet<ReadyStage>>,
}

impl ReadyStages {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_requirement.is_empty()
    }

    pub(crate) fn insert(&mut self, requirement: RequirementId, stage: ReadyStage) {
        self.by_requirement.entry(requirement).or_default().insert(stage);
    }

    pub(crate) fn remove(&mut self, requirement: RequirementId, stage: ReadyStage) {
        let Some(stages) = self.by_requirement.get_mut(&requirement) else { return };
        stages.remove(&stage);
        if stages.is_empty() {
            self.by_requirement.remove(&requirement);
        }
    }

    /// All of them, those with the same requirement in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = ReadyStage> + Clone + '_ {
        self.by_requirement.values().flatten().copied()
    }

    /// The first of those whose requirement `can_take` confirms, in order.
    pub(crate) fn first(
        &self,
        max: usize,
        can_take: impl Fn(RequirementId) -> bool,
    ) -> impl Iterator<Item = ReadyStage> + '_ {
        let (mut one, mut merged) = (None, Vec::new());
        let mut found = self.by_requirement.iter().filter(|(id, _)| can_take(**id));
        if let Some((_, stages)) = found.next() {
            match found.next() {
                None => one = Some(stages),
                Some((_, second)) => {
                    merged.extend(stages.iter().take(max));
                    merged.extend(second.iter().take(max));
                    found.for_each(|(_, stages)| merged.extend(stages.iter().take(max)));
                    merged.sort_unstable();
                }
            }
        }
        one.into_iter().flatten().copied().chain(merged).take(max)
    }
}
