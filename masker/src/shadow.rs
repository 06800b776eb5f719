//! A set of rules on trial: it looks at all that the set in force masks, and only where the two differ is counted.
//!
//! Nothing of it reaches a record. It refuses to harm: where it panics or cannot mask, that is a difference as well.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use redact::{Redacted, Redactor, Withheld};
use schemas::record::Redaction;

/// What the set on trial does otherwise, of one text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// By rule: places that only the set on trial masks.
    pub(crate) added: Vec<String>,
    /// By rule: places that only the set in force masks.
    pub(crate) missed: Vec<String>,
    /// One of the two withholds, the other does not.
    pub(crate) withheld: bool,
}

/// Looks at a text with the set on trial and counts where it differs from what was made of it.
pub(crate) fn compare(
    trial: &Redactor,
    mask: impl FnOnce(&Redactor) -> Result<Redacted, Withheld>,
    made: &Result<Redacted, Withheld>,
) {
    let tried = catch_unwind(AssertUnwindSafe(|| mask(trial))).unwrap_or(Err(Withheld::Panicked));
    metrics::counter!("hansard_shadow_texts_total").increment(1);
    count(&differences(made, &tried));
}

fn differences(made: &Result<Redacted, Withheld>, tried: &Result<Redacted, Withheld>) -> Differences {
    let (Ok(made), Ok(tried)) = (made, tried) else {
        return Differences { withheld: made.is_ok() != tried.is_ok(), ..Differences::default() };
    };
    let places = |redacted: &Redacted| redacted.redactions.iter().map(place).collect::<BTreeSet<_>>();
    let (in_force, on_trial) = (places(made), places(tried));
    let rules = |one: &BTreeSet<_>, other: &BTreeSet<_>| {
        one.difference(other).map(|(_, _, rule, _): &(i64, i64, String, String)| rule.clone()).collect()
    };
    Differences { added: rules(&on_trial, &in_force), missed: rules(&in_force, &on_trial), withheld: false }
}

/// Where, by which rule, and what was done.
fn place(one: &Redaction) -> (i64, i64, String, String) {
    (one.start, one.end, one.rule.clone(), one.action.clone())
}

fn count(differences: &Differences) {
    for (word, rules) in [("added", &differences.added), ("missed", &differences.missed)] {
        for rule in rules {
            metrics::counter!("hansard_shadow_differences_total", "difference" => word, "rule" => rule.clone())
                .increment(1);
        }
    }
    if differences.withheld {
        metrics::counter!("hansard_shadow_differences_total", "difference" => "withheld", "rule" => "").increment(1);
    }
}

#[cfg(test)]
mod tests {
    use redact::{Action, Keyring, RuleFile, RuleSet};

    use super::*;

    fn of(set: &RuleSet) -> Redactor {
        Redactor::load(set, Keyring::default()).expect("the set is whole")
    }

    #[test]
    fn only_what_differs_is_told() {
        let packs = vec!["pii".to_owned()];
        let badge = "[[rule]]\nid = \"badge\"\nliterals = [\"BDG-\"]\npattern = 'BDG-[0-9]{6}'".to_owned();
        let files = vec![RuleFile { name: "badge.toml".to_owned(), text: badge }];
        let actions = [("card".to_owned(), Action::Partial)].into();
        let (old, new) = (
            of(&RuleSet { packs: packs.clone(), ..RuleSet::default() }),
            of(&RuleSet { packs, files, actions, ..RuleSet::default() }),
        );
        let check = |body: &[u8], added: &[&str], missed: &[&str], withheld: bool| {
            let told = differences(&old.redact("body", body), &new.redact("body", body));
            let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(told, Differences { added: words(added), missed: words(missed), withheld });
        };
        check(b"jane@example.org", &[], &[], false);
        check(b"jane@example.org BDG-123456", &["badge"], &[], false);
        check(b"4111 1111 1111 1111", &["card"], &["card"], false);
        check(b"\xff", &[], &[], false);
        let tried = differences(&Err(Withheld::Budget), &new.redact("body", b"{}"));
        assert!(tried.withheld);
    }

    #[test]
    fn a_panic_of_the_set_on_trial_is_its_own() {
        let redactor = Redactor::built_in();
        compare(&redactor, |_| panic!("on purpose"), &redactor.redact("body", b"{}"));
    }
}
