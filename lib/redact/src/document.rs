//! Walking a JSON document: which strings, numbers and keys are to be masked, and under which names.
//!
//! Only the contents of strings and whole numbers are ever replaced, so the document keeps its structure byte for byte.

mod manifest;

use std::{borrow::Cow, ops::Range};

use json::{Fault, Token};

use self::manifest::Manifest;
use crate::{
    Withheld,
    action::{Action, Replacement},
    depth::{self, DEPTH_MAX},
    edit::{self, Edit},
    escape::{self, Plain},
    field::Reached,
    key::Keyed,
    keyed,
    mask::{self, Marks, Mask},
    rules::RuleId,
    scan::Hit,
    token,
    view::LONG_MIN,
};

/// Longest pointer in the evidence, in bytes; what is deeper is told by its parents.
const POINTER_BYTES_MAX: usize = 192;

/// Shortest base64 that is a file, in bytes; the last two may be no digits.
pub(crate) const BLOB_BYTES_MIN: usize = LONG_MIN + 2;
/// Keys of the type of a file, and of its bytes in base64.
pub(crate) const TYPED: [&str; 2] = ["mimeType", "media_type"];
const BYTES: [&str; 2] = ["data", "blob"];

/// Longest key that is a step of a pointer, in bytes as written: an escape has up to six bytes for one.
const STEP_BYTES_MAX: usize = 6 * POINTER_BYTES_MAX;

/// Keys whose value names the secret that stands beside it.
const NAMING: [&str; 5] = ["name", "key", "field", "header", "variable"];

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
    /// What the current key or the array's key announces.
    keyed: Option<Keyed>,
    /// What the flag before announces: `["--password", …]`.
    flagged: Option<Keyed>,
    /// `{"name": "password", "value": …}` and `["password", …]` in a list: what the name announces, and the value.
    named: Option<Keyed>,
    value: Option<Range<usize>>,
    /// A type of files that are no text, and what may be such a file.
    is_file: bool,
    file: Option<Range<usize>>,
    manifest: Manifest,
    /// Where the container begins.
    start: usize,
    /// A member before the current one stays, and the current one goes.
    stays: bool,
    dropped: bool,
    /// How far the paths of rules lead to the container, and to the current member.
    fields: Reached,
    current: Reached,
    /// Where the container is, from the first find in it on.
    path: Option<Path>,
}

/// A container under a rule of fields.
#[derive(Debug)]
struct Whole {
    rule: RuleId,
    start: usize,
    /// Containers open within it, itself counted.
    depth: usize,
}

pub(crate) struct Walk<'a, 'm> {
    text: &'a str,
    marks: &'a Marks,
    /// Hits before this one end before the current token.
    next_hit: usize,
    next_name: usize,
    mask: &'a mut Mask<'m>,
    nesting: usize,
    /// How far the paths of rules lead to the document itself.
    fields: Reached,
    /// A container that is masked as a whole.
    whole: Option<Whole>,
    levels: Vec<Level>,
    edits: Vec<Edit>,
    /// The first number for masked keys that no key of the document has, once it is known.
    first_number: Option<u64>,
}

impl<'a, 'm> Walk<'a, 'm> {
    /// What was found in the text, in order.
    pub(crate) fn new(
        text: &'a str,
        marks: &'a Marks,
        mask: &'a mut Mask<'m>,
        nesting: usize,
        fields: Reached,
    ) -> Walk<'a, 'm> {
        let (levels, edits) = (Vec::new(), Vec::new());
        let (next_hit, next_name, whole, first_number) = (0, 0, None, None);
        Walk { text, marks, next_hit, next_name, mask, nesting, fields, whole, levels, edits, first_number }
    }

    /// The document's edits; none when the text is no JSON.
    pub(crate) fn edits(mut self) -> Result<Option<Vec<Edit>>, Withheld> {
        let mut tokens = depth::tokens(self.text);
        loop {
            match tokens.next_token() {
                Ok(Some(token)) => self.token(token, tokens.at())?,
                Ok(None) => return Ok(Some(edit::merge(self.mask.rules(), self.edits, Vec::new()))),
                Err(Fault::NotJson) => return Ok(None),
                Err(Fault::TooDeep) => return Err(Withheld::TooDeep(DEPTH_MAX)),
            }
        }
    }

