//! Undoing one level of JSON's string escapes, and finding the way back from an offset in the plain text to the
//! escaped one.
//!
//! It refuses to fail: what is no escape stays as it is, and half of a surrogate pair becomes U+FFFD, so that a cut or
//! careless text is looked at all the same.

use std::{borrow::Cow, ops::Range};

use memchr::memchr;

use crate::bytes::next_backslash;

/// How far apart escapes are in nested JSON, in bytes: room for as many is made at once.
const UNIT_DISTANCE: usize = 12;
/// So many bytes are copied at once.
const SHORT: usize = 16;

/// A text with one level of escapes undone, and the way there and back.
#[derive(Debug)]
pub(crate) struct Plain<'r> {
    pub(crate) text: Cow<'r, str>,
    units: Vec<Unit>,
}

/// Where an escape stands, and the character that it stands for. There may be as many as the text has words, so they are
/// small: no text is longer than [`BODY_BYTES_MAX`](crate::BODY_BYTES_MAX).
#[derive(Debug)]
struct Unit {
    raw: u32,
    plain: u32,
    raw_length: u8,
    plain_length: u8,
}

impl Unit {
    fn new(raw: Range<usize>, plain: Range<usize>) -> Unit {
        let (raw_length, plain_length) = (raw.len() as u8, plain.len() as u8);
        Unit { raw: raw.start as u32, plain: plain.start as u32, raw_length, plain_length }
    }

    fn raw(&self) -> Range<usize> {
        let start = self.raw as usize;
        start..start + usize::from(self.raw_length)
    }

    fn plain(&self) -> Range<usize> {
        let start = self.plain as usize;
        start..start + usize::from(self.plain_length)
    }
}

/// The text with one level of escapes undone.
pub(crate) fn decode(raw: &str) -> Cow<'_, str> {
    Plain::of(raw).text
}

impl<'r> Plain<'r> {
    pub(crate) fn of(raw: &'r str) -> Plain<'r> {
        let Some(first) = memchr(b'\\', raw.as_bytes()) else {
            return Plain { text: Cow::Borrowed(raw), units: Vec::new() };
        };
        // No escape is shorter than what it stands for.
        let (mut text, mut units) =
            (Vec::with_capacity(raw.len() + SHORT), Vec::with_capacity(raw.len() / UNIT_DISTANCE));
        let (mut at, mut next) = (0, Some(first));
        while let Some(start) = next {
            append(&mut text, raw.as_bytes(), at..start);
            let (letter, length) = unit(&raw[start..]);
            at = start + length;
            let plain = text.len();
            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            units.push(Unit::new(start..at, plain..text.len()));
            next = next_backslash(raw.as_bytes(), at);
        }
        append(&mut text, raw.as_bytes(), at..raw.len());
        let text = String::from_utf8(text).expect("whole characters make a text");
        Plain { text: Cow::Owned(text), units }
    }

    /// Where a range that starts here in the raw text starts.
    pub(crate) fn start(&self, raw: usize) -> usize {
        match self.last(|unit| unit.raw().start <= raw) {
            Some(unit) if raw < unit.raw().end => unit.plain().start,
            Some(unit) => unit.plain().end + raw - unit.raw().end,
            None => raw,
        }
    }

    /// Where a range that ends here in the raw text ends.
    pub(crate) fn end(&self, raw: usize) -> usize {
        match self.last(|unit| unit.raw().start < raw) {
            Some(unit) if raw < unit.raw().end => unit.plain().end,
            Some(unit) => unit.plain().end + raw - unit.raw().end,
            None => raw,
        }
    }

    /// Where the character that begins here in the plain text is written.
    pub(crate) fn raw(&self, plain: usize) -> usize {
        match self.last(|unit| unit.plain().start < plain) {
            Some(unit) if plain < unit.plain().end => unit.raw().end,
            Some(unit) => unit.raw().end + plain - unit.plain().end,
            None => plain,
        }
    }

    /// The last escape before a place.
    fn last(&self, is_before: impl Fn(&Unit) -> bool) -> Option<&Unit> {
        self.units[..self.units.partition_point(is_before)].last()
    }
}

/// Makes a replacement fit into a JSON string. Replacements hold no other character that needs it.
pub(crate) fn encode(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Appends a part of a text. Mostly it is short: to copy more than there is costs less than to ask how much.
fn append(to: &mut Vec<u8>, from: &[u8], range: Range<usize>) {
    match from[range.start..].first_chunk::<SHORT>() {
        Some(short) if range.len() <= SHORT => {
            let end = to.len() + range.len();
            to.extend_from_slice(short);
            to.truncate(end);
        }
        _ => to.extend_from_slice(&from[range]),
    }
}

/// The first character that `text` stands for, and how many of its bytes say so.
fn unit(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'\\') {
        let letter = text.chars().next().unwrap_or('\u{fffd}');
        return (letter, letter.len_utf8());
    }
    match bytes.get(1) {
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(letter @ (b'"' | b'\\' | b'/')) => (char::from(*letter), 2),
        Some(b'u') => hexadecimal(bytes),
        _ => ('\\', 1),
    }
}

/// `\u` with its four digits, or the pair of them that makes one character.
fn hexadecimal(bytes: &[u8]) -> (char, usize) {
    let Some(first) = four(bytes.get(2..6)) else { return ('\\', 1) };
    if let Some(letter) = char::from_u32(first) {
        return (letter, 6);
    }
    let second = (bytes.get(6..8) == Some(b"\\u")).then(|| four(bytes.get(8..12))).flatten();
    match second {
        Some(low @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let joined = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(joined).unwrap_or('\u{fffd}'), 12)
        }
        _ => ('\u{fffd}', 6),
    }
}

fn four(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_escapes_and_leaves_what_is_none() {
        for (raw, plain) in [
            (r"a\u0040b.co", "a@b.co"),
            (r#"\"\\\/\n\t\r\b\f"#, "\"\\/\n\t\r\u{8}\u{c}"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83d!", "\u{fffd}!"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"C:\Zoo\u00", r"C:\Zoo\u00"),
            ("\\", "\\"),
            ("ä\\", "ä\\"),
        ] {
            assert_eq!(decode(raw), plain, "{raw}");
        }
    }

    #[test]
    fn offsets_lead_back_to_where_the_character_is_written() {
        let raw = r"ä\u0040\ud83d\ude00x";
        assert_eq!(decode(raw), "ä@😀x");
        let plain = Plain::of(raw);
        assert_eq!([0, 2, 3, 7, 8].map(|at| plain.raw(at)), [0, 2, 8, 20, 21]);
        assert_eq!([0, 2, 5, 8, 20, 21].map(|at| plain.start(at)), [0, 2, 2, 3, 7, 8]);
        assert_eq!([0, 2, 5, 8, 20, 21].map(|at| plain.end(at)), [0, 2, 3, 3, 7, 8]);
    }
}
