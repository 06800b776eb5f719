//! Held calls shown, votes taken, refused and counted: over real sockets and a real log.

mod world;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bus::{Message, Offset, Producer, Unrecorded};
use bytes::Bytes;
use hansard_approver as approver;
use http::Method;
use schemas::{
    ApprovalId, Ending, FrameKind, Outcome,
    approval::{State, What},
    topic,
};
use uuid::Uuid;
use world::{World, terms};

const APPROVE: &str = r#"{"decision":"approve","comment":"looks <b>right</b>"}"#;
const DENY: &str = r#"{"decision":"deny"}"#;

async fn world() -> World {
    World::new(approver::Config::default()).await
}

#[tokio::test]
async fn a_log_that_fails_at_the_start_is_tried_again_and_nothing_is_shown_meanwhile() {
    let mut world = World::failing(2).await;
    let told = world.ready.borrow_and_update().clone().expect("not ready");
    assert!(told.contains("approvals"), "{told}");
    let early = world.get("/v1/approvals").await;
    assert_eq!(early.status, 503, "{}", early.text);
    assert!(early.text.contains("try again"), "{}", early.text);
    world.until(async || world.ready.borrow().is_none()).await;
    assert_eq!(world.get("/v1/approvals").await.status, 200);
    world.hold(terms(1, 1)).await;
}

/// A vote that does not count: its status, a part of its reason, and that it left a refusal and no decision.
async fn check_refused(world: &World, id: ApprovalId, voter: (&str, &[&str]), status: u16, reason: &str) {
    let (decisions, refusals) = (world.frames(FrameKind::Decision).len(), world.frames(FrameKind::Refusal).len());
    let answer = world.vote(id, &world.token(voter.0, voter.1), APPROVE).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.json()["counted"], false);
    assert!(answer.json()["reason"].as_str().expect("text").contains(reason), "{}", answer.text);
    world.until(async || world.frames(FrameKind::Refusal).len() > refusals).await;
    let refusal = world.frames(FrameKind::Refusal).pop().expect("refusal");
    let context = refusal.context.expect("context");
    assert_eq!(context.principal.expect("principal").subject, voter.0);
    assert_eq!(context.ruling.expect("ruling").approval_id, Some(id));
    let ending = refusal.ending.expect("ending");
    assert_eq!((ending.outcome, ending.transport_status), (Outcome::Forbidden, Some(status)));
    assert!(ending.error.expect("error").contains(reason));
    assert_eq!(world.frames(FrameKind::Decision).len(), decisions);
}

/// The trail has a refusal that says so.
async fn check_recorded(world: &World, outcome: Outcome, status: u16, reason: &str) {
    let says = |ending: &Ending| {
        let error = ending.error.as_deref().unwrap_or_default();
        (ending.outcome, ending.transport_status) == (outcome, Some(status)) && error.contains(reason)
    };
    let refusals = || world.frames(FrameKind::Refusal).into_iter().filter_map(|refusal| refusal.ending);
    world.until(async || refusals().any(|ending| says(&ending))).await;
}

#[tokio::test]
async fn a_held_call_is_shown_with_its_masked_message_and_its_terms() {
    let world = world().await;
    let id = world.hold(terms(2, 1)).await;
    let listed = world.get("/v1/approvals?state=pending").await.json();
    let one = world.get(&format!("/v1/approvals/{id}")).await.json();
    assert_eq!(listed, serde_json::json!([one]));
    assert_eq!((one["approval_id"].as_str(), one["state"].as_str()), (Some(id.to_string().as_str()), Some("pending")));
    assert_eq!(
        (&one["approve"], &one["reviewers"][0], &one["rule"]),
        (&2.into(), &"sre".into(), &"production-writes".into())
    );
    assert_eq!(
        (&one["requester"]["subject"], &one["connection"], &one["votes"]),
        (&"asker".into(), &"shop".into(), &serde_json::json!([]))
    );
    assert!(one["body"].as_str().expect("body").contains("tools/call"));
    assert_eq!(one["expires_at"], "2026-07-28T09:40:00.000000Z");
    assert_eq!(world.get("/v1/approvals?state=approved").await.text, "[]");
    assert_eq!(world.get(&format!("/v1/approvals/{}", Uuid::now_v7())).await.status, 404);
    assert_eq!(*world.ready.borrow(), None);
}

#[tokio::test]
async fn nothing_is_shown_without_a_token() {
    let world = world().await;
    let id = world.hold(terms(1, 1)).await;
    let one = format!("/v1/approvals/{id}");
    let cookie = format!("hansard_session={}", world.token("reviewer", &["sre"]));
    for path in ["/v1/approvals", &one] {
        for headers in [&[][..], &[("authorization", "Bearer garbage")], &[("cookie", cookie.as_str())]] {
            let answer = world.send(Method::GET, path, headers, "").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path} {headers:?}");
            assert!(!answer.text.contains("deploy"));
        }
    }
    assert_eq!(world.send(Method::POST, &format!("{one}/votes"), &[("cookie", &cookie)], APPROVE).await.status, 401);
}

