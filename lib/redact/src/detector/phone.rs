//! Phone numbers: international with `+` or `00`, by calling code and the lengths its countries issue; national where
//! the way of grouping says so. Bare digits are left to rules with keywords and to names.

use super::Look;
use crate::{
    bytes::{after_escape, before, is_digit, is_word, run, starts},
    token::words_before,
};

const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 15;
/// Shortest unbroken international number, in digits: shorter ones are taken for signed numbers.
const PLAIN_MIN: usize = 10;
/// Most groups of digits of one number.
const GROUPS_MAX: usize = 6;
/// How far before groups of digits a word may say that they are a phone's, in bytes.
const WITHIN: usize = 16;
/// Longest extension, in digits.
const EXTENSION_MAX: usize = 6;

/// Calling codes, and for each the lengths of the numbers behind it: bit n for n digits. From libphonenumber's metadata.
const CODES: &[(u16, u32)] = &[
    (1, 0x480),
    (7, 0x4400),
    (20, 0x700),
    (27, 0x7e0),
    (30, 0x1c00),
    (31, 0xfe0),
    (32, 0x300),
    (33, 0x200),
    (34, 0x200),
    (36, 0x300),
    (39, 0x1fc0),
    (40, 0x240),
    (41, 0x200),
    (43, 0x3ff0),
    (44, 0x680),
    (45, 0x100),
    (46, 0x7c0),
    (47, 0x120),
    (48, 0x7c0),
    (49, 0xfff0),
    (51, 0x300),
    (52, 0x400),
    (53, 0x5c0),
    (54, 0xc00),
    (55, 0xf00),
    (56, 0xe00),
    (57, 0xd00),
    (58, 0x400),
    (60, 0x700),
    (61, 0x17e0),
    (62, 0x3ff80),
    (63, 0x3f40),
    (64, 0x7e0),
    (65, 0xd00),
    (66, 0x2700),
    (81, 0x3ff00),
    (82, 0x7f60),
    (84, 0x780),
    (86, 0x1f80),
    (90, 0x3480),
    (91, 0x3f00),
    (92, 0x1f00),
    (93, 0x200),
    (94, 0x200),
    (95, 0x7c0),
    (98, 0x4f0),
    (211, 0x200),
    (212, 0x200),
    (213, 0x300),
    (216, 0x100),
    (218, 0x200),
    (220, 0x80),
    (221, 0x200),
    (222, 0x100),
    (223, 0x100),
    (224, 0x300),
    (225, 0x400),
    (226, 0x100),
    (227, 0x100),
    (228, 0x100),
    (229, 0x500),
    (230, 0x580),
    (231, 0x380),
    (232, 0x100),
    (233, 0x300),
    (234, 0x7c00),
    (235, 0x100),
    (236, 0x100),
    (237, 0x300),
    (238, 0x80),
    (239, 0x80),
    (240, 0x200),
    (241, 0x180),
    (242, 0x200),
    (243, 0x780),
    (244, 0x200),
    (245, 0x280),
    (246, 0x80),
    (247, 0x60),
    (248, 0x80),
    (249, 0x200),
    (250, 0x300),
    (251, 0x200),
    (252, 0x3c0),
    (253, 0x100),
    (254, 0x780),
    (255, 0x200),
    (256, 0x200),
    (257, 0x100),
    (258, 0x300),
    (260, 0x200),
    (261, 0x200),
    (262, 0x200),
    (263, 0x7e0),
    (264, 0x300),
    (265, 0x280),
    (266, 0x100),
    (267, 0x580),
    (268, 0x300),
    (269, 0x80),
    (290, 0x30),
    (291, 0x80),
    (297, 0x80),
    (298, 0x40),
    (299, 0x40),
    (350, 0x100),
    (351, 0x200),
    (352, 0xff0),
    (353, 0x780),
    (354, 0x280),
    (355, 0x3c0),
    (356, 0x100),
    (357, 0x100),
    (358, 0x1fe0),
    (359, 0x13c0),
    (370, 0x100),
    (371, 0x100),
    (372, 0x580),
    (373, 0x100),
    (374, 0x100),
    (375, 0xfc0),
    (376, 0x340),
    (377, 0x300),
    (378, 0x500),
    (380, 0x600),
    (381, 0x1fc0),
    (382, 0x300),
    (383, 0x1f00),
    (385, 0x380),
    (386, 0x1e0),
    (387, 0x300),
    (389, 0x100),
    (420, 0x200),
    (421, 0x2c0),
    (423, 0x280),
    (500, 0x20),
    (501, 0x880),
    (502, 0x900),
    (503, 0x980),
    (504, 0x900),
    (505, 0x100),
    (506, 0x500),
    (507, 0xd80),
    (508, 0x240),
    (509, 0x100),
    (590, 0x200),
    (591, 0x300),
    (592, 0x80),
    (593, 0xf00),
    (594, 0x200),
    (595, 0xfc0),
    (596, 0x200),
    (597, 0xc0),
    (598, 0x3ff0),
    (599, 0x180),
    (670, 0x180),
    (672, 0x40),
    (673, 0x80),
    (674, 0x80),
    (675, 0x180),
    (676, 0xa0),
    (677, 0xa0),
    (678, 0xa0),
    (679, 0x880),
    (680, 0x80),
    (681, 0x240),
    (682, 0x20),
    (683, 0x90),
    (685, 0x4e0),
    (686, 0x120),
    (687, 0x40),
    (688, 0xe0),
    (689, 0x340),
    (690, 0xf0),
    (691, 0x80),
    (692, 0x80),
    (800, 0x100),
    (808, 0x100),
    (850, 0x500),
    (852, 0xbe0),
    (853, 0x180),
    (855, 0x700),
    (856, 0x700),
    (870, 0x1200),
    (878, 0x1000),
    (880, 0x7c0),
    (881, 0x600),
    (882, 0x1f80),
    (883, 0x1f00),
    (886, 0xf80),
    (888, 0x800),
    (960, 0x480),
    (961, 0x180),
    (962, 0x300),
    (963, 0x300),
    (964, 0x700),
    (965, 0x180),
    (966, 0x600),
    (967, 0x380),
    (968, 0x380),
    (970, 0x700),
    (971, 0x1fe0),
    (972, 0x1f80),
    (973, 0x100),
    (974, 0xb80),
    (975, 0x180),
    (976, 0x700),
    (977, 0xd00),
    (979, 0x200),
    (992, 0x200),
    (993, 0x100),
    (994, 0x200),
    (995, 0x200),
    (996, 0x600),
    (998, 0x200),
];

