//! A bounded regular expression, matched only where a candidate stands. It refuses patterns that match nothing, or
//! everything, or that need more than a bounded look.

use std::ops::Range;

use regex_automata::{
    Anchored, Input,
    meta::Regex,
    util::{primitives::NonMaxUsize, syntax},
};
use regex_syntax::hir::{Class, Hir, HirKind};

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
    /// A pattern that ends in a repeated class goes on as far as the class does.
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
        let regex = Regex::builder().build_from_hir(&hir).map_err(|error| format!("not a pattern: {error}"))?;
        let grouped = properties.explicit_captures_len() > 0;
        Ok(Pattern {
            prefix: Prefix::of(&hir),
            bytes_max,
            alphabet: alphabet(&hir),
            grouped,
            tail: if grouped { None } else { tail(&hir) },
            regex,
        })
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
            let [start, end, group_start, group_end] = slots.map(|slot| slot.map(NonMaxUsize::get));
            return Some(Match { end: end?, masked: group_start.zip(group_end).or(start.zip(end))? });
        }
        let mut end = self.regex.search_half(&input)?.offset();
        if let Some(tail) = &self.tail {
            end = crate::bytes::run(text, end, |byte| tail.has(byte));
        }
        Some(Match { end, masked: (at, end) })
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

/// The class that the pattern ends in, when it is repeated.
fn tail(hir: &Hir) -> Option<ByteSet> {
    let last = match hir.kind() {
        HirKind::Concat(parts) => parts.last()?,
        _ => hir,
    };
    let HirKind::Repetition(repetition) = last.kind() else { return None };
    if repetition.max == Some(repetition.min) {
        return None;
    }
    let HirKind::Class(class) = repetition.sub.kind() else { return None };
    let mut set = ByteSet::none();
    add_class(&mut set, class);
    Some(set)
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
        let group = Pattern::new("k=([0-9]{2})").expect("it is bounded");
        assert_eq!(group.at(b"k=123", 0).map(|found| found.masked), Some((2, 4)));
    }
}
