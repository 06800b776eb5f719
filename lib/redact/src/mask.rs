//! Masking one message: JSON by walking it, text by scanning it, and either again until nothing more is found.
//!
//! Text that holds escapes (a log line with JSON in it, JSON that was cut off) is scanned as it is and once more for
//! each level of escapes undone, so that no spelling hides a value.

use crate::{
    Redacted, Withheld,
    document::Walk,
    edit::{self, Edit},
    escape,
    rule::{self, Rule},
    scan::{self, Hit, Scanner},
    work::Work,
};
use schemas::record::Redaction;

/// Deepest nesting of JSON in strings, and most levels of escapes in text.
pub(crate) const NESTING_MAX: usize = 8;
/// Most masked places of one message. With the longest body and the longest pointers, body and evidence together still
/// fit into one message of the log.
pub(crate) const REDACTIONS_MAX: usize = 20_000;
/// How often the masked text is looked at again before the message is withheld.
const ROUNDS_MAX: usize = 4;

pub(crate) struct Mask<'m> {
    scanner: &'m Scanner,
    work: Work,
}

impl<'m> Mask<'m> {
    /// Bytes that the walk looks at beside the scans.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Withheld> {
        self.work.spend(bytes)
    }

    pub(crate) fn new(scanner: &'m Scanner, bytes: usize) -> Mask<'m> {
        Mask { scanner, work: Work::for_bytes(bytes) }
    }

    #[cfg(test)]
    pub(crate) fn with(scanner: &'m Scanner, work: Work) -> Mask<'m> {
        Mask { scanner, work }
    }

    #[cfg(test)]
    pub(crate) fn into_work(self) -> Work {
        self.work
    }

    /// A message: JSON if it is, text otherwise.
    pub(crate) fn message(&mut self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        self.settle(field, text, |mask, text| match Walk::new(text, mask, 0).edits()? {
            Some(edits) => Ok(edits),
            None => mask.plain(text, 0),
        })
    }

    /// A text that is never JSON.
    pub(crate) fn text(&mut self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        self.settle(field, text, |mask, text| mask.plain(text, 0))
    }

    /// Masks until the masked text has nothing more to mask: a replacement may bare what its neighbours hid.
    fn settle(
        &mut self,
        field: &str,
        text: &str,
        find: impl Fn(&mut Self, &str) -> Result<Vec<Edit>, Withheld>,
    ) -> Result<Redacted, Withheld> {
        let mut edits = find(self, text)?;
        for _ in 0..ROUNDS_MAX {
            within_count(edits.len())?;
            if edits.is_empty() {
                return Ok(Redacted { text: text.to_owned(), redactions: Vec::new() });
            }
            let masked = edit::apply(text, &edits);
            let more = find(self, &masked)?;
            if more.is_empty() {
                return Ok(Redacted { text: masked, redactions: evidence(field, &edits) });
            }
            edits = edit::merge(edits.clone(), edit::unmask(more, &edits).ok_or(Withheld::Unsettled)?);
        }
        Err(Withheld::Unsettled)
    }

    /// What a JSON string holds: a document of its own, or text.
    pub(crate) fn inside(&mut self, plain: &str, nesting: usize) -> Result<Vec<Edit>, Withheld> {
        if matches!(plain.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"')) {
            if nesting > NESTING_MAX {
                return Err(Withheld::TooDeep(NESTING_MAX));
            }
            if let Some(edits) = Walk::new(plain, self, nesting).edits()? {
                return Ok(edits);
            }
        }
        self.plain(plain, nesting)
    }

    /// Text, and what its escapes hide.
    pub(crate) fn plain(&mut self, text: &str, nesting: usize) -> Result<Vec<Edit>, Withheld> {
        let hits = self.scanner.scan(text.as_bytes(), &mut self.work)?;
        within_count(hits.len())?;
        let edits = edits_of(text, hits);
        if !escape::hides(text) {
            return Ok(edits);
        }
        let plain = escape::decode(text);
        if plain == text {
            return Ok(edits);
        }
        if nesting >= NESTING_MAX {
            return Err(Withheld::TooDeep(NESTING_MAX));
        }
        let mut hidden = self.plain(&plain, nesting + 1)?;
        edit::lift(&mut hidden, text, 0, false);
        Ok(edit::merge(edits, hidden))
    }

    /// Hits that are known already, joined with those that the scan finds.
    pub(crate) fn hits(&mut self, plain: &str, mut known: Vec<Hit>) -> Result<Vec<Edit>, Withheld> {
        let reserved = self.scanner.reserved(plain.as_bytes());
        known.extend(self.scanner.scan(plain.as_bytes(), &mut self.work)?);
        Ok(edits_of(plain, scan::spare(&scan::join(known), &reserved, plain.as_bytes())))
    }

    /// The rule of an unsigned whole number.
    pub(crate) fn whole_number(&mut self, digits: &str) -> Result<Option<Rule>, Withheld> {
        let hits = self.scanner.scan(digits.as_bytes(), &mut self.work)?;
        let whole = hits.first().filter(|hit| hit.start == 0 && hit.end == digits.len());
        Ok(whole.map(|hit| hit.rule))
    }
}

/// Tested wherever finds are gathered, so that no body makes more of them than it may have.
pub(crate) fn within_count(places: usize) -> Result<(), Withheld> {
    if places > REDACTIONS_MAX { Err(Withheld::TooMany(REDACTIONS_MAX)) } else { Ok(()) }
}

/// Hits as edits, widened to whole characters.
fn edits_of(text: &str, hits: Vec<Hit>) -> Vec<Edit> {
    let edit = |hit: Hit| Edit {
        start: (0..=hit.start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0),
        end: (hit.end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len()),
        replacement: rule::token(hit.rule),
        rule: hit.rule,
        pointer: String::new(),
    };
    hits.into_iter().map(edit).collect()
}

fn evidence(field: &str, edits: &[Edit]) -> Vec<Redaction> {
    let mut grown = 0_i64;
    let one = |edit: &Edit| {
        let (start, end) = (edit.start as i64, edit.end as i64);
        let masked_start = start + grown;
        let masked_end = masked_start + edit.replacement.len() as i64;
        grown = masked_end - end;
        Redaction {
            rule: edit.rule.name().to_owned(),
            field: field.to_owned(),
            pointer: edit.pointer.clone(),
            action: "redact".to_owned(),
            start,
            end,
            masked_start,
            masked_end,
            key_id: None,
        }
    };
    edits.iter().map(one).collect()
}
