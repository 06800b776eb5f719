//! How deep the documents may be that are masked.
//!
//! It refuses to read them otherwise: the grammar is that of `lib/json`.

use json::{Fault, Tokens};

/// Deepest nesting of objects and arrays.
pub(crate) const DEPTH_MAX: usize = 128;

pub(crate) fn tokens(text: &str) -> Tokens<'_> {
    Tokens::new(text, DEPTH_MAX)
}

/// Is it one document of JSON, and no deeper than [`DEPTH_MAX`]?
pub(crate) fn is_json(text: &str) -> bool {
    let mut tokens = tokens(text);
    loop {
        match tokens.next_token() {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Is it nested deeper than [`DEPTH_MAX`], whether it is JSON or not? Told its first view, which shows where strings end.
pub(crate) fn is_too_deep(text: &str, view: &[u8]) -> bool {
    // Whether it can be is quickly told; whether it is, only the grammar says.
    if memchr::memchr2_iter(b'{', b'[', view).nth(DEPTH_MAX).is_none() || !has_depth(view) {
        return false;
    }
    let mut tokens = tokens(text);
    loop {
        match tokens.next_token() {
            Ok(Some(_)) => {}
            Ok(None) | Err(Fault::NotJson) => return false,
            Err(Fault::TooDeep) => return true,
        }
    }
}

/// Do brackets outside of strings nest deeper than [`DEPTH_MAX`]? Quotes in a view that are within a string have another
/// class.
fn has_depth(view: &[u8]) -> bool {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = view.get(at) {
        match byte {
            b'"' => at += 1 + memchr::memchr(b'"', &view[at + 1..]).unwrap_or(view.len()),
            b'{' | b'[' if depth == DEPTH_MAX => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    false
}
