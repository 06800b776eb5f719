//! Looking at bytes around a place, within bounds; and sets of bytes.

use json::words::{is, next};

/// A set of bytes, written as `A-Za-z0-9_-`: ranges, single bytes, a hyphen at the end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    pub(crate) fn none() -> ByteSet {
        ByteSet([false; 256])
    }

    pub(crate) fn all() -> ByteSet {
        ByteSet([true; 256])
    }

    pub(crate) fn of(has: impl Fn(u8) -> bool) -> ByteSet {
        let mut set = ByteSet::none();
        (0..=u8::MAX).for_each(|byte| set.0[usize::from(byte)] = has(byte));
        set
    }

    /// None when a range runs backwards.
    pub(crate) fn parse(text: &str) -> Option<ByteSet> {
        let (bytes, mut set, mut at) = (text.as_bytes(), ByteSet::none(), 0);
        while let Some(first) = bytes.get(at) {
            match (bytes.get(at + 1), bytes.get(at + 2)) {
                (Some(b'-'), Some(last)) if first <= last => {
                    set.add(*first, *last);
                    at += 3;
                }
                (Some(b'-'), Some(_)) => return None,
                _ => {
                    set.add(*first, *first);
                    at += 1;
                }
            }
        }
        Some(set)
    }

    pub(crate) fn add(&mut self, first: u8, last: u8) {
        (first..=last).for_each(|byte| self.0[usize::from(byte)] = true);
    }

    pub(crate) fn add_all(&mut self, other: &ByteSet) {
        self.0.iter_mut().zip(other.0).for_each(|(here, there)| *here |= there);
    }

    #[inline]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = (0..=255_u8).filter(|byte| self.has(*byte)).map(char::from);
        write!(f, "[{}]", members.collect::<String>())
    }
}

/// `BYTES` bytes of a text from `BEFORE` bytes before `at` on, with zeros beyond its ends; `room` is for those that have any.
#[inline]
pub(crate) fn window<'t, const BEFORE: usize, const BYTES: usize>(
    text: &'t [u8],
    at: usize,
    room: &'t mut [u8; BYTES],
) -> &'t [u8; BYTES] {
    if let Some(inner) = at.checked_sub(BEFORE).and_then(|from| text[from..].first_chunk()) {
        return inner;
    }
    let from = at.saturating_sub(BEFORE);
    let gap = BEFORE - (at - from);
    let kept = &text[from..text.len().min(at + BYTES - BEFORE)];
    *room = [0; BYTES];
    room[gap..gap + kept.len()].copy_from_slice(kept);
    room
}

/// The end of the run of `wanted` bytes from `at` on.
pub(crate) fn run(text: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len())
}

/// The start of the run of `wanted` bytes that ends before `at`; at most `longest` bytes back.
pub(crate) fn run_back(text: &[u8], at: usize, longest: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let floor = at.saturating_sub(longest);
    let run = text[floor..at].iter().rev().take_while(|byte| wanted(**byte)).count();
    at - run
}

/// The next backslash: in nested JSON it is near, and a call would cost more than the way.
#[inline]
pub(crate) fn next_backslash(text: &[u8], at: usize) -> Option<usize> {
    next(text, at, |bytes| is(bytes, b'\\'))
}

pub(crate) fn before(text: &[u8], at: usize) -> Option<u8> {
    text.get(at.checked_sub(1)?).copied()
}

pub(crate) fn starts(text: &[u8], at: usize, with: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(with))
}

/// Letters, digits and `_`: what a word is made of.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Letters, digits, `_` and `-`: base64url, and most tokens.
pub(crate) fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

pub(crate) fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// No word goes on at either side, and none of `barred` does.
pub(crate) fn stands_alone(text: &[u8], start: usize, end: usize, barred: &[u8]) -> bool {
    let goes_on = |byte: u8| is_word(byte) || barred.contains(&byte);
    let before = before(text, start).is_some_and(goes_on) && !after_escape(text, start);
    !before && !text.get(end).is_some_and(|byte| goes_on(*byte))
}

/// `\n4111…` in a text that is no JSON: the letter belongs to a written escape, not to a word.
pub(crate) fn after_escape(text: &[u8], at: usize) -> bool {
    at >= 2 && ends_escape(text[at - 1]) && text[at - 2] == b'\\'
}

pub(crate) fn ends_escape(letter: u8) -> bool {
    matches!(letter, b'n' | b'r' | b't')
}

/// Is there a UUID, as its five groups of hexadecimal digits, that shares bytes with this range?
pub(crate) fn is_in_uuid(text: &[u8], start: usize, end: usize) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_as_they_are_written() {
        let set = ByteSet::parse("A-Ca_-").expect("well formed");
        let members: Vec<u8> = (0..=255).filter(|byte| set.has(*byte)).collect();
        assert_eq!(members, b"-ABC_a");
        assert_eq!(ByteSet::parse("z-a"), None);
    }
}
