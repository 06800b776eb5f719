//! What is written is read back the same; what is damaged is refused.

use hansard_schemas::{
    ApprovalEvent, Frame, Record, arrow,
    avro::{DecodeError, Framing, RECORD_V1},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{arbitrary, sample};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn frames_come_back_from_avro(frame in arbitrary::frame()) {
        prop_assert_eq!(Frame::from_avro(&frame.to_avro()), Ok(frame));
    }

    #[test]
    fn records_come_back_from_avro(record in arbitrary::record()) {
        prop_assert_eq!(Record::from_avro(&record.to_avro()), Ok(record));
    }

    #[test]
    fn approval_events_come_back_from_avro_and_json(event in arbitrary::approval_event()) {
        prop_assert_eq!(ApprovalEvent::from_avro(&event.to_avro()), Ok(event.clone()));
        let text = event.to_json().to_string();
        let json: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(ApprovalEvent::from_json(&json).expect("our own JSON"), event);
    }

    #[test]
    fn registered_messages_come_back_with_their_header(
        record in arbitrary::record(),
        event in arbitrary::approval_event(),
        schema_id in any::<u32>(),
    ) {
        let framing = Framing::Registered { schema_id };
        let framed = record.to_message(framing);
        prop_assert_eq!(&framed.value[..5], &[&[0][..], &schema_id.to_be_bytes()].concat());
        prop_assert_eq!(&framed.value[5..], &record.to_avro()[10..], "the fields are the same");
        let header = framed.fingerprint.expect("a header");
        prop_assert_eq!(Record::from_message(&framed.value, Some(header.as_bytes())), Ok(record));
        let framed = event.to_message(framing);
        let header = framed.fingerprint.expect("a header");
        prop_assert_eq!(ApprovalEvent::from_message(&framed.value, Some(header.as_bytes())), Ok(event));
    }

    #[test]
    fn records_come_back_from_arrow_and_then_from_avro(records in vec(arbitrary::record(), 0..8)) {
        let batch = arrow::to_batch(&records).expect("records fit the schema");
        prop_assert_eq!(batch.schema(), arrow::schema());
        let back = arrow::from_batch(&batch).expect("our own batch");
        prop_assert_eq!(&back, &records);
        for record in back {
            prop_assert_eq!(Record::from_avro(&record.to_avro()), Ok(record));
        }
    }

    #[test]
    fn damaged_messages_are_refused_without_a_panic(
        message in prop_oneof![
            arbitrary::frame().prop_map(|frame| frame.to_avro()),
            arbitrary::record().prop_map(|record| record.to_avro()),
            arbitrary::approval_event().prop_map(|event| event.to_avro()),
        ],
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut damaged = message;
        for (at, byte) in damage {
            let at = 10 + at.index(damaged.len() - 10);
            damaged[at] = byte;
        }
        // What is still read is something that can be written: the decoder made no value that is not one.
        if let Ok(frame) = Frame::from_avro(&damaged) {
            prop_assert_eq!(Frame::from_avro(&frame.to_avro()), Ok(frame));
        }
        if let Ok(record) = Record::from_avro(&damaged) {
            prop_assert_eq!(Record::from_avro(&record.to_avro()), Ok(record));
        }
        if let Ok(event) = ApprovalEvent::from_avro(&damaged) {
            prop_assert_eq!(ApprovalEvent::from_avro(&event.to_avro()), Ok(event));
        }
    }

    #[test]
    fn anything_after_a_header_is_refused_without_a_panic(fields in vec(any::<u8>(), 0..400)) {
        for header in [sample::frame().to_avro(), sample::record().to_avro(), sample::approval_event().to_avro()] {
            let message = [&header[..10], &fields].concat();
            prop_assert!(Frame::from_avro(&message).is_err());
            prop_assert!(Record::from_avro(&message).is_err());
            prop_assert!(ApprovalEvent::from_avro(&message).is_err());
        }
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    let (frame, record, event) =
        (sample::frame().to_avro(), sample::record().to_avro(), sample::approval_event().to_avro());
    (0..frame.len()).for_each(|length| assert!(Frame::from_avro(&frame[..length]).is_err(), "cut at {length}"));
    (0..record.len()).for_each(|length| assert!(Record::from_avro(&record[..length]).is_err(), "cut at {length}"));
    (0..event.len()).for_each(|length| assert!(ApprovalEvent::from_avro(&event[..length]).is_err(), "cut at {length}"));
}

#[test]
fn refusals_say_why() {
    let check = |bytes: &[u8], why: DecodeError| assert_eq!(Record::from_avro(bytes), Err(why), "{bytes:02x?}");
    let good = sample::record().to_avro();
    check(b"", DecodeError::NotAvro);
    check(b"{}", DecodeError::NotAvro);
    check(&[0xC3, 0x01, 0], DecodeError::NotAvro);
    check(&[0, 0, 0, 1], DecodeError::NotAvro);
    check(&[&good[..], b"!!"].concat(), DecodeError::Trailing { bytes: 2 });
    check(&[0xC3, 0x01, 1, 0, 0, 0, 0, 0, 0, 0], DecodeError::UnknownVersion { topic: "record", fingerprint: 1 });
    let frame = Record::from_avro(&sample::frame().to_avro()).expect_err("a frame is no record");
    assert!(matches!(frame, DecodeError::UnknownVersion { .. }));
    let header = &good[..10];
    check(&[header, &[71]].concat(), DecodeError::Length { at: 1 });
    check(&[header, &[0x80, 0x80]].concat(), DecodeError::Ends { at: 2 });
    check(&[header, &[0xFF; 10]].concat(), DecodeError::Number { at: 10 });
    check(&[header, &[72], &[b'g'; 36]].concat(), DecodeError::Word { at: 37, expected: "a UUID" });
}

#[test]
fn a_claim_of_many_items_reserves_nothing() {
    let mut writer = hansard_schemas::avro::Writer::with_capacity(16);
    writer.long(i64::MAX);
    let bytes = writer.into_bytes();
    let mut reader = hansard_schemas::avro::Reader::new(&bytes);
    assert_eq!(reader.strings(), Err(DecodeError::Length { at: bytes.len() }));
    let mut writer = hansard_schemas::avro::Writer::with_capacity(16);
    writer.long(i64::MIN);
    writer.long(0);
    let bytes = writer.into_bytes();
    let mut reader = hansard_schemas::avro::Reader::new(&bytes);
    assert_eq!(reader.strings(), Err(DecodeError::Length { at: bytes.len() }));
}

/// Other writers may cut an array into blocks, and say how many bytes a block has.
#[test]
fn arrays_in_blocks_are_read() {
    let bytes = [2, 2, b'a', 3, 8, 2, b'b', 2, b'c', 0];
    let mut reader = hansard_schemas::avro::Reader::new(&bytes);
    assert_eq!(reader.strings().expect("three texts"), ["a", "b", "c"]);
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn json_is_taken_strictly() {
    let good = sample::approval_event().to_json();
    let check = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        changed.pointer_mut(parent).expect("a member of the sample")[member] = value;
        assert!(ApprovalEvent::from_json(&changed).is_err(), "{pointer}");
    };
    check("/unknown", json!(1));
    check("/held/unknown", json!(1));
    check("/held/terms/unknown", json!(1));
    check("/held/requester/unknown", json!(1));
    check("/event", json!("vote"));
    check("/event", json!("redeemed"));
    check("/event", json!("guessed"));
    check("/held", Value::Null);
    check("/held/terms/expires_us", json!(-1));
    check("/held/terms/approve", json!("2"));
    check("/occurred_at", json!("2026-02-30T00:00:00.000000Z"));
    check("/approval_id", json!("not an id"));
    assert!(ApprovalEvent::from_json(&json!([])).is_err());
    assert_eq!(ApprovalEvent::from_json(&good).expect("the sample"), sample::approval_event());
}

#[test]
fn arrow_columns_are_those_of_the_schema_with_their_numbers() {
    let avro: Value = serde_json::from_str(hansard_schemas::avro::RECORD_SCHEMA).expect("JSON");
    let names: Vec<_> = avro["fields"].as_array().expect("fields").iter().map(|field| &field["name"]).collect();
    let schema = arrow::schema();
    assert_eq!(schema.fields().iter().map(|field| field.name()).collect::<Vec<_>>(), names);
    for (number, field) in (1..).zip(schema.fields()) {
        assert_eq!(field.metadata()[arrow::FIELD_NUMBER], i32::to_string(&number), "{field}");
        let avro_null = avro["fields"][number as usize - 1]["type"].as_array().is_some();
        assert_eq!(field.is_nullable(), avro_null, "{field}");
    }
}

#[test]
fn batches_of_other_making_are_read_or_refused() {
    use ::arrow::{array::RecordBatch, compute::cast, datatypes::DataType};
    let records = vec![sample::record(), sample::record()];
    let batch = arrow::to_batch(&records).expect("records fit the schema");
    // Query engines give views in place of strings, and put columns where they like.
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).rev().map(|(field, column)| {
        let viewed = match column.data_type() {
            DataType::Utf8 => cast(column, &DataType::Utf8View).expect("text"),
            DataType::Binary => cast(column, &DataType::BinaryView).expect("bytes"),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => {
                cast(column, &DataType::new_list(DataType::Utf8View, true)).expect("texts")
            }
            _ => column.clone(),
        };
        (field.name().clone(), viewed)
    });
    let shuffled = RecordBatch::try_from_iter(columns).expect("columns of one length");
    assert_eq!(arrow::from_batch(&shuffled).expect("the same columns"), records);
    let fewer = batch.project(&[0, 1, 2]).expect("three columns");
    let refusal = arrow::from_batch(&fewer).expect_err("columns are missing").to_string();
    assert!(refusal.contains("no column `leg_of`"), "{refusal}");
}

