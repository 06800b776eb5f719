//! Why a call goes no further, and how the caller is told.
//!
//! A JSON-RPC request is refused by HTTP 200 and a JSON-RPC error, because clients hide a 403 inside a transport error.
//! Everything else is refused by status. Bodies that did not come from an authenticated caller are never recorded: who
//! has no token must not fill the trail.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use protocol::{
    jsonrpc::{self, Id, Malformed},
    mcp::code,
    sse,
};
use schemas::{Direction, FrameKind, Outcome};
use serde_json::{Value, json};
use tracing::debug;

use crate::{config::Kind, exchange::Exchange, outlet::Outlet};

/// JSON-RPC's own codes.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) fault: Fault,
    pub(crate) outcome: Outcome,
    pub(crate) code: i64,
    pub(crate) status: Status,
    /// Whose fault it is and what to do, for people and models.
    pub(crate) message: String,
    /// What the record shows: the message that was refused, or the answer that is none.
    pub(crate) evidence: Bytes,
    /// Bytes seen, where they are not in `evidence`.
    pub(crate) bytes_seen: u64,
    /// The upstream's HTTP status, if it gave one.
    pub(crate) transport_status: Option<u16>,
    pub(crate) challenge: Option<String>,
    /// No further request is read from this connection.
    pub(crate) close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The caller's, or policy's: a refusal.
    Caller,
    /// The upstream's: the response of an exchange that has begun.
    Upstream,
    /// The log's: there is nothing to record it with.
    Hansard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Always(StatusCode),
    /// 200 where the caller waits for a JSON-RPC answer.
    UnlessRpc(StatusCode),
}

impl Stop {
    pub(crate) fn refused(outcome: Outcome, code: i64, status: Status, message: impl Into<String>) -> Stop {
        Stop {
            fault: Fault::Caller,
            outcome,
            code,
            status,
            message: message.into(),
            evidence: Bytes::new(),
            bytes_seen: 0,
            transport_status: None,
            challenge: None,
            close: false,
        }
    }

    /// Refused at the door: nothing of the message was looked at.
    pub(crate) fn door(outcome: Outcome, status: StatusCode, message: impl Into<String>) -> Stop {
        Stop::refused(outcome, code::REFUSED, Status::Always(status), message)
    }

    /// The body could not be read; there is no saying where the next request begins.
    pub(crate) fn unread(outcome: Outcome, status: StatusCode, bytes_seen: u64, message: impl Into<String>) -> Stop {
        let refused = Stop::refused(outcome, INVALID_REQUEST, Status::Always(status), message);
        Stop { bytes_seen, close: true, ..refused }
    }

    /// By status 400, as MCP demands of what a server cannot accept; no client detects an era by such a message.
    pub(crate) fn malformed(malformed: &Malformed, evidence: &Bytes) -> Stop {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(evidence).is_ok();
        let code = match malformed {
            Malformed::Headers(_) => code::HEADER_MISMATCH,
            Malformed::Message(_) if is_json => INVALID_REQUEST,
            Malformed::Message(_) => PARSE_ERROR,
        };
        let status = Status::Always(StatusCode::BAD_REQUEST);
        let refused = Stop::refused(Outcome::Malformed, code, status, malformed.to_string());
        Stop { evidence: evidence.clone(), ..refused }
    }

    pub(crate) fn policy(outcome: Outcome, code: i64, message: impl Into<String>, evidence: Bytes) -> Stop {
        let refused = Stop::refused(outcome, code, Status::UnlessRpc(StatusCode::FORBIDDEN), message);
        Stop { evidence, ..refused }
    }

    pub(crate) fn upstream(outcome: Outcome, code: i64, status: StatusCode, message: impl Into<String>) -> Stop {
        Stop { fault: Fault::Upstream, ..Stop::refused(outcome, code, Status::Always(status), message) }
    }

    pub(crate) fn unrecorded() -> Stop {
        let message = "the call could not be recorded, so it did not happen or its answer is withheld; \
                       the gateway's log is at fault: try again later";
        let status = Status::UnlessRpc(StatusCode::SERVICE_UNAVAILABLE);
        Stop { fault: Fault::Hansard, ..Stop::refused(Outcome::Unrecorded, code::UNRECORDED, status, message) }
    }

