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

/// The runs of a text that decode to text: where they are, and what they say.
pub(crate) fn runs(text: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), RUN_MIN - 1);
    while let Some(byte) = text.get(at) {
        if !is_digit(*byte) {
            at += RUN_MIN;
            continue;
        }
        let start = run_back(text, at, RUN_MIN, is_digit);
        let end = run(text, at, is_digit);
        if (RUN_MIN..=RUN_MAX).contains(&(end - start)) {
            found.extend(decode(&text[start..end]).map(|plain| (start, end, plain)));
        }
        at = end + RUN_MIN;
    }
    found
}

fn decode(run: &[u8]) -> Option<Vec<u8>> {
    // Words and paths decode to noise: most are refused by their first bytes.
    is_text(&bytes_of(&run[..PROBE.min(run.len())])).then(|| bytes_of(run)).filter(|plain| is_text(plain))
}

/// What whole and half groups of four stand for; the standard and the URL alphabet alike.
fn bytes_of(run: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(run.len() / 4 * 3);
    for group in run.chunks(4).filter(|group| group.len() > 1) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | value(*digit)) << (6 * (4 - group.len()));
        plain.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    plain
}

fn is_text(plain: &[u8]) -> bool {
    let printable = plain.iter().filter(|byte| matches!(byte, 0x20..=0x7e | b'\n' | b'\r' | b'\t')).count();
    printable * 100 >= plain.len() * PRINTABLE_PERCENT_MIN && !plain.is_empty()
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

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
