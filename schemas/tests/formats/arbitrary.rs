//! Arbitrary frames, records and approval events, as far as the schemas can hold them.

use std::time::Duration;

use hansard_schemas::{
    ApprovalEvent, ApprovalId, Context, ConversationId, Direction, Ending, ExchangeId, Frame, FrameKind, Outcome,
    Principal, Record, RecordId, RecordKind, RedactionStatus, Stamp, Timestamp,
    approval::{Decision, Held, Vote, What},
    call::{Ruling, Terms},
    record::{FieldBytes, Redaction},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

pub(crate) fn record() -> BoxedStrategy<Record> {
    (identity(), who(), place(), what(), ruling_columns(), end(), payload(), proof())
        .prop_map(|(identity, who, place, what, ruling, end, payload, proof)| Record {
            record_id: RecordId(identity.0),
            exchange_id: ExchangeId(identity.1),
            conversation_id: identity.2.map(ConversationId),
            leg_of: identity.3.map(ExchangeId),
            kind: identity.4,
            direction: identity.5,
            occurred_at: Timestamp(identity.6),
            recorded_at: Timestamp(identity.7),
            duration_us: identity.8,
            first_byte_us: identity.9,
            principal_id: who.0,
            issuer: who.1,
            subject: who.2,
            name: who.3,
            groups: who.4,
            agent: who.5,
            act: who.6,
            auth_method: who.7,
            source_ip: who.8,
            connection: place.0,
            upstream: place.1,
            emitter_id: place.2,
            emitter_epoch: place.3,
            emitter_seq: place.4,
            protocol: what.0,
            method: what.1,
            target: what.2,
            target_digest: what.3,
            arguments_digest: what.4,
            model: what.5,
            usage: what.6,
            verdict: ruling.0,
            rule: ruling.1,
            policy_id: ruling.2,
            approval_id: ruling.3.map(ApprovalId),
            outcome: end.0,
            transport_status: end.1,
            rpc_code: end.2,
            is_error: end.3,
            error: end.4,
            redactions: payload.0,
            ruleset_id: payload.1,
            redaction_status: payload.2,
            body: payload.3,
            body_bytes: payload.4,
            truncated: payload.5,
            trace_id: payload.6,
            span_id: payload.7,
            salts: proof.0,
            commitments: proof.1,
            leaf_hash: proof.2,
        })
        .boxed()
}

/// A record as the masker mints it.
pub(crate) fn minted() -> BoxedStrategy<Record> {
    (record(), any::<u64>())
        .prop_map(|(mut record, seed)| {
            let mut drawn = seed;
            hansard_schemas::leaf::mint(&mut record, || {
                drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u128::from(drawn).to_be_bytes()
            });
            record
        })
        .boxed()
}

pub(crate) fn frame() -> BoxedStrategy<Frame> {
    let stamp = (text(), count(), count()).prop_map(|(emitter_id, epoch, seq)| Stamp { emitter_id, epoch, seq });
    let body = (option::of(vec(any::<u8>(), 0..300)), count(), any::<bool>());
    let place = (id(), any::<u32>(), select(&FrameKind::ALL[..]), select(&Direction::ALL[..]), any::<i64>());
    (stamp, place, option::of(context()), body, option::of(ending()))
        .prop_map(|(stamp, place, context, (body, body_bytes, truncated), ending)| Frame {
            stamp,
            exchange_id: ExchangeId(place.0),
            ordinal: place.1,
            kind: place.2,
            direction: place.3,
            occurred_at: Timestamp(place.4),
            context,
            body,
            body_bytes,
            truncated,
            ending,
        })
        .boxed()
}

pub(crate) fn approval_event() -> BoxedStrategy<ApprovalEvent> {
    let what = prop_oneof![
        held().prop_map(What::Held),
        vote().prop_map(What::Vote),
        Just(What::Withdrawn),
        Just(What::Expired),
        Just(What::Redeemed),
    ];
    // The years 0000 to 9999: what JSON can show.
    (id(), id(), -62_167_219_200_000_000_i64..253_402_300_800_000_000, what)
        .prop_map(|(approval, exchange, at, what)| ApprovalEvent {
            approval_id: ApprovalId(approval),
            exchange_id: ExchangeId(exchange),
            occurred_at: Timestamp(at),
            what,
        })
        .boxed()
}

#[allow(clippy::type_complexity)]
fn identity()
-> BoxedStrategy<(Uuid, Uuid, Option<Uuid>, Option<Uuid>, RecordKind, Direction, i64, i64, Option<i64>, Option<i64>)> {
    let kind = (select(&RecordKind::ALL[..]), select(&Direction::ALL[..]));
    let times = (any::<i64>(), any::<i64>(), option::of(any::<i64>()), option::of(any::<i64>()));
    (id(), id(), option::of(id()), option::of(id()), kind, times)
        .prop_map(|(a, b, c, d, (kind, direction), times)| {
            (a, b, c, d, kind, direction, times.0, times.1, times.2, times.3)
        })
        .boxed()
}

type Who = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<String>,
    Option<String>,
    Vec<String>,
    Option<String>,
    Option<String>,
);

fn who() -> BoxedStrategy<Who> {
    (word(), word(), word(), word(), texts(), word(), texts(), word(), word()).boxed()
}

type Place = (Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>);

fn place() -> BoxedStrategy<Place> {
    (word(), word(), word(), option::of(any::<i64>()), option::of(any::<i64>())).boxed()
}

type What7 =
    (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);

fn what() -> BoxedStrategy<What7> {
    (word(), word(), word(), word(), word(), word(), word()).boxed()
}

