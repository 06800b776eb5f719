//! Connections that mask what passes: the caller's side, the upstream's side, and that others pass every byte as it is.

use bytes::Bytes;
use hansard_ingress::Kind;
use http::Method;
use serde_json::json;

use crate::{
    house::{House, PATIENCE, Setup, body, call, next_bytes, outcome, read, until_said, words},
    upstream::{Reply, Upstream},
};

const ANSWER: &str = r#"{ "jsonrpc":"2.0", "id":7, "result":{"content":[{"type":"text","text":"{\"mail\":\"jane@exam\u0070le.org\"}"}],"structuredContent":{"card":4111111111111111}} }"#;
const MASKED: &str = r#"{ "jsonrpc":"2.0", "id":7, "result":{"content":[{"type":"text","text":"{\"mail\":\"[REDACTED:email]\"}"}],"structuredContent":{"card":0}} }"#;

async fn masking(upstream: &str, kind: Kind) -> House {
    House::with(upstream, Setup { kind, mask_answers: true, mask_requests: true, ..Setup::default() }).await
}

#[tokio::test]
async fn the_caller_receives_a_masked_answer_and_the_record_has_it_as_it_was() {
    let headers = vec![("content-type", "application/json"), ("etag", "\"1\""), ("x-upstream", "yes")];
    let upstream =
        Upstream::start(move |_| Reply::Whole(200, headers.clone(), Bytes::from_static(ANSWER.as_bytes()))).await;
    let house = masking(&upstream.url, Kind::Mcp).await;
    let answered = house.post(&call(7, "read", json!({}))).await;
    assert_eq!((answered.status, answered.body.as_ref()), (200, MASKED.as_bytes()));
    assert!(answered.headers.contains_key("x-upstream") && !answered.headers.contains_key("etag"));
    assert_eq!(body(&house.calls().await[1]), ANSWER, "masked at rest by the masker");
}

#[tokio::test]
async fn the_upstream_receives_a_masked_request() {
    let upstream = Upstream::saying(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    let house = masking(&upstream.url, Kind::Mcp).await;
    let sent = call(7, "pay", json!({ "card": "4111 1111 1111 1111", "n": 1 })).to_string();
    let parameter = [("mcp-param-card", "4111 1111 1111 1111"), ("x-own", "1")];
    assert_eq!(house.post_as("ann", &parameter, sent.clone()).await.status, 200);
    let seen = &upstream.seen()[0];
    assert_eq!(seen.body, sent.replace("4111 1111 1111 1111", "[REDACTED:card]"));
    assert_eq!(
        (&seen.headers["mcp-param-card"], &seen.headers["x-own"]),
        (&"[REDACTED:card]".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!(body(&house.calls().await[0]), sent);
}

#[tokio::test]
async fn paths_and_queries_are_masked_too() {
    let upstream = Upstream::saying("ok").await;
    let house = masking(&upstream.url, Kind::Http).await;
    let path = "/c/files/of/jane@example.org?card=4111111111111111&page=2";
    let request = house.request(Method::GET, path, Some(&house.token("ann")), &[], "");
    assert_eq!(read(house.send(request).await).await.status, 200);
    assert_eq!(upstream.seen()[0].path, "/mcp/of/%5BREDACTED:email%5D?card=%5BREDACTED:card%5D&page=2");
}

#[tokio::test]
async fn what_cannot_be_masked_does_not_pass() {
    let upstream =
        Upstream::start(|_| Reply::Whole(200, vec![("content-length", "2")], Bytes::from_static(b"\xff\xfe"))).await;
    let house = masking(&upstream.url, Kind::Http).await;
    let refused = house.post_as("ann", &[], &b"\xff\xfe"[..]).await;
    assert_eq!((refused.status, upstream.seen().len()), (403, 0));
    let withheld = house.post_as("ann", &[], "fine").await;
    assert_eq!(withheld.status, 502);
    assert!(!withheld.body.windows(2).any(|pair| pair == b"\xff\xfe"));
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["refusal", "request", "response", "response"]);
    assert_eq!([outcome(&frames[0]), outcome(&frames[3])], ["blocked", "blocked"]);
}

#[tokio::test]
async fn events_are_masked_one_by_one_and_pass_at_once() {
    let (upstream, events) = Upstream::streaming().await;
    let house = masking(&upstream.url, Kind::Mcp).await;
    let mut response = house.open_as("ann", &[], call(7, "watch", json!({})).to_string()).await.into_body();
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":4111111111111111,"message":"mail jane@example.org"}}"#;
    events.send(Ok(Bytes::from(format!(": hi\n\nid: 1\ndata: {notice}\n\n")))).await.expect("sent");
    let said = until_said(&mut response, "REDACTED").await;
    let masked = notice.replace("jane@example.org", "[REDACTED:email]");
    assert_eq!(said, format!(": hi\n\nid: 1\ndata: {masked}\n\n"));
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;
    let untouched = format!("event: message\r\ndata: {answer}\r\n\r\n");
    events.send(Ok(Bytes::from(untouched.clone()))).await.expect("sent");
    drop(events);
    assert_eq!(until_said(&mut response, "\r\n\r\n").await, untouched, "byte for byte where there is nothing to mask");
    assert!(next_bytes(&mut response).await.is_none());
    assert_eq!(outcome(house.calls().await.last().expect("frames")), "ok");
}

#[tokio::test]
async fn what_a_model_says_in_pieces_is_masked_across_events() {
    let (upstream, events) = Upstream::streaming().await;
    let house = masking(&upstream.url, Kind::Http).await;
    let mut response = house.open_as("ann", &[], "go").await.into_body();
    let chunk = |text: &str| {
        let data = json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] });
        format!("data: {data}\n\n")
    };
    let end = format!(
        "data: {}\n\ndata: [DONE]\n\n",
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })
    );
    let mut sent = String::new();
    for piece in ["write to ja", "ne@exam", "ple.org"] {
        sent += &chunk(piece);
        events.send(Ok(Bytes::from(chunk(piece)))).await.expect("sent");
    }
    let said = until_said(&mut response, "write to ").await;
    assert_eq!(said, format!("{0}{0}{0}{1}", chunk(""), chunk("write to ")), "after a while, what is safe passes");
    sent += &end;
    events.send(Ok(Bytes::from(end.clone()))).await.expect("sent");
    drop(events);
    assert_eq!(until_said(&mut response, "[DONE]\n\n").await, chunk("[REDACTED:email]") + &end);
    assert!(next_bytes(&mut response).await.is_none());
    let chunks: String = house.calls().await.iter().skip(1).map(body).collect();
    assert_eq!(chunks, sent, "the record has what came; the masker masks it");
}

