//! What it costs to write and read a record with a body of 1 KiB, and to hold it against its leaf.

use divan::{Bencher, black_box};
use hansard_schemas::{Direction, ExchangeId, Record, RecordId, RecordKind, Timestamp, leaf};
use uuid::Uuid;

const BODY_BYTES: usize = 1024;

fn main() {
    divan::main();
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let record = record();
    bencher.bench_local(|| black_box(&record).to_avro());
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let bytes = record().to_avro();
    bencher.bench_local(|| Record::from_avro(black_box(&bytes)));
}

#[divan::bench]
fn mint(bencher: Bencher<'_, '_>) {
    let mut record = record();
    bencher.bench_local(|| leaf::mint(black_box(&mut record), || [7; leaf::SALT_BYTES]));
}

#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let record = record();
    bencher.bench_local(|| leaf::check(black_box(&record)));
}

/// A tool call as most are: about two thirds of the columns are set.
fn record() -> Record {
    let text = |value: &str| Some(value.to_owned());
    let mut record = Record {
        direction: Direction::ToUpstream,
        recorded_at: Timestamp(1_785_231_000_127_456),
        principal_id: Some("9f".repeat(32)),
        issuer: text("https://login.example"),
        subject: text("u-1842"),
        name: text("Zoë Ångström"),
        groups: vec!["sre".to_owned(), "data".to_owned()],
        agent: text("desktop-client"),
        auth_method: text("jwt"),
        source_ip: text("192.0.2.7"),
        connection: text("warehouse"),
        upstream: text("https://mcp.example/mcp"),
        emitter_id: text("ingress-1"),
        emitter_epoch: Some(1_785_200_000_000_000),
        emitter_seq: Some(42),
        protocol: text("mcp/2025-11-25"),
        method: text("tools/call"),
        target: text("drop_table"),
        target_digest: Some("a1".repeat(32)),
        arguments_digest: Some("c3".repeat(32)),
        verdict: text("allow"),
        policy_id: Some(format!("sha256:{}", "0f".repeat(32))),
        ruleset_id: Some(format!("sha256:{}", "1e".repeat(32))),
        body: Some("b".repeat(BODY_BYTES)),
        body_bytes: BODY_BYTES as i64,
        trace_id: text("4bf92f3577b34da6a3ce929d0e0e4736"),
        span_id: text("00f067aa0ba902b7"),
        ..Record::new(
            RecordId(Uuid::from_u128(1)),
            ExchangeId(Uuid::from_u128(2)),
            RecordKind::Request,
            Timestamp(1_785_231_000_123_456),
        )
    };
    leaf::mint(&mut record, || [7; leaf::SALT_BYTES]);
    record
}
