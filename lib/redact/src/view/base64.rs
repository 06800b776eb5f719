//! Text that base64 hides: one level, within a budget. Where something is found in it, the whole run is masked, since a
//! part of it cannot be. Refuses to guess: what does not decode to text is left alone.

use std::ops::Range;

use crate::{
    block::{BLOCK_BYTES, Block, places},
    bytes::{run, run_back},
};

/// Shortest run that is decoded, in characters: 18 bytes of text.
const RUN_MIN: usize = 24;
/// Longest run that is decoded, in characters.
const RUN_MAX: usize = 1024 * 1024;
/// Share of printable bytes in text, in percent.
const PRINTABLE_PERCENT_MIN: usize = 90;
/// What is looked at before the whole run is decoded, in characters.
const PROBE: usize = 24;
/// The bytes of them that may be unprintable.
const PROBE_OTHERS_MAX: usize = PROBE / 4 * 3 * (100 - PRINTABLE_PERCENT_MIN) / 100;
/// A long run, in characters, and the whole blocks that are in any such run.
pub(crate) const LONG_MIN: usize = 254;
const LONG_BLOCKS: usize = (LONG_MIN + 1) / BLOCK_BYTES - 1;

/// What is written in base64, or may be.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// The runs that decode to text: where they are, and what they say.
    pub(crate) texts: Vec<(usize, usize, Vec<u8>)>,
    /// There may be a run of [`LONG_MIN`] characters or more, whatever it says.
    pub(crate) has_long: bool,
}

impl Encoded {
    pub(crate) fn of(text: &[u8]) -> Encoded {
        let (mut encoded, mut last, mut whole_blocks) = (Encoded::default(), 0, 0);
        let mut next = digits(text, 0);
        for base in (0..text.len()).step_by(BLOCK_BYTES) {
            let here = std::mem::replace(&mut next, digits(text, base + BLOCK_BYTES));
            whole_blocks = if here == u64::MAX { whole_blocks + 1 } else { 0 };
            encoded.has_long |= whole_blocks >= LONG_BLOCKS;
            let long = begin_runs(here, next);
            for place in places(long & !(long << 1 | last)) {
                encoded.texts.extend(decode(text, base + place));
            }
            last = long >> (BLOCK_BYTES - 1);
        }
        encoded
    }

    /// What the runs say that touch one of these ranges, which are disjoint and in order. Each byte is looked at once.
    pub(crate) fn beside(text: &[u8], ranges: &[Range<usize>]) -> Encoded {
        let (mut encoded, mut done) = (Encoded::default(), 0);
        for range in ranges {
            let mut at = run_back(text, range.start.max(done), range.start.saturating_sub(done), is_digit);
            while at <= range.end {
                encoded.texts.extend(decode(text, at));
                done = run(text, at, is_digit);
                at = done + 1;
            }
        }
        encoded
    }
}

/// The digits of the block that begins at `at`.
#[inline]
fn digits(text: &[u8], at: usize) -> u64 {
    let block = Block::at(text, at);
    // `/` and the digits are neighbours.
    let digits = block.is_letter() | block.within(b'/', b'9') | block.is(b'+') | block.is(b'-') | block.is(b'_');
    digits.bits()
}

/// The places of a block from which [`RUN_MIN`] digits go on, into the next block too.
#[inline]
fn begin_runs(here: u64, next: u64) -> u64 {
    let one = u128::from(next) << u64::BITS | u128::from(here);
    let two = one & one >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    (eight & eight >> 8 & eight >> 16) as u64
}

/// The run that starts here; what it begins with is judged before its end is looked for.
fn decode(text: &[u8], start: usize) -> Option<(usize, usize, Vec<u8>)> {
    text.get(start..start + PROBE).filter(|probe| may_be_text(probe))?;
    let end = run(text, start, is_digit);
    let fits = (RUN_MIN..=RUN_MAX).contains(&(end - start));
    let plain = fits.then(|| bytes_of(&text[start..end])).filter(|plain| is_text(plain))?;
    Some((start, end, plain))
}

/// Words, paths and hashes decode to noise: nearly all are refused by their first bytes, and what is too short by the first
/// that is no digit.
fn may_be_text(run: &[u8]) -> bool {
    if !run.iter().copied().all(is_digit) {
        return false;
    }
    let (groups, _) = run.as_chunks::<4>();
    let mut others = 0;
    groups.iter().all(|group| {
        let bytes = bits_of(group).to_be_bytes();
        others += bytes[1..].iter().filter(|byte| !is_printable(**byte)).count();
        others <= PROBE_OTHERS_MAX
    })
}

