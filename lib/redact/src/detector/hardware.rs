//! Hardware addresses: `00:1b:44:11:3a:b7`, `00-1B-44-11-3A-B7`, `001b.4411.3ab7`.

use super::Look;
use crate::bytes::{before, is_word};

const OCTETS: usize = 6;

/// `at` is the first separator.
pub(crate) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    let start = at.checked_sub(2)?;
    let separator = text[at];
    // The second octet is looked at first: most colons and hyphens stand between words.
    if !is_hex(text.get(at + 1..at + 3)?) || !is_hex(&text[start..at]) {
        return None;
    }
    let end = start + 3 * OCTETS - 1;
    let octets = text.get(start..end)?;
    look.walked = 3 * OCTETS;
    let shaped =
        octets.chunks(3).all(|octet| is_hex(&octet[..2]) && octet.get(2).is_none_or(|byte| *byte == separator));
    (shaped && alone(text, start, end, separator) && tells(octets)).then_some((start, end))
}

/// `at` is the first dot.
pub(crate) fn dotted(text: &[u8], at: usize, _: &mut Look) -> Option<(usize, usize)> {
    let start = at.checked_sub(4)?;
    let end = start + 14;
    let groups = text.get(start..end).filter(|groups| groups[9] == b'.')?;
    let shaped = is_hex(&groups[..4]) && is_hex(&groups[5..9]) && is_hex(&groups[10..]);
    // `1234.5678.9012` may be any number.
    let lettered = groups.iter().any(u8::is_ascii_alphabetic);
    (shaped && lettered && alone(text, start, end, b'.')).then_some((start, end))
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

fn alone(text: &[u8], start: usize, end: usize, separator: u8) -> bool {
    let word = |place: usize| text.get(place).is_some_and(|byte| is_word(*byte));
    let begun = before(text, start).is_some_and(|byte| is_word(byte) || byte == separator);
    let goes_on = word(end) || (text.get(end) == Some(&separator) && word(end + 1));
    !begun && !goes_on
}

/// All zero or all ones is nobody's.
fn tells(octets: &[u8]) -> bool {
    octets.chunks(3).any(|octet| !octet.starts_with(b"00") && !octet[..2].eq_ignore_ascii_case(b"ff"))
}