#[test]
fn a_registered_message_is_not_guessed_at() {
    let framed = sample::record().to_message(Framing::Registered { schema_id: 7 });
    let check = |header: Option<&str>, why: DecodeError| {
        assert_eq!(Record::from_message(&framed.value, header.map(str::as_bytes)), Err(why), "{header:?}");
    };
    assert_eq!(framed.fingerprint, Some(format!("{RECORD_V1:016x}")));
    for header in [None, Some(""), Some("55856ad8bc8e4a3"), Some("+5856ad8bc8e4a36"), Some("not hex, 16 long")] {
        check(header, DecodeError::Unnamed { schema_id: 7 });
    }
    check(Some("00000000000000ff"), DecodeError::UnknownVersion { topic: "record", fingerprint: 255 });
    let told = DecodeError::Unnamed { schema_id: 7 }.to_string();
    assert!(told.contains("schema id 7") && told.contains("avro-fingerprint"), "{told}");
    let single = sample::record().to_message(Framing::SingleObject);
    assert_eq!((single.value, single.fingerprint), (sample::record().to_avro(), None));
    // What a header says of a single object is of no importance: it says itself what it is.
    assert_eq!(Record::from_message(&sample::record().to_avro(), Some(b"00000000000000ff")), Ok(sample::record()));
}
