-- One row per refusal: of a call, of a vote, of a read of the trail.
select
    occurred_at,
    exchange_id,
    conversation_id,
    principal_id,
    issuer,
    subject,
    name,
    auth_method,
    source_ip,
    connection,
    protocol,
    method,
    target,
    verdict,
    rule,
    approval_id,
    outcome,
    transport_status,
    rpc_code,
    error,
    body
from records
where kind = 'refusal'
