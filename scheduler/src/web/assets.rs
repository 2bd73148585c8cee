//! The dashboard's own files, built into the binary.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// A file of the dashboard.
struct Asset {
    /// Its path below the root.
    name: &'static str,
    /// As it is.
    plain: &'static [u8],
    /// Packed with gzip.
    gzip: &'static [u8],
    /// Packed with brotli.
    brotli: &'static [u8],
}

// `ASSETS: &[Asset]` and `REPORT: &[(&str, &[u8])]`, written by the build script; empty where the
// dashboard was not built.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What is served where the dashboard was not built into the binary.
const WITHOUT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Partita</title>\
<h1>Partita</h1><p>The scheduler is running. This binary was built without the dashboard: run \
<code>cargo xtask dashboard</code>, then build again. <code>partita status</code>, \
<code>partita workers</code> and <code>partita jobs</code> show the cluster in a terminal.</p></html>";

/// The page may load and ask nothing but its own origin. The hash is that of its one inline script,
/// which adds a missing last slash to the address: without it no other file of the page is found.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' \
'sha256-c+faTl9zu8R1YtOPEliUv+INooCVBNgCKGNYk5fg24c='; style-src 'self'; \
img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'";

pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if let Some(asset) = ASSETS.iter().find(|asset| asset.name == path) {
        return asset.answer(&headers);
    }
    if path == "index.html" {
        return with_headers(path, None, WITHOUT.as_bytes());
    }
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

/// A part of the page of reports.
pub(crate) fn report_part(name: &str) -> Option<&'static [u8]> {
    REPORT.iter().find(|(part, _)| *part == name).map(|(_, bytes)| *bytes)
}

/// The files whose names end so.
pub(crate) fn all(ending: &str) -> impl Iterator<Item = &'static [u8]> {
    ASSETS.iter().filter(move |asset| asset.name.ends_with(ending)).map(|asset| asset.plain)
}

impl Asset {
    /// The file, packed as the browser takes it. What does not get smaller is sent as it is.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
        let accepted: Vec<&str> = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter(|entry| !entry.replace(' ', "").ends_with(";q=0"))
            .filter_map(|entry| entry.split(';').next())
            .map(str::trim)
            .collect();
        let packed = [("br", self.brotli), ("gzip", self.gzip)];
        let chosen = packed
            .into_iter()
            .find(|(name, bytes)| accepted.contains(name) && bytes.len() < self.plain.len());
        match chosen {
            Some((name, bytes)) => with_headers(self.name, Some(name), bytes),
            None => with_headers(self.name, None, self.plain),
        }
    }
}

fn with_headers(path: &str, encoding: Option<&'static str>, bytes: &'static [u8]) -> Response {
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
        (header::VARY, "accept-encoding"),
    ];
    let mut response = (headers, bytes).into_response();
    if let Some(encoding) = encoding {
        let value = header::HeaderValue::from_static(encoding);
        response.headers_mut().insert(header::CONTENT_ENCODING, value);
    }
    response
}
