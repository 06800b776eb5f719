//! A name that announces a secret, and its value: `password=…`, `"token": "…"`, `Authorization: Bearer …`,
//! `--api-key …`, `<secret>…</secret>`.
//!
//! In plain text a name may be prose or code, so an unquoted value has to look like one. In JSON the name is a key and
//! the value is known, so nearly everything counts.

mod link;

use std::ops::Range;

use self::link::{Link, link, separator, typed};
use crate::{
    bytes::{before, run, run_back},
    key::{Keyed, NAME_BYTES_MAX},
    rules::{Rules, Value},
    scan::Hit,
    view::quote_width,
};

/// Longest value that must be a number, in bytes. Other values end where they end: what was found is not looked at again.
const NUMBER_BYTES_MAX: usize = 64;
/// Most spaces around a separator.
const SPACES_MAX: usize = 8;
/// Longest placeholder, in bytes; what is longer is a value.
const PLACEHOLDER_BYTES_MAX: usize = 128;
/// Longest number of a document or a person, in bytes.
const ID_BYTES_MAX: usize = 40;
/// Shortest value that is an argument.
const ARGUMENT_MIN: usize = 8;
/// Shortest value of a bare `token` in JSON; shorter ones are the pieces that models count.
const BARE_TOKEN_MIN: usize = 6;

/// What an anchor of a name led to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) hit: Option<Hit>,
    /// The name is all that stands in its quotes: it may be a key, or announce what comes next.
    pub(crate) quoted_name: bool,
    pub(crate) name_at: usize,
    /// Bytes looked at.
    pub(crate) walked: usize,
    /// The end of what was looked at, where there is a value.
    pub(crate) far: usize,
}

/// Where the name that goes on at `at` ends.
#[inline]
pub(crate) fn name_end(text: &[u8], at: usize) -> usize {
    run(&text[..text.len().min(at + NAME_BYTES_MAX)], at, is_name)
}

/// Most words that hold an anchor are prose: they are followed by no separator and are no flag.
#[inline]
pub(crate) fn may_announce(text: &[u8], at: usize, end: usize) -> bool {
    text.get(end).is_some_and(|follows| LINKS[usize::from(*follows)] && may_link(text, at, end, *follows))
}

/// `at` is somewhere in the name.
pub(crate) fn check(rules: &Rules, text: &[u8], at: usize) -> Outcome {
    let end = name_end(text, at);
    if may_announce(text, at, end) { announced(rules, text, at, end) } else { Outcome::default() }
}

/// What the name that goes on at `at` and ends at `end` may announce.
pub(crate) fn announced(rules: &Rules, text: &[u8], at: usize, end: usize) -> Outcome {
    let mut outcome = Outcome { walked: end - at, ..Outcome::default() };
    let start = run_back(text, at, NAME_BYTES_MAX, is_name);
    let keyed = rules.names.keyed(&text[start..end]);
    if is_json_quote(text[end]) {
        let quoted = run_back(text, at, NAME_BYTES_MAX, |byte| !is_json_quote(byte) && byte != b'\n');
        let opened = before(text, quoted).is_some_and(is_json_quote);
        let whole = || if quoted == start { keyed } else { rules.names.keyed(&text[quoted..end]) };
        outcome.quoted_name = opened && whole().is_some();
        outcome.name_at = quoted;
    }
    let keyed = keyed.or_else(|| of_two_words(rules, text, start..end));
    outcome.hit = keyed.and_then(|keyed| hit(rules, text, start..end, keyed, &mut outcome.far));
    outcome.walked += outcome.hit.map_or(0, |hit| hit.end - start);
    if let Some(hit) = &mut outcome.hit {
        hit.name = Some(start);
    }
    outcome
}

fn may_link(text: &[u8], at: usize, end: usize, follows: u8) -> bool {
    match follows {
        b'?' | b'+' => text.get(end + 1) == Some(&b'='),
        b' ' | b'\t' => {
            let next = skip_spaces(text, end);
            separator(text, next).is_some() || typed(text, next).is_some() || is_flag(text, at)
        }
        _ => true,
    }
}

/// Is the name that goes on at `at` one of a command line?
fn is_flag(text: &[u8], at: usize) -> bool {
    let name = run_back(text, at, NAME_BYTES_MAX, is_name);
    text[name..].starts_with(b"--")
}

