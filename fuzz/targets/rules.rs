//! Files of rules from anywhere: never a panic, and whatever is taken names itself by a hash.

#![no_main]

use hansard_redact::{Redactor, RuleFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = RuleFile { name: "fuzz".to_owned(), text: text.to_owned() };
    if let Ok(redactor) = Redactor::load(&["nl".to_owned()], &[file]) {
        assert!(redactor.ruleset_id().starts_with("sha256:"));
    }
});
