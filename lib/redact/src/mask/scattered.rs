//! Texts whose pieces stand in several strings of a body, as models send them: each is looked at as a whole, and what is
//! found is taken out of every piece that holds some of it. Its token stands in the first of them.
//!
//! It refuses to know where pieces are: whoever knows the wire says so.

use std::ops::Range;

use json::{Layout, Scattered};

use super::{Looked, Marks, Mask, within_count};
use crate::{
    Redacted, Withheld,
    action::{Action, Replacement},
    edit::{self, Edit},
    escape::{self, Plain},
    view::Views,
};

/// A piece as it reads, and where it stands in the whole text.
struct Part<'t> {
    plain: Plain<'t>,
    raw_start: usize,
    start: usize,
}

impl Mask<'_> {
    /// A body that is no JSON as a whole: its layout is asked again of the masked body.
    pub(crate) fn scattered(
        &mut self,
        field: &str,
        text: &str,
        layout: &dyn Fn(&str) -> Layout,
    ) -> Result<Redacted, Withheld> {
        self.settle(field, text, |mask, text| mask.of_layout(text, &layout(text)))
    }

    fn of_layout<'t>(&mut self, text: &'t str, layout: &Layout) -> Result<Looked<'t>, Withheld> {
        let (mut across, mut judged) = (Vec::new(), Vec::new());
        for one in &layout.texts {
            let (finds, gone) = self.across(text, one)?;
            across.extend(finds);
            within_count(across.len())?;
            judged.extend(one.pieces.iter().chain(gone).cloned());
        }
        // What a piece alone looks like does not count: it was looked at where it belongs. Nor does what is in what goes.
        judged.sort_unstable_by_key(|range| range.start);
        let mut edits = self.in_documents(text, &layout.documents)?;
        edits.retain(|edit| {
            let before = judged.partition_point(|range| range.start <= edit.start);
            before.checked_sub(1).is_none_or(|place| edit.end > judged[place].end)
        });
        let edits = edit::merge(self.rules, edits, across);
        // What was seen of the parts is not told in places of the whole.
        self.unsettle();
        Ok(Looked { edits, marks: Marks::default(), views: Views::only(text.as_bytes().into()), json: false })
    }

    /// Each document as one, and what stands between them as text.
    fn in_documents(&mut self, text: &str, documents: &[Range<usize>]) -> Result<Vec<Edit>, Withheld> {
        let (mut edits, mut from) = (Vec::new(), 0);
        let end = text.len()..text.len();
        for document in documents.iter().chain([&end]) {
            let between = text.get(from..document.start).unwrap_or_default();
            if !matches!(between.trim(), "" | "data:") {
                edits.extend(moved(self.of_text(between)?.edits, from));
            }
            let looked = self.of_message(text.get(document.clone()).unwrap_or_default())?;
            edits.extend(moved(looked.edits, document.start));
            within_count(edits.len())?;
            from = document.end;
        }
        Ok(edits)
    }

    /// What is found in one text, and what goes with it.
    fn across<'o>(&mut self, text: &str, one: &'o Scattered) -> Result<(Vec<Edit>, &'o [Range<usize>]), Withheld> {
        let (mut whole, mut parts) = (String::new(), Vec::with_capacity(one.pieces.len()));
        for piece in &one.pieces {
            let plain = Plain::of(text.get(piece.clone()).unwrap_or_default());
            let start = whole.len();
            whole.push_str(&plain.text);
            parts.push(Part { plain, raw_start: piece.start, start });
        }
        let found = self.of_message(&whole)?.edits;
        let mut edits = Vec::new();
        for find in &found {
            spread(find, &parts, &mut edits);
            within_count(edits.len())?;
        }
        let Some(find) = found.iter().find(|find| !find.is_flag()) else { return Ok((edits, &[])) };
        edits.extend(one.copies.iter().map(|copy| self.gone(copy.clone(), find)));
        Ok((edits, &one.copies))
    }

    /// A whole value goes, which may be a container.
    fn gone(&self, range: Range<usize>, find: &Edit) -> Edit {
        let with = Replacement::plain(self.rules, find.rule);
        let with = Replacement { text: with.text.map(|token| format!("\"{token}\"")), ..with };
        Edit { start: range.start, end: range.end, with, rule: find.rule, pointer: String::new() }
    }
}

/// Edits of a part, as edits of the whole.
fn moved(edits: Vec<Edit>, by: usize) -> impl Iterator<Item = Edit> {
    edits.into_iter().map(move |edit| Edit { start: edit.start + by, end: edit.end + by, ..edit })
}

/// What becomes of the pieces that a find is in.
fn spread(find: &Edit, parts: &[Part<'_>], edits: &mut Vec<Edit>) {
    let first = parts.partition_point(|part| part.start + part.plain.text.len() <= find.start);
    for (place, part) in parts[first..].iter().take_while(|part| part.start < find.end).enumerate() {
        let from = find.start.max(part.start) - part.start;
        let to = (find.end - part.start).min(part.plain.text.len());
        let range = part.raw_start + part.plain.raw(from)..part.raw_start + part.plain.raw(to);
        if range.is_empty() {
            continue;
        }
        let with = match (place, &find.with.text) {
            (0, Some(token)) => Replacement { text: Some(escape::encode(token)), ..find.with.clone() },
            (_, Some(_)) => Replacement { text: Some(String::new()), action: Action::Redact },
            (_, None) => find.with.clone(),
        };
        edits.push(Edit { start: range.start, end: range.end, with, rule: find.rule, pointer: find.pointer.clone() });
    }
}
