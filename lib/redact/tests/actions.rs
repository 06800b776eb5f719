//! What becomes of finds besides `[REDACTED:rule]`: by rule and by class, in documents and in texts, and that a second
//! look leaves all of it alone.

use hansard_redact::{Action, KEY_BYTES, Keyring, MaskingKey, Redacted, Redactor, RuleSet};
use proptest::prelude::*;
use serde_json::{Value, json};

fn keyring(keys: &[u8]) -> Keyring {
    Keyring::new(keys.iter().map(|byte| MaskingKey::new(&[*byte; KEY_BYTES])).collect())
}

fn redactor(actions: &[(&str, Action)]) -> Redactor {
    with_keys(actions, &[1])
}

fn with_keys(actions: &[(&str, Action)], keys: &[u8]) -> Redactor {
    let actions = actions.iter().map(|(what, action)| ((*what).to_owned(), *action)).collect();
    Redactor::load(&RuleSet { actions, ..RuleSet::default() }, keyring(keys)).expect("the set is whole")
}

/// Few packs are loaded sooner.
fn of_packs(packs: &[&str], actions: &[(&str, Action)]) -> Redactor {
    let actions = actions.iter().map(|(what, action)| ((*what).to_owned(), *action)).collect();
    let packs = packs.iter().map(|pack| (*pack).to_owned()).collect();
    Redactor::load(&RuleSet { packs, actions, ..RuleSet::default() }, keyring(&[1])).expect("the set is whole")
}

/// Masks, and sees that a second run finds nothing to change.
fn mask(redactor: &Redactor, text: &str) -> Redacted {
    let masked = redactor.redact("body", text.as_bytes()).expect("it can be masked");
    let again = redactor.redact("body", masked.text.as_bytes()).expect("what was masked can be masked");
    assert_eq!(again.text, masked.text, "{text}");
    assert!(again.redactions.iter().all(|one| one.action == "flag"), "{:?}", again.redactions);
    masked
}

fn check(actions: &[(&str, Action)], text: &str, masked: &str) {
    assert_eq!(mask(&redactor(actions), text).text, masked);
}

fn told(redacted: &Redacted) -> Vec<(&str, &str, &str, bool)> {
    let one = |one: &schemas::record::Redaction| one.key_id.is_some();
    redacted.redactions.iter().map(|r| (r.rule.as_str(), r.action.as_str(), r.pointer.as_str(), one(r))).collect()
}

