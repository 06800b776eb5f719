//! What a request holds, as policy asks for it.

use hansard_ingress::Kind;
use schemas::FrameKind;
use serde_json::{Value, json};

use crate::{
    house::{House, Setup, call, outcome, words},
    upstream::Upstream,
};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;

fn rules(when: &str, then: Value) -> Value {
    json!({ "rule": [{ "name": "no-cards", "when": when, "then": then }] })
}

async fn gate(upstream: &Upstream, rules: Value, kind: Kind) -> House {
    House::with(&upstream.url, Setup { rules, kind, ..Setup::default() }).await
}

/// Does a call with these arguments reach the upstream?
async fn check(house: &House, upstream: &Upstream, arguments: Value, passes: bool) {
    let before = upstream.seen().len();
    let answered = house.post(&call(7, "pay", arguments.clone())).await;
    assert_eq!(upstream.seen().len() > before, passes, "{arguments}");
    if !passes {
        assert_eq!(answered.code(), 4301, "{arguments}");
    }
}

#[tokio::test]
async fn a_card_is_blocked_wherever_it_stands() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = gate(&upstream, rules("\"card\" in call.findings", json!("block")), Kind::Mcp).await;
    check(&house, &upstream, json!({ "note": "nothing" }), true).await;
    for arguments in [
        json!({ "card": "4111 1111 1111 1111" }),
        json!({ "n": 4111111111111111_u64 }),
        json!({ "nested": json!({ "deep": "4111111111111111" }).to_string() }),
    ] {
        check(&house, &upstream, arguments, false).await;
    }
    let frames = house.calls().await;
    assert_eq!(outcome(frames.last().expect("frames")), "blocked");
}

#[tokio::test]
async fn a_secret_is_held() {
    let upstream = Upstream::saying(ANSWER).await;
    let rules = rules("\"secret\" in call.findings", json!({ "hold": { "expires": "1s" } }));
    let house = gate(&upstream, rules, Kind::Mcp).await;
    let answered = house.post(&call(7, "write", json!({ "password": "hunter2" }))).await;
    let said = String::from_utf8_lossy(&answered.body);
    assert!(said.contains("4303"), "nobody has voted: {said}");
    assert_eq!(upstream.seen().len(), 0);
    let requests = house.calls().await.into_iter().filter(|frame| frame.kind == FrameKind::Request);
    assert_eq!(requests.count(), 1);
}

#[tokio::test]
async fn what_cannot_be_looked_at_fails_closed() {
    let upstream = Upstream::saying("ok").await;
    let house = gate(&upstream, rules("\"card\" in call.findings", json!("block")), Kind::Http).await;
    let answered = house.post_as("ann", &[], &b"\xff\xfe no text"[..]).await;
    assert_ne!(answered.status, 200);
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(words(&house.calls().await), ["refusal"]);
    assert_eq!(house.post_as("ann", &[], "plain text").await.status, 200);
}

#[tokio::test]
async fn a_policy_that_does_not_ask_pays_nothing() {
    let upstream = Upstream::saying("ok").await;
    let house = gate(&upstream, rules("call.target == \"/never\"", json!("block")), Kind::Http).await;
    assert_eq!(house.post_as("ann", &[], &b"\xff\xfe no text"[..]).await.status, 200, "nobody looked");
}
