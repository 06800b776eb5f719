//! The record: one row of the trail, masked, as topics and Parquet hold it.
//!
//! Fields stand in the order of `record.avsc`; the number of a field in the leaf hash is its place there, from 1, and
//! never changes: new fields are added at the end, nothing is renumbered.

use crate::{
    frame::Direction,
    id::{ApprovalId, ConversationId, ExchangeId, RecordId},
    time::Timestamp,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub record_id: RecordId,
    pub exchange_id: ExchangeId,
    pub conversation_id: Option<ConversationId>,
    pub leg_of: Option<ExchangeId>,
    pub kind: RecordKind,
    pub direction: Direction,
    /// When the emitter saw it.
    pub occurred_at: Timestamp,
    /// When the log made the frame durable.
    pub recorded_at: Timestamp,
    pub duration_us: Option<i64>,
    pub first_byte_us: Option<i64>,

    /// HMAC of issuer and subject: the same person is the same id, and the id tells nothing.
    pub principal_id: Option<String>,
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub agent: Option<String>,
    pub act: Vec<String>,
    pub auth_method: Option<String>,
    pub source_ip: Option<String>,

    pub connection: Option<String>,
    pub upstream: Option<String>,
    pub emitter_id: Option<String>,
    pub emitter_epoch: Option<i64>,
    pub emitter_seq: Option<i64>,

    pub protocol: Option<String>,
    pub method: Option<String>,
    pub target: Option<String>,
    /// Lower-case hex.
    pub target_digest: Option<String>,
    /// HMAC of the arguments' digest, lower-case hex.
    pub arguments_digest: Option<String>,
    pub model: Option<String>,
    /// JSON object of the provider.
    pub usage: Option<String>,

    pub verdict: Option<String>,
    pub rule: Option<String>,
    pub policy_id: Option<String>,
    pub approval_id: Option<ApprovalId>,

    pub outcome: Option<String>,
    pub transport_status: Option<i32>,
    pub rpc_code: Option<i64>,
    pub is_error: Option<bool>,
    /// What went wrong, masked.
    pub error: Option<String>,

    pub redactions: Vec<Redaction>,
    pub ruleset_id: Option<String>,
    pub redaction_status: RedactionStatus,
    /// The masked message. Text always; what is not text is described in its place.
    pub body: Option<String>,
    pub body_bytes: i64,
    pub truncated: bool,

    pub trace_id: Option<String>,
    pub span_id: Option<String>,

    /// One salt of 16 bytes for each erasable field that is present.
    pub salts: Vec<FieldBytes>,
    /// One commitment of 32 bytes for each erasable field that is present.
    pub commitments: Vec<FieldBytes>,
    /// RFC 6962 leaf hash, 32 bytes; minted by the masker, checked by the archiver.
    pub leaf_hash: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    Request,
    Response,
    Notification,
    Refusal,
    Decision,
    Read,
    Lifecycle,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedactionStatus {
    /// Nothing was masked; what is only flagged stands in `redactions`.
    #[default]
    Clean,
    Masked,
    /// The payload could not be read safely, so it is not here; the sealed original is in quarantine.
    Withheld,
    /// What was withheld in another record, of the same stamp or exchange, from the quarantine, masked.
    Released,
}

/// Evidence of one masked place; never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    pub rule: String,
    /// The column it was found in: `body`, `target`, `error` …
    pub field: String,
    /// JSON pointer within the body; empty for text.
    pub pointer: String,
    pub action: String,
    /// Byte range before masking.
    pub start: i64,
    pub end: i64,
    /// Byte range after masking.
    pub masked_start: i64,
    pub masked_end: i64,
    pub key_id: Option<String>,
}

/// Bytes that belong to one field of the record, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldBytes {
    pub field: i32,
    pub bytes: Vec<u8>,
}

impl Redaction {
    /// What is left of a redaction whose place was erased: that this rule masked something.
    pub fn blank(rule: String) -> Redaction {
        Redaction {
            rule,
            field: String::new(),
            pointer: String::new(),
            action: String::new(),
            start: 0,
            end: 0,
            masked_start: 0,
            masked_end: 0,
            key_id: None,
        }
    }
}

impl Record {
    /// A record that says nothing yet but what it is and when.
    pub fn new(record_id: RecordId, exchange_id: ExchangeId, kind: RecordKind, at: Timestamp) -> Record {
        Record {
            record_id,
            exchange_id,
            conversation_id: None,
            leg_of: None,
            kind,
            direction: Direction::Internal,
            occurred_at: at,
            recorded_at: at,
            duration_us: None,
            first_byte_us: None,
            principal_id: None,
            issuer: None,
            subject: None,
            name: None,
            groups: Vec::new(),
            agent: None,
            act: Vec::new(),
            auth_method: None,
            source_ip: None,
            connection: None,
            upstream: None,
            emitter_id: None,
            emitter_epoch: None,
            emitter_seq: None,
            protocol: None,
            method: None,
            target: None,
            target_digest: None,
            arguments_digest: None,
            model: None,
            usage: None,
            verdict: None,
            rule: None,
            policy_id: None,
            approval_id: None,
            outcome: None,
            transport_status: None,
            rpc_code: None,
            is_error: None,
            error: None,
            redactions: Vec::new(),
            ruleset_id: None,
            redaction_status: RedactionStatus::Clean,
            body: None,
            body_bytes: 0,
            truncated: false,
            trace_id: None,
            span_id: None,
            salts: Vec::new(),
            commitments: Vec::new(),
            leaf_hash: Vec::new(),
        }
    }
}

impl RecordKind {
    pub const ALL: [RecordKind; 7] = [
        RecordKind::Request,
        RecordKind::Response,
        RecordKind::Notification,
        RecordKind::Refusal,
        RecordKind::Decision,
        RecordKind::Read,
        RecordKind::Lifecycle,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Request => "request",
            RecordKind::Response => "response",
            RecordKind::Notification => "notification",
            RecordKind::Refusal => "refusal",
            RecordKind::Decision => "decision",
            RecordKind::Read => "read",
            RecordKind::Lifecycle => "lifecycle",
        }
    }

    pub fn parse(word: &str) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl RedactionStatus {
    pub const ALL: [RedactionStatus; 4] =
        [RedactionStatus::Clean, RedactionStatus::Masked, RedactionStatus::Withheld, RedactionStatus::Released];

    pub fn as_str(self) -> &'static str {
        match self {
            RedactionStatus::Clean => "clean",
            RedactionStatus::Masked => "masked",
            RedactionStatus::Withheld => "withheld",
            RedactionStatus::Released => "released",
        }
    }

    pub fn parse(word: &str) -> Option<RedactionStatus> {
        RedactionStatus::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
