//! The API as a client meets it: requests to the routes of an embedded scheduler.

use super::parameters::{JOB_STATES, TASK_STATES, WORKER_STATES};
use super::{page_actions, routes};
use crate::hub::Hub;
use crate::parts::Parts;
use crate::web::auth::{self, Auth};
use crate::{JobNotice, Scheduler, SecurityConfig};
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use partita_core::{Event, JobSpec, StageSpec};
use partita_net::connections::{Caller, Newcomers};
use partita_net::peer::FlightPlane;
use partita_shared::access::page_token;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{Registration, ToWorker, Work};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tower::ServiceExt;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rest-api.md"));
const TOKEN: &str = "open-sesame";
/// Bytes of an answer in a test.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The parts of an embedded scheduler that has the token, and pages, if it has a dashboard.
fn parts(dashboard: bool, security: &SecurityConfig) -> Parts {
    let plane = Arc::new(FlightPlane::new(String::new()));
    let parts = Scheduler::embedded(plane).unwrap().parts;
    Parts { auth: Arc::new(Auth::new(TOKEN.to_string(), dashboard, security)), ..parts }
}

/// A scheduler's routes, behind the tokens as the port has them.
fn guarded(parts: &Parts) -> Router {
    let guard = from_fn_with_state(Arc::clone(&parts.auth), auth::require_page_token);
    let actions = page_actions().with_state(parts.clone()).layer(guard);
    let guard = from_fn_with_state(Arc::clone(&parts.auth), auth::require_token);
    routes().with_state(parts.clone()).layer(guard).merge(actions)
}

/// Such routes, and what is asked of them.
struct Api {
    router: Router,
    hub: Hub,
    /// Kept, since the core gives up those who do not listen any more.
    notices: Vec<Receiver<JobNotice>>,
    inboxes: Vec<Receiver<ToWorker>>,
}

impl Api {
    fn new() -> Self {
        let parts = parts(false, &SecurityConfig::default());
        let (near, _) = tokio::io::duplex(1);
        let (_, mut caller) = Newcomers::default().admit(near, ([127, 0, 0, 1], 1).into());
        caller.is_encrypted = true;
        let router = guarded(&parts).layer(Extension(ConnectInfo(caller)));
        Api { router, hub: parts.hub, notices: Vec::new(), inboxes: Vec::new() }
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap().to_vec())
    }

    async fn send(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v2/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .body(Body::empty())
            .unwrap();
        let (status, bytes) = self.ask(request).await;
        let text = String::from_utf8_lossy(&bytes);
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    #[track_caller]
    fn get(&self, path: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let (status, value) = self.send(Method::GET, path).await;
            assert_eq!(status, StatusCode::OK, "{path} from {place}: {value}");
            value
        }
    }

    /// Asks for what is refused: the status, and the error's text.
    async fn refused(&self, method: Method, path: &str) -> (u16, String) {
        let (status, value) = self.send(method, path).await;
        let error = value["error"].as_str().unwrap_or_else(|| panic!("no error: {value}"));
        assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
        (status.as_u16(), error.to_string())
    }

    /// A job with these numbers of tasks in its stages, none of which reads another.
    async fn submit(&mut self, stages: &[u32]) -> JobId {
        let stage = |tasks: &u32| StageSpec {
            name: "scan".to_string(),
            plan: "EmptyExec".to_string(),
            tasks: *tasks,
            work: Work::Empty,
            inputs: Vec::new(),
            origin: partita_core::Origin::Tasks,
            ..StageSpec::default()
        };
        let spec = JobSpec {
            text: "select 1".to_string(),
            client: "tester".to_string(),
            stages: stages.iter().map(stage).collect(),
            ..JobSpec::default()
        };
        let (job, notices) = self.hub.submit(spec).await.unwrap();
        self.notices.push(notices);
        job
    }

    async fn join(&mut self, name: &str) -> WorkerId {
        let name = name.to_string();
        let registration = Registration { name, slots: 2, ..Registration::default() };
        let (worker, inbox) = self.hub.join(registration).await.unwrap();
        self.inboxes.push(inbox);
        worker
    }

    /// Walks all pages of a list, each asked for by what the one before called next.
    async fn walk(&self, path: &str, list: &str, cursor: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut uri = path.to_string();
        loop {
            let answer = self.get(&uri).await;
            pages.push(answer[list].as_array().unwrap().clone());
            assert!(pages.len() < 10_000, "the pages of {path} do not end");
            match &answer["next"] {
                Value::Null => return pages,
                next => uri = format!("{path}&{cursor}={}", next.as_str().unwrap()),
            }
        }
    }
}