fn hit(rules: &Rules, text: &[u8], name: Range<usize>, keyed: Keyed, far: &mut usize) -> Option<Hit> {
    let link = link(text, name.start, name.end)?;
    *far = link.value + 1;
    let (from, to, quoted) = value(rules, text, &link, keyed)?;
    *far = to + SPACES_MAX + 2;
    let (from, to) = trim(text, from, to, keyed.value);
    let value = text.get(from..to)?;
    let counts = match (quoted, link.quoted_name) {
        _ if link.argument => is_random(value) && fits(keyed, value),
        (true, true) => in_json(keyed, value).is_some() || counts_quoted(keyed, value),
        (true, false) => counts_quoted(keyed, value),
        (false, _) => counts_bare(text, to, keyed, value, link.tight),
    };
    (counts && !is_placeholder(value)).then_some(Hit { start: from, end: to, rule: keyed.rule, name: None })
}

/// The part of a JSON string under a name that is to be masked.
pub(crate) fn in_json(keyed: Keyed, value: &[u8]) -> Option<(usize, usize)> {
    let (from, to) = trim(value, 0, value.len(), keyed.value);
    let kept = value.get(from..to)?;
    let piece = keyed.bare_token && (kept.len() < BARE_TOKEN_MIN || is_prose(kept));
    let counts = !piece && fits(keyed, kept) && !kept.is_empty() && !is_placeholder(kept);
    counts.then_some((from, to))
}

/// A bare number under a name.
pub(crate) fn number_in_json(keyed: Keyed, digits: &[u8]) -> bool {
    let piece = keyed.bare_token && digits.len() < BARE_TOKEN_MIN;
    !piece && fits(keyed, digits)
}

/// What a command line's flag announces for the argument after it: `--password`.
pub(crate) fn flag(rules: &Rules, argument: &[u8]) -> Option<Keyed> {
    let name = argument.strip_prefix(b"--")?;
    name.iter().all(|byte| is_name(*byte)).then(|| rules.names.keyed(name)).flatten()
}

/// `API key: …`, `social security number: …`: the name is two words.
fn of_two_words(rules: &Rules, text: &[u8], name: Range<usize>) -> Option<Keyed> {
    let gap = (before(text, name.start) == Some(b' ')).then(|| name.start - 1)?;
    let word = run_back(text, gap, NAME_BYTES_MAX / 2, |byte| byte.is_ascii_alphabetic());
    if word == gap || !text[name.clone()].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    rules.names.keyed(&text[word..name.end])
}

/// Where a value without quotes ends: in an element, with the line, in an environment file, anywhere else.
static ELEMENT_STOPS: [bool; 256] = stops(b"<\n");
static LINE_STOPS: [bool; 256] = stops(b"\n\r\"'`");
static WORD_STOPS: [bool; 256] = stops(b" \t\n\r\"'`");
static CODE_STOPS: [bool; 256] = stops(b" \t\n\r\"'`,;&<>()[]{}|");

/// What may follow a name that announces something.
static LINKS: [bool; 256] = stops(b"=:>\"'`?+ \t");

/// These bytes, and the quotes of nested JSON.
const fn stops(listed: &[u8]) -> [bool; 256] {
    let (mut stops, mut at) = ([false; 256], 0xf8);
    while at < 256 {
        stops[at] = true;
        at += 1;
    }
    at = 0;
    while at < listed.len() {
        stops[listed[at] as usize] = true;
        at += 1;
    }
    stops
}

/// The range of the value, and whether it was in quotes.
fn value(rules: &Rules, text: &[u8], link: &Link, keyed: Keyed) -> Option<(usize, usize, bool)> {
    let longest = if keyed.value == Value::Digits { NUMBER_BYTES_MAX } else { text.len() };
    let window = &text[..text.len().min(link.value.saturating_add(longest))];
    let first = *window.get(link.value)?;
    if let Some(width) = quote_width(first) {
        let start = link.value + width;
        return Some((start, closing(window, start, first, link.quoted_name), true));
    }
    if link.quoted_only {
        return None;
    }
    let stops = match keyed.value {
        _ if link.element => &ELEMENT_STOPS,
        Value::Authorization | Value::Line => &LINE_STOPS,
        _ if link.environment => &WORD_STOPS,
        _ => &CODE_STOPS,
    };
    // A replacement of ours stands for a value, brackets and all.
    let mut end = link.value;
    loop {
        end = run(window, end, |byte| !stops[usize::from(byte)]);
        match rules.tokens.end(window, end) {
            Some(after) => end = after,
            None => return Some((link.value, end, false)),
        }
    }
}

