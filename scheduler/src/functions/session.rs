//! The stream of a client that calls functions.

use crate::flight::DataStream;
use crate::functions::message::{FromClient, answer, message};
use crate::functions::settled::{self, Mailbox};
use crate::hub::{Hub, JobNotice};
use crate::query::RequestContext;
use arrow_flight::FlightData;
use futures::stream::{self, BoxStream, StreamExt};
use partita_core::{Event, JobSpec, Order};
use partita_shared::ids::JobId;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

/// Answers that may wait for the client besides how its tasks ended. It asks no faster than it is answered.
const ANSWERS_MAX: usize = 64;

/// Ends the job when the client has gone, whatever ended its stream.
struct CloseOnDrop {
    hub: Hub,
    job: JobId,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.hub.tell_later(Event::JobClosed { job: self.job });
    }
}

/// Serves a client until its stream ends.
///
/// # Errors
/// If its first message is not what it must be, or it may have no further job.
pub(crate) async fn serve(
    hub: Hub,
    request_context: RequestContext,
    messages: BoxStream<'static, Result<FlightData, Status>>,
) -> Result<DataStream, Status> {
    // Clients of Arrow send the descriptor in a message of its own, before theirs.
    let mut messages = messages
        .filter(|message| {
            let says_something = !matches!(message, Ok(data) if data.app_metadata.is_empty());
            std::future::ready(says_something)
        })
        .boxed();
    let first = messages.next().await.transpose()?;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream has no message"))?;
    let wrong = |error: String| Status::invalid_argument(format!("invalid message: {error}"));
    let environment = match FromClient::read(first.app_metadata, &"".into()).map_err(wrong)? {
        FromClient::Open(open) => open.environment.to_string().into(),
        _ => return Err(wrong("the first message must open the session".to_string())),
    };
    let mailbox = Arc::<Mailbox>::default();
    let spec = JobSpec {
        text: "Python functions".to_string(),
        client: request_context.client.clone(),
        owner: request_context.owner.clone(),
        priority: request_context.priority,
        order: Order::DepthFirst,
        open: true,
        ..JobSpec::default()
    };
    let opened = hub.open(spec, Arc::clone(&mailbox)).await;
    let (job, notices) = opened.map_err(Status::resource_exhausted)?;
    let close = CloseOnDrop { hub: hub.clone(), job };
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let opened = message(answer::OPENED, &serde_json::json!({"job": job.0}), &[]);
    let _ = answers.send(opened).await;
    tokio::spawn(read(hub, job, environment, messages, answers));
    let told = Told { mailbox, answered, notices, is_over: false, _close: close };
    Ok(stream::unfold(told, next).boxed())
}

/// What a client is told from.
struct Told {
    mailbox: Arc<Mailbox>,
    answered: mpsc::Receiver<FlightData>,
    notices: mpsc::Receiver<JobNotice>,
    is_over: bool,
    _close: CloseOnDrop,
}

/// The next message to a client. Its answers come before what follows from them.
async fn next(mut told: Told) -> Option<(Result<FlightData, Status>, Told)> {
    if told.is_over {
        return None;
    }
    let sent = tokio::select! {
        biased;
        answer = told.answered.recv() => answer?,
        notice = told.notices.recv() => {
            told.is_over = true;
            let (state, error) = match notice {
                Some(JobNotice::Ended { state, error, .. }) => (state.as_str(), error),
                _ => ("cancelled", "the scheduler is shutting down".to_string()),
            };
            message(answer::ENDED, &serde_json::json!({"state": state, "error": error}), &[])
        }
        tasks = told.mailbox.take() => settled::message(&tasks),
    };
    Some((Ok(sent), told))
}

/// Does what the client says, until its stream ends.
async fn read(
    hub: Hub,
    job: JobId,
    environment: Arc<str>,
    mut messages: BoxStream<'static, Result<FlightData, Status>>,
    answers: mpsc::Sender<FlightData>,
) {
    // The client numbers functions and calls as if all of its messages were accepted: after one that was not, later ones
    // would name others.
    let mut is_refused = false;
    while let Some(Ok(data)) = messages.next().await {
        let event = match FromClient::read(data.app_metadata, &environment) {
            Ok(FromClient::Submit { request, growth }) => {
                let grown = match is_refused {
                    true => Err("an earlier message of this session was refused".to_string()),
                    false => hub.grow(job, growth).await,
                };
                let Err(error) = grown else { continue };
                is_refused = true;
                let header = serde_json::json!({"request": request, "error": error});
                if answers.send(message(answer::REFUSED, &header, &[])).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(FromClient::Release(tasks)) => Event::WantChanged { job, tasks, wanted: false },
            Ok(FromClient::Want(tasks)) => Event::WantChanged { job, tasks, wanted: true },
            Ok(FromClient::Cancel { tasks, reason }) => {
                Event::TasksCancelled { job, tasks, reason }
            }
            Ok(FromClient::Retry(tasks)) => Event::TasksRetried { job, tasks },
            Ok(FromClient::Open(_)) => continue,
            Err(error) => {
                let reason = format!("its client sent an invalid message: {error}");
                Event::JobCancelled { job, reason }
            }
        };
        hub.tell(event).await;
    }
}