    /// The caller left; there is nobody to tell.
    pub(crate) fn cancelled() -> Stop {
        let status = StatusCode::BAD_GATEWAY;
        Stop::upstream(Outcome::Cancelled, code::UNREACHABLE, status, "the caller left before the answer was complete")
    }

    pub(crate) fn closing() -> Stop {
        let message = "the gateway is shutting down; whether the upstream acted on the call is not known";
        Stop::upstream(Outcome::Interrupted, code::UNREACHABLE, StatusCode::BAD_GATEWAY, message)
    }
}

/// Records the stop and tells the caller. What cannot be recorded is refused all the same, as unrecorded.
pub(crate) async fn give(exchange: &mut Exchange, outlet: &mut Outlet, stop: Stop) {
    let stop = match record(exchange, &stop).await {
        Ok(()) => stop,
        Err(_) => Stop::unrecorded(),
    };
    debug!(exchange = %exchange.trail.exchange_id, outcome = %stop.outcome, "the call goes no further");
    exchange.ends(stop.outcome);
    if outlet.is_streaming() {
        for event in errors(exchange, &stop) {
            // A caller who has left needs no explanation.
            let _ = outlet.send(sse::message_event(&event)).await;
        }
    } else {
        let _ = outlet.answer(response(exchange, &stop));
    }
}

async fn record(exchange: &mut Exchange, stop: &Stop) -> Result<(), bus::Unrecorded> {
    let kind = match stop.fault {
        Fault::Caller => FrameKind::Refusal,
        Fault::Upstream => FrameKind::Response,
        Fault::Hansard => return Ok(()),
    };
    let direction = if kind == FrameKind::Refusal { Direction::ToUpstream } else { Direction::ToCaller };
    let status = status(exchange, stop).as_u16();
    let trail = &mut exchange.trail;
    let mut frame = trail.frame(kind, direction, &stop.evidence);
    frame.body_bytes = frame.body_bytes.max(stop.bytes_seen);
    let mut ending = trail.end(&mut frame, stop.outcome);
    ending.transport_status = if kind == FrameKind::Refusal { Some(status) } else { stop.transport_status };
    ending.rpc_code = (kind == FrameKind::Refusal && exchange.speaks_rpc()).then_some(stop.code);
    ending.error = Some(stop.message.clone());
    frame.ending = Some(ending);
    exchange.trail.write(frame).await
}

fn status(exchange: &Exchange, stop: &Stop) -> StatusCode {
    match stop.status {
        Status::Always(status) => status,
        Status::UnlessRpc(_) if exchange.awaits_rpc_answer() => StatusCode::OK,
        Status::UnlessRpc(status) => status,
    }
}

fn response(exchange: &Exchange, stop: &Stop) -> Response<Bytes> {
    let mut bodies = errors(exchange, stop);
    let body = if exchange.is_batch { array(&bodies) } else { bodies.swap_remove(0) };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status(exchange, stop);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(challenge) = stop.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if stop.close && exchange.head.version < http::Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// One error for each request that waits for its answer; one without an id if none does.
fn errors(exchange: &Exchange, stop: &Stop) -> Vec<Vec<u8>> {
    if exchange.kind() == Some(Kind::Http) {
        return vec![
            json!({ "error": { "code": stop.code, "message": stop.message, "data": data(exchange, stop) } })
                .to_string()
                .into_bytes(),
        ];
    }
    let error = |id: Option<&Id>| jsonrpc::error(id, stop.code, &stop.message, data(exchange, stop));
    match exchange.awaited.as_slice() {
        [] => vec![error(None)],
        ids => ids.iter().map(|id| error(Some(id))).collect(),
    }
}

fn data(exchange: &Exchange, stop: &Stop) -> Value {
    let ruling = exchange.trail.context.ruling.as_ref();
    let mut data = json!({
        "exchange_id": exchange.trail.exchange_id.to_string(),
        "outcome": stop.outcome.as_str(),
        "explanation": stop.message,
    });
    if let Some(approval_id) = ruling.and_then(|ruling| ruling.approval_id) {
        data["approval_id"] = approval_id.to_string().into();
    }
    data
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = vec![b'['];
    joined.extend(items.join(&b','));
    joined.push(b']');
    joined
}
