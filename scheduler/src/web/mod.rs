//! The one port: pages, REST, WebSockets (HTTP/1.1) and Flight (HTTP/2). All of it by TLS; without it only pages.

mod answers;
mod api;
mod assets;
mod auth;
mod client;
mod dashboard;
mod details;
mod metrics;
mod prefix;
mod replay;
mod report;
mod tickets;
mod worker;

pub(crate) use auth::Auth;
pub use replay::Replay;
pub use report::{estimates, report};

use crate::error::SchedulerError;
use crate::flight;
use crate::hub::Hub;
use crate::parts::Parts;
use crate::telemetry::Telemetry;
use crate::web::answers::Answers;
use crate::web::dashboard::{Door, Followed};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, get, post};
use axum::serve::{Listener, ListenerExt, TapIo};
use partita_net::connections::Caller;
use partita_net::listen::{Encryption, Port, ServerStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The largest body of a plain request, in bytes: no request needs a larger one.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long those who are connected may take to hear that the scheduler ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// The port, as the server takes connections from it.
struct Connections(Port);

impl Listener for Connections {
    type Io = ServerStream;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.0.accept().await
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        Err(std::io::Error::other("a listener has no caller"))
    }
}

/// A listener as a port.
fn port(
    listener: TcpListener,
    encryption: Encryption,
) -> TapIo<Connections, impl FnMut(&mut ServerStream) + Send> {
    // Only for its type, with which requests know their caller.
    Connections(Port::open(listener, encryption)).tap_io(|_| {})
}

/// The door for pages, if this scheduler has one.
fn door(hub: &Hub, auth: &Auth, telemetry: &Telemetry) -> Option<Arc<Door>> {
    let token = auth.page_token()?.clone();
    let observer = telemetry.observer()?.clone();
    let answers = Answers::Live(hub.clone());
    let (may_act, cluster) = (auth.pages_may_act(), telemetry.cluster_name().to_string());
    let (followed, tickets) = (Followed::Live(observer), Arc::clone(auth.tickets()));
    Some(Arc::new(Door::new(token, followed, answers, may_act, cluster, tickets)))
}

/// What is served without the cluster's token, and to callers that do not use TLS: the page's own files, and its link,
/// which takes the page's token.
fn pages(door: Option<Arc<Door>>) -> Router {
    let pages = match door {
        Some(door) => Router::new()
            .route("/ws/dashboard", any(dashboard::upgrade))
            .route("/page/token", post(dashboard::redeem))
            .fallback(assets::serve)
            .with_state(door),
        None => Router::new().route("/ws/dashboard", any(dashboard::none)),
    };
    pages.route("/healthz", get(|| async { "ok\n" }))
}

/// Serves until the end is asked for.
pub(crate) async fn serve(
    parts: Parts,
    listener: TcpListener,
    encryption: Encryption,
) -> Result<(), SchedulerError> {
    let guarded = Router::new()
        .route("/ws/worker", any(worker::upgrade))
        .route("/ws/client", any(client::upgrade))
        .merge(api::routes())
        .route("/metrics", get(metrics::render))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(parts.clone())
        .merge(flight::routes(&parts))
        .layer(middleware::from_fn_with_state(Arc::clone(&parts.auth), auth::require_token));
    let actions = api::page_actions()
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(parts.clone())
        .layer(middleware::from_fn_with_state(Arc::clone(&parts.auth), auth::require_page_token));
    let Parts { hub, auth, telemetry, shutdown, .. } = parts;
    let app = pages(door(&hub, &auth, &telemetry)).merge(actions).merge(guarded);
    // Outside of the routes, which go by the path without a prefix.
    let app = Router::new().fallback_service(app).layer(middleware::from_fn(prefix::strip));
    let service = app.into_make_service_with_connect_info::<Caller>();
    let ended = shutdown.clone();
    let serving =
        axum::serve(port(listener, encryption), service).with_graceful_shutdown(async move {
            ended.cancelled().await;
        });
    let farewell = async {
        shutdown.cancelled().await;
        hub.dismiss("the cluster is shutting down").await;
        all_left(&hub).await;
    };
    let over = async {
        shutdown.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    // Those who asked are answered, and the workers hear of the end, if that does not take long.
    let ended = async { tokio::join!(async { serving.await }, farewell).0 };
    tokio::select! {
        served = ended => served.map_err(|source| SchedulerError::System {
            what: "cannot serve the port".to_string(),
            source,
        }),
        () = over => Ok(()),
    }
}

/// Resolves when no worker is there.
async fn all_left(hub: &Hub) {
    let mut changes = hub.changes();
    while hub.query(|core| !core.workers(false).is_empty()).await == Some(true) {
        if changes.changed().await.is_err() {
            return;
        }
    }
}
