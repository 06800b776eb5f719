//! Trying a rule where a candidate stands: its pattern or detector, then keywords, validators and known values. It refuses
//! to look for candidates.

use super::Hit;
use crate::{
    bytes::{after_escape, before},
    detector::Look,
    rules::{Finder, How},
};

/// What trying a candidate gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) hit: Option<Hit>,
    /// No candidate of this finder before this place is to be tried.
    pub(crate) resume: usize,
    /// Bytes looked at.
    pub(crate) walked: usize,
    /// The end of what was looked at, where that may be farther than near.
    pub(crate) far: usize,
    /// A pattern was tried: how far it may have looked, [`Pattern::reach`](crate::rules::compile::Pattern::reach) tells.
    pub(crate) tried: bool,
    /// The parts of what was looked at are refused with it.
    pub(crate) refused: bool,
}

impl Finder {
    /// Is it worth trying? Asked where many candidates are none.
    #[inline]
    pub(super) fn may_begin(&self, text: &[u8], at: usize) -> bool {
        match &self.how {
            How::Detector(_) => true,
            How::Pattern(pattern) => pattern.prefix.allows(text, at),
        }
    }

    /// Tries the candidate at `at`; everything before `done` is looked at already.
    pub(crate) fn try_at(&self, text: &[u8], at: usize, done: usize) -> Outcome {
        let none = Outcome { hit: None, resume: at + 1, walked: 0, far: 0, tried: false, refused: false };
        let (start, end, outcome) = match &self.how {
            How::Detector(detector) => {
                let mut look = Look { done, ..Look::default() };
                let found = (detector.check)(text, at, &mut look);
                let resume = look.none_before.max(at + 1);
                let outcome = Outcome { resume, walked: look.walked, far: look.far, ..none };
                let Some((start, end)) = found else { return outcome };
                let walked = outcome.walked.max(end - start);
                (start, end, Outcome { resume: resume.max(end), walked, ..outcome })
            }
            How::Pattern(pattern) => {
                if self.barred_left(text, at) || !pattern.prefix.allows(text, at) {
                    return none;
                }
                let none = Outcome { tried: true, ..none };
                let Some(found) = pattern.at(text, at) else { return none };
                let outcome = Outcome { walked: found.end - at, far: found.end + 1, ..none };
                let (start, end) = found.masked;
                if !self.has_keyword(text, at) {
                    return outcome;
                }
                if !self.accepts(text, start, end) {
                    // A refused run is refused as a whole: its parts are no better.
                    let (resume, refused) = (found.end.max(at + 1), pattern.has_tail());
                    return if refused { Outcome { resume, refused, ..outcome } } else { outcome };
                }
                (start, end, Outcome { resume: found.end, ..outcome })
            }
        };
        if self.allow.has(&text[start..end]) {
            return Outcome { refused: true, ..outcome };
        }
        Outcome { hit: Some(Hit { start, end, rule: self.rule, name: None }), ..outcome }
    }

    fn barred_left(&self, text: &[u8], at: usize) -> bool {
        let Some(left) = &self.left else { return false };
        before(text, at).is_some_and(|byte| left.has(byte)) && !after_escape(text, at)
    }

    fn accepts(&self, text: &[u8], start: usize, end: usize) -> bool {
        let barred = self.right.as_ref().is_some_and(|right| text.get(end).is_some_and(|byte| right.has(*byte)));
        !barred && self.validators.iter().all(|validator| validator.accepts(&text[start..end]))
    }

    /// Is one of the keywords before the find, and none of those that exclude it?
    fn has_keyword(&self, text: &[u8], start: usize) -> bool {
        if self.keywords.is_empty() && self.exclude_keywords.is_empty() {
            return true;
        }
        let among = |words: &[String]| words.iter().any(|word| self.word_before(text, start, word));
        (self.keywords.is_empty() || among(&self.keywords)) && !among(&self.exclude_keywords)
    }

    /// Mostly it is near, if it is there at all.
    fn word_before(&self, text: &[u8], start: usize, word: &str) -> bool {
        let (word, length) = (word.as_bytes(), word.len());
        let is_here = |at: usize| text[at..at + length].eq_ignore_ascii_case(word) && is_keyword(text, at, length);
        let places = start.saturating_sub(self.within + length)..start.saturating_sub(length - 1);
        places.rev().any(|at| text[at].eq_ignore_ascii_case(&word[0]) && is_here(at) && !self.tokens.holds(text, at))
    }
}

/// Longest keyword that counts only as a whole word, in bytes; longer ones may go on, as in `Steueridentifikation`.
const WHOLE_WORD_MAX: usize = 4;

/// A keyword begins a word, and a short one ends it.
pub(super) fn is_keyword(text: &[u8], at: usize, length: usize) -> bool {
    let letter = |place: usize| text.get(place).is_some_and(u8::is_ascii_alphabetic);
    let goes_on = length <= WHOLE_WORD_MAX && letter(at + length - 1) && letter(at + length);
    let begun = letter(at) && at > 0 && letter(at - 1);
    !begun && !goes_on
}
