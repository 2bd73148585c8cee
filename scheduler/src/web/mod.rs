//! The one port: pages, REST, WebSockets (HTTP/1.1) and Flight (HTTP/2).

mod api;
mod assets;
mod auth;
mod client;
mod dashboard;
mod metrics;
mod worker;

use crate::error::SchedulerError;
use crate::{Shared, flight};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The largest body of a plain request, in bytes: there is none that needs one.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long those who are connected may take to hear that the scheduler ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves until the end is asked for.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
) -> Result<(), SchedulerError> {
    let guarded = Router::new()
        .route("/ws/worker", any(worker::upgrade))
        .route("/ws/client", any(client::upgrade))
        .merge(api::routes())
        .route("/metrics", get(metrics::render))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(&shared))
        .merge(flight::routes(&shared))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), auth::require_token));
    let mut open = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ws/dashboard", any(dashboard::upgrade));
    if shared.config.dashboard {
        open = open.fallback(assets::serve);
    }
    let app = open.with_state(Arc::clone(&shared)).merge(guarded);
    // Small messages go out at once: a task's answer must not wait for the next one.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let ended = shared.shutdown.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        ended.cancelled().await;
    });
    let farewell = async {
        shared.shutdown.cancelled().await;
        shared.hub.dismiss("the cluster is ending").await;
        tokio::time::sleep(FAREWELL).await;
    };
    let mut farewell = std::pin::pin!(farewell);
    let served = tokio::select! {
        served = async { serving.await } => served,
        () = &mut farewell => return Ok(()),
    };
    served.map_err(|source| SchedulerError::System { what: "the port".to_string(), source })?;
    // Those who asked were answered; the workers may still have to hear of it.
    farewell.await;
    Ok(())
}
