//! The dashboard's own files, built into the binary.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// A file of the dashboard: its path below the root, and its bytes.
type Asset = (&'static str, &'static [u8]);

// `ASSETS: &[Asset]`, written by the build script; empty where the dashboard was not built.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What is served where the dashboard was not built into the binary.
const WITHOUT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Partita</title>\
<h1>Partita</h1><p>The scheduler is running. This binary was built without the dashboard: run \
<code>cargo xtask dashboard</code>, then build again. <code>partita status</code>, \
<code>partita workers</code> and <code>partita jobs</code> show the cluster in a terminal.</p></html>";

/// The page may load and ask nothing but its own origin.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'";

pub(crate) async fn serve(uri: Uri) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if let Some((_, bytes)) = ASSETS.iter().find(|(name, _)| *name == path) {
        return with_headers(path, bytes);
    }
    if path == "index.html" {
        return with_headers(path, WITHOUT.as_bytes());
    }
    (StatusCode::NOT_FOUND, "there is nothing here\n").into_response()
}

fn with_headers(path: &str, bytes: &'static [u8]) -> Response {
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    };
    // Every file but the page has its hash in its name.
    let cache =
        if path == "index.html" { "no-cache" } else { "public, max-age=31536000, immutable" };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, bytes).into_response()
}
