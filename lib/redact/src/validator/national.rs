//! Check digits of national numbers. Digits come without separators; lettered numbers as they were written. Each refuses
//! numbers that its country does not issue, where that is a matter of shape.

/// `AAA-GG-SSSS` as issued: no 000, 666 or 9xx area, no zero group or serial.
pub(super) fn us_ssn(digits: &[u8]) -> bool {
    let number =
        |range: std::ops::Range<usize>| digits[range].iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit));
    digits.len() == 9 && !matches!(number(0..3), 0 | 666 | 900..) && number(3..5) != 0 && number(5..9) != 0
}

/// US bank routing numbers.
pub(super) fn aba(digits: &[u8]) -> bool {
    let districts = [0..=12, 21..=32, 61..=72, 80..=80];
    let district = digits.len() == 9 && districts.iter().any(|range| range.contains(&(digits[0] * 10 + digits[1])));
    district && weighted(digits, &[3, 7, 1]).is_multiple_of(10)
}

/// US national provider identifiers: Luhn with the prefix 80840.
pub(super) fn npi(digits: &[u8]) -> bool {
    digits.len() == 10
        && super::luhn([8, 0, 8, 4, 0].into_iter().chain(digits.iter().copied()).collect::<Vec<_>>().into_iter())
}

/// UK health service numbers: mod 11 over ten digits.
pub(super) fn nhs(digits: &[u8]) -> bool {
    digits.len() == 10 && weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11) && differ(digits)
}

/// German tax ids: ISO 7064 mod 11,10; and of the first ten digits one occurs two or three times.
pub(super) fn steuer_id(digits: &[u8]) -> bool {
    if digits.len() != 11 || digits[0] == 0 {
        return false;
    }
    let product = digits[..10].iter().fold(10_u32, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let mut counts = [0; 10];
    digits[..10].iter().for_each(|digit| counts[usize::from(*digit)] += 1);
    let repeated: Vec<_> = counts.iter().filter(|count| **count > 1).collect();
    let check = (11 - product) % 10;
    matches!(repeated[..], [2 | 3]) && u32::from(digits[10]) == check
}

/// German pension insurance numbers: area, birthday, initial, serial, check digit.
pub(super) fn rvnr(text: &[u8]) -> bool {
    let kept: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    if kept.len() != 12 || !kept[8].is_ascii_alphabetic() {
        return false;
    }
    let letter = kept[8].to_ascii_uppercase() - b'A' + 1;
    let mut digits = super::digits(&kept[..8]);
    digits.extend([letter / 10, letter % 10]);
    digits.extend(super::digits(&kept[9..]));
    if digits.len() != 13 {
        return false;
    }
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let cross = |value: u32| value / 10 + value % 10;
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| cross(u32::from(*digit) * weight)).sum();
    sum % 10 == u32::from(digits[12])
}

/// French social security numbers with their key: mod 97; Corsica's letters count as 19 and 18.
pub(super) fn nir(text: &[u8]) -> bool {
    let kept: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let Ok(written) = String::from_utf8(kept) else { return false };
    let written = written.to_ascii_uppercase();
    if written.len() != 15 {
        return false;
    }
    let (body, key) = written.split_at(13);
    let (body, corsica) = match &body[5..7] {
        "2A" => (body.replacen("2A", "19", 1), true),
        "2B" => (body.replacen("2B", "18", 1), true),
        _ => (body.to_owned(), false),
    };
    let (Ok(number), Ok(key)) = (body.parse::<u64>(), key.parse::<u64>()) else { return false };
    let month = number / 100_000_000 % 100;
    let plausible = corsica || matches!(month, 1..=12 | 20..=42 | 50..=99);
    plausible && key == 97 - number % 97
}

/// French tax references: mod 511.
pub(super) fn spi(digits: &[u8]) -> bool {
    let number = |range: &[u8]| range.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit));
    digits.len() == 13 && digits[0] <= 3 && number(&digits[..10]) % 511 == number(&digits[10..])
}

/// Spanish identity numbers of citizens and foreigners: a letter, mod 23.
pub(super) fn dni(text: &[u8]) -> bool {
    let kept: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect();
    let Some((letter, body)) = kept.split_last() else { return false };
    let mut number = 0_usize;
    for (place, byte) in body.iter().enumerate() {
        let digit = match (place, byte) {
            (0, b'X') => 0,
            (0, b'Y') => 1,
            (0, b'Z') => 2,
            (_, b'0'..=b'9') => usize::from(byte - b'0'),
            _ => return false,
        };
        number = number * 10 + digit;
    }
    body.len() == 8 && b"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == *letter && differ(&body[1..])
}

/// Spanish tax codes of organisations.
pub(super) fn cif(text: &[u8]) -> bool {
    let kept: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect();
    if kept.len() != 9 || !kept[1..8].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = kept[1..8]
        .iter()
        .enumerate()
        .map(|(place, byte)| match (place % 2, u32::from(byte - b'0')) {
            (0, digit) => digit * 2 / 10 + digit * 2 % 10,
            (_, digit) => digit,
        })
        .sum();
    let check = (10 - sum % 10) % 10;
    kept[8] == b'0' + check as u8 || kept[8] == b"JABCDEFGHI"[check as usize]
}

