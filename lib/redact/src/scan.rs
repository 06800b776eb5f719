//! Finding values in one view of a text: candidates by anchors – literals, runs of digits, `@`, `:` – each then
//! checked where it stands.
//!
//! No pattern runs over the whole text, every check looks at a bounded window, and a rule never looks again at what it
//! has found, so the cost grows with the text and not with what somebody wrote into it. The reference scanner says
//! what must be found; this one finds the same. It refuses to know JSON.

use std::ops::Range;

use crate::{
    Withheld,
    bytes::{after_escape, run},
    detector::{self, Look},
    keyed,
    rules::{Finder, How, RuleId, Rules, Target},
    work::Work,
};

pub(crate) mod anchors;
pub(crate) mod reference;
pub(crate) mod runs;

/// One find. Ranges are of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) rule: RuleId,
    /// Where the name stands that announced the value.
    pub(crate) name: Option<usize>,
}

/// What a scan finds: in no order, and overlapping.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// Names in quotes that announce a secret: whether the next thing is its value, only the structure tells.
    pub(crate) names: Vec<usize>,
    pub(crate) trail: Trail,
}

/// What a second look has to know of the first one. Candidates stand at the start of each range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    /// What was looked at for one candidate, where that was farther than is near.
    pub(crate) far: Vec<(usize, usize)>,
    /// What was passed over after one candidate, where that was farther than is near.
    pub(crate) passed: Vec<(usize, usize)>,
    /// Runs that were no find and whose parts were not tried.
    pub(crate) refused: Vec<(usize, usize)>,
    /// For one candidate the whole text may have been looked at.
    pub(crate) whole: bool,
}

/// What one candidate costs of the work budget, in bytes.
const CANDIDATE_COST: usize = 16;

/// All finds in a view.
pub(crate) fn scan(rules: &Rules, text: &[u8], work: &mut Work) -> Result<Found, Withheld> {
    scan_near(rules, text, std::slice::from_ref(&(0..text.len())), work)
}

/// The finds whose anchors stand in these ranges, which are disjoint and in order.
pub(crate) fn scan_near(
    rules: &Rules,
    text: &[u8],
    ranges: &[Range<usize>],
    work: &mut Work,
) -> Result<Found, Withheld> {
    let mut scan = Scan { rules, text, work, found: Found::default(), done: Vec::new() };
    for range in ranges {
        scan.work.spend(range.len())?;
        scan.anchors(range.start, range.end.min(text.len()))?;
    }
    Ok(scan.found)
}

struct Scan<'s> {
    rules: &'s Rules,
    text: &'s [u8],
    work: &'s mut Work,
    found: Found,
    /// What lies before is looked at already: of each finder, and of the names. Empty before the first candidate.
    done: Vec<usize>,
}

