//! A task with all that is known of it, and the logs of workers: for the program and the REST API.

use crate::hub::Hub;
use crate::telemetry::Telemetry;
use crate::web::answers::Answers;
use futures::StreamExt;
use partita_observe::event::Ending;
use partita_observe::frame::{Answer, Question};
use partita_observe::view::{AttemptView, TaskView};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use partita_shared::model::{
    AttemptOfTask, AttemptRow, StageProfile, TaskDetail, WorkerLog, WorkerRow, WorkerState,
};

/// Workers that are asked for their logs at once.
const LOGS_AT_ONCE: usize = 32;
/// Workers whose logs one answer has at most.
pub(crate) const LOGS_MAX: usize = 200;

/// Why nothing is remembered.
const HEADLESS: &str = "the scheduler runs with --headless and remembers nothing of this";
const UNEXPECTED: &str = "internal error: an unexpected answer of the observer";

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
                _ => return Some(Err(UNEXPECTED.to_string())),
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

/// Where the calls of a job spend their time, by stage.
///
/// # Errors
/// If the job or the stage is unknown, or nothing is observed.
pub(crate) async fn profiles(
    telemetry: &Telemetry,
    job: JobId,
    stage: Option<u32>,
) -> Result<Vec<StageProfile>, String> {
    let observer = telemetry.observer().ok_or(HEADLESS)?;
    match observer.ask(Question::Profiles { job, stage }).await {
        Answer::Profiles(found) => Ok(found),
        Answer::None(reason) => Err(reason),
        _ => Err(UNEXPECTED.to_string()),
    }
}

fn name_of(id: WorkerId, workers: &[WorkerRow]) -> String {
    let row = workers.iter().find(|row| row.id == id);
    row.map_or_else(|| id.to_string(), |row| row.name.clone())
}

fn row_of(attempt: AttemptView, workers: &[WorkerRow]) -> AttemptRow {
    AttemptRow {
        attempt: attempt.attempt,
        worker: name_of(attempt.worker, workers),
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
    }
}

/// The attempts of a job that ended last.
///
/// # Errors
/// If nothing is observed. None if the scheduler is shutting down.
pub(crate) async fn attempts(
    hub: &Hub,
    telemetry: &Telemetry,
    job: JobId,
    limit: usize,
) -> Option<Result<Vec<AttemptOfTask>, String>> {
    let Some(observer) = telemetry.observer() else { return Some(Err(HEADLESS.to_string())) };
    let workers = hub.query(|core| core.workers(true)).await?;
    let found = observer.latest_attempts(job, limit).await;
    let row =
        |view: AttemptView| AttemptOfTask { task: view.task, attempt: row_of(view, &workers) };
    Some(Ok(found.into_iter().map(row).collect()))
}

fn detail_of(view: TaskView, workers: &[WorkerRow]) -> TaskDetail {
    let TaskView { row, stage_name, attempts, why, texts, stack, story, .. } = view;
    let name = |id| name_of(id, workers);
    let why = why.into_iter().map(|reason| match reason.worker {
        Some(worker) => format!("{}: {}", name(worker), reason.text),
        None => reason.text,
    });
    let why = why.collect();
    let attempts = attempts.into_iter().map(|attempt| row_of(attempt, workers)).collect();
    TaskDetail { task: row, stage_name, attempts, why, texts, stack, story }
}

/// The lines that a worker sent before it was gone.
async fn remembered_log(telemetry: &Telemetry, worker: WorkerId) -> Result<Vec<String>, String> {
    let observer = telemetry.observer().ok_or_else(|| format!("{worker} is not connected"))?;
    match observer.ask(Question::WorkerLog(worker)).await {
        Answer::WorkerLog(lines) => Ok(lines),
        Answer::None(reason) => Err(format!("{reason}; see `partita workers`")),
        _ => Err(UNEXPECTED.to_string()),
    }
}

/// The ends of the logs of workers; of all that are connected if none is named. Of one that is gone, the last lines that it
/// sent.
///
/// # Errors
/// If one of them is unknown or does not tell. None if the scheduler is shutting down.
pub(crate) async fn logs(
    hub: &Hub,
    telemetry: &Telemetry,
    wanted: Vec<WorkerId>,
) -> Option<Result<Vec<WorkerLog>, String>> {
    let rows = hub.query(|core| core.workers(true)).await?;
    let is_there = |row: &&WorkerRow| matches!(row.state, WorkerState::Up | WorkerState::Leaving);
    let chosen: Vec<WorkerId> = match wanted.is_empty() {
        true => rows.iter().filter(is_there).map(|row| row.id).take(LOGS_MAX).collect(),
        false => wanted.into_iter().take(LOGS_MAX).collect(),
    };
    let ask = |worker: WorkerId| {
        let is_there = rows.iter().filter(is_there).any(|row| row.id == worker);
        let name = name_of(worker, &rows);
        async move {
            let unanswered = || format!("{worker} did not send its log in time");
            let lines = match is_there {
                true => hub.log_of(worker).await.ok_or_else(unanswered)?,
                false => remembered_log(telemetry, worker).await?,
            };
            Ok(WorkerLog { worker, name, lines })
        }
    };
    let asked: Vec<_> = chosen.into_iter().map(ask).collect();
    let logs = futures::stream::iter(asked).buffered(LOGS_AT_ONCE);
    Some(logs.collect::<Vec<_>>().await.into_iter().collect())
}
