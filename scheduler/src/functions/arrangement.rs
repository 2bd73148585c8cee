//! Replicas of results of functions, and results that are moved between workers.

use crate::flight::exchange::message;
use crate::functions::message::{Arrange, Replicas, answer};
use crate::hub::Hub;
use arrow_flight::FlightData;
use partita_core::{Event, TaskRange};
use partita_shared::ids::{JobId, StageId, TaskId};
use partita_shared::limits::OPEN_JOB_TASKS_MAX;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Requests of one client that may wait at once.
pub(super) const ARRANGEMENTS_MAX: usize = 1_000;

/// Results that are looked up at once: the core does nothing else meanwhile.
const RESULTS_AT_ONCE: usize = 10_000;

/// Does what a client asks, waits until it is done, and answers. Ends with the client. `room` is a place among its
/// requests; without one, the request is refused.
pub(super) async fn arrange(
    hub: Hub,
    wanted: Arrange,
    room: Option<OwnedSemaphorePermit>,
    answers: mpsc::Sender<FlightData>,
) {
    let request = wanted.request;
    let done = async {
        if room.is_none() {
            return Err(format!(
                "a client may have {ARRANGEMENTS_MAX} requests at once; name several results in one"
            ));
        }
        do_arrange(&hub, wanted).await
    };
    let done = tokio::select! {
        done = done => done,
        () = answers.closed() => return,
    };
    let header = match done {
        Ok(()) => serde_json::json!({"request": request}),
        Err(error) => serde_json::json!({"request": request, "error": error}),
    };
    let _ = answers.send(message(answer::ARRANGED, &header, &[])).await;
}

async fn do_arrange(hub: &Hub, wanted: Arrange) -> Result<(), String> {
    let Arrange { results, workers, replicas, .. } = wanted;
    let all = results.ranges();
    let count: u64 = all.iter().map(|(_, range)| u64::from(range.count)).sum();
    if count > OPEN_JOB_TASKS_MAX {
        return Err(format!("a request may name {OPEN_JOB_TASKS_MAX} results, not {count}"));
    }
    let tasks = all.clone();
    let event = move |request| match replicas {
        Some(Replicas { count, readers_max }) => {
            Event::ReplicasRequested { request, tasks, workers, count, readers_max }
        }
        None => Event::RebalanceRequested { request, tasks, workers },
    };
    hub.ask(event).await?;
    until_arranged(hub, &all).await
}

/// Waits until nothing is to be copied or moved of any of these results, as far as workers can take them.
async fn until_arranged(hub: &Hub, ranges: &[(JobId, TaskRange)]) -> Result<(), String> {
    let mut changes = hub.changes();
    let mut all = ranges.iter().flat_map(|(job, range)| {
        let stage = StageId { job: *job, index: range.stage };
        let end = range.first.saturating_add(range.count);
        (range.first..end).map(move |index| TaskId { stage, index })
    });
    loop {
        let mut left: Vec<TaskId> = all.by_ref().take(RESULTS_AT_ONCE).collect();
        if left.is_empty() {
            return Ok(());
        }
        while !left.is_empty() {
            changes.mark_unchanged();
            let tasks = left;
            // Those behind the first that is not done are not asked for again and again.
            let found = hub.query(move |core| {
                let done = tasks.iter().take_while(|task| core.is_arranged(**task)).count();
                tasks.into_iter().skip(done).collect::<Vec<_>>()
            });
            left = found.await.ok_or("the scheduler is shutting down")?;
            if !left.is_empty() {
                changes.changed().await.map_err(|_| "the scheduler is shutting down")?;
            }
        }
    }
}
