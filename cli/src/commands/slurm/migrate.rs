//! Taking worker jobs away without losing what their workers hold and someone still wants.

use super::policy::{Seen, SeenWorkers};
use anyhow::Result;
use partita_client::Control;
use partita_shared::access::Access;
use partita_shared::ids::WorkerId;
use partita_shared::message::{Reply, Request};
use partita_shared::model::{WorkerRow, WorkerState};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long workers may take to migrate what they hold. Those that need longer continue.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// What the workers of Slurm jobs have, by job.
pub(super) fn by_job(rows: &[WorkerRow]) -> BTreeMap<u64, SeenWorkers> {
    let mut found: BTreeMap<u64, SeenWorkers> = BTreeMap::new();
    for (job, row) in with_jobs(rows) {
        let workers = found.entry(job).or_default();
        workers.slots += row.slots;
        workers.assigned += row.assigned;
        workers.held += row.held;
    }
    found
}

/// Workers that take tasks and run in a Slurm job, with its number.
fn with_jobs(rows: &[WorkerRow]) -> impl Iterator<Item = (u64, &WorkerRow)> {
    rows.iter()
        .filter(|row| row.state == WorkerState::Up)
        .filter_map(|row| Some((row.slurm_job.as_deref()?.parse().ok()?, row)))
}

/// Asks for the workers, and notes what they have.
pub(super) async fn look(control: &mut Control, seen: &mut Seen) -> Result<Vec<WorkerRow>> {
    let Reply::Workers(rows) = control.ask(Request::Workers).await? else { return Ok(Vec::new()) };
    seen.workers = by_job(&rows);
    seen.slots = rows.iter().filter(|row| row.state == WorkerState::Up).map(|row| row.slots).sum();
    Ok(rows)
}

/// The job of these that must stay: with them, all workers would go, and it holds the most of what someone still
/// wants. None if other workers can take it, or nothing is held.
pub(super) fn last_holder(jobs: &[u64], seen: &Seen) -> Option<u64> {
    let workers = |id: &u64| seen.workers.get(id).copied().unwrap_or_default();
    let going: u32 = jobs.iter().map(|id| workers(id).slots).sum();
    let most = jobs.iter().max_by_key(|id| workers(id).held)?;
    (going >= seen.slots && workers(most).held > 0).then_some(*most)
}

/// How many partitions a job's workers hold, in words.
pub(super) fn what_it_holds(job: u64, seen: &Seen) -> String {
    match seen.workers.get(&job).map_or(0, |workers| workers.held) {
        1 => "1 partition that is still needed".to_string(),
        count => format!("{count} partitions that are still needed"),
    }
}

/// Whether workers of these jobs hold something that others are to take before they go.
pub(super) fn must_migrate(jobs: &[u64], seen: &Seen) -> bool {
    jobs.iter().any(|id| seen.workers.get(id).is_some_and(|workers| workers.held > 0))
}

/// Retires the workers of these jobs: they migrate what they hold, and leave, and their jobs end. Returns whether
/// they have left within the bound. All of them leave at once, so that nothing migrates to another of them.
pub(super) async fn retire(access: &Access, jobs: &[u64]) -> Result<bool> {
    let mut control = Control::connect(access).await?;
    let rows = look(&mut control, &mut Seen::default()).await?;
    let workers: Vec<WorkerId> =
        with_jobs(&rows).filter(|(job, _)| jobs.contains(job)).map(|(_, row)| row.id).collect();
    match tokio::time::timeout(MIGRATION_TIMEOUT, control.ask(Request::Retire(workers))).await {
        Ok(answered) => answered.map(|_| true).map_err(Into::into),
        Err(_) => Ok(false),
    }
}