fn names(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["name"].as_str().unwrap().to_string()).collect()
}

/// Without the token every path is refused; the token may be in a header or in the address.
#[tokio::test]
async fn the_token_is_needed() {
    let api = Api::new();
    let plain = |uri: &str| Request::builder().uri(uri).body(Body::empty()).unwrap();
    for uri in ["/api/v2/cluster", "/api/v2/jobs/1", "/api/v2/nothing"] {
        assert_eq!(api.ask(plain(uri)).await.0, StatusCode::UNAUTHORIZED, "{uri}");
    }
    let uri = format!("/api/v2/cluster?token={TOKEN}");
    assert_eq!(api.ask(plain(&uri)).await.0, StatusCode::OK);
}

/// What is not encrypted gets no answer, whatever token it has.
#[tokio::test]
async fn encryption_is_needed() {
    let router = guarded(&parts(false, &SecurityConfig::default()));
    let uri = format!("/api/v2/cluster?token={TOKEN}");
    let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::FORBIDDEN);
}

/// The page's token cancels a job and retires a worker without TLS, unless the page may only look, and opens nothing
/// else.
#[tokio::test]
async fn a_page_may_cancel_and_retire() {
    let look = page_token(TOKEN);
    for read_only in [false, true] {
        let security = SecurityConfig { page_read_only: read_only, ..SecurityConfig::default() };
        let router = guarded(&parts(true, &security));
        let ask = |method: Method, path: &str, token: &str| {
            let bearer = format!("Bearer {token}");
            let request = Request::builder().method(method).uri(path);
            let request = request.header(header::AUTHORIZATION, bearer).body(Body::empty());
            let answer = router.clone().oneshot(request.unwrap());
            async { answer.await.unwrap().status() }
        };
        let expected = if read_only { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
        for action in ["/api/v2/jobs/7/cancel", "/api/v2/workers/7/retire"] {
            assert_eq!(ask(Method::POST, action, &look).await, expected, "{action} {read_only}");
            assert_eq!(ask(Method::POST, action, "other").await, StatusCode::UNAUTHORIZED);
            assert_eq!(ask(Method::POST, action, TOKEN).await, StatusCode::FORBIDDEN);
        }
        assert_eq!(ask(Method::GET, "/api/v2/jobs", &look).await, StatusCode::FORBIDDEN);
    }
}

/// The cluster's figures are those of its workers and jobs, and nobody on the way may keep them.
#[tokio::test]
async fn the_cluster_is_shown() {
    let mut api = Api::new();
    api.join("a").await;
    api.join("b").await;
    api.submit(&[10, 20]).await;
    let row = api.get("cluster").await;
    assert_eq!(row["name"], "embedded");
    assert_eq!(row["version"], partita_shared::VERSION);
    assert_eq!((&row["workers"], &row["slots"]), (&json!(2), &json!(4)));
    assert_eq!(row["jobs_live"], 1);
    let tasks = row["tasks"].as_object().unwrap();
    assert_eq!(tasks.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 30);
    let uri = format!("/api/v2/cluster?token={TOKEN}");
    let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
}

/// Workers come by identifier, those that are gone too, page by page and by state.
#[tokio::test]
async fn workers_are_listed_in_pages() {
    let mut api = Api::new();
    for number in 1..=7 {
        api.join(&format!("w{number}")).await;
    }
    let worker = WorkerId(3);
    api.hub.tell(Event::WorkerLost { worker, cause: "it burnt".to_string() }).await;
    let worker = WorkerId(5);
    api.hub.tell(Event::WorkerLeaving { worker, reason: "asked".to_string() }).await;
    let pages = api.walk("workers?limit=3", "workers", "after").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let ids: Vec<_> = pages.concat().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
    let lost = api.get("workers?state=lost").await;
    assert_eq!(names(lost["workers"].as_array().unwrap()), ["w3"]);
    assert_eq!(lost["workers"][0]["cause"], "it burnt");
    let up = api.walk("workers?state=up&limit=2", "workers", "after").await;
    assert_eq!(names(&up.concat()), ["w1", "w2", "w4", "w6", "w7"]);
    let after = api.get("workers?after=worker-6").await;
    assert_eq!(names(after["workers"].as_array().unwrap()), ["w7"]);
}

/// A worker is retired once: it leaves, and who asks again is told the same until it has left.
#[tokio::test]
async fn workers_are_retired() {
    let mut api = Api::new();
    api.join("a").await;
    api.join("b").await;
    for path in ["workers/1/retire", "workers/worker-1/retire"] {
        let (status, row) = api.send(Method::POST, path).await;
        assert_eq!((status, &row["state"]), (StatusCode::OK, &json!("leaving")), "{path}");
    }
    let worker = WorkerId(2);
    api.hub.tell(Event::WorkerLost { worker, cause: "it burnt".to_string() }).await;
    assert_eq!(api.send(Method::POST, "workers/2/retire").await.0, StatusCode::CONFLICT);
    assert_eq!(api.send(Method::POST, "workers/3/retire").await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.send(Method::POST, "workers/x/retire").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.send(Method::GET, "workers/1/retire").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

/// In a cluster that does not encrypt, those pass who have proved that they know the secret; the token opens nothing,
/// and whoever sends it is told so. The page's token opens what it opens elsewhere.
#[tokio::test]
async fn without_encryption_the_token_opens_nothing() {
    let security = SecurityConfig { plaintext: true, ..SecurityConfig::default() };
    let router = guarded(&parts(true, &security));
    let look = page_token(TOKEN);
    let (near, _) = tokio::io::duplex(1);
    let (_, caller) = Newcomers::default().admit(near, ([127, 0, 0, 1], 1).into());
    let ask = |method: Method, path: &str, is_member: bool, token: &str| {
        let mut caller: Caller = caller.clone();
        caller.is_member = is_member;
        let mut request = Request::builder().method(method).uri(format!("/api/v2/{path}"));
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.extension(ConnectInfo(caller)).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request);
        async {
            let (parts, body) = answer.await.unwrap().into_parts();
            let text = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap().to_vec();
            (parts.status, String::from_utf8(text).unwrap())
        }
    };
    assert_eq!(ask(Method::GET, "jobs", true, "").await.0, StatusCode::OK);
    let (status, text) = ask(Method::GET, "jobs", false, TOKEN).await;
    assert!(status == StatusCode::FORBIDDEN && text.contains("--plaintext"), "{status} {text}");
    for token in ["", "other"] {
        let (status, text) = ask(Method::GET, "jobs", false, token).await;
        assert!(status.is_client_error() && text.contains("--plaintext"), "{status} {text}");
    }
    let retire = "workers/1/retire";
    assert_eq!(ask(Method::POST, retire, false, &look).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::POST, retire, true, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::POST, retire, false, "other").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Method::POST, retire, false, TOKEN).await.0, StatusCode::FORBIDDEN);
}

