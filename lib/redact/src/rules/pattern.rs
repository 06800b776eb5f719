//! A bounded regular expression, matched only where a candidate stands. It refuses patterns that match nothing, or
//! everything, or that need more than a bounded look.

use std::ops::Range;

use regex_automata::{
    Anchored, Input,
    meta::Regex,
    util::{primitives::NonMaxUsize, syntax},
};
use regex_syntax::hir::{Capture, Class, Hir, HirKind, Repetition};

use super::prefix::Prefix;
use crate::bytes::ByteSet;

/// Longest match, in bytes.
const PATTERN_BYTES_MAX: usize = 8192;

#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    pub(crate) prefix: Prefix,
    bytes_max: usize,
    /// All bytes that occur in any match.
    alphabet: ByteSet,
    /// The first group is what is masked.
    grouped: bool,
    /// A pattern that ends in a repeated class goes on as far as the class does. The expression has it as often as it must
    /// be there: a shorter one costs less to search with.
    tail: Option<ByteSet>,
}

/// Where a pattern matched: all of it, and the part that is masked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    pub(crate) end: usize,
    pub(crate) masked: (usize, usize),
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Pattern, String> {
        let config = syntax::Config::new().unicode(false).utf8(false);
        let hir = syntax::parse_with(pattern, &config).map_err(|error| format!("not a pattern: {error}"))?;
        let properties = hir.properties();
        if properties.minimum_len().is_none_or(|least| least == 0) {
            return Err("the pattern matches the empty text".to_owned());
        }
        let bytes_max = properties.maximum_len().filter(|most| *most <= PATTERN_BYTES_MAX).ok_or_else(|| {
            format!("the pattern is not bounded: use {{n,m}} for + and *, at most {PATTERN_BYTES_MAX} bytes")
        })?;
        let (prefix, alphabet) = (Prefix::of(&hir), alphabet(&hir));
        let grouped = properties.explicit_captures_len() > 0;
        let (least, tail) = without_tail(hir);
        let regex = Regex::builder().build_from_hir(&least).map_err(|error| format!("not a pattern: {error}"))?;
        Ok(Pattern { regex, prefix, bytes_max, alphabet, grouped, tail })
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Lets go of what its searches keep for the next ones; a clone shares the program alone.
    pub(crate) fn forget_searches(&mut self) {
        self.regex = self.regex.clone();
    }

    /// Is all that is looked at for a match nearer than that, in bytes?
    pub(crate) fn is_within(&self, near: usize) -> bool {
        self.bytes_max < near && self.tail.is_none()
    }

    /// The end of what is looked at for a match that may begin at `at`: its first byte that no match has, or the end of
    /// the longest one. In `seen` all bytes are of matches; from there on it grows.
    pub(crate) fn reach(&self, text: &[u8], at: usize, seen: &mut Range<usize>) -> usize {
        let window = &text[..text.len().min(at + self.bytes_max)];
        let from = if seen.contains(&at) { seen.end.min(window.len()) } else { at };
        let own = crate::bytes::run(window, from, |byte| self.alphabet.has(byte));
        *seen = at..own;
        let tail = |tail: &ByteSet| crate::bytes::run(text, own, |byte| tail.has(byte));
        self.tail.as_ref().map_or(own, tail) + 1
    }

    pub(crate) fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// The match that begins at `at`, where the prefix allows one.
    pub(crate) fn at(&self, text: &[u8], at: usize) -> Option<Match> {
        let input = Input::new(text).span(at..text.len().min(at + self.bytes_max)).anchored(Anchored::Yes);
        if self.grouped {
            // Start and end of the whole, and of the first group.
            let mut slots = [None; 4];
            self.regex.search_slots(&input, &mut slots)?;
            let [_, end, group_start, group_end] = slots.map(|slot| slot.map(NonMaxUsize::get));
            let whole = self.whole(text, end?);
            // Where the group is the end of the pattern, it goes on with it.
            let masked = group_start.zip(group_end).map_or((at, whole), |(start, group_end)| {
                (start, if Some(group_end) == end { whole } else { group_end })
            });
            return Some(Match { end: whole, masked });
        }
        let end = self.whole(text, self.regex.search_half(&input)?.offset());
        Some(Match { end, masked: (at, end) })
    }

    /// The end of a match with its tail.
    fn whole(&self, text: &[u8], end: usize) -> usize {
        self.tail.as_ref().map_or(end, |tail| crate::bytes::run(text, end, |byte| tail.has(byte)))
    }

    /// Where the next match begins.
    pub(crate) fn next(&self, text: &[u8], from: usize, to: usize) -> Option<usize> {
        self.regex.search(&Input::new(text).span(from..to)).map(|found| found.start())
    }
}

