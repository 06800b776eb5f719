//! Events against the rules of their formats. `ocsf-1.8.0.json` is made by `ocsf_rules.py` from the published schema: it
//! says of the class and of each object that we write which attributes it has, of what type, with which values and the
//! captions beside them, and which are required; whatever an event says beyond that is a fault.

use std::{collections::BTreeMap, sync::Mutex};

use hansard_siem::{Format, line};
use proptest::prelude::*;
use regex::Regex;
use schemas::{
    ApprovalId, ConversationId, Direction, ExchangeId, Record, RecordId, RecordKind, RedactionStatus, Timestamp,
    record::Redaction,
};
use serde_json::{Map, Value};
use uuid::Uuid;

const RULES: &str = include_str!("ocsf-1.8.0.json");
/// "Other", in every enumeration.
const OTHER: i64 = 99;
const AT_US: i64 = 1_785_231_000_123_456;

fn blank(kind: RecordKind) -> Record {
    Record::new(RecordId(Uuid::from_u128(1)), ExchangeId(Uuid::from_u128(2)), kind, Timestamp(AT_US))
}

/// Everything that a record can say.
fn full(kind: RecordKind) -> Record {
    let text = |text: &str| Some(text.to_owned());
    let redaction = Redaction {
        rule: "email".to_owned(),
        field: "body".to_owned(),
        pointer: "/params/arguments/to".to_owned(),
        action: "redact".to_owned(),
        start: 1,
        end: 5,
        masked_start: 1,
        masked_end: 17,
        key_id: None,
    };
    Record {
        conversation_id: Some(ConversationId(Uuid::from_u128(3))),
        direction: Direction::ToCaller,
        recorded_at: Timestamp(AT_US + 5),
        duration_us: Some(1_234_567),
        principal_id: text("p_0011"),
        issuer: text("https://login.example"),
        subject: text("ada"),
        name: text("Ada Lovelace"),
        groups: vec!["sre".to_owned(), "dev".to_owned()],
        agent: text("claude-code/2.0"),
        act: vec!["ci".to_owned()],
        auth_method: text("jwt"),
        source_ip: text("192.0.2.7"),
        connection: text("github"),
        upstream: text("https://mcp.internal.example/mcp"),
        emitter_id: text("ingress-1"),
        protocol: text("mcp/2025-11-25"),
        method: text("tools/call"),
        target: text("deploy_service"),
        arguments_digest: text("00ff"),
        model: text("m-1"),
        usage: text("{\"total_tokens\":5}"),
        verdict: text("hold"),
        rule: text("production-writes"),
        policy_id: text("sha256:01"),
        outcome: text("rpc_error"),
        transport_status: Some(200),
        rpc_code: Some(-32_602),
        is_error: Some(true),
        error: text("it = broke | here\nand there"),
        redactions: vec![redaction.clone(), redaction],
        ruleset_id: text("sha256:02"),
        redaction_status: RedactionStatus::Masked,
        body_bytes: 4711,
        truncated: true,
        trace_id: text("0af7651916cd43dd8448eb211c80319c"),
        span_id: text("b7ad6b7169203331"),
        ..blank(kind)
    }
}

fn ocsf(record: &Record) -> Value {
    serde_json::from_str(&line(record, Format::Ocsf)).expect("JSON")
}

/// All that is wrong with `value` as an object of this kind.
fn faults(rules: &Value, kind: &str, value: &Value, path: &str) -> Vec<String> {
    let rule = if kind == "event" { &rules["event"] } else { &rules["objects"][kind] };
    let Some(members) = value.as_object() else { return vec![format!("{path} is no object")] };
    let attributes = rule["attributes"].as_object().unwrap_or_else(|| panic!("{path}: no rules for {kind}"));
    let missing = attributes.iter().filter(|(name, rule)| rule["required"] == true && !members.contains_key(*name));
    let mut faults: Vec<String> = missing.map(|(name, _)| format!("{path}/{name} is missing")).collect();
    if let Some(any) = rule["at_least_one"].as_array()
        && !any.iter().any(|name| members.contains_key(name.as_str().expect("a name")))
    {
        faults.push(format!("{path} has none of {any:?}"));
    }
    for (name, member) in members {
        let path = format!("{path}/{name}");
        match attributes.get(name) {
            None => faults.push(format!("{path} does not exist in the schema")),
            Some(rule) => {
                faults.extend(of_attribute(rules, rule, member, &path));
                faults.extend(of_caption(rule, member, members, &path));
            }
        }
    }
    faults
}

fn of_attribute(rules: &Value, rule: &Value, value: &Value, path: &str) -> Vec<String> {
    if rule["array"] == true {
        let Some(items) = value.as_array() else { return vec![format!("{path} is no array")] };
        return items.iter().flat_map(|item| of_type(rules, rule, item, path)).collect();
    }
    of_type(rules, rule, value, path)
}

