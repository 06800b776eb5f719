//! Client secrets of Azure: three characters, a digit, `Q~`, and the rest. No literal begins them, so that their middle is
//! what leads to them.

use super::Look;
use crate::bytes::{is_token, run, run_back};

/// Characters before the sign in the middle.
const BEFORE: usize = 3;
/// The sign: a digit and two characters.
const SIGN: usize = 3;
/// Fewest characters behind it.
const BEHIND_MIN: usize = 31;

/// `at` is where the sign in the middle stands, in any case.
pub(crate) fn check(text: &[u8], at: usize, _: &mut Look) -> Option<(usize, usize)> {
    let behind = at + SIGN;
    if text.get(at + 1..behind)? != b"Q~" {
        return None;
    }
    let end = run(text, behind, is_secret);
    (end - behind >= BEHIND_MIN).then(|| (run_back(text, at, BEFORE, is_secret), end))
}

fn is_secret(byte: u8) -> bool {
    is_token(byte) || matches!(byte, b'.' | b'~')
}
