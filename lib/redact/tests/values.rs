//! What is found and what is not, one value at a time, in the places where real traffic has it. Values are put together
//! at run time, so that nothing here looks like a secret to those who scan sources.

use hansard_redact::Redactor;

/// Masks and checks that the value is gone under its rule, in plain text and in every place a message has.
fn finds(rule: &str, value: &str) {
    let redactor = Redactor::built_in();
    let token = format!("[REDACTED:{rule}]");
    let quoted = serde_json::to_string(&format!("see {value} there")).expect("text is JSON");
    let nested = serde_json::to_string(&format!("{{\"note\":{quoted}}}")).expect("text is JSON");
    let places = [
        value.to_owned(),
        format!("before {value} after"),
        format!("a line\n{value}\nanother"),
        format!("({value})."),
        format!("{{\"params\":{{\"arguments\":{{\"note\":{quoted}}}}}}}"),
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":{nested}}}]}}"),
        format!("{{\"cut\": {quoted}, \"off"),
        escaped(value),
    ];
    for place in places {
        let redacted = redactor.redact("body", place.as_bytes()).expect("it can be masked");
        assert!(redacted.text.contains(&token), "{rule} not found in {place}\n  -> {}", redacted.text);
        assert!(!redacted.text.contains(value), "{value} is still in {}", redacted.text);
        assert!(redacted.redactions.iter().all(|redaction| redaction.field == "body" && redaction.action == "redact"));
    }
}

/// A JSON document with each character of the value escaped.
fn escaped(value: &str) -> String {
    let units: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("{{\"note\":\"{units}\"}}")
}

fn leaves(text: &str) {
    let redacted = Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked");
    assert_eq!(redacted.text, text);
    assert_eq!(redacted.redactions, []);
}

fn becomes(text: &str, masked: &str) {
    assert_eq!(Redactor::built_in().redact("body", text.as_bytes()).expect("it can be masked").text, masked, "{text}");
}

#[test]
fn secrets_with_a_prefix() {
    let letters = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z";
    finds("aws_access_key", &["AKIA", "IOSFODNN7EXAMPL3"].concat());
    finds("aws_access_key", &["ASIA", "QWERTYUIOP234567"].concat());
    for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"] {
        finds("github_token", &[prefix, letters, "1234"].concat());
    }
    finds("github_token", &["github_pat_", "11ABCDEFG0", letters, "_", letters].concat());
    for prefix in ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-1-"] {
        finds("slack_token", &[prefix, "123456789012-1234567890123-", letters].concat());
    }
    finds("openai_key", &["sk-", letters, letters].concat());
    finds("openai_key", &["sk-proj-", letters, "-", letters, "_x"].concat());
    finds("anthropic_key", &["sk-ant-", "api03-", letters, "-", letters, "AA"].concat());
    finds("jwt", &["eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0.", letters].concat());
    finds("jwt", &["eyJhbGciOiJub25lIn0", ".eyJzdWIiOiIxMjM0In0."].concat());
}

#[test]
fn private_keys_whole_and_cut() {
    let (begin, end) =
        (["-----BEGIN RSA ", "PRIVATE KEY-----"].concat(), ["-----END RSA ", "PRIVATE KEY-----"].concat());
    let line = "MIIEpAIBAAKCAQEA7bq8Jx0mZK0q3Yc5xJb2lq9sT1uVwXyZ0123456789abcdEF";
    finds("private_key", &format!("{begin}\n{line}\n{line}\nshort==\n{end}"));
    finds("private_key", &format!("{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n{line}\n{end}"));
    becomes(&format!("x {begin}\n{line}\n{line}\nqq"), "x [REDACTED:private_key]");
    becomes(&format!("x {begin}\\n{line}\\n{line}\\n"), "x [REDACTED:private_key]\\n");
    becomes(&format!("{line}\n{line}\n{end} y"), "[REDACTED:private_key] y");
    leaves(&format!("-----BEGIN CERTIFICATE-----\n{line}\n-----END CERTIFICATE-----"));
    leaves("grep -r 'BEGIN PRIVATE KEY' .");
}

