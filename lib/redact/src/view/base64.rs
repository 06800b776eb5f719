//! Text that base64 hides: one level, within a budget. Where something is found in it, the whole run is masked, since a
//! part of it cannot be. Refuses to guess: what does not decode to text is left alone.

use crate::bytes::run;

/// Shortest run that is decoded, in characters: 18 bytes of text.
const RUN_MIN: usize = 24;
/// Longest run that is decoded, in characters.
const RUN_MAX: usize = 1024 * 1024;
/// Share of printable bytes in text, in percent.
const PRINTABLE_PERCENT_MIN: usize = 90;
/// What is looked at before the whole run is decoded, in characters.
const PROBE: usize = 24;

/// The runs of a text that decode to text: where they are, and what they say.
pub(crate) fn runs(text: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(window) = text.get(at..at + RUN_MIN) {
        // From its end a window is read only as far as the byte that no run goes over.
        if let Some(last) = window.iter().rposition(|byte| !is_digit(*byte)) {
            at += last + 1;
            continue;
        }
        let end = run(text, at + RUN_MIN, is_digit);
        if end - at <= RUN_MAX {
            found.extend(decode(&text[at..end]).map(|plain| (at, end, plain)));
        }
        at = end + 1;
    }
    found
}

fn decode(run: &[u8]) -> Option<Vec<u8>> {
    // Words and paths decode to noise: most are refused by their first bytes.
    let mut probe = [0; PROBE / 4 * 3];
    for (plain, group) in probe.chunks_exact_mut(3).zip(run.chunks_exact(4)) {
        plain.copy_from_slice(&bits_of(group).to_be_bytes()[1..]);
    }
    is_text(&probe).then(|| bytes_of(run)).filter(|plain| is_text(plain))
}

/// What whole and half groups of four stand for; the standard and the URL alphabet alike.
fn bytes_of(run: &[u8]) -> Vec<u8> {
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
    let printable = plain.iter().filter(|byte| matches!(byte, 0x20..=0x7e | b'\n' | b'\r' | b'\t')).count();
    printable * 100 >= plain.len() * PRINTABLE_PERCENT_MIN && !plain.is_empty()
}

#[inline]
fn is_digit(byte: u8) -> bool {
    DIGITS[usize::from(byte)]
}

const DIGITS: [bool; 256] = {
    let (mut digits, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let letter = byte as u8;
        digits[byte] = letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    digits
};

fn value(digit: u8) -> u32 {
    u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_of_text_are_decoded() {
        let found = runs(b"see bWFpbCBqYW5lQGV4YW1wbGUub3JnIG5vdw== and 0123456789abcdef0123456789abcdef0123");
        let plain: Vec<_> = found.iter().map(|(_, _, plain)| plain.as_slice()).collect();
        assert_eq!(plain, [b"mail jane@example.org now"]);
        assert_eq!((found[0].0, found[0].1), (4, 38));
        assert!(runs(b"the_quick_brown_fox_jumps_over_the_lazy_dog_and_on").is_empty());
    }
}