/// What stands beside a number of an enumeration is its caption, but for "Other", which is in the words of the source.
fn of_caption(rule: &Value, value: &Value, members: &Map<String, Value>, path: &str) -> Option<String> {
    let caption = rule["enum"].get(value.to_string())?;
    let beside = members.get(rule["sibling"].as_str()?)?;
    (*value != OTHER && beside != caption).then(|| format!("{path} is {caption}, and beside it stands {beside}"))
}

fn of_type(rules: &Value, rule: &Value, value: &Value, path: &str) -> Vec<String> {
    let kind = rule["type"].as_str().expect("a type");
    if rules["objects"].get(kind).is_some() {
        return faults(rules, kind, value, path);
    }
    let listed = rule["enum"].as_object().is_none_or(|listed| listed.contains_key(&value.to_string()));
    let current = rule["deprecated"] != true;
    if fits(rules, kind, value) && listed && current {
        return Vec::new();
    }
    vec![format!("{path} is {value}, against {rule}")]
}

/// A value of this type of the dictionary, and of the types that it is made of.
fn fits(rules: &Value, kind: &str, value: &Value) -> bool {
    let of_base = match kind {
        "string_t" => value.is_string(),
        "boolean_t" => value.is_boolean(),
        "integer_t" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long_t" => value.is_i64() || value.is_u64(),
        "object" => value.is_object(),
        "json_t" => true,
        kind => rules["types"][kind]["type"].as_str().is_some_and(|base| fits(rules, base, value)),
    };
    let rule = &rules["types"][kind];
    let matches = |pattern: &str| is_match(pattern, value.as_str().unwrap_or_default());
    let in_range = |range: &Vec<Value>| (range[0].as_i64()..=range[1].as_i64()).contains(&value.as_i64());
    of_base
        && rule["regex"].as_str().is_none_or(matches)
        && rule["max_len"].as_u64().is_none_or(|most| value.as_str().is_some_and(|text| text.len() as u64 <= most))
        && rule["range"].as_array().is_none_or(in_range)
}

/// The patterns of addresses are long, and are needed often.
fn is_match(pattern: &str, text: &str) -> bool {
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().expect("no test panics here");
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern"));
    regex.is_match(text)
}

#[track_caller]
fn check(record: &Record) {
    let rules: Value = serde_json::from_str(RULES).expect("the rules are JSON");
    assert_eq!(faults(&rules, "event", &ocsf(record), ""), Vec::<String>::new());
}

const KINDS: [RecordKind; 7] = [
    RecordKind::Request,
    RecordKind::Response,
    RecordKind::Notification,
    RecordKind::Refusal,
    RecordKind::Decision,
    RecordKind::Read,
    RecordKind::Lifecycle,
];

#[test]
fn events_of_every_kind_fit_the_schema_of_ocsf() {
    for kind in KINDS {
        check(&blank(kind));
        check(&full(kind));
    }
}

#[test]
fn the_rules_find_what_is_wrong() {
    let rules: Value = serde_json::from_str(RULES).expect("the rules are JSON");
    let mut event = ocsf(&full(RecordKind::Response));
    event["severity_id"] = 7.into();
    event["actor"] = serde_json::json!({ "idp": { "name": 1 } });
    event["invented"] = true.into();
    event["status"] = "Success".into();
    event["src_endpoint"]["ip"] = "nowhere".into();
    event.as_object_mut().expect("an object").remove("time");
    let found = faults(&rules, "event", &event, "").join("\n");
    for part in [
        "/severity_id is 7",
        "/actor has none of",
        "/actor/idp/name is 1",
        "/invented does not exist",
        "/status_id is \"Failure\", and beside it stands \"Success\"",
        "/src_endpoint/ip is \"nowhere\"",
        "/time is missing",
    ] {
        assert!(found.contains(part), "{part:?} is not in {found}");
    }
    assert_eq!(found.lines().count(), 7, "{found}");
}

#[test]
fn an_event_says_who_did_what_and_how_it_was_judged() {
    let event = ocsf(&full(RecordKind::Refusal));
    let of = |path: &str| event.pointer(path).cloned().unwrap_or_default();
    assert_eq!(of("/actor/user/uid"), "ada");
    assert_eq!(of("/actor/user/groups/0/name"), "sre");
    assert_eq!((of("/api/operation"), of("/resources/0/name")), ("tools/call".into(), "deploy_service".into()));
    assert_eq!((of("/time"), of("/duration")), ((AT_US / 1000).into(), 1234.into()));
    assert_eq!((of("/type_uid"), of("/activity_name")), (600_399.into(), "tools/call".into()));
    assert_eq!((of("/disposition"), of("/is_alert"), of("/severity_id")), ("Rejected".into(), true.into(), 3.into()));
    assert_eq!((of("/status_code"), of("/firewall_rule/name")), ("-32602".into(), "production-writes".into()));
    assert_eq!((of("/unmapped/redactions"), of("/unmapped/redaction_rules/0")), (2.into(), "email".into()));
    assert_eq!(of("/metadata/correlation_uid"), Uuid::from_u128(2).to_string());
}

