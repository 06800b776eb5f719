//! Streamed answers: event by event, each after its record.

use bytes::Bytes;
use hansard_ingress::{Kind, Limits};
use http::Method;
use http_body_util::BodyExt;
use schemas::FrameKind;
use serde_json::json;

use crate::{
    house::{House, Setup, body, call, next_bytes, outcome, until_said, words},
    upstream::{Broken, Reply, Upstream},
};

const PRIMING: &str = "id: e-1\r\nretry: 500\r\ndata:\r\n\r\n";
const PROGRESS: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n";
const SAMPLING: &str =
    "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"sampling/createMessage\"}\n\n";
const ANSWER: &str = "id: e-2\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";

fn piece(text: &str) -> Result<Bytes, Broken> {
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

#[tokio::test]
async fn an_event_arrives_before_the_upstream_sends_the_next_and_after_its_record() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    for (event, kinds) in [
        (PRIMING, vec!["request", "chunk"]),
        (PROGRESS, vec!["request", "chunk", "notification"]),
        (SAMPLING, vec!["request", "chunk", "notification", "request"]),
        (": still here\n\n", vec!["request", "chunk", "notification", "request", "chunk"]),
        (ANSWER, vec!["request", "chunk", "notification", "request", "chunk", "response"]),
    ] {
        events.send(piece(event)).await.expect("taken");
        assert_eq!(next_bytes(&mut answer).await.expect("an event"), event);
        assert_eq!(words(&house.calls().await), kinds, "recorded before it passed");
    }
    drop(events);
    assert!(next_bytes(&mut answer).await.is_none());

    let frames = house.calls().await;
    assert_eq!(frames.iter().map(|frame| frame.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(body(&frames[5]), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    assert_eq!((outcome(&frames[5]), outcome(&frames[3])), ("ok", "none"));
    let method = |place: usize| frames[place].context.as_ref().and_then(|context| context.method.clone());
    assert_eq!(method(2).as_deref(), Some("notifications/progress"));
    assert_eq!(method(3).as_deref(), Some("sampling/createMessage"));
    assert!(frames[1].context.is_some() && frames[4].context.is_none(), "context on the first chunk only");
}

#[tokio::test]
async fn events_that_come_in_pieces_or_together_pass_unchanged() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let all = [PRIMING, PROGRESS, SAMPLING, ANSWER, "data: cut o"].concat();
    let sent = all.clone();
    tokio::spawn(async move {
        for pieces in sent.as_bytes().chunks(13) {
            events.send(Ok(Bytes::copy_from_slice(pieces))).await.expect("taken");
        }
    });
    let answer = house.post(&call(7, "read", json!({}))).await;
    assert_eq!(answer.body, all);
    let frames = house.calls_when("the end", |frames| frames.len() == 7).await;
    assert_eq!(words(&frames)[1..], ["chunk", "notification", "request", "response", "chunk", "response"]);
    assert_eq!(body(&frames[5]), "data: cut o");
}

#[tokio::test]
async fn a_stream_without_its_answer_is_closed_as_interrupted() {
    for broken in [false, true] {
        let (upstream, events) = Upstream::streaming().await;
        let house = House::before(&upstream.url).await;
        let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
        events.send(piece(PROGRESS)).await.expect("taken");
        assert_eq!(next_bytes(&mut answer).await.expect("an event"), PROGRESS);
        if broken {
            events.send(Err(Broken)).await.expect("taken");
        }
        drop(events);
        let end = answer.frame().await;
        assert_eq!(end.is_some_and(|frame| frame.is_err()), broken, "the caller sees what the upstream did");
        let frames = house.calls_when("the end", |frames| frames.len() == 3).await;
        assert_eq!((frames[2].kind, outcome(&frames[2])), (FrameKind::Response, "interrupted"));
    }
}

#[tokio::test]
async fn leaving_cancels_in_the_stateless_era() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let mut call = call(7, "read", json!({}));
    call["params"]["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "read")];
    let mut answer = house.open_as("ann", &headers, call.to_string()).await.into_body();
    events.send(piece(PROGRESS)).await.expect("taken");
    assert_eq!(next_bytes(&mut answer).await.expect("an event"), PROGRESS);
    drop(answer);
    events.closed().await;
    let frames = house.calls_when("the end", |frames| frames.len() == 3).await;
    assert_eq!(outcome(&frames[2]), "cancelled");
}

#[tokio::test]
async fn leaving_does_not_cancel_in_the_session_era_and_the_answer_is_recorded() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    events.send(piece(PROGRESS)).await.expect("taken");
    assert_eq!(next_bytes(&mut answer).await.expect("an event"), PROGRESS);
    drop(answer);
    for event in [PROGRESS, PROGRESS, ANSWER] {
        events.send(piece(event)).await.expect("still read");
    }
    let frames = house.calls_when("the answer", |frames| frames.len() == 5).await;
    assert_eq!((frames[4].kind, outcome(&frames[4])), (FrameKind::Response, "ok"));
}

#[tokio::test]
async fn a_listening_stream_is_an_exchange_that_ends_with_its_listener() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let request = house.request(Method::GET, "/c/files", Some(&house.token("ann")), &[("mcp-session-id", "s")], "");
    let mut listening = house.send(request).await.into_body();
    events.send(piece(PROGRESS)).await.expect("taken");
    assert_eq!(next_bytes(&mut listening).await.expect("an event"), PROGRESS);
    drop(listening);
    events.closed().await;
    let frames = house.calls_when("the end", |frames| frames.len() == 3).await;
    assert_eq!(words(&frames), ["request", "notification", "response"]);
    assert_eq!(frames[0].context.as_ref().and_then(|context| context.method.as_deref()), Some("GET"));
    assert_eq!(frames[0].body, None);
    assert_eq!(outcome(&frames[2]), "cancelled");
}

