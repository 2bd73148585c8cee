//! Which outputs are moved so that workers hold about as many bytes.

use crate::state::{Core, task_id};
use crate::transfers::moves_of;
use partita_shared::ids::{TaskId, WorkerId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Chooses which of these outputs are moved between these workers, and to which each.
///
/// The worker that holds the most bytes gives its largest output that does not take it below the mean, to the worker
/// that holds the least and stays below the mean with it, until no such pair is left. So few outputs are moved, and none
/// again by the next request.
pub(crate) fn plan_rebalance(
    core: &Core,
    tasks: &BTreeSet<TaskId>,
    workers: &BTreeSet<WorkerId>,
) -> Vec<(TaskId, WorkerId)> {
    let mut bytes: BTreeMap<WorkerId, u64> = workers.iter().map(|worker| (*worker, 0)).collect();
    let mut add = |worker: WorkerId, size: u64| {
        if let Some(held) = bytes.get_mut(&worker) {
            *held = held.saturating_add(size);
        }
    };
    let mut movable: BTreeMap<WorkerId, Vec<(u64, TaskId)>> = BTreeMap::new();
    for (id, job) in &core.jobs {
        for (number, stage) in (0..).zip(&job.stages).filter(|(_, stage)| !stage.is_mirror()) {
            for (index, found) in (0..).zip(&stage.tasks) {
                let Some(holder) = found.holder() else { continue };
                let task = task_id(*id, number, index);
                let to = destination(core, task);
                add(to.unwrap_or(holder.worker), found.bytes);
                job.others((number, index)).for_each(|other| add(other, found.bytes));
                let may_move = to.is_none() && found.bytes > 0 && tasks.contains(&task);
                if may_move && moves_of(core, task).next().is_none() {
                    movable.entry(holder.worker).or_default().push((found.bytes, task));
                }
            }
        }
    }
    choose(core, bytes, movable)
}

/// The worker to which an output is being moved, or shall be.
fn destination(core: &Core, task: TaskId) -> Option<WorkerId> {
    let moving = moves_of(core, task).find(|(_, found)| !found.copy).map(|(to, _)| to);
    moving.or_else(|| core.due.get(&task).copied().flatten())
}

fn choose(
    core: &Core,
    bytes: BTreeMap<WorkerId, u64>,
    mut movable: BTreeMap<WorkerId, Vec<(u64, TaskId)>>,
) -> Vec<(TaskId, WorkerId)> {
    let total = bytes.values().fold(0, |total: u64, held| total.saturating_add(*held));
    let mean = total / bytes.len().max(1) as u64;
    let is_paused = |id: &WorkerId| core.workers.get(id).is_none_or(|w| w.metrics.above_mark);
    let mut room: BTreeSet<(u64, Reverse<WorkerId>)> = bytes
        .iter()
        .filter(|(id, held)| **held < mean && !is_paused(id))
        .map(|(id, held)| (mean - held, Reverse(*id)))
        .collect();
    // The largest output comes last.
    movable
        .values_mut()
        .for_each(|tasks| tasks.sort_unstable_by_key(|(size, task)| (*size, Reverse(*task))));
    let mut senders: BTreeSet<(u64, Reverse<WorkerId>)> = bytes
        .iter()
        .filter(|(id, held)| **held > mean && movable.contains_key(id))
        .map(|(id, held)| (held - mean, Reverse(*id)))
        .collect();
    let mut chosen = Vec::new();
    while let Some((surplus, Reverse(from))) = senders.pop_last() {
        let Some((size, task)) = movable.get_mut(&from).and_then(Vec::pop) else { continue };
        let holders = core.holders(task);
        let fitting = room.iter().rev().take_while(|(left, _)| size <= *left && size <= surplus);
        let mut others = fitting.filter(|(_, Reverse(to))| !holders.contains(to));
        let Some((left, Reverse(to))) = others.next().copied() else {
            // Nor will it fit later: there will be less room, and less to give.
            senders.insert((surplus, Reverse(from)));
            continue;
        };
        room.remove(&(left, Reverse(to)));
        room.insert((left - size, Reverse(to)));
        senders.insert((surplus - size, Reverse(from)));
        chosen.push((task, to));
    }
    chosen
}
