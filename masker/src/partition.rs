//! One partition of the frames: what has been read, what has been emitted, and where a restart begins.
//!
//! The only state is the open streams. The position that is committed is the first message of the oldest open stream,
//! and its note says how far outputs have been emitted (`emitted`), and until when silent streams have been closed
//! (`swept`, microseconds). A restart reads again from the position: messages before `emitted` only rebuild streams;
//! what they would end has been emitted already and is let go. So nothing is emitted twice, and nothing is left out.

use bus::{Partition, Position, Stored};
use schemas::{FrameKind, Stamp, Timestamp};
use tracing::warn;

use crate::{
    open::{Unreadable, open},
    outputs::Outputs,
    row::Masker,
    stream::{Ended, Limits, Streams},
};

#[derive(Debug)]
pub(crate) struct Reading {
    at: Partition,
    streams: Streams,
    /// The next offset to read.
    next: u64,
    /// Everything before it has been emitted.
    emitted: u64,
    /// Streams that were silent at this time have been closed.
    swept: Timestamp,
}

impl Reading {
    /// Goes on from the group's position.
    pub(crate) fn resume(position: &Position, limits: Limits) -> Reading {
        let mut note = position.note.split(' ');
        let emitted = note.next().and_then(|word| word.parse().ok()).unwrap_or(position.next);
        let swept = note.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Reading {
            at: position.at.clone(),
            streams: Streams::new(limits),
            next: position.next,
            emitted: emitted.max(position.next),
            swept: Timestamp(swept),
        }
    }

    /// What is committed together with the outputs.
    pub(crate) fn position(&self) -> Position {
        let next = self.streams.oldest().unwrap_or(self.next);
        Position { at: self.at.clone(), next, note: format!("{} {}", self.emitted, self.swept.0) }
    }

    /// Turns messages into outputs.
    pub(crate) fn take(&mut self, messages: &[Stored], masker: &Masker) -> Outputs {
        let mut outputs = Outputs::default();
        for message in messages {
            self.advance(message.offset);
            self.message(message, masker, &mut outputs);
            self.advance(message.offset + 1);
            self.emitted = self.emitted.max(self.next);
        }
        outputs
    }

    /// Closes what has been silent for too long.
    pub(crate) fn sweep(&mut self, now: Timestamp, masker: &Masker) -> Outputs {
        let mut outputs = Outputs::default();
        if self.next >= self.emitted && now > self.swept {
            let ended = self.streams.silent(now);
            self.swept = now;
            ended.iter().for_each(|ended| outputs.row(masker.row(&ended.frame, ended.logged_at)));
        }
        outputs
    }

    /// Where what is read again ends, streams that an earlier sweep closed are let go.
    fn advance(&mut self, next: u64) {
        if self.next < self.emitted && next >= self.emitted {
            self.streams.silent(self.swept);
        }
        self.next = next;
    }

    fn message(&mut self, message: &Stored, masker: &Masker, outputs: &mut Outputs) {
        let again = message.offset < self.emitted;
        let logged_at = Timestamp(message.timestamp_us);
        let frame = match open(&masker.opener, message) {
            Ok(frame) => frame,
            Err(_) if again => return,
            Err(unreadable) => return self.unreadable(message, &unreadable, masker, outputs),
        };
        let ended = match frame.kind {
            // The tail of a stream that was closed: it has been emitted.
            FrameKind::Chunk if again && frame.context.is_none() && !self.streams.has(frame.exchange_id) => return,
            FrameKind::Chunk => self.streams.chunk(frame, message.offset, logged_at),
            FrameKind::Response => vec![self.streams.close(frame, logged_at)],
            _ => vec![Ended { frame, logged_at }],
        };
        if !again {
            ended.iter().for_each(|ended| self.emit(ended, message, masker, outputs));
        }
    }

    /// Masks and emits. A panic while masking is a frame that cannot be masked, not the end of the masker.
    fn emit(&self, ended: &Ended, message: &Stored, masker: &Masker, outputs: &mut Outputs) {
        let masked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| masker.row(&ended.frame, ended.logged_at)));
        match masked {
            Ok(row) => {
                if let Some(reason) = row.withheld {
                    outputs.quarantine(message, reason);
                }
                outputs.row(row);
            }
            Err(_) => {
                let reason = "masking failed on it; this is a fault of ours".to_owned();
                let (exchange_id, kind) = (ended.frame.exchange_id, Some(ended.frame.kind));
                self.unreadable(message, &Unreadable { exchange_id, kind, word: "panic", reason }, masker, outputs);
            }
        }
    }

    fn unreadable(&self, message: &Stored, unreadable: &Unreadable, masker: &Masker, outputs: &mut Outputs) {
        warn!(
            topic = self.at.topic,
            partition = self.at.number,
            offset = message.offset,
            reason = unreadable.word,
            "a frame is withheld and quarantined"
        );
        let place =
            Stamp { emitter_id: format!("{}/{}", self.at.topic, self.at.number), epoch: 0, seq: message.offset };
        outputs.record(&masker.unreadable(unreadable, Timestamp(message.timestamp_us), &place));
        outputs.quarantine(message, unreadable.word);
    }
}
