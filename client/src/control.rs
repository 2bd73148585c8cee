//! Questions about the cluster.

use crate::error::ClientError;
use futures::{SinkExt, StreamExt};
use partita_net::websocket::{self, ControlMessage, ControlSocket, LinkError};
use partita_shared::access::Access;
use partita_shared::ids::JobId;
use partita_shared::message::{Reply, Request};
use partita_shared::model::{JobRow, StageRow};
use partita_shared::wire;

/// Where the scheduler takes clients.
const PATH: &str = "/ws/client";

/// A link over which one question after the other is asked.
#[derive(Debug)]
pub struct Control {
    socket: ControlSocket,
    access: Access,
}

impl Control {
    /// Connects to a scheduler.
    ///
    /// # Errors
    /// If it cannot be reached or refuses.
    pub async fn connect(access: &Access) -> Result<Self, ClientError> {
        match websocket::open(access, PATH).await {
            Ok(socket) => Ok(Control { socket, access: access.clone() }),
            Err(LinkError::Refused { reason, .. }) => {
                Err(ClientError::Refused { address: access.address.clone(), reason })
            }
            Err(error) => Err(ClientError::unreachable(access, &error)),
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let bytes = wire::encode(request).map_err(|error| ClientError::Query(error.to_string()))?;
        let sent = self.socket.send(ControlMessage::Binary(bytes.into())).await;
        sent.map_err(|error| self.gone(error.to_string()))
    }

    fn gone(&self, cause: String) -> ClientError {
        ClientError::Gone { address: self.access.address.clone(), cause }
    }

    async fn receive(&mut self) -> Result<Reply, ClientError> {
        loop {
            match self.socket.next().await {
                Some(Ok(ControlMessage::Binary(bytes))) => {
                    return wire::decode(&bytes).map_err(|error| self.gone(error.to_string()));
                }
                Some(Ok(ControlMessage::Close(_))) | None => {
                    return Err(self.gone("the connection was closed".to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.gone(error.to_string())),
            }
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the scheduler goes away, or says that it cannot do it.
    pub async fn ask(&mut self, request: Request) -> Result<Reply, ClientError> {
        self.send(&request).await?;
        match self.receive().await? {
            Reply::Error(text) => Err(ClientError::Query(text)),
            reply => Ok(reply),
        }
    }

    /// Follows a job: calls `seen` for each change until it has ended.
    ///
    /// # Errors
    /// If the scheduler goes away.
    pub async fn watch(
        &mut self,
        job: JobId,
        mut seen: impl FnMut(&JobRow, &[StageRow]),
    ) -> Result<(), ClientError> {
        self.send(&Request::Watch(job)).await?;
        let mut stages = Vec::new();
        loop {
            match self.receive().await? {
                Reply::Stages(found) => stages = found,
                Reply::Job(Some(row)) => {
                    seen(&row, &stages);
                    if row.state.is_final() {
                        return Ok(());
                    }
                }
                Reply::Error(text) => return Err(ClientError::Query(text)),
                _ => return Ok(()),
            }
        }
    }
}
