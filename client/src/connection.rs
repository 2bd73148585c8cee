//! The ways to the scheduler and to the workers.

use crate::{Client, ClientError};
use arrow_flight::flight_service_client::FlightServiceClient;
use partita_net::dial::{Dial, DialError, Trust};
use partita_shared::access::{Access, authorization, host_name, own_user};
use partita_shared::endpoint::Endpoint;
use partita_shared::{
    ANALYZE_HEADER, CLIENT_HEADER, DIRECT_HEADER, DIRECTORY_HEADER, PRIORITY_HEADER,
    PROTOCOL_HEADER, PROTOCOL_VERSION, SESSION_HEADER, limits,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long a connection to the scheduler may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection to a worker may take: the scheduler brings what cannot be reached.
const WORKER_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a worker that could not be reached is not tried again.
const UNREACHABLE_TIME: Duration = Duration::from_mins(1);
/// Workers that are known at once.
const WORKERS_MAX: usize = 4096;
/// What a header cannot carry as it is, beside all that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Connects to a scheduler.
pub(crate) async fn to_scheduler(access: &Access) -> Result<Channel, ClientError> {
    let failed = |error: DialError| ClientError::unreachable(access, &error);
    let dial = Dial::within(CONNECT_TIMEOUT).trusting(Trust::in_scheduler(access));
    dial.open(&access.endpoint()).await.map_err(failed)
}

/// What is known about the way to a worker.
#[derive(Clone, Debug)]
enum Way {
    Open(Channel),
    Closed { since: Instant, cause: String },
}

/// The ways to workers.
#[derive(Debug, Default)]
pub(crate) struct Workers(Mutex<HashMap<Endpoint, Way>>);

impl Workers {
    fn known(&self, worker: &Endpoint) -> Option<Result<Channel, String>> {
        let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ways.get(worker)? {
            Way::Open(channel) => Some(Ok(channel.clone())),
            Way::Closed { since, cause } if since.elapsed() < UNREACHABLE_TIME => {
                Some(Err(cause.clone()))
            }
            Way::Closed { .. } => None,
        }
    }

    fn remember(&self, worker: &Endpoint, way: &Result<Channel, String>) {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ways.len() >= WORKERS_MAX {
            ways.clear();
        }
        let way = match way {
            Ok(channel) => Way::Open(channel.clone()),
            Err(cause) => Way::Closed { since: Instant::now(), cause: cause.clone() },
        };
        ways.insert(worker.clone(), way);
    }
}

/// Connects to a worker.
async fn to_worker(worker: &Endpoint, token: &str) -> Result<Channel, String> {
    let failed = |error: DialError| format!("{}: {error}", worker.address);
    let dial = Dial::within(WORKER_CONNECT_TIMEOUT).trusting(Trust::in_worker(token));
    dial.open(worker).await.map_err(failed)
}

impl Client {
    /// Asks the scheduler.
    pub(crate) fn flight(&self) -> FlightServiceClient<Channel> {
        over(self.channel.clone())
    }

    /// Asks a worker. The error says why it cannot be reached.
    pub(crate) async fn worker(
        &self,
        worker: &Endpoint,
    ) -> Result<FlightServiceClient<Channel>, String> {
        if !self.direct {
            return Err("the client reads through the scheduler".to_string());
        }
        let way = match self.workers.known(worker) {
            Some(way) => way,
            None => {
                let way = to_worker(worker, &self.access.token).await;
                self.workers.remember(worker, &way);
                way
            }
        };
        way.map(over)
    }

    /// A request that says who asks, and how.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let headers = request.metadata_mut();
        let mut set = |name: &'static str, text: String| {
            if let Ok(value) = text.parse() {
                headers.insert(name, value);
            }
        };
        if let Some(shown) = authorization(&self.access.token) {
            set("authorization", shown);
        }
        set(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string());
        set(SESSION_HEADER, self.session.clone());
        set(DIRECTORY_HEADER, escape(&self.directory));
        set(CLIENT_HEADER, escape(&whoami()));
        set(PRIORITY_HEADER, self.priority.to_string());
        set(DIRECT_HEADER, u8::from(self.direct).to_string());
        set(ANALYZE_HEADER, u8::from(self.analyze).to_string());
        request
    }
}

fn over(channel: Channel) -> FlightServiceClient<Channel> {
    FlightServiceClient::new(channel)
        .max_decoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX)
}

/// The user and the host of this process, as shown in listings.
fn whoami() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = named.filter(|name| !name.is_empty());
    let user = user.or_else(|| own_user().map(|id| id.to_string())).unwrap_or_default();
    format!("{user}@{}", host_name())
}

/// A path as a header can carry it: `%` and what is not ASCII as `%xx`.
fn escape(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}