    /// `end`: just behind the token.
    fn token(&mut self, token: Token, end: usize) -> Result<(), Withheld> {
        if self.whole.is_some() {
            return self.within_whole(&token, end);
        }
        match token {
            Token::Key(range) => return self.key(range),
            Token::ObjectStart | Token::ArrayStart => {
                self.item();
                match self.field() {
                    Some(rule) => self.whole = Some(Whole { rule, start: end - 1, depth: 1 }),
                    None => self.open(token == Token::ObjectStart, end - 1),
                }
            }
            Token::ObjectEnd | Token::ArrayEnd => self.close(end)?,
            Token::String(range) => {
                self.item();
                self.string(range)?;
            }
            Token::Number(range) => {
                self.item();
                self.number(range)?;
            }
            Token::Literal => {
                self.item();
                self.literal(end)?;
            }
        }
        Ok(())
    }

    /// In a container that is masked as a whole, only its end is looked for.
    fn within_whole(&mut self, token: &Token, end: usize) -> Result<(), Withheld> {
        let Some(whole) = &mut self.whole else { return Ok(()) };
        match token {
            Token::ObjectStart | Token::ArrayStart => whole.depth += 1,
            Token::ObjectEnd | Token::ArrayEnd => whole.depth -= 1,
            _ => {}
        }
        if whole.depth > 0 {
            return Ok(());
        }
        let (range, rule) = (whole.start..end, whole.rule);
        self.whole = None;
        self.mask.spend(range.len())?;
        let edit = self.quoted_edit(range.clone(), rule);
        self.found_in(vec![edit], range)
    }

    /// `true` and `false` say something; `null` does not.
    fn literal(&mut self, end: usize) -> Result<(), Withheld> {
        let Some(rule) = self.field() else { return Ok(()) };
        let start = match &self.text[..end] {
            text if text.ends_with("true") => end - 4,
            text if text.ends_with("false") => end - 5,
            _ => return Ok(()),
        };
        let edit = self.quoted_edit(start..end, rule);
        self.found_in(vec![edit], start..end)
    }

    /// The rule of fields that holds for the current value.
    fn field(&self) -> Option<RuleId> {
        self.mask.rules().fields.rule(self.levels.last().map_or(&self.fields, |level| &level.current))
    }

    fn open(&mut self, object: bool, start: usize) {
        let fields = self.levels.last().map_or_else(|| self.fields.clone(), |level| level.current.clone());
        // The rule of a key holds for the items of its array, but not for the members of an object: those have names.
        let keyed = if object { None } else { self.levels.last().and_then(|level| level.keyed) };
        self.levels.push(Level {
            object,
            count: 0,
            key: 0..0,
            masked_key: None,
            keyed,
            flagged: None,
            named: None,
            value: None,
            is_file: false,
            file: None,
            manifest: Manifest::default(),
            start,
            stays: false,
            dropped: false,
            fields,
            current: Reached::new(),
            path: None,
        });
    }

    /// Counts the items of an array; the members of an object are counted by their keys.
    fn item(&mut self) {
        let rules = self.mask.rules();
        if let Some(level) = self.levels.last_mut().filter(|level| !level.object) {
            if !level.fields.is_empty() {
                level.current = rules.fields.step(&level.fields, &level.count.to_string());
            }
            level.count += 1;
        }
    }

    fn key(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let member = self.levels.last().map_or(0, |level| level.count);
        let (named, hits) = (self.is_named(&range), self.hits_in(&range)?);
        let (mut keyed, mut masked_key, mut edits) = (None, None, Vec::new());
        if named || !hits.is_empty() {
            let raw = self.text.get(range.clone()).unwrap_or_default();
            let plain = Plain::of(raw);
            keyed = self.mask.rules().names.keyed(plain.text.as_bytes()).filter(|_| named);
            edits = self.mask.edits(&plain.text, mapped(&hits, &plain, range.start));
            if !edits.is_empty() {
                let number = self.first_number()?.saturating_add(member);
                for token in edits.iter_mut().filter_map(|edit| edit.with.text.as_mut()) {
                    *token = token::in_key(token, number);
                }
                masked_key = Some(edit::apply(&plain.text, &edits));
                edit::lift(&mut edits, &plain, range.start);
                self.mask.unsettle();
            }
        }
        if let Some(level) = self.levels.last_mut() {
            if !level.fields.is_empty() {
                self.mask.spend(level.fields.len())?;
                level.current = self.mask.rules().fields.step(&level.fields, &plain_key(self.text, &range));
            }
            level.stays |= level.count > 0 && !level.dropped;
            level.dropped = false;
            (level.key, level.masked_key, level.keyed) = (range, masked_key, keyed);
            level.count += 1;
        }
        self.found(edits)
    }

