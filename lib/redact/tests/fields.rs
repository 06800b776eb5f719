//! Rules by path: what stands there is masked, whatever it is.

use hansard_redact::{Action, KEY_BYTES, Keyring, MaskingKey, Redactor, RuleFile, RuleSet};
use schemas::Direction;
use serde_json::Value;

const RULES: &str = r#"
[[rule]]
id = "salary"
fields = ["**.salary", "$.params.arguments.raise"]
examples = ['{"a":{"salary":1}}']
not = ['{"a":{"celery":1}}']

[[rule]]
id = "owner"
fields = ["$.items[*].owner", "$.text.owner"]
exclude_fields = ["$.items[0].owner"]
"#;

fn redactor(action: Action) -> Redactor {
    let files = vec![RuleFile { name: "fields.toml".into(), text: RULES.into() }];
    let actions = [("custom".to_owned(), action)].into();
    let set = RuleSet { packs: vec!["pii".to_owned()], files, actions, ..RuleSet::default() };
    Redactor::load(&set, Keyring::new(vec![MaskingKey::new(&[1; KEY_BYTES])])).expect("the rules are whole")
}

#[track_caller]
fn check(action: Action, text: &str, expected: &str) {
    let redactor = redactor(action);
    let masked = redactor.redact("body", text.as_bytes()).expect("it can be masked");
    assert_eq!(masked.text, expected);
    assert_eq!(redactor.reference().redact("body", text.as_bytes()).expect("it can be masked"), masked);
    let again = redactor.redact("body", expected.as_bytes()).expect("it can be masked");
    assert_eq!(again.text, expected, "a second time");
}

#[test]
fn numbers_words_and_containers_are_masked() {
    for (text, masked) in [
        (r#"{"salary":5000,"b":1}"#, r#"{"salary":"[REDACTED:salary]","b":1}"#),
        (r#"{"x":[{"Salary":"much"}]}"#, r#"{"x":[{"Salary":"[REDACTED:salary]"}]}"#),
        (r#"{"salary":{"from":1,"to":[2,"}"]},"b":2}"#, r#"{"salary":"[REDACTED:salary]","b":2}"#),
        (r#"{"salary":[1,2]}"#, r#"{"salary":"[REDACTED:salary]"}"#),
        (r#"{"salary":true,"x":null}"#, r#"{"salary":"[REDACTED:salary]","x":null}"#),
        (r#"{"salary":null}"#, r#"{"salary":null}"#),
        (r#"{"salary":""}"#, r#"{"salary":""}"#),
        (
            r#"{"params":{"arguments":{"raise":1}},"raise":1}"#,
            r#"{"params":{"arguments":{"raise":"[REDACTED:salary]"}},"raise":1}"#,
        ),
        (r#"{"items":[{"owner":"a"},{"owner":"b"}]}"#, r#"{"items":[{"owner":"a"},{"owner":"[REDACTED:owner]"}]}"#),
        (r#"{"sal\u0061ry":1}"#, r#"{"sal\u0061ry":"[REDACTED:salary]"}"#),
        ("salary: 1", "salary: 1"),
    ] {
        check(Action::Redact, text, masked);
    }
}

#[test]
fn paths_go_on_into_documents_in_strings() {
    let text = r#"{"text":"{\"owner\":\"ada\",\"x\":[{\"salary\":7}]}"}"#;
    let masked = r#"{"text":"{\"owner\":\"[REDACTED:owner]\",\"x\":[{\"salary\":\"[REDACTED:salary]\"}]}"}"#;
    check(Action::Redact, text, masked);
    check(
        Action::Redact,
        r#"{"text":"\u007b\"owner\":\"ada\"}"}"#,
        r#"{"text":"\u007b\"owner\":\"[REDACTED:owner]\"}"}"#,
    );
}

#[test]
fn fields_are_dropped_or_flagged_as_a_whole() {
    check(Action::DropField, r#"{"a":1,"salary":{"from":1},"c":3}"#, r#"{"a":1,"c":3}"#);
    check(Action::DropField, r#"{"salary":"x"}"#, "{}");
    check(Action::Flag, r#"{"salary":{"from":1}}"#, r#"{"salary":{"from":1}}"#);
    let flagged = redactor(Action::Flag).redact("body", br#"{"salary":{"from":1}}"#).expect("it can be masked");
    assert_eq!((flagged.redactions[0].pointer.as_str(), flagged.redactions[0].end), ("/salary", 20));
}

#[test]
fn a_hashed_field_is_the_same_wherever_it_stands() {
    let redactor = redactor(Action::Hmac);
    let masked = redactor.redact("body", br#"{"salary":5000,"x":{"salary":"5000"},"y":{"salary":5001}}"#);
    let after: Value = serde_json::from_str(&masked.expect("it can be masked").text).expect("JSON");
    assert_eq!(after["salary"], after["x"]["salary"]);
    assert_ne!(after["salary"], after["y"]["salary"]);
}

#[test]
fn a_rule_may_hold_for_some_tools_or_in_one_direction() {
    let rule = "[[rule]]\nid = \"pay\"\nfields = [\"**.amount\"]\ntools = [\"payroll_*\", \"raise\"]\ndirection = \"to_caller\"";
    let files = vec![RuleFile { name: "pay.toml".into(), text: rule.into() }];
    let set = RuleSet { packs: vec!["pii".to_owned()], files, ..RuleSet::default() };
    let redactor = Redactor::load(&set, Keyring::default()).expect("the rules are whole");
    let check = |redactor: &Redactor, is_masked: bool| {
        let told = redactor.redact("body", br#"{"result":{"amount":5000}}"#).expect("it can be masked").text;
        assert_eq!(told.contains("[REDACTED:pay]"), is_masked, "{told}");
        let reference =
            redactor.reference().redact("body", br#"{"result":{"amount":5000}}"#).expect("it can be masked");
        assert_eq!(reference.text, told);
    };
    check(&redactor.for_call(Some("payroll_list"), Direction::ToCaller), true);
    check(&redactor.for_call(Some("raise"), Direction::ToCaller), true);
    check(&redactor.for_call(Some("raised"), Direction::ToCaller), false);
    check(&redactor.for_call(Some("raise"), Direction::ToUpstream), false);
    check(&redactor, true);
    check(&redactor.for_call(None, Direction::ToCaller), true);
    check(&redactor.for_tenant("north").for_call(Some("read"), Direction::ToCaller).for_tenant("south"), false);
}
