//! The reserved grammar of replacements. It refuses to take a foreign word in such brackets for a replacement of ours.
//!
//! ```text
//! [REDACTED:<rule>]                        redacted
//! [REDACTED:<rule>:last:<letters>]         partial: one to four letters and digits
//! [REDACTED:<rule>:hmac:<key>:<letters>]   keyed hash    ┐ made by a key of ours, or they are none
//! [REDACTED:<rule>:siv:<key>:<letters>]    encrypted     ┘
//! [REDACTED:<rule>:sha256:<letters>:<n>]   digest of a file, and its length in bytes
//! [REDACTED:…#<n>]                         any of them in a key: numbered, so that keys stay distinct
//! ```
//!
//! What these brackets can hide is a word that names a rule, four characters, a number of eight digits, or 64 letters from a
//! to p; all else in them is looked at like any text.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use memchr::{memchr, memmem::Finder};

use crate::{
    bytes::run_back,
    keyring::{ENCRYPTED, HASHED, Keyring},
};

/// How every replacement starts.
pub(crate) const START: &str = "[REDACTED:";
/// To find one takes less than to get ready for it.
static STARTS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(START));
/// Most characters that a partial replacement keeps.
const LAST_MAX: usize = 4;
/// How far from the start of a replacement the id of its rule is looked for, in bytes.
const ID_BYTES_MAX: usize = 96;
/// Letters of a digest.
const DIGEST_LETTERS: usize = 64;
/// Most digits of the number of a replacement in a key.
const NUMBER_DIGITS_MAX: usize = 8;
/// Replacements of ours in a key are numbered from the greatest of those that stand there already, if it is below this;
/// with as many members as a body can have, numbers keep their digits.
const NUMBER_MAX: u64 = 50_000_000;

/// The ids of the rules whose replacements are known, and the keys that vouch for tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    ids: HashSet<Vec<u8>>,
    keys: Arc<Keyring>,
}

/// What stands in the place of a value.
pub(crate) fn plain(rule: &str) -> String {
    // Made for every find: joining the three would take longer.
    let mut text = String::with_capacity(START.len() + rule.len() + 1);
    text.push_str(START);
    text.push_str(rule);
    text.push(']');
    text
}

pub(crate) fn partial(rule: &str, last: &str) -> String {
    format!("{START}{rule}:last:{last}]")
}

/// The same replacement in a key: numbered by the member's place.
pub(crate) fn in_key(token: &str, member: u64) -> String {
    format!("{}#{member}]", token.strip_suffix(']').unwrap_or(token))
}

/// How many places of a text begin like a replacement.
pub(crate) fn look_alikes(text: &str) -> usize {
    STARTS.find_iter(text.as_bytes()).count()
}

impl Tokens {
    pub(crate) fn new(ids: impl Iterator<Item = String>, keys: Arc<Keyring>) -> Tokens {
        Tokens { ids: ids.map(String::into_bytes).collect(), keys }
    }

    pub(crate) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The numbers of the replacements in a key.
    pub(crate) fn numbers_in(&self, key: &str) -> Option<u64> {
        let number = |(at, _): (usize, &str)| {
            let token = key.get(at..self.end(key.as_bytes(), at)?)?;
            token.trim_end_matches(']').split_once('#')?.1.parse::<u64>().ok()
        };
        key.match_indices(START).filter_map(number).filter(|number| *number < NUMBER_MAX).max()
    }

    /// Where the replacement that starts at `at` ends, if a replacement of ours is there.
    pub(crate) fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let start = at + START.len();
        if !text.get(at..)?.starts_with(START.as_bytes()) {
            return None;
        }
        let length = text[start..].iter().position(|byte| !is_inner(*byte))?;
        let end = start + length;
        (text[end] == b']' && self.is_ours(&text[start..end])).then_some(end + 1)
    }

    /// Does a replacement of ours begin before `at` and end behind it?
    pub(crate) fn holds(&self, text: &[u8], at: usize) -> bool {
        let inner = run_back(text, at, ID_BYTES_MAX, is_inner);
        inner > 0 && self.end(text, inner - 1).is_some_and(|end| end > at)
    }

    fn is_ours(&self, inner: &[u8]) -> bool {
        let mut halves = inner.splitn(2, |byte| *byte == b'#');
        let token = halves.next().unwrap_or_default();
        if !halves.next().is_none_or(is_number) {
            return false;
        }
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b':').take(5).collect();
        self.ids.contains(parts[0])
            && match parts[1..] {
                [] => true,
                [b"last", last] => (1..=LAST_MAX).contains(&last.len()) && last.iter().all(u8::is_ascii_alphanumeric),
                [b"sha256", digest, length] => is_digest(digest) && is_number(length),
                [b"hmac", key, told] => self.keys.vouches(HASHED, parts[0], key, told),
                [b"siv", key, told] => self.keys.vouches(ENCRYPTED, parts[0], key, told),
                _ => false,
            }
    }

    /// The replacements that stand in a text already.
    pub(crate) fn places(&self, text: &[u8]) -> Vec<(usize, usize)> {
        STARTS.find_iter(text).filter_map(|at| Some((at, self.end(text, at)?))).collect()
    }
}

