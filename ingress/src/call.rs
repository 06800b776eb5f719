//! The life of one call. Each phase is one call; the first that says no ends it, and the no is recorded.
//!
//! ```text
//! route → check origin → authenticate → read → parse → claim session → decide → record → hold → forward → relay
//! ```
//!
//! It refuses to go on before a phase has ended: nothing is forwarded that is not decided on, and nothing passes whose
//! record is not durable.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use protocol::mcp::code;
use schemas::{
    Direction, FrameKind, Level, Outcome, Verdict,
    call::{Ruling, Terms},
};

use crate::{
    config::Mode,
    door,
    exchange::{Exchange, Gate, host, seconds},
    findings, forward, hold, inflight, measure, metadata,
    outlet::Outlet,
    parse::{self, Asked, Part},
    read::{self, Unread},
    relay,
    route::{self, Route},
    session::Claim,
    span,
    stop::{self, Stop},
};

/// One request from its head to the last byte of its answer.
pub(crate) async fn live(gate: Arc<Gate>, head: Parts, mut body: Incoming, source: IpAddr, mut outlet: Outlet) {
    if let Route::Metadata { resource } = route::route(head.uri.path())
        && matches!(head.method, Method::GET | Method::HEAD)
    {
        // Nobody is told anything that needs a record.
        let _ = outlet.answer(metadata::answer(&gate, host(&head), resource));
        return;
    }
    if !concerns_record(&head) {
        let _ = outlet.answer(nothing_here());
        return;
    }
    let mut exchange = Exchange::new(gate, head, source);
    let passed = pass(&mut exchange, &mut body, &mut outlet).await;
    if let Err(stop) = passed {
        stop::give(&mut exchange, &mut outlet, stop).await;
    }
    measure::overhead(exchange.trail.duration_us() - exchange.waited_us);
    span::give(&exchange);
    read::linger(&mut body).await;
}

async fn pass(exchange: &mut Exchange, body: &mut Incoming, outlet: &mut Outlet) -> Result<(), Stop> {
    door::check_origin(exchange)?;
    let found = door::find_connection(exchange);
    door::authenticate(exchange).await?;
    found?;
    let body = read(exchange, body).await?;
    let mut asked = parse(exchange, &body)?;
    claim_session(exchange)?;
    findings::find(exchange, &mut asked).await;
    decide(exchange, &mut asked)?;
    let outbound = inflight::request(exchange, &body).await?;
    record(exchange, &asked).await?;
    withdraw_cancelled(exchange, &asked);
    // Boxed: most calls are not held, and streams live long.
    Box::pin(hold::hold(exchange, outlet, &asked)).await?;
    drop(asked);
    let body = outbound.map_or(body, |outbound| outbound.put(exchange));
    let began_at = exchange.trail.now();
    if let Some(tracing) = &mut exchange.tracing {
        tracing.forwarded_at = Some(began_at);
    }
    let answered = Box::pin(forward::forward(exchange, outlet, body)).await;
    exchange.waited_us += exchange.trail.now().micros_since(began_at);
    relay::relay(exchange, outlet, answered?).await
}

async fn read(exchange: &mut Exchange, body: &mut Incoming) -> Result<Bytes, Stop> {
    let encoding = exchange.header(&header::CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let bytes = read::announced(&exchange.head.headers).unwrap_or_default();
        let message = "the request's body is compressed, so it cannot be decided on; send it without Content-Encoding";
        return Err(Stop::unread(Outcome::Malformed, StatusCode::UNSUPPORTED_MEDIA_TYPE, bytes, message));
    }
    let limits = &exchange.gate.limits;
    let (bytes_max, patience) = (limits.request_body_bytes_max, seconds(limits.body_read_seconds_max));
    read::whole(&exchange.head.headers, body, bytes_max, patience).await.map_err(|unread| match unread {
        Unread::TooLarge(bytes) => {
            let message = format!("the request's body is longer than {bytes_max} bytes; send less");
            Stop::unread(Outcome::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, bytes, message)
        }
        Unread::TooSlow(bytes) => {
            let message = format!("the request's body did not arrive within {} s; send it faster", patience.as_secs());
            Stop::unread(Outcome::Timeout, StatusCode::REQUEST_TIMEOUT, bytes, message)
        }
        Unread::BrokenOff(bytes) => {
            let message = "the request's body broke off; the caller's side is at fault";
            Stop::unread(Outcome::Interrupted, StatusCode::BAD_REQUEST, bytes, message)
        }
    })
}

fn parse(exchange: &mut Exchange, body: &Bytes) -> Result<Asked, Stop> {
    let asked = parse::parse(exchange, body).map_err(|malformed| Stop::malformed(&malformed, body))?;
    exchange.era = asked.era;
    exchange.is_batch = asked.is_batch;
    exchange.awaited = asked.parts.iter().filter_map(|part| part.id.clone()).collect();
    let leading = asked.parts.iter().find(|part| part.kind == FrameKind::Request).or(asked.parts.first());
    if let Some(part) = leading {
        describe(exchange, part);
        converse(exchange, part);
    }
    Ok(asked)
}

/// What the record says of this message.
fn describe(exchange: &mut Exchange, part: &Part) {
    let call = &part.call;
    let digest = exchange.gate.tools.digest_of(&call.connection, &call.target).filter(|_| call.method == "tools/call");
    if let Some(traceparent) = &part.traceparent {
        exchange.trace_message(traceparent);
    }
    let context = &mut exchange.trail.context;
    context.protocol.clone_from(&call.protocol);
    context.method = Some(call.method.clone()).filter(|method| !method.is_empty());
    context.target = Some(call.target.clone()).filter(|target| !target.is_empty());
    context.target_digest = digest;
    context.arguments_digest = call.arguments_digest;
}

