//! What is withheld instead of masked, and what it costs when somebody tries.

use std::time::{Duration, Instant};

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

/// Four times the input may cost about four times as much, whatever is in it.
#[test]
fn hostile_shapes_cost_no_square() {
    let begin = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
    let end = ["-----END ", "PRIVATE KEY-----"].concat();
    let shapes = [
        begin.as_str(),
        end.as_str(),
        "password=",
        "phone=",
        "ssn='",
        "token=\"",
        "a@",
        "a@a.",
        "://a:",
        "eyJ",
        "xoxb-",
        "xoxb-eyJsk-ghp_AKIA",
        "eyJhbGciOiJIUzI1NiJ9.",
        "1 ",
        "1111 ",
        "+1",
        "DE89 ",
        "1.",
        "\\\"",
        "\\u0040",
        "[REDACTED:",
        "[REDACTED:email]",
        "sk-",
        "key key ",
        "{\"a\":",
        "AAAAAAAAAAAAAAAA\n",
    ];
    let redactor = Redactor::built_in();
    let cost = |shape: &str, bytes: usize| {
        let body = shape.repeat(bytes / shape.len());
        let start = Instant::now();
        let _ = redactor.redact("body", body.as_bytes());
        start.elapsed()
    };
    for shape in shapes {
        let (small, large) = (cost(shape, 8_000), cost(shape, 64_000));
        assert!(large < small * 32 + Duration::from_millis(200), "{shape}: {small:?} and {large:?}");
    }
}
