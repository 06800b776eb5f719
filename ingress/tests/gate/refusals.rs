//! Calls that do not go through: each is told why, and each is a record.

use std::time::Duration;

use hansard_ingress::Limits;
use http::Method;
use schemas::{Frame, FrameKind};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    house::{House, PATIENCE, Setup, body, call, outcome, read, words},
    upstream::Upstream,
};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

/// The house, and an upstream that must not be reached.
async fn guarded(setup: Setup) -> (House, Upstream) {
    let upstream = Upstream::saying(ANSWER).await;
    (House::with(&upstream.url, setup).await, upstream)
}

/// There is one frame, a refusal with this outcome; nothing reached the upstream.
async fn check(house: &House, upstream: &Upstream, expected: &str) -> Frame {
    let frames = house.calls_when("a refusal", |frames| !frames.is_empty()).await;
    assert_eq!(words(&frames), ["refusal"]);
    assert_eq!(outcome(&frames[0]), expected);
    assert_eq!(upstream.seen().len(), 0, "the upstream was reached");
    frames[0].clone()
}

#[tokio::test]
async fn without_a_token_the_caller_learns_where_to_get_one() {
    let (house, upstream) = guarded(Setup::default()).await;
    let request = house.request(Method::POST, "/c/files", None, &[], call(7, "read", json!({})).to_string());
    let answered = read(house.send(request).await).await;
    assert_eq!(answered.status, 401);
    let url = format!("http://{}/.well-known/oauth-protected-resource/c/files", house.address);
    assert_eq!(answered.headers["www-authenticate"], format!(r#"Bearer resource_metadata="{url}""#));

    let frame = check(&house, &upstream, "unauthenticated").await;
    let context = frame.context.as_ref().expect("a context");
    assert_eq!((context.principal.as_ref(), context.auth_method.as_str()), (None, "none"));
    assert_eq!((context.method.as_deref(), context.target.as_deref()), (Some("POST"), Some("/c/files")));
    assert_eq!(frame.body, None, "an unauthenticated body must not fill the trail");
    assert!(frame.body_bytes > 0);

    let path = url.strip_prefix(&format!("http://{}", house.address)).expect("a path");
    let metadata = read(house.send(house.request(Method::GET, path, None, &[], "")).await).await.json();
    assert_eq!(metadata["resource"], format!("http://{}/c/files", house.address));
    assert!(metadata["authorization_servers"][0].as_str().is_some_and(|issuer| issuer.starts_with("https://")));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_never_recorded() {
    let (house, upstream) = guarded(Setup::default()).await;
    let foreign = house.token_for("ann", "https://other.invalid", Duration::from_secs(600));
    let mut forged = house.token("ann");
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for token in ["nonsense", &foreign, &forged] {
        let request = house.request(Method::POST, "/c/files", Some(token), &[], call(7, "read", json!({})).to_string());
        let answered = read(house.send(request).await).await;
        assert_eq!(answered.status, 401);
        let challenge = answered.headers["www-authenticate"].to_str().expect("text");
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["refusal"; 3]);
    for frame in &frames {
        let shown = format!("{frame:?}");
        assert!(!shown.contains(&foreign) && !shown.contains(&forged) && !shown.contains("nonsense"));
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn what_policy_blocks_is_an_answer_that_the_model_can_read() {
    let rules = json!({ "rule": [{ "name": "no-drop", "when": "call.text.contains('DROP')", "then": "block", "message": "DROP is not allowed here" }] });
    let (house, upstream) = guarded(Setup { rules, ..Setup::default() }).await;
    let answered = house.post(&call(7, "sql", json!({ "q": "DROP TABLE x" }))).await;
    assert_eq!((answered.status, answered.code()), (200, 4301));
    let error = &answered.json()["error"];
    assert_eq!((&answered.json()["id"], &error["message"]), (&json!(7), &json!("DROP is not allowed here")));

    let frame = check(&house, &upstream, "blocked").await;
    assert_eq!(error["data"]["exchange_id"], frame.exchange_id.to_string());
    let ruling = frame.context.as_ref().and_then(|context| context.ruling.clone()).expect("a ruling");
    assert_eq!((ruling.verdict.as_str(), ruling.rule.as_deref()), ("block", Some("no-drop")));
    assert!(body(&frame).contains("DROP TABLE x"));
    assert_eq!(frame.context.as_ref().and_then(|context| context.target.as_deref()), Some("sql"));
}

#[tokio::test]
async fn one_blocked_message_stops_its_batch() {
    let rules =
        json!({ "rule": [{ "name": "no-write", "when": "call.target == 'write'", "then": "block", "message": "no" }] });
    let (house, upstream) = guarded(Setup { rules, ..Setup::default() }).await;
    let answered = house.post(&json!([call(1, "read", json!({})), call(2, "write", json!({}))])).await;
    let codes: Vec<Value> =
        answered.json().as_array().expect("a batch").iter().map(|e| e["error"]["code"].clone()).collect();
    assert_eq!(codes, [4301, 4301]);
    let frame = check(&house, &upstream, "blocked").await;
    assert_eq!(frame.context.as_ref().and_then(|context| context.target.as_deref()), Some("write"));
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_recorded() {
    let long = [("mcp-protocol-version", "2025-11-25")];
    let named = [("mcp-method", "tools/list")];
    let none = [("x-none", "1")];
    let cases = [
        (&none, "{not json", -32700),
        (&none, r#"{"jsonrpc":"2.0","id":7}"#, -32600),
        (&none, r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/call"}"#, -32600),
        (&long, r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600),
        (&named, r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, -32020),
    ];
    for (headers, sent, code) in cases {
        let (house, upstream) = guarded(Setup::default()).await;
        let answered = house.post_as("ann", headers, sent).await;
        assert_eq!((answered.status, answered.code()), (400, code), "{sent}");
        let frame = check(&house, &upstream, "malformed").await;
        assert_eq!(body(&frame), sent);
    }
}

#[tokio::test]
async fn a_compressed_request_is_refused() {
    let (house, upstream) = guarded(Setup::default()).await;
    let answered = house.post_as("ann", &[("content-encoding", "gzip")], "whatever").await;
    assert_eq!(answered.status, 415);
    check(&house, &upstream, "malformed").await;
}

#[tokio::test]
async fn a_huge_body_is_refused_by_its_announcement_or_on_the_way() {
    let limits = Limits { request_body_bytes_max: 1000, ..Limits::default() };
    for chunked in [false, true] {
        let (house, upstream) = guarded(Setup { limits: limits.clone(), ..Setup::default() }).await;
        let mut socket = TcpStream::connect(&house.address).await.expect("connected");
        let framing = if chunked { "transfer-encoding: chunked" } else { "content-length: 1073741824" };
        let head = format!(
            "POST /c/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{framing}\r\n\r\n",
            house.token("ann")
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        if chunked {
            let chunk = format!("800\r\n{}\r\n", "x".repeat(0x800));
            socket.write_all(chunk.as_bytes()).await.expect("sent");
        }
        let answered = until_closed(&mut socket).await;
        assert!(answered.starts_with("HTTP/1.1 413"), "{answered}");
        let frame = check(&house, &upstream, "too_large").await;
        assert_eq!(frame.body, None);
        assert_eq!(frame.body_bytes, if chunked { 0x800 } else { 1 << 30 });
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let limits = Limits { body_read_seconds_max: 1, ..Limits::default() };
    let (house, upstream) = guarded(Setup { limits, ..Setup::default() }).await;
    let mut socket = TcpStream::connect(&house.address).await.expect("connected");
    let token = house.token("ann");
    let head = format!(
        "POST /c/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    let answered = until_closed(&mut socket).await;
    assert!(answered.starts_with("HTTP/1.1 408"), "{answered}");
    let frame = check(&house, &upstream, "timeout").await;
    assert_eq!(
        frame.context.as_ref().and_then(|context| context.principal.clone()).map(|p| p.subject),
        Some("ann".into())
    );
}

#[tokio::test]
async fn whoever_does_not_finish_a_head_is_hung_up_on() {
    let limits = Limits { header_read_seconds_max: 1, ..Limits::default() };
    let (house, _upstream) = guarded(Setup { limits, ..Setup::default() }).await;
    for start in ["", "PRI * HT", "POST /c/files HTTP/1.1\r\nhost: loc"] {
        let mut socket = TcpStream::connect(&house.address).await.expect("connected");
        socket.write_all(start.as_bytes()).await.expect("sent");
        until_closed(&mut socket).await;
    }
    assert!(house.calls().await.is_empty());
}

#[tokio::test]
async fn a_session_belongs_to_whoever_opened_it() {
    let upstream = Upstream::start(|_| {
        let headers = vec![("content-type", "application/json"), ("mcp-session-id", "stolen")];
        crate::upstream::Reply::Whole(200, headers, ANSWER.into())
    })
    .await;
    let house = House::before(&upstream.url).await;
    let initialize =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } });
    assert_eq!(house.post(&initialize).await.status, 200);
    let stolen = [("mcp-session-id", "stolen")];
    let theft = house.post_as("bob", &stolen, call(8, "read", json!({})).to_string()).await;
    assert_eq!((theft.status, theft.code()), (404, 4300));
    let own = house.post_as("ann", &stolen, call(7, "read", json!({})).to_string()).await;
    assert_eq!(own.status, 200);
    assert_eq!(upstream.seen().len(), 2);
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "response", "refusal", "request", "response"]);
    assert_eq!(outcome(&frames[2]), "forbidden");
    let conversation = |place: usize| frames[place].context.as_ref().and_then(|context| context.conversation_id);
    assert_eq!(conversation(1), conversation(3), "the answer to initialize opens the conversation");
    assert!(conversation(1).is_some());
}

#[tokio::test]
async fn pages_of_strangers_and_foreign_names_reach_nothing() {
    for headers in [[("host", "evil.example")], [("origin", "https://evil.example")], [("origin", "null")]] {
        let (house, upstream) = guarded(Setup::default()).await;
        let answered = house.post_as("ann", &headers, call(7, "read", json!({})).to_string()).await;
        assert_eq!((answered.status, answered.code()), (403, 4300));
        check(&house, &upstream, "forbidden").await;
    }
    let (house, _upstream) = guarded(Setup::default()).await;
    for origin in ["http://localhost:6274", "http://127.0.0.1:1"] {
        let answered = house.post_as("ann", &[("origin", origin)], call(7, "read", json!({})).to_string()).await;
        assert_eq!(answered.status, 200);
    }
}

#[tokio::test]
async fn paths_that_serve_nothing_are_recorded_when_somebody_called() {
    let (house, upstream) = guarded(Setup::default()).await;
    let get = |path: &str, token: Option<&str>| house.request(Method::GET, path, token, &[], "");
    assert_eq!(read(house.send(get("/favicon.ico", None)).await).await.status, 404);
    assert!(house.calls().await.is_empty());
    assert_eq!(
        read(house.send(get("/c/unknown", None)).await).await.status,
        401,
        "nobody learns which connections exist"
    );
    let token = house.token("ann");
    for path in ["/c/unknown", "/elsewhere", "/c/files/../x", "/c/files/%2e%2e/x"] {
        assert_eq!(read(house.send(get(path, Some(&token))).await).await.status, 404, "{path}");
    }
    let frames = house.calls().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == FrameKind::Refusal).count(), 5);
    assert!(upstream.seen().is_empty());
}

async fn until_closed(socket: &mut TcpStream) -> String {
    let mut answered = Vec::new();
    // A reset is as good as an end here.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answered)).await.expect("closed in time");
    String::from_utf8_lossy(&answered).into_owned()
}
