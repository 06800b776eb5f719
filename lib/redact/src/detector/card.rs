//! Payment card numbers: an issuer's prefix, one of its lengths, Luhn; plain or in groups.
//!
//! One number of many digits in ten passes Luhn, so what is rarely issued is no card where programs write other numbers: as
//! a value or an item of a list, unless a word before says that it is one.

use super::Look;
use crate::{
    bytes::{after_escape, before, is_digit, is_in_uuid, is_word, run, run_back},
    token::words_before,
    validator::luhn,
    view::is_quote,
};

const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;
/// Shortest group but the last, in digits: `1 2 3 4 …` is a list of numbers.
const GROUP_MIN: usize = 3;
/// How far before a number a word may say that it is a card's, in bytes.
const WITHIN: usize = 48;
/// Most white space between a number and what makes it a value or an item of a list.
const SPACES_MAX: usize = 32;

/// Cards of one issuer: first and last prefix of six digits; the lengths that are usual, and those that may be.
type Issuer = (u32, u32, &'static [usize], &'static [usize]);

const NONE: &[usize] = &[];
const ANY: &[usize] = &[12, 13, 14, 15, 16, 17, 18, 19];
const LONGER: &[usize] = &[17, 18, 19];

const ISSUERS: &[Issuer] = &[
    (180_000, 180_099, &[15], NONE),                  // JCB
    (213_100, 213_199, &[15], NONE),                  // JCB
    (220_000, 220_499, &[16], LONGER),                // Mir
    (222_100, 272_099, &[16], NONE),                  // Mastercard
    (300_000, 305_999, &[14, 16], LONGER),            // Diners Club
    (309_500, 309_599, &[14, 16], LONGER),            // Diners Club
    (340_000, 349_999, &[15], NONE),                  // American Express
    (350_000, 352_799, &[16], NONE),                  // JCB, as generators of test data have it
    (352_800, 358_999, &[16], LONGER),                // JCB
    (359_000, 359_999, &[16], NONE),                  // JCB, likewise
    (360_000, 369_999, &[14, 16], &[15, 17, 18, 19]), // Diners Club
    (370_000, 379_999, &[15], NONE),                  // American Express
    (380_000, 399_999, &[14, 16], LONGER),            // Diners Club
    (400_000, 499_999, &[13, 16], &[18, 19]),         // Visa, Elo
    (501_800, 502_099, &[16], ANY),                   // Maestro, Dankort
    (503_800, 503_899, &[16], ANY),                   // Maestro
    (506_099, 506_198, &[16], ANY),                   // Verve
    (508_500, 509_999, &[16], ANY),                   // RuPay, Elo
    (500_000, 509_999, NONE, ANY),                    // Maestro
    (510_000, 559_999, &[16], NONE),                  // Mastercard
    (560_000, 589_999, NONE, ANY),                    // Maestro
    (601_100, 601_199, &[16], ANY),                   // Discover
    (606_282, 606_282, &[16], ANY),                   // Hipercard
    (607_000, 608_999, &[16], ANY),                   // RuPay
    (620_000, 629_999, &[16, 19], ANY),               // UnionPay
    (630_400, 630_499, &[16], ANY),                   // Maestro
    (636_000, 639_999, &[16], ANY),                   // InterPayment, InstaPayment, Elo
    (644_000, 659_999, &[16], ANY),                   // Discover, RuPay, Troy, Elo, Verve
    (675_900, 676_399, &[16], ANY),                   // Maestro
    (600_000, 699_999, NONE, ANY),                    // Maestro
    (810_000, 829_999, &[16], LONGER),                // UnionPay, RuPay
    (860_000, 860_099, &[16], NONE),                  // Uzcard
    (979_200, 979_299, &[16], NONE),                  // Troy
    (986_000, 986_099, &[16], NONE),                  // Humo
];