fn alphabet(hir: &Hir) -> ByteSet {
    let mut set = ByteSet::none();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| set.add(*byte, *byte)),
        HirKind::Class(class) => add_class(&mut set, class),
        HirKind::Capture(capture) => set = alphabet(&capture.sub),
        HirKind::Repetition(repetition) => set = alphabet(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| set.add_all(&alphabet(part)));
        }
    }
    set
}

/// Of what is written in more bytes than one, any byte may be part.
fn add_class(set: &mut ByteSet, class: &Class) {
    match class {
        Class::Bytes(class) => class.ranges().iter().for_each(|range| set.add(range.start(), range.end())),
        Class::Unicode(class) => class.ranges().iter().for_each(|range| {
            let end = u32::from(range.end());
            set.add(u32::from(range.start()).min(0x80) as u8, if end < 0x80 { end as u8 } else { u8::MAX });
        }),
    }
}

/// The pattern with the class that it ends in as often as it must be there, and that class, when it may be repeated.
fn without_tail(pattern: Hir) -> (Hir, Option<ByteSet>) {
    match pattern.kind() {
        HirKind::Concat(parts) => {
            let Some((last, before)) = parts.split_last() else { return (pattern, None) };
            let (last, tail) = without_tail(last.clone());
            (Hir::concat(before.iter().cloned().chain([last]).collect()), tail)
        }
        HirKind::Capture(capture) => {
            let (sub, tail) = without_tail((*capture.sub).clone());
            (Hir::capture(Capture { sub: Box::new(sub), ..capture.clone() }), tail)
        }
        HirKind::Repetition(repetition) if repetition.max != Some(repetition.min) => {
            let HirKind::Class(class @ Class::Bytes(_)) = repetition.sub.kind() else { return (pattern, None) };
            let mut tail = ByteSet::none();
            add_class(&mut tail, class);
            let least = Repetition { max: Some(repetition.min), ..repetition.clone() };
            (Hir::repetition(least), Some(tail))
        }
        _ => (pattern, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unbounded_and_empty_patterns_are_refused() {
        for pattern in ["a*", "a+", "(", "", r"\b", ".{1,9000}"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_is_looked_at_ends_with_what_no_match_has() {
        let pattern = Pattern::new("k-(?:[0-9]{2,300}|x)y?").expect("it is bounded");
        let reach = |text: &[u8]| pattern.reach(text, 0, &mut (0..0));
        assert_eq!(reach(b"k-123 and so on"), 6);
        assert_eq!(reach(b"k-z"), 3);
        assert_eq!(reach(&b"k-1".repeat(200)), pattern.bytes_max() + 1);
    }

    #[test]
    fn what_was_seen_is_not_looked_at_again() {
        let (pattern, text) = (Pattern::new("k-(?:[0-9]{2,8}|x)y?").expect("it is bounded"), b"k-1k-2k-3k-4k-5k-6 k-7");
        let mut seen = 0..0;
        for at in [0, 3, 6, 15, 19] {
            assert_eq!(pattern.reach(text, at, &mut seen), pattern.reach(text, at, &mut (0..0)), "{at}");
        }
    }

    #[test]
    fn the_last_class_goes_on() {
        let pattern = Pattern::new("x_[a-c]{2,4}").expect("it is bounded");
        assert_eq!(pattern.at(b"x_abcabcabcd", 0).map(|found| found.end), Some(11));
        assert_eq!(pattern.at(b"x_ad", 0).map(|found| found.end), None);
        let masked = |pattern: &str, text: &[u8]| {
            Pattern::new(pattern).expect("it is bounded").at(text, 0).map(|found| (found.masked, found.end))
        };
        assert_eq!(masked("k=([0-9]{2})", b"k=123"), Some(((2, 4), 4)));
        assert_eq!(masked("k=([0-9]{2,3})", b"k=12345x"), Some(((2, 7), 7)));
        assert_eq!(masked("k=(x[0-9]{0,3})", b"k=x12345x"), Some(((2, 8), 8)));
        assert_eq!(masked("k=([0-9]{2,3})x[a-c]{0,2}", b"k=123xabca"), Some(((2, 5), 10)));
        assert_eq!(masked("k=([0-9]{2}=?)", b"k=12="), Some(((2, 5), 5)));
        assert_eq!(masked("k=(?:([0-9]{1,2})|[a-c]{1,2})", b"k=aabb"), Some(((0, 4), 4)));
    }
}
