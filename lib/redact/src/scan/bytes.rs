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

/// Most bytes of a word before a prefix that may be glued to it. More of them and it is one of many in a long run, each
/// of which would look at all the rest of it.
const GLUED_BYTES_MAX: usize = 256;

/// Is the prefix at `at` deep inside a run of token characters?
pub(super) fn is_buried(text: &[u8], at: usize) -> bool {
    at - run_back(text, at, GLUED_BYTES_MAX + 1, is_token) > GLUED_BYTES_MAX
}