/// Jobs come latest first. Those that arrive while someone reads the pages neither move rows from
/// page to page nor appear twice.
#[tokio::test]
async fn jobs_are_listed_in_pages_that_do_not_move() {
    let mut api = Api::new();
    for _ in 0..25 {
        api.submit(&[1]).await;
    }
    let mut seen = Vec::new();
    let mut uri = "jobs?limit=4".to_string();
    loop {
        let answer = api.get(&uri).await;
        seen.extend(names(answer["jobs"].as_array().unwrap()));
        api.submit(&[1]).await;
        let Some(next) = answer["next"].as_str() else { break };
        uri = format!("jobs?limit=4&before={next}");
    }
    let expected: Vec<_> = (1..=25).rev().map(|number| format!("job-{number}")).collect();
    assert_eq!(seen, expected);
    for job in [3, 9, 12] {
        let path = format!("jobs/{job}/cancel");
        assert_eq!(api.send(Method::POST, &path).await.0, StatusCode::OK);
    }
    let stopped = api.walk("jobs?state=cancelled&limit=2", "jobs", "before").await;
    assert_eq!(names(&stopped.concat()), ["job-12", "job-9", "job-3"]);
}

/// Walking the pages of a job's tasks shows each once and in order, whatever the size of the page,
/// over the borders of stages, and of a single stage or state.
#[tokio::test]
async fn tasks_are_listed_in_pages() {
    let mut api = Api::new();
    let job = api.submit(&[1000, 1, 203]).await;
    let name = |stage: u32, index: u32| format!("{job}.{stage}.{index}");
    let of = |stage: u32, tasks: u32| (0..tasks).map(move |index| name(stage, index));
    let all: Vec<_> = of(0, 1000).chain(of(1, 1)).chain(of(2, 203)).collect();
    for limit in [7, 100, 172, 200] {
        let path = format!("jobs/{job}/tasks?limit={limit}");
        let pages = api.walk(&path, "tasks", "after").await;
        assert_eq!(names(&pages.concat()), all, "in pages of {limit}");
        let full = |page: &Vec<Value>| page.len() == limit;
        assert!(pages[..pages.len() - 1].iter().all(full), "in pages of {limit}");
        assert!(!pages[pages.len() - 1].is_empty(), "in pages of {limit}");
    }
    let path = format!("jobs/{job}/tasks?stage=2&limit=100");
    let pages = api.walk(&path, "tasks", "after").await;
    assert_eq!(names(&pages.concat()), of(2, 203).collect::<Vec<_>>());
    let pages = api.walk(&format!("jobs/{job}/tasks?state=ready"), "tasks", "after").await;
    assert_eq!(names(&pages.concat()), all);
    let none = api.get(&format!("jobs/{job}/tasks?state=done")).await;
    assert_eq!(none, json!({"tasks": [], "next": null}));
    // A cursor of a filter is one without it too, and one behind the end finds nothing.
    let last = api.get(&format!("jobs/{job}/tasks?after=2.201")).await;
    assert_eq!(names(last["tasks"].as_array().unwrap()), [name(2, 202)]);
    let end = u32::MAX;
    let behind = api.get(&format!("jobs/{job}/tasks?after={end}.{end}")).await;
    assert_eq!(behind, json!({"tasks": [], "next": null}));
    let border = api.get(&format!("jobs/{job}/tasks?after=0.{end}&limit=1")).await;
    assert_eq!(names(border["tasks"].as_array().unwrap()), [name(1, 0)]);
}

