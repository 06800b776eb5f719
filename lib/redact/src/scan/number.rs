//! US social security numbers, phone numbers and IPv4 addresses.

use super::{
    Hit,
    bytes::{before, is_word, run, run_back, starts},
};
use crate::rule::Rule;

const PHONE_DIGITS_MIN: usize = 8;
const PHONE_DIGITS_MAX: usize = 15;
/// Shortest unbroken international number, in digits: shorter ones are taken for signed numbers.
const PHONE_PLAIN_MIN: usize = 10;

/// Calling codes of two digits, and the first two of those with three.
const CODES_OF_TWO: &[u8] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
const CODES_OF_THREE: &[u8] =
    &[21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99];

/// `AAA-GG-SSSS`, as far as such numbers are issued.
pub(super) fn ssn(text: &[u8], at: usize, digits_end: usize) -> Option<Hit> {
    let end = at + 11;
    let number = text.get(at..end).filter(|_| digits_end - at == 3)?;
    let shaped = number.iter().enumerate().all(|(place, byte)| match place {
        3 | 6 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let (area, group, serial) = (&number[..3], &number[4..6], &number[7..]);
    let issued = area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000";
    (shaped && issued && stands_alone(text, at, end, b"-")).then_some(Hit { start: at, end, rule: Rule::UsSsn })
}

/// An international number at `+`, a US one at `(` or its first digit.
pub(super) fn phone(text: &[u8], at: usize) -> Option<Hit> {
    let end = match text[at] {
        b'+' => international(text, at),
        _ => american(text, at),
    }?;
    let bounded = stands_alone(text, at, end, b"+-") && !(text.get(end) == Some(&b'.') && is_digit(text, end + 1));
    bounded.then_some(Hit { start: at, end, rule: Rule::Phone })
}

fn international(text: &[u8], at: usize) -> Option<usize> {
    let (mut end, mut digits, mut broken, mut first) = (at + 1, 0, false, 0_u8);
    while let Some(byte) = text.get(end) {
        match byte {
            b'0'..=b'9' if digits == PHONE_DIGITS_MAX => return None,
            b'0'..=b'9' => {
                if digits < 2 {
                    first = first * 10 + (byte - b'0');
                }
                (digits, end) = (digits + 1, end + 1);
            }
            _ if digits == 0 => return None,
            _ => match separator(text, end) {
                Some(next) => (end, broken) = (next, true),
                None => break,
            },
        }
    }
    let coded = matches!(first, 10..=19 | 70..=79) || CODES_OF_TWO.contains(&first) || CODES_OF_THREE.contains(&first);
    let enough = digits >= if broken { PHONE_DIGITS_MIN } else { PHONE_PLAIN_MIN };
    (coded && enough).then_some(end)
}

/// Where the digits go on after one separator: ` `, `-`, `.`, `(`, `)` or two of them around a bracket.
fn separator(text: &[u8], at: usize) -> Option<usize> {
    let length = (1..=3).find(|length| is_digit(text, at + length))?;
    let marks = text.get(at..at + length)?;
    let known = marks.iter().all(|byte| b" -.()/".contains(byte));
    (known && (length == 1 || marks.iter().any(|byte| b"()".contains(byte)))).then_some(at + length)
}

/// `(212) 555-0100`, `212-555-0100`, `212.555.0100`, `1 212 555 0100`.
fn american(text: &[u8], at: usize) -> Option<usize> {
    let mut area = at;
    if starts(text, at, b"1") && text.get(at + 1).is_some_and(|byte| b" -.".contains(byte)) {
        area += 2;
    }
    let bracket = text.get(area) == Some(&b'(');
    area += usize::from(bracket);
    let mut exchange = three(text, area)?;
    if bracket {
        text.get(exchange).filter(|byte| **byte == b')')?;
        exchange += 1;
        exchange += usize::from(text.get(exchange).is_some_and(|byte| b" -".contains(byte)));
    } else {
        text.get(exchange).filter(|byte| b" -.".contains(byte))?;
        exchange += 1;
    }
    let line = three(text, exchange)?;
    text.get(line).filter(|byte| b" -.".contains(byte))?;
    let end = run(text, line + 1, |byte| byte.is_ascii_digit());
    let spaced = !bracket && text[at..end].iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
    (end - line == 5 && (!spaced || is_announced(text, at))).then_some(end)
}

/// `512 768 1024` may be any numbers; it is a phone's after a word that says so.
fn is_announced(text: &[u8], at: usize) -> bool {
    const WORDS: [&[u8]; 6] = [b"phone", b"tel", b"call", b"mobile", b"cell", b"fax"];
    let before = text[at.saturating_sub(16)..at].to_ascii_lowercase();
    WORDS.iter().any(|word| before.windows(word.len()).any(|window| window == *word))
}

/// Three digits that do not start with 0 or 1.
fn three(text: &[u8], at: usize) -> Option<usize> {
    let digits = text.get(at..at + 3)?;
    let fits = (b'2'..=b'9').contains(&digits[0]) && digits.iter().all(u8::is_ascii_digit);
    fits.then_some(at + 3)
}

/// Four octets that are not part of a longer dotted number, nor a version.
pub(super) fn ipv4(text: &[u8], at: usize, digits_end: usize) -> Option<Hit> {
    let mut end = octet(text, at, digits_end)?;
    for _ in 0..3 {
        text.get(end).filter(|byte| **byte == b'.')?;
        let start = end + 1;
        end = octet(text, start, run(text, start, |byte| byte.is_ascii_digit()))?;
    }
    let longer = text.get(end) == Some(&b'.') && is_digit(text, end + 1);
    let dotted = before(text, at) == Some(b'.');
    let alone = stands_alone(text, at, end, b"") && !longer && !dotted && !is_version(text, at, end);
    alone.then_some(Hit { start: at, end, rule: Rule::Ipv4 })
}

fn octet(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let digits = text.get(start..end).filter(|digits| (1..=3).contains(&digits.len()))?;
    let value = digits.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (value <= 255 && (digits.len() == 1 || digits[0] != b'0')).then_some(end)
}

/// `Chrome/120.0.0.0`, `version 1.2.3.4`, `pkg==1.2.3.4`.
fn is_version(text: &[u8], at: usize, end: usize) -> bool {
    let gap = run_back(text, at, 8, |byte| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\\'));
    let word = run_back(text, gap, 16, |byte| byte.is_ascii_alphabetic());
    let named = is_version_name(&text[word..gap]);
    let pinned = at >= 2 && matches!(&text[at - 2..at], b"==" | b">=" | b"<=" | b"~=");
    let product = before(text, at) == Some(b'/')
        && at >= 2
        && text[at - 2].is_ascii_alphabetic()
        && text[at..end].ends_with(b".0.0");
    named || pinned || product
}

/// `version`, `ver`, `libVersion`: four numbers after it are no address.
pub(crate) fn is_version_name(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b"version") || name == b"ver" || name == b"release"
}

/// No word goes on at either side, and none of `barred` does.
fn stands_alone(text: &[u8], start: usize, end: usize, barred: &[u8]) -> bool {
    let goes_on = |byte: u8| is_word(byte) || barred.contains(&byte);
    let escaped = start >= 2 && text[start - 2] == b'\\' && matches!(text[start - 1], b'n' | b'r' | b't');
    (escaped || !before(text, start).is_some_and(goes_on)) && !text.get(end).is_some_and(|byte| goes_on(*byte))
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}
