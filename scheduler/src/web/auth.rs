//! Encryption and the token: every request needs both, but for `/healthz` and the dashboard.

use crate::Shared;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use partita_net::connections::Caller;
use partita_shared::{PROTOCOL_HEADER, PROTOCOL_VERSION, VERSION};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A token. It is compared in a time that says nothing, and not shown.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

impl Token {
    /// Whether this is it.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        bool::from(given.ct_eq(self.0.as_bytes()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

fn given(headers: &HeaderMap, query: Option<&str>) -> Option<Vec<u8>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.as_bytes();
        let (scheme, rest) = text.split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.to_vec());
    }
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "token").map(|(_, token)| token.as_bytes().to_vec())
}

/// What a caller is told that does not use TLS.
const UNENCRYPTED: &str = "this path requires TLS; without it only the dashboard is served";

/// What a caller is told whose token is wrong, or who has none.
fn refusal_of(found: Option<&[u8]>) -> &'static str {
    match found {
        Some(_) => "invalid token; use the token in the access file of this cluster",
        None => "a token is required; send it as `Authorization: Bearer TOKEN`",
    }
}

fn caller_of(request: &Request) -> Option<&Caller> {
    request.extensions().get::<ConnectInfo<Caller>>().map(|info| &info.0)
}

/// Lets those pass who use TLS and know the token. A peer of another protocol version is told so.
pub(crate) async fn require_token(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let token = given(request.headers(), request.uri().query());
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let Some(caller) = caller_of(&request).filter(|caller| caller.is_encrypted) else {
        if is_grpc {
            return tonic::Status::permission_denied(UNENCRYPTED).into_http();
        }
        return (StatusCode::FORBIDDEN, format!("{UNENCRYPTED}\n")).into_response();
    };
    match token {
        Some(token) if shared.token.is(&token) => caller.mark_known(),
        found => {
            let text = refusal_of(found.as_deref());
            if is_grpc {
                return tonic::Status::unauthenticated(text).into_http();
            }
            return (StatusCode::UNAUTHORIZED, format!("{text}\n")).into_response();
        }
    }
    if let Some(version) = request.headers().get(PROTOCOL_HEADER)
        && version.as_bytes() != PROTOCOL_VERSION.to_string().as_bytes()
    {
        let text = format!(
            "the scheduler (version {VERSION}) uses protocol {PROTOCOL_VERSION}, the peer uses {}; use the same version of Partita on both sides",
            String::from_utf8_lossy(version.as_bytes())
        );
        if is_grpc {
            return tonic::Status::failed_precondition(text).into_http();
        }
        return (StatusCode::UPGRADE_REQUIRED, format!("{text}\n")).into_response();
    }
    next.run(request).await
}

/// Lets those pass who know the page's token, unless pages may only look; and those who use TLS and know the
/// cluster's token.
pub(crate) async fn require_page_token(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let security = &shared.config.security;
    let caller = caller_of(&request);
    let (status, text) = match given(request.headers(), request.uri().query()) {
        Some(token) if shared.token.is(&token) => {
            if let Some(caller) = caller.filter(|caller| caller.is_encrypted) {
                caller.mark_known();
                return next.run(request).await;
            }
            (StatusCode::FORBIDDEN, UNENCRYPTED)
        }
        Some(token) if shared.page_token.is(&token) && security.page_read_only => {
            (StatusCode::FORBIDDEN, "this dashboard is read-only (--page-read-only)")
        }
        Some(token) if shared.page_token.is(&token) && shared.config.dashboard => {
            if let Some(caller) = caller {
                caller.mark_known();
            }
            return next.run(request).await;
        }
        found => (StatusCode::UNAUTHORIZED, refusal_of(found.as_deref())),
    };
    (status, format!("{text}\n")).into_response()
}
