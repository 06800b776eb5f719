//! Pieces of texts as the three APIs send them.

use super::*;

/// Texts and pieces, and what has ended.
#[track_caller]
fn check(data: &str, pieces: &[(&str, &str, Reading)], ended: &[&str]) {
    let deltas = read(data);
    let told: Vec<_> =
        deltas.pieces.iter().map(|piece| (&*piece.text, &data[piece.range.clone()], piece.reading)).collect();
    assert_eq!(
        (told.as_slice(), deltas.ended.as_slice()),
        (pieces, ended.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>().as_slice()),
        "{data}"
    );
}

#[test]
fn chat_completions_have_a_text_for_each_choice_and_field() {
    check(
        r#"{"object":"chat.completion.chunk","choices":[{"index":1,"delta":{"role":"assistant","content":"a\"b"},"finish_reason":null}]}"#,
        &[("choice 1  content", "a\\\"b", Reading::Prose)],
        &[],
    );
    check(
        r#"{"choices":[{"delta":{"tool_calls":[{"index":2,"id":"x","type":"function","function":{"name":"pay","arguments":"{\"a"}}]},"index":0}]}"#,
        &[("choice 0 2 arguments", "{\\\"a", Reading::Json)],
        &[],
    );
    check(r#"{"choices":[{"index":0,"text":"a"}]}"#, &[("choice 0  text", "a", Reading::Prose)], &[]);
    check(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, &[], &["choice 0 "]);
    check(" [DONE]", &[], &[""]);
}

#[test]
fn responses_have_a_text_for_each_part_of_their_output() {
    let event = |kind: &str, rest: &str| {
        format!(r#"{{"type":"{kind}","item_id":"m","output_index":1,"content_index":0,{rest}}}"#)
    };
    check(
        &event("response.output_text.delta", r#""delta":"ab""#),
        &[("response.output_text 0 m 1 ", "ab", Reading::Prose)],
        &[],
    );
    check(&event("response.output_text.done", r#""text":"abc""#), &[], &["response.output_text 0 m 1 "]);
    check(
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{"}"#,
        &[("response.function_call_arguments 0 ", "{", Reading::Json)],
        &[],
    );
    check(r#"{"type":"response.audio.delta","delta":"QUJD"}"#, &[], &[]);
    check(r#"{"type":"response.completed","response":{"delta":"x"}}"#, &[], &[""]);
}

#[test]
fn messages_have_a_text_for_each_block() {
    let event = |delta: &str| format!(r#"{{"type":"content_block_delta","index":3,"delta":{delta}}}"#);
    check(&event(r#"{"type":"text_delta","text":"ab"}"#), &[("block 3 text", "ab", Reading::Prose)], &[]);
    check(
        &event(r#"{"type":"input_json_delta","partial_json":"{"}"#),
        &[("block 3 partial_json", "{", Reading::Json)],
        &[],
    );
    check(&event(r#"{"type":"thinking_delta","thinking":"hm"}"#), &[("block 3 thinking", "hm", Reading::Signed)], &[]);
    check(&event(r#"{"type":"signature_delta","signature":"QUJD"}"#), &[], &[]);
    check(r#"{"type":"content_block_stop","index":3}"#, &[], &["block 3 "]);
    check(r#"{"type":"message_stop"}"#, &[], &[""]);
}

#[test]
fn other_events_have_no_texts() {
    for other in [
        "",
        "{}",
        "null",
        "hello",
        r#"{"delta":"x"}"#,
        r#"{"delta":{"text":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        check(other, &[], &[]);
    }
}

#[test]
fn what_repeats_the_text_token_by_token_is_told() {
    let data =
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","bytes":[97]}]}}]}"#;
    let deltas = read(data);
    let [(of, range)] = deltas.copies.as_slice() else { panic!("one, not {:?}", deltas.copies) };
    assert_eq!((of.as_str(), &data[range.clone()]), ("choice 0 ", r#"{"content":[{"token":"a","bytes":[97]}]}"#));
}

#[test]
fn a_stream_is_read_across_its_events() {
    let stream = "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\r\ndata: \"delta\":{\"text\":\"se\"}}\r\n\r\n\
        : ping\n\ndata:{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"text\":\"other\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"cret\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\" cut o";
    assert!(is_event_stream(stream) && !is_event_stream("{\"data\":1}"));
    let texts: Vec<String> = layout(stream)
        .texts
        .iter()
        .map(|text| text.pieces.iter().map(|piece| &stream[piece.clone()]).collect())
        .collect();
    assert_eq!(texts, ["secret cut o", "other"]);
    let (plain, data) =
        ("event: x\ndata: {\"a\":1}\n\ndata: [1,2]\n\ndata: hello\n\ndata: {\ndata: }\n\n", ["{\"a\":1}", "[1,2]"]);
    let told = layout(plain);
    let documents: Vec<&str> = told.documents.iter().map(|document| &plain[document.clone()]).collect();
    assert_eq!((documents.as_slice(), told.texts), (data.as_slice(), Vec::new()), "those of one line");
}

#[test]
fn whole_answers_may_repeat_their_texts_too() {
    let check = |document: &str, expected: &[(&str, &str)]| {
        let texts = repeated(document);
        let told: Vec<_> =
            texts.iter().map(|text| (&document[text.pieces[0].clone()], &document[text.copies[0].clone()])).collect();
        assert_eq!(told, expected, "{document}");
    };
    check(
        r#"{"choices":[{"message":{"role":"assistant","content":"ab"},"logprobs":{"content":[{"token":"a"}]}},{"text":"c","logprobs":null}]}"#,
        &[("ab", r#"{"content":[{"token":"a"}]}"#)],
    );
    check(
        r#"{"output":[{"content":[{"type":"output_text","logprobs":[{"token":"a"}],"text":"ab"}]}]}"#,
        &[("ab", r#"[{"token":"a"}]"#)],
    );
    check(r#"{"choices":[{"message":{"content":"ab"}}]}"#, &[]);
    let stream = "data: {\"type\":\"response.completed\",\"output\":[{\"text\":\"ab\",\"logprobs\":[1]}]}\n\n";
    let texts = layout(stream).texts;
    assert_eq!((&stream[texts[0].pieces[0].clone()], &stream[texts[0].copies[0].clone()]), ("ab", "[1]"));
}