/// Italian fiscal codes of persons: a letter over odd and even places.
pub(super) fn codice_fiscale(text: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let upper = text.to_ascii_uppercase();
    let Some((check, body)) = upper.split_last().filter(|(_, body)| body.len() == 15) else { return false };
    let value = |byte: &u8| match byte {
        b'0'..=b'9' => Some(usize::from(byte - b'0')),
        b'A'..=b'Z' => Some(usize::from(byte - b'A')),
        _ => None,
    };
    let places = body.iter().enumerate().map(|(place, byte)| {
        let value = value(byte)?;
        Some(if place % 2 == 0 { ODD[value] } else { value as u32 })
    });
    let Some(sum) = places.sum::<Option<u32>>() else { return false };
    u32::from(*check) == u32::from(b'A') + sum % 26
}

/// Dutch citizen service numbers: the proof of eleven.
pub(super) fn bsn(digits: &[u8]) -> bool {
    if digits.len() != 9 || !differ(digits) {
        return false;
    }
    let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == u32::from(digits[8])
}

/// Polish personal numbers: a date with its century in the month, and a check digit.
pub(super) fn pesel(digits: &[u8]) -> bool {
    if digits.len() != 11 {
        return false;
    }
    let (month, day) = ((digits[2] * 10 + digits[3]) % 20, digits[4] * 10 + digits[5]);
    let dated = (1..=12).contains(&month) && (1..=31).contains(&day);
    dated && weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Polish tax numbers.
pub(super) fn nip(digits: &[u8]) -> bool {
    digits.len() == 10
        && differ(digits)
        && weighted(&digits[..9], &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == u32::from(digits[9])
}

/// Polish statistical numbers of nine digits.
pub(super) fn regon(digits: &[u8]) -> bool {
    digits.len() == 9
        && differ(digits)
        && weighted(&digits[..8], &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10 == u32::from(digits[8])
}

/// Brazilian taxpayer numbers of persons: two check digits, mod 11.
pub(super) fn cpf(digits: &[u8]) -> bool {
    digits.len() == 11
        && differ(digits)
        && mod_11(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) == digits[9]
        && mod_11(&digits[..10], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == digits[10]
}

/// Brazilian taxpayer numbers of companies.
pub(super) fn cnpj(digits: &[u8]) -> bool {
    digits.len() == 14
        && differ(digits)
        && mod_11(&digits[..12], &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == digits[12]
        && mod_11(&digits[..13], &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == digits[13]
}

fn mod_11(digits: &[u8], weights: &[u32]) -> u8 {
    match weighted(digits, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest as u8,
    }
}

/// Indian tax numbers of businesses: Luhn's way in base 36.
pub(super) fn gstin(text: &[u8]) -> bool {
    let value = |byte: &u8| char::from(*byte).to_digit(36);
    let Some(values) = text.iter().map(value).collect::<Option<Vec<_>>>().filter(|values| values.len() == 15) else {
        return false;
    };
    let sum: u32 = values[..14]
        .iter()
        .enumerate()
        .map(|(place, value)| {
            let product = value * (place as u32 % 2 + 1);
            product / 36 + product % 36
        })
        .sum();
    (36 - sum % 36) % 36 == values[14]
}

/// Indian Aadhaar numbers, and whatever else uses the dihedral group.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTED: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0_u8, |check, (place, digit)| dihedral(check, PERMUTED[place % 8][usize::from(*digit)]));
    check == 0 && differ(digits)
}

/// The product of two elements of the dihedral group of the pentagon.
fn dihedral(one: u8, other: u8) -> u8 {
    match (one / 5, other / 5) {
        (0, 0) => (one + other) % 5,
        (0, _) => (one + other - 5) % 5 + 5,
        (_, 0) => (one - 5 + 5 - other) % 5 + 5,
        _ => (one + 5 - other) % 5,
    }
}

/// Australian tax file numbers.
pub(super) fn tfn(digits: &[u8]) -> bool {
    digits.len() == 9 && differ(digits) && weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// Australian business numbers.
pub(super) fn abn(digits: &[u8]) -> bool {
    if digits.len() != 11 || digits[0] == 0 {
        return false;
    }
    let mut less = digits.to_vec();
    less[0] -= 1;
    weighted(&less, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_multiple_of(89)
}

/// Australian Medicare cards: the ninth digit checks the first eight.
pub(super) fn medicare(digits: &[u8]) -> bool {
    (10..=11).contains(&digits.len())
        && (2..=6).contains(&digits[0])
        && weighted(&digits[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(digits[8])
}

/// Vehicle identification numbers with a check digit, as in North America.
pub(super) fn vin(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: &u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'H' => Some(u32::from(byte - b'A') + 1),
        b'J'..=b'N' => Some(u32::from(byte - b'J') + 1),
        b'P' => Some(7),
        b'R' => Some(9),
        b'S'..=b'Z' => Some(u32::from(byte - b'S') + 2),
        _ => None,
    };
    let values = text.iter().zip(WEIGHTS).map(|(byte, weight)| value(byte).map(|value| value * weight));
    let Some(sum) = values.sum::<Option<u32>>().filter(|_| text.len() == 17) else { return false };
    let check = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    text[8] == check && differ(text)
}

/// The weights repeat.
fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights.iter().cycle()).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

fn differ(digits: &[u8]) -> bool {
    digits.iter().any(|digit| *digit != digits[0])
}