impl Scan<'_> {
    /// Every literal, every run of digits and every sign that may be part of an address, in one pass.
    fn anchors(&mut self, from: usize, to: usize) -> Result<(), Withheld> {
        let (rules, text) = (self.rules, self.text);
        let mut before = crate::bytes::before(text, from).map_or(0, |byte| CLASSES[usize::from(byte)] & DIGIT);
        let windows = text[from..text.len().min(to + 3)].array_windows::<4>();
        for (gap, four) in windows.enumerate() {
            let (at, class) = (from + gap, CLASSES[usize::from(four[0])]);
            if class & !before != 0 {
                self.shape(at)?;
            }
            if rules.literals.may_begin(*four) {
                self.literals(at)?;
            }
            before = class & DIGIT;
        }
        // The last three bytes begin no window of four.
        for at in text.len().saturating_sub(3).max(from)..to {
            let class = CLASSES[usize::from(text[at])];
            if class & !before != 0 {
                self.shape(at)?;
            }
            self.literals(at)?;
            before = class & DIGIT;
        }
        Ok(())
    }

    /// The literals that begin here.
    fn literals(&mut self, at: usize) -> Result<(), Withheld> {
        let (rules, text) = (self.rules, self.text);
        rules.literals.at(text, at, |length, target| match target {
            Target::Finder(finder) => self.candidate(finder, at),
            Target::Keyword(finder) if is_keyword(text, at, length) => self.after_keyword(finder, at, at + length),
            Target::Keyword(_) => Ok(()),
            Target::Name => self.name(at),
        })
    }

    /// What the digit or sign that stands here may be part of.
    fn shape(&mut self, at: usize) -> Result<(), Withheld> {
        let (rules, text) = (self.rules, self.text);
        match text[at] {
            b'0'..=b'9' => self.digits(at),
            b'@' => self.candidates(&rules.at_sign, at),
            b':' if is_double(text, at) || is_between_hex(text, at) => self.candidates(&rules.colon, at),
            b'-' if is_between_hex(text, at) && text.get(at + 3) == Some(&b'-') => self.candidates(&rules.hyphen, at),
            b'.' if is_between_hex(text, at) && text.get(at + 5) == Some(&b'.') => self.candidates(&rules.dot, at),
            _ => Ok(()),
        }
    }

    fn done(&self, finder: usize) -> usize {
        self.done.get(finder).copied().unwrap_or_default()
    }

    fn set_done(&mut self, finder: usize, place: usize) {
        if self.done.is_empty() {
            self.done.resize(self.rules.finders.len() + 1, 0);
        }
        self.done[finder] = place;
    }

    fn candidate(&mut self, finder: usize, at: usize) -> Result<(), Withheld> {
        let done = self.done(finder);
        if at < done {
            return Ok(());
        }
        let outcome = self.rules.finders[finder].try_at(self.text, at, done);
        self.work.spend(CANDIDATE_COST + outcome.walked)?;
        self.set_done(finder, outcome.resume);
        self.note(at, outcome.far, outcome.resume);
        if outcome.refused {
            self.found.trail.refused.push((at, outcome.resume));
        }
        self.found.hits.extend(outcome.hit);
        Ok(())
    }

    /// Notes a candidate for which more was looked at, or passed over, than what is near.
    fn note(&mut self, at: usize, far: usize, resume: usize) {
        let (near, trail) = (at + self.rules.near, &mut self.found.trail);
        trail.whole |= far == usize::MAX;
        if far > near {
            trail.far.push((at, far));
        }
        if resume > near {
            trail.passed.push((at, resume));
        }
    }

    /// Candidates that begin at most `within` bytes behind a keyword.
    fn after_keyword(&mut self, finder: usize, keyword: usize, from: usize) -> Result<(), Withheld> {
        let tried = &self.rules.finders[finder];
        let How::Pattern(pattern) = &tried.how else { return Ok(()) };
        let last = (from + tried.within).min(self.text.len());
        self.note(keyword, last + pattern.bytes_max() + 1, last + 1);
        let from = from.max(self.done(finder));
        self.work.spend(last.saturating_sub(from))?;
        for at in from..=last {
            if pattern.prefix.allows(self.text, at) {
                self.candidate(finder, at)?;
            }
        }
        let done = self.done(finder).max(last + 1);
        self.set_done(finder, done);
        Ok(())
    }

    fn name(&mut self, at: usize) -> Result<(), Withheld> {
        let names = self.rules.finders.len();
        if at < self.done(names) {
            return Ok(());
        }
        let outcome = keyed::check(self.rules, self.text, at);
        self.work.spend(CANDIDATE_COST + outcome.walked)?;
        let resume = outcome.hit.map_or(at + 1, |hit| hit.end.max(at + 1));
        self.set_done(names, resume);
        self.note(at, outcome.far, resume);
        if outcome.quoted_name && self.found.names.last() != Some(&outcome.name_at) {
            self.found.names.push(outcome.name_at);
        }
        self.found.hits.extend(outcome.hit);
        Ok(())
    }

    #[inline(never)]
    fn candidates(&mut self, finders: &[usize], at: usize) -> Result<(), Withheld> {
        finders.iter().try_for_each(|finder| self.candidate(*finder, at))
    }

    /// The run of digits that starts here, by its length and its sides.
    #[inline(never)]
    fn digits(&mut self, start: usize) -> Result<(), Withheld> {
        let rules = self.rules;
        let end = run(self.text, start + 1, |byte| byte.is_ascii_digit());
        // The run may also be the end of a number that begins before it.
        self.note(start.saturating_sub(detector::REACH / 4), end + 1, 0);
        let behind = self.text.get(end).copied().unwrap_or_default();
        // After a written escape, the letter before is none.
        let before = start.checked_sub(1).map_or(0, |place| self.text[place]);
        let escaped = matches!(before, b'n' | b'r' | b't') && after_escape(self.text, start);
        for way in rules.runs.ways(end - start, (!escaped).then_some(before), behind) {
            if start >= way.lead {
                self.candidate(way.finder, start - way.lead)?;
            }
        }
        Ok(())
    }
}

