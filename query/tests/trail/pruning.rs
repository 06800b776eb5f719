//! A statement opens the files that it needs, and of these the parts that it needs.

use schemas::RecordKind;
use serde_json::json;

use super::{
    ground::Ground,
    rows::{exchange_id, record, request},
};

/// Three files of one partition each, of ten seconds each, and a tail.
async fn three_files() -> Ground {
    let ground = Ground::new().await;
    for first in [0, 10, 20] {
        ground.publish(&(first..first + 10).map(request).collect::<Vec<_>>()).await;
        ground.archive(0, 1000).await;
        ground.archive(1, 1000).await;
    }
    ground.publish(&[request(30)]).await;
    ground
}

async fn check_opens(ground: &Ground, statement: &str, rows: usize, files: usize) {
    ground.store.opened();
    let found = ground.rows(statement).await;
    let (opened, _) = ground.store.opened();
    assert_eq!((found.as_array().map(Vec::len), opened.len()), (Some(rows), files), "{statement} opened {opened:?}");
}

#[tokio::test]
async fn files_are_chosen_by_time_before_any_is_opened() {
    let ground = three_files().await;
    check_opens(&ground, "select exchange_id from records", 31, 6).await;
    check_opens(&ground, "select exchange_id from records where occurred_at >= '2026-07-28T09:30:20Z'", 11, 2).await;
    check_opens(&ground, "select exchange_id from records where recorded_at < '2026-07-28T09:30:05Z'", 5, 2).await;
    check_opens(&ground, "select exchange_id from records where occurred_at > '2026-07-28T09:30:29Z'", 1, 0).await;
    check_opens(&ground, "select exchange_id from exchanges where occurred_at > now()", 0, 0).await;
}

#[tokio::test]
async fn footers_are_read_once() {
    let ground = three_files().await;
    let statement = "select count(*) as n from records where kind = 'request'";
    ground.rows(statement).await;
    let (_, cold) = ground.store.opened();
    ground.rows(statement).await;
    let (_, warm) = ground.store.opened();
    assert!(warm * 2 < cold, "{warm} bytes after {cold}");
}

#[tokio::test]
async fn one_row_costs_a_small_share_of_its_file() {
    let ground = Ground::new().await;
    let long = |n| schemas::Record { body: Some(format!("{n:0>4000}")), ..record(RecordKind::Read, n) };
    let records: Vec<_> = (0..8000).map(long).collect();
    let size = super::ground::parquet(&records).len() as u64;
    ground.publish(&records).await;
    while ground.archive(0, 100_000).await + ground.archive(1, 100_000).await > 0 {}
    ground.rows("select count(*) as n from records where kind = 'request'").await;
    ground.store.opened();
    let statement = format!("select body_bytes from records where exchange_id = '{}'", exchange_id(4711));
    assert_eq!(ground.rows(&statement).await, json!([{ "body_bytes": 8 }]));
    let (_, read) = ground.store.opened();
    assert!(read * 4 < size, "{read} of {size} bytes");
}
