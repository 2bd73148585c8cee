//! Signals that end a program in order.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGTERM or SIGINT, with the reason in words. The signals are caught from the call on, not only once
/// the future is polled: whoever sees what a program publishes may send one at once.
pub(crate) fn stop() -> impl Future<Output = String> + Send {
    let caught = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut term), Ok(mut interrupt)) = caught else { return std::future::pending().await };
        tokio::select! {
            _ = term.recv() => "received SIGTERM".to_string(),
            _ = interrupt.recv() => "received SIGINT".to_string(),
        }
    }
}
