//! Jobs that are submitted: checked, and laid out.

use crate::event::{GroupSpec, JobSpec, Origin};
use crate::exchange::is_whole;
use crate::state::{Core, Group, Task};
use partita_shared::ids::{GroupId, JobId};
use partita_shared::limits;
use partita_shared::message::{Exchange, Fragment};
use partita_shared::model::TaskCounts;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The group whose partitions a group's are: itself, or the result of another job.
pub(crate) fn place(core: &Core, job: JobId, index: u32, spec: &GroupSpec) -> GroupId {
    match spec.origin {
        Origin::Held(source) => {
            let result = core.jobs.get(&source).map_or(0, |source| source.result() as u32);
            GroupId { job: source, index: result }
        }
        Origin::Tasks | Origin::Put => GroupId { job, index },
    }
}

pub(crate) fn new_group(
    job: JobId,
    index: u32,
    spec: GroupSpec,
    places: &[GroupId],
    analyze: bool,
) -> Group {
    let id = GroupId { job, index };
    let read =
        (0..).zip(&spec.inputs).map(|(number, input)| (number, places[input.group as usize]));
    let held = read.filter(|(_, place)| place.job != job).collect();
    let blocked = spec.inputs.iter().filter(|input| is_whole(&input.exchange)).count() as u32;
    let mut tasks = vec![Task::new(); spec.tasks as usize];
    for input in &spec.inputs {
        match &input.exchange {
            Exchange::OneToOne => {
                let range = input.first as usize..(input.first + input.count) as usize;
                tasks[range].iter_mut().for_each(|task| task.pending += 1);
            }
            Exchange::Explicit(lists) => {
                for (task, list) in tasks[input.first as usize..].iter_mut().zip(lists.iter()) {
                    task.pending += list.len() as u32;
                }
            }
            Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => {}
        }
    }
    Group {
        name: spec.name,
        plan: spec.plan,
        origin: spec.origin,
        fragment: Arc::new(Fragment {
            group: id,
            work: spec.work,
            inputs: spec.inputs,
            held,
            analyze,
        }),
        consumers: Vec::new(),
        counts: TaskCounts { waiting: tasks.len() as u64, ..TaskCounts::default() },
        tasks,
        available: 0,
        held_bytes: 0,
        blocked,
        ready: VecDeque::new(),
        ready_at: BTreeMap::new(),
        locations: Vec::new(),
        version: 0,
        told: BTreeMap::new(),
        rows: 0,
        bytes: 0,
        busy_us: 0,
        finished: 0,
        operators: Vec::new(),
        changed: true,
    }
}

/// Whether its owner may have one more job of this kind: what one client leaves behind must not stop
/// the others.
fn check_room(core: &Core, spec: &JobSpec) -> Result<(), String> {
    let (mut own, mut all) = (0, 0);
    for job in core.jobs.values().filter(|job| job.spec.keep == spec.keep) {
        all += 1;
        own += usize::from(job.spec.owner == spec.owner);
    }
    let (max, what, remedy) = match spec.keep {
        true => (limits::HELD_JOBS_MAX, "results are persisted", "drop some first"),
        false => {
            let remedy = "retry when some have ended";
            (limits::LIVE_JOBS_MAX, "jobs are waiting or running", remedy)
        }
    };
    match limits::has_room(own, all, max) {
        true => Ok(()),
        false => Err(format!(
            "{own} {what} for this client and {all} of {max} for all clients, which is the limit; {remedy}"
        )),
    }
}

/// Whether a persisted result would be one too many, for its owner or in all.
pub(crate) fn needs_room(core: &Core, spec: &JobSpec) -> bool {
    spec.keep && check_room(core, spec).is_err()
}

/// Whether a job makes sense: every reference is to something that is there.
pub(crate) fn check(core: &Core, spec: &JobSpec) -> Result<(), String> {
    check_room(core, spec)?;
    if spec.groups.is_empty() || spec.groups.len() > limits::JOB_GROUPS_MAX {
        return Err(format!(
            "a job must have 1 to {} stages, this one has {}",
            limits::JOB_GROUPS_MAX,
            spec.groups.len()
        ));
    }
    for (number, group) in spec.groups.iter().enumerate() {
        if group.tasks == 0 || group.tasks > limits::GROUP_TASKS_MAX {
            return Err(format!(
                "a stage must have 1 to {} tasks, stage {number} has {}",
                limits::GROUP_TASKS_MAX,
                group.tasks
            ));
        }
        check_origin(core, spec, number)?;
        for input in &group.inputs {
            let Some(from) = spec.groups[..number].get(input.group as usize) else {
                return Err(format!(
                    "stage {number} reads stage {}, which is not an earlier one",
                    input.group
                ));
            };
            let inside = u64::from(input.first) + u64::from(input.count) <= u64::from(group.tasks);
            let matched = match &input.exchange {
                Exchange::OneToOne => input.count <= from.tasks,
                Exchange::Explicit(lists) => {
                    lists.len() == input.count as usize
                        && lists.iter().flatten().all(|partition| *partition < from.tasks)
                }
                Exchange::Shuffle | Exchange::Gather | Exchange::Broadcast => true,
            };
            if !inside || !matched {
                return Err(format!(
                    "stage {number} reads partitions of stage {} that do not exist",
                    input.group
                ));
            }
        }
    }
    Ok(())
}

/// Whether a group that no task of its own makes stands for something that is there.
fn check_origin(core: &Core, spec: &JobSpec, number: usize) -> Result<(), String> {
    let group = &spec.groups[number];
    let is_last = number + 1 == spec.groups.len();
    let fits = match group.origin {
        Origin::Tasks => return Ok(()),
        Origin::Put => spec.keep && is_last,
        Origin::Held(source) => {
            let found = core.jobs.get(&source).filter(|job| job.spec.keep && !job.held.released);
            let Some(found) = found else {
                return Err(format!(
                    "the persisted result of {source} no longer exists; create it again"
                ));
            };
            !is_last && found.groups[found.result()].tasks.len() == group.tasks as usize
        }
    };
    match fits && group.inputs.is_empty() {
        true => Ok(()),
        false => Err(format!("stage {number} does not match its origin")),
    }
}