/// A task that runs names its worker, by the number that the list of workers has.
#[tokio::test]
async fn running_tasks_name_their_worker() {
    let mut api = Api::new();
    let job = api.submit(&[100]).await;
    let worker = api.join("w").await;
    let running = api.get(&format!("jobs/{job}/tasks?state=running")).await;
    let rows = running["tasks"].as_array().unwrap();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row["worker"] == worker.0 && row["attempts"] == 1), "{rows:?}");
}

/// A job answers to its number and to its name; its stages say what they do.
#[tokio::test]
async fn a_job_is_found_by_number_and_name() {
    let mut api = Api::new();
    let job = api.submit(&[3, 4]).await;
    let row = api.get(&format!("jobs/{}", job.0)).await;
    assert_eq!(row, api.get(&format!("jobs/{job}")).await);
    assert_eq!((&row["id"], &row["name"]), (&json!(job.0), &json!(job.to_string())));
    assert_eq!((&row["state"], &row["stages"]), (&json!("queued"), &json!(2)));
    let stages = api.get(&format!("jobs/{job}/stages")).await;
    assert_eq!(stages["stages"][1]["id"], json!({"job": job.0, "index": 1}));
    assert_eq!(stages["stages"][1]["plan"], "EmptyExec");
    assert_eq!(stages["stages"][1]["tasks"]["ready"], 4);
}

/// Cancelling ends a job that lives, and says so of one that does not, or never was.
#[tokio::test]
async fn a_job_is_cancelled_once() {
    let mut api = Api::new();
    let job = api.submit(&[10]).await;
    let path = format!("jobs/{job}/cancel");
    let (status, row) = api.send(Method::POST, &path).await;
    assert_eq!((status, &row["state"]), (StatusCode::OK, &json!("cancelled")));
    assert!(row["ended_ms"].is_u64(), "{row}");
    let (status, error) = api.refused(Method::POST, &path).await;
    assert_eq!((status, error.as_str()), (409, "job-1 has already ended: cancelled"));
    let (status, _) = api.refused(Method::POST, "jobs/99/cancel").await;
    assert_eq!(status, 404);
    // Only some of the job is kept.
    assert_eq!(api.get(&format!("jobs/{job}/stages")).await["stages"][0]["name"], "scan");
    let (status, error) = api.refused(Method::GET, &format!("jobs/{job}/tasks")).await;
    assert_eq!(status, 410);
    assert!(error.contains("job-1 has ended (cancelled)"), "{error}");
}

