//! What is a message, what is none, and that nothing passes that could be read in two ways.

use proptest::prelude::*;

use super::*;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}"#;

fn one(body: &str) -> Shape<'_> {
    let mut messages = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(messages.len(), 1, "{body}");
    messages.remove(0).shape
}

/// `body` is refused, and the sender is told `why`.
#[track_caller]
fn check_refused(body: impl AsRef<[u8]>, why: &str) {
    let error = parse(body.as_ref()).expect_err("a refusal").to_string();
    assert!(error.contains(why), "{error:?} does not say {why:?}");
}

#[test]
fn the_four_shapes_are_told_apart() {
    assert!(
        matches!(one(CALL), Shape::Request { id: Id::Number(1), method, params: Some(_) } if method == "tools/call")
    );
    assert!(matches!(one(r#"{"jsonrpc":"2.0","method":"n"}"#), Shape::Notification { params: None, .. }));
    let answer = one(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#);
    assert!(matches!(answer, Shape::Response { id: Id::Text(id), .. } if id == "1"));
    let failure = one(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":[1]}}"#);
    assert!(matches!(failure, Shape::Error { id: Some(Id::Number(1)), code: -32601, message } if message == "no"));
}

#[test]
fn only_an_error_may_come_without_an_id() {
    for id in [r#""id":null,"#, ""] {
        let body = format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"parse error"}}}}"#);
        assert!(matches!(one(&body), Shape::Error { id: None, .. }));
    }
    check_refused(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, "the id must be a string or an integer");
    check_refused(r#"{"jsonrpc":"2.0","id":null,"result":1}"#, "the id must be a string or an integer");
    check_refused(r#"{"jsonrpc":"2.0","result":1}"#, "has no id");
}

#[test]
fn ids_are_strings_or_integers_and_nothing_near_them() {
    for id in ["1.0", "1.5", "1e3", "true", "[1]", "{}", "9223372036854775808"] {
        check_refused(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#), "the id must be");
    }
    check_refused(
        format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"x"}}"#, "i".repeat(ID_BYTES_MAX)),
        "the id is longer",
    );
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},"method":"x"}}"#, i64::MIN);
    assert!(matches!(one(&body), Shape::Request { id: Id::Number(i64::MIN), .. }));
}

#[test]
fn params_keep_their_exact_text() {
    let Shape::Request { params: Some(params), .. } =
        one("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\": { \"a\" :1.50,\n\"b\":\"\\u0041\"} }")
    else {
        panic!("a request with params")
    };
    assert_eq!(params.text, "{ \"a\" :1.50,\n\"b\":\"\\u0041\"}");
}

