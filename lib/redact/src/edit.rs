//! Edits: what is to be replaced by what, and how that leads from one text to the next.
//!
//! Edits of a text are disjoint and in order. Those of the text inside a JSON string are lifted into the string, so
//! that in the end all speak of the bytes of the message.

use std::ops::Range;

use crate::{
    action::{Action, Replacement},
    escape::{self, Plain},
    rules::{RuleId, Rules},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) with: Replacement,
    pub(crate) rule: RuleId,
    /// JSON pointer to the value; through JSON in a string it goes on.
    pub(crate) pointer: String,
}

impl Edit {
    /// Does it leave the text as it is?
    pub(crate) fn is_flag(&self) -> bool {
        self.with.text.is_none()
    }

    /// Does it take a whole member away?
    pub(crate) fn drops(&self) -> bool {
        self.with.action == Action::DropField && self.with.text.as_deref() == Some("")
    }

    /// Does nothing of the value stay, whatever else was found in it?
    fn is_whole(&self) -> bool {
        self.drops() || self.with.action == Action::Digest
    }

    /// What was done: where there was no member to take away, the find was redacted.
    pub(crate) fn action(&self) -> Action {
        if self.with.action == Action::DropField && !self.drops() { Action::Redact } else { self.with.action }
    }

    /// Does what stands there afterwards hold anything that is read as an escape, or as the end of a string?
    pub(crate) fn brings_escapes(&self) -> bool {
        self.with.text.as_ref().is_some_and(|text| text.bytes().any(|byte| matches!(byte, b'"' | b'\\')))
    }

    /// How long what stands there afterwards is.
    pub(crate) fn length(&self) -> usize {
        self.with.text.as_ref().map_or(self.end - self.start, String::len)
    }
}

/// The text with its edits made.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut masked = String::with_capacity(text.len());
    for (kept, with) in pieces(text.len(), edits) {
        masked.push_str(text.get(kept).unwrap_or_default());
        masked.push_str(with);
    }
    masked
}

/// A view that is in step with its text, with the edits of the text made.
pub(crate) fn apply_to_bytes(view: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(view.len());
    for (kept, with) in pieces(view.len(), edits) {
        masked.extend_from_slice(view.get(kept).unwrap_or_default());
        masked.extend_from_slice(with.as_bytes());
    }
    masked
}

/// What is kept of a text, and what stands behind each part of it.
fn pieces(end: usize, edits: &[Edit]) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut from = 0;
    let replaced = edits.iter().filter_map(|edit| Some((edit.start..edit.end, edit.with.text.as_deref()?)));
    replaced.chain([(end..end, "")]).map(move |(replaced, with)| {
        let kept = from..replaced.start;
        from = replaced.end;
        (kept, with)
    })
}

/// Edits of the plain text as edits of the raw one, a JSON string that starts at `base`.
pub(crate) fn lift(edits: &mut [Edit], way: &Plain<'_>, base: usize) {
    for edit in edits {
        (edit.start, edit.end) = (base + way.raw(edit.start), base + way.raw(edit.end));
        edit.with.text = edit.with.text.as_deref().map(escape::encode);
    }
}

/// Edits of the masked text as edits of the original one; none when one would touch what is masked already.
pub(crate) fn unmask(more: Vec<Edit>, made: &[Edit]) -> Option<Vec<Edit>> {
    let (mut next, mut grown, mut masked_end) = (0, 0_isize, 0);
    let mut back = Vec::with_capacity(more.len());
    for mut edit in more {
        while let Some(before) = made.get(next) {
            let start = before.start.checked_add_signed(grown)?;
            if start >= edit.end {
                break;
            }
            masked_end = start + before.length();
            grown += before.length() as isize - (before.end - before.start) as isize;
            next += 1;
        }
        if edit.start < masked_end {
            return None;
        }
        edit.start = edit.start.checked_add_signed(-grown)?;
        edit.end = edit.end.checked_add_signed(-grown)?;
        back.push(edit);
    }
    Some(back)
}

