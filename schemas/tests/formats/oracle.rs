//! Our Avro against `apache-avro`: the same bytes for the same values, and the same fingerprints.
//!
//! Its canonical form keeps `{"type": …}` around a primitive with a logical type, which the specification (and Java's and
//! Python's implementations) do not: it is asked about the schemas without logical types, which are the same schemas.
//!
//! The values are built here from the Rust types by field names, apart from our codec, so an order or a type that does
//! not agree with the `.avsc` is found.

use apache_avro::{
    GenericSingleObjectReader, Schema,
    reader::datum::GenericDatumReader,
    types::Value,
    writer::{datum::GenericDatumWriter, single_object::GenericSingleObjectWriter},
};
use hansard_schemas::{
    ApprovalEvent, Context, Ending, Frame, Principal, Record,
    approval::{Held, Vote},
    avro::{APPROVAL_SCHEMA, APPROVAL_V1, FRAME_SCHEMA, FRAME_V1, RECORD_SCHEMA, RECORD_V1},
    call::{Ruling, Terms},
    record::{FieldBytes, Redaction},
};
use proptest::prelude::*;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{arbitrary, sample};

/// Bytes of the marker and the fingerprint.
const HEADER: usize = 10;

#[test]
fn fingerprints_are_those_of_the_schemas() {
    let check = |text: &str, expected: u64| {
        let json = serde_json::from_str(text).expect("JSON");
        let fingerprint = schema(&plain(json).to_string()).fingerprint::<apache_avro::rabin::Rabin>();
        let bytes = fingerprint.bytes.as_slice().try_into().expect("eight bytes");
        assert_eq!(u64::from_le_bytes(bytes), expected, "{fingerprint}");
    };
    check(FRAME_SCHEMA, FRAME_V1);
    check(RECORD_SCHEMA, RECORD_V1);
    check(APPROVAL_SCHEMA, APPROVAL_V1);
}

