//! Encryption and the token: every request needs both, but for `/healthz` and the dashboard. In a cluster that does not
//! encrypt, a proof takes the place of both.

use crate::SecurityConfig;
use crate::error::SchedulerError;
use crate::web::tickets::Tickets;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use partita_net::connections::Caller;
use partita_net::dial::Trust;
use partita_net::identity::Identity;
use partita_net::listen::Encryption;
use partita_net::plaintext::Members;
use partita_shared::access::{page_token, secret_of};
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

pub(crate) fn given(headers: &HeaderMap, query: Option<&str>) -> Option<Vec<u8>> {
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

/// Who may connect: those who know the cluster's token, and pages.
#[derive(Debug)]
pub(crate) struct Auth {
    token: Token,
    /// Who may ask if nothing is encrypted.
    members: Option<Arc<Members>>,
    /// Opens pages, and nothing else. None without a dashboard.
    page_token: Option<Token>,
    pages_may_act: bool,
    /// What opens pages once.
    tickets: Arc<Tickets>,
}

impl Auth {
    /// For the cluster with this token.
    pub(crate) fn new(token: String, dashboard: bool, security: &SecurityConfig) -> Self {
        Auth {
            members: security.plaintext.then(|| Arc::new(Members::new(&token, None))),
            page_token: dashboard.then(|| Token(page_token(&token))),
            pages_may_act: !security.page_read_only,
            token: Token(token),
            tickets: Arc::default(),
        }
    }

    /// The token of pages, if there are pages.
    pub(crate) fn page_token(&self) -> Option<&Token> {
        self.page_token.as_ref()
    }

    /// What opens pages once.
    pub(crate) fn tickets(&self) -> &Arc<Tickets> {
        &self.tickets
    }

    /// Whether pages may cancel jobs and retire workers.
    pub(crate) fn pages_may_act(&self) -> bool {
        self.pages_may_act
    }

    /// How workers of the cluster are recognized.
    pub(crate) fn trust_in_workers(&self) -> Trust {
        Trust::in_worker(&self.token.0)
    }

    /// How connections are encrypted, by the certificate if there is one.
    ///
    /// # Errors
    /// If the certificate cannot be used.
    pub(crate) fn encryption(
        &self,
        identity: Option<&Identity>,
        page_https_only: bool,
    ) -> Result<Encryption, SchedulerError> {
        Ok(match (identity, &self.members) {
            (Some(identity), _) if page_https_only => {
                Encryption::Required(identity.server_config()?)
            }
            (Some(identity), _) => Encryption::Offered(identity.server_config()?),
            (None, Some(members)) => Encryption::Disabled(Arc::clone(members)),
            (None, None) => Encryption::None,
        })
    }

    /// Whether a caller may ask for everything: it uses TLS and knows the token.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let caller = caller_of(request);
        if let Some(members) = &self.members {
            return admit_member(members, caller, request);
        }
        let Some(caller) = caller.filter(|caller| caller.is_encrypted) else {
            return Err((StatusCode::FORBIDDEN, UNENCRYPTED));
        };
        match given(request.headers(), request.uri().query()) {
            Some(token) if self.token.has_secret_of(&token) => {
                caller.mark_known();
                Ok(())
            }
            found => Err((StatusCode::UNAUTHORIZED, refusal_of(found.as_deref()))),
        }
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
    State(auth): State<Arc<Auth>>,
    request: Request,
    next: Next,
) -> Response {
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if let Err((status, text)) = auth.admit(&request) {
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
    State(auth): State<Arc<Auth>>,
    request: Request,
    next: Next,
) -> Response {
    let token = given(request.headers(), request.uri().query());
    let token = token.as_deref();
    if token.zip(auth.page_token()).is_some_and(|(token, own)| own.is(token)) {
        if !auth.pages_may_act {
            let text = "this dashboard is read-only (--page-read-only)\n";
            return (StatusCode::FORBIDDEN, text).into_response();
        }
        if let Some(caller) = caller_of(&request) {
            caller.mark_known();
        }
        return next.run(request).await;
    }
    let (status, text) = match auth.admit(&request) {
        Ok(()) => return next.run(request).await,
        Err(refusal) if token.is_some_and(|token| auth.token.has_secret_of(token)) => refusal,
        // With the page's token, TLS would not be needed.
        Err(_) => (StatusCode::UNAUTHORIZED, refusal_of(token)),
    };
    (status, format!("{text}\n")).into_response()
}
