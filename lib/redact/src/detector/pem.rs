//! PEM blocks of private keys: whole, cut off at the end, and cut off at the start.
//!
//! Certificates and public keys stay. Line ends may be real or written as `\n`.

use super::Look;
use crate::bytes::{run, starts};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const LABEL_BYTES_MAX: usize = 48;
/// Shortest line that is taken for key material where the other end of the block is missing.
const LINE_BYTES_MIN: usize = 16;

pub(crate) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    look.far = usize::MAX;
    if starts(text, at, BEGIN) {
        let body = header_end(text, at + BEGIN.len())?;
        return Some((at, block_end(text, body)));
    }
    let end = header_end(text, at + END.len()).filter(|_| starts(text, at, END))?;
    let start = lines_back(text, at, look.done);
    (start < at).then_some((start, end))
}

/// The end of `… PRIVATE KEY-----`, when that stands at `label`.
fn header_end(text: &[u8], label: usize) -> Option<usize> {
    let end = run(text, label, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let words = text.get(label..end).filter(|words| words.len() <= LABEL_BYTES_MAX)?;
    let private = words.ends_with(b"PRIVATE KEY") || words.ends_with(b"PRIVATE KEY BLOCK");
    (private && starts(text, end, DASHES)).then_some(end + DASHES.len())
}

/// The end of the block whose body starts at `body`. Bodies hold no `-----`, so the next one is its end or another's.
fn block_end(text: &[u8], body: usize) -> usize {
    let next = text[body..].windows(DASHES.len()).position(|window| window == DASHES).map(|at| body + at);
    let whole = next.filter(|at| starts(text, *at, END)).and_then(|at| header_end(text, at + END.len()));
    whole.unwrap_or_else(|| lines(text, body, next.unwrap_or(text.len())))
}

/// The end of the key material from `at` on: headers, long lines, and the one short line after them.
fn lines(text: &[u8], mut at: usize, limit: usize) -> usize {
    let mut end = at;
    loop {
        at = skip_line_ends(text, at).min(limit);
        let stop = run(text, at, is_base64).min(limit);
        if text.get(stop) == Some(&b':') && stop > at {
            // `Proc-Type: 4,ENCRYPTED`, `DEK-Info: …`: to the end of the line.
            at = run(text, stop, |byte| !matches!(byte, b'\n' | b'\r' | b'\\' | b'"' | 0xf8..)).min(limit);
            end = at;
            continue;
        }
        let length = stop - at;
        if length >= LINE_BYTES_MIN || (length > 0 && end > 0 && was_long(text, end)) {
            end = stop;
        }
        if length < LINE_BYTES_MIN {
            return end;
        }
        at = stop;
    }
}

fn was_long(text: &[u8], end: usize) -> bool {
    let start = end.saturating_sub(LINE_BYTES_MIN);
    text[start..end].iter().all(|byte| is_base64(*byte)) && end - start == LINE_BYTES_MIN
}

/// The start of the lines of key material that end at `at`; what is before `floor` is found already.
fn lines_back(text: &[u8], at: usize, floor: usize) -> usize {
    let (mut start, mut end) = (at, back_over_line_ends(text, at));
    let mut first = true;
    loop {
        let mut line = end;
        while line > floor && is_base64(text[line - 1]) && !is_escape(text, line - 1) {
            line -= 1;
        }
        // Only the last line of a block may be short.
        if end - line < LINE_BYTES_MIN && !(first && end > line) {
            return start;
        }
        (start, first) = (line, false);
        end = back_over_line_ends(text, line);
        if end == line || end <= floor {
            return start;
        }
    }
}

fn skip_line_ends(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at) {
            Some(b'\n' | b'\r' | b' ' | b'\t' | b'\\') => at += 1,
            Some(b'n' | b'r') if at > 0 && text[at - 1] == b'\\' => at += 1,
            _ => return at,
        }
    }
}

fn back_over_line_ends(text: &[u8], mut at: usize) -> usize {
    while at > 0 {
        match text[at - 1] {
            b'\n' | b'\r' | b' ' | b'\t' | b'\\' => at -= 1,
            b'n' | b'r' if is_escape(text, at - 1) => at -= 2,
            _ => break,
        }
    }
    at
}

/// Is this the letter of a written `\n`?
fn is_escape(text: &[u8], at: usize) -> bool {
    at > 0 && matches!(text[at], b'n' | b'r') && text[at - 1] == b'\\'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-')
}
