//! Manifests of Kubernetes that hold secrets: `kind: Secret`, and values under `data` and `stringData`, which may stand far
//! before or behind it and have any name.
//!
//! What is found by its anchor is the kind alone; it is no secret, and [`values`] says what is to be masked in its place. In a
//! document of JSON the structure says that. It refuses to read YAML in whole: lines and how far they are indented are
//! enough, and what it does not understand under `data` is masked as well.

use std::ops::Range;

use crate::{
    bytes::{before, is_word},
    keyed,
};

pub(crate) const KIND: &str = "kind";
pub(crate) const SECRET: &str = "Secret";
/// The members whose values are secret.
pub(crate) const BLOCKS: [&str; 2] = ["data", "stringData"];
/// How far `kind` stands before `Secret`, in bytes: quotes of nested JSON and spaces.
const GAP_BYTES_MAX: usize = 64;
/// Deepest indentation of a manifest, in columns. For each, a text is looked at once or twice.
const INDENT_MAX: usize = 64;

/// Most lines of a text, and most values: a text with more of them is secret as a whole.
const LINES_MAX: usize = 1_000_000;
const VALUES_MAX: usize = 20_000;

/// `at` is where `Secret` stands, if it is the kind of a manifest.
pub(crate) fn check(text: &[u8], at: usize, _: &mut super::Look) -> Option<(usize, usize)> {
    let end = at + SECRET.len();
    let is_kind = text.get(at..end)? == SECRET.as_bytes() && text.get(end).is_none_or(|byte| !is_word(*byte));
    let from = at.saturating_sub(GAP_BYTES_MAX);
    let gap = |byte: &u8| matches!(byte, b'"' | b'\'' | b' ' | 0xf8..);
    let back = |to: usize| to - text[from..to].iter().rev().take_while(|byte| gap(byte)).count();
    let colon = back(at);
    (is_kind && before(text, colon) == Some(b':')).then_some(())?;
    let name = back(colon - 1);
    let start = name.checked_sub(KIND.len())?;
    let named = &text[start..name] == KIND.as_bytes() && before(text, start).is_none_or(|byte| !is_word(byte));
    named.then_some((at, end))
}

/// The secret values of all manifests in a text.
pub(crate) fn values(text: &str) -> Vec<Range<usize>> {
    secret_in(text, LINES_MAX).unwrap_or_else(|| std::iter::once(0..text.len()).collect())
}

/// None, where there are too many lines or values.
fn secret_in(text: &str, lines_max: usize) -> Option<Vec<Range<usize>>> {
    let lines = lines(text, lines_max)?;
    let kinds = lines.iter().enumerate().filter(|(_, line)| line.indent <= INDENT_MAX && line.is_kind(text));
    let mut values = Vec::new();
    for (at, kind) in kinds {
        let manifest = &lines[of_manifest(&lines, at, text)];
        for (place, line) in manifest.iter().enumerate().filter(|(_, line)| line.indent == kind.indent) {
            if line.member(text).is_some_and(|(name, _)| BLOCKS.contains(&name)) {
                block(text, line, &manifest[place + 1..], &mut values)?;
            }
        }
    }
    Some(values)
}

/// A line that says something.
struct Line {
    /// Where it stands in the text, from its first sign on: behind the hyphen of an item.
    range: Range<usize>,
    /// Columns before it; the hyphen of an item counts as one of them.
    indent: usize,
    begins_item: bool,
}

impl Line {
    /// Name and value of a member, without the quotes around the name.
    fn member<'t>(&self, text: &'t str) -> Option<(&'t str, Range<usize>)> {
        let said = &text[self.range.clone()];
        let quote = said.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (name, colon) = match quote {
            Some(quote) => {
                let end = 1 + said[1..].find(quote)?;
                (&said[1..end], end + 1 + said[end + 1..].find(':').filter(|gap| *gap <= 1)?)
            }
            None => said.find(':').map(|colon| (&said[..colon], colon))?,
        };
        let value = &said[colon + 1..];
        (value.is_empty() || value.starts_with([' ', '\t']) || quote.is_some()).then(|| {
            let start = self.range.start + colon + 1 + (value.len() - value.trim_start().len());
            (name.trim_end(), start..self.range.end.max(start))
        })
    }

    fn is_kind(&self, text: &str) -> bool {
        let says = |value: Range<usize>| plain(text, value).is_some_and(|value| text[value].starts_with(SECRET));
        self.member(text).is_some_and(|(name, value)| name == KIND && says(value))
    }
}

fn lines(text: &str, lines_max: usize) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let (at, said) = (start, whole.trim_end());
        start += whole.len();
        let mut from = said.len() - said.trim_start_matches(' ').len();
        let begins_item = said[from..].starts_with("- ");
        if begins_item {
            from += 1 + (said[from + 1..].len() - said[from + 1..].trim_start_matches(' ').len());
        }
        if from < said.len() {
            lines.push(Line { range: at + from..at + said.len(), indent: from, begins_item });
        }
        if lines.len() > lines_max {
            return None;
        }
    }
    Some(lines)
}