/// Which conversation this is part of. `initialize` has none before the upstream's answer.
fn converse(exchange: &mut Exchange, part: &Part) {
    if part.call.method == "initialize" {
        return;
    }
    let session = exchange.session().map(str::to_owned);
    let client = part.client.clone().or_else(|| exchange.header(&header::USER_AGENT).map(str::to_owned));
    relay::converse(exchange, session.as_deref(), &client.unwrap_or_default());
}

/// Whose session is it? Another principal's use of it never reaches the upstream.
fn claim_session(exchange: &mut Exchange) -> Result<(), Stop> {
    let Some(session) = exchange.session_key() else { return Ok(()) };
    let now = exchange.trail.now();
    match exchange.gate.sessions.claim(exchange.connection_name(), &session, &exchange.principal, now) {
        Claim::Own => Ok(()),
        Claim::New => {
            exchange.claimed_session = true;
            Ok(())
        }
        Claim::Foreign => {
            let message = "this session does not exist for this caller; initialize a new one";
            Err(Stop::door(Outcome::Forbidden, StatusCode::NOT_FOUND, message))
        }
    }
}

/// Policy decides on every message; one that may not pass stops all that came with it.
fn decide(exchange: &mut Exchange, asked: &mut Asked) -> Result<(), Stop> {
    let policy = Arc::clone(&exchange.gate.policy.borrow());
    let mut level = None;
    for part in &mut asked.parts {
        let decision = policy.decide(&exchange.principal, &part.call);
        measure::decided(word(&decision.verdict));
        let ruling = Ruling {
            verdict: word(&decision.verdict).to_owned(),
            rule: decision.rule,
            policy_id: policy.id().to_owned(),
            approval_id: None,
        };
        if decision.verdict != Verdict::Allow {
            // The record shows the message that was objectionable, not the first of its batch.
            describe(exchange, part);
        }
        (part.level, exchange.trail.level) = (decision.level, decision.level);
        exchange.trail.context.ruling = Some(ruling);
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Block { message } => return Err(blocked(message, part)),
            Verdict::Hold(terms) => prepare_hold(exchange, part, terms)?,
        }
        part.ruling.clone_from(&exchange.trail.context.ruling);
        level = Some(more(level, part.level));
    }
    exchange.trail.level = level.unwrap_or_default();
    Ok(())
}

fn blocked(message: impl Into<String>, part: &Part) -> Stop {
    Stop::policy(Outcome::Blocked, code::BLOCKED, message, part.bytes.clone())
}

/// What people decide on must be recorded, and stand alone.
fn prepare_hold(exchange: &mut Exchange, part: &mut Part, terms: Terms) -> Result<(), Stop> {
    if exchange.is_batch {
        return Err(blocked("this batch holds a call that people have to approve; send that call alone", part));
    }
    if exchange.trail.mode == Mode::Off {
        return Err(blocked("people have to approve this call, but this connection is not recorded", part));
    }
    let Some(ticket) = hold::Ticket::take(exchange, terms.clone()) else {
        return Err(blocked("too many calls wait for approval at the moment; try again later", part));
    };
    exchange.trail.mode = Mode::Required;
    part.level = more(Some(part.level), Level::Metadata);
    exchange.trail.level = part.level;
    let context = &mut exchange.trail.context;
    context.terms = Some(terms);
    if let Some(ruling) = &mut context.ruling {
        ruling.approval_id = Some(ticket.approval_id());
    }
    exchange.held = Some(ticket);
    Ok(())
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Block { .. } => "block",
        Verdict::Hold(_) => "hold",
    }
}

/// An answer to several messages is recorded as fully as the most fully recorded of them.
fn more(one: Option<Level>, other: Level) -> Level {
    match (one, other) {
        (None, level) | (Some(Level::None), level) => level,
        (Some(Level::Metadata), Level::Full) => Level::Full,
        (Some(level), _) => level,
    }
}

/// A client that gives up on a call that is still held must not have it run later.
fn withdraw_cancelled(exchange: &Exchange, asked: &Asked) {
    let Some(conversation_id) = exchange.trail.context.conversation_id else { return };
    for id in asked.parts.iter().filter_map(|part| part.cancels.as_ref()) {
        exchange.gate.holds.cancel(conversation_id, id);
    }
}

/// One frame for each message, all durable before the first byte goes on.
async fn record(exchange: &mut Exchange, asked: &Asked) -> Result<(), Stop> {
    let (common, level) = (exchange.trail.context.clone(), exchange.trail.level);
    for part in &asked.parts {
        if exchange.is_batch {
            describe(exchange, part);
            exchange.trail.context.ruling.clone_from(&part.ruling);
            exchange.trail.level = part.level;
        }
        let frame = exchange.trail.frame(part.kind, Direction::ToUpstream, &part.bytes);
        exchange.trail.write(frame).await.map_err(|_| Stop::unrecorded())?;
    }
    (exchange.trail.context, exchange.trail.level) = (common, level);
    // The approval is opened by the request alone.
    exchange.trail.context.terms = None;
    Ok(())
}

/// Does a request to this path concern the record, although nothing is served there?
fn concerns_record(head: &Parts) -> bool {
    head.uri.path().starts_with("/c/") || head.headers.contains_key(header::AUTHORIZATION)
}

fn nothing_here() -> Response<Bytes> {
    let mut response =
        Response::new(Bytes::from_static(b"nothing is served at this path; connections are at /c/<name>\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
