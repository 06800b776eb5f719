//! A row is there exactly once, whether it is in a file, in the log, or on its way.

use std::{sync::atomic::Ordering, time::Duration};

use hansard_query::{Config, Error};
use schemas::RecordKind;
use serde_json::json;
use tokio::time::timeout;

use super::{
    ground::{Ground, PARTITIONS, asker},
    rows::{record, request, response},
};

/// How long a look at the log may be awaited.
const PATIENCE: Duration = Duration::from_secs(10);

const COUNT: &str = "select count(*) as rows, count(distinct exchange_id) as exchanges from records";

async fn check_count(ground: &Ground, rows: usize) {
    assert_eq!(ground.rows(COUNT).await, json!([{ "rows": rows, "exchanges": rows }]));
}

#[tokio::test]
async fn an_empty_trail_has_no_rows() {
    check_count(&Ground::new().await, 0).await;
}

#[tokio::test]
async fn a_row_is_seen_as_soon_as_it_is_in_the_log() {
    let ground = Ground::new().await;
    for n in 0..20 {
        ground.publish(&[request(n)]).await;
        check_count(&ground, n as usize + 1).await;
    }
}

#[tokio::test]
async fn files_and_tail_make_one_table() {
    let ground = Ground::new().await;
    ground.publish(&(0..100).map(request).collect::<Vec<_>>()).await;
    check_count(&ground, 100).await;
    let archived = ground.archive(0, 10).await + ground.archive(1, 30).await;
    assert_eq!(archived, 40);
    check_count(&ground, 100).await;
    ground.archive(0, 1000).await;
    ground.archive(1, 1000).await;
    check_count(&ground, 100).await;
    ground.publish(&[request(100)]).await;
    check_count(&ground, 101).await;
}

#[tokio::test]
async fn the_archives_own_log_is_read_and_no_other() {
    let ground = Ground::new().await;
    ground.publish(&[request(0)]).await;
    ground.write_down_origin(None).await;
    check_count(&ground, 1).await;
    let ground = Ground::new().await;
    ground.write_down_origin(Some("another log")).await;
    ground.publish(&[request(0)]).await;
    let refused = ground.trail.sql(&asker("ada", &[]), COUNT).await.expect_err("nothing is joined");
    assert!(matches!(refused, Error::Foreign), "{refused}");
    let ready = ground.trail.ready().await;
    assert!(ready.as_deref().is_some_and(|why| why.contains("another log")), "{ready:?}");
}

#[tokio::test]
async fn a_log_that_is_made_anew_is_noticed_by_the_next_question() {
    let ground = Ground::new().await;
    ground.write_down_origin(None).await;
    ground.publish(&[request(0)]).await;
    check_count(&ground, 1).await;
    ground.replaced.store(true, Ordering::SeqCst);
    let refused = ground.trail.sql(&asker("ada", &[]), COUNT).await.expect_err("nothing is joined");
    assert!(matches!(refused, Error::Foreign), "{refused}");
}

#[tokio::test]
async fn exactly_once_while_the_archiver_is_at_work() {
    check_exactly_once_at_work(Config::default()).await;
}

#[tokio::test]
async fn exactly_once_without_any_room_to_keep_the_tail() {
    check_exactly_once_at_work(Config { tail_bytes_max: 0, ..Config::default() }).await;
}

/// Every answer counts each row once, and never fewer rows than the last one.
async fn check_exactly_once_at_work(config: Config) {
    const ROWS: u64 = 600;
    let ground = Ground::with(config).await;
    let writing = async {
        for first in (0..ROWS).step_by(20) {
            ground.publish(&(first..first + 20).map(request).collect::<Vec<_>>()).await;
            for partition in 0..PARTITIONS {
                ground.archive(partition, 7).await;
            }
            ground.forget_archived();
        }
    };
    let asking = async {
        let mut seen = 0;
        while seen < ROWS {
            let Some(rows) = answered_or_moved(&ground).await else { continue };
            let (rows, exchanges) = (rows[0]["rows"].as_u64(), rows[0]["exchanges"].as_u64());
            assert_eq!(rows, exchanges, "a row was doubled");
            assert!(rows >= Some(seen), "{rows:?} rows after {seen}");
            seen = rows.expect("a count");
        }
    };
    futures::join!(writing, asking);
    check_count(&ground, ROWS as usize).await;
}

