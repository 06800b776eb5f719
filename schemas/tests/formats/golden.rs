//! Golden files: what each version of each format wrote, never edited, only added. `.bin` is the message, `.json` the
//! same as another Avro implementation reads it, for people. The first of each have the fingerprint of a form that was
//! taken for the canonical one; `-canonical` differ in that alone, and are what is written.

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use hansard_schemas::{
    ApprovalEvent, Frame, Record,
    avro::{APPROVAL_SCHEMA, FRAME_SCHEMA, RECORD_SCHEMA},
    leaf,
};
use serde_json::Value;

use crate::sample;

#[test]
fn frame_v1_is_as_it_was() {
    let golden = include_bytes!("../../golden/frame-v1.bin");
    assert_eq!(Frame::from_avro(golden), Ok(sample::frame()));
    check_description(FRAME_SCHEMA, golden, include_str!("../../golden/frame-v1.json"));
    let canonical = include_bytes!("../../golden/frame-v1-canonical.bin");
    assert_eq!(Frame::from_avro(canonical), Ok(sample::frame()));
    assert_eq!(sample::frame().to_avro(), canonical);
}

#[test]
fn record_v1_is_as_it_was() {
    let golden = include_bytes!("../../golden/record-v1.bin");
    assert_eq!(Record::from_avro(golden), Ok(sample::record()));
    check_description(RECORD_SCHEMA, golden, include_str!("../../golden/record-v1.json"));
    let canonical = include_bytes!("../../golden/record-v1-canonical.bin");
    assert_eq!(Record::from_avro(canonical), Ok(sample::record()));
    assert_eq!(sample::record().to_avro(), canonical);
}

#[test]
fn approval_v1_is_as_it_was() {
    let golden = include_bytes!("../../golden/approval-v1.bin");
    assert_eq!(ApprovalEvent::from_avro(golden), Ok(sample::approval_event()));
    check_description(APPROVAL_SCHEMA, golden, include_str!("../../golden/approval-v1.json"));
    let canonical = include_bytes!("../../golden/approval-v1-canonical.bin");
    assert_eq!(ApprovalEvent::from_avro(canonical), Ok(sample::approval_event()));
    assert_eq!(sample::approval_event().to_avro(), canonical);
}

#[test]
fn approval_event_json_is_as_it_was() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/approval-event-v1.json")).expect("JSON");
    assert_eq!(sample::approval_event().to_json(), golden);
    assert_eq!(ApprovalEvent::from_json(&golden).expect("an event"), sample::approval_event());
}

#[test]
fn leaf_v1_is_as_it_was() {
    assert_eq!(leaf::leaf_data(&sample::record()), include_bytes!("../../golden/leaf-v1.bin"));
    // Computed apart from this program, from the golden record and the text of the format.
    const HASH: &str = "8bcf353fcc4bdc2be5dad71519a6147be7006ce5d9d16a61a2c85bf3ff06aa0c";
    let hash: String = leaf::leaf_hash(&sample::record()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, HASH);
}

fn check_description(schema: &str, golden: &[u8], description: &str) {
    let schema = Schema::parse_str(schema).expect("a schema");
    let reader = GenericDatumReader::builder(&schema).build().expect("a schema");
    let value = reader.read_value(&mut &golden[10..]).expect("Avro");
    let expected: Value = serde_json::from_str(description).expect("JSON");
    assert_eq!(Value::try_from(value).expect("no maps, no infinities"), expected);
}
