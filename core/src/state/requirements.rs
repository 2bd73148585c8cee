//! What the stages of live jobs need of workers.

use crate::event::Requirement;
use crate::state::Worker;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a requirement; [`RequirementId::NONE`] is that of stages whose tasks run anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequirementId(u32);

impl RequirementId {
    pub(crate) const NONE: RequirementId = RequirementId(0);
}

/// The requirements of the stages of live jobs.
#[derive(Debug, Default)]
pub(crate) struct Requirements {
    pub(crate) ids: BTreeMap<Requirement, RequirementId>,
    pub(crate) known: BTreeMap<RequirementId, Known>,
    last: u32,
}

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) requirement: Requirement,
    /// Stages that have it.
    pub(crate) stages: u32,
    /// Workers that meet it and take tasks.
    pub(crate) workers: u32,
}

impl Requirements {
    /// A number that no requirement had before.
    pub(crate) fn number(&mut self) -> RequirementId {
        self.last += 1;
        RequirementId(self.last)
    }

    /// The requirement of that number.
    pub(crate) fn get(&self, id: RequirementId) -> Option<&Requirement> {
        self.known.get(&id).map(|known| &known.requirement)
    }

    /// Whether a worker is one of those that may run such tasks, when it is free.
    pub(crate) fn is_met(&self, id: RequirementId, worker: &Worker) -> bool {
        if id == RequirementId::NONE || worker.meets.contains(&id) {
            return true;
        }
        self.known.get(&id).is_some_and(|known| {
            let Requirement { resources, or_others, .. } = &known.requirement;
            *or_others && known.workers == 0 && has(&worker.registration.resources, resources)
        })
    }

    /// Whether a worker has the resources for one more such task now, and is one of those that may run it.
    pub(crate) fn can_take(&self, id: RequirementId, worker: &Worker) -> bool {
        id == RequirementId::NONE
            || self.is_met(id, worker)
                && self.get(id).is_some_and(|found| has(&worker.free, &found.resources))
    }

    /// How many requirements there would be with these.
    pub(crate) fn count_with<'a>(&self, others: impl Iterator<Item = &'a Requirement>) -> usize {
        let others: BTreeSet<&Requirement> =
            others.filter(|other| !other.is_none() && !self.ids.contains_key(other)).collect();
        self.ids.len() + others.len()
    }
}

/// Whether there is as much of each resource as is needed.
pub(crate) fn has(resources: &BTreeMap<String, u64>, needed: &BTreeMap<String, u64>) -> bool {
    needed.iter().all(|(name, amount)| resources.get(name).is_some_and(|found| found >= amount))
}