#[test]
fn numbers_with_a_check() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "6200000000000005",
        "4222222222222",
    ] {
        finds("card", card);
    }
    let rare = ["63403380", "965376"].concat();
    finds("card", &format!("card {rare}"));
    for program in
        ["x = [R, 2]", "f(1, R)", "1,\nR,\n", "{\"trace\":\"R\"}", "{\"id\":R}", "order=R took", "[R.0, 1.0]"]
    {
        leaves(&program.replace('R', &rare));
    }
    becomes("[4111111111111111, 5555555555554444]", "[\"[REDACTED:card]\", \"[REDACTED:card]\"]");
    leaves("[4111111111111111, 1994165897297033]");
    for iban in
        ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "FR1420041010050500013M02606", "NO9386011117947"]
    {
        finds("iban", iban);
    }
    finds("us_ssn", "536-22-8754");
    for other in [
        "4111111111111112",
        "1234567890123456",
        "1700000000000",
        "DE89370400440532013001",
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "536-00-8754",
        "1536-22-8754",
        "0.4111111111111111",
        "41111111111111111111111",
        "id_4111111111111111",
        "550e8400-e29b-41d4-a716-446655440000",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    ] {
        leaves(other);
    }
    becomes("card 4111 1111 1111 1111 12/27", "card [REDACTED:card] 12/27");
}

#[test]
fn addresses() {
    for address in ["jane.doe@mail.example.org", "x+tag@sub.example.co.uk", "o'neil@example.com", "jörg@exämple.de"] {
        finds("email", address.rsplit('\'').next().unwrap());
    }
    for address in ["10.20.30.40", "127.0.0.1", "255.255.255.255"] {
        finds("ipv4", address);
    }
    becomes("http://10.1.2.3:8080/x", "http://[REDACTED:ipv4]:8080/x");
    for other in [
        "1.2.3.4.5",
        "256.1.1.1",
        "v1.2.3.4",
        "version 1.2.3.4",
        "Chrome/120.0.0.0",
        "1.2.3",
        "@handle",
        "a@b",
        "user@localhost",
    ] {
        leaves(other);
    }
}

#[test]
fn phones() {
    for phone in [
        "+49 30 901820",
        "+1 (212) 555-0143",
        "(212) 555-0143",
        "212-555-0143",
        "212.555.0143",
        "+442079460958",
        "1-212-555-0143",
        "(112) 555-0143",
        "576 036 898",
        "32 434 08 67",
        "212 5550 office",
    ] {
        finds("phone", phone);
    }
    for other in [
        "2125550143",
        "+12345",
        "1+442079460958",
        "2026-01-02",
        "12:30:45",
        "112-555-0143",
        "2026-07-28T09:30:00+0000",
        "3.14159265358979",
        "500 502 503",
        "576 036 898 12",
        "7 576 036 898",
        "212 5550 bytes",
    ] {
        leaves(other);
    }
}

