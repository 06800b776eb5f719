//! Walking a JSON document: which strings, numbers and keys are to be masked, and under which names.
//!
//! Only the contents of strings and whole numbers are ever replaced, so the document keeps its structure byte for byte.

use std::ops::Range;

use crate::{
    Withheld,
    edit::{self, Edit},
    escape,
    json::{DEPTH_MAX, Fault, Token, Tokens},
    key,
    mask::Mask,
    rule::{self, Rule},
    scan::keyed,
};

/// Fewest digits of a number that could be a card.
const CARD_DIGITS_MIN: usize = 13;
/// Longest pointer in the evidence, in bytes; what is deeper is told by its parents.
const POINTER_BYTES_MAX: usize = 192;

/// Where the walk is: one for each open container.
#[derive(Debug)]
struct Level {
    object: bool,
    /// Members or items so far.
    count: u64,
    /// The raw key of the current member.
    key: Range<usize>,
    /// The key as the pointer shows it, when it was masked.
    masked_key: Option<String>,
    /// The rule that the current key, the array's key or the flag before announces.
    keyed: Option<Rule>,
    /// `{"name": "password", "value": …}`: the rule that the name announces, and the value.
    named: Option<Rule>,
    value: Option<Range<usize>>,
}

pub(crate) struct Walk<'a, 'm> {
    text: &'a str,
    mask: &'a mut Mask<'m>,
    nesting: usize,
    levels: Vec<Level>,
    edits: Vec<Edit>,
}

impl<'a, 'm> Walk<'a, 'm> {
    pub(crate) fn new(text: &'a str, mask: &'a mut Mask<'m>, nesting: usize) -> Walk<'a, 'm> {
        Walk { text, mask, nesting, levels: Vec::new(), edits: Vec::new() }
    }

    /// The document's edits; none when the text is no JSON.
    pub(crate) fn edits(mut self) -> Result<Option<Vec<Edit>>, Withheld> {
        let mut tokens = Tokens::new(self.text);
        loop {
            match tokens.next() {
                Ok(Some(token)) => self.token(token)?,
                Ok(None) => return Ok(Some(edit::merge(self.edits, Vec::new()))),
                Err(Fault::NotJson) => return Ok(None),
                Err(Fault::TooDeep) => return Err(Withheld::TooDeep(DEPTH_MAX)),
            }
        }
    }

    fn token(&mut self, token: Token) -> Result<(), Withheld> {
        match token {
            Token::Key(range) => return self.key(range),
            Token::ObjectStart => self.open(true),
            Token::ArrayStart => self.open(false),
            Token::ObjectEnd => self.close()?,
            Token::ArrayEnd => drop(self.levels.pop()),
            Token::String(range) => {
                self.item();
                self.string(range)?;
            }
            Token::Number(range) => {
                self.item();
                self.number(range)?;
            }
            Token::Literal => self.item(),
        }
        Ok(())
    }

    fn open(&mut self, object: bool) {
        self.item();
        // The rule of a key holds for the items of its array, but not for the members of an object: those have names.
        let keyed = if object { None } else { self.levels.last().and_then(|level| level.keyed) };
        let level = Level { object, count: 0, key: 0..0, masked_key: None, keyed, named: None, value: None };
        self.levels.push(level);
    }

    /// Counts the items of an array; the members of an object are counted by their keys.
    fn item(&mut self) {
        if let Some(level) = self.levels.last_mut().filter(|level| !level.object) {
            level.count += 1;
        }
    }

    fn key(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let plain = escape::decode(raw);
        let keyed = key::rule_of(plain.as_bytes());
        let member = self.levels.last().map_or(0, |level| level.count);
        let mut hits = self.mask.plain(&plain, self.nesting)?;
        for hit in &mut hits {
            hit.replacement = rule::key_token(hit.rule, member);
        }
        let masked_key = (!hits.is_empty()).then(|| edit::apply(&plain, &hits));
        edit::lift(&mut hits, raw, range.start, true);
        if let Some(level) = self.levels.last_mut() {
            (level.key, level.masked_key, level.keyed) = (range, masked_key, keyed);
            level.count += 1;
        }
        self.found(hits);
        Ok(())
    }

