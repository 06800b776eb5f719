//! When the log or the upstream fails: nothing passes unrecorded, and everybody is told whose fault it is.

use bus::fault::Fault;
use bytes::Bytes;
use hansard_ingress::{Limits, Mode};
use http::Method;
use schemas::{Frame, FrameKind};
use serde_json::json;

use crate::{
    house::{House, PATIENCE, Setup, call, compiled, next_bytes, outcome, read, until_said, words},
    upstream::{self, Reply, Upstream},
};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"secret":1}}"#;

fn lifecycle<'a>(frames: &'a [Frame], method: &str) -> Vec<&'a Frame> {
    let is = |frame: &&Frame| frame.context.as_ref().and_then(|c| c.method.as_deref()) == Some(method);
    frames.iter().filter(|frame| frame.kind == FrameKind::Lifecycle).filter(is).collect()
}

#[tokio::test]
async fn no_byte_reaches_the_upstream_when_the_log_fails_and_it_recovers_by_itself() {
    for fault in [Fault::NotDone, Fault::Done] {
        let upstream = Upstream::saying(ANSWER).await;
        let mut house = House::before(&upstream.url).await;
        house.faults.fail_sends(fault, 1000);
        let answered = house.post(&call(7, "read", json!({}))).await;
        assert_eq!((answered.status, answered.code(), &answered.json()["id"]), (200, 5301, &json!(7)));
        let notified = house.post(&json!({ "jsonrpc": "2.0", "method": "notifications/x" })).await;
        assert_eq!((notified.status, notified.code()), (503, 5301));
        let anonymous = house.request(Method::POST, "/c/files", None, &[], "{}");
        assert_eq!(read(house.send(anonymous).await).await.code(), 5301, "a refusal that cannot be recorded");
        assert!(upstream.seen().is_empty());
        let failing = house.ready.wait_for(|reason| reason.is_some());
        tokio::time::timeout(PATIENCE, failing).await.expect("said in time").expect("running");

        house.faults.heal();
        house.until_ready().await;
        assert_eq!(house.post(&call(7, "read", json!({}))).await.body, ANSWER);
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_log_that_fails_at_the_start_is_waited_for() {
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::with(&upstream.url, Setup { bounds_failing: 2, ..Setup::default() }).await;
    assert_eq!(house.faults.struck(), 2, "it was asked again");
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, ANSWER);
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_withheld() {
    for fault in [Fault::NotDone, Fault::Done] {
        let upstream = Upstream::saying(ANSWER).await;
        let house = House::before(&upstream.url).await;
        house.faults.pass_sends(1);
        house.faults.fail_sends(fault, 1);
        let answered = house.post(&call(7, "read", json!({}))).await;
        assert_eq!((answered.status, answered.code()), (200, 5301));
        assert!(!String::from_utf8_lossy(&answered.body).contains("secret"));
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_stream_ends_at_the_first_event_that_cannot_be_recorded() {
    let (upstream, events) = Upstream::streaming().await;
    let house = House::before(&upstream.url).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    let event = |name: &str| Bytes::from(format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"{name}\"}}\n\n"));
    events.send(Ok(event("first"))).await.expect("taken");
    assert_eq!(next_bytes(&mut answer).await.expect("an event"), event("first"));
    house.faults.fail_sends(Fault::NotDone, 1);
    events.send(Ok(event("second"))).await.expect("taken");
    let said = until_said(&mut answer, "5301").await;
    assert!(!said.contains("second"), "{said}");
    assert!(next_bytes(&mut answer).await.is_none());
    events.closed().await;
}

#[tokio::test]
async fn best_effort_passes_and_counts_what_was_lost() {
    let upstream = Upstream::saying(ANSWER).await;
    let mut house = House::with(&upstream.url, Setup { mode: Mode::BestEffort, ..Setup::default() }).await;
    house.faults.fail_sends(Fault::NotDone, 2);
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, ANSWER);
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, ANSWER);
    house.stop().await;
    let frames = house.frames().await;
    assert_eq!(words(&house.calls().await), ["request", "response"]);
    let [skipped] = lifecycle(&frames, "recording/skipped").try_into().expect("one count");
    let counted: serde_json::Value = serde_json::from_str(&crate::house::body(skipped)).expect("JSON");
    assert_eq!(counted, json!({ "connection": "files", "reason": "failed", "frames": 2 }));
}

#[tokio::test]
async fn what_is_not_to_be_recorded_is_counted() {
    let upstream = Upstream::saying(ANSWER).await;
    let mut house = House::with(&upstream.url, Setup { mode: Mode::Off, ..Setup::default() }).await;
    house.faults.fail_sends(Fault::NotDone, 1);
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, ANSWER);
    house.faults.heal();
    house.stop().await;
    let frames = house.frames().await;
    assert!(house.calls().await.is_empty());
    assert_eq!(lifecycle(&frames, "recording/skipped").len(), 1);
}

