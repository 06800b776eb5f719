//! What the views answer on a small trail.

use schemas::{ApprovalId, Principal, Record, RecordKind, RedactionStatus, Timestamp, approval::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    ground::{Ground, principal},
    rows::{MORNING, exchange_id, record, refusal, request, response},
};

/// Ada calls twice (one fails), Ben once and is blocked; a stranger is not let in; one call has no answer yet.
async fn small_trail() -> Ground {
    let ground = Ground::new().await;
    let slow = Record { duration_us: Some(9000), ..response(2, "tool_error") };
    let masked = Record { redaction_status: RedactionStatus::Masked, ..response(1, "ok") };
    ground.publish(&[request(1), masked, request(2), slow, ben(request(3)), ben(refusal(3, "blocked"))]).await;
    ground.archive(0, 2).await;
    ground.archive(1, 1).await;
    ground.publish(&[stranger(refusal(4, "unauthenticated")), request(5)]).await;
    ground
}

fn ben(record: Record) -> Record {
    let (subject, name) = (Some("ben".to_owned()), Some("Ben".to_owned()));
    Record { subject, name, principal_id: Some("p-ben".to_owned()), connection: Some("jira".to_owned()), ..record }
}

fn stranger(record: Record) -> Record {
    Record { subject: None, name: None, issuer: None, principal_id: None, target: None, verdict: None, ..record }
}

#[tokio::test]
async fn exchanges_pair_a_request_with_its_end() {
    let ground = small_trail().await;
    let rows = ground
        .rows(
            "select subject, verdict, outcome, refused, duration_us, request_body, response_body, redaction_status \
             from exchanges order by occurred_at",
        )
        .await;
    let row = |subject: Option<&str>, end: [serde_json::Value; 3], bodies: [Option<&str>; 2], extra: [&str; 2]| {
        let [outcome, refused, duration_us] = end;
        json!({ "subject": subject, "verdict": (!extra[0].is_empty()).then_some(extra[0]), "outcome": outcome,
            "refused": refused, "duration_us": duration_us, "request_body": bodies[0], "response_body": bodies[1],
            "redaction_status": extra[1] })
    };
    let (yes, no, none) = (json!(true), json!(false), json!(null));
    let expected = json!([
        row(
            Some("ada"),
            [json!("ok"), no.clone(), json!(2000)],
            [Some("{\"n\":1}"), Some("{\"answer\":1}")],
            ["allow", "masked"]
        ),
        row(
            Some("ada"),
            [json!("tool_error"), no.clone(), json!(9000)],
            [Some("{\"n\":2}"), Some("{\"answer\":2}")],
            ["allow", "clean"]
        ),
        row(Some("ben"), [json!("blocked"), yes.clone(), none.clone()], [Some("{\"n\":3}"), None], ["allow", "clean"]),
        row(None, [json!("unauthenticated"), yes, none.clone()], [Some("{\"n\":4}"), None], ["", "clean"]),
        row(Some("ada"), [none.clone(), no, none], [Some("{\"n\":5}"), None], ["allow", "clean"]),
    ]);
    assert_eq!(rows, expected);
}

/// The same record, as it came out of the quarantine.
fn released(withheld: &Record) -> Record {
    Record {
        record_id: schemas::RecordId(Uuid::from_u128(withheld.record_id.0.as_u128() ^ (1 << 32))),
        recorded_at: Timestamp(withheld.recorded_at.0 + 60_000_000),
        redaction_status: RedactionStatus::Released,
        body: Some("{\"released\":true}".to_owned()),
        ..withheld.clone()
    }
}

#[tokio::test]
async fn what_is_released_stands_in_the_place_of_what_was_withheld() {
    let ground = Ground::new().await;
    let withheld = |record: Record| Record { redaction_status: RedactionStatus::Withheld, ..record };
    let (asked, answered) = (withheld(request(1)), withheld(response(1, "ok")));
    // Of a frame that could not be opened, nobody knew the emitter.
    let unopened = Record { emitter_id: None, emitter_epoch: None, emitter_seq: None, ..withheld(request(2)) };
    ground.publish(&[asked.clone(), answered.clone(), unopened.clone(), response(2, "ok"), withheld(request(3))]).await;
    ground.publish(&[released(&asked), released(&answered), released(&withheld(request(2)))]).await;
    let rows =
        ground.rows("select request_body, response_body, redaction_status from exchanges order by occurred_at").await;
    let row = |request: &str, response: Option<&str>, status: &str| json!({ "request_body": request, "response_body": response, "redaction_status": status });
    let body = "{\"released\":true}";
    let expected = [
        row(body, Some(body), "released"),
        row(body, Some("{\"answer\":2}"), "released"),
        row("{\"n\":3}", None, "withheld"),
    ];
    assert_eq!(rows, json!(expected));
}

