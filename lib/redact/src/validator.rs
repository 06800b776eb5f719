//! Whether a text that has the shape of a value can be one: check digits, encodings, entropy. Each is a pure function of
//! the bytes that were found; separators are ignored. It refuses to look at what stands around.

mod coin;
mod national;

/// One condition that a find has to meet.
#[derive(Clone, Copy)]
pub(crate) enum Validator {
    Named(&'static str, Check),
    /// Bits per character, at least.
    Entropy(f64),
}

type Check = fn(&[u8]) -> bool;

const NAMED: &[(&str, Check)] = &[
    ("luhn", |text| luhn(digits(text).into_iter())),
    ("digit", |text| text.iter().any(u8::is_ascii_digit)),
    ("upper", |text| text.iter().any(u8::is_ascii_uppercase)),
    ("letter", |text| text.iter().any(u8::is_ascii_alphabetic)),
    ("two_digits_first", |text| text.get(6..8).is_some_and(|year| year.iter().all(u8::is_ascii_digit))),
    ("phone_like", phone_like),
    ("mixed", |text| text.iter().any(u8::is_ascii_digit) && text.iter().any(u8::is_ascii_alphabetic)),
    ("not_repeated", not_repeated),
    ("not_placeholder", not_placeholder),
    ("verhoeff", |text| national::verhoeff(&digits(text))),
    ("us_ssn", |text| national::us_ssn(&digits(text))),
    ("aba", |text| national::aba(&digits(text))),
    ("npi", |text| national::npi(&digits(text))),
    ("nhs", |text| national::nhs(&digits(text))),
    ("steuer_id", |text| national::steuer_id(&digits(text))),
    ("rvnr", national::rvnr),
    ("nir", national::nir),
    ("spi", |text| national::spi(&digits(text))),
    ("dni", national::dni),
    ("cif", national::cif),
    ("codice_fiscale", national::codice_fiscale),
    ("bsn", |text| national::bsn(&digits(text))),
    ("pesel", |text| national::pesel(&digits(text))),
    ("nip", |text| national::nip(&digits(text))),
    ("regon", |text| national::regon(&digits(text))),
    ("cpf", |text| national::cpf(&digits(text))),
    ("cnpj", |text| national::cnpj(&digits(text))),
    ("gstin", national::gstin),
    ("tfn", |text| national::tfn(&digits(text))),
    ("abn", |text| national::abn(&digits(text))),
    ("medicare", |text| national::medicare(&digits(text))),
    ("vin", national::vin),
    ("imei", |text| luhn(digits(text).into_iter()) && not_repeated(text)),
    ("base58check", coin::base58check),
    ("bech32", coin::bech32),
    ("ethereum", coin::ethereum),
    ("ripple", coin::ripple),
    // In place of a fault of ours, for tests of what comes of one: only builds without optimisation know it.
    #[cfg(debug_assertions)]
    ("fault", |text| panic!("a fault on purpose, at {}", String::from_utf8_lossy(text))),
];

impl Validator {
    /// `luhn`, or `entropy 3.5`.
    pub(crate) fn parse(written: &str) -> Option<Validator> {
        if let Some(least) = written.strip_prefix("entropy ") {
            return least.parse().ok().filter(|least| (0.0..=8.0).contains(least)).map(Validator::Entropy);
        }
        NAMED.iter().find(|(name, _)| *name == written).map(|(name, check)| Validator::Named(name, *check))
    }

    pub(crate) fn accepts(&self, text: &[u8]) -> bool {
        match self {
            Validator::Named(_, check) => check(text),
            Validator::Entropy(least) => entropy(text) >= *least,
        }
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Validator::Named(name, _) => f.write_str(name),
            Validator::Entropy(least) => write!(f, "entropy {least}"),
        }
    }
}

/// The digits of a text, without what stands between them.
fn digits(text: &[u8]) -> Vec<u8> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect()
}

/// ISO/IEC 7812.
pub(crate) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let weighted = digits.rev().enumerate().map(|(place, digit)| match (place % 2, digit * 2) {
        (0, _) => u32::from(digit),
        (_, double) => u32::from(if double > 9 { double - 9 } else { double }),
    });
    weighted.sum::<u32>() % 10 == 0
}

/// Shannon entropy, in bits per character.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    text.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let total = text.len() as f64;
    let share = |count: &u32| f64::from(*count) / total;
    counts.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum()
}

/// `000000000`, `1111 1111`: what people write where a number would stand.
fn not_repeated(text: &[u8]) -> bool {
    let mut told = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let Some(first) = told.next() else { return false };
    told.any(|byte| byte != first)
}

/// Seven to fifteen digits that are no date.
fn phone_like(text: &[u8]) -> bool {
    let count = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let dated = count == 8 && (text.starts_with(b"19") || text.starts_with(b"20"));
    (7..=15).contains(&count) && !dated && not_repeated(text)
}

fn not_placeholder(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let words: [&[u8]; 7] = [b"xxxx", b"example", b"placeholder", b"your_", b"your-", b"changeme", b"redacted"];
    not_repeated(text) && !words.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published specimens, and the same with one digit changed.
    #[test]
    fn specimens_pass_and_their_neighbours_do_not() {
        for (validator, good, bad) in [
            ("luhn", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("verhoeff", "2341 2341 2346", "2341 2341 2347"),
            ("aba", "021000021", "021000022"),
            ("npi", "1234567893", "1234567894"),
            ("nhs", "943 476 5919", "943 476 5918"),
            ("steuer_id", "86095742719", "86095742718"),
            ("rvnr", "65180539W001", "65170539W001"),
            ("nir", "255081416802538", "255081416802539"),
            ("dni", "12345678Z", "12345678A"),
            ("dni", "X1234567L", "X1234567M"),
            ("cif", "A58818501", "A58818502"),
            ("codice_fiscale", "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
            ("bsn", "111222333", "111222334"),
            ("pesel", "44051401359", "44051401358"),
            ("nip", "123-456-32-18", "123-456-32-17"),
            ("regon", "123456785", "123456784"),
            ("cpf", "529.982.247-25", "529.982.247-26"),
            ("cnpj", "11.222.333/0001-81", "11.222.333/0001-82"),
            ("gstin", "27AAPFU0939F1ZV", "27AAPFU0939F1ZW"),
            ("tfn", "123 456 782", "123 456 783"),
            ("abn", "51 824 753 556", "51 824 753 557"),
            ("medicare", "2123 45670 1", "2123 45680 1"),
            ("vin", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
            ("base58check", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3"),
            ("bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
            (
                "bech32",
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj1",
            ),
            ("ethereum", "0x52908400098527886E0F7030069857D2E4169EE7", "0x52908400098527886E0F"),
            ("entropy 3", "a8Fk2Lz9", "aaaaaaab"),
        ] {
            let check = Validator::parse(validator).expect("it is known");
            assert!(check.accepts(good.as_bytes()), "{validator} refuses {good}");
            assert!(!check.accepts(bad.as_bytes()), "{validator} accepts {bad}");
        }
        assert!(Validator::parse("entropy 9").is_none() && Validator::parse("mod_12").is_none());
    }
}