#[test]
fn keyed_values_in_json() {
    let secret = ["hunter", "2hunter2"].concat();
    for (before, after) in [
        (format!(r#"{{"password":"{secret}"}}"#), r#"{"password":"[REDACTED:password]"}"#),
        (format!(r#"{{"DB_Pass-word": "{secret}"}}"#), r#"{"DB_Pass-word": "[REDACTED:password]"}"#),
        (
            format!(r#"{{"headers":{{"Authorization":"Bearer {secret}"}}}}"#),
            r#"{"headers":{"Authorization":"Bearer [REDACTED:authorization]"}}"#,
        ),
        (format!(r#"{{"X-Api-Key":["{secret}"]}}"#), r#"{"X-Api-Key":["[REDACTED:secret]"]}"#),
        (format!(r#"{{"p\u0061ssword":"{secret}"}}"#), r#"{"p\u0061ssword":"[REDACTED:password]"}"#),
        (
            r#"{"pin": 4711, "ssn": 536228754}"#.to_owned(),
            r#"{"pin": "[REDACTED:password]", "ssn": "[REDACTED:us_ssn]"}"#,
        ),
        (
            format!(r#"{{"env":[{{"name":"API_TOKEN","value":"{secret}"}}]}}"#),
            r#"{"env":[{"name":"API_TOKEN","value":"[REDACTED:token]"}]}"#,
        ),
        (
            format!(r#"{{"args":["--password","{secret}","x"]}}"#),
            r#"{"args":["--password","[REDACTED:password]","x"]}"#,
        ),
        (format!(r#"{{"text":"{{\"token\":\"{secret}\"}}"}}"#), r#"{"text":"{\"token\":\"[REDACTED:token]\"}"}"#),
        (r#"{"text":"{\"card\":4111111111111111}"}"#.to_owned(), r#"{"text":"{\"card\":\"[REDACTED:card]\"}"}"#),
        (r#"{"card": 4111111111111111}"#.to_owned(), r#"{"card": "[REDACTED:card]"}"#),
        (r#"{"a@example.org":1,"b@example.org":2}"#.to_owned(), r#"{"[REDACTED:email#0]":1,"[REDACTED:email#1]":2}"#),
    ] {
        becomes(&before, after);
    }
    for other in [
        r#"{"max_tokens":4096,"token_count":12,"nextPageToken":"abcdef123456","password_policy":"at least twelve"}"#,
        r#"{"properties":{"password":{"type":"string","description":"the new one"}},"required":["password"]}"#,
        r#"{"password":"","token":null,"secret":true}"#,
        r#"{"password":"${DB_PASSWORD}","token":"{{ token }}","api_key":"<your-key>"}"#,
        r#"{"logprobs":[{"token":"Hello","logprob":-0.1}]}"#,
        r#"{"_meta":{"progressToken":"0123456789abcdef"}}"#,
    ] {
        leaves(other);
    }
}

#[test]
fn keyed_values_in_text() {
    let secret = ["hunter", "2hunter2"].concat();
    for (before, after) in [
        (format!("password={secret}"), "password=[REDACTED:password]"),
        (format!("DB_PASSWORD={secret},x&y;z\nUSER=bob"), "DB_PASSWORD=[REDACTED:password]\nUSER=bob"),
        (format!("export API_TOKEN=\"{secret}\""), "export API_TOKEN=\"[REDACTED:token]\""),
        (format!("db:\n  password: {secret}\n  user: bob"), "db:\n  password: [REDACTED:password]\n  user: bob"),
        (
            format!("Authorization: Bearer {secret}\r\nAccept: */*"),
            "Authorization: Bearer [REDACTED:authorization]\r\nAccept: */*",
        ),
        (format!("curl -H 'X-Api-Key: {secret}' x"), "curl -H 'X-Api-Key: [REDACTED:secret]' x"),
        (
            format!("Server=db;User=sa;Password={secret};Encrypt=true"),
            "Server=db;User=sa;Password=[REDACTED:password];Encrypt=true",
        ),
        (
            format!("postgres://bob:{secret}@db.example.org/app"),
            "postgres://bob:[REDACTED:url_credential]@db.example.org/app",
        ),
        (format!("mysql --password {secret} app"), "mysql --password [REDACTED:password] app"),
        (format!("INFO {{\"token\": \"{secret}\"}} sent"), "INFO {\"token\": \"[REDACTED:token]\"} sent"),
        (format!("<password>{secret}</password>"), "<password>[REDACTED:password]</password>"),
        (format!("?access_token={secret}&x=1"), "?access_token=[REDACTED:token]&x=1"),
        (format!("config['password'] = '{secret}'"), "config['password'] = '[REDACTED:password]'"),
        (format!("API key: {secret}"), "API key: [REDACTED:secret]"),
        ("Cookie: a=1; b=2".to_owned(), "Cookie: [REDACTED:cookie]"),
    ] {
        becomes(&before, after);
    }
    for other in [
        "the password must have twelve characters",
        "token: str = None",
        "Unexpected token: <",
        "password = get_password()",
        "password: string;",
        "api_key = os.environ[\"API_KEY\"]",
        "PASSWORD=${DB_PASSWORD}",
        "max_tokens=4096",
        "http://host:8080/path@2",
        "a token is a token",
        "keyboard: qwerty12",
    ] {
        leaves(other);
    }
}

#[test]
fn aws_secret_keys_under_their_name() {
    let key = ["wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY"].concat();
    becomes(&format!("aws_secret_access_key = {key}"), "aws_secret_access_key = [REDACTED:aws_secret_key]");
    becomes(&format!("{{\"SecretAccessKey\":\"{key}\"}}"), "{\"SecretAccessKey\":\"[REDACTED:aws_secret_key]\"}");
}

#[test]
fn evidence_names_the_place() {
    let body = r#"{"params":{"items":[{"x":1},{"a/b":"to a@example.org"}]},"t":"{\"k\":\"b@example.org\"}"}"#;
    let redacted = Redactor::built_in().redact("body", body.as_bytes()).expect("it can be masked");
    let pointers: Vec<_> = redacted.redactions.iter().map(|redaction| redaction.pointer.as_str()).collect();
    assert_eq!(pointers, ["/params/items/1/a~1b", "/t/k"]);
    let first = &redacted.redactions[0];
    assert_eq!(&body[first.start as usize..first.end as usize], "a@example.org");
    assert_eq!(&redacted.text[first.masked_start as usize..first.masked_end as usize], "[REDACTED:email]");
}

#[test]
fn a_masked_key_is_not_in_the_pointers() {
    let body = r#"{"a@example.org":{"x":"b@example.org"}}"#;
    let redacted = Redactor::built_in().redact("body", body.as_bytes()).expect("it can be masked");
    assert_eq!(redacted.redactions[1].pointer, "/[REDACTED:email#0]/x");
    assert!(!format!("{redacted:?}").contains("a@example.org"));
}
