//! Detectors and masks over bytes and JSON: nothing secret survives, nothing else changes.
//!
//! This room refuses to do IO, to know what a call is, and to return a value that it found.

use schemas::record::Redaction;

/// A compiled set of rules. One per process, shared by reference.
#[derive(Debug)]
pub struct Redactor {}

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
    #[error("the work budget is spent")]
    Budget,
}

impl Redactor {
    /// The built-in rules.
    pub fn built_in() -> Redactor {
        todo!()
    }

    /// `sha256:<hex>` of the canonical rules.
    pub fn ruleset_id(&self) -> &str {
        todo!()
    }

    /// Masks a message: as JSON where it is JSON (same structure out as in), as text otherwise. `field` names the
    /// column in the evidence.
    pub fn redact(&self, _field: &str, _body: &[u8]) -> Result<Redacted, Withheld> {
        todo!()
    }

    /// Masks a short text (a tool's name, an error), never as JSON.
    pub fn redact_text(&self, _field: &str, _text: &str) -> Result<Redacted, Withheld> {
        todo!()
    }
}
