//! What is tried at a run of digits: chosen by the length of the run and the bytes at its sides, in two look-ups.
//!
//! Logs and tables are full of short numbers, and hardly any of them can be anything; so what a pattern allows before
//! and behind the run is worked out once. It refuses nothing that a rule would find.

use crate::{bytes::ByteSet, detector::Sides, rules::compile::Pattern};

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

#[derive(Default)]
struct Length {
    ways: Vec<Way>,
    /// For each byte before the run, and for each behind it, the ways that it allows.
    before: Vec<u64>,
    behind: Vec<u64>,
}

pub(crate) struct Runs(Vec<Length>);

impl Default for Runs {
    fn default() -> Runs {
        let empty = || Length { ways: Vec::new(), before: vec![0; 256], behind: vec![0; 256] };
        Runs((0..=RUN_MAX).map(|_| empty()).collect())
    }
}

impl Runs {
    pub(crate) fn add_detector(&mut self, finder: usize, sides: Sides) {
        let way = Way { finder, lead: 0 };
        for length in sides.lengths.0..=sides.lengths.1 {
            if length >= sides.any_from {
                self.add(length, way, |_| true, |_| true);
                continue;
            }
            self.add(length, way, |byte| sides.before.contains(&byte), |_| true);
            self.add(length, way, |byte| !sides.before.contains(&byte), |byte| sides.behind.contains(&byte));
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
            let behind = pattern.prefix.at(lead + length);
            let may_lead = |byte: u8| match &first {
                Some(set) => set.has(byte),
                None => !left.is_some_and(|left| left.has(byte)),
            };
            let may_follow = |byte: u8| behind.has(byte) && next.is_none_or(|next| next.has(byte));
            self.add(length, Way { finder, lead }, may_lead, may_follow);
        }
    }

    fn add(&mut self, length: usize, way: Way, before: impl Fn(u8) -> bool, behind: impl Fn(u8) -> bool) {
        let of_length = &mut self.0[length];
        let place = of_length.ways.len();
        of_length.ways.push(way);
        if place >= TOLD_MAX {
            return;
        }
        for byte in 0..=u8::MAX {
            of_length.before[usize::from(byte)] |= u64::from(before(byte)) << place;
            of_length.behind[usize::from(byte)] |= u64::from(behind(byte)) << place;
        }
    }

    /// What may be at the run of this length between these bytes (0 at an end of the text), from left to right.
    #[inline]
    pub(crate) fn ways(&self, length: usize, before: Option<u8>, behind: u8) -> Ways<'_> {
        let of_length = &self.0[length.min(RUN_MAX)];
        let before = before.map_or(u64::MAX, |byte| of_length.before[usize::from(byte)]);
        let told = before & of_length.behind[usize::from(behind)];
        Ways { ways: &of_length.ways, told, untold: TOLD_MAX }
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
