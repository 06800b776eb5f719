//! A name that announces a secret, and its value: `password=…`, `"token": "…"`, `Authorization: Bearer …`,
//! `--api-key …`, `<secret>…</secret>`.
//!
//! In plain text a name may be prose or code, so an unquoted value has to look like one. In JSON the name is a key and
//! the value is known, so nearly everything counts.

use super::{
    Hit, Look,
    bytes::{before, run, run_back},
};
use crate::{
    key::{self, NAME_BYTES_MAX},
    rule::Rule,
};

/// Longest value that must be a number, in bytes. Other values end where they end: what was found is not looked at again.
const NUMBER_BYTES_MAX: usize = 64;
/// Most spaces around a separator.
const SPACES_MAX: usize = 8;
/// Longest placeholder, in bytes; what is longer is a value.
const PLACEHOLDER_BYTES_MAX: usize = 128;
/// Shortest value of a bare `token` in JSON; shorter ones are the pieces that models count.
const BARE_TOKEN_MIN: usize = 6;

/// How name and value stand to each other.
struct Link {
    value: usize,
    /// `NAME=value` from the start of a line, as environment files have it.
    environment: bool,
    /// `=` without a space around it.
    tight: bool,
    /// `==`, `<name>`: only a quoted value, only up to `<`.
    quoted_only: bool,
    element: bool,
}

/// `at` is somewhere in the name.
pub(super) fn check(text: &[u8], at: usize, look: &mut Look) -> Option<Hit> {
    let start = run_back(text, at, NAME_BYTES_MAX, is_name);
    let end = run(&text[..text.len().min(at + NAME_BYTES_MAX)], at, is_name);
    let rule = rule_at(text, start, end)?;
    let link = link(text, start, end)?;
    let (from, to, quoted) = value(text, &link, rule)?;
    look.walked = to - start;
    let (from, to) = trim(text, from, to, rule);
    let value = text.get(from..to)?;
    let counts = if quoted { counts_quoted(rule, value) } else { counts_bare(text, to, rule, value, link.tight) };
    (counts && !is_placeholder(value)).then_some(Hit { start: from, end: to, rule })
}

/// The part of a JSON string under a key of `rule` that is to be masked.
pub(crate) fn in_json(name: &[u8], rule: Rule, value: &[u8]) -> Option<(usize, usize)> {
    let (from, to) = trim(value, 0, value.len(), rule);
    let kept = value.get(from..to)?;
    let piece = key::is_bare_token(name) && (kept.len() < BARE_TOKEN_MIN || is_prose(kept));
    let counts = !piece && counts_as_number(rule, kept) && !kept.is_empty() && !is_placeholder(kept);
    counts.then_some((from, to))
}

/// A bare number under a key of `rule`.
pub(crate) fn number_in_json(name: &[u8], rule: Rule, digits: &[u8]) -> bool {
    let piece = key::is_bare_token(name) && digits.len() < BARE_TOKEN_MIN;
    !piece && counts_as_number(rule, digits)
}

/// The rule that a command line's flag announces for the argument after it: `--password`.
pub(crate) fn flag(argument: &[u8]) -> Option<Rule> {
    let name = argument.strip_prefix(b"--")?;
    name.iter().all(|byte| is_name(*byte)).then(|| key::rule_of(name)).flatten()
}

fn rule_at(text: &[u8], start: usize, end: usize) -> Option<Rule> {
    let name = &text[start..end];
    if let Some(rule) = key::rule_of(name) {
        return Some(rule);
    }
    // `API key: …`, `social security number: …`: the name is two words.
    let gap = (before(text, start) == Some(b' ')).then(|| start - 1)?;
    let word = run_back(text, gap, NAME_BYTES_MAX / 2, |byte| byte.is_ascii_alphabetic());
    if word == gap || !name.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    key::rule_of(&text[word..end])
}

