//! The stream of a client that calls functions.

use crate::flight::DataStream;
use crate::flight::exchange::{Messages, message};
use crate::functions::arrangement::{ARRANGEMENTS_MAX, arrange};
use crate::functions::message::{FromClient, NewArray, PlaceValues, answer};
use crate::functions::settled::{self, Mailbox};
use crate::functions::sharing::{Place, Sharing};
use crate::hub::{Hub, JobNotice};
use crate::query::{RequestContext, workers_for};
use arrow_flight::FlightData;
use futures::stream::{self, StreamExt};
use partita_core::{Event, Growth, JobSpec, Order, Requirement, TaskRange};
use partita_observe::event::{ArrayFacts, Observation};
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::JobId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;

/// Answers that may wait for the client besides how its tasks ended. It asks no faster than it is answered.
const ANSWERS_MAX: usize = 64;

/// A client while its stream lasts, as the streams' both directions know it.
#[derive(Debug)]
struct Client {
    hub: Hub,
    sharing: Arc<Sharing>,
    job: JobId,
    mailbox: Arc<Mailbox>,
    /// Results of other jobs that are pinned for it, and how often; none after it has gone.
    adopted: Mutex<Option<HashMap<Place, usize>>>,
    /// Values for which it has asked for workers. Clients begin with different workers.
    placed: AtomicUsize,
    /// Its requests for replicas, and to move results, that are not answered yet.
    arranging: Arc<Semaphore>,
}

/// Ends the job when the client has gone, whatever ended its stream.
struct CloseOnDrop(Arc<Client>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Serves a client until its stream ends. `first` is its first message.
///
/// # Errors
/// If its first message is not what it must be, or it may have no further job.
pub(crate) async fn serve(
    (hub, sharing): (Hub, Arc<Sharing>),
    request_context: RequestContext,
    first: FlightData,
    messages: Messages,
) -> Result<DataStream, Status> {
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
    sharing.opened(job, &mailbox);
    let adopted = Mutex::new(Some(HashMap::new()));
    let placed = AtomicUsize::new(job.0 as usize);
    let arranging = Arc::new(Semaphore::new(ARRANGEMENTS_MAX));
    let client = Client { hub, sharing, job, mailbox, adopted, placed, arranging };
    let client = Arc::new(client);
    let close = CloseOnDrop(Arc::clone(&client));
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let opened = message(answer::OPENED, &serde_json::json!({"job": job.0}), &[]);
    let _ = answers.send(opened).await;
    tokio::spawn(client.read(environment, messages, answers));
    let told = Told { answered, notices, is_over: false, close };
    Ok(stream::unfold(told, next).boxed())
}

/// Tells a client which workers take its values.
async fn place_values(client: Arc<Client>, wanted: PlaceValues, answers: mpsc::Sender<FlightData>) {
    let PlaceValues { request, count, workers } = wanted;
    let requirement = Requirement { workers, ..Requirement::default() };
    let first = client.placed.fetch_add(count as usize, Ordering::Relaxed);
    let header = match workers_for(&client.hub, requirement).await {
        Ok(found) => {
            // One after the other, also over several questions.
            let turn = found.iter().cycle().skip(first % found.len().max(1));
            let addresses: Vec<&Endpoint> = turn.take(count as usize).collect();
            serde_json::json!({"request": request, "addresses": addresses})
        }
        Err(error) => serde_json::json!({"request": request, "error": error.to_string()}),
    };
    let _ = answers.send(message(answer::PLACED, &header, &[])).await;
}

/// What a client is told from.
struct Told {
    answered: mpsc::Receiver<FlightData>,
    notices: mpsc::Receiver<JobNotice>,
    is_over: bool,
    close: CloseOnDrop,
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
        tasks = told.close.0.mailbox.take() => settled::message(&tasks),
    };
    Some((Ok(sent), told))
}

