//! Calls that go through.

use bytes::Bytes;
use hansard_ingress::{Credential, Kind};
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;

use crate::{
    house::{House, Setup, body, call, outcome, read, words},
    upstream::{Reply, Upstream, json},
};

const ANSWER: &str = r#"{"jsonrpc":"2.0", "id":7, "result":{"content":[{"type":"text","text":"done"}]}}"#;

#[tokio::test]
async fn a_call_and_its_answer_pass_byte_for_byte_and_are_recorded() {
    let upstream = Upstream::start(|_| {
        let headers = vec![("content-type", "application/json"), ("x-upstream", "yes"), ("set-cookie", "a=b")];
        Reply::Whole(200, headers, Bytes::from_static(ANSWER.as_bytes()))
    })
    .await;
    let house = House::before(&upstream.url).await;
    let sent = "{ \"jsonrpc\":\"2.0\",\"method\":\"tools/call\", \"id\":7,\n\"params\":{\"name\":\"read\",\"arguments\":{\"path\":\"/tmp/x\"}}}";
    let answered = house.post_as("ann", &[("mcp-protocol-version", "2025-11-25")], sent).await;

    assert_eq!((answered.status, answered.body.as_ref()), (200, ANSWER.as_bytes()));
    assert_eq!(answered.headers["x-upstream"], "yes");
    assert!(!answered.headers.contains_key("set-cookie"));
    assert_eq!(upstream.seen()[0].body, sent);

    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "response"]);
    assert_eq!([body(&frames[0]).as_str(), &body(&frames[1])], [sent, ANSWER]);
    assert_eq!(frames[0].exchange_id, frames[1].exchange_id);
    assert_eq!([frames[0].ordinal, frames[1].ordinal], [0, 1]);
    assert_eq!(outcome(&frames[1]), "ok");
    for frame in &frames {
        let context = frame.context.as_ref().expect("a context");
        assert_eq!(context.principal.as_ref().map(|principal| principal.subject.as_str()), Some("ann"));
        assert_eq!(context.connection.as_deref(), Some("files"));
        assert_eq!(context.method.as_deref(), Some("tools/call"));
        assert_eq!(context.target.as_deref(), Some("read"));
        assert_eq!(context.protocol, "mcp/2025-11-25");
        assert_eq!(context.auth_method, "jwt");
        assert_eq!(context.source_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(context.ruling.as_ref().map(|ruling| ruling.verdict.as_str()), Some("allow"));
        assert!(context.arguments_digest.is_some() && context.conversation_id.is_some());
    }
    let ending = frames[1].ending.as_ref().expect("an ending");
    assert_eq!(ending.transport_status, Some(200));
    assert!(ending.duration_us >= ending.first_byte_us && ending.first_byte_us > Some(0));
}

#[tokio::test]
async fn the_callers_token_and_cookies_reach_neither_upstream_nor_trail() {
    let upstream = Upstream::saying(ANSWER).await;
    let credential = Credential {
        header: HeaderName::from_static("authorization"),
        value: HeaderValue::from_static("Bearer of-the-gateway"),
    };
    let house = House::with(&upstream.url, Setup { credential: Some(credential), ..Setup::default() }).await;
    let token = house.token("ann");
    let headers = [("cookie", "crumb=secret-cookie"), ("mcp-session-id", "secret-session")];
    let request =
        house.request(Method::POST, "/c/files", Some(&token), &headers, call(7, "read", json!({})).to_string());
    assert_eq!(read(house.send(request).await).await.status, 200);

    let seen = &upstream.seen()[0];
    assert_eq!(seen.headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer of-the-gateway"]);
    assert!(!seen.headers.contains_key("cookie"));
    assert_eq!(seen.headers["mcp-session-id"], "secret-session");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    for frame in house.frames().await {
        let shown = format!("{frame:?} {}", String::from_utf8_lossy(&frame.to_avro()));
        for secret in [&token, "secret-cookie", "secret-session", "of-the-gateway"] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}

#[tokio::test]
async fn path_and_query_are_appended_to_the_upstream() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::before(&upstream.url).await;
    let path = "/c/files/more?a=1";
    let request =
        house.request(Method::POST, path, Some(&house.token("ann")), &[], call(7, "read", json!({})).to_string());
    assert_eq!(read(house.send(request).await).await.status, 200);
    assert_eq!(upstream.seen()[0].path, "/mcp/more?a=1");
}

#[tokio::test]
async fn errors_of_the_upstream_pass_as_they_are() {
    let upstream = Upstream::start(|_| {
        Reply::Whole(404, vec![("content-type", "text/plain")], Bytes::from_static(b"no such session"))
    })
    .await;
    let house = House::before(&upstream.url).await;
    let answered = house.post(&call(7, "read", json!({}))).await;
    assert_eq!((answered.status, answered.body.as_ref()), (404, b"no such session".as_slice()));
    let frames = house.calls().await;
    assert_eq!((outcome(&frames[1]), body(&frames[1]).as_str()), ("transport_error", "no such session"));
    assert_eq!(frames[1].ending.as_ref().and_then(|ending| ending.transport_status), Some(404));
}

#[tokio::test]
async fn the_three_levels_of_failure_are_told_apart() {
    let answers = [
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "ok"),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such tool"}}"#, "rpc_error"),
        (r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[]}}"#, "tool_error"),
    ];
    for (answer, expected) in answers {
        let upstream = Upstream::saying(answer).await;
        let house = House::before(&upstream.url).await;
        assert_eq!(house.post(&call(7, "read", json!({}))).await.body, answer);
        let frames = house.calls().await;
        assert_eq!(outcome(&frames[1]), expected);
    }
}

