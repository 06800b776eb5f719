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
    mask::{self, Mask},
    rule::{self, Rule},
    scan::{Hit, keyed, number},
};

/// Fewest digits of a number that could be a card.
const CARD_DIGITS_MIN: usize = 13;
/// Longest pointer in the evidence, in bytes; what is deeper is told by its parents.
const POINTER_BYTES_MAX: usize = 192;

/// Longest key that is a step of a pointer, in bytes as written: an escape has up to six bytes for one.
const STEP_BYTES_MAX: usize = 6 * POINTER_BYTES_MAX;

/// A pointer, as far as it is told.
#[derive(Clone, Debug, Default)]
struct Path {
    text: String,
    /// A step did not fit, so nothing is added to it.
    cut: bool,
}

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
    /// `{"name": "password", "value": …}` and `["password", …]` in a list: the rule that the name announces, and the
    /// value.
    named: Option<Rule>,
    value: Option<Range<usize>>,
    /// Where the container is, from the first find in it on.
    path: Option<Path>,
}

pub(crate) struct Walk<'a, 'm> {
    text: &'a str,
    mask: &'a mut Mask<'m>,
    nesting: usize,
    levels: Vec<Level>,
    edits: Vec<Edit>,
    /// The first number for masked keys that no key of the document has, once it is known.
    first_number: Option<u64>,
}

impl<'a, 'm> Walk<'a, 'm> {
    pub(crate) fn new(text: &'a str, mask: &'a mut Mask<'m>, nesting: usize) -> Walk<'a, 'm> {
        Walk { text, mask, nesting, levels: Vec::new(), edits: Vec::new(), first_number: None }
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
            Token::ObjectEnd | Token::ArrayEnd => self.close()?,
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
        self.levels.push(Level {
            object,
            count: 0,
            key: 0..0,
            masked_key: None,
            keyed,
            named: None,
            value: None,
            path: None,
        });
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
        if !hits.is_empty() {
            let number = self.first_number()?.saturating_add(member);
            hits.iter_mut().for_each(|hit| hit.replacement = rule::key_token(hit.rule, number));
        }
        let masked_key = (!hits.is_empty()).then(|| edit::apply(&plain, &hits));
        edit::lift(&mut hits, raw, range.start, true);
        if let Some(level) = self.levels.last_mut() {
            (level.key, level.masked_key, level.keyed) = (range, masked_key, keyed);
            level.count += 1;
        }
        self.found(hits)
    }

    /// Masked keys are numbered from here on, so that they stay distinct from those that look masked already.
    fn first_number(&mut self) -> Result<u64, Withheld> {
        if let Some(known) = self.first_number {
            return Ok(known);
        }
        self.mask.spend(self.text.len())?;
        let (mut tokens, mut first) = (Tokens::new(self.text), 0);
        while let Ok(Some(token)) = tokens.next() {
            if let Token::Key(range) = token {
                let plain = escape::decode(self.text.get(range).unwrap_or_default());
                first = first.max(rule::numbers_in(&plain).max().map_or(0, |number| number + 1));
            }
        }
        self.first_number = Some(first);
        Ok(first)
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
        if matches!(hits.as_slice(), [hit] if hit.rule == Rule::Ipv4 && hit.start == 0 && hit.end == plain.len())
            && number::is_version_name(&self.name())
        {
            return Ok(());
        }
        edit::lift(&mut hits, raw, range.start, true);
        self.found(hits)
    }

    fn under_key(&self, rule: Rule, plain: &str) -> Option<Hit> {
        let (start, end) = keyed::in_json(&self.name(), rule, plain.as_bytes())?;
        Some(Hit { start, end, rule })
    }

    /// Notes what the next items or the end of the object may need: a flag, a name, a value.
    fn remember(&mut self, plain: &str, range: &Range<usize>) {
        let name = self.name();
        let listed = self.levels.len() >= 2 && !self.levels[self.levels.len() - 2].object;
        let Some(level) = self.levels.last_mut() else { return };
        if !level.object {
            level.keyed = keyed::flag(plain.as_bytes());
            match level.count {
                1 if listed => level.named = key::rule_of(plain.as_bytes()),
                2 => level.value = Some(range.clone()),
                _ => {}
            }
            return;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"name" | b"key" | b"field" | b"header" | b"variable" => level.named = key::rule_of(plain.as_bytes()),
            b"value" => level.value = Some(range.clone()),
            _ => {}
        }
    }

    fn number(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        self.remember_number(&range);
        let digits = whole_part(self.text.get(range.clone()).unwrap_or_default());
        let keyed = self.levels.last().and_then(|level| level.keyed);
        let named = keyed.filter(|rule| keyed::number_in_json(&self.name(), *rule, digits.as_bytes()));
        let rule = match named {
            None if digits.len() >= CARD_DIGITS_MIN => self.mask.whole_number(digits)?,
            _ => named,
        };
        match rule {
            Some(rule) => self.found(vec![number_edit(range, rule)]),
            None => Ok(()),
        }
    }

