//! Sixty-four places of a text at a time: at which of them a literal, a run of digits or a sign may begin.
//!
//! Most places begin nothing. So each is judged by a few operations without a branch, which compilers turn into operations
//! on many bytes at once, and only the places that are left are looked at one by one. It refuses to decide: what it marks
//! may be nothing.

use super::anchors::{Anchors, KEYWORD, UPPER};
use crate::rules::Rules;

pub(super) const BLOCK_BYTES: usize = 64;
/// The bytes before and behind a block that decide about its first and last places.
pub(super) const BEFORE: usize = 2;
const BEHIND: usize = 6;
pub(super) const WINDOW_BYTES: usize = BEFORE + BLOCK_BYTES + BEHIND;

/// A block and what stands around it; zeros beyond the ends of the text.
pub(super) type Window = [u8; WINDOW_BYTES];

/// The places of a block where something may begin, from the lowest bit on.
pub(super) struct Marks {
    pub(super) literals: u64,
    /// The first of some digits, or a sign that may be part of an address.
    pub(super) shapes: u64,
}

impl Marks {
    #[inline]
    pub(super) fn of(window: &Window, rules: &Rules) -> Marks {
        Marks::with(window, &rules.literals, rules.runs.within_hashes)
    }

    fn with(window: &Window, anchors: &Anchors, within_hashes: bool) -> Marks {
        let mut literals = anchors.marks(part::<{ BLOCK_BYTES + 3 }>(window, BEFORE));
        let mut shapes = [0; BLOCK_BYTES];
        let [second_before, before, here, next, second, third, fourth, fifth, sixth] =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|distance| part::<BLOCK_BYTES>(window, distance));
        for place in 0..BLOCK_BYTES {
            // A keyword within a word is none.
            let within_word = is_letter(before[place]) & is_letter(here[place]);
            let barred = (KEYWORD * u8::from(within_word)) | (UPPER * u8::from(!is_upper(here[place])));
            literals[place] &= !barred;
            let hash = is_digit(second_before[place]) & (before[place].wrapping_sub(b'a') < 6) & !within_hashes;
            let run = is_digit(here[place]) & !is_digit(before[place]) & !hash;
            let behind = [second, third, fourth, fifth, sixth].map(|behind| behind[place]);
            shapes[place] = u8::from(run | is_sign(before[place], here[place], next[place], behind));
        }
        Marks { literals: pack(&literals), shapes: pack(&shapes) }
    }
}

fn part<const LENGTH: usize>(window: &Window, from: usize) -> &[u8; LENGTH] {
    window[from..].first_chunk().expect("the parts of a window are within it")
}

/// `@`; `:` in a pair, or between hexadecimal digits with another one near; and `-` and `.` between those where the groups
/// of a hardware address go on.
fn is_sign(before: u8, here: u8, next: u8, [second, third, fourth, fifth, sixth]: [u8; 5]) -> bool {
    let within = is_hexadecimal(before) & is_hexadecimal(next);
    let near = (second == b':') | (third == b':') | (fourth == b':') | (fifth == b':');
    let colon = (here == b':') & ((within & near) | (next == b':'));
    let hyphen = (here == b'-') & within & (third == b'-') & (sixth == b'-');
    let dot = (here == b'.') & within & (fifth == b'.');
    (here == b'@') | colon | hyphen | dot
}

fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

fn is_letter(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
}

fn is_upper(byte: u8) -> bool {
    byte.wrapping_sub(b'A') < 26
}

fn is_hexadecimal(byte: u8) -> bool {
    is_digit(byte) | ((byte | 0x20).wrapping_sub(b'a') < 6)
}

/// A bit for each byte that is not zero.
fn pack(bytes: &[u8; BLOCK_BYTES]) -> u64 {
    /// Brings the lowest bits of eight bytes together in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = bytes.map(|byte| u8::from(byte != 0));
    let (eights, _) = flags.as_chunks::<8>();
    eights.iter().rev().fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes::window, rules::Target, scan::anchors::Anchor};

    /// The places that are marked, block by block.
    fn marked(text: &[u8], anchors: &Anchors) -> Vec<usize> {
        let mut places = Vec::new();
        for base in (0..text.len()).step_by(BLOCK_BYTES) {
            let mut room = [0; WINDOW_BYTES];
            let marks = Marks::with(window::<BEFORE, WINDOW_BYTES>(text, base, &mut room), anchors, false);
            let marked = marks.literals | marks.shapes;
            places.extend((0..BLOCK_BYTES).filter(|place| marked >> place & 1 == 1).map(|place| base + place));
        }
        places
    }

    #[test]
    fn shapes_are_marked_where_they_begin_wherever_they_stand() {
        let anchors = Anchors::new(Vec::new());
        let text = b"a12 3 @ x:y a:b :: 00-1b-44 a-b 001b.4411.3ab7 1.2 b:c:d 00-1b-44-11 3f9x9";
        let expected = [1, 4, 6, 13, 16, 19, 22, 25, 32, 36, 37, 42, 45, 47, 49, 52, 57, 59, 60, 63, 66, 69, 73];
        for gap in 0..150 {
            let moved = [" ".repeat(gap).as_bytes(), text].concat();
            let places: Vec<usize> = expected.iter().map(|place| place + gap).collect();
            assert_eq!(marked(&moved, &anchors), places, "{gap}");
        }
    }

    #[test]
    fn kinds_of_literals_are_marked_where_they_may_begin() {
        let anchor = |bytes: &str, target, upper| Anchor { bytes: bytes.into(), target, upper };
        let anchors = Anchors::new(vec![
            anchor("tin", Target::Keyword(0), false),
            anchor("pin", Target::Name, false),
            anchor("age-", Target::Finder(0), true),
        ]);
        assert_eq!(marked(b"tin testing spin tiN age- AGe", &anchors), [0, 13, 17, 26]);
    }
}
