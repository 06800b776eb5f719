//! Whether a masked text has nothing more to mask, told by looking near its edits alone. It refuses to guess: where this
//! does not tell, the whole masked text is looked at.
//!
//! Why that is enough. A candidate is decided by the bytes that are looked at for it. Where none of these was edited, it
//! is decided as before, and what it gave before is masked. So only candidates near an edit can give something new, and
//! those that were looked at farther, which the first scan noted:
//!
//! - A check reads from left to right and stops at what it finds. One that did not come to the edit in the text does not
//!   come to it in the masked text, which is the same up to there.
//! - Candidates that were passed over – within a find, or within a run that was refused as a whole – may now be tried. A
//!   find is masked; what was passed over beyond it, and refused runs near an edit, are not judged here.
//! - Flattening goes by the quotes and backslashes of the text, so that no edit may have taken one away. Where none brought
//!   one either, the view is the one there was, with the edits made; elsewhere it is made anew.
//! - A run of base64 that no edit touches hides what it hid. The other views of a text, of which there is little, are
//!   looked at in whole.
//! - What the structure of a document announces, the walk has judged: see [`Mask::unsettle`].

use std::{borrow::Cow, ops::Range};

use super::{Looked, Marks, Mask, looks_like_json};
use crate::{
    Withheld,
    bytes::before,
    depth,
    edit::{self, Edit},
    scan::{self, Hit},
    view::{self, Encoded, View, Views},
};

impl Mask<'_> {
    /// Would a look at the whole masked text find nothing? When it says no, it may be mistaken.
    pub(super) fn is_settled(&mut self, text: &str, first: &Looked<'_>, masked: &str) -> Result<bool, Withheld> {
        let known = !self.unsettled && self.is_near(text, first);
        if !known || (!first.json && looks_like_json(masked) && depth::is_json(masked)) {
            return Ok(false);
        }
        let ranges = replaced(&first.edits);
        let (mut marks, views) = (Marks::default(), views_of(text, first, masked)?);
        self.look_near(&views.first, &ranges, &mut marks)?;
        if let Some(view) = view::as_written(masked).filter(|_| !first.json) {
            self.look_near(&view, &ranges, &mut marks)?;
        }
        for view in &views.others {
            self.look(view, &mut marks)?;
        }
        let encoded = match views.first.is_in_step() {
            true => Encoded::beside(&views.first.bytes, &ranges),
            false => Encoded::of(&views.first.bytes),
        };
        self.encoded(encoded, &views.first, &mut marks)?;
        marks.names.sort_unstable();
        let tried = marks.trail.refused.is_empty() && !marks.trail.whole;
        // What a name announces, the walk looks for in what its string says, too.
        let known = are_known(&marks.names, &first.marks.names, &first.edits)
            && are_known(&announcing(&marks.hits), &announcing(&first.marks.hits), &first.edits);
        Ok(tried && known && self.edits(masked, marks.hits).iter().all(Edit::is_flag))
    }

    /// Was everything that an edit may have changed looked at from near it?
    fn is_near(&self, text: &str, first: &Looked<'_>) -> bool {
        let (near, trail, edits) = (self.rules.near, &first.marks.trail, &first.edits);
        let first_from = |place: usize| edits.get(edits.partition_point(|edit| edit.start <= place));
        let first_to = |place: usize| edits.get(edits.partition_point(|edit| edit.end < place));
        let from_afar = |(start, end): &(usize, usize)| first_from(start + near).is_some_and(|edit| edit.start <= *end);
        let beyond = |(start, end): &(usize, usize)| first_to(*start).is_some_and(|edit| *end > edit.end + near);
        let beside = |(start, end): &(usize, usize)| {
            first_to(start.saturating_sub(near)).is_some_and(|edit| edit.start <= end + near)
        };
        let plain =
            |edit: &Edit| !text.as_bytes()[edit.start..edit.end].iter().any(|byte| matches!(byte, b'"' | b'\\'));
        !trail.whole
            && edits.iter().all(plain)
            && !trail.far.iter().any(from_afar)
            && !trail.passed.iter().any(|range| from_afar(range) || beyond(range))
            && !trail.refused.iter().any(beside)
    }

    /// Near is told in bytes of the view: what is one there may be many in the text.
    fn look_near(&mut self, view: &View<'_>, ranges: &[Range<usize>], marks: &mut Marks) -> Result<(), Withheld> {
        let mut shown: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            let shows = view.of_text(range.start, range.end);
            let range = shows.start.saturating_sub(self.rules.near)..view.bytes.len().min(shows.end + self.rules.near);
            match shown.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => shown.push(range),
            }
        }
        let found = scan::scan_near(self.rules, &view.bytes, &shown, &mut self.work)?;
        marks.add(found, view);
        Ok(())
    }
}

/// The names that announced a find, in order.
fn announcing(hits: &[Hit]) -> Vec<usize> {
    let mut names: Vec<usize> = hits.iter().filter_map(|hit| hit.name).collect();
    names.sort_unstable();
    names
}

/// The views of the masked text.
fn views_of<'t>(text: &str, first: &Looked<'_>, masked: &'t str) -> Result<Views<'t>, Withheld> {
    let seen = &first.views;
    let plain = |edit: &Edit| !edit.brings_escapes() && before(text.as_bytes(), edit.start) != Some(b'\\');
    if !seen.first.is_in_step() || !seen.others.is_empty() || !first.edits.iter().all(plain) {
        return view::views(masked);
    }
    Ok(Views::only(match &seen.first.bytes {
        Cow::Borrowed(_) => masked.as_bytes().into(),
        Cow::Owned(flat) => edit::apply_to_bytes(flat, &first.edits).into(),
    }))
}

