//! The tail: records that the log holds and no file does yet.
//!
//! While there are questions, what was decoded once is kept until it is archived, up to a limit, so that a statement only
//! pays for what is new. What does not fit is read again by each statement that needs it, a piece at a time. While
//! nobody asks, nothing is decoded and nothing kept.
//!
//! It refuses to skip over messages that went away between two looks: whoever asks must look at the commit log again.

mod kept;
mod source;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::array::RecordBatch;
use bus::{Partition, Reader};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::topic;
use tokio::sync::Mutex;

use self::kept::Kept;
pub(crate) use self::source::{Read, Source};
use crate::{Error, commits::Committed};

/// Partitions that are looked at together.
const LOOKS_AT_ONCE_MAX: usize = 4;

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

    /// All that comes after `committed`; none when the log has moved on and a newer commit log is needed. The partitions
    /// are looked at together: each look is a question to the log.
    pub(crate) async fn after(&self, committed: &Committed, look: Look, gone: Gone) -> Result<Option<Tails>, Error> {
        let partitions = self.source.partitions().await?;
        let mut all = self.kept.lock().await;
        for number in 0..partitions {
            all.entry(number).or_default();
        }
        let bytes_max = if look == Look::Read { self.kept_bytes_max } else { 0 };
        if look == Look::Watch {
            all.values_mut().for_each(Kept::let_go);
        }
        let room = Room { bytes: AtomicUsize::new(all.values().map(Kept::bytes).sum()), bytes_max };
        let mut looks = Vec::new();
        for (number, kept) in all.iter_mut() {
            looks.push(self.partition(kept, (*number, committed.next(*number)), &room, gone));
        }
        let found: Vec<Option<PartitionTail>> = stream::iter(looks).buffered(LOOKS_AT_ONCE_MAX).try_collect().await?;
        let complaint = all.iter().find_map(|(number, kept)| kept.complaint(*number));
        let partitions: Option<Vec<PartitionTail>> = found.into_iter().collect();
        Ok(partitions.map(|partitions| Tails { partitions, complaint }))
    }

    async fn partition(
        &self,
        kept: &mut Kept,
        (number, from): (u32, u64),
        room: &Room,
        gone: Gone,
    ) -> Result<Option<PartitionTail>, Error> {
        let at = Partition { topic: topic::RECORDS.to_owned(), number };
        let Range { start, end } = self.source.bounds(&at).await?;
        room.change(kept, |kept| {
            kept.forget_below(from);
            Ok(())
        })?;
        kept.ends_early = end < from;
        if start > kept.next() {
            match gone {
                Gone::LookAgain => return Ok(None),
                Gone::Complain => kept.skip_to(start),
            }
        }
        while kept.next() < end && room.is_left() {
            match (self.source.read(&at, kept.next()).await?, gone) {
                (Read::Piece(piece), _) => room.change(kept, |kept| kept.take(piece))?,
                (Read::Nothing, _) => kept.pass(end),
                (Read::Gone { .. }, Gone::LookAgain) => return Ok(None),
                (Read::Gone { start }, Gone::Complain) => kept.skip_to(start),
            }
        }
        Ok(Some(PartitionTail { at, batches: kept.batches(), rest: kept.next().min(end)..end }))
    }
}

/// What may be kept of all partitions together. Those that are looked at together may go beyond it by a read each.
struct Room {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Room {
    fn is_left(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.bytes_max
    }

    fn change(&self, kept: &mut Kept, change: impl FnOnce(&mut Kept) -> Result<(), Error>) -> Result<(), Error> {
        let before = kept.bytes();
        let changed = change(kept);
        self.bytes.fetch_add(kept.bytes(), Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        changed
    }
}