/// The lines of the manifest whose kind stands in line `at`: no other kind stands beside it.
fn of_manifest(lines: &[Line], at: usize, text: &str) -> Range<usize> {
    let indent = lines[at].indent;
    let ends = |line: &Line| {
        let beside = line.indent == indent && line.member(text).is_some_and(|(name, _)| name == KIND);
        line.indent < indent || beside || text[line.range.clone()].starts_with("---")
    };
    let item = |line: &Line| line.begins_item && line.indent == indent;
    let (mut start, mut end) = (at, at + 1);
    while start > 0 && !item(&lines[start]) && !ends(&lines[start - 1]) {
        start -= 1;
    }
    while end < lines.len() && !ends(&lines[end]) && !item(&lines[end]) {
        end += 1;
    }
    start..end
}

/// What is secret under `data`: in its own line, or in the lines behind it that are indented farther. None, if it is too much.
fn block(text: &str, head: &Line, behind: &[Line], values: &mut Vec<Range<usize>>) -> Option<()> {
    let Some((_, own)) = head.member(text) else { return Some(()) };
    let own_text = text[own.clone()].trim();
    if !own_text.is_empty() && own_text != "{" && !own_text.starts_with(['#', '&']) {
        values.extend(plain(text, own));
    }
    let inner = behind.iter().take_while(|line| line.indent > head.indent).count();
    let inner = &behind[..inner];
    let mut at = 0;
    while at < inner.len() {
        let farther = inner[at + 1..].iter().take_while(|line| line.indent > inner[at].indent).count();
        values.extend(value(text, &inner[at], &inner[at + 1..at + 1 + farther]));
        if values.len() > VALUES_MAX {
            return None;
        }
        at += 1 + farther;
    }
    Some(())
}

/// The value of one member, with the lines that go on with it.
fn value(text: &str, line: &Line, farther: &[Line]) -> Option<Range<usize>> {
    let said = &text[line.range.clone()];
    if said.starts_with('#') || said.chars().all(|letter| "{}[],".contains(letter)) {
        return None;
    }
    let (_, own) = line.member(text).unwrap_or(("", line.range.clone()));
    match (farther.first(), farther.last()) {
        (Some(first), Some(last)) => {
            let is_mark = text[own.clone()].is_empty() || text[own.clone()].starts_with(['|', '>', '&', '!']);
            Some(if is_mark { first.range.start } else { own.start }..last.range.end)
        }
        _ => plain(text, own),
    }
}

/// A value without its quotes and the comma behind it; none where it only refers to one.
fn plain(text: &str, value: Range<usize>) -> Option<Range<usize>> {
    let said = text.get(value.clone())?.trim_end().trim_end_matches(',');
    let quote =
        said.chars().next().filter(|first| said.len() > 1 && matches!(first, '"' | '\'') && said.ends_with(*first));
    let width = usize::from(quote.is_some());
    let range = value.start + width..value.start + said.len() - width;
    (!range.is_empty() && !keyed::is_placeholder(text[range.clone()].as_bytes())).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secret: &[&str]) {
        let told: Vec<&str> = values(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(told, secret, "{text}");
    }

    #[test]
    fn values_stand_under_data_wherever_the_kind_stands() {
        check("kind: Secret\ndata:\n  user: YWRh\n  pass: MTIz\ntype: Opaque\n", &["YWRh", "MTIz"]);
        check("apiVersion: v1\ndata:\n  user: YWRh\nkind: Secret\nmetadata:\n  name: db\n", &["YWRh"]);
        check("kind: ConfigMap\ndata:\n  a: b\n---\nkind: Secret\ndata:\n  a: c\n---\ndata:\n  a: d\n", &["c"]);
        check("kind: \"Secret\"\nstringData:\n  a: 'x y'\n  \"b\": \"z\"\n", &["x y", "z"]);
        check("kind: SecretStore2\nspec:\n  data:\n    a: b\n", &[]);
        check("kind: Secret\nmetadata:\n  data:\n    a: b\n  labels: {}\n", &[]);
    }

    #[test]
    fn items_of_a_list_are_manifests_of_their_own() {
        let list =
            "items:\n- apiVersion: v1\n  data:\n    a: b\n  kind: Secret\n- data:\n    a: c\n  kind: ConfigMap\n";
        check(list, &["b"]);
        check("- kind: ConfigMap\n  data:\n    a: b\n- kind: Secret\n  data:\n    a: c\n", &["c"]);
    }

    #[test]
    fn values_may_go_on_over_lines() {
        check("kind: Secret\nstringData:\n  f: |\n    one: 1\n\n    two: 2\n  g: y\n", &["one: 1\n\n    two: 2", "y"]);
        check("kind: Secret\ndata:\n  f: QUJD\n    REVG\n", &["QUJD\n    REVG"]);
        check("kind: Secret\ndata: { a: b, c: d }\n", &["{ a: b, c: d }"]);
        check("kind: Secret\ndata:\n  # none yet\n  a: ${PASSWORD}\n  no name\n", &["no name"]);
    }

    #[test]
    fn lines_of_json_are_lines_too() {
        let text = "{\n  \"data\": {\n    \"a\": \"YWRh\",\n    \"b\": \"MTIz\"\n  },\n  \"kind\": \"Secret\"\n}";
        check(text, &["YWRh", "MTIz"]);
    }

    #[test]
    fn what_is_too_much_is_secret_as_a_whole() {
        assert_eq!(secret_in("kind: Secret\ndata:\n  a: b\n", 2), None);
        let many = "kind: Secret\ndata:\n".to_owned() + &"  a: b\n".repeat(VALUES_MAX + 1);
        check(&many, &[&many]);
    }

    #[test]
    fn many_kinds_cost_no_square() {
        let text = "kind: Secret\n".repeat(40_000);
        check(&text, &[]);
    }
}
