//! The streamed answers of one partition that are still open: chunks in, one response out.
//!
//! A stream ends with the frame that closes it, or early: after a silence, or where too many are open. It keeps its
//! text up to a limit, and the sealed messages that it came in, for the quarantine should the whole be unfit to mask.
//!
//! It refuses to decide when a stream has been silent for too long: it is told the time.

use std::collections::{BTreeMap, HashMap};

use bus::Stored;
use schemas::{Context, Ending, ExchangeId, Frame, FrameKind, Outcome, Timestamp};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) silence_us: i64,
    pub(crate) bytes_max: usize,
    pub(crate) open_max: usize,
}

#[derive(Debug)]
pub(crate) struct Streams {
    limits: Limits,
    open: HashMap<ExchangeId, Stream>,
    /// Which exchange began its stream at which offset.
    order: BTreeMap<u64, ExchangeId>,
}

#[derive(Debug)]
struct Stream {
    first_offset: u64,
    last_offset: u64,
    last_at: Timestamp,
    context: Option<Context>,
    /// Its first chunk had no context: it goes on where an earlier one ended early.
    continued: bool,
    /// The latest chunk, with the bytes of all of them.
    joined: Frame,
    sealed: Vec<Stored>,
    sealed_bytes: usize,
}

/// One frame that is to be a record: what stands for itself, or what a stream has become.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) frame: Frame,
    pub(crate) logged_at: Timestamp,
    /// The messages that it came in.
    pub(crate) sealed: Vec<Stored>,
}

/// A stream that ended without a frame that closes it.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) first_offset: u64,
    pub(crate) last_offset: u64,
    pub(crate) ended: Ended,
}

impl Streams {
    pub(crate) fn new(limits: Limits) -> Streams {
        Streams { limits, open: HashMap::new(), order: BTreeMap::new() }
    }

    /// Where the oldest open stream began.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.order.keys().next().copied()
    }

    pub(crate) fn has(&self, id: ExchangeId) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn first_offset(&self, id: ExchangeId) -> Option<u64> {
        self.open.get(&id).map(|stream| stream.first_offset)
    }

    /// Where those began that go on where an earlier one ended.
    pub(crate) fn continued(&self) -> impl Iterator<Item = u64> {
        self.open.values().filter(|stream| stream.continued).map(|stream| stream.first_offset)
    }

    /// Takes a chunk.
    pub(crate) fn chunk(&mut self, frame: Frame, message: &Stored) {
        match self.open.get_mut(&frame.exchange_id) {
            Some(stream) => stream.add(frame, message, self.limits.bytes_max),
            None => self.begin(frame, message),
        }
    }

    /// The whole answer, from the chunks before and the frame that closes it. A frame with a message of its own keeps
    /// it; what the chunks before it said, if anything, stands beside it as a notification.
    pub(crate) fn close(&mut self, mut frame: Frame, message: &Stored) -> Vec<Ended> {
        let logged_at = Timestamp(message.timestamp_us);
        let Some(mut stream) = self.take(frame.exchange_id) else {
            return vec![Ended { frame, logged_at, sealed: vec![message.clone()] }];
        };
        frame.context = frame.context.or_else(|| stream.context.clone());
        frame.truncated |= stream.joined.truncated;
        if frame.body.is_some() && stream.joined.body.as_deref().is_some_and(says_something) {
            let mut said = stream.end(FrameKind::Notification);
            said.frame.context = said.frame.context.or_else(|| frame.context.clone());
            return vec![said, Ended { frame, logged_at, sealed: vec![message.clone()] }];
        }
        frame.body_bytes += stream.joined.body_bytes;
        frame.body = frame.body.or(stream.joined.body);
        stream.sealed.push(message.clone());
        vec![Ended { frame, logged_at, sealed: stream.sealed }]
    }

    /// Has the exchange been silent for so long before `now` that what comes now is another stream?
    pub(crate) fn is_silent(&self, id: ExchangeId, now: Timestamp) -> bool {
        self.open.get(&id).is_some_and(|stream| stream.is_silent(now, self.limits))
    }

    /// Ends what has been silent for too long at `now`. Streams that said nothing go without a record: comments and
    /// priming events may come long before an answer, and are no half of one.
    pub(crate) fn end_silent(&mut self, now: Timestamp) -> Vec<Early> {
        let silent = |stream: &Stream| stream.is_silent(now, self.limits);
        let mut ids: Vec<_> =
            self.open.values().filter(|stream| silent(stream)).map(|stream| stream.first_offset).collect();
        ids.sort_unstable();
        let ids: Vec<_> = ids.iter().filter_map(|offset| self.order.get(offset).copied()).collect();
        ids.into_iter().filter_map(|id| self.interrupt(id)).collect()
    }

    /// Ends the oldest where too many are open.
    pub(crate) fn end_crowded(&mut self) -> Option<Early> {
        (self.open.len() > self.limits.open_max).then(|| self.end_oldest()).flatten()
    }

    pub(crate) fn end_oldest(&mut self) -> Option<Early> {
        let id = *self.order.values().next()?;
        let mut early = self.interrupt(id)?;
        early.ended.frame.truncated = true;
        Some(early)
    }

    /// Ends one as interrupted; none when it said nothing.
    pub(crate) fn interrupt(&mut self, id: ExchangeId) -> Option<Early> {
        let stream = self.take(id)?;
        let (first_offset, last_offset) = (stream.first_offset, stream.last_offset);
        if !stream.has_said_something() {
            return None;
        }
        let mut ended = stream.end(FrameKind::Response);
        ended.frame.ending = Some(interrupted());
        Some(Early { first_offset, last_offset, ended })
    }

    fn begin(&mut self, mut frame: Frame, message: &Stored) {
        let context = frame.context.take();
        cut(&mut frame, self.limits.bytes_max);
        let id = frame.exchange_id;
        self.order.insert(message.offset, id);
        let stream = Stream {
            first_offset: message.offset,
            last_offset: message.offset,
            last_at: Timestamp(message.timestamp_us),
            continued: context.is_none(),
            context,
            joined: frame,
            sealed: vec![message.clone()],
            sealed_bytes: message.value.len(),
        };
        self.open.insert(id, stream);
    }

    fn take(&mut self, id: ExchangeId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        self.order.remove(&stream.first_offset);
        Some(stream)
    }
}