    fn remember_number(&mut self, range: &Range<usize>) {
        let name = self.name();
        let Some(level) = self.levels.last_mut() else { return };
        let second = !level.object && level.count == 2;
        if second || (level.object && name.eq_ignore_ascii_case(b"value")) {
            level.value = Some(range.clone());
        }
    }

    /// At the end of a container: was there a name that announces its value?
    fn close(&mut self) -> Result<(), Withheld> {
        if let Some(level) = self.levels.last()
            && let (Some(rule), Some(range)) = (level.named, level.value.clone())
            && (level.object || level.count == 2)
        {
            let step = if level.object { "/value" } else { "/1" };
            let mut hits = self.announced(rule, range)?;
            let parent = self.container(self.levels.len())?;
            for hit in &mut hits {
                hit.pointer = joined(&parent.text, step);
            }
            self.edits.append(&mut hits);
            mask::within_count(self.edits.len())?;
        }
        self.levels.pop();
        Ok(())
    }

    /// The edits of a value whose name is another value.
    fn announced(&mut self, rule: Rule, range: Range<usize>) -> Result<Vec<Edit>, Withheld> {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let in_quotes = self.text.as_bytes().get(range.end) == Some(&b'"');
        if !in_quotes {
            // A short number beside the name `token` is a count.
            let name: &[u8] = if rule == Rule::Token { b"token" } else { b"" };
            let counts = keyed::number_in_json(name, rule, whole_part(raw).as_bytes());
            return Ok(if counts { vec![number_edit(range, rule)] } else { Vec::new() });
        }
        let plain = escape::decode(raw);
        let Some((start, end)) = keyed::in_json(b"", rule, plain.as_bytes()) else { return Ok(Vec::new()) };
        let mut hits = self.mask.hits(&plain, vec![Hit { start, end, rule }])?;
        edit::lift(&mut hits, raw, range.start, true);
        Ok(hits)
    }

    fn found(&mut self, hits: Vec<Edit>) -> Result<(), Withheld> {
        if hits.is_empty() {
            return Ok(());
        }
        mask::within_count(self.edits.len() + hits.len())?;
        let here = self.pointer()?;
        self.edits.extend(hits.into_iter().map(|hit| Edit { pointer: joined(&here, &hit.pointer), ..hit }));
        Ok(())
    }

    /// The current key, unescaped.
    fn name(&self) -> Vec<u8> {
        let range = self.levels.last().map_or(0..0, |level| level.key.clone());
        escape::decode(self.text.get(range).unwrap_or_default()).into_owned().into_bytes()
    }

    /// Where the current value is.
    fn pointer(&mut self) -> Result<String, Withheld> {
        let depth = self.levels.len();
        if depth == 0 {
            return Ok(String::new());
        }
        let container = self.container(depth)?;
        Ok(self.beyond(container, depth - 1)?.text)
    }

    /// Where the container of this depth is: known from its first find on, so that each key is read once.
    fn container(&mut self, depth: usize) -> Result<Path, Withheld> {
        let known = self.levels[..depth].iter().rposition(|level| level.path.is_some());
        let mut path = known.and_then(|at| self.levels[at].path.clone()).unwrap_or_default();
        for at in known.unwrap_or(0)..depth.saturating_sub(1) {
            path = self.beyond(path, at)?;
            self.levels[at + 1].path = Some(path.clone());
        }
        Ok(path)
    }

    /// The path and the step that the level at `at` is in, if that fits.
    fn beyond(&mut self, mut path: Path, at: usize) -> Result<Path, Withheld> {
        self.mask.spend(path.text.len())?;
        let level = &self.levels[at];
        path.cut |= level.object && level.key.len() > STEP_BYTES_MAX;
        if path.cut {
            return Ok(path);
        }
        self.mask.spend(level.key.len())?;
        let step = level.step(self.text).replace('~', "~0").replace('/', "~1");
        path.cut = path.text.len() + step.len() >= POINTER_BYTES_MAX;
        if !path.cut {
            path.text.push('/');
            path.text.push_str(&step);
        }
        Ok(path)
    }
}

impl Level {
    /// The key or place of the current member.
    fn step(&self, text: &str) -> String {
        match (&self.masked_key, self.object) {
            (Some(masked), _) => masked.clone(),
            (None, true) => escape::decode(text.get(self.key.clone()).unwrap_or_default()).into_owned(),
            (None, false) => self.count.saturating_sub(1).to_string(),
        }
    }
}

/// The digits before the fraction and the exponent, without the sign.
fn whole_part(number: &str) -> &str {
    let unsigned = number.trim_start_matches('-');
    unsigned.split(['.', 'e', 'E']).next().unwrap_or_default()
}

/// The whole number, sign, fraction and exponent with it: what is left of half a number would be no JSON.
fn number_edit(range: Range<usize>, rule: Rule) -> Edit {
    let replacement = format!("\"{}\"", rule::token(rule));
    Edit { start: range.start, end: range.end, replacement, rule, pointer: String::new() }
}

fn joined(outer: &str, inner: &str) -> String {
    if outer.len() + inner.len() > POINTER_BYTES_MAX { outer.to_owned() } else { format!("{outer}{inner}") }
}
