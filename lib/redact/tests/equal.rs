//! The fast scanner finds exactly what the reference finds: each rule after the other, without anchors.

use hansard_redact::Redactor;
use proptest::prelude::*;

fn check(text: &str) -> Result<(), TestCaseError> {
    let fast = Redactor::built_in();
    let reference = fast.reference();
    prop_assert_eq!(fast.redact("body", text.as_bytes()), reference.redact("body", text.as_bytes()), "{}", text);
    prop_assert_eq!(fast.redact_text("body", text), reference.redact_text("body", text), "{}", text);
    Ok(())
}

/// Pieces of values, of what announces them, and of what stands between.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "password",
        "token",
        "Api-Key",
        "ssn",
        "phone ",
        "NHS ",
        "pesel",
        "born on ",
        "account number ",
        "passport ",
        "=",
        ": ",
        "\"",
        "'",
        "\\\"",
        "\\\\\\\"",
        "\\n",
        "\\\\n",
        "\\u0040",
        "{\"",
        "\":",
        "\",\"",
        "}",
        "[",
        "]",
        ",",
        " ",
        "\n",
        "://",
        "@",
        ".",
        "-",
        "+",
        "(",
        ")",
        "/",
        "%40",
        "%3d",
        "::",
        "bearer ",
        "Authorization: Basic ",
        "AKIA",
        "ghp_",
        "github_pat_",
        "xoxb-",
        "sk-",
        "sk-ant-",
        "glpat-",
        "AIza",
        "SG.",
        "npm_",
        "eyJhbGciOiJIUzI1NiJ9.",
        "hf_",
        "dop_v1_",
        "shpat_",
        "bc1",
        "0x",
        "AccountKey=",
        "sig=",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "DE89",
        "GB29",
        "4111 1111 1111 1111",
        "378282246310005",
        "536-22-8754",
        "86 095 742 719",
        "44051401359",
        "529.982.247-25",
        "2341 2341 2346",
        "943 476 5919",
        "AAAPL1234C",
        "JG103759A",
        "12345678Z",
        "RSSMRA85T10A562S",
        "+49 30 901820",
        "(212) 555-0143",
        "01 42 68 53 00",
        "10.20.30.40",
        "fe80::1ff:fe23:4567:890a",
        "00:1b:44:11:3a:b7",
        "001b.4411.3ab7",
        "jane@example.org",
        "[REDACTED:email]",
        "[REDACTED:email#1]",
        "<password>",
        "--password ",
        "\u{ff14}\u{ff11}",
        "\u{200b}",
        "é",
        "cGFzc3dvcmQ9aHVudGVyMmh1bnRlcjI=",
    ]);
    prop_oneof![
        4 => fixed.prop_map(str::to_owned),
        1 => "[A-Za-z0-9]{1,48}",
        1 => "[0-9]{1,20}",
        1 => "[0-9 .-]{1,24}",
        1 => "[a-f0-9:]{1,30}",
        1 => "[ a-z]{0,12}",
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_pieces_put_together(pieces in prop::collection::vec(piece(), 0..14)) {
        check(&pieces.concat())?;
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