/// `at` is where a run of digits starts.
pub(crate) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    let (start, end) = number(text, at)?;
    look.walked = end - start;
    let end = extension(text, end);
    let begun = before(text, start).is_some_and(|byte| is_word(byte) || b"+-".contains(&byte));
    let goes_on = match text.get(end) {
        // `-Fax` is no part of a number.
        Some(b'.' | b'-') => is_digit(text, end + 1),
        Some(byte) => is_word(*byte) || *byte == b'+',
        None => false,
    };
    ((!begun || after_escape(text, start)) && !goes_on).then_some((start, end))
}

fn number(text: &[u8], at: usize) -> Option<(usize, usize)> {
    match (before(text, at), at.checked_sub(2).map(|place| text[place])) {
        (Some(b'+'), _) => return Some((at - 1, international(text, at, false)?)),
        (Some(b'('), Some(b'+')) => return Some((at - 2, international(text, at, false)?)),
        _ => {}
    }
    if starts(text, at, b"00") && is_digit(text, at + 2) {
        return Some((at, international(text, at + 2, true)?));
    }
    // The bracket may be around the area code, or around everything.
    let bracketed = (before(text, at) == Some(b'(')).then(|| at - 1);
    let of = |start: usize| {
        let shaped = american(text, start).or_else(|| national(text, start)).or_else(|| brazilian(text, start));
        shaped.or_else(|| spaced(text, start)).or_else(|| labelled(text, start))
    };
    let from = |start: usize| Some((start, of(start)?));
    bracketed.and_then(from).or_else(|| from(at))
}

/// From the calling code on.
fn international(text: &[u8], at: usize, must_break: bool) -> Option<usize> {
    let mut digits = [0_u8; DIGITS_MAX];
    let (mut end, mut count, mut broken) = (at, 0, false);
    let mut best = None;
    while let Some(byte) = text.get(end) {
        if byte.is_ascii_digit() {
            if count == DIGITS_MAX {
                return best;
            }
            digits[count] = byte - b'0';
            (count, end) = (count + 1, end + 1);
            continue;
        }
        let Some(next) = separator(text, end) else { break };
        if is_issued(&digits[..count], broken, must_break) {
            best = Some(end);
        }
        (end, broken) = (next, true);
    }
    if is_issued(&digits[..count], broken, must_break) { Some(end) } else { best }
}

