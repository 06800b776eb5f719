//! A streamed answer, event by event: each is recorded, then passed, and only then counts as passed.
//!
//! Records of several events may be under way at once, because a log takes many together as fast as one; the bytes
//! still pass in order and only after their own record. How many are under way is bounded, so a slow caller slows the
//! upstream and nothing piles up.

mod end;

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use http::{Method, header, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::{
    jsonrpc::{self, Id, Message, Shape},
    sse::{Event, Splitter},
};
use redact::Withheld;
use schemas::{Context, Direction, Frame, FrameKind, Outcome};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    config::Kind,
    exchange::{Exchange, seconds},
    forward,
    inflight::Masking,
    measure,
    outlet::Outlet,
    relay::{
        endpoint, is_event_stream, judge,
        stream::end::{End, record_end, tell},
    },
    stop::Stop,
};

/// Events of one stream whose records may be under way at once.
const UNDERWAY_MAX: usize = 32;
/// How long text waits for what may follow, on connections that mask.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// As good as never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) async fn relay(
    exchange: &mut Exchange,
    outlet: &mut Outlet,
    head: Parts,
    body: Incoming,
) -> Result<(), Stop> {
    let _counted = measure::Lasting::open_stream();
    let is_events = is_event_stream(&head.headers);
    if !outlet.is_streaming() {
        let mut headers = forward::returned(&head.headers);
        headers.remove(header::CONTENT_LENGTH);
        // If the caller has left already, the first step notices.
        let _ = outlet.open(head.status, headers);
    }
    let began_at = exchange.trail.now();
    let status = head.status.as_u16();
    let mut relay = Relay::new(exchange, body, is_events, status);
    let relayed = relay.run(exchange, outlet).await;
    exchange.waited_us += exchange.trail.now().micros_since(began_at);
    relayed
}

struct Relay {
    body: Incoming,
    /// None where the stream is not of events: then each piece is one.
    splitter: Option<Splitter>,
    pieces: Vec<Bytes>,
    underway: FuturesOrdered<BoxFuture<'static, Option<Recorded>>>,
    end: Option<End>,
    caller_left: bool,
    status: u16,
    idle_max: Duration,
    idle: Pin<Box<Sleep>>,
    /// How long an answer is read on after its caller has left.
    last_call: Pin<Box<Sleep>>,
    masking: Option<Masking>,
    /// When text that waits to be masked is let go as far as it is safe.
    settle: Pin<Box<Sleep>>,
    last_outcome: Option<Outcome>,
    /// Something could not be masked.
    unfit: bool,
}

/// Bytes that may pass, and the requests that they answer.
struct Recorded {
    bytes: Bytes,
    /// What the bytes say, where they are an event that is to be masked.
    data: Option<String>,
    /// The bytes are the gateway's own.
    ours: bool,
    answers: Vec<Id>,
}

impl Recorded {
    fn of(bytes: Bytes) -> Recorded {
        Recorded { bytes, data: None, ours: false, answers: Vec::new() }
    }
}

enum Step {
    Settle,
    Recorded(Option<Recorded>),
    Data(Bytes),
    Nothing,
    CallerLeft,
    End(End),
}

impl Relay {
    fn new(exchange: &Exchange, body: Incoming, is_events: bool, status: u16) -> Relay {
        let limits = &exchange.gate.limits;
        let idle_max = seconds(limits.stream_idle_seconds_max);
        Relay {
            body,
            splitter: is_events.then(|| Splitter::new(limits.event_bytes_max)),
            pieces: Vec::new(),
            underway: FuturesOrdered::new(),
            end: None,
            caller_left: false,
            status,
            idle_max,
            idle: Box::pin(sleep(idle_max)),
            last_call: Box::pin(sleep(NEVER)),
            masking: Masking::of(exchange, is_events),
            settle: Box::pin(sleep(NEVER)),
            last_outcome: None,
            unfit: false,
        }
    }

    async fn run(&mut self, exchange: &mut Exchange, outlet: &mut Outlet) -> Result<(), Stop> {
        loop {
            self.draft(exchange);
            if self.underway.is_empty() && self.end.is_some() {
                return self.close(exchange, outlet).await;
            }
            match self.step(exchange, outlet).await {
                Step::Recorded(None) => return Err(Stop::unrecorded()),
                Step::Recorded(Some(recorded)) => self.pass(exchange, outlet, recorded).await,
                Step::Data(bytes) => self.take(bytes),
                Step::Settle => self.settle(exchange, outlet).await,
                Step::Nothing => {}
                Step::CallerLeft => self.caller_leaves(exchange),
                Step::End(end) => self.end_with(end),
            }
        }
    }