/// How much a number looks like a card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Usual,
    Rare,
}

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
                if count >= DIGITS_MIN && is_card(text, at, end, &digits[..count]) {
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

/// Hardly any run of digits comes to this: it stays out of the loop.
#[inline(never)]
fn is_card(text: &[u8], start: usize, end: usize, digits: &[u8]) -> bool {
    (is_exponent(text, end) || !text.get(end).is_some_and(|byte| is_word(*byte)))
        && likeness(digits).is_some_and(|likeness| counts(text, start, end, likeness))
        && !is_in_uuid(text, start, end)
}

fn likeness(digits: &[u8]) -> Option<Likeness> {
    let prefix = digits[..6].iter().fold(0, |value, digit| value * 10 + u32::from(*digit));
    let of_prefix = |(first, last, ..): &&Issuer| (*first..=*last).contains(&prefix);
    let (_, _, usual, rare) = ISSUERS.iter().find(of_prefix)?;
    let likeness = match digits.len() {
        length if usual.contains(&length) => Likeness::Usual,
        length if rare.contains(&length) => Likeness::Rare,
        _ => return None,
    };
    luhn(digits.iter().copied()).then_some(likeness)
}

fn counts(text: &[u8], start: usize, end: usize, likeness: Likeness) -> bool {
    let rare = likeness == Likeness::Rare;
    if !text[start..end].iter().all(u8::is_ascii_digit) {
        // The groups of another number, as in `DE44 5001 …`.
        return !(rare && start >= 2 && text[start - 1] == b' ' && is_digit(text, start - 2));
    }
    let unlikely = is_among_numbers(text, start, end) || (rare && is_of_program(text, start, end));
    !unlikely || is_announced(text, start)
}

/// An item of a list whose neighbour is as long and no card.
fn is_among_numbers(text: &[u8], start: usize, end: usize) -> bool {
    let space = |byte: u8| byte.is_ascii_whitespace();
    let digit = |byte: u8| byte.is_ascii_digit();
    let comma = run_back(text, start, SPACES_MAX, space);
    let last = comma < start && before(text, comma) == Some(b',');
    let last = last.then(|| &text[run_back(text, comma - 1, DIGITS_MAX + 1, digit)..comma - 1]);
    let item = run(&text[..text.len().min(end + 1 + SPACES_MAX)], end + 1, space);
    let next = text.get(end) == Some(&b',') && item > end + 1;
    let next = next.then(|| &text[item..run(&text[..text.len().min(item + DIGITS_MAX + 1)], item, digit)]);
    let long = |digits: &[u8]| digits.len() > DIGITS_MIN && !luhn(digits.iter().map(|digit| digit - b'0'));
    last.is_some_and(long) || next.is_some_and(long)
}

/// Is it the value of a name, an argument, an item of a list?
fn is_of_program(text: &[u8], start: usize, end: usize) -> bool {
    let space = |byte: u8| byte.is_ascii_whitespace() || is_quote(byte);
    let from = before(text, run_back(text, start, SPACES_MAX, space));
    let to = run(&text[..text.len().min(end + SPACES_MAX)], end, |byte| space(byte) && byte != b'\n');
    let opened = from.is_some_and(|byte| b",;:=[({<>|+*-".contains(&byte));
    let closed = text.get(to).is_none_or(|byte| b",;:])}>|+*\n".contains(byte));
    before(text, start) == Some(b'=') || (opened && (closed || is_fraction(text, end)))
}

/// `63403380965376.0`
fn is_fraction(text: &[u8], at: usize) -> bool {
    text.get(at) == Some(&b'.') && is_digit(text, at + 1)
}

fn is_announced(text: &[u8], at: usize) -> bool {
    const WORDS: [&[u8]; 11] = [
        b"card",
        b"credit",
        b"debit",
        b"visa",
        b"maestro",
        b"unionpay",
        b"diners",
        b"karte",
        b"carte",
        b"carta",
        b"tarjeta",
    ];
    let before = words_before(text, at, WITHIN);
    WORDS.iter().any(|word| before.windows(word.len()).any(|window| window == *word))
}
