//! Streams as the three APIs send them, cut anywhere.

use std::sync::Arc;

use redact::Redactor;
use serde_json::{Value, json};

use super::*;

fn rules() -> Rules {
    Rules { redactor: Arc::new(Redactor::built_in()), is_rpc: false }
}

/// How an API sends a text: its events around the pieces, and where the text stands in them.
struct Api {
    piece: fn(&str) -> (Option<&'static str>, Value),
    end: (Option<&'static str>, Value),
    pointer: &'static str,
}

fn apis() -> [Api; 3] {
    let chat = |said: &str| {
        (None, json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": said }, "finish_reason": null }] }))
    };
    let chat_end = json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let response = |said: &str| {
        let kind = "response.output_text.delta";
        (
            Some(kind),
            json!({ "type": kind, "item_id": "m", "output_index": 0, "content_index": 0, "delta": said, "logprobs": [] }),
        )
    };
    let done = "response.output_text.done";
    let response_end = json!({ "type": done, "item_id": "m", "output_index": 0, "content_index": 0, "text": "" });
    let block = |said: &str| {
        let kind = "content_block_delta";
        (Some(kind), json!({ "type": kind, "index": 0, "delta": { "type": "text_delta", "text": said } }))
    };
    let stop = "content_block_stop";
    [
        Api { piece: chat, end: (None, chat_end), pointer: "/choices/0/delta/content" },
        Api { piece: response, end: (Some(done), response_end), pointer: "/delta" },
        Api { piece: block, end: (Some(stop), json!({ "type": stop, "index": 0 })), pointer: "/delta/text" },
    ]
}

fn written((name, data): &(Option<&str>, Value)) -> String {
    let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    format!("{name}data: {data}\n\n")
}

/// All that passes of these events, and what is left at the end.
fn through(texts: &mut Texts, events: &[(Option<&str>, Value)]) -> Result<String, Withheld> {
    let mut told = String::new();
    for event in events {
        let raw = Bytes::from(written(event));
        told += std::str::from_utf8(&texts.event(&rules(), &raw, &event.1.to_string())?).expect("text");
    }
    Ok(told + std::str::from_utf8(&texts.finish()?).expect("text"))
}

/// The data of events; each is whole, and named as the first is where it is one of many.
fn data(told: &str) -> Vec<Value> {
    let data = told.split_terminator("\n\n").map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    data.map(|data| serde_json::from_str(data.expect("every event has data")).expect("JSON")).collect()
}

fn joined(told: &str, pointer: &str) -> String {
    data(told).iter().filter_map(|data| data.pointer(pointer).and_then(Value::as_str)).collect()
}

#[test]
fn a_secret_cut_at_every_place_does_not_pass() {
    let text = "what he wrote was jane@example.org, and 4111 1111 1111 1111 \u{1f600} \"so\" on";
    let masked = Redactor::built_in().redact_text("", text).expect("it can be masked").text;
    let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
    for api in apis() {
        for (at, one) in places.iter().enumerate() {
            for other in places[at..].iter().step_by(7) {
                let pieces = [&text[..*one], &text[*one..*other], &text[*other..]];
                let mut events: Vec<_> = pieces.iter().map(|piece| (api.piece)(piece)).collect();
                events.push(api.end.clone());
                let told = through(&mut Texts::default(), &events).expect("it can be masked");
                assert_eq!(joined(&told, api.pointer), masked, "{told}");
                assert!(told.ends_with(&written(&api.end)), "what is left passes before the end: {told}");
                let named = |told: &str| told.matches("event: ").count();
                assert!(api.end.0.is_none() || named(&told) == data(&told).len(), "{told}");
            }
        }
    }
}

#[test]
fn a_long_text_without_secrets_passes_whole_and_mostly_at_once() {
    for api in apis() {
        let mut texts = Texts::default();
        let words: Vec<String> = (0..400).map(|word| format!("word-{word} ")).collect();
        let mut told = String::new();
        for word in &words {
            let event = (api.piece)(word);
            told += std::str::from_utf8(
                &texts.event(&rules(), &Bytes::from(written(&event)), &event.1.to_string()).expect("masked"),
            )
            .expect("text");
        }
        let so_far = joined(&told, api.pointer).len();
        assert!(so_far + 600 > words.concat().len(), "{so_far} of {}", words.concat().len());
        assert_eq!(data(&told).len(), words.len(), "each event passes in its turn");
        let settled = texts.settle().expect("it can be masked");
        told += std::str::from_utf8(&settled).expect("text");
        told += &through(&mut texts, &[api.end]).expect("masked");
        assert_eq!(joined(&told, api.pointer), words.concat());
    }
}

#[test]
fn texts_do_not_mix() {
    let piece =
        |index: usize, text: &str| (None, json!({ "choices": [{ "index": index, "delta": { "content": text } }] }));
    let events = [piece(0, "jane@exa"), piece(1, "joe@exa"), piece(0, "mple.org"), piece(1, "mple.com is it")];
    let told = through(&mut Texts::default(), &events).expect("masked");
    let of = |index: usize| -> String {
        let choices = data(&told).into_iter().filter(|data| data["choices"][0]["index"] == index);
        choices.map(|data| data["choices"][0]["delta"]["content"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!([of(0), of(1)], ["[REDACTED:email]", "[REDACTED:email] is it"]);
}

#[test]
fn arguments_of_a_tool_stay_a_document() {
    let piece = |json: &str| {
        (
            None,
            json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "input_json_delta", "partial_json": json } }),
        )
    };
    let events = [
        piece("{\"card\": 411111"),
        piece("1111111111, \"n\": [1, \"a\\\"b\"], \"pass"),
        piece("word\": \"hun"),
        piece("ter2\"}"),
    ];
    let told = through(&mut Texts::default(), &events).expect("masked");
    let arguments: Value = serde_json::from_str(&joined(&told, "/delta/partial_json")).expect("JSON");
    assert_eq!(arguments, json!({ "card": "[REDACTED:card]", "n": [1, "a\"b"], "password": "[REDACTED:password]" }));
}

#[test]
fn what_is_signed_passes_and_what_repeats_a_text_does_not() {
    let signed = (
        None,
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "of jane@example.org" } }),
    );
    assert_eq!(through(&mut Texts::default(), std::slice::from_ref(&signed)), Ok(written(&signed)));
    let token = json!({ "content": [{ "token": "jane", "bytes": [106, 97, 110, 101] }] });
    let copied = (
        None,
        json!({ "choices": [{ "index": 0, "delta": { "content": "x" }, "logprobs": token, "finish_reason": "stop" }] }),
    );
    let told = through(&mut Texts::default(), &[copied]).expect("masked");
    assert_eq!(data(&told)[0]["choices"][0]["logprobs"], Value::Null);
    assert_eq!(data(&told)[0]["choices"][0]["delta"]["content"], "x", "an event that ends a text holds nothing back");
}

