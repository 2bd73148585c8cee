//! The link itself: a WebSocket to a scheduler elsewhere, or a pair of queues to one in this
//! process. Both look the same to the agent.

use futures::{SinkExt, StreamExt};
use partita_net::websocket::{self, ControlMessage};
use partita_shared::access::{self, Access};
use partita_shared::limits::{REPORT_QUEUE_MESSAGES_MAX, WORKER_QUEUE_MESSAGES_MAX};
use partita_shared::message::{FromWorker, ToWorker};
use partita_shared::wire;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Where the scheduler takes workers.
const PATH: &str = "/ws/worker";

/// Two queues. When the scheduler's side goes, `receiver` ends.
#[derive(Debug)]
pub struct ControlLink {
    /// To the scheduler.
    pub sender: mpsc::Sender<FromWorker>,
    /// From the scheduler.
    pub receiver: mpsc::Receiver<ToWorker>,
    /// The scheduler's address, for messages to people.
    pub address: String,
    /// The scheduler's token, which opens the data ports of its workers too.
    pub token: String,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It may come: worth trying again.
    #[error("{0}")]
    NotYet(String),
    /// The token is not the scheduler's.
    #[error("{reason}")]
    WrongToken {
        /// The scheduler.
        address: String,
        /// What it said.
        reason: String,
    },
    /// It never will.
    #[error("{reason}")]
    Refused {
        /// The scheduler.
        address: String,
        /// What it said.
        reason: String,
    },
}

/// Finds the scheduler and connects to it.
pub trait Connector: Send {
    /// Tries once.
    fn connect(&mut self) -> impl Future<Output = Result<ControlLink, LinkError>> + Send;
}

/// Connects to the scheduler that the arguments, the environment or the access file name, looked up
/// again each time: a scheduler that is started later may have another port.
#[derive(Clone, Debug)]
pub struct WebSocketConnector {
    /// The address given, if one was.
    pub address: Option<String>,
    /// The access file given, if one was.
    pub file: Option<PathBuf>,
    /// How to connect.
    pub hints: access::Hints,
}

impl Connector for WebSocketConnector {
    async fn connect(&mut self) -> Result<ControlLink, LinkError> {
        let not_yet = |error: access::AccessError| LinkError::NotYet(error.to_string());
        let (address, file) = (self.address.as_deref(), self.file.as_deref());
        let found = access::find_with(address, file, &self.hints).map_err(not_yet)?;
        match connect(&found).await {
            // The file may be what an earlier scheduler left that was killed; its successor at the
            // same address is about to write its own.
            Err(LinkError::WrongToken { address, reason }) if !access::is_token_given() => {
                Err(LinkError::NotYet(format!("{address}: {reason}")))
            }
            Err(LinkError::WrongToken { address, reason }) => {
                Err(LinkError::Refused { address, reason })
            }
            other => other,
        }
    }
}

async fn connect(access: &Access) -> Result<ControlLink, LinkError> {
    let address = access.address.clone();
    let opened = websocket::open(access, PATH).await;
    let socket = match opened {
        Ok(socket) => socket,
        Err(websocket::LinkError::Refused { is_token: true, reason, .. }) => {
            return Err(LinkError::WrongToken { address, reason });
        }
        Err(websocket::LinkError::Refused { is_final: true, reason, .. }) => {
            return Err(LinkError::Refused { address, reason });
        }
        Err(error) => return Err(LinkError::NotYet(format!("{address}: {error}"))),
    };
    let (mut sink, mut stream) = socket.split();
    let (to_scheduler, mut outgoing) = mpsc::channel::<FromWorker>(REPORT_QUEUE_MESSAGES_MAX);
    let (incoming, from_scheduler) = mpsc::channel(WORKER_QUEUE_MESSAGES_MAX);
    tokio::spawn(async move {
        while let Some(message) = outgoing.recv().await {
            match wire::encode(&message) {
                Ok(bytes) => {
                    if sink.send(ControlMessage::Binary(bytes.into())).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::error!(cause = %error, "cannot send a message"),
            }
        }
        let _ = sink.close().await;
    });
    tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let ControlMessage::Binary(bytes) = message else { continue };
            match wire::decode::<ToWorker>(&bytes) {
                Ok(message) => {
                    if incoming.send(message).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(cause = %error, "received an invalid message from the scheduler");
                    return;
                }
            }
        }
    });
    let token = access.token.clone();
    Ok(ControlLink { sender: to_scheduler, receiver: from_scheduler, address, token })
}
