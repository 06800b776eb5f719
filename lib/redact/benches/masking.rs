//! What masking adds to one call: messages of the usual sizes with and without finds, the short columns beside them, and
//! logs in a tool's answer.

use divan::{Bencher, black_box, counter::BytesCount};
use hansard_redact::Redactor;

fn main() {
    divan::main();
}

const PROSE: &str =
    "The deployment of build 4312 finished after 12.5 seconds; see pages 17-19 of the report, key points first. ";

/// What stands in the columns of a record beside its body.
const COLUMNS: [&str; 15] = [
    "tools/call",
    "search_issues",
    "github",
    "https://mcp.internal.example/mcp",
    "claude-code/1.0.58 (cli; linux x86_64)",
    "01982f0c-6d1e-7c3a-9f5b-2a7d1c9e4b60",
    "https://login.example.org/realms/main",
    "3f6b2c1d-0a4e-4f7b-9c8d-5e6f7a8b9c0d",
    "engineering",
    "allow",
    "default",
    "2026-07-28",
    "ok",
    "application/json, text/event-stream",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
];

fn message(text: &str) -> String {
    let nested =
        serde_json::json!({ "items": [{ "id": 7, "title": "release", "body": text }], "nextPageToken": "c2VjMTI" });
    serde_json::json!({
        "jsonrpc": "2.0", "id": 17,
        "result": { "content": [{ "type": "text", "text": nested.to_string() }], "isError": false }
    })
    .to_string()
}

/// JSON in a string of JSON, of about this size and with this many addresses in it, spread over its items.
fn answer(bytes: usize, finds: usize) -> String {
    let count = (bytes / 360).max(1);
    let item = |item: usize| {
        let reviewers = (item..finds).step_by(count).map(|_| "jane.doe@example.org").collect::<Vec<_>>();
        serde_json::json!({
            "id": 4711 + item, "title": "Release notes", "state": "open", "comments": item,
            "created_at": "2026-07-28T09:30:00Z", "labels": [{ "name": "docs", "color": "c5def5" }],
            "author": "jane.doe", "reviewers": reviewers, "body": PROSE,
        })
    };
    let nested = serde_json::json!({ "total": count, "items": (0..count).map(item).collect::<Vec<_>>() });
    serde_json::json!({
        "jsonrpc": "2.0", "id": 17,
        "result": { "content": [{ "type": "text", "text": nested.to_string() }], "isError": false }
    })
    .to_string()
}

fn measure(bencher: Bencher, body: String) {
    let redactor = Redactor::built_in();
    let bytes = BytesCount::new(body.len());
    bencher.counter(bytes).bench(|| redactor.redact("body", black_box(body.as_bytes())));
}

#[divan::bench(args = [0, 1, 5])]
fn answer_of_1_kib(bencher: Bencher, finds: usize) {
    measure(bencher, answer(1 << 10, finds));
}

#[divan::bench(args = [0, 1, 5])]
fn answer_of_16_kib(bencher: Bencher, finds: usize) {
    measure(bencher, answer(16 << 10, finds));
}

#[divan::bench]
fn columns_of_a_record(bencher: Bencher) {
    let redactor = Redactor::built_in();
    bencher.bench(|| COLUMNS.map(|column| redactor.redact_text("column", black_box(column)).is_ok()));
}

#[divan::bench(args = [10, 20, 100])]
fn text_of_bytes(bencher: Bencher, bytes: usize) {
    let redactor = Redactor::built_in();
    let text = &"search the open issues of this repository for a mention of release notes, newest ones first, please"
        .repeat(2)[..bytes];
    bencher.bench(|| redactor.redact_text("column", black_box(text)).is_ok());
}

#[divan::bench]
fn clean(bencher: Bencher) {
    measure(bencher, message(&PROSE.repeat(72)));
}

#[divan::bench]
fn with_secrets(bencher: Bencher) {
    let secrets = "mail jane@example.org, password=correcthorse1, card 4111 1111 1111 1111. ";
    measure(bencher, message(&(PROSE.repeat(24) + secrets).repeat(3)));
}

#[divan::bench]
fn logs(bencher: Bencher) {
    let line = "2026-07-28T09:30:00.123Z INFO api request{id=4711 token_count=12} peer=10.1.2.3:5123 took 17 ms\n";
    measure(bencher, message(&line.repeat(80)));
}