#[tokio::test]
async fn policy_keeps_payloads_or_whole_calls_out() {
    let rules = json!({ "rule": [
        { "name": "m", "when": "call.target == 'metadata'", "then": "allow", "record": "metadata" },
        { "name": "n", "when": "call.target == 'none'", "then": "allow", "record": "none" },
    ] });
    let upstream = Upstream::saying(ANSWER).await;
    let house = House::before(&upstream.url).await;
    house.policy.send_replace(compiled(&rules));
    house.post(&call(7, "metadata", json!({ "a": "b" }))).await;
    house.post(&call(7, "none", json!({ "a": "b" }))).await;
    let frames = house.calls().await;
    assert_eq!(words(&frames), ["request", "response"]);
    assert!(frames.iter().all(|frame| frame.body.is_none() && frame.body_bytes > 0));
}

/// The caller is told `status` and `code`, and the trail says `expected`.
async fn check_upstream(url: &str, limits: Limits, expected: (u16, i64, &str)) {
    let house = House::with(url, Setup { limits, ..Setup::default() }).await;
    let answered = house.post(&call(7, "read", json!({}))).await;
    assert_eq!((answered.status, answered.code(), &answered.json()["id"]), (expected.0, expected.1, &json!(7)));
    let message = answered.json()["error"]["message"].to_string();
    assert!(message.contains("upstream"), "{message}");
    let frames = house.calls().await;
    assert_eq!((words(&frames), outcome(&frames[1])), (vec!["request", "response"], expected.2));
    assert!(frames[1].ending.as_ref().is_some_and(|ending| ending.error.is_some()));
}

#[tokio::test]
async fn an_upstream_that_nobody_reaches() {
    check_upstream(&upstream::nobody().await, Limits::default(), (502, 5302, "unreachable")).await;
}

#[tokio::test]
async fn an_upstream_that_hangs() {
    let upstream = Upstream::start(|_| Reply::Hang).await;
    let limits = Limits { upstream_first_byte_seconds_max: 1, ..Limits::default() };
    check_upstream(&upstream.url, limits, (504, 5303, "timeout")).await;
}

#[tokio::test]
async fn an_upstream_that_hangs_up() {
    check_upstream(&upstream::raw(b"").await, Limits::default(), (502, 5302, "interrupted")).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_its_answer() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\"";
    check_upstream(&upstream::raw(cut).await, Limits::default(), (502, 5302, "interrupted")).await;
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http() {
    check_upstream(&upstream::raw(b"220 mail.invalid ESMTP\r\n").await, Limits::default(), (502, 5304, "garbage"))
        .await;
}

#[tokio::test]
async fn an_upstream_that_answers_no_json() {
    let upstream = Upstream::saying("<html>welcome</html>").await;
    check_upstream(&upstream.url, Limits::default(), (502, 5304, "garbage")).await;
}

#[tokio::test]
async fn an_upstream_that_compresses_unasked() {
    let upstream = Upstream::start(|_| Reply::Whole(200, vec![("content-encoding", "gzip")], Bytes::new())).await;
    check_upstream(&upstream.url, Limits::default(), (502, 5304, "garbage")).await;
}

#[tokio::test]
async fn an_upstream_that_answers_too_much() {
    let upstream = Upstream::saying(ANSWER).await;
    let limits = Limits { answer_body_bytes_max: 10, ..Limits::default() };
    check_upstream(&upstream.url, limits, (502, 5304, "too_large")).await;
}

#[tokio::test]
async fn json_that_is_no_answer_passes_and_is_called_garbage() {
    let upstream = Upstream::saying(r#"{"hello":"world"}"#).await;
    let house = House::before(&upstream.url).await;
    assert_eq!(house.post(&call(7, "read", json!({}))).await.body, r#"{"hello":"world"}"#);
    assert_eq!(outcome(&house.calls().await[1]), "garbage");
}

#[tokio::test]
async fn a_shutdown_lets_calls_end_and_ends_listening_streams() {
    let (upstream, events) = Upstream::streaming().await;
    let mut house = House::before(&upstream.url).await;
    let mut answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    upstream.until_seen(1).await;
    house.begin_shutdown();
    let rest = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";
    let reading = tokio::spawn(async move { until_said(&mut answer, "result").await });
    events.send(Ok(Bytes::from_static(rest.as_bytes()))).await.expect("taken");
    drop(events);
    assert_eq!(reading.await.expect("no panic"), rest);
    house.stop().await;
    assert_eq!(words(&house.calls().await), ["request", "response"]);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_recorded() {
    let (upstream, events) = Upstream::streaming().await;
    let limits = Limits { drain_seconds_max: 1, ..Limits::default() };
    let mut house = House::with(&upstream.url, Setup { limits, ..Setup::default() }).await;
    let _answer = house.open_as("ann", &[], call(7, "read", json!({})).to_string()).await.into_body();
    upstream.until_seen(1).await;
    house.stop().await;
    events.closed().await;
    let frames = house.calls().await;
    assert_eq!((words(&frames), outcome(&frames[1])), (vec!["request", "response"], "interrupted"));
}
