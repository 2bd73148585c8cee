//! The REST API: what the cluster does, as JSON, the end of a job, and the retiring of a worker.
//!
//! Lists are read in pages by key: an answer says in `next` where the next page begins, so that
//! walking all pages shows each row once, however much is added meanwhile.

mod answer;
mod parameters;
#[cfg(test)]
mod tests;

use crate::error::SchedulerError;
use crate::hub::Hub;
use crate::parts::Parts;
use crate::telemetry::Telemetry;
use crate::web::{Auth, client, details};
use answer::{
    Answer, ApiError, Attempts, Jobs, ListedTask, Named, PageTicket, Profiles, Stages, Tasks,
    Workers, split_page,
};
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use parameters::{JOB_STATES, Parameters, TASK_STATES, WORKER_STATES};
use partita_core::Event;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::Reply;
use partita_shared::model::{
    ClusterRow, JobRow, JobState, TaskDetail, TaskRow, WorkerLog, WorkerRow, WorkerState,
};
use std::sync::Arc;
use std::time::Instant;

/// Workers in one answer.
const WORKERS_PAGE_MAX: usize = 1000;
/// Jobs in one answer.
const JOBS_PAGE_MAX: usize = 1000;
/// Tasks in one answer.
const TASKS_PAGE_MAX: usize = 200;
/// Attempts in one answer.
const ATTEMPTS_MAX: usize = 10_000;

pub(crate) fn routes() -> Router<Parts> {
    Router::new()
        .route("/api/v2/cluster", get(cluster))
        .route("/api/v2/workers", get(workers))
        .route("/api/v2/jobs", get(jobs))
        .route("/api/v2/jobs/{id}", get(job))
        .route("/api/v2/jobs/{id}/stages", get(stages))
        .route("/api/v2/jobs/{id}/tasks", get(tasks))
        .route("/api/v2/jobs/{id}/tasks/{task}", get(task))
        .route("/api/v2/jobs/{id}/attempts", get(attempts))
        .route("/api/v2/jobs/{id}/profile", get(profile))
        .route("/api/v2/workers/{id}/log", get(log))
        .route("/api/v2/page/ticket", post(ticket))
        .route("/api/{*rest}", any(nothing_here))
        .method_not_allowed_fallback(wrong_method)
}

/// What a page may do beside looking.
pub(crate) fn page_actions() -> Router<Parts> {
    Router::new()
        .route("/api/v2/jobs/{id}/cancel", post(cancel))
        .route("/api/v2/workers/{id}/retire", post(retire))
        .method_not_allowed_fallback(wrong_method)
}

type Answered<T> = Result<Answer<T>, ApiError>;

async fn cluster(
    State(hub): State<Hub>,
    State(telemetry): State<Arc<Telemetry>>,
    RawQuery(query): RawQuery,
) -> Answered<ClusterRow> {
    Parameters::read(query.as_deref(), &[])?;
    telemetry.cluster(&hub).await.map(Answer).ok_or_else(ApiError::ending)
}

/// Gives a ticket with which a page opens once.
async fn ticket(State(auth): State<Arc<Auth>>) -> Answered<PageTicket> {
    if auth.page_token().is_none() {
        let text = "this scheduler runs without a dashboard".to_string();
        return Err(ApiError::new(StatusCode::NOT_FOUND, text));
    }
    let failed =
        |error: SchedulerError| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let ticket = crate::new_token().map_err(failed)?;
    auth.tickets().add(ticket.clone(), Instant::now());
    Ok(Answer(PageTicket { ticket }))
}

async fn workers(State(hub): State<Hub>, RawQuery(query): RawQuery) -> Answered<Workers> {
    let parameters = Parameters::read(query.as_deref(), &["state", "limit", "after"])?;
    let state = parameters.choice("state", &WORKER_STATES)?;
    let limit = parameters.limit(WORKERS_PAGE_MAX)?;
    let after: Option<WorkerId> = parameters.id("after", "a worker such as 7")?;
    let mut rows = hub.query(|core| core.workers(true)).await.ok_or_else(ApiError::ending)?;
    rows.retain(|row| {
        state.is_none_or(|state| row.state == state) && after.is_none_or(|after| row.id > after)
    });
    let (workers, next) = split_page(rows, limit, |row| row.id.0.to_string());
    Ok(Answer(Workers { workers, next }))
}

