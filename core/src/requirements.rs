//! What tasks need of the worker that runs them: resources of their own, or one of the workers that they are
//! restricted to.
//!
//! Few different requirements exist, however many stages have them. Each has a number while a stage of a live job has
//! it, and each worker knows the numbers of those that it meets.

use crate::event::Requirement;
use crate::state::requirements::{Known, has};
use crate::state::{Core, RequirementId, Worker};
use partita_shared::ids::{TaskId, WorkerId};
use partita_shared::limits;
use std::collections::{BTreeMap, BTreeSet};

impl Requirement {
    /// Whether any worker meets it.
    pub fn is_none(&self) -> bool {
        self.resources.is_empty() && self.workers.is_empty()
    }

    /// Whether a worker has all of it, if it runs nothing else.
    pub(crate) fn is_met_by(&self, id: WorkerId, worker: &Worker) -> bool {
        let registration = &worker.registration;
        let is_named = |name: &String| {
            *name == registration.name
                || *name == registration.host
                || *name == registration.data_address.address
                || *name == id.to_string()
        };
        has(&registration.resources, &self.resources)
            && (self.workers.is_empty() || self.workers.iter().any(is_named))
    }

    /// Whether it is one that can be kept.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_resources(&self.resources)?;
        match self.workers.len() > limits::RESTRICTION_NAMES_MAX {
            true => Err(format!(
                "tasks can be restricted to at most {} workers by name, not {}",
                limits::RESTRICTION_NAMES_MAX,
                self.workers.len()
            )),
            false => Ok(()),
        }
    }
}

/// Whether resources have names and amounts that can be kept.
fn check_resources(resources: &BTreeMap<String, u64>) -> Result<(), String> {
    if resources.len() > limits::RESOURCES_MAX {
        return Err(format!("a task may need at most {} resources", limits::RESOURCES_MAX));
    }
    for (name, amount) in resources {
        if name.is_empty() || name.chars().count() > limits::RESOURCE_NAME_CHARS_MAX {
            return Err(format!(
                "the name of a resource must have 1 to {} characters",
                limits::RESOURCE_NAME_CHARS_MAX
            ));
        }
        if *amount == 0 || *amount > limits::RESOURCE_AMOUNT_MAX {
            return Err(format!("the amount of {name} that a task needs is out of range"));
        }
    }
    Ok(())
}

/// The resources that a worker may have: the rest of what it says is forgotten.
pub(crate) fn limit_resources(resources: &mut BTreeMap<String, u64>) {
    let is_named =
        |name: &String| (1..=limits::RESOURCE_NAME_CHARS_MAX).contains(&name.chars().count());
    resources.retain(|name, amount| is_named(name) && *amount > 0);
    while resources.len() > limits::RESOURCES_MAX {
        resources.pop_last();
    }
    resources.values_mut().for_each(|amount| *amount = (*amount).min(limits::RESOURCE_AMOUNT_MAX));
}

impl Core {
    /// A stage has a requirement: gives it its number.
    pub(crate) fn add_requirement(&mut self, requirement: &Requirement) -> RequirementId {
        if requirement.is_none() {
            return RequirementId::NONE;
        }
        let requirements = &mut self.requirements;
        if let Some(id) = requirements.ids.get(requirement) {
            if let Some(known) = requirements.known.get_mut(id) {
                known.stages += 1;
            }
            return *id;
        }
        let id = requirements.number();
        let mut known = Known { requirement: requirement.clone(), stages: 1, workers: 0 };
        for (number, worker) in &mut self.workers {
            if requirement.is_met_by(*number, worker) {
                worker.meets.insert(id);
                known.workers += u32::from(worker.leaving.is_none());
            }
        }
        requirements.ids.insert(requirement.clone(), id);
        requirements.known.insert(id, known);
        id
    }

    /// Stages that had these requirements are gone.
    pub(crate) fn forget_requirements(&mut self, stages: impl Iterator<Item = RequirementId>) {
        for id in stages {
            let Some(known) = self.requirements.known.get_mut(&id) else { continue };
            known.stages -= 1;
            if known.stages > 0 {
                continue;
            }
            if let Some(known) = self.requirements.known.remove(&id) {
                self.requirements.ids.remove(&known.requirement);
            }
            self.workers.values_mut().for_each(|worker| {
                worker.meets.remove(&id);
            });
        }
    }

