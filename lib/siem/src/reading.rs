//! What all formats ask of a record: what was done, how grave it is, how it ended.

use schemas::{Record, RecordKind, record::RedactionStatus};

/// CRUD, as far as a method tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Create,
    Read,
    Update,
    Delete,
    /// A tool that is called may do anything.
    Other,
}

/// From what is only noted to what somebody should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Informational,
    Low,
    Medium,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A request, or what has no outcome.
    Unknown,
    Success,
    Failure,
}

/// What the gate did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Allowed,
    Blocked,
    /// Held for people.
    Delayed,
    /// Not let in: no verdict was asked for.
    Rejected,
}

pub(crate) fn activity(record: &Record) -> Activity {
    let method = record.method.as_deref().unwrap_or_default();
    match method {
        "GET" | "HEAD" => Activity::Read,
        "POST" => Activity::Create,
        "PUT" | "PATCH" => Activity::Update,
        "DELETE" => Activity::Delete,
        _ if record.kind == RecordKind::Read => Activity::Read,
        _ => match method.rsplit('/').next() {
            Some("list" | "read" | "get") => Activity::Read,
            _ => Activity::Other,
        },
    }
}

pub(crate) fn severity(record: &Record) -> Severity {
    match (control(record), status(record)) {
        (Some(Control::Blocked | Control::Rejected), _) => Severity::Medium,
        _ if record.redaction_status == RedactionStatus::Withheld => Severity::Medium,
        (_, Status::Failure) | (Some(Control::Delayed), _) => Severity::Low,
        _ => Severity::Informational,
    }
}

pub(crate) fn status(record: &Record) -> Status {
    match record.outcome.as_deref() {
        None => Status::Unknown,
        Some("ok") => Status::Success,
        Some(_) => Status::Failure,
    }
}

/// None where the gate had nothing to decide.
pub(crate) fn control(record: &Record) -> Option<Control> {
    match (record.kind, record.verdict.as_deref()) {
        (RecordKind::Refusal, Some("block")) => Some(Control::Blocked),
        (RecordKind::Refusal, _) => Some(Control::Rejected),
        (_, Some("allow")) => Some(Control::Allowed),
        (_, Some("block")) => Some(Control::Blocked),
        (_, Some("hold")) => Some(Control::Delayed),
        _ => None,
    }
}

/// Who it was, for a sentence.
pub(crate) fn who(record: &Record) -> &str {
    record.name.as_deref().or(record.subject.as_deref()).unwrap_or("nobody known")
}

/// What was asked for: `tools/call deploy`.
pub(crate) fn what(record: &Record) -> String {
    let method = record.method.as_deref().unwrap_or(record.kind.as_str());
    record.target.as_ref().map_or_else(|| method.to_owned(), |target| format!("{method} {target}"))
}

/// One sentence for people.
pub(crate) fn sentence(record: &Record) -> String {
    let (who, what, kind) = (who(record), what(record), record.kind.as_str());
    match (&record.connection, &record.outcome) {
        (Some(connection), Some(outcome)) => format!("{who}: {what} at {connection}: {kind}, {outcome}"),
        (Some(connection), None) => format!("{who}: {what} at {connection}: {kind}"),
        (None, Some(outcome)) => format!("{who}: {what}: {kind}, {outcome}"),
        (None, None) => format!("{who}: {what}: {kind}"),
    }
}

/// The status that a program would look at: the RPC's error, else that of the transport.
pub(crate) fn status_code(record: &Record) -> Option<String> {
    record.rpc_code.map(|code| code.to_string()).or(record.transport_status.map(|status| status.to_string()))
}
