//! What one exchange looks like to those who trace calls: a span of ours, and below it one of the upstream's time.
//!
//! It refuses to name what callers choose freely (targets that no server has listed, URIs, sessions): spans are not
//! masked.

use http::HeaderValue;
use protocol::mcp::TraceParent;
use schemas::{Outcome, Timestamp};
use spans::{Caller, Kind, Span, Spans, Trace, Value, attribute as name};

use crate::exchange::Exchange;

/// Methods of MCP that are named; any other is somebody's own word.
const METHODS: [&str; 19] = [
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "server/discover",
    "subscriptions/listen",
    "tasks/get",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
];
const OTHER: &str = "other";

/// The place of one exchange in its trace.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    spans: Spans,
    own: Trace,
    /// Below our own, for the upstream.
    upstream: Trace,
    pub(crate) forwarded_at: Option<Timestamp>,
}

impl Tracing {
    pub(crate) fn new(spans: &Spans, parent: Option<&TraceParent>) -> Tracing {
        let caller = parent.and_then(|parent| Caller::of(&parent.trace_id, &parent.span_id, parent.sampled));
        let own = spans.trace(caller);
        Tracing { spans: spans.clone(), own, upstream: own.child(), forwarded_at: None }
    }

    /// What the record says: where our span is found.
    pub(crate) fn ids(&self) -> (String, String) {
        (self.own.trace_id_text(), self.own.span_id_text())
    }

    /// What the upstream is told, so that its spans are below ours.
    pub(crate) fn traceparent(&self) -> HeaderValue {
        HeaderValue::try_from(self.upstream.traceparent()).expect("hexadecimal digits and dashes")
    }
}

/// Gives the spans of an exchange that has ended.
pub(crate) fn give(exchange: &Exchange) {
    let Some(tracing) = &exchange.tracing else { return };
    let ended_us = exchange.trail.now().0;
    if let Some(forwarded_at) = tracing.forwarded_at {
        let attributes = of_upstream(exchange);
        tracing.spans.give(span(exchange, tracing.upstream, Kind::Client, (forwarded_at.0, ended_us), attributes));
    }
    let began_us = ended_us - exchange.trail.duration_us();
    tracing.spans.give(span(exchange, tracing.own, Kind::Server, (began_us, ended_us), of_ours(exchange)));
}

fn span(
    exchange: &Exchange,
    trace: Trace,
    kind: Kind,
    (began_us, ended_us): (i64, i64),
    mut attributes: Vec<(&'static str, Value)>,
) -> Span {
    attributes.extend(common(exchange));
    let failed = exchange.outcome.is_some_and(|outcome| outcome != Outcome::Ok);
    Span { trace, name: named(exchange), kind, began_us, ended_us, attributes, failed }
}

/// `tools/call get_order`: method and, where a server has listed it, tool.
fn named(exchange: &Exchange) -> String {
    let method = method(exchange);
    tool(exchange).map_or_else(|| method.to_owned(), |tool| format!("{method} {tool}"))
}

fn common(exchange: &Exchange) -> Vec<(&'static str, Value)> {
    let mut attributes = vec![
        (name::NETWORK_TRANSPORT, name::TCP.into()),
        (name::NETWORK_PROTOCOL_NAME, name::HTTP.into()),
        (name::HTTP_REQUEST_METHOD, exchange.head.method.as_str().into()),
    ];
    if let Some(revision) = exchange.trail.context.protocol.strip_prefix("mcp/") {
        attributes.push((name::MCP_METHOD_NAME, method(exchange).into()));
        attributes.push((name::MCP_PROTOCOL_VERSION, revision.into()));
    }
    if exchange.trail.context.method.as_deref() == Some("tools/call") {
        attributes.push((name::GEN_AI_OPERATION_NAME, name::EXECUTE_TOOL.into()));
    }
    if let Some(tool) = tool(exchange) {
        attributes.push((name::GEN_AI_TOOL_NAME, tool.into()));
    }
    if let Some(outcome) = exchange.outcome.filter(|outcome| *outcome != Outcome::Ok) {
        attributes.push((name::ERROR_TYPE, outcome.as_str().into()));
    }
    attributes
}

fn of_ours(exchange: &Exchange) -> Vec<(&'static str, Value)> {
    let mut attributes = vec![
        (name::EXCHANGE_ID, Value::Text(exchange.trail.exchange_id.to_string())),
        (name::OVERHEAD_MICROSECONDS, (exchange.trail.duration_us() - exchange.waited_us).into()),
    ];
    if !exchange.connection_name().is_empty() {
        attributes.push((name::CONNECTION, exchange.connection_name().into()));
    }
    if let Some(ruling) = &exchange.trail.context.ruling {
        attributes.push((name::VERDICT, ruling.verdict.as_str().into()));
    }
    if let Some(outcome) = exchange.outcome {
        attributes.push((name::OUTCOME, outcome.as_str().into()));
    }
    attributes
}

fn of_upstream(exchange: &Exchange) -> Vec<(&'static str, Value)> {
    let Some(connection) = &exchange.connection else { return Vec::new() };
    let host = connection.upstream.host_str().map(|host| (name::SERVER_ADDRESS, host.into()));
    let port = connection.upstream.port_or_known_default().map(|port| (name::SERVER_PORT, i64::from(port).into()));
    host.into_iter().chain(port).collect()
}

fn method(exchange: &Exchange) -> &'static str {
    let asked = exchange.trail.context.method.as_deref().unwrap_or_default();
    METHODS.into_iter().find(|method| *method == asked).unwrap_or_else(|| match exchange.head.method.as_str() {
        "GET" => "GET",
        "POST" if exchange.trail.context.protocol == "http" => "POST",
        "DELETE" => "DELETE",
        _ => OTHER,
    })
}

/// The digest of its definition says that the server has listed it.
fn tool(exchange: &Exchange) -> Option<&str> {
    exchange.trail.context.target.as_deref().filter(|_| exchange.trail.context.target_digest.is_some())
}
