//! Records to ask about.

use schemas::{Direction, ExchangeId, Record, RecordId, RecordKind, Timestamp};
use uuid::Uuid;

/// 2026-07-28T09:30:00Z.
pub(crate) const MORNING: i64 = 1_785_231_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

pub(crate) fn exchange_id(n: u64) -> ExchangeId {
    ExchangeId(Uuid::from_u64_pair(0x0190_0000_0000_7000, 0x8000_0000_0000_0000 | n))
}

/// A record of exchange `n`, `n` seconds after the morning began.
pub(crate) fn record(kind: RecordKind, n: u64) -> Record {
    let at = Timestamp(MORNING + n.cast_signed() * SECOND);
    Record {
        direction: Direction::Internal,
        recorded_at: at,
        principal_id: Some("p-ada".to_owned()),
        issuer: Some("https://issuer.example".to_owned()),
        subject: Some("ada".to_owned()),
        name: Some("Ada".to_owned()),
        groups: vec!["engineers".to_owned()],
        auth_method: Some("jwt".to_owned()),
        source_ip: Some("127.0.0.1".to_owned()),
        connection: Some("github".to_owned()),
        emitter_id: Some("e-1".to_owned()),
        emitter_epoch: Some(1),
        emitter_seq: Some(n.cast_signed()),
        protocol: Some("mcp/2025-11-25".to_owned()),
        method: Some("tools/call".to_owned()),
        target: Some("search".to_owned()),
        verdict: Some("allow".to_owned()),
        body: Some(format!("{{\"n\":{n}}}")),
        body_bytes: 8,
        leaf_hash: vec![7; 32],
        ..Record::new(RecordId(Uuid::from_u64_pair(n, kind as u64)), exchange_id(n), kind, at)
    }
}

pub(crate) fn request(n: u64) -> Record {
    Record { direction: Direction::ToUpstream, ..record(RecordKind::Request, n) }
}

/// The answer to request `n`, two milliseconds later.
pub(crate) fn response(n: u64, outcome: &str) -> Record {
    let base = record(RecordKind::Response, n);
    Record {
        direction: Direction::ToCaller,
        occurred_at: Timestamp(base.occurred_at.0 + 2000),
        duration_us: Some(2000),
        outcome: Some(outcome.to_owned()),
        transport_status: Some(200),
        body: Some(format!("{{\"answer\":{n}}}")),
        ..base
    }
}

pub(crate) fn refusal(n: u64, outcome: &str) -> Record {
    let base = record(RecordKind::Refusal, n);
    Record {
        direction: Direction::ToCaller,
        occurred_at: Timestamp(base.occurred_at.0 + 1000),
        outcome: Some(outcome.to_owned()),
        verdict: Some("block".to_owned()),
        ..base
    }
}
