//! Every read is a record, or it is not answered.

use std::sync::atomic::Ordering;

use hansard_query::{Asker, Config, Error};
use schemas::{FrameKind, Outcome};

use super::{
    ground::{Ground, asker},
    rows::{exchange_id, request},
};

#[tokio::test]
async fn a_read_is_recorded_with_who_and_what() {
    let ground = Ground::new().await;
    ground.publish(&[request(1)]).await;
    ground.rows("select 1 as one").await;
    let id = exchange_id(1).to_string();
    ground.trail.replay(&asker("ben", &["auditors"]), &id).await.expect("a replay");
    let frames = ground.frames().await;
    let [sql, replay] = frames.as_slice() else { panic!("two frames, not {}", frames.len()) };
    let context = sql.context.as_ref().expect("a context");
    assert_eq!((sql.kind, context.method.as_deref()), (FrameKind::Read, Some("trail/sql")));
    assert_eq!(context.principal, asker("ada", &[]).principal);
    assert_eq!(context.source_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(sql.body.as_deref(), Some(br#"{"sql":"select 1 as one"}"#.as_slice()));
    let context = replay.context.as_ref().expect("a context");
    assert_eq!((context.method.as_deref(), context.target.as_deref()), (Some("trail/replay"), Some(id.as_str())));
}

#[tokio::test]
async fn a_read_that_fails_is_recorded_twice_as_asked_and_as_refused() {
    let ground = Ground::new().await;
    ground.refusal("select nothing from nowhere").await;
    let frames = ground.frames().await;
    let [asked, refused] = frames.as_slice() else { panic!("two frames, not {}", frames.len()) };
    assert_eq!((asked.kind, refused.kind), (FrameKind::Read, FrameKind::Refusal));
    assert_eq!((asked.exchange_id, asked.ordinal, refused.ordinal), (refused.exchange_id, 0, 1));
    let ending = refused.ending.as_ref().expect("an ending");
    assert_eq!((ending.outcome, ending.transport_status), (Outcome::Malformed, Some(400)));
    assert!(ending.error.as_ref().expect("a reason").contains("nowhere"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let ground = Ground::new().await;
    ground.publish(&[request(1)]).await;
    ground.unrecorded.store(true, Ordering::SeqCst);
    let refused = ground.ask("select * from records").await.expect_err("no answer");
    assert!(matches!(refused, Error::Unrecorded(_)), "{refused}");
    let who = asker("ada", &[]);
    let refused = ground.trail.replay(&who, &exchange_id(1).to_string()).await.expect_err("no answer");
    assert!(matches!(refused, Error::Unrecorded(_)), "{refused}");
    ground.unrecorded.store(false, Ordering::SeqCst);
    assert_eq!(ground.ask("select * from records").await.expect("an answer").rows(), 1);
}

#[tokio::test]
async fn only_readers_read_where_readers_are_named() {
    let ground = Ground::with(Config { readers: vec!["auditors".to_owned()], ..Config::default() }).await;
    let refused = ground.trail.sql(&asker("ben", &["engineers"]), "select 1").await.expect_err("no answer");
    assert!(matches!(refused, Error::Forbidden), "{refused}");
    let last = ground.frames().await.pop().expect("a frame");
    assert_eq!(last.ending.expect("an ending").outcome, Outcome::Forbidden);
    ground.trail.sql(&asker("ben", &["auditors"]), "select 1").await.expect("an answer");
}

#[tokio::test]
async fn where_no_readers_are_named_nobody_reads_but_who_is_at_the_machine() {
    let ground = Ground::exactly(Config::default()).await;
    let refused = ground.trail.sql(&asker("ada", &["auditors", "*"]), "select 1").await.expect_err("no answer");
    assert!(matches!(refused, Error::Forbidden), "{refused}");
    let at_the_machine = Asker { auth_method: "local".to_owned(), ..asker("ada", &[]) };
    ground.trail.sql(&at_the_machine, "select 1").await.expect("an answer");
}

#[tokio::test]
async fn a_statement_too_long_is_recorded_as_far_as_it_may_go() {
    let ground = Ground::new().await;
    ground.refusal(&format!("select '{}'", "é".repeat(200_000))).await;
    let frames = ground.frames().await;
    assert!(frames[0].body.as_ref().expect("a body").len() < 70_000);
    assert_eq!(frames[1].ending.as_ref().expect("an ending").outcome, Outcome::TooLarge);
}
