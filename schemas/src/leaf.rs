//! The leaf of a record, `hansard/leaf/v1`: the bytes whose hash the trail's Merkle trees hold.
//!
//! The leaf is computed from the typed columns that SQL reads, so that nobody can edit a column beside an intact blob:
//!
//! ```text
//! leaf_data   = "hansard/leaf/v1" 00 ‖ u16 schema ‖ each present field in order: u16 number ‖ u8 kind ‖ u32 length ‖ bytes
//! leaf_hash   = SHA-256(00 ‖ leaf_data)
//! commitment  = SHA-256("hansard/commit/v1" 00 ‖ u16 number ‖ salt[16] ‖ bytes)
//! ```
//!
//! Integers and timestamps (µs, UTC) are big-endian i64, text is its UTF-8, a boolean one byte, a list its count and its
//! items, each behind its length. An absent field is not there, and neither is an empty list; an empty text is there
//! with length 0. Numbers are big-endian.
//!
//! A field that people may have a right to see erased stands in the leaf as a salted commitment. To erase it, drop its
//! value **and** its salt and keep the commitment: the leaf hash still verifies, and what was there cannot be guessed.
//! Of `redactions` the count of each rule is in clear and the rest (fields, pointers, places) is committed to; erased, a
//! redaction keeps its rule and nothing else.
//!
//! It refuses to draw salts: randomness is passed in.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::record::{FieldBytes, Record, Redaction};

mod column;

use column::{KIND_COMMITMENT, columns, put_field};

const LEAF_DOMAIN: &[u8] = b"hansard/leaf/v1\0";
const COMMIT_DOMAIN: &[u8] = b"hansard/commit/v1\0";
/// The meaning of the field numbers below. An added field (absent on old rows) does not change it.
const SCHEMA: u16 = 1;

pub const SALT_BYTES: usize = 16;
pub const HASH_BYTES: usize = 32;

/// How a field stands in the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Clear,
    /// As a salted commitment: the value can be erased.
    Committed,
    /// Counts in clear and places committed.
    Both,
}

/// The columns that the leaf covers, in the order of `record.avsc`: the number of a field is its place here, from 1.
/// Columns 49 to 51 (salts, commitments, leaf hash) are what proves them.
pub const FIELDS: [(&str, Place); 48] = [
    ("record_id", Place::Clear),
    ("exchange_id", Place::Clear),
    ("conversation_id", Place::Clear),
    ("leg_of", Place::Clear),
    ("kind", Place::Clear),
    ("direction", Place::Clear),
    ("occurred_at", Place::Clear),
    ("recorded_at", Place::Clear),
    ("duration_us", Place::Clear),
    ("first_byte_us", Place::Clear),
    ("principal_id", Place::Clear),
    ("issuer", Place::Committed),
    ("subject", Place::Committed),
    ("name", Place::Committed),
    ("groups", Place::Committed),
    ("agent", Place::Committed),
    ("act", Place::Committed),
    ("auth_method", Place::Clear),
    ("source_ip", Place::Committed),
    ("connection", Place::Clear),
    ("upstream", Place::Clear),
    ("emitter_id", Place::Clear),
    ("emitter_epoch", Place::Clear),
    ("emitter_seq", Place::Clear),
    ("protocol", Place::Clear),
    ("method", Place::Clear),
    ("target", Place::Clear),
    ("target_digest", Place::Clear),
    ("arguments_digest", Place::Clear),
    ("model", Place::Clear),
    ("usage", Place::Clear),
    ("verdict", Place::Clear),
    ("rule", Place::Clear),
    ("policy_id", Place::Clear),
    ("approval_id", Place::Clear),
    ("outcome", Place::Clear),
    ("transport_status", Place::Clear),
    ("rpc_code", Place::Clear),
    ("is_error", Place::Clear),
    ("error", Place::Committed),
    ("redactions", Place::Both),
    ("ruleset_id", Place::Clear),
    ("redaction_status", Place::Clear),
    ("body", Place::Committed),
    ("body_bytes", Place::Clear),
    ("truncated", Place::Clear),
    ("trace_id", Place::Clear),
    ("span_id", Place::Clear),
];

/// The most salts that a record has.
pub const ERASABLE_FIELDS: usize = {
    let (mut count, mut at) = (0, 0);
    while at < FIELDS.len() {
        count += !matches!(FIELDS[at].1, Place::Clear) as usize;
        at += 1;
    }
    count
};

