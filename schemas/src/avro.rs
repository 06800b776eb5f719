//! Avro's binary form of frames, records and approval events, as single objects: `C3 01`, the fingerprint of the schema
//! that wrote them, the fields in the order of the `.avsc`. What others read as well, records and approval events, may
//! instead stand behind the id that a schema registry gave the schema (see [`Framing`]); both are read.
//!
//! The codec is our own and positional: it knows the three schemas and no others, so it costs about a microsecond where
//! a reader that interprets a schema costs tens. That its bytes are Avro's is proved against `apache-avro` in the tests.
//!
//! It refuses what it does not know: other versions, lengths beyond the input, text that is not UTF-8, words that are
//! not ours, and bytes left over. It never panics on input and takes no memory that the input does not pay for.

mod approval;
mod frame;
mod framing;
mod reader;
mod record;
mod writer;

use crate::{ApprovalEvent, Frame, Record};

pub use framing::{FINGERPRINT_HEADER, Framed, Framing};
pub use reader::{DecodeError, Reader};
pub use writer::Writer;

/// The schema of messages on `hansard.frames`, inside the seal.
pub const FRAME_SCHEMA: &str = include_str!("../avro/frame.avsc");
/// The schema of messages on `hansard.records`.
pub const RECORD_SCHEMA: &str = include_str!("../avro/record.avsc");
/// The schema of messages on `hansard.approvals`.
pub const APPROVAL_SCHEMA: &str = include_str!("../avro/approval.avsc");

/// CRC-64-AVRO of each version's schema in Parsing Canonical Form. A changed schema is a new constant, never an edit.
pub const FRAME_V1: u64 = 0xeb57_2d3a_15cf_b434;
pub const RECORD_V1: u64 = 0x5585_6ad8_bc8e_4a36;
pub const APPROVAL_V1: u64 = 0x0f05_e5e5_faee_5470;

/// What stood in the place of each before: the same schemas by a form that `apache-avro` 0.22 takes for the canonical
/// one, with logical types' `{"type": …}` left in it. Messages that have these are read.
const MISTAKEN: [(u64, u64); 3] =
    [(0x9ef1_741b_bc8a_bf09, FRAME_V1), (0xe452_f572_dee2_71a2, RECORD_V1), (0x6c51_12f3_08ea_cb5d, APPROVAL_V1)];

impl Frame {
    pub fn to_avro(&self) -> Vec<u8> {
        let body = self.body.as_ref().map_or(0, Vec::len);
        let mut writer = Framing::SingleObject.begin(FRAME_V1, 1024 + body);
        frame::write(&mut writer, self);
        writer.into_bytes()
    }

    pub fn from_avro(bytes: &[u8]) -> Result<Frame, DecodeError> {
        match framing::open(bytes, None)? {
            (FRAME_V1, reader) => close(reader, frame::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "frame", fingerprint }),
        }
    }
}

impl Record {
    pub fn to_avro(&self) -> Vec<u8> {
        self.to_message(Framing::SingleObject).value
    }

    pub fn from_avro(bytes: &[u8]) -> Result<Record, DecodeError> {
        Record::from_message(bytes, None)
    }

    pub fn to_message(&self, framing: Framing) -> Framed {
        let body = self.body.as_ref().map_or(0, String::len);
        let mut writer = framing.begin(RECORD_V1, 2048 + body);
        record::write(&mut writer, self);
        framing.framed(writer, RECORD_V1)
    }

    /// `fingerprint`: the message's header of the name [`FINGERPRINT_HEADER`].
    pub fn from_message(value: &[u8], fingerprint: Option<&[u8]>) -> Result<Record, DecodeError> {
        match framing::open(value, fingerprint)? {
            (RECORD_V1, reader) => close(reader, record::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "record", fingerprint }),
        }
    }
}

impl ApprovalEvent {
    pub fn to_avro(&self) -> Vec<u8> {
        self.to_message(Framing::SingleObject).value
    }

    pub fn from_avro(bytes: &[u8]) -> Result<ApprovalEvent, DecodeError> {
        ApprovalEvent::from_message(bytes, None)
    }

    pub fn to_message(&self, framing: Framing) -> Framed {
        let mut writer = framing.begin(APPROVAL_V1, 1024);
        approval::write(&mut writer, self);
        framing.framed(writer, APPROVAL_V1)
    }

    /// `fingerprint`: the message's header of the name [`FINGERPRINT_HEADER`].
    pub fn from_message(value: &[u8], fingerprint: Option<&[u8]>) -> Result<ApprovalEvent, DecodeError> {
        match framing::open(value, fingerprint)? {
            (APPROVAL_V1, reader) => close(reader, approval::read),
            (fingerprint, _) => Err(DecodeError::UnknownVersion { topic: "approval", fingerprint }),
        }
    }
}

fn close<'a, T>(
    mut reader: Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
