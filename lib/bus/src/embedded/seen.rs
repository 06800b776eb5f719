//! How far the log has come, as far as this process has seen: what waiting readers and members watch.
//!
//! The writer tells of its own transactions at once, and of those of other processes when it has noticed them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::catalogue::PartitionId;

/// Grows only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    next: BTreeMap<PartitionId, u64>,
    generations: BTreeMap<String, u64>,
}

impl Seen {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Seen> {
        let next = connection
            .prepare_cached("SELECT id, next FROM partitions")?
            .query_map([], |row| Ok((PartitionId(row.get(0)?), row.get::<_, i64>(1)? as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        let generations = connection
            .prepare_cached("SELECT name, generation FROM groups")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Seen { next, generations })
    }

    /// The offset that will be written next.
    pub(super) fn next(&self, partition: PartitionId) -> u64 {
        self.next.get(&partition).copied().unwrap_or_default()
    }

    pub(super) fn generation(&self, group: &str) -> u64 {
        self.generations.get(group).copied().unwrap_or_default()
    }

    /// Takes what is newer, and says whether anything was.
    pub(super) fn advance(&mut self, news: &Seen) -> bool {
        let partitions = news.next.iter().map(|(id, next)| raise(self.next.entry(*id).or_default(), *next));
        let partitions = partitions.fold(false, |any, raised| any | raised);
        let groups = news
            .generations
            .iter()
            .map(|(name, value)| raise(self.generations.entry(name.clone()).or_default(), *value));
        groups.fold(partitions, |any, raised| any | raised)
    }

    pub(super) fn wrote(&mut self, next: impl IntoIterator<Item = (PartitionId, u64)>) {
        self.next.extend(next);
    }

    pub(super) fn changed(&mut self, generations: impl IntoIterator<Item = (String, u64)>) {
        self.generations.extend(generations);
    }
}

fn raise(kept: &mut u64, value: u64) -> bool {
    let raised = value > *kept;
    *kept = value.max(*kept);
    raised
}