#[test]
fn what_is_no_json_rpc_is_refused() {
    check_refused(r#"{"id":1,"method":"x"}"#, "does not say \"jsonrpc\": \"2.0\"");
    check_refused(r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, "does not say");
    check_refused(r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, "does not say");
    check_refused(r#"{"jsonrpc":"2.0","id":1}"#, "exactly one of");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#, "exactly one of");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#, "exactly one of");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"method":5}"#, "the method must be");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"method":""}"#, "the method must be");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"y"}"#, "params must be");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#, "params must be");
    check_refused(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#, "an integer code");
    for body in ["1", "null", "\"x\"", "[1]", "[[]]"] {
        check_refused(body, "is an object");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for body in [
        "",
        " ",
        "{",
        "{\"a\":1}}",
        "{} {}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "nul",
        "{\"a\":\"\t\"}",
        "// x\n{}",
    ] {
        check_refused(body, "not acceptable JSON");
    }
    check_refused(format!("{CALL}x"), "not acceptable JSON");
    check_refused(r#"{"a":"\ud800"}"#, "not acceptable JSON");
}

#[test]
fn text_in_another_encoding_is_refused() {
    check_refused([b"\xef\xbb\xbf", CALL.as_bytes()].concat(), "byte order mark");
    let utf16: Vec<u8> = CALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_refused(&utf16, "UTF-16");
    check_refused([&b"\xff\xfe"[..], &utf16].concat(), "UTF-16");
    check_refused(CALL.replace("add", "a\0d"), "NUL");
    check_refused(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", "not valid UTF-8");
    check_refused(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc0\xaf\"}", "not valid UTF-8");
}

#[test]
fn keys_that_come_twice_are_refused_at_any_depth() {
    check_refused(CALL.replace("\"id\":1,", "\"id\":1,\"id\":2,"), "comes twice");
    check_refused(CALL.replace("\"a\":1", "\"a\":1,\"a\":1"), "comes twice");
    check_refused(CALL.replace("\"a\":1", "\"a\":[[{\"b\":{},\"c\":0,\"b\":1}]]"), "comes twice");
    one(&CALL.replace("\"a\":1", "\"a\":{\"a\":1},\"b\":{\"a\":1},\"A\":2"));
}

#[test]
fn an_escape_hid_that_a_key_comes_twice() {
    check_refused(CALL.replace("\"id\":1,", "\"id\":1,\"m\\u0065thod\":\"ping\","), "comes twice");
    check_refused(CALL.replace("\"a\":1", "\"a\":1,\"\\u0061\":2"), "comes twice");
    assert!(
        matches!(one(r#"{"jsonrpc":"2.0","m\u0065thod":"x"}"#), Shape::Notification { method, .. } if method == "x")
    );
}

#[test]
fn readers_that_ignore_case_saw_another_method() {
    check_refused(CALL.replace("\"id\":1,", "\"id\":1,\"Method\":\"ping\","), "comes twice");
    check_refused(CALL.replace("\"name\":\"add\",", "\"name\":\"add\",\"NAME\":\"drop\","), "comes twice");
    check_refused(CALL.replace("\"id\":1,", "\"id\":1,\"paramſ\":{},"), "comes twice");
    check_refused(format!("[{}]", CALL.replace("\"id\":1,", "\"id\":1,\"ID\":2,")), "comes twice");
}

#[test]
fn a_reserved_key_was_read_as_the_json_within_its_string() {
    for key in ["RawValue", "Number"] {
        let hidden = format!(r#""a":{{"$serde_json::private::{key}":"1"}}"#);
        check_refused(CALL.replace("\"a\":1", &hidden), "reserved key");
    }
}

#[test]
fn numbers_that_some_readers_cannot_hold_are_refused() {
    for number in ["1e999", "-1E999", "1797693134862315706e290", "17976931348623157080e289", &"9".repeat(400)] {
        check_refused(CALL.replace("\"a\":1", &format!("\"a\":{number}")), "out of the range");
    }
    for number in ["1e-999", "1e308", "-0", &"9".repeat(300)] {
        one(&CALL.replace("\"a\":1", &format!("\"a\":{number}")));
    }
}

#[test]
fn halves_of_characters_are_refused_wherever_they_stand() {
    for half in [r#""a":"\udc00""#, r#""a":"\ud800\u0041""#, r#""\ud800":1"#, r#""a":["x\ud83d"]"#] {
        check_refused(CALL.replace("\"a\":1", half), "not acceptable JSON");
    }
    one(&CALL.replace("\"a\":1", r#""a":"\ud83d\ude00","\ud83d\ude00":1"#));
}

#[test]
fn a_result_beside_params_was_read_as_params() {
    let body = r#"{"jsonrpc":"2.0","id":1,"params":{"isError":true},"result":{"isError":false,"A":1,"a":2}}"#;
    let Shape::Response { result, .. } = one(body) else { panic!("an answer") };
    assert_eq!((result.text, result.members.get("isError")), (r#"{"isError":false,"A":1,"a":2}"#, Some("false")));
    let Shape::Response { result, .. } = one(r#"{"jsonrpc":"2.0","id":1,"result":[{"isError":true}]}"#) else {
        panic!("an answer")
    };
    assert_eq!(result.members.get("isError"), None);
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let arrays = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","method":"x","params":{arrays}}}"#)
    };
    one(&nested(DEPTH_MAX - 1));
    check_refused(nested(DEPTH_MAX), "deeper than 100 levels");
    check_refused("[".repeat(1_000_000), "deeper than 100 levels");
    check_refused("{\"a\":".repeat(1_000_000), "deeper than 100 levels");
}

#[test]
fn a_batch_is_several_messages_each_with_its_place() {
    let body = format!(" [ {CALL} ,{{\"jsonrpc\":\"2.0\",\"method\":\"n\"}}]\n");
    let messages = parse(body.as_bytes()).expect("a batch");
    let places: Vec<_> = messages.iter().map(|message| &body[message.place.clone()]).collect();
    assert_eq!(places, [CALL, "{\"jsonrpc\":\"2.0\",\"method\":\"n\"}"]);
    assert!(is_batch(body.as_bytes()) && !is_batch(CALL.as_bytes()) && !is_batch(b""));
    assert_eq!(parse(CALL.as_bytes()).expect("one")[0].place, 0..CALL.len());
    check_refused("[]", "a batch holds 1 to 1000");
    check_refused(format!("[{}]", vec![CALL; BATCH_MESSAGES_MAX + 1].join(",")), "a batch holds 1 to 1000");
    check_refused(format!("[{CALL},{{}}]"), "does not say");
}

#[test]
fn our_errors_are_messages() {
    for (id, text) in [(Some(Id::Text("a\"b".into())), "\"a\\\"b\""), (Some(Id::Number(7)), "7"), (None, "null")] {
        let body = String::from_utf8(error(id.as_ref(), 4301, "no", json!({"record_id": "r"}))).expect("text");
        assert!(body.contains(&format!("\"id\":{text}")), "{body}");
        assert!(matches!(one(&body), Shape::Error { id: read, code: 4301, .. } if read == id));
    }
}

#[test]
fn several_mib_with_many_keys_are_read() {
    let keys: Vec<_> = (0..50_000).map(|key| format!("\"key{key}\":\"{}\"", "v".repeat(40))).collect();
    let body = CALL.replace("\"a\":1", &keys.join(","));
    assert!(body.len() > 2_000_000);
    one(&body);
    check_refused(CALL.replace("\"a\":1", &format!("{},\"key7\":1", keys.join(","))), "comes twice");
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z\\\\\"ä]{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_json_is_in_the_arguments_passes_unchanged(arguments in json_values()) {
        let params = json!({"arguments": arguments}).to_string();
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{params}}}");
        let Shape::Request { params: Some(read), .. } = one(&body) else { panic!("a request") };
        prop_assert_eq!(read.text, params);
    }

    /// What passes is JSON to another reader as well, and what that reader takes is refused for our own reasons only.
    #[test]
    fn another_reader_takes_the_same(at in 0..CALL.len(), with in "[\\[\\]{}:,\"\\\\u0e.+-]{0,4}", without in 0..3_usize) {
        let mut body = CALL.as_bytes().to_vec();
        body.splice(at..(at + without).min(CALL.len()), with.bytes());
        let is_json = serde_json::from_slice::<Value>(&body).is_ok();
        match parse(&body) {
            Ok(_) => prop_assert!(is_json),
            Err(error) if error.to_string().contains("what JSON has not") => prop_assert!(!is_json),
            Err(_) => {}
        }
    }

    #[test]
    fn no_bytes_bring_the_parser_down(at in 0..CALL.len(), with in prop::collection::vec(any::<u8>(), 0..6)) {
        let mut body = CALL.as_bytes().to_vec();
        body.splice(at..(at + with.len()).min(CALL.len()), with);
        for message in parse(&body).unwrap_or_default() {
            prop_assert!(serde_json::from_slice::<Value>(&body[message.place]).is_ok());
        }
    }
}