    fn string(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let plain = escape::decode(raw);
        let keyed = self.levels.last().and_then(|level| level.keyed);
        self.remember(&plain, &range);
        let mut hits = match keyed.and_then(|rule| self.under_key(rule, &plain)) {
            Some(hit) => self.mask.hits(&plain, vec![hit])?,
            None => self.mask.inside(&plain, self.nesting + 1)?,
        };
        edit::lift(&mut hits, raw, range.start, true);
        self.found(hits);
        Ok(())
    }

    fn under_key(&self, rule: Rule, plain: &str) -> Option<crate::scan::Hit> {
        let (start, end) = keyed::in_json(&self.name(), rule, plain.as_bytes())?;
        Some(crate::scan::Hit { start, end, rule })
    }

    /// Notes what the next items or the end of the object may need: a flag, a name, a value.
    fn remember(&mut self, plain: &str, range: &Range<usize>) {
        let name = self.name();
        let Some(level) = self.levels.last_mut() else { return };
        if !level.object {
            level.keyed = keyed::flag(plain.as_bytes());
            return;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"name" | b"key" | b"field" | b"header" | b"variable" => level.named = key::rule_of(plain.as_bytes()),
            b"value" => level.value = Some(range.clone()),
            _ => {}
        }
    }

    fn number(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let digits = self.text.get(range.clone()).unwrap_or_default();
        let keyed = self.levels.last().and_then(|level| level.keyed);
        let named = keyed.filter(|rule| keyed::number_in_json(&self.name(), *rule, digits.as_bytes()));
        let rule = match named {
            None if digits.len() >= CARD_DIGITS_MIN => self.mask.whole_number(digits)?,
            _ => named,
        };
        if let Some(rule) = rule {
            let replacement = format!("\"{}\"", rule::token(rule));
            self.found(vec![Edit { start: range.start, end: range.end, replacement, rule, pointer: String::new() }]);
        }
        Ok(())
    }

    /// At the end of an object: was there a name that announces its value?
    fn close(&mut self) -> Result<(), Withheld> {
        let Some(Level { named: Some(rule), value: Some(range), .. }) = self.levels.last() else {
            self.levels.pop();
            return Ok(());
        };
        let (rule, range) = (*rule, range.clone());
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let plain = escape::decode(raw);
        if let Some((start, end)) = keyed::in_json(b"", rule, plain.as_bytes()) {
            let mut hits = self.mask.hits(&plain, vec![crate::scan::Hit { start, end, rule }])?;
            edit::lift(&mut hits, raw, range.start, true);
            let parent = self.pointer(self.levels.len() - 1);
            for hit in &mut hits {
                hit.pointer = format!("{parent}/value");
            }
            self.edits.append(&mut hits);
        }
        self.levels.pop();
        Ok(())
    }

    fn found(&mut self, hits: Vec<Edit>) {
        if hits.is_empty() {
            return;
        }
        let here = self.pointer(self.levels.len());
        self.edits.extend(hits.into_iter().map(|hit| Edit { pointer: joined(&here, &hit.pointer), ..hit }));
    }

    /// The current key, unescaped.
    fn name(&self) -> Vec<u8> {
        let range = self.levels.last().map_or(0..0, |level| level.key.clone());
        escape::decode(self.text.get(range).unwrap_or_default()).into_owned().into_bytes()
    }

    fn pointer(&self, depth: usize) -> String {
        let mut pointer = String::new();
        for level in &self.levels[..depth] {
            let step = match (&level.masked_key, level.object) {
                (Some(masked), _) => masked.clone(),
                (None, true) => escape::decode(self.text.get(level.key.clone()).unwrap_or_default()).into_owned(),
                (None, false) => level.count.saturating_sub(1).to_string(),
            };
            let step = step.replace('~', "~0").replace('/', "~1");
            if pointer.len() + step.len() >= POINTER_BYTES_MAX {
                break;
            }
            pointer.push('/');
            pointer.push_str(&step);
        }
        pointer
    }
}

fn joined(outer: &str, inner: &str) -> String {
    if outer.len() + inner.len() > POINTER_BYTES_MAX { outer.to_owned() } else { format!("{outer}{inner}") }
}