    async fn step(&mut self, exchange: &Exchange, outlet: &mut Outlet) -> Step {
        let reading = self.end.is_none() && self.underway.len() < UNDERWAY_MAX;
        tokio::select! {
            biased;
            recorded = self.underway.next(), if !self.underway.is_empty() => Step::Recorded(recorded.flatten()),
            () = outlet.closed(), if !self.caller_left && self.end.is_none() => Step::CallerLeft,
            () = exchange.gate.cut.cancelled(), if self.end.is_none() => Step::End(End::Closing),
            () = exchange.gate.draining.cancelled(), if self.end.is_none() && is_listening(exchange) => {
                Step::End(End::Closing)
            }
            frame = self.body.frame(), if reading => match frame {
                None => Step::End(End::Clean),
                Some(Err(_)) => Step::End(End::Broken),
                Some(Ok(frame)) => frame.into_data().map_or(Step::Nothing, Step::Data),
            },
            () = &mut self.settle, if self.masking.as_ref().is_some_and(Masking::holds) => Step::Settle,
            () = &mut self.idle, if reading => Step::End(End::Silent),
            () = &mut self.last_call, if self.end.is_none() => Step::End(End::CallerLeft),
        }
    }

    fn take(&mut self, bytes: Bytes) {
        self.idle.as_mut().reset(Instant::now() + self.idle_max);
        match &mut self.splitter {
            Some(splitter) => splitter.push(&bytes),
            None => self.pieces.push(bytes),
        }
    }

    /// Starts the records of what is complete, in order, as long as there is room.
    fn draft(&mut self, exchange: &mut Exchange) {
        for piece in self.pieces.drain(..) {
            let frame = exchange.trail.chunk(&piece);
            self.underway.push_back(writing(exchange, frame, Recorded::of(piece)));
        }
        while self.underway.len() < UNDERWAY_MAX {
            let Some(splitter) = &mut self.splitter else { break };
            match splitter.next_event() {
                Ok(Some(event)) => self.draft_event(exchange, event),
                Ok(None) => {
                    self.draft_rest(exchange);
                    break;
                }
                Err(_) => {
                    self.splitter = None;
                    self.end = Some(End::TooLong);
                }
            }
        }
    }

    fn draft_event(&mut self, exchange: &mut Exchange, event: Event) {
        if let Some(announced) = endpoint::announced(exchange, &event) {
            return self.draft_endpoint(exchange, &announced, event.raw.len());
        }
        let messages = event.data.as_deref().and_then(|data| messages(exchange, data));
        let (frame, answers) = match (&messages, &event.data) {
            (Some(messages), Some(data)) => self.message_frame(exchange, messages, data, event.raw.len()),
            _ => (exchange.trail.chunk(&event.raw), Vec::new()),
        };
        let data = event.data.filter(|_| self.masking.is_some());
        self.underway.push_back(writing(exchange, frame, Recorded { answers, data, ..Recorded::of(event.raw) }));
    }

    fn draft_endpoint(&mut self, exchange: &mut Exchange, announced: &str, raw_bytes: usize) {
        let Ok(place) = endpoint::through_gate(exchange, announced) else {
            self.splitter = None;
            return self.end_with(End::Astray);
        };
        let mut frame = exchange.trail.chunk(&[]);
        frame.body_bytes = raw_bytes as u64;
        let bytes = Bytes::from(format!("event: endpoint\ndata: {place}\n\n"));
        self.underway.push_back(writing(exchange, frame, Recorded { ours: true, ..Recorded::of(bytes) }));
    }

    /// After the end: the bytes of an event that was cut off pass as they came.
    fn draft_rest(&mut self, exchange: &mut Exchange) {
        if self.end.is_none() {
            return;
        }
        if let Some(rest) = self.splitter.take().and_then(Splitter::finish) {
            let frame = exchange.trail.chunk(&rest);
            self.underway.push_back(writing(exchange, frame, Recorded::of(rest)));
        }
    }

