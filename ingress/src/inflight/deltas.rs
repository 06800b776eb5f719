//! What a model says in pieces, masked towards the caller: what can still become part of a find is held back from one event
//! to the next, each text for itself.
//!
//! Every event passes in its turn and keeps its frame and its other members; a piece only holds less or more than it did. What
//! is left when a text ends passes as one more event, made like the text's last one. What a provider has signed passes as it
//! came: changed, it would be refused in the next request. It refuses to hold more texts than [`TEXTS_MAX`].

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use protocol::deltas::{self, Deltas, Reading};
use redact::{Stream, Withheld};

use super::{Rules, event_of, frame_lines, message};

/// Most texts of one stream that are open at one time.
const TEXTS_MAX: usize = 32;
/// Longest event that others are made like, in bytes.
const MOULD_BYTES_MAX: usize = 64 * 1024;
/// How what stands in place of a value begins.
const TOKEN: &str = "[REDACTED:";

/// The open texts of one stream, by their names.
#[derive(Default)]
pub(super) struct Texts(BTreeMap<String, Text>);

struct Text {
    held: Stream,
    json: Option<Document>,
    mould: Mould,
}

/// An event to make others like: its lines but for the data, its data with all pieces empty, and which piece is the text's.
#[derive(Clone, Default)]
struct Mould {
    lines: Vec<String>,
    data: String,
    piece: usize,
}

/// Where in a document what has passed ends.
#[derive(Clone, Copy, Default)]
struct Document {
    in_string: bool,
    escaped: bool,
}

impl Texts {
    pub(super) fn hold(&self) -> bool {
        self.0.values().any(|text| text.held.holds())
    }

    /// An event and what has to pass before it.
    pub(super) fn event(&mut self, rules: &Rules, raw: &Bytes, data: &str) -> Result<Bytes, Withheld> {
        let deltas = deltas::read(data);
        if deltas == Deltas::default() {
            return super::event(rules, raw, Some(data.to_owned()));
        }
        let (lines, lines_changed) = frame_lines(rules, raw)?;
        let (skeleton, skeleton_changed) = skeleton(rules, data, &deltas)?;
        let mut pieces = Vec::with_capacity(deltas.pieces.len());
        for (place, piece) in deltas.pieces.iter().enumerate() {
            let written = data.get(piece.range.clone()).unwrap_or_default();
            if piece.reading == Reading::Signed {
                pieces.push(written.to_owned());
                continue;
            }
            let said = decoded(written)?;
            let mould = Mould { lines: mould_lines(&lines), data: skeleton.clone(), piece: place };
            let passes = self.passes(rules, piece, &said, mould, &deltas.ended)?;
            pieces.push(if passes == said { written.to_owned() } else { encoded(&passes) });
        }
        let mut told = self.ended(&deltas.ended)?;
        let filled = filled(&skeleton, &pieces)?;
        if filled == data && !lines_changed && !skeleton_changed {
            told.extend_from_slice(raw);
        } else {
            told.extend_from_slice(&event_of(lines, Some(&filled)));
        }
        Ok(Bytes::from(told))
    }

    /// What may pass because nothing has come for a while.
    pub(super) fn settle(&mut self) -> Result<Bytes, Withheld> {
        let mut told = Vec::new();
        for text in self.0.values_mut() {
            let passes = text.held.settle()?;
            told.extend(text.mould.event(&mut text.json, &passes)?);
        }
        Ok(Bytes::from(told))
    }

    /// What is left of all texts.
    pub(super) fn finish(&mut self) -> Result<Bytes, Withheld> {
        self.ended(&[String::new()]).map(Bytes::from)
    }

    /// What may pass of a text after one more piece of it.
    fn passes(
        &mut self,
        rules: &Rules,
        piece: &deltas::Piece,
        said: &str,
        mould: Mould,
        ended: &[String],
    ) -> Result<String, Withheld> {
        let is_known = self.0.contains_key(&piece.text);
        if mould.data.len() > MOULD_BYTES_MAX || (!is_known && self.0.len() == TEXTS_MAX) {
            return Err(Withheld::TooMany(TEXTS_MAX));
        }
        let text = self.0.entry(piece.text.clone()).or_insert_with(|| Text::new(rules, piece.reading));
        text.mould = mould;
        let mut passes = text.held.push(said.as_bytes())?;
        if !ended.iter().any(|begins| piece.text.starts_with(begins)) {
            return Ok(in_document(&mut text.json, &passes));
        }
        let Some(Text { held, mut json, .. }) = self.0.remove(&piece.text) else { return Ok(passes) };
        passes.push_str(&held.finish()?);
        Ok(in_document(&mut json, &passes))
    }

