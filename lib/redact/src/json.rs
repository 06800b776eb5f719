//! JSON as a sequence of tokens with their places in the text, so that a token can be replaced and every other byte
//! stay. The grammar is RFC 8259's, strictly: whatever a parser might read otherwise is no JSON here.
//!
//! It refuses to build a tree, to recurse, and to go deeper than [`DEPTH_MAX`].

use std::ops::Range;

use crate::bytes::next_special;

/// Deepest nesting of objects and arrays.
pub(crate) const DEPTH_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// Between the quotes.
    Key(Range<usize>),
    /// Between the quotes.
    String(Range<usize>),
    Number(Range<usize>),
    /// `true`, `false` or `null`.
    Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotJson,
    TooDeep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After `,` in an object.
    Key,
    /// After `{`.
    KeyOrEnd,
    CommaOrEnd,
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    expect: Expect,
    /// The closing byte of each open container.
    open: Vec<u8>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text: text.as_bytes(), at: 0, expect: Expect::Value, open: Vec::new() }
    }

    /// Just behind the last token.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next token; none at the end of a whole document.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, Fault> {
        self.skip_space();
        if self.expect == Expect::CommaOrEnd && self.peek() == Some(b',') {
            self.at += 1;
            self.expect = if self.open.last() == Some(&b'}') { Expect::Key } else { Expect::Value };
            self.skip_space();
        }
        let Some(byte) = self.peek() else {
            return if self.expect == Expect::Nothing { Ok(None) } else { Err(Fault::NotJson) };
        };
        match (self.expect, byte) {
            (Expect::ValueOrEnd | Expect::CommaOrEnd | Expect::KeyOrEnd, b']' | b'}') => self.end(byte).map(Some),
            (Expect::Key | Expect::KeyOrEnd, b'"') => self.key().map(Some),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte).map(Some),
            _ => Err(Fault::NotJson),
        }
    }

    fn value(&mut self, byte: u8) -> Result<Token, Fault> {
        let token = match byte {
            b'{' => return self.start(b'}', Expect::KeyOrEnd, Token::ObjectStart),
            b'[' => return self.start(b']', Expect::ValueOrEnd, Token::ArrayStart),
            b'"' => Token::String(self.string()?),
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => Token::Number(self.number()?),
        };
        self.after_value();
        Ok(token)
    }

    fn start(&mut self, closing: u8, expect: Expect, token: Token) -> Result<Token, Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        self.at += 1;
        self.open.push(closing);
        self.expect = expect;
        Ok(token)
    }

    fn end(&mut self, byte: u8) -> Result<Token, Fault> {
        if self.open.pop() != Some(byte) {
            return Err(Fault::NotJson);
        }
        self.at += 1;
        self.after_value();
        Ok(if byte == b'}' { Token::ObjectEnd } else { Token::ArrayEnd })
    }

    fn key(&mut self) -> Result<Token, Fault> {
        let range = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Fault::NotJson);
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(range))
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn string(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            at = next_special(self.text, at).ok_or(Fault::NotJson)?;
            match self.text[at] {
                b'"' => break,
                b'\\' => at += self.escape(at)?,
                _ => return Err(Fault::NotJson),
            }
        }
        self.at = at + 1;
        Ok(start..at)
    }

    fn escape(&self, at: usize) -> Result<usize, Fault> {
        match self.text.get(at + 1).ok_or(Fault::NotJson)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(2),
            b'u' => {
                let digits = self.text.get(at + 2..at + 6).ok_or(Fault::NotJson)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6).ok_or(Fault::NotJson)
            }
            _ => Err(Fault::NotJson),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<Token, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::NotJson);
        }
        self.at += word.len();
        Ok(Token::Literal)
    }

    fn number(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.at;
        self.skip_if(|byte| byte == b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip_if(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip_if(|byte| matches!(byte, b'e' | b'E')) {
            self.skip_if(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(start..self.at)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Fault::NotJson) } else { Ok(()) }
    }

    fn skip_if(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

/// Is it one document of JSON, and no deeper than [`DEPTH_MAX`]?
pub(crate) fn is_json(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    loop {
        match tokens.next() {
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
    let mut tokens = Tokens::new(text);
    loop {
        match tokens.next() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<usize, Fault> {
        let (mut tokens, mut count) = (Tokens::new(text), 0);
        while tokens.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn reads_what_the_grammar_allows_and_nothing_else() {
        for (text, count) in
            [(r#" {"a" : [1, -0.5e+3, true, null, "x\u00e4\n"], "b":{}} "#, 13), ("[]", 2), ("0", 1), ("\"\"", 1)]
        {
            assert_eq!(check(text), Ok(count), "{text}");
        }
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            "-",
            ".5",
            "1e",
            "+1",
            "nul",
            "[1 2]",
            "1 2",
            "\"\n\"",
            r#""\x""#,
            r#""\u12g4""#,
            "[}",
            "{]",
            "]",
            "'a'",
            "\u{feff}1",
            "{\"a\":1 \"b\":2}",
        ] {
            assert_eq!(check(text), Err(Fault::NotJson), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stops_at_the_depth_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(&nested(DEPTH_MAX)), Ok(2 * DEPTH_MAX));
        assert_eq!(check(&nested(DEPTH_MAX + 1)), Err(Fault::TooDeep));
        assert_eq!(check(&"[".repeat(1_000_000)), Err(Fault::TooDeep));
    }
}
