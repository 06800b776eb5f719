//! What holds for every message: structure and bystanders stay, masking twice changes nothing, evidence replays.

use std::sync::LazyLock;

use hansard_redact::{Keyring, Redacted, Redactor, RuleSet};
use proptest::prelude::*;
use serde_json::Value;

/// Values that must be found wherever they stand, put together so that no source holds them.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z2-7]{16}".prop_map(|rest| ["AKIA", &rest].concat()),
        "[A-Za-z0-9]{36}".prop_map(|rest| ["ghp_", &rest].concat()),
        "[0-9]{11}-[A-Za-z0-9]{24}".prop_map(|rest| ["xoxb-", &rest].concat()),
        "[A-Za-z0-9_-]{40}".prop_map(|rest| ["sk-ant-", "api03-", &rest].concat()),
        "[a-z]{3,8}[.][a-z]{3,8}@[a-z]{3,8}[.]org",
        "4[0-9]{14}".prop_map(with_luhn),
        "(1[0-9]|2[0-4])[.](1[0-9]{2}|2[0-4][0-9])[.][1-9][0-9]?[.][1-9][0-9]?",
        Just("DE89370400440532013000".to_owned()),
        "[1-5][0-9][1-9]-[1-9][0-9]-[1-9][0-9]{3}",
    ]
}

fn with_luhn(digits: String) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Bystanders, among them much that is nearly a secret.
fn prose() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ a-zäöü\"\\\\\n\t/😀@:=.,0-9-]{0,24}",
        Just("the token: and a password=".to_owned()),
        Just("C:\\new\\table \\\" \\u0041".to_owned()),
        Just("[REDACTED:email]".to_owned()),
        Just("{\"password\":\"x\"".to_owned()),
        Just("eyJ -----BEGIN +49 (212) 1.2.3.4.5 ://a:".to_owned()),
    ]
}

fn sentence() -> impl Strategy<Value = (String, String)> {
    (prose(), secret(), prose()).prop_map(|(before, secret, after)| (format!("{before} {secret} {after}"), secret))
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        prose().prop_map(Value::from),
        sentence().prop_map(|(text, _)| Value::from(text)),
        secret().prop_map(Value::from),
    ];
    let key = prop_oneof!["[a-z]{1,8}", Just("password".to_owned()), Just("max_tokens".to_owned()), secret()];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner.clone(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

static FEWER: LazyLock<Redactor> = LazyLock::new(|| {
    let packs = vec!["pii".to_owned(), "us".to_owned()];
    Redactor::load(&RuleSet { packs, ..RuleSet::default() }, Keyring::default()).expect("the packs are whole")
});

fn mask(text: &str) -> Redacted {
    Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked")
}

/// The same containers with as many members, and scalars of the same type but for numbers that became text.
fn same_skeleton(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| same_skeleton(before, after))
        }
        (Value::Object(before), Value::Object(after)) => before.len() == after.len(),
        (Value::Number(_), Value::String(text)) => text.starts_with("[REDACTED:"),
        (before, after) => std::mem::discriminant(before) == std::mem::discriminant(after),
    }
}

/// All strings of a document, and of the documents in its strings.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Ok(inner) = serde_json::from_str(text) {
                strings(&inner, found);
            }
            found.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.iter().for_each(|(key, item)| {
            found.push(key.clone());
            strings(item, found);
        }),
        _ => {}
    }
}

/// Bytes outside the evidence are as they were, and the evidence tells both places of each replacement.
fn replays(before: &str, redacted: &Redacted) -> Result<(), TestCaseError> {
    let (mut from, mut masked_from) = (0, 0);
    for one in &redacted.redactions {
        let (start, end) = (one.start as usize, one.end as usize);
        let (masked_start, masked_end) = (one.masked_start as usize, one.masked_end as usize);
        prop_assert_eq!(&before[from..start], &redacted.text[masked_from..masked_start]);
        let token = redacted.text[masked_start..masked_end].trim_matches(['"', '\\']);
        let start_of_token = format!("[REDACTED:{}", one.rule);
        prop_assert!(token.starts_with(&start_of_token), "{}", token);
        prop_assert!(end > start);
        (from, masked_from) = (end, masked_end);
    }
    prop_assert_eq!(&before[from..], &redacted.text[masked_from..]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_keep_their_structure(document in document(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let redacted = mask(&text);
        let after: Value = serde_json::from_str(&redacted.text).expect("JSON stays JSON");
        prop_assert!(same_skeleton(&document, &after), "{} -> {}", text, redacted.text);
        replays(&text, &redacted)?;
        let again = mask(&redacted.text);
        prop_assert_eq!(&again.text, &redacted.text);
        prop_assert_eq!(again.redactions, vec![]);
    }

    #[test]
    fn any_text_is_masked_once_and_for_all(parts in prop::collection::vec(prop_oneof![prose(), secret()], 0..8)) {
        let text = parts.concat();
        let redacted = mask(&text);
        // The other way round it need not be: what made it none may have been masked.
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        prop_assert!(!is_json(&text) || is_json(&redacted.text), "{}", redacted.text);
        replays(&text, &redacted)?;
        prop_assert_eq!(&mask(&redacted.text).text, &redacted.text);
    }

    #[test]
    fn secrets_are_gone_at_every_depth((text, secret) in sentence(), depth in 0..5_usize, escape in any::<bool>()) {
        let mut value = Value::from(text);
        for _ in 0..depth {
            value = Value::from(serde_json::json!({ "text": value }).to_string());
        }
        let mut message = serde_json::json!({ "content": [{ "type": "text", "text": value }] }).to_string();
        if escape {
            message = message.replace('@', "\\u0040").replace("-", "\\u002d");
        }
        let redacted = mask(&message);
        let mut found = Vec::new();
        strings(&serde_json::from_str(&redacted.text).unwrap(), &mut found);
        prop_assert!(!found.iter().any(|text| text.contains(&secret)), "{} in {}", secret, redacted.text);
        let evidence = format!("{:?}", redacted.redactions);
        prop_assert!(!evidence.contains(&secret));
    }

    #[test]
    fn spelling_changes_nothing(document in document()) {
        let plain = serde_json::to_string(&document).unwrap();
        let spelled: String = serde_json::to_string_pretty(&document).unwrap();
        let ascii = spelled.replace('@', "\\u0040");
        let of = |text: &str| serde_json::from_str::<Value>(&mask(text).text).unwrap();
        prop_assert_eq!(of(&plain), of(&ascii));
    }

    #[test]
    fn more_rules_never_unmask(document in document()) {
        let text = document.to_string();
        let fewer = FEWER.redact("body", text.as_bytes()).expect("it can be masked");
        let all = mask(&text);
        for one in &fewer.redactions {
            let covered = all.redactions.iter().any(|other| other.start < one.end && other.end > one.start);
            prop_assert!(covered, "{:?} in {}", one, text);
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let redactor = Redactor::built_in();
        let _ = redactor.redact("body", &bytes);
        let _ = redactor.redact_text("target", &text);
    }
}