/// What whole and half groups of four stand for; the standard and the URL alphabet alike.
pub(crate) fn bytes_of(run: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(run.len() / 4 * 3);
    for group in run.chunks(4).filter(|group| group.len() > 1) {
        plain.extend_from_slice(&bits_of(group).to_be_bytes()[1..group.len()]);
    }
    plain
}

/// The three bytes of a group, behind a byte of zero; of fewer than four digits, the first of them.
fn bits_of(group: &[u8]) -> u32 {
    group.iter().fold(0, |bits, digit| bits << 6 | value(*digit)) << (6 * (4 - group.len()))
}

fn is_text(plain: &[u8]) -> bool {
    let printable = plain.iter().filter(|byte| is_printable(**byte)).count();
    printable * 100 >= plain.len() * PRINTABLE_PERCENT_MIN && !plain.is_empty()
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\n' | b'\r' | b'\t')
}

#[inline]
fn is_digit(byte: u8) -> bool {
    VALUES[usize::from(byte)] != NO_VALUE
}

fn value(digit: u8) -> u32 {
    u32::from(VALUES[usize::from(digit)])
}

const NO_VALUE: u8 = u8::MAX;

/// What each digit stands for, of the standard and the URL alphabet alike.
static VALUES: [u8; 256] = {
    let (mut values, mut value) = ([NO_VALUE; 256], 0);
    while value < 26 {
        values[(b'A' + value) as usize] = value;
        values[(b'a' + value) as usize] = value + 26;
        value += 1;
    }
    while value < 36 {
        values[(b'0' + value - 26) as usize] = value + 26;
        value += 1;
    }
    (values[b'+' as usize], values[b'-' as usize]) = (62, 62);
    (values[b'/' as usize], values[b'_' as usize]) = (63, 63);
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_seen_wherever_they_begin() {
        for gap in 0..70 {
            let text = |length: usize| [" ".repeat(gap), "A".repeat(length)].concat();
            assert!(Encoded::of(text(LONG_MIN).as_bytes()).has_long, "{gap}");
            assert!(!Encoded::of(text(LONG_BLOCKS * BLOCK_BYTES - 1).as_bytes()).has_long, "{gap}");
        }
    }

    #[test]
    fn runs_beside_a_range_are_decoded_each_once() {
        let text = b"see bWFpbCBqYW5lQGV4YW1wbGUub3Jn[x]bWFpbCBqYW5lQGV4YW1wbGUub3Jn[y]1 bWFpbCBqYW5lQGV4YW1wbGUub3Jn";
        for (ranges, runs) in [
            (vec![(32, 35), (63, 66)], vec![(4, 32), (35, 63)]),
            (vec![(63, 66)], vec![(35, 63)]),
            (vec![(0, 3)], vec![]),
            (vec![(67, 68)], vec![(68, 96)]),
        ] {
            let ranges: Vec<_> = ranges.into_iter().map(|(start, end)| start..end).collect();
            let texts = Encoded::beside(text, &ranges).texts;
            let found: Vec<_> = texts.iter().map(|(start, end, _)| (*start, *end)).collect();
            assert_eq!(found, runs, "{ranges:?}");
        }
    }

    #[test]
    fn only_runs_of_text_are_decoded() {
        let found =
            Encoded::of(b"see bWFpbCBqYW5lQGV4YW1wbGUub3JnIG5vdw== and 0123456789abcdef0123456789abcdef0123").texts;
        let plain: Vec<_> = found.iter().map(|(_, _, plain)| plain.as_slice()).collect();
        assert_eq!(plain, [b"mail jane@example.org now"]);
        assert_eq!((found[0].0, found[0].1), (4, 38));
        for gap in 0..70 {
            let text = [" ".repeat(gap).as_bytes(), b"bWFpbCBqYW5lQGV4YW1wbGUu"].concat();
            assert_eq!(Encoded::of(&text).texts, [(gap, gap + 24, b"mail jane@example.".to_vec())]);
            assert!(Encoded::of(&text[..gap + 23]).texts.is_empty());
        }
        assert!(Encoded::of(b"the_quick_brown_fox_jumps_over_the_lazy_dog_and_on").texts.is_empty());
    }
}
