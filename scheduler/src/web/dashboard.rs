//! The feed of the dashboard: whole frames, each sent when the page has taken the one before.

use crate::web::auth::is_token;
use crate::web::client::cluster;
use crate::{Shared, now_ms};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use partita_shared::limits::HANDSHAKE_TIMEOUT;
use partita_shared::message::DashboardFrame;
use partita_shared::wire;
use std::sync::Arc;
use std::time::Duration;

/// The close code that says that the token was refused.
const CLOSE_REFUSED: u16 = 4401;
/// The shortest time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(250);
/// A page that does not take a frame for so long is gone.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Jobs in a frame.
const FRAME_JOBS_MAX: usize = 100;
/// Bytes of a message from a page.
const PAGE_MESSAGE_BYTES_MAX: usize = 4096;

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !shared.config.dashboard {
        return (StatusCode::NOT_FOUND, "this scheduler runs without a dashboard\n")
            .into_response();
    }
    if !is_same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites may not read this\n").into_response();
    }
    upgrade.max_message_size(PAGE_MESSAGE_BYTES_MAX).on_upgrade(move |socket| async move {
        serve(shared, socket).await;
    })
}

/// Whether the page that asks was served from the host that it asks. A program sends no origin.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    let forwarded = text(header::HeaderName::from_static("x-forwarded-host"));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, o)| o);
    origin.is_some_and(|origin| Some(origin) == host || Some(origin) == forwarded)
}

async fn serve(shared: Arc<Shared>, mut socket: WebSocket) -> Option<()> {
    let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, socket.recv()).await.ok()??.ok()?;
    let known = match &first {
        Message::Text(token) => is_token(&shared, token.as_bytes()),
        _ => false,
    };
    if !known {
        let reason = "the token is not this cluster's".into();
        let close = CloseFrame { code: CLOSE_REFUSED, reason };
        let _ = socket.send(Message::Close(Some(close))).await;
        return None;
    }
    loop {
        let frame = frame(&shared).await?;
        let bytes = wire::encode(&frame).ok()?;
        socket.send(Message::Binary(bytes.into())).await.ok()?;
        tokio::time::sleep(FRAME_INTERVAL).await;
        tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, acknowledged(&mut socket)).await.ok()??;
    }
}

async fn acknowledged(socket: &mut WebSocket) -> Option<()> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Binary(_) => return Some(()),
            Message::Close(_) => return None,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

async fn frame(shared: &Shared) -> Option<DashboardFrame> {
    let cluster = cluster(shared).await?;
    let (workers, jobs) =
        shared.hub.query(|core| (core.workers(true), core.jobs(None, FRAME_JOBS_MAX))).await?;
    Some(DashboardFrame { now_ms: now_ms(), cluster, workers, jobs })
}
