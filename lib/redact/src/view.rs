//! A text as the scanner sees it: the same length as its canonical form, with no escape left that could hide a value.
//!
//! JSON writes a quote in a string as `\"`, and one in JSON within that string as `\\\"`. Flattening writes a quote of
//! nesting depth *d* as 2^d bytes of one class, and an escaped newline or tab as that many newlines or tabs, so that
//! keys and values of any depth stand side by side and every offset stays. What has no flat form – `\u0040`, `\/`,
//! full-width digits, zero-width characters – is canonicalised first, and a list of breaks leads back.
//!
//! It refuses to parse: a text that is no JSON, or only half of one, is seen in the same way.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memrchr};

use self::flat::{Reading, Seen, flatten};
use crate::{Withheld, bytes::before};

mod base64;
mod canonical;
mod flat;
mod percent;

pub(crate) use base64::{Encoded, LONG_MIN, bytes_of as decoded};

/// Deepest nesting of JSON in strings: the quote of the next depth would be 256 bytes long.
pub(crate) const NESTING_MAX: usize = 8;
/// The quote of depth 1; one more for each depth. No such byte occurs in UTF-8.
const QUOTE_BASE: u8 = 0xf7;

/// Bytes to scan, and the way back to the text they are of.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    breaks: Vec<Break>,
}

/// From here on, offsets in the view and in the text run in step again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) view: usize,
    pub(crate) text: usize,
}

/// A text as it may be seen.
#[derive(Debug)]
pub(crate) struct Views<'a> {
    /// Of the whole text.
    pub(crate) first: View<'a>,
    /// Only where there is more than one reading.
    pub(crate) others: Vec<View<'a>>,
}

pub(crate) fn views(text: &str) -> Result<Views<'_>, Withheld> {
    if !canonical::has_look_alike(text) {
        let (flat, seen) = flatten(text.as_bytes(), Reading::Tentative)?;
        if !seen.unflat {
            return of_canonical(Cow::Borrowed(text.as_bytes()), Vec::new(), flat, &seen);
        }
    }
    let (bytes, breaks) = canonical::form(text);
    let (flat, seen) = flatten(&bytes, Reading::Nested)?;
    of_canonical(Cow::Owned(bytes), breaks, flat, &seen)
}

fn of_canonical<'a>(
    bytes: Cow<'a, [u8]>,
    breaks: Vec<Break>,
    flat: Vec<u8>,
    seen: &Seen,
) -> Result<Views<'a>, Withheld> {
    let mut others = Vec::new();
    if seen.ambiguous {
        let (other, _) = flatten(&bytes, Reading::Escaped)?;
        others.push(View { bytes: Cow::Owned(other), breaks: breaks.clone() });
    }
    others.extend(percent::view(&bytes, &breaks));
    let bytes = if seen.changed { Cow::Owned(flat) } else { bytes };
    Ok(Views { first: View { bytes, breaks }, others })
}

/// The bytes of a value as it would be written plainly: without escapes, look-alikes and what is not seen.
pub(crate) fn canonical(text: &str) -> Vec<u8> {
    canonical::form(text).0
}

/// The text as it stands, where escapes may be none and look-alikes are what they are; nothing when that is what the first view
/// shows.
pub(crate) fn as_written(text: &str) -> Option<View<'_>> {
    let differs = memchr(b'\\', text.as_bytes()).is_some() || canonical::has_look_alike(text);
    differs.then(|| View { bytes: Cow::Borrowed(text.as_bytes()), breaks: Vec::new() })
}

