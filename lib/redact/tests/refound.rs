//! Faults that were found once, each named for what went wrong. Values are put together at run time, so that nothing
//! here looks like a secret to those who scan sources.

use std::collections::HashSet;

use hansard_redact::{Redactor, Withheld};

fn masked(text: &str) -> String {
    Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked").text
}

fn becomes(text: &str, expected: &str) {
    assert_eq!(masked(text), expected, "{text}");
    assert_eq!(masked(expected), expected, "a second time");
}

fn leaves(text: &str) {
    becomes(text, text);
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

fn uuid(hex: &str, version: &str) -> String {
    format!("{}-{}-{version}{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn hits_in(lines: &[String]) -> Vec<String> {
    let redactor = Redactor::built_in();
    lines.chunks(1_000).flat_map(|some| found_in(&redactor, &some.join("\n"))).collect()
}

fn found_in(redactor: &Redactor, text: &str) -> Vec<String> {
    let found = redactor.redact_text("target", text).expect("it can be masked").redactions;
    found.iter().map(|one| format!("{}: {}", one.rule, &text[one.start as usize..one.end as usize])).collect()
}

#[test]
fn random_uuids_were_cards_and_ibans() {
    let mut random = Random(42);
    let fourth: Vec<_> = (0..60_000).map(|_| uuid(&random.hex(), "4")).collect();
    // A time in front, most of it digits.
    let timed = |at: u64, rest: &str| uuid(&format!("{:012x}{}", 1_790_000_000_000 + at * 7, &rest[12..]), "7");
    let seventh: Vec<_> = (0..60_000).map(|at| timed(at, &random.hex())).collect();
    let capitals: Vec<_> = fourth.iter().map(|one| one.to_uppercase()).collect();
    assert_eq!([hits_in(&fourth), hits_in(&seventh), hits_in(&capitals)], [const { Vec::<String>::new() }; 3]);
}

/// Every other one starts like an IBAN and is as long.
fn hash(hex: &str, at: usize) -> String {
    let (country, length) = [("", 32), ("de", 20), ("", 20), ("ee", 18)][at % 4];
    format!("{country}{}", &hex[..length])
}

#[test]
fn random_hashes_were_ibans() {
    let mut random = Random(7);
    let hashes: Vec<_> = (0..100_000).map(|at| hash(&random.hex(), at)).collect();
    assert_eq!(hits_in(&hashes), Vec::<String>::new());
}

#[test]
fn a_card_beside_a_uuid_is_still_one() {
    let card = ["4111 1111 ", "1111 1111"].concat();
    becomes(
        &format!("550e8400-e29b-41d4-a716-446655440000: {card}"),
        "550e8400-e29b-41d4-a716-446655440000: [REDACTED:card]",
    );
}

#[test]
fn a_long_run_in_front_hid_a_secret() {
    let slack = ["xoxb-", "123456789012-abcDEF"].concat();
    let jwt = ["eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"].concat();
    for front in ["x".repeat(300) + "-", "xoxz-".repeat(100) + "_", "xoxb-".repeat(100) + "_", "eyJ".repeat(200) + "/"]
    {
        for secret in [&slack, &jwt] {
            assert!(!masked(&format!("{front}{secret}")).contains(&secret[5..]), "{front}");
        }
    }
}

#[test]
fn half_a_number_was_left() {
    let (card, ssn) = (["41111111", "11111111"].concat(), ["5362", "28754"].concat());
    for number in [format!("-{card}"), format!("{card}.5"), format!("{card}e0"), format!("-{card}.0E+1"), card] {
        becomes(&format!("[{number}]"), r#"["[REDACTED:card]"]"#);
    }
    becomes(&format!(r#"{{"ssn":-{ssn}.0}}"#), r#"{"ssn":"[REDACTED:us_ssn]"}"#);
    becomes(r#"{"password":-12345678.25}"#, r#"{"password":"[REDACTED:password]"}"#);
    leaves("[0.4111111111111111, 5.5e-7]");
}

#[test]
fn masked_keys_became_the_same() {
    for text in [
        r#"{"a@b.example":1,"[REDACTED:email#0]":2}"#,
        r#"{"[REDACTED:email#1]":1,"c@b.example":2}"#,
        r#"{"[REDACTED:email\u00231]":1,"c@b.example":2}"#,
        r#"{"[REDACTED:email#2]":0,"a@b.example c@b.example":1,"c@b.example a@b.example":2}"#,
    ] {
        let before: serde_json::Map<_, _> = serde_json::from_str(text).unwrap();
        let after: serde_json::Map<_, _> = serde_json::from_str(&masked(text)).unwrap();
        assert_eq!(after.keys().collect::<HashSet<_>>().len(), before.len(), "{}", masked(text));
        assert!(!masked(text).contains("b.example"));
    }
}

#[test]
fn odd_passwords_were_taken_for_placeholders() {
    for value in ["<s3cr3t!pw>", "$ECRETPASS", "${s3cr3t!}", "{{pass word!}}", "$(s3cr3t)", "<>", "$"] {
        becomes(&format!(r#"{{"password":"{value}"}}"#), r#"{"password":"[REDACTED:password]"}"#);
    }
    let long = format!("<{}>", "a".repeat(200));
    becomes(&format!(r#"{{"password":"{long}"}}"#), r#"{"password":"[REDACTED:password]"}"#);
    for value in
        ["<password>", "<your-token>", "${VAR}", "{{ var }}", "${{ secrets.KEY }}", "$DB_PASS", "$TOKEN", "***"]
    {
        leaves(&format!(r#"{{"password":"{value}"}}"#));
    }
}

#[test]
fn values_beside_their_names_were_left() {
    becomes(r#"{"name":"password","value":12345678}"#, r#"{"name":"password","value":"[REDACTED:password]"}"#);
    becomes(r#"{"value":-12345678,"name":"password"}"#, r#"{"value":"[REDACTED:password]","name":"password"}"#);
    let basic = ["dXNlcjpw", "YXNzd29yZA=="].concat();
    becomes(
        &format!(r#"{{"headers":[["Accept","*/*"],["Authorization","Basic {basic}"]]}}"#),
        r#"{"headers":[["Accept","*/*"],["Authorization","Basic [REDACTED:authorization]"]]}"#,
    );
    becomes(r#"{"token":"abc123 def456"}"#, r#"{"token":"[REDACTED:token]"}"#);
    leaves(r#"{"name":"token","value":17}"#);
    leaves(r#"{"required":["password","username"],"rows":[["password","email","age"]]}"#);
}

#[test]
fn the_pointer_of_a_pair_names_its_value() {
    let body = r#"{"headers":[["X-Api-Key","abcd1234efgh"]]}"#;
    let redacted = Redactor::built_in().redact("body", body.as_bytes()).expect("it can be masked");
    assert_eq!(redacted.redactions[0].pointer, "/headers/0/1");
}

#[test]
fn ordinary_words_and_numbers_were_masked() {
    for text in [
        "table 512 768 1024 and 200 300 4000 end",
        "logo@2x.png and pkg@2.0.beta and pkg@10.next",
        "git@github.com:org/repo.git and ssh://git@github.com/org/repo",
        r#"{"version":"1.2.3.4","libVersion":"4.18.0.0","ver":"10.0.0.1"}"#,
        r#"{"text":"{\"libVersion\":\"4.18.0.0\", cut"}"#,
        "System.Text.Json, Version=8.0.0.0, Culture=neutral, PublicKeyToken=cc7b13ffcd2ddd51",
    ] {
        leaves(text);
    }
    becomes("phone 212 555 0143, mail bob@163.com", "phone [REDACTED:phone], mail [REDACTED:email]");
    becomes(
        r#"{"host":"10.0.0.1","version":"at 10.0.0.1"}"#,
        r#"{"host":"[REDACTED:ipv4]","version":"at [REDACTED:ipv4]"}"#,
    );
}

#[test]
fn a_body_full_of_finds_was_said_to_be_costly() {
    let items = vec![r#""a@b.example""#; 20_001].join(",");
    let withheld = Redactor::built_in().redact("body", format!("[{items}]").as_bytes()).err();
    assert_eq!(withheld, Some(Withheld::TooMany(20_000)));
    assert_eq!(withheld.unwrap().to_string(), "more than 20000 places to mask");
}

#[test]
fn paths_types_and_paragraphs_were_masked() {
    for text in [
        "use std::{future::Future, pin::Pin};",
        "pub use auth::AuthError;",
        "let service_token = CancellationToken::new();",
        "fn stored(client_id: &str, token: OAuthTokenResponse) {}",
        "as defined in DFARS 252.227-7014",
    ] {
        leaves(text);
    }
    becomes("token: Abcdefghijklmnopqrstuvwxyz", "token: [REDACTED:token]");
}

#[test]
fn what_stood_behind_an_escaped_backslash_of_a_keyed_value_was_left() {
    becomes(
        r#"{"t":"say \"x\" password=C:\\new\\table and go on"}"#,
        r#"{"t":"say \"x\" password=[REDACTED:password] and go on"}"#,
    );
    becomes(r#"{"t":"password=C:\\new"}"#, r#"{"t":"password=[REDACTED:password]"}"#);
    becomes(
        r#"{"t":"{\"a\":\"b\",\"cmd\":\"net use password=C:\\\\new\"}"}"#,
        r#"{"t":"{\"a\":\"b\",\"cmd\":\"net use password=[REDACTED:password]\"}"}"#,
    );
}

/// The word in a replacement announced the number behind it, so that the first column of the next row went too.
#[test]
fn a_replacement_announces_nothing() {
    becomes("+49 30 901820\n8004566,1,2", "[REDACTED:phone]\n8004566,1,2");
    becomes("[REDACTED:phone 5551234567", "[REDACTED:phone [REDACTED:phone]");
    becomes("[REDACTED:phone] 512 768 1024 ", "[REDACTED:phone] 512 768 1024 ");
    becomes("phone 512 768 1024 ", "phone [REDACTED:phone] ");
    let rare = ["6931727128", "621076786"].concat();
    let document = |card: &str, space: &str| format!("{{\"{card}\":1,{space}\"a\":[false,{space}{rare}]}}");
    for space in ["", " ", &" ".repeat(20)] {
        becomes(&document("4000000000000002", space), &document("[REDACTED:card#0]", space));
    }
}

/// The pattern of a bearer token went on for 4 096 characters, and nothing may stand behind it.
#[test]
fn a_long_bearer_token_was_left() {
    let token = ["a1".repeat(2500).as_str(), "Z"].concat();
    becomes(&format!("call it with bearer {token} now"), "call it with bearer [REDACTED:authorization] now");
}