#[tokio::test]
async fn an_event_beyond_the_limit_ends_the_stream_with_a_reason() {
    let limits = Limits { event_bytes_max: 200, ..Limits::default() };
    let (upstream, events) = Upstream::streaming().await;
    let house = House::with(&upstream.url, Setup { limits, ..Setup::default() }).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    events.send(piece(&format!("data: {}", "x".repeat(300)))).await.expect("taken");
    let said = until_said(&mut answer, "5304").await;
    assert!(!said.contains("xxx"), "{said}");
    let frames = house.calls_when("the end", |frames| frames.len() == 2).await;
    assert_eq!(outcome(&frames[1]), "too_large");
}

#[tokio::test]
async fn a_silent_stream_ends_with_a_reason() {
    let limits = Limits { stream_idle_seconds_max: 1, ..Limits::default() };
    let (upstream, _events) = Upstream::streaming().await;
    let house = House::with(&upstream.url, Setup { limits, ..Setup::default() }).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    until_said(&mut answer, "5303").await;
    let frames = house.calls_when("the end", |frames| frames.len() == 2).await;
    assert_eq!(outcome(&frames[1]), "timeout");
}

#[tokio::test]
async fn the_endpoint_of_the_oldest_transport_leads_through_the_gate_and_is_its_callers_alone() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let request = house.request(Method::GET, "/c/files/sse", Some(&house.token("ann")), &[], "");
    let mut listening = house.send(request).await.into_body();
    events.send(piece("event: endpoint\ndata: /mcp/messages?sessionId=secret\n\n")).await.expect("taken");
    let said = next_bytes(&mut listening).await.expect("an event");
    assert_eq!(said, "event: endpoint\ndata: /c/files/messages?sessionId=secret\n\n");
    for frame in house.calls().await {
        assert!(!String::from_utf8_lossy(&frame.to_avro()).contains("secret"));
    }
    let path = "/c/files/messages?sessionId=secret";
    let theft =
        house.request(Method::POST, path, Some(&house.token("bob")), &[], call(7, "read", json!({})).to_string());
    assert_eq!(house.send(theft).await.status(), 404);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_endpoint_outside_the_upstream_ends_the_stream() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let request = house.request(Method::GET, "/c/files", Some(&house.token("ann")), &[], "");
    let mut listening = house.send(request).await.into_body();
    events.send(piece("event: endpoint\ndata: http://evil.example/steal\n\n")).await.expect("taken");
    assert!(listening.frame().await.is_some_and(|frame| frame.is_err()));
    let frames = house.calls_when("the end", |frames| frames.len() == 2).await;
    assert_eq!(outcome(&frames[1]), "garbage");
}

#[tokio::test]
async fn plain_http_streams_in_chunks() {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let upstream = Upstream::start(move |_| {
        let receiver = receiver.lock().expect("no panic").take().expect("one stream");
        Reply::Stream(vec![("content-type", "text/plain")], receiver)
    })
    .await;
    let house = House::with(&upstream.url, Setup { kind: Kind::Http, ..Setup::default() }).await;
    let request = house.request(Method::GET, "/c/files/log", Some(&house.token("ann")), &[], "");
    let mut answer = house.send(request).await.into_body();
    for line in ["one\n", "two\n"] {
        sender.send(piece(line)).await.expect("taken");
        assert_eq!(next_bytes(&mut answer).await.expect("a piece"), line);
    }
    drop(sender);
    assert!(next_bytes(&mut answer).await.is_none());
    let frames = house.calls_when("the end", |frames| frames.len() == 4).await;
    assert_eq!(words(&frames), ["request", "chunk", "chunk", "response"]);
    assert_eq!(outcome(&frames[3]), "ok");
}

#[tokio::test]
async fn an_answer_too_long_for_one_frame_is_recorded_in_pieces() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"text":"{}"}}}}"#, "x".repeat(9 << 20));
    let sent = long.clone();
    let upstream = Upstream::start(move |_| {
        Reply::Whole(200, vec![("content-type", "application/json")], Bytes::copy_from_slice(sent.as_bytes()))
    })
    .await;
    let house = House::before(&upstream.url).await;
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, long);
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "chunk", "chunk", "response"]);
    assert_eq!([body(&frames[1]), body(&frames[2])].concat(), long);
    assert_eq!((outcome(&frames[3]), frames[3].body.is_none()), ("ok", true));
}