#[tokio::test]
async fn who_and_what_count_calls_errors_and_refusals() {
    let ground = small_trail().await;
    let who = ground
        .rows("select subject, name, calls, refusals, errors, targets from who order by subject nulls last")
        .await;
    assert_eq!(
        who,
        json!([
            { "subject": "ada", "name": "Ada", "calls": 3, "refusals": 0, "errors": 1, "targets": 1 },
            { "subject": "ben", "name": "Ben", "calls": 1, "refusals": 1, "errors": 0, "targets": 1 },
            { "subject": null, "name": null, "calls": 1, "refusals": 1, "errors": 0, "targets": 0 },
        ])
    );
    let what = ground
        .rows("select connection, target, calls, errors, callers, duration_max_us, last_at from what order by connection, target nulls last")
        .await;
    assert_eq!(
        what,
        json!([
            { "connection": "github", "target": "search", "calls": 3, "errors": 1, "callers": 1, "duration_max_us": 9000, "last_at": "2026-07-28T09:30:05Z" },
            { "connection": "github", "target": null, "calls": 1, "errors": 0, "callers": 0, "duration_max_us": null, "last_at": "2026-07-28T09:30:04.001Z" },
            { "connection": "jira", "target": "search", "calls": 1, "errors": 0, "callers": 1, "duration_max_us": null, "last_at": "2026-07-28T09:30:03Z" },
        ])
    );
}

#[tokio::test]
async fn refusals_are_all_there() {
    let rows = small_trail().await.rows("select subject, outcome from refusals order by occurred_at").await;
    assert_eq!(
        rows,
        json!([{ "subject": "ben", "outcome": "blocked" }, { "subject": null, "outcome": "unauthenticated" }])
    );
}

#[tokio::test]
async fn approvals_tell_what_became_of_each_held_call() {
    let ground = Ground::new().await;
    let end = |n, outcome: &str| held(n, refusal(n, outcome));
    ground
        .publish(&[
            held(1, request(1)),
            vote(1, "carol", Decision::Approve),
            event(1, What::Redeemed),
            held(1, response(1, "ok")),
        ])
        .await;
    ground.publish(&[held(2, request(2)), vote(2, "dan", Decision::Deny), end(2, "denied")]).await;
    ground.publish(&[held(3, request(3)), event(3, What::Expired), end(3, "expired")]).await;
    ground.publish(&[held(4, request(4))]).await;
    ground.archive(0, 3).await;
    let rows = ground.rows("select subject, state, approvals, denials, voters from approvals order by held_at").await;
    assert_eq!(
        rows,
        json!([
            { "subject": "ada", "state": "redeemed", "approvals": 1, "denials": 0, "voters": ["carol"] },
            { "subject": "ada", "state": "denied", "approvals": 0, "denials": 1, "voters": ["dan"] },
            { "subject": "ada", "state": "expired", "approvals": 0, "denials": 0, "voters": null },
            { "subject": "ada", "state": "pending", "approvals": 0, "denials": 0, "voters": null },
        ])
    );
}

fn approval_id(n: u64) -> ApprovalId {
    ApprovalId(Uuid::from_u64_pair(9, n))
}

fn held(n: u64, record: Record) -> Record {
    Record { approval_id: Some(approval_id(n)), verdict: Some("hold".to_owned()), ..record }
}

fn vote(n: u64, voter: &str, decision: Decision) -> Record {
    let voter: Principal = principal(voter, &["sre"]);
    let subject = Some(voter.subject.clone());
    let vote = Vote { vote_id: Uuid::nil().to_string(), voter, decision, comment: "\"event\":\"expired\"".to_owned() };
    Record { subject, name: None, ..event(n, What::Vote(vote)) }
}

fn event(n: u64, what: What) -> Record {
    let event = ApprovalEvent {
        approval_id: approval_id(n),
        exchange_id: exchange_id(n),
        occurred_at: Timestamp(MORNING),
        what,
    };
    let body = Some(event.to_json().to_string());
    Record { approval_id: Some(approval_id(n)), verdict: None, body, ..record(RecordKind::Decision, n) }
}

#[tokio::test]
async fn a_replay_tells_an_exchange_or_a_conversation_in_order() {
    let ground = Ground::new().await;
    let conversation = schemas::ConversationId(Uuid::from_u64_pair(5, 5));
    let within = |record| Record { conversation_id: Some(conversation), ..record };
    ground.publish(&[within(response(1, "ok")), within(request(1)), within(request(2)), request(3)]).await;
    let who = super::ground::asker("ada", &[]);
    let exchange = ground.trail.replay(&who, &exchange_id(1).to_string()).await.expect("a replay");
    assert_eq!(exchange.records, [within(request(1)), within(response(1, "ok"))]);
    let whole = ground.trail.replay(&who, &conversation.to_string()).await.expect("a replay");
    assert_eq!(whole.records, [within(request(1)), within(response(1, "ok")), within(request(2))]);
    let json: serde_json::Value = serde_json::from_slice(&whole.to_json().expect("JSON")).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    let nothing = ground.trail.replay(&who, &Uuid::nil().to_string()).await.expect_err("nothing").to_string();
    assert!(nothing.contains("no exchange or conversation"), "{nothing}");
    let nonsense = ground.trail.replay(&who, "' or 1=1 --").await.expect_err("not an id").to_string();
    assert!(nonsense.contains("is not an id"), "{nonsense}");
}

/// What the manual shows must work.
#[tokio::test]
async fn the_questions_of_the_manual_are_answered() {
    let ground = small_trail().await;
    let manual = include_str!("../../../docs/sql.md");
    let (_, questions) = manual.split_once("## Questions").expect("questions");
    let mut asked = 0;
    for block in questions.split("\n\n").filter(|block| block.trim_matches('\n').starts_with("    ")) {
        ground.rows(block).await;
        asked += 1;
    }
    assert_eq!(asked, 7);
}
