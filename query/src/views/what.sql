-- One row per thing that was called.
select
    connection,
    method,
    target,
    count(*) as calls,
    count(*) filter (where refused) as refusals,
    count(*) filter (where not refused and outcome <> 'ok') as errors,
    count(distinct principal_id) as callers,
    cast(approx_percentile_cont(0.5) within group (order by duration_us) as bigint) as duration_p50_us,
    max(duration_us) as duration_max_us,
    max(occurred_at) as last_at
from exchanges
group by connection, method, target
