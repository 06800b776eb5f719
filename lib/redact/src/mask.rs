//! Masking one message: every view of it is scanned; where something was found, the structure says what may be
//! replaced; and the masked text is looked at again, until there is nothing more to mask. Mostly it is enough to look
//! again near the edits: [`again`] says when.
//!
//! It refuses to parse a message in which nothing was found.

use std::ops::Range;

use schemas::record::Redaction;

use crate::{
    Redacted, Withheld,
    action::{Action, Replacement, TOKENIZED_TOTAL_BYTES_MAX},
    depth::{self, DEPTH_MAX},
    detector::manifest,
    document::Walk,
    edit::{self, Edit},
    field::{Reached, Scene},
    rules::{RuleId, Rules},
    scan::{self, Found, Hit, Trail},
    token,
    view::{self, Encoded, View, Views},
    work::Work,
};

mod again;
pub(crate) mod scattered;

/// Most masked places of one message. With the longest body and the longest pointers, body and evidence together still
/// fit into one message of the log.
pub(crate) const REDACTIONS_MAX: usize = 20_000;
/// How often the masked text is looked at again before the message is withheld.
const ROUNDS_MAX: usize = 4;

/// Which scanner finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanner {
    Fast,
    Reference,
}

/// What was found in a text, in its own offsets and in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) hits: Vec<Hit>,
    /// Names in quotes that announce a secret.
    pub(crate) names: Vec<usize>,
    /// There may be a file in base64.
    pub(crate) has_long_base64: bool,
    pub(crate) trail: Trail,
}

/// What one look at a text gave.
struct Looked<'t> {
    edits: Vec<Edit>,
    marks: Marks,
    views: Views<'t>,
    /// What it was read as.
    json: bool,
}

impl Marks {
    /// Adds what a scan of a view found.
    fn add(&mut self, found: Found, view: &View<'_>) {
        let hit = |hit: Hit| {
            let (start, end) = view.in_text(hit.start, hit.end);
            Hit { start, end, rule: hit.rule, name: hit.name.map(|at| view.in_text(at, at).0) }
        };
        self.hits.extend(found.hits.into_iter().map(hit));
        self.names.extend(found.names.into_iter().map(|at| view.in_text(at, at).0));
        let range = |(start, end): (usize, usize)| view.in_text(start, end.min(view.bytes.len()));
        self.trail.far.extend(found.trail.far.into_iter().map(range));
        self.trail.passed.extend(found.trail.passed.into_iter().map(range));
        self.trail.refused.extend(found.trail.refused.into_iter().map(range));
        // What is near in a view that leaves something out may be far in the text.
        let refused = !view.is_in_step() && !self.trail.refused.is_empty();
        self.trail.whole |= found.trail.whole || refused;
    }
}

pub(crate) struct Mask<'m> {
    rules: &'m Rules,
    scanner: Scanner,
    tenant: &'m str,
    work: Work,
    /// How many bytes of values may still be tokenized.
    room: usize,
    /// With other bytes in the place of its edits, the structure may announce what it does not announce now.
    unsettled: bool,
    /// The paths of rules that hold for the message, at its root.
    fields: Reached,
}

