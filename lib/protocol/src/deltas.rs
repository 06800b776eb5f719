//! Texts of models that come in pieces: which string of which event goes on with which text.
//!
//! Chat completions have a text for each choice and field of its `delta`, responses one for each part of their output, and
//! messages one for each block of content. A piece ends anywhere, also within what must not be read in part, so that
//! whoever looks for something has to look at the texts. It refuses to join them: it says where the pieces are.

mod walk;

use std::{collections::BTreeMap, ops::Range};

use json::{Layout, Scattered};

use self::walk::{Kind, Step, walk};
use crate::sse::Splitter;

/// What an event says of texts that come in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    pub pieces: Vec<Piece>,
    /// What repeats pieces token by token (`logprobs`): how the texts' names begin, and where it stands.
    pub copies: Vec<(String, Range<usize>)>,
    /// Texts whose names begin so are complete, with what the event says of them.
    pub ended: Vec<String>,
}

/// A piece of one text: the contents of a string, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub range: Range<usize>,
    pub reading: Reading,
}

/// What the text is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Prose,
    /// A document: the arguments of a tool.
    Json,
    /// The provider has signed it and refuses it if it is changed.
    Signed,
}

/// Members of a `delta` that stand there once, and whole.
const WHOLE: [&str; 6] = ["role", "type", "id", "name", "signature", "data"];
/// What says again, token by token, what a text says.
const LOGPROBS: &str = "logprobs";
/// Most of them of one answer that are looked at with their texts, as many as there are choices.
const COPIES_MAX: usize = 128;
/// The last word of a stream of OpenAI's.
const DONE: &str = "[DONE]";

/// What the data of an event says.
pub fn read(data: &str) -> Deltas {
    if data.trim() == DONE {
        return Deltas { ended: vec![String::new()], ..Deltas::default() };
    }
    let mut seen = Seen::default();
    walk(data, |steps, kind, range| seen.value(data, steps, kind, range));
    seen.deltas()
}

/// Does the text begin as a stream of events does?
pub fn is_event_stream(text: &str) -> bool {
    let text = text.trim_start_matches(['\u{feff}', '\r', '\n']);
    ["data:", "event:", "id:", "retry:", ":"].iter().any(|field| text.starts_with(field))
}

