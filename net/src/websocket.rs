//! Control links: WebSockets to the scheduler, for workers and clients.

use crate::dial::{DialError, PeerStream, Protocol, Trust, connect};
use partita_shared::access::{Access, authorization};
use partita_shared::limits::{CONTROL_FRAME_BYTES_MAX, HANDSHAKE_TIMEOUT};
use partita_shared::{PROTOCOL_HEADER, PROTOCOL_VERSION};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A control link.
pub type ControlSocket = WebSocketStream<PeerStream>;
/// What goes over it.
pub type ControlMessage = Message;

/// Why there is no control link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The scheduler cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It refused.
    #[error("{reason}")]
    Refused {
        /// Whether the token is the reason.
        is_token: bool,
        /// Whether it will refuse again.
        is_final: bool,
        /// What it said.
        reason: String,
    },
    /// Something else went wrong.
    #[error("{0}")]
    Protocol(String),
}

/// Opens the control link at `path` of a scheduler.
///
/// # Errors
/// If it cannot be reached, is another process, or refuses.
pub async fn open(access: &Access, path: &str) -> Result<ControlSocket, LinkError> {
    let end = Instant::now() + HANDSHAKE_TIMEOUT;
    let endpoint = access.endpoint();
    let mut request = format!("ws://{}{path}", endpoint.address)
        .into_client_request()
        .map_err(|error| LinkError::Protocol(error.to_string()))?;
    let headers = request.headers_mut();
    if let Some(Ok(bearer)) = authorization(&access.token).map(|text| text.parse()) {
        headers.insert("authorization", bearer);
    }
    headers.insert(PROTOCOL_HEADER, PROTOCOL_VERSION.into());
    let config = WebSocketConfig::default()
        .max_message_size(Some(CONTROL_FRAME_BYTES_MAX))
        .max_frame_size(Some(CONTROL_FRAME_BYTES_MAX));
    let trust = Trust::in_scheduler(access);
    let stream = connect(&endpoint, &trust, Protocol::Http1, HANDSHAKE_TIMEOUT).await?;
    let upgrading = client_async_with_config(request, stream, Some(config));
    match timeout_at(end, upgrading).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            let reason = match String::from_utf8_lossy(body).trim() {
                "" => format!("HTTP status {}", response.status()),
                text => text.to_string(),
            };
            let is_token = response.status() == StatusCode::UNAUTHORIZED;
            let is_final = response.status().is_client_error();
            Err(LinkError::Refused { is_token, is_final, reason })
        }
        Ok(Err(error)) => Err(LinkError::Protocol(error.to_string())),
        Err(_) => Err(LinkError::Dial(DialError::TimedOut(HANDSHAKE_TIMEOUT))),
    }
}
