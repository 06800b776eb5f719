//! The fields of a frame in the order of `frame.avsc`.

use super::{
    DecodeError, Reader, Writer,
    approval::{read_principal, read_terms, write_principal, write_terms},
};
use crate::{
    call::{Outcome, Ruling},
    frame::{Context, Direction, Ending, Frame, FrameKind, Stamp},
    id::{ApprovalId, ConversationId, ExchangeId},
    time::Timestamp,
};

pub(super) fn write(w: &mut Writer, frame: &Frame) {
    w.string(&frame.stamp.emitter_id);
    w.count(frame.stamp.epoch);
    w.count(frame.stamp.seq);
    w.uuid(frame.exchange_id.0);
    w.long(frame.ordinal.into());
    w.string(frame.kind.as_str());
    w.string(frame.direction.as_str());
    w.long(frame.occurred_at.0);
    w.option(frame.context.as_ref(), write_context);
    w.option(frame.body.as_deref(), Writer::bytes);
    w.count(frame.body_bytes);
    w.boolean(frame.truncated);
    w.option(frame.ending.as_ref(), write_ending);
}

fn write_context(w: &mut Writer, context: &Context) {
    w.option(context.conversation_id, |w, id| w.uuid(id.0));
    w.option(context.leg_of, |w, id| w.uuid(id.0));
    w.option(context.principal.as_ref(), write_principal);
    w.string(&context.auth_method);
    w.option(context.source_ip.as_deref(), Writer::string);
    w.option(context.connection.as_deref(), Writer::string);
    w.option(context.upstream.as_deref(), Writer::string);
    w.string(&context.protocol);
    w.option(context.method.as_deref(), Writer::string);
    w.option(context.target.as_deref(), Writer::string);
    w.option(context.target_digest.as_ref(), |w, digest| w.raw(digest));
    w.option(context.arguments_digest.as_ref(), |w, digest| w.raw(digest));
    w.option(context.model.as_deref(), Writer::string);
    w.option(context.ruling.as_ref(), write_ruling);
    w.option(context.terms.as_ref(), write_terms);
    w.option(context.trace_id.as_deref(), Writer::string);
    w.option(context.span_id.as_deref(), Writer::string);
}

fn write_ruling(w: &mut Writer, ruling: &Ruling) {
    w.string(&ruling.verdict);
    w.option(ruling.rule.as_deref(), Writer::string);
    w.string(&ruling.policy_id);
    w.option(ruling.approval_id, |w, id| w.uuid(id.0));
}

fn write_ending(w: &mut Writer, ending: &Ending) {
    w.string(ending.outcome.as_str());
    w.option(ending.transport_status, |w, status| w.int(status.into()));
    w.option(ending.rpc_code, Writer::long);
    w.option(ending.is_error, Writer::boolean);
    w.option(ending.duration_us, Writer::long);
    w.option(ending.first_byte_us, Writer::long);
    w.option(ending.usage.as_deref(), Writer::string);
    w.option(ending.error.as_deref(), Writer::string);
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    Ok(Frame {
        stamp: Stamp { emitter_id: r.string()?, epoch: r.count()?, seq: r.count()? },
        exchange_id: ExchangeId(r.uuid()?),
        ordinal: r.number()?,
        kind: r.word("a kind of frame", FrameKind::parse)?,
        direction: r.word("a direction", Direction::parse)?,
        occurred_at: Timestamp(r.long()?),
        context: r.option(read_context)?,
        body: r.option(Reader::bytes)?.map(<[u8]>::to_vec),
        body_bytes: r.count()?,
        truncated: r.boolean()?,
        ending: r.option(read_ending)?,
    })
}

fn read_context(r: &mut Reader<'_>) -> Result<Context, DecodeError> {
    Ok(Context {
        conversation_id: r.option(Reader::uuid)?.map(ConversationId),
        leg_of: r.option(Reader::uuid)?.map(ExchangeId),
        principal: r.option(read_principal)?,
        auth_method: r.string()?,
        source_ip: r.option(Reader::string)?,
        connection: r.option(Reader::string)?,
        upstream: r.option(Reader::string)?,
        protocol: r.string()?,
        method: r.option(Reader::string)?,
        target: r.option(Reader::string)?,
        target_digest: r.option(Reader::fixed)?,
        arguments_digest: r.option(Reader::fixed)?,
        model: r.option(Reader::string)?,
        ruling: r.option(read_ruling)?,
        terms: r.option(read_terms)?,
        trace_id: r.option(Reader::string)?,
        span_id: r.option(Reader::string)?,
    })
}

fn read_ruling(r: &mut Reader<'_>) -> Result<Ruling, DecodeError> {
    Ok(Ruling {
        verdict: r.string()?,
        rule: r.option(Reader::string)?,
        policy_id: r.string()?,
        approval_id: r.option(Reader::uuid)?.map(ApprovalId),
    })
}

fn read_ending(r: &mut Reader<'_>) -> Result<Ending, DecodeError> {
    Ok(Ending {
        outcome: r.word("an outcome", Outcome::parse)?,
        transport_status: r.option(Reader::number)?,
        rpc_code: r.option(Reader::long)?,
        is_error: r.option(Reader::boolean)?,
        duration_us: r.option(Reader::long)?,
        first_byte_us: r.option(Reader::long)?,
        usage: r.option(Reader::string)?,
        error: r.option(Reader::string)?,
    })
}
