-- One row per call: its request, or the refusal that stands in its place, beside how it ended.
-- The two are joined, not grouped, so that a condition on the request's columns still chooses files.
-- What was withheld and has been released from the quarantine stands here once, as it was released.
with released as (
    select exchange_id, kind, emitter_id, emitter_epoch, emitter_seq from records where redaction_status = 'released'
),
current as (
    select records.*
    from records
    left anti join released
        on records.exchange_id = released.exchange_id and records.kind = released.kind
        and records.redaction_status = 'withheld'
        and (records.emitter_id is null or (
            records.emitter_id = released.emitter_id and records.emitter_epoch = released.emitter_epoch
            and records.emitter_seq = released.emitter_seq
        ))
),
opening as (
    select * from current where kind = 'request' and direction = 'to_upstream'
    union all
    select refusal.*
    from current refusal
    left anti join (select exchange_id from records where kind = 'request' and direction = 'to_upstream') request
        on refusal.exchange_id = request.exchange_id
    where refusal.kind = 'refusal' and refusal.protocol is distinct from 'hansard'
),
ending as (
    select
        exchange_id,
        last_value(kind order by occurred_at, emitter_seq) as kind,
        last_value(verdict order by occurred_at, emitter_seq) as verdict,
        last_value(rule order by occurred_at, emitter_seq) as rule,
        last_value(outcome order by occurred_at, emitter_seq) as outcome,
        last_value(transport_status order by occurred_at, emitter_seq) as transport_status,
        last_value(rpc_code order by occurred_at, emitter_seq) as rpc_code,
        last_value(is_error order by occurred_at, emitter_seq) as is_error,
        last_value(error order by occurred_at, emitter_seq) as error,
        last_value(duration_us order by occurred_at, emitter_seq) as duration_us,
        last_value(first_byte_us order by occurred_at, emitter_seq) as first_byte_us,
        last_value(case when kind = 'response' then body end order by occurred_at, emitter_seq) as body,
        sum(case when kind = 'response' then cardinality(redactions) else 0 end) as redactions,
        max(redaction_status) as redaction_status
    from current
    where (kind = 'response' and direction = 'to_caller') or kind = 'refusal'
    group by exchange_id
)
select
    opening.exchange_id,
    opening.conversation_id,
    opening.leg_of,
    opening.occurred_at,
    opening.principal_id,
    opening.issuer,
    opening.subject,
    opening.name,
    opening.groups,
    opening.agent,
    opening.auth_method,
    opening.source_ip,
    opening.connection,
    opening.protocol,
    opening.method,
    opening.target,
    opening.model,
    coalesce(opening.verdict, ending.verdict) as verdict,
    coalesce(opening.rule, ending.rule) as rule,
    opening.approval_id,
    ending.outcome,
    coalesce(ending.kind = 'refusal', false) as refused,
    ending.transport_status,
    ending.rpc_code,
    ending.is_error,
    ending.error,
    ending.duration_us,
    ending.first_byte_us,
    opening.body as request_body,
    ending.body as response_body,
    cast(cardinality(opening.redactions) as bigint) as request_redactions,
    cast(coalesce(ending.redactions, 0) as bigint) as response_redactions,
    -- Alphabetical order is the order of severity: clean, masked, released, withheld.
    greatest(opening.redaction_status, ending.redaction_status) as redaction_status,
    opening.trace_id
from opening
left join ending on opening.exchange_id = ending.exchange_id
