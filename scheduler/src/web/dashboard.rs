//! The link of a page: it says what it follows, and gets what changed.
//!
//! The same door serves a live cluster and a replay.

use crate::observer::{Observer, Viewers};
use crate::web::answers::Answers;
use crate::web::auth::{self, Token};
use crate::web::tickets::Tickets;
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use partita_net::connections::Caller;
use partita_observe::frame::{FromPage, PAGE_MESSAGE_BYTES_MAX, PAGE_PROTOCOL, Source, ToPage};
use partita_shared::limits::HANDSHAKE_TIMEOUT;
use partita_shared::wire;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The close code that says that the token was refused.
const CLOSE_REFUSED: u16 = 4401;
/// The close code that says that too many pages are connected.
const CLOSE_FULL: u16 = 4429;
/// How long a wrong token is left without an answer, so that nobody tries many.
const REFUSAL_DELAY: Duration = Duration::from_millis(500);
/// Wrong tokens that are left without an answer at once; further pages wait for their turn.
const REFUSALS_MAX: usize = 4;
/// How long one message to a page may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What pages follow.
#[derive(Debug)]
pub(crate) enum Followed {
    /// A live cluster: all pages follow one observer.
    Live(Observer),
    /// A journal: each page gets an observer of its own.
    Journal(Box<Viewers>),
}

impl Followed {
    /// The observer of one page; none if it cannot be started.
    fn observer(&self) -> Option<Observer> {
        match self {
            Followed::Live(observer) => Some(observer.clone()),
            Followed::Journal(viewers) => viewers.observer().ok(),
        }
    }

    /// What is served.
    fn source(&self) -> Source {
        match self {
            Followed::Live(_) => Source::Live,
            Followed::Journal(viewers) => viewers.source(),
        }
    }
}

/// What a page may reach, and with which token.
#[derive(Debug)]
pub(crate) struct Door {
    /// Opens it.
    pub(crate) token: Token,
    /// What the page follows.
    pub(crate) followed: Followed,
    /// Who answers its questions.
    pub(crate) answers: Answers,
    /// Whether pages may cancel jobs and retire workers.
    pub(crate) may_act: bool,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Open it once.
    pub(crate) tickets: Arc<Tickets>,
    /// Permits to refuse a token.
    pub(crate) refusals: Semaphore,
}

impl Door {
    /// A door.
    pub(crate) fn new(
        token: Token,
        followed: Followed,
        answers: Answers,
        may_act: bool,
        cluster: String,
        tickets: Arc<Tickets>,
    ) -> Self {
        let refusals = Semaphore::new(REFUSALS_MAX);
        Door { token, followed, answers, may_act, cluster, tickets, refusals }
    }

    /// Leaves a wrong token without an answer for a while.
    async fn delay_refusal(&self) {
        if let Ok(_permit) = self.refusals.acquire().await {
            tokio::time::sleep(REFUSAL_DELAY).await;
        }
    }
}

/// Gives a page the token for a ticket.
pub(crate) async fn redeem(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    if !is_same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites cannot use this endpoint\n")
            .into_response();
    }
    let ticket = auth::given(&headers, None);
    if ticket.is_some_and(|ticket| door.tickets.redeem(&ticket, Instant::now())) {
        return ([(header::CACHE_CONTROL, "no-store")], door.token.0.clone()).into_response();
    }
    door.delay_refusal().await;
    (StatusCode::UNAUTHORIZED, "the ticket was used, or is too old\n").into_response()
}

pub(crate) async fn upgrade(
    State(door): State<Arc<Door>>,
    caller: Option<Extension<ConnectInfo<Caller>>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites cannot use this endpoint\n")
            .into_response();
    }
    upgrade
        .max_message_size(PAGE_MESSAGE_BYTES_MAX)
        .max_frame_size(PAGE_MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            serve(door, caller.map(|Extension(ConnectInfo(caller))| caller), socket).await;
        })
}

/// What is said where there are no pages.
pub(crate) async fn none() -> Response {
    (StatusCode::NOT_FOUND, "this scheduler runs without a dashboard\n").into_response()
}

/// Whether the page that asks was served from the host that it asks. A program sends no origin.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    let forwarded = text(header::HeaderName::from_static("x-forwarded-host"));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, o)| o);
    origin.is_some() && (origin == host || origin == forwarded)
}

async fn serve(door: Arc<Door>, caller: Option<Caller>, mut socket: WebSocket) -> Option<()> {
    let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, socket.recv()).await;
    let known = match first {
        Ok(Some(Ok(Message::Text(token)))) => door.token.is(token.as_bytes()),
        _ => false,
    };
    if !known {
        door.delay_refusal().await;
        return close(socket, CLOSE_REFUSED, "invalid token").await;
    }
    if let Some(caller) = caller {
        caller.mark_known();
    }
    let observer = door.followed.observer()?;
    let Some(mut page) = observer.connect().await else {
        return close(socket, CLOSE_FULL, "too many pages are open; close some").await;
    };
    let hello = ToPage::Hello {
        protocol: PAGE_PROTOCOL,
        version: partita_shared::VERSION.to_string(),
        cluster: door.cluster.clone(),
        source: door.followed.source(),
        may_act: door.may_act,
    };
    send(&mut socket, wire::encode(&hello).ok()?).await?;
    loop {
        tokio::select! {
            message = page.inbox.recv() => send(&mut socket, message?).await?,
            message = socket.recv() => match message?.ok()? {
                Message::Binary(bytes) => match wire::decode::<FromPage>(&bytes).ok()? {
                    FromPage::Ask(number, question) => {
                        let answer = door.answers.answer(&observer, question).await;
                        let answer = ToPage::Answer(number, answer);
                        send(&mut socket, wire::encode(&answer).ok()?).await?;
                    }
                    message => page.say(message).await,
                },
                Message::Close(_) => return None,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
            },
        }
    }
}

/// Sends a message. A page whose connection takes nothing for too long is gone.
async fn send(socket: &mut WebSocket, bytes: Vec<u8>) -> Option<()> {
    let sending = socket.send(Message::Binary(bytes.into()));
    tokio::time::timeout(SEND_TIMEOUT, sending).await.ok()?.ok()
}

async fn close(mut socket: WebSocket, code: u16, reason: &str) -> Option<()> {
    let frame = CloseFrame { code, reason: reason.into() };
    socket.send(Message::Close(Some(frame))).await.ok()
}