fn is_number(digits: &[u8]) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

fn is_digest(letters: &[u8]) -> bool {
    letters.len() == DIGEST_LETTERS && letters.iter().all(|letter| (b'a'..=b'p').contains(letter))
}

/// What may stand between the brackets.
fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'#')
}

/// So many bytes before a place, in lower case, with spaces in place of replacements: what those say announces nothing.
pub(crate) fn words_before(text: &[u8], at: usize, within: usize) -> Vec<u8> {
    let from = at.saturating_sub(within);
    let start = from.saturating_sub(START.len() + ID_BYTES_MAX);
    let mut words = text[start..at].to_vec();
    let places: Vec<usize> = STARTS.find_iter(&words).collect();
    for place in places {
        if let Some(length) = memchr(b']', &words[place..]) {
            words[place..place + length].fill(b' ');
        }
    }
    words.make_ascii_lowercase();
    words.split_off(from - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{KEY_BYTES, MaskingKey};

    fn tokens() -> Tokens {
        let keys = Keyring::new(vec![MaskingKey::new(&[1; KEY_BYTES])]);
        Tokens::new(["email".to_owned(), "us_ssn".to_owned()].into_iter(), Arc::new(keys))
    }

    #[test]
    fn knows_its_own_replacements() {
        let tokens = tokens();
        let keyed = [tokens.keys.hmac("", "email", b"x"), tokens.keys.tokenize("north", "us_ssn", b"078-05-1120")];
        let keyed = keyed.map(|token| token.expect("there is a key"));
        for token in [plain("email"), plain("us_ssn"), partial("email", "org")].iter().chain(&keyed) {
            for token in [token.clone(), in_key(token, 12)] {
                assert_eq!(tokens.end(token.as_bytes(), 0), Some(token.len()), "{token}");
            }
        }
        assert_eq!(tokens.numbers_in("[REDACTED:email#4] [REDACTED:email#7] [REDACTED:x#9]"), Some(7));
    }

    #[test]
    fn knows_what_stands_in_a_replacement() {
        let holds = |text: &str, word: &str| tokens().holds(text.as_bytes(), text.find(word).expect("it is there"));
        assert!(holds("[REDACTED:us_ssn] 12", "ssn") && holds("x [REDACTED:email#3]", "email"));
        assert!(!holds("[REDACTED:ssn] 12", "ssn") && !holds("[REDACTED:us_ssn 12", "ssn"));
        assert!(!holds("us_ssn] 12", "ssn") && !holds("[REDACTED:email] ssn", "ssn") && !holds("ssn", "ssn"));
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let foreign = Keyring::new(vec![MaskingKey::new(&[2; KEY_BYTES])]).hmac("", "email", b"x").expect("a key");
        let tokens = tokens();
        let moved = tokens.keys.hmac("", "email", b"x").expect("a key").replace("email", "us_ssn");
        for token in [
            "[REDACTED:hunter2]",
            "[REDACTED:email",
            "[REDACTED:email#]",
            "[REDACTED:email#x1]",
            "[REDACTED:email#411111111]",
            "[REDACTED:email:last:]",
            "[REDACTED:email:last:41111]",
            "[REDACTED:email:last:4111:1111]",
            "[REDACTED:email:hmac:abcdefgh:4111111111111111]",
            &foreign,
            &moved,
        ] {
            assert_eq!(tokens.end(token.as_bytes(), 0), None, "{token}");
        }
        assert_eq!(look_alikes("[REDACTED:email] [REDACTED:x"), 2);
    }
}
