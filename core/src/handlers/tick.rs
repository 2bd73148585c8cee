//! What happens only because time passes.

use crate::eligibility::has_time;
use crate::event::Effect;
use crate::state::{Core, Stage};
use partita_shared::ids::WorkerId;
use partita_shared::message::ToWorker;

/// For how long no attempt of a worker may end before the tasks that wait there for a slot are recalled, in
/// microseconds: they were to wait for a few milliseconds.
const STALL_US: u64 = 1_000_000;

pub(crate) fn on_tick(core: &mut Core, effects: &mut Vec<Effect>) {
    let now = core.now;
    let limit = core.options.silence_us_max;
    let silent: Vec<WorkerId> = core
        .workers
        .iter()
        .filter(|(_, worker)| now.saturating_sub(worker.last_heartbeat) > limit)
        .map(|(id, _)| *id)
        .collect();
    for id in silent {
        let cause = format!("no heartbeat for {} s", limit / 1_000_000);
        core.give_up_worker(id, cause);
    }
    recall_waiting(core, effects);
    fail_hopeless(core);
}

/// Recalls tasks that wait for a slot behind long ones while another worker has a free slot. Tasks were sent there
/// ahead because earlier ones of their stage were short.
fn recall_waiting(core: &mut Core, effects: &mut Vec<Effect>) {
    let is_free = |(load, _): &(u64, WorkerId)| *load < 1000;
    if !core.by_load.first().is_some_and(is_free) {
        return;
    }
    for (id, worker) in &mut core.workers {
        let is_stalled = worker.on_slots() > worker.slots()
            && core.now.saturating_sub(worker.last_change) > STALL_US;
        if is_stalled && !worker.is_stalled {
            worker.is_stalled = true;
            effects.push(Effect::Send { worker: *id, message: ToWorker::Recall });
        }
    }
}

/// Fails the jobs that cannot make progress before the allocation ends: none of their tasks runs,
/// and every ready one is expected to take longer than the remaining time. The user gets an error
/// now; later, the processes would just be killed.
fn fail_hopeless(core: &mut Core) {
    let Some((slurm_job, at)) = &core.allocation else { return };
    let left = at.saturating_sub(core.now);
    let mut found = Vec::new();
    for (id, job) in core.jobs.iter().filter(|(_, job)| job.running == 0) {
        let mut ready = job.stages.iter().filter(|stage| stage.counts.ready > 0).peekable();
        if ready.peek().is_none() {
            continue;
        }
        let hopeless = |stage: &&Stage| {
            stage.mean_us().is_some_and(|mean| mean > left)
                && !core.workers.values().any(|worker| has_time(worker, stage, core.now))
        };
        let Some(shortest) = ready.clone().min_by_key(|stage| stage.mean_us()) else { continue };
        if ready.all(|stage| hopeless(&stage)) {
            let takes = shortest.mean_us().unwrap_or(0) / 1_000_000;
            found.push((
                *id,
                format!(
                    "Slurm job {slurm_job} ends in {} s, and a task of `{}` takes about {takes} s: no task of this job can finish in time; request more time, or submit the job again later",
                    left / 1_000_000,
                    shortest.name
                ),
            ));
        }
    }
    for (id, error) in found {
        core.fail_job(id, error, None);
    }
}