impl Client {
    /// Does what the client says, until its stream ends.
    async fn read(
        self: Arc<Self>,
        environment: Arc<str>,
        mut messages: Messages,
        answers: mpsc::Sender<FlightData>,
    ) {
        // The client numbers functions and calls as if all of its messages were accepted: after one that was not, later
        // ones would name others.
        let mut is_refused = false;
        while let Some(Ok(data)) = messages.next().await {
            let (request, growth) = match FromClient::read(data.app_metadata, &environment) {
                Ok(FromClient::Submit { request, growth }) => (request, growth),
                // The answer may have to wait for workers; what the client submitted before is known by now.
                Ok(FromClient::Place(wanted)) => {
                    tokio::spawn(place_values(Arc::clone(&self), wanted, answers.clone()));
                    continue;
                }
                Ok(FromClient::Arrange(wanted)) => {
                    let room = Arc::clone(&self.arranging).try_acquire_owned().ok();
                    tokio::spawn(arrange(self.hub.clone(), wanted, room, answers.clone()));
                    continue;
                }
                said => {
                    self.obey(said).await;
                    continue;
                }
            };
            let grown = match is_refused {
                true => Err("an earlier message of this session was refused".to_string()),
                false => self.grow(growth).await,
            };
            let Err(error) = grown else { continue };
            is_refused = true;
            let header = serde_json::json!({"request": request, "error": error});
            if answers.send(message(answer::REFUSED, &header, &[])).await.is_err() {
                return;
            }
        }
    }

    async fn grow(&self, growth: Growth) -> Result<(), String> {
        self.sharing.grows(self.job, &growth);
        self.hub.grow(self.job, growth).await
    }

    async fn obey(self: &Arc<Self>, said: Result<FromClient, String>) {
        let job = self.job;
        let event = match said {
            Ok(FromClient::Release(tasks)) => {
                let tasks = self.sharing.want(job, tasks, false);
                Event::WantChanged { job, tasks, wanted: false }
            }
            Ok(FromClient::Want { tasks, array }) => {
                if let Some(array) = array {
                    self.show_array(array, &tasks);
                }
                self.sharing.want(job, tasks.clone(), true);
                Event::WantChanged { job, tasks, wanted: true }
            }
            Ok(FromClient::Cancel { tasks, reason }) => {
                Event::TasksCancelled { job, tasks, reason }
            }
            Ok(FromClient::Retry(tasks)) => Event::TasksRetried { job, tasks },
            Ok(FromClient::Adopt(places)) => return self.adopt(places).await,
            Ok(FromClient::Drop(places)) => return self.drop_adopted(&places),
            Ok(
                FromClient::Open(_)
                | FromClient::Submit { .. }
                | FromClient::Place(_)
                | FromClient::Arrange(_),
            ) => return,
            Err(error) => {
                let reason = format!("its client sent an invalid message: {error}");
                Event::JobCancelled { job, reason }
            }
        };
        self.hub.tell(event).await;
    }

    /// Tells the observer which tasks compute the blocks of an array.
    fn show_array(&self, array: NewArray, tasks: &[TaskRange]) {
        let NewArray { name, grid } = array;
        let blocks = tasks.iter().map(|range| (range.stage, range.first, range.count)).collect();
        let facts = ArrayFacts { job: self.job, name, grid, blocks };
        if facts.is_valid() {
            self.hub.show(Observation::Array(Box::new(facts)));
        }
    }

    /// Pins results of other jobs for the client, and tells it of them.
    async fn adopt(&self, places: Vec<Place>) {
        let pinned = {
            let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(adopted) = adopted.as_mut() else { return };
            let pinned = self.sharing.pin(&places);
            if pinned.is_ok() {
                places.iter().for_each(|place| *adopted.entry(*place).or_default() += 1);
            }
            pinned
        };
        match pinned {
            Ok(()) => self.sharing.follow(&places, &self.mailbox).await,
            Err(error) => self.sharing.refuse(&places, &self.mailbox, &error),
        }
    }

    fn drop_adopted(&self, places: &[Place]) {
        let mut gone = Vec::new();
        {
            let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(adopted) = adopted.as_mut() else { return };
            for place in places {
                let Some(count) = adopted.get_mut(place) else { continue };
                *count -= 1;
                if *count == 0 {
                    adopted.remove(place);
                }
                gone.push(*place);
            }
        }
        self.sharing.unpin(&gone);
    }

    /// The client has gone.
    fn close(&self) {
        let adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (place, count) in adopted.into_iter().flatten() {
            self.sharing.unpin(&vec![place; count]);
        }
        self.sharing.closed(self.job);
    }
}
