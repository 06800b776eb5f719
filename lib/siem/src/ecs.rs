//! Elastic Common Schema 8: one document, its own fields below `hansard`.

use chrono::{DateTime, SecondsFormat};
use schemas::{Record, RecordKind};
use serde_json::{Map, Value, json};

use crate::reading::{self, Activity, Control, Severity, Status};

const VERSION: &str = "8.17.0";

pub(crate) fn event(record: &Record) -> Value {
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| {
        if !is_empty(&value) {
            document.insert(key.to_owned(), value);
        }
    };
    put("@timestamp", time(record.occurred_at.0).into());
    put("ecs", json!({ "version": VERSION }));
    put("message", reading::sentence(record).into());
    put("event", about(record));
    put("user", user(record));
    put("user_agent", present(json!({ "original": record.agent })));
    put("source", present(json!({ "ip": record.source_ip })));
    put("service", present(json!({ "name": record.connection, "address": record.upstream })));
    put("http", record.transport_status.map_or(Value::Null, |status| json!({ "response": { "status_code": status } })));
    put("error", present(json!({ "message": record.error, "code": record.rpc_code.map(|code| code.to_string()) })));
    put("rule", present(json!({ "name": record.rule, "ruleset": record.policy_id })));
    put("trace", present(json!({ "id": record.trace_id })));
    put("span", present(json!({ "id": record.span_id })));
    put("hansard", own(record));
    Value::Object(document)
}

fn about(record: &Record) -> Value {
    let outcome = match reading::status(record) {
        Status::Unknown => "unknown",
        Status::Success => "success",
        Status::Failure => "failure",
    };
    present(json!({
        "id": record.record_id.to_string(),
        "kind": "event",
        "category": [if record.kind == RecordKind::Refusal && record.subject.is_none() { "authentication" } else { "api" }],
        "type": types(record),
        "action": record.method.as_deref().unwrap_or(record.kind.as_str()),
        "outcome": outcome,
        "severity": match reading::severity(record) {
            Severity::Informational => 1,
            Severity::Low => 2,
            Severity::Medium => 3,
        },
        "created": time(record.recorded_at.0),
        "duration": record.duration_us.map(|us| us.saturating_mul(1000)),
        "dataset": "hansard.records",
        "provider": "hansard",
    }))
}

fn types(record: &Record) -> Vec<&'static str> {
    let done = match reading::activity(record) {
        Activity::Create => "creation",
        Activity::Read => "access",
        Activity::Update => "change",
        Activity::Delete => "deletion",
        Activity::Other => "info",
    };
    match reading::control(record) {
        Some(Control::Allowed) => vec![done, "allowed"],
        Some(Control::Blocked | Control::Rejected) => vec![done, "denied"],
        Some(Control::Delayed) | None => vec![done],
    }
}

fn user(record: &Record) -> Value {
    let groups: Vec<Value> = record.groups.iter().map(|group| json!({ "name": group })).collect();
    present(json!({
        "id": record.subject, "name": record.name, "hash": record.principal_id, "domain": record.issuer,
        "group": if groups.is_empty() { Value::Null } else { Value::Array(groups) },
    }))
}

fn own(record: &Record) -> Value {
    present(json!({
        "exchange_id": record.exchange_id.to_string(),
        "conversation_id": record.conversation_id.map(|id| id.to_string()),
        "approval_id": record.approval_id.map(|id| id.to_string()),
        "kind": record.kind.as_str(),
        "direction": record.direction.as_str(),
        "protocol": record.protocol,
        "target": record.target,
        "model": record.model,
        "verdict": record.verdict,
        "outcome": record.outcome,
        "is_error": record.is_error,
        "auth_method": record.auth_method,
        "act": record.act,
        "body_bytes": record.body_bytes,
        "truncated": record.truncated,
        "redactions": record.redactions.len(),
        "redaction_status": record.redaction_status.as_str(),
        "ruleset_id": record.ruleset_id,
    }))
}

/// Without the members that are not there; null when none is.
fn present(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let map: Map<String, Value> = map.into_iter().filter(|(_, value)| !is_empty(value)).collect();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn time(us: i64) -> String {
    DateTime::from_timestamp_micros(us).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}
