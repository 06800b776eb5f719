//! What an event costs the masker, beside what its record costs.

use divan::{Bencher, black_box};
use hansard_siem::{Format, line};
use schemas::{ExchangeId, Record, RecordId, RecordKind, Timestamp};
use uuid::Uuid;

fn main() {
    divan::main();
}

fn record() -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        principal_id: text("p_00112233445566778899aabbccddeeff"),
        issuer: text("https://login.example/realms/main"),
        subject: text("ada"),
        name: text("Ada Lovelace"),
        groups: vec!["sre".to_owned(), "dev".to_owned()],
        agent: text("claude-code/2.0"),
        source_ip: text("192.0.2.7"),
        connection: text("github"),
        upstream: text("https://mcp.internal.example/mcp"),
        protocol: text("mcp/2025-11-25"),
        method: text("tools/call"),
        target: text("search"),
        verdict: text("allow"),
        outcome: text("ok"),
        transport_status: Some(200),
        duration_us: Some(1500),
        body: Some("x".repeat(1024)),
        body_bytes: 1024,
        trace_id: text("0af7651916cd43dd8448eb211c80319c"),
        span_id: text("b7ad6b7169203331"),
        leaf_hash: vec![7; 32],
        ..Record::new(
            RecordId(Uuid::from_u128(1)),
            ExchangeId(Uuid::from_u128(2)),
            RecordKind::Response,
            Timestamp(1_785_231_000_123_456),
        )
    }
}

#[divan::bench(args = Format::ALL)]
fn event(bencher: Bencher<'_, '_>, format: Format) {
    let record = record();
    bencher.bench(|| line(black_box(&record), format));
}

#[divan::bench]
fn avro(bencher: Bencher<'_, '_>) {
    let record = record();
    bencher.bench(|| black_box(&record).to_avro());
}