/// The texts of a whole answer that `logprobs` beside them repeat token by token.
pub fn repeated(document: &str) -> Vec<Scattered> {
    if !document.contains(LOGPROBS) {
        return Vec::new();
    }
    let (mut copies, mut strings) = (Vec::new(), Vec::new());
    walk(document, |steps, kind, range| match steps {
        [parent @ .., Step::Key(LOGPROBS)] if kind == Kind::Container => copies.push((parent.to_vec(), range)),
        [.., Step::Key("content" | "text" | "refusal")] if kind == Kind::String => {
            strings.push((steps.to_vec(), range))
        }
        _ => {}
    });
    let of = |(parent, copy): &(Vec<Step<'_>>, Range<usize>)| {
        let is_copied = |steps: &[Step<'_>]| steps.starts_with(parent) && !steps.contains(&Step::Key(LOGPROBS));
        let pieces = strings.iter().filter(|(steps, _)| is_copied(steps)).map(|(_, range)| range.clone());
        pieces.map(|piece| Scattered { pieces: vec![piece], copies: vec![copy.clone()] }).collect::<Vec<_>>()
    };
    copies.iter().take(COPIES_MAX).flat_map(of).collect()
}

/// One document, and the texts of it that it repeats.
pub fn whole(document: &str) -> Layout {
    Layout { documents: std::iter::once(0..document.len()).collect(), texts: repeated(document) }
}

/// Where the documents and texts of a stream of events are. An event that was cut off at the end counts as far as it goes.
pub fn layout(stream: &str) -> Layout {
    let (mut documents, mut repeating, mut texts) = (Vec::new(), Vec::new(), BTreeMap::<String, Scattered>::new());
    for event in events(stream) {
        let (data, lines) = data_of(stream, event);
        let deltas = read(&data);
        if let [(_, at)] = lines.as_slice()
            && data.starts_with(['{', '['])
        {
            documents.push(*at..at + data.len());
            repeating.extend(repeated(&data).into_iter().map(|text| text.moved(*at)));
        }
        let place = |range: &Range<usize>| {
            let line = lines.partition_point(|(start, _)| *start <= range.start).saturating_sub(1);
            let (start, at) = lines.get(line)?;
            let whole = at + range.start - start..at + range.end - start;
            stream.get(whole.clone()).map(|_| whole)
        };
        for piece in &deltas.pieces {
            texts.entry(piece.text.clone()).or_default().pieces.extend(place(&piece.range));
        }
        for (begins, range) in &deltas.copies {
            let of = texts.iter_mut().filter(|(name, _)| name.starts_with(begins));
            of.for_each(|(_, text)| text.copies.extend(place(range)));
        }
    }
    Layout { documents, texts: texts.into_values().chain(repeating).collect() }
}

/// Where the events of a stream are.
fn events(stream: &str) -> Vec<Range<usize>> {
    let mut splitter = Splitter::new(stream.len());
    splitter.push(stream.as_bytes());
    let (mut events, mut start) = (Vec::new(), 0);
    while let Ok(Some(event)) = splitter.next_event() {
        events.push(start..start + event.raw.len());
        start += event.raw.len();
    }
    events.push(start..stream.len());
    events
}

/// The data of an event, and for each of its lines where it begins in the data and in the stream.
fn data_of(stream: &str, event: Range<usize>) -> (String, Vec<(usize, usize)>) {
    let (mut data, mut lines, mut at) = (String::new(), Vec::new(), event.start);
    for line in stream[event].split_inclusive(['\r', '\n']) {
        let start = at;
        at += line.len();
        let marked = line.trim_start_matches('\u{feff}');
        let Some(value) = marked.strip_prefix("data:") else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        if !lines.is_empty() {
            data.push('\n');
        }
        lines.push((data.len(), start + line.len() - value.len()));
        data.push_str(value.trim_end_matches(['\r', '\n']));
    }
    (data, lines)
}

/// What of a document matters here, as it passes.
#[derive(Default)]
struct Seen<'d> {
    kind: &'d str,
    /// `index`, `output_index` and the like.
    places: BTreeMap<&'d str, &'d str>,
    /// The `index` of a choice, and of a tool call within it.
    choices: BTreeMap<usize, &'d str>,
    calls: BTreeMap<(usize, usize), &'d str>,
    of_choices: Vec<OfChoice<'d>>,
    /// Strings at `delta`, and of the members of `delta`.
    delta: Vec<(Option<&'d str>, Range<usize>)>,
    finished: Vec<usize>,
    /// Of choices, and of the event itself.
    copies: Vec<(Option<usize>, Range<usize>)>,
}

struct OfChoice<'d> {
    choice: usize,
    call: Option<usize>,
    field: &'d str,
    range: Range<usize>,
}

