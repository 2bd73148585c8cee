//! The metrics, as Prometheus reads them.

use crate::Shared;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn render(State(_): State<Arc<Shared>>) -> String {
    String::new()
}