/// Both lists as one. Where edits overlap they become one, under the rule that comes first.
pub(crate) fn merge(rules: &Rules, mut edits: Vec<Edit>, more: Vec<Edit>) -> Vec<Edit> {
    edits.extend(more);
    edits.sort_by_key(|edit| (edit.start, edit.rule));
    let mut merged: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match merged.last_mut() {
            Some(last) if edit.start < last.end => *last = united(rules, last.clone(), edit),
            _ => merged.push(edit),
        }
    }
    merged
}

/// Two edits that overlap, as one. A token of a part stands for no whole, so that one of both is plain.
fn united(rules: &Rules, one: Edit, other: Edit) -> Edit {
    match (&one, &other) {
        (one, other) if one.is_flag() != other.is_flag() => {
            return if one.is_flag() { other.clone() } else { one.clone() };
        }
        (one, other) if one.is_whole() && one.end >= other.end => return one.clone(),
        (one, other) if other.is_whole() && other.start <= one.start && other.end >= one.end => return other.clone(),
        _ => {}
    }
    let same = (one.start, one.end) == (other.start, other.end);
    let (end, one_is_first) = (one.end.max(other.end), one.rule <= other.rule);
    let (start, first) = (one.start, if one_is_first { one } else { other });
    let with = if same || first.is_flag() { first.with } else { Replacement::plain(rules, first.rule) };
    Edit { start, end, with, ..first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, replacement: &str) -> Edit {
        let with = Replacement { text: Some(replacement.into()), action: Action::Redact };
        Edit { start, end, with, rule: RuleId(0), pointer: String::new() }
    }

    #[test]
    fn edits_of_the_masked_text_find_their_place_in_the_original() {
        let (text, made) = ("aa SECRET bb x cc", [edit(3, 9, "[]"), edit(13, 14, "long")]);
        assert_eq!(apply(text, &made), "aa [] bb long cc");
        let more = vec![edit(0, 2, "1"), edit(6, 8, "2"), edit(14, 16, "3")];
        assert_eq!(unmask(more, &made), Some(vec![edit(0, 2, "1"), edit(10, 12, "2"), edit(15, 17, "3")]));
        assert_eq!(unmask(vec![edit(4, 6, "no")], &made), None);
    }

    #[test]
    fn what_overlaps_is_one_edit_and_its_token_stands_for_all_of_it() {
        let rules = &crate::BUILT_IN;
        let keyed = |start, end, rule| Edit { rule: RuleId(rule), ..edit(start, end, "[token]") };
        let plain = |rule| Some(format!("[REDACTED:{}]", rules.name(RuleId(rule))));
        let merged = merge(rules, vec![keyed(0, 4, 1), keyed(2, 6, 0)], vec![keyed(8, 9, 3), keyed(8, 9, 2)]);
        let told: Vec<_> = merged.into_iter().map(|edit| (edit.start, edit.end, edit.rule.0, edit.with.text)).collect();
        assert_eq!(told, [(0, 6, 0, plain(0)), (8, 9, 2, Some("[token]".to_owned()))]);
    }

    #[test]
    fn what_is_masked_is_not_only_flagged_and_what_is_dropped_is_not_only_masked() {
        let rules = &crate::BUILT_IN;
        let flag = Edit { with: Replacement { text: None, action: Action::Flag }, ..edit(0, 9, "") };
        let dropped =
            Edit { with: Replacement { text: Some(String::new()), action: Action::DropField }, ..edit(0, 9, "") };
        let one = edit(2, 4, "[x]");
        assert_eq!(merge(rules, vec![flag], vec![one.clone()]), std::slice::from_ref(&one));
        assert_eq!(merge(rules, vec![one], vec![dropped.clone()]), [dropped]);
    }

    #[test]
    fn lifted_edits_cover_the_escapes() {
        let raw = r"x\u0040y";
        let mut edits = [edit(1, 2, "\"t\"")];
        lift(&mut edits, &Plain::of(raw), 10);
        assert_eq!((edits[0].start, edits[0].end, edits[0].with.text.as_deref()), (11, 17, Some("\\\"t\\\"")));
    }
}
