//! How a message says which schema wrote it.
//!
//! A **single object** carries the fingerprint of the schema itself. A **registered** message is as Confluent's clients
//! have it: a zero, four bytes of the id under which a registry has the schema, and the fields. Such an id means nothing
//! without its registry, so the fingerprint stands beside it, in a header of the message: our own readers never ask a
//! registry, and the trail does not depend on one.
//!
//! It refuses to guess the version of a registered message that has lost its header.

use super::{DecodeError, MISTAKEN, Reader, Writer};

/// Header of a registered message: the fingerprint of its schema (CRC-64-AVRO), 16 digits of lower-case hex.
pub const FINGERPRINT_HEADER: &str = "avro-fingerprint";

const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
const REGISTERED: [u8; 1] = [0];
const HEX_DIGITS: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    SingleObject,
    /// The schema has this id in the registry that consumers ask.
    Registered { schema_id: u32 },
}

/// A value as a topic takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    pub value: Vec<u8>,
    /// For the header [`FINGERPRINT_HEADER`], where the value needs it.
    pub fingerprint: Option<String>,
}

impl Framing {
    pub(super) fn begin(self, fingerprint: u64, capacity: usize) -> Writer {
        let mut writer = Writer::with_capacity(capacity);
        match self {
            Framing::SingleObject => {
                writer.raw(&SINGLE_OBJECT);
                writer.raw(&fingerprint.to_le_bytes());
            }
            Framing::Registered { schema_id } => {
                writer.raw(&REGISTERED);
                writer.raw(&schema_id.to_be_bytes());
            }
        }
        writer
    }

    pub(super) fn framed(self, writer: Writer, fingerprint: u64) -> Framed {
        let fingerprint = match self {
            Framing::SingleObject => None,
            Framing::Registered { .. } => Some(format!("{fingerprint:016x}")),
        };
        Framed { value: writer.into_bytes(), fingerprint }
    }
}

/// The fingerprint of the schema that wrote a message, and its fields.
pub(super) fn open<'a>(value: &'a [u8], header: Option<&[u8]>) -> Result<(u64, Reader<'a>), DecodeError> {
    if let Some(after) = value.strip_prefix(&REGISTERED) {
        let (schema_id, fields) = after.split_first_chunk().ok_or(DecodeError::NotAvro)?;
        let unnamed = DecodeError::Unnamed { schema_id: u32::from_be_bytes(*schema_id) };
        return Ok((header.and_then(from_hex).ok_or(unnamed)?, Reader::new(fields)));
    }
    let after = value.strip_prefix(&SINGLE_OBJECT).ok_or(DecodeError::NotAvro)?;
    let (fingerprint, fields) = after.split_first_chunk().ok_or(DecodeError::NotAvro)?;
    Ok((meant(u64::from_le_bytes(*fingerprint)), Reader::new(fields)))
}

fn meant(fingerprint: u64) -> u64 {
    MISTAKEN.iter().find(|(mistaken, _)| *mistaken == fingerprint).map_or(fingerprint, |(_, meant)| *meant)
}

fn from_hex(header: &[u8]) -> Option<u64> {
    let is_hex = header.len() == HEX_DIGITS && header.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(header).ok().filter(|_| is_hex)?, 16).ok()
}
