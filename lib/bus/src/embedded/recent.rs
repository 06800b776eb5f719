//! The newest messages, in memory: who reads at the end of the log needs neither the file nor a thread that may wait
//! for it.
//!
//! The writer puts here what is durable, in the order of offsets. It refuses to have gaps: where another process has
//! written in between, what was before is forgotten, and the file tells.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{catalogue::PartitionId, reader::READ_MESSAGES_MAX};
use crate::Stored;

/// Bytes of messages that are kept, over all partitions.
const RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a kept message takes beside its bytes.
const MESSAGE_BYTES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Each without gaps.
    partitions: BTreeMap<PartitionId, VecDeque<Stored>>,
    /// Whose message is the oldest, the next oldest and so on; of those that are gone too.
    order: VecDeque<PartitionId>,
    bytes: usize,
}

impl Recent {
    pub(super) fn put(&self, written: Vec<(PartitionId, Stored)>) {
        let mut kept = self.kept();
        for (id, message) in written {
            kept.put(id, message);
        }
    }

    /// Messages from `from` on: at least one, and then as many as fit; `None` where the file has to be asked.
    pub(super) fn read(&self, id: PartitionId, from: u64, bytes_max: usize) -> Option<Vec<Stored>> {
        let kept = self.kept();
        let messages = kept.partitions.get(&id)?;
        let skipped = usize::try_from(from.checked_sub(messages.front()?.offset)?).ok()?;
        let mut bytes = 0;
        let fits = |message: &&Stored| {
            let is_first = bytes == 0;
            bytes += message.value.len().max(1);
            is_first || bytes <= bytes_max
        };
        let read: Vec<_> = messages.iter().skip(skipped).take(READ_MESSAGES_MAX).take_while(fits).cloned().collect();
        (!read.is_empty()).then_some(read)
    }

    /// What the file does not keep any more.
    pub(super) fn forget_before(&self, id: PartitionId, first: u64) {
        let mut kept = self.kept();
        while kept.partitions.get(&id).and_then(VecDeque::front).is_some_and(|message| message.offset < first) {
            kept.forget_first(id);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, id: PartitionId, message: Stored) {
        let newest = self.partitions.get(&id).and_then(VecDeque::back);
        if newest.is_some_and(|newest| newest.offset + 1 != message.offset) {
            *self = Kept::default();
        }
        self.bytes += byte_count(&message);
        self.partitions.entry(id).or_default().push_back(message);
        self.order.push_back(id);
        while self.bytes > RECENT_BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget_first(oldest);
        }
    }

    fn forget_first(&mut self, id: PartitionId) {
        let first = self.partitions.get_mut(&id).and_then(VecDeque::pop_front);
        self.bytes -= first.as_ref().map_or(0, byte_count);
    }
}

fn byte_count(message: &Stored) -> usize {
    MESSAGE_BYTES + message.key.len() + message.value.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ID: PartitionId = PartitionId(1);

    fn message(offset: u64, bytes: usize) -> Stored {
        Stored { offset, timestamp_us: 0, key: Bytes::new(), headers: Vec::new(), value: vec![7; bytes].into() }
    }

    fn put(recent: &Recent, offsets: std::ops::Range<u64>, bytes: usize) {
        recent.put(offsets.map(|offset| (ID, message(offset, bytes))).collect());
    }

    fn check(recent: &Recent, from: u64, bytes_max: usize, expected: Option<&[u64]>) {
        let read = recent.read(ID, from, bytes_max);
        let offsets = read.map(|messages| messages.iter().map(|message| message.offset).collect::<Vec<_>>());
        assert_eq!(offsets.as_deref(), expected);
    }

    #[test]
    fn gives_what_it_has_from_there_on_and_at_least_one() {
        let recent = Recent::default();
        check(&recent, 5, 100, None);
        put(&recent, 5..8, 10);
        check(&recent, 4, 100, None);
        check(&recent, 5, 100, Some(&[5, 6, 7]));
        check(&recent, 6, 15, Some(&[6]));
        check(&recent, 6, 1, Some(&[6]));
        check(&recent, 8, 100, None);
    }

    #[test]
    fn has_no_gaps_and_nothing_that_the_file_has_not() {
        let recent = Recent::default();
        put(&recent, 5..8, 10);
        put(&recent, 9..11, 10);
        check(&recent, 5, 100, None);
        check(&recent, 9, 100, Some(&[9, 10]));
        recent.forget_before(ID, 10);
        check(&recent, 9, 100, None);
        check(&recent, 10, 100, Some(&[10]));
    }

    #[test]
    fn keeps_the_newest_within_its_bytes() {
        let recent = Recent::default();
        let bytes = RECENT_BYTES_MAX / 4;
        put(&recent, 0..9, bytes);
        check(&recent, 5, usize::MAX, None);
        check(&recent, 6, usize::MAX, Some(&[6, 7, 8]));
        assert!(recent.kept().bytes <= RECENT_BYTES_MAX);
        recent.forget_before(ID, 9);
        assert_eq!(recent.kept().bytes, 0, "what was put is what is forgotten");
    }
}
