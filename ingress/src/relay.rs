//! Back to the caller: answers as the upstream gave them, each after its record.
//!
//! A streamed answer passes event by event ([`stream`]); any other is collected within a limit, recorded and passed
//! byte for byte. It refuses to pass an answer that it cannot read for the record (compressed, or no JSON where MCP
//! wants JSON), and says that the upstream is at fault.

mod endpoint;
mod judge;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::{mcp, mcp::code, sse};
use schemas::{Direction, FrameKind, Outcome};
use tokio::time::{sleep, timeout};

use crate::{
    config::Kind,
    exchange::{Exchange, SESSION_HEADER, seconds, text},
    forward::{self, garbage},
    inflight,
    outlet::Outlet,
    read,
    session::Claim,
    stop::Stop,
};

/// Longest body of one frame, in bytes; a longer answer is recorded in pieces.
const FRAME_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A plain HTTP answer that is longer, or does not say how long it is, is streamed.
const COLLECTED_BYTES_MAX: u64 = 1024 * 1024;

pub(crate) async fn relay(
    exchange: &mut Exchange,
    outlet: &mut Outlet,
    response: Response<Incoming>,
) -> Result<(), Stop> {
    exchange.trail.first_byte();
    let (head, body) = response.into_parts();
    note_session(exchange, &head);
    let at = Some(head.status.as_u16());
    if is_compressed(&head.headers) {
        let stop = garbage("the upstream's answer is compressed, although it was asked not to");
        return Err(Stop { transport_status: at, ..stop });
    }
    let relayed = if is_event_stream(&head.headers) || is_streamed(exchange, &head) {
        // Apart, so that a call without a stream has no room for one.
        Box::pin(stream::relay(exchange, outlet, head, body)).await
    } else {
        whole(exchange, outlet, &head, body).await
    };
    relayed.map_err(|stop| Stop { transport_status: stop.transport_status.or(at), ..stop })
}

/// The conversation of a call: its session, or the group of calls like it.
pub(crate) fn converse(exchange: &mut Exchange, session: Option<&str>, client: &str) {
    let trace = exchange.called_from.as_ref().map(|parent| parent.trace_id.clone()).unwrap_or_default();
    let now = exchange.trail.now();
    let id = match session {
        Some(session) => mcp::conversation_of(exchange.connection_name(), session),
        None => {
            let groups = &exchange.gate.conversations;
            groups.of(exchange.connection_name(), &exchange.principal, [client, &trace], now)
        }
    };
    exchange.trail.context.conversation_id = Some(id);
}

/// What the upstream says of the session: a new one, an unknown one, or one that has ended.
fn note_session(exchange: &mut Exchange, head: &Parts) {
    if exchange.kind() != Some(Kind::Mcp) {
        return;
    }
    let name = exchange.connection_name().to_owned();
    if let Some(key) = exchange.session_key() {
        let unknown = head.status.is_client_error() && exchange.claimed_session;
        let ended = head.status.is_success() && exchange.head.method == Method::DELETE;
        if unknown || ended || head.status == StatusCode::NOT_FOUND {
            exchange.gate.sessions.forget(&name, &key);
        }
    }
    if exchange.trail.context.method.as_deref() == Some("initialize") {
        let session = text(&head.headers, &SESSION_HEADER).map(str::to_owned);
        if let Some(session) = &session {
            own(exchange, session);
        }
        converse(exchange, session.as_deref(), "");
    }
}

