//! Streams of events from strangers, masked as they rest: never a panic, masking what is masked changes nothing, and a value
//! among words is masked wherever a model's pieces were cut.

#![no_main]

use std::sync::LazyLock;

use hansard_protocol::deltas;
use hansard_redact::Redactor;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// What must not be seen, put together here so that no source holds it.
static VALUE: LazyLock<String> = LazyLock::new(|| ["ghp_", "0123456789abcdef", "0123456789abcdefghij"].concat());
static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::built_in);

/// What it becomes, and that it stays so.
fn masked(stream: &str) -> Option<String> {
    let told = REDACTOR.redact_scattered("body", stream.as_bytes(), deltas::layout).ok()?;
    let again = REDACTOR.redact_scattered("body", told.text.as_bytes(), deltas::layout).expect("what was masked can be masked");
    assert_eq!((again.text.as_str(), again.redactions.len()), (told.text.as_str(), 0));
    Some(told.text)
}

fn event(piece: &str) -> String {
    let data = json!({ "type": "content_block_delta", "index": 0, "delta": { "text": piece } });
    format!("event: content_block_delta\ndata: {data}\n\n")
}

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (text, cuts) = input;
    masked(text);
    let text = format!("{text} {} {text}", *VALUE);
    let (mut stream, mut rest) = (String::new(), text.as_str());
    for cut in cuts {
        let at = (usize::from(cut).min(rest.len())..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
        let (piece, after) = rest.split_at(at);
        stream += &event(piece);
        rest = after;
    }
    stream += &event(rest);
    let Some(told) = masked(&stream) else { return };
    let data = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let said = |data: &str| serde_json::from_str::<Value>(data).expect("it stays JSON")["delta"]["text"].clone();
    let joined: String = data.map(|data| said(data).as_str().expect("a text").to_owned()).collect();
    assert!(!joined.contains(VALUE.as_str()), "{joined}");
});