fn link(text: &[u8], start: usize, end: usize) -> Option<Link> {
    let mut at = end;
    if text.get(at).is_some_and(|byte| is_quote(*byte)) {
        at += 1;
        at += usize::from(text.get(at) == Some(&b']'));
    }
    let spaced = skip_spaces(text, at);
    let (separator, quoted_only) = match (text.get(spaced)?, text.get(spaced + 1)) {
        (b'=', Some(b'>')) | (b':', Some(b'=')) => (2, false),
        (b'=', Some(b'=')) => (2, true),
        (b'=' | b':', _) => (1, false),
        (b'>', _) if before(text, start) == Some(b'<') => {
            return Some(Link {
                value: spaced + 1,
                environment: false,
                tight: true,
                quoted_only: false,
                element: true,
            });
        }
        _ => {
            // `--password hunter2`
            let flag = spaced > at && start >= 2 && text[start - 2..].starts_with(b"--");
            let flag = flag || (spaced > at && text[start..].starts_with(b"--"));
            return flag.then_some(Link {
                value: spaced,
                environment: false,
                tight: true,
                quoted_only: false,
                element: false,
            });
        }
    };
    let value = skip_spaces(text, spaced + separator);
    let tight = spaced == end && value == spaced + 1 && text[spaced] == b'=';
    let environment = tight && starts_line(text, start);
    Some(Link { value, environment, tight, quoted_only, element: false })
}

/// The range of the value, and whether it was in quotes.
fn value(text: &[u8], link: &Link, rule: Rule) -> Option<(usize, usize, bool)> {
    let longest = if matches!(rule, Rule::UsSsn | Rule::Phone) { NUMBER_BYTES_MAX } else { text.len() };
    let window = &text[..text.len().min(link.value.saturating_add(longest))];
    let first = *window.get(link.value)?;
    if is_quote(first) {
        return Some((link.value + 1, closing(window, link.value + 1, first), true));
    }
    if link.quoted_only {
        return None;
    }
    let stops: &[u8] = match rule {
        _ if link.element => b"<\n",
        Rule::Authorization | Rule::Cookie => b"\n\r\"'`",
        _ if link.environment => b" \t\n\r\"'`",
        _ => b" \t\n\r\"'`,;&<>()[]{}|",
    };
    // A replacement of ours stands for a value, brackets and all.
    let mut end = link.value;
    loop {
        end = run(window, end, |byte| !stops.contains(&byte));
        match crate::rule::token_end(window, end.min(window.len().saturating_sub(1))) {
            Some(after) if window.get(end) == Some(&b'[') => end = after,
            _ => return Some((link.value, end, false)),
        }
    }
}

