//! What the REST API answers: objects of JSON, well or not.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::{AttemptOfTask, JobRow, StageProfile, StageRow, TaskRow, WorkerRow};
use serde::Serialize;

/// An answer is true for a moment: nobody on the way may keep it.
const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// An answer that went well.
#[derive(Debug)]
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        (NO_STORE, Json(self.0)).into_response()
    }
}

/// A row with its identifier as people write it. Workers and stages have a name of their own.
#[derive(Debug, Serialize)]
pub(super) struct Named<T> {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) row: T,
}

/// A page of workers.
#[derive(Debug, Serialize)]
pub(super) struct Workers {
    pub(super) workers: Vec<WorkerRow>,
    pub(super) next: Option<String>,
}

/// A page of jobs.
#[derive(Debug, Serialize)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<Named<JobRow>>,
    pub(super) next: Option<String>,
}

/// Attempts of a job.
#[derive(Debug, Serialize)]
pub(super) struct Attempts {
    pub(super) attempts: Vec<AttemptOfTask>,
}

/// Where the calls of a job spend their time.
#[derive(Debug, Serialize)]
pub(super) struct Profiles {
    pub(super) profiles: Vec<StageProfile>,
}

/// What opens the dashboard once.
#[derive(Debug, Serialize)]
pub(super) struct PageTicket {
    pub(super) ticket: String,
}

/// The stages of a job.
#[derive(Debug, Serialize)]
pub(super) struct Stages {
    pub(super) stages: Vec<StageRow>,
}

/// A task, with what only this listing shows.
#[derive(Debug, Serialize)]
pub(super) struct ListedTask {
    #[serde(flatten)]
    pub(super) task: Named<TaskRow>,
    /// Workers that hold its output besides its worker.
    pub(super) replicas: Vec<WorkerId>,
}

/// A page of the tasks of a job.
#[derive(Debug, Serialize)]
pub(super) struct Tasks {
    pub(super) tasks: Vec<ListedTask>,
    pub(super) next: Option<String>,
}

/// Cuts rows to a page: where there are more than `limit`, the key of the last row that stays is
/// where the next page begins.
pub(super) fn split_page<T>(
    mut rows: Vec<T>,
    limit: usize,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(key) } else { None };
    (rows, next)
}

/// An answer that says what is wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: String) -> Self {
        ApiError { status, error }
    }

    /// A parameter has a value that it cannot have.
    pub(super) fn parameter(name: &str, value: &str, allowed: &str) -> Self {
        let error = format!("invalid value `{value}` of parameter `{name}`: expected {allowed}");
        ApiError { status: StatusCode::BAD_REQUEST, error }
    }

    /// There is no such job, or it has been forgotten.
    pub(super) fn unknown(job: JobId) -> Self {
        let error = format!("{job} does not exist; see /api/v2/jobs");
        ApiError { status: StatusCode::NOT_FOUND, error }
    }

    /// The core does not answer any more.
    pub(super) fn ending() -> Self {
        let error = "the scheduler is shutting down".to_string();
        ApiError { status: StatusCode::SERVICE_UNAVAILABLE, error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        (self.status, NO_STORE, Json(Body { error: self.error })).into_response()
    }
}
