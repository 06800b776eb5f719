//! ArcSight Common Event Format, version 0: a header and `key=value` pairs in one line.
//!
//! It refuses to let a value end the line or begin a pair of its own: what would is escaped.

use std::fmt::Write as _;

use schemas::Record;

use crate::reading::{self, Control, Severity, Status};

pub(crate) fn event(record: &Record) -> String {
    let class = record.method.as_deref().unwrap_or(record.kind.as_str());
    let severity = match reading::severity(record) {
        Severity::Informational => 1,
        Severity::Low => 4,
        Severity::Medium => 6,
    };
    let mut line = format!(
        "CEF:0|Hansard|Hansard|{}|{}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        header(&format!("{}:{class}", record.kind.as_str())),
        header(&reading::what(record)),
    );
    let mut pairs = pairs(record).into_iter().filter_map(|(key, value)| Some((key, value?)));
    if let Some((key, value)) = pairs.next() {
        write_pair(&mut line, "", key, &value);
    }
    pairs.for_each(|(key, value)| write_pair(&mut line, " ", key, &value));
    line
}

fn pairs(record: &Record) -> Vec<(&'static str, Option<String>)> {
    let mut pairs = vec![
        ("rt", Some(record.occurred_at.0.div_euclid(1000).to_string())),
        ("externalId", Some(record.record_id.to_string())),
        ("msg", Some(reading::sentence(record))),
        ("act", reading::control(record).map(|control| word(control).to_owned())),
        ("outcome", outcome(record)),
        ("reason", record.error.clone()),
        ("src", record.source_ip.clone()),
        ("suid", record.subject.clone()),
        ("suser", record.name.clone()),
        ("sntdom", record.issuer.clone()),
        ("app", record.protocol.clone()),
        ("requestMethod", record.method.clone()),
        ("requestClientApplication", record.agent.clone()),
        ("destinationServiceName", record.connection.clone()),
        ("in", Some(record.body_bytes.to_string())),
    ];
    for (key, label, name, value) in custom(record) {
        if value.is_some() {
            pairs.extend([(key, value), (label, Some(name.to_owned()))]);
        }
    }
    pairs
}

fn custom(record: &Record) -> [(&'static str, &'static str, &'static str, Option<String>); 6] {
    [
        ("cs1", "cs1Label", "exchange_id", Some(record.exchange_id.to_string())),
        ("cs2", "cs2Label", "target", record.target.clone()),
        ("cs3", "cs3Label", "rule", record.rule.clone()),
        ("cs4", "cs4Label", "approval_id", record.approval_id.map(|id| id.to_string())),
        ("cs5", "cs5Label", "conversation_id", record.conversation_id.map(|id| id.to_string())),
        ("cs6", "cs6Label", "redaction_status", Some(record.redaction_status.as_str().to_owned())),
    ]
}

fn outcome(record: &Record) -> Option<String> {
    match reading::status(record) {
        Status::Unknown => None,
        Status::Success => Some("success".to_owned()),
        Status::Failure => Some("failure".to_owned()),
    }
}

fn word(control: Control) -> &'static str {
    match control {
        Control::Allowed => "allowed",
        Control::Blocked => "blocked",
        Control::Delayed => "held",
        Control::Rejected => "rejected",
    }
}

fn write_pair(line: &mut String, before: &str, key: &str, value: &str) {
    let escaped = value.replace('\\', "\\\\").replace('=', "\\=").replace('\r', "\\r").replace('\n', "\\n");
    write!(line, "{before}{key}={escaped}").expect("a string takes all");
}

fn header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}
