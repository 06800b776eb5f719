//! One frame, record and approval event with every field set: what the golden files hold.

use std::time::Duration;

use hansard_schemas::{
    ApprovalEvent, ApprovalId, Context, ConversationId, Direction, Ending, ExchangeId, Frame, FrameKind, Outcome,
    Principal, Record, RecordId, RecordKind, RedactionStatus, Stamp, Timestamp,
    approval::{Held, What},
    call::{Ruling, Terms},
    leaf,
    record::Redaction,
};
use uuid::Uuid;

const EXCHANGE: ExchangeId = ExchangeId(Uuid::from_u128(0x0198_5f2c_0b00_7000_8000_0000_0000_0001));
const APPROVAL: ApprovalId = ApprovalId(Uuid::from_u128(0x0198_5f2c_0b00_7000_8000_0000_0000_0002));
const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(0x0198_5f2c_0b00_7000_8000_0000_0000_0003));
const EARLIER: ExchangeId = ExchangeId(Uuid::from_u128(0x0198_5f2c_0b00_7000_8000_0000_0000_0004));
const RECORD: RecordId = RecordId(Uuid::from_u128(0x0198_5f2c_0b00_7000_8000_0000_0000_0005));
const AT: Timestamp = Timestamp(1_785_231_000_123_456);

pub(crate) fn frame() -> Frame {
    Frame {
        stamp: Stamp { emitter_id: "ingress-1".into(), epoch: 1_785_200_000_000_000, seq: 42 },
        exchange_id: EXCHANGE,
        ordinal: 1,
        kind: FrameKind::Response,
        direction: Direction::ToCaller,
        occurred_at: AT,
        context: Some(context()),
        body: Some(br#"{"jsonrpc":"2.0","id":7,"result":{"isError":true}}"#.to_vec()),
        body_bytes: 50,
        truncated: false,
        ending: Some(ending()),
    }
}

pub(crate) fn record() -> Record {
    let mut record = unminted();
    let mut salt = 0_u8;
    leaf::mint(&mut record, || {
        salt += 1;
        [salt; leaf::SALT_BYTES]
    });
    record
}

pub(crate) fn approval_event() -> ApprovalEvent {
    let held = Held {
        requester: principal(),
        connection: "warehouse".into(),
        method: "tools/call".into(),
        target: "drop_table".into(),
        body: r#"{"name":"drop_table","arguments":{"table":"[REDACTED:email]"}}"#.into(),
        rule: "destructive-sql".into(),
        policy_id: "sha256:00ff".into(),
        arguments_digest: "ab".repeat(32),
        terms: terms(),
    };
    ApprovalEvent { approval_id: APPROVAL, exchange_id: EXCHANGE, occurred_at: AT, what: What::Held(held) }
}

pub(crate) fn principal() -> Principal {
    Principal {
        issuer: "https://login.example".into(),
        subject: "u-1842".into(),
        name: Some("Zoë Ångström".into()),
        groups: vec!["sre".into(), "data".into()],
        agent: Some("desktop-client".into()),
        act: vec!["assistant".into(), String::new()],
    }
}

pub(crate) fn terms() -> Terms {
    Terms { reviewers: vec!["sre".into()], approve: 2, deny: 1, expires: Duration::from_secs(900) }
}

fn context() -> Context {
    Context {
        conversation_id: Some(CONVERSATION),
        leg_of: Some(EARLIER),
        principal: Some(principal()),
        auth_method: "jwt".into(),
        source_ip: Some("192.0.2.7".into()),
        connection: Some("warehouse".into()),
        upstream: Some("https://mcp.example/mcp".into()),
        protocol: "mcp/2025-11-25".into(),
        method: Some("tools/call".into()),
        target: Some("drop_table".into()),
        target_digest: Some([0xA1; 32]),
        arguments_digest: Some([0xB2; 32]),
        model: Some("model-1".into()),
        ruling: Some(Ruling {
            verdict: "hold".into(),
            rule: Some("destructive-sql".into()),
            policy_id: "sha256:00ff".into(),
            approval_id: Some(APPROVAL),
        }),
        terms: Some(terms()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        span_id: Some("00f067aa0ba902b7".into()),
    }
}

fn ending() -> Ending {
    Ending {
        outcome: Outcome::ToolError,
        transport_status: Some(200),
        rpc_code: Some(-32_000),
        is_error: Some(true),
        duration_us: Some(48_211),
        first_byte_us: Some(31_007),
        usage: Some(r#"{"output_tokens":12}"#.into()),
        error: Some("the tool answered with an error".into()),
    }
}

fn unminted() -> Record {
    Record {
        record_id: RECORD,
        exchange_id: EXCHANGE,
        conversation_id: Some(CONVERSATION),
        leg_of: Some(EARLIER),
        kind: RecordKind::Response,
        direction: Direction::ToCaller,
        occurred_at: AT,
        recorded_at: Timestamp(AT.0 + 4_000),
        duration_us: Some(48_211),
        first_byte_us: Some(31_007),
        principal_id: Some("9f".repeat(32)),
        issuer: Some(principal().issuer),
        subject: Some(principal().subject),
        name: principal().name,
        groups: principal().groups,
        agent: principal().agent,
        act: principal().act,
        auth_method: Some("jwt".into()),
        source_ip: Some("192.0.2.7".into()),
        connection: Some("warehouse".into()),
        upstream: Some("https://mcp.example/mcp".into()),
        emitter_id: Some("ingress-1".into()),
        emitter_epoch: Some(1_785_200_000_000_000),
        emitter_seq: Some(42),
        protocol: Some("mcp/2025-11-25".into()),
        method: Some("tools/call".into()),
        target: Some("drop_table".into()),
        target_digest: Some("a1".repeat(32)),
        arguments_digest: Some("c3".repeat(32)),
        model: Some("model-1".into()),
        usage: Some(r#"{"output_tokens":12}"#.into()),
        verdict: Some("hold".into()),
        rule: Some("destructive-sql".into()),
        policy_id: Some("sha256:00ff".into()),
        approval_id: Some(APPROVAL),
        outcome: Some("tool_error".into()),
        transport_status: Some(200),
        rpc_code: Some(-32_000),
        is_error: Some(true),
        error: Some("the tool answered with an error".into()),
        redactions: vec![redaction("email", 24), redaction("card", 61), redaction("email", 90)],
        ruleset_id: Some("sha256:11ee".into()),
        redaction_status: RedactionStatus::Masked,
        body: Some(r#"{"jsonrpc":"2.0","id":7,"result":{"text":"[REDACTED:email]"}}"#.into()),
        body_bytes: 50,
        truncated: false,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        span_id: Some("00f067aa0ba902b7".into()),
        salts: Vec::new(),
        commitments: Vec::new(),
        leaf_hash: Vec::new(),
    }
}

fn redaction(rule: &str, start: i64) -> Redaction {
    Redaction {
        rule: rule.into(),
        field: "body".into(),
        pointer: "/result/text".into(),
        action: "hmac".into(),
        start,
        end: start + 17,
        masked_start: start,
        masked_end: start + 16,
        key_id: Some("k1".into()),
    }
}