/// Where the quoted value ends: at its quote, or with the line when it was cut off.
fn closing(text: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if at + 1 < text.len() => at += 2,
            b'\n' => return at,
            _ if *byte == quote => return at,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

/// Takes the spaces off, and the scheme of an authorization.
fn trim(text: &[u8], mut from: usize, mut to: usize, rule: Rule) -> (usize, usize) {
    while to > from && text[to - 1].is_ascii_whitespace() {
        to -= 1;
    }
    while from < to && text[from].is_ascii_whitespace() {
        from += 1;
    }
    if matches!(rule, Rule::Authorization | Rule::Token | Rule::Secret) {
        let word = run(&text[..to], from, |byte| byte.is_ascii_alphabetic());
        let scheme = text[from..word].to_ascii_lowercase();
        let known = matches!(scheme.as_slice(), b"bearer" | b"basic" | b"token" | b"digest" | b"negotiate" | b"apikey");
        if known && word < to && text[word] == b' ' {
            from = run(&text[..to], word, |byte| byte == b' ');
        }
    }
    (from, to)
}

fn counts_quoted(rule: Rule, value: &[u8]) -> bool {
    let shortest = if matches!(rule, Rule::Token | Rule::Secret) { 4 } else { 1 };
    value.len() >= shortest && counts_as_number(rule, value)
}

fn counts_bare(text: &[u8], end: usize, rule: Rule, value: &[u8], tight: bool) -> bool {
    if value.is_empty() || !counts_as_number(rule, value) || is_word_of_code(text, end, value) {
        return false;
    }
    match rule {
        Rule::Authorization | Rule::Cookie => value.len() >= 4,
        Rule::UsSsn | Rule::Phone => true,
        Rule::Password if tight => true,
        Rule::Password => value.len() >= 4 && (tells(value) || ends_line(text, end)),
        _ if tight => value.len() >= 4,
        _ => value.len() >= 6 && tells(value),
    }
}

/// Social security and phone numbers are numbers; every other value may be anything.
fn counts_as_number(rule: Rule, value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let others = value.len() - digits;
    match rule {
        Rule::UsSsn => digits == 9 && others <= 4,
        Rule::Phone => (7..=15).contains(&digits) && others <= 10,
        _ => true,
    }
}

/// Has it what words of prose have not?
fn tells(value: &[u8]) -> bool {
    value.len() >= 16 || value.iter().any(|byte| !byte.is_ascii_alphabetic() && !b".:!?".contains(byte))
}

/// Words, as in `"token": "end of line"`.
fn is_prose(value: &[u8]) -> bool {
    value.contains(&b' ') && value.iter().all(|byte| byte.is_ascii_alphabetic() || b" .,:;!?'".contains(byte))
}

/// A reference, not a value: `${TOKEN}`, `{{ token }}`, `<your-token>`, `********`.
///
/// Only the well-known shapes around a plain name count: `<s3cr3t!>` and `$ECRET` are what people choose.
fn is_placeholder(value: &[u8]) -> bool {
    if value.len() > PLACEHOLDER_BYTES_MAX {
        return false;
    }
    let blanked = value.iter().all(|byte| b"*.xX\xe2\x80\xa2".contains(byte));
    let wrapped = WRAPPERS.iter().any(|(open, close)| {
        let inner = value.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close));
        inner.is_some_and(|name| is_identifier(name.trim_ascii()))
    });
    blanked || wrapped || value.strip_prefix(b"$").is_some_and(is_variable)
}

/// What stands around the name in a placeholder.
const WRAPPERS: [(&[u8], &[u8]); 4] = [(b"${{", b"}}"), (b"${", b"}"), (b"{{", b"}}"), (b"<", b">")];

fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(|byte| is_name(*byte))
}

/// The name in `$DB_PASSWORD`. One word is a variable only when it is the customary one.
fn is_variable(name: &[u8]) -> bool {
    const CUSTOMARY: [&[u8]; 7] = [b"PASSWORD", b"PASS", b"TOKEN", b"SECRET", b"APIKEY", b"COOKIE", b"JWT"];
    let shaped = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let started = name.first().is_some_and(|byte| !byte.is_ascii_digit());
    shaped && started && (name.contains(&b'_') || CUSTOMARY.contains(&name))
}

/// A type, a literal, a call or a path of names: `string`, `None`, `get_password(`, `os.environ[`.
fn is_word_of_code(text: &[u8], end: usize, value: &[u8]) -> bool {
    const WORDS: [&[u8]; 16] = [
        b"string",
        b"str",
        b"&str",
        b"none",
        b"null",
        b"nil",
        b"undefined",
        b"true",
        b"false",
        b"required",
        b"optional",
        b"bool",
        b"boolean",
        b"number",
        b"object",
        b"any",
    ];
    let lower = value.to_ascii_lowercase();
    let named = value.iter().all(|byte| byte.is_ascii_alphabetic() || b"._".contains(byte));
    let called = named && text.get(end).is_some_and(|byte| b"([".contains(byte));
    let path = named && value.contains(&b'.');
    WORDS.contains(&lower.as_slice()) || called || path
}

fn starts_line(text: &[u8], start: usize) -> bool {
    let word = run_back(text, start, 16, |byte| byte == b' ' || byte == b'\t');
    let line = if text[..word].ends_with(b"export") { word - b"export".len() } else { word };
    line == 0 || text[line - 1] == b'\n'
}

fn ends_line(text: &[u8], end: usize) -> bool {
    let at = skip_spaces(text, end);
    text.get(at).is_none_or(|byte| b"\n\r\"'`\\;,}]".contains(byte))
}

fn skip_spaces(text: &[u8], at: usize) -> usize {
    run(&text[..text.len().min(at + SPACES_MAX)], at, |byte| byte == b' ' || byte == b'\t')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}
