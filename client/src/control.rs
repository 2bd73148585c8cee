//! Questions about the cluster.

use crate::error::ClientError;
use futures::{SinkExt, StreamExt};
use partita_shared::access::Access;
use partita_shared::ids::JobId;
use partita_shared::limits::{CONTROL_FRAME_BYTES_MAX, HANDSHAKE_TIMEOUT};
use partita_shared::message::{Reply, Request};
use partita_shared::model::{JobRow, StageRow};
use partita_shared::{PROTOCOL_HEADER, PROTOCOL_VERSION, wire};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A link over which one question after the other is asked.
#[derive(Debug)]
pub struct Control {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    access: Access,
}

impl Control {
    /// Connects to a scheduler.
    ///
    /// # Errors
    /// If it cannot be reached or refuses.
    pub async fn connect(access: &Access) -> Result<Self, ClientError> {
        let mut request = format!("ws://{}/ws/client", access.address)
            .into_client_request()
            .map_err(|error| ClientError::unreachable(access, &error))?;
        if let Ok(bearer) = format!("Bearer {}", access.token).parse() {
            request.headers_mut().insert("authorization", bearer);
        }
        request.headers_mut().insert(PROTOCOL_HEADER, PROTOCOL_VERSION.into());
        let config = WebSocketConfig::default()
            .max_message_size(Some(CONTROL_FRAME_BYTES_MAX))
            .max_frame_size(Some(CONTROL_FRAME_BYTES_MAX));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let address = access.address.clone();
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => Ok(Control { socket, access: access.clone() }),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                let reason = match String::from_utf8_lossy(body).trim() {
                    "" => format!("HTTP status {}", response.status()),
                    text => text.to_string(),
                };
                Err(ClientError::Refused { address, reason })
            }
            Ok(Err(error)) => Err(ClientError::unreachable(access, &error)),
            Err(_) => {
                let cause = format!("timed out after {} s", HANDSHAKE_TIMEOUT.as_secs());
                Err(ClientError::Unreachable { address, cause })
            }
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let bytes = wire::encode(request).map_err(|error| ClientError::Query(error.to_string()))?;
        let sent = self.socket.send(Message::Binary(bytes.into())).await;
        sent.map_err(|error| self.gone(error.to_string()))
    }

    fn gone(&self, cause: String) -> ClientError {
        ClientError::Gone { address: self.access.address.clone(), cause }
    }

    async fn receive(&mut self) -> Result<Reply, ClientError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return wire::decode(&bytes).map_err(|error| self.gone(error.to_string()));
                }
                Some(Ok(Message::Close(_))) | None => {
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
