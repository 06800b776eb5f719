//! What stands between a name and its value: a sign of assignment, a type, the end of an element, a comma within a call. It
//! refuses to judge the value.

use super::{ELEMENT_STOPS, is_json_quote, skip_spaces};
use crate::{
    bytes::{before, run, run_back, starts},
    view::quote_width,
};

/// Most white space between a quoted name and its value.
const WHITE_SPACE_MAX: usize = 256;
/// Longest element whose value stands on a line of its own, in bytes: no farther than is near.
const ELEMENT_BYTES_MAX: usize = 144;

/// How name and value stand to each other.
pub(super) struct Link {
    pub(super) value: usize,
    /// `NAME=value` from the start of a line, as environment files have it.
    pub(super) environment: bool,
    /// `=` without a space around it.
    pub(super) tight: bool,
    /// `==`, `<name>`: only a quoted value, only up to `<`.
    pub(super) quoted_only: bool,
    pub(super) element: bool,
    pub(super) quoted_name: bool,
    /// The value is the next argument of a call.
    pub(super) argument: bool,
}

/// How the value of the name from `start` to `end` is linked to it.
pub(super) fn link(text: &[u8], start: usize, end: usize) -> Option<Link> {
    let mut at = end;
    let quote = text.get(at).copied().and_then(quote_width);
    if let Some(width) = quote {
        at += width;
        at += usize::from(text.get(at) == Some(&b']'));
    }
    let quoted_name = quote.is_some();
    let spaced = skip_spaces(text, at);
    let tied = Link {
        value: spaced,
        environment: false,
        tight: true,
        quoted_only: false,
        element: false,
        quoted_name,
        argument: false,
    };
    if let Some(separator) = separator(text, spaced) {
        return Some(assigned(
            text,
            start,
            end,
            spaced,
            Link { quoted_only: separator.quoted_only, ..tied },
            separator,
        ));
    }
    if let Some(value) = typed(text, spaced) {
        return Some(Link { value, quoted_only: true, ..tied });
    }
    match text.get(spaced)? {
        b'>' if before(text, start) == Some(b'<') => {
            Some(Link { value: element_value(text, spaced + 1), element: true, ..tied })
        }
        // `<add key="Password" value="hunter2"/>`
        b'v' if quoted_name && starts(text, spaced, b"value=") => {
            Some(Link { value: spaced + b"value=".len(), quoted_only: true, ..tied })
        }
        // `setProperty("TOKEN", "…")`
        b',' if quote.is_some_and(|width| is_first_argument(text, start, width)) => {
            Some(Link { value: skip_spaces(text, spaced + 1), quoted_only: true, argument: true, ..tied })
        }
        // `--password hunter2`
        _ => {
            let dashes = text[start..].starts_with(b"--") || (start >= 2 && text[start - 2..].starts_with(b"--"));
            (spaced > at && dashes).then_some(tied)
        }
    }
}

/// What stands between a name and its value.
pub(super) struct Separator {
    length: usize,
    quoted_only: bool,
}

pub(super) fn separator(text: &[u8], at: usize) -> Option<Separator> {
    // Mostly there is another word.
    text.get(at).filter(|byte| b":=?+.".contains(byte))?;
    let colons = run(&text[..text.len().min(at + 4)], at, |byte| byte == b':') - at;
    let (length, quoted_only) = match (text.get(at)?, text.get(at + 1)) {
        // `pin::Pin`, `auth::Error`: a path of names. `::=` is none.
        (b':', Some(b':')) if text.get(at + colons) != Some(&b'=') => return None,
        (b':', Some(b':')) => (colons + 1, false),
        (b'=', Some(b'>')) | (b':' | b'?', Some(b'=')) => (2, false),
        (b'=' | b'+' | b'.', Some(b'=')) => (2, true),
        (b'=' | b':', _) => (1, false),
        _ => return None,
    };
    Some(Separator { length, quoted_only })
}

fn assigned(text: &[u8], start: usize, end: usize, at: usize, link: Link, separator: Separator) -> Link {
    let mut value = skip_spaces(text, at + separator.length);
    if link.quoted_name {
        let window = &text[..text.len().min(value + WHITE_SPACE_MAX)];
        value = run(window, value, |byte| byte.is_ascii_whitespace());
    }
    // `const TOKEN: &str = "…"`
    if let Some(value) = typed(text, value).filter(|_| text[at] == b':') {
        return Link { value, quoted_only: true, ..link };
    }
    let tight = at == end && value == at + 1 && text[at] == b'=';
    Link { value, tight, environment: tight && starts_line(text, start), ..link }
}

/// The value behind a type and `=`: `string token = …` has its type elsewhere, `token string = …` has it here.
pub(super) fn typed(text: &[u8], at: usize) -> Option<usize> {
    const TYPES: [&[u8]; 6] = [b"&'static str", b"&str", b"string", b"String", b"str", b"NSString"];
    text.get(at).filter(|byte| b"&sSN".contains(byte))?;
    let length = TYPES.iter().find(|name| starts(text, at, name))?.len();
    let sign = skip_spaces(text, at + length);
    let assigns = text.get(sign) == Some(&b'=') && text.get(sign + 1) != Some(&b'=');
    assigns.then(|| skip_spaces(text, sign + 1))
}

/// The value of an element may stand on a line of its own, when the element ends behind it.
fn element_value(text: &[u8], at: usize) -> usize {
    let window = &text[..text.len().min(at + ELEMENT_BYTES_MAX)];
    let space = |from: usize| run(window, from, |byte| byte.is_ascii_whitespace());
    let value = space(at);
    if value == at {
        return at;
    }
    let close = space(run(window, value, |byte| !ELEMENT_STOPS[usize::from(byte)]));
    if starts(window, close, b"</") { value } else { at }
}

fn is_first_argument(text: &[u8], start: usize, width: usize) -> bool {
    start.checked_sub(width + 1).is_some_and(|place| text[place] == b'(')
}

fn starts_line(text: &[u8], start: usize) -> bool {
    let word = run_back(text, start, 16, |byte| byte == b' ' || byte == b'\t');
    let line = if text[..word].ends_with(b"export") { word - b"export".len() } else { word };
    line == 0 || text[line - 1] == b'\n' || is_json_quote(text[line - 1])
}
