//! The streamed answers of one partition that are still open: chunks in, one response out.
//!
//! What belongs to a stream depends on the log alone, so that reading the same messages again builds the same streams:
//! a pause of more than the silence limit between two chunks, in the log's own time, ends one stream and begins the
//! next, whoever notices it and when.

use std::collections::{BTreeMap, HashMap};

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
    last_at: Timestamp,
    context: Option<Context>,
    /// The latest chunk, with the bytes of all of them.
    joined: Frame,
}

/// A stream that has ended, as one response frame, and when the log took its last part.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) frame: Frame,
    pub(crate) logged_at: Timestamp,
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

    /// Takes a chunk. What it ends is given back: an earlier stream of the same exchange after a pause, or the oldest
    /// one where too many are open.
    pub(crate) fn chunk(&mut self, frame: Frame, offset: u64, logged_at: Timestamp) -> Vec<Ended> {
        let mut ended = Vec::new();
        let paused = |stream: &Stream| logged_at.micros_since(stream.last_at) > self.limits.silence_us;
        if self.open.get(&frame.exchange_id).is_some_and(paused) {
            ended.extend(self.interrupt(frame.exchange_id));
        }
        match self.open.get_mut(&frame.exchange_id) {
            Some(stream) => stream.add(frame, logged_at, self.limits.bytes_max),
            None => self.begin(frame, offset, logged_at),
        }
        if self.open.len() > self.limits.open_max {
            let oldest = self.order.values().next().copied();
            ended.extend(oldest.and_then(|id| self.interrupt(id)));
        }
        ended
    }

    /// The whole answer, from the chunks before and the frame that closes it. A frame with a message of its own keeps
    /// it: the chunks before it were comments and empty events.
    pub(crate) fn close(&mut self, mut frame: Frame, logged_at: Timestamp) -> Ended {
        if let Some(stream) = self.take(frame.exchange_id) {
            frame.context = frame.context.or(stream.context);
            frame.body_bytes += stream.joined.body_bytes;
            frame.truncated |= stream.joined.truncated;
            frame.body = frame.body.or(stream.joined.body);
        }
        Ended { frame, logged_at }
    }

    /// Streams that have been silent for too long at `now`.
    pub(crate) fn silent(&mut self, now: Timestamp) -> Vec<Ended> {
        let silent = |stream: &Stream| now.micros_since(stream.last_at) > self.limits.silence_us;
        let ids: Vec<_> = self.open.iter().filter(|(_, stream)| silent(stream)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.interrupt(id)).collect()
    }

    fn begin(&mut self, mut frame: Frame, offset: u64, logged_at: Timestamp) {
        let context = frame.context.take();
        cut(&mut frame, self.limits.bytes_max);
        self.order.insert(offset, frame.exchange_id);
        let stream = Stream { first_offset: offset, last_at: logged_at, context, joined: frame };
        self.open.insert(stream.joined.exchange_id, stream);
    }

    fn take(&mut self, id: ExchangeId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        self.order.remove(&stream.first_offset);
        Some(stream)
    }

    fn interrupt(&mut self, id: ExchangeId) -> Option<Ended> {
        let Stream { context, last_at, mut joined, .. } = self.take(id)?;
        joined.kind = FrameKind::Response;
        joined.context = context;
        joined.ending = Some(Ending {
            outcome: Outcome::Interrupted,
            transport_status: None,
            rpc_code: None,
            is_error: None,
            duration_us: None,
            first_byte_us: None,
            usage: None,
            error: Some("the answer fell silent, and its end was never seen".to_owned()),
        });
        Some(Ended { frame: joined, logged_at: last_at })
    }
}

impl Stream {
    fn add(&mut self, frame: Frame, logged_at: Timestamp, bytes_max: usize) {
        let joined = &mut self.joined;
        joined.stamp = frame.stamp;
        joined.ordinal = frame.ordinal;
        joined.occurred_at = frame.occurred_at;
        joined.body_bytes += frame.body_bytes;
        joined.truncated |= frame.truncated;
        if let Some(more) = frame.body {
            joined.body.get_or_insert_default().extend_from_slice(&more);
        }
        cut(joined, bytes_max);
        self.last_at = logged_at;
    }
}

/// Keeps a prefix of the body, whole characters where it is text.
fn cut(frame: &mut Frame, bytes_max: usize) {
    let Some(body) = frame.body.as_mut().filter(|body| body.len() > bytes_max) else { return };
    let inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let end = (bytes_max.saturating_sub(3)..=bytes_max).rev().find(|end| !inside(body[*end])).unwrap_or(bytes_max);
    body.truncate(end);
    frame.truncated = true;
}
