//! How far the log has come, as far as this process has seen: what waiting readers and members watch.
//!
//! The writer tells of its own transactions at once, and of those of other processes when it has noticed them. Each
//! partition is watched by itself: what is written wakes those who wait for it, and nobody else.

use std::collections::BTreeMap;

use futures::{StreamExt, stream::FuturesUnordered};
use rusqlite::Connection;
use tokio::sync::watch;

use super::catalogue::PartitionId;

/// What was written, by whomever: the offsets that will be written next, and the generations of groups.
#[derive(Debug, Default)]
pub(super) struct News {
    next: BTreeMap<PartitionId, u64>,
    generations: BTreeMap<String, u64>,
}

/// Grows only.
#[derive(Debug)]
pub(super) struct Seen {
    next: BTreeMap<PartitionId, watch::Sender<u64>>,
    generations: watch::Sender<BTreeMap<String, u64>>,
}

impl News {
    /// All that the file has.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<News> {
        let next = connection
            .prepare_cached("SELECT id, next FROM partitions")?
            .query_map([], |row| Ok((PartitionId(row.get(0)?), row.get::<_, i64>(1)? as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        let generations = connection
            .prepare_cached("SELECT name, generation FROM groups")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(News { next, generations })
    }

    pub(super) fn wrote(&mut self, next: impl IntoIterator<Item = (PartitionId, u64)>) {
        self.next.extend(next);
    }

    pub(super) fn changed(&mut self, generations: impl IntoIterator<Item = (String, u64)>) {
        self.generations.extend(generations);
    }
}

impl Seen {
    pub(super) fn new(news: News) -> Seen {
        let next = news.next.into_iter().map(|(id, next)| (id, watch::Sender::new(next))).collect();
        Seen { next, generations: watch::Sender::new(news.generations) }
    }

    /// The offset that will be written next.
    pub(super) fn next(&self, partition: PartitionId) -> u64 {
        self.next.get(&partition).map(|next| *next.borrow()).unwrap_or_default()
    }

    pub(super) fn generation(&self, group: &str) -> u64 {
        self.generations.borrow().get(group).copied().unwrap_or_default()
    }

    /// Takes what is newer, which can be seen from now on, and gives it back. Those who wait for it are not woken yet.
    pub(super) fn advance(&self, mut news: News) -> News {
        news.next.retain(|id, next| self.next.get(id).is_some_and(|known| raise_silently(known, *next)));
        self.generations.send_if_modified(|known| {
            news.generations.retain(|group, generation| {
                let known = known.entry(group.clone()).or_default();
                raise(known, *generation)
            });
            false
        });
        news
    }

    pub(super) fn wake(&self, news: &News) {
        for next in news.next.keys().filter_map(|id| self.next.get(id)) {
            next.send_if_modified(|_| true);
        }
        self.generations.send_if_modified(|_| !news.generations.is_empty());
    }

    /// Waits for something from `from` on; where it ends then.
    pub(super) async fn beyond(&self, partition: PartitionId, from: u64) -> u64 {
        let Some(next) = self.next.get(&partition) else { return std::future::pending().await };
        let mut next = next.subscribe();
        // The sender is ours.
        next.wait_for(|next| *next > from).await.map_or(from, |next| *next)
    }

    /// Waits for something from one of these offsets on, or for a generation of the group after this one.
    pub(super) async fn news(
        &self,
        offsets: impl Iterator<Item = (PartitionId, u64)>,
        (group, generation): (&str, u64),
    ) {
        let mut arrived: FuturesUnordered<_> = offsets.map(|(id, from)| self.beyond(id, from)).collect();
        let mut generations = self.generations.subscribe();
        let changed = |known: &BTreeMap<String, u64>| known.get(group).is_some_and(|known| *known > generation);
        tokio::select! {
            Some(_) = arrived.next() => {}
            _ = generations.wait_for(changed) => {}
        }
    }
}

fn raise_silently(known: &watch::Sender<u64>, value: u64) -> bool {
    let mut raised = false;
    known.send_if_modified(|known| {
        raised = raise(known, value);
        false
    });
    raised
}

fn raise(known: &mut u64, value: u64) -> bool {
    let raised = value > *known;
    *known = value.max(*known);
    raised
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const A: PartitionId = PartitionId(1);
    const B: PartitionId = PartitionId(2);

    fn news(next: &[(PartitionId, u64)], generations: &[(&str, u64)]) -> News {
        let mut news = News::default();
        news.wrote(next.iter().copied());
        news.changed(generations.iter().map(|(group, generation)| ((*group).to_owned(), *generation)));
        news
    }

    #[tokio::test]
    async fn a_message_wakes_those_who_wait_for_its_partition_and_nobody_else() {
        let seen = Seen::new(news(&[(A, 0), (B, 0)], &[("g", 1)]));
        let mut a = Box::pin(seen.beyond(A, 0));
        let mut b = Box::pin(seen.beyond(B, 0));
        let mut member = Box::pin(seen.news([(A, 1), (B, 0)].into_iter(), ("g", 1)));
        assert!(a.as_mut().now_or_never().is_none() && b.as_mut().now_or_never().is_none());
        assert!(member.as_mut().now_or_never().is_none());
        seen.wake(&seen.advance(news(&[(A, 1)], &[("other", 1)])));
        assert_eq!(timeout(Duration::from_secs(5), a).await, Ok(1));
        assert!(b.as_mut().now_or_never().is_none() && member.as_mut().now_or_never().is_none());
        seen.wake(&seen.advance(news(&[(B, 7)], &[])));
        assert_eq!(timeout(Duration::from_secs(5), b).await, Ok(7));
        timeout(Duration::from_secs(5), member).await.expect("B has something");
        let member = seen.news([(A, 1)].into_iter(), ("g", 1));
        seen.wake(&seen.advance(news(&[], &[("g", 2)])));
        timeout(Duration::from_secs(5), member).await.expect("its group has changed");
    }

    #[tokio::test]
    async fn what_is_old_is_no_news() {
        let seen = Seen::new(news(&[(A, 5)], &[("g", 3)]));
        let fresh = seen.advance(news(&[(A, 5), (B, 1)], &[("g", 2)]));
        assert!(fresh.next.is_empty() && fresh.generations.is_empty());
        assert_eq!((seen.next(A), seen.next(B), seen.generation("g")), (5, 0, 3));
    }

    #[tokio::test]
    async fn who_comes_between_the_writing_and_the_waking_need_not_be_woken() {
        let seen = Seen::new(news(&[(A, 0)], &[]));
        let fresh = seen.advance(news(&[(A, 1)], &[]));
        assert_eq!(seen.beyond(A, 0).now_or_never(), Some(1));
        let mut waits = Box::pin(seen.beyond(A, 1));
        assert!(waits.as_mut().now_or_never().is_none());
        seen.wake(&fresh);
        assert!(waits.now_or_never().is_none(), "it was woken for what it has");
    }
}
