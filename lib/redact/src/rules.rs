//! A set of rules: read from TOML, checked as a whole, compiled for the scanner, and named by its hash.
//!
//! A rule says what it finds and how candidates are found without looking everywhere; what it is for stands in the
//! packs. Loading refuses a set that has any fault, and names every fault of it at once.

use std::{collections::BTreeMap, fmt, sync::Arc};

use sha2::{Digest, Sha256};

pub(crate) mod compile;
mod lint;
pub(crate) mod packs;
mod pattern;
pub(crate) mod prefix;
mod source;

pub(crate) use compile::{Finder, How, Rules, Target};
pub(crate) use source::{Class, Example, Value};

use crate::{action::Action, keyring::Keyring};

/// Part of the rule set's id: grows whenever the same rules find something else.
const ENGINE_VERSION: u32 = 7;

/// A rule by its place in the order of precedence: where finds overlap, the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RuleId(pub(crate) u16);

/// Everything that is wrong with a set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl Faults {
    pub fn all(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// A file of rules: where it is from, for the faults, and what it says.
#[derive(Clone, Debug)]
pub struct RuleFile {
    pub name: String,
    pub text: String,
}

/// What a set of rules is made of.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Built-in packs; all of them, when none is named.
    pub packs: Vec<String>,
    /// Files of rules, after the packs.
    pub files: Vec<RuleFile>,
    /// What happens to finds, by the id of their rule or by its class; else what the rule itself says.
    pub actions: BTreeMap<String, Action>,
    /// For where there is no key: what would be hashed or tokenized is redacted.
    pub keyless: bool,
}

impl Rules {
    pub(crate) fn load(set: &RuleSet, keys: Arc<Keyring>) -> Result<Rules, Faults> {
        let mut faults = Vec::new();
        let mut sources: Vec<_> = packs::chosen(&set.packs, &mut faults)
            .iter()
            .flat_map(|(name, text)| source::read(name, text, &mut faults))
            .collect();
        let stops = source::stops(packs::NAMES, &mut faults);
        for file in &set.files {
            sources.extend(source::read(&file.name, &file.text, &mut faults));
        }
        source::by_precedence(&mut sources);
        let (id, has_key) = (id_of(&sources, &stops, set), !keys.is_empty());
        lint::check(&sources, &mut faults);
        let mut rules = compile::compile(&sources, stops, id, (set, keys), &mut faults);
        lint::actions(set, &rules, has_key, &mut faults);
        // Only a set that is whole can be tried on its own examples.
        if faults.is_empty() {
            lint::try_examples(&rules, &sources, &mut faults);
            rules.forget_searches();
        }
        if faults.is_empty() { Ok(rules) } else { Err(Faults(faults)) }
    }
}

/// The hash of everything that decides what is found.
fn id_of(sources: &[source::Rule], stops: &[String], set: &RuleSet) -> String {
    let mut canonical = format!("hansard-redact engine {ENGINE_VERSION}\n");
    for rule in sources {
        canonical += &format!("{}\n", rule.canonical);
    }
    for stop in stops {
        canonical += &format!("stop {stop}\n");
    }
    if set.keyless {
        canonical += "keyless\n";
    }
    for (what, action) in &set.actions {
        canonical += &format!("action {what} {}\n", action.as_str());
    }
    let digest = Sha256::digest(canonical.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