impl Stream {
    fn add(&mut self, frame: Frame, message: &Stored, bytes_max: usize) {
        let joined = &mut self.joined;
        joined.stamp = frame.stamp;
        joined.ordinal = frame.ordinal;
        joined.occurred_at = frame.occurred_at;
        joined.body_bytes += frame.body_bytes;
        match frame.body {
            // What comes after a gap is not joined to what came before it.
            Some(_) if joined.truncated => {}
            Some(more) => joined.body.get_or_insert_default().extend_from_slice(&more),
            None => {}
        }
        joined.truncated |= frame.truncated;
        cut(joined, bytes_max);
        (self.last_offset, self.last_at) = (message.offset, Timestamp(message.timestamp_us));
        // Sealed, a text is a little longer; a flood of empty chunks must not be kept for ever.
        if self.sealed_bytes <= bytes_max.saturating_mul(2) {
            self.sealed_bytes += message.value.len();
            self.sealed.push(message.clone());
        }
    }

    fn is_silent(&self, now: Timestamp, limits: Limits) -> bool {
        now.micros_since(self.last_at) > limits.silence_us
    }

    /// Text that is not kept may have said anything.
    fn has_said_something(&self) -> bool {
        self.joined.body.as_deref().map_or(self.joined.body_bytes > 0, says_something)
    }

    fn end(self, kind: FrameKind) -> Ended {
        let frame = Frame { kind, context: self.context, ..self.joined };
        Ended { frame, logged_at: self.last_at, sealed: self.sealed }
    }
}

fn interrupted() -> Ending {
    Ending {
        error: Some("the answer fell silent, and its end was never seen".to_owned()),
        ..Ending::new(Outcome::Interrupted)
    }
}

/// Anything but comments and empty events of an event stream.
fn says_something(body: &[u8]) -> bool {
    body.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let field = line.split(|byte| *byte == b':').next().unwrap_or_default();
        match field {
            b"" | b"event" | b"id" | b"retry" => false,
            b"data" => line.get(5..).unwrap_or_default().iter().any(|byte| *byte != b' '),
            _ => true,
        }
    })
}

/// Keeps a prefix of the body, whole characters where it is text.
fn cut(frame: &mut Frame, bytes_max: usize) {
    let Some(body) = frame.body.as_mut().filter(|body| body.len() > bytes_max) else { return };
    let inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let end = (bytes_max.saturating_sub(3)..=bytes_max).rev().find(|end| !inside(body[*end])).unwrap_or(bytes_max);
    body.truncate(end);
    frame.truncated = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_events_say_nothing() {
        for nothing in ["", ": ping\n\n", "id: 7\ndata:\n\n", "retry: 100\r\ndata: \r\n\r\n", "event: open\n"] {
            assert!(!says_something(nothing.as_bytes()), "{nothing:?}");
        }
        for something in ["data: x\n\n", "plain", "{\"a\":1}", ": ping\ndata:{}\n"] {
            assert!(says_something(something.as_bytes()), "{something:?}");
        }
    }
}
