//! How many bytes of MCP traffic one core masks: clean messages, such with secrets, and logs in a tool's answer.

use divan::{Bencher, counter::BytesCount};
use hansard_redact::Redactor;

fn main() {
    divan::main();
}

const PROSE: &str =
    "The deployment of build 4312 finished after 12.5 seconds; see pages 17-19 of the report, key points first. ";

fn call(text: &str) -> String {
    let nested =
        serde_json::json!({ "items": [{ "id": 7, "title": "release", "body": text }], "nextPageToken": "c2VjMTI" });
    serde_json::json!({
        "jsonrpc": "2.0", "id": 17,
        "result": { "content": [{ "type": "text", "text": nested.to_string() }], "isError": false }
    })
    .to_string()
}

fn measure(bencher: Bencher, body: String) {
    let redactor = Redactor::built_in();
    let bytes = BytesCount::new(body.len());
    bencher.counter(bytes).bench(|| redactor.redact("body", divan::black_box(body.as_bytes())));
}

#[divan::bench]
fn clean(bencher: Bencher) {
    measure(bencher, call(&PROSE.repeat(72)));
}

#[divan::bench]
fn with_secrets(bencher: Bencher) {
    let secrets = "mail jane@example.org, password=correcthorse1, card 4111 1111 1111 1111. ";
    measure(bencher, call(&(PROSE.repeat(24) + secrets).repeat(3)));
}

#[divan::bench]
fn logs(bencher: Bencher) {
    let line = "2026-07-28T09:30:00.123Z INFO api request{id=4711 token_count=12} peer=10.1.2.3:5123 took 17 ms\n";
    measure(bencher, call(&line.repeat(80)));
}
