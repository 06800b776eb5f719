//! Detectors and masks over bytes and JSON: nothing secret survives, nothing else changes.
//!
//! A message that is JSON is walked token by token: strings are unescaped before they are looked at, JSON inside
//! strings is walked in turn, and only string contents and whole numbers are replaced, so every other byte stays.
//! Anything else is text. What is found becomes `[REDACTED:<rule>]`; such replacements are left alone when they are met
//! again, so masking what is masked changes nothing.
//!
//! This first engine knows a fixed set of rules. It does not look into base64, does not fold full-width digits or
//! zero-width characters, and takes the deltas of a model's stream as they come.
//!
//! This room refuses to do IO, to know what a call is, and to return a value that it found.

use schemas::record::Redaction;
use sha2::{Digest, Sha256};

use crate::{mask::Mask, rule::Rule, scan::Scanner};

mod document;
mod edit;
mod escape;
mod json;
mod key;
mod mask;
mod rule;
mod scan;
mod work;

/// Longest message, in bytes; longer ones are withheld.
pub const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Part of the rule set's id: grows whenever the same rules find something else.
const ENGINE_VERSION: u32 = 2;

/// A compiled set of rules. One per process, shared by reference.
#[derive(Debug)]
pub struct Redactor {
    scanner: Scanner,
    ruleset_id: String,
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
    /// The built-in rules.
    pub fn built_in() -> Redactor {
        Redactor { scanner: Scanner::new(), ruleset_id: ruleset_id() }
    }

    /// `sha256:<hex>` of the canonical rules.
    pub fn ruleset_id(&self) -> &str {
        &self.ruleset_id
    }

    /// Masks a message: as JSON where it is JSON (same structure out as in), as text otherwise. `field` names the
    /// column in the evidence.
    pub fn redact(&self, field: &str, body: &[u8]) -> Result<Redacted, Withheld> {
        within_limit(body.len())?;
        let text = std::str::from_utf8(body).map_err(|_| Withheld::NotText)?;
        Mask::new(&self.scanner, body.len()).message(field, text)
    }

    /// Masks a short text (a tool's name, an error), never as JSON.
    pub fn redact_text(&self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        within_limit(text.len())?;
        Mask::new(&self.scanner, text.len()).text(field, text)
    }
}

fn within_limit(bytes: usize) -> Result<(), Withheld> {
    if bytes > BODY_BYTES_MAX { Err(Withheld::TooLarge(BODY_BYTES_MAX)) } else { Ok(()) }
}

/// The hash of everything that decides what is found, line by line.
fn ruleset_id() -> String {
    let mut canonical = format!("hansard-redact engine {ENGINE_VERSION}\n");
    for rule in Rule::ALL {
        canonical += &format!("rule {}: {}\n", rule.name(), rule.promise());
    }
    for anchor in scan::anchors() {
        canonical += &format!("anchor {anchor}\n");
    }
    for (name, rule) in key::ENDINGS.iter().chain(key::WHOLE) {
        canonical += &format!("key {name}: {}\n", rule.name());
    }
    for stop in key::STOPS {
        canonical += &format!("stop {stop}\n");
    }
    let digest = Sha256::digest(canonical.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
