//! What is tried at a run of digits: chosen by the length of the run, its first digit and the bytes around it, in a few
//! look-ups.
//!
//! Logs and tables are full of short numbers, and hardly any of them can be anything; so what a pattern or a detector
//! allows there is worked out once. It refuses nothing that a rule would find.

use std::ops::Range;

use crate::{
    bytes::{ByteSet, after_escape, before, is_word},
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

pub(crate) struct Runs(Vec<Length>);

impl Default for Runs {
    fn default() -> Runs {
        Runs(vec![Length { ways: Vec::new(), allowed: [[0; 256]; PLACES] }; RUN_MAX + 1])
    }
}

impl Runs {
    pub(crate) fn add_detector(&mut self, finder: usize, ways: &[Sides]) {
        for sides in ways {
            for length in sides.lengths.0..=sides.lengths.1 {
                let way = Way { finder, lead: 0 };
                let digit = |byte: u8| byte.is_ascii_digit();
                let allows = |bytes: &[u8], byte: u8| bytes.is_empty() || bytes.contains(&byte);
                let barred = |byte: u8| {
                    (sides.apart && is_word(byte)) || sides.not_before.contains(&byte) || !allows(sides.before, byte)
                };
                self.add(length, way, |place, byte| match place {
                    0 => !barred(byte),
                    1 => allows(sides.first, byte),
                    2 => allows(sides.behind, byte),
                    _ => sides.behind.is_empty() || digit(byte) || sides.beyond.contains(&byte),
                });
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
        for length in lengths.iter().map(|length| usize::from(*length).min(RUN_MAX)) {
            let first = lead.checked_sub(1).map(|place| pattern.prefix.at(place));
            let [digit, behind, beyond] = [0, length, length + 1].map(|place| pattern.prefix.at(lead + place));
            let may_lead = |byte: u8| match &first {
                Some(set) => set.has(byte),
                None => !left.is_some_and(|left| left.has(byte)),
            };
            self.add(length, Way { finder, lead }, |place, byte| match place {
                0 => may_lead(byte),
                1 => digit.has(byte),
                2 => behind.has(byte) && next.is_none_or(|next| next.has(byte)),
                _ => beyond.has(byte),
            });
        }
    }

    fn add(&mut self, length: usize, way: Way, allows: impl Fn(usize, u8) -> bool) {
        let of_length = &mut self.0[length];
        let bit = of_length.ways.len();
        of_length.ways.push(way);
        if bit >= TOLD_MAX {
            return;
        }
        for (place, allowed) in of_length.allowed.iter_mut().enumerate() {
            for byte in 0..=u8::MAX {
                allowed[usize::from(byte)] |= u64::from(allows(place, byte)) << bit;
            }
        }
    }

    /// What may be at this run, from left to right.
    #[inline]
    pub(crate) fn ways(&self, text: &[u8], run: Range<usize>) -> Ways<'_> {
        let Length { ways, allowed } = &self.0[run.len().min(RUN_MAX)];
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
        f.debug_list().entries(self.0.iter().map(|length| length.ways.len())).finish()
    }
}
