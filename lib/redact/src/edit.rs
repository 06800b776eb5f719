//! Edits: what is to be replaced by what, and how that leads from one text to the next.
//!
//! Edits of a text are disjoint and in order. Those of the text inside a JSON string are lifted into the string, so
//! that in the end all speak of the bytes of the message.

use crate::{
    escape::{self, Plain},
    rules::RuleId,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) replacement: String,
    pub(crate) rule: RuleId,
    /// JSON pointer to the value; through JSON in a string it goes on.
    pub(crate) pointer: String,
}

/// The text with its edits made.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for edit in edits {
        masked.push_str(text.get(from..edit.start).unwrap_or_default());
        masked.push_str(&edit.replacement);
        from = edit.end;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    masked
}

/// Edits of the plain text as edits of the raw one, a JSON string that starts at `base`.
pub(crate) fn lift(edits: &mut [Edit], way: &Plain<'_>, base: usize) {
    for edit in edits {
        (edit.start, edit.end) = (base + way.raw(edit.start), base + way.raw(edit.end));
        edit.replacement = escape::encode(&edit.replacement);
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
            masked_end = start + before.replacement.len();
            grown += before.replacement.len() as isize - (before.end - before.start) as isize;
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
pub(crate) fn merge(mut edits: Vec<Edit>, more: Vec<Edit>) -> Vec<Edit> {
    edits.extend(more);
    edits.sort_by_key(|edit| (edit.start, edit.rule));
    let mut merged: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match merged.last_mut() {
            Some(last) if edit.start < last.end => {
                last.end = last.end.max(edit.end);
                if edit.rule < last.rule {
                    (last.rule, last.replacement) = (edit.rule, edit.replacement);
                }
            }
            _ => merged.push(edit),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, replacement: &str) -> Edit {
        Edit { start, end, replacement: replacement.into(), rule: RuleId(0), pointer: String::new() }
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
    fn lifted_edits_cover_the_escapes() {
        let raw = r"x\u0040y";
        let mut edits = [edit(1, 2, "\"t\"")];
        lift(&mut edits, &Plain::of(raw), 10);
        assert_eq!((edits[0].start, edits[0].end, edits[0].replacement.as_str()), (11, 17, "\\\"t\\\""));
    }
}