    fn message_frame(
        &mut self,
        exchange: &mut Exchange,
        messages: &[Message<'_>],
        data: &str,
        raw_bytes: usize,
    ) -> (Frame, Vec<Id>) {
        let is_answer = |message: &Message| matches!(message.shape, Shape::Response { .. } | Shape::Error { .. });
        let (mut frame, answers) = if messages.iter().any(is_answer) {
            self.response_frame(exchange, messages, data)
        } else {
            let (kind, method) = asked(messages);
            let context = Context { method, target: None, target_digest: None, ..exchange.trail.context.clone() };
            (exchange.trail.frame_in(context, kind, Direction::ToCaller, data.as_bytes()), Vec::new())
        };
        frame.body_bytes = raw_bytes as u64;
        (frame, answers)
    }

    fn response_frame(&mut self, exchange: &mut Exchange, messages: &[Message<'_>], data: &str) -> (Frame, Vec<Id>) {
        let judged = judge::of_messages(exchange, messages);
        let mut frame = exchange.trail.frame(FrameKind::Response, Direction::ToCaller, data.as_bytes());
        let mut ending = exchange.trail.end(&mut frame, judged.outcome);
        ending.transport_status = Some(self.status);
        (ending.rpc_code, ending.is_error, ending.error) = (judged.rpc_code, judged.is_error, judged.error);
        frame.ending = Some(ending);
        self.last_outcome = Some(judged.outcome);
        (frame, judged.answers)
    }

    async fn pass(&mut self, exchange: &mut Exchange, outlet: &mut Outlet, recorded: Recorded) {
        let masked = match &mut self.masking {
            Some(_) if self.unfit => return,
            Some(masking) if !recorded.ours => masking.next(recorded.bytes, recorded.data).await,
            _ => Ok(recorded.bytes),
        };
        if masked.is_ok() {
            exchange.answered(&recorded.answers);
        }
        self.settle.as_mut().reset(Instant::now() + SETTLE_AFTER);
        self.send(exchange, outlet, masked).await;
    }

    /// Nothing has come for a while: what waits goes on as far as it is safe.
    async fn settle(&mut self, exchange: &mut Exchange, outlet: &mut Outlet) {
        self.settle.as_mut().reset(Instant::now() + NEVER);
        let Some(masking) = &mut self.masking else { return };
        let masked = masking.settle();
        self.send(exchange, outlet, masked).await;
    }

    /// What could not be masked ends the stream, and nothing more of it passes.
    async fn send(&mut self, exchange: &mut Exchange, outlet: &mut Outlet, masked: Result<Bytes, Withheld>) {
        let Ok(bytes) = masked else {
            self.unfit = true;
            return self.end_with(End::Unfit);
        };
        if !bytes.is_empty() && !self.caller_left && outlet.send(bytes).await.is_err() {
            self.caller_leaves(exchange);
        }
    }

    fn caller_leaves(&mut self, exchange: &Exchange) {
        self.caller_left = true;
        if exchange.ends_with_caller() {
            self.end_with(End::CallerLeft);
        } else {
            let patience = seconds(exchange.gate.limits.answer_after_disconnect_seconds_max);
            self.last_call.as_mut().reset(Instant::now() + patience);
        }
    }

    fn end_with(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// The frame that ends the exchange, where the answer itself has not done so, and the end of the caller's stream.
    async fn close(&mut self, exchange: &mut Exchange, outlet: &mut Outlet) -> Result<(), Stop> {
        if let Some(masking) = self.masking.as_mut().filter(|_| !self.unfit) {
            let rest = masking.finish();
            self.send(exchange, outlet, rest).await;
        }
        let end = self.end.unwrap_or(End::Clean);
        let answered = exchange.awaited.is_empty() && self.last_outcome.is_some();
        let outcome = match self.last_outcome {
            Some(outcome) if answered => outcome,
            _ => end.outcome(exchange.awaited.is_empty()),
        };
        if !answered || exchange.trail.chunks_open() || is_listening(exchange) {
            record_end(exchange, end, outcome, self.status).await?;
        }
        exchange.ends(outcome);
        match end {
            End::Clean | End::CallerLeft => {}
            End::Broken | End::Closing => outlet.break_off().await,
            End::Silent | End::TooLong | End::Astray | End::Unfit => tell(exchange, outlet, end).await,
        }
        Ok(())
    }
}

/// The bytes, once they are recorded.
fn writing(exchange: &Exchange, frame: Frame, then: Recorded) -> BoxFuture<'static, Option<Recorded>> {
    let written = exchange.trail.write(frame);
    Box::pin(async move { written.await.ok().map(|()| then) })
}

/// A stream that carries what the server has to say, and answers no call: it ends with its listener, or with us.
fn is_listening(exchange: &Exchange) -> bool {
    exchange.kind() == Some(Kind::Mcp) && exchange.head.method == Method::GET
}

fn messages<'d>(exchange: &Exchange, data: &'d str) -> Option<Vec<Message<'d>>> {
    if exchange.kind() != Some(Kind::Mcp) {
        return None;
    }
    jsonrpc::parse(data.as_bytes()).ok().filter(|messages| !messages.is_empty())
}

/// What the server asks or tells: kind and method of the first message.
fn asked(messages: &[Message<'_>]) -> (FrameKind, Option<String>) {
    match messages.first().map(|message| &message.shape) {
        Some(Shape::Request { method, .. }) => (FrameKind::Request, Some(method.clone())),
        Some(Shape::Notification { method, .. }) => (FrameKind::Notification, Some(method.clone())),
        _ => (FrameKind::Notification, None),
    }
}
