//! The frame: what ingress saw, or what approver and query did, in order. It only ever travels and rests sealed.
//!
//! There is one way into the trail: a sealed frame on the topic `hansard.frames`. A call, a person's vote and a read of
//! the trail all enter by it, so all of them are masked by the same code before anything rests in clear.

use crate::{
    call::{Outcome, Ruling, Terms},
    id::{ConversationId, ExchangeId},
    principal::Principal,
    time::Timestamp,
};

/// Message header that names the frame's kind in clear; it is part of the associated data of the seal.
pub const KIND_HEADER: &str = "kind";

#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub stamp: Stamp,
    pub exchange_id: ExchangeId,
    /// Place among the frames of its exchange, from 0, gap-free.
    pub ordinal: u32,
    pub kind: FrameKind,
    pub direction: Direction,
    pub occurred_at: Timestamp,
    /// Who, when and what. Absent only on chunks after the first.
    pub context: Option<Context>,
    /// The bytes as they were seen. Absent when the recording level keeps the payload out, or when there were none.
    pub body: Option<Vec<u8>>,
    /// Bytes on the wire, whether or not `body` carries them.
    pub body_bytes: u64,
    /// `body` is a prefix of what was seen.
    pub truncated: bool,
    /// How the exchange ended; on the frame that ends it.
    pub ending: Option<Ending>,
}

/// Counts every frame of an emitter, so that a missing one is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The instance that emitted it, stable over restarts.
    pub emitter_id: String,
    /// One start of that instance; grows with each.
    pub epoch: u64,
    /// Gap-free within the epoch, from 0.
    pub seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    Request,
    Notification,
    /// A piece of a streamed answer; the masker reassembles the pieces of one exchange.
    Chunk,
    Response,
    Refusal,
    /// An approval event; `body` is its JSON.
    Decision,
    /// Somebody read the trail.
    Read,
    /// A start, stop, change of configuration, or count of what was not recorded.
    Lifecycle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    ToUpstream,
    ToCaller,
    /// Within Hansard itself.
    Internal,
}

/// Who, when and what: the small columns that a request and its answer share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    pub conversation_id: Option<ConversationId>,
    /// The exchange that this one continues.
    pub leg_of: Option<ExchangeId>,
    pub principal: Option<Principal>,
    /// `jwt`, `local` or `none`.
    pub auth_method: String,
    pub source_ip: Option<String>,
    pub connection: Option<String>,
    /// The upstream's URL, without user, password and query.
    pub upstream: Option<String>,
    pub protocol: String,
    pub method: Option<String>,
    pub target: Option<String>,
    /// SHA-256 of the tool's definition as last listed on this connection.
    pub target_digest: Option<[u8; 32]>,
    /// SHA-256 of the arguments; the masker keys it before it rests.
    pub arguments_digest: Option<[u8; 32]>,
    pub model: Option<String>,
    pub ruling: Option<Ruling>,
    /// Set with a ruling of `hold`: the masker opens the approval from it.
    pub terms: Option<Terms>,
    /// Lower-case hex, from `traceparent`.
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub outcome: Outcome,
    /// The HTTP status of the upstream, or of the refusal.
    pub transport_status: Option<u16>,
    pub rpc_code: Option<i64>,
    pub is_error: Option<bool>,
    /// From the request's first byte to this frame.
    pub duration_us: Option<i64>,
    /// From the request's first byte to the first byte of the answer.
    pub first_byte_us: Option<i64>,
    /// Tokens used, as the provider's JSON object.
    pub usage: Option<String>,
    /// What went wrong, in a sentence, and whose fault it is.
    pub error: Option<String>,
}

impl Frame {
    /// What Hansard itself says or did, without a body yet: a vote, a read, a start. It stands alone in its exchange.
    pub fn internal(kind: FrameKind, exchange_id: ExchangeId, occurred_at: Timestamp, context: Context) -> Frame {
        Frame {
            stamp: Stamp::default(),
            exchange_id,
            ordinal: 0,
            kind,
            direction: Direction::Internal,
            occurred_at,
            context: Some(context),
            body: None,
            body_bytes: 0,
            truncated: false,
            ending: None,
        }
    }

    /// The same with a body, all of it.
    pub fn with_body(self, body: Vec<u8>) -> Frame {
        Frame { body_bytes: body.len() as u64, body: Some(body), ..self }
    }
}

impl Ending {
    /// An end that says nothing more than how it ended.
    pub fn new(outcome: Outcome) -> Ending {
        Ending {
            outcome,
            transport_status: None,
            rpc_code: None,
            is_error: None,
            duration_us: None,
            first_byte_us: None,
            usage: None,
            error: None,
        }
    }
}

impl FrameKind {
    pub const ALL: [FrameKind; 8] = [
        FrameKind::Request,
        FrameKind::Notification,
        FrameKind::Chunk,
        FrameKind::Response,
        FrameKind::Refusal,
        FrameKind::Decision,
        FrameKind::Read,
        FrameKind::Lifecycle,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FrameKind::Request => "request",
            FrameKind::Notification => "notification",
            FrameKind::Chunk => "chunk",
            FrameKind::Response => "response",
            FrameKind::Refusal => "refusal",
            FrameKind::Decision => "decision",
            FrameKind::Read => "read",
            FrameKind::Lifecycle => "lifecycle",
        }
    }

    pub fn parse(word: &str) -> Option<FrameKind> {
        FrameKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Direction {
    pub const ALL: [Direction; 3] = [Direction::ToUpstream, Direction::ToCaller, Direction::Internal];

    pub fn as_str(self) -> &'static str {
        match self {
            Direction::ToUpstream => "to_upstream",
            Direction::ToCaller => "to_caller",
            Direction::Internal => "internal",
        }
    }

    pub fn parse(word: &str) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| direction.as_str() == word)
    }
}

/// What the seal binds besides the frame itself: it opens only on this topic, for this exchange, as this kind.
pub fn associated_data(topic: &str, exchange_id: ExchangeId, kind: FrameKind) -> Vec<u8> {
    [b"hansard/frame/v1\0", topic.as_bytes(), b"\0", exchange_id.0.as_bytes(), kind.as_str().as_bytes()].concat()
}