    /// What is left of the texts whose names begin so, as events of their own.
    fn ended(&mut self, ended: &[String]) -> Result<Vec<u8>, Withheld> {
        let is_ended = |name: &String| ended.iter().any(|begins| name.starts_with(begins));
        let names: Vec<String> = self.0.keys().filter(|name| is_ended(name)).cloned().collect();
        let mut told = Vec::new();
        for text in names.iter().filter_map(|name| self.0.remove(name)) {
            let Text { held, mut json, mould } = text;
            told.extend(mould.event(&mut json, &held.finish()?)?);
        }
        Ok(told)
    }
}

impl Text {
    fn new(rules: &Rules, reading: Reading) -> Text {
        let held = Stream::new(rules.redactor.as_ref().clone());
        Text { held, json: (reading == Reading::Json).then(Document::default), mould: Mould::default() }
    }
}

impl Mould {
    /// An event of its own for what passes of the text; none for nothing.
    fn event(&self, json: &mut Option<Document>, passes: &str) -> Result<Vec<u8>, Withheld> {
        if passes.is_empty() {
            return Ok(Vec::new());
        }
        let mut pieces = vec![String::new(); deltas::read(&self.data).pieces.len()];
        *pieces.get_mut(self.piece).ok_or(Withheld::Unsettled)? = encoded(&in_document(json, passes));
        Ok(event_of(self.lines.clone(), Some(&filled(&self.data, &pieces)?)).to_vec())
    }
}

/// The event's data with its pieces empty and what repeats them left out, masked; and whether that is another text.
fn skeleton(rules: &Rules, data: &str, deltas: &Deltas) -> Result<(String, bool), Withheld> {
    let mut blanks: Vec<(Range<usize>, &str)> = deltas.pieces.iter().map(|piece| (piece.range.clone(), "")).collect();
    blanks.extend(deltas.copies.iter().map(|(_, range)| (range.clone(), empty(data, range))));
    blanks.sort_unstable_by_key(|(range, _)| range.start);
    let blank = replaced(data, blanks.iter().map(|(range, with)| (range, *with)));
    let masked = message(rules, &Bytes::from(blank.clone()))?;
    let masked = String::from_utf8(masked.into()).map_err(|_| Withheld::NotText)?;
    let changed = masked != blank;
    let same =
        deltas::read(&masked).pieces.iter().map(|piece| &piece.text).eq(deltas.pieces.iter().map(|one| &one.text));
    if same { Ok((masked, changed)) } else { Err(Withheld::Unsettled) }
}

/// Nothing, in the form of what repeats a text.
fn empty(data: &str, range: &Range<usize>) -> &'static str {
    if data.get(range.clone()).is_some_and(|said| said.starts_with('[')) { "[]" } else { "null" }
}

/// The skeleton with these pieces, as they are written.
fn filled(skeleton: &str, pieces: &[String]) -> Result<String, Withheld> {
    let places = deltas::read(skeleton).pieces;
    if places.len() != pieces.len() {
        return Err(Withheld::Unsettled);
    }
    Ok(replaced(skeleton, places.iter().map(|place| &place.range).zip(pieces.iter().map(String::as_str))))
}

fn replaced<'t>(text: &str, with: impl Iterator<Item = (&'t Range<usize>, &'t str)>) -> String {
    let (mut told, mut from) = (String::with_capacity(text.len()), 0);
    for (range, with) in with {
        told.push_str(text.get(from..range.start).unwrap_or_default());
        told.push_str(with);
        from = range.end.max(from);
    }
    told.push_str(text.get(from..).unwrap_or_default());
    told
}

/// The lines of an event that one like it has, too: not its id, which is one event's.
fn mould_lines(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| line.starts_with("event")).cloned().collect()
}

/// What stands outside of a document's strings is no token there, unless it is in quotes of its own.
fn in_document(json: &mut Option<Document>, passes: &str) -> String {
    let Some(json) = json else { return passes.to_owned() };
    let (mut told, mut rest) = (String::with_capacity(passes.len()), passes);
    while let Some(letter) = rest.chars().next() {
        if !json.in_string && rest.starts_with(TOKEN) {
            let (token, after) = rest.split_at(rest.find(']').map_or(rest.len(), |end| end + 1));
            told.extend(["\"", token, "\""]);
            rest = after;
            continue;
        }
        json.in_string ^= letter == '"' && !json.escaped;
        json.escaped = letter == '\\' && !json.escaped;
        told.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    told
}

fn decoded(written: &str) -> Result<String, Withheld> {
    serde_json::from_str(&format!("\"{written}\"")).map_err(|_| Withheld::NotText)
}

fn encoded(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests;
