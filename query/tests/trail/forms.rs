//! The forms of an answer say the same.

use arrow::{array::RecordBatch, ipc::reader::StreamReader};
use bytes::Bytes;
use hansard_query::Answer;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::record::Redaction;
use serde_json::{Value, json};

use super::{ground::Ground, rows::request};

async fn answer(statement: &str) -> Answer {
    let ground = Ground::new().await;
    let redaction = Redaction {
        rule: "card".to_owned(),
        field: "body".to_owned(),
        pointer: "/n".to_owned(),
        action: "mask".to_owned(),
        start: 0,
        end: 1,
        masked_start: 0,
        masked_end: 1,
        key_id: None,
    };
    let masked = schemas::Record { redactions: vec![redaction], name: None, ..request(2) };
    ground.publish(&[request(1), masked]).await;
    ground.ask(statement).await.expect("an answer")
}

#[tokio::test]
async fn json_is_one_array_of_objects_with_nulls_and_rfc_3339() {
    let answer = answer("select occurred_at, name, groups, is_error from records order by occurred_at").await;
    let json: Value = serde_json::from_slice(&answer.to_json().expect("JSON")).expect("JSON");
    let groups = json!(["engineers"]);
    assert_eq!(
        json,
        json!([
            { "occurred_at": "2026-07-28T09:30:01Z", "name": "Ada", "groups": groups, "is_error": null },
            { "occurred_at": "2026-07-28T09:30:02Z", "name": null, "groups": groups, "is_error": null },
        ])
    );
}

#[tokio::test]
async fn no_rows_are_still_an_array() {
    let empty = answer("select * from records where false").await;
    assert_eq!(empty.to_json().expect("JSON"), b"[]");
    assert!(String::from_utf8(empty.to_csv().expect("CSV")).expect("text").starts_with("record_id,exchange_id,"));
}

#[tokio::test]
async fn columns_of_one_name_are_told_apart() {
    let answer =
        answer("select a.kind, b.kind from records a join records b on a.record_id = b.record_id limit 1").await;
    let json: Value = serde_json::from_slice(&answer.to_json().expect("JSON")).expect("JSON");
    assert_eq!(json, json!([{ "kind": "request", "kind_2": "request" }]));
}

#[tokio::test]
async fn csv_has_a_header_and_json_in_the_cells_of_lists() {
    let answer = answer("select name, groups, body from records order by occurred_at").await;
    let csv = String::from_utf8(answer.to_csv().expect("CSV")).expect("text");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines,
        ["name,groups,body", r#"Ada,"[""engineers""]","{""n"":1}""#, r#","[""engineers""]","{""n"":2}""#]
    );
}

#[tokio::test]
async fn arrow_and_parquet_hold_every_column_of_every_row() {
    let answer = answer("select * from records order by occurred_at").await;
    let stream =
        StreamReader::try_new(std::io::Cursor::new(answer.to_arrow_ipc().expect("IPC")), None).expect("a stream");
    check_same(&answer, &stream.map(|batch| batch.expect("a batch")).collect::<Vec<_>>());
    let parquet = Bytes::from(answer.to_parquet().expect("Parquet"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet).expect("a file").build().expect("a reader");
    check_same(&answer, &reader.map(|batch| batch.expect("a batch")).collect::<Vec<_>>());
}

fn check_same(answer: &Answer, batches: &[RecordBatch]) {
    let records = |batches: &[RecordBatch]| -> Vec<schemas::Record> {
        batches.iter().flat_map(|batch| schemas::arrow::from_batch(batch).expect("records")).collect()
    };
    assert_eq!(records(&answer.batches), records(batches));
    assert_eq!(records(batches).len(), 2);
}
