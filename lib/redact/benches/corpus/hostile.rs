//! Shapes that somebody wrote to make masking slow: each has to stay above a floor, and eight times as much of it may
//! take about eight times as long.

use hansard_redact::Redactor;

use super::time;

const SMALL_BYTES: usize = 128 * 1024;
const LARGE_BYTES: usize = 8 * SMALL_BYTES;

pub(crate) fn run(redactor: &Redactor) {
    println!("| hostile shape | MB/s at 128 KiB | MB/s at 1 MiB | times as long | |\n|---|--:|--:|--:|---|");
    let mut slowest = f64::MAX;
    for (name, shape) in shapes() {
        let of = |bytes: usize| {
            let text = shape.repeat(bytes / shape.len());
            let (seconds, result) = time::seconds(|| redactor.redact("body", text.as_bytes()).err());
            (text.len() as f64 / 1e6 / seconds, seconds, result)
        };
        let (small, large) = (of(SMALL_BYTES), of(LARGE_BYTES));
        slowest = slowest.min(small.0).min(large.0);
        let end = large.2.map(|withheld| format!("withheld: {withheld}")).unwrap_or_default();
        println!("| `{name}` | {:.0} | {:.0} | {:.1} | {end} |", small.0, large.0, large.1 / small.1);
    }
    println!("slowest: {slowest:.0} MB/s");
}

/// What is repeated. Realistic starts are put together, so that no source holds one.
fn shapes() -> Vec<(&'static str, String)> {
    let begin = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
    let end = ["-----END ", "PRIVATE KEY-----"].concat();
    let plain = [
        "password=",
        "password='<",
        "token=\"",
        "cookie:<",
        "authorization:{{",
        "ssn='",
        "phone=",
        "phone 1 ",
        "a@",
        "a@a.",
        "://a:",
        "eyJ",
        "xoxb-",
        "xoxb-eyJsk-ghp_AKIA",
        "github_pat_",
        "bearer ",
        "1 ",
        "1111 ",
        "111-",
        "222-",
        "4111-",
        "+1",
        "+1 (",
        "DE89 ",
        "1.",
        "1.2.",
        "1.2.3.4 ",
        "1:",
        "a:b::",
        "00-",
        "AKIA",
        "sk-",
        "0x",
        "bc1q",
        "\\\"",
        "\\u0040",
        "\\\\n",
        "%40",
        "{\"a\":",
        "[REDACTED:",
        "[REDACTED:email]",
        "key key ",
        "AAAAAAAAAAAAAAAA\n",
        "cGFzc3dvcmQ9",
        "\u{ff11}",
        "\u{200b}1",
        "iban pesel nip ssn ",
        "4111 1111 1111 1112 ",
        "[6340338096537600,",
        "212 555 01 home",
        "curl -u a:",
        "\\\"token\\\" ",
        "8Q~",
    ];
    let mut shapes: Vec<_> = plain.into_iter().map(|shape| (shape, shape.to_owned())).collect();
    shapes.push(("a PEM header", begin));
    shapes.push(("a PEM footer", end));
    shapes
}