/// A session that the upstream has just given belongs to this caller, unless it is another's already.
fn own(exchange: &Exchange, session: &str) {
    let now = exchange.trail.now();
    if exchange.gate.sessions.claim(exchange.connection_name(), session, &exchange.principal, now) == Claim::Foreign {
        tracing::warn!(connection = exchange.connection_name(), "the upstream gave one session to two principals");
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/event-stream"))
}

fn is_compressed(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
}

/// Plain HTTP without a small length, unless it is JSON, which is masked best in one piece.
fn is_streamed(exchange: &Exchange, head: &Parts) -> bool {
    let is_json = text(&head.headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let has_body = exchange.head.method != Method::HEAD
        && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    exchange.kind() == Some(Kind::Http)
        && has_body
        && !is_json
        && read::announced(&head.headers).is_none_or(|bytes| bytes > COLLECTED_BYTES_MAX)
}

async fn whole(exchange: &mut Exchange, outlet: &mut Outlet, head: &Parts, body: Incoming) -> Result<(), Stop> {
    let began_at = exchange.trail.now();
    let collected = collect(exchange, outlet, &head.headers, body).await;
    exchange.waited_us += exchange.trail.now().micros_since(began_at);
    let bytes = collected?;
    let judged = judge::judge(exchange, head.status, &bytes)?;
    record(exchange, head.status, &bytes, &judged).await?;
    let mut headers = forward::returned(&head.headers);
    let bytes = inflight::answer(exchange, &mut headers, bytes).await?;
    exchange.answered(&judged.answers);
    exchange.ends(judged.outcome);
    if outlet.is_streaming() {
        return into_stream(outlet, head.status, bytes, judged.is_rpc).await;
    }
    let mut response = Response::new(bytes);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    // A caller who has left has its answer in the record.
    let _ = outlet.answer(response);
    Ok(())
}

/// An answer to a call whose caller was kept alive by a stream.
async fn into_stream(outlet: &mut Outlet, status: StatusCode, bytes: Bytes, is_rpc: bool) -> Result<(), Stop> {
    if is_rpc {
        let _ = outlet.send(sse::message_event(&bytes)).await;
        return Ok(());
    }
    let message = format!("the upstream answered the approved call with HTTP {status}; the upstream is at fault");
    Err(Stop::upstream(Outcome::TransportError, code::GARBAGE, StatusCode::BAD_GATEWAY, message))
}

async fn record(
    exchange: &mut Exchange,
    status: StatusCode,
    bytes: &Bytes,
    judged: &judge::Judged,
) -> Result<(), Stop> {
    let mut rest: &[u8] = bytes;
    while bytes.len() > FRAME_BODY_BYTES_MAX && !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(FRAME_BODY_BYTES_MAX));
        let frame = exchange.trail.chunk(piece);
        exchange.trail.write(frame).await.map_err(|_| Stop::unrecorded())?;
        rest = after;
    }
    let mut frame = exchange.trail.frame(FrameKind::Response, Direction::ToCaller, rest);
    let mut ending = exchange.trail.end(&mut frame, judged.outcome);
    ending.transport_status = Some(status.as_u16());
    (ending.rpc_code, ending.is_error) = (judged.rpc_code, judged.is_error);
    ending.error.clone_from(&judged.error);
    frame.ending = Some(ending);
    exchange.trail.write(frame).await.map_err(|_| Stop::unrecorded())
}

/// The whole answer, within bytes and time. A caller who leaves ends it only where leaving means cancelling.
async fn collect(
    exchange: &Exchange,
    outlet: &mut Outlet,
    headers: &HeaderMap,
    mut body: Incoming,
) -> Result<Bytes, Stop> {
    let limits = &exchange.gate.limits;
    let bytes_max = limits.answer_body_bytes_max;
    if read::announced(headers).is_some_and(|length| length > bytes_max as u64) {
        return Err(too_long(bytes_max));
    }
    let patience = seconds(limits.upstream_first_byte_seconds_max);
    let mut bytes = read::room(headers);
    let mut gone = false;
    let mut last_call = Box::pin(sleep(Duration::MAX));
    loop {
        let frame = tokio::select! {
            frame = timeout(patience, body.frame()) => frame.map_err(|_| forward::silent(patience))?,
            () = outlet.closed(), if !gone => {
                if exchange.ends_with_caller() {
                    return Err(Stop::cancelled());
                }
                gone = true;
                last_call = Box::pin(sleep(seconds(limits.answer_after_disconnect_seconds_max)));
                continue;
            }
            () = &mut last_call => return Err(Stop::cancelled()),
            () = exchange.gate.cut.cancelled() => return Err(Stop::closing()),
        };
        let Some(frame) = frame else { return Ok(bytes.freeze()) };
        let frame = frame.map_err(|_| Stop { evidence: bytes.clone().freeze(), ..broken_off() })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(too_long(bytes_max));
        }
        bytes.extend_from_slice(&data);
    }
}

fn too_long(bytes_max: usize) -> Stop {
    let message = format!("the upstream's answer is longer than {bytes_max} bytes, so it is withheld; ask for less");
    Stop::upstream(Outcome::TooLarge, code::GARBAGE, StatusCode::BAD_GATEWAY, message)
}

fn broken_off() -> Stop {
    let message = "the upstream's answer broke off; the upstream is at fault, and it may have acted on the call";
    Stop::upstream(Outcome::Interrupted, code::UNREACHABLE, StatusCode::BAD_GATEWAY, message)
}
