//! Requests of clients for replicas of outputs of open jobs, and to move outputs between workers.

use crate::event::{Effect, Requirement, TaskRange};
use crate::rebalance::plan_rebalance;
use crate::state::{Core, ReplicaGoal, task_id};
use crate::transfers::forget_failures;
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::limits;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The answer to a request.
pub(crate) fn answer(request: u64, asked: Result<(), String>) -> Effect {
    match asked {
        Ok(()) => Effect::RequestAccepted { request },
        Err(error) => Effect::RequestRefused { request, error },
    }
}

/// Sets how many workers shall hold outputs.
pub(crate) fn ask_for_replicas(
    core: &mut Core,
    tasks: &[(JobId, TaskRange)],
    names: &BTreeSet<String>,
    count: Option<u32>,
    readers_max: u32,
) -> Result<(), String> {
    let workers = find_workers(core, names)?;
    let available = u32::try_from(workers.len()).unwrap_or(u32::MAX);
    let count = count.unwrap_or(available).clamp(1, available);
    let tasks = wanted_tasks(core, tasks);
    let goal = |task: &TaskId| {
        let job = core.jobs.get(&task.stage.job);
        job.and_then(|job| job.replica_goals.get(&(task.stage.index, task.index)))
    };
    let replaced: usize = tasks.iter().filter_map(goal).map(|goal| goal.count as usize).sum();
    let total = core.wanted_replicas - replaced + tasks.len().saturating_mul(count as usize);
    if total > limits::REPLICAS_MAX {
        return Err(format!(
            "clients may ask for {} replicas of results at once; with {count} of each of these {} results it would be {total}; replicate fewer results, or to fewer workers",
            limits::REPLICAS_MAX,
            tasks.len()
        ));
    }
    let workers = (!names.is_empty()).then(|| Arc::new(workers));
    let goal = ReplicaGoal { count, workers, readers_max: readers_max.max(1) };
    for task in tasks {
        core.set_replica_goal(task, Some(goal.clone()));
        forget_failures(core, task);
        core.replicas_changed(task);
    }
    Ok(())
}

/// Plans to move outputs from the workers that hold the most bytes to those that hold the least.
pub(crate) fn ask_to_rebalance(
    core: &mut Core,
    tasks: &[(JobId, TaskRange)],
    names: &BTreeSet<String>,
) -> Result<(), String> {
    let workers = find_workers(core, names)?;
    let tasks = wanted_tasks(core, tasks);
    for (task, to) in plan_rebalance(core, &tasks, &workers) {
        core.due.insert(task, Some(to));
    }
    Ok(())
}

/// The workers with these names that stay; all if there are no names.
fn find_workers(core: &Core, names: &BTreeSet<String>) -> Result<BTreeSet<WorkerId>, String> {
    if names.len() > limits::RESTRICTION_NAMES_MAX {
        return Err(format!(
            "a request may name {} workers, not {}",
            limits::RESTRICTION_NAMES_MAX,
            names.len()
        ));
    }
    let named = |names: BTreeSet<String>| -> BTreeSet<WorkerId> {
        let requirement = Requirement { workers: names, ..Requirement::default() };
        let workers = core.workers.iter().filter(|(_, worker)| worker.leaving.is_none());
        workers
            .filter(|(id, found)| requirement.is_met_by(**id, found))
            .map(|(id, _)| *id)
            .collect()
    };
    if let Some(name) = names.iter().find(|name| named([(*name).clone()].into()).is_empty()) {
        return Err(format!(
            "no worker `{name}` is connected; `partita workers` lists those that are"
        ));
    }
    match named(names.clone()) {
        workers if workers.is_empty() => {
            Err("no workers are connected; start one with `partita worker`".to_string())
        }
        workers => Ok(workers),
    }
}

/// Those of these tasks whose outputs the clients of open jobs want, each once.
fn wanted_tasks(core: &Core, ranges: &[(JobId, TaskRange)]) -> BTreeSet<TaskId> {
    let mut found = BTreeSet::new();
    for (id, range) in ranges {
        let job = core.jobs.get(id).filter(|job| job.spec.open);
        let stage = job.and_then(|job| job.stages.get(range.stage as usize));
        let tasks = stage.and_then(|stage| stage.tasks.get(range.first as usize..));
        let named = (range.first..).zip(tasks.unwrap_or_default()).take(range.count as usize);
        let wanted = named.filter(|(_, task)| task.wanted);
        found.extend(wanted.map(|(index, _)| task_id(*id, range.stage, index)));
    }
    found
}
