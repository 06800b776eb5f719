//! Each value is found however it is spelled: escaped, nested, encoded, folded, glued and in the middle of things.

use hansard_redact::Redactor;

/// Values, and whether they are found glued to letters, too. Put together so that no source holds them.
fn values() -> Vec<(String, bool)> {
    let letters = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z";
    let parts: [(&[&str], bool); 14] = [
        (&["AKIA", "IOSFODNN7QXAMPL3"], true),
        (&["ghp_", letters, "1234"], true),
        (&["sk-ant-", "api03-", letters, letters], true),
        (&["glpat-", "Ab3dEf6hIj9kLm2nOp5q"], true),
        (&["AIza", letters, "abc"], true),
        (&["eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0.", letters], true),
        (&["jane.doe@", "mail.example.org"], true),
        (&["4111 1111 ", "1111 1111"], false),
        (&["DE89 3704 0044 ", "0532 0130 00"], false),
        (&["536-22-", "8754"], false),
        (&["10.20.", "30.40"], false),
        (&["00:1b:44:", "11:3a:b7"], false),
        (&["+49 30 ", "901820"], false),
        (&["529.982.", "247-25"], false),
    ];
    parts.iter().map(|(parts, glued)| (parts.concat(), *glued)).collect()
}

fn check(value: &str, spelled: &str, text: &str) {
    let redacted = Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked");
    assert!(!redacted.redactions.is_empty(), "{value} is not found in {text}");
    assert!(!redacted.text.contains(spelled), "{value} is still in {}", redacted.text);
    let before = serde_json::from_str::<serde_json::Value>(text).is_ok();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&redacted.text).is_ok(),
        before,
        "{text} -> {}",
        redacted.text
    );
}

fn in_json(text: &str) -> String {
    serde_json::json!({ "content": [{ "type": "text", "text": text }] }).to_string()
}

#[test]
fn escaped_in_every_way() {
    for (value, _) in values() {
        for escaped in [
            value.chars().map(|letter| format!("\\u{:04x}", letter as u32)).collect::<String>(),
            value.chars().map(|letter| format!("\\u{:04X}", letter as u32)).collect(),
            value.replace('@', "\\u0040").replace('-', "\\u002d").replace(' ', "\\u0020"),
            value.replace('1', "\\u0031"),
        ] {
            check(&value, &escaped, &format!("{{\"note\":\"see {escaped} there\"}}"));
        }
    }
}

#[test]
fn nested_up_to_five_deep() {
    for (value, _) in values() {
        let mut text = format!("a line\n{value}\nand \"more\"\n");
        for _ in 0..5 {
            text = serde_json::json!({ "text": text }).to_string();
            check(&value, &value, &text);
            check(&value, &value, &format!("INFO got {text} from a server"));
        }
    }
}

#[test]
fn as_key_and_in_lists() {
    for (value, _) in values() {
        check(&value, &value, &serde_json::json!({ value.as_str(): 1, "other": [value.as_str(), "x"] }).to_string());
    }
}

#[test]
fn encoded() {
    use std::fmt::Write as _;
    for (value, _) in values() {
        let mut percent = String::new();
        value.bytes().for_each(|byte| write!(percent, "%{byte:02X}").expect("a string takes it"));
        check(&value, &percent, &in_json(&format!("https://example.org/find?q={percent}&page=2")));
        let encoded = base64(format!("this is what was sent: {value}, and no more").as_bytes());
        check(&value, &encoded, &in_json(&encoded));
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn folded_letters_and_hidden_ones() {
    for (value, _) in values() {
        let wide: String = value
            .chars()
            .map(
                |letter| if letter.is_ascii_digit() { char::from_u32(letter as u32 + 0xfee0).unwrap() } else { letter },
            )
            .collect();
        check(&value, &wide, &in_json(&format!("see {wide} there")));
        let hidden: String = value.chars().flat_map(|letter| [letter, '\u{200b}']).collect();
        check(&value, &hidden, &in_json(&format!("see {hidden} there")));
        let spaced = value.replace(' ', "\u{a0}").replace('-', "\u{2011}");
        check(&value, &spaced, &in_json(&format!("see {spaced} there")));
    }
}

#[test]
fn glued_to_words() {
    for (value, _) in values().into_iter().filter(|(_, glued)| *glued) {
        check(&value, &value, &in_json(&format!("key{value}")));
        check(&value, &value, &in_json(&format!("x_{value} and")));
    }
}

#[test]
fn at_every_place_of_a_text() {
    let around = "Of course! Here it is:\n\n| key | value |\n|---|---|\n";
    for (value, _) in values() {
        for at in (0..around.len()).filter(|at| around[..*at].ends_with([' ', '\n', '|']) || *at == 0) {
            check(&value, &value, &in_json(&format!("{}{value} {}", &around[..at], &around[at..])));
        }
    }
}
