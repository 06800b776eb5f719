//! Kubernetes' `kind: Secret`: its values are masked whatever their names are, in JSON and YAML, wherever the kind stands.

use hansard_redact::Redactor;

/// Base64 of nothing that any other rule would find.
const VALUE: &str = "Z3JlZW4=";
const TOKEN: &str = "[REDACTED:kubernetes_secret]";

#[track_caller]
fn check(text: &str, masked: &str) {
    let redactor = Redactor::built_in();
    let told = redactor.redact("body", text.as_bytes()).expect("it can be masked");
    assert_eq!(told.text, masked, "{text}");
    let reference = redactor.reference().redact("body", text.as_bytes()).expect("it can be masked");
    assert_eq!(reference, told, "by the reference");
    let again = redactor.redact("body", masked.as_bytes()).expect("it can be masked");
    assert_eq!((again.text.as_str(), again.redactions.len()), (masked, 0), "a second time");
}

/// The same text with the values masked that stand for themselves.
#[track_caller]
fn masks(text: &str) {
    check(text, &text.replace(VALUE, TOKEN));
}

fn json(before: &str, behind: &str) -> String {
    format!(r#"{{"apiVersion":"v1"{before},"data":{{"color":"{VALUE}"}},"stringData":{{"n":"{VALUE}"}}{behind}}}"#)
}

fn yaml() -> String {
    format!("apiVersion: v1\ndata:\n  color: {VALUE}\n  \"b\": \"{VALUE}\"\nkind: Secret\nmetadata:\n  name: green\n")
}

#[test]
fn the_kind_may_stand_before_and_behind() {
    masks(&json(r#","kind":"Secret""#, ""));
    masks(&json("", r#", "kind" : "Secret","metadata":{"name":"green"}"#));
    masks(&json("", r#","kin\u0064":"Secre\u0074""#));
    masks(&yaml());
}

#[test]
fn other_kinds_are_left_alone() {
    for other in ["ConfigMap", "SecretList", "secret", "SealedSecretTemplate"] {
        let text = json("", &format!(r#","kind":"{other}""#));
        check(&text, &text);
        let text = yaml().replace("Secret", other);
        check(&text, &text);
    }
    let inner = r#"{"data":{"a":"Z3JlZW4="},"template":{"kind":"Secret"}}"#;
    check(inner, inner);
}

#[test]
fn lists_and_nested_documents_hold_manifests() {
    let list = format!(
        r#"{{"kind":"List","items":[{},{{"kind":"ConfigMap","data":{{"a":"b"}}}}]}}"#,
        json("", r#","kind":"Secret""#)
    );
    masks(&list);
    let mut nested = list;
    for _ in 0..4 {
        nested = serde_json::json!({ "content": [{ "type": "text", "text": nested }] }).to_string();
        masks(&nested);
    }
    let mut nested = format!("items:\n- kind: ConfigMap\n  data:\n    a: b\n---\n{}", yaml());
    for _ in 0..4 {
        let written = nested.replace(VALUE, TOKEN);
        let text = serde_json::json!({ "content": [{ "type": "text", "text": nested }] }).to_string();
        let masked = serde_json::json!({ "content": [{ "type": "text", "text": written }] }).to_string();
        check(&text, &masked);
        nested = text;
    }
    let told = serde_json::json!({ "text": format!("Here it is:\n```json\n{{\n  \"kind\": \"Secret\",\n  \"data\": {{\n    \"a\": \"{VALUE}\"\n  }}\n}}\n```") });
    masks(&told.to_string());
}

#[test]
fn every_value_has_its_place_in_the_evidence() {
    let text = json("", r#","kind":"Secret""#);
    let told = Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked");
    let pointers: Vec<&str> = told.redactions.iter().map(|one| one.pointer.as_str()).collect();
    assert_eq!(pointers, ["/data/color", "/stringData/n"]);
    assert!(told.redactions.iter().all(|one| &text[one.start as usize..one.end as usize] == VALUE));
}

#[test]
fn values_of_many_lines_and_references() {
    let text = "kind: Secret\nstringData:\n  file: |\n    one\n    two\n  other: ${PASSWORD}\ntype: Opaque\n";
    check(text, &text.replace("one\n    two", TOKEN));
    check(
        r#"{"kind":"Secret","data":{"a":"","b":"${B}","c":7}}"#,
        &format!(r#"{{"kind":"Secret","data":{{"a":"","b":"${{B}}","c":"{TOKEN}"}}}}"#),
    );
}

#[test]
fn manifests_within_manifests_cost_no_square() {
    let deep = (0..100).fold(format!(r#""{VALUE}""#), |inner, _| format!(r#"{{"kind":"Secret","data":{inner}}}"#));
    let told = Redactor::built_in().redact("body", deep.as_bytes()).expect("it can be masked");
    assert!(!told.text.contains(VALUE), "{}", told.text);
}
