//! The masker on the real log: what becomes of each kind of frame, what is withheld, and that a restart at any moment
//! loses nothing and doubles nothing.

mod quarantine;
mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::fault::Fault;
use bytes::Bytes;
use schemas::{
    ApprovalEvent, ApprovalId, FrameKind, Record, RecordKind, RedactionStatus, Timestamp,
    approval::{Decision, Vote, What},
    call::{Ruling, Terms},
    frame::KIND_HEADER,
};
use uuid::Uuid;

use self::world::{World, context, exchange, frame, more};

const SPLIT: [&str; 2] = ["data: the key is AKIA", "IOSFODNN7EXAMPL3, keep it\n\n"];

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_frame_is_one_record() {
    let world = World::new().await;
    let kinds = [
        FrameKind::Request,
        FrameKind::Notification,
        FrameKind::Response,
        FrameKind::Refusal,
        FrameKind::Read,
        FrameKind::Lifecycle,
    ];
    for (number, kind) in (0..).zip(kinds) {
        world.send(frame(number, kind, br#"{"note":"jane@example.org"}"#)).await;
    }
    let running = world.start();
    let records = world.wait(kinds.len()).await;
    for (record, kind) in records.iter().zip(kinds) {
        assert_eq!(record.kind.as_str(), kind.as_str());
        assert_eq!(record.body.as_deref(), Some(r#"{"note":"[REDACTED:email]"}"#));
        assert_eq!(record.redaction_status, RedactionStatus::Masked);
        assert_eq!(record.redactions[0].pointer, "/note");
        assert_eq!(record.subject.as_deref(), Some("jane"));
        assert_eq!(record.emitter_id.as_deref(), Some("ingress-1"));
        assert_eq!(record.record_id.0.get_version_num(), 7);
        assert!(record.principal_id.as_deref().is_some_and(|id| id.len() == 34 && id.starts_with("p_")));
        assert_ne!(record.arguments_digest.as_deref(), Some("09".repeat(32).as_str()));
    }
    assert_eq!(records[2].outcome.as_deref(), Some("ok"));
    assert_eq!(world.quarantine().await, []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_words_are_masked_in_every_column() {
    let world = World::new().await;
    let mut asked = frame(0, FrameKind::Refusal, b"");
    let context = asked.context.get_or_insert_default();
    context.target = Some("mail://jane@example.org".to_owned());
    context.model = Some("for jane@example.org".to_owned());
    context.method = Some("GET 10.1.2.3".to_owned());
    asked.ending = frame(0, FrameKind::Response, b"").ending;
    asked.ending.get_or_insert_with(|| unreachable!()).error = Some("password=hunter2hunter2 is wrong".to_owned());
    world.send(asked).await;
    let running = world.start();
    let record = world.wait(1).await.remove(0);
    assert_eq!(record.target.as_deref(), Some("mail://[REDACTED:email]"));
    assert_eq!(record.model.as_deref(), Some("for [REDACTED:email]"));
    assert_eq!(record.method.as_deref(), Some("GET [REDACTED:ipv4]"));
    assert_eq!(record.error.as_deref(), Some("password=[REDACTED:password] is wrong"));
    assert_eq!(record.source_ip.as_deref(), Some("192.0.2.7"));
    let fields: Vec<_> = record.redactions.iter().map(|redaction| redaction.field.as_str()).collect();
    assert_eq!(fields.len(), 4);
    assert!(["target", "model", "method", "error"].iter().all(|field| fields.contains(field)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_and_a_vote_become_approval_events() {
    let world = World::new().await;
    let approval_id = ApprovalId(Uuid::from_u128(77));
    let mut held = frame(0, FrameKind::Request, br#"{"to":"jane@example.org"}"#);
    let terms = Terms { reviewers: vec![], approve: 1, deny: 1, expires: Duration::from_secs(60) };
    let policy_id = "sha256:00".to_owned();
    let ruling =
        Ruling { verdict: "hold".to_owned(), rule: Some("mail".to_owned()), policy_id, approval_id: Some(approval_id) };
    let said = held.context.get_or_insert_default();
    (said.ruling, said.terms) = (Some(ruling), Some(terms));
    world.send(held).await;
    let voter = context().principal.unwrap_or_default();
    let comment = "ask bob@example.org".to_owned();
    let vote = What::Vote(Vote { vote_id: Uuid::from_u128(5).to_string(), voter, decision: Decision::Deny, comment });
    let event = ApprovalEvent { approval_id, exchange_id: exchange(0), occurred_at: Timestamp(0), what: vote };
    world.send(frame(1, FrameKind::Decision, event.to_json().to_string().as_bytes())).await;

    let running = world.start();
    let records = world.wait(2).await;
    let events = world.approvals().await;
    assert!(events.iter().all(|(_, key)| *key == Bytes::copy_from_slice(approval_id.0.as_bytes())));
    let (What::Held(held), What::Vote(vote)) = (&events[0].0.what, &events[1].0.what) else { panic!("{events:?}") };
    assert_eq!(held.body, r#"{"to":"[REDACTED:email]"}"#);
    assert_eq!(Some(&held.arguments_digest), records[0].arguments_digest.as_ref());
    assert_eq!(vote.comment, "ask [REDACTED:email]");
    assert_eq!((records[1].kind, records[1].approval_id), (RecordKind::Decision, Some(approval_id)));
    assert!(!records[1].body.as_deref().unwrap_or_default().contains("bob@"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_withheld_and_quarantined() {
    let world = World::new().await;
    let stranger = World::new().await;
    let mut flipped = world.sealed(frame(0, FrameKind::Request, b"{}"));
    let mut bytes = flipped.value.to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    flipped.value = bytes.into();
    let unknown_key = stranger.sealed(frame(1, FrameKind::Request, b"{}"));
    let mut other_kind = world.sealed(frame(2, FrameKind::Request, b"{}"));
    other_kind.headers = vec![(KIND_HEADER.to_owned(), Bytes::from_static(b"read"))];
    let not_text = world.sealed(frame(3, FrameKind::Request, b"\xff\xfe"));
    let too_deep = world.sealed(frame(4, FrameKind::Request, "[".repeat(500).as_bytes()));
    let mut unlabelled = world.sealed(frame(5, FrameKind::Request, b"{}"));
    unlabelled.headers.clear();
    // A newer program's: the single-object encoding with a fingerprint that nobody here knows.
    let newer = world.sealed_as(&frame(6, FrameKind::Request, b"{}"), &[0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    let torn = frame(7, FrameKind::Request, b"{}");
    let torn = world.sealed_as(&torn, &torn.to_avro()[..20]);
    let sent = [flipped, unknown_key, other_kind, not_text, too_deep, unlabelled, newer, torn];
    for message in &sent {
        world.publish(message.clone()).await;
    }
    world.send(frame(8, FrameKind::Request, b"{}")).await;

    let running = world.start();
    let records = world.wait(sent.len() + 1).await;
    for (number, record) in (0..).zip(&records[..sent.len()]) {
        assert_eq!(record.redaction_status, RedactionStatus::Withheld, "{record:?}");
        assert_eq!(record.exchange_id, exchange(number));
        let body: serde_json::Value = serde_json::from_str(record.body.as_deref().expect("a body")).expect("JSON");
        assert_eq!(body["hansard"], "withheld");
    }
    // Of those that opened, the metadata is there; of a newer one it is said what to do.
    assert_eq!(records[3].subject.as_deref(), Some("jane"));
    assert!(
        records[6].body.as_deref().is_some_and(|body| body.contains("a newer program wrote it")),
        "{:?}",
        records[6]
    );
    assert_eq!(records[8].redaction_status, RedactionStatus::Clean);
    let quarantine = world.quarantine().await;
    assert_eq!(quarantine.len(), sent.len());
    for (stored, message) in quarantine.iter().zip(&sent) {
        assert_eq!((&stored.value, &stored.key), (&message.value, &message.key));
        assert!(stored.header("reason").is_some());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_is_one_record_and_its_split_secret_is_found() {
    let world = World::new().await;
    world.send(frame(0, FrameKind::Chunk, SPLIT[0].as_bytes())).await;
    world.send(frame(1, FrameKind::Notification, b"{}")).await;
    world.send(more(0, SPLIT[1].as_bytes())).await;
    world.send(frame(0, FrameKind::Response, b"")).await;
    let running = world.start();
    let records = world.wait(2).await;
    let answer = &records[1];
    assert_eq!(answer.body.as_deref(), Some("data: the key is [REDACTED:aws_access_key], keep it\n\n"));
    assert_eq!(answer.body_bytes, SPLIT.concat().len() as i64);
    assert_eq!((answer.outcome.as_deref(), answer.duration_us), (Some("ok"), Some(1500)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_message_is_the_body_and_comments_only_count() {
    let world = World::new().await;
    world.send(frame(0, FrameKind::Chunk, b": ping\n\n")).await;
    world.send(frame(0, FrameKind::Response, br#"{"result":1}"#)).await;
    let running = world.start();
    let record = world.wait(1).await.remove(0);
    assert_eq!((record.body.as_deref(), record.body_bytes), (Some(r#"{"result":1}"#), 20));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_closed_as_interrupted() {
    let world = World::new().await;
    world.send(frame(0, FrameKind::Chunk, b"data: half")).await;
    world.send(frame(1, FrameKind::Notification, b"{}")).await;
    let running = world.start();
    world.wait(1).await;
    world.pass_seconds(61);
    let record = world.wait(2).await.remove(1);
    assert_eq!((record.outcome.as_deref(), record.body.as_deref()), (Some("interrupted"), Some("data: half")));
    running.stop().await;
    // A restart knows that it was closed.
    let running = world.start();
    world.send(frame(2, FrameKind::Notification, b"{}")).await;
    world.wait(3).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_commits_lose_nothing_and_double_nothing() {
    for fault in [Fault::NotDone, Fault::Done, Fault::Fenced] {
        let world = World::new().await;
        world.faults.fail_commits(fault, 3);
        world.send(frame(0, FrameKind::Chunk, b"one ")).await;
        world.send(frame(1, FrameKind::Request, b"{}")).await;
        let running = world.start();
        world.send(more(0, b"two")).await;
        world.wait(1).await;
        world.faults.fail_commits(fault, 1);
        world.send(frame(0, FrameKind::Response, b"")).await;
        let records = world.wait(2).await;
        assert_eq!(records[1].body.as_deref(), Some("one two"), "{fault:?}");
        running.stop().await;
    }
}

/// Streams that interleave, and a masker that is killed again and again: the trail is as if it had never been.
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_change_nothing() {
    let world = World::new().await;
    const EXCHANGES: u128 = 12;
    let mut kills: u64 = 0;
    for round in 0..4_u32 {
        for number in 0..EXCHANGES {
            let text = format!("{number}.{round} ");
            let piece = if round == 0 {
                frame(number, FrameKind::Chunk, text.as_bytes())
            } else {
                more(number, text.as_bytes())
            };
            world.send(piece).await;
            world.send(frame(number + 100, FrameKind::Notification, b"{}")).await;
            if round == 3 {
                world.send(frame(number, FrameKind::Response, b"")).await;
            }
            let running = world.start_joined().await;
            // Yields differ from turn to turn, so that the end comes at each of its awaits.
            for _ in 0..kills % 40 {
                tokio::task::yield_now().await;
            }
            tokio::time::timeout(Duration::from_millis(kills % 7), std::future::pending::<()>()).await.unwrap_err();
            running.kill().await;
            kills += 1;
        }
    }
    let running = world.start();
    let records = world.wait(usize::try_from(EXCHANGES).expect("few") * 5).await;
    let bodies: BTreeMap<_, _> =
        records.iter().filter(|record| is_answer(record)).map(|r| (r.exchange_id, &r.body)).collect();
    assert_eq!(bodies.len() as u128, EXCHANGES);
    for number in 0..EXCHANGES {
        let whole = format!("{number}.0 {number}.1 {number}.2 {number}.3 ");
        assert_eq!(bodies[&exchange(number)].as_deref(), Some(whole.as_str()));
    }
    running.stop().await;
}

fn is_answer(record: &Record) -> bool {
    record.kind == RecordKind::Response
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_deliveries_change_nothing() {
    let world = World::new().await;
    world.faults.repeat_deliveries(8);
    world.send(frame(0, FrameKind::Chunk, b"one ")).await;
    world.send(frame(1, FrameKind::Notification, b"{}")).await;
    let running = world.start();
    world.wait(1).await;
    world.send(frame(0, FrameKind::Response, b"")).await;
    assert_eq!(world.wait(2).await[1].body.as_deref(), Some("one "));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_silence_survives_a_restart() {
    let world = World::new().await;
    world.send(frame(0, FrameKind::Chunk, b"one ")).await;
    let running = world.start();
    world.pass_seconds(61);
    world.send(frame(1, FrameKind::Notification, b"{}")).await;
    world.wait(2).await;
    world.send(more(0, b"two ")).await;
    world.send(frame(2, FrameKind::Notification, b"{}")).await;
    world.wait(3).await;
    running.stop().await;
    let running = world.start();
    world.send(more(0, b"three")).await;
    world.send(frame(0, FrameKind::Response, b"")).await;
    assert_eq!(world.wait(4).await[3].body.as_deref(), Some("two three"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_stream_is_quarantined_in_whole() {
    let world = World::new().await;
    world.send(frame(0, FrameKind::Chunk, b"\xff")).await;
    world.send(more(0, b"\xfe")).await;
    world.send(frame(0, FrameKind::Response, b"")).await;
    let running = world.start();
    assert_eq!(world.wait(1).await[0].redaction_status, RedactionStatus::Withheld);
    assert_eq!(world.quarantine().await.len(), 3);
    running.stop().await;
}

/// While sets of rules change, each record is masked with one of them, and names that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_names_the_rules_that_masked_it() {
    const MESSAGES: u128 = 200;
    let world = World::new().await;
    let of = |action| {
        let (packs, actions) = (vec!["pii".to_owned()], [("email".to_owned(), action)].into());
        let set = redact::RuleSet { packs, actions, ..redact::RuleSet::default() };
        Arc::new(redact::Redactor::load(&set, redact::Keyring::default()).expect("the set is whole"))
    };
    let sets = [of(redact::Action::Redact), of(redact::Action::Partial)];
    world.rules.send_replace(sets[0].clone());
    let running = world.start();
    let body = br#"{"a":"jane@example.org","b":"jane@example.org"}"#;
    world.send(frame(0, FrameKind::Request, body)).await;
    world.wait(1).await;
    for number in 1..MESSAGES {
        world.send(frame(number, FrameKind::Request, body)).await;
        world.rules.send_replace(sets[usize::from(number % 2 == 0)].clone());
    }
    world.rules.send_replace(sets[1].clone());
    world.send(frame(MESSAGES, FrameKind::Request, body)).await;
    let records = world.wait(usize::try_from(MESSAGES).expect("few") + 1).await;
    running.stop().await;
    let mut named = [0, 0];
    for record in &records {
        let set =
            sets.iter().position(|set| record.ruleset_id.as_deref() == Some(set.ruleset_id())).expect("a known set");
        named[set] += 1;
        let word = ["[REDACTED:email]", "[REDACTED:email:last:org]"][set];
        let expected = format!(r#"{{"a":"{word}","b":"{word}"}}"#);
        assert_eq!(record.body.as_deref(), Some(expected.as_str()));
    }
    assert!(named.iter().all(|count| *count > 0), "{named:?}");
}

/// A rule for some tools holds for their answers, and for those of which nobody knows whose they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_by_path_holds_for_its_tools_and_its_direction() {
    let world = World::new().await;
    let rule =
        "[[rule]]\nid = \"pay\"\nfields = [\"**.pay\"]\ntools = [\"payroll_*\"]\ndirection = \"to_caller\"".to_owned();
    let files = vec![redact::RuleFile { name: "pay.toml".to_owned(), text: rule }];
    let set = redact::RuleSet { packs: vec!["pii".to_owned()], files, ..redact::RuleSet::default() };
    let redactor = redact::Redactor::load(&set, redact::Keyring::default()).expect("the set is whole");
    world.rules.send_replace(Arc::new(redactor));
    let cases = [
        ("payroll_list", FrameKind::Response, r#"{"pay":1}"#, true),
        ("payroll_list", FrameKind::Request, r#"{"pay":1}"#, false),
        ("search", FrameKind::Response, r#"{"pay":1}"#, false),
        ("search", FrameKind::Response, r#"[{"pay":1}]"#, true),
    ];
    for (number, (tool, kind, body, _)) in (0..).zip(cases) {
        let mut frame = frame(number, kind, body.as_bytes());
        frame.context.get_or_insert_default().target = Some(tool.to_owned());
        world.send(frame).await;
    }
    let running = world.start();
    let records = world.wait(cases.len()).await;
    for (record, (tool, kind, body, is_masked)) in records.iter().zip(cases) {
        let expected = if is_masked { body.replace('1', "\"[REDACTED:pay]\"") } else { body.to_owned() };
        assert_eq!(record.body.as_deref(), Some(expected.as_str()), "{tool} {}", kind.as_str());
    }
    running.stop().await;
}

/// One event of a model's answer.
fn delta(text: &str) -> String {
    let data = serde_json::json!({ "type": "content_block_delta", "index": 0, "delta": { "text": text } });
    format!("event: content_block_delta\ndata: {data}\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_says_in_pieces_is_masked_as_a_whole() {
    let world = World::new().await;
    let pieces = ["write to ja", "ne@exam", "ple.org, not by post"];
    world.send(frame(0, FrameKind::Chunk, delta(pieces[0]).as_bytes())).await;
    world.send(more(0, delta(pieces[1]).as_bytes())).await;
    world.send(more(0, delta(pieces[2]).as_bytes())).await;
    // The last event is cut off in the middle of an address that began before it.
    world.send(more(0, delta("; or joe@example.").as_bytes())).await;
    let cut = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"org and";
    world.send(more(0, cut.as_bytes())).await;
    world.send(frame(0, FrameKind::Response, b"")).await;
    let running = world.start();
    let record = world.wait(1).await.remove(0);
    let expected = [
        delta("write to [REDACTED:email]"),
        delta(""),
        delta(", not by post"),
        delta("; or [REDACTED:email]"),
        cut.replace("org and", " and"),
    ];
    assert_eq!(record.body.as_deref(), Some(expected.concat().as_str()));
    assert_eq!(record.redactions.iter().filter(|one| one.rule == "email").count(), record.redactions.len());
    running.stop().await;
}