type RulingColumns = (Option<String>, Option<String>, Option<String>, Option<Uuid>);

fn ruling_columns() -> BoxedStrategy<RulingColumns> {
    (word(), word(), word(), option::of(id())).boxed()
}

type End = (Option<String>, Option<i32>, Option<i64>, Option<bool>, Option<String>);

fn end() -> BoxedStrategy<End> {
    (word(), option::of(any::<i32>()), option::of(any::<i64>()), option::of(any::<bool>()), word()).boxed()
}

type Payload =
    (Vec<Redaction>, Option<String>, RedactionStatus, Option<String>, i64, bool, Option<String>, Option<String>);

fn payload() -> BoxedStrategy<Payload> {
    let status = select(&RedactionStatus::ALL[..]);
    (vec(redaction(), 0..4), word(), status, word(), any::<i64>(), any::<bool>(), word(), word()).boxed()
}

fn proof() -> BoxedStrategy<(Vec<FieldBytes>, Vec<FieldBytes>, Vec<u8>)> {
    (vec(field_bytes(), 0..4), vec(field_bytes(), 0..4), vec(any::<u8>(), 0..33)).boxed()
}

fn field_bytes() -> BoxedStrategy<FieldBytes> {
    (any::<i32>(), vec(any::<u8>(), 0..33)).prop_map(|(field, bytes)| FieldBytes { field, bytes }).boxed()
}

fn redaction() -> BoxedStrategy<Redaction> {
    (text(), text(), text(), text(), any::<[i64; 4]>(), word())
        .prop_map(|(rule, field, pointer, action, at, key_id)| {
            let [start, end, masked_start, masked_end] = at;
            Redaction { rule, field, pointer, action, start, end, masked_start, masked_end, key_id }
        })
        .boxed()
}

fn context() -> BoxedStrategy<Context> {
    let ids = (option::of(id()), option::of(id()));
    let who = (option::of(principal()), text(), word());
    let place = (word(), word(), text(), word(), word());
    let digests = (option::of(any::<[u8; 32]>()), option::of(any::<[u8; 32]>()));
    let rest = (word(), option::of(ruling()), option::of(terms()), word(), word());
    (ids, who, place, digests, rest)
        .prop_map(|(ids, who, place, digests, rest)| Context {
            conversation_id: ids.0.map(ConversationId),
            leg_of: ids.1.map(ExchangeId),
            principal: who.0,
            auth_method: who.1,
            source_ip: who.2,
            connection: place.0,
            upstream: place.1,
            protocol: place.2,
            method: place.3,
            target: place.4,
            target_digest: digests.0,
            arguments_digest: digests.1,
            model: rest.0,
            ruling: rest.1,
            terms: rest.2,
            trace_id: rest.3,
            span_id: rest.4,
        })
        .boxed()
}

fn ending() -> BoxedStrategy<Ending> {
    let numbers = (option::of(any::<u16>()), option::of(any::<i64>()), option::of(any::<bool>()));
    let times = (option::of(any::<i64>()), option::of(any::<i64>()));
    (select(&Outcome::ALL[..]), numbers, times, word(), word())
        .prop_map(|(outcome, numbers, times, usage, error)| Ending {
            outcome,
            transport_status: numbers.0,
            rpc_code: numbers.1,
            is_error: numbers.2,
            duration_us: times.0,
            first_byte_us: times.1,
            usage,
            error,
        })
        .boxed()
}

fn ruling() -> BoxedStrategy<Ruling> {
    (text(), word(), text(), option::of(id()))
        .prop_map(|(verdict, rule, policy_id, approval_id)| Ruling {
            verdict,
            rule,
            policy_id,
            approval_id: approval_id.map(ApprovalId),
        })
        .boxed()
}

fn terms() -> BoxedStrategy<Terms> {
    (texts(), any::<u32>(), any::<u32>(), count())
        .prop_map(|(reviewers, approve, deny, micros)| Terms {
            reviewers,
            approve,
            deny,
            expires: Duration::from_micros(micros),
        })
        .boxed()
}

fn principal() -> BoxedStrategy<Principal> {
    (text(), text(), word(), texts(), word(), texts())
        .prop_map(|(issuer, subject, name, groups, agent, act)| Principal { issuer, subject, name, groups, agent, act })
        .boxed()
}

fn held() -> BoxedStrategy<Held> {
    let call = (text(), text(), text(), text());
    (principal(), call, (text(), text(), text()), terms())
        .prop_map(|(requester, call, policy, terms)| Held {
            requester,
            connection: call.0,
            method: call.1,
            target: call.2,
            body: call.3,
            rule: policy.0,
            policy_id: policy.1,
            arguments_digest: policy.2,
            terms,
        })
        .boxed()
}

fn vote() -> BoxedStrategy<Vote> {
    let decision = select(vec![Decision::Approve, Decision::Deny]);
    (text(), principal(), decision, text())
        .prop_map(|(vote_id, voter, decision, comment)| Vote { vote_id, voter, decision, comment })
        .boxed()
}

fn id() -> BoxedStrategy<Uuid> {
    any::<u128>().prop_map(Uuid::from_u128).boxed()
}

/// What Avro can hold of an unsigned number.
fn count() -> BoxedStrategy<u64> {
    (0..=i64::MAX as u64).boxed()
}

fn text() -> BoxedStrategy<String> {
    vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect()).boxed()
}

fn word() -> BoxedStrategy<Option<String>> {
    option::of(text()).boxed()
}

fn texts() -> BoxedStrategy<Vec<String>> {
    vec(text(), 0..4).boxed()
}
