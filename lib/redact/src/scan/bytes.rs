//! Looking at bytes around a place, within bounds.

/// The end of the run of `wanted` bytes from `at` on.
pub(super) fn run(text: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len())
}

/// The start of the run of `wanted` bytes that ends before `at`; at most `longest` bytes back.
pub(super) fn run_back(text: &[u8], at: usize, longest: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let floor = at.saturating_sub(longest);
    let run = text[floor..at].iter().rev().take_while(|byte| wanted(**byte)).count();
    at - run
}

pub(super) fn before(text: &[u8], at: usize) -> Option<u8> {
    text.get(at.checked_sub(1)?).copied()
}

pub(super) fn starts(text: &[u8], at: usize, with: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(with))
}

/// Letters, digits and `_`: what a word is made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Letters, digits, `_` and `-`: base64url, and most tokens.
pub(super) fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// Is there a UUID, as its five groups of hexadecimal digits, that shares bytes with this range?
pub(super) fn is_in_uuid(text: &[u8], start: usize, end: usize) -> bool {
    let window = &text[start.saturating_sub(UUID_BYTES - 1)..text.len().min(end + UUID_BYTES - 1)];
    window.windows(UUID_BYTES).any(is_uuid)
}

const UUID_BYTES: usize = 36;

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
