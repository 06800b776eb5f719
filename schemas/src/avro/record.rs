//! The fields of a record in the order of `record.avsc`.

use super::{DecodeError, Reader, Writer};
use crate::{
    frame::Direction,
    id::{ApprovalId, ConversationId, ExchangeId, RecordId},
    record::{FieldBytes, Record, RecordKind, Redaction, RedactionStatus},
    time::Timestamp,
};

pub(super) fn write(w: &mut Writer, record: &Record) {
    w.uuid(record.record_id.0);
    w.uuid(record.exchange_id.0);
    w.option(record.conversation_id, |w, id| w.uuid(id.0));
    w.option(record.leg_of, |w, id| w.uuid(id.0));
    w.string(record.kind.as_str());
    w.string(record.direction.as_str());
    w.long(record.occurred_at.0);
    w.long(record.recorded_at.0);
    w.option(record.duration_us, Writer::long);
    w.option(record.first_byte_us, Writer::long);
    write_who(w, record);
    write_what(w, record);
    write_end(w, record);
    write_payload(w, record);
    w.option(record.trace_id.as_deref(), Writer::string);
    w.option(record.span_id.as_deref(), Writer::string);
    w.array(&record.salts, write_field_bytes);
    w.array(&record.commitments, write_field_bytes);
    w.bytes(&record.leaf_hash);
}

fn write_who(w: &mut Writer, record: &Record) {
    w.option(record.principal_id.as_deref(), Writer::string);
    w.option(record.issuer.as_deref(), Writer::string);
    w.option(record.subject.as_deref(), Writer::string);
    w.option(record.name.as_deref(), Writer::string);
    w.strings(&record.groups);
    w.option(record.agent.as_deref(), Writer::string);
    w.strings(&record.act);
    w.option(record.auth_method.as_deref(), Writer::string);
    w.option(record.source_ip.as_deref(), Writer::string);
    w.option(record.connection.as_deref(), Writer::string);
    w.option(record.upstream.as_deref(), Writer::string);
    w.option(record.emitter_id.as_deref(), Writer::string);
    w.option(record.emitter_epoch, Writer::long);
    w.option(record.emitter_seq, Writer::long);
}

fn write_what(w: &mut Writer, record: &Record) {
    w.option(record.protocol.as_deref(), Writer::string);
    w.option(record.method.as_deref(), Writer::string);
    w.option(record.target.as_deref(), Writer::string);
    w.option(record.target_digest.as_deref(), Writer::string);
    w.option(record.arguments_digest.as_deref(), Writer::string);
    w.option(record.model.as_deref(), Writer::string);
    w.option(record.usage.as_deref(), Writer::string);
    w.option(record.verdict.as_deref(), Writer::string);
    w.option(record.rule.as_deref(), Writer::string);
    w.option(record.policy_id.as_deref(), Writer::string);
    w.option(record.approval_id, |w, id| w.uuid(id.0));
}

fn write_end(w: &mut Writer, record: &Record) {
    w.option(record.outcome.as_deref(), Writer::string);
    w.option(record.transport_status, Writer::int);
    w.option(record.rpc_code, Writer::long);
    w.option(record.is_error, Writer::boolean);
    w.option(record.error.as_deref(), Writer::string);
}

fn write_payload(w: &mut Writer, record: &Record) {
    w.array(&record.redactions, write_redaction);
    w.option(record.ruleset_id.as_deref(), Writer::string);
    w.string(record.redaction_status.as_str());
    w.option(record.body.as_deref(), Writer::string);
    w.long(record.body_bytes);
    w.boolean(record.truncated);
}

fn write_redaction(w: &mut Writer, redaction: &Redaction) {
    w.string(&redaction.rule);
    w.string(&redaction.field);
    w.string(&redaction.pointer);
    w.string(&redaction.action);
    w.long(redaction.start);
    w.long(redaction.end);
    w.long(redaction.masked_start);
    w.long(redaction.masked_end);
    w.option(redaction.key_id.as_deref(), Writer::string);
}

fn write_field_bytes(w: &mut Writer, item: &FieldBytes) {
    w.int(item.field);
    w.bytes(&item.bytes);
}

/// The fields of a literal are read in the order in which they stand here, which is the schema's.
pub(super) fn read(r: &mut Reader<'_>) -> Result<Record, DecodeError> {
    Ok(Record {
        record_id: RecordId(r.uuid()?),
        exchange_id: ExchangeId(r.uuid()?),
        conversation_id: r.option(Reader::uuid)?.map(ConversationId),
        leg_of: r.option(Reader::uuid)?.map(ExchangeId),
        kind: r.word("a kind of record", RecordKind::parse)?,
        direction: r.word("a direction", Direction::parse)?,
        occurred_at: Timestamp(r.long()?),
        recorded_at: Timestamp(r.long()?),
        duration_us: r.option(Reader::long)?,
        first_byte_us: r.option(Reader::long)?,

        principal_id: r.option(Reader::string)?,
        issuer: r.option(Reader::string)?,
        subject: r.option(Reader::string)?,
        name: r.option(Reader::string)?,
        groups: r.strings()?,
        agent: r.option(Reader::string)?,
        act: r.strings()?,
        auth_method: r.option(Reader::string)?,
        source_ip: r.option(Reader::string)?,

        connection: r.option(Reader::string)?,
        upstream: r.option(Reader::string)?,
        emitter_id: r.option(Reader::string)?,
        emitter_epoch: r.option(Reader::long)?,
        emitter_seq: r.option(Reader::long)?,

        protocol: r.option(Reader::string)?,
        method: r.option(Reader::string)?,
        target: r.option(Reader::string)?,
        target_digest: r.option(Reader::string)?,
        arguments_digest: r.option(Reader::string)?,
        model: r.option(Reader::string)?,
        usage: r.option(Reader::string)?,

        verdict: r.option(Reader::string)?,
        rule: r.option(Reader::string)?,
        policy_id: r.option(Reader::string)?,
        approval_id: r.option(Reader::uuid)?.map(ApprovalId),

        outcome: r.option(Reader::string)?,
        transport_status: r.option(Reader::int)?,
        rpc_code: r.option(Reader::long)?,
        is_error: r.option(Reader::boolean)?,
        error: r.option(Reader::string)?,

        redactions: r.array(read_redaction)?,
        ruleset_id: r.option(Reader::string)?,
        redaction_status: r.word("a redaction status", RedactionStatus::parse)?,
        body: r.option(Reader::string)?,
        body_bytes: r.long()?,
        truncated: r.boolean()?,

        trace_id: r.option(Reader::string)?,
        span_id: r.option(Reader::string)?,

        salts: r.array(read_field_bytes)?,
        commitments: r.array(read_field_bytes)?,
        leaf_hash: r.bytes()?.to_vec(),
    })
}

fn read_redaction(r: &mut Reader<'_>) -> Result<Redaction, DecodeError> {
    Ok(Redaction {
        rule: r.string()?,
        field: r.string()?,
        pointer: r.string()?,
        action: r.string()?,
        start: r.long()?,
        end: r.long()?,
        masked_start: r.long()?,
        masked_end: r.long()?,
        key_id: r.option(Reader::string)?,
    })
}

fn read_field_bytes(r: &mut Reader<'_>) -> Result<FieldBytes, DecodeError> {
    Ok(FieldBytes { field: r.int()?, bytes: r.bytes()?.to_vec() })
}