    /// Does a name that announces a secret stand in this range?
    fn is_named(&mut self, range: &Range<usize>) -> bool {
        while self.marks.names.get(self.next_name).is_some_and(|at| *at < range.start) {
            self.next_name += 1;
        }
        self.marks.names.get(self.next_name).is_some_and(|at| *at < range.end)
    }

    /// The hits that share bytes with a token, cut to it. A name announces what stands in its own token; what a key
    /// announces, the structure tells.
    fn hits_in(&mut self, range: &Range<usize>) -> Result<Vec<Hit>, Withheld> {
        while self.marks.hits.get(self.next_hit).is_some_and(|hit| hit.end <= range.start) {
            self.next_hit += 1;
        }
        let mut inside = Vec::new();
        for hit in &self.marks.hits[self.next_hit..] {
            if hit.start >= range.end {
                break;
            }
            self.mask.spend(1)?;
            if hit.end > range.start && hit.name.is_none_or(|at| range.contains(&at)) {
                inside.push(Hit { start: hit.start.max(range.start), end: hit.end.min(range.end), ..*hit });
            }
        }
        Ok(inside)
    }

    /// Masked keys are numbered from here on, so that they stay distinct from those that look masked already.
    fn first_number(&mut self) -> Result<u64, Withheld> {
        if let Some(known) = self.first_number {
            return Ok(known);
        }
        self.mask.spend(self.text.len())?;
        let (mut tokens, mut first) = (depth::tokens(self.text), 0);
        while let Ok(Some(token)) = tokens.next_token() {
            if let Token::Key(range) = token {
                let plain = escape::decode(self.text.get(range).unwrap_or_default());
                first = first.max(self.mask.rules().tokens.numbers_in(&plain).map_or(0, |number| number + 1));
            }
        }
        self.first_number = Some(first);
        Ok(first)
    }

    fn string(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let keyed = self.levels.last_mut().and_then(|level| level.flagged.take().or(level.keyed));
        let named = self.is_named(&range);
        let hits = self.hits_in(&range)?;
        let raw = self.text.get(range.clone()).unwrap_or_default();
        self.remember(raw, &range, named);
        let (field, fields) = (self.field(), self.levels.last().map_or(&self.fields, |level| &level.current));
        let leads_on = || {
            (may_be_document(raw) || raw.starts_with('\\'))
                && (!fields.is_empty() || self.mask.rules().may_hold_blob(raw))
        };
        if keyed.is_none() && hits.is_empty() && !named && field.is_none() && !leads_on() {
            return Ok(());
        }
        let plain = Plain::of(raw);
        self.mask.spend(raw.len())?;
        if let Some(rule) = field {
            let hit = Hit { start: 0, end: plain.text.len(), rule, name: None };
            let mut edits = if raw.is_empty() { Vec::new() } else { self.mask.edits(&plain.text, vec![hit]) };
            edit::lift(&mut edits, &plain, range.start);
            return self.found_in(edits, range.start - 1..range.end + 1);
        }
        let mut hits = mapped(&hits, &plain, range.start);
        let announced = keyed.and_then(|keyed| Some((keyed.rule, keyed::in_json(keyed, plain.text.as_bytes())?)));
        let mut edits = match announced {
            Some((rule, (start, end))) => {
                hits.push(Hit { start, end, rule, name: None });
                self.mask.edits(&plain.text, hits)
            }
            None => self.inside(&plain, &range, hits)?,
        };
        if !edits.is_empty() && (named || (keyed.is_some() && announced.is_none())) {
            self.mask.unsettle();
        }
        edit::lift(&mut edits, &plain, range.start);
        self.found_in(edits, range.start - 1..range.end + 1)
    }

    /// What a JSON string holds: a document of its own, or text.
    fn inside(&mut self, way: &Plain<'_>, range: &Range<usize>, hits: Vec<Hit>) -> Result<Vec<Edit>, Withheld> {
        let plain = way.text.as_ref();
        if may_be_document(plain) {
            if self.nesting >= crate::view::NESTING_MAX {
                return Err(Withheld::TooDeep(crate::view::NESTING_MAX));
            }
            let names = self.marks.names[self.next_name..].iter().take_while(|at| **at < range.end);
            let names = names.map(|at| way.start(at - range.start)).collect();
            let marks = Marks { hits, names, ..Marks::default() };
            let fields = self.levels.last().map_or(&self.fields, |level| &level.current).clone();
            if let Some(edits) = Walk::new(plain, &marks, self.mask, self.nesting + 1, fields).edits()? {
                return Ok(edits);
            }
            let hits = self.mask.known(plain, marks.hits)?;
            let edits = self.mask.edits(plain, hits);
            if !edits.is_empty() {
                // With what is masked gone, it may be JSON.
                self.mask.unsettle();
            }
            return Ok(edits);
        }
        let hits = self.mask.known(plain, hits)?;
        Ok(self.mask.edits(plain, hits))
    }

