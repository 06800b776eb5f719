//! Calls of both eras as they are described, and headers that tell another story.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::*;
use crate::jsonrpc::parse;

/// A message borrows from its body, which lives as long as the test.
fn message(body: &Value) -> Message<'static> {
    parse(body.to_string().leak().as_bytes()).expect("a message").remove(0)
}

fn request(method: &str, params: Value) -> Message<'static> {
    message(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
    };
    let mut headers = HeaderMap::new();
    pairs.iter().map(pair).for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

fn described(pairs: &[(&str, &str)], message: &Message<'_>) -> Described {
    describe("github", &headers(pairs), message).expect("described")
}

#[track_caller]
fn check_refused(pairs: &[(&str, &str)], message: &Message<'_>, why: &str) {
    let error = describe("github", &headers(pairs), message).expect_err("a refusal").to_string();
    assert!(error.contains(why), "{error:?} does not say {why:?}");
}

#[track_caller]
fn check_target(method: &str, params: Value, target: &str) {
    assert_eq!(described(&[], &request(method, params)).call.target, target, "{method}");
}

fn stateless_call() -> Message<'static> {
    request(
        "tools/call",
        json!({
            "name": "deploy_web",
            "arguments": {"region": "eu-west", "count": 42, "dry": true, "nested": {"note": "Grüße"}, "list": ["in"]},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "inspector", "version": "1.2"},
                "io.modelcontextprotocol/clientCapabilities": {},
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "progressToken": "p1",
            },
        }),
    )
}

#[test]
fn a_stateless_call_says_all_by_itself() {
    let described = described(&[("MCP-Protocol-Version", "2026-07-28")], &stateless_call());
    assert_eq!(described.era, Era::Stateless);
    assert_eq!(described.call.protocol, "mcp/2026-07-28");
    assert_eq!((&*described.call.connection, &*described.call.method), ("github", "tools/call"));
    assert_eq!(described.call.target, "deploy_web");
    assert_eq!(described.call.arguments.json()["count"], 42);
    assert_eq!(described.call.arguments.text(), "in\nGrüße\neu-west");
    assert_eq!(described.client.as_deref(), Some("inspector/1.2"));
    assert_eq!(described.progress_token, Some(json!("p1")));
    assert!(described.traceparent.as_deref().and_then(trace).is_some());
}

#[test]
fn a_call_of_a_session_takes_its_revision_from_the_header() {
    let call = request("tools/call", json!({"name": "add", "arguments": {}, "_meta": {"progressToken": 7}}));
    let with = described(&[("MCP-Protocol-Version", "2025-11-25")], &call);
    assert_eq!((with.era, &*with.call.protocol), (Era::Sessions, "mcp/2025-11-25"));
    assert_eq!(with.progress_token, Some(json!(7)));
    assert_eq!(described(&[], &call).call.protocol, "mcp/2025-03-26");
}

#[test]
fn initialize_asks_for_a_revision_and_names_the_client() {
    let initialize = request(
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "cli", "version": "2"}}),
    );
    let described = described(&[], &initialize);
    assert_eq!((described.era, &*described.call.protocol), (Era::Sessions, "mcp/2025-06-18"));
    assert_eq!(described.client.as_deref(), Some("cli/2"));
}

#[test]
fn a_revision_that_is_none_is_refused() {
    let call = request("ping", json!({}));
    for version in ["", "2025-11-25\u{e4}", "a b", &"1".repeat(33)] {
        let error = describe("c", &headers(&[("mcp-protocol-version", version)]), &call);
        assert!(error.is_err(), "{version:?}");
    }
    assert_eq!(described(&[("mcp-protocol-version", "DRAFT-2026-v1")], &call).era, Era::Sessions);
    assert_eq!(described(&[("mcp-protocol-version", "2027-01-01")], &call).era, Era::Stateless);
}

