//! Files of rules from anywhere: never a panic, and whatever is taken names itself by a hash.

#![no_main]

use hansard_redact::{Keyring, Redactor, RuleFile, RuleSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = RuleFile { name: "fuzz".to_owned(), text: text.to_owned() };
    let set = RuleSet { packs: vec!["nl".to_owned()], files: vec![file], ..RuleSet::default() };
    if let Ok(redactor) = Redactor::load(&set, Keyring::default()) {
        assert!(redactor.ruleset_id().starts_with("sha256:"));
    }
});
