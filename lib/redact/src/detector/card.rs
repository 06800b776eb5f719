//! Payment card numbers: a brand's prefix, one of its lengths, Luhn; plain or in groups.

use super::Look;
use crate::{
    bytes::{after_escape, before, is_digit, is_in_uuid, is_word},
    validator::luhn,
};

const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;
/// Shortest group but the last, in digits: `1 2 3 4 …` is a list of numbers.
const GROUP_MIN: usize = 3;

/// Prefixes of six digits, first and last, and the lengths that the brand issues.
const BRANDS: &[(u32, u32, &[usize])] = &[
    (180_000, 180_099, &[15]),                             // JCB
    (213_100, 213_199, &[15]),                             // JCB
    (220_000, 220_499, &[16, 17, 18, 19]),                 // Mir
    (222_100, 272_099, &[16]),                             // Mastercard
    (300_000, 305_999, &[14, 16, 17, 18, 19]),             // Diners Club
    (309_500, 309_599, &[14, 16, 17, 18, 19]),             // Diners Club
    (340_000, 349_999, &[15]),                             // American Express
    (350_000, 352_799, &[16]),                             // JCB, as generators of test data have it
    (352_800, 358_999, &[16, 17, 18, 19]),                 // JCB
    (359_000, 359_999, &[16]),                             // JCB, likewise
    (360_000, 369_999, &[14, 15, 16, 17, 18, 19]),         // Diners Club
    (370_000, 379_999, &[15]),                             // American Express
    (380_000, 399_999, &[14, 16, 17, 18, 19]),             // Diners Club
    (400_000, 499_999, &[13, 16, 18, 19]),                 // Visa, Elo
    (500_000, 509_999, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro, Verve, Elo, RuPay
    (510_000, 559_999, &[16]),                             // Mastercard
    (560_000, 589_999, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro
    (600_000, 699_999, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro, Discover, UnionPay, RuPay, Hipercard, InterPayment
    (810_000, 829_999, &[16, 17, 18, 19]),                 // UnionPay, RuPay
    (860_000, 860_099, &[16]),                             // Uzcard
    (979_200, 979_299, &[16]),                             // Troy
    (986_000, 986_099, &[16]),                             // Humo
];

/// `at` is where a run of digits starts.
pub(crate) fn check(text: &[u8], at: usize, _: &mut Look) -> Option<(usize, usize)> {
    if before(text, at).is_some_and(|byte| is_word(byte) || byte == b'.') && !after_escape(text, at) {
        return None;
    }
    let mut digits = [0_u8; DIGITS_MAX];
    let (mut count, mut group, mut best) = (0, 0, None);
    let mut end = at;
    loop {
        match text.get(end) {
            Some(digit) if digit.is_ascii_digit() => {
                if count == DIGITS_MAX {
                    // More digits than a card has: only an earlier end of a group can still be one.
                    return best;
                }
                digits[count] = digit - b'0';
                (count, group, end) = (count + 1, group + 1, end + 1);
            }
            next => {
                if count >= DIGITS_MIN
                    && (is_exponent(text, end) || !next.is_some_and(|byte| is_word(*byte)))
                    && is_card(&digits[..count])
                    && !is_in_uuid(text, at, end)
                {
                    best = Some((at, end));
                }
                let grouped = matches!(next, Some(b' ' | b'-')) && text.get(end + 1).is_some_and(u8::is_ascii_digit);
                if !grouped || group < GROUP_MIN {
                    return best;
                }
                (group, end) = (0, end + 1);
            }
        }
    }
}

/// `4111…e0`, as some write a number.
fn is_exponent(text: &[u8], at: usize) -> bool {
    let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
    matches!(text.get(at), Some(b'e' | b'E')) && is_digit(text, at + 1 + sign)
}

fn is_card(digits: &[u8]) -> bool {
    let prefix = digits[..6].iter().fold(0, |value, digit| value * 10 + u32::from(*digit));
    let of_brand = |(first, last, lengths): &(u32, u32, &[usize])| {
        (*first..=*last).contains(&prefix) && lengths.contains(&digits.len())
    };
    BRANDS.iter().any(of_brand) && luhn(digits.iter().copied())
}