/// Where the quoted value ends: at its quote, or where it was cut off – with the line, or with the string around.
fn closing(text: &[u8], start: usize, quote: u8, in_json: bool) -> usize {
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match *byte {
            b'\\' if at + 1 < text.len() => at += 2,
            byte if byte == quote => return at,
            b'\n' if !in_json => return at,
            b'"' if is_json_quote(quote) || ends_string(text, at) => return at,
            byte @ 0xf8.. if is_json_quote(quote) && quote != b'"' && byte < quote => return at,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

/// Does the quote at `at` end a JSON string, rather than stand in one?
fn ends_string(text: &[u8], at: usize) -> bool {
    text.get(at + 1).is_none_or(|byte| b",}]:\n".contains(byte))
}

/// Schemes of authorization.
const SCHEMES: [&[u8]; 6] = [b"bearer", b"basic", b"token", b"digest", b"negotiate", b"apikey"];

/// Takes the spaces off, and the scheme of an authorization.
fn trim(text: &[u8], mut from: usize, mut to: usize, value: Value) -> (usize, usize) {
    while to > from && text[to - 1].is_ascii_whitespace() {
        to -= 1;
    }
    while from < to && text[from].is_ascii_whitespace() {
        from += 1;
    }
    if matches!(value, Value::Authorization | Value::Token | Value::Secret) {
        let word = run(&text[..to], from, |byte| byte.is_ascii_alphabetic());
        let known = || SCHEMES.iter().any(|scheme| text[from..word].eq_ignore_ascii_case(scheme));
        if word < to && text[word] == b' ' && known() {
            from = run(&text[..to], word, |byte| byte == b' ');
        }
    }
    (from, to)
}

fn counts_quoted(keyed: Keyed, value: &[u8]) -> bool {
    let shortest = if matches!(keyed.value, Value::Token | Value::Secret) { 4 } else { 1 };
    value.len() >= shortest && fits(keyed, value)
}

fn counts_bare(text: &[u8], end: usize, keyed: Keyed, value: &[u8], tight: bool) -> bool {
    if value.is_empty() || !fits(keyed, value) || is_word_of_code(text, end, value) {
        return false;
    }
    match keyed.value {
        Value::Authorization | Value::Line => value.len() >= 4,
        Value::Digits | Value::Id => true,
        Value::Password if tight => true,
        Value::Password => value.len() >= 4 && (tells(value) || ends_line(text, end)),
        _ if tight => value.len() >= 4,
        Value::Token | Value::Secret if is_type(value) => false,
        _ => value.len() >= 6 && tells(value),
    }
}

/// The name of a type that says what it holds: `token: OAuthTokenResponse`.
fn is_type(value: &[u8]) -> bool {
    const HOLDS: [&[u8]; 5] = [b"Token", b"Secret", b"Credential", b"Session", b"Key"];
    let named = value[0].is_ascii_uppercase() && value.iter().all(u8::is_ascii_alphabetic);
    named && HOLDS.iter().any(|word| value.windows(word.len()).any(|window| window == *word))
}

/// Some values have a shape; every other one may be anything.
fn fits(keyed: Keyed, value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let others = value.len() - digits;
    let (least, most) = keyed.digits;
    match keyed.value {
        // Numbers of one length stand with few separators; phones may have words beside them.
        Value::Digits => (least..=most).contains(&digits) && others <= if least == most { 4 } else { 10 },
        Value::Id => {
            let plain = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b" -./".contains(byte));
            plain && (4..=ID_BYTES_MAX).contains(&value.len()) && digits >= 3
        }
        _ => true,
    }
}

/// No words and no label: what stands beside a name in a call.
fn is_random(value: &[u8]) -> bool {
    value.len() >= ARGUMENT_MIN && value.iter().any(u8::is_ascii_digit) && !value.contains(&b' ')
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
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
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
    let named = value.iter().all(|byte| byte.is_ascii_alphabetic() || b"._:".contains(byte));
    let called = named && text.get(end).is_some_and(|byte| b"([".contains(byte));
    let path = named && (value.contains(&b'.') || value.windows(2).any(|pair| pair == b"::"));
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) || called || path
}

fn ends_line(text: &[u8], end: usize) -> bool {
    let at = skip_spaces(text, end);
    text.get(at).is_none_or(|byte| b"\n\r\"'`\\;,}]".contains(byte) || is_json_quote(*byte))
}

fn skip_spaces(text: &[u8], at: usize) -> usize {
    run(&text[..text.len().min(at + SPACES_MAX)], at, |byte| byte == b' ' || byte == b'\t')
}

#[inline]
fn is_name(byte: u8) -> bool {
    NAME[usize::from(byte)]
}

/// What a name is made of.
static NAME: [bool; 256] = {
    let (mut name, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let letter = byte as u8;
        name[byte] = letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-' | b'.');
        byte += 1;
    }
    name
};

/// The quote of a JSON string, of any depth.
fn is_json_quote(byte: u8) -> bool {
    matches!(byte, b'"' | 0xf8..)
}