    /// Notes what the next items or the end of the object may need: a flag, a name, a value.
    fn remember(&mut self, raw: &str, range: &Range<usize>, named: bool) {
        let listed = self.levels.len() >= 2 && !self.levels[self.levels.len() - 2].object;
        let Some(level) = self.levels.last_mut() else { return };
        let rules = self.mask.rules();
        let announced = || rules.names.keyed(escape::decode(raw).as_bytes());
        if !level.object {
            level.flagged = if named { keyed::flag(rules, escape::decode(raw).as_bytes()) } else { None };
            match level.count {
                1 if listed && named => level.named = announced(),
                2 => level.value = Some(range.clone()),
                _ => {}
            }
            return;
        }
        let name = plain_key(self.text, &level.key);
        level.manifest.member(&name, raw);
        if TYPED.contains(&name.as_ref()) {
            level.is_file = !["text/", "json", "xml"].iter().any(|text| raw.contains(text));
        } else if BYTES.contains(&name.as_ref()) && is_file(raw) {
            level.file = Some(range.clone());
        }
        if named && NAMING.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            level.named = announced();
        } else if name.eq_ignore_ascii_case("value") {
            level.value = Some(range.clone());
        }
    }

    fn number(&mut self, range: Range<usize>) -> Result<(), Withheld> {
        let keyed = self.levels.last_mut().and_then(|level| level.flagged.take().or(level.keyed));
        self.remember_number(&range);
        let hits = self.hits_in(&range)?;
        if let Some(rule) = self.field() {
            let edit = self.quoted_edit(range.clone(), rule);
            return self.found_in(vec![edit], range);
        }
        let digits = whole_part(self.text.get(range.clone()).unwrap_or_default());
        let named = keyed.filter(|keyed| keyed::number_in_json(*keyed, digits.as_bytes()));
        let rules = self.mask.rules();
        let found = named.map(|keyed| keyed.rule).into_iter().chain(hits.iter().map(|hit| hit.rule));
        // What is only flagged takes nothing from what is masked.
        match found.min_by_key(|rule| (rules.action(*rule) == Action::Flag, *rule)) {
            Some(rule) => {
                let edit = self.quoted_edit(range.clone(), rule);
                self.found_in(vec![edit], range)
            }
            None => Ok(()),
        }
    }

    fn remember_number(&mut self, range: &Range<usize>) {
        let Some(level) = self.levels.last_mut() else { return };
        let second = !level.object && level.count == 2;
        if second || (level.object && plain_key(self.text, &level.key).eq_ignore_ascii_case("value")) {
            level.value = Some(range.clone());
        }
    }

    /// At the end of an object: was there a file in base64, beside its type?
    fn file(&mut self) -> Result<(), Withheld> {
        let Some(rule) = self.mask.rules().blob else { return Ok(()) };
        let Some(range) = self.levels.last().filter(|level| level.is_file).and_then(|level| level.file.clone()) else {
            return Ok(());
        };
        self.mask.spend(range.len())?;
        let with = self.mask.replacement(rule, self.text.get(range.clone()).unwrap_or_default());
        let parent = self.container(self.levels.len())?;
        let pointer = joined(&parent.text, "/data");
        self.edits.push(Edit { start: range.start, end: range.end, with, rule, pointer });
        mask::within_count(self.edits.len())
    }

    /// At the end of a container: was there a name that announces its value?
    fn close(&mut self, end: usize) -> Result<(), Withheld> {
        self.file()?;
        self.sealed()?;
        if let Some(level) = self.levels.last()
            && let (Some(rule), Some(range)) = (level.named, level.value.clone())
            && (level.object || level.count == 2)
        {
            let step = if level.object { "/value" } else { "/1" };
            let mut hits = self.announced(rule, range)?;
            if hits.is_empty() {
                self.mask.unsettle();
            }
            let parent = self.container(self.levels.len())?;
            for hit in &mut hits {
                hit.pointer = joined(&parent.text, step);
            }
            self.edits.append(&mut hits);
            mask::within_count(self.edits.len())?;
        }
        let closed = self.levels.pop();
        self.seal(closed.map_or(end, |level| level.start)..end);
        Ok(())
    }

    /// The edits of a value whose name is another value.
    fn announced(&mut self, keyed: Keyed, range: Range<usize>) -> Result<Vec<Edit>, Withheld> {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let in_quotes = self.text.as_bytes().get(range.end) == Some(&b'"');
        if !in_quotes {
            // A short number beside the name `token` is a count.
            let counts = keyed::number_in_json(keyed, whole_part(raw).as_bytes());
            return Ok(if counts { vec![self.quoted_edit(range, keyed.rule)] } else { Vec::new() });
        }
        let plain = Plain::of(raw);
        let Some((start, end)) = keyed::in_json(Keyed { bare_token: false, ..keyed }, plain.text.as_bytes()) else {
            return Ok(Vec::new());
        };
        let mut edits = self.mask.edits(&plain.text, vec![Hit { start, end, rule: keyed.rule, name: None }]);
        edit::lift(&mut edits, &plain, range.start);
        Ok(edits)
    }

    /// A whole token that is no string, or a whole container: what is left of half of it would be no JSON.
    fn quoted_edit(&mut self, range: Range<usize>, rule: RuleId) -> Edit {
        let mut with = self.mask.replacement(rule, self.text.get(range.clone()).unwrap_or_default());
        with.text = with.text.map(|token| format!("\"{token}\""));
        Edit { start: range.start, end: range.end, with, rule, pointer: String::new() }
    }

    /// What was found in the value of the current member or item, which stands at `range`. Where a rule says so, the
    /// member goes as a whole.
    fn found_in(&mut self, edits: Vec<Edit>, range: Range<usize>) -> Result<(), Withheld> {
        let drops = edits.iter().find(|edit| edit.with.action == Action::DropField && !edit.drops()).cloned();
        let Some(level) = self.levels.last_mut().filter(|level| level.object) else { return self.found(edits) };
        let Some(edit) = drops else { return self.found(edits) };
        level.dropped = true;
        let member = level.member(self.text, range.end);
        let with = Replacement { text: Some(String::new()), action: Action::DropField };
        self.found(vec![Edit { start: member.start, end: member.end, with, rule: edit.rule, pointer: String::new() }])
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
    /// The current member, whose value ends here, with the comma that goes with it: the one before, where a member
    /// stays before it, else the one behind.
    fn member(&self, text: &str, value_end: usize) -> Range<usize> {
        let (bytes, start) = (text.as_bytes(), self.key.start - 1);
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        if self.stays {
            let gap = bytes[..start].iter().rev().take_while(|byte| space(byte)).count();
            return start - gap - 1..value_end;
        }
        let gap = bytes[value_end..].iter().take_while(|byte| space(byte)).count();
        if bytes.get(value_end + gap) != Some(&b',') {
            return start..value_end;
        }
        let behind = value_end + gap + 1;
        start..behind + bytes[behind..].iter().take_while(|byte| space(byte)).count()
    }

    /// The key or place of the current member.
    fn step(&self, text: &str) -> String {
        match (&self.masked_key, self.object) {
            (Some(masked), _) => masked.clone(),
            (None, true) => escape::decode(text.get(self.key.clone()).unwrap_or_default()).into_owned(),
            (None, false) => self.count.saturating_sub(1).to_string(),
        }
    }
}

