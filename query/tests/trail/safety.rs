//! A statement is a stranger's program.

use std::time::Duration;

use hansard_query::Config;
use serde_json::json;

use super::{
    ground::Ground,
    rows::{record, request},
};

async fn check_refused(statement: &str, because: &str) {
    let ground = Ground::new().await;
    let refusal = ground.refusal(statement).await;
    assert!(refusal.contains(because), "{statement}: {refusal}");
}

#[tokio::test]
async fn nothing_is_written() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().expect("a directory");
    let target = folder.path().join("out.csv").display().to_string();
    let statements = [
        format!("copy records to '{target}' stored as csv"),
        format!("copy (select 1) to '{target}' stored as csv"),
        format!("explain analyze copy (select 1) to '{target}' stored as csv"),
        "create external table t stored as csv location '/etc/passwd'".to_owned(),
        "create table t as select 1".to_owned(),
        "create view v as select 1".to_owned(),
        "create function f() returns int return 1".to_owned(),
        "insert into records select * from records".to_owned(),
        "delete from records".to_owned(),
        "update records set subject = 'x'".to_owned(),
        "drop table records".to_owned(),
        "drop view exchanges".to_owned(),
        "set datafusion.execution.batch_size = 1".to_owned(),
        "prepare p as select 1".to_owned(),
        "begin".to_owned(),
    ];
    for statement in statements {
        let refusal = ground.refusal(&statement).await;
        assert!(refusal.starts_with("the statement cannot be answered"), "{statement}: {refusal}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    assert_eq!(ground.rows("select count(*) as n from exchanges").await, json!([{ "n": 0 }]));
}

#[tokio::test]
async fn no_file_is_read() {
    for place in
        ["'/etc/passwd'", "'file:///etc/passwd'", "'log.sqlite'", "\"hansard://archive/log\"", "\"/etc/passwd\""]
    {
        check_refused(&format!("select * from {place}"), "not found").await;
    }
    for function in ["read_csv('/etc/passwd')", "read_parquet('/etc/passwd')", "parquet_metadata('/etc/passwd')"] {
        check_refused(&format!("select * from {function}"), "not").await;
    }
}

#[tokio::test]
async fn several_statements_are_refused() {
    check_refused("select 1; select 2", "single SQL statement").await;
}

#[tokio::test]
async fn a_very_deep_statement_is_refused_and_the_process_lives() {
    let ground = Ground::with(Config { statement_bytes_max: 1 << 20, ..Config::default() }).await;
    let deep = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(ground.refusal(&deep).await.contains("too many words and signs"));
    let ground = Ground::new().await;
    assert!(ground.refusal(&deep).await.contains("longer than"));
    assert_eq!(ground.rows("select 1 as one").await, json!([{ "one": 1 }]));
}

/// The deepest trees that the limits let through must be planned, run and dropped without a stack overflow.
#[tokio::test]
async fn the_deepest_statements_that_are_let_through_do_no_harm() {
    let ground = Ground::new().await;
    let terms = 950;
    let chains = [
        format!("select 1{} as x", "+1".repeat(terms)),
        format!("select count(*) as x from records where subject is null{}", " or name is null".repeat(terms / 2)),
        format!("select {} 1 as x", "- ".repeat(47)),
        format!("select {}1{} as x", "(".repeat(47), ")".repeat(47)),
        format!("select x from (select 1 as x){}", " union all select 1".repeat(terms / 4)),
        format!("select 1{} as x", "::int".repeat(terms)),
        format!("select 'a'{} as x", "||'a'".repeat(terms)),
    ];
    for chain in chains {
        let refusal = ground.refusal(&chain).await;
        let shown: String = chain.chars().take(60).collect();
        assert!(refusal.ends_with("rows") || refusal.starts_with("the statement"), "{shown}: {refusal}");
    }
    assert_eq!(ground.rows("select 1 as one").await, json!([{ "one": 1 }]));
}

#[tokio::test]
async fn a_statement_has_a_time_limit() {
    let ground = Ground::with(Config { statement_seconds_max: 1, ..Config::default() }).await;
    let began = std::time::Instant::now();
    let endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t";
    assert!(ground.refusal(endless).await.contains("ran longer than 1 s"));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(ground.rows("select 1 as one").await, json!([{ "one": 1 }]));
}

#[tokio::test]
async fn a_statement_has_a_memory_limit() {
    let ground = Ground::with(Config { memory_bytes_max: 1 << 20, ..Config::default() }).await;
    let rows: Vec<_> = (0..3000).map(|n| record(schemas::RecordKind::Read, n)).collect();
    ground.publish(&rows).await;
    let greedy = "select a.body || b.body as x, count(*) from records a cross join records b group by 1";
    assert!(ground.refusal(greedy).await.contains("needs more than 1 MiB of memory"));
}

#[tokio::test]
async fn an_answer_has_a_limit_of_rows_and_of_bytes() {
    let ground = Ground::with(Config { rows_max: 10, ..Config::default() }).await;
    ground.publish(&(0..11).map(request).collect::<Vec<_>>()).await;
    let all = ground.ask("select * from records").await.expect("an answer");
    assert_eq!((all.rows(), all.truncated), (10, true));
    let ten = ground.ask("select * from records limit 10").await.expect("an answer");
    assert_eq!((ten.rows(), ten.truncated), (10, false));
    let ground = Ground::with(Config { answer_bytes_max: 1000, ..Config::default() }).await;
    ground.publish(&(0..100).map(request).collect::<Vec<_>>()).await;
    assert!(ground.ask("select * from records").await.expect("an answer").truncated);
}

#[tokio::test]
async fn functions_that_blow_up_are_not_there() {
    for call in ["repeat('a', 1000000000)", "lpad('a', 1000000000)", "range(0, 1000000000)"] {
        check_refused(&format!("select {call}"), "Invalid function").await;
    }
}

#[tokio::test]
async fn an_unknown_column_is_told_with_what_there_is() {
    check_refused("select subjekt from records", "Did you mean").await;
    check_refused("select * from recordz", "not found").await;
    check_refused("selekt 1", "sql parser error").await;
}

#[tokio::test]
async fn tables_can_be_listed_and_described() {
    let ground = Ground::new().await;
    let tables =
        ground.rows("select table_name from information_schema.tables where table_schema = 'trail' order by 1").await;
    let names: Vec<_> = tables.as_array().expect("rows").iter().map(|row| row["table_name"].clone()).collect();
    assert_eq!(names, ["approvals", "exchanges", "records", "refusals", "what", "who"]);
    for statement in ["show tables", "describe records", "describe exchanges", "explain select * from who"] {
        assert!(!ground.rows(statement).await.as_array().expect("rows").is_empty(), "{statement}");
    }
}
