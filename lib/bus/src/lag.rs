//! How far a member of a group is behind the log: in offsets, and in time.
//!
//! The time is told without reading what is still to be read: where the log ends is looked at now and then, and what
//! is not done although the log ended behind it at an earlier look has waited since then, at least. On Kafka the last
//! offsets may be marks of transactions that nobody will ever read; before a wait counts as long, one message is asked
//! for to see whether there is any.
//!
//! It refuses to say anything while the log does not answer: what it said last stands, and the time of the last look
//! tells how old that is.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::timeout;

use crate::{Partition, Reader};

/// How long the log may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A wait that is longer is looked into.
const PLAUSIBLE_US: i64 = 15_000_000;
/// Looks that are kept of a partition.
const LOOKS_MAX: usize = 1024;

/// What is still to be done, over all partitions that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Offsets; marks of transactions count.
    pub offsets: u64,
    /// How long the oldest of it has been in the log, at least.
    pub oldest_us: i64,
}

#[derive(Debug, Default)]
pub struct Lag {
    partitions: BTreeMap<Partition, Looks>,
}

/// What was seen of one partition: where it ended at which time, oldest first.
#[derive(Debug, Default)]
struct Looks {
    seen: VecDeque<(i64, u64)>,
    /// There is nothing to be read before this offset.
    marks_until: u64,
}

impl Lag {
    /// `nexts`: what is not done yet of each partition of this member. `None` when the log does not say.
    pub async fn look(&mut self, reader: &dyn Reader, nexts: &[(Partition, u64)], now_us: i64) -> Option<Behind> {
        self.partitions.retain(|at, _| nexts.iter().any(|(asked, _)| asked == at));
        let mut behind = Behind::default();
        for (at, next) in nexts {
            let end = timeout(PATIENCE, reader.bounds(at)).await.ok()?.ok()?.end;
            let looks = self.partitions.entry(at.clone()).or_default();
            let mut waited_us = looks.waited_us(*next, end, now_us);
            if waited_us > PLAUSIBLE_US && is_all_marks(reader, at, *next).await {
                looks.marks_until = end;
                waited_us = 0;
            }
            behind.offsets += end.saturating_sub(*next);
            behind.oldest_us = behind.oldest_us.max(waited_us);
        }
        Some(behind)
    }
}

impl Looks {
    fn waited_us(&mut self, next: u64, end: u64, now_us: i64) -> i64 {
        let next = next.max(self.marks_until);
        while self.seen.front().is_some_and(|(_, end)| *end <= next) {
            self.seen.pop_front();
        }
        if self.seen.len() == LOOKS_MAX {
            self.seen.pop_back();
        }
        if end > next {
            self.seen.push_back((now_us, end));
        }
        self.seen.front().map_or(0, |(at_us, _)| (now_us - at_us).max(0))
    }
}

/// A log that does not say counts as one with something in it.
async fn is_all_marks(reader: &dyn Reader, at: &Partition, next: u64) -> bool {
    matches!(timeout(PATIENCE, reader.read(at, next, 1, Duration::ZERO)).await, Ok(Ok(messages)) if messages.is_empty())
}

#[cfg(test)]
mod tests {
    use std::{ops::Range, sync::Mutex};

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::{Error, Stored};

    /// One partition that ends at an offset, the last so many of which are marks.
    #[derive(Debug, Default)]
    struct Ends(Mutex<(u64, u64)>);

    #[async_trait]
    impl Reader for Ends {
        async fn partitions(&self, _: &str) -> Result<u32, Error> {
            Ok(1)
        }

        async fn bounds(&self, _: &Partition) -> Result<Range<u64>, Error> {
            Ok(0..self.0.lock().expect("nobody panics").0)
        }

        async fn read(&self, _: &Partition, from: u64, _: usize, _: Duration) -> Result<Vec<Stored>, Error> {
            let (end, marks) = *self.0.lock().expect("nobody panics");
            let message =
                Stored { offset: from, timestamp_us: 0, key: Bytes::new(), headers: vec![], value: Bytes::new() };
            Ok(if from < end - marks { vec![message] } else { vec![] })
        }
    }

    #[derive(Default)]
    struct Watch {
        log: Ends,
        lag: Lag,
    }

    impl Watch {
        /// The log ends at `end`, so many marks last; the member is at `next`: what is told after so many seconds.
        async fn at(&mut self, seconds: i64, (end, marks): (u64, u64), next: u64) -> (u64, i64) {
            *self.log.0.lock().expect("nobody panics") = (end, marks);
            let at = Partition { topic: "t".to_owned(), number: 0 };
            let behind = self.lag.look(&self.log, &[(at, next)], seconds * 1_000_000).await.expect("it answers");
            (behind.offsets, behind.oldest_us / 1_000_000)
        }
    }

    #[tokio::test]
    async fn what_was_there_at_an_earlier_look_has_waited_since() {
        let mut watch = Watch::default();
        assert_eq!(watch.at(100, (10, 0), 10).await, (0, 0));
        assert_eq!(watch.at(105, (20, 0), 10).await, (10, 0));
        assert_eq!(watch.at(110, (30, 0), 10).await, (20, 5));
        // The first ten are done; the next ten came between the two looks.
        assert_eq!(watch.at(115, (30, 0), 20).await, (10, 5));
        assert_eq!(watch.at(160, (30, 0), 20).await, (10, 50));
        assert_eq!(watch.at(165, (30, 0), 30).await, (0, 0));
    }

    #[tokio::test]
    async fn marks_that_nobody_reads_do_not_wait() {
        let mut watch = Watch::default();
        assert_eq!(watch.at(0, (11, 1), 10).await, (1, 0));
        assert_eq!(watch.at(20, (11, 1), 10).await, (1, 0));
        assert_eq!(watch.at(60, (11, 1), 10).await, (1, 0));
        // Then there is something again.
        assert_eq!(watch.at(65, (13, 1), 10).await, (3, 0));
        assert_eq!(watch.at(90, (13, 1), 10).await, (3, 25));
    }

    #[tokio::test]
    async fn looks_are_bounded() {
        let mut watch = Watch::default();
        for second in 0..5000 {
            watch.at(second, (second as u64 + 1, 0), 0).await;
        }
        assert_eq!(watch.at(5000, (5001, 0), 0).await, (5001, 5000));
        assert!(watch.lag.partitions.values().all(|looks| looks.seen.len() <= LOOKS_MAX));
    }
}
