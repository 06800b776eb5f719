//! JSON as a sequence of tokens with their places in the text, so that a token can be replaced and every other byte
//! stay. The grammar is RFC 8259's, strictly: whatever a parser might read otherwise is no JSON here.
//!
//! It refuses to build a tree, to recurse, and to go deeper than it is told.

use std::ops::Range;

mod scattered;
pub mod words;

pub use scattered::{Layout, Scattered};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
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
pub enum Fault {
    NotJson,
    /// More objects and arrays within each other than were allowed.
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
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    start: usize,
    /// The last string or key has an escape of the form `\u0041`.
    has_code_units: bool,
    expect: Expect,
    /// The closing byte of each open container.
    open: Vec<u8>,
    depth_max: usize,
}

impl<'a> Tokens<'a> {
    /// `depth_max` is how many objects and arrays may stand within each other.
    pub fn new(text: &'a str, depth_max: usize) -> Tokens<'a> {
        Tokens {
            text: text.as_bytes(),
            at: 0,
            start: 0,
            has_code_units: false,
            expect: Expect::Value,
            open: Vec::new(),
            depth_max,
        }
    }

    /// Where the last token begins; a string or a key with its quote.
    #[inline]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Just behind the last token; behind the colon of a key.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Has the last string or key an escape that names a code unit of UTF-16, as `\u0041` does? Whether these are
    /// characters is not judged here.
    #[inline]
    pub fn has_code_units(&self) -> bool {
        self.has_code_units
    }

    /// The next token; none at the end of a whole document.
    pub fn next_token(&mut self) -> Result<Option<Token>, Fault> {
        self.skip_space();
        if self.expect == Expect::CommaOrEnd && self.peek() == Some(b',') {
            self.at += 1;
            self.expect = if self.open.last() == Some(&b'}') { Expect::Key } else { Expect::Value };
            self.skip_space();
        }
        let Some(byte) = self.peek() else {
            return if self.expect == Expect::Nothing { Ok(None) } else { Err(Fault::NotJson) };
        };
        self.start = self.at;
        match (self.expect, byte) {
            (Expect::ValueOrEnd | Expect::CommaOrEnd | Expect::KeyOrEnd, b']' | b'}') => self.end(byte).map(Some),
            (Expect::Key | Expect::KeyOrEnd, b'"') => self.key().map(Some),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte).map(Some),
            _ => Err(Fault::NotJson),
        }
    }

    fn value(&mut self, byte: u8) -> Result<Token, Fault> {
        let token = match byte {
            b'{' => return self.begin(b'}', Expect::KeyOrEnd, Token::ObjectStart),
            b'[' => return self.begin(b']', Expect::ValueOrEnd, Token::ArrayStart),
            b'"' => Token::String(self.string()?),
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => Token::Number(self.number()?),
        };
        self.after_value();
        Ok(token)
    }

    fn begin(&mut self, closing: u8, expect: Expect, token: Token) -> Result<Token, Fault> {
        if self.open.len() >= self.depth_max {
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
        self.has_code_units = false;
        loop {
            at = words::next_special(self.text, at).ok_or(Fault::NotJson)?;
            match self.text[at] {
                b'"' => break,
                b'\\' => at += self.escape(at)?,
                _ => return Err(Fault::NotJson),
            }
        }
        self.at = at + 1;
        Ok(start..at)
    }

    fn escape(&mut self, at: usize) -> Result<usize, Fault> {
        match self.text.get(at + 1).ok_or(Fault::NotJson)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(2),
            b'u' => {
                self.has_code_units = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH_MAX: usize = 100;

    fn check(text: &str) -> Result<usize, Fault> {
        let (mut tokens, mut count) = (Tokens::new(text, DEPTH_MAX), 0);
        while tokens.next_token()?.is_some() {
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
    fn tokens_say_where_they_stand_and_how_they_are_written() {
        let text = r#" {"k" : ["\u0041", "\n", -1.5 ,null]}"#;
        let (mut tokens, mut seen) = (Tokens::new(text, DEPTH_MAX), Vec::new());
        while tokens.next_token().expect("JSON").is_some() {
            seen.push((&text[tokens.start()..tokens.at()], tokens.has_code_units()));
        }
        let seen: Vec<_> =
            seen.into_iter().map(|(token, units)| format!("{token}{}", if units { "!" } else { "" })).collect();
        assert_eq!(seen.join("|"), r#"{|"k" :|[|"\u0041"!|"\n"|-1.5|null|]|}"#);
    }

    #[test]
    fn stops_at_the_depth_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(&nested(DEPTH_MAX)), Ok(2 * DEPTH_MAX));
        assert_eq!(check(&nested(DEPTH_MAX + 1)), Err(Fault::TooDeep));
        assert_eq!(check(&"[".repeat(1_000_000)), Err(Fault::TooDeep));
    }
}
