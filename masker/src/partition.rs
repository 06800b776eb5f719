//! One partition of the frames: what has been read, what has been emitted, and where a restart begins.
//!
//! The only state is the open streams. The position that is committed is the first message of the oldest open stream,
//! and its note (see `note`) says how far outputs have been emitted, and which streams ended otherwise than by a frame
//! that closes them. A restart reads again from the position. Messages before `emitted` only rebuild streams:
//!
//! - what stands for itself is out already, and so is what a closing frame closes;
//! - a stream that ended early is let go at its last chunk;
//! - a chunk that is not the first of its stream belongs to one that began before the position, and so is out, unless
//!   the note names it as the beginning of an open stream.
//!
//! So nothing is emitted twice and nothing is left out, whenever the end came. What cannot be said in a note does not
//! happen: where it would grow too long, the oldest streams are ended, and the position moves.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus::{Partition, Position, Stored};
use schemas::{Frame, FrameKind, Stamp, Timestamp};
use tracing::warn;

use crate::{
    note::Note,
    open::{Unreadable, open},
    outputs::Outputs,
    row::{Masker, Row},
    stream::{Early, Ended, Limits, Streams},
};

/// What the messages of a partition are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// New frames.
    Mask,
    /// Frames from the quarantine: only what can be masked now becomes a record, and nothing but a record.
    Release,
}

#[derive(Debug)]
pub(crate) struct Reading {
    at: Partition,
    work: Work,
    streams: Streams,
    /// The next offset to read.
    next: u64,
    /// What has been emitted and what ended early; its open streams are those of the last start.
    note: Note,
    /// When the log took the last message that was read.
    logged_at: Timestamp,
}

impl Reading {
    /// Goes on from the group's position.
    pub(crate) fn resume(position: &Position, limits: Limits, work: Work) -> Reading {
        Reading {
            at: position.at.clone(),
            work,
            streams: Streams::new(limits),
            next: position.next,
            note: Note::from_text(&position.note, position.next),
            logged_at: Timestamp(0),
        }
    }

