//! A held call waits for people, and its caller is kept alive meanwhile.
//!
//! A caller that accepts an event stream gets one at once: comments, and progress if it gave a token. Its values are
//! tiny and increasing and without a total, so that the upstream's own progress still increases; they carry no event
//! id, which the upstream would not know. Other callers wait in silence. `initialize` waits in silence too, because its
//! answer's headers name the session.
//!
//! It refuses to hold more calls than `holds_max`, to outlive its caller, and to let an approval count twice.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use protocol::{jsonrpc::Id, mcp::code, sse};
use schemas::{
    ApprovalEvent, ApprovalId, ConversationId, Direction, FrameKind, Outcome, Timestamp,
    approval::{State, What},
    call::Terms,
};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    approvals::{Shown, Watched},
    config::Kind,
    exchange::{Exchange, seconds},
    measure,
    outlet::Outlet,
    parse::Asked,
    session::time_ordered_id,
    stop::Stop,
};

/// After a hold has expired here, how long the log is given to say whether an approval came first.
const SETTLE: Duration = Duration::from_secs(3);
/// One step of the progress that is shown for waiting.
const PROGRESS_STEP: f64 = 1e-6;

/// Bounds the held calls, and finds the one that a client cancels.
#[derive(Debug)]
pub(crate) struct Holds {
    places: Arc<Semaphore>,
    cancels: Mutex<HashMap<(ConversationId, Id), CancellationToken>>,
}

/// A call's place among the held ones.
#[derive(Debug)]
pub(crate) struct Ticket {
    watched: Watched,
    terms: Terms,
    held_at: Timestamp,
    _place: OwnedSemaphorePermit,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Approved,
    Denied,
    Expired,
    /// The caller disconnected or cancelled.
    Left,
    Closing,
}

impl Holds {
    pub(crate) fn new(holds_max: usize) -> Holds {
        Holds { places: Arc::new(Semaphore::new(holds_max.min(Semaphore::MAX_PERMITS))), cancels: Mutex::default() }
    }

    pub(crate) fn cancel(&self, conversation_id: ConversationId, id: &Id) {
        let cancels = self.cancels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = cancels.get(&(conversation_id, id.clone())) {
            cancel.cancel();
        }
    }

    fn register(&self, key: (ConversationId, Id), cancel: CancellationToken) {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).insert(key, cancel);
    }

    fn unregister(&self, key: &(ConversationId, Id)) {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Ticket {
    /// None when too many calls are held.
    pub(crate) fn take(exchange: &Exchange, terms: Terms) -> Option<Ticket> {
        let place = Arc::clone(&exchange.gate.holds.places).try_acquire_owned().ok()?;
        let held_at = exchange.trail.now();
        let watched = exchange.gate.approvals.watch(ApprovalId(time_ordered_id(held_at)));
        Some(Ticket { watched, terms, held_at, _place: place })
    }

    pub(crate) fn approval_id(&self) -> ApprovalId {
        self.watched.approval_id
    }

    /// How long people still have; by the log's clock as soon as the log has the call.
    fn left(&self, shown: Shown, now: Timestamp) -> Duration {
        let expires_at = shown.expires_at.unwrap_or_else(|| self.held_at.plus(self.terms.expires));
        Duration::from_micros(u64::try_from(expires_at.micros_since(now)).unwrap_or_default())
    }
}

/// Waits for people if policy wants them to decide. Returns when the call may go on.
pub(crate) async fn hold(exchange: &mut Exchange, outlet: &mut Outlet, asked: &Asked) -> Result<(), Stop> {
    let Some(mut ticket) = exchange.held.take() else { return Ok(()) };
    let _counted = measure::Lasting::held_call();
    let began_at = exchange.trail.now();
    if takes_events(exchange) {
        // If the caller has left already, the wait notices.
        let _ = outlet.open(StatusCode::OK, stream_headers());
    }
    let cancel = CancellationToken::new();
    let key = exchange.trail.context.conversation_id.zip(exchange.awaited.first().cloned());
    if let Some(key) = &key {
        exchange.gate.holds.register(key.clone(), cancel.clone());
    }
    let token = asked.parts.first().and_then(|part| part.progress_token.clone());
    let end = wait(exchange, outlet, &mut ticket, (token, cancel)).await;
    if let Some(key) = &key {
        exchange.gate.holds.unregister(key);
    }
    exchange.waited_us += exchange.trail.now().micros_since(began_at);
    settle(exchange, &mut ticket, end).await
}

fn takes_events(exchange: &Exchange) -> bool {
    exchange.kind() == Some(Kind::Mcp)
        && exchange.head.method == Method::POST
        && !exchange.awaited.is_empty()
        && exchange.trail.context.method.as_deref() != Some("initialize")
        && exchange.header(&header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream"))
}

fn stream_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ])
}

