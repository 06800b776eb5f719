//! At which places of a block a literal, a run of digits or a sign may begin.
//!
//! Most places begin nothing. So all places of a block are judged at once, by operations on many bytes or bits, and only
//! those that are left are looked at one by one. It refuses to decide: what it marks may be nothing.

use std::ops::RangeInclusive;

use crate::block::{BLOCK_BYTES, Block};

/// From one dot of a hardware address to the next.
pub(super) const DOTS_DISTANCE: usize = 5;

/// The bytes of a block that a run of digits or an address is made of.
#[derive(Clone, Copy, Default)]
pub(super) struct Signs {
    pub(super) digits: u64,
    /// `a` to `f`.
    hexadecimal: u64,
    at: u64,
    colons: u64,
    hyphens: u64,
    dots: u64,
}

impl Signs {
    #[inline]
    pub(super) fn of(text: &[u8], at: usize) -> Signs {
        let block = Block::at(text, at);
        Signs {
            digits: block.is_digit().bits(),
            hexadecimal: block.within(b'a', b'f').bits(),
            at: block.is(b'@').bits(),
            colons: block.is(b':').bits(),
            hyphens: block.is(b'-').bits(),
            dots: block.is(b'.').bits(),
        }
    }

    /// Of what stands before this place, as if a block ended there.
    pub(super) fn before(text: &[u8], at: usize) -> Signs {
        let start = at.saturating_sub(BLOCK_BYTES);
        let missing = (BLOCK_BYTES - (at - start)) as u32;
        let signs = Signs::of(&text[..at], start);
        let [digits, hexadecimal, dots] =
            [signs.digits, signs.hexadecimal, signs.dots].map(|bits| bits.checked_shl(missing).unwrap_or_default());
        Signs { digits, hexadecimal, dots, ..Signs::default() }
    }

    /// The first of some digits; `@`; `:` in a pair, or with another one near; `-` and `.` where the next separators of a
    /// hardware address follow, and the first `.` of an IP address. Digits behind a digit and a letter are a hash's, unless those
    /// are wanted.
    #[inline]
    pub(super) fn beginnings(&self, last: &Signs, next: &Signs, within_hashes: bool) -> u64 {
        let hash = before_by(2, self.digits, last.digits) & before_by(1, self.hexadecimal, last.hexadecimal);
        let runs = self.digits & !before_by(1, self.digits, last.digits) & !if within_hashes { 0 } else { hash };
        let behind = |bits: u64, next: u64, distances: RangeInclusive<u32>| {
            distances.fold(0, |any, distance| any | behind_by(distance, bits, next))
        };
        let colons = self.colons & behind(self.colons, next.colons, 1..=5);
        let third = behind_by(3, self.hyphens, next.hyphens);
        let hyphens = self.hyphens & third & behind_by(6, self.hyphens, next.hyphens);
        let dots = self.dots & behind_by(DOTS_DISTANCE as u32, self.dots, next.dots) | self.quads(last, next);
        runs | self.at | colons | hyphens | dots
    }

    /// The first dots of dotted numbers: a digit on either side, another dot near behind, and none before but digits.
    #[inline]
    fn quads(&self, last: &Signs, next: &Signs) -> u64 {
        let digit = |distance| before_by(distance, self.digits, last.digits);
        let dot = |distance| before_by(distance, self.dots, last.dots);
        let goes_on = dot(2) | digit(2) & (dot(3) | digit(3) & dot(4));
        let another = (2..=4).fold(0, |any, distance| any | behind_by(distance, self.dots, next.dots));
        self.dots & digit(1) & behind_by(1, self.digits, next.digits) & another & !goes_on
    }
}

/// How many places from this one on have their bits, within the block.
#[inline]
pub(super) fn run(bits: u64, place: usize) -> usize {
    (bits >> place).trailing_ones() as usize
}

/// At each place the bit of the place that stands so far before it, in this block or in the last one.
#[inline]
fn before_by(distance: u32, bits: u64, last: u64) -> u64 {
    bits << distance | last >> (u64::BITS - distance)
}

/// At each place the bit of the place that stands so far behind it, in this block or in the next one.
#[inline]
fn behind_by(distance: u32, bits: u64, next: u64) -> u64 {
    bits >> distance | next << (u64::BITS - distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::places;

    /// The places that are marked, block by block.
    fn marked(text: &[u8], from: usize) -> Vec<usize> {
        let (mut found, mut last, mut next) = (Vec::new(), Signs::before(text, from), Signs::of(text, from));
        for base in (from..text.len()).step_by(BLOCK_BYTES) {
            let here = std::mem::replace(&mut next, Signs::of(text, base + BLOCK_BYTES));
            found.extend(places(here.beginnings(&last, &next, false)).map(|place| base + place));
            last = here;
        }
        found
    }

    #[test]
    fn shapes_are_marked_where_they_begin_wherever_they_stand() {
        let text = b"a12 3 @ x:y a:b :: 00-1b-44 a-b 001b.4411.3ab7 1.2 b:c:d 00-1b-44-11 3f9x9 1.23.4 a.b.c 12.3456.7";
        let expected = [
            1, 4, 6, 9, 13, 16, 19, 22, 25, 32, 36, 37, 42, 45, 47, 49, 52, 57, 59, 60, 63, 66, 69, 73, 75, 76, 77, 80,
            85, 88, 90, 91, 96,
        ];
        for gap in 0..150 {
            let moved = [" ".repeat(gap).as_bytes(), text].concat();
            let places: Vec<usize> = expected.iter().map(|place| place + gap).collect();
            for from in 0..gap {
                assert_eq!(marked(&moved, from), places, "{gap} {from}");
            }
            let rest = |from: usize| places.iter().copied().filter(|place| *place >= from).collect::<Vec<_>>();
            for from in gap..moved.len() {
                assert_eq!(marked(&moved, from), rest(from), "{gap} {from}");
            }
        }
    }
}
