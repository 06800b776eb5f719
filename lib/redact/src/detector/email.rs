//! E-mail addresses, in ASCII and with letters of other scripts.

use super::Look;
use crate::bytes::{run, run_back};

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

/// `at` is where `@` stands.
pub(crate) fn check(text: &[u8], at: usize, _: &mut Look) -> Option<(usize, usize)> {
    let mut start = run_back(text, at, LOCAL_BYTES_MAX, is_local);
    while start < at && !is_char_start(text[start]) {
        start += 1;
    }
    while start < at && text[start] == b'.' {
        start += 1;
    }
    let end = domain_end(text, at + 1)?;
    let other = is_release(&text[at + 1..end]) || is_remote(text, start, at, end);
    (start < at && !other).then_some((start, end))
}

/// `logo@2x.png`, `pkg@2.0.beta`: a scale or a version.
fn is_release(domain: &[u8]) -> bool {
    const STAGES: [&[u8]; 8] = [b"alpha", b"beta", b"rc", b"dev", b"next", b"canary", b"preview", b"snapshot"];
    let numeric = |label: &[u8]| !label.is_empty() && label.iter().all(u8::is_ascii_digit);
    let mut labels = domain.split(|byte| *byte == b'.');
    let (first, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let scale = matches!(first, [b'1'..=b'9', b'x']) && domain.len() <= b"2x.jpeg".len();
    scale || (numeric(first) && (numeric(second) || STAGES.contains(&second)))
}

/// `git@host:path`: where a repository is.
fn is_remote(text: &[u8], start: usize, at: usize, end: usize) -> bool {
    let local = &text[start..at];
    (local == b"git" || local.ends_with(b"/git")) && matches!(text.get(end), Some(b':' | b'/'))
}

/// The end of a domain with a top level of two letters or more.
fn domain_end(text: &[u8], start: usize) -> Option<usize> {
    let longest = &text[..text.len().min(start + DOMAIN_BYTES_MAX)];
    let mut end =
        run(longest, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') || is_letter(byte));
    while end > start && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    while end < text.len() && !is_char_start(text[end]) {
        end -= 1;
    }
    let domain = text.get(start..end)?;
    let dot = domain.iter().rposition(|byte| *byte == b'.')?;
    let top = &domain[dot + 1..];
    let named =
        top.len() >= 2 && top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-' || is_letter(*byte));
    let punycode = top.starts_with(b"xn--");
    (dot > 0 && !domain.starts_with(b".") && (named || punycode)).then_some(end)
}

fn is_local(byte: u8) -> bool {
    // `/ = ? & #` may be in an address too, but far more often a URL or a query ends before one.
    byte.is_ascii_alphanumeric() || b".!$%*+-^_{|}~".contains(&byte) || is_letter(byte)
}

/// Part of a character that is not ASCII; quotes of nested JSON are above.
fn is_letter(byte: u8) -> bool {
    (0x80..0xf8).contains(&byte)
}

fn is_char_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}
