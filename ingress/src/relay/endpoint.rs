//! The transport of 2024-11-05: the first event of its stream says where to POST, as the upstream knows itself. The
//! caller is told the same place as it is reached through the gate.
//!
//! It refuses a place outside the connection's URL, which the gate does not serve. Its query is the session's secret,
//! so the event is recorded without its bytes, and only the caller who was told it may use it.

use protocol::sse::Event;
use url::Url;

use crate::{
    config::Kind,
    exchange::Exchange,
    forward::{self, OutsideUpstream},
};

/// Where this event sends the caller.
pub(super) fn announced(exchange: &Exchange, event: &Event) -> Option<String> {
    let announces = exchange.kind() == Some(Kind::Mcp) && event.name.as_deref() == Some("endpoint");
    event.data.clone().filter(|_| announces)
}

/// The same place by way of the gate, which is this caller's from now on.
pub(super) fn through_gate(exchange: &Exchange, announced: &str) -> Result<String, OutsideUpstream> {
    let asked = forward::upstream_url(exchange)?;
    let upstream = &exchange.connection.as_ref().ok_or(OutsideUpstream)?.upstream;
    let suffix = suffix(upstream, &asked, announced).ok_or(OutsideUpstream)?;
    let (now, name) = (exchange.trail.now(), exchange.connection_name());
    exchange.gate.sessions.claim(name, &suffix, &exchange.principal, now);
    Ok(format!("/c/{name}{suffix}"))
}

/// What follows the upstream's URL in the announced one.
fn suffix(upstream: &Url, asked: &Url, announced: &str) -> Option<String> {
    let place = asked.join(announced).ok()?;
    let rest = place.path().strip_prefix(upstream.path().trim_end_matches('/'))?;
    let is_below = place.origin() == upstream.origin() && (rest.is_empty() || rest.starts_with('/'));
    let query = place.query().map(|query| format!("?{query}")).unwrap_or_default();
    is_below.then(|| format!("{rest}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(upstream: &str, asked: &str, announced: &str, expected: Option<&str>) {
        let url = |text| Url::parse(text).expect("a URL");
        assert_eq!(suffix(&url(upstream), &url(asked), announced).as_deref(), expected);
    }

    #[test]
    fn an_endpoint_below_the_upstream_is_below_the_connection() {
        check("http://h/", "http://h/sse", "/messages?sessionId=1", Some("/messages?sessionId=1"));
        check("http://h/mcp", "http://h/mcp/sse", "messages?s=1", Some("/messages?s=1"));
        check("http://h/mcp", "http://h/mcp/sse", "http://h/mcp/m", Some("/m"));
    }

    #[test]
    fn an_endpoint_elsewhere_is_refused() {
        check("http://h/mcp", "http://h/mcp/sse", "/messages", None);
        check("http://h/mcp", "http://h/mcp/sse", "/mcpx", None);
        check("http://h/", "http://h/sse", "http://evil/messages", None);
        check("http://h/", "http://h/sse", "https://h/messages", None);
    }
}