fn is_issued(digits: &[u8], broken: bool, must_break: bool) -> bool {
    let enough = digits.len() >= if broken { DIGITS_MIN } else { PLAIN_MIN };
    enough && (broken || !must_break) && (1..=3).any(|length| is_of_code(digits, length))
}

fn is_of_code(digits: &[u8], length: usize) -> bool {
    let code = digits[..length].iter().fold(0, |code, digit| code * 10 + u16::from(*digit));
    let Ok(found) = CODES.binary_search_by_key(&code, |(code, _)| *code) else { return false };
    let rest = digits.len() - length;
    // `+49 (0)30 …`: the trunk prefix is written, and not part of the number.
    let trunk = usize::from(digits.get(length) == Some(&0));
    CODES[found].1 >> rest & 1 == 1 || CODES[found].1 >> (rest - trunk) & 1 == 1
}

/// Where the digits go on after one separator: ` `, `-`, `.`, `(`, `)` or two of them around a bracket.
fn separator(text: &[u8], at: usize) -> Option<usize> {
    let length = (1..=3).find(|length| is_digit(text, at + length))?;
    let marks = text.get(at..at + length)?;
    let known = marks.iter().all(|byte| b" -.()/".contains(byte));
    (known && (length == 1 || marks.iter().any(|byte| b"()".contains(byte)))).then_some(at + length)
}

/// `x123`, ` ext. 123` behind a number.
fn extension(text: &[u8], end: usize) -> usize {
    let rest = text.get(end..text.len().min(end + 8)).unwrap_or_default();
    const MARKS: [&[u8]; 6] = [b" ext. ", b" ext.", b" ext ", b"ext", b" x", b"x"];
    let mark = MARKS.iter().find(|mark| rest.len() >= mark.len() && rest[..mark.len()].eq_ignore_ascii_case(mark));
    let Some(mark) = mark else { return end };
    let digits = run(text, end + mark.len(), |byte| byte.is_ascii_digit());
    let length = digits - end - mark.len();
    if (1..=EXTENSION_MAX).contains(&length) { digits } else { end }
}

/// `(212) 555-0100`, `212-555-0100`, `212.555.0100`, `1 212 555 0100`.
fn american(text: &[u8], at: usize) -> Option<usize> {
    let mut area = at;
    if starts(text, at, b"1") && text.get(at + 1).is_some_and(|byte| b" -.".contains(byte)) {
        area += 2;
    }
    let bracket = text.get(area) == Some(&b'(');
    area += usize::from(bracket);
    let mut exchange = if bracket { three_digits(text, area)? } else { three(text, area)? };
    if bracket {
        text.get(exchange).filter(|byte| **byte == b')')?;
        exchange += 1;
        exchange += usize::from(text.get(exchange).is_some_and(|byte| b" -".contains(byte)));
    } else {
        text.get(exchange).filter(|byte| b" -.".contains(byte))?;
        exchange += 1;
    }
    // In this shape nothing else is written, so that even an exchange that nobody has is one.
    let hyphens = bracket || text[exchange - 1] == b'-';
    let line = if hyphens { three_digits(text, exchange)? } else { three(text, exchange)? };
    text.get(line).filter(|byte| b" -.".contains(byte))?;
    // `252.227-7014` is a paragraph: dots stand in both places or in none.
    if !bracket && (text[line] == b'.') != (text[exchange - 1] == b'.') {
        return None;
    }
    let end = run(text, line + 1, |byte| byte.is_ascii_digit());
    let spaced = !bracket && text[at..end].iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
    (end - line == 5 && (!spaced || is_announced(text, at) || !may_be_list(text, at, end))).then_some(end)
}

/// Does a list go on around these groups, or are they round: `512 768 1024`, `200 300 4000`?
fn may_be_list(text: &[u8], start: usize, end: usize) -> bool {
    let before = start >= 2 && text[start - 1] == b' ' && is_digit(text, start - 2);
    let behind = text.get(end) == Some(&b' ') && is_digit(text, end + 1);
    let value = |group: &[u8]| group.iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    before
        || behind
        || text[start..end].split(|byte| *byte == b' ').map(value).all(|value| value % 8 == 0 || value % 10 == 0)
}

