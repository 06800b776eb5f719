//! The fast scanner finds exactly what the reference finds: each rule after the other, without anchors.

use hansard_redact::Redactor;
use proptest::prelude::*;

use self::pieces::piece;

#[path = "support/pieces.rs"]
mod pieces;

fn check(text: &str) -> Result<(), TestCaseError> {
    let fast = Redactor::built_in();
    let reference = fast.reference();
    prop_assert_eq!(fast.redact("body", text.as_bytes()), reference.redact("body", text.as_bytes()), "{}", text);
    prop_assert_eq!(fast.redact_text("body", text), reference.redact_text("body", text), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_pieces_put_together(pieces in prop::collection::vec(piece(), 0..14)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn on_numbers_and_what_stands_around(
        parts in prop::collection::vec(("[0-9]{1,6}|[0-9]{1,20}|00|0|1", "[ -.()/:+]{1,2}|[A-Za-z]{1,3}|[ .-]|\\\\n"), 1..9),
    ) {
        let text: String = parts.iter().map(|(digits, between)| [digits.as_str(), between].concat()).collect();
        check(&text)?;
    }

    #[test]
    fn within_json(pieces in prop::collection::vec(piece(), 0..8), key in piece(), depth in 0..3_usize) {
        let mut value = serde_json::json!({ key: pieces.concat() });
        for _ in 0..depth {
            value = serde_json::json!({ "text": value.to_string() });
        }
        check(&value.to_string())?;
    }
}
