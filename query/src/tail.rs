//! The tail: records that the log holds and no file does yet.
//!
//! While there are questions, what was decoded once is kept until it is archived, up to a limit, so that a statement only
//! pays for what is new. What does not fit is read again by each statement that needs it, a piece at a time. While
//! nobody asks, nothing is decoded and nothing kept.
//!
//! It refuses to skip over messages that went away between two looks: whoever asks must look at the commit log again.

mod kept;
mod source;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow::array::RecordBatch;
use bus::{Partition, Reader};
use schemas::topic;
use tokio::sync::Mutex;

use self::kept::Kept;
pub(crate) use self::source::{Read, Source};
use crate::{Error, commits::Committed};

#[derive(Debug)]
pub(crate) struct Tail {
    source: Source,
    kept_bytes_max: usize,
    kept: Mutex<BTreeMap<u32, Kept>>,
}

/// The tails of all partitions at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tails {
    pub(crate) partitions: Vec<PartitionTail>,
    /// What is wrong with them, for those who watch over this service.
    pub(crate) complaint: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct PartitionTail {
    pub(crate) at: Partition,
    pub(crate) batches: Vec<RecordBatch>,
    /// Offsets after those of the batches: not kept, to be read by the statement itself.
    pub(crate) rest: Range<u64>,
}

impl Tails {
    /// As many as are kept decoded.
    pub(crate) fn rows(&self) -> usize {
        self.partitions.iter().flat_map(|partition| &partition.batches).map(RecordBatch::num_rows).sum()
    }
}

/// How much is done about what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Decoded and kept, for the statement that asks and the next.
    Read,
    /// Nothing is decoded, and what was is let go.
    Watch,
}

/// What to do about messages that are neither in a file nor in the log any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The commit log may name them by now: look again.
    LookAgain,
    /// It does not: they are lost. Complain, and go on after them.
    Complain,
}

impl Tail {
    pub(crate) fn new(reader: Arc<dyn Reader>, kept_bytes_max: usize) -> Tail {
        Tail { source: Source { reader }, kept_bytes_max, kept: Mutex::default() }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// All that comes after `committed`; none when the log has moved on and a newer commit log is needed.
    pub(crate) async fn after(&self, committed: &Committed, look: Look, gone: Gone) -> Result<Option<Tails>, Error> {
        let mut all = self.kept.lock().await;
        let bytes_max = if look == Look::Read { self.kept_bytes_max } else { 0 };
        if look == Look::Watch {
            all.values_mut().for_each(Kept::let_go);
        }
        let mut tails = Tails::default();
        for number in 0..self.source.partitions().await? {
            let mut kept = all.remove(&number).unwrap_or_default();
            let others: usize = all.values().map(Kept::bytes).sum();
            let room = bytes_max.saturating_sub(others);
            let tail = self.partition(&mut kept, (number, committed.next(number)), room, gone).await;
            tails.complaint = tails.complaint.or_else(|| kept.complaint(number));
            all.insert(number, kept);
            let Some(tail) = tail? else { return Ok(None) };
            tails.partitions.push(tail);
        }
        Ok(Some(tails))
    }

    async fn partition(
        &self,
        kept: &mut Kept,
        (number, from): (u32, u64),
        room: usize,
        gone: Gone,
    ) -> Result<Option<PartitionTail>, Error> {
        let at = Partition { topic: topic::RECORDS.to_owned(), number };
        let Range { start, mut end } = self.source.bounds(&at).await?;
        kept.forget_below(from);
        kept.ends_early = end < from;
        if start > kept.next() {
            match gone {
                Gone::LookAgain => return Ok(None),
                Gone::Complain => kept.skip_to(start),
            }
        }
        while kept.next() < end && kept.bytes() < room {
            match (self.source.read(&at, kept.next()).await?, gone) {
                (Read::Piece(piece), _) => kept.take(piece)?,
                (Read::Nothing, _) => end = kept.next(),
                (Read::Gone { .. }, Gone::LookAgain) => return Ok(None),
                (Read::Gone { start }, Gone::Complain) => kept.skip_to(start),
            }
        }
        Ok(Some(PartitionTail { at, batches: kept.batches(), rest: kept.next().min(end)..end }))
    }
}
