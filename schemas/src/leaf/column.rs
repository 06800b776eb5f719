//! The bytes of a column in the leaf. Each form tells its own length or stands behind one, so no two records share them.

use std::{borrow::Cow, collections::BTreeMap};

use uuid::Uuid;

use crate::record::{Record, Redaction};

const KIND_TEXT: u8 = 1;
const KIND_INTEGER: u8 = 2;
const KIND_TIMESTAMP: u8 = 3;
const KIND_BOOLEAN: u8 = 4;
const KIND_LIST: u8 = 5;
pub(super) const KIND_COMMITMENT: u8 = 6;

/// A present column, as SQL reads it.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Text(&'a str),
    /// Read as its text of 36 characters.
    Id(Uuid),
    Integer(i64),
    Timestamp(i64),
    Boolean(bool),
    List(&'a [String]),
    Redactions(&'a [Redaction]),
}

/// All covered columns in the order of [`super::FIELDS`]; absent ones are `None`.
pub(super) fn columns(record: &Record) -> [Option<Column<'_>>; super::FIELDS.len()] {
    use Column::{Boolean, Id, Integer, Text, Timestamp};
    [
        Some(Id(record.record_id.0)),
        Some(Id(record.exchange_id.0)),
        record.conversation_id.map(|id| Id(id.0)),
        record.leg_of.map(|id| Id(id.0)),
        Some(Text(record.kind.as_str())),
        Some(Text(record.direction.as_str())),
        Some(Timestamp(record.occurred_at.0)),
        Some(Timestamp(record.recorded_at.0)),
        record.duration_us.map(Integer),
        record.first_byte_us.map(Integer),
        text(&record.principal_id),
        text(&record.issuer),
        text(&record.subject),
        text(&record.name),
        list(&record.groups),
        text(&record.agent),
        list(&record.act),
        text(&record.auth_method),
        text(&record.source_ip),
        text(&record.connection),
        text(&record.upstream),
        text(&record.emitter_id),
        record.emitter_epoch.map(Integer),
        record.emitter_seq.map(Integer),
        text(&record.protocol),
        text(&record.method),
        text(&record.target),
        text(&record.target_digest),
        text(&record.arguments_digest),
        text(&record.model),
        text(&record.usage),
        text(&record.verdict),
        text(&record.rule),
        text(&record.policy_id),
        record.approval_id.map(|id| Id(id.0)),
        text(&record.outcome),
        record.transport_status.map(|status| Integer(status.into())),
        record.rpc_code.map(Integer),
        record.is_error.map(Boolean),
        text(&record.error),
        (!record.redactions.is_empty()).then_some(Column::Redactions(&record.redactions)),
        text(&record.ruleset_id),
        Some(Text(record.redaction_status.as_str())),
        text(&record.body),
        Some(Integer(record.body_bytes)),
        Some(Boolean(record.truncated)),
        text(&record.trace_id),
        text(&record.span_id),
    ]
}

fn text(value: &Option<String>) -> Option<Column<'_>> {
    value.as_deref().map(Column::Text)
}

fn list(items: &[String]) -> Option<Column<'_>> {
    (!items.is_empty()).then_some(Column::List(items))
}

impl<'a> Column<'a> {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Column::Text(_) | Column::Id(_) => KIND_TEXT,
            Column::Integer(_) => KIND_INTEGER,
            Column::Timestamp(_) => KIND_TIMESTAMP,
            Column::Boolean(_) => KIND_BOOLEAN,
            Column::List(_) | Column::Redactions(_) => KIND_LIST,
        }
    }

    /// What stands in the leaf in clear: everything, but of redactions only how many each rule made.
    pub(super) fn put_clear(&self, out: &mut Vec<u8>) {
        match self {
            Column::Redactions(redactions) => put_counts(out, redactions),
            _ => self.put_whole(out),
        }
    }

    /// What a commitment is made of.
    pub(super) fn whole(self) -> Cow<'a, [u8]> {
        if let Column::Text(text) = self {
            return text.as_bytes().into();
        }
        let mut out = Vec::new();
        self.put_whole(&mut out);
        out.into()
    }

    fn put_whole(&self, out: &mut Vec<u8>) {
        match self {
            Column::Text(text) => out.extend_from_slice(text.as_bytes()),
            Column::Id(id) => {
                let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
            }
            Column::Integer(value) | Column::Timestamp(value) => put_integer(out, *value),
            Column::Boolean(value) => out.push((*value).into()),
            Column::List(items) => put_list(out, items, |out, item| out.extend_from_slice(item.as_bytes())),
            Column::Redactions(redactions) => put_list(out, redactions, put_redaction),
        }
    }
}

pub(super) fn put_field(out: &mut Vec<u8>, number: u16, kind: u8, put: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&number.to_be_bytes());
    out.push(kind);
    put_sized(out, put);
}

/// What `put` writes, behind its length.
fn put_sized(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put_length(out, 0);
    put(out);
    let length = length_bytes(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&length);
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_length(out, items.len());
    items.iter().for_each(|item| put_sized(out, |out| put(out, item)));
}

/// One item per rule, in the order of their names: the name, and behind it the count.
fn put_counts(out: &mut Vec<u8>, redactions: &[Redaction]) {
    let mut counts = BTreeMap::<&str, i64>::new();
    redactions.iter().for_each(|redaction| *counts.entry(&redaction.rule).or_default() += 1);
    let counts: Vec<_> = counts.into_iter().collect();
    put_list(out, &counts, |out, (rule, count)| {
        out.extend_from_slice(rule.as_bytes());
        put_integer(out, *count);
    });
}

fn put_redaction(out: &mut Vec<u8>, redaction: &Redaction) {
    for text in [&redaction.rule, &redaction.field, &redaction.pointer, &redaction.action] {
        put_sized(out, |out| out.extend_from_slice(text.as_bytes()));
    }
    for place in [redaction.start, redaction.end, redaction.masked_start, redaction.masked_end] {
        put_integer(out, place);
    }
    if let Some(key_id) = &redaction.key_id {
        put_sized(out, |out| out.extend_from_slice(key_id.as_bytes()));
    }
}

fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&length_bytes(length));
}

fn length_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a message of the log is far shorter than 4 GiB").to_be_bytes()
}