async fn wait(
    exchange: &Exchange,
    outlet: &mut Outlet,
    ticket: &mut Ticket,
    (token, cancel): (Option<Value>, CancellationToken),
) -> End {
    let mut alive = interval(seconds(exchange.gate.limits.hold_keepalive_seconds.max(1)));
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = 0_u32;
    loop {
        let shown = *ticket.watched.shown.borrow_and_update();
        if let Some(end) = decided(shown.state) {
            return end;
        }
        let mut expiry = pin!(sleep(ticket.left(shown, exchange.trail.now())));
        tokio::select! {
            biased;
            _ = ticket.watched.shown.changed() => {}
            () = outlet.closed() => return End::Left,
            () = cancel.cancelled() => return End::Left,
            () = exchange.gate.draining.cancelled() => return End::Closing,
            () = &mut expiry => return End::Expired,
            _ = alive.tick() => {
                beats += 1;
                if outlet.is_streaming() && outlet.send(sign_of_life(ticket, token.as_ref(), beats)).await.is_err() {
                    return End::Left;
                }
            }
        }
    }
}

fn decided(state: State) -> Option<End> {
    match state {
        State::Pending => None,
        State::Approved => Some(End::Approved),
        State::Denied => Some(End::Denied),
        State::Expired => Some(End::Expired),
        // Nobody but this process ends them so.
        State::Withdrawn | State::Redeemed => Some(End::Left),
    }
}

fn sign_of_life(ticket: &Ticket, token: Option<&Value>, beats: u32) -> Bytes {
    let comment = sse::comment(&format!("waiting for approval {}", ticket.approval_id()));
    let Some(token) = token else { return comment };
    let progress = json!({
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {
            "progressToken": token,
            "progress": f64::from(beats) * PROGRESS_STEP,
            "message": "waiting for a person's approval",
        },
    });
    [comment, sse::message_event(progress.to_string().as_bytes())].concat().into()
}

/// Records how the hold ended; only an approval lets the call go on.
async fn settle(exchange: &mut Exchange, ticket: &mut Ticket, end: End) -> Result<(), Stop> {
    match end {
        End::Approved => decision(exchange, ticket, What::Redeemed).await,
        End::Denied => {
            let message = "a person denied this call; do not repeat it unchanged";
            Err(Stop::policy(Outcome::Denied, code::DENIED, message, Bytes::new()))
        }
        End::Expired => expire(exchange, ticket).await,
        End::Left => {
            withdraw(exchange, ticket, "the caller left or cancelled while the call waited for approval").await
        }
        End::Closing => withdraw(exchange, ticket, "the gateway is shutting down; make the call again later").await,
    }
}

/// An approval that came into the log before the expiry still counts, here as everywhere.
async fn expire(exchange: &mut Exchange, ticket: &mut Ticket) -> Result<(), Stop> {
    decision(exchange, ticket, What::Expired).await?;
    // Whether it settles or not, the state is then what the log says.
    let _ = timeout(SETTLE, ticket.watched.shown.wait_for(|shown| shown.state != State::Pending)).await.is_ok();
    let state = ticket.watched.shown.borrow().state;
    if state == State::Approved {
        return decision(exchange, ticket, What::Redeemed).await;
    }
    let message = "nobody decided on this call in time; ask the reviewers, then make it again";
    Err(Stop::policy(Outcome::Expired, code::EXPIRED, message, Bytes::new()))
}

async fn withdraw(exchange: &mut Exchange, ticket: &Ticket, message: &str) -> Result<(), Stop> {
    decision(exchange, ticket, What::Withdrawn).await?;
    Err(Stop::policy(Outcome::Withdrawn, code::EXPIRED, message, Bytes::new()))
}

/// An approval event of ours. The masker publishes it.
async fn decision(exchange: &mut Exchange, ticket: &Ticket, what: What) -> Result<(), Stop> {
    let mut frame = exchange.trail.frame(FrameKind::Decision, Direction::Internal, &[]);
    let event = ApprovalEvent {
        approval_id: ticket.approval_id(),
        exchange_id: exchange.trail.exchange_id,
        occurred_at: frame.occurred_at,
        what,
    };
    let body = event.to_json().to_string();
    frame.body_bytes = body.len() as u64;
    frame.body = Some(body.into_bytes());
    exchange.trail.write(frame).await.map_err(|_| Stop::unrecorded())
}