const DIGIT: u8 = 1;
const SIGN: u8 = 2;

/// Digits, and `@`, `:`, `-` and `.`.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        classes[digit as usize] = DIGIT;
        digit += 1;
    }
    classes[b'@' as usize] = SIGN;
    classes[b':' as usize] = SIGN;
    classes[b'-' as usize] = SIGN;
    classes[b'.' as usize] = SIGN;
    classes
};

fn is_double(text: &[u8], at: usize) -> bool {
    text.get(at + 1) == Some(&b':')
}

fn is_between_hex(text: &[u8], at: usize) -> bool {
    let hexadecimal = |place: usize| text.get(place).is_some_and(u8::is_ascii_hexdigit);
    at > 0 && hexadecimal(at - 1) && hexadecimal(at + 1)
}

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
    /// The parts of what was looked at are refused with it.
    pub(crate) refused: bool,
}

impl Finder {
    /// Tries the candidate at `at`; everything before `done` is looked at already.
    pub(crate) fn try_at(&self, text: &[u8], at: usize, done: usize) -> Outcome {
        let none = Outcome { hit: None, resume: at + 1, walked: 0, far: 0, refused: false };
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
                let none = Outcome { far: at + pattern.bytes_max() + 1, ..none };
                let Some(found) = pattern.at(text, at) else { return none };
                let outcome = Outcome { walked: found.end - at, far: none.far.max(found.end + 1), ..none };
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
        crate::bytes::before(text, at).is_some_and(|byte| left.has(byte)) && !crate::bytes::after_escape(text, at)
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

    fn word_before(&self, text: &[u8], start: usize, word: &str) -> bool {
        let from = start.saturating_sub(self.within + word.len());
        (from..start.saturating_sub(word.len() - 1)).any(|at| {
            text[at..at + word.len()].eq_ignore_ascii_case(word.as_bytes()) && is_keyword(text, at, word.len())
        })
    }
}

/// Longest keyword that counts only as a whole word, in bytes; longer ones may go on, as in `Steueridentifikation`.
const WHOLE_WORD_MAX: usize = 4;

/// A keyword begins a word, and a short one ends it.
fn is_keyword(text: &[u8], at: usize, length: usize) -> bool {
    let letter = |place: usize| text.get(place).is_some_and(u8::is_ascii_alphabetic);
    let goes_on = length <= WHOLE_WORD_MAX && letter(at + length - 1) && letter(at + length);
    let begun = letter(at) && at > 0 && letter(at - 1);
    !begun && !goes_on
}

/// Overlapping finds become one, under the rule that comes first.
pub(crate) fn join(mut hits: Vec<Hit>, url_credential: Option<RuleId>) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.start, hit.rule));
    let mut joined: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match joined.last_mut() {
            Some(last) if hit.start < last.end => {
                // `user:secret@host.example`: what follows the password only looks like an address.
                if Some(last.rule) == url_credential && hit.end > last.end && hit.rule > last.rule {
                    continue;
                }
                last.end = last.end.max(hit.end);
                last.rule = last.rule.min(hit.rule);
            }
            _ => joined.push(hit),
        }
    }
    joined
}

/// Takes the replacements that are in the text already out of the finds.
pub(crate) fn spare(hits: Vec<Hit>, reserved: &[(usize, usize)], text: &[u8]) -> Vec<Hit> {
    if reserved.is_empty() {
        return hits;
    }
    let mut spared = Vec::with_capacity(hits.len());
    let mut from = 0;
    for hit in hits {
        let mut start = hit.start;
        while reserved.get(from).is_some_and(|(_, end)| *end <= start) {
            from += 1;
        }
        let inside = reserved[from..].iter().take_while(|(begin, _)| *begin < hit.end);
        let mut cut = false;
        for (begin, end) in inside {
            cut = true;
            spared.extend(piece(start, *begin, hit, text));
            start = *end;
        }
        if cut {
            spared.extend(piece(start, hit.end, hit, text));
        } else {
            spared.push(hit);
        }
    }
    spared
}

/// What is left beside a replacement, unless it is only punctuation.
fn piece(start: usize, end: usize, hit: Hit, text: &[u8]) -> Option<Hit> {
    let tells = text.get(start..end)?.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    tells.then_some(Hit { start, end, ..hit })
}
