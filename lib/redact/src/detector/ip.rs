//! IP addresses of both versions. It refuses what is part of a longer number, a version, or a time of day.

use super::Look;
use crate::bytes::{before, is_digit, is_word, run, run_back, stands_alone};
use crate::view::is_quote;

const V6_BYTES_MAX: usize = 45;
const V6_GROUPS: usize = 8;
const OCTET_DIGITS_MAX: usize = 3;

/// Four octets that are not part of a longer dotted number, nor a version. `at` is the first dot.
pub(crate) fn v4(text: &[u8], at: usize, _: &mut Look) -> Option<(usize, usize)> {
    let start = run_back(text, at, OCTET_DIGITS_MAX + 1, |byte| byte.is_ascii_digit());
    let end = dotted_quad(text, start)?;
    let longer = text.get(end) == Some(&b'.') && is_digit(text, end + 1);
    let dotted = before(text, start) == Some(b'.');
    let alone = stands_alone(text, start, end, b"") && !longer && !dotted && !is_version(text, start, end);
    alone.then_some((start, end))
}

fn dotted_quad(text: &[u8], at: usize) -> Option<usize> {
    let mut end = octet(text, at)?;
    for _ in 0..3 {
        text.get(end).filter(|byte| **byte == b'.')?;
        end = octet(text, end + 1)?;
    }
    Some(end)
}

fn octet(text: &[u8], start: usize) -> Option<usize> {
    let window = &text[..text.len().min(start + OCTET_DIGITS_MAX + 1)];
    let end = run(window, start, |byte| byte.is_ascii_digit());
    let digits = text.get(start..end).filter(|digits| (1..=OCTET_DIGITS_MAX).contains(&digits.len()))?;
    let value = digits.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (value <= 255 && (digits.len() == 1 || digits[0] != b'0')).then_some(end)
}

/// `Chrome/120.0.0.0`, `version 1.2.3.4`, `pkg==1.2.3.4`.
fn is_version(text: &[u8], at: usize, end: usize) -> bool {
    let gap = run_back(text, at, 24, |byte| matches!(byte, b' ' | b':' | b'=' | b'\\') || is_quote(byte));
    let word = run_back(text, gap, 16, |byte| byte.is_ascii_alphabetic());
    let name = text[word..gap].to_ascii_lowercase();
    let named = name.ends_with(b"version") || name == b"ver" || name == b"release";
    let pinned = at >= 2 && matches!(&text[at - 2..at], b"==" | b">=" | b"<=" | b"~=");
    let product = before(text, at) == Some(b'/')
        && at >= 2
        && text[at - 2].is_ascii_alphabetic()
        && text[at..end].ends_with(b".0.0");
    named || pinned || product
}

/// `at` is any of the colons.
pub(crate) fn v6(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    let hexadecimal = |place: usize| text.get(place).is_some_and(u8::is_ascii_hexdigit);
    let double = text.get(at + 1) == Some(&b':');
    let single = at > 0 && hexadecimal(at - 1) && hexadecimal(at + 1);
    if !double && !single {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    let start = run_back(text, at, V6_BYTES_MAX, is_part).max(look.done.min(at));
    let window = &text[..text.len().min(at + V6_BYTES_MAX)];
    let mut end = run(window, at, is_part);
    look.walked = end - start;
    // What follows in the same run is part of the same.
    look.none_before = end;
    if text.get(end) == Some(&b'.') {
        let last = run_back(text, end, OCTET_DIGITS_MAX, |byte| byte.is_ascii_digit());
        end = dotted_quad(text, last)?;
    }
    while end > start && text[end - 1] == b':' && !text[..end].ends_with(b"::") {
        end -= 1;
    }
    let alone = !before(text, start).is_some_and(|byte| is_word(byte) || byte == b':')
        && !text.get(end).is_some_and(|byte| is_word(*byte) || *byte == b':');
    (alone && is_v6(&text[start..end])).then_some((start, end))
}

/// Eight groups, or fewer around one `::`; enough of it to be no time, no ratio and no path of names.
fn is_v6(address: &[u8]) -> bool {
    let Ok(written) = std::str::from_utf8(address) else { return false };
    let groups = written.split(':').filter(|group| !group.is_empty()).count();
    let tells = groups >= 2 && (written.bytes().any(|byte| byte.is_ascii_digit()) || groups >= V6_GROUPS / 2);
    tells && written.parse::<std::net::Ipv6Addr>().is_ok()
}
