//! Held calls: they wait for people, and go on or not.

use std::time::Duration;

use hansard_ingress::Limits;
use schemas::{
    ApprovalEvent, Frame, FrameKind,
    approval::{Decision, Held, Vote, What},
};
use serde_json::{Value, json};

use crate::{
    house::{House, Setup, body, call, outcome, person, read, until_said, words},
    upstream::{Upstream, json as answer_json},
};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"deployed":true}}"#;
const SILENT: [(&str, &str); 1] = [("accept", "application/json")];

fn holding(expires: &str) -> Setup {
    Setup {
        rules: json!({ "rule": [{ "name": "deploys", "when": "call.target == 'deploy'", "then": { "hold": { "expires": expires } } }] }),
        limits: Limits { hold_keepalive_seconds: 1, ..Limits::default() },
        ..Setup::default()
    }
}

/// Waits until a call is held; its request frame.
async fn held(house: &House) -> Frame {
    house.calls_when("a held call", |frames| !frames.is_empty()).await.remove(0)
}

fn event(request: &Frame, what: What) -> ApprovalEvent {
    let ruling = request.context.as_ref().and_then(|context| context.ruling.clone()).expect("a ruling");
    ApprovalEvent {
        approval_id: ruling.approval_id.expect("an approval"),
        exchange_id: request.exchange_id,
        occurred_at: request.occurred_at,
        what,
    }
}

/// What the masker publishes of the request, and of a vote on it.
async fn vote(house: &House, request: &Frame, voter: &str, decision: Decision) {
    let context = request.context.clone().expect("a context");
    let held = Held {
        requester: context.principal.expect("a principal"),
        connection: "files".into(),
        method: "tools/call".into(),
        target: "deploy".into(),
        body: body(request),
        rule: "deploys".into(),
        policy_id: "p".into(),
        arguments_digest: String::new(),
        terms: context.terms.expect("terms"),
    };
    house.publish(&event(request, What::Held(held))).await;
    let vote = Vote { vote_id: "v".into(), voter: person(voter), decision, comment: String::new() };
    house.publish(&event(request, What::Vote(vote))).await;
}

fn decisions(frames: &[Frame]) -> Vec<Value> {
    let decisions = frames.iter().filter(|frame| frame.kind == FrameKind::Decision);
    decisions.map(|frame| serde_json::from_str(&body(frame)).expect("JSON")).collect()
}

/// The decision frame holds this event.
#[track_caller]
fn check_decision(frames: &[Frame], what: What) {
    let [decision] = decisions(frames).try_into().expect("one decision");
    let event = ApprovalEvent::from_json(&decision).expect("an event");
    assert_eq!(event.what, what);
}

#[tokio::test]
async fn an_approved_call_goes_on_and_its_caller_was_kept_alive() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, holding("10m")).await;
    let mut sent = call(7, "deploy", json!({}));
    sent["params"]["_meta"] = json!({ "progressToken": "t" });
    let response = house.open_as("ann", &[], sent.to_string()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body();
    let said = until_said(&mut stream, "notifications/progress").await;
    assert!(
        said.starts_with(": waiting for approval") && !said.contains("\"total\"") && !said.contains("id: "),
        "{said}"
    );
    assert!(upstream.seen().is_empty());

    let request = held(&house).await;
    assert_eq!(request.context.as_ref().and_then(|c| c.ruling.clone()).map(|r| r.verdict).as_deref(), Some("hold"));
    vote(&house, &request, "bob", Decision::Approve).await;
    let said = until_said(&mut stream, "deployed").await;
    assert!(said.contains(&format!("data: {ANSWER}\n\n")), "{said}");
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "decision", "response"]);
    check_decision(&frames, What::Redeemed);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_streamed_answer_follows_the_wait_as_it_is() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::with(&upstream.url, holding("10m")).await;
    let mut stream = house.open_as("ann", &[], call(7, "deploy", json!({})).to_string()).await.into_body();
    vote(&house, &held(&house).await, "bob", Decision::Approve).await;
    let event = format!("id: 1\ndata: {ANSWER}\n\n");
    events.send(Ok(event.clone().into())).await.expect("taken");
    until_said(&mut stream, &event).await;
}

#[tokio::test]
async fn a_caller_of_json_waits_in_silence() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, holding("10m")).await;
    let (answered, ()) = tokio::join!(house.post_as("ann", &SILENT, call(7, "deploy", json!({})).to_string()), async {
        vote(&house, &held(&house).await, "bob", Decision::Approve).await;
    });
    assert_eq!((answered.status, answered.body.as_ref()), (200, ANSWER.as_bytes()));
}