/// `512 768 1024` may be any numbers; it is a phone's after a word that says so.
fn is_announced(text: &[u8], at: usize) -> bool {
    const WORDS: [&[u8]; 6] = [b"phone", b"tel", b"call", b"mobile", b"cell", b"fax"];
    let before = words_before(text, at, WITHIN);
    WORDS.iter().any(|word| before.windows(word.len()).any(|window| window == *word))
}

/// `576 036 898`, `32 434 08 67`: as in Poland and Spain, where no list of numbers goes on.
fn spaced(text: &[u8], at: usize) -> Option<usize> {
    let (groups, count, end) = groups(text, at, b" ");
    let mut values = text[at..end].split(|byte| *byte == b' ');
    // `404 500 503`: states.
    let mobile = groups[..count] == [3, 3, 3] && text[at] >= b'2' && values.any(|group| group[0] >= b'6');
    let polish = groups[..count] == [2, 3, 2, 2] && text[at] != b'0';
    ((mobile || polish) && !may_be_list(text, at, end)).then_some(end)
}

/// `26 943318 office`, `(1) 113-3240-Office`: groups of digits that the word behind says to be a phone's.
fn labelled(text: &[u8], at: usize) -> Option<usize> {
    const LABELS: [&[u8]; 8] = [b"office", b"fax", b"mobile", b"cell", b"home", b"work", b"phone", b"desk"];
    let bracket = text.get(at) == Some(&b'(');
    let (groups, count, end) = groups(text, at + usize::from(bracket), b" -.)");
    let begun = match (groups[0], text.get(at + groups[0])) {
        (2, Some(b' ')) => true,
        (3, Some(b' ' | b'-' | b'.')) => text[at] != b'1',
        _ => bracket,
    };
    let behind = text.get(end..).filter(|behind| behind.first().is_some_and(|byte| b" -".contains(byte)))?;
    let is_behind = |label: &&[u8]| behind.get(1..=label.len()).is_some_and(|word| word.eq_ignore_ascii_case(label));
    let total: usize = groups[..count].iter().sum();
    (begun && count > 1 && (7..=12).contains(&total) && LABELS.iter().any(is_behind)).then_some(end)
}

/// Groups of digits with one of these signs between them, or two where one is a bracket: their lengths, how many they are,
/// and where they end.
fn groups(text: &[u8], at: usize, signs: &[u8]) -> ([usize; GROUPS_MAX], usize, usize) {
    let (mut groups, mut count, mut from) = ([0; GROUPS_MAX], 0, at);
    loop {
        let end = run(&text[..text.len().min(from + DIGITS_MAX)], from, |byte| byte.is_ascii_digit());
        groups[count] = end - from;
        count += 1;
        let sign = |place: usize| text.get(place).is_some_and(|byte| signs.contains(byte));
        let gap = 1 + usize::from(text.get(end) == Some(&b')') && sign(end + 1));
        if count == GROUPS_MAX || !sign(end) || !is_digit(text, end + gap) {
            return (groups, count, end);
        }
        from = end + gap;
    }
}

/// Three digits that do not start with 0 or 1.
fn three(text: &[u8], at: usize) -> Option<usize> {
    let digits = text.get(at..at + 3)?;
    let fits = (b'2'..=b'9').contains(&digits[0]) && digits.iter().all(u8::is_ascii_digit);
    fits.then_some(at + 3)
}

/// `0148901536`, `01614960763`: ten or eleven digits behind a trunk prefix, as they are written in Europe, India and
/// Australia. Numbers that were padded have a second zero in the main; the number of a book has a check digit; and behind a
/// sign of code it is part of something else.
fn unbroken(text: &[u8], at: usize) -> Option<usize> {
    let end = run(&text[..text.len().min(at + 12)], at, |byte| byte.is_ascii_digit());
    let digits = &text[at..end];
    let is_code = before(text, at).is_some_and(|byte| b".=/#:_$%*&@\\".contains(&byte));
    let issued = matches!(digits.len(), 10..=11) && digits[1] != b'0' && !is_code;
    (issued && !is_pattern(digits) && !is_book(digits)).then_some(end)
}

/// `0123456789`, `0101101001`: what is counted or switched, and not dialled.
fn is_pattern(digits: &[u8]) -> bool {
    let distinct = (b'0'..=b'9').filter(|digit| digits.contains(digit)).count();
    distinct < 3 || digits.windows(2).all(|pair| pair[0].abs_diff(pair[1]) % 8 == 1)
}

