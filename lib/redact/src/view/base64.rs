//! Text that base64 hides: one level, within a budget. Where something is found in it, the whole run is masked, since a
//! part of it cannot be. Refuses to guess: what does not decode to text is left alone.

use crate::bytes::{run, run_back};

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
const BLOCK_BYTES: usize = 64;
const WORD_BYTES: usize = 8;

/// The runs of a text that decode to text: where they are, and what they say.
pub(crate) fn runs(text: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
    let (mut found, mut done, mut last) = (Vec::new(), 0, 0);
    for (block, bytes) in text.chunks(BLOCK_BYTES).enumerate() {
        // Any run that is long enough holds two aligned words in a row; of each pair the second is told.
        let words = digit_words(bytes);
        let mut seconds = (words << 1 | last) & words;
        last = words >> (BLOCK_BYTES / WORD_BYTES - 1);
        while seconds != 0 {
            let word = block * BLOCK_BYTES + seconds.trailing_zeros() as usize * WORD_BYTES;
            seconds &= seconds - 1;
            if word >= done {
                let start = run_back(text, word, word - done, is_digit);
                done = run(text, word, is_digit);
                found.extend(decode(&text[start..done]).map(|plain| (start, done, plain)));
            }
        }
    }
    found
}

/// A bit for each whole word of a block that is all digits.
fn digit_words(block: &[u8]) -> u8 {
    let mut padded = [b' '; BLOCK_BYTES];
    let bytes = block.first_chunk::<BLOCK_BYTES>().unwrap_or_else(|| {
        padded[..block.len()].copy_from_slice(block);
        &padded
    });
    let mut others = [0; BLOCK_BYTES];
    for (other, byte) in others.iter_mut().zip(bytes) {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let mark = (*byte == b'+') | (*byte == b'-') | (*byte == b'_');
        // `/` and the digits are neighbours.
        *other = u8::from(!(letter | mark | (byte.wrapping_sub(b'/') < 11)));
    }
    let (words, _) = others.as_chunks::<WORD_BYTES>();
    words.iter().rev().fold(0, |bits, word| bits << 1 | u8::from(u64::from_ne_bytes(*word) == 0))
}

fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let fits = (RUN_MIN..=RUN_MAX).contains(&run.len());
    (fits && may_be_text(&run[..PROBE])).then(|| bytes_of(run)).filter(|plain| is_text(plain))
}

/// Words, paths and hashes decode to noise: nearly all are refused by their first bytes.
fn may_be_text(run: &[u8]) -> bool {
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
    fn only_runs_of_text_are_decoded() {
        let found = runs(b"see bWFpbCBqYW5lQGV4YW1wbGUub3JnIG5vdw== and 0123456789abcdef0123456789abcdef0123");
        let plain: Vec<_> = found.iter().map(|(_, _, plain)| plain.as_slice()).collect();
        assert_eq!(plain, [b"mail jane@example.org now"]);
        assert_eq!((found[0].0, found[0].1), (4, 38));
        for gap in 0..70 {
            let text = [" ".repeat(gap).as_bytes(), b"bWFpbCBqYW5lQGV4YW1wbGUu"].concat();
            assert_eq!(runs(&text), [(gap, gap + 24, b"mail jane@example.".to_vec())]);
            assert!(runs(&text[..gap + 23]).is_empty());
        }
        assert!(runs(b"the_quick_brown_fox_jumps_over_the_lazy_dog_and_on").is_empty());
    }
}