#[tokio::test]
async fn a_notification_is_recorded_with_the_status_that_it_got() {
    let upstream = Upstream::start(|_| Reply::Whole(202, Vec::new(), Bytes::new())).await;
    let house = House::before(&upstream.url).await;
    let answered = house.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!((answered.status, answered.body.len()), (202, 0));
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["notification", "response"]);
    assert_eq!(frames[1].ending.as_ref().and_then(|ending| ending.transport_status), Some(202));
}

#[tokio::test]
async fn a_batch_is_one_exchange_with_a_frame_for_each_message() {
    let answer = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"two","result":{}}]"#;
    let upstream = Upstream::saying(answer).await;
    let house = House::before(&upstream.url).await;
    let batch = r#"[ {"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"two","method":"tools/list"}]"#;
    assert_eq!(house.post_as("ann", &[], batch).await.body, answer);
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "notification", "request", "response"]);
    assert_eq!(body(&frames[2]), r#"{"jsonrpc":"2.0","id":"two","method":"tools/list"}"#);
    assert_eq!(frames.iter().map(|frame| frame.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(upstream.seen()[0].body, batch);
}

#[tokio::test]
async fn the_definition_of_a_tool_goes_with_its_calls() {
    let upstream = Upstream::start(|seen| {
        let listing = seen.body.windows(10).any(|window| window == b"tools/list");
        json(if listing { r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}]}}"# } else { ANSWER })
    })
    .await;
    let house = House::before(&upstream.url).await;
    house.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    house.post(&call(7, "read", json!({}))).await;
    house.post(&call(8, "write", json!({}))).await;
    let frames = house.calls().await;
    let digest = |place: usize| frames[place].context.as_ref().expect("a context").target_digest;
    assert!(digest(0).is_none() && digest(2).is_some() && digest(4).is_none());
}

#[tokio::test]
async fn plain_http_is_recorded_by_method_and_path() {
    let upstream =
        Upstream::start(|_| Reply::Whole(201, vec![("content-length", "4")], Bytes::from_static(b"made"))).await;
    let house = House::with(&upstream.url, Setup { kind: Kind::Http, ..Setup::default() }).await;
    let request = house.request(Method::PUT, "/c/files/a?b=1", Some(&house.token("ann")), &[], "plain text");
    let answered = read(house.send(request).await).await;
    assert_eq!((answered.status, answered.body.as_ref()), (201, b"made".as_slice()));
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "response"]);
    let context = frames[0].context.as_ref().expect("a context");
    assert_eq!((context.method.as_deref(), context.target.as_deref()), (Some("PUT"), Some("/a?b=1")));
    assert_eq!([body(&frames[0]), body(&frames[1])], ["plain text", "made"]);
    let seen = &upstream.seen()[0];
    assert_eq!((&seen.method, seen.path.as_str()), (&Method::PUT, "/mcp/a?b=1"));
}

#[tokio::test]
async fn calls_of_one_session_are_one_conversation_and_others_are_not() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::before(&upstream.url).await;
    let ping = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" }).to_string();
    for session in ["one", "two", "one"] {
        house.post_as("ann", &[("mcp-session-id", session)], ping.clone()).await;
    }
    house.post_as("ann", &[], ping.clone()).await;
    house.post_as("ann", &[], ping.clone()).await;
    house.post_as("bob", &[], ping).await;
    let frames = house.calls().await;
    let conversation =
        |call: usize| frames[2 * call].context.as_ref().expect("a context").conversation_id.expect("one");
    assert_eq!(conversation(0), conversation(2));
    assert_ne!(conversation(0), conversation(1));
    assert_eq!(conversation(3), conversation(4));
    assert_ne!(conversation(3), conversation(5));
}