/// Wrong arguments are refused with a text that names the parameter and the accepted values.
#[tokio::test]
async fn wrong_requests_are_refused() {
    let mut api = Api::new();
    api.submit(&[1, 1]).await;
    let job_states = "invalid value `Done` of parameter `state`: expected planning, queued, running, done, failed, cancelled, persisted";
    for (path, status, text) in [
        ("jobs?state=Done", 400, job_states),
        (
            "workers?state=dead",
            400,
            "invalid value `dead` of parameter `state`: expected up, leaving, left, lost",
        ),
        ("jobs/1/tasks?state=", 400, "expected waiting, ready, running, done, failed"),
        (
            "jobs/1/tasks?limit=201",
            400,
            "invalid value `201` of parameter `limit`: expected 1 to 200",
        ),
        ("jobs?limit=0", 400, "invalid value `0` of parameter `limit`: expected 1 to 1000"),
        ("workers?limit=-1", 400, "invalid value `-1` of parameter `limit`: expected 1 to 1000"),
        (
            "jobs/1/tasks?after=7",
            400,
            "invalid value `7` of parameter `after`: expected STAGE.INDEX",
        ),
        (
            "jobs/1/tasks?after=1.x",
            400,
            "invalid value `1.x` of parameter `after`: expected STAGE.INDEX",
        ),
        ("jobs/1/tasks?stage=2", 400, "invalid value `2` of parameter `stage`: expected 0 to 1"),
        (
            "jobs?before=worker-1",
            400,
            "invalid value `worker-1` of parameter `before`: expected a job such as 7",
        ),
        (
            "workers?after=x",
            400,
            "invalid value `x` of parameter `after`: expected a worker such as 7",
        ),
        ("jobs?stat=done", 400, "unknown parameter `stat`; supported: state, limit"),
        ("cluster?state=up", 400, "unknown parameter `state`; supported: none"),
        ("jobs?limit=1&limit=2", 400, "duplicate parameter `limit`"),
        ("jobs/x", 400, "invalid job id `x`: expected a number or job-N"),
        ("jobs/4294967296", 400, "invalid job id `4294967296`"),
        ("jobs/2", 404, "job-2 does not exist"),
        ("jobs/2/stages", 404, "job-2 does not exist"),
        ("jobs/2/tasks", 404, "job-2 does not exist"),
        ("job", 404, "unknown path"),
        ("jobs/1/cancel", 405, "does not support the method"),
    ] {
        let (found, error) = api.refused(Method::GET, path).await;
        assert_eq!(found, status, "{path}: {error}");
        assert!(error.contains(text), "{path}: {error}");
    }
    let (status, _) = api.refused(Method::DELETE, "jobs/1").await;
    assert_eq!(status, 405);
}

/// The words that filters take are the words that rows show.
#[test]
fn filters_take_the_words_that_are_shown() {
    fn check<T: serde::Serialize + Copy>(states: &[(&str, T)]) {
        for (word, state) in states {
            assert_eq!(serde_json::to_value(state).unwrap(), *word);
        }
    }
    check(&WORKER_STATES);
    check(&JOB_STATES);
    check(&TASK_STATES);
}

/// The document explains every field that an answer has.
#[tokio::test]
async fn the_document_names_every_field() {
    fn fields(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(name, value)| {
                found.push(name.clone());
                fields(value, found);
            }),
            Value::Array(array) => array.iter().for_each(|value| fields(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut api = Api::new();
    api.submit(&[3]).await;
    api.join("w").await;
    let mut found = Vec::new();
    for path in ["cluster", "workers", "jobs", "jobs/1", "jobs/1/stages", "jobs/1/tasks"] {
        fields(&api.get(path).await, &mut found);
    }
    assert!(found.len() > 50, "{found:?}");
    for field in found {
        assert!(DOCUMENT.contains(&format!("| `{field}` |")), "`{field}` is not in rest-api.md");
    }
}
