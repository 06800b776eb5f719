//! OCSF 1.8.0: API Activity (6003), profiles security_control, trace and ai_operation.

use schemas::Record;
use serde_json::{Map, Value, json};

use crate::reading::{self, Activity, Control, Severity, Status};

const VERSION: &str = "1.8.0";
const PROFILES: [&str; 3] = ["security_control", "trace", "ai_operation"];
const CATEGORY: i64 = 6;
const CLASS: i64 = 6003;
/// "Other": what the enumeration has no word for stands beside it.
const OTHER: i64 = 99;

pub(crate) fn event(record: &Record) -> Value {
    let (activity, activity_name) = activity(record);
    let mut event = object(json!({
        "metadata": metadata(record),
        "time": milliseconds(record.occurred_at.0),
        "timezone_offset": 0,
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": CLASS * 100 + activity,
        "message": reading::sentence(record),
        "actor": actor(record),
        "api": api(record),
        "src_endpoint": source(record),
        "raw_data_size": record.body_bytes,
        "unmapped": unmapped(record),
    }));
    judged(record, &mut event);
    controlled(record, &mut event);
    let mut put = |key: &str, value: Option<Value>| value.map(|value| event.insert(key.to_owned(), value));
    put("duration", record.duration_us.map(|us| milliseconds(us).into()));
    put("dst_endpoint", record.connection.as_ref().map(|connection| json!({ "svc_name": connection })));
    put("resources", record.target.as_ref().map(|target| json!([{ "name": target, "type": record.method }])));
    put("http_response", record.transport_status.map(|status| json!({ "code": status })));
    put("trace", trace(record));
    put("ai_model", model(record));
    Value::Object(event)
}

fn activity(record: &Record) -> (i64, String) {
    let (id, name) = match reading::activity(record) {
        Activity::Create => (1, "Create"),
        Activity::Read => (2, "Read"),
        Activity::Update => (3, "Update"),
        Activity::Delete => (4, "Delete"),
        Activity::Other => return (OTHER, record.method.clone().unwrap_or_else(|| record.kind.as_str().to_owned())),
    };
    (id, name.to_owned())
}

fn metadata(record: &Record) -> Value {
    json!({
        "version": VERSION,
        "profiles": PROFILES,
        "product": { "name": "Hansard", "vendor_name": "Hansard", "version": env!("CARGO_PKG_VERSION") },
        "uid": record.record_id.to_string(),
        "correlation_uid": record.exchange_id.to_string(),
        "event_code": record.kind.as_str(),
        "log_name": "hansard.records",
        "logged_time": milliseconds(record.recorded_at.0),
        "is_truncated": record.truncated,
    })
}

/// Somebody or something always acted, also where nobody knows who.
fn actor(record: &Record) -> Value {
    let mut actor = object(json!({ "user": user(record) }));
    let mut put = |key: &str, value: Option<Value>| value.map(|value| actor.insert(key.to_owned(), value));
    put("app_name", record.agent.as_ref().map(|agent| json!(agent)));
    put("idp", record.issuer.as_ref().map(|issuer| json!({ "name": issuer, "url_string": issuer })));
    put("session", record.conversation_id.map(|id| json!({ "uid": id.to_string() })));
    Value::Object(actor)
}

fn user(record: &Record) -> Value {
    let Some(subject) = &record.subject else { return json!({ "name": "unauthenticated", "type_id": 0 }) };
    let groups: Vec<Value> = record.groups.iter().map(|group| json!({ "name": group })).collect();
    let mut user = object(json!({ "uid": subject, "name": record.name.as_ref().unwrap_or(subject), "groups": groups }));
    if let Some(id) = &record.principal_id {
        user.insert("uid_alt".to_owned(), json!(id));
    }
    Value::Object(user)
}

fn api(record: &Record) -> Value {
    let operation = record.method.as_deref().unwrap_or(record.kind.as_str());
    let mut api = object(json!({ "operation": operation, "request": { "uid": record.exchange_id.to_string() } }));
    let mut put = |key: &str, value: Option<Value>| value.map(|value| api.insert(key.to_owned(), value));
    put("version", record.protocol.as_ref().map(|protocol| json!(protocol)));
    put("service", record.connection.as_ref().map(|connection| json!({ "name": connection })));
    let code = record.rpc_code.or(record.transport_status.map(i64::from)).and_then(|code| i32::try_from(code).ok());
    let mut response = Map::new();
    code.map(|code| response.insert("code".to_owned(), json!(code)));
    if let Some(error) = &record.error {
        response.insert("error_message".to_owned(), json!(error));
    }
    put("response", (!response.is_empty()).then_some(Value::Object(response)));
    Value::Object(api)
}

