-- One row per subject. Callers that were not let in have none, and stand together in one row without a subject.
select
    principal_id,
    issuer,
    subject,
    last_value(name order by occurred_at) as name,
    count(*) as calls,
    count(*) filter (where refused) as refusals,
    count(*) filter (where not refused and outcome <> 'ok') as errors,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at,
    count(distinct connection) as connections,
    count(distinct target) as targets
from exchanges
group by principal_id, issuer, subject