#[test]
fn other_members_of_an_event_are_masked_and_other_events_too() {
    let events = [
        (
            None,
            json!({ "choices": [{ "index": 0, "delta": { "content": "a", "name": "jane@example.org" } }], "user": "joe@example.org" }),
        ),
        (Some("ping"), json!({ "type": "ping", "of": "jane@example.org" })),
    ];
    let told = through(&mut Texts::default(), &events).expect("masked");
    assert!(!told.contains("example.org") && told.contains("event: ping\n"), "{told}");
    let clean = (Some("ping"), json!({ "type": "ping" }));
    assert_eq!(through(&mut Texts::default(), std::slice::from_ref(&clean)), Ok(written(&clean)));
}

#[test]
fn what_a_stream_may_hold_is_bounded() {
    let piece = |index: usize| (None, json!({ "choices": [{ "index": index, "delta": { "content": "a" } }] }));
    let events: Vec<_> = (0..=TEXTS_MAX).map(piece).collect();
    assert!(through(&mut Texts::default(), &events[..TEXTS_MAX]).is_ok());
    assert_eq!(through(&mut Texts::default(), &events), Err(Withheld::TooMany(TEXTS_MAX)));
    let large =
        (None, json!({ "choices": [{ "index": 0, "delta": { "content": "a" } }], "x": "y".repeat(MOULD_BYTES_MAX) }));
    assert!(through(&mut Texts::default(), &[large]).is_err());
    let broken = Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n");
    let data = std::str::from_utf8(&broken).expect("text")[6..].trim_end().to_owned();
    assert_eq!(Texts::default().event(&rules(), &broken, &data), Err(Withheld::NotText));
}