#[tokio::test]
async fn what_was_cut_off_within_an_event_does_not_pass() {
    let (upstream, events) = Upstream::streaming().await;
    let house = masking(&upstream.url, Kind::Http).await;
    let mut response = house.open_as("ann", &[], "go").await.into_body();
    events.send(Ok(Bytes::from_static(b"data: {}\n\ndata: jane@example.org"))).await.expect("sent");
    drop(events);
    assert_eq!(until_said(&mut response, "\n\n").await, "data: {}\n\n");
    assert!(next_bytes(&mut response).await.is_none());
}

#[tokio::test]
async fn a_value_cut_in_two_is_masked_and_the_rest_does_not_wait_for_ever() {
    let (upstream, pieces) = Upstream::sending(vec![("content-type", "text/plain")]).await;
    let house = masking(&upstream.url, Kind::Http).await;
    let mut response = house.open_as("ann", &[], "go").await.into_body();
    pieces.send(Ok(Bytes::from_static(b"the card is 4111 1111 1"))).await.expect("sent");
    assert_eq!(until_said(&mut response, "is ").await, "the card is ", "after a while");
    pieces.send(Ok(Bytes::from_static(b"111 1111, and done"))).await.expect("sent");
    drop(pieces);
    let mut rest = String::new();
    while let Some(bytes) = next_bytes(&mut response).await {
        rest += std::str::from_utf8(&bytes).expect("text");
    }
    assert_eq!(rest, "[REDACTED:card], and done");
}

#[tokio::test]
async fn a_stream_that_cannot_be_masked_ends() {
    let (upstream, pieces) = Upstream::sending(vec![("content-type", "text/plain")]).await;
    let house = masking(&upstream.url, Kind::Http).await;
    let response = house.open_as("ann", &[], "go").await.into_body();
    pieces.send(Ok(Bytes::from_static(b"\xff\xfe"))).await.expect("sent");
    let collected = tokio::time::timeout(PATIENCE, http_body_util::BodyExt::collect(response)).await.expect("it ends");
    assert!(collected.is_err(), "broken off, so that nobody takes it for the whole");
    let frames = house.calls_when("the end", |frames| frames.iter().any(|frame| outcome(frame) == "blocked")).await;
    assert!(frames.iter().any(|frame| frame.body.as_deref() == Some(b"\xff\xfe")), "the record has what came");
}

#[tokio::test]
async fn other_connections_pass_every_byte() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::before(&upstream.url).await;
    let sent = call(7, "pay", json!({ "card": "4111 1111 1111 1111" })).to_string();
    let answered = house.post_as("ann", &[], sent.clone()).await;
    assert_eq!((answered.body.as_ref(), upstream.seen()[0].body.as_ref()), (ANSWER.as_bytes(), sent.as_bytes()));
}