impl<'d> Seen<'d> {
    fn value(&mut self, data: &'d str, steps: &[Step<'d>], kind: Kind, range: Range<usize>) {
        use Step::{Item, Key};
        let said = data.get(range.clone()).unwrap_or_default();
        let is_string = kind == Kind::String;
        match steps {
            [Key("type")] if is_string => self.kind = said,
            [Key("delta")] if is_string => self.delta.push((None, range)),
            [Key("delta"), Key(field)] if is_string => self.delta.push((Some(field), range)),
            [Key(LOGPROBS)] if kind == Kind::Container => self.copies.push((None, range)),
            [Key("choices"), Item(choice), Key(LOGPROBS)] if kind == Kind::Container => {
                self.copies.push((Some(*choice), range));
            }
            [Key("choices"), Item(choice), Key("index")] => drop(self.choices.insert(*choice, said)),
            [Key("choices"), Item(choice), Key("finish_reason")] if is_string => self.finished.push(*choice),
            [Key("choices"), Item(choice), Key(field @ "text")] if is_string => {
                self.of_choices.push(OfChoice { choice: *choice, call: None, field, range });
            }
            [Key("choices"), Item(choice), Key("delta"), Key(_), Item(call), Key("index")] => {
                self.calls.insert((*choice, *call), said);
            }
            [Key("choices"), Item(choice), Key("delta"), inner @ ..] if is_string => {
                let call = inner.iter().find_map(|step| if let Item(place) = step { Some(*place) } else { None });
                let field = inner.last().and_then(|step| if let Key(name) = step { Some(*name) } else { None });
                if let Some(field) = field.filter(|field| !WHOLE.contains(field)) {
                    self.of_choices.push(OfChoice { choice: *choice, call, field, range });
                }
            }
            [Key(place)] if *place == "index" || place.ends_with("_index") || *place == "item_id" => {
                self.places.insert(place, said);
            }
            _ => {}
        }
    }

    fn deltas(self) -> Deltas {
        let mut deltas = Deltas::default();
        self.of_messages(&mut deltas);
        self.of_responses(&mut deltas);
        let choice = |choice: &usize| {
            let place = choice.to_string();
            format!("choice {} ", self.choices.get(choice).copied().unwrap_or(&place))
        };
        for one in &self.of_choices {
            let place = one.call.map(|call| call.to_string()).unwrap_or_default();
            let known = one.call.and_then(|call| self.calls.get(&(one.choice, call)));
            let text = format!("{}{} {}", choice(&one.choice), known.copied().unwrap_or(&place), one.field);
            let reading = if one.field == "arguments" { Reading::Json } else { Reading::Prose };
            deltas.pieces.push(Piece { text, range: one.range.clone(), reading });
        }
        deltas.ended.extend(self.finished.iter().map(choice));
        let copies = self.copies.iter().filter_map(|(of, range)| Some((choice(&(*of)?), range.clone())));
        deltas.copies.extend(copies);
        deltas
    }

    /// Anthropic's: `content_block_delta`.
    fn of_messages(&self, deltas: &mut Deltas) {
        let block = format!("block {} ", self.places.get("index").copied().unwrap_or_default());
        match self.kind {
            "content_block_stop" => deltas.ended.push(block),
            "message_stop" => deltas.ended.push(String::new()),
            "content_block_delta" => {
                let members = self.delta.iter().filter_map(|(field, range)| Some(((*field)?, range)));
                for (field, range) in members.filter(|(field, _)| !WHOLE.contains(field)) {
                    let reading = match field {
                        "partial_json" => Reading::Json,
                        "thinking" => Reading::Signed,
                        _ => Reading::Prose,
                    };
                    deltas.pieces.push(Piece { text: format!("{block}{field}"), range: range.clone(), reading });
                }
            }
            _ => {}
        }
    }

    /// OpenAI's responses: `response.output_text.delta`, and as many others.
    fn of_responses(&self, deltas: &mut Deltas) {
        let places: String = self.places.values().map(|place| format!("{place} ")).collect();
        if matches!(self.kind, "response.completed" | "response.incomplete" | "response.failed") {
            deltas.ended.push(String::new());
        } else if let Some(stem) = self.kind.strip_suffix(".done") {
            deltas.ended.push(format!("{stem} {places}"));
        } else if let Some(stem) = self.kind.strip_suffix(".delta") {
            // Sounds and images are no text.
            let is_text = !stem.ends_with("audio") && !stem.contains("image");
            let text = format!("{stem} {places}");
            let reading = if stem.contains("arguments") { Reading::Json } else { Reading::Prose };
            let copies = self.copies.iter().filter(|(of, _)| of.is_none());
            deltas.copies.extend(copies.map(|(_, range)| (text.clone(), range.clone())));
            let pieces = self.delta.iter().filter(|(field, _)| field.is_none() && is_text);
            deltas.pieces.extend(pieces.map(|(_, range)| Piece { text: text.clone(), range: range.clone(), reading }));
        }
    }
}

#[cfg(test)]
mod tests;
