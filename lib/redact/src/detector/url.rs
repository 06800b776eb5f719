//! Passwords in URLs: `scheme://user:password@host`, as in connection strings and git remotes.

use super::Look;
use crate::bytes::{before, run};

/// Longest user and password together, in bytes.
const USER_INFO_BYTES_MAX: usize = 1024;

/// `at` is where `://` stands.
pub(crate) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    if !before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let start = at + 3;
    let window = &text[start..text.len().min(start + USER_INFO_BYTES_MAX)];
    let authority = run(window, 0, |byte| goes_on(byte) && !b"/?#".contains(&byte));
    (look.walked, look.far) = (authority, start + authority + 1);
    let at_sign = last_at(&window[..authority]).or_else(|| beyond(window, authority, look))?;
    let colon = window[..at_sign].iter().position(|byte| *byte == b':')?;
    (colon + 1 < at_sign).then_some((start + colon + 1, start + at_sign))
}

fn goes_on(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !b"\"'<>`".contains(&byte) && byte < 0xf8
}

fn last_at(text: &[u8]) -> Option<usize> {
    text.iter().rposition(|byte| *byte == b'@')
}

/// Passwords with an unescaped `/`, `?` or `#`; but `host:8080/path@2` has a port, and no password.
fn beyond(window: &[u8], authority: usize, look: &mut Look) -> Option<usize> {
    let colon = window[..authority].iter().position(|byte| *byte == b':')?;
    let port = &window[colon + 1..authority];
    let is_port = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    if is_port || window.starts_with(b"[") {
        return None;
    }
    let end = run(window, authority, goes_on);
    let at_sign = window[..end].iter().position(|byte| *byte == b'@');
    look.walked = at_sign.unwrap_or(end);
    look.far += end - authority;
    at_sign
}
