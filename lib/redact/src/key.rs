//! Names that announce a secret: `password`, `X-Api-Key`, `clientSecret` … and those that only look so.
//!
//! A name is compared without `_`, `-`, `.` and spaces, in lower case and without a number at its end. It refuses to
//! look at the value.

use crate::rules::{RuleId, Value};

/// Longest name that is looked at, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 96;

/// A name, and what its values are.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    name: String,
    /// Names that end in it count, too.
    ending: bool,
    pub(crate) keyed: Keyed,
}

/// The rule of the values under a name, and what they have to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) rule: RuleId,
    pub(crate) value: Value,
    /// Fewest and most digits.
    pub(crate) digits: (usize, usize),
    /// The bare name `token`, which also names the pieces that models read and write.
    pub(crate) bare_token: bool,
}

/// All names of a set of rules, by their last letters; in the order of precedence.
#[derive(Debug)]
pub(crate) struct Names {
    by_last: Vec<Ending>,
    /// Whether some name ends in two bytes, by [`last_two`].
    ends: Box<[bool; 1 << 10]>,
}

/// The names with one last letter.
#[derive(Clone, Debug, Default)]
struct Ending {
    whole: Vec<Entry>,
    endings: Vec<Entry>,
    stops: Vec<String>,
}

impl Entry {
    /// `*` in front: names that end in it, too.
    pub(crate) fn new(name: &str, rule: RuleId, value: Value, digits: (usize, usize)) -> Entry {
        let ending = name.starts_with('*');
        let name = normalised(name.as_bytes()).replace('*', "");
        Entry { name, ending, keyed: Keyed { rule, value, digits, bare_token: false } }
    }
}

impl Names {
    pub(crate) fn new(entries: Vec<Entry>, stops: Vec<String>) -> Names {
        let (mut by_last, mut ends) = (vec![Ending::default(); 256], Box::new([false; 1 << 10]));
        for entry in entries {
            let Some(last) = entry.name.bytes().last() else { continue };
            match entry.name.as_bytes() {
                [.., second, _] => ends[last_two(*second, last)] = true,
                _ => (0..=u8::MAX).for_each(|second| ends[last_two(second, last)] = true),
            }
            let of_letter = &mut by_last[usize::from(last)];
            if entry.ending { of_letter.endings.push(entry) } else { of_letter.whole.push(entry) }
        }
        for stop in stops {
            let Some(last) = stop.bytes().last() else { continue };
            by_last[usize::from(last)].stops.push(stop);
        }
        Names { by_last, ends }
    }

    /// The rule of the values under this name.
    pub(crate) fn keyed(&self, name: &[u8]) -> Option<Keyed> {
        // Most end as no name does.
        let mut letters = name.iter().rev().copied().filter(|byte| !parts_words(*byte));
        let last = letters.find(|byte| !byte.is_ascii_digit())?;
        if !self.ends[last_two(letters.next().unwrap_or_default(), last)] {
            return None;
        }
        let mut buffer = [0; NAME_BYTES_MAX];
        let plain = plain_name(name, &mut buffer)?;
        let mut end = plain.len();
        while end > 0 && plain[end - 1].is_ascii_digit() {
            end -= 1;
        }
        let plain = std::str::from_utf8(&plain[..end]).ok()?;
        let of_letter = &self.by_last[usize::from(plain.bytes().last()?)];
        let found = match of_letter.whole.iter().find(|entry| entry.name == plain) {
            Some(entry) => entry.keyed,
            None => of_letter.ending(plain)?,
        };
        Some(Keyed { bare_token: plain == "token", ..found })
    }
}

impl Ending {
    fn ending(&self, plain: &str) -> Option<Keyed> {
        let entry = self.endings.iter().find(|entry| plain.ends_with(&entry.name))?;
        let stopped = self.stops.iter().any(|stop| plain.ends_with(stop));
        (!stopped).then_some(entry.keyed)
    }
}

pub(crate) fn normalised(name: &[u8]) -> String {
    let mut buffer = [0; NAME_BYTES_MAX];
    let plain = plain_name(name, &mut buffer).unwrap_or_default();
    String::from_utf8_lossy(plain).into_owned()
}

/// What stands between the words of a name.
fn parts_words(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b' ')
}

/// Five bits of each: letters are told apart, whatever their case.
fn last_two(second: u8, last: u8) -> usize {
    usize::from(second & 0x1f) << 5 | usize::from(last & 0x1f)
}

/// None when the name is too long.
fn plain_name<'b>(name: &[u8], buffer: &'b mut [u8; NAME_BYTES_MAX]) -> Option<&'b [u8]> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut length = 0;
    for byte in name.iter().filter(|byte| !parts_words(**byte)) {
        buffer[length] = if byte.is_ascii() { byte.to_ascii_lowercase() } else { b'?' };
        length += 1;
    }
    Some(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::rules::{RuleSet, Rules};

    fn check(rules: &Rules, name: &str, rule: Option<&str>) {
        let found = rules.names.keyed(name.as_bytes()).map(|keyed| rules.name(keyed.rule));
        assert_eq!(found, rule, "{name}");
    }

    #[test]
    fn tells_secret_names_from_their_look_alikes() {
        let packs = vec!["keyed".to_owned(), "us".to_owned()];
        let rules = Rules::load(&RuleSet { packs, ..RuleSet::default() }, Arc::default()).expect("the packs are whole");
        for (name, rule) in [
            ("password", "password"),
            ("DB_PASSWORD", "password"),
            ("user.pass-word2", "password"),
            ("clientSecret", "secret"),
            ("X-Api-Key", "secret"),
            ("AWS_SECRET_ACCESS_KEY", "aws_secret_key"),
            ("access_token", "token"),
            ("Mcp-Session-Id", "token"),
            ("Set-Cookie", "cookie"),
            ("Proxy-Authorization", "authorization"),
            ("ssn", "us_ssn"),
        ] {
            check(&rules, name, Some(rule));
        }
        for name in [
            "max_tokens",
            "token_count",
            "nextPageToken",
            "progressToken",
            "password_policy",
            "secretName",
            "public_key",
            "primary key",
            "compass",
            "token_type",
            "cost_per_token",
            "keyboard",
            "author",
            "",
        ] {
            check(&rules, name, None);
        }
    }
}
