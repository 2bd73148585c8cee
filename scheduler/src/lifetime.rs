//! The end of a scheduler that nobody uses.

use crate::hub::Hub;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Asks for the end when nothing was going on for so long.
pub(crate) async fn end_when_idle(hub: Hub, limit: Duration, shutdown: CancellationToken) {
    let mut busy = Instant::now();
    let mut seen = 0;
    loop {
        tokio::time::sleep(limit.min(Duration::from_secs(1))).await;
        let Some(row) = hub.query(|core| core.cluster()).await else { return };
        if row.jobs_live > 0 || row.tasks_finished != seen {
            seen = row.tasks_finished;
            busy = Instant::now();
        }
        if busy.elapsed() >= limit {
            tracing::info!(seconds = limit.as_secs(), "idle timeout reached; shutting down");
            shutdown.cancel();
            return;
        }
    }
}
