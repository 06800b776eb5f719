//! Undoing one level of JSON's string escapes, and finding the way back from an offset in the plain text to the
//! escaped one.
//!
//! It refuses to fail: what is no escape stays as it is, and half of a surrogate pair becomes U+FFFD, so that a cut or
//! careless text is looked at all the same.

use std::borrow::Cow;

/// The text with one level of escapes undone.
pub(crate) fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        let (before, escaped) = rest.split_at(at);
        plain.push_str(before);
        let (letter, length) = unit(escaped);
        plain.push(letter);
        rest = escaped.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The way from offsets in a raw text to those in the decoded one.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// Raw and plain range of each escape.
    units: Vec<(usize, usize, usize, usize)>,
}

impl Plain {
    pub(crate) fn of(raw: &str) -> Plain {
        let (mut units, mut at, mut plain) = (Vec::new(), 0, 0);
        while let Some(gap) = raw.get(at..).and_then(|rest| rest.find('\\')) {
            let (letter, length) = unit(&raw[at + gap..]);
            let (start, plain_start) = (at + gap, plain + gap);
            units.push((start, start + length, plain_start, plain_start + letter.len_utf8()));
            (at, plain) = (start + length, plain_start + letter.len_utf8());
        }
        Plain { units }
    }

    /// Where a range that starts here starts.
    pub(crate) fn start(&self, raw: usize) -> usize {
        match self.units[..self.units.partition_point(|unit| unit.0 <= raw)].last() {
            Some(unit) if raw < unit.1 => unit.2,
            Some(unit) => unit.3 + raw - unit.1,
            None => raw,
        }
    }

    /// Where a range that ends here ends.
    pub(crate) fn end(&self, raw: usize) -> usize {
        match self.units[..self.units.partition_point(|unit| unit.0 < raw)].last() {
            Some(unit) if raw < unit.1 => unit.3,
            Some(unit) => unit.3 + raw - unit.1,
            None => raw,
        }
    }
}

/// Offsets in the raw text for `offsets` in the decoded one; both ascend.
pub(crate) fn raw_offsets(raw: &str, offsets: &[usize]) -> Vec<usize> {
    let mut found = Vec::with_capacity(offsets.len());
    let (mut at, mut plain) = (0, 0);
    for offset in offsets {
        while plain < *offset && at < raw.len() {
            let (letter, length) = unit(raw.get(at..).unwrap_or_default());
            at += length;
            plain += letter.len_utf8();
        }
        found.push(at);
    }
    found
}

/// Makes a replacement fit into a JSON string. Replacements hold no other character that needs it.
pub(crate) fn encode(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
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

/// `\uXXXX`, or the pair of them that makes one character.
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
        assert_eq!(raw_offsets(raw, &[0, 2, 3, 7, 8]), [0, 2, 8, 20, 21]);
        let plain = Plain::of(raw);
        assert_eq!([0, 2, 5, 8, 20, 21].map(|at| plain.start(at)), [0, 2, 2, 3, 7, 8]);
        assert_eq!([0, 2, 5, 8, 20, 21].map(|at| plain.end(at)), [0, 2, 3, 3, 7, 8]);
    }
}
