//! Avro's binary form of frames, records and approval events, as single objects: `C3 01`, the fingerprint of the schema
//! that wrote them, the fields in the order of the `.avsc`.
//!
//! The codec is our own and positional: it knows the three schemas and no others, so it costs about a microsecond where
//! a reader that interprets a schema costs tens. That its bytes are Avro's is proved against `apache-avro` in the tests.
//!
//! It refuses what it does not know: other versions, lengths beyond the input, text that is not UTF-8, words that are
//! not ours, and bytes left over. It never panics on input and takes no memory that the input does not pay for.

mod approval;
mod frame;
mod reader;
mod record;
mod writer;

use crate::{ApprovalEvent, Frame, Record};

pub use reader::{DecodeError, Reader};
pub use writer::Writer;

/// The schema of messages on `hansard.frames`, inside the seal.
pub const FRAME_SCHEMA: &str = include_str!("../avro/frame.avsc");
/// The schema of messages on `hansard.records`.
pub const RECORD_SCHEMA: &str = include_str!("../avro/record.avsc");
/// The schema of messages on `hansard.approvals`.
pub const APPROVAL_SCHEMA: &str = include_str!("../avro/approval.avsc");

/// CRC-64-AVRO of each version's schema in Parsing Canonical Form. A changed schema is a new constant, never an edit.
pub const FRAME_V1: u64 = 0x9ef1_741b_bc8a_bf09;
pub const RECORD_V1: u64 = 0xe452_f572_dee2_71a2;
pub const APPROVAL_V1: u64 = 0x6c51_12f3_08ea_cb5d;

const MARKER: [u8; 2] = [0xC3, 0x01];

impl Frame {
    pub fn to_avro(&self) -> Vec<u8> {
        let body = self.body.as_ref().map_or(0, Vec::len);
        let mut writer = begin(FRAME_V1, 1024 + body);
        frame::write(&mut writer, self);
        writer.into_bytes()
    }

    pub fn from_avro(bytes: &[u8]) -> Result<Frame, DecodeError> {
        match open(bytes)? {
            (FRAME_V1, reader) => close(reader, frame::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "frame", fingerprint }),
        }
    }
}

impl Record {
    pub fn to_avro(&self) -> Vec<u8> {
        let body = self.body.as_ref().map_or(0, String::len);
        let mut writer = begin(RECORD_V1, 2048 + body);
        record::write(&mut writer, self);
        writer.into_bytes()
    }

    pub fn from_avro(bytes: &[u8]) -> Result<Record, DecodeError> {
        match open(bytes)? {
            (RECORD_V1, reader) => close(reader, record::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "record", fingerprint }),
        }
    }
}

impl ApprovalEvent {
    pub fn to_avro(&self) -> Vec<u8> {
        let mut writer = begin(APPROVAL_V1, 1024);
        approval::write(&mut writer, self);
        writer.into_bytes()
    }

    pub fn from_avro(bytes: &[u8]) -> Result<ApprovalEvent, DecodeError> {
        match open(bytes)? {
            (APPROVAL_V1, reader) => close(reader, approval::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "approval", fingerprint }),
        }
    }
}

fn begin(fingerprint: u64, capacity: usize) -> Writer {
    let mut writer = Writer::with_capacity(capacity);
    writer.raw(&MARKER);
    writer.raw(&fingerprint.to_le_bytes());
    writer
}

fn open(bytes: &[u8]) -> Result<(u64, Reader<'_>), DecodeError> {
    let after_marker = bytes.strip_prefix(&MARKER).ok_or(DecodeError::NotSingleObject)?;
    let (fingerprint, fields) = after_marker.split_first_chunk::<8>().ok_or(DecodeError::NotSingleObject)?;
    Ok((u64::from_le_bytes(*fingerprint), Reader::new(fields)))
}

fn close<'a, T>(
    mut reader: Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
