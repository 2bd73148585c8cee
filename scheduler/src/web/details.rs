//! A task with all that is known of it, and the logs of workers: for the program and the REST API.

use crate::hub::Hub;
use crate::telemetry::Telemetry;
use crate::web::answers::Answers;
use futures::StreamExt;
use partita_observe::event::Ending;
use partita_observe::frame::{Answer, Question};
use partita_observe::view::{AttemptView, TaskView};
use partita_shared::ids::{TaskId, WorkerId};
use partita_shared::model::{AttemptRow, TaskDetail, WorkerLog, WorkerRow, WorkerState};

/// Workers that are asked for their logs at once.
const LOGS_AT_ONCE: usize = 32;
/// Workers whose logs one answer has at most.
pub(crate) const LOGS_MAX: usize = 200;

/// All that is known of a task.
///
/// # Errors
/// If nothing is, with the reason. None if the scheduler is shutting down.
pub(crate) async fn task_detail(
    hub: &Hub,
    telemetry: &Telemetry,
    task: TaskId,
) -> Option<Result<TaskDetail, String>> {
    let view = match telemetry.observer() {
        Some(observer) => {
            let answers = Answers::Live(hub.clone());
            match answers.answer(observer, Question::Task(task)).await {
                Answer::Task(view) => *view,
                Answer::None(reason) => return Some(Err(reason)),
                Answer::Tasks { .. } => return Some(Err("an unexpected answer".to_string())),
            }
        }
        None => match hub.query(move |core| core.task_view(task)).await? {
            Some(view) => view,
            None => return Some(Err(format!("{task} is unknown, or its job has ended"))),
        },
    };
    let workers = hub.query(|core| core.workers(true)).await?;
    Some(Ok(detail_of(view, &workers)))
}

fn detail_of(view: TaskView, workers: &[WorkerRow]) -> TaskDetail {
    let TaskView { row, stage_name, attempts, why, texts, .. } = view;
    let name = |id: WorkerId| {
        let row = workers.iter().find(|row| row.id == id);
        row.map_or_else(|| id.to_string(), |row| row.name.clone())
    };
    let attempt = |attempt: AttemptView| AttemptRow {
        attempt: attempt.attempt,
        worker: name(attempt.worker),
        slot: attempt.slot,
        state: match attempt.ending {
            None => "running",
            Some(Ending::Finished) => "finished",
            Some(Ending::Failed(_)) => "failed",
            Some(Ending::Lost) => "lost",
            Some(Ending::Stopped) => "stopped",
        }
        .to_string(),
        started_ms: attempt.started_ms,
        queued_us: attempt.queued_us,
        busy_us: attempt.busy_us,
        error: attempt.error,
    };
    let why = why.into_iter().map(|reason| match reason.worker {
        Some(worker) => format!("{}: {}", name(worker), reason.text),
        None => reason.text,
    });
    let why = why.collect();
    let attempts = attempts.into_iter().map(attempt).collect();
    TaskDetail { task: row, stage_name, attempts, why, texts }
}

/// The ends of the logs of workers; of all that are connected if none is named.
///
/// # Errors
/// If one of them is unknown or does not tell. None if the scheduler is shutting down.
pub(crate) async fn logs(
    hub: &Hub,
    wanted: Vec<WorkerId>,
) -> Option<Result<Vec<WorkerLog>, String>> {
    let rows = hub.query(|core| core.workers(true)).await?;
    let is_there = |row: &&WorkerRow| matches!(row.state, WorkerState::Up | WorkerState::Leaving);
    let mut chosen = Vec::new();
    if wanted.is_empty() {
        chosen.extend(rows.iter().filter(is_there).take(LOGS_MAX));
    }
    for id in wanted.into_iter().take(LOGS_MAX) {
        match rows.iter().find(|row| row.id == id).filter(is_there) {
            Some(row) => chosen.push(row),
            None => return Some(Err(format!("{id} is not connected; see `partita workers`"))),
        }
    }
    let ask = |row: &WorkerRow| {
        let (hub, worker, name) = (hub.clone(), row.id, row.name.clone());
        async move {
            let unanswered = || format!("{worker} did not send its log in time");
            let lines = hub.log_of(worker).await.ok_or_else(unanswered)?;
            Ok(WorkerLog { worker, name, lines })
        }
    };
    let asked: Vec<_> = chosen.into_iter().map(ask).collect();
    let logs = futures::stream::iter(asked).buffered(LOGS_AT_ONCE);
    Some(logs.collect::<Vec<_>>().await.into_iter().collect())
}