/// Is it base64, long enough for a file?
fn is_file(raw: &str) -> bool {
    let digits = raw.strip_suffix('=').unwrap_or(raw);
    let digits = digits.strip_suffix('=').unwrap_or(digits);
    raw.len() >= BLOB_BYTES_MIN && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte))
}

/// Does the text of a string begin as a document does?
fn may_be_document(text: &str) -> bool {
    matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"'))
}

/// The digits before the fraction and the exponent, without the sign.
fn whole_part(number: &str) -> &str {
    let unsigned = number.trim_start_matches('-');
    unsigned.split(['.', 'e', 'E']).next().unwrap_or_default()
}

/// The current key, unescaped.
fn plain_key<'t>(text: &'t str, key: &Range<usize>) -> Cow<'t, str> {
    escape::decode(text.get(key.clone()).unwrap_or_default())
}

/// Hits of a raw string, which starts at `base`, as hits of what it says.
fn mapped(hits: &[Hit], way: &Plain<'_>, base: usize) -> Vec<Hit> {
    let one = |hit: &Hit| Hit {
        start: way.start(hit.start - base),
        end: way.end(hit.end - base),
        rule: hit.rule,
        name: hit.name.and_then(|at| at.checked_sub(base)).map(|at| way.start(at)),
    };
    hits.iter().map(one).collect()
}

fn joined(outer: &str, inner: &str) -> String {
    if outer.len() + inner.len() > POINTER_BYTES_MAX { outer.to_owned() } else { format!("{outer}{inner}") }
}
