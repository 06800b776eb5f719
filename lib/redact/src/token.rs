//! The reserved grammar of replacements: `[REDACTED:<rule>]`, and `[REDACTED:<rule>#<n>]` for the n-th member of an
//! object, so that keys stay distinct. It refuses to take a foreign word in such brackets for a replacement of ours.

use std::collections::HashSet;

/// How every replacement starts.
pub(crate) const START: &str = "[REDACTED:";
/// Longest rest of a replacement, in bytes.
const REST_BYTES_MAX: usize = 64;

/// The ids of the rules whose replacements are known.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashSet<Vec<u8>>);

/// What stands in the place of a value.
pub(crate) fn plain(rule: &str) -> String {
    format!("{START}{rule}]")
}

/// What stands in the place of a value in a key: numbered by the member's place.
pub(crate) fn of_key(rule: &str, member: u64) -> String {
    format!("{START}{rule}#{member}]")
}

impl Tokens {
    pub(crate) fn of(ids: impl Iterator<Item = String>) -> Tokens {
        Tokens(ids.map(String::into_bytes).collect())
    }

    /// The numbers of the replacements in a key.
    pub(crate) fn numbers_in(&self, key: &str) -> Option<u64> {
        let number = |(at, _): (usize, &str)| {
            let token = key.get(at..self.end(key.as_bytes(), at)?)?;
            token.trim_end_matches(']').split_once('#')?.1.parse::<u64>().ok()
        };
        // Numbers beyond are out of the reach of a document's members.
        key.match_indices(START).filter_map(number).filter(|number| *number < u64::from(u32::MAX)).max()
    }

    /// Where the replacement that starts at `at` ends, if a replacement of ours is there.
    pub(crate) fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let start = at + START.len();
        if !text.get(at..)?.starts_with(START.as_bytes()) {
            return None;
        }
        let window = &text[start..text.len().min(start + REST_BYTES_MAX)];
        let length = window.iter().position(|byte| *byte == b']')?;
        let mut parts = window[..length].splitn(2, |byte| *byte == b'#');
        let known = self.0.contains(parts.next()?);
        let numbered = parts.next().is_none_or(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        (known && numbered).then_some(start + length + 1)
    }

    /// The replacements that stand in a text already.
    pub(crate) fn places(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let starts = memchr::memmem::find_iter(text, START.as_bytes());
        starts.filter_map(|at| Some((at, self.end(text, at)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_replacements_and_no_others() {
        let tokens = Tokens::of(["email".to_owned(), "us_ssn".to_owned()].into_iter());
        for id in ["email", "us_ssn"] {
            let (plain, keyed) = (plain(id), of_key(id, 12));
            assert_eq!(tokens.end(plain.as_bytes(), 0), Some(plain.len()));
            assert_eq!(tokens.end(keyed.as_bytes(), 0), Some(keyed.len()));
        }
        for foreign in ["[REDACTED:hunter2]", "[REDACTED:email", "[REDACTED:email#]", "[REDACTED:email#x1]"] {
            assert_eq!(tokens.end(foreign.as_bytes(), 0), None, "{foreign}");
        }
        assert_eq!(tokens.numbers_in("[REDACTED:email#4] [REDACTED:email#7] [REDACTED:x#9]"), Some(7));
    }
}