    /// What is committed together with the outputs.
    pub(crate) fn position(&self) -> Position {
        let next = self.begin();
        Position { at: self.at.clone(), next, note: self.note_text().unwrap_or_else(|| self.note.emitted.to_string()) }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn has_open(&self) -> bool {
        self.streams.oldest().is_some()
    }

    /// Turns messages into outputs. Messages that come once more are passed over.
    pub(crate) fn take(&mut self, messages: &[Stored], masker: &Masker) -> Outputs {
        let mut outputs = Outputs::default();
        for message in messages {
            if message.offset < self.next {
                continue;
            }
            self.logged_at = self.logged_at.max(Timestamp(message.timestamp_us));
            self.message(message, masker, &mut outputs);
            self.next = message.offset + 1;
            self.note.emitted = self.note.emitted.max(self.next);
        }
        self.fit(masker, &mut outputs);
        outputs
    }

    /// Ends what has been silent for too long. Only where all that the log holds has been read does the clock say what
    /// is silent; before that, the log's own time does.
    pub(crate) fn sweep(&mut self, now: Timestamp, end: u64, masker: &Masker) -> Outputs {
        let mut outputs = Outputs::default();
        // What is read again is as it was; nothing ends anew in it.
        if self.next >= self.note.emitted {
            let now = if self.next >= end { now.max(self.logged_at) } else { self.logged_at };
            for early in self.streams.end_silent(now) {
                self.ended_early(early, masker, &mut outputs);
            }
            self.fit(masker, &mut outputs);
        }
        outputs
    }

    /// Ends all open streams: there is nothing more to come.
    pub(crate) fn end_all(&mut self, masker: &Masker) -> Outputs {
        let mut outputs = Outputs::default();
        while let Some(early) = self.streams.end_oldest() {
            self.emit(&early.ended, masker, &mut outputs);
        }
        outputs
    }

    fn message(&mut self, message: &Stored, masker: &Masker, outputs: &mut Outputs) {
        let again = message.offset < self.note.emitted;
        match (open(&masker.opener, message), again) {
            (Ok(frame), true) => self.again(frame, message),
            (Ok(frame), false) => self.frame(frame, message, masker, outputs),
            (Err(_), true) => {}
            (Err(unreadable), false) => self.unreadable(message, &unreadable, masker, outputs),
        }
    }

    /// A frame whose outputs are out: it only rebuilds its stream.
    fn again(&mut self, frame: Frame, message: &Stored) {
        let id = frame.exchange_id;
        match frame.kind {
            FrameKind::Chunk => {
                let begins = frame.context.is_some() || self.note.continued.contains(&message.offset);
                if self.streams.has(id) || begins {
                    self.streams.chunk(frame, message);
                }
                let first = self.streams.first_offset(id);
                if first.is_some_and(|first| self.note.early.get(&first) == Some(&message.offset)) {
                    self.streams.interrupt(id);
                }
            }
            FrameKind::Response => drop(self.streams.close(frame, message)),
            _ => {}
        }
    }

    fn frame(&mut self, frame: Frame, message: &Stored, masker: &Masker, outputs: &mut Outputs) {
        match frame.kind {
            FrameKind::Chunk => {
                let id = frame.exchange_id;
                if self.streams.is_silent(id, Timestamp(message.timestamp_us))
                    && let Some(early) = self.streams.interrupt(id)
                {
                    self.ended_early(early, masker, outputs);
                }
                self.streams.chunk(frame, message);
                if let Some(early) = self.streams.end_crowded() {
                    self.ended_early(early, masker, outputs);
                }
            }
            FrameKind::Response => {
                let ended = self.streams.close(frame, message);
                ended.iter().for_each(|ended| self.emit(ended, masker, outputs));
            }
            _ => {
                let logged_at = Timestamp(message.timestamp_us);
                self.emit(&Ended { frame, logged_at, sealed: vec![message.clone()] }, masker, outputs);
            }
        }
    }

    fn ended_early(&mut self, early: Early, masker: &Masker, outputs: &mut Outputs) {
        self.note.early.insert(early.first_offset, early.last_offset);
        self.emit(&early.ended, masker, outputs);
    }

    /// Forgets what will not be read again, and ends the oldest streams until the rest can be noted.
    fn fit(&mut self, masker: &Masker, outputs: &mut Outputs) {
        loop {
            if self.next >= self.note.emitted {
                self.note.continued = self.streams.continued().collect();
            }
            let begin = self.begin();
            self.note.early.retain(|first, _| *first >= begin);
            self.note.continued.retain(|first| *first >= begin);
            if self.note_text().is_some() || !self.has_open() {
                return;
            }
            if let Some(early) = self.streams.end_oldest() {
                self.ended_early(early, masker, outputs);
            }
        }
    }

    fn begin(&self) -> u64 {
        self.streams.oldest().unwrap_or(self.next)
    }

    fn note_text(&self) -> Option<String> {
        self.note.to_text(self.begin())
    }

    /// Masks and emits. A panic while masking is a frame that cannot be masked, not the end of the masker.
    fn emit(&self, ended: &Ended, masker: &Masker, outputs: &mut Outputs) {
        match (guarded(|| masker.row(&ended.frame, ended.logged_at, self.work)), self.work) {
            (Ok(row), Work::Mask) => {
                if let Some(reason) = row.withheld {
                    ended.sealed.iter().for_each(|message| outputs.quarantine(message, reason));
                }
                outputs.row(row);
            }
            (Ok(Row { withheld: None, record, .. }), Work::Release) => outputs.record(&record),
            (Ok(Row { withheld: Some(reason), .. }), Work::Release) => {
                ended.sealed.iter().for_each(|message| outputs.quarantine(message, reason));
            }
            (Err(_), Work::Release) => ended.sealed.iter().for_each(|message| outputs.quarantine(message, "panic")),
            (Err(reason), Work::Mask) => {
                let (exchange_id, kind) = (ended.frame.exchange_id, Some(ended.frame.kind));
                let unreadable = Unreadable { exchange_id, kind, word: "panic", reason };
                outputs.record(&masker.unreadable(&unreadable, ended.logged_at, &ended.frame.stamp));
                ended.sealed.iter().for_each(|message| outputs.quarantine(message, unreadable.word));
            }
        }
    }

    fn unreadable(&self, message: &Stored, unreadable: &Unreadable, masker: &Masker, outputs: &mut Outputs) {
        if self.work == Work::Release {
            return outputs.back(message);
        }
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

/// What `mask` gives, or why there is nothing: it has panicked. What it panicked with is not told, it may hold what was
/// to be masked.
fn guarded(mask: impl FnOnce() -> Row) -> Result<Row, String> {
    catch_unwind(AssertUnwindSafe(mask)).map_err(|_| "masking failed on it; this is a fault of ours".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_reason_and_tells_nothing() {
        let reason = guarded(|| panic!("a secret")).expect_err("it panicked");
        assert!(!reason.contains("secret"));
    }
}
