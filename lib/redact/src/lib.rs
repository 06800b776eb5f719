//! Detectors and masks over bytes and JSON: nothing secret survives, nothing else changes.
//!
//! Rules are TOML; the built-in ones are packs. A message is not parsed: its escapes are flattened into a view of the
//! same length, anchors lead to the few places where a rule may match, and each is verified there. Only where something
//! was found does the structure of the document decide what may be replaced, so that every other byte stays. What is
//! found becomes `[REDACTED:<rule>]`; such replacements are left alone when they are met again, so masking what is
//! masked changes nothing.
//!
//! This room refuses to do IO, to know what a call is, and to return a value that it found.

use std::sync::{Arc, LazyLock};

use schemas::record::Redaction;

use crate::{
    mask::{Mask, Scanner},
    rules::Rules,
    work::Work,
};

mod bytes;
mod detector;
mod document;
mod edit;
mod escape;
mod json;
mod key;
mod keyed;
mod mask;
#[cfg(test)]
#[path = "../tests/support/pieces.rs"]
mod pieces;
mod rules;
mod scan;
mod token;
mod validator;
mod view;
mod work;

pub use rules::{Faults, RuleFile};

/// Longest message, in bytes; longer ones are withheld.
pub const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// The packs are part of the program: reading them once is enough.
static BUILT_IN: LazyLock<Arc<Rules>> =
    LazyLock::new(|| Arc::new(Rules::load(&[], &[]).expect("the built-in rules are whole: a test says so")));

/// A compiled set of rules. One per process, shared by reference.
#[derive(Clone, Debug)]
pub struct Redactor {
    rules: Arc<Rules>,
    scanner: Scanner,
}

/// A masked payload and its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    pub redactions: Vec<Redaction>,
}

/// The payload cannot be masked safely and must be withheld.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    #[error("not UTF-8")]
    NotText,
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    #[error("more than {0} places to mask")]
    TooMany(usize),
    #[error("masking it bares something new each time")]
    Unsettled,
    #[error("the work budget is spent")]
    Budget,
}

impl Redactor {
    /// All built-in rules.
    pub fn built_in() -> Redactor {
        Redactor { rules: BUILT_IN.clone(), scanner: Scanner::Fast }
    }

    /// The packs of these names (all, when none is named) and the rules of these files; or all that is wrong with them.
    pub fn load(packs: &[String], files: &[RuleFile]) -> Result<Redactor, Faults> {
        if packs.is_empty() && files.is_empty() {
            return Ok(Redactor::built_in());
        }
        Ok(Redactor { rules: Arc::new(Rules::load(packs, files)?), scanner: Scanner::Fast })
    }

    /// The same rules, one after the other and without anchors: slow, and what the fast scanner is held against.
    pub fn reference(&self) -> Redactor {
        Redactor { rules: self.rules.clone(), scanner: Scanner::Reference }
    }

    /// `sha256:<hex>` of the canonical rules.
    pub fn ruleset_id(&self) -> &str {
        &self.rules.id
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.rules.count()
    }

    /// Masks a message: as JSON where it is JSON (same structure out as in), as text otherwise. `field` names the
    /// column in the evidence.
    pub fn redact(&self, field: &str, body: &[u8]) -> Result<Redacted, Withheld> {
        within_limit(body.len())?;
        let text = std::str::from_utf8(body).map_err(|_| Withheld::NotText)?;
        self.mask(body.len()).message(field, text)
    }

    /// Masks a short text (a tool's name, an error), never as JSON.
    pub fn redact_text(&self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        within_limit(text.len())?;
        self.mask(text.len()).text(field, text)
    }

    fn mask(&self, bytes: usize) -> Mask<'_> {
        Mask::new(&self.rules, self.scanner, Work::for_bytes(bytes))
    }
}

fn within_limit(bytes: usize) -> Result<(), Withheld> {
    if bytes > BODY_BYTES_MAX { Err(Withheld::TooLarge(BODY_BYTES_MAX)) } else { Ok(()) }
}