/// ISBN-10, with its check digit: the English-speaking countries' begin with 0.
fn is_book(digits: &[u8]) -> bool {
    let weighted = |(place, digit): (usize, &u8)| (10 - place) * usize::from(digit - b'0');
    digits.len() == 10 && digits.iter().enumerate().map(weighted).sum::<usize>() % 11 == 0
}

fn three_digits(text: &[u8], at: usize) -> Option<usize> {
    text.get(at..at + 3)?.iter().all(u8::is_ascii_digit).then_some(at + 3)
}

/// `15 4078-5865`, `(11) 94078-5865`; but `12 2019-2020` are years.
fn brazilian(text: &[u8], at: usize) -> Option<usize> {
    let bracket = text.get(at) == Some(&b'(');
    let area = at + usize::from(bracket);
    let plain = |byte: &u8| (b'1'..=b'9').contains(byte);
    let mut first = area + 2;
    text.get(area..first).filter(|area| area.iter().all(plain))?;
    if bracket {
        text.get(first).filter(|byte| **byte == b')')?;
        first += 1;
    }
    text.get(first).filter(|byte| **byte == b' ')?;
    first += 1;
    let hyphen = run(&text[..text.len().min(first + 6)], first, |byte| byte.is_ascii_digit());
    let end = run(&text[..text.len().min(hyphen + 6)], hyphen + 1, |byte| byte.is_ascii_digit());
    let shaped = text.get(hyphen) == Some(&b'-') && (4..=5).contains(&(hyphen - first)) && end - hyphen == 5;
    let is_year = |at: usize| starts(text, at, b"19") || starts(text, at, b"20");
    (shaped && plain(&text[first]) && !(is_year(first) && is_year(hyphen + 1))).then_some(end)
}

/// With the trunk prefix: `0148901536`, `01614960763`, `(08) 4585 1530`, `0478 93 46 27`, `0151 4960433`, `01 42 68 53 00`, `020 7946 0958`, `01632 960123`, `(030) 901820`, `030/901820`, `0408.598.996`.
fn national(text: &[u8], at: usize) -> Option<usize> {
    let bracket = text.get(at) == Some(&b'(');
    let mut end = at + usize::from(bracket);
    text.get(end).filter(|byte| **byte == b'0')?;
    if let Some(end) = unbroken(text, at) {
        return Some(end);
    }
    let (mut groups, mut count) = ([0_usize; GROUPS_MAX], 0);
    let mut mark = 0;
    loop {
        let after = run(&text[..text.len().min(end + 9)], end, |byte| byte.is_ascii_digit());
        *groups.get_mut(count)? = after - end;
        (count, end) = (count + 1, after);
        let closed = bracket && count == 1;
        if closed {
            text.get(end).filter(|byte| **byte == b')')?;
            end += 1;
        }
        let next = text.get(end).copied().unwrap_or_default();
        let parts = b" -./".contains(&next) && (count == 1 || closed || next == mark || mark == b'/' || mark == b')');
        if closed && is_digit(text, end) {
            mark = b')';
        } else if parts && is_digit(text, end + 1) {
            (mark, end) = (next, end + 1);
        } else {
            break;
        }
    }
    let groups = &groups[..count];
    let total: usize = groups.iter().sum();
    let paired = groups == [2, 2, 2, 2, 2];
    let british = (10..=11).contains(&total)
        && matches!(groups, [3..=5, 3..=4, 3..=4] | [5, 5..=6])
        && matches!(mark, b' ' | b'-' | b')');
    let german = (9..=12).contains(&total)
        && matches!(groups, [3..=5, 4..=8] | [3..=5, 2..=4, 2..=5] | [3..=4, 2, 2, 2] | [3..=4, 2, 2, 2, 2])
        && (bracket || mark == b'/' || text[at..end].contains(&b'/'));
    let prefixed = text.get(at + usize::from(bracket) + 1).is_some_and(|digit| *digit != b'0');
    let australian = matches!(groups, [2, 4, 4]) || (mark == b'.' && groups == [4, 3, 3]);
    let continental = matches!(groups, [3..=5, 2, 2, 2] | [3..=4, 3, 2, 2]);
    let halved = matches!(groups, [3..=4, 6..=8]) || (bracket && matches!(groups, [2, 6..=8]));
    let local = (9..=11).contains(&total) && (australian || continental || (halved && mark != b'.'));
    (paired || british || german || (prefixed && local)).then_some(end)
}
