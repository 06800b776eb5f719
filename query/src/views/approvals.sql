-- One row per held call: who asked, what became of it, and who said so. Votes are decision rows; their body is the
-- approval event as JSON.
with events as (
    select
        approval_id,
        occurred_at,
        coalesce(name, subject) as voter,
        regexp_match(body, '"event"\s*:\s*"([a-z_]+)"')[1] as event,
        regexp_match(body, '"decision"\s*:\s*"([a-z_]+)"')[1] as decision
    from records
    where kind = 'decision' and approval_id is not null
),
decided as (
    select
        approval_id,
        count(*) filter (where decision = 'approve') as approvals,
        count(*) filter (where decision = 'deny') as denials,
        array_agg(voter order by occurred_at) filter (where event = 'vote') as voters,
        max(occurred_at) as decided_at,
        bool_or(event = 'redeemed') as redeemed,
        bool_or(event = 'expired') as expired,
        bool_or(event = 'withdrawn') as withdrawn
    from events
    group by approval_id
)
select
    call.approval_id,
    call.exchange_id,
    call.conversation_id,
    call.occurred_at as held_at,
    call.principal_id,
    call.issuer,
    call.subject,
    call.name,
    call.connection,
    call.method,
    call.target,
    call.rule,
    case
        when call.outcome in ('denied', 'expired', 'withdrawn') then call.outcome
        when decided.redeemed or (call.outcome is not null and not call.refused) then 'redeemed'
        when decided.expired then 'expired'
        when decided.withdrawn then 'withdrawn'
        when call.refused then call.outcome
        else 'pending'
    end as state,
    coalesce(decided.approvals, 0) as approvals,
    coalesce(decided.denials, 0) as denials,
    decided.voters,
    decided.decided_at,
    call.request_body as body
from exchanges call
left join decided on call.approval_id = decided.approval_id
where call.approval_id is not null
