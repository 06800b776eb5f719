//! What is tried at a run of digits: chosen by the length of the run, its first digit and the bytes around it, in a few
//! look-ups.
//!
//! Logs and tables are full of short numbers, and hardly any of them can be anything; so what a pattern or a detector
//! allows there is worked out once. It refuses nothing that a rule would find.

use std::ops::Range;

use crate::{
    bytes::{ByteSet, after_escape, before},
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

/// What may be at runs of one length. For each byte the ways that it allows, as bits: as the one before the run, as its
/// first digit, as the one behind it and as the one behind that.
#[derive(Clone)]
struct Length {
    ways: Vec<Way>,
    allowed: [[u64; 256]; PLACES],
}

const PLACES: usize = 4;

/// Which bytes a way allows: at the second place before the run, and at those four.
struct Around {
    second_before: ByteSet,
    places: [ByteSet; PLACES],
}

pub(crate) struct Runs {
    lengths: Vec<Length>,
    /// Something may be at a run behind a digit and one of `a` to `f`: otherwise digits within hashes are passed over.
    pub(crate) within_hashes: bool,
}

impl Default for Runs {
    fn default() -> Runs {
        let length = Length { ways: Vec::new(), allowed: [[0; 256]; PLACES] };
        Runs { lengths: vec![length; RUN_MAX + 1], within_hashes: false }
    }
}

impl Runs {
    pub(crate) fn add_detector(&mut self, finder: usize, ways: &[Sides]) {
        for sides in ways {
            let listed = |bytes: &[u8]| ByteSet::of(|byte| bytes.is_empty() || bytes.contains(&byte));
            let around = Around {
                second_before: ByteSet::all(),
                places: [
                    ByteSet::of(|byte| sides.may_lead(byte)),
                    listed(sides.first),
                    listed(sides.behind),
                    ByteSet::of(|byte| {
                        sides.behind.is_empty() || byte.is_ascii_digit() || sides.beyond.contains(&byte)
                    }),
                ],
            };
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
            let [first, behind, beyond] = [0, length, length + 1].map(|place| pattern.prefix.at(lead + place));
            let behind = ByteSet::of(|byte| behind.has(byte) && next.is_none_or(|next| next.has(byte)));
            let around = Around { second_before: before(2), places: [before(1), first, behind, beyond] };
            self.add(length, Way { finder, lead }, &around);
        }
    }

    fn add(&mut self, length: usize, way: Way, around: &Around) {
        let digit = (b'0'..=b'9').any(|byte| around.second_before.has(byte));
        self.within_hashes |= digit && (b'a'..=b'f').any(|byte| around.places[0].has(byte));
        let of_length = &mut self.lengths[length];
        let bit = of_length.ways.len();
        of_length.ways.push(way);
        if bit >= TOLD_MAX {
            return;
        }
        for (allowed, set) in of_length.allowed.iter_mut().zip(&around.places) {
            for byte in (0..=u8::MAX).filter(|byte| set.has(*byte)) {
                allowed[usize::from(byte)] |= 1 << bit;
            }
        }
    }

    /// What may be at this run, from left to right.
    #[inline]
    pub(crate) fn ways(&self, text: &[u8], run: Range<usize>) -> Ways<'_> {
        let Length { ways, allowed } = &self.lengths[run.len().min(RUN_MAX)];
        let at = |place: usize| usize::from(text.get(place).copied().unwrap_or_default());
        let mut told = allowed[1][at(run.start)] & allowed[2][at(run.end)] & allowed[3][at(run.end + 1)];
        // After a written escape, the letter before is none.
        if told != 0 && !after_escape(text, run.start) {
            told &= allowed[0][usize::from(before(text, run.start).unwrap_or_default())];
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
