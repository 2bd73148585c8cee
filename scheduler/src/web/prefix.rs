//! Path prefixes that a proxy did not strip.
//!
//! Most proxies strip the prefix under which they show a server. Open OnDemand's `/node/HOST/PORT/`
//! and the notebook's `/proxy/absolute/PORT/` keep it, so it is stripped here. The dashboard's own
//! addresses are relative and need no prefix.

use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::Response;

/// The prefix of Open OnDemand; a host and a port follow.
const NODE: &str = "/node/";

/// The end of a notebook server's prefix; a port follows.
const ABSOLUTE: &str = "/proxy/absolute/";

/// Strips a kept prefix before the request is routed.
pub(crate) async fn strip(mut request: Request, next: Next) -> Response {
    if let Some(uri) = without_prefix(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn without_prefix(uri: &Uri) -> Option<Uri> {
    let rest = rest_of(uri.path())?;
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{slash}{rest}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What follows the prefix, if the path has one.
fn rest_of(path: &str) -> Option<&str> {
    let port_and_rest = match path.strip_prefix(NODE) {
        Some(host_and_rest) => host_and_rest.split_once('/')?.1,
        None => path.split_once(ABSOLUTE)?.1,
    };
    let digits = port_and_rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(port_and_rest.len());
    let (port, rest) = port_and_rest.split_at(digits);
    (port.parse::<u16>().is_ok() && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prefixes of Open OnDemand and of a notebook server are stripped, and queries stay.
    #[test]
    fn kept_prefixes_are_stripped() {
        let of = |path: &str| without_prefix(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("/node/n17/8786/").as_deref(), Some("/"));
        assert_eq!(of("/node/n17.site/8786/ws/dashboard").as_deref(), Some("/ws/dashboard"));
        assert_eq!(of("/node/n17/8786").as_deref(), Some("/"));
        assert_eq!(
            of("/user/mara/proxy/absolute/8786/api/v2/jobs?a=1").as_deref(),
            Some("/api/v2/jobs?a=1")
        );
    }

    /// All other paths stay as they are.
    #[test]
    fn other_paths_stay() {
        for path in [
            "/",
            "/node/",
            "/node/n17",
            "/node/n17/x/y",
            "/proxy/absolute/",
            "/api/v2/jobs",
            "/node/n17/99999/",
        ] {
            assert_eq!(without_prefix(&path.parse().unwrap()), None, "{path}");
        }
    }
}
