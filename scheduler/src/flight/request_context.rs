//! The context of a request, read from its metadata.

use crate::query::RequestContext;
use axum::extract::ConnectInfo;
use partita_net::connections::Caller;
use partita_shared::{
    ANALYZE_HEADER, CLIENT_HEADER, DIRECT_HEADER, DIRECTORY_HEADER, FIXED_TYPES_HEADER,
    PRIORITY_HEADER, SESSION_HEADER,
};
use std::net::SocketAddr;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

/// Characters of a client's description of itself that are kept.
const CLIENT_TEXT_CHARS_MAX: usize = 100;

/// Reads the context of a request.
///
/// # Errors
/// If a header cannot be understood; the error names it.
pub(crate) fn read<T>(request: &Request<T>) -> Result<RequestContext, Status> {
    let peer = request.extensions().get::<ConnectInfo<Caller>>().map(|peer| peer.address);
    from_parts(request.metadata(), peer)
}

fn from_parts(metadata: &MetadataMap, peer: Option<SocketAddr>) -> Result<RequestContext, Status> {
    let directory = match text(metadata, DIRECTORY_HEADER)? {
        Some(escaped) if !escaped.is_empty() => Some(directory(escaped)?),
        _ => None,
    };
    let priority = match text(metadata, PRIORITY_HEADER)? {
        Some(number) => number
            .trim()
            .parse()
            .map_err(|_| wrong(PRIORITY_HEADER, &format!("expected an integer, got {number:?}")))?,
        None => 1,
    };
    let flag = |header| match text(metadata, header)? {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(wrong(header, &format!("expected 0 or 1, got {other:?}"))),
    };
    let (analyze, direct) = (flag(ANALYZE_HEADER)?, flag(DIRECT_HEADER)?);
    let has_fixed_types = flag(FIXED_TYPES_HEADER)?;
    let session = text(metadata, SESSION_HEADER)?.unwrap_or_default().to_string();
    let owner = match peer {
        Some(peer) if session.is_empty() => peer.to_string(),
        _ => session.clone(),
    };
    Ok(RequestContext {
        session,
        directory,
        client: client(metadata, peer),
        owner,
        priority,
        analyze,
        direct,
        has_fixed_types,
    })
}

fn wrong(header: &str, what: &str) -> Status {
    Status::invalid_argument(format!("invalid header {header}: {what}"))
}

fn text<'a>(metadata: &'a MetadataMap, header: &str) -> Result<Option<&'a str>, Status> {
    let Some(value) = metadata.get(header) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some).map_err(|_| wrong(header, "not valid UTF-8"))
}

fn directory(escaped: &str) -> Result<String, Status> {
    let unescaped = unescape(escaped)
        .ok_or_else(|| wrong(DIRECTORY_HEADER, "`%` must be written as `%25`, bytes as `%xx`"))?;
    if !unescaped.starts_with('/') {
        return Err(wrong(
            DIRECTORY_HEADER,
            &format!("expected an absolute path, got {unescaped:?}"),
        ));
    }
    Ok(unescaped)
}

/// Puts bytes in the place of `%xx`. None if an escape is broken or the bytes are not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// Who asks, as shown in listings.
fn client(metadata: &MetadataMap, peer: Option<SocketAddr>) -> String {
    let short = |text: &str| -> String { text.chars().take(CLIENT_TEXT_CHARS_MAX).collect() };
    let named = text(metadata, CLIENT_HEADER).ok().flatten().and_then(unescape);
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return short(&named);
    }
    let agent = metadata.get("user-agent").map(|value| String::from_utf8_lossy(value.as_bytes()));
    // The first word is the program, the others what it is made of.
    let first = agent.as_deref().and_then(|agent| agent.split_whitespace().next());
    let agent = short(first.unwrap_or("unknown client"));
    match peer {
        Some(peer) => format!("{agent} at {}", peer.ip()),
        None => agent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&'static str, &'static str)]) -> Result<RequestContext, Status> {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.insert(*name, value.parse().unwrap());
        }
        from_parts(&metadata, Some(([10, 0, 0, 7], 4711).into()))
    }

    /// Proves that escapes become bytes, and that broken ones are refused.
    #[test]
    fn escapes_are_decoded() {
        assert_eq!(unescape("/data/a b").as_deref(), Some("/data/a b"));
        assert_eq!(unescape("/d%C3%A4ta/100%25").as_deref(), Some("/däta/100%"));
        assert_eq!(unescape("/d%c3%a4ta").as_deref(), Some("/däta"));
        for broken in ["100%", "%2", "%zz", "%+1", "%C3"] {
            assert_eq!(unescape(broken), None, "{broken}");
        }
    }

    /// Proves that every header is read, and what holds without any.
    #[test]
    fn headers_are_read() {
        let request_context = with(&[
            (SESSION_HEADER, "mine"),
            (DIRECTORY_HEADER, "/home/%C3%A4"),
            (PRIORITY_HEADER, "7"),
            (ANALYZE_HEADER, "1"),
            (FIXED_TYPES_HEADER, "1"),
            ("user-agent", "tester/1 with/2"),
        ])
        .unwrap();
        assert_eq!(
            (request_context.session.as_str(), request_context.owner.as_str()),
            ("mine", "mine")
        );
        assert_eq!(request_context.directory.as_deref(), Some("/home/ä"));
        assert_eq!(
            (request_context.priority, request_context.analyze, request_context.has_fixed_types),
            (7, true, true)
        );
        assert_eq!(request_context.client, "tester/1 at 10.0.0.7");
        let named = with(&[(CLIENT_HEADER, "%C3%A4da@login-1"), ("user-agent", "tester/1")]);
        assert_eq!(named.unwrap().client, "äda@login-1");
        let plain = with(&[]).unwrap();
        assert_eq!((plain.session.as_str(), plain.directory), ("", None));
        assert_eq!((plain.priority, plain.analyze), (1, false));
        assert_eq!(plain.client, "unknown client at 10.0.0.7");
        assert_eq!(plain.owner, "10.0.0.7:4711");
    }

    /// Proves that what cannot be understood is refused, and that the error names the header.
    #[test]
    fn nonsense_is_refused() {
        for (header, value) in [
            (PRIORITY_HEADER, "high"),
            (DIRECTORY_HEADER, "data"),
            (DIRECTORY_HEADER, "/100%"),
            (ANALYZE_HEADER, "yes"),
        ] {
            let status = with(&[(header, value)]).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(header), "{status}");
        }
    }
}
