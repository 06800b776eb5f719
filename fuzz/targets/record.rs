//! Records, frames and approval events from a log that may be damaged: never a panic, and whatever decodes says the
//! same when it is encoded and decoded again. Start it from `schemas/golden`.

#![no_main]

use hansard_schemas::{ApprovalEvent, Frame, Record, avro};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Also as the fields behind each header, which is too long to be guessed.
    for version in [avro::FRAME_V1, avro::RECORD_V1, avro::APPROVAL_V1] {
        check(&[&[0xc3, 0x01], &version.to_le_bytes()[..], bytes].concat());
    }
});

fn check(bytes: &[u8]) {
    if let Ok(record) = Record::from_avro(bytes) {
        assert_eq!(Record::from_avro(&record.to_avro()).expect("what was encoded decodes"), record);
    }
    if let Ok(frame) = Frame::from_avro(bytes) {
        assert_eq!(Frame::from_avro(&frame.to_avro()).expect("what was encoded decodes"), frame);
    }
    if let Ok(event) = ApprovalEvent::from_avro(bytes) {
        assert_eq!(ApprovalEvent::from_avro(&event.to_avro()).expect("what was encoded decodes"), event);
    }
}
