//! What is withheld instead of masked.

use hansard_redact::{BODY_BYTES_MAX, Redactor, Withheld};

fn withheld(body: &[u8]) -> Option<Withheld> {
    Redactor::built_in().redact("body", body).err()
}

#[test]
fn what_cannot_be_masked_safely_is_withheld() {
    assert_eq!(withheld(b"\xff\xfe"), Some(Withheld::NotText));
    assert_eq!(withheld(&vec![b'x'; BODY_BYTES_MAX + 1]), Some(Withheld::TooLarge(BODY_BYTES_MAX)));
    assert_eq!(withheld("[".repeat(200).as_bytes()), Some(Withheld::TooDeep(128)));
    let deep = (0..12).fold("[1]".to_owned(), |inner, _| serde_json::to_string(&[inner]).unwrap());
    assert_eq!(withheld(deep.as_bytes()), Some(Withheld::TooDeep(8)));
    assert_eq!(withheld("a@example.org ".repeat(20_001).as_bytes()), Some(Withheld::TooMany(20_000)));
}

#[test]
fn nesting_within_the_limit_is_masked() {
    let nested = (0..6).fold("[\"a@example.org\"]".to_owned(), |inner, _| serde_json::to_string(&[inner]).unwrap());
    let masked = Redactor::built_in().redact("body", nested.as_bytes()).expect("it can be masked");
    assert_eq!(masked.text, nested.replace("a@example.org", "[REDACTED:email]"));
}

#[test]
fn short_texts_are_never_json() {
    let masked = Redactor::built_in().redact_text("target", "4111111111111111").unwrap();
    assert_eq!(masked.text, "[REDACTED:card]");
    assert_eq!(masked.redactions[0].field, "target");
}

#[test]
fn the_rule_set_is_named_by_its_hash() {
    let id = Redactor::built_in().ruleset_id().to_owned();
    assert_eq!(id, Redactor::built_in().ruleset_id());
    assert!(
        id.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    );
}
