//! Server-sent events, split where they end and passed on as they came: the bytes of an event are never changed.
//!
//! What an event means is read from a copy, as the WHATWG standard has it: lines end with LF, CR or CRLF, a byte order
//! mark may open the stream, one space after the colon is no part of the value.

use bytes::{Bytes, BytesMut};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts a byte stream into events. Every byte that goes in comes out, in order, in exactly one event.
///
/// Where an event ends depends on the bytes alone, never on how they were cut up on the way.
#[derive(Debug)]
pub struct Splitter {
    buffer: BytesMut,
    event_bytes_max: usize,
    /// Bytes of `buffer` that were looked at; none is looked at twice.
    scanned: usize,
    /// Where the current line begins in `buffer`.
    line_start: usize,
    /// The line before, within this event, ended with a bare CR.
    after_bare_cr: bool,
    /// The event before ended with a bare CR, so that an LF that follows belongs to that line end.
    swallow_lf: bool,
    /// No event has been cut yet, so a byte order mark may still come.
    first: bool,
    too_long: bool,
}

/// One event with its exact bytes, the blank line that ends it included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub raw: Bytes,
    /// The `data:` lines joined by newlines; `None` for comments, `retry:` and the like.
    pub data: Option<String>,
    pub name: Option<String>,
    pub id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {0} bytes")]
pub struct EventTooLong(pub usize);

impl Splitter {
    pub fn new(event_bytes_max: usize) -> Splitter {
        Splitter {
            buffer: BytesMut::new(),
            event_bytes_max,
            scanned: 0,
            line_start: 0,
            after_bare_cr: false,
            swallow_lf: false,
            first: true,
            too_long: false,
        }
    }

    /// Takes more bytes; complete events are then had by [`Splitter::next_event`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete event. After an error there is no way on: what follows cannot be told apart.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLong> {
        let end = if self.too_long { None } else { self.end_of_event() };
        self.too_long |= end.unwrap_or(self.buffer.len()) > self.event_bytes_max;
        if self.too_long {
            return Err(EventTooLong(self.event_bytes_max));
        }
        Ok(end.map(|end| self.cut(end)))
    }

    /// What is left when the stream has ended: the bytes of an event that was cut off.
    pub fn finish(self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| self.buffer.freeze())
    }

    /// Just behind the blank line that ends the event, once it is there.
    fn end_of_event(&mut self) -> Option<usize> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if byte == b'\n' && self.swallow_lf && self.scanned == 0 {
                (self.scanned, self.line_start) = (1, 1);
                continue;
            }
            if byte != b'\n' && byte != b'\r' {
                self.scanned += 1;
                continue;
            }
            let blank = self.line_is_blank();
            let width = self.line_end_width(byte, blank)?;
            let bare_cr = byte == b'\r' && width == 1;
            self.scanned += width;
            self.line_start = self.scanned;
            if blank {
                self.swallow_lf = bare_cr;
                return Some(self.scanned);
            }
            self.after_bare_cr = bare_cr;
        }
        None
    }

    /// One byte or two; `None` when the byte that tells is not here yet.
    ///
    /// A stream whose lines end with bare CRs must not be held up until the next event comes. So a blank line after a
    /// bare CR ends at its CR at once, and an LF behind it, should there be one, opens the next event's bytes.
    fn line_end_width(&self, byte: u8, blank: bool) -> Option<usize> {
        if byte == b'\n' || (blank && self.after_bare_cr) {
            return Some(1);
        }
        self.buffer.get(self.scanned + 1).map(|&next| if next == b'\n' { 2 } else { 1 })
    }

    fn line_is_blank(&self) -> bool {
        let line = &self.buffer[self.line_start..self.scanned];
        line.is_empty() || (self.first && self.line_start == 0 && line == BYTE_ORDER_MARK)
    }

    fn cut(&mut self, end: usize) -> Event {
        let raw = self.buffer.split_to(end).freeze();
        let event = Event::read(raw, self.first);
        (self.scanned, self.line_start, self.after_bare_cr, self.first) = (0, 0, false, false);
        event
    }
}

impl Event {
    fn read(raw: Bytes, first: bool) -> Event {
        let text = match first.then(|| raw.strip_prefix(BYTE_ORDER_MARK)).flatten() {
            Some(behind_mark) => String::from_utf8_lossy(behind_mark),
            None => String::from_utf8_lossy(&raw),
        };
        let (mut data, mut name, mut id) = (None::<String>, None, None);
        // CRLF yields an empty line between its two bytes, which says nothing.
        for line in text.split(['\r', '\n']) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => append_line(&mut data, value),
                "event" => name = Some(value.to_owned()),
                "id" if !value.contains('\0') => id = Some(value.to_owned()),
                _ => {}
            }
        }
        Event { data, name, id, raw: raw.clone() }
    }
}

fn append_line(data: &mut Option<String>, line: &str) {
    match data {
        Some(lines) => {
            lines.push('\n');
            lines.push_str(line);
        }
        None => *data = Some(line.to_owned()),
    }
}

/// A JSON message as an event of its own: `event: message`, `data: …`, blank line.
pub fn message_event(json: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(json.len() + 32);
    event.extend_from_slice(b"event: message\n");
    // JSON has line ends between its tokens only, so it may be spread over several lines.
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.extend_from_slice(b"\n");
    }
    event.extend_from_slice(b"\n");
    event.freeze()
}

/// A comment, which clients ignore: `: text`, blank line.
pub fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {}\n\n", text.replace(['\r', '\n'], " ")))
}

#[cfg(test)]
mod tests;
