//! From a body to what policy decides on: one part for each message.
//!
//! It refuses what could be read in two ways; the strict reading itself is `protocol`'s.

use bytes::Bytes;
use http::{HeaderName, Method};
use protocol::{
    jsonrpc::{self, Id, Malformed, Message, Shape},
    mcp::{self, Described, Era},
};
use schemas::{
    Call, FrameKind, Level,
    call::{Arguments, Ruling},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    config::Kind,
    exchange::{Exchange, text},
};

const VERSION_HEADER: HeaderName = HeaderName::from_static(mcp::headers::PROTOCOL_VERSION);

/// One message of a request's body, or a request without a message.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: FrameKind,
    pub(crate) id: Option<Id>,
    pub(crate) call: Call,
    pub(crate) bytes: Bytes,
    pub(crate) progress_token: Option<Value>,
    pub(crate) client: Option<String>,
    pub(crate) traceparent: Option<String>,
    /// The id that `notifications/cancelled` names.
    pub(crate) cancels: Option<Id>,
    /// What policy said of it, once it has.
    pub(crate) ruling: Option<Ruling>,
    pub(crate) level: Level,
}

impl Part {
    fn new(kind: FrameKind, call: Call, bytes: Bytes) -> Part {
        Part {
            kind,
            id: None,
            call,
            bytes,
            progress_token: None,
            client: None,
            traceparent: None,
            cancels: None,
            ruling: None,
            level: Level::Full,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) parts: Vec<Part>,
    pub(crate) is_batch: bool,
    pub(crate) era: Era,
}

pub(crate) fn parse(exchange: &Exchange, body: &Bytes) -> Result<Asked, Malformed> {
    if exchange.kind() == Some(Kind::Http) {
        return Ok(alone(exchange, http_call(exchange, body), body));
    }
    match exchange.head.method {
        Method::POST => messages(exchange, body),
        _ if !body.is_empty() => {
            Err(Malformed::Message(format!("a {} request has no body in MCP", exchange.head.method)))
        }
        _ => Ok(alone(exchange, session_call(exchange), body)),
    }
}

/// A request that is its own message: GET and DELETE of MCP, and all of plain HTTP.
fn alone(exchange: &Exchange, call: Call, body: &Bytes) -> Asked {
    Asked { parts: vec![Part::new(FrameKind::Request, call, body.clone())], is_batch: false, era: era(exchange) }
}

fn session_call(exchange: &Exchange) -> Call {
    Call {
        connection: exchange.connection_name().to_owned(),
        protocol: mcp_protocol(exchange),
        method: exchange.head.method.to_string(),
        ..Call::default()
    }
}

fn http_call(exchange: &Exchange, body: &Bytes) -> Call {
    let query = exchange.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Call {
        connection: exchange.connection_name().to_owned(),
        protocol: "http".to_owned(),
        method: exchange.head.method.to_string(),
        target: format!("{}{query}", if exchange.suffix.is_empty() { "/" } else { &exchange.suffix }),
        arguments: Arguments::new(body),
        arguments_digest: Some(Sha256::digest(body).into()),
        ..Call::default()
    }
}

fn messages(exchange: &Exchange, body: &Bytes) -> Result<Asked, Malformed> {
    let is_batch = jsonrpc::is_batch(body);
    if is_batch && !mcp::takes_batches(&exchange.head.headers) {
        let revision = mcp::REVISION_DEFAULT;
        return Err(Malformed::Message(format!("batches exist in revision {revision} only: send one message")));
    }
    let messages = jsonrpc::parse(body)?;
    let mut asked = Asked { parts: Vec::with_capacity(messages.len()), is_batch, era: era(exchange) };
    for message in messages {
        let (part, era) = part(exchange, &message, body.slice(message.place.clone()))?;
        if era == Era::Stateless {
            asked.era = era;
        }
        asked.parts.push(part);
    }
    Ok(asked)
}

fn part(exchange: &Exchange, message: &Message<'_>, bytes: Bytes) -> Result<(Part, Era), Malformed> {
    let (kind, id) = match &message.shape {
        Shape::Request { id, .. } => (FrameKind::Request, Some(id.clone())),
        Shape::Notification { .. } => (FrameKind::Notification, None),
        // The client's answer to a request of the server.
        Shape::Response { .. } | Shape::Error { .. } => (FrameKind::Response, None),
    };
    let described = mcp::describe(exchange.connection_name(), &exchange.head.headers, message)?;
    let cancels = cancelled_id(&described.call);
    let Described { era, call, progress_token, client, traceparent, .. } = described;
    Ok((Part { id, progress_token, client, traceparent, cancels, ..Part::new(kind, call, bytes) }, era))
}

fn cancelled_id(call: &Call) -> Option<Id> {
    if call.method != "notifications/cancelled" {
        return None;
    }
    match call.arguments.json().get("requestId")? {
        Value::String(id) => Some(Id::Text(id.clone())),
        id => id.as_i64().map(Id::Number),
    }
}

fn mcp_protocol(exchange: &Exchange) -> String {
    format!("mcp/{}", text(&exchange.head.headers, &VERSION_HEADER).unwrap_or(mcp::REVISION_DEFAULT))
}

/// By the header, where there is no message that says it itself. Revisions are dates and compare as text.
fn era(exchange: &Exchange) -> Era {
    match text(&exchange.head.headers, &VERSION_HEADER) {
        Some(version) if version >= mcp::REVISION_STATELESS => Era::Stateless,
        _ => Era::Sessions,
    }
}