/// The caller's address; what emitted the frame where there is none.
fn source(record: &Record) -> Value {
    match &record.source_ip {
        Some(ip) => json!({ "ip": ip }),
        None => json!({ "name": record.emitter_id.as_deref().unwrap_or("hansard") }),
    }
}

fn judged(record: &Record, event: &mut Map<String, Value>) {
    let (severity_id, severity) = match reading::severity(record) {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
    };
    let (status_id, status) = match reading::status(record) {
        Status::Unknown => (0, "Unknown"),
        Status::Success => (1, "Success"),
        Status::Failure => (2, "Failure"),
    };
    event.extend(object(json!({
        "severity_id": severity_id, "severity": severity, "status_id": status_id, "status": status,
    })));
    event.extend(reading::status_code(record).map(|code| ("status_code".to_owned(), json!(code))));
    event.extend(record.outcome.as_ref().map(|outcome| ("status_detail".to_owned(), json!(outcome))));
}

fn controlled(record: &Record, event: &mut Map<String, Value>) {
    let Some(control) = reading::control(record) else { return };
    let (action_id, action, disposition_id, disposition) = match control {
        Control::Allowed => (1, "Allowed", 1, "Allowed"),
        Control::Blocked => (2, "Denied", 2, "Blocked"),
        Control::Rejected => (2, "Denied", 25, "Rejected"),
        Control::Delayed => (4, "Modified", 14, "Delayed"),
    };
    event.extend(object(json!({
        "action_id": action_id, "action": action, "disposition_id": disposition_id, "disposition": disposition,
        "is_alert": matches!(control, Control::Blocked | Control::Rejected),
    })));
    if let Some(id) = &record.policy_id {
        let applied = record.rule.is_some();
        event.insert("policy".to_owned(), json!({ "uid": id, "is_applied": applied }));
    }
    if let Some(rule) = &record.rule {
        event.insert("firewall_rule".to_owned(), json!({ "name": rule }));
    }
}

/// A record is a moment, so its span begins and ends there, unless it says how long it took.
fn trace(record: &Record) -> Option<Value> {
    let trace_id = record.trace_id.as_ref()?;
    let mut trace = object(json!({ "uid": trace_id }));
    if let Some(span_id) = &record.span_id {
        let (end, took) = (record.occurred_at.0, record.duration_us.unwrap_or(0));
        let span = json!({ "uid": span_id, "start_time": milliseconds(end - took), "end_time": milliseconds(end) });
        trace.insert("span".to_owned(), span);
    }
    Some(Value::Object(trace))
}

/// The provider is not known by name; the connection is what stands for it here.
fn model(record: &Record) -> Option<Value> {
    let (model, provider) = (record.model.as_ref()?, record.connection.as_ref()?);
    Some(json!({ "name": model, "ai_provider": provider }))
}

/// What leads back into the trail, and what OCSF has no word for.
fn unmapped(record: &Record) -> Value {
    let mut rules: Vec<&str> = record.redactions.iter().map(|redaction| redaction.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut unmapped = object(json!({
        "direction": record.direction.as_str(),
        "redaction_status": record.redaction_status.as_str(),
        "redactions": record.redactions.len(),
        "redaction_rules": rules,
    }));
    let mut put = |key: &str, value: Option<&str>| value.map(|value| unmapped.insert(key.to_owned(), json!(value)));
    put("act", (!record.act.is_empty()).then(|| record.act.join(", ")).as_deref());
    put("auth_method", record.auth_method.as_deref());
    put("approval_id", record.approval_id.map(|id| id.to_string()).as_deref());
    put("arguments_digest", record.arguments_digest.as_deref());
    put("target_digest", record.target_digest.as_deref());
    put("ruleset_id", record.ruleset_id.as_deref());
    put("upstream", record.upstream.as_deref());
    put("usage", record.usage.as_deref());
    Value::Object(unmapped)
}

fn milliseconds(us: i64) -> i64 {
    us.div_euclid(1000)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
