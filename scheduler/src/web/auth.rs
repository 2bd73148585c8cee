//! Encryption and the token: every request needs both, but for `/healthz` and the dashboard. In a cluster that does not
//! encrypt, a proof takes the place of both.

use crate::Shared;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use partita_net::connections::Caller;
use partita_net::plaintext::Members;
use partita_shared::access::secret_of;
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

impl Token {
    /// Whether this has the same secret: the certificate may have been renewed since a client read its token.
    pub(crate) fn has_secret_of(&self, given: &[u8]) -> bool {
        let Ok(given) = std::str::from_utf8(given) else { return false };
        bool::from(secret_of(given).as_bytes().ct_eq(secret_of(&self.0).as_bytes()))
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

/// What a caller is told that sends a token to a cluster that does not encrypt.
const TOKEN_IN_PLAIN: &str = "this cluster runs with --plaintext and accepts no token over the network; others may have read the one that was sent; use Partita's own clients, or restart the cluster without --plaintext";
/// What a caller is told that proves nothing to a cluster that does not encrypt.
const NO_PROOF: &str = "this cluster runs with --plaintext and accepts only clients of Partita that prove that they know its token; use them, or restart the cluster without --plaintext";

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

/// Why a caller may not ask.
type Refusal = (StatusCode, &'static str);

/// Whether a caller may ask for everything: it uses TLS and knows the token.
fn admit(shared: &Shared, request: &Request) -> Result<(), Refusal> {
    let caller = caller_of(request);
    if let Some(members) = &shared.members {
        return admit_member(members, caller, request);
    }
    let Some(caller) = caller.filter(|caller| caller.is_encrypted) else {
        return Err((StatusCode::FORBIDDEN, UNENCRYPTED));
    };
    match given(request.headers(), request.uri().query()) {
        Some(token) if shared.token.has_secret_of(&token) => {
            caller.mark_known();
            Ok(())
        }
        found => Err((StatusCode::UNAUTHORIZED, refusal_of(found.as_deref()))),
    }
}

/// The same where nothing is encrypted: the caller has proved on its connection that it knows the secret, or proves it
/// with this call. The token itself opens nothing, so that nobody gets into the way of sending it.
fn admit_member(
    members: &Members,
    caller: Option<&Caller>,
    request: &Request,
) -> Result<(), Refusal> {
    let is_member = caller.is_some_and(|caller| caller.is_member);
    let header = request.headers().get(header::AUTHORIZATION);
    if is_member || header.is_some_and(|header| members.is_call(header.as_bytes())) {
        if let Some(caller) = caller {
            caller.mark_known();
        }
        return Ok(());
    }
    match given(request.headers(), request.uri().query()) {
        Some(_) => Err((StatusCode::FORBIDDEN, TOKEN_IN_PLAIN)),
        None => Err((StatusCode::UNAUTHORIZED, NO_PROOF)),
    }
}

/// Lets those pass who may ask for everything. A peer of another protocol version is told so.
pub(crate) async fn require_token(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if let Err((status, text)) = admit(&shared, &request) {
        return match (is_grpc, status) {
            (true, StatusCode::FORBIDDEN) => tonic::Status::permission_denied(text).into_http(),
            (true, _) => tonic::Status::unauthenticated(text).into_http(),
            (false, status) => (status, format!("{text}\n")).into_response(),
        };
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
    let token = given(request.headers(), request.uri().query());
    let is = |of: fn(&Shared, &[u8]) -> bool| token.as_deref().is_some_and(|t| of(&shared, t));
    if shared.config.dashboard && is(|shared, token| shared.page_token.is(token)) {
        if security.page_read_only {
            let text = "this dashboard is read-only (--page-read-only)\n";
            return (StatusCode::FORBIDDEN, text).into_response();
        }
        if let Some(caller) = caller_of(&request) {
            caller.mark_known();
        }
        return next.run(request).await;
    }
    let (status, text) = match admit(&shared, &request) {
        Ok(()) => return next.run(request).await,
        Err(refusal) if is(|shared, token| shared.token.has_secret_of(token)) => refusal,
        // With the page's token, TLS would not be needed.
        Err(_) => (StatusCode::UNAUTHORIZED, refusal_of(token.as_deref())),
    };
    (status, format!("{text}\n")).into_response()
}
