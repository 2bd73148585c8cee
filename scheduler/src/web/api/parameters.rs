//! The parameters of a request. One that is not understood is refused, not passed over: a script
//! with a misspelt filter must not take all rows for those it wanted.

use super::answer::ApiError;
use axum::http::StatusCode;
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::model::{JobState, TaskState, WorkerState};
use std::str::FromStr;
use url::form_urlencoded;

/// Rows in an answer where `limit` does not say.
const PAGE_DEFAULT: usize = 100;
/// The parameter that may carry the token, on every path.
const TOKEN: &str = "token";

/// The states of a worker, as JSON has them.
pub(super) const WORKER_STATES: [(&str, WorkerState); 4] = [
    ("up", WorkerState::Up),
    ("leaving", WorkerState::Leaving),
    ("left", WorkerState::Left),
    ("lost", WorkerState::Lost),
];

/// The states of a job, as JSON has them.
pub(super) const JOB_STATES: [(&str, JobState); 7] = [
    ("planning", JobState::Planning),
    ("queued", JobState::Queued),
    ("running", JobState::Running),
    ("done", JobState::Done),
    ("failed", JobState::Failed),
    ("cancelled", JobState::Cancelled),
    ("persisted", JobState::Persisted),
];

/// The states of a task, as JSON has them.
pub(super) const TASK_STATES: [(&str, TaskState); 5] = {
    let [a, b, c, d, e] = TaskState::ALL;
    [(a.as_str(), a), (b.as_str(), b), (c.as_str(), c), (d.as_str(), d), (e.as_str(), e)]
};

/// The parameters of one request, each at most once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them.
    ///
    /// # Errors
    /// If one is not among `known`, or is there twice.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if name == TOKEN {
                continue;
            }
            let error = if !known.contains(&name.as_ref()) {
                let known = match known {
                    [] => "none".to_string(),
                    known => known.join(", "),
                };
                format!("unknown parameter `{name}`; supported: {known}")
            } else if found.iter().any(|(other, _)| *other == name) {
                format!("duplicate parameter `{name}`; give it once")
            } else {
                found.push((name.into_owned(), value.into_owned()));
                continue;
            };
            return Err(ApiError::new(StatusCode::BAD_REQUEST, error));
        }
        Ok(Parameters(found))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// One of several words.
    ///
    /// # Errors
    /// If it is another.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                Err(ApiError::parameter(name, text, &words.join(", ")))
            }
        }
    }

    /// How many rows are wanted at most.
    ///
    /// # Errors
    /// If it is not from 1 to `max`.
    pub(super) fn limit(&self, max: usize) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(PAGE_DEFAULT.min(max)) };
        match text.parse() {
            Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
            Ok(_) | Err(_) => Err(ApiError::parameter("limit", text, &format!("1 to {max}"))),
        }
    }

    /// A number or an identifier.
    ///
    /// # Errors
    /// If it is invalid; `allowed` says what is expected.
    pub(super) fn id<T: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<T>, ApiError> {
        let read =
            |text: &str| text.parse().map_err(|_: T::Err| ApiError::parameter(name, text, allowed));
        self.get(name).map(read).transpose()
    }

    /// A task of a job: its stage and its index there.
    ///
    /// # Errors
    /// If it is not two numbers with a point between.
    pub(super) fn task_key(&self, name: &str) -> Result<Option<(u32, u32)>, ApiError> {
        let read = |text: &str| {
            read_task_key(text)
                .ok_or_else(|| ApiError::parameter(name, text, "STAGE.INDEX, such as 0.199"))
        };
        self.get(name).map(read).transpose()
    }
}

/// The worker that a path names.
///
/// # Errors
/// If it names none.
pub(super) fn worker_id(text: &str) -> Result<WorkerId, ApiError> {
    text.parse().map_err(|_| {
        let error = format!("invalid worker id `{text}`: expected a number or worker-N");
        ApiError::new(StatusCode::BAD_REQUEST, error)
    })
}

/// The task that a path names.
///
/// # Errors
/// If it names none.
pub(super) fn task_id(job: &str, task: &str) -> Result<TaskId, ApiError> {
    let job = job_id(job)?;
    let (stage, index) = read_task_key(task).ok_or_else(|| {
        let error = format!("invalid task `{task}`: expected STAGE.INDEX, such as 0.199");
        ApiError::new(StatusCode::BAD_REQUEST, error)
    })?;
    Ok(TaskId { stage: StageId { job, index: stage }, index })
}

/// A stage and an index in it.
fn read_task_key(text: &str) -> Option<(u32, u32)> {
    let (stage, index) = text.split_once('.')?;
    Some((stage.parse().ok()?, index.parse().ok()?))
}

/// The job that a path names.
///
/// # Errors
/// If it names none.
pub(super) fn job_id(text: &str) -> Result<JobId, ApiError> {
    text.parse().map_err(|_| {
        let error = format!("invalid job id `{text}`: expected a number or job-N");
        ApiError::new(StatusCode::BAD_REQUEST, error)
    })
}