impl<'a> Views<'a> {
    /// The one view there is of a text, in step with it.
    pub(crate) fn only(bytes: Cow<'a, [u8]>) -> Views<'a> {
        Views { first: View { bytes, breaks: Vec::new() }, others: Vec::new() }
    }
}

impl<'a> View<'a> {
    pub(crate) fn plain(bytes: &'a [u8]) -> View<'a> {
        View { bytes: Cow::Borrowed(bytes), breaks: Vec::new() }
    }

    /// The range of the text that a range of the view stands for.
    pub(crate) fn in_text(&self, start: usize, end: usize) -> (usize, usize) {
        if self.breaks.is_empty() {
            return (start, end);
        }
        let first = self.place(self.breaks.partition_point(|one| one.view <= start), start);
        let last = self.breaks.partition_point(|one| one.view < end);
        let next = self.breaks.get(last).map(|one| one.text).unwrap_or(usize::MAX);
        let last = match self.breaks.get(last) {
            // A unit ends here: all of it, and nothing of what is left out behind it.
            Some(one) if one.view == end => one.text,
            // In the middle of a unit: all of it.
            Some(_) if last > 0 && self.is_unit(last - 1) => next,
            _ => self.place(last, end),
        };
        (first, last.max(first))
    }

    /// Are all offsets in the view those of the text?
    pub(crate) fn is_in_step(&self) -> bool {
        self.breaks.is_empty()
    }

    /// May one of the quoted names at these places of the text, which are in order, be a string of a document, rather than
    /// part of a text? A string that is a document begins as one does.
    pub(crate) fn may_be_in_documents(&self, names: &[usize]) -> bool {
        if !self.is_in_step() {
            return !names.is_empty();
        }
        // Of each depth: what was looked at for the string around, and whether that begins as a document does.
        let mut around = [(0, false); NESTING_MAX];
        names.iter().any(|name| {
            let depth = match before(&self.bytes, *name) {
                Some(quote @ 0xf8..=0xfe) => usize::from(quote - QUOTE_BASE),
                _ => return true,
            };
            let (done, is_document) = &mut around[depth];
            let outer = if depth == 1 { b'"' } else { QUOTE_BASE + depth as u8 - 1 };
            let seen = std::mem::replace(done, *name);
            if let Some(opening) = memrchr(outer, &self.bytes[seen..*name]) {
                let first = self.bytes[seen + opening + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
                *is_document = first.is_none_or(|byte| matches!(byte, b'{' | b'[' | 0x80..) || is_quote(*byte));
            }
            *is_document
        })
    }

    /// The range of the view that shows this range of the text, whole units at both ends.
    pub(crate) fn of_text(&self, start: usize, end: usize) -> Range<usize> {
        let end = self.shown(end, true).min(self.bytes.len());
        self.shown(start, false).min(end)..end
    }

    fn shown(&self, at: usize, unit_end: bool) -> usize {
        let Some(last) = self.breaks.partition_point(|one| one.text <= at).checked_sub(1) else { return at };
        let one = self.breaks[last];
        match self.is_unit(last) {
            true if unit_end && at > one.text => self.breaks[last + 1].view,
            true => one.view,
            false => one.view + (at - one.text),
        }
    }

    fn place(&self, breaks_before: usize, at: usize) -> usize {
        match breaks_before.checked_sub(1).map(|last| self.breaks[last]) {
            None => at,
            Some(_) if self.is_unit(breaks_before - 1) => self.breaks[breaks_before - 1].text,
            Some(last) => last.text + (at - last.view),
        }
    }

    /// Between this break and the next one, view and text are not in step: an escape, or what it stands for.
    fn is_unit(&self, at: usize) -> bool {
        let (Some(one), Some(next)) = (self.breaks.get(at), self.breaks.get(at + 1)) else { return false };
        next.view - one.view != next.text - one.text
    }
}

/// How many bytes a quote of this class has; none when it is no quote.
pub(crate) fn quote_width(byte: u8) -> Option<usize> {
    match byte {
        b'"' | b'\'' | b'`' => Some(1),
        0xf8..=0xfe => Some(1 << (byte - QUOTE_BASE)),
        _ => None,
    }
}

pub(crate) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | 0xf8..=0xfe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, flat: &[u8]) {
        let views = views(text).expect("not too deep");
        assert_eq!(views.first.bytes, flat, "{text}");
    }

    #[test]
    fn escapes_become_bytes_of_one_class() {
        check(r#"{"a":"b"}"#, br#"{"a":"b"}"#);
        check(r#"{"t":"{\"a\":\"b\\n\"}"}"#, b"{\"t\":\"{\xf8\xf8a\xf8\xf8:\xf8\xf8b\n\n\n\xf8\xf8}\"}");
        check(r#""\\\"x\\\"""#, b"\"\xf9\xf9\xf9\xf9x\xf9\xf9\xf9\xf9\"");
        check(r#""a\nb\tc\\""#, b"\"a\n\nb\t\tc\\\\\"");
        check(r#"["C:\\Zoo"]"#, br#"["C:\\Zoo"]"#);
        check(r#"["b\u005cn\u0041\u0022\/"]"#, b"[\"b\\\\nA\xf8\xf8/\"]");
        check("[", b"[");
        check("a\\", b"a\\");
    }

    #[test]
    fn folds_what_only_looks_different() {
        check("\u{ff14}\u{ff11}-\u{200b}x\u{a0}y\u{2011}z", b"41-x y-z");
        check("äöü “quoted” …", "äöü “quoted” …".as_bytes());
    }

    #[test]
    fn two_readings_are_two_views() {
        let seen = views(r#"["x\\nAKIA"]"#).expect("not too deep");
        assert_eq!(seen.first.bytes, br#"["x\\nAKIA"]"#.as_slice());
        let others: Vec<_> = seen.others.iter().map(|view| view.bytes.to_vec()).collect();
        assert_eq!(others, [b"[\"x\n\n\nAKIA\"]"]);
    }

    #[test]
    fn offsets_lead_back_to_whole_units() {
        let text = r"a\u0040b \u00e4c";
        let view = views(text).expect("not too deep").first;
        assert_eq!(view.bytes, "a@b äc".as_bytes());
        for (range, expected) in
            [((0, 3), r"a\u0040b"), ((1, 2), r"\u0040"), ((2, 3), "b"), ((4, 5), r"\u00e4"), ((5, 7), r"\u00e4c")]
        {
            let (start, end) = view.in_text(range.0, range.1);
            assert_eq!(&text[start..end], expected, "{range:?}");
            let shown = view.of_text(start, end);
            assert!(shown.start <= range.0 && range.1 <= shown.end, "{range:?} {shown:?}");
        }
    }

    #[test]
    fn deeper_than_the_limit_is_withheld() {
        let deep = format!("\"{}\"\"", "\\".repeat(255));
        assert_eq!(views(&deep).err(), Some(Withheld::TooDeep(NESTING_MAX)));
        assert!(views(&format!("\"{}x", "\\".repeat(255))).is_ok());
    }
}
