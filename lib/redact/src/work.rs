//! The work budget of one message: how much may be looked at before the message is withheld instead.

use crate::Withheld;

/// Budget per byte of the message, in bytes looked at; views of escaped text and the second look included.
const PER_BYTE: usize = 96;
/// Budget of every message, in bytes looked at.
const BASE: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Work {
    left: usize,
}

impl Work {
    pub(crate) fn for_bytes(bytes: usize) -> Work {
        Work { left: bytes.saturating_mul(PER_BYTE).saturating_add(BASE) }
    }

    /// For rules that are tried on their own examples.
    pub(crate) fn unbounded() -> Work {
        Work { left: usize::MAX }
    }

    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Withheld> {
        self.left = self.left.checked_sub(bytes).ok_or(Withheld::Budget)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        mask::{Mask, Scanner},
        rules::{RuleSet, Rules},
    };

    /// What masking costs where nothing stops it.
    fn cost(rules: &Rules, text: &str) -> usize {
        let mut mask = Mask::new(rules, Scanner::Fast, "", Work::unbounded());
        let _ = mask.message("body", text);
        usize::MAX - mask.into_work().left
    }

    /// Eight times the input may cost about eight times as much, whatever is in it.
    #[test]
    fn hostile_shapes_cost_no_square() {
        let begin = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
        let end = ["-----END ", "PRIVATE KEY-----"].concat();
        let lines = ["-----END AAAAAAAAAAAAAAAA", "PRIVATE KEY-----"].concat();
        let shapes = [
            (begin.as_str(), ""),
            (end.as_str(), ""),
            (lines.as_str(), ""),
            ("cookie:<", ">"),
            ("authorization:{{", "}}"),
            ("authorization:${", "}"),
            ("password='<", ">'"),
            ("password=", ""),
            ("phone=", ""),
            ("ssn='", ""),
            ("token=\"", ""),
            ("a@", ""),
            ("a@a.", ""),
            ("://a:", ""),
            ("eyJ", ""),
            ("xoxb-", ""),
            ("xoxb-eyJsk-ghp_AKIA", ""),
            ("eyJhbGciOiJIUzI1NiJ9.", ""),
            ("github_pat_", ""),
            ("bearer ", ""),
            ("1 ", ""),
            ("1111 ", ""),
            ("+1", ""),
            ("DE89 ", ""),
            ("1.", ""),
            ("\\\"", ""),
            ("\\u0040", ""),
            ("[REDACTED:", ""),
            ("[REDACTED:email]", ""),
            ("sk-", ""),
            ("key key ", ""),
            ("kind: Secret\n", ""),
            ("kind: Secret\ndata:\n  a: b\n---\n", ""),
            ("{\"a\":", ""),
            ("AAAAAAAAAAAAAAAA\n", ""),
        ];
        let rules = Rules::load(&RuleSet::default(), Arc::default()).expect("the built-in rules are whole");
        for (shape, tail) in shapes {
            let of = |bytes: usize| cost(&rules, &(shape.repeat(bytes / shape.len()) + tail));
            check(shape, of(8_000), of(64_000));
        }
        let long_key = |bytes: usize| {
            let items = vec!["\"a@b.example\""; bytes / 32].join(",");
            cost(&rules, &format!("{{\"{}\":[{items}]}}", "k".repeat(bytes / 2)))
        };
        check("one long key, many finds", long_key(8_000), long_key(64_000));
    }

    fn check(shape: &str, small: usize, large: usize) {
        assert!(large < small * 12, "{shape}: {small} and {large}");
    }

    #[test]
    fn ends_when_it_is_spent() {
        let mut work = Work::for_bytes(1);
        assert_eq!(work.spend(BASE + PER_BYTE), Ok(()));
        assert_eq!(work.spend(1), Err(Withheld::Budget));
    }
}
