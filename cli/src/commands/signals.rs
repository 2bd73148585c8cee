//! Signals that end a program in order.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGTERM or SIGINT, with the reason in words.
pub(crate) async fn stop() -> String {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => "received SIGTERM".to_string(),
        _ = interrupt.recv() => "received SIGINT".to_string(),
    }
}
