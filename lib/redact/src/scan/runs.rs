//! What is tried at a run of digits: chosen by the length of the run, its first digit and the bytes around it, in a few
//! look-ups.
//!
//! Logs and tables are full of short numbers, and hardly any of them can be anything; so what a pattern or a detector
//! allows there is worked out once. It refuses nothing that a rule would find.

use std::ops::Range;

use crate::{
    bytes::{ByteSet, after_escape},
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

/// The ways that a byte allows, as bits: as the second and the first before the run, as its first digit, as the one behind
/// it and as the one behind that.
type Allowed = [u64; PLACES];

const PLACES: usize = 5;

/// Which bytes a way allows at those places.
type Around = [ByteSet; PLACES];

pub(crate) struct Runs {
    /// Bytes that allow the same are of one kind: so the table stays small.
    kinds: [u8; 256],
    /// What each kind allows, for runs of one length after the other.
    allowed: Vec<Allowed>,
    kind_count: usize,
    ways: Vec<Vec<Way>>,
    /// Something may be at a run behind a digit and one of `a` to `f`: otherwise digits within hashes are passed over.
    pub(crate) within_hashes: bool,
}

/// What becomes [`Runs`]: for each length the ways, and what each byte allows.
pub(crate) struct RunsBuilder {
    lengths: Vec<(Vec<Way>, Vec<Allowed>)>,
    within_hashes: bool,
}

impl Default for RunsBuilder {
    fn default() -> RunsBuilder {
        RunsBuilder { lengths: vec![(Vec::new(), vec![[0; PLACES]; 256]); RUN_MAX + 1], within_hashes: false }
    }
}

impl RunsBuilder {
    pub(crate) fn build(self) -> Runs {
        let (mut kinds, mut examples) = ([0; 256], Vec::<u8>::new());
        for byte in 0..=u8::MAX {
            let alike = |other: &u8| self.allowed(byte).eq(self.allowed(*other));
            let kind = examples.iter().position(alike).unwrap_or(examples.len());
            if kind == examples.len() {
                examples.push(byte);
            }
            kinds[usize::from(byte)] = kind as u8;
        }
        let of_kinds = |(_, allowed): &(Vec<Way>, Vec<Allowed>)| {
            examples.iter().map(|byte| allowed[usize::from(*byte)]).collect::<Vec<_>>()
        };
        Runs {
            kinds,
            allowed: self.lengths.iter().flat_map(of_kinds).collect(),
            kind_count: examples.len(),
            ways: self.lengths.into_iter().map(|(ways, _)| ways).collect(),
            within_hashes: self.within_hashes,
        }
    }

    /// What a byte allows, length by length.
    fn allowed(&self, byte: u8) -> impl Iterator<Item = Allowed> {
        self.lengths.iter().map(move |(_, allowed)| allowed[usize::from(byte)])
    }

    pub(crate) fn add_detector(&mut self, finder: usize, ways: &[Sides]) {
        for sides in ways {
            let listed = |bytes: &[u8]| ByteSet::of(|byte| bytes.is_empty() || bytes.contains(&byte));
            let around = [
                listed(sides.second_before),
                ByteSet::of(|byte| sides.may_lead(byte)),
                listed(sides.first),
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
            let [first, behind, beyond] = [0, length, length + 1].map(|place| pattern.prefix.at(lead + place));
            let behind = ByteSet::of(|byte| behind.has(byte) && next.is_none_or(|next| next.has(byte)));
            let around = [before(2), before(1), first, behind, beyond];
            self.add(length, Way { finder, lead }, &around);
        }
    }

    fn add(&mut self, length: usize, way: Way, around: &Around) {
        let [second_before, before, ..] = around;
        let digit = (b'0'..=b'9').any(|byte| second_before.has(byte));
        self.within_hashes |= digit && (b'a'..=b'f').any(|byte| before.has(byte));
        let (ways, allowed) = &mut self.lengths[length];
        let bit = ways.len();
        ways.push(way);
        if bit >= TOLD_MAX {
            return;
        }
        for (byte, allowed) in (0..=u8::MAX).zip(allowed) {
            for (allowed, set) in allowed.iter_mut().zip(around) {
                *allowed |= u64::from(set.has(byte)) << bit;
            }
        }
    }
}

impl Runs {
    /// What may be at this run, from left to right.
    #[inline]
    pub(crate) fn ways(&self, text: &[u8], run: Range<usize>) -> Ways<'_> {
        let length = run.len().min(RUN_MAX);
        let allowed = &self.allowed[length * self.kind_count..][..self.kind_count];
        let at = |place: usize| &allowed[self.kind(text.get(place).copied())];
        let mut told = at(run.start)[2] & at(run.end)[3] & at(run.end + 1)[4];
        // After a written escape, what is before is another.
        if told != 0 && !after_escape(text, run.start) {
            let back = |distance: usize| &allowed[self.kind(run.start.checked_sub(distance).map(|place| text[place]))];
            told &= back(2)[0] & back(1)[1];
        }
        Ways { ways: &self.ways[length], told, untold: TOLD_MAX }
    }

    /// Beyond the ends of the text there is a zero.
    #[inline]
    fn kind(&self, byte: Option<u8>) -> usize {
        usize::from(self.kinds[usize::from(byte.unwrap_or_default())])
    }
}

/// First the ways that are told apart, then the others.
pub(crate) struct Ways<'r> {
    ways: &'r [Way],
    told: u64,
    untold: usize,
}

impl Ways<'_> {
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.told == 0 && self.ways.len() <= TOLD_MAX
    }
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
        f.debug_list().entries(self.ways.iter().map(Vec::len)).finish()
    }
}