#[tokio::test]
async fn a_vote_is_a_sealed_frame_and_counts_when_the_log_says_so() {
    let world = world().await;
    let _masker = world.mask();
    let id = world.hold(terms(2, 1)).await;
    let first = world.vote(id, &world.token("reviewer", &["sre"]), APPROVE).await;
    assert_eq!((first.status, first.json()), (200, serde_json::json!({"state": "pending", "counted": true})));
    let second = world.vote(id, &world.token("other", &["sre"]), APPROVE).await;
    assert_eq!((second.status, second.json()), (200, serde_json::json!({"state": "approved", "counted": true})));

    let frame = world.frames(FrameKind::Decision).remove(0);
    let context = frame.context.expect("context");
    assert_eq!((context.method.as_deref(), context.auth_method.as_str()), (Some("approval/vote"), "jwt"));
    assert_eq!(context.principal.expect("principal").subject, "reviewer");
    assert_eq!(context.ruling.expect("ruling").approval_id, Some(id));
    let shown = world.get(&format!("/v1/approvals/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["votes"][0]["comment"]), (&"approved".into(), &"looks <b>right</b>".into()));
    assert_eq!(shown["exchange_id"], frame.exchange_id.to_string());

    // Whoever starts now, or only reads, folds the same.
    let read = approver::read_all(world.bus.reader()).await.expect("approvals");
    assert_eq!(read.iter().map(|approval| approval.votes.len()).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn votes_that_cannot_count_are_refused_with_the_reason_and_recorded() {
    let world = world().await;
    let _masker = world.mask();
    let id = world.hold(terms(2, 1)).await;
    check_refused(&world, id, ("asker", &["sre"]), 403, "requester").await;
    check_refused(&world, id, ("stranger", &["sales"]), 403, "none of the groups").await;
    assert_eq!(world.vote(id, &world.token("reviewer", &["sre"]), APPROVE).await.status, 200);
    check_refused(&world, id, ("reviewer", &["sre"]), 409, "voted already").await;
    assert_eq!(world.vote(id, &world.token("other", &["sre"]), DENY).await.json()["state"], "denied");
    check_refused(&world, id, ("third", &["sre"]), 409, "denied").await;
    let late = world.hold(terms(1, 1)).await;
    world.pass(Duration::from_secs(601));
    check_refused(&world, late, ("reviewer", &["sre"]), 409, "time to decide is over").await;
    assert_eq!(world.get(&format!("/v1/approvals/{late}")).await.json()["state"], "expired");
}

#[tokio::test]
async fn of_two_votes_at_one_moment_the_log_counts_one() {
    let world = world().await;
    let _masker = world.mask();
    let id = world.hold(terms(1, 1)).await;
    let (one, other) = (world.token("one", &["sre"]), world.token("other", &["sre"]));
    let (approved, denied) = tokio::join!(world.vote(id, &one, APPROVE), world.vote(id, &other, DENY));
    let mut statuses = [approved.status, denied.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", approved.text, denied.text);
    let state = world.get(&format!("/v1/approvals/{id}")).await.json()["state"].clone();
    assert_eq!(state, if approved.status == 200 { "approved" } else { "denied" });
}

#[tokio::test]
async fn a_malformed_vote_is_told_what_to_correct() {
    let world = world().await;
    let _masker = world.mask();
    let id = world.hold(terms(1, 1)).await;
    let token = world.token("reviewer", &["sre"]);
    let long = format!(r#"{{"decision":"deny","comment":"{}"}}"#, "x".repeat(5000));
    for (body, status, reason) in [
        ("{", 400, "not JSON"),
        (r#"{"decision":"perhaps"}"#, 400, "approve"),
        (r#"{"decision":"deny","comment":7}"#, 400, "comment"),
        (&long, 413, "4096"),
    ] {
        let answer = world.vote(id, &token, body).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text.contains(reason), "{}", answer.text);
        check_recorded(&world, Outcome::Malformed, status, reason).await;
    }
    assert_eq!(world.vote(ApprovalId(Uuid::now_v7()), &token, DENY).await.status, 404);
    check_recorded(&world, Outcome::Forbidden, 404, "no such").await;
    let huge = "x".repeat(100_000);
    assert_eq!(world.vote(id, &token, &huge).await.status, 413);
}

#[tokio::test]
async fn a_vote_that_is_not_seen_in_time_is_not_called_counted() {
    let world = World::new(approver::Config { vote_seconds_max: 0, ..Default::default() }).await;
    let id = world.hold(terms(1, 1)).await;
    let answer = world.vote(id, &world.token("reviewer", &["sre"]), APPROVE).await;
    assert_eq!((answer.status, &answer.json()["counted"]), (504, &false.into()));
    assert_eq!(world.get(&format!("/v1/approvals/{id}")).await.json()["state"], "pending");
}

#[tokio::test]
async fn a_vote_that_cannot_be_recorded_does_not_happen() {
    let world = World::with(approver::Config::default(), |_| Arc::new(Full)).await;
    let _masker = world.mask();
    let id = world.publish_held(terms(1, 1)).await;
    for voter in ["reviewer", "asker"] {
        let token = world.token(voter, &["sre"]);
        world.until(async || world.vote(id, &token, APPROVE).await.status != 404).await;
        let answer = world.vote(id, &token, APPROVE).await;
        assert_eq!((answer.status, &answer.json()["counted"]), (503, &false.into()), "{voter}");
    }
    let read = world.get(&format!("/v1/approvals/{id}")).await;
    assert_eq!(read.status, 503, "a read that cannot be recorded shows nothing");
    let approvals = approver::read_all(world.bus.reader()).await.expect("approvals");
    assert_eq!(approvals[0].state, State::Pending);
}

/// A log that takes nothing.
#[derive(Debug)]
struct Full;

#[async_trait]
impl Producer for Full {
    async fn send(&self, _: Message) -> Result<Offset, Unrecorded> {
        Err(Unrecorded { source: bus::Error::new("the disk is full") })
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_does_not_stop_the_others() {
    let world = world().await;
    let garbage = Message {
        topic: topic::APPROVALS.to_owned(),
        key: Bytes::from_static(b"k"),
        headers: vec![],
        value: Bytes::from_static(b"garbage"),
    };
    for _ in 0..8 {
        world.bus.producer().send(garbage.clone()).await.expect("durable");
    }
    world.hold(terms(1, 1)).await;
    assert_eq!(approver::read_all(world.bus.reader()).await.expect("approvals").len(), 1);
}

#[tokio::test]
async fn memory_keeps_the_newest_and_the_undecided() {
    let world = World::new(approver::Config { approvals_max: 2, ..Default::default() }).await;
    let mut ids = vec![world.hold(terms(1, 1)).await, world.hold(terms(1, 1)).await];
    let decided = approver::read_all(world.bus.reader()).await.expect("approvals").remove(1);
    world
        .publish(&schemas::ApprovalEvent {
            approval_id: decided.approval_id,
            exchange_id: decided.exchange_id,
            occurred_at: decided.held_at,
            what: What::Withdrawn,
        })
        .await;
    world.until(async || world.get("/v1/approvals?state=withdrawn").await.text != "[]").await;
    ids.push(world.hold(terms(1, 1)).await);
    let listed = world.get("/v1/approvals").await.json();
    let listed: Vec<_> = listed.as_array().expect("list").iter().map(|one| one["approval_id"].clone()).collect();
    assert_eq!(listed, [ids[0].to_string(), ids[2].to_string()]);
}

#[tokio::test]
async fn people_sign_in_see_escaped_calls_and_vote_by_form() {
    let world = world().await;
    let _masker = world.mask();
    let id = world.hold(terms(1, 1)).await;
    let asked = world.send(Method::GET, "/approvals", &[], "").await;
    assert_eq!(asked.status, 401);
    assert!(asked.text.contains("action=\"/session\"") && !asked.text.contains("deploy_"));
    assert!(asked.header("content-security-policy").starts_with("default-src 'none'"));

    let signed_in = world.post_form("/session", "", &format!("token={}", world.token("reviewer", &["sre"]))).await;
    assert_eq!((signed_in.status, signed_in.header("location")), (303, "/approvals"));
    let cookie = signed_in.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let inbox = world.send(Method::GET, "/approvals", &[("cookie", &cookie)], "").await;
    assert_eq!(inbox.status, 200);
    assert!(inbox.text.contains("deploy_&lt;script&gt;") && !inbox.text.contains("<script"), "{}", inbox.text);
    assert!(inbox.text.contains("10 min 00 s") && inbox.text.contains("asker"), "{}", inbox.text);

    let path = format!("/approvals/{id}/votes");
    let foreign = [
        ("origin", "http://evil.example"),
        ("cookie", cookie.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(world.send(Method::POST, &path, &foreign, "decision=approve").await.status, 403);
    let voted = world.post_form(&path, &cookie, "decision=approve&comment=fine").await;
    assert_eq!((voted.status, voted.header("location")), (303, "/approvals"));
    let again = world.post_form(&path, &cookie, "decision=deny").await;
    assert_eq!(again.status, 409);
    assert!(again.text.contains("does not count") && again.text.contains("word good"), "{}", again.text);
    let left = world.post_form("/session/end", &cookie, "").await;
    assert!(left.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn a_wrong_token_does_not_sign_in() {
    let world = world().await;
    for token in ["", "garbage", &"x".repeat(5000)] {
        let refused = world.post_form("/session", "", &format!("token={token}")).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (401, ""), "{token}");
    }
    assert_eq!(
        world.send(Method::GET, "/approvals/style.css", &[], "").await.header("content-type"),
        "text/css; charset=utf-8"
    );
}