/// The record is not what was minted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafMismatch {
    #[error("the leaf hash does not fit the columns")]
    Hash,
    #[error("`{field}` has a value that its commitment does not fit")]
    Value { field: &'static str },
    #[error("`{field}` has a value but no salt, or a salt but no value")]
    Unpaired { field: &'static str },
    #[error("`{field}` has a value but no commitment")]
    Uncommitted { field: &'static str },
    #[error("{what} are not one per erasable field, in order, of the right length")]
    Shape { what: &'static str },
}

/// Draws a salt for each erasable field that is present, and sets salts, commitments and leaf hash.
pub fn mint(record: &mut Record, mut salts: impl FnMut() -> [u8; SALT_BYTES]) {
    let (mut drawn, mut commitments) = (Vec::new(), Vec::new());
    for (field, value) in erasable(record) {
        let salt = salts();
        commitments.push(FieldBytes { field: field.into(), bytes: commit(field, &salt, &value).to_vec() });
        drawn.push(FieldBytes { field: field.into(), bytes: salt.to_vec() });
    }
    record.salts = drawn;
    record.commitments = commitments;
    record.leaf_hash = leaf_hash(record).to_vec();
}

/// Holds every value that is still there against its commitment, and all columns against the leaf hash.
pub fn check(record: &Record) -> Result<(), LeafMismatch> {
    check_shape("salts", &record.salts, SALT_BYTES)?;
    check_shape("commitments", &record.commitments, HASH_BYTES)?;
    check_commitments(record)?;
    match leaf_hash(record)[..] == record.leaf_hash[..] {
        true => Ok(()),
        false => Err(LeafMismatch::Hash),
    }
}

/// The fields that were committed to and are not there any more. An erasure is only rightful where the trail has an
/// entry that says so; that is for the verifier to ask.
pub fn erased(record: &Record) -> Vec<&'static str> {
    let gone = record.commitments.iter().filter(|commitment| bytes_of(&record.salts, commitment.field).is_none());
    gone.filter_map(|commitment| name(commitment.field)).collect()
}

/// RFC 6962: the leaf's hash.
pub fn leaf_hash(record: &Record) -> [u8; HASH_BYTES] {
    Sha256::new().chain_update([0]).chain_update(leaf_data(record)).finalize().into()
}

/// What is hashed. Committed fields enter by the record's commitments, so it can be computed after an erasure.
pub fn leaf_data(record: &Record) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(2048);
    leaf.extend_from_slice(LEAF_DOMAIN);
    leaf.extend_from_slice(&SCHEMA.to_be_bytes());
    for (number, (column, (_, place))) in (1..).zip(columns(record).iter().zip(FIELDS)) {
        if let (Some(column), true) = (column, place != Place::Committed) {
            put_field(&mut leaf, number, column.kind(), |leaf| column.put_clear(leaf));
        }
        if let Some(commitment) = bytes_of(&record.commitments, number.into()) {
            put_field(&mut leaf, number, KIND_COMMITMENT, |leaf| leaf.extend_from_slice(commitment));
        }
    }
    leaf
}

/// Stands in the leaf for a field that may be erased.
pub fn commit(field: u16, salt: &[u8; SALT_BYTES], value: &[u8]) -> [u8; HASH_BYTES] {
    let hash = Sha256::new().chain_update(COMMIT_DOMAIN).chain_update(field.to_be_bytes());
    hash.chain_update(salt).chain_update(value).finalize().into()
}

/// Present values of the erasable fields, as they are committed to, by field number.
fn erasable(record: &Record) -> Vec<(u16, Cow<'_, [u8]>)> {
    let mut present = Vec::with_capacity(ERASABLE_FIELDS);
    for (number, (column, (_, place))) in (1..).zip(columns(record).into_iter().zip(FIELDS)) {
        if let (Some(column), true) = (column, place != Place::Clear) {
            present.push((number, column.whole()));
        }
    }
    present
}

fn check_shape(what: &'static str, items: &[FieldBytes], length: usize) -> Result<(), LeafMismatch> {
    let ascending = items.windows(2).all(|pair| pair[0].field < pair[1].field);
    let fits = |item: &FieldBytes| item.bytes.len() == length && is_erasable(item.field);
    match ascending && items.iter().all(fits) {
        true => Ok(()),
        false => Err(LeafMismatch::Shape { what }),
    }
}

fn check_commitments(record: &Record) -> Result<(), LeafMismatch> {
    let values = erasable(record);
    for (number, value) in &values {
        check_value(record, *number, value)?;
    }
    let stray = |salt: &&FieldBytes| !values.iter().any(|(number, _)| i32::from(*number) == salt.field);
    match record.salts.iter().find(stray).and_then(|salt| name(salt.field)) {
        Some(field) => Err(LeafMismatch::Unpaired { field }),
        None => Ok(()),
    }
}

fn check_value(record: &Record, number: u16, value: &[u8]) -> Result<(), LeafMismatch> {
    let field = FIELDS[usize::from(number) - 1].0;
    let committed = bytes_of(&record.commitments, number.into()).ok_or(LeafMismatch::Uncommitted { field })?;
    match bytes_of(&record.salts, number.into()).and_then(|salt| salt.try_into().ok()) {
        Some(salt) if commit(number, salt, value)[..] == *committed => Ok(()),
        Some(_) => Err(LeafMismatch::Value { field }),
        None if field == "redactions" && record.redactions.iter().all(is_blank) => Ok(()),
        None => Err(LeafMismatch::Unpaired { field }),
    }
}

/// What an erasure leaves of a redaction.
fn is_blank(redaction: &Redaction) -> bool {
    *redaction == Redaction::blank(redaction.rule.clone())
}

fn is_erasable(number: i32) -> bool {
    field(number).is_some_and(|(_, place)| place != Place::Clear)
}

fn name(number: i32) -> Option<&'static str> {
    field(number).map(|(name, _)| name)
}

fn field(number: i32) -> Option<(&'static str, Place)> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    FIELDS.get(index).copied()
}

fn bytes_of(items: &[FieldBytes], field: i32) -> Option<&[u8]> {
    items.iter().find(|item| item.field == field).map(|item| item.bytes.as_slice())
}