#[test]
fn an_elastic_document_holds_nothing_empty() {
    let document: Value = serde_json::from_str(&line(&blank(RecordKind::Lifecycle), Format::Ecs)).expect("JSON");
    assert_eq!(document["@timestamp"], "2026-07-28T09:30:00.123456Z");
    assert!(document.get("user").is_none() && document.get("trace").is_none(), "{document}");
    let document: Value = serde_json::from_str(&line(&full(RecordKind::Response), Format::Ecs)).expect("JSON");
    assert_eq!((&document["user"]["id"], &document["event"]["outcome"]), (&"ada".into(), &"failure".into()));
    assert_eq!(document["event"]["duration"], 1_234_567_000_i64);
    assert_eq!(document["hansard"]["target"], "deploy_service");
}

/// The recipe for Elasticsearch has a type for each field of ours.
#[test]
fn the_index_template_knows_what_is_ours() {
    let template: Value =
        serde_json::from_str(include_str!("../../../deploy/siem/elastic/index-template.json")).expect("JSON");
    let typed = template.pointer("/template/mappings/properties/hansard/properties").expect("our fields");
    let record = Record { approval_id: Some(ApprovalId(Uuid::from_u128(9))), ..full(RecordKind::Response) };
    let document: Value = serde_json::from_str(&line(&record, Format::Ecs)).expect("JSON");
    let ours = |fields: &Value| fields.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(ours(&document["hansard"]), ours(typed));
}

/// Read as a SIEM reads it: a header of eight fields, then pairs.
fn read_cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut fields, mut field, mut escaped, mut rest) = (Vec::new(), String::new(), false, line.chars());
    while fields.len() < 7 {
        match rest.next().expect("seven fields end") {
            '\\' if !escaped => escaped = true,
            '|' if !escaped => fields.push(std::mem::take(&mut field)),
            letter => {
                field.push(letter);
                escaped = false;
            }
        }
    }
    let (mut pairs, mut value, mut escaped) = (Vec::<(String, String)>::new(), String::new(), false);
    for letter in rest {
        match letter {
            '\\' if !escaped => escaped = true,
            '=' if !escaped => {
                // The key of the next pair is the last word before its equals sign.
                let (before, key) = value.rsplit_once(' ').unwrap_or(("", &value));
                let (before, key) = (before.to_owned(), key.to_owned());
                if let Some((_, value)) = pairs.last_mut() {
                    *value = before;
                }
                pairs.push((key, String::new()));
                value.clear();
            }
            letter => {
                value.push(if escaped && letter == 'n' {
                    '\n'
                } else if escaped && letter == 'r' {
                    '\r'
                } else {
                    letter
                });
                escaped = false;
            }
        }
    }
    if let Some((_, last)) = pairs.last_mut() {
        *last = value;
    }
    (fields, pairs)
}

proptest! {
    #[test]
    fn no_value_ends_a_cef_line_or_begins_a_pair(
        texts in proptest::array::uniform5("[a-z =|\\\\\n\r]{0,12}")
    ) {
        let [name, target, error, method, agent] = texts.clone();
        let record = Record {
            name: Some(name), target: Some(target), error: Some(error), method: Some(method), agent: Some(agent),
            ..full(RecordKind::Response)
        };
        let line = line(&record, Format::Cef);
        prop_assert!(!line.contains(['\n', '\r']));
        let (fields, pairs) = read_cef(&line);
        prop_assert_eq!((fields[0].as_str(), fields.len()), ("CEF:0", 7));
        let of = |key: &str| pairs.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str());
        prop_assert_eq!(of("suser"), Some(texts[0].as_str()));
        prop_assert_eq!(of("cs2"), Some(texts[1].as_str()));
        prop_assert_eq!(of("reason"), Some(texts[2].as_str()));
        prop_assert_eq!(of("requestClientApplication"), Some(texts[4].as_str()));
    }

    #[test]
    fn any_text_fits_the_schema_of_ocsf(text in "\\PC{0,40}", code in any::<i64>(), took in any::<i32>()) {
        check(&Record {
            name: Some(text.clone()), method: Some(text.clone()), connection: Some(text.clone()), target: Some(text),
            rpc_code: Some(code), duration_us: Some(i64::from(took)), ..full(RecordKind::Request)
        });
    }
}
