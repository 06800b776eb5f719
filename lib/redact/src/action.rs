//! What becomes of a find: which replacement it gets, or that it gets none.
//!
//! It refuses hashes without a key: numbers of cards and persons are guessed from those in minutes.

use serde::Deserialize;

use crate::{
    keyring,
    rules::{Class, RuleId, Rules},
    token,
};

/// Most characters that `partial` keeps, and which part of the value at most.
const KEPT_MAX: usize = 4;
const KEPT_PART: usize = 4;
/// Longest value that is tokenized, in bytes; the token is twice as long.
const TOKENIZED_BYTES_MAX: usize = 512;
/// Most bytes of values that are tokenized in one message; what is beyond is redacted, so that bodies hardly grow.
pub(crate) const TOKENIZED_TOTAL_BYTES_MAX: usize = 256 * 1024;

/// What happens to what a rule finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `[REDACTED:rule]`.
    #[default]
    Redact,
    /// Its last characters stay: four at most, and never more than a quarter.
    Partial,
    /// A keyed hash of the normalised value: the same value is the same token.
    Hmac,
    /// Encrypted: whoever has the key gets the value back.
    Tokenize,
    /// The member of the object that holds it goes, name and value. Elsewhere it is redacted.
    DropField,
    /// Nothing changes; the find is in the evidence.
    Flag,
    /// SHA-256 and length of what base64 stands for: of files, which nobody can guess.
    Digest,
}

/// What stands in the place of a find, and by which action; nothing where the text stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub(crate) text: Option<String>,
    pub(crate) action: Action,
}

impl Action {
    pub const ALL: [Action; 7] = [
        Action::Redact,
        Action::Partial,
        Action::Hmac,
        Action::Tokenize,
        Action::DropField,
        Action::Flag,
        Action::Digest,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Action::Redact => "redact",
            Action::Partial => "partial",
            Action::Hmac => "hmac",
            Action::Tokenize => "tokenize",
            Action::DropField => "drop_field",
            Action::Flag => "flag",
            Action::Digest => "digest",
        }
    }

    pub fn parse(word: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Does it need a key?
    pub fn is_keyed(self) -> bool {
        matches!(self, Action::Hmac | Action::Tokenize)
    }
}

impl Replacement {
    pub(crate) fn plain(rules: &Rules, rule: RuleId) -> Replacement {
        Replacement { text: Some(token::plain(rules.name(rule))), action: Action::Redact }
    }

    /// `room`: how many bytes of the message may still be tokenized.
    pub(crate) fn of(rules: &Rules, tenant: &str, rule: RuleId, value: &str, room: &mut usize) -> Replacement {
        let (name, action) = (rules.name(rule), rules.action(rule));
        let text = match action {
            Action::Redact => None,
            Action::Flag => return Replacement { text: None, action },
            // The walk takes the member away, where there is one.
            Action::DropField => return Replacement { action, ..Replacement::plain(rules, rule) },
            Action::Partial => kept(value).map(|kept| token::partial(name, &kept)),
            Action::Hmac => rules.tokens.keys().hmac(tenant, name, &normalised(rules.class(rule), value)),
            Action::Tokenize => tokenized(rules, tenant, name, value, room),
            Action::Digest => {
                Some(keyring::digest(name, &crate::view::decoded(value.trim_end_matches('=').as_bytes())))
            }
        };
        match text {
            Some(text) => Replacement { text: Some(text), action },
            None => Replacement::plain(rules, rule),
        }
    }
}

fn tokenized(rules: &Rules, tenant: &str, name: &str, value: &str, room: &mut usize) -> Option<String> {
    if value.len() > TOKENIZED_BYTES_MAX {
        return None;
    }
    *room = room.checked_sub(value.len())?;
    rules.tokens.keys().tokenize(tenant, name, value.as_bytes())
}

/// The letters and digits that `partial` leaves, if any.
fn kept(value: &str) -> Option<String> {
    let plain: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let count = KEPT_MAX.min(plain.len() / KEPT_PART);
    (count > 0).then(|| plain[plain.len() - count..].iter().collect())
}

/// The same for the same person however it is written. Secrets are what they are, to the byte.
fn normalised(class: Class, value: &str) -> Vec<u8> {
    let plain = crate::view::canonical(value);
    if class == Class::Secret {
        return plain;
    }
    let plain = String::from_utf8_lossy(&plain).trim().to_lowercase();
    if plain.contains('@') {
        return plain.into_bytes();
    }
    let letters: String = plain.chars().filter(|letter| letter.is_alphanumeric()).collect();
    if letters.is_empty() { plain.into_bytes() } else { letters.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_keeps_a_quarter_at_most() {
        for (value, left) in [
            ("4111 1111 1111 1234", Some("1234")),
            ("12345678", Some("78")),
            ("123", None),
            ("ÄÖÜ-ß", None),
            ("ada@example.org", Some("org")),
        ] {
            assert_eq!(kept(value).as_deref(), left, "{value}");
        }
    }

    #[test]
    fn spelling_does_not_make_another_value() {
        let pii = |value| normalised(Class::Pii, value);
        assert_eq!(pii("4111 1111-1111 1111"), pii("４１１１111111111111"));
        assert_eq!(pii("Ada@Example.org "), pii("ada\\u0040example.org"));
        assert_ne!(normalised(Class::Secret, "hunter2"), normalised(Class::Secret, "Hunter2"));
        assert_eq!(pii("--"), b"--", "never nothing");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Action::ALL.iter().all(|action| Action::parse(action.as_str()) == Some(*action)));
    }
}
