//! What is tried at a run of digits: chosen by the length of the run, its first digits and the bytes around it, in a few
//! look-ups.
//!
//! Logs and tables are full of short numbers, and hardly any of them can be anything; so what a pattern or a detector
//! allows there is worked out once. It refuses nothing that a rule would find.

use std::ops::Range;

use crate::{
    bytes::{ByteSet, after_escape, ends_escape},
    detector::Sides,
    rules::compile::Pattern,
};

/// Longest run of digits that is told apart; longer ones count as this long.
pub(crate) const RUN_MAX: usize = 31;
/// Most ways of one length that are told apart; those beyond are always tried.
const TOLD_MAX: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) finder: usize,
    /// How far before the run the candidate begins.
    pub(crate) lead: usize,
}

/// The ways that each byte allows, as bits, by where it stands.
type Allowed = [[u64; 256]; PLACES];

const SECOND_BEFORE: usize = 0;
const BEFORE: usize = 1;
const FIRST: usize = 2;
/// Behind the first digit, another one or not.
const SECOND: usize = 3;
const BEHIND: usize = 4;
const BEYOND: usize = 5;
const PLACES: usize = 6;

/// Which bytes a way allows at those places.
type Around = [ByteSet; PLACES];

/// The ways of runs of one length.
#[derive(Clone)]
struct Length {
    ways: Vec<Way>,
    allowed: Box<Allowed>,
}

pub(crate) struct Runs {
    lengths: [Length; RUN_MAX + 1],
    /// Something may be at a run behind a digit and one of `a` to `f`: otherwise digits within hashes are passed over.
    pub(crate) within_hashes: bool,
}

impl Default for Runs {
    fn default() -> Runs {
        let none = || Length { ways: Vec::new(), allowed: Box::new([[0; 256]; PLACES]) };
        Runs { lengths: std::array::from_fn(|_| none()), within_hashes: false }
    }
}

impl Runs {
    pub(crate) fn add_detector(&mut self, finder: usize, ways: &[Sides]) {
        for sides in ways {
            let listed = |bytes: &[u8]| ByteSet::of(|byte| bytes.is_empty() || bytes.contains(&byte));
            let around = [
                listed(sides.second_before),
                ByteSet::of(|byte| sides.may_lead(byte)),
                listed(sides.first),
                listed(sides.second),
                listed(sides.behind),
                ByteSet::of(|byte| sides.behind.is_empty() || byte.is_ascii_digit() || sides.beyond.contains(&byte)),
            ];
            for length in sides.lengths.0..=sides.lengths.1 {
                self.add(length, Way { finder, lead: 0 }, &around);
            }
        }
    }

    pub(crate) fn add_pattern(
        &mut self,
        finder: usize,
        lengths: &[u8],
        lead: usize,
        pattern: &Pattern,
        (left, next): (Option<&ByteSet>, Option<&ByteSet>),
    ) {
        // Counted backwards from the run: within the match, just before it, or farther.
        let before = |distance: usize| match lead.checked_sub(distance) {
            Some(place) => pattern.prefix.at(place),
            None if distance > lead + 1 => ByteSet::all(),
            None => ByteSet::of(|byte| !left.is_some_and(|left| left.has(byte))),
        };
        for length in lengths.iter().map(|length| usize::from(*length).min(RUN_MAX)) {
            let [first, second, behind, beyond] =
                [0, 1, length, length + 1].map(|place| pattern.prefix.at(lead + place));
            let behind = ByteSet::of(|byte| behind.has(byte) && next.is_none_or(|next| next.has(byte)));
            let around = [before(2), before(1), first, second, behind, beyond];
            self.add(length, Way { finder, lead }, &around);
        }
    }

    fn add(&mut self, length: usize, way: Way, around: &Around) {
        let digit = (b'0'..=b'9').any(|byte| around[SECOND_BEFORE].has(byte));
        self.within_hashes |= digit && (b'a'..=b'f').any(|byte| around[BEFORE].has(byte));
        let Length { ways, allowed } = &mut self.lengths[length];
        let bit = ways.len();
        ways.push(way);
        if bit >= TOLD_MAX {
            return;
        }
        for byte in 0..=u8::MAX {
            let place = usize::from(byte);
            for (allowed, set) in allowed.iter_mut().zip(around) {
                allowed[place] |= u64::from(set.has(byte)) << bit;
            }
            // After a written escape, what is before is another: the candidate is asked.
            allowed[BEFORE][place] |= u64::from(ends_escape(byte)) << bit;
        }
    }

    /// The ways that a run may be anything by, as bits; told by how it begins and what stands right beside it. Hardly any run
    /// can be anything.
    #[inline]
    pub(crate) fn beside(&self, text: &[u8], run: &Range<usize>) -> u64 {
        let Length { ways, allowed } = &self.lengths[run.len().min(RUN_MAX)];
        let at = |place: usize| usize::from(text.get(place).copied().unwrap_or_default());
        let before = if run.start > 0 { at(run.start - 1) } else { 0 };
        let within = allowed[FIRST][at(run.start)] & allowed[SECOND][at(run.start + 1)];
        let told = allowed[BEFORE][before] & within & allowed[BEHIND][at(run.end)] & allowed[BEYOND][at(run.end + 1)];
        if ways.len() > TOLD_MAX { u64::MAX } else { told }
    }

    /// What may be at this run, from left to right, of what was told by [`Runs::beside`].
    pub(crate) fn ways(&self, text: &[u8], run: &Range<usize>, mut told: u64) -> Ways<'_> {
        let Length { ways, allowed } = &self.lengths[run.len().min(RUN_MAX)];
        if !after_escape(text, run.start) {
            let second_before = run.start.checked_sub(2).map_or(0, |place| text[place]);
            told &= allowed[SECOND_BEFORE][usize::from(second_before)];
        }
        Ways { ways, told, untold: TOLD_MAX }
    }
}

/// First the ways that are told apart, then the others.
pub(crate) struct Ways<'r> {
    ways: &'r [Way],
    told: u64,
    untold: usize,
}

impl Iterator for Ways<'_> {
    type Item = Way;

    #[inline]
    fn next(&mut self) -> Option<Way> {
        if self.told != 0 {
            let place = self.told.trailing_zeros() as usize;
            self.told &= self.told - 1;
            return self.ways.get(place).copied();
        }
        let way = self.ways.get(self.untold).copied();
        self.untold += 1;
        way
    }
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.lengths.iter().map(|length| length.ways.len())).finish()
    }
}
