//! Secrets that carry their maker's prefix: cloud, forge, chat and model keys, and bearer tokens.

use super::{
    Hit, Look,
    bytes::{before, is_token, is_word, run, starts},
};
use crate::rule::Rule;

/// `AKIA…` and `ASIA…`: twenty capitals and digits.
pub(super) fn aws(text: &[u8], at: usize, _: &mut Look) -> Option<Hit> {
    if !starts(text, at, b"AKIA") && !starts(text, at, b"ASIA") {
        return None;
    }
    prefixed(text, at, at + 4, 16, Rule::AwsAccessKey, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

pub(super) fn github(text: &[u8], at: usize, _: &mut Look) -> Option<Hit> {
    if starts(text, at, b"github_pat_") {
        return prefixed(text, at, at + 11, 22, Rule::GithubToken, is_word);
    }
    let letter = *text.get(at + 2)?;
    if !starts(text, at, b"gh") || !b"pousr".contains(&letter) {
        return None;
    }
    prefixed(text, at, at + 4, 20, Rule::GithubToken, |byte| byte.is_ascii_alphanumeric())
}

pub(super) fn slack(text: &[u8], at: usize, look: &mut Look) -> Option<Hit> {
    let app = starts(text, at, b"xapp-");
    let other = starts(text, at, b"xox") && b"abeprs".contains(text.get(at + 3)?) && text.get(at + 4) == Some(&b'-');
    if !app && !other {
        return None;
    }
    let body = at + 5;
    let end = run(text, body, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // Those that follow in the same run are shorter, and have no digit where this one has none.
    (look.walked, look.none_before) = (end - at, end);
    let counts = end - body >= 10 && text[body..end].iter().any(u8::is_ascii_digit);
    counts.then_some(Hit { start: at, end, rule: Rule::SlackToken })
}

/// `sk-ant-…` and `sk-…`.
pub(super) fn model_key(text: &[u8], at: usize, look: &mut Look) -> Option<Hit> {
    if starts(text, at, b"sk-ant-") {
        return prefixed(text, at, at + 7, 16, Rule::AnthropicKey, is_token);
    }
    // `task-…`, `risk-…`: here the prefix is so short that it must begin the word.
    if !starts(text, at, b"sk-") || before(text, at).is_some_and(is_token) {
        return None;
    }
    let hit = prefixed(text, at, at + 3, 20, Rule::OpenaiKey, is_token)?;
    look.walked = hit.end - at;
    let body = &text[at + 3..hit.end];
    (body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_uppercase)).then_some(hit)
}

/// `Bearer …`, wherever it stands.
pub(super) fn bearer(text: &[u8], at: usize, look: &mut Look) -> Option<Hit> {
    let start = at + b"bearer ".len();
    let hit = prefixed(text, start, start, 16, Rule::Authorization, |byte| {
        is_token(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
    })?;
    look.walked = hit.end - at;
    text[start..hit.end].iter().any(u8::is_ascii_digit).then_some(hit)
}

/// A hit from `at` over the run of `wanted` bytes after `body`, when that is at least `shortest` bytes long.
fn prefixed(
    text: &[u8],
    at: usize,
    body: usize,
    shortest: usize,
    rule: Rule,
    wanted: impl Fn(u8) -> bool,
) -> Option<Hit> {
    let end = run(text, body, wanted);
    (end - body >= shortest).then_some(Hit { start: at, end, rule })
}