#[test]
fn partial_leaves_the_last_four() {
    let partial = [("card", Action::Partial)];
    check(&partial, "card 4111 1111 1111 1111, thanks", "card [REDACTED:card:last:1111], thanks");
    check(&partial, r#"{"n":4111111111111111}"#, r#"{"n":"[REDACTED:card:last:1111]"}"#);
    check(&partial, r#"{"4111111111111111":1}"#, r#"{"[REDACTED:card:last:1111#0]":1}"#);
}

#[test]
fn the_same_person_is_the_same_token() {
    let redactor = redactor(&[("pii", Action::Hmac)]);
    let text = r#"{"a":"Ada@Example.org","b":"mail to ada\u0040example.org now","c":"{\"d\":\"ada@example.org\"}"}"#;
    let masked = mask(&redactor, text);
    let after: Value = serde_json::from_str(&masked.text).expect("JSON stays JSON");
    let token = after["a"].as_str().expect("text").to_owned();
    assert!(token.starts_with("[REDACTED:email:hmac:"), "{token}");
    assert_eq!(after["b"], format!("mail to {token} now"));
    assert_eq!(after["c"], json!({ "d": token }).to_string());
    let expected = ["/a", "/b", "/c/d"].map(|pointer| ("email", "hmac", pointer, true));
    assert_eq!(told(&masked), expected);
    let other = mask(&redactor.for_tenant("south"), text);
    assert!(!other.text.contains(&token), "another tenant's");
}

#[test]
fn the_class_decides_where_the_rule_is_not_named() {
    let actions = [("pii", Action::Flag), ("email", Action::Redact)];
    check(&actions, "ada@example.org 4111 1111 1111 1111", "[REDACTED:email] 4111 1111 1111 1111");
}

#[test]
fn a_token_gives_its_value_back_to_the_key_alone() {
    let text = r#"{"ssn":"078-05-1120","note":"ssn 078-05-1120","n":4111111111111111}"#;
    let masked = mask(&redactor(&[("us_ssn", Action::Tokenize), ("card", Action::Tokenize)]), text);
    let after: Value = serde_json::from_str(&masked.text).expect("JSON stays JSON");
    let open = |token: &str, keys: &[u8]| keyring(keys).detokenize(token, &[""]).map(|opened| opened.value);
    let (ssn, number) = (after["ssn"].as_str().expect("text"), after["n"].as_str().expect("text"));
    assert_eq!(open(ssn, &[1]).as_deref(), Ok("078-05-1120"));
    assert_eq!(open(number, &[2, 1]).as_deref(), Ok("4111111111111111"));
    assert!(open(ssn, &[2]).is_err());
    assert!(!masked.text.contains("1120"), "{}", masked.text);
}

#[test]
fn after_a_rotation_old_tokens_are_still_known() {
    let actions = [("email", Action::Hmac)];
    let old = mask(&with_keys(&actions, &[1]), "ada@example.org");
    let new = mask(&with_keys(&actions, &[2, 1]), &format!("{} bob@example.org", old.text));
    assert!(new.text.starts_with(&old.text), "the older key vouches for its token: {}", new.text);
    assert_eq!(new.redactions.len(), 1);
    assert_ne!(new.redactions[0].key_id, old.redactions[0].key_id);
}

#[test]
fn what_looks_like_a_token_is_text() {
    let actions = [("email", Action::Hmac)];
    let genuine = mask(&with_keys(&actions, &[7]), "ada@example.org").text;
    let masked = mask(&redactor(&actions), &format!(r#"{{"password":"{genuine}","x":"[REDACTED:email]"}}"#));
    assert_eq!(masked.text, r#"{"password":"[REDACTED:password]","x":"[REDACTED:email]"}"#, "no key of ours made it");
    assert_eq!(masked.look_alikes, 2);
    let smuggled = "[REDACTED:email:hmac:abcdefgh:4111111111111111]";
    let masked = mask(&redactor(&actions), smuggled);
    assert!(!masked.text.contains("4111111111111111"), "{}", masked.text);
    let numbered = mask(&redactor(&actions), "[REDACTED:email#4111111111111111]");
    assert!(!numbered.text.contains("4111111111111111"), "{}", numbered.text);
}

#[test]
fn long_values_are_not_tokenized() {
    let begin = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat();
    let text = format!("{begin}{}", "QUJD".repeat(300));
    check(&[("private_key", Action::Tokenize)], &text, "[REDACTED:private_key]");
}

#[test]
fn a_field_is_dropped_with_its_comma() {
    let drop = [("password", Action::DropField), ("us_ssn", Action::DropField)];
    for (text, masked) in [
        (r#"{"a":1,"password":"hunter2","c":3}"#, r#"{"a":1,"c":3}"#),
        (r#"{"password":"hunter2","c":3}"#, r#"{"c":3}"#),
        (r#"{"a":1,"password":"hunter2"}"#, r#"{"a":1}"#),
        (r#"{"password":"hunter2"}"#, r#"{}"#),
        (r#"{ "password" : "hunter2" , "ssn" : "078-05-1120" }"#, r#"{  }"#),
        (r#"{"a":1, "password":"x1", "ssn":"078-05-1120"}"#, r#"{"a":1}"#),
        (r#"{"password":"x1","b":2,"ssn":"078-05-1120","d":4}"#, r#"{"b":2,"d":4}"#),
        (r#"{"a":{"password":"x1"},"b":["x",{"password":"y1"}]}"#, r#"{"a":{},"b":["x",{}]}"#),
        (r#"{"a":"{\"password\":\"x1\",\"b\":2}"}"#, r#"{"a":"{\"b\":2}"}"#),
        (r#"{"a":["ssn 078-05-1120"]}"#, r#"{"a":["ssn [REDACTED:us_ssn]"]}"#),
        ("password=hunter2", "password=[REDACTED:password]"),
    ] {
        check(&drop, text, masked);
    }
    let masked = mask(&redactor(&drop), r#"{"a":[1,{"password":"x1"}],"b":["ssn 078-05-1120"]}"#);
    let expected = [("password", "drop_field", "/a/1/password", false), ("us_ssn", "redact", "/b/0", false)];
    assert_eq!(told(&masked), expected);
}

#[test]
fn a_flag_changes_nothing_and_is_told() {
    let flag = [("email", Action::Flag)];
    let text = r#"{"x":"ada@example.org","n":1,"y":"{\"z\":\"ada@example.org \\u0040\"}"}"#;
    let masked = mask(&redactor(&flag), text);
    assert_eq!(masked.text, text);
    assert_eq!(told(&masked), [("email", "flag", "/x", false), ("email", "flag", "/y/z", false)]);
    let within = mask(&redactor(&flag), r#"{"password":"ada@example.org"}"#);
    assert_eq!(within.text, r#"{"password":"[REDACTED:password]"}"#);
    assert_eq!(told(&within), [("password", "redact", "/password", false)]);
}

fn action() -> impl Strategy<Value = Action> {
    // Digests are for files alone.
    prop::sample::select(Action::ALL.into_iter().filter(|action| *action != Action::Digest).collect::<Vec<_>>())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("ada@example.org")),
        Just(json!("call +49 30 901820 or write to ada@example.org")),
        Just(json!(4111111111111111_u64)),
        Just(json!("078-05-1120")),
        Just(json!("nothing")),
        Just(json!(7)),
    ];
    let key =
        prop_oneof!["[a-c]", Just("password".to_owned()), Just("ssn".to_owned()), Just("ada@example.org".to_owned())];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner.clone(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_json_stays_json_and_is_done_once(
        value in value(),
        pretty in any::<bool>(),
        (email, ssn, card, password) in (action(), action(), action(), action()),
    ) {
        let password = if password == Action::Partial { Action::Redact } else { password };
        let actions = [("email", email), ("us_ssn", ssn), ("card", card), ("password", password)];
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let redactor = of_packs(&["keyed", "pii", "us"], &actions);
        let masked = mask(&redactor, &text);
        prop_assert!(serde_json::from_str::<Value>(&masked.text).is_ok(), "{} -> {}", text, masked.text);
        prop_assert_eq!(&redactor.reference().redact("body", text.as_bytes()).unwrap(), &masked);
        let mut rest = (0, 0);
        for one in &masked.redactions {
            let (start, masked_start) = (one.start as usize, one.masked_start as usize);
            prop_assert_eq!(&text[rest.0..start], &masked.text[rest.1..masked_start]);
            rest = (one.end as usize, one.masked_end as usize);
        }
        prop_assert_eq!(&text[rest.0..], &masked.text[rest.1..]);
    }
}

#[test]
fn findings_name_rules_and_classes_and_are_never_silent() {
    let redactor = redactor(&[("email", Action::Flag)]);
    let body = r#"{"n":4111111111111111,"x":"ada@example.org ada@example.org","password":"hunter2"}"#;
    assert_eq!(
        redactor.findings(body.as_bytes()),
        Ok(["card", "email", "password", "pii", "secret"].map(Into::into).to_vec())
    );
    assert_eq!(redactor.findings(b"{}"), Ok(Vec::new()));
    assert!(redactor.findings(b"\xff").is_err());
}

/// Base64 of these many bytes that are no text.
fn picture(bytes: usize) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..bytes / 3 * 4).map(|at| char::from(DIGITS[at * 7 % 64])).collect()
}

#[test]
fn files_become_digests() {
    let file = picture(600);
    let text = format!(r#"{{"content":[{{"type":"image","data":"{file}","mimeType":"image/png"}}]}}"#);
    let masked = mask(&Redactor::built_in(), &text);
    assert_eq!(told(&masked), [("blob", "digest", "/content/0/data", false)]);
    let after: Value = serde_json::from_str(&masked.text).expect("JSON stays JSON");
    let token = after["content"][0]["data"].as_str().expect("text");
    assert!(token.starts_with("[REDACTED:blob:sha256:") && token.ends_with(":600]"), "{token}");
    let nested = json!({ "text": text }).to_string();
    assert!(mask(&Redactor::built_in(), &nested).text.contains(token), "in a string, the same file is the same digest");
    for kept in [
        format!(r#"{{"data":"{file}"}}"#),
        format!(r#"{{"data":"{file}","mimeType":"text/plain"}}"#),
        format!(r#"{{"data":"{}","mimeType":"image/png"}}"#, picture(90)),
    ] {
        check(&[], &kept, &kept);
    }
    let set = RuleSet { keyless: true, ..RuleSet::default() };
    let in_flight = Redactor::load(&set, keyring(&[])).expect("the set is whole");
    assert_eq!(mask(&in_flight, &text).text, text, "in flight, files are wanted");
}