impl<'m> Mask<'m> {
    pub(crate) fn new(rules: &'m Rules, scanner: Scanner, tenant: &'m str, work: Work) -> Mask<'m> {
        let (room, fields) = (TOKENIZED_TOTAL_BYTES_MAX, rules.fields.start(&Scene::default()));
        Mask { rules, scanner, tenant, work, room, unsettled: false, fields }
    }

    /// A message of this call.
    pub(crate) fn in_scene(self, scene: &Scene) -> Mask<'m> {
        Mask { fields: self.rules.fields.start(scene), ..self }
    }

    pub(crate) fn rules(&self) -> &'m Rules {
        self.rules
    }

    /// Bytes that are looked at beside the scans.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Withheld> {
        self.work.spend(bytes)
    }

    /// The masked text has to be looked at in whole.
    pub(crate) fn unsettle(&mut self) {
        self.unsettled = true;
    }

    #[cfg(test)]
    pub(crate) fn into_work(self) -> Work {
        self.work
    }

    /// A message: JSON if it is, text otherwise.
    pub(crate) fn message(&mut self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        self.settle(field, text, Mask::of_message)
    }

    /// A text that is never JSON.
    pub(crate) fn text(&mut self, field: &str, text: &str) -> Result<Redacted, Withheld> {
        self.settle(field, text, Mask::of_text)
    }

    /// Masks until the masked text has nothing more to mask: a replacement may bare what its neighbours hid.
    fn settle(
        &mut self,
        field: &str,
        text: &str,
        find: impl for<'t> Fn(&mut Self, &'t str) -> Result<Looked<'t>, Withheld>,
    ) -> Result<Redacted, Withheld> {
        let first = find(self, text)?;
        within_count(first.edits.len())?;
        if first.edits.iter().all(Edit::is_flag) {
            return Ok(self.redacted(field, text, text.to_owned(), &first.edits));
        }
        let mut masked = edit::apply(text, &first.edits);
        if self.scanner == Scanner::Fast && self.is_settled(text, &first, &masked)? {
            return Ok(self.redacted(field, text, masked, &first.edits));
        }
        let mut edits = first.edits;
        for _ in 0..ROUNDS_MAX {
            let mut more = find(self, &masked)?.edits;
            more.retain(|edit| !edit.is_flag());
            if more.is_empty() {
                return Ok(self.redacted(field, text, masked, &edits));
            }
            let more = edit::unmask(more, &edits).ok_or(Withheld::Unsettled)?;
            edits = edit::merge(self.rules, edits, more);
            within_count(edits.len())?;
            masked = edit::apply(text, &edits);
        }
        Err(Withheld::Unsettled)
    }

    fn of_message<'t>(&mut self, text: &'t str) -> Result<Looked<'t>, Withheld> {
        let (marks, views) = self.marks(text)?;
        if marks.hits.is_empty()
            && !views.first.may_be_in_documents(&marks.names)
            && self.fields.is_empty()
            && !(marks.has_long_base64 && self.rules.may_hold_blob(text))
        {
            return match looks_like_json(text) {
                true if depth::is_too_deep(text, &views.first.bytes) => Err(Withheld::TooDeep(DEPTH_MAX)),
                true => Ok(Looked { edits: Vec::new(), marks, views, json: true }),
                false => self.in_text(text, marks, views),
            };
        }
        let fields = self.fields.clone();
        match Walk::new(text, &marks, self, 0, fields).edits()? {
            Some(edits) => Ok(Looked { edits, marks, views, json: true }),
            None => self.in_text(text, marks, views),
        }
    }

    fn of_text<'t>(&mut self, text: &'t str) -> Result<Looked<'t>, Withheld> {
        let (marks, views) = self.marks(text)?;
        self.in_text(text, marks, views)
    }

    /// Where a text is no JSON, what looks like an escape may be none.
    fn in_text<'t>(&mut self, text: &str, mut marks: Marks, views: Views<'t>) -> Result<Looked<'t>, Withheld> {
        if let Some(view) = view::as_written(text) {
            self.look(&view, &mut marks)?;
        }
        let edits = self.edits(text, marks.hits.clone());
        within_count(edits.len())?;
        Ok(Looked { edits, marks, views, json: false })
    }

    /// What all views of a text show, and the views.
    fn marks<'t>(&mut self, text: &'t str) -> Result<(Marks, Views<'t>), Withheld> {
        let mut marks = Marks::default();
        let views = view::views(text)?;
        self.look(&views.first, &mut marks)?;
        for view in &views.others {
            self.look(view, &mut marks)?;
        }
        let encoded = Encoded::of(&views.first.bytes);
        marks.has_long_base64 = encoded.has_long;
        self.encoded(encoded, &views.first, &mut marks)?;
        marks.hits.sort_unstable();
        marks.names.sort_unstable();
        marks.names.dedup();
        Ok((marks, views))
    }

    fn look(&mut self, view: &View<'_>, marks: &mut Marks) -> Result<(), Withheld> {
        let found = match self.scanner {
            Scanner::Fast => scan::scan(self.rules, &view.bytes, &mut self.work)?,
            Scanner::Reference => scan::reference::scan(self.rules, &view.bytes),
        };
        marks.add(found, view);
        Ok(())
    }

    /// What is found in a string whose text is known: a keyed value may go on where an escape of the message looked like
    /// the end of a line.
    pub(crate) fn known(&mut self, plain: &str, mut hits: Vec<Hit>) -> Result<Vec<Hit>, Withheld> {
        if !plain.contains('\\') || hits.iter().all(|hit| hit.name.is_none()) {
            return Ok(hits);
        }
        let mut marks = Marks::default();
        self.look(&View::plain(plain.as_bytes()), &mut marks)?;
        hits.extend(marks.hits);
        self.unsettled = true;
        Ok(hits)
    }

    /// What base64 hides: a find masks the whole run.
    fn encoded(&mut self, encoded: Encoded, view: &View<'_>, marks: &mut Marks) -> Result<(), Withheld> {
        for (start, end, plain) in encoded.texts {
            let found = scan::scan(self.rules, &plain, &mut self.work)?;
            if let Some(rule) = found.hits.iter().map(|hit| hit.rule).min() {
                let (start, end) = view.in_text(start, end);
                marks.hits.push(Hit { start, end, rule, name: None });
            }
        }
        Ok(())
    }

    /// Hits as edits: disjoint, without the replacements that stand there already, widened to whole characters. What is
    /// only flagged takes nothing from what is masked.
    pub(crate) fn edits(&mut self, text: &str, hits: Vec<Hit>) -> Vec<Edit> {
        if hits.is_empty() {
            return Vec::new();
        }
        let hits = self.of_manifests(text, hits);
        let reserved = self.rules.tokens.places(text.as_bytes());
        let (flagged, masked): (Vec<Hit>, Vec<Hit>) =
            hits.into_iter().partition(|hit| self.rules.action(hit.rule) == Action::Flag);
        let edits = self.disjoint(text, masked, &reserved);
        if flagged.is_empty() {
            return edits;
        }
        let flags = self.disjoint(text, flagged, &reserved);
        edit::merge(self.rules, edits, flags)
    }

    /// Where there is a manifest, its values in place of its kind. They may stand anywhere.
    fn of_manifests(&mut self, text: &str, mut hits: Vec<Hit>) -> Vec<Hit> {
        let Some(rule) = self.rules.manifest else { return hits };
        let is_kind = |hit: &Hit| hit.rule == rule && hit.name.is_none();
        if hits.iter().any(is_kind) {
            hits.retain(|hit| !is_kind(hit));
            let value = |range: Range<usize>| Hit { start: range.start, end: range.end, rule, name: Some(range.start) };
            hits.extend(manifest::values(text).into_iter().map(value));
            self.unsettled = true;
        }
        hits
    }

    fn disjoint(&mut self, text: &str, hits: Vec<Hit>, reserved: &[(usize, usize)]) -> Vec<Edit> {
        let hits = scan::spare(scan::join(hits, self.rules.url_credential), reserved, text.as_bytes());
        let mut edits = Vec::with_capacity(hits.len());
        for hit in hits {
            let start = (0..=hit.start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let end = (hit.end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let with = self.replacement(hit.rule, text.get(start..end).unwrap_or_default());
            edits.push(Edit { start, end, with, rule: hit.rule, pointer: String::new() });
        }
        edits
    }

    /// What stands in the place of this value.
    pub(crate) fn replacement(&mut self, rule: RuleId, value: &str) -> Replacement {
        Replacement::of(self.rules, self.tenant, rule, value, &mut self.room)
    }

    fn redacted(&self, field: &str, text: &str, masked: String, edits: &[Edit]) -> Redacted {
        Redacted { text: masked, redactions: self.evidence(field, edits), look_alikes: token::look_alikes(text) }
    }

    fn evidence(&self, field: &str, edits: &[Edit]) -> Vec<Redaction> {
        let mut grown = 0_i64;
        let one = |edit: &Edit| {
            let (start, end) = (edit.start as i64, edit.end as i64);
            let masked_start = start + grown;
            let masked_end = masked_start + edit.length() as i64;
            grown = masked_end - end;
            let action = edit.action();
            let key_id = self.rules.tokens.keys().current().filter(|_| action.is_keyed());
            Redaction {
                rule: self.rules.name(edit.rule).to_owned(),
                field: field.to_owned(),
                pointer: edit.pointer.clone(),
                action: action.as_str().to_owned(),
                start,
                end,
                masked_start,
                masked_end,
                key_id: key_id.map(str::to_owned),
            }
        };
        edits.iter().map(one).collect()
    }
}

fn looks_like_json(text: &str) -> bool {
    matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"'))
}

/// Tested wherever finds are gathered, so that no body makes more of them than it may have.
pub(crate) fn within_count(places: usize) -> Result<(), Withheld> {
    if places > REDACTIONS_MAX { Err(Withheld::TooMany(REDACTIONS_MAX)) } else { Ok(()) }
}