/// A tail that is not kept may go while it is read: then the statement says so, and gives no wrong answer.
async fn answered_or_moved(ground: &Ground) -> Option<serde_json::Value> {
    match ground.ask(COUNT).await {
        Ok(answer) => Some(serde_json::from_slice(&answer.to_json().expect("JSON")).expect("JSON")),
        Err(error) => {
            assert!(error.to_string().contains("the log moved on"), "{error}");
            None
        }
    }
}

#[tokio::test]
async fn what_left_the_log_unarchived_is_told() {
    let ground = Ground::new().await;
    ground.floors[0].store(3, Ordering::SeqCst);
    ground.floors[1].store(3, Ordering::SeqCst);
    ground.publish(&(0..40).map(request).collect::<Vec<_>>()).await;
    check_count(&ground, 34).await;
    let told = ground.trail.ready().await.expect("a complaint");
    assert!(told.contains("offsets 0..3") && told.contains("before they were archived"), "{told}");
}

#[tokio::test]
async fn while_nobody_asks_the_tail_is_watched_and_not_read() {
    let mut ground = Ground::with(Config { follow_seconds: 1, ..Config::default() }).await;
    ground.publish(&(0..40).map(request).collect::<Vec<_>>()).await;
    ground.floors[0].store(3, Ordering::SeqCst);
    let lost = ground.unready.wait_for(Option::is_some);
    let told = timeout(PATIENCE, lost).await.expect("in time").expect("a complaint").clone().unwrap_or_default();
    assert!(told.contains("offsets 0..3 of partition 0"), "{told}");
    assert_eq!(ground.reads.load(Ordering::SeqCst), 0);
    check_count(&ground, 37).await;
    assert_ne!(ground.reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn all_parts_of_a_statement_see_the_same_moment() {
    let ground = Ground::new().await;
    let writing = async {
        for n in 0..300 {
            ground.publish(&[request(n)]).await;
        }
    };
    let asking = async {
        for _ in 0..10 {
            let rows =
                ground.rows("select (select count(*) from records) as a, (select count(*) from records) as b").await;
            assert_eq!(rows[0]["a"], rows[0]["b"]);
        }
    };
    futures::join!(writing, asking);
}

#[tokio::test]
async fn a_tail_that_is_not_kept_is_read_all_the_same() {
    let ground = Ground::with(Config { tail_bytes_max: 1, ..Config::default() }).await;
    ground.publish(&(0..50).map(request).collect::<Vec<_>>()).await;
    check_count(&ground, 50).await;
    ground.archive(0, 5).await;
    check_count(&ground, 50).await;
    let found = ground.rows("select subject from records where body = '{\"n\":49}'").await;
    assert_eq!(found, json!([{ "subject": "ada" }]));
}

#[tokio::test]
async fn what_is_no_record_is_passed_over_and_told() {
    let ground = Ground::new().await;
    ground.publish(&[request(1)]).await;
    ground.publish_rubbish().await;
    ground.publish(&[request(2)]).await;
    check_count(&ground, 2).await;
    let told = ground.trail.ready().await.expect("a complaint");
    assert!(told.contains("1 messages") && told.contains("are not records"), "{told}");
}

#[tokio::test]
async fn an_object_that_no_entry_names_is_never_read() {
    let ground = Ground::new().await;
    let stray = super::ground::parquet(&[request(1), response(1, "ok")]);
    ground.put("data/v1/stream=records/day=2026-07-28/part=000/00000000000000000000.parquet", stray).await;
    check_count(&ground, 0).await;
}

#[tokio::test]
async fn a_broken_commit_log_is_an_error_and_not_a_wrong_answer() {
    let ground = Ground::new().await;
    ground.publish(&[record(RecordKind::Lifecycle, 1)]).await;
    ground.put(&schemas::commit::entry_path(0), b"{}".to_vec()).await;
    assert!(ground.refusal(COUNT).await.contains("entry 0 of the commit log"));
}

#[tokio::test]
async fn the_trail_recovers_by_itself_when_the_store_does() {
    let ground = Ground::new().await;
    ground.publish(&[request(1)]).await;
    ground.store.failing.store(true, Ordering::SeqCst);
    assert!(ground.refusal(COUNT).await.contains("the archive cannot be read"));
    assert!(ground.trail.ready().await.is_some());
    ground.store.failing.store(false, Ordering::SeqCst);
    check_count(&ground, 1).await;
    assert_eq!(ground.trail.ready().await, None);
    assert_eq!(*ground.unready.borrow(), None);
}
