//! The members of an object of a checked message, each with its exact text.
//!
//! It refuses to check again: what it reads has passed the one strict pass.

use std::borrow::Cow;

use json::{Token, Tokens};

use super::DEPTH_MAX;

/// In the order of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// None when `text` is no object.
    pub(crate) fn of(text: &'a str) -> Option<Members<'a>> {
        text.starts_with('{').then(|| Members(children(text)))
    }

    pub(super) fn push(&mut self, key: Cow<'a, str>, value: &'a str) {
        self.0.push((key, value));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }
}

/// The items of an array; none when `text` is no array.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    text.starts_with('[').then(|| children(text).into_iter().map(|(_, item)| item).collect())
}

/// What a string says; none when `text` is something else.
pub(crate) fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// A key as it was meant, from its text between the quotes.
pub(super) fn unescaped(written: &str) -> Option<Cow<'_, str>> {
    match written.contains('\\') {
        true => string(&format!("\"{written}\"")).map(Cow::Owned),
        false => Some(Cow::Borrowed(written)),
    }
}

/// What stands directly in an object or an array, with its keys; an item has an empty one.
fn children(text: &str) -> Vec<(Cow<'_, str>, &str)> {
    let (mut tokens, mut depth) = (Tokens::new(text, DEPTH_MAX), 0_usize);
    let (mut found, mut key, mut start) = (Vec::new(), Cow::Borrowed(""), 0);
    while let Ok(Some(token)) = tokens.next_token() {
        match &token {
            Token::Key(range) if depth == 1 => key = unescaped(&text[range.clone()]).unwrap_or_default(),
            Token::ObjectEnd | Token::ArrayEnd => depth -= 1,
            _ if depth == 1 => start = tokens.start(),
            _ => {}
        }
        match token {
            Token::ObjectStart | Token::ArrayStart => depth += 1,
            Token::Key(_) => {}
            _ if depth == 1 => found.push((std::mem::take(&mut key), &text[start..tokens.at()])),
            _ => {}
        }
    }
    found
}