/// Where the replacements stand in the masked text.
fn replaced(edits: &[Edit]) -> Vec<Range<usize>> {
    let mut grown = 0_isize;
    let range = |edit: &Edit| {
        let start = edit.start.saturating_add_signed(grown);
        grown += edit.length() as isize - (edit.end - edit.start) as isize;
        start..start + edit.length()
    };
    edits.iter().map(range).collect()
}

/// Are all these names of the masked text among those of the text?
fn are_known(names: &[usize], known: &[usize], edits: &[Edit]) -> bool {
    let (mut next, mut grown) = (0, 0_isize);
    names.iter().all(|name| {
        while let Some(edit) = edits.get(next) {
            let start = edit.start.saturating_add_signed(grown);
            if start + edit.length() > *name {
                break;
            }
            grown += edit.length() as isize - (edit.end - edit.start) as isize;
            next += 1;
        }
        known.binary_search(&name.saturating_add_signed(-grown)).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BUILT_IN, mask::Scanner, pieces::piece, work::Work};

    /// Looking near the edits gives what looking at everything gives.
    fn check(text: &str) -> Result<(), TestCaseError> {
        let mask = || Mask::new(&BUILT_IN, Scanner::Fast, "", Work::unbounded());
        let mut whole = mask();
        whole.unsettle();
        prop_assert_eq!(mask().message("body", text), whole.message("body", text), "{}", text);
        let mut whole = mask();
        whole.unsettle();
        prop_assert_eq!(mask().text("body", text), whole.text("body", text), "{}", text);
        Ok(())
    }

    /// What stands between: from nothing to more than is near.
    fn between() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just(String::new()),
            2 => Just(" ".to_owned()),
            1 => (0..400_usize).prop_map(|length| "and so on, ".repeat(length / 11)),
            1 => (0..600_usize).prop_map(|length| "x".repeat(length)),
            1 => (0..600_usize).prop_map(|length| "7".repeat(length)),
            1 => (0..100_usize).prop_map(|length| "\\n  ".repeat(length)),
            1 => (0..60_usize).prop_map(|length| "\\\"a\\\":1,".repeat(length)),
            1 => (0..60_usize).prop_map(|length| "b%20c".repeat(length)),
            1 => (0..60_usize).prop_map(|length| "\\u0062c".repeat(length)),
            1 => (0..150_usize).prop_map(|length| "\u{200b}".repeat(length)),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let pieces = prop::collection::vec((piece(), between()), 1..12);
        pieces.prop_map(|pieces| pieces.iter().map(|(piece, between)| [piece.as_str(), between].concat()).collect())
    }

    /// A document with this text here and there in it, as JSON in strings too.
    fn document(texts: &[String], key: &str, depth: usize) -> String {
        let items: Vec<_> = texts.iter().map(|text| serde_json::json!({ "name": key, "value": text })).collect();
        let mut value = serde_json::json!({ key: texts.first(), "items": items, "list": texts, "last": key });
        for _ in 0..depth {
            value = serde_json::json!({ "text": value.to_string() });
        }
        value.to_string()
    }

    /// The text without a part of it.
    fn cut(text: &str, from: prop::sample::Index, length: usize) -> String {
        let start = (from.index(text.len() + 1)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + length..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        [&text[..start], &text[end..]].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn near_is_enough_in_texts(text in text()) {
            check(&text)?;
        }

        #[test]
        fn near_is_enough_in_documents(
            texts in prop::collection::vec(text(), 1..4),
            key in piece(),
            depth in 0..3_usize,
            from in any::<prop::sample::Index>(),
            length in 0..40_usize,
        ) {
            let document = document(&texts, &key, depth);
            check(&document)?;
            check(&cut(&document, from, length))?;
        }
    }

    #[test]
    fn what_is_usual_is_settled_from_near() {
        let prose = "see the pages of the report, key points first. ".repeat(40);
        let secrets = ["mail jane@example.org", "card 4111 1111 1111 1111", "10.20.30.40", "+49 30 901820"];
        for secret in secrets {
            let nested = serde_json::json!({ "items": [{ "id": 7, "body": format!("{prose}{secret}; {prose}") }] });
            let text = serde_json::json!({ "content": [{ "type": "text", "text": nested.to_string() }] }).to_string();
            let mut mask = Mask::new(&BUILT_IN, Scanner::Fast, "", Work::unbounded());
            let first = mask.of_message(&text).expect("it can be masked");
            let masked = crate::edit::apply(&text, &first.edits);
            assert_eq!(first.edits.len(), 1, "{secret}");
            assert_eq!(mask.is_settled(&text, &first, &masked), Ok(true), "{secret}");
        }
    }

    #[test]
    fn what_an_edit_bares_is_seen() {
        for text in [
            // The address hid that the value of `token` is no prose.
            r#"{"token":"my password: hunter22 is here, a@b.example"}"#,
            // The number behind the key is part of a word until the key is gone.
            "4111111111111111ghp_0123456789abcdefghij0123456789abcdef",
            // The password was a phone until it was masked; in the text of the string something stands before it.
            "{\"a\":\"--password \u{200b}(212) 555-0143 b\\\\n\"}",
        ] {
            check(text).expect("the same");
        }
    }
}
