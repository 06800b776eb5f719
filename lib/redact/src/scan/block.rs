//! Sixty-four places of a text at a time: at which of them a literal, a run of digits or a sign may begin.
//!
//! Most places begin nothing. So each is judged by a few operations without a branch, which compilers turn into operations
//! on many bytes at once, and only the places that are left are looked at one by one. It refuses to decide: what it marks
//! may be nothing.

use super::anchors::Anchors;
use crate::rules::Rules;

pub(super) const BLOCK_BYTES: usize = 64;
/// The bytes before and behind a block that decide about its first and last places.
pub(super) const BEFORE: usize = 2;
const BEHIND: usize = 6;
pub(super) const WINDOW_BYTES: usize = BEFORE + BLOCK_BYTES + BEHIND;

pub(super) type Block = [u8; BLOCK_BYTES];

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
        let mut shapes = [0; BLOCK_BYTES];
        let [second_before, before, here, next, second, third, fourth, fifth, sixth] =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|distance| part(window, distance));
        for place in 0..BLOCK_BYTES {
            let hash = is_digit(second_before[place]) & (before[place].wrapping_sub(b'a') < 6) & !within_hashes;
            let run = is_digit(here[place]) & !is_digit(before[place]) & !hash;
            let behind = [next, second, third, fourth, fifth, sixth].map(|behind| behind[place]);
            shapes[place] = u8::from(run | is_sign(here[place], behind));
        }
        Marks { literals: anchors.marks(here, next, second), shapes: pack(&shapes) }
    }
}

fn part(window: &Window, from: usize) -> &Block {
    window[from..].first_chunk().expect("the parts of a window are within it")
}

/// `@`; `:` in a pair, or with another one near; and `-` and `.` where the next separators of a hardware address follow.
fn is_sign(here: u8, [next, second, third, fourth, fifth, sixth]: [u8; 6]) -> bool {
    let near = (next == b':') | (second == b':') | (third == b':') | (fourth == b':') | (fifth == b':');
    let colon = (here == b':') & near;
    let hyphen = (here == b'-') & (third == b'-') & (sixth == b'-');
    let dot = (here == b'.') & (fifth == b'.');
    (here == b'@') | colon | hyphen | dot
}

fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

/// A bit for each byte, which is zero or one.
fn pack(flags: &[u8; BLOCK_BYTES]) -> u64 {
    /// Brings the bits of eight bytes together in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
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
        let expected = [1, 4, 6, 9, 13, 16, 19, 22, 25, 32, 36, 37, 42, 45, 47, 49, 52, 57, 59, 60, 63, 66, 69, 73];
        for gap in 0..150 {
            let moved = [" ".repeat(gap).as_bytes(), text].concat();
            let places: Vec<usize> = expected.iter().map(|place| place + gap).collect();
            assert_eq!(marked(&moved, &anchors), places, "{gap}");
        }
    }

    #[test]
    fn literals_are_marked_where_they_begin_in_any_case() {
        let anchor = |bytes: &str, target, upper| Anchor { bytes: bytes.into(), target, upper };
        let anchors = Anchors::new(vec![
            anchor("tin", Target::Keyword(0), false),
            anchor("pin", Target::Name, false),
            anchor("age-", Target::Finder(0), true),
        ]);
        assert_eq!(marked(b"tin testing spin tiN AGe", &anchors), [0, 7, 13, 17, 21]);
    }
}