#[tokio::test]
async fn a_denied_call_is_refused() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, holding("10m")).await;
    let mut stream = house.open_as("ann", &[], call(7, "deploy", json!({})).to_string()).await.into_body();
    vote(&house, &held(&house).await, "bob", Decision::Deny).await;
    until_said(&mut stream, "4302").await;
    let frames = house.calls_when("the refusal", |frames| frames.len() == 2).await;
    assert_eq!((words(&frames), outcome(&frames[1])), (vec!["request", "refusal"], "denied"));
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_requester_cannot_release_the_own_call_and_it_expires() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, holding("2s")).await;
    let (answered, ()) = tokio::join!(house.post_as("ann", &SILENT, call(7, "deploy", json!({})).to_string()), async {
        vote(&house, &held(&house).await, "ann", Decision::Approve).await;
        // The masker publishes the expiry that the gate has recorded.
        let frames = house.calls_when("the expiry", |frames| frames.len() == 2).await;
        check_decision(&frames, What::Expired);
        house.publish(&event(&frames[0], What::Expired)).await;
    });
    assert_eq!((answered.status, answered.code()), (200, 4303));
    assert_eq!(outcome(&house.calls().await[2]), "expired");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_approval_that_the_log_took_before_the_expiry_counts() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, holding("2s")).await;
    let (answered, ()) = tokio::join!(house.post_as("ann", &SILENT, call(7, "deploy", json!({})).to_string()), async {
        let frames = house.calls_when("the expiry", |frames| frames.len() == 2).await;
        // The masker was slow: the call, and a vote within its time, come to the log only now.
        vote(&house, &frames[0], "bob", Decision::Approve).await;
    });
    assert_eq!(answered.body, ANSWER);
    assert_eq!(words(&house.calls().await), ["request", "decision", "decision", "response"]);
}

#[tokio::test]
async fn a_caller_who_leaves_or_cancels_withdraws_the_call() {
    for cancels in [false, true] {
        let upstream = Upstream::start(|_| answer_json(ANSWER)).await;
        let house = House::with(&upstream.url, holding("10m")).await;
        let session = [("mcp-session-id", "s")];
        let stream = house.open_as("ann", &session, call(7, "deploy", json!({})).to_string()).await;
        let request = held(&house).await;
        let mut kept = Some(stream);
        if cancels {
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
            house.post_as("ann", &session, cancel.to_string()).await;
        } else {
            kept.take();
        }
        let of_call = |frames: &[Frame]| -> Vec<Frame> {
            frames.iter().filter(|frame| frame.exchange_id == request.exchange_id).cloned().collect()
        };
        let frames = house.calls_when("the withdrawal", |frames| of_call(frames).len() == 3).await;
        let frames = of_call(&frames);
        check_decision(&frames, What::Withdrawn);
        assert_eq!(outcome(&frames[2]), "withdrawn");
        vote(&house, &request, "bob", Decision::Approve).await;
        assert_eq!(upstream.seen().len(), usize::from(cancels), "only the cancellation itself went on");
    }
}

#[tokio::test]
async fn a_silent_caller_who_leaves_withdraws_the_call() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = std::sync::Arc::new(House::with(&upstream.url, holding("10m")).await);
    let calling = std::sync::Arc::clone(&house);
    let caller = tokio::spawn(async move {
        calling.post_as("ann", &SILENT, call(7, "deploy", json!({})).to_string()).await;
    });
    held(&house).await;
    caller.abort();
    let frames = house.calls_when("the withdrawal", |frames| frames.len() == 3).await;
    check_decision(&frames, What::Withdrawn);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn no_more_calls_are_held_than_there_are_places() {
    let upstream = Upstream::saying(ANSWER).await;
    let mut setup = holding("10m");
    setup.limits.holds_max = 1;
    let house = House::with(&upstream.url, setup).await;
    let first = house.open_as("ann", &[], call(7, "deploy", json!({})).to_string()).await;
    let second = house.post(&call(8, "deploy", json!({}))).await;
    assert_eq!(second.code(), 4301);
    drop(first);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_held_call_ends_when_the_gate_shuts_down() {
    let upstream = Upstream::saying(ANSWER).await;
    let mut house = House::with(&upstream.url, holding("10m")).await;
    let response = house.open_as("ann", &[], call(7, "deploy", json!({})).to_string()).await;
    held(&house).await;
    let reading = tokio::spawn(read(response));
    house.stop().await;
    let said = reading.await.expect("no panic");
    assert!(String::from_utf8_lossy(&said.body).contains("shutting down"));
    let frames = house.calls().await;
    assert_eq!((words(&frames), outcome(&frames[2])), (vec!["request", "decision", "refusal"], "withdrawn"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_held() {
    let upstream = Upstream::saying(ANSWER).await;
    let mode = hansard_ingress::Mode::Off;
    let house = House::with(&upstream.url, Setup { mode, ..holding("10m") }).await;
    let answered = tokio::time::timeout(Duration::from_secs(5), house.post(&call(7, "deploy", json!({})))).await;
    assert_eq!(answered.expect("at once").code(), 4301);
    assert!(upstream.seen().is_empty());
}