/// A schema without logical types.
fn plain(schema: Json) -> Json {
    match schema {
        Json::Object(mut members) if members.contains_key("logicalType") => members.remove("type").expect("a type"),
        Json::Object(members) => members.into_iter().map(|(name, member)| (name, plain(member))).collect(),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

#[test]
fn messages_are_single_objects() {
    check_single_object(FRAME_SCHEMA, &sample::frame().to_avro(), frame(&sample::frame()));
    check_single_object(RECORD_SCHEMA, &sample::record().to_avro(), record(&sample::record()));
    check_single_object(APPROVAL_SCHEMA, &sample::approval_event().to_avro(), event(&sample::approval_event()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn frames_are_the_frames_of_apache_avro(ours in arbitrary::frame()) {
        check(FRAME_SCHEMA, &ours.to_avro(), frame(&ours));
    }

    #[test]
    fn records_are_the_records_of_apache_avro(ours in arbitrary::record()) {
        check(RECORD_SCHEMA, &ours.to_avro(), record(&ours));
    }

    #[test]
    fn approval_events_are_the_events_of_apache_avro(ours in arbitrary::approval_event()) {
        check(APPROVAL_SCHEMA, &ours.to_avro(), event(&ours));
    }
}

/// Equal bytes in one direction, equal values in the other.
fn check(schema_text: &str, ours: &[u8], value: Value) {
    let schema = schema(schema_text);
    let writer = GenericDatumWriter::builder(&schema).build().expect("a schema");
    let theirs = writer.write_value_to_vec(value.clone()).expect("a value of the schema");
    assert_eq!(ours[HEADER..], theirs);
    let reader = GenericDatumReader::builder(&schema).build().expect("a schema");
    assert_eq!(reader.read_value(&mut &ours[HEADER..]).expect("their reader takes our bytes"), value);
}

fn check_single_object(schema_text: &str, ours: &[u8], value: Value) {
    let mut theirs = Vec::new();
    let mut writer = GenericSingleObjectWriter::new_with_capacity(&schema(schema_text), 1024).expect("a schema");
    writer.write_value(value.clone(), &mut theirs).expect("a value of the schema");
    assert_eq!((&ours[..2], &ours[HEADER..]), (&theirs[..2], &theirs[HEADER..]));
    let reader = GenericSingleObjectReader::builder().schema(schema(schema_text)).build().expect("a schema");
    let ours = [&theirs[..HEADER], &ours[HEADER..]].concat();
    assert_eq!(reader.read_value(&mut &ours[..]).expect("their reader takes our message"), value);
}

fn schema(text: &str) -> Schema {
    Schema::parse_str(text).expect("a schema")
}

fn frame(frame: &Frame) -> Value {
    fields(vec![
        ("emitter_id", text(&frame.stamp.emitter_id)),
        ("emitter_epoch", long(frame.stamp.epoch)),
        ("emitter_seq", long(frame.stamp.seq)),
        ("exchange_id", Value::Uuid(frame.exchange_id.0)),
        ("ordinal", long(frame.ordinal)),
        ("kind", text(frame.kind.as_str())),
        ("direction", text(frame.direction.as_str())),
        ("occurred_at", Value::TimestampMicros(frame.occurred_at.0)),
        ("context", union(frame.context.as_ref().map(context))),
        ("body", union(frame.body.clone().map(Value::Bytes))),
        ("body_bytes", long(frame.body_bytes)),
        ("truncated", Value::Boolean(frame.truncated)),
        ("ending", union(frame.ending.as_ref().map(ending))),
    ])
}

fn context(context: &Context) -> Value {
    fields(vec![
        ("conversation_id", id(context.conversation_id.map(|id| id.0))),
        ("leg_of", id(context.leg_of.map(|id| id.0))),
        ("principal", union(context.principal.as_ref().map(principal))),
        ("auth_method", text(&context.auth_method)),
        ("source_ip", optional_text(&context.source_ip)),
        ("connection", optional_text(&context.connection)),
        ("upstream", optional_text(&context.upstream)),
        ("protocol", text(&context.protocol)),
        ("method", optional_text(&context.method)),
        ("target", optional_text(&context.target)),
        ("target_digest", digest(context.target_digest)),
        ("arguments_digest", digest(context.arguments_digest)),
        ("model", optional_text(&context.model)),
        ("ruling", union(context.ruling.as_ref().map(ruling))),
        ("terms", union(context.terms.as_ref().map(terms))),
        ("trace_id", optional_text(&context.trace_id)),
        ("span_id", optional_text(&context.span_id)),
    ])
}

fn ruling(ruling: &Ruling) -> Value {
    fields(vec![
        ("verdict", text(&ruling.verdict)),
        ("rule", optional_text(&ruling.rule)),
        ("policy_id", text(&ruling.policy_id)),
        ("approval_id", id(ruling.approval_id.map(|id| id.0))),
    ])
}

fn ending(ending: &Ending) -> Value {
    fields(vec![
        ("outcome", text(ending.outcome.as_str())),
        ("transport_status", union(ending.transport_status.map(|status| Value::Int(status.into())))),
        ("rpc_code", optional_long(ending.rpc_code)),
        ("is_error", union(ending.is_error.map(Value::Boolean))),
        ("duration_us", optional_long(ending.duration_us)),
        ("first_byte_us", optional_long(ending.first_byte_us)),
        ("usage", optional_text(&ending.usage)),
        ("error", optional_text(&ending.error)),
    ])
}

fn record(record: &Record) -> Value {
    fields(vec![
        ("record_id", Value::Uuid(record.record_id.0)),
        ("exchange_id", Value::Uuid(record.exchange_id.0)),
        ("conversation_id", id(record.conversation_id.map(|id| id.0))),
        ("leg_of", id(record.leg_of.map(|id| id.0))),
        ("kind", text(record.kind.as_str())),
        ("direction", text(record.direction.as_str())),
        ("occurred_at", Value::TimestampMicros(record.occurred_at.0)),
        ("recorded_at", Value::TimestampMicros(record.recorded_at.0)),
        ("duration_us", optional_long(record.duration_us)),
        ("first_byte_us", optional_long(record.first_byte_us)),
        ("principal_id", optional_text(&record.principal_id)),
        ("issuer", optional_text(&record.issuer)),
        ("subject", optional_text(&record.subject)),
        ("name", optional_text(&record.name)),
        ("groups", texts(&record.groups)),
        ("agent", optional_text(&record.agent)),
        ("act", texts(&record.act)),
        ("auth_method", optional_text(&record.auth_method)),
        ("source_ip", optional_text(&record.source_ip)),
        ("connection", optional_text(&record.connection)),
        ("upstream", optional_text(&record.upstream)),
        ("emitter_id", optional_text(&record.emitter_id)),
        ("emitter_epoch", optional_long(record.emitter_epoch)),
        ("emitter_seq", optional_long(record.emitter_seq)),
        ("protocol", optional_text(&record.protocol)),
        ("method", optional_text(&record.method)),
        ("target", optional_text(&record.target)),
        ("target_digest", optional_text(&record.target_digest)),
        ("arguments_digest", optional_text(&record.arguments_digest)),
        ("model", optional_text(&record.model)),
        ("usage", optional_text(&record.usage)),
        ("verdict", optional_text(&record.verdict)),
        ("rule", optional_text(&record.rule)),
        ("policy_id", optional_text(&record.policy_id)),
        ("approval_id", id(record.approval_id.map(|id| id.0))),
        ("outcome", optional_text(&record.outcome)),
        ("transport_status", union(record.transport_status.map(Value::Int))),
        ("rpc_code", optional_long(record.rpc_code)),
        ("is_error", union(record.is_error.map(Value::Boolean))),
        ("error", optional_text(&record.error)),
        ("redactions", Value::Array(record.redactions.iter().map(redaction).collect())),
        ("ruleset_id", optional_text(&record.ruleset_id)),
        ("redaction_status", text(record.redaction_status.as_str())),
        ("body", optional_text(&record.body)),
        ("body_bytes", Value::Long(record.body_bytes)),
        ("truncated", Value::Boolean(record.truncated)),
        ("trace_id", optional_text(&record.trace_id)),
        ("span_id", optional_text(&record.span_id)),
        ("salts", Value::Array(record.salts.iter().map(field_bytes).collect())),
        ("commitments", Value::Array(record.commitments.iter().map(field_bytes).collect())),
        ("leaf_hash", Value::Bytes(record.leaf_hash.clone())),
    ])
}

fn redaction(redaction: &Redaction) -> Value {
    fields(vec![
        ("rule", text(&redaction.rule)),
        ("field", text(&redaction.field)),
        ("pointer", text(&redaction.pointer)),
        ("action", text(&redaction.action)),
        ("start", Value::Long(redaction.start)),
        ("end", Value::Long(redaction.end)),
        ("masked_start", Value::Long(redaction.masked_start)),
        ("masked_end", Value::Long(redaction.masked_end)),
        ("key_id", optional_text(&redaction.key_id)),
    ])
}

fn field_bytes(item: &FieldBytes) -> Value {
    fields(vec![("field", Value::Int(item.field)), ("bytes", Value::Bytes(item.bytes.clone()))])
}

fn event(event: &ApprovalEvent) -> Value {
    fields(vec![
        ("approval_id", Value::Uuid(event.approval_id.0)),
        ("exchange_id", Value::Uuid(event.exchange_id.0)),
        ("occurred_at", Value::TimestampMicros(event.occurred_at.0)),
        ("event", text(event.what.as_str())),
        ("held", union(event.what.held().map(held))),
        ("vote", union(event.what.vote().map(vote))),
    ])
}

fn held(held: &Held) -> Value {
    fields(vec![
        ("requester", principal(&held.requester)),
        ("connection", text(&held.connection)),
        ("method", text(&held.method)),
        ("target", text(&held.target)),
        ("body", text(&held.body)),
        ("rule", text(&held.rule)),
        ("policy_id", text(&held.policy_id)),
        ("arguments_digest", text(&held.arguments_digest)),
        ("terms", terms(&held.terms)),
    ])
}

fn vote(vote: &Vote) -> Value {
    fields(vec![
        ("vote_id", text(&vote.vote_id)),
        ("voter", principal(&vote.voter)),
        ("decision", text(vote.decision.as_str())),
        ("comment", text(&vote.comment)),
    ])
}

fn principal(principal: &Principal) -> Value {
    fields(vec![
        ("issuer", text(&principal.issuer)),
        ("subject", text(&principal.subject)),
        ("name", optional_text(&principal.name)),
        ("groups", texts(&principal.groups)),
        ("agent", optional_text(&principal.agent)),
        ("act", texts(&principal.act)),
    ])
}

fn terms(terms: &Terms) -> Value {
    fields(vec![
        ("reviewers", texts(&terms.reviewers)),
        ("approve", long(terms.approve)),
        ("deny", long(terms.deny)),
        ("expires_us", long(terms.expires_us())),
    ])
}

fn fields(fields: Vec<(&str, Value)>) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn union(value: Option<Value>) -> Value {
    match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    }
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn optional_text(value: &Option<String>) -> Value {
    union(value.as_deref().map(text))
}

fn texts(values: &[String]) -> Value {
    Value::Array(values.iter().map(|value| text(value)).collect())
}

fn long(value: impl Into<u64>) -> Value {
    Value::Long(value.into().try_into().expect("what Avro can hold"))
}

fn optional_long(value: Option<i64>) -> Value {
    union(value.map(Value::Long))
}

fn id(value: Option<Uuid>) -> Value {
    union(value.map(Value::Uuid))
}

fn digest(value: Option<[u8; 32]>) -> Value {
    union(value.map(|digest| Value::Fixed(digest.len(), digest.to_vec())))
}
