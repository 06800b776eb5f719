//! JSON web tokens, signed (three parts), unsigned, encrypted (five), and cut off after the header.

use super::Look;
use crate::bytes::{is_token, run, starts};

/// Shortest header, in characters of base64url: `{"alg":"x"}`.
const HEADER_MIN: usize = 14;
const PARTS_MAX: usize = 5;

pub(crate) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)> {
    if !starts(text, at, b"eyJ") {
        return None;
    }
    let header_end = run(text, at, is_token);
    // Those that follow in the same run are shorter and have the same end.
    (look.walked, look.none_before, look.far) = (header_end - at, header_end, header_end + 2);
    if header_end - at < HEADER_MIN {
        return None;
    }
    let (mut end, mut parts) = (header_end, 1);
    while parts < PARTS_MAX && text.get(end) == Some(&b'.') {
        let next = run(text, end + 1, is_token);
        if next == end + 1 && parts < 2 {
            break;
        }
        (end, parts, look.far) = (next, parts + 1, next + 2);
    }
    (parts >= 2).then_some((at, end))
}
