//! IBAN: the country's length, and mod 97; in capitals, compact or in groups of four. Anything looser would find them in
//! UUIDs and hashes.

use super::Look;
use crate::bytes::{before, is_digit, is_word};

const LENGTH_MAX: usize = 33;

/// Countries of the SWIFT registry, and the length of their numbers.
const COUNTRIES: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The run of digits at `digits` may be the check digits (and more) after a country.
pub(crate) fn check(text: &[u8], digits: usize, _: &mut Look) -> Option<(usize, usize)> {
    let start = digits.checked_sub(2)?;
    let country = [text[start], text[start + 1]];
    if !country.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let length = COUNTRIES.iter().find(|(code, _)| **code == country)?.1;
    if !is_digit(text, digits + 1) || before(text, start).is_some_and(is_word) {
        return None;
    }
    let mut letters = [0_u8; LENGTH_MAX];
    let end = gather(text, start, &mut letters[..length])?;
    let bounded = !text.get(end).is_some_and(|byte| is_word(*byte));
    (bounded && mod_97(&letters[..length]) == 1).then_some((start, end))
}

/// Fills `letters` from `at` on, compact or with a space after each four; says where it ended.
fn gather(text: &[u8], mut at: usize, letters: &mut [u8]) -> Option<usize> {
    let grouped = text.get(at + 4) == Some(&b' ');
    for (place, letter) in letters.iter_mut().enumerate() {
        if grouped && place > 0 && place % 4 == 0 {
            text.get(at).filter(|byte| **byte == b' ')?;
            at += 1;
        }
        *letter = *text.get(at).filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())?;
        at += 1;
    }
    Some(at)
}

fn mod_97(letters: &[u8]) -> u32 {
    let rearranged = letters[4..].iter().chain(&letters[..4]);
    rearranged.fold(0, |rest, letter| match letter {
        b'0'..=b'9' => (rest * 10 + u32::from(letter - b'0')) % 97,
        _ => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    })
}
