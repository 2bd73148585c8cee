//! Flight SQL.

use crate::Shared;
use axum::Router;
use std::sync::Arc;

pub(crate) fn routes(_: &Arc<Shared>) -> Router {
    Router::new()
}