#[test]
fn each_method_acts_on_its_target() {
    check_target("tools/call", json!({"name": "add"}), "add");
    check_target("prompts/get", json!({"name": "review"}), "review");
    check_target("resources/read", json!({"uri": "file:///a"}), "file:///a");
    check_target("resources/subscribe", json!({"uri": "file:///a"}), "file:///a");
    check_target("tasks/cancel", json!({"taskId": "t"}), "t");
    check_target("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "review"}}), "review");
    check_target("completion/complete", json!({"ref": {"type": "ref/resource", "uri": "a/{b}"}}), "a/{b}");
    check_target("tools/list", json!({"name": "add"}), "");
    check_target("tools/call", json!({}), "");
}

#[test]
fn a_target_of_another_kind_is_refused() {
    check_refused(&[], &request("tools/call", json!({"name": 5})), "\"name\" must be a string");
    check_refused(&[], &request("resources/read", json!({"uri": ["x"]})), "\"uri\" must be a string");
}

#[test]
fn a_key_in_other_letters_hid_the_tool_from_policy() {
    check_refused(&[], &request("tools/call", json!({"Name": "drop"})), "spelled like \"name\"");
    check_refused(&[], &request("tools/call", json!({"name": "a", "Arguments": {}})), "spelled like \"arguments\"");
    check_refused(&[], &request("tools/call", json!({"name": "a", "argumentſ": {}})), "spelled like \"arguments\"");
}

#[test]
fn the_digest_is_of_the_exact_arguments() {
    let digest_of = |body: &str| {
        let message = parse(body.as_bytes()).expect("a message").remove(0);
        described(&[], &message).call.arguments_digest
    };
    let call =
        |params: &str| digest_of(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#));
    assert_eq!(call(r#"{"name":"a","arguments":{"x": 1}}"#), Some(digest(br#"{"x": 1}"#)));
    assert_ne!(call(r#"{"name":"a","arguments":{"x": 1}}"#), call(r#"{"name":"a","arguments":{"x":1}}"#));
    assert_eq!(
        call(r#"{"name":"a","_meta":{"progressToken":1}}"#),
        call(r#"{"name":"a","_meta":{"progressToken":2}}"#)
    );
    assert_eq!(digest_of(r#"{"jsonrpc":"2.0","method":"ping"}"#), None);
}

#[test]
fn params_without_arguments_are_the_arguments() {
    let described = described(&[], &request("completion/complete", json!({"argument": {"value": "py"}})));
    assert_eq!(*described.call.arguments.json(), json!({"argument": {"value": "py"}}));
    assert_eq!(described.call.arguments.text(), "py");
}

#[test]
fn an_answer_of_the_client_has_its_result_for_arguments() {
    let answer = message(&json!({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "Name": "x"}}));
    let described = described(&[("mcp-method", "tools/call")], &answer);
    assert_eq!((&*described.call.method, described.call.arguments.text()), ("", "x\naccept"));
}

#[test]
fn headers_that_equal_the_body_pass() {
    described(
        &[
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "deploy_web"),
            ("Mcp-Param-Region", "eu-west"),
            ("Mcp-Param-Count", "42"),
            ("Mcp-Param-Dry", "true"),
            ("Mcp-Param-Note", "=?base64?R3LDvMOfZQ==?="),
        ],
        &stateless_call(),
    );
    described(&[("Mcp-Name", "=?base64?ZGVwbG95X3dlYg==?=")], &stateless_call());
    described(&[("Mcp-Param-X", "1.0")], &request("tools/call", json!({"name": "a", "arguments": {"x": 1}})));
}

#[test]
fn headers_that_differ_from_the_body_are_refused() {
    let differ = "does not equal the body";
    check_refused(&[("MCP-Protocol-Version", "2025-11-25")], &stateless_call(), differ);
    check_refused(&[("Mcp-Method", "tools/list")], &stateless_call(), differ);
    check_refused(&[("Mcp-Method", "TOOLS/CALL")], &stateless_call(), differ);
    check_refused(&[("Mcp-Name", "read_only")], &stateless_call(), differ);
    check_refused(&[("Mcp-Param-Region", "us-east")], &stateless_call(), differ);
    check_refused(&[("Mcp-Param-Item", "in")], &stateless_call(), differ);
    check_refused(&[("Mcp-Name", "x")], &request("tools/list", json!({})), differ);
}

#[test]
fn headers_that_cannot_be_read_are_refused() {
    check_refused(&[("Mcp-Name", "deploy_web"), ("Mcp-Name", "deploy_web")], &stateless_call(), "comes twice");
    check_refused(&[("Mcp-Name", "=?base64?%%?=")], &stateless_call(), "not valid Base64");
    check_refused(&[("Mcp-Name", "=?base64?/w==?=")], &stateless_call(), "not valid Base64");
    check_refused(&[("Mcp-Name", "déploy")], &stateless_call(), "not plain ASCII");
}

#[test]
fn what_a_revision_demands_is_left_to_the_upstream_to_miss() {
    assert_eq!(described(&[], &stateless_call()).era, Era::Stateless);
}

#[test]
fn only_one_revision_has_batches() {
    assert!(takes_batches(&headers(&[])));
    assert!(takes_batches(&headers(&[("MCP-Protocol-Version", "2025-03-26")])));
    assert!(!takes_batches(&headers(&[("MCP-Protocol-Version", "2025-11-25")])));
}

#[test]
fn answers_say_how_the_call_ended() {
    let of = |body: Value| answer(&message(&body));
    let failed = of(json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such tool"}}));
    assert_eq!(failed, Answer { rpc_code: Some(-32602), is_error: None, error: Some("no such tool".into()) });
    let content = json!([{"type": "image"}, {"type": "text", "text": "disk full"}]);
    let tool = of(json!({"jsonrpc": "2.0", "id": 1, "result": {"isError": true, "content": content}}));
    assert_eq!(tool, Answer { rpc_code: None, is_error: Some(true), error: Some("disk full".into()) });
    let fine = of(json!({"jsonrpc": "2.0", "id": 1, "result": {"isError": false, "content": content}}));
    assert_eq!(fine, Answer { rpc_code: None, is_error: Some(false), error: None });
    assert_eq!(of(json!({"jsonrpc": "2.0", "id": 1, "result": []})), Answer::default());
}

#[test]
fn a_long_error_is_cut_between_characters() {
    let text = "ä".repeat(ERROR_BYTES_MAX);
    let failed =
        answer(&message(&json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": format!("x{text}")}})));
    assert_eq!(failed.error.map(|error| error.len()), Some(ERROR_BYTES_MAX - 1));
}

#[test]
fn a_tool_s_digest_is_of_its_exact_definition() {
    let tools = r#"{"tools":[{"name":"a","x": 1},{"name":"b"},{"nameless":1},7]}"#;
    let listed = |result: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let message = parse(body.as_bytes()).expect("a message").remove(0);
        let Shape::Response { result, .. } = message.shape else { panic!("an answer") };
        tool_digests(&result)
    };
    let expected =
        vec![("a".to_owned(), digest(br#"{"name":"a","x": 1}"#)), ("b".to_owned(), digest(br#"{"name":"b"}"#))];
    assert_eq!(listed(tools), expected);
    assert!(listed("[]").is_empty() && listed(r#"{"tools":{"name":"a"}}"#).is_empty());
}

#[test]
fn trace_parents_are_read_strictly() {
    let (trace_id, span_id) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let good = format!("00-{trace_id}-{span_id}-01");
    let parent = |sampled| TraceParent { trace_id: trace_id.into(), span_id: span_id.into(), sampled };
    assert_eq!(trace(&good), Some(parent(true)));
    assert_eq!(trace(&good.replace("-01", "-02")), Some(parent(false)));
    assert!(trace(&format!("01-{trace_id}-{span_id}-01-more")).is_some());
    for bad in [
        String::new(),
        good.to_uppercase(),
        format!("{good}-more"),
        format!("{good} "),
        format!("ff-{trace_id}-{span_id}-01"),
        format!("00-{}-{span_id}-01", "0".repeat(32)),
        format!("00-{trace_id}-{}-01", "0".repeat(16)),
        format!("00-{trace_id}-{span_id}"),
    ] {
        assert_eq!(trace(&bad), None, "{bad:?}");
    }
}

#[test]
fn a_session_is_one_conversation_everywhere() {
    let conversation = conversation_of("github", "s1");
    assert_eq!(conversation, conversation_of("github", "s1"));
    assert_ne!(conversation, conversation_of("github", "s2"));
    assert_ne!(conversation, conversation_of("gitlab", "s1"));
    assert_eq!(conversation.0.get_version_num(), 8);
    assert_eq!(conversation.0.get_variant(), uuid::Variant::RFC4122);
}