async fn jobs(State(hub): State<Hub>, RawQuery(query): RawQuery) -> Answered<Jobs> {
    let parameters = Parameters::read(query.as_deref(), &["state", "limit", "before"])?;
    let state = parameters.choice("state", &JOB_STATES)?;
    let limit = parameters.limit(JOBS_PAGE_MAX)?;
    let before: Option<JobId> = parameters.id("before", "a job such as 7")?;
    // One more than the page tells whether there is another. A state is looked for among all.
    let wanted = if state.is_some() { client::JOBS_MAX } else { limit + 1 };
    let rows = hub.query(move |core| core.jobs(before, wanted)).await;
    let mut rows = rows.ok_or_else(ApiError::ending)?;
    rows.retain(|row| state.is_none_or(|state| row.state == state));
    let (rows, next) = split_page(rows, limit, |row| row.id.0.to_string());
    Ok(Answer(Jobs { jobs: rows.into_iter().map(named).collect(), next }))
}

async fn job(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Named<JobRow>> {
    Parameters::read(query.as_deref(), &[])?;
    let id = parameters::job_id(&id)?;
    Ok(Answer(named(find(&hub, id).await?)))
}

async fn stages(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Stages> {
    Parameters::read(query.as_deref(), &[])?;
    let id = parameters::job_id(&id)?;
    let stages = hub.query(move |core| core.stages(id)).await.ok_or_else(ApiError::ending)?;
    stages.map(|stages| Answer(Stages { stages })).ok_or_else(|| ApiError::unknown(id))
}

async fn tasks(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Tasks> {
    let parameters = Parameters::read(query.as_deref(), &["state", "stage", "limit", "after"])?;
    let id = parameters::job_id(&id)?;
    let state = parameters.choice("state", &TASK_STATES)?;
    let limit = parameters.limit(TASKS_PAGE_MAX)?;
    let after = parameters.task_key("after")?;
    let stage: Option<u32> = parameters.id("stage", "the number of a stage, from 0")?;
    let question = move |core: &partita_core::Core| {
        let listed = |row: TaskRow| ListedTask {
            replicas: core.holders(row.id).into_iter().skip(1).collect(),
            task: Named { name: row.id.to_string(), row },
        };
        let rows = core.tasks_of(id, stage, state, after, limit + 1);
        (core.job(id), rows.map(|rows| rows.into_iter().map(listed).collect::<Vec<_>>()))
    };
    let (row, rows) = hub.query(question).await.ok_or_else(ApiError::ending)?;
    let row = row.ok_or_else(|| ApiError::unknown(id))?;
    if let Some(stage) = stage
        && stage >= row.stages
    {
        let last = row.stages.saturating_sub(1);
        return Err(ApiError::parameter("stage", &stage.to_string(), &format!("0 to {last}")));
    }
    let Some(rows) = rows else {
        let text = format!(
            "{id} has ended ({}) and its tasks were discarded; see its stages",
            row.state.as_str()
        );
        return Err(ApiError::new(StatusCode::GONE, text));
    };
    let key = |listed: &ListedTask| {
        let id = listed.task.row.id;
        format!("{}.{}", id.stage.index, id.index)
    };
    let (tasks, next) = split_page(rows, limit, key);
    Ok(Answer(Tasks { tasks, next }))
}

/// One task, with its attempts and what its calls printed.
async fn task(
    State(hub): State<Hub>,
    State(telemetry): State<Arc<Telemetry>>,
    Path((job, task)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answered<Named<TaskDetail>> {
    Parameters::read(query.as_deref(), &[])?;
    let id = parameters::task_id(&job, &task)?;
    let detail = details::task_detail(&hub, &telemetry, id).await.ok_or_else(ApiError::ending)?;
    let unknown = |reason| ApiError::new(StatusCode::NOT_FOUND, reason);
    detail.map(|row| Answer(Named { name: id.to_string(), row })).map_err(unknown)
}

/// The attempts of a job that ended last.
async fn attempts(
    State(hub): State<Hub>,
    State(telemetry): State<Arc<Telemetry>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Attempts> {
    let parameters = Parameters::read(query.as_deref(), &["limit"])?;
    let (job, limit) = (parameters::job_id(&id)?, parameters.limit(ATTEMPTS_MAX)?);
    let found = details::attempts(&hub, &telemetry, job, limit).await;
    let unknown = |reason| ApiError::new(StatusCode::NOT_FOUND, reason);
    let attempts = found.ok_or_else(ApiError::ending)?.map_err(unknown)?;
    Ok(Answer(Attempts { attempts }))
}

/// Where the calls of a job spend their time.
async fn profile(
    State(telemetry): State<Arc<Telemetry>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Profiles> {
    let parameters = Parameters::read(query.as_deref(), &["stage"])?;
    let (job, stage) =
        (parameters::job_id(&id)?, parameters.id("stage", "the number of a stage, from 0")?);
    let unknown = |reason| ApiError::new(StatusCode::NOT_FOUND, reason);
    let profiles = details::profiles(&telemetry, job, stage).await.map_err(unknown)?;
    Ok(Answer(Profiles { profiles }))
}

/// The end of the log of a worker.
async fn log(
    State(hub): State<Hub>,
    State(telemetry): State<Arc<Telemetry>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<WorkerLog> {
    Parameters::read(query.as_deref(), &[])?;
    let worker = parameters::worker_id(&id)?;
    let logs = details::logs(&hub, &telemetry, vec![worker]).await.ok_or_else(ApiError::ending)?;
    let unknown = |reason| ApiError::new(StatusCode::NOT_FOUND, reason);
    let log = logs.map_err(unknown)?.pop();
    log.map(Answer).ok_or_else(ApiError::ending)
}

async fn cancel(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<Named<JobRow>> {
    Parameters::read(query.as_deref(), &[])?;
    let id = parameters::job_id(&id)?;
    find(&hub, id).await?;
    if let Reply::Error(text) = client::cancel(&hub, id).await.ok_or_else(ApiError::ending)? {
        return Err(ApiError::new(StatusCode::CONFLICT, text));
    }
    let row = find(&hub, id).await?;
    // It may have ended by itself between the question and the order.
    if row.state != JobState::Cancelled {
        let text = format!("{id} has already ended: {}", row.state.as_str());
        return Err(ApiError::new(StatusCode::CONFLICT, text));
    }
    Ok(Answer(named(row)))
}

/// Has a worker leave. It migrates its partitions first, which the answer does not wait for.
async fn retire(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered<WorkerRow> {
    Parameters::read(query.as_deref(), &[])?;
    let worker = parameters::worker_id(&id)?;
    let found = move |core: &partita_core::Core| {
        core.workers(true).into_iter().find(|row| row.id == worker)
    };
    let unknown = || {
        let text = format!("{worker} does not exist; see /api/v2/workers");
        ApiError::new(StatusCode::NOT_FOUND, text)
    };
    let row = hub.query(found).await.ok_or_else(ApiError::ending)?.ok_or_else(unknown)?;
    match row.state {
        WorkerState::Up => {
            let reason = "retired by a user".to_string();
            hub.tell(Event::WorkerLeaving { worker, reason }).await;
        }
        WorkerState::Leaving => {}
        WorkerState::Left | WorkerState::Lost => {
            let text = format!("{worker} has already left");
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        }
    }
    let row = hub.query(found).await.ok_or_else(ApiError::ending)?;
    row.map(Answer).ok_or_else(unknown)
}

async fn nothing_here() -> ApiError {
    let text = "unknown path; paths begin with /api/v2/cluster, /api/v2/workers \
                and /api/v2/jobs";
    ApiError::new(StatusCode::NOT_FOUND, text.to_string())
}

async fn wrong_method() -> ApiError {
    let text = "this path does not support the method; the `allow` header lists the supported ones";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text.to_string())
}

/// One job, or a "not found" answer.
async fn find(hub: &Hub, id: JobId) -> Result<JobRow, ApiError> {
    let row = hub.query(move |core| core.job(id)).await.ok_or_else(ApiError::ending)?;
    row.ok_or_else(|| ApiError::unknown(id))
}

fn named(row: JobRow) -> Named<JobRow> {
    Named { name: row.id.to_string(), row }
}