    /// A worker joined: finds what it meets.
    pub(crate) fn meet_requirements(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        for (number, known) in &mut self.requirements.known {
            if known.requirement.is_met_by(id, worker) {
                worker.meets.insert(*number);
                known.workers += 1;
            }
        }
    }

    /// A worker that took tasks takes none any more.
    pub(crate) fn leave_requirements(&mut self, meets: &BTreeSet<RequirementId>) {
        for id in meets {
            if let Some(known) = self.requirements.known.get_mut(id) {
                known.workers -= 1;
            }
        }
    }

    /// An attempt of a task with this requirement begins on a worker.
    pub(crate) fn begin_attempt(&mut self, worker: WorkerId, id: RequirementId) {
        if let Some(worker) = self.workers.get_mut(&worker).filter(|worker| worker.assigned == 0) {
            worker.last_change = self.now;
        }
        self.change_attempts(worker, |worker| worker.assigned += 1);
        self.take_resources(worker, id, true);
    }

    /// An attempt of a task ended on a worker, or is not wanted there any more.
    pub(crate) fn end_attempt(&mut self, worker: WorkerId, task: TaskId) {
        let stage =
            self.jobs.get(&task.stage.job).map(|job| &job.stages[task.stage.index as usize]);
        let requirement = stage.map_or(RequirementId::NONE, |stage| stage.requirement);
        self.end_attempt_of(worker, task, requirement);
    }

    /// As [`Core::end_attempt`], for a task whose job is ending.
    pub(crate) fn end_attempt_of(&mut self, worker: WorkerId, task: TaskId, id: RequirementId) {
        self.change_attempts(worker, |worker| {
            worker.assigned = worker.assigned.saturating_sub(1);
            worker.seceded.remove(&task);
        });
        self.take_resources(worker, id, false);
    }

    /// An attempt with this requirement takes resources of a worker, or gives them back.
    fn take_resources(&mut self, worker: WorkerId, id: RequirementId, taken: bool) {
        if id == RequirementId::NONE {
            return;
        }
        let needed = self.requirements.known.get(&id).map(|known| &known.requirement.resources);
        let Some(worker) = self.workers.get_mut(&worker) else { return };
        for (name, amount) in needed.into_iter().flatten() {
            if let Some(free) = worker.free.get_mut(name) {
                *free = match taken {
                    true => free.saturating_sub(*amount),
                    false => free.saturating_add(*amount),
                };
            }
        }
    }

    /// Compares the counters with the workers and the stages; `taken` has the resources of each worker's attempts.
    pub(crate) fn check_requirements(
        &self,
        taken: &BTreeMap<u32, BTreeMap<String, u64>>,
    ) -> Result<(), String> {
        let mut stages: BTreeMap<RequirementId, u32> = BTreeMap::new();
        for stage in self.jobs.values().flat_map(|job| &job.stages) {
            *stages.entry(stage.requirement).or_default() += 1;
        }
        stages.remove(&RequirementId::NONE);
        let known = self.requirements.known.iter().map(|(id, known)| (*id, known.stages));
        if !stages.clone().into_iter().eq(known) || stages.len() != self.requirements.ids.len() {
            return Err(format!("{stages:?} have requirements, not {:?}", self.requirements));
        }
        for (id, known) in &self.requirements.known {
            let met = |(number, worker): &(&WorkerId, &Worker)| {
                known.requirement.is_met_by(**number, worker)
            };
            let takes = |(_, worker): &(&WorkerId, &Worker)| worker.leaving.is_none();
            let found = self.workers.iter().filter(met).filter(takes).count();
            if found != known.workers as usize
                || self.workers.iter().any(|pair| pair.1.meets.contains(id) != met(&pair))
            {
                return Err(format!("{found} workers meet {known:?}"));
            }
        }
        for (id, worker) in &self.workers {
            let mut all = worker.free.clone();
            for (name, amount) in taken.get(&id.0).into_iter().flatten() {
                *all.entry(name.clone()).or_default() += amount;
            }
            if all != worker.registration.resources {
                return Err(format!("{id} has {all:?}, not {:?}", worker.registration.resources));
            }
        }
        Ok(())
    }
}
