//! Reads messages of the log and decodes them.

use std::{ops::Range, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use bus::{Partition, Reader, Stored};
use schemas::{Record, avro::FINGERPRINT_HEADER, topic};

use crate::Error;

/// Bytes of messages that are read and decoded at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) reader: Arc<dyn Reader>,
}

/// What a look at one offset found.
#[derive(Debug)]
pub(crate) enum Read {
    Piece(Piece),
    /// The log ends here, or holds nothing but its own marks.
    Nothing,
    /// The log does not keep this offset any more; it starts at `start` now.
    Gone {
        start: u64,
    },
}

/// Messages that were read together.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) batch: RecordBatch,
    /// Offset of each row.
    pub(crate) offsets: Vec<u64>,
    /// The first offset after it.
    pub(crate) next: u64,
    /// Messages in it that are not records.
    pub(crate) unreadable: u64,
}

impl Source {
    pub(crate) async fn partitions(&self) -> Result<u32, Error> {
        self.reader.partitions(topic::RECORDS).await.map_err(Error::Tail)
    }

    pub(crate) async fn bounds(&self, at: &Partition) -> Result<Range<u64>, Error> {
        self.reader.bounds(at).await.map_err(Error::Tail)
    }

    /// The messages from `from` on. Where the first is not the one that was wanted, the bounds are
    /// looked at after the messages: what is there then was there before.
    pub(crate) async fn read(&self, at: &Partition, from: u64) -> Result<Read, Error> {
        let messages = self.reader.read(at, from, READ_BYTES_MAX, Duration::ZERO).await.map_err(Error::Tail)?;
        if let Some((first, last)) = messages.first().zip(messages.last())
            && first.offset == from
        {
            return Piece::decode(&messages, last.offset + 1).map(Read::Piece);
        }
        let start = self.bounds(at).await?.start;
        if start > from {
            return Ok(Read::Gone { start });
        }
        let Some(last) = messages.last() else { return Ok(Read::Nothing) };
        Piece::decode(&messages, last.offset + 1).map(Read::Piece)
    }
}

impl Piece {
    fn decode(messages: &[Stored], next: u64) -> Result<Piece, Error> {
        let (mut records, mut offsets, mut unreadable) = (Vec::with_capacity(messages.len()), Vec::new(), 0);
        for message in messages {
            match Record::from_message(&message.value, message.header(FINGERPRINT_HEADER).map(AsRef::as_ref)) {
                Ok(record) => {
                    records.push(record);
                    offsets.push(message.offset);
                }
                Err(_) => unreadable += 1,
            }
        }
        let batch = schemas::arrow::to_batch(&records).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Piece { batch, offsets, next, unreadable })
    }

    /// Without the rows before `from`.
    pub(crate) fn starting(mut self, from: u64) -> Piece {
        let before = self.offsets.partition_point(|offset| *offset < from);
        self.batch = self.batch.slice(before, self.offsets.len() - before);
        self.offsets.drain(..before);
        self
    }

    /// Without the rows from `end` on.
    pub(crate) fn ending(mut self, end: u64) -> Piece {
        let within = self.offsets.partition_point(|offset| *offset < end);
        self.batch = self.batch.slice(0, within);
        self.offsets.truncate(within);
        self
    }
}
