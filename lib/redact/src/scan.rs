//! Finding values in one view of a text: candidates by anchors – literals, runs of digits, `@`, `:` – each then
//! checked where it stands.
//!
//! No pattern runs over the whole text, every check looks at a bounded window, and a rule never looks again at what it
//! has found, so the cost grows with the text and not with what somebody wrote into it. The reference scanner says
//! what must be found; this one finds the same. It refuses to know JSON.

use std::ops::Range;

use self::{
    candidate::is_keyword,
    marks::{DOTS_DISTANCE, Signs, run},
};
use crate::{
    Withheld,
    block::{BLOCK_BYTES, places},
    bytes::{self, is_digit},
    detector, keyed,
    rules::{How, RuleId, Rules, Target},
    work::Work,
};

pub(crate) mod anchors;
mod candidate;
mod join;
mod marks;
pub(crate) mod reference;
pub(crate) mod runs;

pub(crate) use join::{join, spare};

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

/// Runs of more digits may be looked at from afar.
const LONG_RUN: usize = detector::REACH / 2;
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
    let mut scan = Scan { rules, text, work, found: Found::default(), done: Vec::new(), seen: Vec::new() };
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
    /// What may be part of a match of each finder whose matches are long. Empty before the first of them is tried.
    seen: Vec<Range<usize>>,
}

impl Scan<'_> {
    /// Every literal, every run of digits and every sign that may be part of an address, in one pass.
    fn anchors(&mut self, from: usize, to: usize) -> Result<(), Withheld> {
        let (rules, text) = (self.rules, self.text);
        let (mut last, mut next) = (Signs::before(text, from), Signs::of(text, from));
        for base in (from..to).step_by(BLOCK_BYTES) {
            let here = std::mem::replace(&mut next, Signs::of(text, base + BLOCK_BYTES));
            let wanted = low_bits(to - base);
            let shapes = here.beginnings(&last, &next, rules.runs.within_hashes);
            for place in places(shapes & wanted) {
                // By far most are digits.
                match run(here.digits, place) {
                    0 => self.sign(base + place)?,
                    length => {
                        let known = base + place + length;
                        let goes_on = place + length == BLOCK_BYTES;
                        let end = if goes_on { bytes::run(text, known, |byte| byte.is_ascii_digit()) } else { known };
                        self.digits(base + place..end)?;
                    }
                }
            }
            for place in places(rules.literals.marks(text, base) & wanted) {
                self.literals(base + place)?;
            }
            last = here;
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

    /// What the sign that stands here may be part of.
    #[inline(never)]
    fn sign(&mut self, at: usize) -> Result<(), Withheld> {
        let rules = self.rules;
        match self.text[at] {
            b'@' => self.candidates(&rules.at_sign, at),
            b':' if is_one_of_many(self.text, at) => self.candidates(&rules.colon, at),
            b':' => Ok(()),
            b'-' => self.candidates(&rules.hyphen, at),
            _ => {
                if self.text.get(at + DOTS_DISTANCE) == Some(&b'.') {
                    self.candidates(&rules.dot, at)?;
                }
                if is_digit(self.text, at + 1) { self.candidates(&rules.point, at) } else { Ok(()) }
            }
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
        let reach = if outcome.tried { self.reach(finder, at) } else { 0 };
        self.note(at, outcome.far.max(reach), outcome.resume);
        if outcome.refused {
            self.found.trail.refused.push((at, outcome.resume));
        }
        self.found.hits.extend(outcome.hit);
        Ok(())
    }

    /// The end of what was looked at for a pattern, where that may be farther than near.
    fn reach(&mut self, finder: usize, at: usize) -> usize {
        let (rules, text) = (self.rules, self.text);
        match &rules.finders[finder].how {
            How::Pattern(pattern) if !pattern.is_within(rules.near) => {
                self.seen.resize(rules.finders.len(), 0..0);
                pattern.reach(text, at, &mut self.seen[finder])
            }
            _ => 0,
        }
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
        let end = keyed::name_end(self.text, at);
        if !keyed::may_announce(self.text, at, end) {
            self.set_done(names, at + 1);
            return self.work.spend(CANDIDATE_COST + end - at);
        }
        let outcome = keyed::announced(self.rules, self.text, at, end);
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

    /// A whole run of digits, by its length and what stands around it: hardly any of them can be anything.
    #[inline(always)]
    fn digits(&mut self, run: Range<usize>) -> Result<(), Withheld> {
        let told = self.rules.runs.beside(self.text, &run);
        if told != 0 || run.len() > LONG_RUN { self.run(run, told) } else { Ok(()) }
    }

    #[inline(never)]
    fn run(&mut self, run: Range<usize>, told: u64) -> Result<(), Withheld> {
        if run.len() > LONG_RUN {
            // The run may also be the end of a number that begins before it.
            self.note(run.start.saturating_sub(detector::REACH / 4), run.end + 1, 0);
        }
        for way in self.rules.runs.ways(self.text, &run, told) {
            let Some(at) = run.start.checked_sub(way.lead) else { continue };
            if self.rules.finders[way.finder].may_begin(self.text, at) {
                self.candidate(way.finder, at)?;
            }
        }
        Ok(())
    }
}

/// The lowest bits of a word: as many as that, or all.
fn low_bits(count: usize) -> u64 {
    if count < BLOCK_BYTES { (1 << count) - 1 } else { u64::MAX }
}

/// Fewest colons of an address that has no two together.
const COLONS_MIN: usize = 4;
/// Farthest from one to the next.
const COLON_DISTANCE_MAX: usize = 5;

/// A colon before another one, or the first of as many as an address has: the others lead to the same address.
fn is_one_of_many(text: &[u8], mut at: usize) -> bool {
    if text.get(at + 1) == Some(&b':') {
        return true;
    }
    (1..COLONS_MIN).all(|_| {
        let group = text.get(at + 2..text.len().min(at + 1 + COLON_DISTANCE_MAX)).unwrap_or_default();
        let next = group.iter().position(|byte| *byte == b':');
        at += next.map_or(0, |distance| distance + 2);
        next.is_some()
    })
}
