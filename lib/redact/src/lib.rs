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

use schemas::{Direction, record::Redaction};
use simdutf8::basic::from_utf8;

use crate::{
    field::Scene,
    mask::{Mask, Scanner},
    rules::{Class, Rules},
    work::Work,
};

mod action;
mod block;
mod bytes;
mod depth;
mod detector;
mod document;
mod edit;
mod escape;
mod field;
mod key;
mod keyed;
mod keyring;
mod mask;
#[cfg(test)]
#[path = "../tests/support/pieces.rs"]
mod pieces;
mod rules;
mod scan;
mod stream;
mod token;
mod validator;
mod view;
mod work;

pub use action::Action;
pub use json::{Layout, Scattered};
pub use keyring::{KEY_BYTES, Keyring, MaskingKey, Opened, Sealed};
pub use rules::{Faults, RuleFile, RuleSet};
pub use stream::{HELD_BYTES_MAX, Stream};

/// Longest message, in bytes; longer ones are withheld.
pub const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// The packs are part of the program: reading them once is enough.
static BUILT_IN: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(built_in()));

/// A compiled set of rules. One per process, shared by reference.
#[derive(Clone, Debug)]
pub struct Redactor {
    rules: Arc<Rules>,
    scanner: Scanner,
    tenant: Arc<str>,
    scene: Arc<Scene>,
}

/// A masked payload and its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    pub redactions: Vec<Redaction>,
    /// Places of the input that begin as our replacements do, whoever wrote them.
    pub look_alikes: usize,
}

/// What is to stand at one place of a masked text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Masked,
    AsItWas,
    Text(&'static str),
}

impl Redacted {
    /// The masked text with something else at some places, for a wire that needs them: `original` is what was masked.
    pub fn with(&self, original: &str, choose: impl Fn(&Redaction) -> Place) -> String {
        let (mut text, mut from) = (String::with_capacity(self.text.len()), 0);
        for one in &self.redactions {
            let (start, end) = (one.masked_start as usize, one.masked_end as usize);
            text.push_str(self.text.get(from..start).unwrap_or_default());
            text.push_str(match choose(one) {
                Place::Masked => self.text.get(start..end).unwrap_or_default(),
                Place::AsItWas => original.get(one.start as usize..one.end as usize).unwrap_or_default(),
                Place::Text(other) => other,
            });
            from = end;
        }
        text.push_str(self.text.get(from..).unwrap_or_default());
        text
    }

    /// Is the text another than it was? What is only flagged changes nothing.
    pub fn is_changed(&self) -> bool {
        self.redactions.iter().any(|one| one.action != Action::Flag.as_str())
    }
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
    /// Said by those who catch it. What was panicked with is not told: it may hold what was to be masked.
    #[error("masking failed on it; this is a fault of ours")]
    Panicked,
}

impl Redactor {
    /// All built-in rules.
    pub fn built_in() -> Redactor {
        Redactor { rules: BUILT_IN.clone(), scanner: Scanner::Fast, tenant: Arc::default(), scene: Arc::default() }
    }

    /// The rules of a set, with the keys of their tokens; or all that is wrong with them.
    pub fn load(set: &RuleSet, keys: Keyring) -> Result<Redactor, Faults> {
        let rules = Arc::new(Rules::load(set, Arc::new(keys))?);
        Ok(Redactor { rules, scanner: Scanner::Fast, tenant: Arc::default(), scene: Arc::default() })
    }

    /// The same rules for the data of one tenant: the same value is another token than another tenant's.
    pub fn for_tenant(&self, tenant: &str) -> Redactor {
        Redactor { tenant: tenant.into(), ..self.clone() }
    }

    /// The same rules for messages of one call: some rules by path hold for some tools only, or in one direction. What is not
    /// known limits nothing.
    pub fn for_call(&self, tool: Option<&str>, direction: Direction) -> Redactor {
        let scene = Scene { tool: tool.map(str::to_owned), direction: Some(direction) };
        Redactor { scene: Arc::new(scene), ..self.clone() }
    }

    /// The same rules, one after the other and without anchors: slow, and what the fast scanner is held against.
    pub fn reference(&self) -> Redactor {
        Redactor { scanner: Scanner::Reference, ..self.clone() }
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
        let text = from_utf8(body).map_err(|_| Withheld::NotText)?;
        self.mask(body.len()).message(field, text)
    }

    /// Masks a short text (a tool's name, an error), never as JSON.
    pub fn redact_text(&self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        within_limit(text.len())?;
        self.mask(text.len()).text(field, text)
    }

    /// Masks a body of several documents that may hold texts in pieces, as the stream of a model's answer does. `layout` says
    /// where they are, of the body and of what becomes of it.
    pub fn redact_scattered(
        &self,
        field: &str,
        body: &[u8],
        layout: impl Fn(&str) -> Layout,
    ) -> Result<Redacted, Withheld> {
        within_limit(body.len())?;
        let text = from_utf8(body).map_err(|_| Withheld::NotText)?;
        self.mask(body.len()).scattered(field, text, &layout)
    }

    /// What a message holds: the ids of the rules that find something in it, and their classes; in order, each once.
    /// What cannot be looked at safely is an error, and never empty.
    pub fn findings(&self, body: &[u8]) -> Result<Vec<String>, Withheld> {
        self.redact("", body).map(|redacted| self.named(&redacted.redactions))
    }

    fn named(&self, redactions: &[Redaction]) -> Vec<String> {
        let mut names: Vec<String> = redactions.iter().map(|one| one.rule.clone()).collect();
        names.sort();
        names.dedup();
        let of_class = |class: &Class| {
            let has = |name: &String| self.rules.id_of(name).is_some_and(|rule| self.rules.class(rule) == *class);
            names.iter().any(has)
        };
        let classes = [Class::Custom, Class::Pii, Class::Secret].into_iter().filter(of_class);
        let classes: Vec<_> = classes.map(|class| class.as_str().to_owned()).collect();
        names.extend(classes);
        names.sort();
        names.dedup();
        names
    }

    fn mask(&self, bytes: usize) -> Mask<'_> {
        Mask::new(&self.rules, self.scanner, &self.tenant, Work::for_bytes(bytes)).in_scene(&self.scene)
    }
}

fn built_in() -> Rules {
    Rules::load(&RuleSet::default(), Arc::default()).expect("the built-in rules are whole: a test says so")
}

fn within_limit(bytes: usize) -> Result<(), Withheld> {
    if bytes > BODY_BYTES_MAX { Err(Withheld::TooLarge(BODY_BYTES_MAX)) } else { Ok(()) }
}
